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


def test_under_slurms_name_it_is_the_text_of_its_script() -> None:
    job = finished(
        12,
        "FAILED",
        exit_code=3,
        ended_at=SUBMITTED_AT + 62,
        nb_proc=2,
        batch={"cpu_s": 90.0, "memory_peak_bytes": 128 * MIB, "memory_bytes": 256 * MIB},
    )
    assert advice.slurm_report(seff.facts_of(job, "local", NOW_S)) == [
        "Job ID: 12",
        "Cluster: local",
        "User/Group: root/root",
        "State: FAILED (exit code 3)",
        "Nodes: 1",
        "Cores per node: 2",
        "CPU Utilized: 00:01:30",
        "CPU Efficiency: 75.00% of 00:02:00 core-walltime",
        "Job Wall-clock time: 00:01:00",
        "Memory Utilized: 128.00 MB",
        "Memory Efficiency: 50.00% of 256.00 MB",
    ]


def test_what_was_not_measured_is_an_estimate_in_slurms_words() -> None:
    running = advice.slurm_report(seff.facts_of(ROW, "local", NOW_S))
    assert running[3:5] == ["State: RUNNING", "Cores: 1"]
    assert running[-3:] == [
        "Memory Utilized: 0.00 MB (estimated maximum)",
        "Memory Efficiency: 0.00% of 256.00 MB (256.00 MB/node)",
        "WARNING: Efficiency statistics may be misleading for RUNNING jobs.",
    ]
    waiting = advice.slurm_report(seff.facts_of(pending(1, "Priority"), "local", NOW_S))
    assert waiting[3:] == [
        "State: PENDING",
        "Cores: 1",
        "Efficiency not available for jobs in the PENDING state.",
    ]


@pytest.mark.parametrize("argv", [[], ["x"], ["--nosuch"]])
def test_wrong_usage_is_refused(argv: list[str]) -> None:
    with pytest.raises(UsageError):
        seff.main(argv)
