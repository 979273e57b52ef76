"""Squeue's columns: lines as Slurm 22.05 prints them, from rows made up here."""

import time

import pytest

from cli.slurm_rows import MIB, ROW, STEP, SUBMITTED_AT, pending, row
from jobd.cli import letters
from jobd.cli import slurm_values as v
from jobd.slurm import formats
from jobd.slurm.columns import JOB_COLUMNS, JOB_LETTERS, STEP_COLUMNS
from jobd.wire.messages import Counted, JobRow

DEFAULT = "%.18i %.9P %.8j %.8u %.2t %.10M %.6D %R"
NOW_S = SUBMITTED_AT + 3


def line(text: str, one: JobRow, now_s: float = NOW_S) -> str:
    parse = formats.parse_names if "%" not in text else formats.parse
    return letters.line_maker(parse(text))(one, now_s)


def value(letter: str, one: JobRow, now_s: float = NOW_S) -> str:
    return letters.job_value(JOB_LETTERS[letter], one, now_s)


ARRAY = pending(3538, "JobHeldUser", {"array_id": 3538, "tasks": "0-9", "array_limit": 2}, name="arr")


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (pending(3541, "Dependency", name="dep"), "              3541      main      dep     root PD       0:00      1 (Dependency)"),
        (ARRAY, "      3538_[0-9%2]      main      arr     root PD       0:00      1 (JobHeldUser)"),
        (row(), f"              3539      main   run me     root  R       0:03      1 {v.node_name()}"),
    ],
)  # fmt: skip
def test_the_default_list_is_slurms(one: JobRow, expected: str) -> None:
    assert line(DEFAULT, one) == expected


def test_what_psij_asks_for_is_three_words() -> None:
    for one in (ARRAY, ROW, row(state="FAILED", reason_code="NonZeroExitCode"), row(reason_code="")):
        assert len(line("JobArrayID,StateCompact,Reason", one).split()) == 3
    assert (
        line("JobArrayID,StateCompact,Reason", ARRAY)
        == "3538_[0-9%2]        PD                  JobHeldUser         "
    )


def test_an_element_has_a_number_of_its_own_and_the_arrays() -> None:
    element = row({"array_id": 3538, "array_index": 4}, job_id=3601)
    assert line("%i %F %K %A", element) == "3538_4 3538 4 3601"


def test_a_long_list_of_indexes_is_cut() -> None:
    tasks = ",".join(str(number * 2) for number in range(100))
    shown = value("i", pending(5, "Priority", {"array_id": 5, "tasks": tasks}))
    assert shown.startswith("5_[0,2,4")
    assert shown.endswith("...]")
    assert len(shown) < 80


@pytest.mark.parametrize(
    ("letter", "one", "expected"),
    [
        ("M", row({"paused_s": 2.0}), "0:01"),
        ("M", row({"paused_at": SUBMITTED_AT + 1}), "0:01"),
        ("l", row(time_limit_s=None), "UNLIMITED"),
        ("L", row(time_limit_s=600), "9:57"),
        ("L", pending(1, "Priority"), "1:00:00"),
        ("m", row(), "256M"),
        ("m", row({"memory_bytes": 0}), "0"),
        ("m", row({"memory_bytes": 1024 * MIB}), "1G"),
        ("m", row({"memory_bytes": 400 * MIB, "memory_per_cpu_bytes": 200 * MIB}), "200M"),
        ("b", row(), "N/A"),
        ("b", row({"gpus": 2}), "gres:gpu:2"),
        ("W", row({"counted": [Counted("matlab", 2)], "labels": [["licenses", "matlab:2"]]}), "matlab:2"),
        ("b", row({"counted": [Counted("disk", 2)]}), "gres:disk:2"),
        ("W", row({"counted": [Counted("disk", 2)]}), "(null)"),
        ("E", row(), "(null)"),
        ("E", pending(1, "Dependency", {"dependency": "afterok:12,singleton"}), "afterok:12(unfulfilled),singleton(unfulfilled)"),
        ("E", pending(1, "DependencyNeverSatisfied", {"dependency": "afterok:12"}), "afterok:12(failed)"),
        ("R", row(state="FAILED", reason_code="NonZeroExitCode"), "(NonZeroExitCode)"),
        ("R", row(state="COMPLETED", reason_code="None"), v.node_name()),
        ("B", row(), v.node_name()),
        ("B", pending(1, "Priority"), "n/a"),
        ("S", pending(1, "Priority"), "N/A"),
        ("S", pending(1, "Priority", {"expected_start_at": SUBMITTED_AT + 60}), "2026-11-20T10:06:11"),
        ("e", row(time_limit_s=600), "2026-11-20T10:15:11"),
        ("c", row({"cpus_per_task": 2}, nb_proc=4), "2"),
        ("C", row({"cpus_per_task": 2}, nb_proc=4), "4"),
        ("h", row({"is_exclusive": True}), "NO"),
        ("k", row({"labels": [["comment", "c d"]]}), "c d"),
        ("P", row({"labels": [["partition", "gpu"]]}), "gpu"),
        ("a", row({"labels": []}), "root"),
        ("y", row({"nice": 100}), "100"),
        ("t", row(state="OUT_OF_MEMORY"), "OOM"),
        ("U", row(), "0"),
        ("G", row(), "0"),
        ("o", row(command=["a.sh", "b"]), "a.sh b"),
        ("o", row(), "(null)"),
    ],
)  # fmt: skip
def test_the_letters_mean_what_slurm_means(letter: str, one: JobRow, expected: str) -> None:
    assert value(letter, one) == expected


def test_slurms_fixed_letters_of_the_transcript() -> None:
    shown = line("%d|%f|%h|%n|%O|%s|%v|%w|%x|%X|%y|%Y|%z|%H", ROW)
    assert shown == "0|(null)|OK||0||(null)|(null)||N/A|0|(null)|*:*:*|*"


def test_every_column_has_a_value_for_every_job() -> None:
    salloc = ROW._replace(kind="salloc", batch=None)
    for one in (ROW, ARRAY, salloc, pending(1, "Priority"), row(state="CANCELLED", ended_at=NOW_S)):
        for name in JOB_COLUMNS:
            assert isinstance(letters.job_value(name, one, NOW_S), str)


def test_every_column_of_a_step_has_a_value() -> None:
    shown = {name: letters.STEP_VALUES[name](STEP, ROW, NOW_S) for name in STEP_COLUMNS}
    assert shown["stepid"] == "3539.0"
    assert shown["timeused"] == "0:01"
    assert set(shown) == set(STEP_COLUMNS)


def test_a_salloc_shows_in_slurms_list_too() -> None:
    salloc = ROW._replace(kind="salloc", batch=None, job_id=7)
    assert line(DEFAULT, salloc).split()[:5] == ["7", "main", "run", "me", "root"]
    assert line("BatchFlag:1", salloc) == "0"
    assert line("BatchFlag:1", ROW) == "1"


def test_a_column_takes_little_time() -> None:
    make = letters.line_maker(formats.parse(DEFAULT))
    begin = time.process_time()
    for _ in range(2_000):
        make(ROW, NOW_S)
    # Some 20 ms; a limit for a machine that is busy. The time itself is scripts/bench's business.
    assert time.process_time() - begin < 1.0, "100,000 jobs would take most of a minute"
