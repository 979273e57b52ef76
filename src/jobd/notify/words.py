"""What a notice says: a line as Slurm's mails have it, and below it what ran, how it ended, what it asked for and used. Pure but for the output's file."""

import os
import re
import stat
import time
from collections import Counter
from collections.abc import Sequence

from jobd.notify import kinds
from jobd.notify.message import one_line
from jobd.slurm import advice
from jobd.slurm.sizes import short_text
from jobd.slurm.times import span_padded
from jobd.wire.left import count_of
from jobd.wire.rows import JobRow, label

TAIL_BYTES = 64 << 10  # of an output file, of which the last lines are shown
LINE_CHARS_MAX = 400
FAILED_TOLD_MAX = 40  # indexes of an array that are named
_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])"
)  # colours, titles

_DID = {
    kinds.BEGIN: "Began",
    kinds.END: "Ended",
    kinds.FAIL: "Failed",
    kinds.REQUEUE: "Requeued",
    kinds.INVALID_DEPEND: "Invalid dependency",
    kinds.TIME_LIMIT: "Reached time limit",
    **{kind: f"Reached {share:.0%} of time limit" for kind, share in kinds.SHARES.items()},
}
OK_STATES = frozenset({"COMPLETED", "CANCELLED"})


# ---- the subject
def subject_of(kind: str, row: JobRow, now_s: float) -> str:
    """jobd Job_id=8 Name=x Ended, Run time 00:00:03, COMPLETED, ExitCode 0"""
    span = ""
    if kind == kinds.BEGIN and row.started_at is not None:
        span = f", Queued time {span_padded(row.started_at - queued_at(row))}"
    elif kind != kinds.INVALID_DEPEND and row.started_at is not None:
        span = f", Run time {span_padded(kinds.run_s(row, now_s))}"
    end = _end_of(row) if kind in (kinds.END, kinds.FAIL) else ""
    return f"jobd {_job(row)} Name={one_line(row.name, 80)} {_DID[kind]}{span}{end}"


def array_subject(kind: str, array_id: int, name: str, rows: Sequence[JobRow]) -> str:
    """jobd Array Summary Job_id=8_* (8) Name=x Ended, COMPLETED, ExitCode [0-0]"""
    end = ""
    if kind in (kinds.END, kinds.FAIL) and rows:
        states = {row.state for row in rows}
        codes = [slurm_code(row) or 0 for row in rows]
        end = f", {states.pop() if len(states) == 1 else 'Mixed'}, ExitCode [{min(codes)}-{max(codes)}]"
    return f"jobd Array Summary Job_id={array_id}_* ({array_id}) Name={one_line(name, 80)} {_DID[kind]}{end}"


def _end_of(row: JobRow) -> str:
    code = slurm_code(row)
    return f", {row.state}" + ("" if code is None else f", ExitCode {code}")


def slurm_code(row: JobRow) -> int | None:
    """The code in Slurm's lines: 0 of what did not end by itself, none of what a signal of its own has ended."""
    if row.state != "FAILED":
        return 0
    return None if row.signal is not None else row.exit_code or 0


def _job(row: JobRow) -> str:
    batch = row.batch
    if batch is not None and batch.array_id is not None and batch.array_index is not None:
        return f"Array Task Job_id={batch.array_id}_{batch.array_index} ({row.job_id})"
    return f"Job_id={row.job_id}"


def number_of(row: JobRow) -> str:
    """12, 12_3"""
    batch = row.batch
    if batch is not None and batch.array_id is not None and batch.array_index is not None:
        return f"{batch.array_id}_{batch.array_index}"
    return str(row.job_id)


def queued_at(row: JobRow) -> float:
    """Since when it has waited for this start."""
    again = None if row.batch is None else row.batch.requeued_at
    return row.submitted_at if again is None else again


def code_of(row: JobRow) -> int:
    """The exit code that a shell would have."""
    if row.signal is not None:
        return 128 + row.signal
    return row.exit_code or 0


# ---- the text
def body_of(kind: str, row: JobRow, now_s: float, lines_max: int) -> str:
    """The text of a notice on one job."""
    parts = [_sentence(kind, row, now_s), "", *_facts(kind, row, now_s)]
    if kind not in (kinds.BEGIN, kinds.INVALID_DEPEND):
        parts += _last_lines(row, lines_max)
    return "\n".join(parts) + "\n"


