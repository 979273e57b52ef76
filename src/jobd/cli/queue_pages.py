"""Asking for the queue: the living jobs, then the finished ones, page by page, as Squeue's options choose them."""

import time
from collections.abc import Iterator

from jobd.cli import dialect, selection
from jobd.cli.listing import MIN_JOB_AGE_S, Filter, Options, pages, request_of
from jobd.client import Client
from jobd.errors import NoSuchJob
from jobd.limits import PAGE_ROWS_MAX
from jobd.slurm.states import FINAL, LIVING
from jobd.wire import messages as m
from jobd.wire.batch import AskNode, JobId, Node

FINISHED_ROWS = 100  # of the history, where no --limit is given


def batches(client: Client, options: Options, chosen: Filter) -> Iterator[tuple[m.Status, list[m.JobRow]]]:
    """(status, rows) of each page: the living ones that are meant, then the finished ones. There is always a first."""
    states, ids = chosen.states, sorted(chosen.job_ids or ())
    is_finished = options.has("finished")
    is_first = True
    if not is_finished:
        for page in pages(client, request_of(ids, None if states is None else states & LIVING)):
            # Slurm's states are not quite those by which the server has chosen.
            needs_looking = chosen.needs_looking or (dialect.is_slurm and states is not None)
            rows = [row for row in page.rows if chosen.fits(row)] if needs_looking else page.rows
            if ids:
                rows = sorted(rows, key=_place)
            is_first = False
            yield page.status, rows
        if states is None or not states & FINAL:
            return
    limit = options.natural("limit")
    left = (FINISHED_ROWS if limit is None else limit) if is_finished else 0
    recent_s = None if is_finished or ids else time.time() - min_job_age_s(client)
    request = request_of(ids, None if states is None else states & FINAL)._replace(
        is_finished=True, since_s=recent_s
    )
    if left and not chosen.needs_looking:
        request = request._replace(rows_max=min(left, PAGE_ROWS_MAX))
    for page in pages(client, request):
        rows = [row for row in page.rows if chosen.fits(row)]
        if recent_s is not None:
            rows = [row for row in rows if row.ended_at is not None and row.ended_at >= recent_s]
        if left and len(rows) >= left:
            yield page.status, rows[:left]
            return
        left = max(0, left - len(rows))
        if rows or is_first:
            is_first = False
            yield page.status, rows
        if recent_s is not None and len(rows) < len(page.rows) and _ends_before(page.rows, recent_s):
            return


def _ends_before(rows: list[m.JobRow], at_s: float) -> bool:
    return any(row.ended_at is not None and row.ended_at < at_s for row in rows)


def min_job_age_s(client: Client) -> float:
    """For how long a finished job is still in the list."""
    node: Node = client.request(AskNode())
    return float(dict(node.settings).get("min_job_age_s", str(MIN_JOB_AGE_S)))


def is_remembered(job_id: int) -> bool:
    """Whether there is a job of that number, or an array, that lives or has not been over for long."""
    client = Client()
    request = request_of([job_id], None)._replace(rows_max=1)
    if client.request(request).rows:
        return True
    since_s = time.time() - min_job_age_s(client)
    page: m.JobPage = client.request(request._replace(is_finished=True, since_s=since_s))
    return any(row.ended_at is not None and row.ended_at >= since_s for row in page.rows)


def _place(row: m.JobRow) -> tuple[int, int, int, int]:
    """Where a job stands in a list, for rows that came by number: running, suspended, then the queue's own order."""
    if row.state == "PENDING":
        return 2, -row.priority, row.root_id, row.job_id
    return int(bool(row.children)), 0, 0, row.job_id


def check_known(job: JobId) -> None:
    """Asked for one job, say so if there never was one: an empty list would read as an end.

    Raises:
        NoSuchJob: neither living nor remembered.
    """
    client = Client()  # of its own: the list may still be under way on the other
    for is_finished in (False, True):
        request = request_of([job.job_id], None)._replace(is_finished=is_finished, rows_max=1)
        if client.request(request).rows:
            return
    text = selection.text_of_id(job)
    raise NoSuchJob(f"no job {text} (Squeue lists the living, Squeue --finished the others)")
