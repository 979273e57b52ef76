"""Slurm's times: what users write means what it means to Slurm, whatever the clock and the zone."""

import calendar
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobd.errors import UsageError
from jobd.slurm import times
from jobd.slurm.times import Wall, Zone

UTC = Zone(
    lambda at_s: time.gmtime(at_s)[:6],  # type: ignore[arg-type,return-value]
    lambda wall: float(calendar.timegm((*wall, 0, 0, 0))),
)
NOW: Wall = (2026, 3, 18, 14, 30, 5)  # a Wednesday
NOW_S = UTC.seconds_of(NOW)


def meant(text: str, *, is_past: bool = False) -> Wall:
    return UTC.wall_of(times.parse_time(text, now_s=NOW_S, zone=UTC, is_past=is_past))


@pytest.mark.parametrize(
    ("text", "limit_s"),
    [
        ("30", 1800), ("1:30", 90), ("2:00:00", 7200), ("1-0", 86400), ("1-12", 129600), ("1-2:3", 93780), ("1-2:3:4", 93784),
        ("0", None), ("UNLIMITED", None), ("infinite", None), ("-1", None), ("0:0", None),
    ],
)  # fmt: skip
def test_a_limit_is_read_in_each_of_slurms_forms(text: str, limit_s: int | None) -> None:
    assert times.parse_limit_s(text) == limit_s


@pytest.mark.parametrize("text", ["", "abc", "1:2:3:4", "1-2-3", "-5", "1.5", "99999999999", "1h"])
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        times.parse_limit_s(text)


@pytest.mark.parametrize(
    ("text", "span_s"), [("90", 90), ("90s", 90), ("5m", 300), ("2H", 7200), ("1d", 86400), ("1:30", 90), ("1:00:00", 3600)]
)  # fmt: skip
def test_a_delay_is_seconds_or_has_its_unit(text: str, span_s: int) -> None:
    assert times.parse_delay_s(text) == span_s


@pytest.mark.parametrize(
    ("text", "wall"),
    [
        ("now", (2026, 3, 18, 14, 30, 5)),
        ("now+60", (2026, 3, 18, 14, 31, 5)),
        ("now+1hour", (2026, 3, 18, 15, 30, 5)),
        ("now+2 days", (2026, 3, 20, 14, 30, 5)),
        ("NOW-1week", (2026, 3, 11, 14, 30, 5)),
        ("16:00", (2026, 3, 18, 16, 0, 0)),
        ("4:15PM", (2026, 3, 18, 16, 15, 0)),
        ("12:30am", (2026, 3, 19, 0, 30, 0)),
        ("12:00 pm", (2026, 3, 19, 12, 0, 0)),
        ("14:30", (2026, 3, 19, 14, 30, 0)),  # this minute has begun: tomorrow's
        ("midnight", (2026, 3, 19, 0, 0, 0)),
        ("noon", (2026, 3, 19, 12, 0, 0)),
        ("fika", (2026, 3, 18, 15, 0, 0)),
        ("teatime", (2026, 3, 18, 16, 0, 0)),
        ("today", (2026, 3, 18, 0, 0, 0)),
        ("tomorrow", (2026, 3, 19, 0, 0, 0)),
        ("16:00 tomorrow", (2026, 3, 19, 16, 0, 0)),
        ("tomorrow 16:00", (2026, 3, 19, 16, 0, 0)),
        ("midnight Tomorrow", (2026, 3, 19, 0, 0, 0)),
        ("122430", (2030, 12, 24, 0, 0, 0)),
        ("1224", (2026, 12, 24, 0, 0, 0)),
        ("01/02", (2027, 1, 2, 0, 0, 0)),  # this year's has passed
        ("12/24/30", (2030, 12, 24, 0, 0, 0)),
        ("12.24.30-08:15", (2030, 12, 24, 8, 15, 0)),
        ("2030-01-31", (2030, 1, 31, 0, 0, 0)),
        ("2030-01-31T08:15:07", (2030, 1, 31, 8, 15, 7)),
        ("2028-02-29T08:15", (2028, 2, 29, 8, 15, 0)),
        ("uts1900000000", (2030, 3, 17, 17, 46, 40)),
    ],
)
def test_a_time_is_read_as_slurm_reads_it(text: str, wall: Wall) -> None:
    assert meant(text) == wall


def test_with_the_past_in_mind_a_time_is_todays_and_a_day_this_years() -> None:
    assert meant("08:00", is_past=True) == (2026, 3, 18, 8, 0, 0)
    assert meant("01/02", is_past=True) == (2026, 1, 2, 0, 0, 0)
    assert meant("12/24", is_past=True) == (2025, 12, 24, 0, 0, 0)


@pytest.mark.parametrize(
    "text",
    ["", " ", "xx", "25:00", "12:60", "13:00am", "2030-13-01", "2030-02-30", "2027-02-29", "13/01", "now+", "now+1year", "noonish", "am", "T"],
)  # fmt: skip
def test_what_is_no_time_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        meant(text)
    assert "\n" not in str(caught.value)


@given(st.text(alphabet="0123456789:-/.+ TnowtdaymAPM", max_size=20))
def test_any_text_is_a_time_or_a_usage_error(text: str) -> None:
    try:
        meant(text)
    except UsageError:
        pass


@given(st.integers(0, 4_000_000_000))
def test_a_printed_time_reads_back_as_itself(at_s: int) -> None:
    text = times.stamp(at_s, UTC)
    assert times.parse_time(text, now_s=NOW_S, zone=UTC) == at_s


@given(st.integers(1, 300 * 86400))
def test_a_printed_limit_reads_back_as_itself(limit_s: int) -> None:
    assert times.parse_limit_s(times.limit(limit_s)) == limit_s
    assert times.parse_limit_s(times.limit_padded(limit_s)) == limit_s


def test_spans_are_printed_as_each_of_slurms_commands_does() -> None:
    assert [times.span(s) for s in (21, 6201, 93784)] == ["0:21", "1:43:21", "1-02:03:04"]
    assert [times.span_padded(s) for s in (21, 6201, 93784)] == ["00:00:21", "01:43:21", "1-02:03:04"]
    assert (times.limit(None), times.limit(300), times.limit_padded(300)) == ("UNLIMITED", "5:00", "00:05:00")
    assert times.stamp(None, UTC) == "Unknown"
