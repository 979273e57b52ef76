"""Slurm's times: limits, the words of `--begin` and `-S`/`-E`, and how spans are printed. Pure: the clock and the zone are passed in.

Sources: sbatch(1), --time and --begin; sacct(1), --starttime. A limit keeps its seconds: Slurm's whole minutes are for its own
scheduler's sake, and here they would only make a limit bind late.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from jobd.errors import UsageError
from jobd.limits import TIME_LIMIT_S_MAX
from jobd.units import format_elapsed, parse_time_limit_s

# year, month, day, hour, minute, second; what a zone is given may be out of range (day 32), and is carried as by mktime(3)
Wall = tuple[int, int, int, int, int, int]

UNLIMITED = "UNLIMITED"
DAY_S = 86400
UNITS_S = {"second": 1, "minute": 60, "hour": 3600, "day": DAY_S, "week": 7 * DAY_S}
HOURS = {"midnight": 0, "noon": 12, "elevenses": 11, "fika": 15, "teatime": 16}
DELAY_UNITS_S = {"": 1, "s": 1, "m": 60, "h": 3600, "d": DAY_S}

# Compiled when they are first used, since every start of a client passes here.
_NOW = r"now(?:([+-])(\d{1,9})(second|minute|hour|day|week)?s?)?"
_EPOCH = r"uts(\d{7,11})"
_CLOCK = r"(\d{1,2}):(\d\d)(?::(\d\d)(?:\.\d+)?)?\s*(am|pm)?"
_ISO = r"(\d{4})-(\d{1,2})-(\d{1,2})"
_MONTH_FIRST = r"(\d{1,2})[/.](\d{1,2})(?:[/.](\d{4}|\d\d))?(?!\d)"
_DIGITS = r"(\d\d)(\d\d)(\d\d)?(?!\d)"
_WORD = r"[a-z]+"
_BETWEEN = r"(?:[\s-]|T(?=\d))*"


class Zone(NamedTuple):
    """Local time, as the caller's machine has it."""

    wall_of: Callable[[float], Wall]
    seconds_of: Callable[[Wall], float]


def parse_limit_s(text: str) -> int | None:
    """Seconds of a time limit; None for no limit.

    Raises:
        UsageError: it is none, or beyond ten years.
    """
    text = text.strip()
    limit_s = None if text == "-1" else parse_time_limit_s(text)
    if limit_s is not None and limit_s > TIME_LIMIT_S_MAX:
        raise UsageError(f"time limit {text[:40]!r}: at most {TIME_LIMIT_S_MAX // DAY_S} days, or UNLIMITED")
    return limit_s


def parse_delay_s(text: str) -> int:
    """Seconds of a span: 90, 90s, 5m, 2h, 1d, or one of Slurm's forms with a colon.

    Raises:
        UsageError: it is none.
    """
    found = re.fullmatch(r"([0-9]{1,9})([smhd]?)", text.strip().lower())
    if found is not None:
        return int(found[1]) * DELAY_UNITS_S[found[2]]
    if ":" in text or "-" in text:
        return parse_limit_s(text) or 0
    raise UsageError(f"{text[:40]!r} is no span of time (90, 90s, 5m, 2h, 1d or H:M:S)")


def parse_time(text: str, *, now_s: float, zone: Zone, is_past: bool = False) -> float:
    """Seconds since the epoch of a time as Slurm's users write it: now+1hour, 16:00, 4:00PM, tomorrow, teatime, 12/24, 2030-01-31T08:00.

    A time without a date is the next such one, with `is_past` today's; likewise a date without a year.

    Raises:
        UsageError: it is no time.
    """
    text = text.strip()
    if (found := re.fullmatch(_NOW, text.replace(" ", ""), re.IGNORECASE | re.ASCII)) is not None:
        sign, count, unit = found.groups()
        delta_s = int(count or 0) * UNITS_S[(unit or "second").lower()]
        return float(int(now_s) + (-delta_s if sign == "-" else delta_s))
    if (found := re.fullmatch(_EPOCH, text, re.IGNORECASE | re.ASCII)) is not None:
        return float(found[1])
    moment = _Moment(zone.wall_of(now_s), is_past)
    position = 0
    while position < len(text):
        position = moment.take(text, position)
        between = re.compile(_BETWEEN, re.ASCII).match(text, position)
        assert between is not None
        position = between.end()
    if not moment.is_told:
        raise moment.error(text)
    return zone.seconds_of(moment.wall)


