"""How far a job says that it is: `i / n` in what it prints, the last one counting, as in "processing 5 / 32"."""

import re
from typing import NamedTuple

# Not a part of a date, a path, a version or a fraction: nothing but blanks, brackets or words' ends beside it.
_PROGRESS = re.compile(r"(?<![\w/.,:-])(\d{1,12})\s*/\s*(\d{1,12})(?![\w/-]|[.,:]\d)")


class Progress(NamedTuple):
    """So many of so many are done."""

    done: int
    total: int

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return self.done / self.total

    def left_s(self, elapsed_s: float) -> float | None:
        """How long it will take from now on, if it goes on as it went; None before anything is done."""
        return elapsed_s * (self.total - self.done) / self.done if self.done else None


def progress_of(text: str) -> Progress | None:
    """The last progress that stands in a text, of which the beginning may be missing; None if there is none."""
    for line in reversed(re.split(r"[\r\n]+", text)):
        found = [(int(done), int(total)) for done, total in _PROGRESS.findall(line)]
        for done, total in reversed(found):
            if 0 <= done <= total and total > 0:
                return Progress(done, total)
    return None
