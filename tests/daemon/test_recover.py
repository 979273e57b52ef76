"""A server that starts anew has the world as it was committed; after a reboot, what that means."""

from pathlib import Path

import pytest

from core.worlds import admit, at, empty, settle, submit, submit_batch
from jobd.core.events import Ended, Requeued
from jobd.core.job import Resources, Waiting
from jobd.core.resources import Capacity
from jobd.daemon.recover import ended_by_reboot, recovered
from jobd.journal.journal import Journal


@pytest.fixture
def journal(tmp_path: Path):
    opened = Journal(str(tmp_path / "journal"))
    yield opened
    opened.close()


def test_a_first_start_gives_out_the_processors_there_are(journal: Journal) -> None:
    world = recovered(journal, (0, 1, 5), at(0))
    assert (world.nb_proc, world.nb_proc_max, world.cpus, world.next_job_id) == (3, 3, (0, 1, 5), 1)
    journal.commit(meta={"nb_proc": 7, "nb_proc_max": 9})
    world = recovered(journal, (0, 1, 5), at(0))
    assert (world.nb_proc, world.nb_proc_max) == (7, 9)


def test_what_is_in_use_is_counted_again_against_what_there_is_now(journal: Journal) -> None:
    before = empty(2, capacity=Capacity(100, 2))
    submit_batch(before, resources=Resources(60, 2))
    settle(before)
    journal.commit(new_jobs=before.jobs.values())
    now_less = Capacity(50, 1)
    world = recovered(journal, (0, 1), at(0), now_less)
    assert world.capacity == now_less and world.in_use == Capacity(60, 2)


def test_after_a_reboot_sallocs_are_over_and_batch_jobs_wait_again_if_they_may(journal: Journal) -> None:
    before = empty(4)
    salloc, again = submit(before), submit_batch(before)
    never = submit_batch(before, is_requeueable=False)
    settle(before)
    waits = submit_batch(before, is_held=True)
    journal.commit(new_jobs=before.jobs.values(), meta={"boot_id": "first"})
    world = recovered(journal, (0, 1, 2, 3), at(9))
    assert ended_by_reboot(world, journal, "first", at(9)) == []
    events = ended_by_reboot(world, journal, "second", at(9))
    assert {event.job_id for event in events if isinstance(event, Ended)} == {salloc, never}
    assert [event.job_id for event in events if isinstance(event, Requeued)] == [again]
    admit(world, events, at(9))
    assert set(world.jobs) == {again, waits} and isinstance(world.jobs[again].phase, Waiting)


def test_a_first_boot_means_nothing(journal: Journal) -> None:
    before = empty(1)
    submit(before)
    journal.commit(new_jobs=before.jobs.values())
    assert ended_by_reboot(recovered(journal, (0,), at(0)), journal, "any", at(0)) == []
