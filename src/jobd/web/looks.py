"""A job's row in words for a person: its state, why it waits, how long, until when. No socket, no clock but where `now_s` is given.

The templates call these. Whatever is written into a page goes through `clean`, so that no name of a job can move or hide what stands beside it.
"""

import time
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from markupsafe import Markup

from jobd.progress import Progress
from jobd.slurm.sizes import KIB
from jobd.states import FINAL_STATES
from jobd.units import format_elapsed, format_ids, plural
from jobd.wire.rows import JobRow, label

FINAL = frozenset(state.value for state in FINAL_STATES)
NAME_CHARS_MAX = 80  # in a list
TEXT_CHARS_MAX = 300
TITLE_CHARS_MAX = 160
HUES = 8  # in which jobs are told apart

# Our word, and the class of its colour, for each state.
_WORDS = {
    "PENDING": ("waiting", "wait"),
    "RUNNING": ("running", "run"),
    "SUSPENDED": ("suspended", "wait"),
    "COMPLETING": ("ending", "run"),
    "COMPLETED": ("done", "ok"),
    "FAILED": ("failed", "bad"),
    "CANCELLED": ("cancelled", "off"),
    "TIMEOUT": ("time over", "bad"),
    "OUT_OF_MEMORY": ("out of memory", "bad"),
    "NODE_FAIL": ("lost", "bad"),
}


# ---- safe text
def clean(value: Any) -> Any:
    """The same with everything invisible written as an escape; what is no text, or is HTML of ours, as it is."""
    if type(value) is not str or value.isprintable():
        return value
    return "".join([char if char.isprintable() or char == "\n" else _escape(char) for char in value])


def _escape(char: str) -> str:
    number = ord(char)
    if 0xDC80 <= number <= 0xDCFF:  # a byte that is no UTF-8
        return f"\\x{number - 0xDC00:02x}"
    return ascii(char)[1:-1]


def cut(text: str, width: int = TEXT_CHARS_MAX) -> str:
    """As much of a text as fits, everything invisible written as an escape."""
    text = str(clean(text))
    return text if len(text) <= width else text[: width - 1] + "…"


def capital(text: str | Markup) -> str | Markup:
    """The same as the beginning of a sentence."""
    return text[:1].upper() + text[1:]


# ---- one job
def job_text(row: JobRow) -> str:
    """12, 12_3 of an element, 12_[0-9%2] of a waiting array."""
    batch = row.batch
    if batch is None or batch.array_id is None:
        return str(row.job_id)
    if batch.array_index is not None:
        return f"{batch.array_id}_{batch.array_index}"
    if not batch.tasks:
        return str(row.job_id)
    limit = f"%{batch.array_limit}" if batch.array_limit else ""
    return f"{batch.array_id}_[{cut(batch.tasks, 40)}{limit}]"


def is_over(row: JobRow) -> bool:
    """Whether it is over for good."""
    return row.state in FINAL


def is_held(row: JobRow) -> bool:
    """Whether it waits because somebody said so."""
    return row.state == "PENDING" and row.batch is not None and row.batch.is_held


def can_never(row: JobRow) -> bool:
    """Whether it waits for what can never come to be."""
    return row.state == "PENDING" and row.reason_code in ("DependencyNeverSatisfied", "PartitionConfig")


def state_word(row: JobRow) -> str:
    """Its state in a word."""
    if is_held(row):
        return "held"
    if row.state == "SUSPENDED" and not row.children:
        return "paused"
    return _WORDS.get(row.state, (row.state.lower(), "off"))[0]


def state_class(row: JobRow) -> str:
    """The colour of that word."""
    if is_held(row):
        return "off"
    return "bad" if can_never(row) else _WORDS.get(row.state, ("", "off"))[1]


def why(row: JobRow) -> str:
    """Why it waits, or how it ended; "" where there is nothing to say."""
    if row.state == "SUSPENDED" and row.children:
        return f"lends its {plural(row.nb_proc, 'proc')} to {_jobs(row.children)}"
    if row.state == "COMPLETED":
        return ""
    return cut(row.reason)


def _jobs(numbers: list[int]) -> str:
    return (
        f"job{'s' if len(numbers) > 1 else ''} {format_ids(numbers[:50])}{' …' if len(numbers) > 50 else ''}"
    )


