"""The server in its simulated world: how it starts, ticks, dies and comes back, and what must be true of each commit and of each restart."""

from random import Random
from typing import Any

from core.worlds import check, image
from jobd.core import events as e
from jobd.core.job import Completing, Job, Now
from jobd.core.queue import Gate, shape_of
from jobd.core.resources import Capacity
from jobd.core.tree import below
from jobd.core.world import World
from jobd.daemon.inputs import AgentSaid, Facts, Input, Subscribed
from jobd.daemon.loop import Server
from jobd.daemon.prefetch import Prefetched
from jobd.daemon.recover import ended_by_reboot, recovered
from jobd.errors import JournalError
from jobd.settings import from_table
from jobd.states import Cause, OnKill
from jobd.wire import codec
from sim.agents import GRACE_S, FakeAgent
from sim.faults import Crash, FakeComm, FaultyJournal, promise
from sim.ledger import Ledger
from sim.runs import FakeRun
from sim.sallocs import NB_PROC_MAX, FakeSalloc
from sim.sbatch import GIB, FakeSbatch

CPUS = (0, 1, 2, 3)
CAPACITY = Capacity(8 * GIB, 2, (("seat", 2),))
CONFIG = from_table({"bypass_max": 3, "bypass_s": 20.0, "events_kept": 100_000, "kill_grace_s": GRACE_S})
ECHOES_MAX = 12


