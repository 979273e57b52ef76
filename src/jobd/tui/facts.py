"""What a screen says of a job, from its row: pure, the time comes in as an argument. Texts are safe to show."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from jobd.api.board import Picture
from jobd.progress import Progress
from jobd.states import FINAL_STATES
from jobd.tui.text import bar, full_moment, moment, safe, size_text
from jobd.units import format_elapsed, format_ids
from jobd.wire.batch import Node
from jobd.wire.messages import Status
from jobd.wire.rows import JobRow, labels_of

FINAL = frozenset(state.value for state in FINAL_STATES)
DEPTH_SHOWN_MAX = 12  # of a tree; what is deeper is not indented further

# The words for the states, and the order in which `s` goes through them.
WORDS = {
    "PENDING": "waits",
    "RUNNING": "runs",
    "SUSPENDED": "suspended",
    "COMPLETING": "ending",
    "COMPLETED": "completed",
    "FAILED": "failed",
    "CANCELLED": "cancelled",
    "TIMEOUT": "timeout",
    "OUT_OF_MEMORY": "no memory",
    "NODE_FAIL": "lost",
}
STYLES = {
    "runs": "green",
    "suspended": "cyan",
    "ending": "yellow",
    "waits": "",
    "held": "magenta",
    "completed": "green",
    "failed": "bold red",
    "timeout": "bold red",
    "no memory": "bold red",
    "lost": "bold red",
    "cancelled": "yellow",
}


def number_of(row: JobRow, tasks_max: int = 24) -> str:
    """12, 12_3 of an element, 12_[0-9] of a waiting array, whose indexes may be cut."""
    batch = row.batch
    if batch is None or batch.array_id is None:
        return str(row.job_id)
    if batch.array_index is not None:
        return f"{batch.array_id}_{batch.array_index}"
    if not batch.tasks:
        return str(row.job_id)
    tasks = safe(batch.tasks)
    shown = tasks if len(tasks) <= tasks_max else tasks[: tasks_max - 1] + "…"
    return f"{batch.array_id}_[{shown}]"


def target_of(row: JobRow) -> str:
    """The job as a request names it; of a waiting array what still waits, and not its running elements."""
    batch = row.batch
    if batch is None or batch.array_id is None:
        return str(row.job_id)
    if batch.array_index is not None:
        return f"{batch.array_id}_{batch.array_index}"
    if batch.tasks and not batch.tasks.endswith("..."):
        return f"{batch.array_id}_[{batch.tasks}]"
    return str(row.job_id)


def word_of(row: JobRow) -> str:
    """The state in a word."""
    if row.state == "PENDING" and row.batch is not None and row.batch.is_held:
        return "held"
    return WORDS.get(row.state) or safe(row.state.lower())


def name_of(row: JobRow) -> str:
    """Its name."""
    return safe(row.name) or "-"


def command_of(row: JobRow) -> str:
    """Its command line."""
    return safe(" ".join(row.command))


def call_of(row: JobRow) -> str:
    """What was called, and where."""
    called = "a script" if row.batch is not None and row.batch.has_script and row.command == ["wrap"] else ""
    return f"$ {called or command_of(row)}   (in {safe(row.cwd)})"


def why(row: JobRow) -> str:
    """Why it waits, for whom, or why it ended; "" where there is nothing to say."""
    if row.children:
        return f"waits for {format_ids(row.children)}" + (f": {safe(row.reason)}" if row.reason else "")
    return safe(row.reason)


def elapsed_s(row: JobRow, now_s: float) -> float | None:
    """For how long it has run, or ran, without the pauses that somebody made; None before it starts."""
    if row.started_at is None:
        return None
    until_s = now_s if row.ended_at is None else row.ended_at
    paused_s = 0.0
    if row.batch is not None:
        paused_s = row.batch.paused_s
        if row.batch.paused_at is not None:
            paused_s += max(0.0, until_s - row.batch.paused_at)
    return max(0.0, until_s - row.started_at - paused_s)


def time_of(row: JobRow, now_s: float) -> str:
    """How long it has run; of one that waits nothing."""
    seconds = elapsed_s(row, now_s)
    return "" if seconds is None else format_elapsed(seconds)


def end_of(row: JobRow, now_s: float, progress: Progress | None = None) -> str:
    """When it will be over, or when it starts: ~14:05 as it goes now, <14:05 by its limit, from 14:05 the start of one that waits."""
    if row.ended_at is not None:
        return moment(row.ended_at, now_s)
    if row.started_at is None:
        expected_at = row.batch.expected_start_at if row.batch is not None else None
        return "" if expected_at is None else f"from {moment(max(expected_at, now_s), now_s)}"
    elapsed = elapsed_s(row, now_s) or 0.0
    left_s = progress.left_s(elapsed) if progress is not None else None
    limit_at = None if row.time_limit_s is None else now_s + row.time_limit_s - elapsed
    if left_s is not None and (limit_at is None or now_s + left_s < limit_at):
        return f"~{moment(now_s + left_s, now_s)}"
    return "" if limit_at is None else f"<{moment(limit_at, now_s)}"


def _end_at(row: JobRow, now_s: float, progress: Progress | None) -> float | None:
    """When it will be over at the latest, or as it goes; None where nothing says so."""
    batch = row.batch
    if row.started_at is None:
        if batch is None or batch.expected_start_at is None or row.time_limit_s is None or batch.tasks:
            return None  # of the elements of an array only the first one's start is known
        return max(batch.expected_start_at, now_s) + row.time_limit_s
    elapsed = elapsed_s(row, now_s) or 0.0
    left_s = progress.left_s(elapsed) if progress is not None else None
    limit_s = None if row.time_limit_s is None else row.time_limit_s - elapsed
    known = [one for one in (left_s, limit_s) if one is not None]
    return now_s + max(0.0, min(known)) if known else None


def over_of(picture: Picture, known: Mapping[int, Progress], now_s: float) -> str:
    """When all that runs and waits will be over; "" where that is not known of each. What is held is left out."""
    rows = [row for row in picture.rows if word_of(row) != "held"]
    if picture.is_cut or not rows:
        return ""
    ends = [_end_at(row, now_s, known.get(row.job_id)) for row in rows]
    all_known = [end for end in ends if end is not None]
    return f"all over by {moment(max(all_known), now_s)}" if len(all_known) == len(ends) else ""


def progress_text(progress: Progress, cells: int) -> str:
    """A bar with its numbers, in at most so many cells."""
    numbers = f"{progress.done}/{progress.total}"
    percent = f"{int(100 * progress.share)}%"
    room = cells - len(numbers) - len(percent) - 2
    if room >= 6:
        return f"{bar(progress.share, min(room, 22))} {numbers} {percent}"
    return f"{numbers} {percent}"


def code_of(row: JobRow) -> str:
    """The exit code of a job that is over; sig9 for a signal."""
    if row.signal is not None:
        return f"sig{row.signal}"
    return "-" if row.exit_code is None else str(row.exit_code)


# ---- trees
def as_tree(rows: Iterable[JobRow]) -> Iterator[tuple[JobRow, str]]:
    """(row, indentation): each job followed by its children; one whose parent is not shown is a root."""
    by_id = {row.job_id: row for row in rows}
    below: dict[int, list[JobRow]] = {}
    roots = []
    for row in by_id.values():
        # A parent is older than its child; the check keeps a lying peer's loop from hiding rows.
        if row.parent_id is not None and row.parent_id in by_id and row.parent_id < row.job_id:
            below.setdefault(row.parent_id, []).append(row)
        else:
            roots.append(row)
    stack = [(row, 0) for row in reversed(roots)]
    while stack:
        row, depth = stack.pop()
        yield row, _indent(depth)
        stack.extend((child, depth + 1) for child in reversed(below.get(row.job_id, ())))


def _indent(depth: int) -> str:
    """Two cells for each of the first steps, then one: the name must have room, too."""
    steps = min(depth, DEPTH_SHOWN_MAX) - 1
    return " " * (min(steps, 3) + steps) + "\\_ " if depth else ""


class Item(NamedTuple):
    """A job as it stands in a list."""

    row: JobRow
    indent: str = ""


# ---- filters
class Filter(NamedTuple):
    """Which jobs are shown; all conditions must hold."""

    text: str = ""  # somewhere in the number, the name, the command, the reason; in any case
    state: str = ""  # a word of word_of
    user: str = ""  # "" for all

    def fits(self, row: JobRow) -> bool:
        """Whether this job is shown."""
        if self.state and word_of(row) != self.state:
            return False
        if self.user and row.user != self.user:
            return False
        if not self.text:
            return True
        words = self.text.casefold().split()
        about = " ".join((number_of(row), row.name, *row.command, row.reason, row.cwd)).casefold()
        return all(word in about for word in words)

    @property
    def words(self) -> str:
        """What it is, for a person; "" where it lets everything through."""
        parts = [f'"{safe(self.text)}"'] if self.text else []
        if self.state:
            parts.append(f"state: {self.state}")
        if self.user:
            parts.append("mine")
        return ", ".join(parts)


# ---- the head
def head(status: Status | None, node: Node | None) -> list[tuple[str, str]]:
    """(text, style) of the line about the machine."""
    if status is None:
        return []
    share = min(1.0, status.used / max(1, status.nb_proc))
    style = "bold red" if status.used > status.nb_proc else "bold"
    parts = [(f"procs {status.used}/{status.nb_proc} {bar(share, 14)}", style)]
    if node is not None:
        parts.append((f"  memory {size_text(node.memory_used_bytes)}/{size_text(node.memory_bytes)}", ""))
        if node.gpus:
            parts.append((f"  GPUs {len(node.gpus_used)}/{len(node.gpus)}", ""))
        parts += [(f"  {safe(one.name)} {one.used}/{one.count}", "") for one in node.counted]
        parts.append((f"  load {node.load:.2f}", ""))
    if status.nb_proc_max != status.nb_proc:
        parts.append((f"  (max {status.nb_proc_max})", ""))
    return parts


def counts(picture: Picture) -> str:
    """How many jobs run and wait. A job that is held does not count as waiting here."""
    status = picture.status
    if status is None:
        return ""
    waiting = [row for row in picture.rows if row.state == "PENDING"]
    held = sum(word_of(row) == "held" for row in waiting)
    text = f"{status.running} running, {status.suspended} suspended, {max(status.waiting + status.gated, len(waiting)) - held} waiting"
    return f"{text}, {held} held" if held else text


def facts(row: JobRow, now_s: float) -> list[tuple[str, str]]:
    """(name, value) of all that is known of a job."""
    batch = row.batch
    told: list[tuple[str, str]] = [
        ("job", number_of(row, 400)),
        ("name", name_of(row)),
        ("state", f"{word_of(row)} ({safe(row.state)})"),
        ("why", why(row)),
        ("command", command_of(row)),
        ("folder", safe(row.cwd)),
        ("user", safe(row.user)),
        ("submitted", f"{full_moment(row.submitted_at)} by {safe(row.kind)}"),
        ("started", full_moment(row.started_at)),
        ("ended", full_moment(row.ended_at)),
        ("time", time_of(row, now_s) or "-"),
        ("limit", "none" if row.time_limit_s is None else format_elapsed(row.time_limit_s)),
        ("expected", end_of(row, now_s) if row.ended_at is None else ""),
        ("procs", str(row.nb_proc) + (f" (processors {safe(_ids(row.cpus))})" if row.cpus else "")),
        ("priority", str(row.priority)),
        ("parent", "-" if row.parent_id is None else f"{row.parent_id} (tree of {row.root_id})"),
        ("children", format_ids(row.children)),
        ("pid", str(row.pid) if row.pid else ""),
        ("exit code", code_of(row) if row.state in FINAL else ""),
    ]
    if batch is not None:
        told += [
            ("memory", "not limited" if not batch.memory_bytes else size_text(batch.memory_bytes)),
            ("memory used", size_text(batch.memory_peak_bytes) if batch.memory_peak_bytes else ""),
            ("processor time", format_elapsed(batch.cpu_s) if batch.cpu_s else ""),
            ("GPUs", f"{batch.gpus} {_ids(batch.gpu_indexes)}".strip() if batch.gpus else ""),
            ("resources", ", ".join(f"{safe(one.name)}: {one.count}" for one in batch.counted)),
            ("depends on", safe(batch.dependency)),
            ("not before", full_moment(batch.begin_at) if batch.begin_at else ""),
            ("attempt", str(batch.attempt) if batch.attempt > 1 else ""),
            ("retries left", str(batch.retries_left) if batch.retries_left else ""),
            ("output", safe(batch.stdout)),
            ("errors", safe(batch.stderr) if batch.stderr != batch.stdout else "with the output"),
            ("input", safe(batch.stdin)),
            ("not enforced", safe(", ".join(batch.unenforced))),
        ]
    told += [(safe(name), safe(value)) for name, value in labels_of(row).items()]
    return [(name, value) for name, value in told if value]


def _ids(numbers: list[int]) -> str:
    return re.sub("->", "-", format_ids(numbers))
