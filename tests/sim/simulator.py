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
from jobd.daemon.loop import AgentSaid, Facts, Input, Request, Server, Subscribed
from jobd.daemon.peers import Peer
from jobd.daemon.recover import recovered
from jobd.errors import JobdError, JournalError
from jobd.journal.journal import Journal
from jobd.settings import from_table
from jobd.states import Cause
from jobd.wire import codec
from jobd.wire import messages as m
from jobd.wire.notes import Note
from jobd.wire.topics import job_topic
from jobd.wire.verbs import FROM_AGENT, TO_AGENT

UID = 1000
CPUS = (0, 1, 2, 3)
NB_PROC_MAX = 6
GRACE_S = 5.0
SALLOC_EXIT_S = 5.0
DEPTH_MAX = 4
ROUNDS_MAX = 400  # of the drain, each a second long
TICKS = 7  # start time of every simulated process: pids are never used again here
CONFIG = from_table({"bypass_max": 3, "bypass_s": 20.0, "events_kept": 100_000, "kill_grace_s": GRACE_S})


class Crash(BaseException):
    """The server dies here. No Exception, so that nothing in it survives by catching it."""


class Violation(AssertionError):
    """A promise was broken."""


def promise(is_kept: object, text: str) -> None:
    """Say which promise was broken."""
    if not is_kept:
        raise Violation(text)


class FaultyJournal(Journal):
    """The real journal, which may be struck before or after a commit, or find the disk full."""

    strike: str = ""
    sim: "Simulation"

    def commit(self, **changes: Any) -> None:
        strike, self.strike = self.strike, ""
        events = list(changes["events"])
        self.sim.look_at([codec.build(m.Event, codec.unpack(body)) for _, _, body in events])
        if strike == "before":
            raise Crash
        if strike == "full":
            raise JournalError(f"cannot write {self.path}: database or disk is full")
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
        promise(is_error or not self._sim.is_uncommitted, "something was answered before it was committed")
        client, connection = reply_to
        client.replies.append((connection, data))

    def tell_agent(self, agent: bytes, data: bytes) -> None:
        self._count()
        promise(not self._sim.is_uncommitted, "the agent was told before the commit")
        self._sim.to_agent.append((agent, data))

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

    def __init__(self) -> None:
        self.replies: list[tuple[int, bytes]] = []


