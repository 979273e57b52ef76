"""A journal of an older release is brought up to date with everything in it; what cannot be is left as it was.

fixtures/journal-v1.sqlite was written by the release of schema 1, by its own core and journal: finished Sallocs (one well, one by
a signal and with bytes that are no UTF-8, one taken off the queue), a tree of three (two suspended), one that is being ended,
one that passed another, two that wait.

fixtures/journal-v2.sqlite likewise: batch jobs that are over, that run in their second attempt, that wait for it, of an array; steps, blobs.
"""

import shutil
import sqlite3
from pathlib import Path

import pytest

from core.worlds import at, check
from jobd.core.job import (
    NO_RESOURCES,
    Attempt,
    Completing,
    Finished,
    Hands,
    Job,
    Outcome,
    Pause,
    Resources,
    Running,
    Usage,
    Waiting,
)
from jobd.core.world import World
from jobd.errors import JournalError
from jobd.indexes import Indexes
from jobd.journal.journal import Journal, restore, schema
from jobd.journal.upgrade import SCHEMA_VERSION
from jobd.states import Cause, OnKill
from jobd.wire.codec import build, unpack
from jobd.wire.messages import Event

FIXTURES = Path(__file__).parent / "fixtures"
SCRIPT, ENVIRONMENT, OTHER = "5c" * 16, "e0" * 16, "07" * 16


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(shutil.copy(FIXTURES / "journal-v1.sqlite", tmp_path / "journal.sqlite"))


@pytest.fixture
def second(tmp_path: Path) -> str:
    return str(shutil.copy(FIXTURES / "journal-v2.sqlite", tmp_path / "second.sqlite"))


def test_every_job_of_version_1_is_there(path: str) -> None:
    journal = Journal(path)
    living = {job.job_id: job for job in journal.living()}
    assert {job_id: type(job.phase) for job_id, job in living.items()} == {
        3: Running,
        4: Running,
        5: Running,
        6: Completing,
        7: Waiting,
        8: Running,
        9: Waiting,
    }
    assert living[3].phase == Running(1_760_000_005.0, (2, 3), 2)
    assert (living[4].parent_id, living[5].parent_id, living[5].root_id) == (3, 4, 3)
    assert living[5].phase == Running(1_760_000_010.0, (), 1)
    assert living[6].phase == Completing(1_760_000_011.25, (0,), 1, Outcome(Cause.DELETED))
    assert (living[7].spec.nb_proc, living[7].spec.time_limit_s, living[7].attempt) == (6, 3600, 0)
    assert (living[8].spec.on_kill, living[9].spec.priority) == (OnKill.BELOW, -3)
    assert all(job.spec.batch is None and job.spec.resources == NO_RESOURCES for job in living.values())
    ends = {job.job_id: job.phase for job in journal.finished(before=None, rows_max=10)}
    assert ends == {
        1: Finished(1_760_000_002.5, 1_760_000_006.25, Outcome(Cause.SELF, 0), Usage()),
        2: Finished(1_760_000_003.75, 1_760_000_007.5, Outcome(Cause.SELF, None, 11), Usage()),
        10: Finished(None, 1_760_000_018.75, Outcome(Cause.DELETED), Usage()),
    }
    (second,) = journal.finished_of([2])
    assert second.spec.command == ("/opt/caf\udce9/run", "a b")
    assert (second.spec.name, second.spec.cwd) == ("caf\udce9", "/home/ana/caf\udce9")
    journal.close()


def test_the_world_of_version_1_is_whole(path: str) -> None:
    journal = Journal(path)
    world = World(nb_proc=4, nb_proc_max=8, cpus=(0, 1, 2, 3))
    restore(world, journal, at(0))
    check(world)
    assert world.children == {3: {4}, 4: {5}} and world.used == 4
    assert list(world.passes) == [(1_760_000_015.0, (0, 8, 8))]
    assert world.next_job_id == 11
    assert (journal.meta("nb_proc"), journal.meta("nb_proc_max")) == (4, 8)
    assert (journal.meta("server_id"), journal.meta("boot_id")) == (
        "5f0d1a2b3c4d",
        "0d3c3a6e-boot-of-version-1",
    )
    journal.close()


def test_every_event_of_version_1_is_there(path: str) -> None:
    journal = Journal(path)
    events = [build(Event, unpack(body)) for body in journal.events_after(0, 100)]
    assert [event.seq for event in events] == list(range(1, 25)) and journal.last_seq == 24
    assert {event.kind for event in events} >= {
        "limits",
        "submitted",
        "started",
        "suspended",
        "completing",
        "ended",
    }
    assert all(event.job is None or event.job.batch is None for event in events)
    journal.close()


