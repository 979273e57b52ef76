"""Slurm's format of a list of jobs, `%[.][width]letter`, ⇄ lines. Pure text: what a letter's value is, the caller says.

Source: squeue(1), --format. A dot justifies to the right, a width pads and cuts, a letter without a width is printed as it is.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from jobd.errors import UsageError

WIDTH_MAX = 4096  # wider than any line that somebody reads; a longer one is a typing error

HEADERS = {
    "a": "ACCOUNT",
    "A": "JOBID",
    "B": "EXEC_HOST",
    "c": "MIN_CPUS",
    "C": "CPUS",
    "d": "MIN_TMP_DISK",
    "D": "NODES",
    "e": "END_TIME",
    "E": "DEPENDENCY",
    "f": "FEATURES",
    "F": "ARRAY_JOB_ID",
    "h": "OVER_SUBSCRIBE",
    "i": "JOBID",
    "j": "NAME",
    "k": "COMMENT",
    "K": "ARRAY_TASK_ID",
    "l": "TIME_LIMIT",
    "L": "TIME_LEFT",
    "m": "MIN_MEMORY",
    "M": "TIME",
    "n": "REQ_NODES",
    "N": "NODELIST",
    "o": "COMMAND",
    "p": "PRIORITY",
    "P": "PARTITION",
    "q": "QOS",
    "Q": "PRIORITY",
    "r": "REASON",
    "R": "NODELIST(REASON)",
    "S": "START_TIME",
    "t": "ST",
    "T": "STATE",
    "u": "USER",
    "U": "USER",
    "v": "RESERVATION",
    "V": "SUBMIT_TIME",
    "w": "WCKEY",
    "W": "LICENSES",
    "x": "EXC_NODES",
    "y": "NICE",
    "z": "S:C:T",
    "Z": "WORK_DIR",
}


class Field(NamedTuple):
    """One letter of a format, with how it is laid out and the text after it."""

    letter: str  # "" for text at the very beginning
    width: int  # 0 for as wide as the value
    is_right: bool
    suffix: str

    def laid_out(self, value: str) -> str:
        """The value, cut and padded to the width."""
        if self.width:
            value = value[: self.width]
            value = value.rjust(self.width) if self.is_right else value.ljust(self.width)
        return value + self.suffix


Format = list[Field]

_PART = re.compile(r"%(\.?)(\d*)(.?)([^%]*)", re.DOTALL)


def parse(text: str) -> Format:
    """The fields of a format; `%%` is a per cent sign.

    Raises:
        UsageError: a letter that Slurm does not know, or a width beyond all reason.
    """
    head, _, _ = text.partition("%")
    fields = [Field("", 0, False, head)]
    for dot, digits, letter, suffix in _PART.findall(text):
        if letter == "%" and not dot and not digits:
            fields[-1] = fields[-1]._replace(suffix=f"{fields[-1].suffix}%{suffix}")
            continue
        if letter not in HEADERS:
            known = "".join(HEADERS)
            raise UsageError(f"no field {f'%{dot}{digits}{letter}'!r} in format {text!r} (letters: {known})")
        if len(digits) > len(str(WIDTH_MAX)) or int(digits or "0") > WIDTH_MAX:
            raise UsageError(f"width {digits[:20]} in format {text!r}: at most {WIDTH_MAX}")
        fields.append(Field(letter, int(digits or "0"), bool(dot), suffix))
    return fields


def header(fields: Format) -> str:
    """The line of column names."""
    return "".join(field.laid_out(HEADERS.get(field.letter, "")) for field in fields)


def line(fields: Format, value_of: Callable[[str], str]) -> str:
    """The line of one job, from the value of each letter."""
    return "".join(field.laid_out(value_of(field.letter) if field.letter else "") for field in fields)
