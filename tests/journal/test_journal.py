"""What has been committed is there again, whatever happens; what is not understood is left alone."""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.worlds import admit, at, check, empty, image, settle, spec, submit
from jobd.core import reports
from jobd.core.events import LimitsSet
from jobd.core.job import Finished, Job, Outcome, Running
from jobd.core.world import World
from jobd.errors import JournalError
from jobd.journal import journal as journal_module
from jobd.journal.journal import Journal, restore
from jobd.journal.upgrade import SCHEMA_VERSION
from jobd.states import Cause
from journal.values import jobs


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "jour nal#1%20?.sqlite")


@pytest.fixture
def template(tmp_path: Path) -> str:
    name = str(tmp_path / "template")
    Journal(name).close()
    return name


def commit(journal: Journal, *, new=(), changed=(), events=(), meta=None) -> None:
    journal.commit(events=events, new_jobs=new, changed_jobs=changed, meta=meta or {})


def events(first: int, last: int):
    return [(seq, float(seq), b"event %d" % seq) for seq in range(first, last + 1)]


def restored(journal: Journal, world: World) -> World:
    found = empty(world.nb_proc, world.nb_proc_max)
    restore(found, journal, at(0))
    return found


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wanted=st.lists(jobs(), max_size=8, unique_by=lambda job: job.job_id))
def test_a_job_comes_back_as_it_was(tmp_path: Path, wanted: list[Job]) -> None:
    name = str(tmp_path / "any")
    for suffix in ("", "-wal", "-shm"):
        Path(name + suffix).unlink(missing_ok=True)
    journal = Journal(name, synchronous="OFF")
    commit(journal, new=wanted)
    living = sorted((job for job in wanted if not job.is_finished), key=lambda job: job.job_id)
    again = Journal(name)  # without a close, as after kill -9
    assert list(again.living()) == living
    for job in wanted:
        assert again.job_of_token(job.spec.token) == job
    assert sorted(again.finished(before=None, rows_max=99)) == sorted(
        job for job in wanted if job.is_finished
    )
    assert again.job_id_max() == max((job.job_id for job in wanted), default=0)
    again.close(), journal.close()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_crash_after_any_commit_brings_back_the_same_world(tmp_path: Path, data) -> None:
    """The rows alone make the world again: what is suspended, used, waiting and passed follows from them."""
    name = str(tmp_path / "any")
    for suffix in ("", "-wal", "-shm"):
        Path(name + suffix).unlink(missing_ok=True)
    journal = Journal(name, synchronous="OFF")
    world = empty(3, 5)
    for tick in range(data.draw(st.integers(1, 12))):
        before = dict(world.jobs)
        ended: dict[int, Job] = {}
        for _ in range(data.draw(st.integers(0, 3))):
            runs = [job.job_id for job in world.jobs.values() if isinstance(job.phase, Running)]
            what = data.draw(st.sampled_from(["root", "child", "end", "delete"]))
            if what == "root" or not runs:
                submit(
                    world, data.draw(st.integers(1, 5)), time_limit_s=data.draw(st.sampled_from([None, 500]))
                )
            elif what == "child":
                submit(world, data.draw(st.integers(1, 5)), parent=data.draw(st.sampled_from(runs)))
            else:
                job_id = data.draw(st.sampled_from(runs))
                done = Outcome(Cause.SELF, 0, None)
                found = (
                    reports.exited(world, job_id, done, is_gone=data.draw(st.booleans()), now=at(tick))
                    if what == "end"
                    else reports.deleted(world, [job_id], Cause.DELETED, at(tick))
                )
                for event in found:
                    job = world.admit(event, at(tick))
                    if job is not None and job.is_finished:
                        ended[job.job_id] = job
        settle(world, at(tick))
        after = {**world.jobs, **ended}
        commit(
            journal,
            new=[job for job_id, job in after.items() if job_id not in before],
            changed=[job for job_id, job in after.items() if before.get(job_id, job) != job],
            meta={"passes": list(world.passes), "next_job_id": world.next_job_id},
        )
        reopened = Journal(name)
        found_world = restored(reopened, world)
        check(found_world)
        assert {**image(found_world), "deadlines": None} == {**image(world), "deadlines": None}
        assert found_world.busy == world.busy and found_world.lent == world.lent
        reopened.close()
    journal.close()


def test_a_commit_is_all_or_nothing(path: str) -> None:
    journal = Journal(path)
    world = empty(4)
    submit(world), submit(world)
    first, second = world.jobs.values()
    commit(journal, new=[first], events=events(1, 1))
    twice = second._replace(job_id=first.job_id)
    with pytest.raises(JournalError, match="cannot write"):
        commit(
            journal,
            new=[twice],
            changed=[first._replace(phase=Running(0.0, (), 1))],
            events=events(2, 3),
            meta={"a": 1},
        )
    assert list(journal.living()) == [first] and journal.meta("a") is None
    assert journal.events_after(0, 10) == [b"event 1"]
    commit(journal, new=[second], events=events(2, 2))
    assert len(list(journal.living())) == 2
    journal.close()


