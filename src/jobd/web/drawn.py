"""What the templates draw from values: the bar of processors, the meters of the machine, the list of a job's facts. No socket, no clock.

Widths are attributes of SVG, not styles, since the page's policy allows no inline style.
"""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from markupsafe import Markup, escape

from jobd.units import format_elapsed, format_ids, plural
from jobd.web import expected, looks
from jobd.web.output import visible
from jobd.wire import batch as b
from jobd.wire import messages as m
from jobd.wire.rows import JobRow, label, labels_of

TICKS_MAX = 64  # more processors than that are not told apart in the bar
BAR_HEIGHT = 34
SEGMENTS_MAX = 200
BAR_CHARS_MAX = 40_000  # of all segments together, escapes counted
ROWS_CHARS_MAX = 150_000  # of the texts of a list of jobs
LINK_CHARS_MAX = 10  # of a job's number in a list
NAMED_FROM, NUMBERED_FROM = 0.1, 0.03  # of the bar's width


# ---- the machine
def procs_bar(rows: Sequence[JobRow], status: m.Status) -> Markup:
    """Who has the procs, each job in its colour and as wide as what it has."""
    # A job that is too large for the machine runs alone, and the bar is as long as what it has.
    total = max(status.nb_proc, status.used, 1)
    height = BAR_HEIGHT
    parts = [Markup('<rect class="free" width="100%" height="{}" rx="4"/>').format(height)]
    edges: set[int] = set()
    at = chars = 0
    for share in looks.shares(rows, total)[:SEGMENTS_MAX]:
        segment = _segment(share, total)
        chars += len(segment)
        if chars > BAR_CHARS_MAX:
            break
        parts.append(segment)
        at = share.begin + share.width
        edges |= {share.begin, at}
    if at < min(status.used, total):  # the many that are too narrow to be told apart
        parts.append(
            Markup('<rect class="others" x="{:.4f}%" width="{:.4f}%" height="{}"/>').format(
                100 * at / total, 100 * (status.used - at) / total, height
            )
        )
        edges.add(at)
    for index in range(1, total):
        if index in edges or (total <= TICKS_MAX and index >= at):
            parts.append(
                Markup('<rect class="{}" x="{:.4f}%" width="1" height="{}"/>').format(
                    "edge" if index in edges else "tick", 100 * index / total, height
                )
            )
    label = f"{status.used} of {status.nb_proc} procs in use"
    return Markup('<svg class="procs" role="img" aria-label="{}" width="100%" height="{}">{}</svg>').format(
        label, height, Markup("").join(parts)
    )


def _segment(share: looks.Share, total: int) -> Markup:
    row, part = share.row, share.width / total
    number = looks.job_text(row)
    # Of what is narrow the number alone, or nothing, has room.
    text = f"{number} {row.name}" if part >= NAMED_FROM else number if part >= NUMBERED_FROM else ""
    title = f"{number} {looks.cut(row.name, 60)}: {plural(share.width, 'proc')}"
    return Markup(
        '<svg x="{:.4f}%" width="{:.4f}%" height="{}"><a href="/job/{}" tabindex="-1"><title>{}</title>'
        '<rect class="f{}" width="100%" height="{}"/><text{} x="7" y="{}">{}</text></a></svg>'
    ).format(
        100 * share.begin / total,
        100 * part,
        BAR_HEIGHT,
        job_address(row),
        title,
        looks.hue(row.job_id),
        BAR_HEIGHT,
        "" if part >= NAMED_FROM else Markup(' class="narrow"'),  # a phone has no room for it
        BAR_HEIGHT / 2 + 4.5,
        looks.cut(text, 40),
    )


class Meter(NamedTuple):
    """Something of which there is so much."""

    name: str
    used: int
    total: int
    text: str


def meters(node: b.Node) -> list[Meter]:
    """What is handed out besides procs: memory where any was asked for, GPUs, gres, licenses."""
    found = []
    if node.memory_used_bytes:
        text = f"{looks.size(node.memory_used_bytes)} of {looks.size(node.memory_bytes)} handed out"
        found.append(Meter("memory", node.memory_used_bytes, node.memory_bytes, text))
    if node.gpus:
        used, total = len(node.gpus_used), len(node.gpus)
        found.append(Meter("GPUs", used, total, f"{used} of {total}"))
    found += [
        Meter(one.name, one.used, one.count, f"{one.used} of {one.count}")
        for one in node.counted
        if one.count
    ]
    return found


def fitting(rows: Sequence[JobRow]) -> Sequence[JobRow]:
    """As many rows as a page has room for: of names full of quotes or of what is invisible, each of which takes several characters, fewer."""
    chars = 0
    for index, row in enumerate(rows):
        texts = (row.name, label(row, "comment"), row.reason)
        chars += sum(len(escape(looks.cut(text, looks.TITLE_CHARS_MAX)).encode()) for text in texts if text)
        if chars > ROWS_CHARS_MAX:
            return rows[:index]
    return rows


