"""Who had which processor when, as bars: long jobs each, short ones merged into bands, so that a picture has some thousand of them at most."""

from collections.abc import Iterable
from typing import NamedTuple

from jobd.web.ledger import Holder
from jobd.web.store import ANY, Band, Reader, Span
from jobd.web.usage import LEVELS

BARS_MAX = 3000
COLUMNS = 600  # bands in the width of a picture
SINGLE_MAX = 20_000  # short jobs that are merged one by one; of more the bands are taken
UNBOUND = "any"  # processor, or not known which
ROWS_MAX = 24  # lanes for jobs whose processor is not known


class Bar(NamedTuple):
    """One job on neighbouring lanes."""

    lane: int  # the first one, from 0
    height: int  # lanes
    begin: float
    end: float
    job_id: int  # below 0: of an older journal
    name: str
    state: str


class Blur(NamedTuple):
    """Jobs that are too short to be seen, on one lane."""

    lane: int
    begin: float
    end: float
    jobs: int
    share: float  # of the time that they took there, 0 to 1


class Timeline(NamedTuple):
    """A picture of some span of time."""

    begin: float
    end: float
    lanes: list[str]  # names of the processors
    bars: list[Bar]
    blurs: list[Blur]


def timeline(
    reader: Reader, living: Iterable[Holder], *, begin: float, end: float, now: float, cpus: list[int]
) -> Timeline:
    """The picture of a span of time.

    Args:
        reader: of the store.
        living: the jobs that have started and are not over.
        cpus: processors that the server hands out.
    """
    width = (end - begin) / COLUMNS
    spans = [
        Span(
            min(now, end),
            holder.row.job_id,
            holder.started,
            holder.row.nb_proc,
            holder.cpus,
            holder.row.name,
            holder.row.state,
        )
        for holder in living
        if holder.started < end and now > begin
    ]
    bands: list[Band] = []
    spans += reader.spans(begin, end, is_long=True)
    are_single = reader.singles_from() <= begin
    if are_single and reader.count_short(begin, end, SINGLE_MAX + 1) <= SINGLE_MAX:
        spans += reader.spans(begin, end, is_long=False)
    else:
        fitting = [level for level in LEVELS if now - level.kept_s <= begin] or [LEVELS[-1]]
        coarse = [level for level in fitting if level.step_s <= 2 * width]
        bands = reader.bands((coarse[-1] if coarse else fitting[0]).step_s, begin, end)
    return _drawn(spans, bands, begin=begin, end=end, width=width, cpus=cpus)


def _drawn(
    spans: list[Span], bands: list[Band], *, begin: float, end: float, width: float, cpus: list[int]
) -> Timeline:
    seen = {cpu for span in spans for cpu in span.cpus} | {band.lane for band in bands if band.lane != ANY}
    numbers = sorted(seen | set(cpus))
    lane_of = {cpu: lane for lane, cpu in enumerate(numbers)}
    # The shortest that is drawn by itself: as wide as a column, or wider where there are too many.
    shortest = width
    placed = [span for span in spans if _length(span) >= shortest]
    while sum(_runs(span) for span in placed) > BARS_MAX:
        shortest *= 2
        placed = [span for span in placed if _length(span) >= shortest]
    bars = [
        Bar(lane, height, max(span.started, begin), min(span.ended, end), span.job_id, span.name, span.state)
        for span in placed
        if span.cpus
        for lane, height in runs_of([lane_of[cpu] for cpu in span.cpus])
    ]
    unbound, rows = _stacked(
        [span for span in placed if not span.cpus], first=len(numbers), begin=begin, end=end
    )
    sums: dict[tuple[int, int], tuple[float, int]] = {}
    step = max(shortest, width)
    for span in spans:
        if _length(span) < shortest:
            _blur(sums, span, lane_of, any_lane=len(numbers) + rows, begin=begin, end=end, step=step)
    blurs = _blurs(sums, begin=begin, end=end, step=step)
    has_any = any(lane == len(numbers) + rows for _, lane in sums)
    for band in bands:
        at = band.place * band.step_s
        lane = lane_of[band.lane] if band.lane != ANY else len(numbers) + rows
        has_any |= band.lane == ANY
        share = min(1.0, band.busy / band.step_s / (max(1, len(cpus)) if band.lane == ANY else 1))
        blurs.append(Blur(lane, max(begin, at), min(end, at + band.step_s), band.jobs, round(share, 3)))
    names = [str(cpu) for cpu in numbers] + [UNBOUND] * (rows + has_any)
    return Timeline(begin, end, names, bars + unbound, blurs)


def _length(span: Span) -> float:
    return span.ended - span.started


def _runs(span: Span) -> int:
    return 1 + sum(two != one + 1 for one, two in zip(span.cpus, span.cpus[1:], strict=False))


def runs_of(lanes: list[int]) -> list[tuple[int, int]]:
    """(first, how many) of neighbouring lanes."""
    found: list[tuple[int, int]] = []
    for lane in sorted(lanes):
        if found and found[-1][0] + found[-1][1] == lane:
            found[-1] = (found[-1][0], found[-1][1] + 1)
        else:
            found.append((lane, 1))
    return found


def _stacked(spans: list[Span], *, first: int, begin: float, end: float) -> tuple[list[Bar], int]:
    """Jobs of no known processor, one below the other where they ran together; and how many lanes that takes."""
    free_at: list[float] = []
    bars = []
    for span in sorted(spans, key=lambda span: span.started):
        row = next((row for row, at in enumerate(free_at) if at <= span.started), len(free_at))
        if row == len(free_at):
            if row == ROWS_MAX:
                row -= 1  # one over the other: a picture has an end
            else:
                free_at.append(0.0)
        free_at[row] = max(free_at[row], span.ended)
        bars.append(
            Bar(
                first + row,
                1,
                max(span.started, begin),
                min(span.ended, end),
                span.job_id,
                span.name,
                span.state,
            )
        )
    return bars, len(free_at)


def _blur(
    sums: dict[tuple[int, int], tuple[float, int]],
    span: Span,
    lane_of: dict[int, int],
    *,
    any_lane: int,
    begin: float,
    end: float,
    step: float,
) -> None:
    """Add a short job to the columns that it is in."""
    at, until = max(span.started, begin), min(span.ended, end)
    column = int((at - begin) / step)
    count = 1
    while True:
        border = min(until, begin + (column + 1) * step)
        for lane in [lane_of[cpu] for cpu in span.cpus] or [any_lane]:
            busy_s, jobs = sums.get((column, lane), (0.0, 0))
            sums[column, lane] = busy_s + max(0.0, border - at), jobs + count
        at, column, count = border, column + 1, 0
        if at >= until:
            return


def _blurs(
    sums: dict[tuple[int, int], tuple[float, int]], *, begin: float, end: float, step: float
) -> list[Blur]:
    return [
        Blur(
            lane,
            begin + column * step,
            min(end, begin + (column + 1) * step),
            jobs,
            round(min(1.0, busy_s / step), 3),
        )
        for (column, lane), (busy_s, jobs) in sorted(sums.items())
    ]