class FakeSalloc:
    """One Salloc and its command. State: asking, waiting, running, telling, lingering, over."""

    def __init__(self, sim: "Simulation", number: int, parent: "FakeSalloc | None", is_detached: bool) -> None:
        rng = sim.rng
        self.sim = sim
        self.parent = parent
        self.pid = 1000 + 10 * number
        self.command_pid = self.pid + 1
        self.state = "asking"
        self.depth = 0 if parent is None else parent.depth + 1
        self.children: list[FakeSalloc] = []
        claimed = parent is not None and (is_detached or rng.random() < 0.8)
        self.submit = m.Submit(
            f"token{number}",
            rng.choice((1, 1, 1, 2, 2, 3, 4, 5, NB_PROC_MAX)),
            ["sleep", "1"],
            "sleep",
            "/",
            rng.choice((None, None, None, None, 3, -3)),
            rng.choice((None, None, None, None, 3, 20)),
            rng.random() < 0.8,
            rng.choice(("", "", "", "below")),
            parent.job_id if claimed and parent is not None else None,
            sim.facts.server_id if claimed else "",
        )
        sim.processes[self.pid] = (parent.command_pid if parent is not None and not is_detached else 1, TICKS)
        # What its command would do, and how it takes a TERM.
        self.natural_end = rng.choice(((0, None), (0, None), (rng.randrange(256), None), (None, 11), (None, 15)))
        self.on_term = rng.choice(("die", "die", "die", "exit 0", "ignore"))
        self.leaves_behind = rng.choice((0, 0, 0, 0, 1, 2))
        self.is_alive = True
        self.is_command_alive = False
        self.leftovers: list[str] = []  # living processes in the background: how each takes a TERM
        self.end: tuple[int | None, int | None] | None = None
        self.runs = 0
        self.was_killed_hard = False  # SIGKILL while its command ran: the end cannot be known
        self.job_id: int | None = None
        self.is_acknowledged = False
        self.requests: list[Any] = []  # to be asked, one after the other; the first is under way if `is_asked`
        self.is_asked = False
        self.connection = 0
        self.replies: list[tuple[int, bytes]] = []
        self.events: list[bytes] = []
        self.is_subscribed = False
        self.is_subscribing = False
        self.requests.append(self.submit)

    @property
    def topic(self) -> bytes:
        return job_topic(self.job_id or 0)

    # ---- asking
    def ask(self) -> None:
        """Send what is to be sent, on a new connection."""
        self.connection += 1
        self.is_asked = True
        data = codec.encode_request(self.requests[0])
        self.sim.to_server.append(Request((self, self.connection), Peer(UID, self.pid), data))

    def connection_broke(self) -> None:
        """Nothing will come of what was asked; all of it is asked again, as client.py does."""
        self.is_asked = False

    def no_server(self) -> None:
        """The server is away, and the client gives up."""
        if self.state == "asking":
            self.die()
        elif self.requests:
            self.answered(None)

    def take_reply(self) -> None:
        connection, data = self.replies.pop(0)
        if not self.is_alive or connection != self.connection or not self.is_asked:
            return
        self.is_asked = False
        verb = codec.VERB_OF[type(self.requests[0])]
        try:
            self.answered(codec.decode_reply(verb, data))
        except JobdError as error:
            promise("mistake" not in str(error), f"the server made a mistake: {error}")
            if self.state == "asking":
                self.die()
            else:
                self.answered(None)

    def answered(self, answer: Any) -> None:
        """What was asked first is answered, or (None) will not be."""
        request = self.requests.pop(0)
        if isinstance(request, m.Submit):
            self.granted(answer.job)
        elif isinstance(request, m.Ended):
            self.told(is_told=answer is not None)

    def granted(self, row: m.JobRow) -> None:
        promise(row.token == self.submit.token, "a grant for somebody else")
        promise(self.job_id in (None, row.job_id), "one submission became two jobs")
        self.job_id = row.job_id
        self.is_acknowledged = True
        self.sim.salloc_of[row.job_id] = self
        self.stands(row)

    def stands(self, row: m.JobRow) -> None:
        if row.state in ("RUNNING", "SUSPENDED"):
            self.run()
        elif row.state == "PENDING":
            self.state = "waiting"
        else:
            self.die()

    # ---- waiting
    def take_event(self) -> None:
        event = codec.build(m.Event, codec.unpack(self.events.pop(0)))
        if self.state != "waiting":
            return
        promise(event.job is not None, f"the server does not know the waiting job {self.job_id}")
        promise(event.job.token == self.submit.token, "an event of another job")
        self.stands(event.job)

    # ---- running
    def run(self) -> None:
        self.runs += 1
        promise(self.runs == 1, f"job {self.job_id} was started twice")
        self.state = "running"
        self.is_subscribed = self.is_subscribing = False
        self.is_command_alive = True
        self.sim.processes[self.command_pid] = (self.pid, TICKS)
        self.sim.notes[self.number] = Note(self.submit.token, self.command_pid, TICKS)

    @property
    def number(self) -> int:
        assert self.job_id is not None
        return self.job_id

    def command_ends(self, end: tuple[int | None, int | None]) -> None:
        self.is_command_alive = False
        self.sim.processes.pop(self.command_pid, None)
        self.leftovers += ["die" if self.sim.rng.random() < 0.7 else "ignore" for _ in range(self.leaves_behind)]
        self.leaves_behind = 0
        if not self.is_alive:
            return
        self.end = end
        note = self.sim.notes[self.number]
        self.sim.notes[self.number] = note._replace(is_over=True, exit_code=end[0], signal=end[1])
        self.state = "telling"
        self.tell()

    @property
    def has_children(self) -> bool:
        return bool(self.leftovers) or any(child.is_alive for child in self.children)

    def tell(self) -> None:
        assert self.end is not None
        self.requests.append(m.Ended(self.number, self.submit.token, *self.end, not self.has_children))
        self.is_telling_gone = self.requests[-1].is_gone

    def told(self, *, is_told: bool) -> None:
        if not is_told:
            self.die(keeps_end=True)
        elif self.is_telling_gone:
            self.sim.notes.pop(self.number, None)
            self.die(keeps_end=True)
        else:
            self.state = "lingering"

    def look_again(self) -> None:
        """All that was left is gone: say so."""
        if self.state == "lingering" and not self.has_children:
            self.state = "telling"
            self.tell()

    # ---- signals
    def term(self) -> None:
        """A signal that is meant to end the job."""
        if not self.is_alive:
            return
        if self.state in ("asking", "waiting"):
            self.die()
        elif self.state == "running":
            if not any(isinstance(request, m.Killed) for request in self.requests):
                self.requests.append(m.Killed(self.number, self.submit.token, 15))
            self.term_command()
        elif self.state == "lingering":
            self.die(keeps_end=True)

    def term_command(self) -> None:
        if self.is_command_alive and self.on_term != "ignore":
            self.command_ends((None, 15) if self.on_term == "die" else (0, None))

    def kill(self) -> None:
        """SIGKILL."""
        if self.is_alive:
            self.was_killed_hard = self.is_command_alive
            self.die(keeps_end=True)

    def die(self, keeps_end: bool = False) -> None:
        assert keeps_end or self.runs == 0
        self.is_alive = False
        self.is_asked = self.is_subscribed = self.is_subscribing = False
        self.requests.clear()
        self.events.clear()
        self.state = "over"
        self.sim.processes.pop(self.pid, None)

    # ---- as the agent sees it
    def has_members(self) -> bool:
        return self.is_command_alive or self.has_children

    def signal_members(self, *, hard: bool) -> None:
        for child in list(self.children):
            if child.is_alive:
                child.kill() if hard else child.term()
                child.signal_members(hard=hard)
        self.leftovers = [] if hard else [how for how in self.leftovers if how == "ignore"]
        if self.is_command_alive:
            self.command_ends((None, 9)) if hard else self.term_command()
            if hard:
                self.leftovers = []


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

    def connected(self) -> None:
        self.is_connected = True
        self.say(m.Hello(self.pid, 1, "boot", "0"))
        for watch in self.watches.values():
            if watch.gone is not None:
                self.say(watch.gone)

    def say(self, message: Any) -> None:
        if self.is_connected:
            self.sim.from_agent.append(codec.encode_named(FROM_AGENT, message))

    def hear(self, data: bytes) -> None:
        message = codec.decode_named(TO_AGENT, data)
        if isinstance(message, m.Watch):
            for watched in message.jobs:
                self.watch(watched)
        elif isinstance(message, m.Kill):
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
        elif isinstance(message, m.Bye) and all(
            watch.gone is not None and watch.gone.is_known for watch in self.watches.values()
        ):
            self.sim.agent = None

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
            self.say(f"signal to Salloc {one.pid} ({one.state})")
            one.kill() if self.rng.random() < 0.5 else one.term()

    def somebody_asks(self) -> None:
        rng = self.rng
        number = rng.random()
        request: Any
        if number < 0.5 and self.salloc_of:
            known = range(1, self.server.world.next_job_id + 1) if self.server is not None else list(self.salloc_of)
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
                self.server.agent = self.server.agent_pid = None  # the keeper sees its pidfd
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
        if self.agent is None:
            if self.server is not None:
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

    def move_agent(self, agent: FakeAgent) -> None:
        if self.agent is not agent:
            return
        if self.server is not None and not agent.is_connected:
            agent.connected()
        count = self.rng.randint(0, len(self.to_agent))
        heard, self.to_agent = self.to_agent[:count], self.to_agent[count:]
        for _, data in heard:
            agent.hear(data)
            if self.rng.random() < 0.03:
                agent.hear(data)  # as a reconnection makes it
        agent.step()

    def move_salloc(self, salloc: FakeSalloc) -> None:
        rng = self.rng
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
        inputs: list[Input] = []
        count = self.rng.randint(0, len(self.to_server))
        taken, self.to_server = self.to_server[:count], self.to_server[count:]
        inputs += taken
        count = self.rng.randint(0, len(self.from_agent))
        said, self.from_agent = self.from_agent[:count], self.from_agent[count:]
        for data in said:
            inputs.append(AgentSaid(b"local", data))
            if self.rng.random() < 0.03:
                inputs.append(AgentSaid(b"local", data))
        self.rng.shuffle(inputs) if not said else None
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
        except JournalError:
            self.stop_server()
            return
        finally:
            self.was_committed = True
        check(server.world)
        if server.wake_at_s is not None:
            promise(server.wake_at_s > self.now().mono_s, "a tick leaves something overdue: the server would spin")
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
        return self.server is not None and bool(self.server._events) and not self.was_committed

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
                    promise((-row.priority, row.root_id, row.job_id) < key, f"job {row.job_id} has overtaken {key}")

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
            if is_quiet and self.server is not None and not self.server.world.jobs:
                if not any(one.is_alive for one in self.sallocs) and not (self.agent and self.agent.watches):
                    return
        living = {} if self.server is None else self.server.world.jobs
        states = [(one.job_id, one.state, one.is_command_alive, one.leftovers) for one in self.sallocs if one.is_alive]
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
