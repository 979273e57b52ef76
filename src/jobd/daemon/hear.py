"""What the agent says → reports to the core. It may come late, twice, or about a job of another journal: then it means nothing.

Nothing is answered here. What is to be said to the agent is kept for `act`, when the tick is committed.
"""

import logging
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from jobd.core import attempts, reports
from jobd.core.job import NO_HANDS, Hands, Job, Outcome, Running, Usage
from jobd.limits import EXIT_CODE_MAX, RESOURCE_MAX, SIGNAL_MAX
from jobd.states import Cause
from jobd.wire import batch as b
from jobd.wire import messages as m

if TYPE_CHECKING:
    from jobd.daemon.loop import Server

log = logging.getLogger("jobd")

UNENFORCED_MAX = 16  # limits that an agent may say are not held
TROUBLE_CHARS_MAX = 4096  # of one text for a person
KEYS_MAX = 10_000  # blobs in one Want

# How an attempt may end by the agent's word. Why the server ended it, the server knows.
_CAUSES = {
    cause.value: cause
    for cause in (
        Cause.SELF,
        Cause.TIME_LIMIT,
        Cause.OUT_OF_MEMORY,
        Cause.LAUNCH,
        Cause.SCOPE,
        Cause.LOST,
        Cause.UNSTARTED,
    )
}


def hear(server: "Server", agent: bytes, message: Any) -> None:
    """Take in one message."""
    if isinstance(message, m.Hello):
        server.link.said_hello(agent, message.pid)
        server.comm.agent_said_hello(message)
        server.prefetched.said_hello(is_of_our_release=message.version == server.facts.version)
        server.pending.is_agent_new = True  # it is told in `act`: this tick's changes are not committed yet
    else:
        _HEARERS[type(message)](server, message)


# ---- Sallocs
def _gone(server: "Server", message: m.Gone) -> None:
    if _is_of_another_journal(server, message):
        return
    server.admit(reports.gone(server.world, message.job_id, outcome_of(message), server.now))
    if server.latest(message.job_id) is None:
        server.pending.forgets.append(message.job_id)  # long over: it missed our Forget


def _lost(server: "Server", message: m.Lost) -> None:
    if not _is_of_another_journal(server, message):
        server.admit(reports.lost(server.world, message.job_id, message.signal, server.now))


def _is_of_another_journal(server: "Server", message: m.Gone | m.Lost) -> bool:
    known = server.latest(message.job_id)
    return known is not None and (known.is_batch or message.token not in ("", known.spec.token))


def outcome_of(message: m.Gone) -> Outcome:
    """The outcome that a report tells of; why it ended is for the core to say. A number that cannot be is unknown."""
    return _outcome(Cause.SELF, message.exit_code, message.signal)


def _outcome(cause: Cause, code: int | None, signal: int | None) -> Outcome:
    if code is not None and not 0 <= code <= EXIT_CODE_MAX:
        code = None
    if signal is not None and not 1 <= signal <= SIGNAL_MAX:
        signal = None
    return Outcome(cause, code, signal)


# ---- batch jobs
def _began(server: "Server", message: b.Began) -> None:
    """A prefetched one is being started. What it was in the place of has left, and was heard before."""
    job = server.world.jobs.get(message.job_id)
    cpus = tuple(message.cpus)
    if job is not None and attempts.is_next_attempt(job, message.attempt, message.token):
        at = message.at if math.isfinite(message.at) else server.now.wall_s
        server.admit(
            attempts.began(server.world, job.job_id, message.attempt, message.token, cpus, at, server.now)
        )
        server.prefetched.began.add((job.job_id, message.attempt))
        job = server.world.jobs.get(message.job_id)
    if job is None or job.attempt != message.attempt or job.spec.token != message.token:
        # It is not to run: cancelled meanwhile, which only a lost connection makes possible.
        grace_s = server.config.kill_grace_s
        server.pending.signals.append(m.Kill(message.job_id, grace_s, message.attempt, message.token))
    elif isinstance(job.phase, Running):
        is_sent = server.prefetched.is_sent(job.job_id, message.attempt)
        if not is_sent or job.phase.cpus != cpus:
            # It began for an earlier server, and was changed meanwhile; or the planner had started it elsewhere at the same time.
            server.pending.changed.append(job.job_id)


def _recalled(server: "Server", message: b.Recalled) -> None:
    server.prefetched.recalled(message.number)


def _attempt(server: "Server", message: b.Launched | b.Over | b.Left) -> Job | None:
    """The living job of which this attempt is told, if it is the one that runs."""
    job = server.world.jobs.get(message.job_id)
    if job is None or job.attempt != message.attempt or not job.is_batch or not job.is_holding:
        return None
    return job if message.token in ("", job.spec.token) else None


