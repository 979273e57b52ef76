"""Which rows are of the jobs that are meant, and how many of these are not over yet. Pure; shared by all that wait for jobs.

A list comes in several answers, and between two of them an element may leave its waiting array: then it has a row of its own and stands
among the array's tasks as well. It is one job all the same. A count that is too high would be waited for in vain.
"""

from collections.abc import Collection, Iterable, Sequence

from jobd import indexes
from jobd.indexes import Indexes
from jobd.wire.batch import JobId
from jobd.wire.rows import JobRow

INDEX_MAX = (1 << 31) - 1


def fits(job: JobId, row: JobRow) -> bool:
    """Whether a row is (of) that job: itself, any element of that array, or one of the named elements."""
    batch = row.batch
    if not job.runs:
        return row.job_id == job.job_id or (batch is not None and batch.array_id == job.job_id)
    if batch is None or batch.array_id != job.job_id:
        return False
    wanted = _indexes(job)
    if batch.array_index is not None:
        return wanted.has(batch.array_index)
    return bool(batch.tasks) and any(map(wanted.has, _waiting(row).each()))


def numbers_of(jobs: Iterable[JobId]) -> list[int]:
    """The numbers under which the server keeps them, each once, in order."""
    return list(dict.fromkeys(job.job_id for job in jobs))


def text_of(job: JobId) -> str:
    """12, 12_3, 12_[1-4], 12.0"""
    text = str(job.job_id)
    if job.runs:
        runs = _indexes(job)
        text += f"_{runs.text}" if runs.count == 1 else f"_[{runs.text}]"
    return text if job.step_id is None else f"{text}.{job.step_id}"


def count_of(row: JobRow) -> int:
    """How many jobs a row stands for."""
    return _waiting(row).count if row.batch is not None and row.batch.tasks else 1


def count_left(rows: Iterable[JobRow], wanted: Sequence[JobId], final: Collection[str]) -> int:
    """The jobs among these rows that are not over, each waiting element of an array counted as one.

    Args:
        rows: of the jobs that are wanted, living and finished.
        wanted: what was asked for: of an array perhaps some elements only.
        final: the names of the states of jobs that are over.
    """
    left = 0
    arrays: list[JobRow] = []
    apart: dict[int, set[int]] = {}  # array → indexes of the elements that have rows of their own
    for row in rows:
        batch = row.batch
        if batch is not None and batch.array_id is not None and batch.array_index is not None:
            apart.setdefault(batch.array_id, set()).add(batch.array_index)
        if row.state in final:
            continue
        if batch is not None and batch.tasks:
            arrays.append(row)
        else:
            left += 1
    for row in arrays:
        assert row.batch is not None
        tasks = _waiting(row)
        asked = _asked(row.job_id, wanted)
        if asked is not None:
            tasks = tasks.common(asked)
        left += tasks.count - sum(map(tasks.has, apart.get(row.job_id, ())))
    return left


def _waiting(row: JobRow) -> Indexes:
    """The elements for which the row of a waiting array stands."""
    assert row.batch is not None
    return indexes.parse(row.batch.tasks, index_max=INDEX_MAX)


def _indexes(job: JobId) -> Indexes:
    return Indexes(tuple((first, last, step) for first, last, step in job.runs))


def _asked(job_id: int, wanted: Sequence[JobId]) -> Indexes | None:
    """The elements of an array that are wanted; None for all."""
    runs: list[list[int]] = []
    for job in wanted:
        if job.job_id == job_id:
            if not job.runs:
                return None
            runs += job.runs
    if not runs:
        return None
    return indexes.of({index for first, last, step in runs for index in range(first, last + 1, step)})
