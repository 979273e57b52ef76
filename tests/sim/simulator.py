"""A simulated world around the real server: the real loop, core and journal; fake clock, sockets, agent, Sallocs and processes.

One integer seeds everything: what people do, in which order messages arrive, and what breaks. The fakes speak the protocol of
agent/loop.py, cli/salloc.py and cli/command.py, message for message, through the real codec.

What may go wrong: the server dies before or after a commit, or between any two things it says; a disk is full; the agent dies; connections
break, with all that was under way; requests are sent twice; Sallocs are killed at any point of their life; limits change; jobs
are deleted; the server is stopped, with or without its jobs. Messages of one connection keep their order, as ZeroMQ has it; those of different
connections come in any order.
"""

import os
import shutil
from random import Random
from typing import Any

from core.worlds import check, image
from jobd.core.job import Completing, Job, Now
from jobd.core.tree import below
from jobd.daemon.inputs import AgentSaid, Facts, Input, Request, Subscribed
from jobd.daemon.loop import Server
from jobd.daemon.peers import Peer
from jobd.daemon.recover import recovered
from jobd.errors import JournalError
from jobd.settings import from_table
from jobd.states import Cause
from jobd.wire import codec
from jobd.wire import messages as m
from jobd.wire.notes import Note
from sim.agents import GRACE_S, FakeAgent
from sim.faults import Crash, FakeComm, FaultyJournal, Person, Violation, promise
from sim.sallocs import NB_PROC_MAX, UID, FakeSalloc

CPUS = (0, 1, 2, 3)
DEPTH_MAX = 4
ROUNDS_MAX = 400  # of the drain, each a second long
CONFIG = from_table({"bypass_max": 3, "bypass_s": 20.0, "events_kept": 100_000, "kill_grace_s": GRACE_S})


