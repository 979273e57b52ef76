"""list_jobs: one page of jobs, living or finished.

A page's cursor is the place of its last job, not a count, so that jobs which come and go between two pages neither hide nor double
one that stays. Cost: by the rows of the page, and O(log n) to find its place.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from jobd.core.job import Job
from jobd.daemon.peers import Peer
from jobd.daemon.rows import row_of, rows_of
from jobd.errors import UsageError
from jobd.limits import IDS_MAX, PAGE_ROWS_MAX
from jobd.wire.messages import JobPage, JobRow, ListJobs

if TYPE_CHECKING:
    from jobd.daemon.loop import Server

# What is looked through at most for a page, so that a filter that fits nothing cannot hold a tick.
LOOKED_AT_MAX = 20_000
PLACE_LIMIT = 1 << 53  # beyond every number and time that stands in a cursor, and exact as either


def handle(server: "Server", peer: Peer, request: ListJobs) -> Callable[[], JobPage]:
    """The jobs after the cursor.

    Raises:
        UsageError: a cursor that no page gave, or too many numbers.
    """
    rows_max = max(1, min(request.rows_max, PAGE_ROWS_MAX))
    if len(request.job_ids) > IDS_MAX:
        raise UsageError(f"at most {IDS_MAX} job numbers at a time")
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
    states = set(request.states)
    if request.job_ids:
        wanted = [world.jobs[job_id] for job_id in sorted(set(request.job_ids)) if job_id in world.jobs]
        rows = rows_of(world, wanted, server.now, server.policy)
        return [row for row in rows if not states or row.state in states], ""
    chosen: list[Job] = []
    last = ""
    for looked, (cursor, state, job) in enumerate(_in_order(server, place)):
        if len(chosen) == rows_max or looked == LOOKED_AT_MAX:
            break
        last = cursor
        if not states or state in states:
            chosen.append(job)
    else:
        last = ""
    return rows_of(world, chosen, server.now, server.policy), last


def _in_order(server: "Server", place: list[float]) -> Iterator[tuple[str, str, Job]]:
    """(cursor, state, job): running, suspended, then waiting in the order of the queue."""
    world = server.world
    part = place[0] if place else 0
    if part < 2:
        holding = sorted(world.holding)
        for number in (0, 1):
            for job_id in holding:
                if int(world.is_suspended(job_id)) != number or (number, job_id) <= tuple(place[:2]):
                    continue
                job = world.jobs[job_id]
                state = "SUSPENDED" if number else "RUNNING"
                if type(job.phase).__name__ == "Completing":
                    state = "COMPLETING"
                yield f"{number} {job_id}", state, job
    after = tuple(place[1:]) if part == 2 else None
    for key in world.waiting.irange(minimum=after, inclusive=(False, False)):
        yield f"2 {key[0]} {key[1]} {key[2]}", "PENDING", world.jobs[key[2]]


def _finished(
    server: "Server", request: ListJobs, place: list[float], rows_max: int
) -> tuple[list[JobRow], str]:
    if request.job_ids:
        jobs = server.journal.finished_of(request.job_ids)
        return [row_of(server.world, job) for job in jobs], ""
    before = (place[0], int(place[1])) if len(place) == 2 else None
    jobs = server.journal.finished(before=before, rows_max=rows_max)
    rows = [row_of(server.world, job) for job in jobs]
    cursor = f"{rows[-1].ended_at!r} {rows[-1].job_id}" if len(jobs) == rows_max else ""
    if request.states:
        rows = [row for row in rows if row.state in request.states]
    return rows, cursor