def test_tokens_and_names_of_version_1_are_known(path: str) -> None:
    journal = Journal(path)
    for job_id in range(1, 11):
        job = journal.job_of_token(f"token{job_id:02}")
        assert job is not None and job.job_id == job_id
    assert [job.job_id for job in journal.finished(before=None, rows_max=9, names=["caf\udce9"])] == [2]
    assert [job.job_id for job in journal.finished(before=None, rows_max=9, states=["FAILED"])] == [2]
    journal.close()


def test_all_of_version_2_is_there(second: str) -> None:
    journal = Journal(second)
    living = {job.job_id: job for job in journal.living()}
    hands = Hands(4711, 99, ("memory: no cgroup",))
    assert {job_id: (type(job.phase), job.attempt) for job_id, job in living.items()} == {
        2: (Running, 2),
        3: (Waiting, 1),
        4: (Waiting, 0),
        6: (Waiting, 0),
    }
    assert living[2].phase == Running(1_760_000_020.0, (0, 1), 2, (), hands)
    assert living[2].spec.resources == Resources(1 << 30, 1, (("lic", 2),))
    assert living[3].spec.batch is not None and living[3].spec.batch.is_held
    assert living[4].tasks == Indexes(((1, 7, 2),))
    assert all(job.requeued_at is None for job in living.values())
    ends = {job.job_id: (job.attempt, job.phase) for job in journal.finished(before=None, rows_max=10)}
    failed = Finished(
        1_760_000_002.0,
        1_760_000_009.5,
        Outcome(Cause.SELF, 3),
        Usage(1.25, 1 << 20),
        hands,
        Pause(None, 0.5),
    )
    assert ends[1] == (1, failed) and sorted(ends) == [1, 5, 7] and ends[7][0] == 3
    assert [(step.attempt, step.name) for step in journal.steps_of([2])] == [(1, "first"), (2, "again")]
    assert journal.has_blobs([SCRIPT, ENVIRONMENT, OTHER]) == {SCRIPT, ENVIRONMENT, OTHER}
    assert journal.attempts_of([*living.values(), *journal.finished_of(ends)]) == []
    assert journal.meta("next_job_id") == 8 and journal.last_seq == 3
    journal.close()


def test_a_journal_of_version_2_goes_on_with_attempts(second: str) -> None:
    journal = Journal(second)
    running = next(job for job in journal.living() if job.job_id == 2)
    over = running._replace(phase=Finished(20.0, 30.0, Outcome(Cause.SELF, 1), Usage(0.5, 9)))
    waiting = running._replace(phase=Waiting(), requeued_at=30.0)
    journal.commit(changed_jobs=[waiting], attempts=[Attempt(over, 30.0, False)])
    again = Journal(second)
    assert again.attempts_of([waiting]) == [Attempt(over, 30.0, False)]
    assert next(job for job in again.living() if job.job_id == 2) == waiting
    again.close(), journal.close()


@pytest.mark.parametrize("version", [1, 2])
def test_an_upgraded_journal_has_the_form_of_a_new_one(version: int, tmp_path: Path) -> None:
    path = str(shutil.copy(FIXTURES / f"journal-v{version}.sqlite", tmp_path / "journal.sqlite"))
    Journal(path).close()
    Journal(str(tmp_path / "new")).close()

    def form(name: str) -> dict[str, str]:
        connection = sqlite3.connect(name)
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        connection.close()
        assert version == SCHEMA_VERSION
        return {key: " ".join(_without_remarks(sql).split()).replace('"', "") for key, sql in rows}

    assert form(path) == form(str(tmp_path / "new"))
    assert str(SCHEMA_VERSION) in schema().splitlines()[0]


def _without_remarks(sql: str) -> str:
    return "\n".join(line.partition("--")[0] for line in sql.splitlines())


def test_an_upgraded_journal_goes_on(path: str) -> None:
    journal = Journal(path)
    waiting = next(job for job in journal.living() if job.job_id == 9)
    done = waiting._replace(phase=Finished(2.0, 3.0, Outcome(Cause.SELF, 1)), attempt=1)
    later = Job(11, None, 11, 4.0, waiting.spec._replace(token="later"), Waiting())
    journal.commit(events=[(25, 4.0, b"more")], new_jobs=[later], changed_jobs=[done])
    again = Journal(path)
    assert again.finished_of([9]) == [done] and again.job_of_token("later") == later
    again.close(), journal.close()


def test_an_upgrade_that_fails_leaves_the_journal_as_it_was(path: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute("DROP INDEX jobs_ended")  # what the step counts on is not there
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.commit()
    connection.close()
    before = Path(path).read_bytes()
    with pytest.raises(JournalError, match="nothing was changed"):
        Journal(path)
    assert Path(path).read_bytes() == before
