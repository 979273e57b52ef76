"""What Slurm's listing commands say of one job, from its row: the values that Squeue, Sacct and Scontrol share. No socket, no clock.

Texts are as Slurm has them, and not yet made safe for a terminal: whoever prints does that.
"""

import os
import time
from functools import lru_cache

from jobd import indexes
from jobd.cli import dialect
from jobd.slurm import states
from jobd.slurm.states import REQUEUED
from jobd.slurm.times import Wall, Zone, stamp
from jobd.wire.messages import JobRow
from jobd.wire.rows import label as label  # for v.label

WRAP = "wrap"  # in the place of a script's name where there was none
NULL = "(null)"  # what Slurm prints where nothing of the kind was asked for
LAUNCH_SIGNAL = 53  # what Slurm gives as the "signal" of a job that could not be launched …
MEMORY_SIGNAL = 125  # … and of one that took too much memory
BITSTR_CHARS = 64  # of the indexes of an array: Slurm's SLURM_BITSTR_LEN
PRIORITY_FIRST = 4_294_901_760  # of Slurm's first job
KINDS = ("salloc", "srun", "batch")

# The states in which the reason stands in the place of the nodes (squeue(1), %R).
_WITH_REASON = frozenset({"PENDING", "FAILED", "TIMEOUT", "OUT_OF_MEMORY"})


# ---- where and who
@lru_cache(1)
def node_name() -> str:
    """The name of the machine, as a node of a cluster has it."""
    return os.uname().nodename.partition(".")[0]


@lru_cache(64)
def user_ids(user: str) -> tuple[str, str, str]:
    """(uid, gid, group) of a user; what cannot be learnt is the user's name itself."""
    import grp
    import pwd

    try:
        entry = pwd.getpwnam(user)
    except (KeyError, ValueError):
        return user, user, user
    try:
        group = grp.getgrgid(entry.pw_gid).gr_name
    except KeyError:
        group = str(entry.pw_gid)
    return str(entry.pw_uid), str(entry.pw_gid), group


def local_zone() -> Zone:
    """This machine's local time."""

    def wall_of(at_s: float) -> Wall:
        moment = time.localtime(at_s)
        return (
            moment.tm_year,
            moment.tm_mon,
            moment.tm_mday,
            moment.tm_hour,
            moment.tm_min,
            moment.tm_sec,
        )

    return Zone(wall_of, lambda wall: time.mktime((*wall, 0, 0, -1)))


_ZONE = local_zone()


def format_time(at_s: float | None, missing: str) -> str:
    """A time as Slurm prints it: 2026-01-31T23:59:59, in the local time zone."""
    layout = os.environ.get("SLURM_TIME_FORMAT", "standard") if dialect.is_slurm else "standard"
    if at_s is not None and layout not in ("", "standard"):
        layout = _relative(at_s) if layout == "relative" else layout
        return time.strftime(layout, time.localtime(int(at_s)))
    try:
        return stamp(at_s, _ZONE, unknown=missing)
    except (ValueError, OverflowError, OSError):
        return missing


def _relative(at_s: float) -> str:
    """The layout of SLURM_TIME_FORMAT=relative: only as much as says when, seen from today."""
    then, now = time.localtime(at_s), time.localtime()
    days = 1000 * (then.tm_year - now.tm_year) + then.tm_yday - now.tm_yday
    if -1 <= days <= 1:
        return ("%H:%M:%S", "Tomorr %H:%M", "Ystday %H:%M")[days]
    if abs(days) > 365:
        return "%-d %b %Y"
    return "%a %H:%M" if 1 < days <= 6 else "%-d %b %H:%M"


def partition(row: JobRow) -> str:
    """The job's partition; one of an older server may carry none."""
    return label(row, "partition") or "main"


def account(row: JobRow) -> str:
    """The job's account: as asked, else its user."""
    return label(row, "account") or row.user


def qos(row: JobRow) -> str:
    """The job's quality of service."""
    return label(row, "qos") or "normal"


# ---- numbers
def array_tasks(row: JobRow) -> str:
    """Of a waiting array its indexes with their limit: 0-9,12%2; "" for any other job."""
    batch = row.batch
    if batch is None or not batch.tasks:
        return ""
    return _cut(tasks_text(batch.tasks), batch.array_limit, BITSTR_CHARS if dialect.is_slurm else None)


def tasks_text(tasks: str) -> str:
    """The indexes of a waiting array; Slurm writes a step only where all of them have it, and there are many."""
    if not dialect.is_slurm or ":" not in tasks:
        return tasks
    found = indexes.parse(tasks, index_max=1 << 31)
    if len(found.runs) == 1 and found.count > 5 and found.last - found.first > 10:
        return tasks
    runs: list[list[int]] = []
    for index in found.each():
        if runs and runs[-1][1] == index - 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    return ",".join(f"{first}-{last}" if last > first else str(first) for first, last in runs)


def _cut(tasks: str, limit: int, chars_max: int | None) -> str:
    """Indexes and how many of them may run at a time; of too many indexes only the first are shown."""
    if chars_max is not None and len(tasks) >= chars_max:
        tasks = tasks[: max(0, chars_max - 4)] + "..."
    return f"{tasks}%{limit}" if limit else tasks


