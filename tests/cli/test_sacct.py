"""Sacct: which jobs are meant, and the lines of the transcripts of Slurm 22.05 from rows made up here."""

import subprocess
import sys
import time

import pytest

from cli.slurm_rows import MIB, ROW, STEP, SUBMITTED_AT, FakeClient, finished, pending, row
from jobd.cli import sacct, sacct_values
from jobd.cli import slurm_values as v
from jobd.cli.listing import Options
from jobd.errors import UsageError
from jobd.slurm import fields
from jobd.wire.batch import StepRow
from jobd.wire.messages import JobRow

NOW_S = SUBMITTED_AT + 3
DAY_S = 86400


def query(*argv: str, now_s: float = NOW_S) -> sacct.Query:
    return sacct.query_of(Options(sacct.TABLE, argv), now_s)


def lines(
    one: JobRow, names: str, *steps: StepRow, is_with_steps: bool = True, unit: str = "", is_raw: bool = False
) -> list[str]:
    chosen = fields.parse(names)
    layout = fields.Layout(chosen, "|")
    context = sacct_values.Context(NOW_S, unit=unit, is_raw=is_raw)
    entries = sacct_values.entries_of(one, steps, is_with_steps=is_with_steps)
    return [
        layout.line(sacct_values.values_of([field.name for field in chosen], entry, context)).rstrip("\n")
        for entry in entries
    ]


FAILED = finished(3543, "FAILED", exit_code=3, cause="self", reason_code="NonZeroExitCode", name="f")


# ---- the lines
def test_the_default_list_is_slurms() -> None:
    layout = fields.Layout(fields.parse(fields.DEFAULT))
    context = sacct_values.Context(NOW_S)
    names = [field.name for field in layout.fields]
    shown = [
        layout.line(sacct_values.values_of(names, entry, context))
        for entry in sacct_values.entries_of(FAILED, (), is_with_steps=True)
    ]
    assert shown == [
        "3543                  f       main       root          1     FAILED      3:0 \n",
        "3543.batch        batch                  root          1     FAILED      3:0 \n",
    ]


def test_steps_have_lines_of_their_own_and_give_the_derived_code() -> None:
    job = finished(3545, "COMPLETED", exit_code=0, cause="self", name="s")
    steps = [
        STEP._replace(job_id=3545, step_id=0, name="sh", exit_code=5),
        STEP._replace(job_id=3545, step_id=1, name="true"),
    ]
    assert lines(job, "JobID,JobName,State,ExitCode,DerivedExitCode", *steps) == [
        "3545|s|COMPLETED|0:0|5:0",
        "3545.batch|batch|COMPLETED|0:0|",
        "3545.0|sh|FAILED|5:0|",
        "3545.1|true|COMPLETED|0:0|",
    ]


