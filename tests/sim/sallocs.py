"""A Salloc and its command, as cli/salloc.py and cli/command.py behave, message for message."""

from typing import TYPE_CHECKING, Any

from jobd.daemon.loop import Request
from jobd.daemon.peers import Peer
from jobd.errors import JobdError
from jobd.wire import codec
from jobd.wire import messages as m
from jobd.wire.notes import Note
from jobd.wire.topics import job_topic
from sim.faults import promise

if TYPE_CHECKING:
    from sim.runs import FakeRun
    from sim.simulator import Simulation

UID = 1000
TICKS = 7  # start time of every simulated process: pids are never used again here
NB_PROC_MAX = 6


class FakeSalloc:
    """One Salloc and its command. State: asking, waiting, running, telling, lingering, over."""

    def __init__(
        self, sim: "Simulation", number: int, parent: "FakeSalloc | FakeRun | None", is_detached: bool
    ) -> None:
        rng = sim.rng
        self.sim = sim
        self.parent = parent
        self.pid = 1000 + 10 * number
        self.command_pid = self.pid + 1
        self.state = "asking"
        self.depth = 0 if parent is None else parent.depth + 1
        self.children: list[FakeSalloc] = []
        # The agent may not have told of a batch job's process yet, so that there only the claim counts.
        is_in_batch = parent is not None and parent.pid == parent.command_pid
        claimed = parent is not None and (is_in_batch or is_detached or rng.random() < 0.8)
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
        self.natural_end = rng.choice(
            ((0, None), (0, None), (rng.randrange(256), None), (None, 11), (None, 15))
        )
        self.on_term = rng.choice(("die", "die", "die", "exit 0", "ignore"))
        self.leaves_behind = rng.choice((0, 0, 0, 0, 1, 2))
        self.is_alive = True
        self.is_command_alive = False
        self.leftovers: list[str] = []  # living processes in the background: how each takes a TERM
        self.end: tuple[int | None, int | None] | None = None
        self.runs = 0
        self.was_rebooted = False  # the machine, while it lived
        self.was_killed_hard = False  # SIGKILL while its command ran: the end cannot be known
        self.job_id: int | None = None
        self.is_acknowledged = False
        self.requests: list[
            Any
        ] = []  # to be asked, one after the other; the first is under way if `is_asked`
        self.is_asked = False
        self.connection = 0
        self.replies: list[tuple[int, bytes]] = []
        self.events: list[bytes] = []
        self.is_subscribed = False
        self.is_subscribing = False
        self.frozen_until_s = 0.0
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
        if event.job is None:
            known = self.sim.ledger.jobs[self.number]
            is_cleaned = known.state == "over" and self.sim.ledger.cleaned_before > 0
            promise(is_cleaned, f"the server does not know the waiting job {self.job_id}")
            self.die()
            return
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
        self.leftovers += [
            "die" if self.sim.rng.random() < 0.7 else "ignore" for _ in range(self.leaves_behind)
        ]
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
