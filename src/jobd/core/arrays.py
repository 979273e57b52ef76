"""Arrays: one waiting job for all elements that have not begun, and jobs of their own for those that have. Reads the world only.

An element is split off its array when it is to be started, or when somebody means it and not the others. It takes the next number; the
last one takes the array's own.
"""

from collections.abc import Iterable

from jobd import indexes
from jobd.core.events import Event, Split
from jobd.core.job import Job
from jobd.core.world import World
from jobd.indexes import Indexes

MISSING_TOLD_MAX = 100  # of a long list of indexes that are not there


def split(world: World, array: Job, index: int) -> Split:
    """What makes an element of a waiting array a job of its own."""
    (event,), _ = splits(array, [index], world.next_job_id)
    return event


def splits(array: Job, wanted: Iterable[int], next_job_id: int) -> tuple[list[Split], int]:
    """The events that make these elements, each of which the array must have, jobs of their own; and the next number after them."""
    assert array.tasks is not None
    tasks = array.tasks
    events: list[Split] = []
    for index in wanted:
        tasks = tasks.without(index)
        number = array.job_id
        if tasks.runs:
            number = next_job_id
            next_job_id += 1
        events.append(Split(array.job_id, array._replace(job_id=number, array_index=index, tasks=None)))
    return events, next_job_id


def element(world: World, array_id: int, index: int) -> Job | None:
    """The living element of that index, if it has been split off."""
    array = world.arrays.get(array_id)
    job_id = None if array is None else array.by_index.get(index)
    return None if job_id is None else world.jobs[job_id]


def is_living(world: World, array_id: int, index: int) -> bool:
    """Whether that element lives, split off or not."""
    if element(world, array_id, index) is not None:
        return True
    job = world.jobs.get(array_id)
    return job is not None and job.tasks is not None and job.tasks.has(index)


def elements(world: World, array_id: int) -> list[int]:
    """The living jobs of an array, itself included while elements wait in it."""
    array = world.arrays.get(array_id)
    if array is None:
        return []
    found = sorted(array.by_index.values())
    return [array_id, *found] if array.is_waiting else found


def chosen(
    world: World, job_id: int, runs: Iterable[indexes.Run]
) -> tuple[list[Event], list[int], list[int]]:
    """What `12_[1-4]` means: the splits that are needed first, the jobs then, and the indexes that do not live.

    An array of which all waiting elements are meant is meant as it is. Of a long list of missing indexes the first are told.
    """
    asked = _known(Indexes(tuple(runs)))
    array = world.jobs.get(job_id)
    tasks = array.tasks if array is not None else None
    record = world.arrays.get(job_id)
    by_index = record.by_index if record is not None else {}
    found: list[int] = []
    apart: list[int] = []
    missing: list[int] = []
    for index in asked:
        if index in by_index:
            found.append(by_index[index])
        elif tasks is not None and tasks.has(index):
            apart.append(index)
        elif len(missing) < MISSING_TOLD_MAX:
            missing.append(index)
    if array is None or tasks is None or not apart:
        return [], found, missing
    if len(apart) == tasks.count:
        return [], [*found, job_id], missing
    events, _ = splits(array, apart, world.next_job_id)
    return list(events), found + [event.element.job_id for event in events], missing


def _known(asked: Indexes) -> Iterable[int]:
    """Each once, in the order in which they were said."""
    return dict.fromkeys(asked.each())
