"""list_attempts: the attempts of jobs, living or finished, before their last one."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from jobd.daemon.peers import Peer
from jobd.daemon.rows import row_of
from jobd.errors import UsageError
from jobd.limits import IDS_MAX
from jobd.wire.batch import AttemptPage, AttemptRow, ListAttempts

if TYPE_CHECKING:
    from jobd.daemon.loop import Server


def handle(server: "Server", peer: Peer, request: ListAttempts) -> Callable[[], AttemptPage]:
    """All of them, by job and number.

    Raises:
        UsageError: too many numbers.
    """
    if len(request.job_ids) > IDS_MAX:
        raise UsageError(f"at most {IDS_MAX} jobs at a time")

    def answer() -> AttemptPage:
        world, journal = server.world, server.journal
        living = [world.jobs[job_id] for job_id in set(request.job_ids) if job_id in world.jobs]
        jobs = living + journal.finished_of(set(request.job_ids) - {job.job_id for job in living})
        return AttemptPage(
            [
                AttemptRow(row_of(world, one.job)._replace(children=[]), one.requeued_at, one.is_asked)
                for one in journal.attempts_of(jobs)
            ]
        )

    return answer
