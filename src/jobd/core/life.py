"""A job's life, top to bottom: one table of (phase, event) → phase. What is not in it is illegal and changes nothing.

       ┌──────────────Requeued───────────────────┐
       ▼                   │                     │
    Waiting ──Started──▶ Running ──Completed──▶ Completing ──Ended──▶ Finished
       │                    │                      │  ▲
       └──Ended             └──Ended               └──┘ Completed: more is learnt of the outcome

* Waiting → Finished: taken off the queue before it ran.
* Running → Finished: its command ended by itself and left no process.
* Completing: the command is over and others of its processes live, or it is being killed. It still counts.
* Requeued: its attempt is over, nothing of it lives, and the job waits again under its number.
* Reopened: a Finished batch job, which the world knows no more, enters it again as a Waiting one (world.py).
* Suspended and Resumed change no phase: that a job is suspended by its children follows from them (world.py).
* Paused and Unpaused: a batch job whose processes Scontrol has stopped is Running, and its pause is open.
* Split: an element leaves a waiting array; the array waits on with what is left, or its last element takes its place.
* Changed: other wishes, in any phase but the last. Launched: what the agent knows of a batch job's attempt.

Only `apply` makes a new phase. Recovery and tests use the same `apply`.
"""

from collections.abc import Callable
from typing import Any

from jobd.core.events import (
    Changed,
    Completed,
    Ended,
    Event,
    Launched,
    Paused,
    Reopened,
    Requeued,
    Resumed,
    Split,
    Started,
    Suspended,
    Unpaused,
)
from jobd.core.job import Completing, Finished, Job, Outcome, Pause, Phase, Running, Waiting
from jobd.states import Cause

# Ends that somebody wants for good: they come before one that was only meant to queue the job again.
FOR_GOOD = frozenset(
    {Cause.DELETED, Cause.SIGNALLED, Cause.TREE, Cause.PARENT_ENDED, Cause.SHUTDOWN, Cause.SCOPE}
)


class Illegal(Exception):
    """The event does not fit the phase: a repeated or late report, or a mistake of ours. Nothing has changed."""


def apply(job: Job, event: Event) -> Job:
    """The job after the event; after a Split the array, or its last element if that took its place.

    Raises:
        Illegal: the table has no such row, or the event does not fit in another way.
    """
    step = TABLE.get((type(job.phase), type(event)))
    if step is None:
        raise Illegal(f"job {job.job_id}: {type(event).__name__} while {type(job.phase).__name__}")
    phase: Phase = step(job.phase, event)
    if type(event) is Started:
        if job.tasks is not None:
            raise Illegal(f"job {job.job_id}: an array is started element by element")
        return job._replace(phase=phase, attempt=job.attempt + 1)
    if type(event) is Changed:
        return job._replace(phase=phase, spec=event.spec)
    if type(event) in (Requeued, Reopened):
        return job._replace(phase=phase, requeued_at=event.at)  # type: ignore[union-attr]
    if type(event) is Split:
        return _without(job, event)
    return job._replace(phase=phase)


def _without(array: Job, event: Split) -> Job:
    element = event.element
    index = element.array_index
    if array.tasks is None or index is None or not array.tasks.has(index):
        raise Illegal(f"job {array.job_id}: has no element {index} to split off")
    left = array.tasks.without(index)
    if bool(left.runs) == (element.job_id == array.job_id):
        raise Illegal(f"job {array.job_id}: its number is for its last element")
    return array._replace(tasks=left) if left.runs else element


def _start(_: Waiting, event: Started) -> Phase:
    return Running(event.at, event.cpus, event.held, event.gpus)


def _stay(phase: Phase, _: Event) -> Phase:
    return phase


def _change(phase: Running, event: Changed) -> Phase:
    if event.cpus is not None:
        phase = phase._replace(cpus=event.cpus)
    return phase if event.held is None else phase._replace(held=event.held)


def _learn_hands(phase: Any, event: Launched) -> Phase:
    known: Phase = phase._replace(hands=event.hands)
    return known


def _pause(phase: Running, event: Paused) -> Phase:
    if phase.pause.since_at is not None:
        raise Illegal(f"job {event.job_id}: paused twice")
    return phase._replace(pause=phase.pause._replace(since_at=event.at))


def _unpause(phase: Running, event: Unpaused) -> Phase:
    if phase.pause.since_at is None:
        raise Illegal(f"job {event.job_id}: it is not paused")
    return phase._replace(pause=_closed(phase.pause, event.at))


def _closed(pause: Pause, at: float) -> Pause:
    if pause.since_at is None:
        return pause
    return Pause(None, pause.total_s + max(0.0, at - pause.since_at))


def _complete(phase: Running, event: Completed) -> Phase:
    return Completing(
        phase.started_at, phase.cpus, phase.held, event.outcome, phase.gpus, phase.hands, phase.pause
    )


def _learn(phase: Completing, event: Completed) -> Phase:
    return phase._replace(outcome=merged(phase.outcome, event.outcome))


def _requeue(phase: Phase, event: Requeued | Reopened) -> Phase:
    return Waiting()


def _cancel(_: Waiting, event: Ended) -> Phase:
    return Finished(None, event.at, event.outcome)


def _finish(phase: Running, event: Ended) -> Phase:
    return _finished(phase, event, event.outcome)


def _finish_completing(phase: Completing, event: Ended) -> Phase:
    outcome = merged(phase.outcome, event.outcome)
    if (
        outcome.cause is Cause.REQUEUED
    ):  # it is not to be, after all: a reboot ends what was called inside a job
        outcome = outcome._replace(cause=event.outcome.cause)
    return _finished(phase, event, outcome)


def _finished(phase: Running | Completing, event: Ended, outcome: Outcome) -> Finished:
    pause = _closed(phase.pause, event.at)
    return Finished(
        phase.started_at, event.at, outcome, event.usage, phase.hands, pause, phase.cpus, phase.gpus
    )


def merged(known: Outcome, more: Outcome) -> Outcome:
    """What is known, and what is learnt later: the first cause and the first end that was seen stay.

    A command that ended by itself stays so, whatever is then done to the processes it left. But one that was to be queued
    again is over for good when somebody wants that.
    """
    cause = known.cause
    if cause is Cause.REQUEUED and more.cause in FOR_GOOD:
        cause = more.cause
    if known.is_known:
        return Outcome(cause, known.exit_code, known.signal)
    if cause is Cause.SELF:
        cause = more.cause
    return Outcome(cause, more.exit_code, more.signal)


TABLE: dict[tuple[type, type], Callable[..., Phase]] = {
    (Waiting, Started): _start,
    (Waiting, Split): _stay,
    (Waiting, Changed): _stay,
    (Waiting, Ended): _cancel,
    (Running, Launched): _learn_hands,
    (Running, Suspended): _stay,
    (Running, Resumed): _stay,
    (Running, Paused): _pause,
    (Running, Unpaused): _unpause,
    (Running, Changed): _change,
    (Running, Completed): _complete,
    (Running, Requeued): _requeue,
    (Running, Ended): _finish,
    (Completing, Launched): _learn_hands,
    (Completing, Suspended): _stay,
    (Completing, Resumed): _stay,
    (Completing, Changed): _stay,
    (Completing, Completed): _learn,
    (Completing, Requeued): _requeue,
    (Completing, Ended): _finish_completing,
    (Finished, Reopened): _requeue,
}