class Simulation:
    """One history: `run` lives it and checks every promise."""

    def __init__(self, seed: int, folder: str, template: str) -> None:
        self.seed = seed
        self.rng = Random(seed)
        self.path = os.path.join(folder, f"journal-{seed}")
        shutil.copyfile(template, self.path)
        self.seconds = 0.0
        self.facts = Facts("0", 1, UID, "me", "server", "boot", 0.0)
        self.processes: dict[int, tuple[int, int]] = {}
        self.notes: dict[int, Note] = {}
        self.sallocs: list[FakeSalloc] = []
        self.salloc_of: dict[int, FakeSalloc] = {}
        self.agent: FakeAgent | None = None
        self.server: Server | None = None
        self.to_server: list[Input] = []
        self.from_agent: list[bytes] = []
        self.to_agent: list[tuple[bytes, bytes]] = []
        self.persons: list[Person] = []
        self.was_committed = False  # in this tick
        self.committed: dict[str, object] | None = None
        self.ticks = 0
        self.crashes = 0
        self.log: list[str] = []
        self.rates = {name: self.rng.choice((0.0, 0.3, 1.0)) for name in ("crash", "kill", "people", "agent")}

    # ---- the history
    def run(self, steps: int = 80) -> None:
        """Live it. Raises Violation, or whatever the server raised."""
        self.start_server()
        for _ in range(steps):
            self.step()
        self.drain()
        self.check_the_end()
        assert self.server is not None
        self.server.journal.close()

    def step(self) -> None:
        rng = self.rng
        draw = rng.random()
        self.seconds += rng.choice((0.0, 0.0, 0.01, 0.3, 1.0, 4.0))
        if draw < 0.2:
            self.new_salloc()
        elif draw < 0.32:
            self.some_command_ends()
        elif draw < 0.38 and rng.random() < self.rates["kill"]:
            self.kill_some_salloc()
        elif draw < 0.45 and rng.random() < self.rates["people"]:
            self.somebody_asks()
        elif draw < 0.50 and rng.random() < self.rates["agent"]:
            self.agent_trouble()
        elif draw < 0.56 and rng.random() < self.rates["crash"]:
            self.server_trouble()
        elif self.server is None and rng.random() < 0.4:
            self.start_server()
        self.move_messages(rng.random())
        self.tick()

    # ---- what happens
    def new_salloc(self) -> None:
        rng = self.rng
        inside = [one for one in self.sallocs if one.is_command_alive and one.depth < DEPTH_MAX]
        parent = rng.choice(inside) if inside and rng.random() < 0.6 else None
        salloc = FakeSalloc(self, len(self.sallocs) + 1, parent, is_detached=rng.random() < 0.2)
        self.sallocs.append(salloc)
        if parent is not None:
            parent.children.append(salloc)

    def some_command_ends(self) -> None:
        alive = [one for one in self.sallocs if one.is_command_alive]
        if alive:
            one = self.rng.choice(alive)
            one.command_ends(one.natural_end)

    def kill_some_salloc(self) -> None:
        alive = [one for one in self.sallocs if one.is_alive]
        if alive:
            one = self.rng.choice(alive)
            how = self.rng.choice(("STOP", "TERM", "KILL"))
            self.say(f"{how} to Salloc {one.pid} ({one.state})")
            if how == "STOP":
                one.frozen_until_s = self.seconds + self.rng.choice((3.0, 30.0))
            elif how == "TERM":
                one.term()
            else:
                one.kill()

    def somebody_asks(self) -> None:
        rng = self.rng
        number = rng.random()
        request: Any
        if number < 0.5 and self.salloc_of:
            known = (
                range(1, self.server.world.next_job_id + 1)
                if self.server is not None
                else list(self.salloc_of)
            )
            request = m.Delete([rng.choice(known) for _ in range(rng.choice((1, 1, 2)))])
        elif number < 0.85:
            request = m.SetLimits(rng.randrange(0, 6), rng.choice((None, 2, NB_PROC_MAX)))
        elif number < 0.95:
            request = m.Stop(rng.random() < 0.4)
        else:
            request = m.ListJobs(is_finished=rng.random() < 0.5)
        self.say(f"{request}")
        person = Person()
        self.persons.append(person)
        self.to_server.append(Request((person, 0), Peer(UID, 5), codec.encode_request(request)))

    def agent_trouble(self) -> None:
        if self.agent is not None and self.rng.random() < 0.5:
            self.say("agent dies")
            self.break_agent_link()
            self.agent = None
            if self.server is not None:
                self.server.link.is_gone()  # the keeper sees its pidfd
        elif self.agent is not None:
            self.say("link to agent breaks")
            self.break_agent_link()

    def server_trouble(self) -> None:
        if self.server is None:
            return
        how = self.rng.choice(("before", "after", "full", "speaking", "speaking", "between"))
        self.say(f"trouble: {how}")
        if how == "between":
            self.crash()
        elif how == "speaking":
            self.server.comm.words_left = self.rng.randrange(4)  # type: ignore[attr-defined]
        else:
            self.server.journal.strike = how  # type: ignore[attr-defined]

    def break_agent_link(self) -> None:
        """All after some message under way is lost, in both directions."""
        del self.from_agent[self.rng.randint(0, len(self.from_agent)) :]
        del self.to_agent[self.rng.randint(0, len(self.to_agent)) :]
        if self.agent is not None:
            self.agent.is_connected = False

    # ---- wires
    def move_messages(self, share: float) -> None:
        """A share of what could move does, in any order of the connections."""
        rng = self.rng
        movers: list[Any] = []
        for salloc in self.sallocs:
            if salloc.is_alive:
                movers.append(salloc)
        if self.agent is None and self.server is not None:
            self.agent = FakeAgent(self, 900 + self.ticks)  # started by the keeper
        if self.agent is not None:
            movers.append(self.agent)
        rng.shuffle(movers)
        for mover in movers:
            if rng.random() > share:
                continue
            if isinstance(mover, FakeAgent):
                self.move_agent(mover)
            elif mover.is_alive:
                self.move_salloc(mover)

    def some_of(self, wire: list[Any]) -> list[Any]:
        """Take what has arrived: any number of the first."""
        count = self.rng.randint(0, len(wire))
        taken = wire[:count]
        del wire[:count]
        return taken

    def move_agent(self, agent: FakeAgent) -> None:
        if self.agent is not agent:
            return
        if self.server is not None and not agent.is_connected:
            agent.connected()
        for _, data in self.some_of(self.to_agent):
            agent.hear(data)
            if self.rng.random() < 0.03:
                agent.hear(data)  # as a reconnection makes it
        agent.step()

    def move_salloc(self, salloc: FakeSalloc) -> None:
        rng = self.rng
        if self.seconds < salloc.frozen_until_s:
            return
        while salloc.replies:
            salloc.take_reply()
        while salloc.events and salloc.is_alive:
            salloc.take_event()
        salloc.look_again()
        if self.server is None:
            if salloc.requests and rng.random() < 0.1:
                salloc.no_server()
            return
        if salloc.requests and not salloc.is_asked:
            salloc.ask()
        elif salloc.is_asked and rng.random() < 0.03:
            salloc.connection_broke()
        if salloc.state == "waiting" and not salloc.is_subscribed and not salloc.is_subscribing:
            salloc.is_subscribing = True
            self.to_server.append(Subscribed(salloc.topic))
        elif salloc.state == "waiting" and rng.random() < 0.02:
            self.unsubscribe(salloc)

    def unsubscribe(self, salloc: FakeSalloc) -> None:
        """Its event connection breaks; what was under way is lost, and it subscribes again."""
        salloc.is_subscribed = salloc.is_subscribing = False
        del salloc.events[self.rng.randint(0, len(salloc.events)) :]

    # ---- the server
    def now(self) -> Now:
        return Now(1_700_000_000.0 + self.seconds, 100.0 + self.seconds)

    def start_server(self) -> None:
        """As daemon/main.py does it."""
        journal = FaultyJournal(self.path)
        journal.sim = self
        world = recovered(journal, CPUS, self.now())
        if journal.meta("nb_proc") is None:
            world.nb_proc_max = NB_PROC_MAX
        check(world)
        if self.committed is not None:
            found = image(world)
            for what, value in self.committed.items():
                promise(found[what] == value, f"{what} after a restart: {found[what]}, before: {value}")
        self.server = Server(
            world=world,
            journal=journal,
            config=CONFIG,
            facts=self.facts,
            comm=FakeComm(self),
            lookup=self.processes.get,
        )
        self.say("server starts")
        self.tick()

    def tick(self) -> None:
        server = self.server
        if server is None:
            return
        # Clients come in any order; what the agent says keeps its own, and falls anywhere between them.
        self.rng.shuffle(self.to_server)
        taken = self.some_of(self.to_server)
        inputs: list[Input] = list(taken)
        place = 0
        for data in self.some_of(self.from_agent):
            for _ in range(2 if self.rng.random() < 0.03 else 1):
                place = self.rng.randint(place, len(inputs)) + 1
                inputs.insert(place - 1, AgentSaid(b"local", data))
        for item in taken:
            if isinstance(item, Subscribed):
                for salloc in self.sallocs:
                    if salloc.is_subscribing and salloc.topic == item.topic:
                        salloc.is_subscribed, salloc.is_subscribing = True, False
        self.ticks += 1
        self.was_committed = False
        try:
            server.tick(inputs, self.now())
        except Crash:
            self.crash()
            return
        except JournalError as error:
            promise(server.journal.was_full, f"no disk was full: {error}")  # type: ignore[attr-defined]
            self.stop_server()
            return
        finally:
            self.was_committed = True
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

    @property
    def is_uncommitted(self) -> bool:
        """Whether the server has admitted what it has not committed."""
        return self.server is not None and bool(self.server.changes.events) and not self.was_committed

    def is_committed(self) -> None:
        """What the server knows now must be there after a crash."""
        assert self.server is not None
        self.was_committed = True
        self.committed = image(self.server.world)

    def look_at(self, events: list[m.Event]) -> None:
        """Promises on the events of a tick, just before they are committed."""
        assert self.server is not None
        world = self.server.world
        for event in events:
            row = event.job
            if row is not None and row.cause in (Cause.DELETED.value, Cause.SIGNALLED.value):
                self.check_tree(row)
            if event.kind == "ended" and row is not None:
                self.check_is_over(row)
            elif event.kind == "started" and row is not None:
                for key in world.shapes.get((row.nb_proc, row.time_limit_s), ())[:1]:
                    promise(
                        (-row.priority, row.root_id, row.job_id) < key,
                        f"job {row.job_id} has overtaken {key}",
                    )

    def check_is_over(self, row: m.JobRow) -> None:
        salloc = next(one for one in self.sallocs if one.submit.token == row.token)
        promise(not salloc.is_command_alive, f"job {row.job_id} is called over while its command lives")
        promise(not salloc.leftovers, f"job {row.job_id} is called over while processes of it live")

    def check_tree(self, row: m.JobRow) -> None:
        """A job that is killed takes its tree along, in the same tick."""
        assert self.server is not None
        jobs = self.server.world.jobs
        salloc = next(one for one in self.sallocs if one.submit.token == row.token)
        top = row.job_id if row.job_id in jobs else row.parent_id
        while salloc.submit.on_kill != "below" and top in jobs and jobs[top].parent_id in jobs:
            top = jobs[top].parent_id
        if top not in jobs or (salloc.submit.on_kill == "below" and top != row.job_id):
            return
        for job_id in (top, *below(self.server.world, top)):
            promise(
                isinstance(jobs[job_id].phase, Completing),
                f"job {row.job_id} was killed, and job {job_id} of its tree was not",
            )

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
            for _, data in self.to_agent:
                if self.agent is not None:
                    self.agent.hear(data)
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

    # ---- the end
    def drain(self) -> None:
        """The faults stop; everything comes to its end."""
        self.say("drain")
        self.rates = dict.fromkeys(self.rates, 0.0)
        if self.server is not None:
            self.server.journal.strike = ""  # type: ignore[attr-defined]
            self.server.comm.words_left = None  # type: ignore[attr-defined]
        for _ in range(ROUNDS_MAX):
            if self.server is None:
                self.start_server()
                continue
            if self.server.world.nb_proc != 4:
                request = codec.encode_request(m.SetLimits(4, NB_PROC_MAX))
                self.to_server.append(Request((Person(), 0), Peer(UID, 5), request))
            self.seconds += 1.0
            for one in self.sallocs:
                if one.is_command_alive and not any(child.is_alive for child in one.children):
                    one.command_ends(one.natural_end)
            self.move_messages(1.1)
            self.tick()
            is_quiet = not (self.to_server or self.from_agent or self.to_agent)
            is_over = self.server is not None and not self.server.world.jobs
            is_alone = not any(one.is_alive for one in self.sallocs)
            if is_quiet and is_over and is_alone and not (self.agent and self.agent.watches):
                return
        living = {} if self.server is None else self.server.world.jobs
        states = [
            (one.job_id, one.state, one.is_command_alive, one.leftovers)
            for one in self.sallocs
            if one.is_alive
        ]
        raise Violation(f"it does not come to an end: jobs {living}, Sallocs {states}")

    def check_the_end(self) -> None:
        assert self.server is not None
        journal, world = self.server.journal, self.server.world
        promise(world.used == 0 and not world.jobs and not world.holding, "something is left")
        bodies = journal.events_after(0, 1_000_000)
        events = [codec.build(m.Event, codec.unpack(body)) for body in bodies]
        promise([event.seq for event in events] == list(range(1, len(events) + 1)), "gaps between the events")
        seen: dict[int, list[str]] = {}
        for event in events:
            if event.job is not None:
                seen.setdefault(event.job.job_id, []).append(event.kind)
        promise(sorted(seen) == list(range(1, len(seen) + 1)), "gaps between the jobs")
        rows = {job.job_id: job for job in journal.finished(before=None, rows_max=1_000_000)}
        promise(set(rows) == set(seen), "jobs without an end")
        for job_id, kinds in seen.items():
            for kind in ("submitted", "ended"):
                promise(kinds.count(kind) == 1, f"job {job_id} was {kind} {kinds.count(kind)} times")
            promise(kinds[0] == "submitted" and kinds[-1] == "ended", f"job {job_id}: {kinds}")
            promise(kinds.count("started") <= 1, f"job {job_id} was started twice")
        for salloc in self.sallocs:
            self.check_salloc(salloc, rows)

    def check_salloc(self, salloc: FakeSalloc, rows: dict[int, Job]) -> None:
        if salloc.job_id is None:
            return
        job = rows.get(salloc.job_id)
        promise(job is not None, f"the acknowledged job {salloc.job_id} is lost")
        assert job is not None
        outcome = job.phase.outcome  # type: ignore[union-attr]
        promise(job.phase.ended_at >= job.submitted_at, "an end before the beginning")  # type: ignore[union-attr]
        if salloc.runs:
            promise(job.phase.started_at is not None, f"job {job.job_id} ran and was never started")  # type: ignore[union-attr]
        known = (outcome.exit_code, outcome.signal)
        expected = salloc.end if salloc.end is not None else (None, None)
        promise(known == expected, f"job {job.job_id} ended with {expected}, the journal says {known}")
        if salloc.was_killed_hard:
            promise(outcome.cause is not Cause.SELF, f"job {job.job_id} was killed, and nobody is told so")

    def say(self, text: str) -> None:
        self.log.append(f"{self.seconds:8.2f} {text}")
