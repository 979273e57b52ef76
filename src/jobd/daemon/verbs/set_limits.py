"""set_limits: change nb_proc and nb_proc_max."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from jobd.core import reports
from jobd.core.events import Ended
from jobd.daemon.peers import Peer
from jobd.errors import UsageError
from jobd.limits import NB_PROC_LIMIT
from jobd.wire.messages import SetLimits, Status

if TYPE_CHECKING:
    from jobd.daemon.loop import Server


def handle(server: "Server", peer: Peer, request: SetLimits) -> Callable[[], Status]:
    """Set them from now on; jobs that wait for more than one may have are cancelled.

    Raises:
        UsageError: a number out of its range.
    """
    nb_proc = server.world.nb_proc if request.nb_proc is None else request.nb_proc
    nb_proc_max = server.world.nb_proc_max if request.nb_proc_max is None else request.nb_proc_max
    if not 0 <= nb_proc <= NB_PROC_LIMIT:
        raise UsageError(f"nb_proc {nb_proc}: from 0 to {NB_PROC_LIMIT}")
    if not 1 <= nb_proc_max <= NB_PROC_LIMIT:
        raise UsageError(f"nb_proc_max {nb_proc_max}: from 1 to {NB_PROC_LIMIT}")
    events = reports.limits_set(server.world, nb_proc, nb_proc_max, server.now)
    cancelled = [event.job_id for event in events if isinstance(event, Ended)]
    server.admit(events)
    return lambda: server.status()._replace(cancelled=cancelled)
