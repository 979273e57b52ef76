"""The values of the columns of Slurm's lists of jobs and steps (slurm/columns.py), from a job's row. No socket, no clock.

A column that asks for something which jobd does not have shows what Slurm shows where nothing of the kind was asked.
"""

from collections.abc import Callable, Mapping

from jobd.cli import slurm_values as v
from jobd.cli import tres
from jobd.cli.render import printable
from jobd.slurm import states
from jobd.slurm.columns import JOB_COLUMNS
from jobd.slurm.formats import Format
from jobd.slurm.sizes import memory_text
from jobd.slurm.times import limit, span
from jobd.wire.batch import StepRow
from jobd.wire.messages import JobRow

Value = Callable[[JobRow, float], str]

PRIORITY_SPAN = 1 << 31  # Slurm's %p is between 0 and 1, and so is this, for our priorities of either sign


def line_maker(fields: Format, values: Mapping[str, Value] | None = None) -> Callable[[JobRow, float], str]:
    """What makes a job's line, safe to print, for 100,000 jobs at a time."""
    values = VALUES if values is None else values
    columns = [(field, values[field.name] if field.name else _nothing) for field in fields]

    def line(row: JobRow, now_s: float) -> str:
        parts = []
        for field, value in columns:
            parts.append(field.laid_out(printable(value(row, now_s))))
        return "".join(parts)

    return line


def job_value(name: str, row: JobRow, now_s: float) -> str:
    """The value of one column, safe to print."""
    return printable(VALUES[name](row, now_s))


def _nothing(row: JobRow, now_s: float) -> str:
    return ""


def _or_null(text: str) -> str:
    return text or v.NULL


def _label(name: str) -> Value:
    return lambda row, _: v.label(row, name) or v.NULL


def _time(at_s: float | None) -> str:
    return v.format_time(at_s, "N/A")


def _left(row: JobRow, now_s: float) -> str:
    if row.time_limit_s is None:
        return "UNLIMITED"
    return span(row.time_limit_s - v.elapsed_s(row, now_s))


def _min_cpus(row: JobRow, _: float) -> str:
    batch = row.batch
    if batch is None or not v.is_batch(row):
        return str(row.nb_proc)
    return str((batch.cpus_per_task or 1) * (batch.ntasks_per_node or 1))


def _memory(row: JobRow, _: float) -> str:
    batch = row.batch
    if batch is None:
        return "0"
    return memory_text(batch.memory_per_cpu_bytes or batch.memory_bytes)


def _over_subscribe(row: JobRow, _: float) -> str:
    return "NO" if row.batch is not None and row.batch.is_exclusive else "OK"


def _pending_s(row: JobRow, now_s: float) -> str:
    until_s = row.started_at or row.ended_at or now_s
    return str(max(0, int(until_s - row.submitted_at)))


def _asked(name: str, missing: str) -> Value:
    """A number that may not have been asked for."""

    def value(row: JobRow, _: float) -> str:
        asked = None if row.batch is None else getattr(row.batch, name)
        return missing if asked is None else str(asked)

    return value


def _array_index(row: JobRow, _: float) -> str:
    batch = row.batch
    if batch is not None and batch.array_index is not None:
        return str(batch.array_index)
    return v.array_tasks(row) or "N/A"


def _file(name: str) -> Value:
    return lambda row, _: "" if row.batch is None else str(getattr(row.batch, name))


def _nice(row: JobRow, _: float) -> str:
    return "0" if row.batch is None else str(row.batch.nice)


def _tasks(row: JobRow, _: float) -> str:
    return str((row.batch.ntasks if row.batch is not None else None) or 1)


def _requeue(row: JobRow, _: float) -> str:
    return str(int(row.batch is not None and row.batch.is_requeueable))


def _exit_status(row: JobRow, _: float) -> str:
    """As wait(2) has it, which is what Slurm prints here."""
    code, sign, number = v.exit_pair(row).partition(":")
    return str(int(code) * 256 + int(number)) if sign else code


