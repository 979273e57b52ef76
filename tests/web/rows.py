"""Rows of jobs as the server would send them, for tests without one."""

from typing import Any

from jobd.wire.rows import BatchRow, JobRow


def batch_row(**changes: Any) -> BatchRow:
    """A batch job's own part."""
    values: dict[str, Any] = dict.fromkeys(BatchRow._fields, 0)
    values |= {
        **dict.fromkeys(("array_id", "array_index", "ntasks", "cpus_per_task", "ntasks_per_node"), None),
        **dict.fromkeys(("begin_at", "expected_start_at", "paused_at", "requeued_at"), None),
        **{key: [] for key in ("gpu_indexes", "counted", "labels", "unenforced")},
        **dict.fromkeys(("tasks", "dependency"), ""),
        **dict.fromkeys(("stdin", "stdout", "stderr"), "/dev/null"),
        **dict.fromkeys(("is_exclusive", "is_requeueable", "is_held", "has_script", "is_appending"), False),
        "attempt": 1,
    }
    return BatchRow(**values | changes)


def job_row(job_id: int, **changes: Any) -> JobRow:
    """A job."""
    values: dict[str, Any] = {
        "job_id": job_id,
        "parent_id": None,
        "root_id": job_id,
        "state": "PENDING",
        "kind": "sbatch",
        "nb_proc": 1,
        "pid": 0,
        "name": f"job{job_id}",
        "command": ["true"],
        "cwd": "/",
        "user": "me",
        "priority": 0,
        "time_limit_s": None,
        "submitted_at": 1.0,
        "started_at": None,
        "ended_at": None,
        "cpus": [],
        "children": [],
        "exit_code": None,
        "signal": None,
        "cause": None,
        "reason": "",
        "reason_code": "None",
        "token": f"token{job_id}",
    }
    return JobRow(**values | changes)
