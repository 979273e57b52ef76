"""What Slurm's squeue shows and sorts otherwise than Squeue does: priorities as numbers of Slurm's size, ends of jobs that never
started, lists of indexes cut. No socket, no clock.

Source: squeue(1) and src/squeue of Slurm 22.05, and what its squeue prints.
"""

import os
from collections.abc import Callable

from jobd.cli import letters, queue_lines
from jobd.cli import slurm_values as v
from jobd.cli.dialect import Said
from jobd.cli.letters import STEP_VALUES, VALUES, Value
from jobd.slurm import states
from jobd.slurm.columns import JOB_COLUMNS, JOB_LETTERS
from jobd.slurm.formats import Format
from jobd.wire.batch import StepRow
from jobd.wire.messages import JobRow

BATCH_STEP = -5  # Slurm's number for the batch script of a job, as a step
ID_CHARS = 31  # of an array's number with its indexes, where SLURM_BITSTR_LEN does not say otherwise
PRIORITIES = 0xFFFFFFFF
UNSORTABLE = frozenset("akoqrswxyAEFKRWXYZ")
WHOLE = frozenset(("timelimit", "timeleft", "timeused", "nodelist", "reasonlist", "schednodes", "resizetime"))
LAST = 1 << 60  # the place of what has no index or no time

COLUMNS = {name: header for name, header in JOB_COLUMNS.items() if name not in ("nodes", "excnodes")}
SAME = {"shared": "oversubscribe", "gres": "tres-per-node", "cpuspertask": "cpus-per-task"}
STEP_COLUMNS = {
    "arrayjobid": "ARRAY_JOB_ID",
    "arraytaskid": "ARRAY_TASK_ID",
    "cluster": "CLUSTER",
    "container": "CONTAINER",
    "cpufreq": "CPU_FREQ",
    "jobid": "JOB_ID",
    "network": "NETWORK",
    "nodes": "NODELIST",
    "numtasks": "TASKS",
    "partition": "PARTITION",
    "starttime": "START_TIME",
    "stepid": "STEPID",
    "stepname": "NAME",
    "stepstate": "STATE",
    "timelimit": "TIME_LIMIT",
    "timeused": "TIME",
    "tres-per-step": "TRES_PER_STEP",
    "userid": "UID",
    "username": "USER",
}
STEP_LETTERS = {
    "A": "numtasks",
    "b": "tres-per-step",
    "i": "stepid",
    "j": "stepname",
    "l": "timelimit",
    "M": "timeused",
    "N": "nodes",
    "P": "partition",
    "S": "starttime",
    "u": "username",
    "U": "userid",
}


def uncut(fields: Format) -> Format:
    """The same columns, of which squeue does not cut those of times and nodes where they stand to the right."""
    return [field._replace(is_cut=field.name not in WHOLE) for field in fields]


# ---- values
def job_text(row: JobRow) -> str:
    """The number as squeue shows it: what is too long of an array's indexes is cut off."""
    chars = os.environ.get("SLURM_BITSTR_LEN")
    if chars is None:
        return v.job_text(row, chars_max=None)[:ID_CHARS]
    return v.job_text(row, chars_max=_bitstr_chars(chars))


def _bitstr_chars(text: str) -> int | None:
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else v.BITSTR_CHARS
    return number or None


def _start_at(row: JobRow) -> float | None:
    """When it started or is expected to; of what was cancelled before it did, when that was."""
    at_s = v.start_at(row)
    return row.ended_at if at_s is None else at_s


def _end_at(row: JobRow, now_s: float) -> float | None:
    """When it ended, or must at the latest, as far as its start is known."""
    at_s, start_s = v.end_at(row, now_s), v.start_at(row)
    if at_s is not None or start_s is None or row.time_limit_s is None:
        return at_s
    return start_s + row.time_limit_s


def _nodes_expected(row: JobRow, _: float) -> str:
    is_expected = row.started_at is None and row.batch is not None and row.batch.expected_start_at
    return v.node_name() if is_expected else v.NULL


JOB_VALUES: dict[str, Value] = {
    **VALUES,
    "endtime": lambda row, now_s: v.format_time(_end_at(row, now_s), "N/A"),
    "jobarrayid": lambda row, _: job_text(row),
    "priority": lambda row, _: f"{v.priority_number(row) / PRIORITIES:.14f}",
    "prioritylong": lambda row, _: str(v.priority_number(row)),
    "schednodes": _nodes_expected,
    "starttime": lambda row, _: v.format_time(_start_at(row), "N/A"),
}