def job_text(row: JobRow, *, chars_max: int | None = BITSTR_CHARS) -> str:
    """The number as Slurm shows it: 12, 12_3 of an element, 12_[0-9%2] of a waiting array."""
    batch = row[24]
    if batch is None or batch.array_id is None:
        return str(row[0])
    if batch.array_index is not None:
        return f"{batch.array_id}_{batch.array_index}"
    if not batch.tasks:
        return str(row[0])
    tasks = _cut(tasks_text(batch.tasks), batch.array_limit, chars_max)
    return f"{batch.array_id}_[{tasks}]"


def array_id(row: JobRow) -> int:
    """The number of the job's array; its own where it is of none."""
    batch = row.batch
    return row.job_id if batch is None or batch.array_id is None else batch.array_id


def order(row: JobRow) -> tuple[int, int, int]:
    """Where a job stands in a list by numbers: arrays together, by index."""
    batch = row.batch
    index = -1 if batch is None or batch.array_index is None else batch.array_index
    return array_id(row), index, row.job_id


def is_batch(row: JobRow) -> bool:
    """Whether the agent runs it, rather than a Salloc or Srun."""
    return row.kind not in ("salloc", "srun")


def restarts(row: JobRow) -> int:
    """How often it was queued again after a start."""
    if row.batch is None:
        return 0
    return max(0, row.batch.attempt - (0 if row.state == "PENDING" else 1))


def priority_number(row: JobRow) -> int:
    """The priority as Slurm counts where it only tells who came first: it falls from job to job, and is 0 of what is held."""
    if row.batch is not None and row.batch.is_held and row.started_at is None:
        return 0
    return row.priority if row.priority > 0 else max(1, PRIORITY_FIRST - array_id(row) + row.priority)


# ---- times
def elapsed_s(row: JobRow, now_s: float) -> float:
    """Seconds for which a job has run, or ran, pauses by Scontrol not counted; 0 for one that never did."""
    if row.started_at is None:
        return 0.0
    total_s = (now_s if row.ended_at is None else row.ended_at) - row.started_at
    if row.batch is not None:
        total_s -= paused_s(row, now_s)
    return max(0.0, total_s)


def paused_s(row: JobRow, now_s: float) -> float:
    """Seconds for which it was suspended by Scontrol."""
    batch = row.batch
    if batch is None:
        return 0.0
    if batch.paused_at is None:
        return batch.paused_s
    return batch.paused_s + max(0.0, (now_s if row.ended_at is None else row.ended_at) - batch.paused_at)


def eligible_at(row: JobRow) -> float | None:
    """Since when it may start, as far as that can be told; None for one that is held or depends on others."""
    batch = row.batch
    if batch is None:
        return row.submitted_at
    if row.state == "PENDING" and (batch.is_held or batch.dependency):
        return None
    return max(row.submitted_at, batch.begin_at or 0.0)


def start_at(row: JobRow) -> float | None:
    """When it started, or is expected to."""
    if row.started_at is not None or row.batch is None or row.ended_at is not None:
        return row.started_at
    return row.batch.expected_start_at or row.batch.begin_at


def end_at(row: JobRow, now_s: float) -> float | None:
    """When it ended, or must end by its time limit."""
    if row.ended_at is not None or row.started_at is None or row.time_limit_s is None:
        return row.ended_at
    return row.started_at + row.time_limit_s + paused_s(row, now_s)


# ---- how it ended, why it waits
def exit_pair(row: JobRow) -> str:
    """The code and the signal of a job, as Slurm counts them: 3:0, 0:9; a job that somebody ended has neither."""
    if row.state == "FAILED" or (row.state == REQUEUED and row.cause == "self"):
        if row.signal is not None:
            return f"0:{row.signal}"
        if row.exit_code or row.state == REQUEUED:
            return f"{row.exit_code or 0}:0"
        return f"0:{LAUNCH_SIGNAL}" if row.cause == "launch" else "1:0"
    return f"0:{MEMORY_SIGNAL}" if row.state == "OUT_OF_MEMORY" else "0:0"


def reason(row: JobRow) -> str:
    """Slurm's word for why it waits, or ended so; never empty."""
    return row.reason_code or "None"


def nodes_or_reason(row: JobRow) -> str:
    """The node, or in brackets why there is none."""
    return f"({reason(row)})" if row.state in _WITH_REASON else nodes(row)


def nodes(row: JobRow) -> str:
    """The node that it runs or ran on; "" for one that never did."""
    return "" if row.started_at is None else node_name()


def dependency(row: JobRow) -> str:
    """What it still depends on, as Slurm shows it: afterok:12(unfulfilled); "" for nothing."""
    text = "" if row.batch is None else row.batch.dependency
    if not text:
        return ""
    word = "(failed)" if row.reason_code == "DependencyNeverSatisfied" else "(unfulfilled)"
    separator = "?" if "?" in text else ","
    return separator.join(f"{term}{word}" for term in text.split(separator))


def command_line(row: JobRow) -> str:
    """The command or the script with its arguments; "" of a --wrap, which has neither."""
    if row.batch is not None and row.batch.has_script and row.command == [WRAP]:
        return ""
    return " ".join(row.command)


def code_of(row: JobRow) -> str:
    """The compact state: PD, R, CG."""
    return states.code_of(row.state)
