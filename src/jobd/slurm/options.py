"""The values of Slurm's options ⇄ numbers and names: counts, arrays, signals, resources, node counts, exit codes. Pure text.

Sources: sbatch(1) and srun(1), each function names its option. What is wrong is a UsageError of one line without the option's name, which the
caller puts before it.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from jobd.errors import UsageError
from jobd.limits import EXIT_CODE_MAX, NB_PROC_LIMIT, SIGNAL_NUMBER_MAX

if TYPE_CHECKING:
    from jobd.indexes import Indexes

INDEX_MAX = 4_000_000_000  # what a number in Slurm has room for; array_max of the configuration is the limit, and the server's
ARRAY_LIMIT_MAX = 1_000_000_000
WARN_BEFORE_S = 60  # --signal without a time
WARN_BEFORE_S_MAX = 65535  # as Slurm
NICE_DEFAULT = 100
NICE_MAX = 1 << 30
COUNT_MAX = 1 << 40

# Compiled when they are first used, since every start of a client passes here.
_NAME = r"[A-Za-z0-9][\w.@+-]*"
_SIGNAL = r"(?:([BR]{1,2}):)?([A-Za-z0-9+-]+)(?:@(\d{1,9}))?"
_NODES = r"(\d{1,9})([km]?)(?:-(\d{1,9})([km]?))?"
_SUFFIXES = {"": 1, "k": 1024, "m": 1024 * 1024}


class WarnSignal(NamedTuple):
    """--signal: what is sent how long before the time limit, and to whom."""

    signal: int
    before_s: int
    is_batch_only: bool


class Array(NamedTuple):
    """--array: which elements, and how many at once (0: all)."""

    indexes: "Indexes"
    limit: int


class Gres(NamedTuple):
    """--gres: devices, and other counted resources by name."""

    gpus: int
    gpu_type: str
    counted: tuple[tuple[str, int], ...]


def parse_count(text: str, *, least: int = 1, most: int = NB_PROC_LIMIT) -> int:
    """A whole number; k and m behind it mean 1024 and its square.

    Raises:
        UsageError: it is none, or out of range.
    """
    found = re.fullmatch(r"\+?(\d{1,15})([km]?)", text.strip(), re.IGNORECASE | re.ASCII)
    count = -1 if found is None else int(found[1]) * _SUFFIXES[found[2].lower()]
    if not least <= count <= most:
        raise UsageError(f"{text[:40]!r} is no number from {least} to {most}")
    return count


def parse_integer(text: str, *, bound: int) -> int:
    """A whole number with a sign, at most `bound` either way.

    Raises:
        UsageError: it is none, or out of range.
    """
    found = re.fullmatch(r"[+-]?[0-9]{1,15}", text.strip())
    if found is None or abs(int(text)) > bound:
        raise UsageError(f"{text[:40]!r} is no whole number from -{bound} to {bound}")
    return int(text)


def parse_nodes(text: str) -> tuple[int, int]:
    """--nodes: the least and the most; 2-4 and 1k are forms too.

    Raises:
        UsageError: it is none.
    """
    found = re.fullmatch(_NODES, text.strip(), re.IGNORECASE | re.ASCII)
    if found is None:
        raise UsageError(f"{text[:40]!r} is no number of nodes (1, or 1-4)")
    least = int(found[1]) * _SUFFIXES[found[2].lower()]
    most = int(found[3]) * _SUFFIXES[found[4].lower()] if found[3] else least
    if most < least or most == 0:
        raise UsageError(f"{text[:40]!r} is no number of nodes (1, or 1-4)")
    return least, most


def parse_array(text: str) -> Array:
    """--array: 0-9, 1,3,5, 0-20:4, each with %N behind it.

    Raises:
        UsageError: it is none.
    """
    from jobd import indexes  # few jobs are arrays

    body, sign, limit = text.strip().partition("%")
    count = parse_count(limit, most=ARRAY_LIMIT_MAX) if sign else 0
    return Array(indexes.parse(body.strip("[]"), index_max=INDEX_MAX), count)


def parse_signal_number(text: str, numbers: Mapping[str, int]) -> int:
    """A signal's number of USR1, SIGUSR1, usr1 or 10.

    Args:
        numbers: of names without SIG, as this machine has them.

    Raises:
        UsageError: there is none.
    """
    word = text.strip().upper()
    if word.isascii() and word.isdigit() and 1 <= int(word[:4]) <= SIGNAL_NUMBER_MAX:
        return int(word)
    number = numbers.get(word.removeprefix("SIG"))
    if number is None:
        raise UsageError(f"no signal {text[:40]!r} (TERM, USR1, 10, …)")
    return number


def parse_signal(text: str, numbers: Mapping[str, int]) -> WarnSignal:
    """--signal=[{R|B}:]SIGNAL[@SECONDS]. R: is for reservations, of which there are none.

    Raises:
        UsageError: it is none.
    """
    found = re.fullmatch(_SIGNAL, text.strip(), re.IGNORECASE | re.ASCII)
    if found is None:
        raise UsageError(f"{text[:40]!r} is no signal with a time ([B:]USR1@120)")
    before_s = int(found[3]) if found[3] else WARN_BEFORE_S
    if before_s > WARN_BEFORE_S_MAX:
        raise UsageError(f"{text[:40]!r}: at most {WARN_BEFORE_S_MAX} seconds before the end")
    return WarnSignal(parse_signal_number(found[2], numbers), before_s, "B" in (found[1] or "").upper())


def parse_gres(text: str) -> Gres:
    """--gres=name[[:type]:count],…: gpu:2, gpu:a100:1, nvme:4, none.

    Raises:
        UsageError: it is no such list.
    """
    gpus, gpu_type = 0, ""
    counted: dict[str, int] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        fields = part.removeprefix("gres/").replace("=", ":").split(":")
        if fields == ["none"]:
            continue
        count = 1
        if len(fields) > 1 and fields[-1][:1].isdigit():
            count = parse_count(fields.pop(), least=0, most=COUNT_MAX)
        if len(fields) > 2 or not all(re.fullmatch(_NAME, field, re.ASCII) for field in fields):
            raise UsageError(f"{part[:40]!r} is no resource (gpu:2, or name:count)")
        if fields[0] == "gpu":
            gpus += count
            gpu_type = fields[1] if len(fields) > 1 else gpu_type
        else:
            counted[fields[0]] = counted.get(fields[0], 0) + count
    return Gres(gpus, gpu_type, tuple(sorted((name, count) for name, count in counted.items() if count)))


def parse_licenses(text: str) -> tuple[tuple[str, int], ...]:
    """--licenses=name[@server][:count],…; = is as good as a colon.

    Raises:
        UsageError: it is no such list.
    """
    counted: dict[str, int] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, sign, count = part.replace("=", ":").partition(":")
        if not re.fullmatch(_NAME, name, re.ASCII):
            raise UsageError(f"{part[:40]!r} is no license (name:count)")
        counted[name] = counted.get(name, 0) + (parse_count(count, most=COUNT_MAX) if sign else 1)
    return tuple(sorted(counted.items()))


def parse_gpus(text: str) -> int:
    """--gpus and its like: 2, a100:2, a100:1,v100:1. The kinds are not told apart.

    Raises:
        UsageError: it is none.
    """
    total = 0
    for part in text.split(","):
        kind, sign, count = part.strip().rpartition(":")
        if sign and not re.fullmatch(_NAME, kind, re.ASCII):
            raise UsageError(f"{text[:40]!r} is no number of GPUs")
        total += parse_count(count, least=0)
    return total


def parse_codes(text: str) -> tuple[tuple[int, int], ...]:
    """--retry-on: exit codes and ranges of them, 1-3,75.

    Raises:
        UsageError: it is no such list.
    """
    ranges = []
    for part in text.split(","):
        first, sign, last = part.strip().partition("-")
        low = parse_count(first, most=EXIT_CODE_MAX)
        high = parse_count(last, most=EXIT_CODE_MAX) if sign else low
        if high < low:
            raise UsageError(f"{part.strip()[:40]!r} is no range of exit codes")
        ranges.append((low, high))
    return tuple(ranges)


class Export(NamedTuple):
    """--export: whether all of the caller's variables go along, which by name, and which are set."""

    is_all: bool
    is_nil: bool  # NIL: not even what a login would give
    names: tuple[str, ...]
    values: tuple[tuple[str, str], ...]


