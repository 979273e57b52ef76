"""Attempts of batch jobs: what the planner decides and what the agent reports → the events that it means. Changes nothing.

The agent's reports name an attempt. One that is not the job's present one, or comes twice, means nothing, and that is no error.
"""

from jobd.core import arrays, life, reports, tree
from jobd.core.decisions import Decision, Drop, Start, TimeOut
from jobd.core.events import Changed, Completed, Ended, Event, Launched, Reopened, Requeued, Started
from jobd.core.job import Attempt, Completing, Hands, Job, Now, Outcome, Running, Usage
from jobd.core.life import merged
from jobd.core.resources import chosen_cpus, needed_of
from jobd.core.tree import with_resumed
from jobd.core.world import World
from jobd.states import Cause, JobState

_NO_USAGE = Usage()


def decided(world: World, decision: Decision, now: Now) -> list[Event]:
    """What a decision of the planner means, when it is the next to be admitted."""
    if isinstance(decision, TimeOut):
        return reports.timed_out(world, decision.job_id, now)
    if isinstance(decision, Drop):
        return with_resumed(world, [Ended(decision.job_id, now.wall_s, Outcome(Cause.DEPENDENCY))])
    assert isinstance(decision, Start)
    job_id, cpus, held, is_passing, gpus = decision
    job = world.jobs[job_id]
    if job.tasks is None:
        return [Started(job_id, now.wall_s, cpus, held, is_passing, gpus)]
    split = arrays.split(world, job, job.tasks.first)
    return [split, Started(split.element.job_id, now.wall_s, cpus, held, is_passing, gpus)]


def began(
    world: World, job_id: int, attempt: int, token: str, cpus: tuple[int, ...], at: float, now: Now
) -> list[Event]:
    """The agent has started a prefetched job in the place of one that is over, as the planner would have.

    Args:
        cpus: the processors that it has there. Should others have them by now, it gets some of its own.
        at: when, by the wall clock.
    """
    job = world.jobs.get(job_id)
    if job is None or not is_next_attempt(job, attempt, token):
        return []
    if len(cpus) != len(set(cpus)) or not all(cpu in world.cpus and cpu not in world.busy for cpu in cpus):
        cpus = chosen_cpus(world, job, set(world.busy))
    if not job.submitted_at <= at <= now.wall_s:
        at = now.wall_s
    return [Started(job_id, at, cpus, needed_of(world, job.spec.nb_proc, job.spec.resources), False)]


def is_next_attempt(job: Job, attempt: int, token: str) -> bool:
    """Whether the job waits, and its next attempt is this one."""
    is_single = job.is_batch and job.tasks is None
    return job.is_waiting and is_single and job.attempt + 1 == attempt and job.spec.token == token


def launched(world: World, job_id: int, attempt: int, hands: Hands, now: Now) -> list[Event]:
    """The agent has started the attempt's process, or knows more of it."""
    job = _present(world, job_id, attempt)
    if job is None:
        return []
    assert isinstance(job.phase, Running | Completing)
    return [] if job.phase.hands == hands else [Launched(job_id, hands)]


def over(world: World, job_id: int, attempt: int, outcome: Outcome, now: Now) -> list[Event]:
    """The attempt's main process is over, or the agent ends the attempt for a limit; processes of it may live.

    Only what is below the job ends with it, also where a signal from outside ended it (as in Slurm).
    """
    job = _present(world, job_id, attempt)
    if job is None:
        return []
    if isinstance(job.phase, Running):
        return with_resumed(world, tree.cut_short(world, job, outcome, now))
    assert isinstance(job.phase, Completing)
    if merged(job.phase.outcome, outcome) == job.phase.outcome:
        return []
    return [Completed(job_id, outcome)]


def left(
    world: World, job_id: int, attempt: int, outcome: Outcome, usage: Usage, ended_at: float, now: Now
) -> list[Event]:
    """No process of the attempt lives. The job is over, or waits again where it is to be tried again."""
    job = _present(world, job_id, attempt)
    if job is None:
        return []
    events: list[Event] = []
    if isinstance(job.phase, Running):
        events = tree.orphaned(world, job_id, now)
    return with_resumed(world, events + _finished(job, outcome, usage, ended_at, now))


