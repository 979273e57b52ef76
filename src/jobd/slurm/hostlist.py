"""Lists of hosts: n[1-3,7],m05 ⇄ the names. Pure text.

Source: scontrol(1), show hostnames and show hostlist.
"""

import re
from itertools import product

from jobd.errors import UsageError

HOSTS_MAX = 65_536  # Slurm's own limit on what one expression may name

_WORD = re.compile(r"(?:[^,\[\]\s]|\[[^\[\]]*\])+")
_BRACKET = re.compile(r"\[([^\[\]]*)\]")
_RANGE = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?")
_NUMBERED = re.compile(r"(.*?)(\d{1,9})")


def expand(text: str) -> list[str]:
    """The names of a list, in its order.

    Raises:
        UsageError: it is none, or names too many.
    """
    names: list[str] = []
    place = 0
    for found in _WORD.finditer(text):
        if text[place : found.start()].strip(", \t\n"):
            break
        place = found.end()
        names += _expand_word(found[0], text)
        if len(names) > HOSTS_MAX:
            raise UsageError(f"Invalid hostlist: {text[:60]}: more than {HOSTS_MAX} hosts")
    if text[place:].strip(", \t\n"):
        raise UsageError(f"Invalid hostlist: {text[:60]}")
    return names


def _expand_word(word: str, text: str) -> list[str]:
    parts = _BRACKET.split(word)
    # Every other part stood in brackets.
    choices = [_numbers(part, text) if index % 2 else [part] for index, part in enumerate(parts)]
    count = 1
    for choice in choices:
        count *= len(choice)
    if count > HOSTS_MAX:
        raise UsageError(f"Invalid hostlist: {text[:60]}: more than {HOSTS_MAX} hosts")
    return ["".join(chosen) for chosen in product(*choices)]


def _numbers(inside: str, text: str) -> list[str]:
    numbers: list[str] = []
    for part in inside.split(","):
        found = _RANGE.fullmatch(part.strip())
        if found is None:
            raise UsageError(f"Invalid hostlist: {text[:60]}")
        first, last = found[1], found[2] or found[1]
        if int(last) < int(first) or int(last) - int(first) >= HOSTS_MAX:
            raise UsageError(f"Invalid hostlist: {text[:60]}")
        numbers += [f"{number:0{len(first)}}" for number in range(int(first), int(last) + 1)]
    return numbers


def fold(names: list[str]) -> str:
    """The list of these names in their order, neighbours put together: n1,n2,n3,m05 becomes n[1-3],m05."""
    words: list[str] = []
    index = 0
    while index < len(names):
        found = _NUMBERED.fullmatch(names[index])
        if found is None:
            words.append(names[index])
            index += 1
            continue
        prefix, width = found[1], len(found[2])
        numbers = [int(found[2])]
        index += 1
        while index < len(names):
            other = _NUMBERED.fullmatch(names[index])
            is_same = other is not None and other[1] == prefix and _is_written(other[2], width)
            if other is None or not is_same:
                break
            numbers.append(int(other[2]))
            index += 1
        words.append(_folded(prefix, numbers, width))
    return ",".join(words)


def _is_written(digits: str, width: int) -> bool:
    """Whether padding to `width` gives these digits back."""
    return f"{int(digits):0{width}}" == digits


def _folded(prefix: str, numbers: list[int], width: int) -> str:
    if len(numbers) == 1:
        return f"{prefix}{numbers[0]:0{width}}"
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    parts = [f"{a:0{width}}" if a == b else f"{a:0{width}}-{b:0{width}}" for a, b in runs]
    return f"{prefix}[{','.join(parts)}]"
