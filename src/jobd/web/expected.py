"""When waiting jobs will start and be over, reckoned from what the running ones say of their progress. Values only.

The server reckons with time limits alone, so what it says holds at the latest. Here each running job ends when it will by its own word, or by what is
usual for it; the queue is served in its order. What is not known (no limit, a GPU, a licence) ends the reckoning: nothing is guessed.
"""

import heapq
from collections.abc import Iterable, Mapping
from itertools import count
from typing import NamedTuple

from jobd.progress import Progress
from jobd.web.looks import ends_at
from jobd.wire.rows import JobRow

FOR_ROOM = ("Resources", "Priority")  # Slurm's words for who waits for nothing else


class Start(NamedTuple):
    """When a waiting job will start."""

    at_s: float
    is_limit: bool  # at the latest then, as far as nobody comes before it
    over_s: float | None  # when it will be over, where that can be told


class _Free(NamedTuple):
    """What there is, and what one job has of it."""

    procs: int
    memory: int  # bytes


def starts(
    rows: Iterable[JobRow],
    progress: Mapping[int, Progress],
    usual: Mapping[int, float],
    now_s: float,
    *,
    nb_proc: int,
    memory: int = 0,
) -> dict[int, Start]:
    """The starts of the first waiting jobs, as far as they can be told.

    Args:
        rows: of the queue, in its order.
        progress, usual: of jobs by number: how far they are; seconds that such ones take.
        memory: bytes that the machine hands out; 0 if that is not known.
    """
    rows = list(rows)
    procs, numbers = nb_proc, count()
    ends: list[tuple[float, int, bool, _Free]] = []
    for row in rows:
        if row.state not in ("RUNNING", "COMPLETING"):
            continue
        has = _needs(row)
        procs, memory = procs - has.procs, memory - has.memory
        until = ends_at(row, progress.get(row.job_id), now_s, usual.get(row.job_id))
        # What a child has goes back to its parent.
        if until is not None and row.parent_id is None:
            heapq.heappush(ends, (until.at_s, next(numbers), until.how == "limit", has))
    found: dict[int, Start] = {}
    at_s, is_limit = now_s, False
    for row in rows:
        if row.state != "PENDING" or row.reason_code not in FOR_ROOM:
            continue
        needs = _needs(row)
        if not _is_simple(row) or needs.procs > nb_proc:
            break
        while ends and (needs.procs > procs or needs.memory > max(0, memory)):
            end_s, _, is_end_limit, has = heapq.heappop(ends)
            procs, memory = procs + has.procs, memory + has.memory
            at_s, is_limit = max(at_s, end_s), is_limit or is_end_limit
        if needs.procs > procs or needs.memory > max(0, memory):
            break
        takes_s = usual.get(row.job_id)
        is_by_limit = takes_s is None
        if is_by_limit:
            takes_s = row.time_limit_s
        is_array = row.batch is not None and row.batch.tasks != ""
        over_s = None if takes_s is None or is_array or is_by_limit else at_s + takes_s
        found[row.job_id] = Start(at_s, is_limit, over_s)
        if is_array:
            break  # its other elements start who knows when
        procs, memory = procs - needs.procs, memory - needs.memory
        if takes_s is not None:
            heapq.heappush(ends, (at_s + takes_s, next(numbers), is_by_limit, needs))
    return found


def all_over_s(rows: Iterable[JobRow], found: Mapping[int, Start]) -> float | None:
    """When all that waits for room will be over, where that can be told of each."""
    last: float | None = None
    for row in rows:
        if row.state != "PENDING" or row.reason_code not in FOR_ROOM:
            continue
        start = found.get(row.job_id)
        if start is None or start.over_s is None:
            return None
        last = max(last or 0.0, start.over_s)
    return last


def _needs(row: JobRow) -> _Free:
    return _Free(row.nb_proc, row.batch.memory_bytes if row.batch is not None else 0)


def _is_simple(row: JobRow) -> bool:
    batch = row.batch
    return batch is None or not (batch.gpus or batch.counted or batch.is_exclusive)
