"""Which living jobs a request means: 12, 12_3, 12_[1-4], by name, state, user, partition, account or qos.

* A number that is an array's means all of its living elements, and the array itself while it waits.
* To address single elements of a waiting array splits them off, so they become jobs of their own here.
* What is named and does not live is refused by name; what only filters choose is simply not chosen.
* The work of a tick is bounded: of a long list the first part is done, and `is_more` says so.
"""

from collections.abc import Callable, Iterable
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from jobd import indexes
from jobd.core import arrays
from jobd.core.job import Completing, Job, Running
from jobd.core.world import World
from jobd.daemon.specs import RUNS_MAX, runs_of
from jobd.errors import JobdError, NoSuchJob, Refused, UsageError
from jobd.indexes import Indexes
from jobd.limits import IDS_MAX
from jobd.states import JobState
from jobd.wire.batch import JobId, Refusal, Target

if TYPE_CHECKING:
    from jobd.daemon.loop import Server

AFFECTED_MAX = 2000  # jobs that one request changes: a tenth of a second of the server's time
NO_LIMIT = 1 << 40  # more jobs than there may be
INDEX_LIMIT = 1 << 40  # beyond any array's index

NAMES_MAX = 1000


class Chosen(NamedTuple):
    """The jobs that were named or found; for each group (what one word named) its jobs."""

    groups: list[tuple[str, list[int]]]
    refused: list[Refusal]
    is_more: bool

    @property
    def job_ids(self) -> list[int]:
        """All, each once, in order."""
        return list(dict.fromkeys(job_id for _, job_ids in self.groups for job_id in job_ids))


def choose(
    server: "Server",
    target: Target,
    *,
    is_open: Callable[[Job], bool] = lambda _: True,
    count_max: int = AFFECTED_MAX,
) -> Chosen:
    """The jobs that a target means. Elements that are named become jobs of their own.

    Args:
        is_open: whether there is anything to do to a job; others are left out where only filters (or an array's number) choose, so that
            a long list gets shorter each time it is asked for again.
        count_max: how many may be chosen by filters and of arrays. Jobs that are named one by one are all chosen: when it is asked
            again those that are over by then would be refused.

    Raises:
        UsageError: nothing is named, too much is, or an impossible condition.
    """
    _check(target)
    fits = _filter(server.world, target)
    if not target.jobs:
        found: list[int] = []
        for job in _candidates(server.world, target):
            if is_open(job) and fits(job):
                if len(found) == count_max:
                    return Chosen([("", found)], [], True)
                found.append(job.job_id)
        return Chosen([("", found)], [], False)
    groups: list[tuple[str, list[int]]] = []
    refused: list[Refusal] = []
    room = count_max
    is_more = False
    for named in target.jobs:
        try:
            job_ids, is_part = _named(server, named, max(1, room), is_open)
        except JobdError as error:
            refused.append(refusal(text_of(named), error))
            continue
        job_ids = [job_id for job_id in job_ids if fits(server.world.jobs[job_id])]
        room -= len(job_ids)
        is_more = is_more or is_part
        groups.append((text_of(named), job_ids))
    return Chosen(groups, refused, is_more)


def for_each(server: "Server", chosen: Chosen, act: Callable[[int], None]) -> tuple[list[int], list[Refusal]]:
    """Do something to each of the chosen jobs: those to which it was done, and those to which it could not be.

    Of an array's elements those to which it cannot be done are left out silently, if there is one to which it can: to hold a whole array
    means those that still wait.
    """
    done: list[int] = []
    refused = list(chosen.refused)
    for name, job_ids in chosen.groups:
        before = len(done)
        failed: list[Refusal] = []
        for job_id in job_ids:
            if job_id not in server.world.jobs:
                continue  # it has gone with another one of the list
            try:
                act(job_id)
                done.append(job_id)
            except JobdError as error:
                failed.append(refusal(name if len(job_ids) == 1 and name else str(job_id), error))
        if len(job_ids) == 1 or len(done) == before:
            refused += failed
    return list(dict.fromkeys(done)), refused


def refusal(name: str, error: JobdError) -> Refusal:
    """What could not be done, for the reply."""
    return Refusal(name, error.name, str(error))


def text_of(named: JobId) -> str:
    """12, 12_3, 12_[1-4], 12.0"""
    step = "" if named.step_id is None else f".{named.step_id}"
    if not named.runs:
        return f"{named.job_id}{step}"
    if len(named.runs) == 1 and len(named.runs[0]) == 3 and named.runs[0][0] == named.runs[0][1]:
        return f"{named.job_id}_{named.runs[0][0]}{step}"
    return f"{named.job_id}_[{','.join(_run_text(run) for run in named.runs[:20])}]{step}"


def no_such_job(name: str | int) -> NoSuchJob:
    """The refusal of one that does not live."""
    return NoSuchJob(f"no job {name} (Squeue lists the living, Sacct the finished)")


def state_of(world: World, job: Job) -> JobState:
    """The state in which a living job is shown."""
    phase = job.phase
    if isinstance(phase, Running):
        is_halted = phase.pause.since_at is not None or job.job_id in world.children
        return JobState.SUSPENDED if is_halted else JobState.RUNNING
    return JobState.COMPLETING if isinstance(phase, Completing) else JobState.PENDING


