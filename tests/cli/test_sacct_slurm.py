"""sacct by Slurm's name: what it takes and refuses, and the values that Slurm's accounting has otherwise."""

from collections.abc import Iterator

import pytest

from cli.slurm_rows import MIB, STEP, SUBMITTED_AT, FakeClient, finished, pending, row
from jobd.cli import dialect, sacct, sacct_json, sacct_values
from jobd.cli import slurm_values as v
from jobd.cli.listing import Options
from jobd.cli.sacct_records import Record
from jobd.slurm import fields
from jobd.wire.batch import StepRow
from jobd.wire.messages import JobRow

NOW_S = SUBMITTED_AT + 3


@pytest.fixture(autouse=True)
def _slurm() -> Iterator[None]:
    dialect.speak_slurm()
    yield
    dialect.speak_slurm(False)


def query(*argv: str) -> sacct.Query:
    return sacct.query_of(Options(sacct.TABLE, argv), NOW_S)


def asked(*argv: str, rows: list[JobRow]) -> list[str]:
    return [v.job_text(one) for one in sacct.jobs_of(FakeClient(rows), query(*argv))]  # type: ignore[arg-type]


def values(one: JobRow, names: str, *steps: StepRow, unit: str = "") -> list[str]:
    layout = fields.Layout(fields.parse(names), "|")
    context = sacct_values.Context(NOW_S, unit=unit, memory_bytes=4000 * MIB)
    found = [field.name for field in layout.fields]
    return [
        layout.line(sacct_values.values_of(found, entry, context)).rstrip("\n")
        for entry in sacct_values.entries_of(one, steps, is_with_steps=True)
    ]


FAILED = finished(3543, "FAILED", exit_code=3, cause="self", reason_code="NonZeroExitCode")
HELD = pending(3600, "JobHeldUser", {"is_held": True})
PLAIN = pending(3601, "Priority")
ELEMENT = finished(3550, "COMPLETED", batch={"array_id": 3540, "array_index": 1}, exit_code=0)
WAITING = pending(3540, "Priority", {"array_id": 3540, "tasks": "2-9"})
ALL = [FAILED, HELD, PLAIN, ELEMENT, WAITING]


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("-j", "abc"), ["sacct: fatal: Bad job/step specified: abc"]),
        (("-j", "12_x"), ["sacct: fatal: Bad job array element specified: 12"]),
        (("-j", "12.foo"), ["sacct: fatal: Bad step specified: 12"]),
        (("-s", "bogus"), ["sacct: fatal: unrecognized job state value 'bogus'"]),
        (("-s", "cg"), ["sacct: fatal: job state cg is not supported / accounted"]),
        (("-u", "no such"), ["sacct: error: Invalid user id: no such"]),
        (("-u", ""), []),
        (("-S", "foo"), ["Invalid time specification (pos=0): foo"]),
        (("-I", "x"), ['sacct: error: Invalid numeric value "x" for requested cpu range.']),
        (("-k", "x"), ["sacct: fatal: Invalid time limit specification"]),
    ],
)
def test_a_refusal_is_slurms(argv: tuple[str, ...], words: list[str]) -> None:
    with pytest.raises(dialect.Said) as caught:
        query(*argv)
    assert list(caught.value.lines) == words
    assert caught.value.code == 1


@pytest.mark.parametrize(
    ("argv", "shown"),
    [
        ((), ["3543", "3601", "3540_1", "3540_[2-9]"]),
        (("-j", "3600,3543"), ["3543", "3600"]),
        (("-j", "3543x"), ["3543"]),
        (("-j", ""), ["3543", "3601", "3540_1", "3540_[2-9]"]),
        (("-j", "3540_1"), ["3540_1"]),
        (("-s", ""), ["3543", "3601", "3540_1", "3540_[2-9]"]),
        (("-s", "PD"), ["3601", "3540_[2-9]"]),
        (("-s", "F", "-j", "3543,3601"), ["3543"]),
        (("--name", ""), []),
        (("-i", "2-3"), []),
        (("-N", "n[1"), []),
    ],
)
def test_jobs_are_chosen_as_slurm_chooses_them(argv: tuple[str, ...], shown: list[str]) -> None:
    assert asked(*argv, rows=ALL) == shown


def test_a_step_of_a_job_whose_steps_are_not_shown_is_the_job() -> None:
    assert query("-j", "3543.0", "-X").has_line(FAILED, None)
    assert not query("-j", "3543.0").has_line(FAILED, None)


