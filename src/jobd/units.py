"""Times and counts as people write them ⇄ numbers. Pure text."""

from jobd.errors import UsageError


def parse_time_limit_s(text: str) -> int | None:
    """Seconds of a time limit in Slurm's forms; None for no limit.

    Forms (sbatch(1), --time): minutes, minutes:seconds, hours:minutes:seconds, days-hours,
    days-hours:minutes, days-hours:minutes:seconds; 0 and UNLIMITED mean no limit.

    Raises:
        UsageError: the text has none of these forms.
    """
    if text.lower() in ("unlimited", "infinite", "0"):
        return None
    try:
        days_text, dash, clock = text.rpartition("-")
        parts = [_natural(part) for part in clock.split(":")]
        if dash:
            days = _natural(days_text)
            hours, minutes, seconds = [*parts, 0, 0, 0][:3]
            valid = len(parts) <= 3
        else:
            days = 0
            valid = len(parts) <= 3
            if len(parts) == 3:
                hours, minutes, seconds = parts
            else:
                hours = 0
                minutes, seconds = [*parts, 0][:2]
    except ValueError:
        valid = False
    if not valid:
        raise UsageError(f"no time limit: {text!r} (minutes, M:S, H:M:S, D-H, D-H:M or D-H:M:S)")
    total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    return total or None


def _natural(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise ValueError(text)
    return int(text)


def format_elapsed(seconds: float) -> str:
    """A span as Slurm prints it: 0:21, 1:43:21, 1-02:03:04."""
    total = max(0, int(seconds))
    days, rest = divmod(total, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, secs = divmod(rest, 60)
    if days:
        return f"{days}-{hours:02}:{minutes:02}:{secs:02}"
    if hours:
        return f"{hours}:{minutes:02}:{secs:02}"
    return f"{minutes}:{secs:02}"


def format_ids(ids: list[int]) -> str:
    """Job numbers, with runs of three and more written as first->last: 4->7,9."""
    parts: list[str] = []
    index = 0
    ordered = sorted(ids)
    while index < len(ordered):
        last = index
        while last + 1 < len(ordered) and ordered[last + 1] == ordered[last] + 1:
            last += 1
        if last - index >= 2:
            parts.append(f"{ordered[index]}->{ordered[last]}")
        else:
            parts.extend(str(number) for number in ordered[index : last + 1])
        index = last + 1
    return ",".join(parts)


def plural(count: int, noun: str) -> str:
    """1 proc, 2 procs."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