@pytest.mark.parametrize(
    ("one", "shown"),
    [
        (finished(1, "FAILED", signal=9, cause="self"), ["1|FAILED|0:9", "1.batch|FAILED|0:9"]),
        (finished(1, "FAILED", cause="launch"), ["1|FAILED|0:53", "1.batch|FAILED|0:53"]),
        (finished(1, "CANCELLED", cause="deleted", signal=15), ["1|CANCELLED by 0|0:0", "1.batch|CANCELLED|0:15"]),
        (finished(1, "CANCELLED", cause="deleted", signal=9), ["1|CANCELLED by 0|0:0", "1.batch|CANCELLED|0:9"]),
        (finished(1, "CANCELLED", cause="deleted", started_at=None), ["1|CANCELLED by 0|0:0"]),
        (finished(1, "CANCELLED", cause="dependency", started_at=None), ["1|CANCELLED|0:0"]),
        (finished(1, "TIMEOUT", cause="time limit", signal=15), ["1|TIMEOUT|0:0", "1.batch|CANCELLED|0:15"]),
        (finished(1, "OUT_OF_MEMORY", cause="out of memory"), ["1|OUT_OF_MEMORY|0:125", "1.batch|OUT_OF_MEMORY|0:125"]),
        (pending(1, "Priority"), ["1|PENDING|0:0"]),
        (row(job_id=1), ["1|RUNNING|0:0", "1.batch|RUNNING|0:0"]),
        (row(job_id=1, kind="salloc"), ["1|RUNNING|0:0"]),
        (finished(1, "NODE_FAIL", cause="reboot"), ["1|NODE_FAIL|0:0", "1.batch|NODE_FAIL|0:0"]),
    ],
)  # fmt: skip
def test_each_end_is_told_as_slurm_tells_it(one: JobRow, shown: list[str]) -> None:
    assert lines(one, "JobID,State,ExitCode") == shown


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"ended_at": None, "exit_code": None}, "RUNNING"),
        ({"exit_code": 0}, "COMPLETED"),
        ({"exit_code": 2}, "FAILED"),
        ({"exit_code": None, "signal": 11}, "FAILED"),
        ({"exit_code": None, "signal": 15}, "CANCELLED"),
        ({"exit_code": None}, "CANCELLED"),
    ],
)
def test_a_step_has_a_state_of_its_own(changes: dict[str, object], state: str) -> None:
    assert lines(ROW, "State", STEP._replace(**changes))[2] == state


def test_an_array_shows_its_waiting_part_and_its_elements() -> None:
    waiting = pending(3538, "Priority", {"array_id": 3538, "tasks": "2-9", "array_limit": 2})
    element = finished(3600, "COMPLETED", batch={"array_id": 3538, "array_index": 1}, exit_code=0)
    assert lines(waiting, "JobID,JobIDRaw") == ["3538_[2-9%2]|3538"]
    assert lines(element, "JobID,JobIDRaw") == ["3538_1|3600", "3538_1.batch|3600.batch"]


def test_what_was_used_stands_with_the_script_and_the_steps() -> None:
    job = finished(
        3539, "COMPLETED", batch={"cpu_s": 3.5, "memory_peak_bytes": 10 * MIB}, exit_code=0, ended_at=SUBMITTED_AT + 4, nb_proc=2
    )  # fmt: skip
    assert lines(job, "JobID,TotalCPU,MaxRSS,AveCPU,NTasks,CPUTime,Elapsed", STEP) == [
        "3539|00:03.500||||00:00:04|00:00:02",
        "3539.batch|00:03.000|10M|00:00:03|1|00:00:04|00:00:02",
        "3539.0|00:00.500|4M|00:00:00|1|00:00:01|00:00:01",
    ]


def test_sizes_come_in_the_unit_that_was_asked_for() -> None:
    job = finished(1, "COMPLETED", batch={"memory_peak_bytes": 1536 * 1024, "memory_bytes": 1024 * MIB})
    assert lines(job, "ReqMem,MaxRSS") == ["1G|", "|1536K"]
    assert lines(job, "ReqMem,MaxRSS", unit="M") == ["1024.00M|", "|1.50M"]
    assert lines(job, "ReqMem,MaxRSS", is_raw=True) == ["1024M|", f"|{1536 * 1024}"]


def test_times_are_iso_and_unknown_where_there_is_none() -> None:
    assert lines(row(job_id=1), "Submit,Start,End", is_with_steps=False) == [
        "2026-11-20T10:05:11|2026-11-20T10:05:11|Unknown"
    ]
    assert lines(pending(1, "JobHeldUser", {"is_held": True}), "Eligible,Start,NodeList") == [
        "Unknown|Unknown|None assigned"
    ]
    assert lines(finished(1, "CANCELLED", started_at=None), "Start") == ["None"]


