"""Rows of jobs → text for a terminal or a pipe. No socket, no clock: times come in as arguments.

Names and commands are whatever somebody submitted. Nothing leaves here that could steer a terminal: control characters, bytes that
are no text, and characters that reorder a line are written as escapes (printable).
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from jobd.cli.slurm_values import elapsed_s, format_time, job_text
from jobd.units import format_elapsed, format_ids
from jobd.wire.messages import JobRow, Status
from jobd.wire.rows import labels_of

# (name, is it right-aligned, least width). The last column is never padded.
Column = tuple[str, bool, int]

SHORT: tuple[Column, ...] = (
    ("JOBID", True, 6),
    ("PARENT", True, 6),
    ("STATUS", False, 6),
    ("NB_PROC", True, 7),
    ("PID", True, 7),
    ("SHORT_COMMAND", False, 0),
)
LONG: tuple[Column, ...] = (
    *SHORT[:2],
    ("STATUS", False, 9),
    *SHORT[3:5],
    ("SUBMITTED", False, 19),
    ("STARTED", False, 19),
    ("ELAPSED", True, 7),
    ("LIMIT", True, 9),
    ("CPUS", False, 4),
    ("EXIT", True, 4),
    ("REASON", False, 6),
    ("SHORT_COMMAND", False, 0),
)


def summary(status: Status) -> str:
    """The first line of a list."""
    return f"{status.used} used out of {status.nb_proc} (with an exceptional max of {status.nb_proc_max})"


class Table:
    """A table that is printed page by page: its columns are as wide as what has been seen so far, and never shrink."""

    def __init__(self, columns: Sequence[Column], *, width: int | None) -> None:
        """
        Args:
            width: of the terminal, in cells; None where lines are not to be cut.
        """
        self._columns = columns
        self._widths = [max(least, len(name)) for name, _, least in columns]
        self._width = width

    def text(self, rows: Sequence[Sequence[str]], *, has_header: bool) -> str:
        """The lines of a page, each with its end."""
        columns = list(zip(*rows, strict=True))
        for index, column in enumerate(columns[:-1]):
            self._widths[index] = max(self._widths[index], max(map(len, column)))
        layout = " ".join(
            f"%{'' if is_right else '-'}{width}s"
            for (_, is_right, _), width in zip(self._columns[:-1], self._widths, strict=False)
        )
        layout += " %s"
        lines = [layout % tuple(row) for row in rows]
        if has_header:
            lines.insert(0, layout % tuple(name for name, _, _ in self._columns))
        if self._width is not None:
            lines = [cut(line, self._width) for line in lines]
        lines.append("")
        return "\n".join(lines)


def short_cells(row: JobRow, indent: str = "") -> tuple[str, ...]:
    """A row of the plain list."""
    return (
        str(row[0]) if row[24] is None else job_text(row),
        "-" if row[1] is None else str(row[1]),
        status_of(row),
        str(row[5]),
        str(row[6]),
        indent + short_command(row),
    )


def long_cells(row: JobRow, now_s: float, indent: str = "") -> tuple[str, ...]:
    """A row of the long list."""
    return (
        job_text(row),
        "-" if row.parent_id is None else str(row.parent_id),
        long_status_of(row),
        str(row.nb_proc),
        str(row.pid),
        format_time(row.submitted_at, "-"),
        format_time(row.started_at, "-"),
        "-" if row.started_at is None else format_elapsed(elapsed_s(row, now_s)),
        "UNLIMITED" if row.time_limit_s is None else format_elapsed(row.time_limit_s),
        format_ids(row.cpus).replace("->", "-") or "-",
        exit_of(row),
        printable(row.reason) or "-",
        indent + short_command(row),
    )


# ---- one row
def status_of(row: JobRow) -> str:
    """R, W, S[…], or S of one that Scontrol suspended; the state's own name for a job that is over."""
    state = row.state
    if state == "PENDING":
        return "W"
    if state == "SUSPENDED" and not row.children:
        return "S"  # by Scontrol: it waits for nobody
    if state in ("RUNNING", "SUSPENDED", "COMPLETING"):
        return f"S[{format_ids(row.children)}]" if row.children else "R"
    return printable(state)