# ---- a row of a list: there are hundreds, so these are not left to templates
def badge(row: JobRow) -> Markup:
    """Its state in a word, in a colour."""
    return Markup(f'<span class="badge {looks.state_class(row)}">{escape(looks.state_word(row))}</span>')


def job_link(row: JobRow) -> Markup:
    """Its number, which leads to it; with its colour where it has procs."""
    dot = ""
    if row.state in ("RUNNING", "COMPLETING"):
        dot = f'<i class="dot h{looks.hue(row.job_id)}" aria-hidden="true"></i>'
    text = looks.job_text(row)
    if len(text) > LINK_CHARS_MAX and row.batch is not None and row.batch.tasks:
        text = f"{row.batch.array_id}_[{looks.cut(row.batch.tasks, 6)}]"
    return Markup(f'<a class="job" href="/job/{job_address(row)}">{dot}{escape(looks.clean(text))}</a>')


class Part(NamedTuple):
    """So many of an array are in one state."""

    word: str
    kind: str  # the class of its colour
    number: int
    begin: float  # in the bar, in percent
    width: float


def parts_of(rows: Sequence[JobRow]) -> list[Part]:
    """How the elements of an array are, in the order in which they go through it."""
    counts: dict[tuple[str, str], int] = {}
    for row in rows:
        key = looks.state_word(row), looks.state_class(row)
        counts[key] = counts.get(key, 0) + (expected.elements(row) or 1)
    order = ["ok", "bad", "run", "wait", "off"]
    found, at, total = [], 0, sum(counts.values())
    for (word, kind), number in sorted(
        counts.items(), key=lambda item: (order.index(item[0][1]), item[0][0])
    ):
        found.append(Part(word, kind, number, 100 * at / total, 100 * number / total))
        at += number
    return found


def name_of(row: JobRow) -> Markup:
    """Its name, as much of it as has room; where that is not all, with more of it as a title."""
    text = escape(looks.cut(row.name, looks.NAME_CHARS_MAX))
    if len(row.name) <= looks.NAME_CHARS_MAX:
        return text
    return Markup('<span title="{}">{}</span>').format(looks.cut(row.name, looks.TITLE_CHARS_MAX), text)


def starts_text(row: JobRow, start: expected.Start | None, now_s: float) -> Markup:
    """When a waiting job will start, and be over; nothing where that cannot be told."""
    at_s, is_limit = (start.at_s, start.is_limit) if start is not None else (None, True)
    latest_s = row.batch.expected_start_at if row.batch is not None else None  # by time limits alone
    if latest_s is not None and (at_s is None or (is_limit and latest_s < at_s)):
        at_s, is_limit = latest_s, True
    if at_s is None:
        return Markup("")
    text = Markup("starts {}{}").format(
        "at the latest " if is_limit else "", looks.ticking(at_s, now_s, "until")
    )
    if start is not None and start.over_s is not None:
        text += Markup(", over {}").format(looks.ticking(start.over_s, now_s, "until"))
    return Markup('<span class="until">{}</span>').format(text)


def buttons(row: JobRow, may: Collection[str], without: Collection[str] = ()) -> Markup:
    """What can be done to it, of what the page may do and this place offers."""
    offered = []
    if looks.is_over(row):
        if row.kind not in ("salloc", "srun"):
            offered.append(("rerun", "Run again"))
        offered.append(("delete", "Forget"))
    else:
        if row.state == "PENDING":
            offered.append(("release", "Release") if looks.is_held(row) else ("hold", "Hold"))
        offered.append(("cancel", "Cancel"))
    text, address = escape(looks.clean(looks.job_text(row))), job_address(row)
    return Markup(
        "".join(
            f'<button form="act" name="do" value="{action} {address}"{_DANGER if action == "cancel" else ""}'
            f' aria-label="{words} job {text}">{words}</button>'
            for action, words in offered
            if action in may and action not in without
        )
    )


_DANGER = ' class="danger"'


# ---- a job
def job_address(row: JobRow) -> str:
    """What stands for the job in an address: its number, but where that is its whole array's too."""
    batch = row.batch
    if batch is not None and batch.array_id == row.job_id and batch.array_index is not None:
        return f"{batch.array_id}_{batch.array_index}"
    return str(row.job_id)