def parse_export(text: str) -> Export:
    """--export=ALL | NONE | NIL | [ALL,]NAME[=value],…; quotes of either kind protect commas in a value.

    Raises:
        UsageError: a quote has no end, or a name is none.
    """
    word = text.strip().upper()
    if word in ("ALL", "NONE", "NIL", ""):
        return Export(word in ("ALL", ""), word == "NIL", (), ())
    is_all = False
    names: list[str] = []
    values: list[tuple[str, str]] = []
    for part in _split_quoted(text):
        name, sign, value = part.partition("=")
        if not sign and name.strip().upper() == "ALL":
            is_all = True
        elif not name.strip() or any(char in name for char in "\0 \t"):
            raise UsageError(f"{part[:40]!r} is no variable (NAME, or NAME=value)")
        elif sign:
            values.append((name.strip(), value))
        else:
            names.append(name.strip())
    return Export(is_all, False, tuple(names), tuple(values))


def _split_quoted(text: str) -> list[str]:
    """The parts between commas that no quotes enclose, without the quotes."""
    parts: list[list[str]] = [[]]  # of letters: a text that grows by a letter would be copied each time
    quote = ""
    for char in text:
        if quote and char == quote:
            quote = ""
        elif not quote and char in "\"'":
            quote = char
        elif not quote and char == ",":
            parts.append([])
        else:
            parts[-1].append(char)
    if quote:
        raise UsageError(f"the quote {quote} has no end in {text[:40]!r}")
    return ["".join(part) for part in parts if part]
