"""update: change what jobs ask for. Whether a job can still be changed so is for the core to say."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from jobd import dependencies
from jobd.core import changes
from jobd.core.changes import Wanted
from jobd.core.waits import Past
from jobd.daemon import targets
from jobd.daemon.past import past_of
from jobd.daemon.peers import Peer
from jobd.daemon.specs import begin_of, check_path, check_range, checked_labels
from jobd.errors import Refused, UsageError
from jobd.limits import NAME_CHARS_MAX, NB_PROC_LIMIT, PRIORITY_LIMIT, RESOURCE_MAX, TIME_LIMIT_S_MAX
from jobd.wire.batch import Affected, Update

if TYPE_CHECKING:
    from jobd.daemon.loop import Server


def handle(server: "Server", peer: Peer, request: Update) -> Callable[[], Affected]:
    """Change each of the chosen jobs.

    Raises:
        UsageError: nothing is named, nothing is to be changed, or a value makes no sense.
    """
    wanted = _wanted(server, request)
    if wanted == Wanted() and request.time_limit_add_s is None:
        raise UsageError("nothing to change")
    past: Mapping[tuple[int, int | None], Past] = {}
    if wanted.dependency is not None:
        past = past_of(server, wanted.dependency)
    chosen = targets.choose(server, request.target, count_max=targets.NO_LIMIT)

    def change(job_id: int) -> None:
        own = wanted
        if request.time_limit_add_s is not None:
            own = own._replace(time_limit_s=_later(server, job_id, request.time_limit_add_s))
        server.admit(changes.updated(server.world, job_id, own, server.now, past))

    done, refused = targets.for_each(server, chosen, change)
    return lambda: Affected(sorted(done), refused)


def _wanted(server: "Server", request: Update) -> Wanted:
    if request.name is not None and (
        not request.name or len(request.name) > NAME_CHARS_MAX or "\0" in request.name
    ):
        raise UsageError(f"name {request.name[:40]!r}: 1 to {NAME_CHARS_MAX} characters, and no zero byte")
    check_range("priority", request.priority, -PRIORITY_LIMIT, PRIORITY_LIMIT)
    check_range("nice", request.nice, -PRIORITY_LIMIT, PRIORITY_LIMIT)
    check_range("time limit in seconds", request.time_limit_s, 0, TIME_LIMIT_S_MAX)
    check_range("time limit in seconds", request.time_limit_add_s, -TIME_LIMIT_S_MAX, TIME_LIMIT_S_MAX)
    check_range("memory in bytes", request.memory_bytes, 0, RESOURCE_MAX)
    check_range("procs", request.nb_proc, 1, NB_PROC_LIMIT)
    check_range("array: elements at a time", request.array_limit, 0, NB_PROC_LIMIT)
    if request.time_limit_s is not None and request.time_limit_add_s is not None:
        raise UsageError("a time limit is set or added to, not both")
    check_range("ntasks", request.ntasks, 1, NB_PROC_LIMIT)
    check_range("cpus-per-task", request.cpus_per_task, 1, NB_PROC_LIMIT)
    check_range("ntasks-per-node", request.ntasks_per_node, 1, NB_PROC_LIMIT)
    check_range("memory per cpu", request.memory_per_cpu_bytes, 0, RESOURCE_MAX)
    for path in (request.stdout, request.cwd):
        check_path(path or "")
    if request.cwd is not None and not request.cwd.startswith("/"):
        raise UsageError(f"directory {request.cwd[:40]!r}: it must begin with /")
    labels = checked_labels(request.labels, server.config)
    return Wanted(
        name=request.name,
        priority=request.priority,
        nice=request.nice,
        time_limit_s=request.time_limit_s,
        memory_bytes=request.memory_bytes,
        nb_proc=request.nb_proc,
        dependency=None if request.dependency is None else dependencies.parse(request.dependency),
        begin_at=begin_of(request.begin_at),
        is_requeueable=request.is_requeueable,
        array_limit=request.array_limit,
        labels=tuple(sorted(labels.items())),
        stdout=request.stdout,
        cwd=request.cwd,
        ntasks=request.ntasks,
        cpus_per_task=request.cpus_per_task,
        ntasks_per_node=request.ntasks_per_node,
        memory_per_cpu_bytes=request.memory_per_cpu_bytes,
    )


def _later(server: "Server", job_id: int, add_s: int) -> int:
    """The time limit, so much later."""
    limit_s = server.world.jobs[job_id].spec.time_limit_s
    if limit_s is None:
        raise Refused(f"job {job_id} has no time limit to which something could be added")
    if not 1 <= limit_s + add_s <= TIME_LIMIT_S_MAX:
        raise Refused(f"job {job_id}: a time limit of {limit_s + add_s} s (from 1 s to ten years)")
    return limit_s + add_s
