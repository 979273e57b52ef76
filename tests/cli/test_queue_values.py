"""What squeue shows and sorts otherwise than Squeue: from rows made up here, as Slurm 22.05 prints them."""

import pytest

from cli.slurm_rows import ROW, STEP, SUBMITTED_AT, pending, row
from jobd.cli import dialect, letters, queue_values
from jobd.cli import slurm_values as v
from jobd.cli.dialect import Said
from jobd.slurm import formats
from jobd.slurm.columns import JOB_LETTERS
from jobd.wire.messages import JobRow

NOW_S = SUBMITTED_AT + 3


@pytest.fixture(autouse=True)
def slurm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialect, "is_slurm", True)


def line(text: str, one: JobRow) -> str:
    fields, _ = formats.read(text, JOB_LETTERS, queue_values.COLUMNS | {"excnodes": "EXC_NODES"})
    return letters.line_maker(queue_values.uncut(fields), queue_values.JOB_VALUES)(one, NOW_S)


def array(tasks: str, limit: int = 0, number: int = 20) -> JobRow:
    return pending(number, "JobHeldUser", {"array_id": number, "tasks": tasks, "array_limit": limit})


# ---- arrays
@pytest.mark.parametrize(
    ("tasks", "shown"),
    [
        ("0-9", "0-9"),
        ("0-10:2", "0,2,4,6,8,10"),
        ("0-12:2", "0-12:2"),
        ("0-40:10", "0,10,20,30,40"),
        ("0-50:10", "0-50:10"),
        ("1,3,5-7,20-40:4", "1,3,5-7,20,24,28,32,36,40"),
        ("1-5:2,6", "1,3,5-6"),
    ],
)
def test_a_step_is_written_where_all_have_it(tasks: str, shown: str) -> None:
    assert line("%K", array(tasks)) == shown


def test_a_long_list_of_indexes_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    one = array("1,3,6,10,15,21,28,36,45,55,66,78,91,105,120,136,153,171,190", 4, number=31)
    assert line("%i", one) == "31_[1,3,6,10,15,21,28,36,45,55,"
    assert line("%K", one).endswith("171,190%4")
    monkeypatch.setenv("SLURM_BITSTR_LEN", "20")
    assert line("%i", one) == "31_[1,3,6,10,15,21,2...%4]"
    monkeypatch.setenv("SLURM_BITSTR_LEN", "0")
    assert line("%i", one).endswith("171,190%4]")
    monkeypatch.setenv("SLURM_BITSTR_LEN", "many")
    assert line("%i", one).endswith("171,190%4]")


# ---- values
def test_times_are_not_cut_where_they_stand_to_the_right() -> None:
    day = row(time_limit_s=86_400)
    assert line("%.9l|%9l|%.3M", day) == "1-00:00:00|1-00:00:0|0:03"


def test_a_job_that_never_started_has_the_time_of_its_end() -> None:
    gone = row(state="CANCELLED", started_at=None, ended_at=SUBMITTED_AT)
    assert line("%S %e", gone) == "2026-11-20T10:05:11 2026-11-20T10:05:11"


def test_a_job_that_is_expected_to_start_has_an_end_too() -> None:
    one = pending(1, "Priority", {"expected_start_at": SUBMITTED_AT + 60}, time_limit_s=600)
    assert line("%S %e %Y", one) == f"2026-11-20T10:06:11 2026-11-20T10:16:11 {v.node_name()}"
    assert line("%S %e %Y", pending(1, "Priority")) == "N/A N/A (null)"


def test_priorities_fall_from_job_to_job_and_are_none_of_what_is_held() -> None:
    assert line("%Q", row(job_id=12, priority=0)) == "4294901748"
    assert line("%p", row(job_id=12, priority=0)) == "0.99998473864980"
    assert line("%Q %p", pending(1, "JobHeldUser", {"is_held": True}, priority=0)) == "0 0.00000000000000"
    assert line("%Q", row(priority=7)) == "7"


@pytest.mark.parametrize(
    ("layout", "shown"),
    [("%Y", "2026"), ("standard", "2026-11-20T10:05:11"), ("", "2026-11-20T10:05:11")],
)
def test_times_have_the_layout_that_is_asked_for(
    layout: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_TIME_FORMAT", layout)
    assert line("%V", ROW) == shown


@pytest.mark.parametrize(
    ("days", "layout"), [(0, "%H:%M:%S"), (1, "Tomorr %H:%M"), (-1, "Ystday %H:%M"), (800, "%-d %b %Y")]
)
def test_relative_times_say_as_little_as_they_can(
    days: int, layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    noon = time.mktime((*time.localtime()[:3], 12, 0, 0, 0, 0, -1))
    at_s = time.mktime(time.localtime(noon + days * 86_400))
    monkeypatch.setenv("SLURM_TIME_FORMAT", "relative")
    assert v.format_time(at_s, "N/A") == time.strftime(layout, time.localtime(at_s))


def test_the_batch_script_is_a_step() -> None:
    step = queue_values.batch_step(ROW)
    assert step is not None
    assert queue_values.STEP_LINE["stepid"](step, ROW, NOW_S) == "3539.batch"
    assert queue_values.STEP_LINE["stepid"](STEP, ROW, NOW_S) == "3539.0"
    assert queue_values.batch_step(pending(1, "Priority")) is None
    assert queue_values.batch_step(ROW._replace(kind="salloc", batch=None)) is None
    for name in queue_values.STEP_COLUMNS:
        assert isinstance(queue_values.STEP_LINE[name](step, ROW, NOW_S), str)


# ---- order
def test_the_order_is_state_then_priority_and_held_ones_last_with_the_newest_first() -> None:
    rows = [
        pending(1, "JobHeldUser", {"is_held": True}, priority=0),
        row(job_id=2, priority=0),
        pending(3, "Priority", priority=0),
        pending(4, "JobHeldUser", {"is_held": True}, priority=0),
        pending(5, "Priority", priority=0),
        pending(6, "Priority", priority=9),
        row(job_id=7, state="FAILED", priority=0),
    ]
    shown = queue_values.in_order(rows, None, NOW_S)
    assert [one.job_id for one in shown] == [7, 6, 3, 5, 4, 1, 2]


def test_rows_are_sorted_by_letters() -> None:
    rows = [row(job_id=number, name=name) for number, name in ((1, "b"), (2, "a"), (3, "b"))]

    def numbers(text: str) -> list[int]:
        return [one.job_id for one in queue_values.in_order(rows, text, NOW_S)]

    assert numbers("i") == [1, 2, 3]
    assert numbers("-i") == numbers("") == [3, 2, 1]
    assert numbers("j,i") == [2, 1, 3]
    assert numbers("-j,+i") == [1, 3, 2]
    for letter in "?Kk":
        with pytest.raises(Said, match="Invalid sort specification"):
            numbers(f"i,{letter}")


def test_every_letter_that_is_sorted_by_can_be() -> None:
    rows = [
        ROW,
        pending(1, "Priority"),
        array("0-9"),
        row(state="CANCELLED", started_at=None, ended_at=NOW_S),
    ]
    for letter in set(JOB_LETTERS) - queue_values.UNSORTABLE:
        assert len(queue_values.in_order(rows, f"-{letter}", NOW_S)) == len(rows)


def test_some_elements_of_an_array_have_no_limit() -> None:
    before = array("0-9", 2)
    after = array("1-2", 2)
    assert line("%i", queue_values.without_limit(after, before)) == "20_[1-2]"
    assert line("%i", queue_values.without_limit(before, before)) == "20_[0-9%2]"
