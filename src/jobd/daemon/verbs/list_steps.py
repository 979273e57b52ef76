"""list_steps: the steps of jobs, living or finished."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from jobd.daemon.peers import Peer
from jobd.errors import UsageError
from jobd.limits import IDS_MAX
from jobd.wire.batch import ListSteps, StepPage, StepRow

if TYPE_CHECKING:
    from jobd.daemon.loop import Server


def handle(server: "Server", peer: Peer, request: ListSteps) -> Callable[[], StepPage]:
    """All of them, by job, attempt and number.

    Raises:
        UsageError: too many numbers.
    """
    if len(request.job_ids) > IDS_MAX:
        raise UsageError(f"at most {IDS_MAX} jobs at a time")

    def answer() -> StepPage:
        steps = server.journal.steps_of(request.job_ids)
        return StepPage([StepRow._make(step[: len(StepRow._fields)]) for step in steps])

    return answer
