"""The numbers and times of a job that `scontrol update` changes under Slurm's name (scontrol_fields.py has the rest)."""

import re

from jobd.cli import slurm_values as v
from jobd.cli.dialect import Said
from jobd.cli.scontrol_fields import (
    NICE_MAX,
    NICE_STEP,
    NODE_COUNT,
    NOT_RUNNING,
    NOTHING,
    PRIORITY_MAX,
    SWITCH_WAIT_MAX_S,
    TASKS,
    TIME_MIN,
    UNSUPPORTED,
    Change,
    Fields,
    Word,
    error_of,
    is_waiting,
    kept,
    need_waiting,
    number_of,
)
from jobd.cli.scontrol_refusals import HELD, INVALID_TIME, NODES, TIME_LIMIT
from jobd.errors import Refused, UsageError
from jobd.slurm.times import parse_limit_s, parse_time
from jobd.wire.messages import JobRow


def tasks(word: Word) -> Change:
    """How many, each with as many processors as before."""
    count = number_of("NumTasks", word.text)

    def change(row: JobRow) -> Fields:
        need_waiting(row)
        if not count:
            raise Refused(TASKS)
        each = (row.batch.cpus_per_task if row.batch is not None else None) or 1
        return {"ntasks": count, "nb_proc": count * each}

    return change


def tasks_of_node(word: Word) -> Change:
    """How many, where they are counted by the node."""
    count = number_of("TasksPerNode", word.text)

    def change(row: JobRow) -> Fields:
        need_waiting(row)
        return {"ntasks_per_node": max(1, count)}

    return change


def cpus_of_task(word: Word) -> Change:
    """How many each task has."""
    count = number_of("CPUsPerTask", word.text)

    def change(row: JobRow) -> Fields:
        need_waiting(row)
        each = max(1, count)
        tasks = (row.batch.ntasks if row.batch is not None else None) or 1
        return {"cpus_per_task": each, "nb_proc": max(row.nb_proc, each * tasks)}

    return change


def nodes(word: Word) -> Change:
    """There is one."""
    low, _, high = word.text.partition("-")
    if not all(part.isascii() and part.isdigit() and len(part) < 10 for part in (low, high or low)):
        # Which it says and changes nothing, without counting it as a failure.
        raise Said(*error_of(f'Invalid numeric value "{word.text}" for requested node count.').lines, code=0)

    def change(row: JobRow) -> Fields:
        if int(low) == 0 or (high and int(high) < int(low)):
            raise Refused(NODE_COUNT)
        if int(low) > 1:
            raise Refused(NODES if is_waiting(row) else UNSUPPORTED)
        if high:
            need_waiting(row)
        return {}

    return change


def procs(word: Word) -> Change:
    """A range's first number; of a running job too, whose processors are counted anew."""
    first = word.text.partition("-")[0]
    if not first.isascii() or not first.isdigit():
        raise error_of(
            f'Invalid numeric value "{word.text}" for NumCPUs.', f"Invalid NumCPUs value: {word.text}"
        )
    count = number_of("NumCPUs", first, 1)
    return lambda row: {"nb_proc": count} if count != row.nb_proc else {}


def procs_of_node(word: Word) -> Change:
    """At least so many."""
    count = number_of("MinCPUsNode", word.text)

    def change(row: JobRow) -> Fields:
        need_waiting(row)
        return {"nb_proc": count} if count > row.nb_proc else {}

    return change


def memory(word: Word) -> Change:
    """In megabytes, and without a unit."""
    count = number_of("MinMemoryNode", word.text, high=1 << 40)

    def change(row: JobRow) -> Fields:
        need_waiting(row)
        return {"memory_bytes": count << 20}

    return change


def memory_of_cpu(word: Word) -> Change:
    """In megabytes for each processor."""
    count = number_of("MinMemoryCPU", word.text, high=1 << 40)

    def change(row: JobRow) -> Fields:
        need_waiting(row)
        return {"memory_bytes": (count << 20) * row.nb_proc, "memory_per_cpu_bytes": count << 20}

    return change


def disk(word: Word) -> Change:
    """Kept and shown."""
    count = number_of("MinTmpDiskNode", word.text, high=1 << 40)
    return lambda row: kept("min_tmp_disk")(word._replace(text=f"{count}M" if count else ""))(row)


def throttle(word: Word) -> Change:
    """How many elements of an array may run at once."""
    if word.text.startswith("-"):
        raise error_of("Invalid ArrayTaskThrottle value")
    found = re.match(r"[0-9]{1,9}", word.text)
    limit = int(found[0]) if found else 0
    return lambda row: (
        {"array_limit": limit} if row.batch is not None and row.batch.array_id is not None else {}
    )


def nice(word: Word) -> Change:
    """How much others go before."""
    if not word.sign:
        return lambda row: {"nice": NICE_STEP}
    if not re.fullmatch(r"[+-]?[0-9]{1,17}", word.text, re.ASCII):
        raise error_of(f"Invalid Nice value: {word.text}")
    if abs(int(word.text)) > NICE_MAX:
        raise error_of(f"Nice value out of range (+/- {NICE_MAX}). Value ignored")
    nice = max(-PRIORITY_MAX, min(PRIORITY_MAX, int(word.text)))
    return lambda row: {"nice": nice}


