"""jobctl log, wait, rerun, clean, hold and its like, and Scancel, with a real server."""

import os
from typing import Any

import pytest


def submit(house: Any, command: str, *options: str) -> int:
    return int(house.ok("Sbatch", "--parsable", "-o", "out-%j-%a", *options, "--wrap", command))


# ---- wait
def test_wait_returns_the_worst_code(house: Any) -> None:
    house.server(2)
    ids = [submit(house, f"exit {code}") for code in (0, 3, 2)]
    assert house.run("jobctl", "wait", *map(str, ids)).returncode == 3
    assert house.run("jobctl", "wait", str(ids[0])).returncode == 0


def test_wait_for_an_array_is_for_all_its_elements(house: Any) -> None:
    house.server(2)
    number = submit(house, "exit $SLURM_ARRAY_TASK_ID", "--array=0-5")
    assert house.run("jobctl", "wait", str(number)).returncode == 5
    assert house.run("jobctl", "wait", f"{number}_[1-3]").returncode == 3
    assert house.run("jobctl", "wait", str(number)).returncode == 5


def test_wait_for_what_is_not_there_is_an_error(house: Any) -> None:
    house.server(2)
    done = house.run("jobctl", "wait", "99")
    assert (done.returncode, done.stderr) == (
        1,
        "jobctl: no job 99 (Squeue lists the living, Sacct the finished)\n",
    )


@pytest.mark.parametrize("array", [(), ("--array=0-3",)])
def test_wait_lives_through_a_restart_of_the_server(house: Any, array: tuple[str, ...]) -> None:
    house.server(8)
    go = house.pipe("go")
    number = submit(house, f"read x < {go}; exit 4", *array)
    house.until(
        lambda: len([job for job in house.jobs() if job["state"] == "RUNNING"]) == (4 if array else 1)
    )
    waiting = house.spawn("jobctl", "wait", str(number))
    house.ok("Sserver", "-1")
    house.ok("Sserver", "8")
    writer = os.open(go, os.O_RDWR)  # open at both ends, so that each reads a line and none finds the end
    os.write(writer, b"on\n" * (4 if array else 1))
    assert waiting.wait(60) == 4
    os.close(writer)


def test_a_cancelled_job_counts_as_failed(house: Any) -> None:
    house.server(2)
    number = submit(house, "true", "--hold")
    waiting = house.spawn("jobctl", "wait", str(number))
    house.ok("Scancel", str(number))
    assert waiting.wait(60) == 1


# ---- log
def test_log_shows_what_was_written_and_its_last_lines(house: Any) -> None:
    house.server(2)
    number = submit(house, "seq 5; echo err >&2", "-e", "err-%j")
    house.run("jobctl", "wait", str(number))
    assert house.ok("jobctl", "log", str(number)) == "1\n2\n3\n4\n5\n"
    assert house.ok("jobctl", "log", "-n2", str(number)) == "4\n5\n"
    assert house.ok("jobctl", "log", "-n0", str(number)) == ""
    assert house.ok("jobctl", "log", "--err", str(number)) == "err\n"


def test_log_of_several_has_prefixes(house: Any) -> None:
    house.server(2)
    number = submit(house, 'printf "$SLURM_ARRAY_TASK_ID\\nend"', "--array=1-2")
    house.run("jobctl", "wait", str(number))
    lines = sorted(house.ok("jobctl", "log", str(number)).splitlines())
    assert lines == [f"{number}_1: 1", f"{number}_1: end", f"{number}_2: 2", f"{number}_2: end"]
    assert house.ok("jobctl", "log", f"{number}_2") == "2\nend"


@pytest.mark.parametrize("array", [(), ("--array=0-1",)])
def test_log_follows_until_the_end(house: Any, array: tuple[str, ...]) -> None:
    house.server(2)
    go = house.pipe("go")
    number = submit(house, f"echo one; read x < {go}; echo two", "--hold", *array)
    following = house.spawn("jobctl", "log", "-f", str(number))
    house.ok("jobctl", "release", str(number))
    count = 2 if array else 1
    assert [following.stdout.readline().endswith("one\n") for _ in range(count)] == [True] * count
    # Open at both ends: whoever comes first must not be the only reader, and a line is for one of them.
    writer = os.open(go, os.O_RDWR)
    os.write(writer, b"on\n" * count)
    assert [following.stdout.readline().endswith("two\n") for _ in range(count)] == [True] * count
    assert following.wait(60) == 0
    os.close(writer)


