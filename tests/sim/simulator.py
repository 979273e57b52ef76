"""A simulated world around the real server: the real loop, core and journal; fake clock, sockets, agent, Sallocs, batch jobs and processes.

One integer seeds everything: what people do, in which order messages arrive, and what breaks. The fakes speak the protocol of
agent/loop.py, agent/batch.py, cli/salloc.py, cli/command.py and cli/sbatch.py, message for message, through the real codec.

What may go wrong: the server dies before or after a commit, or between any two things it says; a disk is full; the agent dies, between
any two lines of its launch book, starts and words; connections break, with all that was under way; requests and reports are sent twice,
or late; Sallocs and batch jobs are killed at any point of their life; attempts cannot be started, or take too much memory; limits change; jobs are
deleted, held, queued again, suspended and changed; the server is stopped, with or without its jobs; the scope of the agent is stopped; the
machine is booted. Messages of one connection keep their order, as ZeroMQ has it; those of different connections come in any order.
"""

import logging
import os
import shutil
from collections.abc import Callable
from random import Random
from typing import Any

from jobd.daemon.inputs import Facts, Input, Request, Subscribed
from jobd.daemon.loop import Server
from jobd.daemon.peers import Peer
from jobd.wire import batch as b
from jobd.wire import codec
from jobd.wire import messages as m
from jobd.wire.notes import Note
from sim import ends
from sim.agents import FakeAgent
from sim.faults import AgentDies, Ear, Person
from sim.hands import FakeBook
from sim.ledger import Ledger
from sim.runs import FakeRun
from sim.sallocs import NB_PROC_MAX, UID, FakeSalloc
from sim.sbatch import FakeSbatch, request_of
from sim.serving import Serving

DEPTH_MAX = 4
JOBS_MAX = 40  # of one history, beyond which no more batch jobs are submitted
RATES = ("crash", "kill", "people", "agent", "launch", "late", "boot")