def command_of(row: JobRow) -> str:
    """Its command line, quoted where a shell would misread it."""
    import shlex

    return " ".join(map(shlex.quote, row.command))


def hue(job_id: int) -> int:
    """One of a few colours, the same for a job wherever it is drawn."""
    return job_id % HUES


# ---- times and sizes
def elapsed_s(row: JobRow, now_s: float) -> float:
    """Seconds for which it has run, or ran, pauses not counted; 0 for one that never did."""
    if row.started_at is None:
        return 0.0
    end_s = now_s if row.ended_at is None else row.ended_at
    total_s = end_s - row.started_at
    if row.batch is not None:
        total_s -= row.batch.paused_s
        if row.batch.paused_at is not None:
            total_s -= max(0.0, end_s - row.batch.paused_at)
    return max(0.0, total_s)


class Until(NamedTuple):
    """When something will be over, or begin, as far as that can be told."""

    at_s: float
    how: str  # "progress"; "usual": as the last of its name took; "limit": at the latest then


def ends_at(
    row: JobRow, progress: Progress | None, now_s: float, usual_s: float | None = None
) -> Until | None:
    """When a running job will be over: by its own word on how far it is, else as others of its name, else by its limit at the latest."""
    if row.started_at is None or row.ended_at is not None:
        return None
    limit_at = None
    if row.time_limit_s is not None:
        limit_at = now_s - elapsed_s(row, now_s) + row.time_limit_s
    left_s = progress.left_s(elapsed_s(row, now_s)) if progress is not None else None
    if left_s is not None and (limit_at is None or now_s + left_s <= limit_at):
        return Until(now_s + left_s, "progress")
    usual_at = None if usual_s is None else now_s - elapsed_s(row, now_s) + usual_s
    # Of one that takes longer than usual nothing is known any more.
    if progress is None and usual_at is not None and now_s < usual_at <= (limit_at or usual_at):
        return Until(usual_at, "usual")
    return Until(limit_at, "limit") if limit_at is not None else None


def span(seconds: float | None) -> str:
    """0:21, 1:43:21, 1-02:03:04; 0.2 s of what was over at once; – for none."""
    if seconds is None:
        return "–"
    return f"{max(0.0, seconds):.1f} s" if seconds < 0.95 else format_elapsed(seconds)


def about(seconds: float) -> str:
    """A span as one says it: 40 s, 5 min, 2 h 10 min, 3 days."""
    total = max(0, round(seconds))
    if total < 100:
        return f"{total} s"
    minutes = round(total / 60)
    if minutes < 100:
        return f"{minutes} min"
    hours = minutes / 60
    if hours < 10:
        return f"{minutes // 60} h" + (f" {minutes % 60} min" if minutes % 60 else "")
    return f"{round(hours)} h" if hours < 36 else f"{round(hours / 24)} days"


def moment(at_s: float | None, now_s: float | None = None) -> str:
    """A time of day, with the day where it is another one; – for none."""
    if at_s is None:
        return "–"
    try:
        then, now = time.localtime(at_s), time.localtime(now_s)
    except (ValueError, OverflowError, OSError):
        return "–"
    if then[:3] == now[:3]:
        return time.strftime("%H:%M:%S", then)
    if abs((now_s or time.time()) - at_s) < 6 * 86400:
        return time.strftime("%a %H:%M", then)
    return time.strftime("%Y-%m-%d %H:%M", then)


def iso(at_s: float | None) -> str:
    """For machines, and for who points at it: 2026-01-31T23:59:59+0100."""
    if at_s is None:
        return ""
    try:
        return time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(at_s))
    except (ValueError, OverflowError, OSError):
        return ""


def size(count_bytes: float) -> str:
    """512 MB, 1.5 GB; 0 for nothing."""
    if count_bytes <= 0:
        return "0"
    if count_bytes == 1:
        return "1 byte"
    value, units = float(count_bytes), ("bytes", "kB", "MB", "GB", "TB", "PB")
    index = 0
    while value >= KIB and index + 1 < len(units):
        value /= KIB
        index += 1
    return f"{value:.3g} {units[index]}" if value < 100 else f"{value:.0f} {units[index]}"