@pytest.mark.parametrize(
    ("one", "names", "shown"),
    [
        (finished(1, "FAILED", signal=9, cause="self"), "State", ["FAILED", "CANCELLED"]),
        (row({"cpu_s": 0.0}, state="COMPLETING"), "State", ["RUNNING", "RUNNING"]),
        (HELD, "Reason,Eligible,Reserved,Priority", ["JobHeldUser|Unknown|00:00:00|0"]),
        (PLAIN, "Reason,Reserved,AllocNodes,AllocTRES", ["None|00:00:03|0|"]),
        (finished(1, "CANCELLED", started_at=None), "Start,Reserved", ["None|INVALID"]),
        (FAILED, "Reason", ["None", ""]),
        (pending(1, "Priority", {"memory_bytes": 0}), "ReqMem,ReqTRES", ["4000M|billing=1,cpu=1,mem=4000M,node=1"]),
    ],
)  # fmt: skip
def test_a_value_is_slurms(one: JobRow, names: str, shown: list[str]) -> None:
    assert values(one, names) == shown


def test_a_step_has_the_processors_of_its_job() -> None:
    job = finished(1, "COMPLETED", batch={"memory_bytes": 0}, exit_code=0, nb_proc=2)
    ended = STEP._replace(job_id=1, ntasks=1, exit_code=None, signal=11)
    assert values(job, "AllocCPUS,AllocTRES,State", ended) == [
        "2|billing=2,cpu=2,node=1|COMPLETED",
        "2|cpu=2,mem=0,node=1|COMPLETED",
        "2|cpu=2,mem=0,node=1|CANCELLED",
    ]


def test_sizes_are_whole_where_they_can_be() -> None:
    job = finished(1, "COMPLETED", exit_code=0, batch={"memory_bytes": 200 * MIB})
    assert [values(job, "ReqMem", unit=unit)[0] for unit in "KMG"] == ["204800K", "200M", "0.20G"]


def test_the_document_has_each_step() -> None:
    job = finished(1, "COMPLETED", exit_code=0)
    told = sacct_json.job(Record(job, job), (STEP._replace(job_id=1),), sacct_values.Context(NOW_S, "mini"))
    assert told["state"] == {"current": "COMPLETED", "reason": "None"}
    assert [step["step"]["id"] for step in told["steps"]] == ["batch", 0]  # type: ignore[attr-defined]


@pytest.mark.parametrize(("code", "shown"), [(127, "127:0"), (128, "0:0"), (130, "2:0"), (255, "127:0")])
def test_128_is_taken_off_a_code_but_not_in_a_document(code: int, shown: str) -> None:
    job = finished(1, "FAILED", exit_code=code, cause="self")
    step = STEP._replace(job_id=1, exit_code=code)
    assert values(job, "ExitCode,DerivedExitCode", step) == [f"{shown}|{shown}", f"{shown}|", f"{shown}|"]
    told = sacct_json.job(Record(job, job), (step,), sacct_values.Context(NOW_S, is_document=True))
    assert told["exit_code"]["return_code"] == code  # type: ignore[index]


def test_steps_that_were_ended_with_their_job_have_no_part_in_its_code() -> None:
    steps = STEP._replace(exit_code=3), STEP._replace(exit_code=None, signal=15)
    timeout = finished(3539, "TIMEOUT", cause="time limit", signal=15)
    assert values(timeout, "DerivedExitCode", *steps)[0] == "3:0"
    assert values(timeout, "DerivedExitCode", steps[1])[0] == "0:0"
    assert (
        values(finished(3539, "FAILED", cause="self", exit_code=1), "DerivedExitCode", steps[1])[0] == "0:15"
    )


def test_a_failure_of_the_node_leaves_no_codes_of_what_ran() -> None:
    job = finished(3539, "NODE_FAIL", cause="lost")
    assert values(job, "State,ExitCode", STEP) == ["NODE_FAIL|0:0", "CANCELLED|", "CANCELLED|"]


def test_a_step_that_took_too_much_memory_says_so() -> None:
    job = finished(3539, "OUT_OF_MEMORY", cause="out of memory", signal=9)
    ended = STEP._replace(exit_code=None, signal=None), STEP._replace(step_id=1)
    assert values(job, "State,ExitCode", *ended)[2:] == ["OUT_OF_MEMORY|0:125", "COMPLETED|0:0"]
