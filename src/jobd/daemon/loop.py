"""One tick of the server: gather, admit, plan, commit, act, tell.

The loop is fed with inputs and speaks through a Comm; sockets.py gives it real ones, the simulator fakes. It owns the one
promise all others rest on: nothing is acted on, answered or published before it is committed.
"""

import logging
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from jobd.core import life, reports
from jobd.core.decisions import Start, TimeOut
from jobd.core.events import KINDS, Completed, Ended, Event, LimitsSet, Started, Submitted
from jobd.core.job import Completing, Finished, Job, Now, Outcome
from jobd.core.schedule import Policy, next_deadline_s, plan
from jobd.core.world import World
from jobd.daemon.peers import Lookup, Peer, look_up
from jobd.daemon.rows import row_of, rows_of
from jobd.daemon.verbs import HANDLERS
from jobd.errors import JobdError, JournalError, Refused
from jobd.journal.journal import Journal
from jobd.limits import EXIT_CODE_MAX, SIGNAL_MAX
from jobd.settings import Config
from jobd.states import Cause
from jobd.wire import codec
from jobd.wire import messages as m
from jobd.wire.topics import JOB_NOW, job_topic, server_topic, subscribed_job_id
from jobd.wire.verbs import FROM_AGENT, TO_AGENT

log = logging.getLogger("jobd")

WATCHES_A_MESSAGE_MAX = 5000


class Request(NamedTuple):
    """A client's request; `reply_to` is whatever Comm.reply wants back."""

    reply_to: Any
    peer: Peer | None
    data: bytes


class AgentSaid(NamedTuple):
    """A message of the agent with that routing id."""

    agent: bytes
    data: bytes


class Subscribed(NamedTuple):
    """Somebody subscribed to a topic."""

    topic: bytes


Input = Request | AgentSaid | Subscribed


class Comm(Protocol):
    """The only way in which the loop affects anything but the journal."""

    def reply(self, reply_to: Any, data: bytes) -> None:
        """Answer a request."""

    def tell_agent(self, agent: bytes, data: bytes) -> None:
        """Say something to an agent; it may be lost."""

    def publish(self, topic: bytes, data: bytes) -> None:
        """Publish an event."""

    def agent_said_hello(self, hello: m.Hello) -> None:
        """An agent has (re)connected."""


class Facts(NamedTuple):
    """What is fixed while the server runs."""

    version: str
    pid: int
    uid: int
    user: str
    server_id: str
    boot_id: str
    started_at: float


