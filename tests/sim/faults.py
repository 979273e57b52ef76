"""What strikes the server: a journal and a Comm that may kill it at any step, and what a broken promise is."""

import logging
from typing import TYPE_CHECKING, Any

from jobd.daemon.loop import MISTAKE
from jobd.errors import JobdError, JournalError
from jobd.journal.journal import Journal
from jobd.wire import codec
from jobd.wire import messages as m
from jobd.wire.verbs import VERB_OF

if TYPE_CHECKING:
    from sim.simulator import Simulation


class Crash(BaseException):
    """The server dies here. No Exception, so that nothing in it survives by catching it."""


class AgentDies(BaseException):
    """The agent dies here."""


class Violation(AssertionError):
    """A promise was broken."""


def promise(is_kept: object, text: str) -> None:
    """Say which promise was broken."""
    if not is_kept:
        raise Violation(text)


class FaultyJournal(Journal):
    """The real journal, which may be struck before or after a commit, or find the disk full."""

    strike: str = ""
    was_full = False
    sim: "Simulation"

    def commit(self, **changes: Any) -> None:
        strike, self.strike = self.strike, ""
        if strike == "before":
            raise Crash
        if strike == "full":
            self.was_full = True
            raise JournalError(f"cannot write {self.path}: database or disk is full")
        events = list(changes.get("events", ()))
        self.sim.look_at([seq for seq, _, _ in events])
        super().commit(**{**changes, "events": events})
        self.sim.is_committed()
        if strike == "after":
            raise Crash


class FakeComm:
    """What the server says goes into the simulated wires. It may die before any word."""

    def __init__(self, sim: "Simulation") -> None:
        self._sim = sim
        self.words_left: int | None = None  # until a crash

    def _count(self) -> None:
        if self.words_left is not None:
            if self.words_left == 0:
                raise Crash
            self.words_left -= 1

    def reply(self, reply_to: Any, data: bytes) -> None:
        self._count()
        is_error = codec.unpack(data)[1] == "error"
        promise(not is_error or MISTAKE not in codec.unpack(data)[2][1], "the server made a mistake")
        promise(is_error or not self._sim.is_uncommitted, "something was answered before it was committed")
        client, connection = reply_to
        client.replies.append((connection, data))

    def tell_agent(self, agent: bytes, messages: list[bytes]) -> None:
        self._count()
        promise(not self._sim.is_uncommitted, "the agent was told before the commit")
        self._sim.to_agent += [(agent, data) for data in messages]

    def publish(self, topic: bytes, data: bytes) -> None:
        self._count()
        promise(not self._sim.is_uncommitted, "something was published before it was committed")
        for salloc in self._sim.sallocs:
            if salloc.is_subscribed and topic.startswith(salloc.topic):
                salloc.events.append(data)

    def agent_said_hello(self, hello: m.Hello) -> None:
        pass


class Person:
    """Somebody with one request: Sdelete, jobctl set-nb-proc, Sserver -1. Repeats nothing."""

    def __init__(self, request: Any) -> None:
        self.request = request
        self.replies: list[tuple[int, bytes]] = []

    def answer(self) -> Any:
        """What was answered; None for a refusal, or nothing."""
        if not self.replies:
            return None
        try:
            return codec.decode_reply(VERB_OF[type(self.request)], self.replies.pop()[1])
        except JobdError:
            return None


class Ear(logging.Handler):
    """Hears what the server logs: some of it is a promise broken."""

    MISTAKES = ("dropped", "a request failed", "an answer failed", "job %d: blob", "blob %s")

    def __init__(self) -> None:
        super().__init__(logging.WARNING)

    def emit(self, record: logging.LogRecord) -> None:
        if str(record.msg).startswith(self.MISTAKES):
            text = record.getMessage()
            if record.exc_info is not None and record.exc_info[1] is not None:
                text += f": {record.exc_info[1]!r}"
                raise Violation(text) from record.exc_info[1]
            raise Violation(text)
