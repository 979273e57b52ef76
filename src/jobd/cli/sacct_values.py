"""The values of Sacct's fields (slurm/fields.py), from a job's row and its steps. No socket, no clock.

A job is a line of its own, its batch script another (12.batch), each of its Srun steps one more (12.0). What a line does not have is empty,
as in sacct(1); what Slurm measures and jobd does not (pages, disk, energy, system and user time apart) is empty on all of them.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

from jobd.cli import dialect, tres
from jobd.cli import slurm_values as v
from jobd.slurm.sizes import KIB, MIB, memory_text, usage_text
from jobd.slurm.times import limit_padded, span_padded
from jobd.wire.batch import StepRow
from jobd.wire.messages import JobRow

_TERM = 15
# Whoever asked for the end of these was nobody: it came of itself.
_BY_NOBODY = frozenset({"dependency", "nb_proc_max"})


class Context(NamedTuple):
    """What all lines share."""

    now_s: float
    cluster: str = "local"
    unit: str = ""  # --units: K, M, G, T, P
    is_raw: bool = False  # --noconvert
    truncated_s: tuple[float, float] | None = None  # --truncate: the window
    memory_bytes: int = 0  # the machine's
    is_document: bool = False  # --json


class Entry(NamedTuple):
    """One line: a job, its batch script, or one of its steps."""

    row: JobRow
    steps: tuple[StepRow, ...] = ()  # all of the job
    step: StepRow | None = None
    is_script: bool = False

    @property
    def is_job(self) -> bool:
        """Whether it is the job itself."""
        return self.step is None and not self.is_script


def entries_of(row: JobRow, steps: tuple[StepRow, ...], *, is_with_steps: bool) -> list[Entry]:
    """The lines of a job, in sacct's order."""
    entries = [Entry(row, steps)]
    if not is_with_steps:
        return entries
    if v.is_batch(row) and row.started_at is not None:
        entries.append(Entry(row, steps, is_script=True))
    return entries + [Entry(row, steps, step) for step in steps]


def values_of(names: list[str], entry: Entry, context: Context) -> list[str]:
    """The values of these fields."""
    values = _values(dialect.is_slurm)
    return [values[name](entry, context) if name in values else "" for name in names]


@lru_cache(2)
def _values(is_slurm: bool) -> "Mapping[str, Value]":
    if not is_slurm:
        return VALUES
    from jobd.cli import sacct_exactly

    return {**VALUES, **sacct_exactly.VALUES}


Value = Callable[[Entry, Context], str]


# ---- numbers and names
def _suffix(entry: Entry) -> str:
    if entry.is_script:
        return ".batch"
    return "" if entry.step is None else f".{entry.step.step_id}"


def _name(entry: Entry, _: Context) -> str:
    if entry.is_script:
        return "batch"
    return entry.row.name if entry.step is None else entry.step.name


def _cpus(entry: Entry) -> int:
    """The processors of the line: a step's are those of its tasks."""
    row, step = entry.row, entry.step
    if step is None:
        return row.nb_proc
    each = (row.batch.cpus_per_task if row.batch is not None else None) or 1
    return max(1, min(row.nb_proc, step.ntasks * each))


def _tasks(entry: Entry, _: Context) -> str:
    if entry.is_script:
        return "1"
    return "" if entry.step is None else str(entry.step.ntasks)


def _job(value: Callable[[JobRow], str]) -> Value:
    """A value that only the job itself has."""
    return lambda entry, _: value(entry.row) if entry.is_job else ""


def _measured(value: Callable[[float, int, int, Context], str]) -> Value:
    """A value of what a script or a step used: (CPU seconds, peak bytes, tasks)."""

    def of(entry: Entry, context: Context) -> str:
        if entry.is_job or _end(entry) is None:
            return ""
        tasks = 1 if entry.step is None else entry.step.ntasks
        return value(cpu_s(entry), _peak_bytes(entry), tasks, context)

    return of


# ---- times
def _start(entry: Entry) -> float | None:
    return entry.row.started_at if entry.step is None else entry.step.started_at


def _end(entry: Entry) -> float | None:
    if entry.step is None:
        return entry.row.ended_at
    return entry.step.ended_at if entry.step.ended_at is not None else entry.row.ended_at


def elapsed_s(entry: Entry, context: Context) -> float:
    """Seconds for which a line's job or step has run, or ran."""
    if entry.step is None and context.truncated_s is None:
        return v.elapsed_s(entry.row, context.now_s)
    begin_s, end_s = _cut(_start(entry), context), _cut(_end(entry), context)
    if begin_s is None:
        return 0.0
    return max(0.0, (context.now_s if end_s is None else end_s) - begin_s)


def _cut(at_s: float | None, context: Context) -> float | None:
    if at_s is None or context.truncated_s is None:
        return at_s
    return min(max(at_s, context.truncated_s[0]), context.truncated_s[1])


