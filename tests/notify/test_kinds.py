"""What --mail-type means, which rule fits, and when time is used up."""

import pytest

from jobd.notify import kinds, timers
from jobd.notify.kinds import Rule, Wish
from jobd.notify.store import Notice
from jobd.wire.rows import JobRow
from notify.rows import labels, row


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("END", {"END"}),
        ("end,Fail", {"END", "FAIL"}),
        ("ALL", {"BEGIN", "END", "FAIL", "INVALID_DEPEND", "REQUEUE", "STAGE_OUT"}),
        (
            "ALL,ARRAY_TASKS",
            {"BEGIN", "END", "FAIL", "INVALID_DEPEND", "REQUEUE", "STAGE_OUT", "ARRAY_TASKS"},
        ),
        ("TIME_LIMIT,TIME_LIMIT_80", {"TIME_LIMIT", "TIME_LIMIT_80"}),
        ("NONE", set()),
        ("END,NONE", set()),
        ("NONE,END", set()),
        ("", set()),
        ("nonsense,END", {"END"}),
    ],
)
def test_the_words_are_slurms(text: str, found: set[str]) -> None:
    assert kinds.parse(text) == found


def test_what_a_job_says_itself_comes_before_any_rule() -> None:
    rules = (Rule(frozenset({"FAIL"}), to=("boss",)),)
    assert kinds.wish_of(row(labels(mail_type="END", mail_user="a@b, c@d;a@b")), rules) == Wish(
        frozenset({"END"}), ("a@b", "c@d")
    )
    assert kinds.wish_of(row(labels(mail_type="NONE")), rules) is None
    assert kinds.wish_of(row(), rules) == Wish(frozenset({"FAIL"}), ("boss",))
    assert kinds.wish_of(row(), ()) is None


def test_the_first_rule_that_fits_counts_and_foreground_jobs_are_asked_for() -> None:
    rules = (Rule(frozenset({"END"}), names=("night*", "x?")), Rule(frozenset({"FAIL"}), is_of_all=True))
    assert kinds.wish_of(row(name="nightly"), rules) == Wish(frozenset({"END"}), ())
    assert kinds.wish_of(row(name="x"), rules) == Wish(frozenset({"FAIL"}), ())
    assert kinds.wish_of(row(kind="salloc", name="nightly"), rules) == Wish(frozenset({"FAIL"}), ())
    assert kinds.wish_of(row(kind="srun"), rules[:1]) is None


RUNNING = {"state": "RUNNING", "ended_at": None}


@pytest.mark.parametrize(
    ("found", "at"),
    [
        (row(**RUNNING), 1010 + 1800),
        (row({"paused_s": 100.0}, **RUNNING), 1010 + 1900),
        (row({"paused_at": 1500.0}, **RUNNING), None),
        (row(**{**RUNNING, "state": "SUSPENDED"}), 1010 + 1800),
        (row(time_limit_s=None, **RUNNING), None),
        (row(), None),
        (row(started_at=None, state="PENDING", ended_at=None), None),
    ],
)
def test_the_moment_follows_limit_and_pauses(found: JobRow, at: float | None) -> None:
    assert kinds.share_due_at(found, 0.5) == at


def notice_of(
    kind: str, found: JobRow, wish: Wish, at: float, moment: float | None, living: int | None
) -> Notice:
    return Notice(f"{found.job_id}/{kind}", kind, "", "", at, (), living)


def told(watch: timers.Timers, now_s: float) -> list[str]:
    return [notice.key for notice in watch.due(now_s, notice_of)]


def test_each_share_is_told_once_and_of_several_the_largest() -> None:
    watch = timers.Timers()
    wish = Wish(frozenset(kinds.SHARES), ())
    watch.see(row(time_limit_s=100, **RUNNING), wish)
    assert watch.pause_s(1010.0) == 50.0
    assert (
        told(watch, 1059.9) == [] and told(watch, 1060.0) == ["8/TIME_LIMIT_50"] and told(watch, 1061.0) == []
    )
    assert watch.pause_s(1061.0) == 29.0
    assert told(watch, 1105.0) == ["8/TIME_LIMIT_90"] and told(watch, 1109.0) == []
    assert watch.pause_s(1109.0) is None
    # Started anew it is told anew.
    watch.see(row(time_limit_s=100, **{**RUNNING, "started_at": 2000.0}), wish)
    assert told(watch, 2055.0) == ["8/TIME_LIMIT_50"]
    watch.see(row(time_limit_s=100), wish)
    assert watch.pause_s(3000.0) is None


def test_nobody_who_does_not_ask_has_a_moment() -> None:
    watch = timers.Timers()
    watch.see(row(**RUNNING), Wish(frozenset({"END", "TIME_LIMIT"}), ()))
    watch.see(row(**RUNNING), None)
    assert watch.pause_s(0.0) is None
