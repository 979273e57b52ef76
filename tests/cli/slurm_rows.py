"""Rows as the transcripts of Slurm 22.05 have them, made up here, and a server that answers from a list of them."""

import time
from collections.abc import Sequence
from typing import Any

from jobd.cli import slurm_values as v
from jobd.wire import batch as b
from jobd.wire import messages as m

SUBMITTED_AT = time.mktime((2026, 11, 20, 10, 5, 11, 0, 0, -1))
MIB = 1 << 20

BATCH = m.BatchRow(
    attempt=1,
    array_id=None,
    array_index=None,
    tasks="",
    array_limit=0,
    memory_bytes=256 * MIB,
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
    stdout="/home/user/jobs/slurm-3539.out",
    stderr="/home/user/jobs/slurm-3539.out",
    has_script=True,
    labels=[["account", "root"], ["partition", "main"], ["qos", "normal"]],
    expected_start_at=None,
    unenforced=[],
    paused_at=None,
    paused_s=0.0,
    cpu_s=0.0,
    memory_peak_bytes=0,
    warn_signal=0,
    warn_before_s=0,
    is_appending=False,
    umask=0o022,
)
ROW = m.JobRow(
    job_id=3539,
    parent_id=None,
    root_id=3539,
    state="RUNNING",
    kind="batch",
    nb_proc=1,
    pid=4711,
    name="run me",
    command=[],
    cwd="/home/user/jobs",
    user="root",
    priority=7,
    time_limit_s=3600,
    submitted_at=SUBMITTED_AT,
    started_at=SUBMITTED_AT,
    ended_at=None,
    cpus=[0],
    children=[],
    exit_code=None,
    signal=None,
    cause=None,
    reason="",
    reason_code="None",
    token="t",
    batch=BATCH,
)

STEP = b.StepRow(3539, 1, 0, "sh", ["sh"], 1, SUBMITTED_AT, SUBMITTED_AT + 1, 0, None, 0.5, 4 * MIB)

NODE = b.Node(
    name="vm",
    cpus=list(range(8)),
    nb_proc=8,
    used=3,
    memory_bytes=16000 * MIB,
    memory_used_bytes=210 * MIB,
    gpus=["A", "B"],
    gpus_used=[0],
    counted=[b.CountedUse("matlab", 4, 1)],
    boot_at=SUBMITTED_AT,
    started_at=SUBMITTED_AT,
    os="Linux 6.18",
    arch="x86_64",
    load=1.95,
    memory_free_bytes=21756 * MIB,
    cluster="compat",
    partitions=["main", "gpu"],
    settings=[["kill_grace_s", "5.0"], ["licenses", '{"matlab": 4}'], ["min_job_age_s", "300.0"]],
    version="1",
)


def row(batch: dict[str, Any] | None = None, **changes: Any) -> m.JobRow:
    """A batch job that differs from ROW in this."""
    own = {"root_id": changes["job_id"]} if "job_id" in changes else {}
    return ROW._replace(batch=BATCH._replace(**(batch or {})), **own, **changes)


def pending(job_id: int, reason: str, batch: dict[str, Any] | None = None, **changes: Any) -> m.JobRow:
    """A batch job that waits."""
    return row(
        {"attempt": 0, **(batch or {})},
        **{
            "job_id": job_id,
            "state": "PENDING",
            "started_at": None,
            "reason_code": reason,
            "cpus": [],
            **changes,
        },
    )


def finished(job_id: int, state: str, **changes: Any) -> m.JobRow:
    """A batch job that is over."""
    ended = {"state": state, "ended_at": SUBMITTED_AT + 2, "started_at": SUBMITTED_AT + 2}
    return row(changes.pop("batch", None), **{"job_id": job_id, **ended, **changes})


class FakeClient:
    """Answers as a server that has these jobs, and keeps what it was asked to do."""

    def __init__(self, rows: Sequence[m.JobRow] = (), steps: Sequence[b.StepRow] = ()) -> None:
        self.rows = rows
        self.steps = steps
        self.asked: list[Any] = []
        self._sent: Any = None

    def request(self, request: Any) -> Any:
        self.send(request)
        return self.receive()

    def send(self, request: Any) -> None:
        self._sent = request
        self.asked.append(request)

    def receive(self) -> Any:
        request = self._sent
        if isinstance(request, m.ListJobs):
            rows = [row for row in self.rows if (row.ended_at is not None) == request.is_finished]
            if request.job_ids:
                ids = set(request.job_ids)
                rows = [
                    row
                    for row in rows
                    if row.job_id in ids or (request.is_with_arrays and v.array_id(row) in ids)
                ]
            if request.states:
                rows = [row for row in rows if row.state in request.states]
            return m.JobPage(rows, "", m.Status("1", 1, "id", 0.0, 8, 8, 3, 1, 0, 0, None, [], 1))
        if isinstance(request, b.ListSteps):
            return b.StepPage([step for step in self.steps if step.job_id in request.job_ids])
        if isinstance(request, b.AskNode):
            return NODE
        return b.Affected([])