def ticking(at_s: float, now_s: float, kind: str = "since") -> Markup:
    """A span that a script keeps right: since a time, or until it."""
    text = format_elapsed(now_s - at_s) if kind == "since" else f"in {about(at_s - now_s)}"
    # Nothing of it comes from anybody.
    return Markup(f'<time data-{kind}="{at_s:.0f}" title="{moment(at_s, now_s)}">{text}</time>')


# ---- many jobs
class Line(NamedTuple):
    """A row of the list, and how deep it stands in its tree."""

    row: JobRow
    depth: int


def as_tree(rows: Iterable[JobRow]) -> list[Line]:
    """Each job followed by its children, in the order of the rows; one whose parent is not shown is a root."""
    by_id = {row.job_id: row for row in rows}
    below: dict[int, list[JobRow]] = {}
    roots: list[JobRow] = []
    for row in by_id.values():
        # A parent is older than its child, so nothing can go round in a circle.
        if row.parent_id is not None and row.parent_id in by_id and row.parent_id < row.job_id:
            below.setdefault(row.parent_id, []).append(row)
        else:
            roots.append(row)
    stack = [Line(row, 0) for row in reversed(roots)]
    found: list[Line] = []
    while stack:
        line = stack.pop()
        found.append(line)
        stack.extend(Line(child, line.depth + 1) for child in reversed(below.get(line.row.job_id, ())))
    return found


class Counts(NamedTuple):
    """How many do what."""

    running: int
    suspended: int
    waiting: int
    held: int  # of those that are shown


def counts(picture: Any) -> Counts:
    """How many run and wait. Who is held stands among the rows, of a long queue only the first ones."""
    status = picture.status
    rows = [row for row in picture.rows if row.state == "PENDING"]
    held = sum(map(is_held, rows))
    waiting = max(status.waiting + status.gated, len(rows)) - held
    return Counts(status.running, status.suspended, waiting, held)


def living(picture: Any) -> list[JobRow]:
    """The rows of the queue, without those that have ended between the two answers of which the picture is made."""
    over = {row.job_id for row in picture.recent}
    return [row for row in picture.rows if row.job_id not in over]


class Share(NamedTuple):
    """What one job has of the processors, for the bar."""

    row: JobRow
    begin: int
    width: int


def shares(rows: Iterable[JobRow], nb_proc: int) -> list[Share]:
    """Who has the procs, one after the other; suspended jobs have none."""
    found: list[Share] = []
    at = 0
    for row in rows:
        if row.state in ("RUNNING", "COMPLETING") and at < nb_proc:
            width = min(row.nb_proc, nb_proc - at)
            found.append(Share(row, at, width))
            at += width
    return found


def all_over_at(
    rows: Iterable[JobRow],
    progress: Mapping[int, Progress],
    now_s: float,
    usual: Mapping[int, float] | None = None,
) -> tuple[float | None, bool]:
    """When the last of those that run will be over, as far as each can be told; and whether that holds at the latest only."""
    last: float | None = None
    is_limit = False
    for row in rows:
        if row.state != "RUNNING":
            continue
        until = ends_at(row, progress.get(row.job_id), now_s, (usual or {}).get(row.job_id))
        if until is None:
            return None, False
        if last is None or until.at_s > last:
            last, is_limit = until.at_s, until.how == "limit"
    return last, is_limit


FILTERS: dict[str, Any] = {
    "about": about,
    "capital": capital,
    "cut": cut,
    "iso": iso,
    "moment": moment,
    "size": size,
    "span": span,
}
GLOBALS: dict[str, Any] = {
    "all_over_at": all_over_at,
    "as_tree": as_tree,
    "can_never": can_never,
    "counts": counts,
    "command_of": command_of,
    "elapsed_s": elapsed_s,
    "ends_at": ends_at,
    "format_ids": format_ids,
    "hue": hue,
    "is_held": is_held,
    "is_over": is_over,
    "job_text": job_text,
    "label": label,
    "living": living,
    "plural": plural,
    "shares": shares,
    "state_class": state_class,
    "state_name": lambda state: _WORDS[state][0],
    "state_word": state_word,
    "ticking": ticking,
    "why": why,
    "NAME_CHARS_MAX": NAME_CHARS_MAX,
}
