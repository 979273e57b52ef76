"""stop: stop the server, after all jobs if asked."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from jobd.core import reports
from jobd.daemon.peers import Peer
from jobd.states import Cause
from jobd.wire.messages import Done, Stop

if TYPE_CHECKING:
    from jobd.daemon.loop import Server


def handle(server: "Server", peer: Peer, request: Stop) -> Callable[[], Done]:
    """From now on no job is taken or started; jobs run on, or are ended first."""
    server.stop_asked = True
    if request.is_killing:
        server.kill_asked = True
        server.admit(reports.deleted(server.world, list(server.world.jobs), Cause.SHUTDOWN, server.now))
    return Done
