"""The patterns in names of output files: slurm-%j.out. Pure text.

Source: sbatch(1), "filename pattern". %b is of 24.05; %q and the like, which are none, stay as they are.
"""

from collections.abc import Iterator
from typing import NamedTuple

DEFAULT = "slurm-%j.out"
DEFAULT_ARRAY = "slurm-%A_%a.out"
WIDTH_MAX = 10  # of zero padding, as in Slurm
NO_INDEX = 4294967294  # what Slurm puts for %a where there is no array


class Values(NamedTuple):
    """What the letters stand for."""

    job_id: int
    array_id: int | None
    array_index: int | None
    name: str
    user: str
    node: str
    step_id: str = "batch"
    task_id: int = 0


def expand(pattern: str, values: Values) -> str:
    """The name that a pattern means for one job (or one task of a step).

    A backslash anywhere turns the letters off; it is itself removed.
    """
    if "\\" in pattern:
        return pattern.replace("\\", "")
    if "%" not in pattern:
        return pattern
    return "".join(_parts(pattern, values))


def _parts(pattern: str, values: Values) -> Iterator[str]:
    position = 0
    while (sign := pattern.find("%", position)) >= 0:
        yield pattern[position:sign]
        end = sign + 1
        while end < len(pattern) and pattern[end].isascii() and pattern[end].isdigit():
            end += 1
        letter = pattern[end : end + 1]
        digits = pattern[sign + 1 : end]
        width = min(int(digits[:4] or "0"), WIDTH_MAX)
        value = _value(letter, width, values) if not (letter == "%" and digits) else None
        yield value if value is not None else pattern[sign : end + 1]
        position = end + 1
    yield pattern[position:]


def _value(letter: str, width: int, values: Values) -> str | None:
    """What a letter stands for; None if it is none. Only numbers are padded."""
    match letter:
        case "%":
            return "%"
        case "j":
            return f"{values.job_id:0{width}}"
        case "J":
            step = f".{values.step_id}" if values.step_id != "batch" else ""
            return f"{values.job_id:0{width}}{step}"
        case "A":
            return f"{values.array_id if values.array_id is not None else values.job_id:0{width}}"
        case "a":
            return f"{values.array_index if values.array_index is not None else NO_INDEX:0{width}}"
        case "b":
            return f"{(values.array_index if values.array_index is not None else NO_INDEX) % 10:0{width}}"
        case "x":
            return values.name.replace("/", "_")
        case "u":
            return values.user
        case "N":
            return values.node.partition(".")[0]
        case "n":
            return f"{0:0{width}}"
        case "s":
            return values.step_id
        case "t":
            return f"{values.task_id:0{width}}"
    return None
