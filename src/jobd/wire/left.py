"""How many jobs of a list are not over yet. Pure; shared by all that wait for many jobs.

A list comes in several answers, and between two of them an element may leave its waiting array: then it has a row of its own and stands
among the array's tasks as well. It is one job all the same. A count that is too high would be waited for in vain.
"""

from collections.abc import Collection, Iterable, Sequence

from jobd import indexes
from jobd.indexes import Indexes
from jobd.wire.batch import JobId
from jobd.wire.rows import JobRow

INDEX_MAX = (1 << 31) - 1


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
        tasks = indexes.parse(row.batch.tasks, index_max=INDEX_MAX)
        asked = _asked(row.job_id, wanted)
        if asked is not None:
            tasks = tasks.common(asked)
        left += tasks.count - sum(map(tasks.has, apart.get(row.job_id, ())))
    return left


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