class Server:
    """The state of the server and its tick. Handlers of verbs get it and call `admit`."""

    def __init__(
        self,
        *,
        world: World,
        journal: Journal,
        config: Config,
        facts: Facts,
        comm: Comm,
        lookup: Lookup = look_up,
    ) -> None:
        self.world = world
        self.journal = journal
        self.config = config
        self.policy = Policy(config.bypass_max, config.bypass_s)
        self.facts = facts
        self.comm = comm
        self.lookup = lookup
        self.now = Now(0.0, 0.0)
        self.agent: bytes | None = None
        self.agent_pid: int | None = None
        self.stop_asked = False
        self.kill_asked = False  # and then stop
        self._seq = journal.last_seq
        self._clear()

    def _clear(self) -> None:
        self._events: list[tuple[int, Event, Job | None]] = []
        self._new: dict[int, Job] = {}
        self._come_and_gone: dict[str, Job] = {}
        self._changed: dict[int, Job] = {}
        self._replies: list[tuple[Any, Callable[[], Any] | JobdError]] = []
        self._snapshots: list[int] = []
        self._forgets: list[int] = []  # jobs that are long over, of which the agent still tells
        self._is_agent_new = False

    # ---- the tick
    def tick(self, inputs: list[Input], now: Now) -> None:
        """Take in what came, decide, commit, act, tell.

        Raises:
            JournalError: nothing could be committed; every held request has been told, and the server must stop.
        """
        self.now = now
        for item in inputs:
            self._gather(item)
        self._plan()
        try:
            self._commit()
        except JournalError as error:
            for reply_to, _ in self._replies:
                self.comm.reply(reply_to, codec.encode_error(error))
            raise
        self._act()
        self._tell()
        self._clear()

    @property
    def is_done(self) -> bool:
        """Whether the server was asked to stop and may."""
        return self.stop_asked and not (self.kill_asked and self.world.jobs)

    @property
    def wake_at_s(self) -> float | None:
        """The monotonic time of the next tick if nothing comes in; None for never."""
        return next_deadline_s(self.world)

    # ---- gather and admit
    def _gather(self, item: Input) -> None:
        if isinstance(item, Request):
            self._replies.append((item.reply_to, self._handled(item)))
        elif isinstance(item, AgentSaid):
            try:
                self._hear_agent(item.agent, codec.decode_named(FROM_AGENT, item.data))
            except JobdError as error:
                log.warning("agent: %s", error)
        else:
            job_id = subscribed_job_id(item.topic)
            if job_id is not None:
                self._snapshots.append(job_id)

    def _handled(self, item: Request) -> Callable[[], Any] | JobdError:
        try:
            if item.peer is None or item.peer.uid not in (self.facts.uid, 0):
                raise Refused("this server belongs to somebody else")
            verb, request = codec.decode_request(item.data)
            return HANDLERS[verb](self, item.peer, request)
        except JobdError as error:
            return error
        except Exception:
            # Whatever a client manages to send, the server goes on; the trace is for the log.
            log.exception("a request failed")
            return JobdError("the server made a mistake (its log has the trace)")

    def admit(self, events: list[Event]) -> None:
        """Apply events in order, and keep them for the commit. An illegal one is logged and dropped."""
        for event in events:
            try:
                job = self.world.admit(event, self.now)
            except life.Illegal as illegal:
                log.warning("dropped: %s", illegal)
                continue
            self._seq += 1
            self._events.append((self._seq, event, job))
            if job is not None:
                target = (
                    self._new if job.job_id in self._new or isinstance(event, Submitted) else self._changed
                )
                target[job.job_id] = job
                if target is self._new and isinstance(event, Ended):
                    self._come_and_gone[job.spec.token] = job

    def latest(self, job_id: int) -> Job | None:
        """A job as it is in this tick, also if it has just ended."""
        return self.world.jobs.get(job_id) or self._new.get(job_id) or self._changed.get(job_id)

    def of_token(self, token: str) -> Job | None:
        """The job of a submission, however long it has been over.

        The journal knows only what is committed, and the world only what lives: one that has come and gone in this very tick
        is in neither.
        """
        job_id = self.world.by_token.get(token)
        if job_id is not None:
            return self.world.jobs[job_id]
        return self._come_and_gone.get(token) or self.journal.job_of_token(token)

    def _hear_agent(self, agent: bytes, message: Any) -> None:
        world, now = self.world, self.now
        if isinstance(message, m.Gone | m.Lost):
            known = self.latest(message.job_id)
            if known is not None and message.token not in ("", known.spec.token):
                return  # of a job of that number in another journal
        if isinstance(message, m.Hello):
            self.agent, self.agent_pid = agent, message.pid
            self.comm.agent_said_hello(message)
            self._is_agent_new = True  # it is told in `act`: this tick's changes are not committed yet
        elif isinstance(message, m.Gone):
            self.admit(reports.gone(world, message.job_id, outcome_of(message), now))
            if self.latest(message.job_id) is None:
                self._forgets.append(message.job_id)  # long over: it missed our Forget
        elif isinstance(message, m.Lost):
            self.admit(reports.lost(world, message.job_id, message.signal, now))
        elif isinstance(message, m.ScopeEnding):
            self.admit(reports.deleted(world, list(world.jobs), Cause.SHUTDOWN, now))

    # ---- plan
    def _plan(self) -> None:
        if self.kill_asked:
            return
        for _ in range(2):  # what is overdue is decided alone, and then what may start after it
            for decision in plan(self.world, self.now, self.policy):
                if isinstance(decision, Start):
                    job_id, cpus, held, is_passing = decision
                    self.admit([Started(job_id, self.now.wall_s, cpus, held, is_passing)])
                elif isinstance(decision, TimeOut):
                    self.admit(reports.timed_out(self.world, decision.job_id, self.now))

    # ---- commit
    def _commit(self) -> None:
        if not self._events:
            return
        meta: dict[str, object] = {}
        for _, event, _ in self._events:
            if isinstance(event, LimitsSet):
                meta["nb_proc"], meta["nb_proc_max"] = event.nb_proc, event.nb_proc_max
            elif isinstance(event, Started) and event.is_passing:
                meta["passes"] = list(self.world.passes)
        if self._new:
            meta["next_job_id"] = self.world.next_job_id
        self._bodies = [(seq, event, job, self._body(seq, event, job)) for seq, event, job in self._events]
        self.journal.commit(
            events=[(seq, self.now.wall_s, body) for seq, _, _, body in self._bodies],
            new_jobs=self._new.values(),
            changed_jobs=self._changed.values(),
            meta=meta,
        )
        try:
            self.journal.trim(self._seq)
        except JournalError as error:
            log.error("%s", error)  # this tick is committed; old events take their room a little longer

    def _body(self, seq: int, event: Event, job: Job | None) -> bytes:
        row = None if job is None else row_of(self.world, job)
        text = ""
        if isinstance(event, LimitsSet):
            text = f"nb_proc {event.nb_proc}, nb_proc_max {event.nb_proc_max}"
        return codec.pack(m.Event(seq, self.now.wall_s, KINDS[type(event)], row, text))

    # ---- act
    def _act(self) -> None:
        watched = []
        for _, event, _ in self._events:
            if isinstance(event, Submitted):
                spec = event.job.spec
                watched.append(m.Watched(event.job.job_id, spec.pid, spec.start_ticks, spec.token))
        if watched:
            self._to_agent(m.Watch(self.facts.server_id, watched, self.config.leftovers == "leave"))
        for _, event, _ in self._events:
            if isinstance(event, Completed):
                self._to_agent(m.Kill(event.job_id, self.config.kill_grace_s))
            elif isinstance(event, Ended):
                self._to_agent(m.Forget(event.job_id))
        for job_id in self._forgets:
            self._to_agent(m.Forget(job_id))
        if self._is_agent_new:
            self._tell_everything()

    def _tell_everything(self) -> None:
        """To an agent that has just come: all that it should know. What it knows already it ignores."""
        watched = [
            m.Watched(job.job_id, job.spec.pid, job.spec.start_ticks, job.spec.token)
            for job in self.world.jobs.values()
        ]
        for start in range(0, len(watched), WATCHES_A_MESSAGE_MAX):
            page = watched[start : start + WATCHES_A_MESSAGE_MAX]
            self._to_agent(m.Watch(self.facts.server_id, page, self.config.leftovers == "leave"))
        for job in self.world.holding.values():
            if isinstance(job.phase, Completing):
                self._to_agent(m.Kill(job.job_id, self.config.kill_grace_s))

    def _to_agent(self, message: Any) -> None:
        if self.agent is not None:
            self.comm.tell_agent(self.agent, codec.encode_named(TO_AGENT, message))

    def say_bye(self) -> None:
        """Tell the agent that the server stops on purpose."""
        self._to_agent(m.Bye())

    # ---- tell
    def _tell(self) -> None:
        if self._events:
            for _, event, job, body in self._bodies:
                kind = KINDS[type(event)]
                self.comm.publish(job_topic(job.job_id, kind) if job else server_topic(kind), body)
        for job_id in self._snapshots:
            try:
                self._publish_now(job_id)
            except JournalError as error:
                log.error("job %d: %s", job_id, error)  # it asks again when it reconnects
        for reply_to, build in self._replies:
            self.comm.reply(reply_to, self._reply(build))

    def _reply(self, build: Callable[[], Any] | JobdError) -> bytes:
        """The bytes of an answer. What it needs is read only now, and a failure of that is the asker's alone."""
        if isinstance(build, JobdError):
            return codec.encode_error(build)
        try:
            return codec.encode_reply(build())
        except JobdError as error:
            return codec.encode_error(error)
        except Exception:
            log.exception("an answer failed")
            return codec.encode_error(JobdError("the server made a mistake (its log has the trace)"))

    def _publish_now(self, job_id: int) -> None:
        """Answer a subscription with the job as it is, so that nobody who subscribed in time waits for what has been."""
        job = self.world.jobs.get(job_id)
        if job is None:
            job = next(iter(self.journal.finished_of([job_id])), None)
        row = None if job is None else self.row(job)
        self.comm.publish(job_topic(job_id, JOB_NOW), codec.pack(m.Event(0, self.now.wall_s, JOB_NOW, row)))

    # ---- what handlers show
    def row(self, job: Job) -> m.JobRow:
        """The row of one job, with its reason."""
        return rows_of(self.world, [job], self.now, self.policy)[0]

    def status(self) -> m.Status:
        """How the server is."""
        world = self.world
        suspended = sum(1 for job_id in world.children if job_id in world.holding)
        return m.Status(
            self.facts.version,
            self.facts.pid,
            self.facts.server_id,
            self.facts.started_at,
            world.nb_proc,
            world.nb_proc_max,
            world.used,
            len(world.holding) - suspended,
            suspended,
            len(world.waiting),
            self.agent_pid,
            list(world.cpus),
            self._seq,
        )


def outcome_of(message: m.Gone) -> Outcome:
    """The outcome that a report tells of; why it ended is for the core to say. A number that cannot be is unknown."""
    code, signal = message.exit_code, message.signal
    if code is not None and not 0 <= code <= EXIT_CODE_MAX:
        code = None
    if signal is not None and not 1 <= signal <= SIGNAL_MAX:
        signal = None
    return Outcome(Cause.SELF, code, signal)


def is_over(job: Job | None) -> bool:
    """Whether a job has ended or was never there."""
    return job is None or isinstance(job.phase, Finished)
