"""The batch side of the agent, as agent/batch.py, lives.py and recover.py behave: the launch book, attempts, limits, and what is said.

The book outlives the agent. The agent may die before any line of the book, any start of a process and any word.
"""

from typing import TYPE_CHECKING, Any

from jobd.states import Cause
from jobd.wire import batch as b
from jobd.wire import messages as m
from jobd.wire.blobs import key_of
from sim.faults import AgentDies, promise
from sim.runs import FakeRun
from sim.sallocs import TICKS

if TYPE_CHECKING:
    from sim.agents import FakeAgent
    from sim.simulator import Simulation

Key = tuple[int, int]


class Entry:
    """What the book has on one attempt."""

    def __init__(self, launch: b.Launch, began_s: float) -> None:
        self.launch = launch
        self.began_s = began_s
        self.run: FakeRun | None = None  # its pid
        self.change: b.Change | None = None
        self.over: b.Over | None = None
        self.left: b.Left | None = None


class FakeBook:
    """The file. Of another boot only ends are used, if it is there at all."""

    def __init__(self) -> None:
        self.entries: dict[Key, Entry] = {}
        self.forgotten: dict[Key, str] = {}

    def machine_boots(self, *, is_kept: bool) -> None:
        """All that is of the last boot."""
        self.entries = {key: entry for key, entry in self.entries.items() if is_kept and entry.left}
        self.forgotten.clear()


class FakeAttempt:
    """What the living agent knows of one."""

    def __init__(self, launch: b.Launch, began_s: float) -> None:
        self.launch = launch
        self.key = (launch.job_id, launch.attempt)
        self.began_s = began_s
        self.run: FakeRun | None = None  # what really was, whether or not its pid is known
        self.pid = 0
        self.is_adopted = False
        self.is_told = False
        self.is_main_over = False
        self.cause = Cause.SELF
        self.code: int | None = None
        self.signal: int | None = None
        self.over: b.Over | None = None
        self.left: b.Left | None = None
        self.kill_at_s: float | None = None
        self.cpus, self.memory_bytes, self.time_limit_s = (
            launch.cpus,
            launch.memory_bytes,
            launch.time_limit_s,
        )
        self.paused_s, self.is_paused = 0.0, False

    def over_message(self) -> b.Over:
        return b.Over(*self.key, self.launch.token, self.code, self.signal, self.cause.value)

    def left_message(self, at: float) -> b.Left:
        usage = (0.5, 4096) if self.pid else (0.0, 0)
        ended = (self.code, self.signal, self.cause.value, at)
        return b.Left(*self.key, self.launch.token, *ended, *usage, "", self.pid, TICKS if self.pid else 0)


