"""Why a job waits and when it will start, as a person reads it. Values only."""

import time

import pytest

from jobd.progress import Progress
from jobd.web import drawn
from jobd.web.expected import Start, all_over_s, elements, starts
from jobd.web.reasons import reason, waits_text
from jobd.wire.rows import JobRow

from .rows import batch_row, job_row
from .sites import ended, running

NOW = 10_000.0


@pytest.mark.parametrize(
    ("code", "said", "shown"),
    [
        ("Resources", "2 of 2 procs missing, in use by job 7 (a: 2)", "needs 2 procs, none is free"),
        ("Resources", "1 of 2 procs missing, in use by job 7 (a: 3)", "needs 2 procs, 1 is free"),
        (
            "Resources",
            "1 of 4 procs missing, in use by job 7 (a; b): 3), 1 more; 12 jobs ahead",
            "needs 4 procs, 3 are free; 12 jobs ahead",
        ),
        ("Resources", "exclusive, runs alone: waits for job 7 (a: 2) to end", "runs alone, so it waits for the end of the others"),
        ("Dependency", "waits for afterok:7", 'waits until <a href="/job/7">job 7</a> has succeeded'),
        (
            "Dependency",
            "waits for afterany:7_2 or afternotok:8",
            'waits until <a href="/job/7_2">job 7_2</a> has ended or <a href="/job/8">job 8</a> has failed',
        ),
        (
            "Dependency",
            "waits for after:7+5, singleton and 3 more",
            'waits until <a href="/job/7">job 7</a> has started, and 5 minutes later'
            " and no other job of its name is there and 3 more",
        ),
        (
            "DependencyNeverSatisfied",
            "can never start: afterok:7 cannot be met",
            'can never start: <a href="/job/7">job 7</a> has not succeeded',
        ),
        ("Dependency", "waits for something: else", "waits for something: else"),
        ("Resources", "<b>1 GPU</b> missing", "&lt;b&gt;1 GPU&lt;/b&gt; missing"),
        ("None", "about to start", "about to start"),
    ],
)  # fmt: skip
def test_why_it_waits_is_said_in_plain_words(code: str, said: str, shown: str) -> None:
    row = job_row(9, reason=said, reason_code=code)
    text = str(reason(row, NOW))
    assert shown in text
    # The server's own words are not lost.
    assert text == shown or 'title="' in text


def test_who_is_held_or_begins_later_is_told_so() -> None:
    held = job_row(
        9, reason="held (Scontrol release 9)", reason_code="JobHeldUser", batch=batch_row(is_held=True)
    )
    assert waits_text(held, NOW) == "held until somebody releases it"
    later = job_row(9, reason="begins in 1:00", reason_code="BeginTime", batch=batch_row(begin_at=NOW + 60))
    assert waits_text(later, NOW) == "not before " + time.strftime("%H:%M:%S", time.localtime(NOW + 60))


# ---- when it starts
def waits(job_id: int, nb_proc: int = 1, **changes: object) -> JobRow:
    return job_row(job_id, nb_proc=nb_proc, reason_code="Resources", **changes)


def runs(job_id: int, nb_proc: int, **changes: object) -> JobRow:
    return running(job_id, nb_proc=nb_proc, started_at=NOW - 100, **changes)


def test_starts_are_reckoned_from_the_progress_of_those_that_run() -> None:
    rows = [runs(1, 2, time_limit_s=5000), runs(2, 2), waits(3, 2), waits(4, 4)]
    progress = {1: Progress(1, 2), 2: Progress(1, 3)}
    found = starts(rows, progress, {3: 50.0, 4: 10.0}, NOW, nb_proc=4)
    assert found == {3: Start(NOW + 100, False, NOW + 150), 4: Start(NOW + 200, False, NOW + 210)}
    assert all_over_s(rows, found) == NOW + 210


def test_a_limit_says_at_the_latest_and_what_is_not_known_ends_the_reckoning() -> None:
    limited = [runs(1, 4, time_limit_s=400), waits(2, 1), waits(3, 4)]
    assert starts(limited, {}, {}, NOW, nb_proc=4) == {2: Start(NOW + 300, True, None)}
    endless = [runs(1, 4), waits(2)]
    assert starts(endless, {}, {}, NOW, nb_proc=4) == {} and all_over_s(endless, {}) is None
    gpu = [waits(1, batch=batch_row(gpus=1)), waits(2)]
    assert starts(gpu, {}, {}, NOW, nb_proc=4) == {}
    too_large = [waits(1, 8), waits(2)]
    assert starts(too_large, {}, {}, NOW, nb_proc=4) == {}


