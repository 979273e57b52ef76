"""Who had which processor when, as bars: from the store of a temporary folder, and from rows."""

import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from jobd.web import timeline as drawn
from jobd.web.ledger import Holder
from jobd.web.store import ANY, Band, Reader, Span, Store
from jobd.web.timeline import Timeline, runs_of, timeline

from .rows import job_row

NOW = float(int(time.time()))
HOUR = (NOW - 3600, NOW)


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "web" / "usage.sqlite")


def picture(
    path: str, spans: list[Span], bands: Sequence[Band] = (), *, of: tuple[float, float] = HOUR
) -> Timeline:
    book = Store(path)
    book.begin()
    for span in spans:
        book.add_span(span)
    book.add_bands(bands)
    book.commit()
    book.close()
    with Reader(path) as reader:
        return timeline(reader, [], begin=of[0], end=of[1], now=NOW, cpus=[0, 1, 2, 3])


def long(job_id: int, cpus: list[int], *, ago: float = 1000, length: float = 600) -> Span:
    return Span(NOW - ago + length, job_id, NOW - ago, max(1, len(cpus)), cpus, f"job{job_id}", "COMPLETED")


def test_a_job_stands_on_its_processors(path: str) -> None:
    found = picture(path, [long(1, [0, 1]), long(2, [3]), long(3, [0, 2], ago=300, length=200)])
    assert found.lanes == ["0", "1", "2", "3"]
    assert sorted((bar.job_id, bar.lane, bar.height) for bar in found.bars) == [
        (1, 0, 2),
        (2, 3, 1),
        (3, 0, 1),
        (3, 2, 1),
    ]
    assert not found.blurs


def test_a_job_that_began_before_and_one_that_runs_on_are_cut(path: str) -> None:
    running = Holder(job_row(9, state="RUNNING", started_at=NOW - 500, cpus=[2]), NOW - 500, [2])
    picture(path, [long(1, [0], ago=9000, length=8000)])
    with Reader(path) as reader:
        found = timeline(reader, [running], begin=HOUR[0], end=NOW + 60, now=NOW, cpus=[0, 1, 2])
    assert {(bar.job_id, bar.begin, bar.end) for bar in found.bars} == {
        (1, NOW - 3600, NOW - 1000),
        (9, NOW - 500, NOW),
    }


def test_before_there_is_a_store_the_running_jobs_are_shown(path: str) -> None:
    running = Holder(job_row(9, state="RUNNING", started_at=NOW - 500, cpus=[2]), NOW - 500, [2])
    with Reader(path) as reader:
        found = timeline(reader, [running], begin=HOUR[0], end=NOW, now=NOW, cpus=[])
    assert found.lanes == ["2"] and [bar.job_id for bar in found.bars] == [9]


def test_jobs_of_no_known_processor_stand_below_each_other(path: str) -> None:
    found = picture(path, [long(1, []), long(2, [], ago=900), long(3, [], ago=300, length=200)])
    assert found.lanes == ["0", "1", "2", "3", "any", "any"]
    assert sorted((bar.job_id, bar.lane) for bar in found.bars) == [(1, 4), (2, 5), (3, 4)]


def test_short_jobs_become_a_shade_with_their_number(path: str) -> None:
    short = [long(number, [1], ago=1000 + number / 10, length=0.05) for number in range(50)]
    found = picture(path, short)
    assert not found.bars and 1 <= len(found.blurs) <= 2
    assert sum(blur.jobs for blur in found.blurs) == 50 and {blur.lane for blur in found.blurs} == {1}
    assert all(0 < blur.share <= 1 for blur in found.blurs)
    close = picture(path, [], of=(NOW - 1006, NOW - 994))
    assert len(close.bars) == 50 and not close.blurs


def test_there_are_never_too_many_bars(path: str) -> None:
    spans = [
        long(lane * 1000 + number, [lane], ago=3600 - number * 6, length=6 if number % 2 else 5)
        for lane in range(16)
        for number in range(590)
    ]
    found = picture(path, spans)
    assert len(found.bars) <= drawn.BARS_MAX and len(found.blurs) <= 16 * drawn.COLUMNS
    assert len(found.bars) + sum(blur.jobs for blur in found.blurs) == len(spans)


def test_of_very_many_short_jobs_the_sums_are_drawn(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawn, "SINGLE_MAX", 20)
    bands = [Band(15, int((NOW - 1000) // 15), 1, 7.5, 400), Band(15, int((NOW - 1000) // 15), ANY, 60.0, 3)]
    found = picture(path, [long(number, [1], length=0.1) for number in range(50)], bands)
    assert sorted((blur.lane, blur.jobs, blur.share) for blur in found.blurs) == [(1, 400, 0.5), (4, 3, 1.0)]
    assert found.lanes[-1] == "any"


def test_neighbouring_lanes_are_one_bar() -> None:
    assert runs_of([5, 0, 1, 2, 7, 8]) == [(0, 3), (5, 1), (7, 2)]
    assert runs_of([]) == []
