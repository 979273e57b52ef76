"""A job in words for a person: its state, its spans, when it will be over. Values only."""

from jobd.progress import Progress
from jobd.web import looks
from jobd.web.usual import Usual

from .rows import batch_row, job_row
from .sites import ended, running


def test_states_in_words() -> None:
    held = job_row(1, batch=batch_row(is_held=True))
    never = job_row(1, reason_code="DependencyNeverSatisfied")
    paused = job_row(1, state="SUSPENDED", batch=batch_row(paused_at=1.0))
    said = [
        (looks.state_word(row), looks.state_class(row)) for row in (held, never, paused, ended(1, "TIMEOUT"))
    ]
    assert said == [("held", "off"), ("waiting", "bad"), ("paused", "wait"), ("time over", "bad")]


# ---- when it is over
def test_the_end_is_reckoned_by_progress_else_by_what_is_usual_else_by_the_limit() -> None:
    now = 10_000.0
    row = running(1, started_at=now - 100, time_limit_s=1000)
    assert looks.ends_at(row, Progress(50, 100), now) == (now + 100, "progress")
    assert looks.ends_at(row, Progress(0, 100), now) == (now + 900, "limit")
    assert looks.ends_at(row, Progress(1, 1000), now) == (now + 900, "limit")
    assert looks.ends_at(row, None, now, 400.0) == (now + 300, "usual")
    assert looks.ends_at(row, None, now, 90.0) == (now + 900, "limit")
    assert looks.ends_at(row._replace(time_limit_s=None), None, now) is None
    assert looks.ends_at(ended(1), Progress(1, 2), now) is None


def test_pauses_do_not_count() -> None:
    row = running(1, started_at=100.0, batch=batch_row(paused_s=30.0, paused_at=190.0))
    assert looks.elapsed_s(row, 200.0) == 60.0


def test_the_last_end_is_told_only_where_each_can_be() -> None:
    now = 10_000.0
    rows = [running(1, started_at=now - 10, time_limit_s=100), running(2, started_at=now - 10)]
    assert looks.all_over_at(rows, {}, now) == (None, False)
    assert looks.all_over_at(rows, {2: Progress(1, 2)}, now) == (now + 90, True)
    assert looks.all_over_at(rows, {2: Progress(1, 21)}, now) == (now + 200, False)


def test_spans_as_one_says_them() -> None:
    said = [looks.about(seconds) for seconds in (0, 99, 100, 3600, 8040, 50_000, 200_000, 10**9)]
    assert said == ["0 s", "99 s", "2 min", "60 min", "2 h 14 min", "14 h", "2 days", "11574 days"]
    assert looks.moment(1e300) == "–" and looks.iso(float("inf")) == "" and looks.moment(None) == "–"
    assert [looks.size(count) for count in (0, 1, 1023, 1536, 1 << 30, 1 << 60)] == [
        "0",
        "1 byte",
        "1023 bytes",
        "1.5 kB",
        "1 GB",
        "1024 PB",
    ]


def test_nothing_is_usual_before_it_is_asked() -> None:
    rows = (running(1, name="sim"), running(2, name="wrap"))
    usual = Usual()
    assert usual.of(rows) == {} and usual.is_lacking(rows) and not usual.is_lacking(rows[1:])
