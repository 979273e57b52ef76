"""step_begin: an Srun inside a job begins a step of it."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from jobd.core.job import Running
from jobd.daemon.peers import Peer
from jobd.daemon.specs import check_range
from jobd.daemon.targets import no_such_job
from jobd.errors import ParentEnding, Refused, UsageError
from jobd.limits import (
    COMMAND_CHARS_MAX,
    COMMAND_WORDS_MAX,
    NAME_CHARS_MAX,
    NB_PROC_LIMIT,
    TOKEN_CHARS_MAX,
)
from jobd.wire.batch import StepBegin, StepNumber

if TYPE_CHECKING:
    from jobd.daemon.loop import Server


def handle(server: "Server", peer: Peer, request: StepBegin) -> Callable[[], StepNumber]:
    """Number it, once for each token.

    Raises:
        NoSuchJob: the job does not live.
        Refused: the job does not run, or is being ended.
        UsageError: it makes no sense.
    """
    check(request.token)
    check_range("ntasks", request.ntasks, 1, NB_PROC_LIMIT)
    if len(request.name) > NAME_CHARS_MAX or len(request.command) > COMMAND_WORDS_MAX:
        raise UsageError("the name or the command of the step is too long")
    if sum(map(len, request.command)) > COMMAND_CHARS_MAX:
        raise UsageError(f"the command of a step is recorded up to {COMMAND_CHARS_MAX} characters")
    job = server.world.jobs.get(request.job_id)
    if job is None:
        raise no_such_job(request.job_id)
    if job.is_waiting:
        raise Refused(f"job {job.job_id} does not run yet, so it has no steps")
    if not isinstance(job.phase, Running):
        raise ParentEnding(f"job {job.job_id} is being ended")
    number = server.steps.begin(server, job, request)

    def answer() -> StepNumber:
        latest = server.latest(request.job_id) or job
        assert latest is not None
        return StepNumber(number, server.row(latest), server.facts.server_id)

    return answer


def check(token: str) -> None:
    """
    Raises:
        UsageError: no token.
    """
    if not (token.isascii() and token.isalnum()) or len(token) > TOKEN_CHARS_MAX:
        raise UsageError("a step needs a token of letters and digits")