class Simulation(Serving):
    """One history: `run` lives it and checks every promise."""

    def __init__(self, seed: int, folder: str, template: str) -> None:
        self.seed = seed
        self.rng = rng = Random(seed)
        self.path = os.path.join(folder, f"journal-{seed}")
        shutil.copyfile(template, self.path)
        self.seconds = 0.0
        self.facts = Facts("0", 1, UID, "me", "server", "boot0", 0.0)
        self.processes: dict[int, tuple[int, int]] = {}
        self.notes: dict[int, Note] = {}
        self.sallocs: list[FakeSalloc] = []
        self.salloc_of: dict[int, FakeSalloc] = {}
        self.sbatches: list[FakeSbatch] = []
        self.accepted: dict[str, list[int]] = {}
        self.runs: dict[tuple[int, int], FakeRun] = {}
        self.book = FakeBook()
        self.launch_failures: set[tuple[int, int]] = set()
        self.uncertain: set[tuple[int, int]] = set()  # attempts about whose start an agent died
        self.agent_breaths: int | None = None  # until the agent dies
        self.has_exit_info = rng.random() < 0.5  # the kernel tells of the end of a process that is no child
        self.reboots = self.scopes_ended = 0
        self.agent: FakeAgent | None = None
        self.server: Server | None = None
        self.to_server: list[Input] = []
        self.from_agent: list[tuple[bytes, tuple[bytes, ...]]] = []
        self.echoes: list[tuple[bytes, bytes]] = []  # what an agent has said, and may be heard again late
        self.to_agent: list[tuple[bytes, bytes]] = []
        self.persons: list[Person] = []
        self.was_committed = False  # in this tick
        self.committed: dict[str, object] | None = None
        self.ticks = self.events_seen = 0
        self.crashes = 0
        self.log: list[str] = []
        self.ledger = Ledger(self)
        self.prefetched: set[tuple[int, int]] = set()  # attempts that began in the place of others
        self.unheard: set[tuple[int, int]] = set()  # of them, those that a switched off machine has forgotten
        self.is_prefetching = rng.random() < 0.5
        self.is_plain = self.is_prefetching and rng.random() < 0.8  # all batch jobs ask for the same
        self.batch_share = rng.choice((0.0, 0.3, 0.6, 1.0)) if not self.is_plain else rng.choice((0.6, 1.0))
        self.rates = {name: rng.choice((0.0, 0.3, 1.0)) for name in RATES}

    # ---- the history
    def run(self, steps: int = 80) -> None:
        """Live it. Raises Violation, or whatever the server raised."""
        ear, log = Ear(), logging.getLogger("jobd")
        log.addHandler(ear)
        log.propagate = False  # what is no mistake is of no interest here
        try:
            self.start_server()
            for _ in range(steps):
                self.step()
            ends.settle(self)
            ends.drain(self)
            ends.check_the_end(self)
        finally:
            log.removeHandler(ear)
            log.propagate = True
            if self.server is not None:
                self.server.journal.close()

    def step(self) -> None:
        rng = self.rng
        draw = rng.random()
        self.seconds += rng.choice((0.0, 0.0, 0.01, 0.3, 1.0, 4.0))
        if draw < 0.2:
            self.new_submission()
        elif draw < 0.38:
            self.some_command_ends()
        elif draw < 0.44 and rng.random() < self.rates["kill"]:
            self.kill_something()
        elif draw < 0.51 and rng.random() < self.rates["people"]:
            self.somebody_asks()
        elif draw < 0.57 and rng.random() < self.rates["agent"]:
            self.agent_trouble()
        elif draw < 0.63 and rng.random() < self.rates["crash"]:
            self.server_trouble()
        elif draw < 0.635 and rng.random() < self.rates["boot"]:
            self.reboot()
        elif self.server is None and rng.random() < 0.4:
            self.start_server()
        if rng.random() < 0.3 * self.rates["people"] * self.batch_share:
            self.ask(request_of(self) if rng.random() < 0.85 else self.step_request())
        self.move_messages(rng.random())
        self.tick()

    # ---- what happens
    def commands(self) -> list[FakeSalloc | FakeRun]:
        """All that run, and from inside which something may be submitted."""
        found: list[FakeSalloc | FakeRun] = [one for one in self.sallocs if one.is_command_alive]
        return found + [run for run in self.runs.values() if run.is_command_alive and not run.is_stopped]

    def new_submission(self) -> None:
        rng = self.rng
        if rng.random() < self.batch_share:
            if len(self.ledger.jobs) < JOBS_MAX:
                self.sbatches.append(FakeSbatch(self, len(self.sbatches) + 1))
            return
        inside = [one for one in self.commands() if one.depth < DEPTH_MAX]
        parent = rng.choice(inside) if inside and rng.random() < 0.6 else None
        salloc = FakeSalloc(self, len(self.sallocs) + 1, parent, is_detached=rng.random() < 0.2)
        self.sallocs.append(salloc)
        if parent is not None:
            parent.children.append(salloc)

    def some_command_ends(self) -> None:
        alive = self.commands()
        if not alive:
            return
        one = self.rng.choice(alive)
        if isinstance(one, FakeSalloc):
            one.command_ends(one.natural_end)
        elif self.rng.random() < 0.1:
            one.takes_too_much = True
        else:
            one.main_ends(one.natural_end)

    def kill_something(self) -> None:
        alive = [one for one in self.sallocs if one.is_alive]
        runs = [run for run in self.runs.values() if run.is_command_alive]
        if runs and self.rng.random() < 0.4:
            self.rng.choice(runs).main_ends((None, 9))
        elif alive:
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
        self.ask(request)

    def ask(self, request: Any) -> None:
        """Somebody asks, once."""
        self.say(f"{request}")
        person = Person(request)
        self.persons.append(person)
        self.to_server.append(Request((person, 0), Peer(UID, 5), codec.encode_request(request)))

    def step_request(self) -> Any:
        """An Srun inside a job: it begins a step, or ends one."""
        rng = self.rng
        runs = [run for run in self.runs.values() if run.is_command_alive]
        if not runs:
            return b.AskNode()
        run = rng.choice(runs)
        if run.steps and rng.random() < 0.5:
            return b.StepEnd(run.job_id, rng.choice(run.steps), rng.randrange(3), None)
        if not run.steps or rng.random() < 0.7:
            run.steps.append(f"step{run.pid}x{len(run.steps)}")
        return b.StepBegin(run.job_id, rng.choice(run.steps), "step", ["step"], 1)

    def hear_answers(self) -> None:
        """What people are told."""
        for person in self.persons:
            answer, request = person.answer(), person.request
            is_cancel = isinstance(request, b.Cancel) and not request.signal
            if answer is not None and (is_cancel or isinstance(request, m.Delete)):
                self.ledger.cancelled.update(answer.job_ids)
        if self.server is None:
            self.persons.clear()

    def agent_trouble(self) -> None:
        rng = self.rng
        draw = rng.random()
        if self.agent is None:
            return
        if draw < 0.3:
            self.agent_dies()
        elif draw < 0.65:
            self.agent_breaths = rng.randrange(8)
        elif draw < 0.95:
            self.say("link to agent breaks")
            self.break_agent_link()
        else:
            self.say("the agent's scope is stopped")
            self.scopes_ended += 1
            self.let_agent(self.agent.end_all)

    def agent_dies(self) -> None:
        self.say("agent dies")
        self.break_agent_link()
        self.agent = self.agent_breaths = None
        if self.server is None:
            self.echoes.clear()  # with both ends gone nothing is under way
        if self.server is not None:
            self.server.agent_is_gone()  # the keeper sees its pidfd

    def let_agent(self, act: Callable[[], None]) -> None:
        """Something that the agent does, and about which it may die."""
        try:
            act()
        except AgentDies:
            self.agent_dies()

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

    def reboot(self) -> None:
        """The machine is switched off and on: nothing lives, and what was not on the disk is gone."""
        self.say("reboot")
        if self.server is not None:
            self.crash()
        self.reboots += 1
        self.facts = self.facts._replace(boot_id=f"boot{self.reboots}")
        self.agent = self.agent_breaths = None
        for run in self.runs.values():
            run.vanish()
        # Of what began in the last moment nobody may know; only a synced journal would.
        self.unheard |= {key for key in self.prefetched - self.ledger.starts if key in self.runs}
        for salloc in self.sallocs:
            salloc.was_rebooted = salloc.was_rebooted or salloc.job_id in self.ledger.living
            salloc.is_command_alive = False
            salloc.leftovers = []
            if salloc.is_alive:
                salloc.die(keeps_end=True)
        for sbatch in self.sbatches:
            if sbatch.is_alive:
                sbatch.die()
        self.processes.clear()
        self.notes.clear()
        self.echoes.clear()
        self.from_agent.clear()
        self.to_agent.clear()
        self.book.machine_boots(is_kept=self.rng.random() < 0.5)

    def break_agent_link(self) -> None:
        """All after some message under way is lost, in both directions."""
        del self.from_agent[self.rng.randint(0, len(self.from_agent)) :]
        del self.to_agent[self.rng.randint(0, len(self.to_agent)) :]
        if self.agent is not None:
            self.agent.is_connected = False
            self.agent.out.clear()

    # ---- wires
    def move_messages(self, share: float) -> None:
        """A share of what could move does, in any order of the connections."""
        rng = self.rng
        movers: list[Any] = [one for one in self.sallocs if one.is_alive]
        movers += [one for one in self.sbatches if one.is_alive]
        if self.agent is None and self.server is not None:
            self.agent = FakeAgent(self, 900 + self.ticks)  # started by the keeper
            self.let_agent(self.agent.hands.recover)
        if self.agent is not None:
            movers.append(self.agent)
        rng.shuffle(movers)
        for mover in movers:
            if rng.random() > share:
                continue
            if isinstance(mover, FakeAgent):
                self.let_agent(lambda mover=mover: self.move_agent(mover))  # type: ignore[misc]
            elif isinstance(mover, FakeSbatch):
                self.move_sbatch(mover)
            elif mover.is_alive:
                self.move_salloc(mover)

    def move_agent(self, agent: FakeAgent) -> None:
        if self.agent is not agent:
            return
        self.hear_server(agent, self.rng.randint(0, len(self.to_agent)))
        if self.server is not None and not agent.is_connected:
            agent.connected()
        if self.rng.random() < 0.02:
            agent.hands.blobs.clear()  # there was no more room for them
        agent.step()
        agent.flush()
        if agent.is_ending_all and agent.is_idle:
            self.agent = self.agent_breaths = None
            if self.server is not None:
                self.server.agent_is_gone()

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

    def move_sbatch(self, sbatch: FakeSbatch) -> None:
        while sbatch.replies:
            sbatch.take_reply()
        if self.server is None:
            if self.rng.random() < 0.05:
                sbatch.die()
        elif sbatch.is_alive and not sbatch.is_asked:
            sbatch.ask()
        elif self.rng.random() < 0.05:
            sbatch.is_asked = False  # its connection broke

    def unsubscribe(self, salloc: FakeSalloc) -> None:
        """Its event connection breaks; what was under way is lost, and it subscribes again."""
        salloc.is_subscribed = salloc.is_subscribing = False
        del salloc.events[self.rng.randint(0, len(salloc.events)) :]