def array_body(
    kind: str, array_id: int, rows: Sequence[JobRow], now_s: float, lines_max: int, is_cut: bool
) -> str:
    """The text of a notice on an array as a whole.

    Args:
        rows: its elements that are known; at the begin the first one.
        is_cut: there are more, which were not looked at.
    """
    first = min(rows, key=lambda row: row.job_id)
    name = one_line(first.name)
    if kind == kinds.BEGIN:
        return (
            "\n".join(
                [f"The array {array_id} ({name}) has begun with {number_of(first)}.", "", *_where(first)]
            )
            + "\n"
        )
    count: Counter[str] = Counter()
    for row in rows:
        count[row.state] += count_of(row)
    bad = [row for row in rows if row.state not in OK_STATES]
    how = ", ".join(f"{number} {state}" for state, number in count.most_common())
    more = " (of those looked at; there are more)" if is_cut else ""
    parts = [f"The array {array_id} ({name}) is over: {how}{more}.", ""]
    if bad:
        shown = [f"{_index(row)} ({row.state}, {code_of(row)})" for row in bad[:FAILED_TOLD_MAX]]
        parts += [
            _line(
                "Not well",
                ", ".join(shown) + (f" and {len(bad) - len(shown)} more" if len(bad) > len(shown) else ""),
            )
        ]
    starts = [row.started_at for row in rows if row.started_at is not None]
    ends = [row.ended_at for row in rows if row.ended_at is not None]
    if starts and ends:
        longest = max(rows, key=lambda row: kinds.run_s(row, now_s))
        parts += [
            _line("Begun", _time(min(starts))),
            _line("Over", _time(max(ends))),
            _line("All ran for", span_padded(sum(kinds.run_s(row, now_s) for row in rows))),
            _line("The longest", f"{span_padded(kinds.run_s(longest, now_s))} ({number_of(longest)})"),
        ]
    worst = bad[0] if bad else first
    parts += _where(worst)
    parts += _last_lines(worst, lines_max)
    return "\n".join(parts) + "\n"


def _index(row: JobRow) -> str:
    """Of an element; of elements that ended while they waited as one, all of theirs."""
    batch = row.batch
    assert batch is not None
    return batch.tasks or str(batch.array_index)


def _sentence(kind: str, row: JobRow, now_s: float) -> str:
    job = f"Job {number_of(row)} ({one_line(row.name)})"
    ran = span_padded(kinds.run_s(row, now_s))
    if kind == kinds.BEGIN:
        return f"{job} has begun."
    if kind == kinds.REQUEUE:
        return f"{job} is queued again."
    if kind == kinds.INVALID_DEPEND:
        return f"{job} can never start: what it depends on cannot come to be."
    if kind == kinds.TIME_LIMIT:
        return f"{job} reached its time limit of {span_padded(row.time_limit_s or 0)} and was ended."
    if kind in kinds.SHARES:
        return f"{job} has used {kinds.SHARES[kind]:.0%} of its time limit of {span_padded(row.time_limit_s or 0)}, and runs on."
    if row.started_at is None:
        return f"{job} is over without having run: {one_line(row.reason) or row.state}."
    if row.state == "COMPLETED":
        return f"{job} is done, after {ran}."
    if row.state == "CANCELLED":
        return f"{job} was cancelled after {ran}: {one_line(row.reason)}."
    return f"{job} failed after {ran}: {one_line(row.reason) or row.state}."


def _facts(kind: str, row: JobRow, now_s: float) -> list[str]:
    ran_s = kinds.run_s(row, now_s)
    lines = [
        _line(
            "State",
            row.state
            + (
                f", exit code {code_of(row)}"
                if row.ended_at is not None and row.started_at is not None
                else ""
            ),
        )
    ]
    lines += _where(row)
    lines.append(_line("Submitted", _time(row.submitted_at)))
    if row.started_at is not None:
        lines.append(
            _line(
                "Started",
                f"{_time(row.started_at)}, after {span_padded(row.started_at - queued_at(row))} in the queue",
            )
        )
    if row.ended_at is not None:
        lines.append(_line("Ended", _time(row.ended_at)))
    limit = span_padded(row.time_limit_s) if row.time_limit_s else "no limit"
    lines.append(
        _line(
            "Time", f"{span_padded(ran_s)} of {limit}" if row.started_at is not None else f"{limit} asked for"
        )
    )
    is_used = (
        row.ended_at is not None
        and row.started_at is not None
        and row.batch is not None
        and row.kind not in ("salloc", "srun")
    )
    lines += _asked_and_used(row, ran_s, is_used)
    if is_used and kind in (kinds.END, kinds.FAIL, kinds.TIME_LIMIT):
        lines.append(_line("Advice", advice.advice(_facts_of(row, ran_s))))
    return lines