def switches(word: Word) -> Change:
    """Kept and shown, with the longest wait for them."""
    found = re.match(r"[0-9]{1,9}", word.text)
    wait = word.text.partition("@")[2]
    try:
        wait_s = (parse_limit_s(wait) if wait else 0) or 0
    except UsageError:
        wait_s = SWITCH_WAIT_MAX_S
    count = int(found[0]) if found else 0
    text = f"{count}@{min(wait_s, SWITCH_WAIT_MAX_S)}" if count else ""
    return lambda row: {"labels": [["switches", text]]}


def switch_wait(word: Word) -> Change:
    """Of the switches that were asked for."""
    found = re.match(r"[0-9]{1,9}", word.text)
    wait_s = min(int(found[0]) if found else 0, SWITCH_WAIT_MAX_S)

    def change(row: JobRow) -> Fields:
        count = v.label(row, "switches").partition("@")[0]
        return {"labels": [["switches", f"{count}@{wait_s}"]]} if count else {}

    return change


def priority(word: Word) -> Change:
    """0 holds."""
    text = word.text or "0"
    if not (text.isascii() and text.isdigit() and len(text) < 11 and int(text) < (1 << 32) - 2):
        raise error_of(f"Invalid Priority value: {word.text}")
    number = int(text)

    def change(row: JobRow) -> Fields:
        if not number:
            return {"hold": True}
        if row.batch is not None and row.batch.is_held:
            raise Refused(HELD)
        return {"priority": min(number, PRIORITY_MAX)}

    return change


# ---- times
def time_of(word: Word) -> float:
    """A time, in any of Slurm's forms."""
    try:
        return parse_time(word.text, now_s=word.now_s, zone=v.local_zone())
    except UsageError:
        raise Said(f"Invalid time specification (pos=0): {word.text}", *NOTHING.lines) from None


def begin_time(word: Word) -> Change:
    """Before which it does not start."""
    if not word.text:
        raise NOTHING
    at = time_of(word)

    def change(row: JobRow) -> Fields:
        need_waiting(row)
        return {"begin_at": at}

    return change


def deadline(word: Word) -> Change:
    """Kept and shown."""
    if not word.text:
        raise NOTHING
    at = time_of(word)

    def change(row: JobRow) -> Fields:
        if not is_waiting(row):
            return {}
        if at < word.now_s:
            raise Refused(INVALID_TIME)
        return {"labels": [["deadline", v.format_time(at, "N/A")]]}

    return change


def end_time(word: Word) -> Change:
    """A time limit, said as the time at which it is over."""
    try:
        at = time_of(word)
    except Said as error:
        raise Said(error.lines[0], code=0) from None

    def change(row: JobRow) -> Fields:
        if row.started_at is None or row.state not in ("RUNNING", "SUSPENDED"):
            raise Refused(NOT_RUNNING)
        if at < word.now_s:
            raise Refused(INVALID_TIME)
        return {"time_limit_s": max(60, round((at - row.started_at) / 60) * 60)}

    return change


def time_limit(word: Word) -> Change:
    """=30, =+30, =-30, +=30, -=30: minutes, or any of Slurm's forms."""
    way, text = {"+=": 1, "-=": -1}.get(word.sign, 0), word.text
    if not way and text[:1] in ("+", "-"):
        way, text = (1 if text[0] == "+" else -1), text[1:]
    try:
        limit_s = parse_limit_s(text) if text else None
    except UsageError:
        text = ""
    if not text or (way and limit_s is None):
        raise error_of("Invalid TimeLimit value")

    def change(row: JobRow) -> Fields:
        if not way:
            return {"time_limit_s": limit_s or 0}
        if row.time_limit_s is None:
            raise Refused(TIME_LIMIT)
        left_s = row.time_limit_s + way * (limit_s or 0)
        if left_s < 0:
            minutes, now = (limit_s or 0) // 60, row.time_limit_s // 60
            raise error_of(f"TimeLimit decrement larger than current time limit ({minutes} > {now})")
        return {"time_limit_s": left_s}

    return change


def time_min(word: Word) -> Change:
    """Kept and shown."""
    try:
        limit_s = parse_limit_s(word.text) if word.text else None
    except UsageError:
        limit_s = None
    if limit_s is None:
        raise error_of("Invalid TimeMin value")

    def change(row: JobRow) -> Fields:
        if not is_waiting(row):
            return {}
        if row.time_limit_s is not None and limit_s > row.time_limit_s:
            raise Refused(TIME_MIN)
        return {"labels": [["time_min", str(limit_s)]]}

    return change


def delay_boot(word: Word) -> Change:
    """Kept and shown."""
    try:
        limit_s = parse_limit_s(word.text) if word.text else None
    except UsageError:
        limit_s = None
    if limit_s is None:
        raise error_of("Invalid DelayBoot value")
    return lambda row: {"labels": [["delay_boot", str(limit_s)]]}
