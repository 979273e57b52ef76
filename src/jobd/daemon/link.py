"""What is said to the agent: collected in a tick, and sent as one. Knows which blobs this agent was sent since its Hello."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from jobd.core.job import Job
from jobd.daemon.inputs import Comm
from jobd.wire import codec
from jobd.wire.batch import Blob
from jobd.wire.verbs import TO_AGENT

FRAMES_MAX = 1000  # of one message: what an agent takes in before it looks at its processes again
KEYS_KEPT_MAX = 4096  # blobs remembered as sent; an agent that has dropped one asks for it


class Link:
    """The connection to the agent. Without an agent what is said is dropped: a new one is told everything anyway."""

    def __init__(self, comm: Comm) -> None:
        self.agent: bytes | None = None
        self.pid: int | None = None
        self._comm = comm
        self._sent: OrderedDict[str, None] = OrderedDict()
        self._messages: list[bytes] = []

    def said_hello(self, agent: bytes, pid: int) -> None:
        """An agent has (re)connected. What was said to the one before is of no account."""
        self.agent, self.pid = agent, pid
        self._sent.clear()

    def is_gone(self) -> None:
        """The agent has died."""
        self.agent = self.pid = None

    def say(self, message: Any) -> None:
        """Say it with the next `flush`."""
        if self.agent is not None:
            self._messages.append(codec.encode_named(TO_AGENT, message))

    def say_blob(self, key: str, read: Callable[[str], bytes | None], *, is_wanted: bool = False) -> None:
        """See that the agent has a blob: it is sent once a Hello, or again when it is `is_wanted`.

        Args:
            read: the bytes of a key, or None; asked only if they are to be sent.
        """
        if self.agent is None or not key:
            return
        if key in self._sent and not is_wanted:
            self._sent.move_to_end(key)
            return
        data = read(key)
        if data is None:
            return
        self.say(Blob(key, data))
        self._sent[key] = None
        self._sent.move_to_end(key)
        if len(self._sent) > KEYS_KEPT_MAX:
            self._sent.popitem(last=False)

    def say_blobs_of(self, job: Job, read: Callable[[str], bytes | None]) -> None:
        """See that the agent has the environment and the script of a batch job. One that is not there it will want."""
        assert job.spec.batch is not None
        for key in {job.spec.batch.environment: None, job.spec.batch.script: None}:
            self.say_blob(key, read)

    def flush(self) -> None:
        """Send what was said."""
        messages, self._messages = self._messages, []
        if self.agent is None:
            return
        for start in range(0, len(messages), FRAMES_MAX):
            self._comm.tell_agent(self.agent, messages[start : start + FRAMES_MAX])
