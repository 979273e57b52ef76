"""delete: kill jobs properly, each with its tree."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from jobd.core import reports
from jobd.core.events import Completed, Ended
from jobd.daemon.peers import Peer
from jobd.errors import NoSuchJob, UsageError
from jobd.limits import IDS_MAX
from jobd.states import Cause
from jobd.wire.messages import Delete, Deleted

if TYPE_CHECKING:
    from jobd.daemon.loop import Server


def handle(server: "Server", peer: Peer, request: Delete) -> Callable[[], Deleted]:
    """Kill all of them, or, if one does not live, none.

    Raises:
        NoSuchJob: one of them does not live.
        UsageError: none or too many were named.
    """
    if not 1 <= len(request.job_ids) <= IDS_MAX:
        raise UsageError(f"from 1 to {IDS_MAX} jobs at a time")
    for job_id in request.job_ids:
        if job_id not in server.world.jobs:
            raise NoSuchJob(f"no job {job_id} (Squeue lists the living, Sacct the finished)")
    events = reports.deleted(server.world, request.job_ids, Cause.DELETED, server.now)
    affected = sorted(
        {event.job_id for event in events if isinstance(event, Completed | Ended)} | set(request.job_ids)
    )
    server.admit(events)
    return lambda: Deleted(affected)
