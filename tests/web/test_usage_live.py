"""What the charts know of real jobs: followed, sampled, read back from the history, over restarts of everything."""

import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import jobd
from jobd.web.follow import Follower
from jobd.web.ledger import Ledger
from jobd.web.samples import Sampler
from jobd.web.store import Reader, Span, folder
from jobd.web.usage import Point
from live.conftest import BIN, PATIENCE_S, House

from .past import with_past


class Follow:
    """A follower and a sampler as the page has them, and a way to wait for what they do."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.looks = 0
        self.path = os.path.join(folder(), "usage.sqlite")
        self.sampler = Sampler(10.0, self._looked)
        self.follower = Follower(self.path, self.sampler, self._tell, curves_kept_s=86400.0)
        self.sampler.start()
        self.follower.start()

    def _tell(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _looked(self) -> None:
        self.looks += 1
        self._tell()

    @property
    def ledger(self) -> Ledger:
        assert self.follower.ledger is not None
        return self.follower.ledger

    def until(self, is_so: Callable[[], Any]) -> Any:
        """Wait until it is so; it is looked at after each change."""
        found: list[Any] = []

        def look() -> bool:
            with contextlib.suppress(AssertionError):
                found[:] = [is_so()]
            return bool(found and found[0])

        with self._changed:
            # What is committed a moment after the change makes no change of its own.
            for _ in range(int(PATIENCE_S * 4)):
                if look() or self._changed.wait(0.25) is None:
                    break
        assert found and found[0], f"it did not come to be ({self.follower.trouble})"
        return found[0]

    def total(self, name: str) -> float:
        """A sum over all that is kept."""
        with self.ledger.lock:
            return sum(
                float(getattr(use, name))
                for (step, _), use in self.ledger.buckets.sums.items()
                if step == 900
            )

    def spans(self) -> list[Span]:
        """All ended jobs on the time line."""
        with Reader(self.path) as reader:
            return [span for is_long in (False, True) for span in reader.spans(0, 4e9, is_long=is_long)]

    def curve(self, row: Any) -> list[Point]:
        with Reader(self.path) as reader:
            return reader.curve(row.job_id, row.started_at)

    def close(self) -> None:
        """End both."""
        self.follower.close()
        self.sampler.close()


@pytest.fixture
def following(client: jobd.Client) -> Iterator[Callable[[], Follow]]:
    """A maker of followers."""
    made: list[Follow] = []

    def make() -> Follow:
        made.append(Follow())
        return made[-1]

    try:
        yield make
    finally:
        for one in made:
            one.close()


def test_jobs_that_run_and_end_are_counted_with_their_processors(
    client: jobd.Client, following: Callable[[], Follow]
) -> None:
    follow = following()
    follow.until(lambda: follow.ledger)
    os.mkfifo("gate")
    busy = client.submit("read line < gate; true", nb_proc=2, name="two")
    (holder,) = follow.until(lambda: follow.ledger.living())
    assert holder.row.name == "two" and holder.since is not None and len(holder.cpus) == 2
    with open("gate", "w") as gate:
        gate.write("go\n")
    end = busy.wait(PATIENCE_S)
    assert end.started_at is not None and end.ended_at is not None
    (span,) = follow.until(follow.spans)
    assert (span.job_id, span.name, span.cpus, span.nb_proc) == (busy.id, "two", [0, 1], 2)
    assert follow.total("busy") == pytest.approx(2 * (end.ended_at - end.started_at), abs=0.3)
    assert follow.total("jobs") == 1 and not follow.ledger.living()


def test_two_pages_count_each_job_once(client: jobd.Client, following: Callable[[], Follow]) -> None:
    first = following()
    first.until(lambda: first.ledger)
    second = following()
    second.until(lambda: "another page" in second.follower.trouble)
    client.submit_many(["true"] * 7)
    first.until(lambda: first.total("jobs") == 7)
    first.close()
    with Reader(first.path) as reader:
        assert len(list(reader.spans(0, 4e9, is_long=False))) == 7
    third = following()
    third.until(lambda: third.ledger and third.total("jobs") == 7)


@pytest.mark.parametrize("what", ["torn", "gone"])
def test_a_record_that_is_damaged_or_removed_is_read_anew(
    client: jobd.Client, following: Callable[[], Follow], what: str
) -> None:
    follow = following()
    client.submit_many(["true"] * 5)
    follow.until(lambda: len(follow.spans()) == 5)
    if what == "gone":
        for end in ("", "-wal", "-shm"):
            os.unlink(follow.path + end)
    else:
        with open(follow.path, "r+b") as file:
            file.truncate(os.path.getsize(follow.path))
            for at in range(0, max(8192, os.path.getsize(follow.path)), 4096):
                file.seek(at)
                file.write(b"\xff" * 4096)
        os.unlink(follow.path + "-wal")
        error = sqlite3.DatabaseError("database disk image is malformed")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT  # type: ignore[misc]
        follow.follower.torn(error)
    client.submit_many(["true"] * 2)
    follow.until(lambda: len(follow.spans()) == 7 and follow.total("jobs") == 7)


def test_a_page_that_is_away_misses_nothing_and_counts_nothing_twice(
    client: jobd.Client, following: Callable[[], Follow], house: House
) -> None:
    first = following()
    client.submit_many(["true"] * 5)
    first.until(lambda: len(first.spans()) == 5)
    os.mkfifo("gate")
    held = client.submit("read line < gate", name="held")
    (holder,) = first.until(lambda: first.ledger.living())
    first.close()
    # While nobody looks one ends that ran, others run, and the server is another.
    house.ok("Sserver", "-1")
    house.server(2)
    with open("gate", "w") as gate:
        gate.write("go\n")
    end = held.wait(PATIENCE_S)
    client.wait(client.submit_many(["true"] * 3), PATIENCE_S)
    second = following()
    second.until(lambda: len(second.spans()) == 9)
    assert second.total("jobs") == 9
    (span,) = [span for span in second.spans() if span.name == "held"]
    assert span.cpus == holder.cpus != [] and span.ended == end.ended_at
    third_total = second.total("busy")
    second.close()
    third = following()
    third.until(lambda: third.ledger and third.follower.fill is None)
    assert third.total("busy") == pytest.approx(third_total, abs=0.1) and third.total("jobs") == 9


def test_a_running_job_is_looked_at_and_an_idle_machine_is_not(
    client: jobd.Client, following: Callable[[], Follow]
) -> None:
    follow = following()
    follow.until(lambda: follow.ledger)
    assert follow.looks == 0
    # A shell in the job's session, a program that takes a session of its own, and one that is adopted by another.
    work = "import time; keep = b'x' * 80_000_000; t = time.time()\nwhile time.time() - t < 60: pass"
    job = client.submit(
        ["sh", "-c", 'setsid python3 -c "$0" & (setsid sleep 60 &) ; wait', work], nb_proc=2, name="busy"
    )
    follow.sampler.watch()
    follow.until(lambda: len(follow.sampler.points(job.id)) >= 3)
    last = follow.sampler.points(job.id)[-1]
    assert 0.1 < last.cpu < 2.0 and last.memory > 80_000_000
    assert follow.ledger.living()
    job.cancel()
    end = job.wait(PATIENCE_S)
    follow.until(lambda: follow.curve(end.row))
    assert len(follow.curve(end.row)) >= 3
    follow.until(lambda: follow.total("cpu") > 0.2)
    looks = follow.looks
    assert client.submit("true").wait(PATIENCE_S).is_ok
    follow.until(lambda: follow.total("jobs") == 2)
    assert follow.looks <= looks + 1, "nothing runs, and it looks"


def test_a_curve_goes_on_when_the_page_is_started_again(
    client: jobd.Client, following: Callable[[], Follow]
) -> None:
    follow = following()
    job = client.submit("sleep 1000", name="long")
    follow.sampler.watch()
    before = follow.until(lambda: follow.sampler.points(job.id))
    follow.close()
    again = following()
    again.sampler.watch()
    points = again.until(
        lambda: len(again.sampler.points(job.id)) > len(before) and again.sampler.points(job.id)
    )
    assert points[: len(before)] == before
    job.cancel()
    job.wait(PATIENCE_S)


def test_processors_of_a_tree_count_once(
    client: jobd.Client, following: Callable[[], Follow], house: House
) -> None:
    follow = following()
    follow.until(lambda: follow.ledger)
    house.pipe("gate")
    up = house.pipe("up")
    parent = client.submit(f"{BIN}/Salloc -n 2 sh -c 'echo up > up; read line < gate'", nb_proc=2)
    house.until_ready(up)

    def one_holds() -> bool:
        holders = follow.ledger.living()
        return len(holders) == 2 and sum(one.row.nb_proc for one in holders if one.since is not None) == 2

    follow.until(one_holds)
    with open("gate", "w") as gate:
        gate.write("go\n")
    end = parent.wait(PATIENCE_S)
    follow.until(lambda: follow.total("jobs") == 2)
    assert end.ended_at is not None and end.started_at is not None
    assert follow.total("busy") == pytest.approx(2 * (end.ended_at - end.started_at), abs=0.5)


def test_the_history_before_the_first_start_is_read_in_the_background(house: House) -> None:
    with_past(house, 3000)
    with house.environment():
        follow = Follow()
        try:
            follow.until(
                lambda: follow.follower.fill is None and follow.ledger and follow.total("jobs") >= 3001
            )
            assert follow.total("jobs") == 3001 == len(follow.spans())
            follow.close()
            # A new journal begins to count anew, and nothing links to the jobs of the old one.
            house.ok("Sserver", "-1")
            for path in (house.root / ".local/state/jobd").glob("journal.sqlite*"):
                path.unlink()
            house.server(2)
            follow = Follow()
            house.ok("Sbatch", "--wait", "--wrap", "true", "--output=/dev/null")
            follow.until(lambda: any(span.job_id == 1 for span in follow.spans()))
            assert sum(span.job_id < 0 for span in follow.spans()) == 3001
        finally:
            follow.close()
