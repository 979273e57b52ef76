"""A job's life, top to bottom: one table of (phase, event) → phase. What is not in it is illegal and changes nothing.

    Waiting ──Started──▶ Running ──Completed──▶ Completing ──Ended──▶ Finished
       │                    │                      │  ▲
       └──Ended             └──Ended               └──┘ Completed: more is learnt of the outcome

* Waiting → Finished: taken off the queue before it ran.
* Running → Finished: its command ended by itself and left no process.
* Completing: the command is over and others of its processes live, or it is being killed. It still counts.
* Suspended and Resumed change no phase: that a job is suspended follows from its children (world.py).

Only `apply` makes a new phase. Recovery and tests use the same `apply`.
"""

from collections.abc import Callable

from jobd.core.events import Completed, Ended, Event, Resumed, Started, Suspended
from jobd.core.job import Completing, Finished, Job, Outcome, Phase, Running, Waiting
from jobd.states import Cause


class Illegal(Exception):
    """The event does not fit the phase: a repeated or late report, or a mistake of ours. Nothing has changed."""


def apply(job: Job, event: Event) -> Job:
    """The job after the event.

    Raises:
        Illegal: the table has no such row.
    """
    step = TABLE.get((type(job.phase), type(event)))
    if step is None:
        raise Illegal(f"job {job.job_id}: {type(event).__name__} while {type(job.phase).__name__}")
    return job._replace(phase=step(job.phase, event))


def _start(_: Waiting, event: Started) -> Phase:
    return Running(event.at, event.cpus, event.held)


def _stay(phase: Phase, _: Event) -> Phase:
    return phase


def _complete(phase: Running, event: Completed) -> Phase:
    return Completing(phase.started_at, phase.cpus, phase.held, event.outcome)


def _learn(phase: Completing, event: Completed) -> Phase:
    return phase._replace(outcome=merged(phase.outcome, event.outcome))


def _cancel(_: Waiting, event: Ended) -> Phase:
    return Finished(None, event.at, event.outcome)


def _finish(phase: Running, event: Ended) -> Phase:
    return Finished(phase.started_at, event.at, event.outcome)


def _finish_completing(phase: Completing, event: Ended) -> Phase:
    return Finished(phase.started_at, event.at, merged(phase.outcome, event.outcome))


def merged(known: Outcome, more: Outcome) -> Outcome:
    """What is known, and what is learnt later: the first cause and the first end that was seen stay.

    A command that ended by itself stays so, whatever is then done to the processes it left.
    """
    cause = known.cause
    if known.is_known:
        return Outcome(cause, known.exit_code, known.signal)
    if cause is Cause.SELF:
        cause = more.cause
    return Outcome(cause, more.exit_code, more.signal)


TABLE: dict[tuple[type, type], Callable[..., Phase]] = {
    (Waiting, Started): _start,
    (Waiting, Ended): _cancel,
    (Running, Suspended): _stay,
    (Running, Resumed): _stay,
    (Running, Completed): _complete,
    (Running, Ended): _finish,
    (Completing, Suspended): _stay,
    (Completing, Resumed): _stay,
    (Completing, Completed): _learn,
    (Completing, Ended): _finish_completing,
}