def _step_text(step: StepRow, row: JobRow) -> str:
    return f"{v.job_text(row)}.batch" if step.step_id == BATCH_STEP else letters.step_text(step, row)


STEP_LINE: dict[str, Callable[[StepRow, JobRow, float], str]] = {
    **{name: (lambda step, row, now_s: v.NULL) for name in STEP_COLUMNS},
    **{name: value for name, value in STEP_VALUES.items() if name in STEP_COLUMNS},
    "arrayjobid": lambda step, row, _: (
        str(v.array_id(row)) if row.batch is not None and row.batch.array_id is not None else "0"
    ),
    "cluster": lambda step, row, now_s: VALUES["cluster"](row, now_s),
    "cpufreq": lambda step, row, _: "0-0:0",
    "jobid": lambda step, row, _: str(row.job_id),
    "stepid": lambda step, row, _: _step_text(step, row),
    "stepname": lambda step, row, _: step.name,
}


def batch_step(row: JobRow) -> StepRow | None:
    """The batch script of a running job, as a step; None of a job that has none."""
    if row.started_at is None or not v.is_batch(row):
        return None
    return StepRow(
        row.job_id, 0, BATCH_STEP, "batch", row.command, 1, row.started_at, None, None, None, 0.0, 0
    )


# ---- order
def in_order(rows: list[JobRow], text: str | None, now_s: float, *, is_start: bool = False) -> list[JobRow]:
    """The rows in the order of a list of letters, - before one for the other way round; None for squeue's own order.

    Args:
        is_start: for --start, where the oldest of equals comes first; else the newest does.

    Raises:
        Said: a letter that squeue does not sort by.
    """
    if text is None:
        return sorted(rows, key=_place)
    sign = 1 if is_start else -1
    rows = sorted(rows, key=lambda row: (sign * v.array_id(row), _index(row), row.job_id))
    parts = _parts(text)
    for letter, is_descending in reversed(parts):  # the last one first, since an order is kept among equals
        rows = sorted(rows, key=_key(letter, now_s), reverse=is_descending)  # type: ignore[arg-type]
    return rows


def _parts(text: str) -> "list[tuple[str, bool]]":
    parts = []
    is_descending = False
    for letter in text:
        if letter == ",":
            is_descending = False
        elif letter in "+-":
            is_descending = letter == "-"
        elif letter not in JOB_LETTERS or letter in UNSORTABLE:
            raise Said(f"squeue: error: Invalid sort specification: {letter}")
        else:
            parts.append((letter, is_descending))
            is_descending = False
    return parts


def _place(row: JobRow) -> tuple[object, ...]:
    """squeue's own order: partition, state, priority (which falls from job to job; what is held has none, and the newest first)."""
    is_held = v.priority_number(row) == 0
    number = v.array_id(row)
    return (
        v.partition(row),
        states.code_of(row.state),
        is_held,
        0 if is_held else -row.priority,
        -number if is_held else number,
        _index(row),
        row.job_id,
    )


def _index(row: JobRow) -> int:
    return LAST if row.batch is None or row.batch.array_index is None else row.batch.array_index


def _key(letter: str, now_s: float) -> Callable[[JobRow], object]:
    name = JOB_LETTERS[letter]
    if name == "jobarrayid":
        return lambda row: (v.array_id(row), _index(row))
    if name in ("priority", "prioritylong"):
        return lambda row: (v.priority_number(row) > 0, row.priority, -v.array_id(row))
    if name in ("state", "statecompact"):
        return lambda row: states.code_of(row.state)
    if name == "endtime":
        return lambda row: _end_at(row, now_s) or 0
    if name == "starttime":
        return lambda row: _start_at(row) or LAST
    return queue_lines.key_of(name, now_s)


def without_limit(row: JobRow, before: JobRow) -> JobRow:
    """A waiting array of which only some elements are shown, as squeue shows it: without how many may run at a time."""
    if row is before or row.batch is None or not row.batch.tasks:
        return row
    return row._replace(batch=row.batch._replace(array_limit=0))
