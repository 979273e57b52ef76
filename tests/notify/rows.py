"""Rows of jobs for the pure tests."""

from typing import Any

from jobd.wire.rows import BatchRow, JobRow

_BATCH = BatchRow(
    attempt=1, array_id=None, array_index=None, tasks="", array_limit=0, memory_bytes=1 << 30, memory_per_cpu_bytes=0, gpus=0,
    gpu_indexes=[], counted=[], is_exclusive=False, ntasks=None, cpus_per_task=None, ntasks_per_node=None, nice=0, is_requeueable=True,
    retries_left=0, is_held=False, begin_at=None, dependency="", stdin="/dev/null", stdout="/nowhere/out", stderr="/nowhere/out",
    has_script=True, labels=[], expected_start_at=None, unenforced=[], paused_at=None, paused_s=0.0, cpu_s=150.0,
    memory_peak_bytes=1 << 29, warn_signal=0, warn_before_s=0, is_appending=False, umask=0o22,
)  # fmt: skip
_ROW = JobRow(
    job_id=8, parent_id=None, root_id=8, state="COMPLETED", kind="batch", nb_proc=2, pid=1, name="x", command=["x.sh", "a"], cwd="/home/me",
    user="me", priority=0, time_limit_s=3600, submitted_at=1000.0, started_at=1010.0, ended_at=1110.0, cpus=[0, 1], children=[], exit_code=0,
    signal=None, cause="self", reason="exit code 0", reason_code="None", token="t", batch=_BATCH,
)  # fmt: skip


def row(batch: dict[str, Any] | None = None, **fields: Any) -> JobRow:
    """A job that ran from 1010 to 1110 and is done, but for what is said otherwise."""
    return _ROW._replace(batch=_BATCH._replace(**(batch or {})), **fields)


def labels(**values: str) -> dict[str, Any]:
    """Of the batch row."""
    return {"labels": [[name, value] for name, value in values.items()]}