def _time(at: Callable[[Entry], float | None]) -> Value:
    return lambda entry, context: v.format_time(_cut(at(entry), context), "Unknown")


def _shown_start(entry: Entry, context: Context) -> str:
    missing = "None" if entry.row.ended_at is not None else "Unknown"
    return v.format_time(_cut(_start(entry), context), missing)


def _reserved_s(entry: Entry, context: Context) -> float:
    """Seconds between when it might have started and when it did."""
    since_s = v.eligible_at(entry.row)
    until_s = entry.row.started_at or entry.row.ended_at or context.now_s
    return 0.0 if since_s is None else max(0.0, until_s - since_s)


def _limit_minutes(row: JobRow) -> str:
    return "UNLIMITED" if row.time_limit_s is None else str(-(-row.time_limit_s // 60))


# ---- usage
def cpu_s(entry: Entry) -> float:
    """CPU seconds: the job's are those of all its processes, the script's what its steps did not use."""
    if entry.step is not None:
        return entry.step.cpu_s
    total_s = 0.0 if entry.row.batch is None else entry.row.batch.cpu_s
    if entry.is_job:
        return total_s
    return max(0.0, total_s - sum(step.cpu_s for step in entry.steps))


def _peak_bytes(entry: Entry) -> int:
    if entry.step is not None:
        return entry.step.memory_peak_bytes
    return 0 if entry.row.batch is None else entry.row.batch.memory_peak_bytes


def cpu_text(seconds: float) -> str:
    """CPU time as sacct has it: 00:01.234, 01:02:03, 1-02:03:04."""
    if seconds >= 3600:
        return span_padded(seconds)
    total_ms = round(max(0.0, seconds) * 1000)
    return f"{total_ms // 60000:02}:{total_ms // 1000 % 60:02}.{total_ms % 1000:03}"


_FACTORS = {"K": KIB, "M": MIB, "G": 1 << 30, "T": 1 << 40, "P": 1 << 50}


def size_text(count_bytes: int, context: Context, text: Callable[[int], str]) -> str:
    """A size in the unit that was asked for."""
    if dialect.is_slurm and context.unit:
        size = count_bytes / _FACTORS[context.unit]
        return f"{int(size)}{context.unit}" if size.is_integer() else f"{size:.2f}{context.unit}"
    if context.unit:
        return f"{count_bytes / _FACTORS[context.unit]:.2f}{context.unit}"
    if context.is_raw:
        return str(count_bytes) if text is usage_text else f"{-(-count_bytes // MIB)}M"
    return text(count_bytes)


def _peak_text(_: float, peak_bytes: int, __: int, context: Context) -> str:
    return size_text(peak_bytes, context, usage_text)


def _usage(cpu_s: float, peak_bytes: int, _: int, context: Context) -> str:
    return f"cpu={span_padded(cpu_s)},mem={size_text(peak_bytes, context, usage_text)}"


def _alone(value: Callable[[float, int, int, Context], str]) -> Value:
    """A value by task, which is known where there is one task."""
    return _measured(lambda cpu_s, peak, tasks, context: value(cpu_s, peak, 1, context) if tasks == 1 else "")


def _memory(row: JobRow, context: Context) -> str:
    return "0" if row.batch is None else size_text(row.batch.memory_bytes, context, memory_text)


def _allocated(entry: Entry, _: Context) -> str:
    if entry.row.started_at is None:
        return ""
    if entry.is_job:
        return tres.sorted_tres(entry.row)
    memory = entry.row.batch.memory_bytes if entry.row.batch is not None else 0
    return f"cpu={_cpus(entry)}" + (f",mem={memory_text(memory)}" if memory else "") + ",node=1"


# ---- states
def _state(entry: Entry, _: Context) -> str:
    row, step = entry.row, entry.step
    if step is not None:
        return step_state(step, row)
    if row.state == "CANCELLED" and entry.is_job:
        return row.state if row.cause in _BY_NOBODY else f"CANCELLED by {v.user_ids(row.user)[0]}"
    if entry.is_script and row.state == "TIMEOUT":
        return "CANCELLED"
    return row.state


def step_state(step: StepRow, row: JobRow) -> str:
    """The state of a step: what ended it by TERM has cancelled it."""
    if step.ended_at is None:
        return "RUNNING" if row.ended_at is None else "CANCELLED"
    if step.signal == _TERM or (step.signal is None and step.exit_code is None):
        return "CANCELLED"
    return "COMPLETED" if step.exit_code == 0 and step.signal is None else "FAILED"


def _exit(entry: Entry, _: Context) -> str:
    row, step = entry.row, entry.step
    if step is not None:
        return f"{step.exit_code or 0}:{step.signal or 0}"
    if entry.is_script and row.state in ("CANCELLED", "TIMEOUT"):
        return f"0:{row.signal or _TERM}"
    return v.exit_pair(row)


def _derived(entry: Entry, _: Context) -> str:
    if not entry.is_job:
        return ""
    worst = max(((step.exit_code or 0, step.signal or 0) for step in entry.steps), default=(0, 0))
    return f"{worst[0]}:{worst[1]}"


def _node(entry: Entry, _: Context) -> str:
    return "None assigned" if entry.row.started_at is None else v.node_name()


_node_used = _measured(lambda *_: v.node_name())
_task_used = _measured(lambda *_: "0")
_peak = _measured(_peak_text)


VALUES: dict[str, Value] = {
    "Account": lambda entry, _: v.account(entry.row),
    "AllocCPUS": lambda entry, _: str(_cpus(entry)),
    "AllocNodes": lambda entry, _: "0" if entry.row.started_at is None else "1",
    "AllocTRES": _allocated,
    "AveCPU": _measured(lambda cpu_s, _, tasks, __: span_padded(cpu_s / max(1, tasks))),
    "AveRSS": _alone(_peak_text),
    "Cluster": lambda _, context: context.cluster,
    "Comment": _job(lambda row: v.label(row, "comment")),
    "Constraints": _job(lambda row: v.label(row, "features")),
    "CPUTime": lambda entry, context: span_padded(int(elapsed_s(entry, context)) * _cpus(entry)),
    "CPUTimeRAW": lambda entry, context: str(int(elapsed_s(entry, context)) * _cpus(entry)),
    "DBIndex": _job(lambda row: str(row.job_id)),
    "DerivedExitCode": _derived,
    "Elapsed": lambda entry, context: span_padded(elapsed_s(entry, context)),
    "ElapsedRaw": lambda entry, context: str(int(elapsed_s(entry, context))),
    "Eligible": _time(lambda entry: v.eligible_at(entry.row)),
    "End": _time(_end),
    "ExitCode": _exit,
    "GID": _job(lambda row: v.user_ids(row.user)[1]),
    "Group": _job(lambda row: v.user_ids(row.user)[2]),
    "JobID": lambda entry, _: v.job_text(entry.row) + _suffix(entry),
    "JobIDRaw": lambda entry, _: f"{entry.row.job_id}{_suffix(entry)}",
    "JobName": _name,
    "MaxRSS": _peak,
    "MaxRSSNode": _node_used,
    "MaxRSSTask": _task_used,
    "MinCPU": _alone(lambda cpu_s, _, __, ___: span_padded(cpu_s)),
    "MinCPUNode": _node_used,
    "MinCPUTask": _task_used,
    "NCPUS": lambda entry, _: str(_cpus(entry)),
    "NNodes": lambda entry, _: "1",
    "NodeList": _node,
    "NTasks": _tasks,
    "Partition": _job(v.partition),
    "Priority": _job(lambda row: str(row.priority)),
    "QOS": _job(v.qos),
    "Reason": _job(v.reason),
    "ReqCPUS": lambda entry, _: str(_cpus(entry)),
    "ReqMem": lambda entry, context: _memory(entry.row, context) if entry.is_job else "",
    "ReqNodes": lambda entry, _: "1",
    "ReqTRES": _job(tres.sorted_tres),
    "Reservation": _job(lambda row: v.label(row, "reservation")),
    "Reserved": lambda entry, context: span_padded(_reserved_s(entry, context)) if entry.is_job else "",
    "ResvCPU": lambda entry, context: (
        span_padded(_reserved_s(entry, context) * entry.row.nb_proc) if entry.is_job else ""
    ),
    "ResvCPURAW": lambda entry, context: (
        str(int(_reserved_s(entry, context) * entry.row.nb_proc)) if entry.is_job else ""
    ),
    "Start": _shown_start,
    "State": _state,
    "Submit": _time(lambda entry: entry.row.submitted_at if entry.step is None else entry.step.started_at),
    "SubmitLine": _job(lambda row: v.label(row, "submit_line")),
    "Suspended": lambda entry, context: span_padded(v.paused_s(entry.row, context.now_s)),
    "Timelimit": _job(lambda row: limit_padded(row.time_limit_s)),
    "TimelimitRaw": _job(_limit_minutes),
    "TotalCPU": lambda entry, _: cpu_text(cpu_s(entry)),
    "TRESUsageInAve": _alone(_usage),
    "TRESUsageInMax": _measured(_usage),
    "TRESUsageInTot": _measured(_usage),
    "UID": _job(lambda row: v.user_ids(row.user)[0]),
    "User": _job(lambda row: row.user),
    "WCKey": _job(lambda row: v.label(row, "wckey")),
    "WorkDir": _job(lambda row: row.cwd),
}
