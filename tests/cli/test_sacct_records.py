"""What Sacct has lines for where jobs were queued again: which attempts, in which order, as whom they are shown."""

from collections.abc import Iterator
from typing import Any

import pytest

from cli.slurm_rows import STEP, SUBMITTED_AT, FakeClient, finished, pending, row
from jobd.cli import dialect, sacct, sacct_values
from jobd.cli.listing import Options
from jobd.cli.sacct_records import Record, records_of
from jobd.wire.batch import AttemptPage, AttemptRow, ListAttempts
from jobd.wire.messages import JobRow

T = SUBMITTED_AT


@pytest.fixture
def slurm() -> Iterator[None]:
    dialect.speak_slurm()
    yield
    dialect.speak_slurm(False)


def attempt(
    job_id: int, number: int, state: str, *, since_s: float, is_asked: bool = True, **more: Any
) -> AttemptRow:
    """One that ran for a second, and whose job was queued again five seconds later."""
    batch = {"attempt": number, "requeued_at": None if number == 1 else T + since_s}
    times = {"started_at": T + since_s, "ended_at": T + since_s + 1}
    return AttemptRow(finished(job_id, state, batch=batch, **times, **more), T + since_s + 6, is_asked)


# Job 5 was requeued twice, and runs; job 7 has failed, is tried again and waits; job 6 came between.
EARLIER = [
    attempt(5, 1, "FAILED", since_s=0, exit_code=7, cause="self"),
    attempt(5, 2, "CANCELLED", since_s=6, cause="requeued", signal=15),
    attempt(7, 1, "FAILED", since_s=9, exit_code=3, cause="self", is_asked=False, submitted_at=T + 9),
]
NOW = [
    row({"attempt": 3, "requeued_at": T + 12}, job_id=5, started_at=T + 12),
    finished(6, "COMPLETED", batch={"attempt": 1}, exit_code=0, cause="self", submitted_at=T + 8),
    pending(7, "BeginTime", {"attempt": 1, "requeued_at": T + 15}),
]


class Attempts(FakeClient):
    """Knows earlier attempts too."""

    def request(self, request: Any) -> Any:
        if isinstance(request, ListAttempts):
            return AttemptPage([one for one in EARLIER if one.job.job_id in request.job_ids])
        return super().request(request)


def records(*argv: str) -> list[Record]:
    options = Options(sacct.TABLE, argv)
    client: Any = Attempts(NOW)
    query = sacct.query_of(options, T + 100)
    requeued: set[int] = set()
    rows = sacct.jobs_of(client, query, requeued)
    return records_of(client, rows, requeued, query, is_all=options.has("duplicates"))


def told(*argv: str) -> list[tuple[int, str]]:
    return [(one.row.job_id, one.row.state) for one in records(*argv)]


def value(record: Record, name: str) -> str:
    context = sacct_values.Context(T + 100)
    entry, *_ = sacct_values.entries_of(record.parts, (), is_with_steps=True)
    return sacct_values.values_of([name], entry._replace(row=record.row), context)[0]


def test_ours_shows_a_job_once_and_with_d_its_attempts_together() -> None:
    assert told() == [(5, "RUNNING"), (6, "COMPLETED"), (7, "PENDING")]
    assert told("-D") == [
        (5, "REQUEUED"),
        (5, "REQUEUED"),
        (5, "RUNNING"),
        (6, "COMPLETED"),
        (7, "FAILED"),
        (7, "PENDING"),
    ]
    assert told("-s", "F", "-S", "now-1day", "-E", "now") == []


@pytest.mark.usefixtures("slurm")
def test_slurm_has_a_record_of_each_attempt_where_it_was_queued() -> None:
    assert told("-j", "5,6,7", "-D") == [
        (5, "REQUEUED"),
        (5, "REQUEUED"),
        (6, "COMPLETED"),
        (7, "FAILED"),
        (5, "RUNNING"),
        (7, "PENDING"),
    ]
    assert told("-j", "5,6,7") == [(6, "COMPLETED"), (5, "RUNNING"), (7, "PENDING")]


@pytest.mark.usefixtures("slurm")
def test_slurm_shows_the_last_record_that_fits() -> None:
    assert told("-j", "5,6,7", "-s", "RQ") == [(5, "REQUEUED")]
    assert len(told("-j", "5,6,7", "-s", "RQ", "-D")) == 2
    assert told("-j", "5,6,7", "-s", "F") == [(7, "FAILED")]


@pytest.mark.parametrize(("is_slurm", "end_s"), [(False, 1), (True, 6)])
def test_a_requeued_attempt_has_the_code_that_it_had(is_slurm: bool, end_s: int) -> None:
    dialect.speak_slurm(is_slurm)
    try:
        first, second = [one for one in records("-j", "5", "-D") if one.row.state == "REQUEUED"]
        assert (value(first, "ExitCode"), value(second, "ExitCode")) == ("7:0", "0:0")
        assert (first.row.ended_at, first.parts.ended_at, first.parts.state) == (T + end_s, T + 1, "FAILED")
        assert second.row.submitted_at == T + 6
    finally:
        dialect.speak_slurm(False)


def test_an_attempt_has_its_own_steps() -> None:
    steps = {5: [STEP._replace(job_id=5, attempt=number, step_id=number) for number in (1, 2, 3)]}
    assert [[step.step_id for step in one.steps_of(steps)] for one in records("-j", "5", "-D")] == [
        [1],
        [2],
        [3],
    ]
    waiting = Record(*[JobRow._make(NOW[2])] * 2)
    assert waiting.steps_of({7: [STEP._replace(job_id=7)]}) == ()