class Serving:
    """The server's part of a simulation."""

    rng: Random
    path: str
    seconds: float
    facts: Facts
    rates: dict[str, float]
    is_prefetching: bool
    prefetched: set[tuple[int, int]]
    processes: dict[int, tuple[int, int]]
    sallocs: list[FakeSalloc]
    sbatches: list[FakeSbatch]
    runs: dict[tuple[int, int], FakeRun]
    ledger: Ledger
    agent: FakeAgent | None
    server: Server | None
    to_server: list[Input]
    from_agent: list[tuple[bytes, tuple[bytes, ...]]]
    echoes: list[tuple[bytes, bytes]]
    to_agent: list[tuple[bytes, bytes]]
    was_committed: bool
    committed: dict[str, object] | None
    ticks: int
    crashes: int
    events_seen: int
    log: list[str]

    def now(self) -> Now:
        return Now(1_700_000_000.0 + self.seconds, 100.0 + self.seconds)

    def say(self, text: str) -> None:
        self.log.append(f"{self.seconds:8.2f} {text}")

    # ---- coming
    def start_server(self) -> None:
        """As daemon/main.py does it."""
        journal = FaultyJournal(self.path)
        journal.sim = self  # type: ignore[assignment]
        world = recovered(journal, CPUS, self.now(), CAPACITY)
        if journal.meta("nb_proc") is None:
            world.nb_proc_max = NB_PROC_MAX
        check(world)
        if self.committed is not None:
            found = whole(world)
            for what, value in self.committed.items():
                promise(found[what] == value, f"{what} after a restart: {found[what]}, before: {value}")
        server = self.server = Server(
            world=world,
            journal=journal,
            config=CONFIG,
            facts=self.facts,
            comm=FakeComm(self),  # type: ignore[arg-type]
            lookup=self.processes.get,
        )
        if self.is_prefetching:
            server.prefetched = Prefetched(short_s=1e9, average_s=0.0, answer_s=1e6)
        self.say("server starts")
        server.now = self.now()
        self.was_committed = False
        server.admit(ended_by_reboot(world, journal, self.facts.boot_id, self.now()))
        if self.rng.random() < 0.05 * self.rates["crash"]:
            journal.strike = self.rng.choice(("before", "after"))
        self.tick(boot_id=self.facts.boot_id)

    # ---- a tick
    def tick(self, **meta: object) -> None:
        server = self.server
        if server is None:
            return
        inputs = self.arrived()
        self.ticks += 1
        self.was_committed = False
        before = self.events_seen
        try:
            server.tick(inputs, self.now(), meta=meta)
        except Crash:
            self.crash()
            return
        except JournalError as error:
            promise(server.journal.was_full, f"no disk was full: {error}")  # type: ignore[attr-defined]
            self.stop_server()
            return
        finally:
            self.was_committed = True
            self.hear_answers()
        if self.events_seen != before or self.rng.random() < 0.1:
            check(server.world)
        if server.wake_at_s is not None:
            promise(
                server.wake_at_s > self.now().mono_s, "a tick leaves something overdue: the server would spin"
            )
        if server.is_done:
            self.say("server stops")
            try:
                server.say_bye()
            except Crash:
                self.crash()
            else:
                self.stop_server()

    def hear_answers(self) -> None:
        """What people are told."""
        raise NotImplementedError

    def arrived(self) -> list[Input]:
        """Clients come in any order; what the agent says keeps its own, and falls anywhere between them."""
        rng = self.rng
        rng.shuffle(self.to_server)
        taken = self.some_of(self.to_server)
        inputs: list[Input] = list(taken)
        place = 0
        for connection, frames in self.some_of(self.from_agent):
            for data in frames:
                if codec.unpack(data)[1] not in ("hello", "scope_ending"):  # these are true only once
                    self.echoes.append((connection, data))
            for _ in range(2 if rng.random() < 0.03 else 1):
                place = rng.randint(place, len(inputs))
                inputs[place:place] = [AgentSaid(connection, data) for data in frames]
                place += len(frames)
        del self.echoes[:-ECHOES_MAX]
        if self.echoes and rng.random() < 0.1 * self.rates["late"]:
            inputs.insert(rng.randint(0, len(inputs)), AgentSaid(*rng.choice(self.echoes)))
        for item in taken:
            if isinstance(item, Subscribed):
                for salloc in self.sallocs:
                    if salloc.is_subscribing and salloc.topic == item.topic:
                        salloc.is_subscribed, salloc.is_subscribing = True, False
        return inputs

    def some_of(self, wire: list[Any]) -> list[Any]:
        """Take what has arrived: any number of the first."""
        count = self.rng.randint(0, len(wire))
        taken = wire[:count]
        del wire[:count]
        return taken

    # ---- a commit
    @property
    def is_uncommitted(self) -> bool:
        """Whether the server has admitted what it has not committed."""
        return self.server is not None and bool(self.server.changes.events) and not self.was_committed

    def is_committed(self) -> None:
        """What the server knows now must be there after a crash."""
        assert self.server is not None
        self.was_committed = True
        self.committed = whole(self.server.world)

    def look_at(self, numbers: list[int]) -> None:
        """Promises on the events of a tick, just before they are committed."""
        if not numbers:
            return
        assert self.server is not None
        said = self.server.changes.events
        self.events_seen += len(said)
        promise([one.seq for one in said] == numbers, "other events than were decided")
        self.ledger.take(said)
        changed_late: set[int] = set()  # by a start: it could not be looked at before
        has_started = False
        for _, event, job in said:
            if job is None:
                continue
            has_started = has_started or isinstance(event, e.Started)
            if has_started and isinstance(event, e.Changed):
                changed_late.add(job.job_id)
            outcome = getattr(job.phase, "outcome", None)
            if outcome is not None and outcome.cause in (Cause.DELETED, Cause.SIGNALLED):
                self.check_tree(job)
            if isinstance(event, e.Ended) and not job.is_batch:
                self.check_is_over(job)
        for _, event, job in said:
            if (
                isinstance(event, e.Started)
                and job is not None
                and (job.job_id, job.attempt) not in self.prefetched
            ):
                self.check_order(job, changed_late)

    def check_order(self, job: Job, changed_late: set[int]) -> None:
        """No job has overtaken one of its own shape. An element that has left its array just now stood in the array's place."""
        assert self.server is not None
        place = job.key
        if any(
            isinstance(one.event, e.Split) and one.job is not None and one.job.job_id == job.job_id
            for one in self.server.changes.events
        ):
            place = (*job.key[:2], job.array_id or 0)
        for key in self.server.world.shapes.get(shape_of(job), ()):
            if key[2] not in changed_late and key[2] != job.array_id:
                promise(place < key, f"job {job.job_id} has overtaken {key}")
                return

    def check_is_over(self, job: Job) -> None:
        salloc = next(one for one in self.sallocs if one.submit.token == job.spec.token)
        promise(not salloc.is_command_alive, f"job {job.job_id} is called over while its command lives")
        promise(not salloc.leftovers, f"job {job.job_id} is called over while processes of it live")

    def check_tree(self, job: Job) -> None:
        """A job that is killed takes its tree along, in the same tick."""
        assert self.server is not None
        jobs = self.server.world.jobs
        is_below = job.spec.on_kill is OnKill.BELOW
        top = job.job_id if job.job_id in jobs else job.parent_id
        while not is_below and top in jobs and jobs[top].parent_id in jobs:
            top = jobs[top].parent_id
        if top not in jobs or (is_below and top != job.job_id):
            return
        if top == job.job_id and (jobs[top].is_waiting or jobs[top].attempt > job.attempt):
            return  # queued again after its end, and perhaps begun again, in the same tick
        for job_id in (top, *below(self.server.world, top)):
            promise(
                isinstance(jobs[job_id].phase, Completing),
                f"job {job.job_id} was killed, and job {job_id} of its tree was not",
            )

    # ---- going
    def crash(self) -> None:
        """kill -9 of the server: what it had said may or may not arrive, what was said to it is lost."""
        self.crashes += 1
        self.say("server dies")
        self.lose_connections(is_sudden=True)

    def stop_server(self) -> None:
        """It leaves in an orderly way: its last words arrive."""
        self.lose_connections(is_sudden=False)

    def lose_connections(self, *, is_sudden: bool) -> None:
        assert self.server is not None
        self.server.journal.close()
        self.server = None
        self.to_server.clear()
        self.from_agent.clear()
        if is_sudden:
            del self.to_agent[self.rng.randint(0, len(self.to_agent)) :]
        if self.agent is not None:
            agent = self.agent
            self.let_agent(lambda: self.hear_server(agent, len(self.to_agent)))
        if self.agent is not None:
            self.agent.is_connected = False
        self.to_agent.clear()
        for salloc in self.sallocs:
            if is_sudden and self.rng.random() < 0.5:
                salloc.replies.clear()
                salloc.events.clear()
            while salloc.replies:
                salloc.take_reply()
            while salloc.events and salloc.is_alive:
                salloc.take_event()
            salloc.is_subscribed = salloc.is_subscribing = False
            salloc.connection_broke()
        for sbatch in self.sbatches:
            if is_sudden and self.rng.random() < 0.5:
                sbatch.replies.clear()
            while sbatch.replies:
                sbatch.take_reply()
            sbatch.is_asked = False

    def hear_server(self, agent: FakeAgent, count: int) -> None:
        """The agent hears the first of what was said to it; what was said to another connection nobody hears."""
        arrived, self.to_agent[:count] = self.to_agent[:count], []
        for connection, data in arrived:
            if connection == agent.connection and self.agent is agent:
                agent.hear(data)
                if self.rng.random() < 0.03:
                    agent.hear(data)  # as a reconnection makes it

    def let_agent(self, act: Any) -> None:
        """Something that the agent does, and about which it may die."""
        raise NotImplementedError


def whole(world: World) -> dict[str, object]:
    """All that a restart must bring back: what is beside the jobs too, as far as it does not hang on the time of the restart."""
    found = image(world)
    del found["waiting"]  # a begin time may have come since
    return {
        **found,
        "queue": sorted([*world.waiting, *world.gated]),
        "gates": {
            job_id: gate for job_id, gate in world.gates.items() if gate not in (Gate.BEGIN, Gate.LIMIT)
        },
        "ends": {job_id: round(end_s, 3) for job_id, end_s in world.ends.items()},
        "in use": (
            world.in_use,
            dict(world.busy),
            dict(world.lent),
            dict(world.gpus_busy),
            set(world.paused),
        ),
        "waits": (dict(world.dependents.named), sorted(world.dependents.singletons)),
        "arrays": {
            array_id: (dict(array.by_index), array.is_waiting, array.limit, array.running, array.unstarted)
            for array_id, array in world.arrays.items()
        },
    }
