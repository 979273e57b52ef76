"""What a screen says of a job, and that whatever a job calls itself or writes is harmless and as wide as it is taken for."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from jobd.progress import Progress
from jobd.tui import facts
from jobd.tui.once import plain
from jobd.tui.queue import History, Queue
from jobd.tui.text import bar, cut, fit, folded, moment, output_line, safe, size_text
from jobd.wire import messages as m

from .rows import BATCH, NOW_S, ended, node, picture, row, status

# Half of it is what people mean to do harm with.
ANY_TEXT = st.text() | st.text(
    st.sampled_from("a宽e\u0301\u200d\ufe0f\u202e\x1b[]\x07\x00\n\r\t\x9b\U0001f469\udcff\\")
)


# ---- text
@given(ANY_TEXT)
def test_a_safe_text_steers_nothing_and_stays_so(text: str) -> None:
    shown = safe(text)
    assert shown.isprintable()
    assert safe(shown) == shown
    assert not shown or cell_len(shown[:1]) > 0


@given(ANY_TEXT, st.integers(0, 40), st.booleans())
def test_a_text_takes_the_room_that_it_is_given(text: str, cells: int, is_right: bool) -> None:
    assert cell_len(fit(safe(text), cells, is_right=is_right)) == cells
    assert cell_len(cut(safe(text), cells)) <= cells


@given(ANY_TEXT)
def test_a_line_of_output_is_harmless(text: str) -> None:
    assert all(part.isprintable() for part in folded(output_line(text)))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("old\rnew", "new"),
        ("half\r", "half"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]2;title\x07", "\\x1b]2;title\\x07"),
        ("a\tb", "a       b"),
        ("[red]not[/red]", "[red]not[/red]"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
    ],
)
def test_output_is_as_a_terminal_would_leave_it(text: str, shown: str) -> None:
    assert output_line(text) == shown


def test_a_very_long_text_is_cut_at_once() -> None:
    assert len(cut("x" * 10_000_000, 20)) == 20
    assert [len(part) for part in folded("x" * 4500)] == [2000, 2000, 500]
    assert len(safe("e" + "\u0301" * 1000)) == 3


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0"), (512, "512B"), (1536, "1.5K"), (3 << 29, "1.5G"), (16 << 30, "16G")]
)
def test_sizes(count: int, text: str) -> None:
    assert size_text(count) == text


@pytest.mark.parametrize(
    ("share", "cells", "text"),
    [(0, 6, "[....]"), (0.5, 6, "[##..]"), (1, 6, "[####]"), (2, 6, "[####]"), (0, 2, "")],
)
def test_bars(share: float, cells: int, text: str) -> None:
    assert bar(share, cells) == text


def test_moments_that_cannot_be_are_said_to_be_unknown() -> None:
    assert moment(1e30, NOW_S) == "?"
    assert len(moment(NOW_S + 86400, NOW_S)) == 9


# ---- one job
def test_the_number_and_the_target_of_arrays() -> None:
    waiting = row(5, batch={"array_id": 5, "tasks": "0-9,12", "array_limit": 2})
    element = row(9, "RUNNING", batch={"array_id": 5, "array_index": 3})
    assert (facts.number_of(waiting), facts.target_of(waiting)) == ("5_[0-9,12]", "5_[0-9,12]")
    assert (facts.number_of(element), facts.target_of(element)) == ("5_3", "5_3")
    long = row(5, batch={"array_id": 5, "tasks": "1,3,5,7,9,11,13,15,17,19"})
    assert facts.number_of(long, 9) == "5_[1,3,5,7,…]"
    endless = row(5, batch={"array_id": 5, "tasks": "1,3,..."})
    assert facts.target_of(endless) == "5"


def test_words_for_states() -> None:
    assert facts.word_of(row(1)) == "waits"
    assert facts.word_of(row(1, batch={"is_held": True})) == "held"
    assert facts.word_of(row(1, "RUNNING")) == "runs"
    assert facts.word_of(row(1, "NEW\x1bSTATE")) == "new\\x1bstate"


def test_a_suspended_parent_says_for_whom_it_waits() -> None:
    assert facts.why(row(3, "SUSPENDED", children=[4, 5, 6, 9])) == "waits for 4->6,9"


def test_when_it_will_be_over() -> None:
    runs = row(1, "RUNNING", time_limit_s=3600)
    assert facts.end_of(runs, NOW_S) == "<" + moment(NOW_S + 3540, NOW_S)
    assert facts.end_of(runs, NOW_S, Progress(1, 2)) == "~" + moment(NOW_S + 60, NOW_S)
    # It will not get further than its limit lets it.
    assert facts.end_of(runs, NOW_S, Progress(1, 1000)) == "<" + moment(NOW_S + 3540, NOW_S)
    assert facts.end_of(row(1, "RUNNING"), NOW_S) == ""
    assert facts.end_of(row(1, "RUNNING"), NOW_S, Progress(0, 5)) == ""
    waits = row(1, batch={"expected_start_at": NOW_S - 5})
    assert facts.end_of(waits, NOW_S) == "from " + moment(NOW_S, NOW_S)


def test_when_all_will_be_over() -> None:
    def over(*rows: m.JobRow, known: dict[int, Progress] | None = None, **fields: object) -> str:
        return facts.over_of(picture(*rows, **fields), known or {}, NOW_S)

    runs = row(1, "RUNNING", time_limit_s=600)
    assert over() == ""
    assert over(runs) == f"all over by {moment(NOW_S + 540, NOW_S)}"
    assert over(row(1, "RUNNING")) == ""
    assert over(row(1, "RUNNING"), known={1: Progress(1, 3)}) == f"all over by {moment(NOW_S + 120, NOW_S)}"
    waits = row(2, time_limit_s=3600, batch={"expected_start_at": NOW_S + 540})
    assert over(runs, waits) == f"all over by {moment(NOW_S + 4140, NOW_S)}"
    assert over(runs, waits, is_cut=True) == ""
    assert over(runs, row(3)) == ""
    assert over(runs, row(3, batch={"is_held": True})) == f"all over by {moment(NOW_S + 540, NOW_S)}"
    # Of an array only the start of its first element is known.
    array = {"expected_start_at": NOW_S, "array_id": 4, "tasks": "0-9"}
    assert over(runs, row(4, time_limit_s=60, batch=array)) == ""


def test_the_day_stands_with_a_time_where_it_is_not_clear() -> None:
    late_s = time.mktime((2026, 3, 1, 23, 0, 0, 0, 0, -1))
    assert moment(late_s + 3 * 3600, late_s) == "02:00" and moment(late_s - 22 * 3600, late_s) == "01:00"
    assert moment(late_s + 13 * 3600, late_s) == "Mon 12:00"


def test_jobs_that_wait_for_something_else_are_counted_too() -> None:
    shown = picture(row(1), row(2), row(3, batch={"is_held": True}), status=status(waiting=1, gated=2))
    assert facts.counts(shown) == "2 running, 1 suspended, 2 waiting, 1 held"
    assert facts.counts(picture(row(1), is_cut=True)) == "2 running, 1 suspended, 8 waiting"


def test_pauses_are_not_counted() -> None:
    paused = row(1, "SUSPENDED", batch={"paused_at": NOW_S - 20, "paused_s": 10.0})
    assert facts.time_of(paused, NOW_S) == "0:30"


def test_progress_has_numbers_also_where_there_is_no_room_for_a_bar() -> None:
    assert facts.progress_text(Progress(5, 32), 40) == "[###.................] 5/32 15%"
    assert facts.progress_text(Progress(5, 32), 10) == "5/32 15%"


def test_all_facts_are_safe() -> None:
    evil = "\x1b]0;x\x07\n"
    told = facts.facts(
        row(
            1,
            "RUNNING",
            name=evil,
            command=[evil],
            cwd=evil,
            user=evil,
            reason=evil,
            kind=evil,
            batch={"stdout": evil, "stderr": "e" + evil, "dependency": evil, "labels": [[evil, evil], []]},
        ),
        NOW_S,
    )
    assert all(name.isprintable() and value.isprintable() for name, value in told)


# ---- trees, filters
def test_a_tree_is_indented_and_no_loop_hides_a_row() -> None:
    rows = [
        row(3, "SUSPENDED", children=[5]),
        row(5, "SUSPENDED", parent_id=3, root_id=3),
        row(7, "RUNNING", parent_id=5, root_id=3),
        row(6, parent_id=99),
        row(8, parent_id=8),
    ]
    told = [(one.job_id, indent) for one, indent in facts.as_tree(rows)]
    assert told == [(3, ""), (5, "\\_ "), (7, "  \\_ "), (6, ""), (8, "")]
    deep = [row(1), *(row(number, parent_id=number - 1) for number in range(2, 300))]
    assert max(len(indent) for _, indent in facts.as_tree(deep)) < 20


def test_filters() -> None:
    one = row(12, "RUNNING", name="Apple", user="bob", command=["make", "-j4"])
    for fits in (
        facts.Filter(),
        facts.Filter("apple J4"),
        facts.Filter("12"),
        facts.Filter(state="runs"),
        facts.Filter(user="bob"),
    ):
        assert fits.fits(one)
    for other in (facts.Filter("pear"), facts.Filter(state="waits"), facts.Filter(user="ann")):
        assert not other.fits(one) and other.words


def test_the_head_has_what_the_machine_has() -> None:
    text = "".join(part for part, _ in facts.head(status(), node()))
    assert text == "procs 3/4 [#########...]  memory 1.5G/16G  GPUs 1/2  matlab 1/2  load 1.50"
    assert facts.head(None, None) == []
    assert "0/0 [" in facts.head(status(nb_proc=0, used=0), None)[0][0]


# ---- once
def test_once_is_plain_text() -> None:
    shown = picture(
        row(1, "RUNNING", name="a\x1b[2J宽"),
        row(2),
        recent=(row(9, "FAILED", reason="exit code 3"),),
        is_cut=True,
    )
    text = plain(shown, {1: Progress(1, 2)}, facts.Filter(), width=None, now_s=NOW_S)
    assert all(line.isprintable() for line in text.splitlines())
    assert (
        "a\\x1b[2J宽" in text
        and "1/2 50%" in text
        and "… and more that wait" in text
        and "exit code 3" in text
    )
    narrow = plain(shown, {}, facts.Filter(), width=30, now_s=NOW_S)
    assert all(cell_len(line) <= 30 for line in narrow.splitlines())


# ---- pages
def page(rows: list[m.JobRow], cursor: str = "") -> m.JobPage:
    return m.JobPage(rows, cursor, status())


def test_further_pages_follow_the_first_and_the_events() -> None:
    queue = Queue()
    assert queue.next_page() is None
    queue.show(picture(row(1, "RUNNING"), row(2), is_cut=True))
    request = queue.next_page()
    assert request is not None and request.cursor == ""
    queue.add(request, page([row(1, "RUNNING"), row(2), row(3), row(4)], "2 0 0 4"))
    request = queue.next_page()
    assert request is not None and request.cursor == "2 0 0 4"
    queue.add(request, page([row(5)]))
    assert queue.is_whole
    assert [one.job_id for one in queue.rows()] == [1, 2, 3, 4, 5]
    queue.heard(
        [ended(4), m.Event(1, NOW_S, "started", row(5, "RUNNING")), m.Event(2, NOW_S, "submitted", row(6))]
    )
    assert [one.job_id for one in queue.rows()] == [1, 5, 2, 3, 6]
    # What has ended between the two answers of a picture is over.
    queue.show(picture(row(1, "RUNNING"), row(2), recent=(row(3, "COMPLETED"),), is_cut=True))
    assert [one.job_id for one in queue.rows()] == [1, 5, 2, 6]
    # An answer that was asked for before all was forgotten is not taken.
    queue.heard([m.Event(3, NOW_S, "missed", None)])
    queue.add(request, page([row(77)]))
    assert [one.job_id for one in queue.rows()] == [1, 2]


def test_of_further_pages_only_what_fits_is_kept() -> None:
    queue = Queue()
    queue.choose(facts.Filter(state="held"))
    queue.show(picture(row(1, "RUNNING"), is_cut=True))
    request = queue.next_page()
    assert request is not None
    queue.add(request, page([row(2), row(3, batch={"is_held": True})], "2 0 0 3"))
    assert [one.job_id for one in queue.rows()] == [3] and queue.looked_at == 2
    # What comes to fit is shown, what does no longer is not; what is submitted comes with its page.
    queue.heard(
        [
            m.Event(1, NOW_S, "updated", row(2, batch={"is_held": True})),
            m.Event(2, NOW_S, "updated", row(3)),
            m.Event(3, NOW_S, "submitted", row(4, batch={"is_held": True})),
        ]
    )
    assert [one.job_id for one in queue.rows()] == [2]
    # Another filter begins anew.
    queue.choose(facts.Filter())
    assert queue.next_page() == request and queue.looked_at == 0
    assert [one.job_id for one in queue.rows()] == [1]


def test_a_queue_of_ten_thousand_is_arranged_quickly() -> None:
    import time

    queue = Queue()
    queue.show(picture(row(1, "RUNNING"), is_cut=True))
    request = queue.next_page()
    assert request is not None
    rows = [row(number) for number in range(2, 10_002)]
    queue.add(request, page(rows))
    began_s = time.perf_counter()
    assert len(queue.items()) == 10_001
    queue.choose(facts.Filter("name-77"))
    assert queue.next_page() == request and len(queue.items()) == 0
    queue.add(request, page(rows))
    assert len(queue.items()) == 111 and queue.looked_at == 10_000
    assert time.perf_counter() - began_s < 2.0  # some 50 ms; a limit for a machine that is busy


def test_the_history_goes_on_page_by_page_and_new_ends_stand_in_front() -> None:
    history = History(facts.Filter())
    request = history.next_page()
    assert request is not None and request.is_finished
    history.add(request, page([row(5, "COMPLETED"), row(4, "FAILED")], "9.0 4"))
    assert history.heard([ended(6), ended(7), ended(5), m.Event(1, NOW_S, "started", row(8, "RUNNING"))])
    assert [item.row.job_id for item in history.items] == [7, 6, 5, 4]
    request = history.next_page()
    assert request is not None and request.cursor == "9.0 4"
    history.add(request, page([row(3, "COMPLETED")]))
    assert history.next_page() is None and history.looked_at == 3


def test_the_history_asks_the_server_for_states_and_looks_for_words_itself() -> None:
    history = History(facts.Filter("name-4", "failed"))
    request = history.next_page()
    assert request is not None and request.states == ["FAILED"] and request.rows_max == 2000
    history.add(request, page([row(4, "FAILED"), row(5, "FAILED")]))
    assert [item.row.job_id for item in history.items] == [4]
    assert BATCH.tasks == ""