def test_resources_are_listed_by_name() -> None:
    job = finished(1, "COMPLETED", batch={"gpus": 1, "memory_bytes": 200 * MIB}, nb_proc=2)
    assert lines(job, "AllocTRES,ReqTRES", is_with_steps=False) == [
        "billing=2,cpu=2,gres/gpu=1,mem=200M,node=1|billing=2,cpu=2,gres/gpu=1,mem=200M,node=1"
    ]
    assert lines(pending(1, "Priority"), "AllocTRES,AllocCPUS") == ["|1"]


def test_every_field_has_a_value_on_every_line() -> None:
    for one in (FAILED, pending(1, "Priority"), ROW, ROW._replace(batch=None, kind="salloc")):
        for line in lines(one, "all", STEP):
            assert line.count("|") == len(fields.WIDTHS) - 1


def test_a_time_limit_in_minutes_is_rounded_up() -> None:
    assert lines(row(time_limit_s=90), "Timelimit,TimelimitRaw", is_with_steps=False) == ["00:01:30|2"]
    assert lines(row(time_limit_s=None), "Timelimit,TimelimitRaw", is_with_steps=False) == [
        "UNLIMITED|UNLIMITED"
    ]


# ---- the window
def local(text: str) -> float:
    return time.mktime(time.strptime(text, "%Y-%m-%dT%H:%M:%S"))


@pytest.mark.parametrize(
    ("argv", "start", "end"),
    [
        ((), "2026-11-20T00:00:00", "2026-11-20T10:05:14"),
        (("-S", "2026-11-19"), "2026-11-19T00:00:00", "2026-11-20T10:05:14"),
        (("-S", "now-1hour"), "2026-11-20T09:05:14", "2026-11-20T10:05:14"),
        (("-S", "09:00", "-E", "10:00"), "2026-11-20T09:00:00", "2026-11-20T10:00:00"),
        (("-s", "R"), "2026-11-20T10:05:14", "2026-11-20T10:05:14"),
        (("-s", "F", "-S", "2026-11-19"), "2026-11-19T00:00:00", "2026-11-19T00:00:00"),
        (("-s", "F", "-S", "2026-11-19", "-E", "now"), "2026-11-19T00:00:00", "2026-11-20T10:05:14"),
    ],
)
def test_the_window_is_slurms(argv: tuple[str, ...], start: str, end: str) -> None:
    found = query(*argv)
    assert int(found.start_s) == local(start)
    assert int(found.end_s) == local(end)


def test_with_numbers_the_window_is_ever() -> None:
    assert query("-j", "12").start_s == 0


def test_a_job_is_in_the_window_if_it_was_there_at_any_time_of_it() -> None:
    day = query("-S", "09:00", "-E", "10:00")
    assert not day.fits(ROW)  # submitted at 10:05:11
    assert query().fits(ROW)
    assert query().fits(row(submitted_at=SUBMITTED_AT - DAY_S))
    assert not query().fits(
        finished(1, "FAILED", ended_at=SUBMITTED_AT - DAY_S, submitted_at=SUBMITTED_AT - DAY_S)
    )


def test_what_was_submitted_in_this_second_is_in_a_window_that_ends_now() -> None:
    at_s = float(int(NOW_S)) + 0.9
    assert query("-S", "today", "-E", "now", now_s=at_s).fits(row(submitted_at=at_s, started_at=None))


def test_a_final_state_is_that_of_an_end_in_the_window() -> None:
    wanted = query("-s", "F", "-S", "10:00", "-E", "now")
    assert wanted.fits(FAILED)
    assert not wanted.fits(finished(1, "COMPLETED"))
    assert not wanted.fits(FAILED._replace(ended_at=SUBMITTED_AT - 3600))


def test_a_job_that_waited_in_the_window_was_pending() -> None:
    wanted = query("-s", "PD", "-S", "10:00", "-E", "now")
    assert wanted.fits(finished(1, "COMPLETED"))
    assert wanted.fits(pending(1, "Priority"))
    assert not query("-s", "PD").fits(ROW)
    assert query("-s", "PD").fits(pending(1, "Priority"))


