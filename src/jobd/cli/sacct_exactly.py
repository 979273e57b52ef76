"""The values in which sacct, by Slurm's name, differs from Sacct: what Slurm's accounting has otherwise than we would say it."""

from jobd.cli import sacct_values as ours
from jobd.cli import slurm_values as v
from jobd.cli import tres
from jobd.cli.sacct_query import slurm_eligible_at
from jobd.cli.sacct_values import Context, Entry, Value
from jobd.cli.slurm_view import REQUEUED_HELD
from jobd.slurm.sizes import MIB, memory_text
from jobd.slurm.times import span_padded
from jobd.wire.messages import JobRow

# While it waits for these, a job has no reason in the accounting.
_NO_REASON = frozenset({"Priority", "Resources"})
_INVALID = "INVALID"


def _of_job(value: Value) -> Value:
    return lambda entry, context: value(entry, context) if entry.is_job else ""


# ---- times
def _since(entry: Entry) -> float | None:
    """When a line's job was submitted; of a script or a step when it began."""
    return entry.row.started_at if entry.step is None else entry.step.started_at


def _submit(entry: Entry, _: Context) -> str:
    return v.format_time(entry.row.submitted_at if entry.is_job else _since(entry), "Unknown")


def _eligible(entry: Entry, _: Context) -> str:
    return v.format_time(slurm_eligible_at(entry.row) if entry.is_job else _since(entry), "Unknown")


def _start(entry: Entry, context: Context) -> str:
    row = entry.row
    if row.started_at is None and row.ended_at is not None and slurm_eligible_at(row) is None:
        return v.format_time(row.ended_at, "Unknown")
    return ours.VALUES["Start"](entry, context)


def reserved_s(row: JobRow, now_s: float) -> int | None:
    """Seconds that it waited since it was eligible; None for one that never started, or is not yet eligible."""
    since_s = slurm_eligible_at(row)
    if since_s is None:
        return 0
    if row.started_at is None and (row.ended_at is not None or since_s > now_s):
        return None
    return max(0, int(row.started_at or now_s) - int(since_s))


def _reserved(entry: Entry, context: Context) -> str:
    seconds = reserved_s(entry.row, context.now_s)
    return _INVALID if seconds is None else span_padded(seconds)


def _reserved_cpu(entry: Entry, context: Context) -> str:
    seconds = reserved_s(entry.row, context.now_s)
    return _INVALID if seconds is None else span_padded(seconds * entry.row.nb_proc)


def _total_cpu(entry: Entry, context: Context) -> str:
    text = ours.VALUES["TotalCPU"](entry, context)
    return "00:00:00" if text == "00:00.000" else text


# ---- how it ended
def _state(entry: Entry, context: Context) -> str:
    row, step = entry.row, entry.step
    if step is None and row.state == "COMPLETING":
        return "RUNNING"  # the accounting knows no such state
    if not entry.is_job and row.state == "NODE_FAIL":
        return "CANCELLED"
    if _is_out_of_memory(entry):
        return row.state
    if step is not None and step.ended_at is not None and step.signal is not None:
        return "CANCELLED"
    if entry.is_script and row.state == "FAILED" and row.signal is not None:
        return "CANCELLED"
    return ours.VALUES["State"](entry, context)


def _is_out_of_memory(entry: Entry) -> bool:
    """Whether it is a step that was ended because its job took too much memory."""
    step = entry.step
    return step is not None and entry.row.state == "OUT_OF_MEMORY" and step.exit_code is None


def _exit(entry: Entry, context: Context) -> str:
    """The codes, of which sacct takes 128 off those from there on, but not in a document."""
    if not entry.is_job and entry.row.state == "NODE_FAIL":
        return ""
    if _is_out_of_memory(entry):
        return f"0:{v.MEMORY_SIGNAL}"
    return _taken_off(ours.VALUES["ExitCode"](entry, context), context)