# ---- what is named
def _named(
    server: "Server", named: JobId, room: int, is_open: Callable[[Job], bool]
) -> tuple[list[int], bool]:
    """The jobs of one number, and whether there are more than there is room for."""
    world = server.world
    if named.runs:
        return _elements(server, named, room, is_open)
    job_ids = arrays.elements(world, named.job_id)
    if not job_ids:
        if named.job_id not in world.jobs:
            raise no_such_job(named.job_id)
        return [named.job_id], False
    is_one = len(job_ids) == 1
    found = [job_id for job_id in job_ids if is_one or is_open(world.jobs[job_id])]
    return found[:room], len(found) > room


def _elements(
    server: "Server", named: JobId, room: int, is_open: Callable[[Job], bool]
) -> tuple[list[int], bool]:
    world = server.world
    wanted = runs_of(named.runs, INDEX_LIMIT)
    array = world.jobs.get(named.job_id)
    tasks = array.tasks if array is not None else None
    if tasks is not None and wanted.count > room and all(map(wanted.has, tasks.each())):
        # All that still wait are one job; besides it there are those that have left it.
        found = [
            job_id
            for job_id in arrays.elements(world, named.job_id)
            if _is_one_of(world.jobs[job_id], wanted)
        ]
        undone = [job_id for job_id in found if is_open(world.jobs[job_id])]
        return undone[:room] or found[:1], len(undone) > room
    if room > AFFECTED_MAX and wanted.count > AFFECTED_MAX:
        raise Refused(f"at most {AFFECTED_MAX} elements of an array at a time, or all of it")
    if tasks is not None:
        pieces = sum(1 if step == 1 else (last - start) // step + 1 for start, last, step in wanted.runs)
        if len(tasks.runs) + pieces > RUNS_MAX:
            raise Refused(
                f"array {named.job_id} would wait in more than {RUNS_MAX} pieces: name longer ranges, or all of it"
            )
    is_part = False
    if wanted.count > room:
        wanted, is_part = _open_ones(world, named.job_id, wanted, room, is_open)
    events, job_ids, _ = arrays.chosen(world, named.job_id, wanted.runs)
    if not job_ids:  # of a range those that are over are no mistake, while one of it lives
        raise no_such_job(text_of(named))
    server.admit(list(events))
    return job_ids, is_part


def _is_one_of(job: Job, wanted: Indexes) -> bool:
    return job.tasks is not None or (job.array_index is not None and wanted.has(job.array_index))


def _open_ones(
    world: World, array_id: int, wanted: Indexes, room: int, is_open: Callable[[Job], bool]
) -> tuple[Indexes, bool]:
    """The lowest so many of a long range that still have it before them, and whether these are not all: what is asked for again must not
    begin with what is done. Where there are none, one that lives, which can say why."""
    record = world.arrays.get(array_id)
    by_index = record.by_index if record is not None else {}
    apart = sorted(index for index in by_index if wanted.has(index))
    found = [index for index in apart if is_open(world.jobs[by_index[index]])]
    array = world.jobs.get(array_id)
    if array is not None and array.tasks is not None:
        waiting = wanted.common(array.tasks)
        apart += islice(waiting.each(), 1)
        if is_open(array):
            found = sorted([*found, *islice(waiting.each(), room + 1)])
    return indexes.of(found[:room] or apart[:1]), len(found) > room


def _run_text(run: list[int]) -> str:
    return "-".join(map(str, run[:2])) if len(run) > 1 and run[0] != run[1] else str(run[0] if run else "")


# ---- what is filtered
def _check(target: Target) -> None:
    if len(target.jobs) > IDS_MAX:
        raise UsageError(f"at most {IDS_MAX} jobs at a time")
    if not any(target):
        raise UsageError("no jobs are named")
    for words in target[1:]:
        if len(words) > NAMES_MAX:
            raise UsageError(f"at most {NAMES_MAX} names at a time")
    if sum(len(named.runs) for named in target.jobs) > RUNS_MAX:
        raise UsageError(f"at most {RUNS_MAX} ranges of array indexes at a time")
    known = {state.value for state in JobState}
    for state in target.states:
        if state not in known:
            raise UsageError(f"no state {state[:40]!r}")


def _candidates(world: World, target: Target) -> Iterable[Job]:
    """Those among which to look; by name they are found without looking at all."""
    if target.states and set(target.states) <= {
        JobState.RUNNING.value,
        JobState.SUSPENDED.value,
        JobState.COMPLETING.value,
    }:
        return list(world.holding.values())
    return list(world.jobs.values())


def _filter(world: World, target: Target) -> Callable[[Job], bool]:
    """Whether a job fits all conditions but its number."""
    names, states, users = set(target.names), set(target.states), set(target.users)
    labels = [
        (name, set(words))
        for name, words in (
            ("partition", target.partitions),
            ("account", target.accounts),
            ("qos", target.qos),
        )
        if words
    ]

    def fits(job: Job) -> bool:
        spec = job.spec
        if (names and spec.name not in names) or (users and spec.user not in users):
            return False
        if states and state_of(world, job).value not in states:
            return False
        return all(spec.label(name) in words for name, words in labels)

    return fits
