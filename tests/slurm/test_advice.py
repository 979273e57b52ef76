"""Seff's report and its one sentence."""

from typing import Any

import pytest

from jobd.slurm import advice
from jobd.slurm.advice import Facts

GIB = 1 << 30
FACTS = Facts(
    job="12",
    array_job="",
    cluster="local",
    user="me",
    group="us",
    state="COMPLETED",
    exit_code=0,
    nb_proc=4,
    cpu_s=3600.0,
    elapsed_s=1000.0,
    time_limit_s=1200,
    memory_used_bytes=3 * GIB,
    memory_bytes=4 * GIB,
    is_measured=True,
    is_over=True,
    has_started=True,
)


def facts(**changes: Any) -> Facts:
    return FACTS._replace(**changes)


def test_the_report_is_seffs() -> None:
    assert advice.report(FACTS) == [
        "Job ID: 12",
        "Cluster: local",
        "User/Group: me/us",
        "State: COMPLETED (exit code 0)",
        "Nodes: 1",
        "Cores per node: 4",
        "CPU Utilized: 01:00:00",
        "CPU Efficiency: 90.00% of 01:06:40 core-walltime",
        "Job Wall-clock time: 00:16:40",
        "Memory Utilized: 3.00 GB",
        "Memory Efficiency: 75.00% of 4.00 GB (4.00 GB/node)",
        "Advice: what it asked for fits what it used.",
    ]


def test_an_element_of_an_array_says_so() -> None:
    assert advice.report(facts(array_job="10_3"))[1] == "Array Job ID: 10_3"


def test_a_job_of_one_proc_has_cores() -> None:
    assert "Cores: 1" in advice.report(facts(nb_proc=1))


def test_a_waiting_job_has_no_efficiency() -> None:
    report = advice.report(facts(state="PENDING", has_started=False, is_over=False))
    assert report[-1] == "Efficiency not available for jobs in the PENDING state."


def test_a_job_without_memory_asked_for_is_not_divided_by_nothing() -> None:
    assert "Memory Efficiency: no memory was asked for (--mem)" in advice.report(facts(memory_bytes=0))


def test_memory_that_was_not_measured_is_not_said_to_be_none() -> None:
    lines = advice.report(facts(memory_used_bytes=0))
    assert {"Memory Utilized: not measured", "Memory Efficiency: not known (4.00 GB asked for)"} <= set(lines)
    assert "Memory Utilized: not known yet" in advice.report(facts(memory_used_bytes=0, is_over=False))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cpu_s": 900.0}, "0.9 of its 4 procs busy, so 2 procs would do"),
        ({"cpu_s": 700.0}, "so 1 proc would do"),
        ({"cpu_s": 1900.0}, "so 3 procs would do"),
        ({"nb_proc": 1, "cpu_s": 200.0}, "idle for 80% of the time"),
        ({"memory_used_bytes": GIB}, "so --mem of about 1.25 GB would do"),
        ({"memory_used_bytes": 4 * GIB - 1}, "used 100% of its memory"),
        ({"time_limit_s": 86400}, "a shorter --time"),
        ({"time_limit_s": None}, "fits"),
        ({"state": "OUT_OF_MEMORY"}, "--mem of about 6.00 GB"),
        ({"state": "TIMEOUT"}, "time limit of 00:20:00"),
        ({"elapsed_s": 2.0, "cpu_s": 0.0}, "too short"),
        ({"is_over": False}, "still running"),
        ({"is_measured": False}, "not recorded"),
    ],
)
def test_the_advice_says_the_most_that_is_to_be_gained(changes: dict[str, Any], words: str) -> None:
    sentence = advice.advice(facts(**changes))
    assert words in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence
