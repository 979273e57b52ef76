"""ended: a Salloc's command is over."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from jobd.core import reports
from jobd.core.job import Completing, Outcome
from jobd.daemon.peers import Peer
from jobd.errors import UsageError
from jobd.limits import EXIT_CODE_MAX, SIGNAL_MAX
from jobd.states import Cause
from jobd.wire.messages import Ended, Noted

if TYPE_CHECKING:
    from jobd.daemon.loop import Server


def handle(server: "Server", peer: Peer, request: Ended) -> Callable[[], Noted]:
    """Take note of the end. One that is told twice, or of a job that is long over, is as good as told.

    Raises:
        UsageError: it is no end.
    """
    if (request.exit_code is None) == (request.signal is None):
        raise UsageError("an end is an exit code or a signal")
    if not 0 <= (request.exit_code or 0) <= EXIT_CODE_MAX or not 0 <= (request.signal or 0) <= SIGNAL_MAX:
        raise UsageError(f"an exit code is from 0 to {EXIT_CODE_MAX}, a signal at most {SIGNAL_MAX}")
    job = server.world.jobs.get(request.job_id)
    if job is not None and job.spec.token == request.token and job.is_holding:
        outcome = Outcome(Cause.SELF, request.exit_code, request.signal)
        server.admit(
            reports.exited(server.world, job.job_id, outcome, is_gone=request.is_gone, now=server.now)
        )

    def answer() -> Noted:
        parent = None
        if job is not None and job.parent_id is not None:
            parent = server.latest(job.parent_id)
        return Noted(parent is not None and isinstance(parent.phase, Completing))

    return answer