def test_elements_start_one_after_the_other_and_no_more_than_may_run_at_once() -> None:
    array = waits(1, batch=batch_row(array_id=1, tasks="0-9"))
    assert starts([array, waits(2)], {}, {1: 5.0}, NOW, nb_proc=4) == {
        1: Start(NOW, False, NOW + 15),
        2: Start(NOW + 10, False, None),
    }
    limited = waits(1, batch=batch_row(array_id=1, tasks="0-9", array_limit=1))
    assert starts([limited, waits(2)], {}, {1: 5.0, 2: 7.0}, NOW, nb_proc=4) == {
        1: Start(NOW, False, NOW + 50),
        2: Start(NOW, False, NOW + 7),
    }
    endless = waits(1, batch=batch_row(array_id=1, tasks="0-9"))
    assert starts([endless, waits(2)], {}, {}, NOW, nb_proc=4) == {1: Start(NOW, False, None)}


def test_an_element_takes_as_long_as_those_that_run() -> None:
    element = runs(7, 2, batch=batch_row(array_id=4, array_index=0))
    rows = [runs(1, 2), element, waits(3, 4), waits(4, 2, batch=batch_row(array_id=4, tasks="1-9"))]
    found = starts(rows, {1: Progress(1, 2), 7: Progress(10, 11)}, {}, NOW, nb_proc=4)  # 100 s and 10 s
    assert found[4] == Start(NOW + 10, False, None) and found[3].at_s == NOW + 120


def test_what_fits_passes_what_does_not_but_not_for_ever() -> None:
    rows = [runs(1, 2), runs(2, 2), waits(3, 4), waits(4, 2, batch=batch_row(array_id=4, tasks="0-99"))]
    progress = {1: Progress(1, 3), 2: Progress(10, 11)}  # 200 s and 10 s
    found = starts(rows, progress, {3: 5.0, 4: 25.0}, NOW, nb_proc=4)
    # At 10 an element passes, and others at 35, 60 and so on until 60 s are over; the large one has its turn when all is free.
    assert found[4].at_s == NOW + 10
    assert found[3] == Start(NOW + 200, False, NOW + 205)


def test_memory_and_trees_are_reckoned_with() -> None:
    def with_memory(count: int) -> object:
        return batch_row(memory_bytes=count)

    rows = [runs(1, 1, batch=with_memory(600)), waits(2, 1, batch=with_memory(500))]
    assert starts(rows, {1: Progress(1, 2)}, {}, NOW, nb_proc=4, memory=1000)[2].at_s == NOW + 100
    assert starts(rows, {1: Progress(1, 2)}, {}, NOW, nb_proc=4, memory=2000)[2].at_s == NOW
    child = [runs(2, 4, parent_id=1, root_id=1), waits(3, 4)]
    assert starts(child, {2: Progress(1, 2)}, {}, NOW, nb_proc=4) == {}  # its procs go back to its parent


def test_the_start_that_is_shown_is_the_better_one() -> None:
    row = waits(3, batch=batch_row(expected_start_at=NOW + 3600))
    assert "starts at the latest" in drawn.starts_text(row, None, NOW)
    assert "at the latest" not in drawn.starts_text(row, Start(NOW + 60, False, None), NOW)
    assert "in 60 s" in drawn.starts_text(row, Start(NOW + 60, True, None), NOW)
    assert "over" in drawn.starts_text(row, Start(NOW + 60, False, NOW + 90), NOW)
    assert drawn.starts_text(waits(3), None, NOW) == ""


# ---- arrays
def test_an_array_is_counted_by_its_elements() -> None:
    rest = waits(5, batch=batch_row(array_id=5, tasks="3-9,12"))
    assert elements(rest) == 8 and elements(running(1)) == 0
    assert elements(waits(5, batch=batch_row(array_id=5, tasks="1,3,5,..."))) == 0
    parts = drawn.parts_of([ended(1), ended(2, "FAILED"), running(3), rest])
    assert [(part.number, part.word) for part in parts] == [
        (1, "done"),
        (1, "failed"),
        (1, "running"),
        (8, "waiting"),
    ]
    assert parts[-1].begin + parts[-1].width == pytest.approx(100)
    assert ">5_[3-9,12]<" in drawn.job_link(rest)
    assert ">5_[1,3,5…]<" in drawn.job_link(waits(5, batch=batch_row(array_id=5, tasks="1,3,5,7,9,11,13")))
