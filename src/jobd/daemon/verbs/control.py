"""control: hold, release, requeue, suspend, resume. Whether it may be done to a job is for the core to say."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from jobd.core import changes
from jobd.core.events import Event
from jobd.core.job import Job, Now, Running
from jobd.core.world import World
from jobd.daemon import targets
from jobd.daemon.peers import Peer
from jobd.errors import UsageError
from jobd.states import Control as Action
from jobd.wire.batch import Affected, Control

if TYPE_CHECKING:
    from jobd.daemon.loop import Server


def handle(server: "Server", peer: Peer, request: Control) -> Callable[[], Affected]:
    """Do it to each of the chosen jobs.

    Raises:
        UsageError: no such action, or nothing is named.
    """
    row = _ACTIONS.get(request.action)
    if row is None:
        raise UsageError(f"{request.action[:40]!r}: one of {', '.join(_ACTIONS)}")
    events_of, is_open = row
    chosen = targets.choose(server, request.target, is_open=is_open)

    def act(job_id: int) -> None:
        server.admit(events_of(server.world, job_id, server.now, request.is_held_after))

    done, refused = targets.for_each(server, chosen, act)
    return lambda: Affected(sorted(done), refused, chosen.is_more and bool(done))


def _requeued(world: World, job_id: int, now: Now, is_held_after: bool) -> list[Event]:
    return changes.requeued(world, job_id, is_held_after=is_held_after, now=now)


def _is_held(job: Job) -> bool:
    return job.spec.batch is not None and job.spec.batch.is_held


def _is_paused(job: Job) -> bool:
    return isinstance(job.phase, Running) and job.phase.pause.since_at is not None


# What to do, and which jobs have it still before them.
_ACTIONS: dict[str, tuple[Callable[[World, int, Now, bool], list[Event]], Callable[[Job], bool]]] = {
    Action.HOLD.value: (
        lambda world, job_id, now, _: changes.held(world, job_id, now),
        lambda job: job.is_waiting and not _is_held(job),
    ),
    Action.RELEASE.value: (
        lambda world, job_id, now, _: changes.released(world, job_id, now),
        lambda job: job.is_waiting and _is_held(job),
    ),
    Action.REQUEUE.value: (_requeued, lambda job: job.is_holding),
    Action.SUSPEND.value: (
        lambda world, job_id, now, _: changes.paused(world, job_id, now),
        lambda job: isinstance(job.phase, Running) and not _is_paused(job),
    ),
    Action.RESUME.value: (
        lambda world, job_id, now, _: changes.unpaused(world, job_id, now),
        _is_paused,
    ),
}