class _Moment:
    """What has been read of a time."""

    def __init__(self, now: Wall, is_past: bool) -> None:
        self._now = now
        self._is_past = is_past
        self._date: tuple[int | None, int, int] | None = None
        self._clock: tuple[int, int, int] | None = None

    def error(self, text: str) -> UsageError:
        return UsageError(
            f"{text[:60]!r} is no time (now+1hour, 16:00, tomorrow, teatime, 2030-01-31T08:00, …)"
        )

    @property
    def is_told(self) -> bool:
        return self._date is not None or self._clock is not None

    def take(self, text: str, position: int) -> int:
        """Read one part; the position after it."""
        for pattern, reader in (
            (_CLOCK, self._take_clock),
            (_ISO, self._take_iso),
            (_MONTH_FIRST, self._take_month_first),
            (_DIGITS, self._take_month_first),
            (_WORD, self._take_word),
        ):
            found = re.compile(pattern, re.IGNORECASE | re.ASCII).match(text, position)
            if found is not None:
                if not reader(found):
                    break
                return found.end()
        raise self.error(text)

    def _take_clock(self, found: "re.Match[str]") -> bool:
        hour, minute, second = int(found[1]), int(found[2]), int(found[3] or 0)
        half = (found[4] or "").lower()
        if half and not 1 <= hour <= 12 and not (half == "pm" and 12 < hour < 24):
            return False
        if half:
            hour = hour % 12 + (12 if half == "pm" else 0)
        self._clock = (hour, minute, second)
        return hour <= 23 and minute <= 59 and second <= 59

    def _take_iso(self, found: "re.Match[str]") -> bool:
        return self._take_date(int(found[1]), int(found[2]), int(found[3]))

    def _take_month_first(self, found: "re.Match[str]") -> bool:
        year = int(found[3]) if found[3] else None
        if year is not None and year < 100:
            year += 2000
        return self._take_date(year, int(found[1]), int(found[2]))

    def _take_date(self, year: int | None, month: int, day: int) -> bool:
        self._date = (year, month, day)
        return 1 <= month <= 12 and 1 <= day <= _days_in(year, month) and (year is None or year >= 1970)

    def _take_word(self, found: "re.Match[str]") -> bool:
        word = found[0].lower()
        year, month, day = self._now[:3]
        if word in ("today", "tomorrow"):
            self._date = (year, month, day + (word == "tomorrow"))
        elif word in HOURS:
            self._clock = (HOURS[word], 0, 0)
        else:
            return False
        return True

    @property
    def wall(self) -> Wall:
        """The local time that is meant."""
        hour, minute, second = self._clock or (0, 0, 0)
        now_year, now_month, now_day, now_hour, now_minute, _ = self._now
        is_later_today = (hour, minute) > (now_hour, now_minute)
        if self._date is None:
            return (
                now_year,
                now_month,
                now_day + (not self._is_past and not is_later_today),
                hour,
                minute,
                second,
            )
        year, month, day = self._date
        if year is None:
            when, now = (month, day, hour, minute), (now_month, now_day, now_hour, now_minute)
            # The nearest such day: behind us, or ahead.
            year = now_year - (month > now_month) if self._is_past else now_year + (when <= now)
        return (year, month, day, hour, minute, second)


def _days_in(year: int | None, month: int) -> int:
    if month == 2:
        is_leap = year is None or (year % 4 == 0 and (year % 100 != 0 or year % 400 == 0))
        return 29 if is_leap else 28
    return 30 if month in (4, 6, 9, 11) else 31


# ---- how they are printed
def span(seconds: float) -> str:
    """As squeue prints it: 0:21, 1:43:21, 1-02:03:04."""
    return format_elapsed(seconds)


def span_padded(seconds: float) -> str:
    """As scontrol and sacct print it: 00:00:21, 01:43:21, 1-02:03:04."""
    total = max(0, int(seconds))
    days, rest = divmod(total, DAY_S)
    hours, rest = divmod(rest, 3600)
    minutes, secs = divmod(rest, 60)
    clock = f"{hours:02}:{minutes:02}:{secs:02}"
    return f"{days}-{clock}" if days else clock


def limit(limit_s: int | None) -> str:
    """A time limit as squeue prints it: 5:00, 1-00:00:00, UNLIMITED."""
    return UNLIMITED if limit_s is None else span(limit_s)


def limit_padded(limit_s: int | None) -> str:
    """A time limit as scontrol and sacct print it: 00:05:00, UNLIMITED."""
    return UNLIMITED if limit_s is None else span_padded(limit_s)


def stamp(at_s: float | None, zone: Zone, *, unknown: str = "Unknown") -> str:
    """A time as Slurm prints it: 2030-01-31T08:00:00, in local time."""
    if at_s is None:
        return unknown
    year, month, day, hour, minute, second = zone.wall_of(at_s)
    return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
