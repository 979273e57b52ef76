"""How jobs ended: waits until all of some jobs are over (jobd.waits), and makes one exit code of their ends."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from jobd.states import JobState
from jobd.wire.batch import JobId

if TYPE_CHECKING:
    from jobd.client import Client
    from jobd.wire.rows import JobRow


def wait_for(
    client: "Client", jobs: "Sequence[int | JobId]", hear: "Callable[[JobRow], None] | None" = None
) -> int:
    """Sleep until all of these jobs are over; the worst of their exit codes (`code_of`).

    Args:
        jobs: numbers (an array's number means all its elements) or selections (12_[1-4]).
        hear: called with each job that has come to its end, once.

    Raises:
        NoSuchJob: one is not known, or no longer.
        JobdError: there is no server to ask at the beginning.
    """
    from jobd import waits

    wanted = [job if isinstance(job, JobId) else JobId(job) for job in jobs]
    worst = 0
    if not wanted:
        return worst
    # A thousand that wait keep no connections on which they ask nothing.
    for row in waits.ends_of(client.request, wanted, before_sleep=client.close):
        worst = max(worst, code_of(row))
        if hear is not None:
            hear(row)
    return worst


def code_of(row: "JobRow") -> int:
    """The exit code that a shell would have of a finished job: its own, 128 + the signal; at least 1 where it did not complete."""
    if row.signal is not None:
        return 128 + row.signal
    code = row.exit_code or 0
    return code if code or row.state == JobState.COMPLETED.value else 1


__all__ = ["code_of", "wait_for"]
