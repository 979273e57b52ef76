"""The last lines of an output, as they are put into a notice: text that cannot act on who reads it."""

import os
import re
import stat

TAIL_BYTES = 64 << 10  # of an output file, of which the last lines are shown
LINE_CHARS_MAX = 400
# From so many characters on that no text has, or that are none in UTF-8, an output is no text. Text in another code has some of these.
CONTROL_SHARE, WRONG_SHARE = 0.05, 0.5
_CONTROLS = bytes(set(range(32)) - set(b"\a\b\t\n\v\f\r\x1b"))
_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])"
)  # colours, titles


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
    text = data.decode("utf-8", "replace")
    controls = len(data) - len(data.translate(None, _CONTROLS))
    if controls > CONTROL_SHARE * len(data) or text.count("\N{REPLACEMENT CHARACTER}") > WRONG_SHARE * len(
        text
    ):
        return [f"({status.st_size} bytes that are no text)"]
    lines = text.split("\n")
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
