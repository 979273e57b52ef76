"""Pictures of a queue, as the board makes them."""

import time
from typing import Any

from jobd.api.board import Picture
from jobd.wire import batch as b
from jobd.wire import messages as m
from jobd.wire.rows import BatchRow, JobRow

NOW_S = time.time()

BATCH = BatchRow(
    attempt=1,
    array_id=None,
    array_index=None,
    tasks="",
    array_limit=0,
    memory_bytes=0,
    memory_per_cpu_bytes=0,
    gpus=0,
    gpu_indexes=[],
    counted=[],
    is_exclusive=False,
    ntasks=None,
    cpus_per_task=None,
    ntasks_per_node=None,
    nice=0,
    is_requeueable=True,
    retries_left=0,
    is_held=False,
    begin_at=None,
    dependency="",
    stdin="/dev/null",
    stdout="",
    stderr="",
    has_script=False,
    labels=[],
    expected_start_at=None,
    unenforced=[],
    paused_at=None,
    paused_s=0.0,
    cpu_s=0.0,
    memory_peak_bytes=0,
    warn_signal=0,
    warn_before_s=60,
    is_appending=False,
    umask=0o022,
)


def row(job_id: int, state: str = "PENDING", batch: dict[str, Any] | None = None, **fields: Any) -> JobRow:
    """A job."""
    is_over = state in ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT")
    has_started = state != "PENDING" and state != "CANCELLED"
    values: dict[str, Any] = {
        "job_id": job_id,
        "parent_id": None,
        "root_id": job_id,
        "state": state,
        "kind": "batch",
        "nb_proc": 1,
        "pid": 1000 + job_id,
        "name": f"name-{job_id}",
        "command": ["work", str(job_id)],
        "cwd": "/data",
        "user": "ann",
        "priority": 0,
        "time_limit_s": None,
        "submitted_at": NOW_S - 100,
        "started_at": NOW_S - 60 if has_started else None,
        "ended_at": NOW_S - 10 if is_over else None,
        "cpus": [],
        "children": [],
        "exit_code": 0 if state == "COMPLETED" else 3 if state == "FAILED" else None,
        "signal": None,
        "cause": None,
        "reason": "1 of 2 procs missing, in use by job 1" if state == "PENDING" else "",
        "reason_code": "None",
        "token": f"t{job_id}",
    }
    return JobRow(**values | fields, batch=BATCH._replace(**(batch or {})))


def status(**fields: Any) -> m.Status:
    """A server."""
    values: dict[str, Any] = {
        "version": "1",
        "pid": 1,
        "server_id": "s",
        "started_at": NOW_S - 1000,
        "nb_proc": 4,
        "nb_proc_max": 4,
        "used": 3,
        "running": 2,
        "suspended": 1,
        "waiting": 7,
        "gated": 1,
        "agent_pid": 2,
        "cpus": [0, 1, 2, 3],
        "last_seq": 9,
    }
    return m.Status(**values | fields)


def node(**fields: Any) -> b.Node:
    """A machine."""
    values: dict[str, Any] = {
        "name": "host",
        "cpus": [0, 1, 2, 3],
        "nb_proc": 4,
        "used": 3,
        "memory_bytes": 16 << 30,
        "memory_used_bytes": 3 << 29,
        "gpus": ["a", "b"],
        "gpus_used": [1],
        "counted": [b.CountedUse("matlab", 2, 1)],
        "boot_at": 0.0,
        "started_at": 0.0,
        "os": "Linux",
        "arch": "x86",
        "load": 1.5,
        "memory_free_bytes": 1 << 33,
        "cluster": "c",
        "partitions": ["main"],
        "settings": [],
        "version": "1",
    }
    return b.Node(**values | fields)


def picture(*rows: JobRow, recent: tuple[JobRow, ...] = (), **fields: Any) -> Picture:
    """How things are."""
    values: dict[str, Any] = {"is_cut": False, "trouble": "", "status": status()}
    return Picture(1, NOW_S, node=node(), rows=rows, recent=recent, **values | fields)


def ended(job_id: int, state: str = "COMPLETED") -> m.Event:
    """The event of an end."""
    return m.Event(job_id, NOW_S, "ended", row(job_id, state))
