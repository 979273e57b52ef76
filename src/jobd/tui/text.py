"""Text that somebody else wrote → text that a screen can show: nothing in it steers the terminal, and its width is known. Pure.

Names, commands and output are whatever a job says. Widths are counted in cells of the terminal, as wide characters take two and
combining ones none.
"""

import re
import time

from rich.cells import cell_len, set_cell_size

LINE_CHARS_MAX = 2000  # of a line of output; a longer one goes on in the next
MARKS_MAX = 2  # combining characters on one letter; more would run over the lines around it
TAB_CELLS = 8
_NEAR_S = 12 * 3600

# What chooses how the letter before it is drawn, on which terminals do not agree: the line's width would not be known.
_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_COLOURS = re.compile(r"\x1b\[[0-9;:]*[mK]")  # of output: they are taken off, as they say nothing
_MARKS = re.compile(
    "([\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u0e31-\u0e4e\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+)"
)


def safe(text: str) -> str:
    """The text with everything that is no visible character written as an escape: \\n, \\x1b, \\u202e."""
    if text.isascii() and text.isprintable():
        return text
    text = "".join([char if char.isprintable() else _escape(char) for char in _SELECTORS.sub("", text)])
    if text.isascii():
        return text
    text = _MARKS.sub(lambda found: found[1][:MARKS_MAX], text)
    return "\u25cc" + text if cell_len(text[:1]) == 0 and text else text


def _escape(char: str) -> str:
    number = ord(char)
    if 0xDC80 <= number <= 0xDCFF:  # a byte that is no UTF-8
        return f"\\x{number - 0xDC00:02x}"
    return ascii(char)[1:-1]


def cut(text: str, cells: int) -> str:
    """At most so many cells of a safe text; one that is longer ends in an ellipsis."""
    if cells <= 0:
        return ""
    if len(text) * 2 <= cells or cell_len(text) <= cells:
        return text
    # A part of a very long text is enough to look at; a letter and its marks are at most so many characters.
    kept = set_cell_size(text[: cells * (MARKS_MAX + 1) + 1], cells - 1)
    return kept + "…"


def fit(text: str, cells: int, *, is_right: bool = False) -> str:
    """A safe text in exactly so many cells."""
    kept = cut(text, cells)
    room = " " * (cells - cell_len(kept))
    return room + kept if is_right else kept + room


def output_line(text: str) -> str:
    """A line of output as a terminal would leave it: what a carriage return wrote over is gone, colours too, tabs are blanks."""
    if "\r" in text:
        text = next((part for part in reversed(text.split("\r")) if part), "")
    if "\x1b" in text:
        text = _COLOURS.sub("", text)
    if "\t" in text:
        text = text.expandtabs(TAB_CELLS)
    return safe(text)


def folded(text: str) -> list[str]:
    """A line in parts of at most LINE_CHARS_MAX characters."""
    if len(text) <= LINE_CHARS_MAX:
        return [text]
    return [text[begin : begin + LINE_CHARS_MAX] for begin in range(0, len(text), LINE_CHARS_MAX)]


# ---- numbers
def size_text(count_bytes: float) -> str:
    """Bytes for a person: 0, 512M, 1.5G."""
    size = float(count_bytes)
    if size <= 0:
        return "0"
    for unit in ("B", "K", "M", "G", "T"):
        if size < 1000 or unit == "T":
            return f"{size:.0f}{unit}" if size >= 10 or size == int(size) else f"{size:.1f}{unit}"
        size /= 1024
    raise AssertionError("no unit")


def moment(at_s: float, now_s: float) -> str:
    """A time of day, with its day where that is not clear: 14:05 (today, or less than 12 hours away), Sun 14:05, Nov 22, 2027-11-22."""
    try:
        then, now = time.localtime(at_s), time.localtime(now_s)
    except (ValueError, OverflowError, OSError):
        return "?"
    if then[:3] == now[:3] or abs(at_s - now_s) < _NEAR_S:
        return time.strftime("%H:%M", then)
    if abs(at_s - now_s) < 6 * 86400:
        return time.strftime("%a %H:%M", then)
    return time.strftime("%b %d" if then.tm_year == now.tm_year else "%Y-%m-%d", then)


def full_moment(at_s: float | None) -> str:
    """A time in full: 2026-03-01 09:00:00; "-" for none."""
    if at_s is None:
        return "-"
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at_s))
    except (ValueError, OverflowError, OSError):
        return "?"


def bar(share: float, cells: int) -> str:
    """How far something is, in so many cells; readable without colours."""
    if cells < 3:
        return ""
    full = min(cells - 2, max(0, int(share * (cells - 2) + 1e-9)))
    return "[" + "#" * full + "." * (cells - 2 - full) + "]"
