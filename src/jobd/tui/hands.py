"""What is asked of the server besides its picture: pages, scripts, and what somebody wants done. Every call waits; it belongs in a thread."""

import os

import jobd.api.client as api
from jobd.client import Client as Asker
from jobd.limits import PAGE_ROWS_MAX
from jobd.tui import facts
from jobd.tui.text import cut, safe
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


def words_for(rows: list[JobRow]) -> str:
    """Which jobs are meant: job 5 (train), 12 jobs (5, 7-17)."""
    if len(rows) == 1:
        return f"job {facts.number_of(rows[0])} ({cut(facts.name_of(rows[0]), 40)})"
    # A job may have both a number of its own and one in its array; people know the latter.
    plain = format_ids(sorted(row.job_id for row in rows if facts.number_of(row) == str(row.job_id)))
    others = ",".join(facts.number_of(row) for row in rows if facts.number_of(row) != str(row.job_id))
    return f"{len(rows)} jobs ({cut(','.join(filter(None, (plain, others))), 200)})"


# ---- doing; each answers with a line for the person
def cancel(rows: list[JobRow]) -> str:
    """End these jobs."""
    with _client() as client:
        done = client.cancel([facts.target_of(row) for row in rows])
    if not done:
        return (
            "job " + facts.number_of(rows[0]) + " is over already"
            if len(rows) == 1
            else "they are all over already"
        )
    return f"cancelled {plural(len(done), 'job')}: {safe(format_ids(done))[:200]}"


def hold(rows: list[JobRow]) -> str:
    """Keep them from starting."""
    with _client() as client:
        client.hold([facts.target_of(row) for row in rows])
    return _said(rows, "is held", "are held")


def release(rows: list[JobRow]) -> str:
    """Let them start."""
    with _client() as client:
        client.release([facts.target_of(row) for row in rows])
    return _said(rows, "may start", "may start")


def requeue(rows: list[JobRow]) -> str:
    """End them and queue them again."""
    with _client() as client:
        client.requeue([facts.target_of(row) for row in rows])
    return _said(rows, "is queued again", "are queued again")


def rerun(rows: list[JobRow]) -> str:
    """Queue finished jobs again, as new ones."""
    whole: list[int] = []
    elements: list[b.JobId] = []
    for row in rows:
        batch = row.batch
        if batch is not None and batch.array_id is not None and batch.array_index is not None:
            elements.append(b.JobId(batch.array_id, [[batch.array_index, batch.array_index, 1]]))
        else:
            whole.append(row.job_id)
    asker = Asker(is_starting=False, deadline_s=ANSWER_S)
    try:
        accepted: b.Accepted = asker.request(b.Rerun(whole, os.urandom(9).hex(), elements))
    finally:
        asker.close()
    return f"queued again as job {safe(format_ids(accepted.job_ids))[:200]}"


def set_priority(rows: list[JobRow], priority: int) -> str:
    """Give waiting jobs another priority."""
    with _client() as client:
        client.update([facts.target_of(row) for row in rows], priority=priority)
    return _said(rows, f"has priority {priority}", f"have priority {priority}")


def _said(rows: list[JobRow], of_one: str, of_many: str) -> str:
    return f"job {facts.number_of(rows[0])} {of_one}" if len(rows) == 1 else f"{len(rows)} jobs {of_many}"


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
