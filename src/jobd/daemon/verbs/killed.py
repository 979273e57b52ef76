"""killed: a running Salloc was sent a signal that is meant to end it."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from jobd.core import reports
from jobd.daemon.peers import Peer
from jobd.wire.messages import Done, Killed

if TYPE_CHECKING:
    from jobd.daemon.loop import Server


def handle(server: "Server", peer: Peer, request: Killed) -> Callable[[], Done]:
    """End its tree. A job that is being ended already is left to it."""
    job = server.world.jobs.get(request.job_id)
    if job is not None and job.spec.token == request.token:
        server.admit(reports.signalled(server.world, job.job_id, request.signal, server.now))
    return Done
