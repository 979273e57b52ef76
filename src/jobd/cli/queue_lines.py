"""Rows of the queue as they are asked for: one line for each element of an array, only some of its elements, in another order. No socket."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from jobd import indexes
from jobd.cli import letters
from jobd.cli import slurm_values as v
from jobd.cli.selection import INDEX_MAX
from jobd.errors import UsageError
from jobd.slurm.columns import JOB_LETTERS
from jobd.wire.batch import JobId
from jobd.wire.messages import JobRow


def narrowed(row: JobRow, jobs: Sequence[JobId]) -> JobRow:
    """A waiting array with only those of its elements that are meant; any other job as it is."""
    batch = row.batch
    if batch is None or not batch.tasks or not all(job.runs for job in jobs if job.job_id == batch.array_id):
        return row
    wanted = [run for job in jobs if job.job_id == batch.array_id for run in job.runs]
    if not wanted:
        return row
    runs = indexes.Indexes(tuple((first, last, step) for first, last, step in wanted))
    waiting = indexes.parse(batch.tasks, index_max=INDEX_MAX)
    chosen = indexes.of([index for index in waiting.each() if runs.has(index)])
    if chosen.count == 1:
        return _element(row, chosen.first)
    return row._replace(batch=batch._replace(tasks=chosen.text))


def unfolded(rows: Iterator[JobRow]) -> Iterator[JobRow]:
    """One row for each element of a waiting array (squeue(1), --array)."""
    for row in rows:
        if row.batch is None or not row.batch.tasks:
            yield row
            continue
        for index in indexes.parse(row.batch.tasks, index_max=INDEX_MAX).each():
            yield _element(row, index)


def _element(row: JobRow, index: int) -> JobRow:
    assert row.batch is not None
    return row._replace(batch=row.batch._replace(tasks="", array_index=index))


# ---- order
class _Part(NamedTuple):
    """One field of --sort."""

    key: Callable[[JobRow], object]
    is_descending: bool


_NUMBERS: dict[str, Callable[[JobRow], float]] = {
    "numcpus": lambda row: row.nb_proc,
    "mincpus": lambda row: row.nb_proc,
    "minmemory": lambda row: 0 if row.batch is None else row.batch.memory_bytes,
    "nice": lambda row: 0 if row.batch is None else row.batch.nice,
    "priority": lambda row: row.priority,
    "prioritylong": lambda row: row.priority,
    "jobid": lambda row: row.job_id,
    "timelimit": lambda row: float("inf") if row.time_limit_s is None else row.time_limit_s,
    "starttime": lambda row: v.start_at(row) or float("inf"),
    "endtime": lambda row: row.ended_at or float("inf"),
    "submittime": lambda row: row.submitted_at,
}
_STATE_ORDER = {
    state: place
    for place, state in enumerate(
        ("PENDING", "RUNNING", "SUSPENDED", "COMPLETED", "CANCELLED", "FAILED", "TIMEOUT", "NODE_FAIL")
    )
}


def sorted_rows(rows: list[JobRow], text: str, now_s: float) -> list[JobRow]:
    """The rows in the order of a list of letters, each with - before it for the other way round.

    Raises:
        UsageError: a letter that squeue does not know.
    """
    parts = [_part(word.strip(), now_s) for word in text.split(",") if word.strip()]
    # The last one first, since an order is kept among equals.
    for part in reversed(parts):
        rows = sorted(rows, key=part.key, reverse=part.is_descending)  # type: ignore[arg-type]
    return rows


def _part(word: str, now_s: float) -> _Part:
    name = JOB_LETTERS.get(word.lstrip("+-"))
    if name is None:
        raise UsageError(f"no field {word[:20]!r} to sort by (letters: {''.join(JOB_LETTERS)})")
    return _Part(key_of(name, now_s), word.startswith("-"))


def key_of(name: str, now_s: float) -> Callable[[JobRow], object]:
    """What a column is sorted by."""
    if name in ("jobarrayid", "arrayjobid", "arraytaskid"):
        return v.order
    if name in _NUMBERS:
        return _NUMBERS[name]
    if name in ("statecompact", "state"):
        return lambda row: _STATE_ORDER.get(row.state, len(_STATE_ORDER))
    if name == "timeused":
        return lambda row: v.elapsed_s(row, now_s)
    if name == "timeleft":
        return lambda row: (
            float("inf") if row.time_limit_s is None else row.time_limit_s - v.elapsed_s(row, now_s)
        )
    value = letters.VALUES[name]
    return lambda row: value(row, now_s)