def _asked_and_used(row: JobRow, ran_s: float, is_used: bool) -> list[str]:
    procs = "1 processor" if row.nb_proc == 1 else f"{row.nb_proc} processors"
    batch = row.batch
    if batch is None:
        return [_line("Asked for", procs)]
    busy = ""
    if is_used and ran_s > 0:
        share = batch.cpu_s / (ran_s * row.nb_proc)
        busy = f", {batch.cpu_s / ran_s:.1f} busy on average ({share:.0%}; {span_padded(batch.cpu_s)} of processor time)"
    asked = f"{short_text(batch.memory_bytes)} asked for" if batch.memory_bytes else "no limit asked for"
    used = ""
    if is_used and batch.memory_peak_bytes:
        part = f" ({batch.memory_peak_bytes / batch.memory_bytes:.0%})" if batch.memory_bytes else ""
        used = f", {short_text(batch.memory_peak_bytes)} used at most{part}"
    lines = [_line("Processors", f"{procs} asked for{busy}"), _line("Memory", f"{asked}{used}")]
    if batch.gpus:
        lines.append(_line("GPUs", str(batch.gpus)))
    return lines


def _facts_of(row: JobRow, ran_s: float) -> advice.Facts:
    batch = row.batch
    assert batch is not None
    return advice.Facts(
        job=str(row.job_id),
        array_job="",
        cluster="",
        user=row.user,
        group="",
        state=row.state,
        exit_code=code_of(row),
        nb_proc=row.nb_proc,
        cpu_s=batch.cpu_s,
        elapsed_s=ran_s,
        time_limit_s=row.time_limit_s,
        memory_used_bytes=batch.memory_peak_bytes,
        memory_bytes=batch.memory_bytes,
        is_measured=True,
        is_over=True,
        has_started=True,
    )


def _where(row: JobRow) -> list[str]:
    lines = [_line("Command", one_line(" ".join(row.command), 400))]
    if submitted := label(row, "submit_line"):
        lines.append(_line("Submitted as", one_line(submitted, 400)))
    lines.append(_line("Folder", one_line(row.cwd, 4096)))
    if row.batch is not None and row.batch.stdout:
        lines.append(_line("Output", one_line(row.batch.stdout, 4096)))
        if row.batch.stderr not in ("", row.batch.stdout):
            lines.append(_line("Errors", one_line(row.batch.stderr, 4096)))
    return lines


def _line(name: str, text: str) -> str:
    return f"{name + ':':<14}{text}"


def _time(at_s: float) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at_s))
    except (OverflowError, ValueError, OSError):
        return f"{at_s:.0f}"


# ---- the output
def _last_lines(row: JobRow, lines_max: int) -> list[str]:
    batch = row.batch
    if batch is None or row.started_at is None or not lines_max:
        return []
    names = [("output", batch.stdout)]
    if batch.stderr not in ("", batch.stdout):
        names.append(("errors", batch.stderr))
    parts: list[str] = []
    for name, path in names:
        lines = tail_lines(path, lines_max)
        if lines:
            parts += ["", f"The last lines of the {name}:", "", *(f"    {line}" for line in lines)]
    return parts


def tail_lines(path: str, lines_max: int) -> list[str]:
    """The last lines of an output file, as a person would see them; none where there is no such file."""
    try:
        # A pipe or a device is not waited for, and not even opened: who writes to it would take us for its reader.
        if not stat.S_ISREG(os.stat(path).st_mode):
            return []
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except (OSError, ValueError):
        return []
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return []
        begin = max(0, status.st_size - TAIL_BYTES)
        data = os.pread(descriptor, TAIL_BYTES, begin)
    except OSError:
        return []
    finally:
        os.close(descriptor)
    lines = data.decode("utf-8", "replace").split("\n")
    if begin and len(lines) > 1:
        del lines[0]  # which we have the end of
    while lines and not lines[-1].strip():
        del lines[-1]
    return list(map(_shown, lines[-lines_max:]))


def _shown(line: str) -> str:
    """A line as it stands on a terminal in the end: without colours, and of what was written over only the last."""
    line = _ESCAPES.sub("", line).rstrip("\r").rpartition("\r")[2]
    line = "".join(
        char if char.isprintable() or char == "\t" else "\N{REPLACEMENT CHARACTER}" for char in line
    )
    return line if len(line) <= LINE_CHARS_MAX else line[: LINE_CHARS_MAX - 1] + "…"
