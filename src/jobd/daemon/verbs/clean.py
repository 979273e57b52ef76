"""clean: forget finished jobs. Done in portions: what one request does not reach, the next does; it is done when the count is 0."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from jobd.daemon.peers import Peer
from jobd.errors import UsageError
from jobd.journal.journal import FORGOTTEN_AT_ONCE_MAX
from jobd.limits import IDS_MAX
from jobd.wire.batch import Clean, Cleaned

if TYPE_CHECKING:
    from jobd.daemon.loop import Server

PORTIONS_MAX = 5  # of one request: some 0.2 s of the server's time


def handle(server: "Server", peer: Peer, request: Clean) -> Callable[[], Cleaned]:
    """Forget them after this tick's commit, so that nothing is removed that the tick has begun to use.

    Raises:
        UsageError: no time, or too many numbers.
    """
    if not math.isfinite(request.before_at):
        raise UsageError("the time before which jobs have ended is no time")
    if len(request.job_ids) > IDS_MAX:
        raise UsageError(f"at most {IDS_MAX} jobs at a time")

    def answer() -> Cleaned:
        count = 0
        for _ in range(PORTIONS_MAX):
            forgotten = server.journal.forget_finished(request.before_at, request.job_ids)
            count += forgotten
            if forgotten < FORGOTTEN_AT_ONCE_MAX:
                break
        return Cleaned(count)

    return answer