def rebooted(world: World, now: Now) -> list[Event]:
    """The machine was booted since: no process of a job lives.

    Sallocs and Sruns end, and whatever was called inside a job; running batch jobs wait again if they may be requeued.
    """
    outcome = Outcome(Cause.REBOOT)
    events: list[Event] = []
    seen: set[int] = set()
    for job_id in sorted(world.jobs):
        for other_id in (*tree.below(world, job_id), job_id):
            if other_id in seen:
                continue
            seen.add(other_id)
            job = world.jobs[other_id]
            is_inside = job.parent_id is not None and job.parent_id in world.jobs
            if not job.is_batch or is_inside:
                events.append(Ended(other_id, now.wall_s, outcome))
            elif job.is_holding:
                events += _finished(job, outcome, _NO_USAGE, now.wall_s, now)
    return with_resumed(world, events)


def scope_ending(world: World, now: Now) -> list[Event]:
    """The agent's scope is being stopped: all that runs is being ended, and Sallocs that wait. Batch jobs that wait stay.

    A Salloc is told that it was ended, as by Sserver -2. For a batch job its node has failed: it did not ask for the end of the session.
    """
    events: list[Event] = []
    seen: set[int] = set()
    for job_id in sorted(world.jobs):
        for other_id in (*tree.below(world, job_id), job_id):
            if other_id in seen:
                continue
            seen.add(other_id)
            job = world.jobs[other_id]
            is_inside = job.parent_id is not None and job.parent_id in world.jobs
            if job.is_holding or is_inside or not job.is_batch:
                events += tree.stopped(job, Outcome(Cause.SCOPE if job.is_batch else Cause.SHUTDOWN), now)
    return with_resumed(world, events)


def ended_by(world: World, event: Event) -> Attempt | None:
    """The attempt that is over where the job is not; None for any other event. Asked before the event is admitted."""
    if isinstance(event, Reopened):
        return Attempt(event.job, event.at, is_asked=True)
    if not isinstance(event, Requeued) or event.job_id not in world.jobs:
        return None
    over = life.apply(world.jobs[event.job_id], Ended(event.job_id, event.at, event.outcome, event.usage))
    return Attempt(over, event.at, is_asked=event.outcome.cause is Cause.REQUEUED)


def is_retry_due(job: Job, outcome: Outcome) -> bool:
    """Whether a job that failed so is to be tried again (--retries, --retry-on).

    A code that is asked for as 128 + n also means the signal n, as shells say it.
    """
    batch = job.spec.batch
    if batch is None or not batch.retry.count:
        return False
    if outcome.cause is not Cause.SELF or outcome.state is not JobState.FAILED or not outcome.is_known:
        return False
    if not batch.retry.codes:
        return True
    code = outcome.exit_code
    if code is None and outcome.signal is not None:
        code = 128 + outcome.signal
    return code is not None and any(first <= code <= last for first, last in batch.retry.codes)


def _finished(job: Job, outcome: Outcome, usage: Usage, ended_at: float, now: Now) -> list[Event]:
    """The end of an attempt of which nothing lives: of the job too, or not."""
    phase, batch = job.phase, job.spec.batch
    assert isinstance(phase, Running | Completing) and batch is not None
    final = merged(phase.outcome, outcome) if isinstance(phase, Completing) else outcome
    if not phase.started_at <= ended_at <= now.wall_s:
        ended_at = now.wall_s  # no clock that went wrong makes an end before its start, or after today
    if final.cause is Cause.REQUEUED or (final.cause is Cause.REBOOT and batch.is_requeueable):
        return [Requeued(job.job_id, ended_at, final, None, usage)]
    if is_retry_due(job, final):
        retry = batch.retry
        begin_at = now.wall_s + retry.delay_s if retry.delay_s else None
        batch = batch._replace(retry=retry._replace(count=retry.count - 1), begin_at=begin_at)
        return [
            Changed(job.job_id, job.spec._replace(batch=batch)),
            Requeued(job.job_id, ended_at, final, begin_at, usage),
        ]
    return [Ended(job.job_id, ended_at, outcome, usage)]


def _present(world: World, job_id: int, attempt: int) -> Job | None:
    """The job, if that attempt of it is the present one and not over."""
    job = world.jobs.get(job_id)
    if job is None or not job.is_holding or not job.is_batch or job.attempt != attempt:
        return None
    return job