class FakeHands:
    """All attempts of one agent."""

    def __init__(self, sim: "Simulation", agent: "FakeAgent") -> None:
        self.sim = sim
        self.agent = agent
        self.book = sim.book
        self.attempts: dict[Key, FakeAttempt] = {}
        self.parked: dict[Key, b.Launch] = {}
        self.changes: dict[Key, b.Change] = {}  # of parked ones
        self.blobs: set[str] = set()
        self.wanted: set[str] = set()
        self.is_ending_all = False
        self.prefetched: dict[Key, b.Launch] = {}
        self.vacant: list[FakeAttempt] = []

    @property
    def is_any_living(self) -> bool:
        return any(attempt.left is None for attempt in self.attempts.values())

    def say(self, message: Any) -> None:
        self.breathe()
        self.agent.say(message)

    def breathe(self) -> None:
        """It may die here."""
        left = self.sim.agent_breaths
        if left is not None:
            if left <= 0:
                raise AgentDies
            self.sim.agent_breaths = left - 1

    # ---- a new agent
    def recover(self) -> None:
        """Take over what the last one left."""
        for key, entry in self.book.entries.items():
            attempt = self.attempts[key] = FakeAttempt(entry.launch, entry.began_s)
            attempt.is_adopted = True
            attempt.left = entry.left
            if entry.left is not None:
                continue
            if entry.change is not None:
                self.take_change(attempt, entry.change)
            if entry.over is not None:
                attempt.over, attempt.is_told = entry.over, True
                attempt.cause = Cause(entry.over.cause)
                attempt.code, attempt.signal = entry.over.exit_code, entry.over.signal
            run = entry.run
            if run is None:
                found = self.sim.runs.get(key)  # by its marker
                if found is not None and found.is_command_alive:
                    run = found
                    self.note_run(attempt.key, run)
            if run is not None:
                attempt.run, attempt.pid = run, run.pid
            if run is not None and run.is_command_alive:
                if attempt.cause is not Cause.SELF:
                    self.end(attempt)
                continue
            attempt.is_main_over = True
            if attempt.code is None and attempt.signal is None:
                if run is None and attempt.over is None:
                    attempt.cause = Cause.UNSTARTED
                elif attempt.cause is Cause.SELF:
                    attempt.cause = Cause.LOST
            attempt.run = run or self.sim.runs.get(key)
            self.tell_over(attempt)
            self.end(attempt)

    def connected(self) -> None:
        self.wanted.clear()
        for attempt in self.attempts.values():
            self.repeat(attempt)

    def repeat(self, attempt: FakeAttempt) -> None:
        if attempt.launch.is_prefetched:
            self.tell_began(attempt.launch)
        if attempt.left is not None:
            self.say(attempt.left)
            return
        if attempt.pid:
            self.tell(attempt)
        if attempt.over is not None:
            self.say(attempt.over)

    def tell_began(self, launch: b.Launch) -> None:
        self.say(b.Began(launch.job_id, launch.attempt, launch.token, launch.cpus, launch.started_at))

    def tell(self, attempt: FakeAttempt) -> None:
        attempt.is_told = True
        at = self.sim.now().wall_s
        self.say(b.Launched(*attempt.key, attempt.launch.token, attempt.pid, TICKS, [], at))

    # ---- what the server says
    def hear(self, message: Any) -> None:
        if isinstance(message, b.Launch):
            self.launch(message)
        elif isinstance(message, b.Prefetch):
            self.prefetch(message.launch)
        elif isinstance(message, b.Recall):
            self.recall(message)
        elif isinstance(message, b.Blob):
            self.take_blob(message)
        elif isinstance(message, m.Kill):
            self.hear_kill(message)
        elif isinstance(message, b.ForgetAttempt):
            self.forget((message.job_id, message.attempt), message.token)
        elif isinstance(message, b.Change):
            self.hear_change(message)

    def take_blob(self, blob: b.Blob) -> None:
        promise(key_of(blob.data) == blob.key, "a blob that is not what its name says")
        self.blobs.add(blob.key)
        self.wanted.discard(blob.key)
        for launch in list(self.parked.values()):
            if missing := self.missing(launch):
                self.want(missing)
            else:
                self.launch(launch)

    def want(self, keys: list[str]) -> None:
        new = [key for key in keys if key not in self.wanted]
        if new:
            self.wanted.update(new)
            self.say(b.Want(new))

    def missing(self, launch: b.Launch) -> list[str]:
        return [key for key in (launch.environment, launch.script) if key and key not in self.blobs]

    def prefetch(self, launch: b.Launch) -> None:
        key = (launch.job_id, launch.attempt)
        if key not in self.attempts and key not in self.parked and key not in self.book.forgotten:
            self.prefetched[key] = launch

    def recall(self, recall: b.Recall) -> None:
        for job_id, attempt in recall.attempts:
            self.prefetched.pop((job_id, attempt), None)
        if not recall.attempts:
            self.prefetched.clear()
        self.say(b.Recalled(recall.number))

    def fill(self) -> None:
        """What was prefetched begins in the places of those that have left."""
        while self.vacant:
            left = self.vacant.pop(0)
            if not self.prefetched or self.is_ending_all or not self.agent.is_connected:
                continue
            key, launch = next(iter(self.prefetched.items()))
            if launch.nb_proc == left.launch.nb_proc and not self.missing(launch):
                del self.prefetched[key]
                self.sim.prefetched.add(key)
                begun = launch._replace(cpus=left.cpus, started_at=self.sim.now().wall_s, is_prefetched=True)
                self.tell_began(begun)
                self.start(begun)

    def launch(self, launch: b.Launch) -> None:
        key = (launch.job_id, launch.attempt)
        self.prefetched.pop(key, None)
        known = self.attempts.get(key)
        if known is not None:
            promise(known.launch.token == launch.token, f"attempt {key} of two jobs")
            self.repeat(known)
        elif self.is_ending_all:
            pass
        elif self.book.forgotten.get(key) == launch.token:
            promise(False, f"attempt {key} is launched again after its end was committed")
        elif missing := self.missing(launch):
            self.parked[key] = launch
            self.want(missing)
        else:
            self.parked.pop(key, None)
            self.start(launch)

    def hear_kill(self, message: m.Kill) -> None:
        key = (message.job_id, message.attempt)
        attempt, parked = self.attempts.get(key), self.parked.pop(key, None)
        self.prefetched.pop(key, None)
        if attempt is not None:
            if attempt.left is not None:
                self.say(attempt.left)
            else:
                self.end(attempt)
        elif parked is not None:
            self.say(FakeAttempt(parked, 0.0).left_message(0.0)._replace(cause=Cause.UNSTARTED.value))
        elif not self.is_ending_all:
            promise(key not in self.sim.runs or not self.sim.runs[key].has_members, f"{key} lives unknown")
            left = b.Left(*key, message.token, None, None, Cause.UNSTARTED.value, 0.0, 0.0, 0)
            self.say(left)

    def hear_change(self, change: b.Change) -> None:
        key = (change.job_id, change.attempt)
        attempt = self.attempts.get(key)
        if attempt is None:
            if key in self.parked:
                self.changes[key] = change
            return
        if attempt.left is None:
            self.breathe()
            self.book.entries[key].change = change
            if attempt.kill_at_s is None:
                self.take_change(attempt, change)

    def take_change(self, attempt: FakeAttempt, change: b.Change) -> None:
        attempt.cpus, attempt.memory_bytes = change.cpus, change.memory_bytes
        attempt.time_limit_s, attempt.paused_s = change.time_limit_s, change.paused_s
        attempt.is_paused = change.is_paused
        if attempt.run is not None:
            attempt.run.is_stopped = change.is_paused

    def forget(self, key: Key, token: str) -> None:
        attempt = self.attempts.get(key)
        if attempt is None:
            return
        promise(attempt.left is not None, f"attempt {key} is forgotten while it lives")
        promise(attempt.launch.token == token, f"attempt {key} is forgotten by the wrong token")
        del self.attempts[key]
        self.breathe()
        self.book.entries.pop(key, None)
        self.book.forgotten[key] = token

    # ---- starting
    def start(self, launch: b.Launch) -> None:
        sim, key = self.sim, (launch.job_id, launch.attempt)
        sim.ledger.check_launch(launch)
        self.breathe()
        attempt = FakeAttempt(launch, sim.seconds)
        if (
            sim.rng.random() < sim.rates["launch"] * 0.1
        ):  # no such folder, no room for its output, or for the book
            sim.launch_failures.add(key)
            attempt.cause, attempt.is_main_over = Cause.LAUNCH, True
            if sim.rng.random() < 0.7:
                self.book.entries[key] = Entry(launch, sim.seconds)
                sim.uncertain.add(key)  # should the agent die now
            self.attempts[key] = attempt
            self.finish(attempt)
            return
        self.book.entries[key] = Entry(launch, sim.seconds)
        try:
            self.breathe()
        except AgentDies:
            sim.uncertain.add(key)
            raise
        promise(key not in sim.runs or key in sim.unheard, f"attempt {key} was started twice")
        run = attempt.run = sim.runs[key] = FakeRun(sim, launch)
        try:
            self.note_run(key, run)
        except AgentDies:
            sim.uncertain.add(key)
            raise
        attempt.pid = run.pid
        self.attempts[key] = attempt
        if key in self.changes:
            self.hear_change(self.changes.pop(key))

    def note_run(self, key: Key, run: FakeRun) -> None:
        self.breathe()
        self.book.entries[key].run = run

    # ---- ending
    def end(self, attempt: FakeAttempt, *, hard: bool = False) -> None:
        if attempt.left is not None:
            return
        if attempt.kill_at_s is None or hard:
            attempt.kill_at_s = self.sim.seconds + (0.0 if hard else attempt.launch.grace_s)
            attempt.is_paused = False

    def end_for(self, attempt: FakeAttempt, cause: Cause, *, hard: bool = False) -> None:
        if attempt.kill_at_s is None and not attempt.is_main_over:
            attempt.cause = cause
            self.tell_over(attempt)
        self.end(attempt, hard=hard)

    def end_all(self) -> None:
        self.is_ending_all = True
        self.parked.clear()
        self.prefetched.clear()
        for attempt in self.attempts.values():
            if attempt.left is None:
                self.end_for(attempt, Cause.SCOPE)

    def tell_over(self, attempt: FakeAttempt) -> None:
        attempt.over = attempt.over_message()
        if attempt.pid and not attempt.is_told:
            self.tell(attempt)
        self.breathe()
        self.book.entries[attempt.key].over = attempt.over
        if attempt.run is not None and attempt.cause in (Cause.TIME_LIMIT, Cause.OUT_OF_MEMORY, Cause.SCOPE):
            attempt.run.hit = attempt.cause.value
        self.say(attempt.over)

    def main_ended(self, attempt: FakeAttempt) -> None:
        run = attempt.run
        assert run is not None and run.end is not None
        attempt.is_main_over = True
        if not attempt.is_adopted or self.sim.has_exit_info:
            attempt.code, attempt.signal = run.end
        elif attempt.cause is Cause.SELF:
            attempt.cause = Cause.LOST
        if attempt.kill_at_s is not None:
            self.breathe()
            self.book.entries[attempt.key].over = attempt.over_message()
        elif not run.has_members:
            self.finish(attempt)
        else:
            self.tell_over(attempt)
            self.end(attempt)

    def finish(self, attempt: FakeAttempt) -> None:
        if attempt.run is not None:
            attempt.run.reported = (attempt.code, attempt.signal)
        attempt.left = attempt.left_message(self.sim.now().wall_s)
        self.breathe()
        if attempt.key in self.book.entries:
            self.book.entries[attempt.key].left = attempt.left
        if self.prefetched and attempt.launch.token:
            self.vacant.append(attempt)
        self.say(attempt.left)

    def step(self) -> None:
        """Look at everything once; what is due is done."""
        for attempt in list(self.attempts.values()):
            if attempt.left is None:
                self.look(attempt)
        self.fill()

    def look(self, attempt: FakeAttempt) -> None:
        run, now_s = attempt.run, self.sim.seconds
        if run is not None and not run.is_command_alive and not attempt.is_main_over:
            self.main_ended(attempt)
        if attempt.left is not None:
            return
        if attempt.kill_at_s is not None:
            if run is not None and run.has_members:
                run.signal_members(hard=now_s >= attempt.kill_at_s)
            elif attempt.is_main_over or run is None:
                self.finish(attempt)
            return
        assert run is not None
        if not attempt.is_told and self.sim.rng.random() < 0.7:
            self.tell(attempt)
        if run.takes_too_much and attempt.memory_bytes:
            self.end_for(attempt, Cause.OUT_OF_MEMORY, hard=True)
        elif (
            attempt.time_limit_s is not None
            and not attempt.is_paused
            and now_s >= attempt.began_s + attempt.time_limit_s + attempt.paused_s
        ):
            self.end_for(attempt, Cause.TIME_LIMIT)
