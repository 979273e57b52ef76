"""Scontrol's blocks: lines of Key=value, over several lines or in one. Pure text.

Source: scontrol(1), show, --oneliner; src/scontrol/info_job.c.
"""

from collections.abc import Iterable, Sequence

_INDENT = "\n   "


def block(lines: Sequence[str], *, is_one_line: bool) -> str:
    """The text of one record, with its end."""
    if is_one_line:
        return " ".join(lines) + "\n"
    return _INDENT.join(lines) + "\n\n"


def settings(pairs: Iterable[tuple[str, str]]) -> str:
    """`show config`: a name padded to 24 and its value, one a line."""
    return "".join(f"{name:<23} = {value}\n" for name, value in pairs)