def long_status_of(row: JobRow) -> str:
    """The state in Slurm's long name, with the children that a suspended one waits for."""
    state = printable(row.state)
    return f"{state}[{format_ids(row.children)}]" if row.children else state


def exit_of(row: JobRow) -> str:
    """The exit code of a job that is over, sig9 for a signal, - where there is none (yet)."""
    if row.signal is not None:
        return f"sig{row.signal}"
    return "-" if row.exit_code is None else str(row.exit_code)


def short_command(row: JobRow) -> str:
    """The command line with each word's directory removed, safe to print, and quoted where a shell would misread it."""
    words = row[8]
    if _SPECIAL.search("".join(words)) or "" in words:
        words = [quoted(_DIRECTORY.sub("", word)) for word in words]
    else:
        words = [word.rpartition("/")[2] or word for word in words]  # the same, quickly
    return printable(" ".join(words))


_SPECIAL = re.compile(r"""[\s"'\\$`|&;<>()*?=]""")

# The directory of a path, which may be a part of a word: --prefix=/usr/local, or sh -c 'cd /tmp; /bin/ls'. A path that ends in a slash
# keeps its directory, since it would have no name without.
_DIRECTORY = re.compile(
    r"""(?<![^\s"'`|&;<>()=])[^\s"'`|&;<>()=]*/(?=[^\s"'`|&;<>()=/]+(?![^\s"'`|&;<>()=]))"""
)


def quoted(word: str) -> str:
    """The word as it would be typed into a shell, where that would otherwise misread it."""
    if word and not _SPECIAL.search(word.replace("=", "")):
        return word
    return "'" + word.replace("'", "'\\''") + "'"


def printable(text: str) -> str:
    """The text with everything that is no visible character written as an escape: \\n, \\x1b, \\u202e."""
    if text.isprintable():
        return text
    return "".join([char if char.isprintable() else _escape(char) for char in text])


def _escape(char: str) -> str:
    number = ord(char)
    if 0xDC80 <= number <= 0xDCFF:  # a byte that is no UTF-8
        return f"\\x{number - 0xDC00:02x}"
    return ascii(char)[1:-1]  # \n \t \x1b \u202e, as Python writes them


def cut(text: str, width: int) -> str:
    """As much of the text as fits into `width` cells of a terminal."""
    if len(text) <= width and text.isascii():
        return text
    if text.isascii():
        return text[:width]
    from unicodedata import combining, east_asian_width

    cells = 0
    for index, char in enumerate(text):
        cells += 0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1
        if cells > width:
            return text[:index]
    return text


# ---- trees
def as_tree(rows: Iterable[JobRow]) -> Iterator[tuple[JobRow, str]]:
    """(row, indentation): each job followed by its children, in the order of the rows; one whose parent is not shown is a root."""
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
        yield row, "  " * (depth - 1) + "\\_ " if depth else ""
        stack.extend((child, depth + 1) for child in reversed(below.get(row.job_id, ())))


# ---- JSON
def as_json(row: JobRow) -> dict[str, object]:
    """A row as it stands in a JSON document."""
    told = {
        **row._asdict(),
        "status": status_of(row),
        "short_command": short_command(row),
        "labels": labels_of(row),
    }
    if row.batch is not None:
        counted = [one._asdict() for one in row.batch.counted]
        told["batch"] = {**row.batch._asdict(), "counted": counted, "labels": told["labels"]}
    return told


__all__ = [
    "LONG",
    "SHORT",
    "Column",
    "Table",
    "as_json",
    "as_tree",
    "cut",
    "elapsed_s",
    "exit_of",
    "format_time",
    "long_cells",
    "long_status_of",
    "printable",
    "quoted",
    "short_cells",
    "short_command",
    "status_of",
    "summary",
]
