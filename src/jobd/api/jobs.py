"""Which jobs are meant, and how they ended. Values only; the rules of the room stand in client.py."""

import re
from typing import NamedTuple

from jobd import indexes
from jobd.errors import UsageError
from jobd.states import FINAL_STATES, JobState
from jobd.wire.batch import JobId
from jobd.wire.left import fits, text_of
from jobd.wire.rows import JobRow

FINAL = frozenset(state.value for state in FINAL_STATES)
INDEX_MAX = 10**9  # beyond any array; the server knows which there are

_ID = re.compile(r"(\d{1,17})(?:_(?:(\d{1,10})|\[([^\]]*)\]))?", re.ASCII)


class End(NamedTuple):
    """How a job ended."""

    job_id: int
    array_index: int | None  # of an element of an array
    state: JobState
    exit_code: int | None  # None where a signal ended it, or it is not known
    signal: int | None
    reason: str  # for a person
    started_at: float | None  # seconds since the epoch
    ended_at: float | None
    cpu_s: float  # user and system, of all its processes; 0 of a Salloc or Srun
    memory_peak_bytes: int
    row: JobRow  # everything else

    @property
    def is_ok(self) -> bool:
        """Whether it completed with exit code 0."""
        return self.state is JobState.COMPLETED

    @property
    def code(self) -> int:
        """The exit code that a shell would have: its own, 128 + the signal; at least 1 where it did not complete."""
        if self.signal is not None:
            return 128 + self.signal
        return self.exit_code or (0 if self.is_ok else 1)


def end_of(row: JobRow) -> End:
    """The end of a finished job."""
    batch = row.batch
    return End(
        row.job_id,
        None if batch is None else batch.array_index,
        JobState(row.state),
        row.exit_code,
        row.signal,
        row.reason,
        row.started_at,
        row.ended_at,
        0.0 if batch is None else batch.cpu_s,
        0 if batch is None else batch.memory_peak_bytes,
        row,
    )


def parse(text: str) -> JobId:
    """12, 12_3 or 12_[1-4].

    Raises:
        UsageError: it is no job.
    """
    found = _ID.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"{text[:60]!r} is no job (12, 12_3 or 12_[1-4])")
    listed = found[2] or found[3]
    runs = [list(run) for run in indexes.parse(listed, index_max=INDEX_MAX).runs] if listed else []
    return JobId(int(found[1]), runs)


def by_index(row: JobRow) -> tuple[int, int]:
    """The order of an array's elements; what still waits of it comes last."""
    index = None if row.batch is None else row.batch.array_index
    return (INDEX_MAX if index is None else index, row.job_id)


__all__ = ["FINAL", "End", "by_index", "end_of", "fits", "parse", "text_of"]
