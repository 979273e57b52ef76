"""cancel: end jobs properly, or send them a signal. What is named and does not live is refused by name; the rest is done."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from jobd.core import reports
from jobd.core.events import Completed, Ended
from jobd.core.job import Completing, Job
from jobd.daemon import targets
from jobd.daemon.peers import Peer
from jobd.daemon.specs import check_range
from jobd.errors import Refused, UsageError
from jobd.limits import SIGNAL_NUMBER_MAX
from jobd.states import Cause, Scope
from jobd.wire.batch import Affected, Cancel, Signal

if TYPE_CHECKING:
    from jobd.daemon.loop import Server

SIGTERM = 15


def handle(server: "Server", peer: Peer, request: Cancel) -> Callable[[], Affected]:
    """End what is chosen, trees included; with a signal, a step or the batch script alone, signal that.

    Raises:
        UsageError: nothing is named, no such signal, or no such scope.
    """
    check_range("signal", request.signal, 0, SIGNAL_NUMBER_MAX)
    if request.scope not in ("", *(scope.value for scope in Scope)):
        raise UsageError(f"scope {request.scope[:40]!r}: {', '.join(scope.value for scope in Scope)}")
    is_step = any(named.step_id is not None for named in request.target.jobs)
    if request.signal or is_step or request.scope == Scope.BATCH.value:
        return _signal(server, request)
    chosen = targets.choose(server, request.target, is_open=_is_not_ending)
    job_ids = [job_id for job_id in chosen.job_ids if job_id in server.world.jobs]
    events = reports.deleted(server.world, job_ids, Cause.DELETED, server.now)
    ending = [event.job_id for event in events if isinstance(event, Completed | Ended)]
    affected = sorted({*ending, *job_ids})
    server.admit(events)
    return lambda: Affected(affected, chosen.refused, chosen.is_more and bool(affected))


def _signal(server: "Server", request: Cancel) -> Callable[[], Affected]:
    number = request.signal or SIGTERM
    scope = request.scope or Scope.STEPS.value
    step_of = {targets.text_of(named): named.step_id for named in request.target.jobs}
    # All at once: a signal that is sent in parts would reach the first ones again.
    chosen = targets.choose(
        server, request.target, is_open=lambda job: job.is_holding, count_max=targets.NO_LIMIT
    )
    steps: dict[int, list[int | None]] = {}  # of each job those that are meant; None for all
    for name, job_ids in chosen.groups:
        for job_id in job_ids:
            steps.setdefault(job_id, []).append(step_of.get(name))

    def signal(job_id: int) -> None:
        job = server.world.jobs[job_id]
        if not job.is_holding:
            raise Refused(f"job {job_id} does not run, so it has no processes to signal")
        if server.link.agent is None:
            raise Refused(
                f"job {job_id}: there is no agent that could signal it; it is on its way, try again"
            )
        attempt = job.attempt if job.is_batch else 0
        while steps[job_id]:
            server.pending.signals.append(Signal(job_id, attempt, number, scope, steps[job_id].pop(0)))

    done, refused = targets.for_each(server, chosen, signal)
    return lambda: Affected(sorted(done), refused)


def _is_not_ending(job: Job) -> bool:
    return not isinstance(job.phase, Completing)
