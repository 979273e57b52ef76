"""The times of Slurm's command lines, read to the letter as Slurm 22.05 reads them (parse_time in its parse_time.c), with what it refuses.

times.py has our own reading, which takes more. Here a wrong part is told by its position, and what mktime(3) carries is carried: February 30.
"""

import re
from collections.abc import Callable

from jobd.errors import UsageError
from jobd.slurm.times import Wall, Zone

_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86400
_UNITS_S = (("second", 1), ("minute", _MINUTE_S), ("hour", _HOUR_S), ("day", _DAY_S), ("week", 7 * _DAY_S))
_UTS_MIN = 1_000_000
_CLOCKS = {"midnight": 0, "noon": 12, "fika": 15, "teatime": 16}


class MomentError(UsageError):
    """A text that is no time."""


class _Wrong(Exception):
    """A part that cannot be read, and where it stands."""

    def __init__(self, position: int) -> None:
        self.position = position


def parse_exactly(text: str, *, now_s: float, zone: Zone, is_past: bool = False) -> float | None:
    """Seconds since the epoch; None where nothing is said.

    Raises:
        MomentError: it is no time.
    """
    if text[:3].lower() == "uts":
        found = re.fullmatch(r"\s*\+?(\d{1,15})", text[3:], re.ASCII)
        if found is None or int(found[1]) < _UTS_MIN:
            raise _error(text, 0)
        return float(found[1])
    reader = _Reader(text, zone.wall_of(now_s), now_s, zone)
    try:
        reader.read()
    except _Wrong as wrong:
        raise _error(text, wrong.position) from None
    wall = reader.wall(is_past)
    return None if wall is None else zone.seconds_of(wall)


def _error(text: str, position: int) -> MomentError:
    return MomentError(f"Invalid time specification (pos={position}): {text}")


class _Reader:
    def __init__(self, text: str, now: Wall, now_s: float, zone: Zone) -> None:
        self._text = text
        self._at = 0
        self._now = now
        self._now_s = now_s
        self._zone = zone
        self._date: tuple[int | None, int, int] | None = None  # year, month, day
        self._clock: tuple[int, int, int] | None = None

    def read(self) -> None:
        readers: tuple[Callable[[], bool], ...] = (self._skip, self._word, self._from_now, self._number)
        while self._at < len(self._text):
            if not any(reader() for reader in readers):
                raise _Wrong(self._at)

    def wall(self, is_past: bool) -> Wall | None:
        """The local time that is meant; what is missing is filled in."""
        if self._date is None and self._clock is None:
            return None
        year, month, day = self._now[:3]
        hour, minute, second = self._clock or (0, 0, 0)
        now_clock = self._now[3:5]
        if self._date is None:
            is_today = is_past or (hour, minute) > now_clock
            return year, month, day + (not is_today), hour, minute, second
        chosen, chosen_month, chosen_day = self._date
        if chosen is None:
            if is_past:
                chosen = year - (chosen_month > month)
            else:
                when, now = (chosen_month, chosen_day, hour, minute), (month, day, *now_clock)
                chosen = year + (when <= now)
        return chosen, chosen_month, chosen_day, hour, minute, second

    # ---- parts, each of which says whether it was there
    def _skip(self) -> bool:
        is_blank = self._text[self._at] in " \t-T"
        self._at += is_blank
        return is_blank

    def _begins(self, word: str) -> bool:
        is_there = self._text[self._at : self._at + len(word)].lower() == word
        self._at += len(word) * is_there
        return is_there

    def _word(self) -> bool:
        year, month, day = self._now[:3]
        for word, later in (("today", 0), ("tomorrow", 1)):
            if self._begins(word):
                self._date = (year, month, day + later)
                return True
        for word, hour in _CLOCKS.items():
            if self._begins(word):
                self._clock = (hour, 0, 0)
                return True
        return False

    def _from_now(self) -> bool:
        if not self._begins("now"):
            return False
        while self._peek() in (" ", "\t"):
            self._at += 1
        sign = self._peek()
        delta_s = 0
        if sign in ("+", "-"):
            delta_s = self._delta_s() * (-1 if sign == "-" else 1)
        elif sign:
            raise _Wrong(self._at)
        moment = self._zone.wall_of(int(self._now_s) + delta_s)
        self._date, self._clock = moment[:3], moment[3:]
        return True

    def _delta_s(self) -> int:
        """What stands behind a sign: 2, 2days, 2 hours."""
        begin = self._at
        digits = ""
        self._at += 1
        while char := self._peek():
            if char.isspace():
                self._at += 1
            elif (factor := self._unit_s()) and digits:
                return int(digits) * factor
            elif "0" <= char <= "9" and not factor:
                digits += char
                self._at += 1
            else:
                raise _Wrong(self._at - 1 if not factor else begin)
        if not digits:
            raise _Wrong(begin)
        return int(digits)

    def _unit_s(self) -> int:
        """Seconds of the unit that stands here; 0 for none."""
        for name, factor in _UNITS_S:
            if self._begins(name):
                self._begins("s")
                return factor
        return 0

    def _number(self) -> bool:
        if not self._is_digit(self._at):
            return False
        if ":" in self._text[self._at + 1 : self._at + 3]:
            self._take_clock()
        elif self._text[self._at + 4 : self._at + 8 : 3] == "--":
            self._take_iso()
        else:
            self._take_date()
        return True

    def _take_clock(self) -> None:
        hour = self._two(0, 23)
        if self._peek() != ":":
            raise _Wrong(self._at)
        self._at += 1
        minute = self._two_digits(59)
        second = 0
        if self._peek() == ":":
            self._at += 1
            second = self._two_digits(59)
        while self._peek().isspace():
            self._at += 1
        if self._begins("pm"):
            self._at -= 2
            hour = 12 if hour == 12 else hour + 12
        elif self._begins("am"):
            self._at -= 2
            hour = 0 if hour == 12 else hour + (24 if hour > 12 else 0)
        else:
            self._clock = (hour, minute, second)
            return
        if hour > 23:
            raise _Wrong(self._at)
        self._at += 2
        self._clock = (hour, minute, second)

    def _take_iso(self) -> None:
        digits = self._text[self._at : self._at + 4]
        if not digits.isascii() or not digits.isdigit():
            raise _Wrong(self._at)
        self._at += 5
        month = self._two(1, 12)
        self._at += 1
        self._date = (int(digits), month, self._two(1, 31))

    def _take_date(self) -> None:
        month = self._two(1, 12)
        if self._peek() in (".", "/"):
            self._at += 1
        day = self._two(1, 31)
        if self._peek() in (".", "/"):
            self._at += 1
        year = 2000 + self._two_digits(99) if self._is_digit(self._at) else None
        self._date = (year, month, day)

    # ---- characters
    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _is_digit(self, at: int) -> bool:
        return "0" <= self._text[at : at + 1] <= "9"

    def _two(self, least: int, most: int) -> int:
        """A number of one or two digits."""
        if not self._is_digit(self._at):
            raise _Wrong(self._at)
        count = 1 + self._is_digit(self._at + 1)
        value = int(self._text[self._at : self._at + count])
        self._at += count
        if not least <= value <= most:
            raise _Wrong(self._at - 2)
        return value

    def _two_digits(self, most: int) -> int:
        """A number of two digits."""
        for at in (self._at, self._at + 1):
            if not self._is_digit(at):
                raise _Wrong(at)
        return self._two(0, most)
