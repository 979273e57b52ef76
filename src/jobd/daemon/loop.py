"""One tick of the server: gather, admit, plan, commit, act, tell.

The loop is fed with inputs and speaks through a Comm; sockets.py gives it real ones, the simulator fakes. It owns the one
promise all others rest on: nothing is acted on, answered or published before it is committed.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from jobd.core import attempts, life, reports, waits
from jobd.core.decisions import Start
from jobd.core.events import KINDS, Event, LimitsSet, Started
from jobd.core.job import Job, Now
from jobd.core.schedule import Policy, next_deadline_s, plan
from jobd.core.world import World
from jobd.daemon.act import act
from jobd.daemon.changes import Changes, Pending
from jobd.daemon.hear import hear
from jobd.daemon.inputs import AgentSaid, Comm, Facts, Input, Request
from jobd.daemon.link import Link
from jobd.daemon.machine import Machine
from jobd.daemon.peers import Lookup, look_up
from jobd.daemon.prefetch import Prefetched
from jobd.daemon.rows import row_of, rows_of
from jobd.daemon.steps import Steps
from jobd.daemon.verbs import HANDLERS
from jobd.errors import JobdError, JournalError, Refused
from jobd.journal.journal import Journal
from jobd.settings import Config
from jobd.states import Cause
from jobd.wire import codec
from jobd.wire import messages as m
from jobd.wire.topics import JOB_NOW, job_topic, server_topic, subscribed_job_id
from jobd.wire.verbs import FROM_AGENT

log = logging.getLogger("jobd")

UNKNOWN = Machine()  # of which nothing but the processors is known
MISTAKE = "the server made a mistake (its log has the trace)"


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
        machine: Machine = UNKNOWN,
    ) -> None:
        self.world = world
        self.journal = journal
        self.config = config
        self.policy = Policy(config.bypass_max, config.bypass_s)
        self.facts = facts
        self.comm = comm
        self.lookup = lookup
        self.machine = machine
        self.link = Link(comm)
        self.steps = Steps(journal, world)
        self.prefetched = Prefetched(short_s=config.prefetch_s, average_s=10 * config.prefetch_s)
        self.now = Now(0.0, 0.0)
        self.stop_asked = False
        self.kill_asked = False  # and then stop
        self._seq = journal.last_seq
        self._clear()

    def _clear(self) -> None:
        self.prefetched.began.clear()
        self.changes = Changes()
        self.pending = Pending()
        self._replies: list[tuple[Any, Callable[[], Any] | JobdError]] = []
        self._snapshots: list[int] = []

    # ---- the tick
    def tick(
        self, inputs: Sequence[Input], now: Now, *, meta: Mapping[str, object] = MappingProxyType({})
    ) -> None:
        """Take in what came, decide, commit, act, tell.

        Args:
            meta: what is to be remembered with this very commit.

        Raises:
            JournalError: nothing could be committed; every held request has been told, and the server must stop.
        """
        self.now = now
        for item in inputs:
            self._gather(item)
        for request in self.prefetched.released(self):
            self._gather(request)
        self._plan()
        try:
            self._commit(meta)
        except JournalError as error:
            held = [reply_to for reply_to, _ in self._replies]
            for reply_to in held + [request.reply_to for request in self.prefetched.unanswered()]:
                self.comm.reply(reply_to, codec.encode_error(error))
            raise
        act(self)
        self._tell()
        self._clear()

    def agent_is_gone(self) -> None:
        """The agent has died; what it was to begin it does not."""
        self.link.is_gone()
        self.prefetched.lost()

    @property
    def is_done(self) -> bool:
        """Whether the server was asked to stop and may."""
        is_busy = self.prefetched.is_any_waiting or (self.kill_asked and self.world.jobs)
        return self.stop_asked and not is_busy

    @property
    def wake_at_s(self) -> float | None:
        """The monotonic time of the next tick if nothing comes in; None for never."""
        wake_s = [next_deadline_s(self.world), self.prefetched.wake_at_s]
        return min((at_s for at_s in wake_s if at_s is not None), default=None)

    # ---- gather and admit
    def _gather(self, item: Input) -> None:
        if isinstance(item, Request):
            answer = self._handled(item)
            if answer is not None:
                self._replies.append((item.reply_to, answer))
        elif isinstance(item, AgentSaid):
            try:
                hear(self, item.agent, codec.decode_named(FROM_AGENT, item.data))
            except JobdError as error:
                log.warning("agent: %s", error)
            except Exception:
                # It would say the same to the next server, which then could not live either.
                log.exception("a message of the agent failed")
        else:
            job_id = subscribed_job_id(item.topic)
            if job_id is not None:
                self._snapshots.append(job_id)

    def _handled(self, item: Request) -> Callable[[], Any] | JobdError | None:
        """How to answer, when the tick is committed; None: it is not done in this tick."""
        try:
            if item.peer is None or item.peer.uid not in (self.facts.uid, 0):
                raise Refused("this server belongs to somebody else")
            verb, request = codec.decode_request(item.data)
            if self.prefetched.must_wait(self, verb, request, item):
                return None
            return HANDLERS[verb](self, item.peer, request)
        except JobdError as error:
            return error
        except Exception:
            # Whatever a client manages to send, the server goes on; the trace is for the log.
            log.exception("a request failed")
            return JobdError(MISTAKE)

    def admit(self, events: list[Event]) -> None:
        """Apply events in order, each with what it means for those who wait for that job, and keep all for the commit.

        One that does not fit is dropped: a mistake of ours, unless its job has just ended by another event of this tick.
        """
        stack = [iter(events)]  # of consequences of consequences: a chain may be long
        while stack:
            event = next(stack[-1], None)
            if event is None:
                stack.pop()
                continue
            attempt = attempts.ended_by(self.world, event)
            try:
                job = self.world.admit(event, self.now)
            except life.Illegal as illegal:
                known = self.changes.job(getattr(event, "job_id", 0))
                if known is None or not known.is_finished:
                    log.warning("dropped: %s", illegal)
                continue
            self._seq += 1
            self.changes.add(self._seq, event, job, self.world)
            if job is None:
                continue
            if attempt is not None:
                self.changes.attempts.append(attempt)
            self.steps.job_changed(self, event, job)
            more = waits.consequences(self.world, event, job, self.now)
            if more:
                stack.append(iter(more))

    # ---- plan
    def _plan(self) -> None:
        self.world.ripen(self.now)
        if self.kill_asked:
            # What was to be queued again when all were told to end.
            queued = [key[2] for key in (*self.world.waiting, *self.world.gated)]
            if queued:
                self.admit(reports.deleted(self.world, queued, Cause.SHUTDOWN, self.now))
            return
        while True:
            opened = self.world.opened
            decisions = plan(self.world, self.now, self.policy)
            for decision in decisions:
                self.admit(attempts.decided(self.world, decision, self.now))
            # What is overdue is decided alone, and then what may start after it; a start may let others through (after:ID).
            if not decisions or (isinstance(decisions[0], Start) and self.world.opened == opened):
                return

    # ---- commit
    def _commit(self, more_meta: Mapping[str, object]) -> None:
        changes = self.changes
        if changes.is_empty and not more_meta:
            return
        meta: dict[str, object] = dict(more_meta)
        for _, event, _ in changes.events:
            if isinstance(event, LimitsSet):
                meta["nb_proc"], meta["nb_proc_max"] = event.nb_proc, event.nb_proc_max
            elif isinstance(event, Started) and event.is_passing:
                meta["passes"] = list(self.world.passes)
        if changes.new:
            meta["next_job_id"] = self.world.next_job_id
        changes.bodies = [self._body(*said) for said in changes.events]
        at = self.now.wall_s
        self.journal.commit(
            events=[(said[0], at, body) for said, body in zip(changes.events, changes.bodies, strict=True)],
            new_jobs=changes.new.values(),
            changed_jobs=changes.changed.values(),
            meta=meta,
            new_specs=[
                changes.changed[job_id] for job_id in changes.with_other_specs if job_id in changes.changed
            ],
            blobs=list(changes.blobs.items()),
            steps=list(changes.steps.values()),
            attempts=changes.attempts,
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

    # ---- tell
    def _tell(self) -> None:
        for (_, event, job), body in zip(self.changes.events, self.changes.bodies, strict=True):
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
            return codec.encode_error(JobdError(MISTAKE))

    def _publish_now(self, job_id: int) -> None:
        """Answer a subscription with the job as it is, so that nobody who subscribed in time waits for what has been."""
        job = self.world.jobs.get(job_id)
        if job is None:
            job = next(iter(self.journal.finished_of([job_id])), None)
        row = None if job is None else self.row(job)
        self.comm.publish(job_topic(job_id, JOB_NOW), codec.pack(m.Event(0, self.now.wall_s, JOB_NOW, row)))

    def say_bye(self) -> None:
        """Tell the agent that the server stops on purpose."""
        self.link.say(m.Bye())
        self.link.flush()

    # ---- what handlers ask
    def latest(self, job_id: int) -> Job | None:
        """A job as it is in this tick, also if it has just ended."""
        return self.world.jobs.get(job_id) or self.changes.job(job_id)

    def of_token(self, token: str) -> Job | None:
        """The job of a submission, however long it has been over.

        The journal knows only what is committed, and the world only what lives: one that has come and gone in this very tick
        is in neither.
        """
        job_id = self.world.by_token.get(token)
        if job_id is not None:
            return self.world.jobs[job_id]
        return self.changes.come_and_gone.get(token) or self.journal.job_of_token(token)

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
            self.link.pid,
            list(world.cpus),
            self._seq,
            gated=len(world.gates),
        )