VALUES: dict[str, Value] = {
    **{name: (lambda row, _: v.NULL) for name in JOB_COLUMNS},
    "account": lambda row, _: v.account(row),
    "accruetime": lambda row, _: _time(v.eligible_at(row)),
    "allocnodes": lambda row, _: v.label(row, "submit_host") or v.node_name(),
    "allocsid": lambda row, _: str(row.pid),
    "arrayjobid": lambda row, _: str(v.array_id(row)),
    "arraytaskid": _array_index,
    "associd": lambda row, _: "0",
    "batchflag": lambda row, _: str(int(v.is_batch(row))),
    "batchhost": lambda row, _: v.nodes(row) or "n/a",
    "boardspernode": lambda row, _: "0",
    "cluster": lambda row, _: v.label(row, "cluster") or "local",
    "command": lambda row, _: _or_null(v.command_line(row)),
    "comment": _label("comment"),
    "contiguous": lambda row, _: "0",
    "cores": lambda row, _: "*",
    "corespec": lambda row, _: "N/A",
    "cpus-per-task": _asked("cpus_per_task", "1"),
    "cpus-per-tres": lambda row, _: "N/A",
    "deadline": lambda row, _: "N/A",
    "delayboot": lambda row, _: "0:00",
    "dependency": lambda row, _: _or_null(v.dependency(row)),
    "derivedec": lambda row, _: "0",
    "eligibletime": lambda row, _: _time(v.eligible_at(row)),
    "endtime": lambda row, now_s: _time(v.end_at(row, now_s)),
    "excnodes": lambda row, _: v.label(row, "exclude"),
    "exit_code": _exit_status,
    "feature": _label("features"),
    "groupid": lambda row, _: v.user_ids(row.user)[1],
    "groupname": lambda row, _: v.user_ids(row.user)[2],
    "hetjobid": lambda row, _: "N/A",
    "hetjobidset": lambda row, _: "N/A",
    "hetjoboffset": lambda row, _: "N/A",
    "jobarrayid": lambda row, _: v.job_text(row),
    "jobid": lambda row, _: str(row.job_id),
    "lastschedeval": lambda row, _: _time(row.started_at or row.submitted_at),
    "licenses": lambda row, _: _or_null(tres.licenses_text(row)),
    "maxcpus": lambda row, _: str(row.nb_proc),
    "maxnodes": lambda row, _: "1",
    "mem-per-tres": lambda row, _: "N/A",
    "mincpus": _min_cpus,
    "minmemory": _memory,
    "mintime": lambda row, _: "0:00",
    "mintmpdisk": lambda row, _: "0",
    "name": lambda row, _: row.name,
    "nice": _nice,
    "nodelist": lambda row, _: v.nodes(row),
    "nodes": lambda row, _: v.nodes(row),
    "ntperboard": lambda row, _: "0",
    "ntpercore": lambda row, _: "N/A",
    "ntpernode": _asked("ntasks_per_node", "0"),
    "ntpersocket": lambda row, _: "N/A",
    "numcpus": lambda row, _: str(row.nb_proc),
    "numnodes": lambda row, _: "1",
    "numtasks": _tasks,
    "origin": lambda row, _: "NA",
    "originraw": lambda row, _: "NA",
    "oversubscribe": _over_subscribe,
    "partition": lambda row, _: v.partition(row),
    "pendingtime": _pending_s,
    "preempttime": lambda row, _: "N/A",
    "profile": lambda row, _: "NotSet",
    "priority": lambda row, _: f"{0.5 + row.priority / PRIORITY_SPAN:.14f}",
    "prioritylong": lambda row, _: str(row.priority),
    "qos": lambda row, _: v.qos(row),
    "reason": lambda row, _: v.reason(row),
    "reasonlist": lambda row, _: v.nodes_or_reason(row),
    "reboot": lambda row, _: "0",
    "reqnodes": lambda row, _: v.label(row, "nodelist"),
    "reqswitch": lambda row, _: "0",
    "requeue": _requeue,
    "reservation": _label("reservation"),
    "resizetime": lambda row, _: "N/A",
    "restartcnt": lambda row, _: str(v.restarts(row)),
    "schednodes": lambda row, _: v.NULL,
    "sct": lambda row, _: "*:*:*",
    "selectjobinfo": _nothing,
    "siblingsactive": lambda row, _: "NA",
    "siblingsactiveraw": lambda row, _: "NA",
    "siblingsviable": lambda row, _: "NA",
    "siblingsviableraw": lambda row, _: "NA",
    "sockets": lambda row, _: "*",
    "sperboard": lambda row, _: "0",
    "starttime": lambda row, _: _time(v.start_at(row)),
    "state": lambda row, _: row.state,
    "statecompact": lambda row, _: states.code_of(row.state),
    "stderr": _file("stderr"),
    "stdin": _file("stdin"),
    "stdout": _file("stdout"),
    "submittime": lambda row, _: _time(row.submitted_at),
    "threads": lambda row, _: "*",
    "timeleft": _left,
    "timelimit": lambda row, _: limit(row.time_limit_s),
    "timeused": lambda row, now_s: span(v.elapsed_s(row, now_s)),
    "tres-alloc": lambda row, _: tres.job_tres(row),
    "tres-bind": lambda row, _: "N/A",
    "tres-freq": lambda row, _: "N/A",
    "tres-per-job": lambda row, _: "N/A",
    "tres-per-node": lambda row, _: tres.gres_text(row) or "N/A",
    "tres-per-socket": lambda row, _: "N/A",
    "tres-per-task": lambda row, _: "N/A",
    "userid": lambda row, _: v.user_ids(row.user)[0],
    "username": lambda row, _: row.user,
    "wait4switch": lambda row, _: "0:00",
    "wckey": _label("wckey"),
    "workdir": lambda row, _: row.cwd,
}


# ---- steps
def step_text(step: StepRow, row: JobRow) -> str:
    """12.0, 12_3.0."""
    return f"{v.job_text(row)}.{step.step_id}"


STEP_VALUES: dict[str, Callable[[StepRow, JobRow, float], str]] = {
    "stepid": lambda step, row, _: step_text(step, row),
    "name": lambda step, row, _: step.name,
    "partition": lambda step, row, _: v.partition(row),
    "username": lambda step, row, _: row.user,
    "userid": lambda step, row, _: v.user_ids(row.user)[0],
    "timeused": lambda step, row, now_s: span((step.ended_at or now_s) - step.started_at),
    "timelimit": lambda step, row, _: limit(None),
    "starttime": lambda step, row, _: _time(step.started_at),
    "nodes": lambda step, row, _: v.node_name(),
    "numtasks": lambda step, row, _: str(step.ntasks),
    "arrayjobid": lambda step, row, _: str(v.array_id(row)),
    "arraytaskid": lambda step, row, _: _array_index(row, 0.0),
    "stepstate": lambda step, row, _: "RUNNING" if step.ended_at is None else "COMPLETED",
}
