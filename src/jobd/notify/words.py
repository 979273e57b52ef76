"""What a notice says: a line as Slurm's mails have it, and below it what ran, how it ended, what it asked for and used. Pure but for the output's file."""

import socket
import time
from collections import Counter
from collections.abc import Sequence

from jobd.notify import kinds
from jobd.notify.message import one_line
from jobd.notify.tails import tail_lines
from jobd.slurm import advice
from jobd.slurm.sizes import short_text
from jobd.slurm.times import span_padded
from jobd.wire.left import count_of
from jobd.wire.rows import JobRow, label

NAME_CHARS_MAX = 80  # of a job's name: in a list on a phone what happened to it is to be seen as well
RUNS_TOLD_MAX = 30  # runs of indexes of an array that are named, for each way of ending
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
    return f"jobd {_job(row)} Name={_name(row.name)} {_DID[kind]}{span}{end}"


def array_subject(kind: str, array_id: int, name: str, rows: Sequence[JobRow]) -> str:
    """jobd Array Summary Job_id=8_* (8) Name=x Ended, COMPLETED, ExitCode [0-0]"""
    end = ""
    if kind in (kinds.END, kinds.FAIL) and rows:
        states = {row.state for row in rows}
        codes = [slurm_code(row) or 0 for row in rows]
        end = f", {states.pop() if len(states) == 1 else 'Mixed'}, ExitCode [{min(codes)}-{max(codes)}]"
    return f"jobd Array Summary Job_id={array_id}_* ({array_id}) Name={_name(name)} {_DID[kind]}{end}"


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
    name = _name(first.name)
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
    parts += [_line(how, _indexes(found)) for how, found in _ends(bad)]
    starts = [row.started_at for row in rows if row.started_at is not None]
    ends = [row.ended_at for row in rows if row.ended_at is not None]
    if starts and ends:
        longest = max(rows, key=lambda row: kinds.run_s(row, now_s))
        parts += [
            _line("Begun", time_text(min(starts))),
            _line("Over", time_text(max(ends))),
            _line("All ran for", span_padded(sum(kinds.run_s(row, now_s) for row in rows))),
            _line("The longest", f"{span_padded(kinds.run_s(longest, now_s))} ({number_of(longest)})"),
        ]
    worst = bad[0] if bad else first
    parts += _where(worst)
    parts += _last_lines(worst, lines_max)
    return "\n".join(parts) + "\n"


def array_requeue_body(array_id: int, row: JobRow, now_s: float, lines_max: int) -> str:
    """The text of a notice on the first element of an array that is queued again after its first, second … attempt."""
    number = row.batch.attempt if row.batch is not None else 1
    parts = [
        f"The array {array_id} ({_name(row.name)}): {number_of(row)} is queued again, after attempt {number}{_how(row, now_s)}",
        "",
        "Of others that are queued again after as many attempts nothing is told.",
        "",
        *_facts(kinds.REQUEUE, row, now_s),
        *_last_lines(row, lines_max),
    ]
    return "\n".join(parts) + "\n"


def _ends(rows: Sequence[JobRow]) -> list[tuple[str, list[JobRow]]]:
    """Elements by how they ended: what to call it, and those that did; the most first."""
    found: dict[str, list[JobRow]] = {}
    for row in rows:
        how = (
            row.state
            if row.state != "FAILED"
            else f"Signal {row.signal}"
            if row.signal
            else f"Code {code_of(row)}"
        )
        found.setdefault(how, []).append(row)
    return sorted(found.items(), key=lambda one: -len(one[1]))


def _indexes(rows: Sequence[JobRow]) -> str:
    """0-3, 7 and 12 more"""
    texts: list[str] = []  # of elements that ended while they waited as one
    indexes: list[int] = []
    for row in rows:
        batch = row.batch
        assert batch is not None
        if batch.tasks:
            texts.append(batch.tasks)
        elif batch.array_index is not None:
            indexes.append(batch.array_index)
    runs: list[list[int]] = []
    for index in sorted(indexes):
        if runs and index == runs[-1][1] + 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    texts += [str(begin) if begin == end else f"{begin}-{end}" for begin, end in runs[:RUNS_TOLD_MAX]]
    left = sum(end - begin + 1 for begin, end in runs[RUNS_TOLD_MAX:])
    return ", ".join(texts) + (f" and {left} more" if left else "")


def _name(name: str) -> str:
    return one_line(name, NAME_CHARS_MAX)


def _how(row: JobRow, now_s: float) -> str:
    """Of an attempt that is over: how, after a comma."""
    ran = f" that ran for {span_padded(kinds.run_s(row, now_s))}" if row.started_at is not None else ""
    return f"{ran}: {one_line(row.reason) or row.state}."


def _sentence(kind: str, row: JobRow, now_s: float) -> str:
    job = f"Job {number_of(row)} ({_name(row.name)})"
    ran = span_padded(kinds.run_s(row, now_s))
    if kind == kinds.BEGIN:
        return f"{job} has begun."
    if kind == kinds.REQUEUE:
        number = row.batch.attempt if row.batch is not None else 1
        return f"{job} is queued again, after attempt {number}{_how(row, now_s)}"
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
    if kind == kinds.INVALID_DEPEND and row.batch is not None and row.batch.dependency:
        lines.append(_line("Waits for", one_line(row.batch.dependency, 400)))
    lines.append(_line("Submitted", time_text(row.submitted_at)))
    if row.started_at is not None:
        lines.append(
            _line(
                "Started",
                f"{time_text(row.started_at)}, after {span_padded(row.started_at - queued_at(row))} in the queue",
            )
        )
    if row.ended_at is not None:
        lines.append(_line("Ended", time_text(row.ended_at)))
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
    lines += [_line("Machine", one_line(socket.gethostname())), _line("Folder", one_line(row.cwd, 4096))]
    if row.batch is not None and row.batch.stdout:
        lines.append(_line("Output", one_line(row.batch.stdout, 4096)))
        if row.batch.stderr not in ("", row.batch.stdout):
            lines.append(_line("Errors", one_line(row.batch.stderr, 4096)))
    return lines


def _line(name: str, text: str) -> str:
    return f"{name + ':':<14}{text}"


def time_text(at_s: float) -> str:
    """A moment on this machine's clock."""
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
            of = f" of {number_of(row)}" if kinds.is_of_array(row) else ""
            parts += ["", f"The last lines of the {name}{of}:", "", *(f"    {line}" for line in lines)]
    return parts