# ---- which jobs
ARRAY = pending(3538, "Priority", {"array_id": 3538, "tasks": "2-9"})
ELEMENT = row({"array_id": 3538, "array_index": 1}, job_id=3600)


def asked(*argv: str, rows: list[JobRow] | None = None) -> list[str]:
    client = FakeClient([ROW, ARRAY, ELEMENT, FAILED] if rows is None else rows)
    return [v.job_text(one) for one in sacct.jobs_of(client, query(*argv))]  # type: ignore[arg-type]


def test_jobs_stand_by_number_and_arrays_together() -> None:
    assert asked() == ["3538_[2-9]", "3538_1", "3539", "3543"]


@pytest.mark.parametrize(
    ("argv", "shown"),
    [
        (("-j", "3538"), ["3538_[2-9]", "3538_1"]),
        (("-j", "3538_1"), ["3538_1"]),
        (("-j", "3538_[4-5]"), ["3538_[2-9]"]),
        (("-j", "3539,3543"), ["3539", "3543"]),
        (("-j", "3539", "--jobs=3543"), ["3539", "3543"]),
        (("--job", "3600"), ["3538_1"]),
        (("-j", "99999999"), []),
        (("--name", "f"), ["3543"]),
        (("-u", "nobody-else"), []),
        (("-r", "gpu"), []),
        (("-A", "root"), ["3538_[2-9]", "3538_1", "3539", "3543"]),
        (("-k", "1:00:00"), ["3538_[2-9]", "3538_1", "3539", "3543"]),
        (("-k", "10", "-K", "20"), []),
        (("-I", "2"), []),
    ],
)
def test_jobs_are_chosen_by_number_name_user_partition(argv: tuple[str, ...], shown: list[str]) -> None:
    assert asked(*argv) == shown


def test_one_that_ends_while_we_ask_is_shown_once_and_as_ended() -> None:
    ended = finished(3539, "COMPLETED", exit_code=0)
    client = FakeClient([ROW, ended])
    (one,) = sacct.jobs_of(client, query())  # type: ignore[arg-type]
    assert one.state == "COMPLETED"


@pytest.mark.parametrize(
    ("text", "job", "script", "step"),
    [
        ("3539", True, True, True),
        ("3539.batch", False, True, False),
        ("3539.0", False, False, True),
        ("3539.1", False, False, False),
        ("3539.0,3539.batch", False, True, True),
        ("3539,3539.0", True, True, True),
    ],
)
def test_a_step_is_asked_for_by_its_number(text: str, job: bool, script: bool, step: bool) -> None:
    wanted = query("-j", text)
    told = [wanted.has_line(ROW, number) for number in (None, sacct.BATCH_STEP, 0)]
    assert told == [job, script, step]


@pytest.mark.parametrize(
    "argv",
    [
        ("-j", "abc"),
        ("-j", ""),
        ("-s", "bogus"),
        ("-S", "someday"),
        ("-S", "now", "-E", "now-1hour"),
        ("-I", "x"),
        ("-k", "x"),
    ],
)
def test_what_cannot_be_meant_is_refused(argv: tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        query(*argv)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("--format=Bogus",), 'Sacct: error: Invalid field requested: "Bogus"'),
        (("-j", "abc"), "Sacct: error: Bad job/step specified: abc"),
        (("--nosuch",), "Sacct: error: unrecognized option '--nosuch'"),
        (("-nu", "me", "-o", "Account%256", "|", "tail", "-1"), "Sacct: error: invalid option -- '1'"),
        (("--units=X",), "Sacct: error: Invalid unit type 'X'"),
        (("word",), "Sacct: error: Unknown arguments: 'word'"),
    ],
)
def test_wrong_usage_is_one_line_and_code_1(argv: tuple[str, ...], words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from jobd.cli.sacct import program; program()", *argv],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(words)
    assert done.stderr.count("\n") == 1
