"""The sums over time, the thinning of curves, and the store: values and files only."""

import os
import sqlite3
from pathlib import Path

import pytest

from jobd.errors import JobdError
from jobd.web import store
from jobd.web.ledger import Ledger, living_stretches
from jobd.web.samples import Curve
from jobd.web.store import Reader, Span, Store, Taken, alone, packed, unpacked
from jobd.web.usage import DAY, HOUR, WEEK, Buckets, Point, Stretch, Use, parts, stretches
from jobd.wire.rows import JobRow

from .rows import batch_row, job_row

NOW = 1_800_000_000.0  # begins a bucket of each size


# ---- sums
def test_a_stretch_adds_to_each_bucket_the_time_that_it_was_in_it() -> None:
    buckets = Buckets()
    buckets.add(Stretch(NOW - 40, NOW - 10, Use(busy=2)), NOW)
    first = int(NOW // HOUR.step_s)
    assert [buckets.sums[15, first - back].busy for back in (3, 2, 1)] == [20, 30, 10]
    assert buckets.sums[DAY.step_s, int(NOW // 120) - 1].busy == 60
    assert buckets.sums[WEEK.step_s, int(NOW // 900) - 1].busy == 60


def test_averages_are_of_the_time_that_has_been() -> None:
    buckets = Buckets()
    now = NOW + 5  # the last bucket has 5 of its 15 seconds
    buckets.add(Stretch(NOW - 15, now, Use(busy=3, cpu=1)), now)
    at, uses = buckets.series("hour", now)
    assert len(at) == 240 and at[-1] == NOW and at[-1] - at[0] == 239 * 15
    assert [use.busy for use in uses[-3:]] == [0, 3, 3]
    assert uses[-1].cpu == 1


def test_what_runs_is_added_when_it_is_asked_for_and_not_kept() -> None:
    buckets = Buckets()
    for _ in range(2):
        _, uses = buckets.series("day", NOW, [Stretch(NOW - 240, NOW, Use(busy=1))])
        assert [use.busy for use in uses[-4:]] == [0, 1, 1, 0]
    assert not buckets.sums


def test_a_job_of_a_year_costs_no_more_than_there_are_buckets() -> None:
    buckets = Buckets()
    buckets.add(Stretch(NOW - 365 * 86400, NOW, Use(busy=1)), NOW)
    most = sum(level.kept_s // level.step_s + 1 for level in (HOUR, DAY, WEEK))
    assert len(buckets.sums) <= most
    buckets.forget(NOW + 9 * 86400)
    assert not buckets.sums and not buckets.changed


@pytest.mark.parametrize(
    ("begin", "end"), [(NOW, NOW), (NOW, NOW - 5), (NOW + 5, NOW + 9), (float("nan"), NOW)]
)
def test_no_time_is_in_no_bucket(begin: float, end: float) -> None:
    assert list(parts(begin, end, HOUR, NOW)) == []


def test_without_points_a_use_is_even() -> None:
    assert stretches(0, 10, cpu_s=20, memory=5, nb_proc=4) == [Stretch(0, 10, Use(known=4, cpu=2, memory=5))]
    assert stretches(0, 10, cpu_s=None, memory=0, nb_proc=4) == []


def test_points_give_the_shape_and_the_total_is_what_was_counted() -> None:
    points = [Point(5, 1.0, 100), Point(10, 3.0, 200)]
    found = stretches(0, 12, cpu_s=44, memory=999, nb_proc=4, points=points)
    assert sum((one.end - one.begin) * one.rate.cpu for one in found) == pytest.approx(44)
    assert [one.end for one in found] == [5, 10, 12]
    assert found[1].rate.cpu == pytest.approx(3 * found[0].rate.cpu)
    assert [one.rate.memory for one in found] == [100, 200, 200]


# ---- curves
def test_a_curve_has_a_bound_however_long_the_job_runs() -> None:
    curve, at = Curve(NOW), NOW
    for _ in range(20_000):
        at += 10.0
        curve.add(at, 5.0, 7.0)
    assert store.CURVE_POINTS_MAX // 4 <= len(curve.points) <= store.CURVE_POINTS_MAX
    assert curve.points[-1].at > at - 2 * curve.step_s
    begin, drawn = NOW, 0.0
    for point in curve.points:
        drawn += point.cpu * (point.at - begin)
        begin = point.at
    assert drawn == pytest.approx(0.5 * (begin - NOW), rel=0.01)
    assert all(one.at < other.at for one, other in zip(curve.points, curve.points[1:], strict=False))


def test_a_curve_goes_on_where_it_was() -> None:
    points = [Point(NOW + 100 * number, 1.0, 1.0) for number in range(10)]
    curve = Curve(NOW, points=points)
    curve.add(NOW + 905, 1.0, 1.0)
    assert len(curve.points) == 10 and curve.step_s >= 64
    assert unpacked(packed(points)) == points


# ---- the store
@pytest.fixture
def path(tmp_path: Path) -> str:
    tmp_path.chmod(0o700)
    return str(tmp_path / "web" / "usage.sqlite")


def opened(path: str) -> Ledger:
    book = Store(path)
    book.begin()
    return Ledger(book)


def saved(ledger: Ledger) -> None:
    ledger.write()
    ledger.store.commit()
    ledger.store.close()


def total(ledger: Ledger, name: str) -> float:
    return sum(float(getattr(use, name)) for (step, _), use in ledger.buckets.sums.items() if step == 900)


def finished(job_id: int = 1, *, length: float = 60.0, ago: float = 100.0, **changes: object) -> JobRow:
    import time

    end = time.time() - ago
    return job_row(job_id, state="COMPLETED", started_at=end - length, ended_at=end, **changes)


def test_a_job_counts_once_however_often_it_is_told(path: str) -> None:
    row = finished(nb_proc=3, batch=batch_row(cpu_s=90.0, memory_peak_bytes=50, memory_bytes=70))
    ledger = opened(path)
    ledger.find(row)
    ledger.find(row)
    ledger.end(row, [])
    assert total(ledger, "busy") == pytest.approx(180)
    assert total(ledger, "cpu") == pytest.approx(90)
    assert total(ledger, "asked") == pytest.approx(70 * 60) and total(ledger, "memory") == pytest.approx(
        50 * 60
    )
    assert total(ledger, "jobs") == 1
    saved(ledger)
    ledger = opened(path)
    ledger.find(row)
    assert total(ledger, "busy") == pytest.approx(180)


def test_the_processors_of_a_job_that_ended_while_nobody_looked_stand_in_its_record(path: str) -> None:
    row = finished(nb_proc=2, cpus=[1, 3], length=500.0)
    ledger = opened(path)
    ledger.find(row)
    saved(ledger)
    assert row.started_at is not None and row.ended_at is not None
    with store.Reader(path) as reader:
        (span,) = reader.spans(row.started_at - 1, row.ended_at + 1, is_long=True)
    assert span.cpus == [1, 3]


def test_processors_of_a_suspended_job_are_not_in_use(path: str) -> None:
    import time

    now = time.time()
    ledger = opened(path)
    running = job_row(7, state="RUNNING", started_at=now - 100, nb_proc=2, cpus=[0, 1])
    assert ledger.see(running, now - 100) is not None
    ledger.see(running._replace(state="SUSPENDED"), now - 80)
    (holder,) = ledger.living()
    assert holder.since is None and living_stretches(holder, [], now) == []
    ledger.see(running, now - 30)
    # The page is started anew meanwhile.
    saved(ledger)
    ledger = opened(path)
    ledger.end(running._replace(state="COMPLETED", ended_at=now - 10, cpus=[]), [])
    assert total(ledger, "busy") == pytest.approx(2 * (20 + 20))
    assert not ledger.living()
    saved(ledger)
    with Reader(path) as reader:
        (span,) = reader.spans(now - 200, now, is_long=False)
    assert (span.job_id, span.cpus) == (7, [0, 1])


def test_a_job_that_is_queued_again_gives_its_processors_back(path: str) -> None:
    import time

    now = time.time()
    ledger = opened(path)
    running = job_row(7, state="RUNNING", started_at=now - 100)
    ledger.see(running, now - 100)
    assert ledger.see(running._replace(state="PENDING", started_at=None), now - 40) is None
    assert total(ledger, "busy") == pytest.approx(60) and not ledger.living()


def test_a_new_journal_leaves_the_sums_and_links_to_nothing(path: str) -> None:
    ledger = opened(path)
    row = finished(12)
    ledger.find(row)
    ledger.store.new_journal()
    ledger.find(row._replace(ended_at=(row.ended_at or 0.0) + 50))
    saved(ledger)
    with Reader(path) as reader:
        assert [span.job_id for span in reader.spans(0, 2e9, is_long=False)] == [12, -12]


def test_short_jobs_have_a_bound(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setattr(store, "SPANS_MAX", 10)
    monkeypatch.setattr("jobd.web.ledger.SPANS_MAX", 10)
    ledger = opened(path)
    for job_id in range(1, 21):  # as the history tells: the newest first
        ledger.find(finished(job_id, length=1, ago=60.0 * job_id))
    ledger.find(finished(99, length=500, ago=4000))
    assert ledger.store.spans_count() == 10 and total(ledger, "jobs") == 21
    saved(ledger)
    with Reader(path) as reader:
        assert len(list(reader.spans(0, 2e9, is_long=True))) == 1
        assert reader.singles_from() == pytest.approx(time.time() - 60 * 11, abs=30)
        assert sum(band.jobs for band in reader.bands(900, 0, 2e9)) == 20
    ledger = opened(path)
    for job_id in range(100, 120):  # and as events do: the oldest first
        ledger.end(finished(job_id, length=1, ago=120 - job_id), [])
    ledger.tidy(time.time(), 86400.0)
    assert ledger.store.spans_count() == 10


def test_what_is_too_old_goes(path: str) -> None:
    import time

    ledger = opened(path)
    row = finished(3, length=300)
    points = [Point((row.started_at or 0.0) + second, 1.0, 1.0) for second in (10, 20)]
    ledger.end(row, points)
    ledger.write()
    assert ledger.store.curve(3, row.started_at or 0.0) != []
    ledger.tidy(time.time() + 30 * 86400, 10 * 86400.0)
    ledger.write()
    ledger.store.commit()
    assert ledger.store.curve(3, row.started_at or 0.0) == []
    assert not Store(path).buckets().sums
    with Reader(path) as reader:
        assert list(reader.spans(0, 2e9, is_long=True)) == [] and reader.bands(900, 0, 2e9) == []


@pytest.mark.parametrize("data", [b"no database at all, but long enough to be looked at" * 40, b""])
def test_a_damaged_file_is_made_anew(path: str, data: bytes) -> None:
    Store(path).close()
    Path(path).write_bytes(data)
    for end in ("-wal", "-shm"):
        Path(path + end).unlink(missing_ok=True)
    book = Store(path)
    assert book.value("last") is None
    book.begin()
    book.add_span(Span(2.0, 1, 1.0, 1, [], "x", "COMPLETED"))
    book.commit()
    book.close()


def test_a_full_disk_or_a_lock_is_no_damage(path: str) -> None:
    book = Store(path)
    book.begin()
    book.remember("precious", 1)
    book.commit()
    book.close()
    inode = os.stat(path).st_ino
    # Somebody holds it, as a backup may.
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("PRAGMA locking_mode = EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(JobdError, match="locked"):
        Store(path)
    other.close()
    assert os.stat(path).st_ino == inode
    again = Store(path)
    assert again.value("precious") == 1
    again.close()


def test_two_never_keep_one_file(path: str) -> None:
    with alone(path), pytest.raises(Taken, match="another page"), alone(path):
        pass
    with alone(path):
        pass


def test_a_folder_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JobdError):
        Store(str(tmp_path / "file" / "web" / "usage.sqlite"))
