"""Which jobs are meant, as Slurm's users write them: 12, 12_3, 12_[1-4,7], 12.0, and lists of these. Pure text.

Source: scancel(1), scontrol(1).
"""

import re
from collections.abc import Iterable

from jobd import indexes
from jobd.errors import UsageError
from jobd.wire.batch import JobId
from jobd.wire.left import fits, numbers_of
from jobd.wire.left import text_of as text_of_id
from jobd.wire.messages import JobRow

INDEX_MAX = 10**9  # beyond any array; the server knows which there are

_ID = re.compile(r"(\d{1,17})(?:_(?:(\d{1,10})|\[([^\]]*)\]|(\*)))?(?:\.(\d{1,9}|batch|extern))?")
_BETWEEN = re.compile(r",(?![^\[]*\])")  # a comma within brackets belongs to the indexes


def parse(text: str) -> list[JobId]:
    """The jobs of one word.

    Raises:
        UsageError: it names none.
    """
    found = [_parse_one(part) for part in _BETWEEN.split(text) if part]
    if not found:
        raise UsageError(f"Invalid job id {text!r} (12, 12_3, 12_[1-4] or a step 12.0)")
    return found


def _parse_one(text: str) -> JobId:
    match = _ID.fullmatch(text) if text.isascii() else None
    if match is None:
        raise UsageError(f"Invalid job id {text[:80]!r} (12, 12_3, 12_[1-4] or a step 12.0)")
    number, index, listed, _, step = match.groups()
    runs: list[list[int]] = []
    if index is not None or listed is not None:
        inside = (listed or index or "").partition("%")[0]
        runs = [list(run) for run in indexes.parse(inside, index_max=INDEX_MAX).runs]
    step_id = int(step) if step is not None and step.isdigit() else None
    return JobId(int(number), runs, step_id)


def is_batch_step(text: str) -> bool:
    """Whether a word names the batch script of a job: 12.batch."""
    return text.endswith(".batch")


def parse_all(words: Iterable[str]) -> list[JobId]:
    """The jobs of several words.

    Raises:
        UsageError: one of them names none.
    """
    return [job for word in words for job in parse(word)]


def text_of(row: JobRow) -> str:
    """12, or 12_3, or 12_[4-9] of a waiting array."""
    batch = row.batch
    if batch is None or batch.array_id is None:
        return str(row.job_id)
    if batch.array_index is not None:
        return f"{batch.array_id}_{batch.array_index}"
    return f"{batch.array_id}_[{batch.tasks}]" if batch.tasks else str(batch.array_id)


__all__ = [
    "fits",
    "is_batch_step",
    "numbers_of",
    "parse",
    "parse_all",
    "text_of",
    "text_of_id",
]