def _derived(entry: Entry, context: Context) -> str:
    row = entry.row
    if row.state != "FAILED" and row.cause != "self":  # the steps that were ended with the job do not count
        entry = entry._replace(steps=tuple(step for step in entry.steps if step.signal is None))
    return _taken_off(ours.VALUES["DerivedExitCode"](entry, context), context)


def _taken_off(pair: str, context: Context) -> str:
    code, _, signal = pair.partition(":")
    if context.is_document or not signal or int(code) < 128:
        return pair
    return f"{int(code) - 128}:{signal}"


def _reason(entry: Entry, _: Context) -> str:
    row = entry.row
    if row.state != "PENDING" or row.reason_code in _NO_REASON:
        return "None"
    return "JobHeldUser" if row.reason_code == REQUEUED_HELD else v.reason(row)


def _submit_line(entry: Entry, _: Context) -> str:
    """The words as they came, without the quotes by which we keep them."""
    import shlex

    line = v.label(entry.row, "submit_line")
    try:
        return " ".join(shlex.split(line))
    except ValueError:
        return line


# ---- what it has
def _cpus(entry: Entry, _: Context) -> str:
    return str(entry.row.nb_proc)


def _nodes(entry: Entry, _: Context) -> str:
    return "0" if entry.row.started_at is None else "1"


def memory_bytes_of(row: JobRow, context: Context) -> int:
    """The memory that it asked for; the machine's where it named none."""
    return (row.batch.memory_bytes if row.batch is not None else 0) or context.memory_bytes


def _memory(entry: Entry, context: Context) -> str:
    return ours.size_text(memory_bytes_of(entry.row, context), context, memory_text)


def _asked(entry: Entry, context: Context) -> str:
    pairs = dict(pair.split("=", 1) for pair in tres.sorted_tres(entry.row).split(","))
    if memory_bytes := memory_bytes_of(entry.row, context):
        pairs["mem"] = ours.size_text(memory_bytes, context, memory_text)
    return ",".join(f"{name}={text}" for name, text in sorted(pairs.items()))


def _allocated(entry: Entry, context: Context) -> str:
    row = entry.row
    if row.started_at is None:
        return ""
    if entry.is_job:
        return tres.sorted_tres(row)
    memory_bytes = row.batch.memory_bytes if row.batch is not None else 0
    mem = ours.size_text(memory_bytes, context, memory_text) if memory_bytes >= MIB else "0"
    return f"cpu={row.nb_proc},mem={mem},node=1"


def _frequency(entry: Entry, _: Context) -> str:
    return "0" if entry.is_script else "Unknown"


def _raw_cpu(entry: Entry, context: Context) -> str:
    return str(int(ours.elapsed_s(entry, context)) * entry.row.nb_proc)


VALUES: dict[str, Value] = {
    "DerivedExitCode": _derived,
    "ExitCode": _exit,
    "AllocCPUS": _cpus,
    "AllocNodes": _nodes,
    "AllocTRES": _allocated,
    "CPUTime": lambda entry, context: span_padded(int(_raw_cpu(entry, context))),
    "CPUTimeRAW": _raw_cpu,
    "DBIndex": lambda entry, _: str(entry.row.job_id),
    "Eligible": _eligible,
    "NCPUS": _cpus,
    "Priority": _of_job(lambda entry, _: str(v.priority_number(entry.row))),
    "Reason": _of_job(_reason),
    "ReqCPUFreq": _frequency,
    "ReqCPUFreqGov": _frequency,
    "ReqCPUFreqMax": _frequency,
    "ReqCPUFreqMin": _frequency,
    "ReqCPUS": _cpus,
    "ReqMem": _of_job(_memory),
    "ReqTRES": _of_job(_asked),
    "Reserved": _of_job(_reserved),
    "ResvCPU": _of_job(_reserved_cpu),
    "Start": _start,
    "State": _state,
    "Submit": _submit,
    "SubmitLine": _of_job(_submit_line),
    "TotalCPU": _total_cpu,
}
