"""Scancel, as Slurm's users and the programs that drive Slurm know it. Real daemons, real processes."""

from typing import Any

import pytest

from live.batches import configured, ended, lines, output, script, submit, wrap

STEP = "Srun -n1 sh -c 'trap \"echo {name} >> got; exit 4\" USR1; echo up > {pipe}; while :; do sleep 0.05; done' &"


def steps_of(house: Any, *names: str) -> int:
    """Start a job of which each step waits for USR1 and then writes its name; its number."""
    pipes = [house.pipe(f"{name}.up") for name in names]
    text = "".join(f"{STEP.format(name=name, pipe=pipe)}\n" for name, pipe in zip(names, pipes, strict=True))
    number = submit(
        house, "-n", str(len(names)), script(house, f"trap 'echo script >> got' USR1\n{text}wait; wait; wait")
    )
    for pipe in pipes:
        house.until_ready(pipe)
    return number


def step_ids(house: Any, number: int) -> dict[str, str]:
    """The steps of a job by what they wait for, as Squeue lists them: name of the pipe → 12.0."""
    rows = house.ok("Scontrol", "-o", "show", "step", str(number)).splitlines()
    return {row.split()[0].partition("=")[2]: row for row in rows if row}


@pytest.mark.parametrize("number", ["99", "1", "1_3"])
def test_what_is_over_or_unknown_is_as_cancelled_as_it_can_be(house: Any, number: str) -> None:
    house.server(2)
    ended(house, wrap(house, "true"))
    done = house.run("Scancel", number)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    done = house.run("Scancel", "-v", number)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        0,
        f"Scancel: error: Kill job error on job id {number}: Invalid job id specified",
    )
    assert house.run("Scancel", "-Qs", "USR1", number).returncode == 1


def test_a_person_is_told_of_what_is_not_there(house: Any) -> None:
    house.server(2)
    terminal = house.terminal("Scancel", "99")
    terminal.expect("Kill job error on job id 99: Invalid job id specified")


def test_a_job_that_waits_cannot_be_signalled(house: Any) -> None:
    house.server(2)
    number = wrap(house, "true", "--hold")
    done = house.run("Scancel", "-s", "USR1", str(number))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert house.job(number)["state"] == "PENDING"


def test_a_signal_goes_to_all_steps_and_to_the_script_only_if_asked(house: Any) -> None:
    house.server(2)
    number = steps_of(house, "a", "b")
    house.ok("Scancel", "-s", "USR1", str(number))
    assert ended(house, number)["exit_code"] == 0
    assert sorted(lines(house.work / "got")) == ["a", "b"]


def test_one_step_is_meant_without_the_others(house: Any) -> None:
    house.server(3)
    number = steps_of(house, "a", "b", "c")
    assert sorted(step_ids(house, number)) == [f"{number}.{index}" for index in range(3)]
    house.ok("Scancel", f"{number}.1")
    house.until(lambda: len(step_ids(house, number)) == 2)
    assert sorted(step_ids(house, number)) == [f"{number}.0", f"{number}.2"]
    # Two that are named at once are both meant.
    house.ok("Scancel", "-s", "USR1", f"{number}.0", f"{number}.2")
    assert ended(house, number)["state"] == "COMPLETED"
    assert len(lines(house.work / "got")) == 2
    listed = house.ok("Sacct", "-nPj", str(number), "-o", "JobID,State,ExitCode").splitlines()
    assert [line for line in listed if line.startswith(f"{number}.1|")] == [f"{number}.1|CANCELLED|0:15"]
    assert sum(line.endswith("|FAILED|4:0") for line in listed) == 2
    assert "Terminated" in output(house, number)


def test_conditions_hold_together(house: Any) -> None:
    configured(house, 'partitions = ["main", "other"]\n')
    house.server(1)
    go = house.pipe("go")
    running = wrap(house, f"read x < {go}", "-J", "a")
    waiting = [
        wrap(house, "true", "-J", name, "-p", partition)
        for name, partition in (("a", "main"), ("b", "other"), ("a", "other"))
    ]
    house.ok("Scancel", "--name=a", "--state=PD", "-p", "other", "--me")
    assert {job["job_id"] for job in house.jobs()} == {running, *waiting[:2]}
    house.ok("Scancel", "-n", "a,b", "-t", "pending")
    assert {job["job_id"] for job in house.jobs()} == {running}
    assert house.job(waiting[0])["state"] == "CANCELLED"
    house.ok("Scancel", "--user", "nobody-of-this-name")
    assert house.job(running)["state"] == "RUNNING"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 1, "No job identification provided"),
        (["abc"], 2, "'abc'"),
        (["1_[3-1]"], 2, "3-1"),
        (["-s", "BOGUS", "1"], 2, "no signal 'BOGUS'"),
        (["-t", "BOGUS"], 2, "Invalid job state specified: BOGUS"),
        (["--bogus"], 2, "unrecognized option '--bogus'"),
        (["--name"], 2, "--name"),
    ],
)
def test_nonsense_is_refused_in_one_line(house: Any, arguments: list[str], code: int, said: str) -> None:
    house.server(2)
    done = house.run("Scancel", *arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (code, "", 1)
    assert said in done.stderr
