"""list_jobs: one page of jobs, living or finished.

A page's cursor is the place of its last job, not a count, so that jobs which come and go between two pages neither hide nor double
one that stays. Cost: by the rows of the page, and O(log n) to find its place.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from jobd.core import arrays
from jobd.core.job import Job
from jobd.daemon.peers import Peer
from jobd.daemon.rows import row_of, rows_of
from jobd.daemon.targets import state_of
from jobd.errors import UsageError
from jobd.limits import IDS_MAX, PAGE_ROWS_MAX
from jobd.wire.messages import JobPage, JobRow, ListJobs

if TYPE_CHECKING:
    from jobd.daemon.loop import Server

# What is looked through at most for a page, so that a filter that fits nothing cannot hold a tick.
LOOKED_AT_MAX = 20_000
NAMES_MAX = 100
PLACE_LIMIT = 1 << 53  # beyond every number and time that stands in a cursor, and exact as either
JOBS_ASKED = 4  # the first number of a cursor within jobs that were asked for by number


def handle(server: "Server", peer: Peer, request: ListJobs) -> Callable[[], JobPage]:
    """The jobs after the cursor.

    Raises:
        UsageError: a cursor that no page gave, or too many numbers or names.
    """
    rows_max = max(1, min(request.rows_max, PAGE_ROWS_MAX))
    if len(request.job_ids) > IDS_MAX:
        raise UsageError(f"at most {IDS_MAX} job numbers at a time")
    if len(request.names) > NAMES_MAX:
        raise UsageError(f"at most {NAMES_MAX} names at a time")
    if request.since_s is not None and request.since_s != request.since_s:
        raise UsageError("a time that is none")
    try:
        place = [float(part) if "." in part else int(part) for part in request.cursor.split()]
        if not all(abs(part) < PLACE_LIMIT for part in place):
            raise ValueError
    except ValueError:
        raise UsageError(f"no cursor: {request.cursor[:40]!r}") from None
    page = _finished if request.is_finished else _living

    def answer() -> JobPage:
        rows, cursor = page(server, request, place, rows_max)
        return JobPage(rows, cursor, server.status())

    return answer


def _living(
    server: "Server", request: ListJobs, place: list[float], rows_max: int
) -> tuple[list[JobRow], str]:
    world = server.world
    states, names = set(request.states), set(request.names)
    in_order = _asked_for(server, request, place) if request.job_ids else _in_order(server, place)
    chosen: list[Job] = []
    last = ""
    for looked, (cursor, job) in enumerate(in_order):
        if len(chosen) == rows_max or looked == LOOKED_AT_MAX:
            break
        last = cursor
        if (not states or state_of(world, job).value in states) and (not names or job.spec.name in names):
            chosen.append(job)
    else:
        last = ""
    return rows_of(world, chosen, server.now, server.policy), last


def _asked_for(server: "Server", request: ListJobs, place: list[float]) -> Iterator[tuple[str, Job]]:
    """(cursor, job): those that live of the numbers asked for, by number."""
    world = server.world
    after = place[1] if len(place) == 2 and place[0] == JOBS_ASKED else -1
    wanted = {job_id for job_id in request.job_ids if job_id in world.jobs}
    if request.is_with_arrays:
        for job_id in set(request.job_ids):
            wanted.update(arrays.elements(world, job_id))
    for job_id in sorted(wanted):
        if job_id > after:
            yield f"{JOBS_ASKED} {job_id}", world.jobs[job_id]


def _in_order(server: "Server", place: list[float]) -> Iterator[tuple[str, Job]]:
    """(cursor, job): running, suspended, then waiting in the order of the queue, then those that cannot start yet."""
    world = server.world
    part = place[0] if place else 0
    if part < 2:
        holding = sorted(world.holding)
        for number in (0, 1):
            for job_id in holding:
                is_halted = world.is_suspended(job_id) or job_id in world.paused
                if int(is_halted) != number or (number, job_id) <= tuple(place[:2]):
                    continue
                yield f"{number} {job_id}", world.jobs[job_id]
    for number, queue in ((2, world.waiting), (3, world.gated)):
        if part > number:
            continue
        after = tuple(place[1:]) if part == number else None
        for key in queue.irange(minimum=after, inclusive=(False, False)):
            yield f"{number} {key[0]} {key[1]} {key[2]}", world.jobs[key[2]]


def _finished(
    server: "Server", request: ListJobs, place: list[float], rows_max: int
) -> tuple[list[JobRow], str]:
    world, journal = server.world, server.journal
    if request.job_ids:
        after = int(place[0]) if len(place) == 1 else 0
        jobs = journal.finished_of(
            request.job_ids, is_with_arrays=request.is_with_arrays, after=after, rows_max=rows_max
        )
        cursor = str(jobs[-1].job_id) if len(jobs) == rows_max else ""
        rows = [row_of(world, job) for job in jobs]
        return [row for row in rows if _fits(row, request)], cursor
    before = (place[0], int(place[1])) if len(place) == 2 else None
    jobs = journal.finished(
        before=before,
        rows_max=rows_max,
        since_s=request.since_s,
        names=request.names,
        states=request.states,
    )
    rows = [row_of(world, job) for job in jobs]
    cursor = f"{rows[-1].ended_at!r} {rows[-1].job_id}" if len(jobs) == rows_max else ""
    return rows, cursor


def _fits(row: JobRow, request: ListJobs) -> bool:
    """Whether a finished job that was asked for by number fits the other conditions too."""
    if request.states and row.state not in request.states:
        return False
    if request.names and row.name not in request.names:
        return False
    return request.since_s is None or row.ended_at is None or row.ended_at >= request.since_s
