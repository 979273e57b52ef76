"""Slurm's formats of lists ⇄ columns: `%[.][width]letter` and `name[:[.][width]]`. Pure text: what a column's value is, the caller says.

Source: squeue(1) and sinfo(1), --format and --Format. A dot justifies to the right, a width pads and cuts; a letter without a width is printed
as it is, a name without one is 20 wide.
"""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from jobd.errors import UsageError
from jobd.slurm.columns import JOB_COLUMNS, JOB_LETTERS

WIDTH_MAX = 4096  # wider than any line that somebody reads; a longer one is a typing error
NAMED_WIDTH = 20  # of a column that is asked for by name


class Field(NamedTuple):
    """One column of a format, with how it is laid out and the text after it."""

    name: str  # as in columns.py; "" for text at the very beginning
    header: str
    width: int  # 0 for as wide as the value
    is_right: bool
    suffix: str
    is_cut: bool = True  # else what is too wide for it is cut only where it stands to the left

    def laid_out(self, value: str) -> str:
        """The value, cut and padded to the width."""
        if self.width:
            if self.is_cut or not self.is_right:
                value = value[: self.width]
            value = value.rjust(self.width) if self.is_right else value.ljust(self.width)
        return value + self.suffix


Format = list[Field]

_PART = re.compile(r"%(\.?)(\d*)(.?)([^%]*)", re.DOTALL)
_TOKEN = re.compile(r"(\.?)(\d*)(.?)(.*)", re.DOTALL)
_LAYOUT = re.compile(r"(\.?)(\d*)(.*)", re.DOTALL)
_NAMED = re.compile(r"([A-Za-z0-9_-]+)(?::(\.?)(\d*)(.*))?", re.DOTALL)


def parse(
    text: str, letters: Mapping[str, str] = JOB_LETTERS, columns: Mapping[str, str] = JOB_COLUMNS
) -> Format:
    """The columns of a format by letters; `%%` is a per cent sign, `%all` every letter, between bars.

    Raises:
        UsageError: a letter that Slurm does not know, or a width beyond all reason.
    """
    if "%all" in text:
        text = text.replace("%all", "|".join(f"%{letter}" for letter in letters))
    head, _, _ = text.partition("%")
    fields = [Field("", "", 0, False, head)]
    for dot, digits, letter, suffix in _PART.findall(text):
        if letter == "%" and not dot and not digits:
            fields[-1] = fields[-1]._replace(suffix=f"{fields[-1].suffix}%{suffix}")
            continue
        if letter not in letters:
            known = "".join(letters)
            raise UsageError(f"no field {f'%{dot}{digits}{letter}'!r} in format {text!r} (letters: {known})")
        name = letters[letter]
        fields.append(Field(name, columns[name], _width(digits, text), bool(dot), suffix))
    return fields


def parse_names(text: str, columns: Mapping[str, str] = JOB_COLUMNS) -> Format:
    """The columns of a format by names, in any case.

    Raises:
        UsageError: a name that Slurm does not know, or a width beyond all reason.
    """
    fields: Format = []
    for part in text.split(","):
        found = _NAMED.fullmatch(part.lstrip() if ":" in part else part.strip())
        name = "" if found is None else found[1].lower()
        if name not in columns:
            name = _SAME.get(name, "")
        if found is None or name not in columns:
            raise UsageError(f"no field {part[:60]!r} in format {text[:60]!r} ({', '.join(columns)})")
        width = _width(found[3] or "", text) or NAMED_WIDTH
        fields.append(Field(name, columns[name], width, bool(found[2]), found[4] or ""))
    return fields


def read(text: str, letters: Mapping[str, str], columns: Mapping[str, str]) -> tuple[Format, list[str]]:
    """(columns, letters that are none) of a format as Slurm itself reads it: what is no column stands in each line as it was written."""
    if text.lower() == "%all":
        names = sorted(letters, key=lambda letter: (letter.isupper(), letter))
        text = "|".join(f"%{letter}" for letter in names)
    head, _, _ = text.partition("%")
    fields = [Field("", "", 0, False, head)]
    unknown = []
    for part in filter(None, text[len(head) :].split("%")):  # strtok(3): %% is one
        found = _TOKEN.fullmatch(part)
        assert found is not None
        dot, digits, letter, suffix = found.groups()
        if letter in letters:
            name = letters[letter]
            fields.append(Field(name, columns[name], _width(digits, text), bool(dot), suffix))
        else:
            unknown.append(letter)
            fields.append(Field("", "", 0, False, f"%{part}"))
    return fields, unknown


def read_names(
    text: str, columns: Mapping[str, str], same: Mapping[str, str] = MappingProxyType({})
) -> tuple[Format, list[str]]:
    """(columns, names that are none) of a format by names, as Slurm itself reads it.

    Args:
        same: other names of columns.
    """
    fields: Format = []
    unknown = []
    for part in filter(None, text.split(",")):
        word, colon, layout = part.partition(":")
        name = same.get(word.lower(), word.lower())
        if name not in columns:
            unknown.append(word)
            continue
        found = _LAYOUT.fullmatch(layout)
        assert found is not None
        dot, digits, suffix = found.groups()
        width = _width(digits, text) if colon else NAMED_WIDTH
        fields.append(Field(name, columns[name], width, bool(dot), suffix))
    return fields, unknown


# Other names that Slurm has for the same.
_SAME = {
    "shared": "oversubscribe",
    "gres": "tres-per-node",
    "cpuspertask": "cpus-per-task",
    "priorityraw": "prioritylong",
    "features": "feature",
    "statelong": "state",
    "user": "username",
}


def _width(digits: str, text: str) -> int:
    if len(digits) > len(str(WIDTH_MAX)) or int(digits or "0") > WIDTH_MAX:
        raise UsageError(f"width {digits[:20]} in format {text[:60]!r}: at most {WIDTH_MAX}")
    return int(digits or "0")


def header(fields: Format) -> str:
    """The line of column names."""
    return "".join([field._replace(is_cut=True).laid_out(field.header) for field in fields])


def line(fields: Format, value_of: Callable[[str], str]) -> str:
    """The line of one job, from the value of each column."""
    return "".join([field.laid_out(value_of(field.name) if field.name else "") for field in fields])