def test_log_follows_into_the_next_attempt(house: Any) -> None:
    house.server(2)
    number = submit(
        house, 'echo try $SLURM_RESTART_COUNT; test -n "$SLURM_RESTART_COUNT"', "--retries=1", "--hold"
    )
    following = house.spawn("jobctl", "log", "-f", str(number))
    house.ok("jobctl", "release", str(number))
    assert following.wait(60) == 0
    assert following.stdout.read().endswith("try 1\n")


def test_log_of_what_has_no_output_is_an_error(house: Any) -> None:
    house.server(2)
    house.ok("Salloc", "true")
    number = submit(house, "true", "--hold")
    for job in ("1", str(number), "99"):
        done = house.run("jobctl", "log", job)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)


# ---- the others
def test_rerun_queues_the_same_again(house: Any) -> None:
    house.server(2)
    number = submit(house, "echo $SLURM_JOB_ID")
    house.run("jobctl", "wait", str(number))
    assert house.ok("jobctl", "rerun", str(number)) == f"Submitted batch job {number + 1}\n"
    assert house.run("jobctl", "wait", str(number + 1)).returncode == 0
    assert house.ok("jobctl", "log", str(number + 1)) == f"{number + 1}\n"


def test_clean_forgets_what_is_old(house: Any) -> None:
    house.server(2)
    number = submit(house, "true")
    house.run("jobctl", "wait", str(number))
    assert house.ok("jobctl", "clean", "--older", "1d", "--yes") == "forgot 0 finished jobs\n"
    assert house.run("jobctl", "clean", "--older", "1d", input="").returncode == 2
    assert house.ok("jobctl", "clean", "--older", "0s", "--yes") == "forgot 1 finished job\n"
    assert house.run("jobctl", "wait", str(number)).returncode == 1


def test_hold_release_suspend_resume_and_requeue(house: Any) -> None:
    house.server(1)
    go = house.pipe("go")
    first = submit(house, f"read x < {go}")
    second = submit(house, "true")
    house.until_state(first, "RUNNING")
    house.ok("jobctl", "hold", str(second))
    house.ok("jobctl", "suspend", str(first))
    house.until_state(first, "SUSPENDED")
    assert house.job(second)["state"] == "PENDING"
    house.ok("jobctl", "release", str(second))
    house.until_state(second, "COMPLETED")
    house.ok("jobctl", "resume", str(first))
    house.until_state(first, "RUNNING")
    house.ok("jobctl", "requeue", str(first))
    house.until(lambda: (house.job(first) or {"batch": None})["batch"].attempt == 2)
    go.write_text("on\n")
    house.until_state(first, "COMPLETED")
    done = house.run("jobctl", "hold", "99")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)


# ---- Scancel
def test_scancel_ends_elements_and_says_what_is_not_there(house: Any) -> None:
    house.server(2)
    number = submit(house, "true", "--array=0-9", "--hold")
    house.ok("Scancel", f"{number}_3", f"{number}_[5-6]")
    (row,) = [job for job in house.jobs() if job["job_id"] == number]
    assert row["batch"].tasks == "0-2,4,7-9"
    line = "Scancel: error: Kill job error on job id 99: Invalid job id specified"
    done = house.run("Scancel", "99", "-v")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (0, line)
    done = house.run("Scancel", "99")
    assert (done.returncode, done.stderr) == (0, "")  # programs cancel what has just ended, and mind an error
    done = house.run("Scancel", "-s", "USR1", "99")
    assert (done.returncode, done.stderr.splitlines()) == (1, [line])
    house.ok("Scancel", "--me", "--state=PENDING")
    assert house.jobs() == []


def test_scancel_by_name_asks_if_told_to(house: Any) -> None:
    house.server(2)
    ids = [submit(house, "true", "--hold", "-J", name) for name in ("a", "a", "b")]
    done = house.run("Scancel", "-i", "-n", "a", input="n\ny\n")
    assert done.returncode == 0
    assert [job["job_id"] for job in house.jobs()] == [ids[0], ids[2]]
    house.ok("Scancel", "--name=a,b")
    assert house.jobs() == []
