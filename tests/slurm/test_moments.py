"""Slurm's times to the letter: what Slurm 22.05's sacct -S made of each text, at noon of a Saturday."""

import time

import pytest

from jobd.cli.slurm_values import local_zone
from jobd.slurm import moments

NOW_S = time.mktime((2026, 11, 21, 12, 30, 5, 0, 0, -1))


def read(text: str, *, is_past: bool = True) -> str | None:
    at_s = moments.parse_exactly(text, now_s=NOW_S, zone=local_zone(), is_past=is_past)
    return None if at_s is None else time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(at_s))


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("", None),
        (" -", None),
        ("today", "2026-11-21T00:00:00"),
        ("tomorrow", "2026-11-22T00:00:00"),
        ("noon tomorrow", "2026-11-22T12:00:00"),
        ("teatime", "2026-11-21T16:00:00"),
        ("today 17:00", "2026-11-21T17:00:00"),
        ("4:00 PM", "2026-11-21T16:00:00"),
        ("12:00am", "2026-11-21T00:00:00"),
        ("12:30PM", "2026-11-21T12:30:00"),
        ("now", "2026-11-21T12:30:05"),
        ("now-2", "2026-11-21T12:30:03"),
        ("now - 2 hours", "2026-11-21T10:30:05"),
        ("now-2days", "2026-11-19T12:30:05"),
        ("now-1hour today", "2026-11-21T11:30:05"),
        ("1121", "2026-11-21T00:00:00"),
        ("112125", "2025-11-21T00:00:00"),
        ("11/1", "2026-11-01T00:00:00"),
        ("12/24", "2025-12-24T00:00:00"),
        ("11.21.25", "2025-11-21T00:00:00"),
        ("2026-02-30", "2026-03-02T00:00:00"),
        ("2025-12-31T23:59:59", "2025-12-31T23:59:59"),
        ("2026-11-21-", "2026-11-21T00:00:00"),
    ],
)
def test_a_time_is_what_slurm_takes_it_for(text: str, meant: str | None) -> None:
    assert read(text) == meant


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("foo", 0),
        ("yesterday", 0),
        ("elevenses", 0),
        ("25:00", 0),
        ("2026-13-01", 5),
        ("2026-11", 0),
        ("2026-1-1", 0),
        ("13/13/26", 0),
        ("2026-11-21T17", 11),
        ("4PM", 1),
        ("17:00PM", 5),
        ("13:00am", 5),
        ("17:15:60", 6),
        ("17:0", 4),
        ("now-", 3),
        ("now-day", 3),
        ("now-2months", 4),
        ("nowx", 3),
        ("now now", 4),
        ("11/21/2025", 8),
        ("1/", 2),
        ("uts17", 0),
        ("1700000000", 0),
        ("2026-11-21T17:00:00Z", 19),
    ],
)
def test_what_is_no_time_is_refused_where_it_fails(text: str, position: int) -> None:
    with pytest.raises(moments.MomentError) as caught:
        read(text)
    assert str(caught.value) == f"Invalid time specification (pos={position}): {text}"


def test_seconds_since_the_epoch_are_a_time() -> None:
    assert moments.parse_exactly("uts1700000000", now_s=NOW_S, zone=local_zone()) == 1_700_000_000


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("12:00", "2026-11-22T12:00:00"),
        ("12:31", "2026-11-21T12:31:00"),
        ("11/20", "2027-11-20T00:00:00"),
        ("11/22", "2026-11-22T00:00:00"),
    ],
)
def test_of_what_is_to_come_the_next_such_time_is_meant(text: str, meant: str) -> None:
    assert read(text, is_past=False) == meant
