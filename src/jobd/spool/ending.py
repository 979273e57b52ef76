"""The end of a job, told in its folder: the last lines of process.log, and status.json.

Both say the same however often they are said, so who died in between says them again.
"""

import json
import os
from typing import Any

from jobd.spool.files import BadFile, append, printable, read, replace
from jobd.spool.info import LOG, STATUS
from jobd.spool.marks import Mark
from jobd.spool.places import stamp
from jobd.wire.rows import JobRow


def last_lines(row: JobRow) -> str:
    """What process.log ends with."""
    at = stamp(row.ended_at or 0)
    if row.started_at is None:
        return f"Job ended at: {at} before it started: {row.state}{_why(row)}\n"
    how = f"with signal {row.signal}" if row.signal else f"with code {row.exit_code}"
    if row.exit_code is None and not row.signal:
        how = "and how is not known"
    state = (
        "" if row.state in ("COMPLETED", "FAILED") and row.cause == "self" else f" ({row.state}{_why(row)})"
    )
    return f"Job finished at: {at} {how}{state}\n"


def _why(row: JobRow) -> str:
    return f": {printable(row.reason)[:500]}" if row.reason else ""


def status_of(row: JobRow, mark: Mark | None) -> dict[str, Any]:
    """What status.json says. Spans in seconds, sizes in bytes, times as ISO 8601."""
    batch = row.batch
    facts = mark.facts if mark is not None else {}
    elapsed_s = max(0.0, row.ended_at - row.started_at) if row.ended_at and row.started_at else 0.0
    cpu_s = batch.cpu_s if batch is not None else 0.0
    return {
        "job_id": row.job_id,
        "name": mark.name if mark is not None else row.name,
        "token": row.token,
        "state": row.state,
        "exit_code": row.exit_code,
        "signal": row.signal,
        "reason": row.reason,
        "script": facts.get("script", ""),
        "info": facts.get("info", ""),
        "submitted_at": _iso(row.submitted_at),
        "started_at": _iso(row.started_at),
        "ended_at": _iso(row.ended_at),
        "elapsed_s": round(elapsed_s, 3),
        "nb_proc_asked": facts.get("nb_proc", row.nb_proc),
        "nb_proc": row.nb_proc,
        "cpus": list(row.cpus),
        "cpu_s": round(cpu_s, 3),
        "nb_proc_used": round(cpu_s / elapsed_s, 2) if elapsed_s > 0 else 0.0,
        "memory_asked_bytes": batch.memory_bytes if batch is not None else 0,  # 0: no limit
        "memory_peak_bytes": batch.memory_peak_bytes if batch is not None else 0,
        "attempts": batch.attempt if batch is not None else 0,
    }


def tell(folder: str, row: JobRow, mark: Mark | None) -> None:
    """Write both.

    Raises:
        OSError: not now.
    """
    try:
        append(folder, LOG, last_lines(row))
    except BadFile:
        pass  # the script made something else of it; status.json says the same
    data = json.dumps(status_of(row, mark), indent=2, ensure_ascii=True) + "\n"
    path = os.path.join(folder, STATUS)
    if os.path.isdir(path) and not os.path.islink(path):
        path += ".jobd"
    replace(path, data.encode("ascii"))


def has_run(folder: str, token: str) -> bool:
    """Whether status.json in that folder tells the end of the job of this token, and that it was started.

    Such a folder in the queue was put back by somebody. One whose job was cancelled before it started may be there still.
    """
    try:
        found = json.loads(read(os.path.join(folder, STATUS), folder, 1 << 20))
        return isinstance(found, dict) and found.get("token") == token and bool(found.get("started_at"))
    except (BadFile, OSError, ValueError, RecursionError):
        return False


def _iso(at_s: float | None) -> str | None:
    if at_s is None:
        return None
    from datetime import datetime

    return datetime.fromtimestamp(at_s).astimezone().isoformat(timespec="milliseconds")
