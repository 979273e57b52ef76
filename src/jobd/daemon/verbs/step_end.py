"""step_end: a step is over."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from jobd.daemon.peers import Peer
from jobd.daemon.specs import check_range
from jobd.daemon.verbs.step_begin import check
from jobd.errors import UsageError
from jobd.limits import EXIT_CODE_MAX, RESOURCE_MAX, SIGNAL_MAX
from jobd.wire.batch import StepEnd
from jobd.wire.messages import Done

if TYPE_CHECKING:
    from jobd.daemon.loop import Server


def handle(server: "Server", peer: Peer, request: StepEnd) -> Callable[[], Done]:
    """Take note. One that is told twice, or after its job, is as good as told.

    Raises:
        UsageError: it is no end.
    """
    check(request.token)
    check_range("exit code", request.exit_code, 0, EXIT_CODE_MAX)
    check_range("signal", request.signal, 0, SIGNAL_MAX)
    check_range("memory in bytes", request.memory_peak_bytes, 0, RESOURCE_MAX)
    if not (math.isfinite(request.cpu_s) and request.cpu_s >= 0):
        raise UsageError("the time that a step used is no time")
    server.steps.end(server, request)
    return Done
