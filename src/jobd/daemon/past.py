"""What is known of jobs that are over, for those who depend on them: the journal's word, and this tick's, which is not there yet."""

from typing import TYPE_CHECKING

from jobd.core import waits
from jobd.core.job import Finished, Job
from jobd.core.waits import Past
from jobd.dependencies import Dependency
from jobd.indexes import Indexes
from jobd.states import JobState

if TYPE_CHECKING:
    from jobd.daemon.loop import Server


def past_of(
    server: "Server", dependency: Dependency, tasks: Indexes | None = None
) -> dict[tuple[int, int | None], Past]:
    """What became of the jobs that a dependency names and that do not live. Who is unknown to all is not in it.

    Args:
        tasks: of the array that is to wait: its elements may have partners.
    """
    found: dict[tuple[int, int | None], Past] = {}
    fresh = _of_this_tick(server)
    whole: dict[int, Job | None] = {}
    for job_id, index in waits.unknown(server.world, dependency, tasks):
        past = server.journal.past_of(job_id, index)
        known = None if past is None else Past(*past)
        if known is None and index is not None:
            known = _unsplit(server, job_id, index, whole)
        for job in fresh:
            if _is_meant(job, job_id, index):
                known = _with(known, job)
        if known is not None:
            found[job_id, index] = known
    return found


def _of_this_tick(server: "Server") -> list[Job]:
    jobs = (*server.changes.changed.values(), *server.changes.new.values())
    return [job for job in jobs if isinstance(job.phase, Finished)]


def _is_meant(job: Job, job_id: int, index: int | None) -> bool:
    if index is None:
        return job_id in (job.job_id, job.array_id)
    if job.array_id != job_id:
        return False
    return job.array_index == index if job.tasks is None else job.tasks.has(index)


def _unsplit(server: "Server", job_id: int, index: int, whole: dict[int, Job | None]) -> Past | None:
    """What became of an element that ended with its waiting array, without ever having left it. `whole`: arrays looked up before."""
    if job_id not in whole:
        whole[job_id] = next(iter(server.journal.finished_of([job_id])), None)
    array = whole[job_id]
    return _with(None, array) if array is not None and _is_meant(array, job_id, index) else None


def _with(known: Past | None, job: Job) -> Past:
    """What is known of some, and of this one too (of an array: of all together)."""
    phase = job.phase
    assert isinstance(phase, Finished)
    own = Past(phase.outcome.state is JobState.COMPLETED, phase.started_at, phase.ended_at)
    if known is None:
        return own
    starts = [at for at in (known.started_at, own.started_at) if at is not None]
    return Past(
        known.is_success and own.is_success,
        max(starts, default=None),
        max(known.ended_at, own.ended_at),
    )
