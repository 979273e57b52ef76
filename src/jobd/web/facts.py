"""All that is known of one job, asked of the server. For a thread of the site: each call waits for answers."""

from itertools import islice
from typing import NamedTuple

from jobd.api.client import Client
from jobd.api.jobs import by_index, parse
from jobd.errors import NoSuchJob, Refused
from jobd.waits import pages
from jobd.web.looks import is_over
from jobd.wire import batch as b
from jobd.wire import messages as m
from jobd.wire.left import fits, text_of
from jobd.wire.rows import JobRow

ELEMENTS_MAX = 200  # of an array, and of a tree
SCRIPT_BYTES_MAX = 64 << 10
LOOKED_AT_MAX = 200_000  # elements of an array among which one is looked for by its index


class Facts(NamedTuple):
    """A job, or an array, and what stands around it."""

    text: str  # 12, 12_3
    row: JobRow | None  # the job; None for an array, which has elements instead
    elements: list[JobRow]  # of the array, if it is one
    has_more: bool  # elements than that
    around: list[JobRow]  # its parents and children
    steps: list[b.StepRow]
    attempts: list[b.AttemptRow]
    script: str
    is_script_cut: bool

    @property
    def numbers(self) -> frozenset[int]:
        """Of the jobs that it is of, as events name them."""
        found = {row.job_id for row in self.elements}
        if self.row is not None:
            found.add(self.row.job_id)
        if not found or self.elements:
            found.add(int(self.text.partition("_")[0]))
        return frozenset(found)


def facts_of(client: Client, text: str, *, is_with_script: bool = True) -> Facts:
    """All that is known of 12 or 12_3.

    Raises:
        UsageError: it names no job.
        NoSuchJob: there is none (any more).
        NoServer: nobody to ask.
    """
    wanted = parse(text)
    if len(wanted.runs) > 1 or any(first != last for first, last, _ in wanted.runs):
        raise NoSuchJob(f"{text_of(wanted)} is more than one job")
    rows = _rows(client, wanted)
    if not rows:
        raise NoSuchJob(f"no job {text_of(wanted)} is remembered")
    row = _the_one(wanted, rows)
    if row is None:
        if len(rows) > ELEMENTS_MAX:
            rows.sort(key=is_over)  # of many, those that are not over
        return Facts(
            text_of(wanted), None, rows[:ELEMENTS_MAX], len(rows) > ELEMENTS_MAX, [], [], [], "", False
        )
    steps: b.StepPage = client.connection.request(b.ListSteps([row.job_id]))
    attempts: list[b.AttemptRow] = []
    if row.batch is not None and row.batch.attempt > 1:
        page: b.AttemptPage = client.connection.request(b.ListAttempts([row.job_id]))
        attempts = page.attempts
    script, is_cut = _script(client, row) if is_with_script else ("", False)
    return Facts(
        text_of(wanted), row, [], False, _around(client, row), steps.steps, attempts[-50:], script, is_cut
    )


def _rows(client: Client, wanted: b.JobId) -> list[JobRow]:
    """Rows that the words may mean, each job once; of an array the first."""
    found: dict[int, JobRow] = {}
    for is_finished in (False, True):
        request = m.ListJobs(job_ids=[wanted.job_id], is_with_arrays=True, is_finished=is_finished)
        if wanted.runs:
            # An element has a number of its own, which only the list of all elements tells.
            rows = islice(pages(client.connection.request, request), LOOKED_AT_MAX)
            row = next((row for row in rows if fits(wanted, row)), None)
            if row is not None and (row.batch is None or row.batch.array_index is not None or is_finished):
                return [row]
            if row is not None:
                found[row.job_id] = row  # it waits in its array, or has just left it
            continue
        page: m.JobPage = client.connection.request(request._replace(rows_max=ELEMENTS_MAX + 1))
        # One that has ended between the two answers is as the second says.
        found.update((row.job_id, row) for row in page.rows)
    return sorted(found.values(), key=by_index)


def _the_one(wanted: b.JobId, rows: list[JobRow]) -> JobRow | None:
    """The one job that is meant; None for an array."""
    is_array = any(row.batch is not None and row.batch.array_id == wanted.job_id for row in rows)
    if wanted.runs:
        return rows[0]
    if is_array and (len(rows) > 1 or (rows[0].batch is not None and rows[0].batch.tasks)):
        return None
    return rows[0]


def _around(client: Client, row: JobRow) -> list[JobRow]:
    """Its parent and the root of its tree, then its children that live."""
    numbers = [row.root_id, row.parent_id or row.root_id, *row.children[:ELEMENTS_MAX]]
    wanted = list(dict.fromkeys(number for number in numbers if number != row.job_id))
    if not wanted:
        return []
    found: dict[int, JobRow] = {}
    for is_finished in (True, False):
        request = m.ListJobs(rows_max=ELEMENTS_MAX + 2, job_ids=wanted, is_finished=is_finished)
        page: m.JobPage = client.connection.request(request)
        found.update((one.job_id, one) for one in page.rows)
    return [found[number] for number in wanted if number in found]


def _script(client: Client, row: JobRow) -> tuple[str, bool]:
    """The beginning of its script, and whether there is more; "" for one without."""
    if row.batch is None or not row.batch.has_script:
        return "", False
    try:
        answer: b.Script = client.connection.request(b.ReadScript(row.job_id))
    except Refused:
        return "", False  # it is no longer kept
    return answer.data[:SCRIPT_BYTES_MAX].decode("utf-8", "replace"), len(answer.data) > SCRIPT_BYTES_MAX
