"""Rows of jobs → text for a terminal or a pipe. No socket, no clock: times come in as arguments.

Names and commands are whatever somebody submitted. Nothing leaves here that could steer a terminal: control characters, bytes that
are no text, and characters that reorder a line are written as escapes (printable).
"""

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from jobd.states import JobState
from jobd.units import format_elapsed, format_ids
from jobd.wire.messages import JobRow, Status

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

_STATES = {state.value: state for state in JobState}


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
        str(row[0]),
        "-" if row[1] is None else str(row[1]),
        status_of(row),
        str(row[5]),
        str(row[6]),
        indent + short_command(row),
    )


def long_cells(row: JobRow, now_s: float, indent: str = "") -> tuple[str, ...]:
    """A row of the long list."""
    return (
        str(row.job_id),
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
    """R, W or S[…]; the state's own name for a job that is over."""
    state = row.state
    if state == "PENDING":
        return "W"
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


def elapsed_s(row: JobRow, now_s: float) -> float:
    """Seconds for which a job has run, or ran; 0 for one that never did."""
    if row.started_at is None:
        return 0.0
    return (now_s if row.ended_at is None else row.ended_at) - row.started_at


def format_time(at_s: float | None, missing: str) -> str:
    """A time as Slurm prints it: 2026-01-31T23:59:59, in the local time zone."""
    if at_s is None:
        return missing
    try:
        return time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(at_s))
    except (ValueError, OverflowError, OSError):
        return missing


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
    return {**row._asdict(), "status": status_of(row), "short_command": short_command(row)}


# ---- Slurm's letters
PARTITION = "local"  # Slurm's users expect one; there is only the one
_NULL = "(null)"


def slurm_value(letter: str, row: JobRow, now_s: float) -> str:
    """The value of one of Slurm's letters, safe to print."""
    value = _SLURM.get(letter)
    return printable(value(row, now_s)) if value is not None else _SLURM_FIXED[letter]


def _code(row: JobRow) -> str:
    state = _STATES.get(row.state)
    return row.state if state is None else state.code


def _left(row: JobRow, now_s: float) -> str:
    if row.time_limit_s is None:
        return "UNLIMITED"
    return format_elapsed(row.time_limit_s - elapsed_s(row, now_s))


def _end(row: JobRow) -> str:
    end_s = row.ended_at
    if end_s is None and row.started_at is not None and row.time_limit_s is not None:
        end_s = row.started_at + row.time_limit_s
    return format_time(end_s, "N/A")


def _host(row: JobRow) -> str:
    return "" if row.started_at is None else os.uname().nodename.partition(".")[0]


def _host_or_reason(row: JobRow) -> str:
    return f"({row.reason_code})" if row.started_at is None else _host(row)


def _uid(row: JobRow) -> str:
    import pwd

    try:
        return str(pwd.getpwnam(row.user).pw_uid)
    except (KeyError, ValueError):
        return row.user


_SLURM: dict[str, Callable[[JobRow, float], str]] = {
    "A": lambda row, _: str(row.job_id),
    "B": lambda row, _: _host(row) or "N/A",
    "c": lambda row, _: str(row.nb_proc),
    "C": lambda row, _: str(row.nb_proc),
    "e": lambda row, _: _end(row),
    "F": lambda row, _: str(row.job_id),
    "i": lambda row, _: str(row.job_id),
    "j": lambda row, _: row.name,
    "l": lambda row, _: "UNLIMITED" if row.time_limit_s is None else format_elapsed(row.time_limit_s),
    "L": _left,
    "M": lambda row, now_s: format_elapsed(elapsed_s(row, now_s)),
    "N": lambda row, _: _host(row),
    "o": lambda row, _: " ".join(row.command),
    "p": lambda row, _: f"{0.5 + row.priority / (1 << 31):.14f}",  # Slurm's is between 0 and 1
    "Q": lambda row, _: str(row.priority),
    "r": lambda row, _: row.reason_code,
    "R": lambda row, _: _host_or_reason(row),
    "S": lambda row, _: format_time(row.started_at, "N/A"),
    "t": lambda row, _: _code(row),
    "T": lambda row, _: row.state,
    "u": lambda row, _: row.user,
    "U": lambda row, _: _uid(row),
    "V": lambda row, _: format_time(row.submitted_at, "N/A"),
    "Z": lambda row, _: row.cwd,
}

# What Slurm prints for a job for which nothing of the kind was asked.
_SLURM_FIXED = {
    "a": _NULL,
    "d": "0",
    "D": "1",
    "E": _NULL,
    "f": _NULL,
    "h": "OK",
    "k": _NULL,
    "K": "N/A",
    "m": "0",
    "n": "",
    "P": PARTITION,
    "q": "normal",
    "v": _NULL,
    "w": _NULL,
    "W": _NULL,
    "x": "",
    "y": "0",
    "z": "*:*:*",
}
