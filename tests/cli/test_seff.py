"""Seff: from a row to what is known of a job."""

import pytest

from cli.slurm_rows import MIB, ROW, SUBMITTED_AT, finished, pending
from jobd.cli import seff
from jobd.errors import UsageError
from jobd.slurm import advice

NOW_S = SUBMITTED_AT + 100


def test_a_finished_job_tells_what_it_used() -> None:
    job = finished(
        12,
        "FAILED",
        exit_code=3,
        ended_at=SUBMITTED_AT + 62,
        nb_proc=2,
        batch={"cpu_s": 90.0, "memory_peak_bytes": 128 * MIB},
    )
    report = advice.report(seff.facts_of(job, "local", NOW_S))
    assert report[:4] == [
        "Job ID: 12",
        "Cluster: local",
        "User/Group: root/root",
        "State: FAILED (exit code 3)",
    ]
    assert "CPU Efficiency: 75.00% of 00:02:00 core-walltime" in report
    assert "Memory Efficiency: 50.00% of 256.00 MB (256.00 MB/node)" in report


def test_a_signal_stands_for_the_code() -> None:
    job = finished(12, "FAILED", signal=9)
    assert "State: FAILED (exit code 9)" in advice.report(seff.facts_of(job, "local", NOW_S))


def test_an_element_tells_its_array() -> None:
    job = finished(30, "COMPLETED", batch={"array_id": 12, "array_index": 3})
    assert advice.report(seff.facts_of(job, "local", NOW_S))[1] == "Array Job ID: 12_3"


def test_jobs_that_wait_run_or_are_sallocs_say_so() -> None:
    def last(row: object) -> str:
        return advice.report(seff.facts_of(row, "local", NOW_S))[-1]  # type: ignore[arg-type]

    assert "not available" in last(pending(1, "Priority"))
    assert "still running" in last(ROW)
    assert "not recorded" in last(ROW._replace(batch=None, kind="salloc"))


@pytest.mark.parametrize("argv", [[], ["x"], ["--nosuch"]])
def test_wrong_usage_is_refused(argv: list[str]) -> None:
    with pytest.raises(UsageError):
        seff.main(argv)
