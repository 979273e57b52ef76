"""The agent, as agent/loop.py behaves: it watches Sallocs, ends what it is told to end, and repeats what was not heard.

Its batch jobs are in hands.py.
"""

from typing import TYPE_CHECKING, Any

from jobd.wire import codec
from jobd.wire import messages as m
from jobd.wire.verbs import FROM_AGENT, TO_AGENT
from sim.faults import promise
from sim.hands import FakeHands
from sim.sallocs import FakeSalloc

if TYPE_CHECKING:
    from sim.simulator import Simulation

GRACE_S = 5.0
SALLOC_EXIT_S = 5.0


class FakeWatch:
    """What the agent keeps of a job."""

    def __init__(self, watched: m.Watched, salloc: FakeSalloc) -> None:
        self.watched = watched
        self.salloc = salloc
        self.is_client_gone = False
        self.kill_at_s: float | None = None
        self.is_over = False
        self.end_at_s: float | None = None
        self.gone: m.Gone | None = None


class FakeAgent:
    """The hands, as agent/loop.py moves them."""

    def __init__(self, sim: "Simulation", pid: int) -> None:
        self.sim = sim
        self.pid = pid
        self.watches: dict[int, FakeWatch] = {}
        self.is_connected = False
        self.connections = 0
        self.is_ending_all = False
        self.out: list[bytes] = []
        self.hands = FakeHands(sim, self)

    @property
    def connection(self) -> bytes:
        """What the server knows it by: another one with each connection."""
        return f"{self.pid}.{self.connections}".encode()

    def connected(self) -> None:
        self.is_connected = True
        self.connections += 1
        self.out.clear()
        self.hands.prefetched.clear()
        self.say(m.Hello(self.pid, 1, "boot", "0"))
        for watch in self.watches.values():
            if watch.gone is not None:
                self.say(watch.gone)
        self.hands.connected()

    def say(self, message: Any) -> None:
        if self.is_connected:
            self.out.append(codec.encode_named(FROM_AGENT, message))
            if not self.hands.prefetched and not self.hands.vacant:
                self.flush()  # else what leaves and what begins in its place are told as one

    def flush(self) -> None:
        """Send what was said."""
        if self.out:
            self.sim.from_agent.append((self.connection, tuple(self.out)))
            self.out.clear()

    def hear(self, data: bytes) -> None:
        message = codec.decode_named(TO_AGENT, data)
        if isinstance(message, m.Watch):
            for watched in () if self.is_ending_all else message.jobs:
                self.watch(watched)
        elif isinstance(message, m.Kill) and not message.attempt:
            watch = self.watches.get(message.job_id)
            if watch is not None and watch.gone is None:
                self.kill(watch)
        elif isinstance(message, m.Forget):
            watch = self.watches.pop(message.job_id, None)
            self.sim.notes.pop(message.job_id, None)
            promise(
                watch is None or not watch.salloc.is_command_alive,
                f"job {message.job_id} is forgotten while its command lives",
            )
        elif isinstance(message, m.Bye):
            if self.is_idle and all(watch.gone.is_known for watch in self.watches.values() if watch.gone):
                self.sim.agent = None
        else:
            self.hands.hear(message)

    @property
    def is_idle(self) -> bool:
        """Whether nothing lives that it should watch. What it still has to tell is in notes and in the launch book."""
        return not self.hands.is_any_living and all(watch.gone for watch in self.watches.values())

    def end_all(self) -> None:
        """Its scope is being stopped."""
        self.is_ending_all = True
        self.say(m.ScopeEnding())
        for watch in self.watches.values():
            if watch.gone is None:
                self.kill(watch)
        self.hands.end_all()

    def watch(self, watched: m.Watched) -> None:
        known = self.watches.get(watched.job_id)
        if known is not None:
            promise(known.watched.token == watched.token, "two jobs of one number")
            if known.gone is not None:
                self.say(known.gone)
            return
        salloc = next(one for one in self.sim.sallocs if one.submit.token == watched.token)
        promise(salloc.pid == watched.pid, "the wrong process is watched")
        watch = self.watches[watched.job_id] = FakeWatch(watched, salloc)
        if not salloc.is_alive:
            self.client_gone(watch)

    def outcome(self, watch: FakeWatch) -> tuple[bool, int | None, int | None]:
        note = self.sim.notes.get(watch.watched.job_id)
        if note is not None and note.token == watch.watched.token and note.is_over:
            return (True, note.exit_code, note.signal)
        return (False, None, None)

    def client_gone(self, watch: FakeWatch) -> None:
        watch.is_client_gone = True
        if not self.outcome(watch)[0]:
            self.say(m.Lost(watch.watched.job_id, None))
        self.kill(watch)

    def kill(self, watch: FakeWatch) -> None:
        if watch.kill_at_s is None:
            watch.kill_at_s = self.sim.seconds + GRACE_S
            if watch.watched.job_id not in self.sim.notes:
                watch.salloc.term()

    def step(self) -> None:
        """Look at everything once; what is due is done."""
        self.hands.step()
        now_s = self.sim.seconds
        for watch in list(self.watches.values()):
            salloc = watch.salloc
            if not salloc.is_alive and not watch.is_client_gone:
                self.client_gone(watch)
            if watch.kill_at_s is None or watch.gone is not None:
                continue
            if salloc.has_members():
                salloc.signal_members(hard=now_s >= watch.kill_at_s)
            elif watch.is_client_gone:
                watch.gone = m.Gone(watch.watched.job_id, *self.outcome(watch))
                self.say(watch.gone)
            elif watch.end_at_s is None:
                watch.end_at_s = now_s + SALLOC_EXIT_S
            elif now_s >= watch.end_at_s:
                salloc.kill()
