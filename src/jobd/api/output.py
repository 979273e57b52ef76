"""What jobs have written: read from their files, not from the server."""

import os

from jobd.errors import Refused
from jobd.states import JobState
from jobd.wire.rows import JobRow


def output_of(row: JobRow, *, is_error: bool = False, tail_bytes: int | None = None) -> str:
    """What a job has written so far; "" before it starts.

    Args:
        is_error: what it wrote as errors, where that is a file of its own.
        tail_bytes: only the last so many.

    Raises:
        Refused: it has no output file, or that is gone.
    """
    batch = row.batch
    path = (batch.stderr or batch.stdout) if batch is not None and is_error else batch.stdout if batch else ""
    if not path:
        raise Refused(f"job {row.job_id} has no output file: it wrote where {row.kind} was called")
    try:
        return tail_of(path, tail_bytes)
    except FileNotFoundError:
        # Of one that waits, or was cancelled while it waited, there never was a file.
        if row.state == JobState.PENDING.value or row.started_at is None:
            return ""
        raise Refused(f"job {row.job_id}: its output {path} is gone") from None
    except OSError as error:
        raise Refused(f"job {row.job_id}: its output {path}: {error.strerror}") from error


def tail_of(path: str, tail_bytes: int | None = None) -> str:
    """The text of a file, or its last bytes.

    Raises:
        OSError: it cannot be read.
    """
    with open(path, "rb") as file:
        if tail_bytes is not None:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - tail_bytes))
        return file.read().decode("utf-8", "replace")