def test_a_full_disk_is_an_error_and_the_old_state_is_intact(path: str) -> None:
    journal = Journal(path)
    world = empty(4)
    submit(world)
    job = world.jobs[1]
    commit(journal, new=[job], events=events(1, 1))
    pages = journal._writer.execute("PRAGMA page_count").fetchone()[0]
    journal._writer.execute(f"PRAGMA max_page_count = {pages}")
    large = [(seq, 0.0, b"x" * 4000) for seq in range(2, 50)]
    with pytest.raises(JournalError, match="full"):
        commit(journal, changed=[job._replace(phase=Running(0.0, (), 1))], events=large)
    assert list(journal.living()) == [job]
    again = Journal(path)
    assert list(again.living()) == [job] and again.last_seq == 1
    again.close()
    journal._writer.execute("PRAGMA max_page_count = 100000")
    commit(journal, events=large)  # there is room again
    assert journal._one("SELECT max(seq) FROM events") == 49
    journal.close()


def test_the_journal_is_for_its_owner_alone(path: str) -> None:
    Journal(path).close()
    assert os.stat(path).st_mode & 0o777 == 0o600


def test_limits_and_other_words_come_back(path: str) -> None:
    journal = Journal(path)
    commit(journal, meta={"nb_proc": 7, "server_id": "ab", "passes": [(1.5, (0, 1, 1))]})
    again = Journal(path)
    assert (again.meta("nb_proc"), again.meta("server_id"), again.meta("none")) == (7, "ab", None)
    again.close(), journal.close()


def test_numbers_are_never_given_again_though_the_last_job_is_forgotten(path: str) -> None:
    journal = Journal(path)
    world = empty(4)
    submit(world)
    admit(world, [LimitsSet(4, 4)])
    job = world.jobs[1]._replace(phase=Finished(None, 5.0, Outcome(Cause.DELETED)))
    commit(journal, new=[job], meta={"next_job_id": 2})
    journal.forget_finished(6.0)
    assert journal.job_id_max() == 0
    assert restored(journal, world).next_job_id == 2
    journal.close()


def test_trimming_takes_the_oldest_and_leaves_no_gap(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "EVENTS_TRIM_SLACK", 10)
    journal = Journal(path, events_kept=20)
    for first in range(1, 101, 5):
        commit(journal, events=events(first, first + 4))
        journal.trim(first + 4)
        kept = journal.events_after(0, 1000)
        assert len(kept) >= min(20, first + 4) and len(kept) <= 35
        assert kept == [b"event %d" % seq for seq in range(journal.oldest_seq, first + 5)]
    again = Journal(path, events_kept=20)
    assert (again.oldest_seq, again.last_seq) == (journal.oldest_seq, 100)
    again.close(), journal.close()


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ends=st.lists(st.sampled_from([1.0, 2.0, 2.5, 3.0]), max_size=20), page=st.integers(1, 5))
def test_pages_of_finished_jobs_lose_and_double_none(tmp_path: Path, ends: list[float], page: int) -> None:
    name = str(tmp_path / "any")
    for suffix in ("", "-wal", "-shm"):
        Path(name + suffix).unlink(missing_ok=True)
    journal = Journal(name, synchronous="OFF")
    done = [
        Job(i, None, i, 0.0, spec(f"t{i}"), Finished(None, end, Outcome(Cause.SELF, 0)))
        for i, end in enumerate(ends, 1)
    ]
    commit(journal, new=done)
    found: list[Job] = []
    before = None
    while rows := journal.finished(before=before, rows_max=page):
        found += rows
        before = (rows[-1].phase.ended_at, rows[-1].job_id)
    assert found == sorted(done, key=lambda job: (-job.phase.ended_at, -job.job_id))
    journal.close()


def test_a_number_beyond_sqlites_is_nobodys(path: str) -> None:
    journal = Journal(path)
    assert journal.events_after(2**64 - 1, 10) == [] and journal.finished_of([2**64 - 1]) == []
    journal.close()


# ---- what is not ours
def _untouched(path: str, breaking: Callable[[], None], words: str) -> None:
    breaking()
    before = Path(path).read_bytes()
    with pytest.raises(JournalError, match=words) as caught:
        Journal(path)
    assert path in str(caught.value) and "move" in str(caught.value)
    assert Path(path).read_bytes() == before


def test_the_journal_of_a_newer_release_is_refused_and_untouched(path: str, template: str) -> None:
    def breaking() -> None:
        os.rename(template, path)
        with sqlite3.connect(path) as connection:
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
        connection.close()

    _untouched(path, breaking, "newer jobd")


def test_a_file_that_is_no_database_is_refused_and_untouched(path: str) -> None:
    def breaking() -> None:
        Path(path).write_bytes(b"my letters to Aunt Agatha\n" * 400)

    _untouched(path, breaking, "nothing was changed")


def test_a_database_of_somebody_else_is_refused_and_untouched(path: str) -> None:
    def breaking() -> None:
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE stamps (country TEXT)")
        connection.close()

    _untouched(path, breaking, "no journal of jobd")


def test_a_torn_page_is_an_error_and_no_traceback(path: str) -> None:
    journal = Journal(path)
    world = empty(4)
    for _ in range(200):
        submit(world)
    commit(journal, new=world.jobs.values())
    journal.close()
    data = bytearray(Path(path).read_bytes())
    data[4096:] = os.urandom(len(data) - 4096)
    Path(path).write_bytes(data)
    before = bytes(data)
    with pytest.raises(JournalError):
        again = Journal(path)
        restore(world, again, at(0))
    assert Path(path).read_bytes() == before


def test_a_first_start_that_died_half_way_is_begun_again(path: str) -> None:
    """The header is written before the tables are."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    assert os.path.getsize(path) > 0
    journal = Journal(path)
    commit(journal, meta={"a": 1})
    assert journal.meta("a") == 1
    journal.close()


def test_a_journal_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(JournalError):
        Journal(str(tmp_path / "no" / "such" / "folder"))
