"""control: hold, release, requeue, suspend, resume. Whether it may be done to a job is for the core to say."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from jobd.core import changes
from jobd.core.events import Event
from jobd.core.job import Finished, Job, Now, Running
from jobd.core.world import World
from jobd.daemon import targets
from jobd.daemon.peers import Peer
from jobd.daemon.specs import runs_of
from jobd.errors import JobdError, NoSuchJob, Stopping, TooManyJobs, UsageError
from jobd.states import Control as Action
from jobd.wire.batch import Affected, Control, JobId, Refusal

if TYPE_CHECKING:
    from jobd.daemon.loop import Server


def handle(server: "Server", peer: Peer, request: Control) -> Callable[[], Affected]:
    """Do it to each of the chosen jobs; a job that has ended of late is queued again too, if it is named.

    Raises:
        UsageError: no such action, or nothing is named.
    """
    row = _ACTIONS.get(request.action)
    if row is None:
        raise UsageError(f"{request.action[:40]!r}: one of {', '.join(_ACTIONS)}")
    events_of, is_open = row
    chosen = targets.choose(server, request.target, is_open=is_open)

    def act(job_id: int) -> None:
        server.admit(events_of(server.world, job_id, server.now, request.is_held_after))

    done, refused = targets.for_each(server, chosen, act)
    if request.action == Action.REQUEUE.value and not any(request.target[1:]):
        done, refused = _reopened(server, request, done, refused)
    return lambda: Affected(sorted(done), refused, chosen.is_more and bool(done))


def _reopened(
    server: "Server", request: Control, done: list[int], refused: list[Refusal]
) -> tuple[list[int], list[Refusal]]:
    """Of what was named and does not live, queue again what has ended of late."""
    named = {targets.text_of(job): job for job in request.target.jobs}
    left: list[Refusal] = []
    for refusal in refused:
        job = named.get(refusal.job)
        if refusal.error != NoSuchJob.__name__ or job is None:
            left.append(refusal)
            continue
        try:
            done = [*done, *_reopen(server, job, request.is_held_after)]
        except JobdError as error:
            left.append(targets.refusal(refusal.job, error))
    return done, left


def _reopen(server: "Server", named: JobId, is_held_after: bool) -> list[int]:
    jobs = _over(server, named)
    if not jobs:
        raise targets.no_such_job(targets.text_of(named))
    if server.kill_asked:
        raise Stopping("the server is stopping and takes no more jobs")
    if len(server.world.jobs) + len(jobs) > server.config.jobs_max:
        raise TooManyJobs(f"jobs_max is {server.config.jobs_max} (see config.toml)")
    last: JobdError | None = None
    done: list[int] = []
    for job in jobs:
        try:
            server.admit(changes.reopened(server.world, job, server.now, is_held_after=is_held_after))
            done.append(job.job_id)
        except JobdError as error:
            last = error
    if last is not None and not done:
        raise last
    return done


def _over(server: "Server", named: JobId) -> list[Job]:
    """The finished jobs of one word, as many as one request changes."""
    chosen = runs_of(named.runs, targets.INDEX_LIMIT) if named.runs else None
    found = {job.job_id: job for job in server.journal.finished_of([named.job_id], is_with_arrays=True)}
    for job in server.changes.changed.values():
        if named.job_id in (job.job_id, job.array_id) and job.is_finished:
            found[job.job_id] = job
    age_s = server.config.min_job_age_s
    jobs: list[Job] = []
    for job in found.values():
        if server.latest(job.job_id) not in (None, job) or job.job_id in server.world.jobs:
            continue
        index = job.array_index
        if chosen is not None and (index is None or job.array_id != named.job_id or not chosen.has(index)):
            continue
        phase = job.phase
        if isinstance(phase, Finished) and phase.ended_at >= server.now.wall_s - age_s:
            jobs.append(job)
    if found and not jobs:
        raise NoSuchJob(
            f"job {targets.text_of(named)} was over more than {age_s:.0f} s ago (jobctl rerun queues it again, as a new job)"
        )
    return sorted(jobs, key=lambda job: job.job_id)[: targets.AFFECTED_MAX]


def _requeued(world: World, job_id: int, now: Now, is_held_after: bool) -> list[Event]:
    return changes.requeued(world, job_id, is_held_after=is_held_after, now=now)


def _is_held(job: Job) -> bool:
    return job.spec.batch is not None and job.spec.batch.is_held


def _is_paused(job: Job) -> bool:
    return isinstance(job.phase, Running) and job.phase.pause.since_at is not None


# What to do, and which jobs have it still before them.
_ACTIONS: dict[str, tuple[Callable[[World, int, Now, bool], list[Event]], Callable[[Job], bool]]] = {
    Action.HOLD.value: (
        lambda world, job_id, now, is_later: changes.held(world, job_id, now, is_started_too=is_later),
        lambda job: job.is_waiting and not _is_held(job),
    ),
    Action.RELEASE.value: (
        lambda world, job_id, now, _: changes.released(world, job_id, now),
        lambda job: job.is_waiting and _is_held(job),
    ),
    Action.REQUEUE.value: (_requeued, lambda job: job.is_holding),
    Action.SUSPEND.value: (
        lambda world, job_id, now, _: changes.paused(world, job_id, now),
        lambda job: isinstance(job.phase, Running) and not _is_paused(job),
    ),
    Action.RESUME.value: (
        lambda world, job_id, now, _: changes.unpaused(world, job_id, now),
        _is_paused,
    ),
}
