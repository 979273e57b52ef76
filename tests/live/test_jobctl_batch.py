"""jobctl rerun over arrays, and log, wait and clean where a person errs. Real daemons, real processes."""

from typing import Any

import pytest

from live.batches import ended, wrap


def test_elements_run_again_as_an_array_of_just_these(house: Any) -> None:
    house.server(2)
    number = wrap(house, "exit $SLURM_ARRAY_TASK_ID", "-a", "0-4%2")
    assert house.run("jobctl", "wait", str(number)).returncode == 4
    again = int(house.ok("jobctl", "rerun", f"{number}_[1,3]").split()[-1])
    assert house.run("jobctl", "wait", str(again)).returncode == 3
    rows = house.ok("Sacct", "-nXPj", str(again), "-o", "JobID,ExitCode").splitlines()
    assert rows == [f"{again}_1|1:0", f"{again}_3|3:0"]


def test_an_element_by_its_own_number_keeps_its_index(house: Any) -> None:
    house.server(2)
    number = wrap(house, "exit $SLURM_ARRAY_TASK_ID", "-a", "3-5")
    house.run("jobctl", "wait", str(number))
    raw = house.ok("Sacct", "-nXPj", f"{number}_3", "-o", "JobIDRaw").strip()
    again = int(house.ok("jobctl", "rerun", raw).split()[-1])
    assert house.run("jobctl", "wait", str(again)).returncode == 3


def test_what_lives_or_is_not_known_is_not_run_again(house: Any) -> None:
    house.server(2)
    number = wrap(house, "true", "-a", "0-3", "--hold")
    for named, said in (
        (f"{number}_2", "lives"),
        (str(number), "lives"),
        ("99", "no job 99"),
        ("99_1", "no job 99_1"),
        (f"{number}.0", "step"),
    ):
        done = house.run("jobctl", "rerun", named)
        assert done.returncode in (1, 2) and done.stderr.count("\n") == 1, named
        assert said in done.stderr
    house.ok("Scancel", f"{number}_2")
    again = int(house.ok("jobctl", "rerun", f"{number}_2").split()[-1])  # while others of the array wait
    ended(house, again)
    assert house.run("jobctl", "rerun", f"{number}_9").returncode == 1


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["log"], 2, "ID"),
        (["log", "abc"], 2, "'abc'"),
        (["log", "99"], 1, "no job 99"),
        (["log", "1"], 1, "has not started"),
        (["wait"], 2, "ID"),
        (["wait", "99"], 1, "no job 99"),
        (["wait", "1_[3-1]"], 2, "3-1"),
        (["rerun", "abc"], 2, "'abc'"),
        (["clean"], 2, "--older"),
        (["clean", "--older", "soon"], 2, "'soon'"),
        (["clean", "--older", "1d"], 2, "--yes"),
        (["hold", "99"], 1, "no job 99"),
        (["suspend", "1"], 1, "job 1"),
    ],
)
def test_nonsense_is_refused_in_one_line(house: Any, arguments: list[str], code: int, said: str) -> None:
    house.server(2)
    wrap(house, "true", "--hold")
    done = house.run("jobctl", *arguments, stdin=-3)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (code, "", 1), done.stderr
    assert said in done.stderr