def _launched(server: "Server", message: b.Launched) -> None:
    job = _attempt(server, message)
    if job is not None:
        hands = _hands(message)
        if hands.pid:
            _learn(server, job, hands, "")


def _hands(message: b.Launched | b.Left) -> Hands:
    unenforced = tuple(text[:TROUBLE_CHARS_MAX] for text in message.unenforced[:UNENFORCED_MAX])
    is_process = 0 < message.pid < 1 << 31 and 0 <= message.start_ticks < 1 << 62
    return Hands(message.pid, message.start_ticks, unenforced) if is_process else Hands(0, 0, unenforced)


def _over(server: "Server", message: b.Over) -> None:
    job = _attempt(server, message)
    if job is not None:
        _learn(server, job, _hands_of(job), message.text)
        outcome = _batch_outcome(message)
        server.admit(attempts.over(server.world, job.job_id, job.attempt, outcome, server.now))


def _left(server: "Server", message: b.Left) -> None:
    job = _attempt(server, message)
    if job is not None:
        if message.unenforced or message.text:
            # Of a short attempt this is told with its end. Its pid alone is not worth an event.
            hands = _hands(message) if message.pid else _hands_of(job)
            _learn(server, job, hands, message.text)
        server.admit(
            attempts.left(
                server.world,
                job.job_id,
                job.attempt,
                _batch_outcome(message),
                Usage(_bounded(message.cpu_s), int(_bounded(message.memory_peak_bytes))),
                _ended_at(server, job, message.ended_at),
                server.now,
            )
        )
    # Whatever it says is committed by then, in this tick or long ago.
    server.pending.forgotten.append(b.ForgetAttempt(message.job_id, message.attempt, message.token))


def _hands_of(job: Job) -> Hands:
    return getattr(job.phase, "hands", NO_HANDS)


def _learn(server: "Server", job: Job, hands: Hands, text: str) -> None:
    hands = hands._replace(trouble=text[:TROUBLE_CHARS_MAX] or _hands_of(job).trouble)
    if hands != _hands_of(job):
        server.admit(attempts.launched(server.world, job.job_id, job.attempt, hands, server.now))


def _batch_outcome(message: b.Over | b.Left) -> Outcome:
    cause = _CAUSES.get(message.cause)
    if cause is None:
        log.warning("agent: job %d ended by %r, which nobody knows", message.job_id, message.cause[:40])
        cause = Cause.LOST
    outcome = _outcome(cause, message.exit_code, message.signal)
    if cause is Cause.SELF and not outcome.is_known:
        outcome = outcome._replace(cause=Cause.LOST)  # an end that nobody saw is not a failure of its own
    return outcome


def _bounded(value: float) -> float:
    return min(max(value, 0.0), float(RESOURCE_MAX)) if math.isfinite(value) else 0.0


def _ended_at(server: "Server", job: Job, at: float) -> float:
    """When it ended by the agent's clock, which is ours; a clock that was set meanwhile makes nothing end before its start."""
    started_at = getattr(job.phase, "started_at", None) or job.submitted_at
    return max(started_at, min(at, server.now.wall_s)) if math.isfinite(at) else server.now.wall_s


def _scope_ending(server: "Server", message: m.ScopeEnding) -> None:
    server.admit(attempts.scope_ending(server.world, server.now))


def _want(server: "Server", message: b.Want) -> None:
    wanted = set(message.keys[:KEYS_MAX])
    kept = server.journal.has_blobs(wanted)
    server.pending.wanted += sorted(kept)
    if kept == wanted:
        return
    # A launch without its blob would wait for ever. Only a journal that somebody has changed brings this about.
    for job in list(server.world.holding.values()):
        batch = job.spec.batch
        if batch is not None and {batch.script, batch.environment} & (wanted - kept):
            log.error("job %d: its script or its environment is not in the journal", job.job_id)
            _learn(server, job, _hands_of(job), "its script or its environment is not kept any more")
            outcome = Outcome(Cause.LAUNCH)
            server.admit(attempts.over(server.world, job.job_id, job.attempt, outcome, server.now))


_HEARERS: dict[type[Any], Callable[["Server", Any], None]] = {
    m.Gone: _gone,
    m.Lost: _lost,
    m.ScopeEnding: _scope_ending,
    b.Began: _began,
    b.Recalled: _recalled,
    b.Launched: _launched,
    b.Over: _over,
    b.Left: _left,
    b.Want: _want,
}