def facts_list(row: JobRow, now_s: float, is_detailed: bool = True) -> list[tuple[str, Any]]:
    """(name, value) of all that is known of a job, without what nobody asked for."""
    batch = row.batch
    facts: list[tuple[str, Any]] = [
        ("procs", _procs(row)),
        ("submitted", _at(row.submitted_at, now_s)),
        ("started", _at(row.started_at, now_s) if row.started_at else ""),
        ("ended", _at(row.ended_at, now_s) if row.ended_at else ""),
        ("exit code", "" if row.exit_code is None else str(row.exit_code)),
        ("signal", "" if row.signal is None else str(row.signal)),
        ("time limit", "" if row.time_limit_s is None else format_elapsed(row.time_limit_s)),
        ("priority", str(row.priority) if row.priority else ""),
        ("kind", row.kind),
        ("user", row.user),
        ("pid", str(row.pid) if row.pid and not looks.is_over(row) else ""),
        ("children", format_ids(row.children[:200])),
    ]
    if batch is not None:
        facts += _batch_facts(row, batch, now_s)
    facts += [
        (name.replace("_", " "), looks.cut(value))
        for name, value in labels_of(row).items()
        if value and _is_told(row, name, value)
    ]
    if is_detailed:
        facts += [
            ("folder", Markup("<code>{}</code>").format(looks.clean(row.cwd))),
            ("command", Markup("<code>{}</code>").format(looks.clean(looks.command_of(row)))),
        ]
        if line := label(row, "submit_line"):
            facts.append(("submitted as", Markup("<code>{}</code>").format(looks.clean(looks.cut(line)))))
        if batch is not None and batch.stdin not in ("", "/dev/null"):
            facts.append(("input", Markup("<code>{}</code>").format(looks.clean(batch.stdin))))
    return [(name, value) for name, value in facts if value != ""]


def _procs(row: JobRow) -> str:
    return f"{row.nb_proc}" + (f" (on processors {format_ids(row.cpus)})" if row.cpus else "")


def _batch_facts(row: JobRow, batch: Any, now_s: float) -> list[tuple[str, Any]]:
    counted = ", ".join(f"{one.count} {one.name}" for one in batch.counted)
    used_s = looks.elapsed_s(row, now_s) * row.nb_proc
    return [
        (
            "array",
            f"{batch.array_id}" + (f", element {batch.array_index}" if batch.array_index is not None else ""),
        )
        if batch.array_id is not None
        else ("array", ""),
        ("memory asked", looks.size(batch.memory_bytes) if batch.memory_bytes else ""),
        ("memory used", looks.size(batch.memory_peak_bytes) if batch.memory_peak_bytes else ""),
        ("CPU time", _cpu(batch.cpu_s, used_s) if batch.cpu_s else ""),
        ("GPUs", _gpus(batch) if batch.gpus else ""),
        ("also", counted),
        ("alone", "yes, nobody else runs meanwhile" if batch.is_exclusive else ""),
        ("attempt", str(batch.attempt) if batch.attempt > 1 else ""),
        ("retries left", str(batch.retries_left) if batch.retries_left else ""),
        ("nice", str(batch.nice) if batch.nice else ""),
        ("begins", _at(batch.begin_at, now_s) if batch.begin_at and not row.started_at else ""),
        ("depends on", batch.dependency),
        ("tasks", str(batch.ntasks) if batch.ntasks else ""),
        ("paused for", looks.about(batch.paused_s) if batch.paused_s else ""),
        ("not enforced", ", ".join(batch.unenforced)),
    ]


def _is_told(row: JobRow, name: str, value: str) -> bool:
    """Whether a label says anything: not what every job has that nobody gave a thought to."""
    usual = {"account": row.user, "partition": "main", "qos": "normal"}
    return name not in ("array", "submit_host", "submit_line") and usual.get(name) != value


def _cpu(cpu_s: float, most_s: float) -> str:
    share = f", {100 * cpu_s / most_s:.0f} % of what it had" if most_s > 1 else ""
    return f"{looks.about(cpu_s) if cpu_s >= 1 else f'{cpu_s:.2f} s'}{share}"


def _gpus(batch: Any) -> str:
    return f"{batch.gpus}" + (f" ({format_ids(batch.gpu_indexes)})" if batch.gpu_indexes else "")


def _at(at_s: float | None, now_s: float) -> Markup:
    return Markup('<time datetime="{0}" title="{0}">{1}</time>').format(
        looks.iso(at_s), looks.moment(at_s, now_s)
    )


def name_in_address(name: str) -> str:
    """A name, as it stands in an address."""
    return quote(name, safe="", errors="replace")


def visible_text(text: str) -> Markup:
    """A text of many lines, as it is but for what would be hidden."""
    return escape(visible(text))


FILTERS: dict[str, Any] = {"urlencode_name": name_in_address, "visible": visible_text}
GLOBALS: dict[str, Any] = {
    "badge": badge,
    "buttons": buttons,
    "job_link": job_link,
    "elements": expected.elements,
    "facts_list": facts_list,
    "fitting": fitting,
    "job_address": job_address,
    "meters": meters,
    "name_of": name_of,
    "parts_of": parts_of,
    "starts_text": starts_text,
    "procs_bar": procs_bar,
}
