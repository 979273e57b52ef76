"""What is asked of the server besides its picture: pages, scripts, and what somebody wants done. Every call waits; it belongs in a thread."""

import os

import jobd.api.client as api
from jobd.client import Client as Asker
from jobd.limits import PAGE_ROWS_MAX
from jobd.tui import facts
from jobd.tui.text import safe
from jobd.units import format_ids, plural
from jobd.wire import batch as b
from jobd.wire import messages as m
from jobd.wire.rows import JobRow

ANSWER_S = 5.0  # a server that takes longer counts as away


def page(request: m.ListJobs) -> m.JobPage:
    """A page of jobs.

    Raises:
        JobdError: there is no server, or it refused.
    """
    asker = Asker(is_starting=False, deadline_s=ANSWER_S)
    try:
        found: m.JobPage = asker.request(request)
        return found
    finally:
        asker.close()


def job(job_id: int) -> JobRow | None:
    """One job, living or finished; None if it is not known (any more).

    Raises:
        JobdError: there is no server.
    """
    for is_finished in (False, True):
        for row in page(m.ListJobs(job_ids=[job_id], is_finished=is_finished)).rows:
            return row
    return None


def script(job_id: int) -> bytes:
    """The script of a job, as it was copied.

    Raises:
        JobdError: it has none, or there is no server.
    """
    asker = Asker(is_starting=False, deadline_s=ANSWER_S)
    try:
        found: b.Script = asker.request(b.ReadScript(job_id))
        return found.data
    finally:
        asker.close()


def relatives(row: JobRow) -> list[JobRow]:
    """The other living jobs of its tree, as far as one page of each part of the queue tells.

    Raises:
        JobdError: there is no server.
    """
    if row.parent_id is None and not row.children:
        return []
    found: list[JobRow] = []
    cursor = ""
    while True:
        # Whoever has children runs, and they stand with their root at the front of the queue.
        told = page(m.ListJobs(cursor=cursor, rows_max=PAGE_ROWS_MAX))
        found += [one for one in told.rows if one.root_id == row.root_id and one.job_id != row.job_id]
        cursor = told.cursor
        if not cursor or all(one.state == "PENDING" for one in told.rows[-1:]):
            return found


# ---- doing; each answers with a line for the person
def cancel(row: JobRow, others: list[JobRow]) -> str:
    """End a job, and those that are named with it."""
    with _client() as client:
        done = client.cancel([facts.target_of(one) for one in (row, *others)])
    if not done:
        return f"job {facts.number_of(row)} is over already"
    return f"cancelled {plural(len(done), 'job')}: {safe(format_ids(done))[:200]}"


def hold(row: JobRow) -> str:
    """Keep it from starting."""
    with _client() as client:
        client.hold(facts.target_of(row))
    return f"job {facts.number_of(row)} is held"


def release(row: JobRow) -> str:
    """Let it start."""
    with _client() as client:
        client.release(facts.target_of(row))
    return f"job {facts.number_of(row)} may start"


def requeue(row: JobRow) -> str:
    """End it and queue it again."""
    with _client() as client:
        client.requeue(facts.target_of(row))
    return f"job {facts.number_of(row)} is queued again"


def rerun(row: JobRow) -> str:
    """Queue a finished job again, as a new one."""
    asker = Asker(is_starting=False, deadline_s=ANSWER_S)
    batch = row.batch
    whole, elements = [row.job_id], []
    if batch is not None and batch.array_id is not None and batch.array_index is not None:
        index = batch.array_index
        whole, elements = [], [b.JobId(batch.array_id, [[index, index, 1]])]
    try:
        accepted: b.Accepted = asker.request(b.Rerun(whole, os.urandom(9).hex(), elements))
    finally:
        asker.close()
    return f"queued again as job {format_ids(accepted.job_ids)}"


def set_priority(row: JobRow, priority: int) -> str:
    """Give a waiting job another priority."""
    with _client() as client:
        client.update(facts.target_of(row), priority=priority)
    return f"job {facts.number_of(row)} has priority {priority}"


def set_nb_proc(nb_proc: int) -> str:
    """Change how many procs the server hands out."""
    asker = Asker(is_starting=False, deadline_s=ANSWER_S)
    try:
        status: m.Status = asker.request(m.SetLimits(nb_proc=nb_proc))
    finally:
        asker.close()
    text = f"nb_proc is {status.nb_proc}"
    if status.nb_proc > status.nb_proc_max:
        text += f"; one job may still ask for at most {status.nb_proc_max} (jobctl set-nb-proc-max)"
    if status.cancelled:
        text += f"; cancelled {plural(len(status.cancelled), 'waiting job')} that no longer fit"
    return text


def _client() -> "api.Client":
    return api.Client(is_starting=False, deadline_s=ANSWER_S)


def below(row: JobRow, others: list[JobRow]) -> list[JobRow]:
    """Those of its tree that are below it."""
    children: dict[int | None, list[JobRow]] = {}
    for one in others:
        children.setdefault(one.parent_id, []).append(one)
    found: list[JobRow] = []
    stack = [row.job_id]
    while stack:
        here = children.pop(stack.pop(), [])
        found += here
        stack += [one.job_id for one in here]
    return found
