"""What Sacct has a line for: jobs, and with -D the earlier attempts of those that were queued again.

In Slurm's accounts each attempt is a record. An attempt that was over because somebody queued the job again is REQUEUED, until when that was;
one that a failure of the machine, or --retries, has ended keeps its own state. Without -D the last record of a job that fits is shown.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from jobd.cli import dialect
from jobd.cli import slurm_values as v
from jobd.cli.listing import attempts_of
from jobd.cli.sacct_query import Query
from jobd.client import Client
from jobd.slurm.states import REQUEUED
from jobd.wire.batch import AttemptRow, StepRow
from jobd.wire.messages import JobRow


class Record(NamedTuple):
    """A job, or an earlier attempt of one."""

    row: JobRow  # as its own line has it
    parts: JobRow  # as the lines of its script and its steps have it

    def steps_of(self, steps: dict[int, list[StepRow]]) -> tuple[StepRow, ...]:
        """Its own steps, of those of all attempts."""
        row = self.parts
        if row.started_at is None:
            return ()
        own = steps.get(row.job_id, ())
        return tuple(one for one in own if row.batch is None or one.attempt == row.batch.attempt)


def records_of(
    client: Client, rows: Iterable[JobRow], requeued: Iterable[int], query: Query, *, is_all: bool
) -> list[Record]:
    """What is shown, in its order.

    Args:
        rows: jobs that fit, in the order of jobs.
        requeued: the jobs that have had earlier attempts, whether they fit or not.
        is_all: all that fit of a job, rather than the last.
    """
    records = [Record(row, row) for row in rows]
    ids = sorted(requeued) if is_all or dialect.is_slurm else []
    if not ids:
        return records
    earlier = [one for one in map(_earlier, attempts_of(client, ids)) if query.fits(one.row)]
    if not is_all:
        known = {record.row.job_id for record in records}
        last = {one.row.job_id: one for one in earlier}
        earlier = [one for job_id, one in last.items() if job_id not in known]
    if dialect.is_slurm:
        return list(_in_turn([*earlier, *records]))
    return sorted([*earlier, *records], key=lambda one: (v.order(one.row), _attempt(one.row)))


def _attempt(row: JobRow) -> int:
    return row.batch.attempt + (row.started_at is None) if row.batch is not None else 0


def _earlier(attempt: AttemptRow) -> Record:
    row = attempt.job
    if row.batch is not None:  # what it asks for is as it is now, and the attempt was past all that
        batch = row.batch._replace(is_held=False, begin_at=None, dependency="")
        since_s = row.submitted_at if batch.requeued_at is None else batch.requeued_at
        row = row._replace(batch=batch, submitted_at=since_s)
    if not attempt.is_asked:
        return Record(row, row)
    ended_at = attempt.requeued_at if dialect.is_slurm else row.ended_at
    return Record(row._replace(state=REQUEUED, ended_at=ended_at), row)


def _in_turn(records: list[Record]) -> Iterator[Record]:
    """The first attempts in the order of jobs, each later one where it was queued."""
    first = [one for one in records if one.row.batch is None or one.row.batch.requeued_at is None]
    later = sorted(
        (one for one in records if one.row.batch is not None and one.row.batch.requeued_at is not None),
        key=lambda one: one.row.submitted_at,
        reverse=True,
    )
    first.sort(key=lambda one: slurm_order(one.row))
    left_s = [one.row.submitted_at for one in first]  # the earliest of it and of those behind it
    for place in range(len(left_s) - 2, -1, -1):
        left_s[place] = min(left_s[place : place + 2])
    for one, since_s in zip(first, left_s, strict=True):
        while later and later[-1].row.submitted_at < since_s:
            yield later.pop()
        yield one
    yield from reversed(later)


def slurm_order(row: JobRow) -> tuple[int, int, int]:
    """Those of no array first, then array by array, what waits last."""
    batch = row.batch
    if batch is None or batch.array_id is None:
        return 0, 0, row.job_id
    index = LAST if batch.array_index is None else batch.array_index
    return batch.array_id, index, row.job_id


LAST = 1 << 60
