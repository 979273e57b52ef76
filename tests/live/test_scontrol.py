"""Scontrol with living jobs: what it shows, and what it changes of them. Real daemons, real processes."""

import os
import re
from typing import Any

import pytest

from live.batches import configured, ended, lines, output, script, submit, wrap


def shown(house: Any, number: int | str) -> dict[str, str]:
    """The words of `Scontrol show job`, as programs read them."""
    text = house.ok("Scontrol", "-o", "show", "job", str(number))
    return dict(re.findall(r"(\S+?)=(.*?) *(?= \S+=|$)", text, re.MULTILINE))


def holding(house: Any, *options: str, text: str = "") -> int:
    """A job that runs until `go` is written to; it has begun when this returns."""
    up, go = house.pipe("up"), house.pipe("go")
    number = wrap(house, f"{text} echo up > {up}; read x < {go}", *options)
    house.until_ready(up)
    return number


def go_on(house: Any) -> None:
    """Let that job end."""
    (house.work / "go").write_text("on\n")


# ---- what it shows
def test_a_running_job_is_shown_as_slurm_shows_it(house: Any) -> None:
    configured(house, "[gres]\ndisk = 4\n[licenses]\nsolver = 2\n")
    house.server(4)
    number = holding(
        house,
        "-J",
        "run me",
        "-c",
        "2",
        "--mem=200M",
        "-t",
        "10",
        "--comment=c d",
        "-L",
        "solver",
        "--gres=disk:3",
    )
    text = house.ok("Scontrol", "show", "job", str(number)).splitlines()
    assert text[0] == f"JobId={number} JobName=run me"
    assert text[3] == "   JobState=RUNNING Reason=None Dependency=(null)"
    words = shown(house, number)
    expected = {
        "TimeLimit": "00:10:00",
        "NumCPUs": "2",
        "CPUs/Task": "2",
        "TRES": "cpu=2,mem=200M,node=1,billing=2,gres/disk=3,license/solver=1",
        "MinMemoryNode": "200M",
        "Licenses": "solver:1",
        "Comment": "c d",
        "Command": "(null)",
        "WorkDir": str(house.work),
        "StdOut": str(house.work / f"slurm-{number}.out"),
        "StdErr": str(house.work / f"slurm-{number}.out"),
        "StdIn": "/dev/null",
        "ExitCode": "0:0",
    }
    assert {key: words[key] for key in expected} == expected
    go_on(house)
    assert ended(house, number)["state"] == "COMPLETED"
    assert shown(house, number)["JobState"] == "COMPLETED"  # for some minutes


def test_a_waiting_array_is_one_record_and_its_elements_are_more(house: Any) -> None:
    house.server(2)
    number = wrap(house, "true", "-H", "-a", "0-9%2")
    words = shown(house, number)
    assert (words["ArrayTaskId"], words["ArrayTaskThrottle"], words["Reason"]) == (
        "0-9%2",
        "2",
        "JobHeldUser",
    )
    assert words["StdOut"].endswith(f"/slurm-{number}_4294967294.out")
    house.ok("Scontrol", "hold", f"{number}_[3-4]")
    records = house.ok("Scontrol", "-o", "show", "job", str(number)).splitlines()
    assert len([record for record in records if record]) == 3


def test_the_script_comes_back_as_it_was(house: Any) -> None:
    house.server(2)
    name = script(house, '#!/bin/sh\n# \xe9\necho "$1"\n')
    number = submit(house, "-H", name, "a")
    assert house.ok("Scontrol", "write", "batch_script", str(number), "-") == (house.work / name).read_text()
    house.ok("Scontrol", "write", "batch_script", str(number))
    assert (house.work / f"slurm-{number}.sh").read_text() == (house.work / name).read_text()


def test_what_programs_read_of_the_machine(house: Any) -> None:
    configured(house, 'cluster = "home"\npartitions = ["main", "gpu"]\n')
    house.server(3)
    config = house.ok("Scontrol", "show", "config")
    assert re.search(r"^MinJobAge +=  *300 sec$", config, re.MULTILINE)
    assert re.search(r"^ClusterName +=  *home$", config, re.MULTILINE)
    partitions = house.ok("Scontrol", "-o", "show", "partition").splitlines()
    assert [line.split()[0] for line in partitions if line] == ["PartitionName=main", "PartitionName=gpu"]
    node = house.ok("Scontrol", "show", "node")
    assert "CPUAlloc=0 CPUEfctv=3 CPUTot=3" in node
    assert "State=IDLE" in node
    assert house.ok("Scontrol", "show", "hostnames", "n[1-3],m05") == "n1\nn2\nn3\nm05\n"
    assert house.ok("Sinfo", "-h", "-o", "%P|%C") == "main*|0/3/0/3\ngpu|0/3/0/3\n"


# ---- what it changes
def test_a_running_job_gets_other_processors_and_time(house: Any) -> None:
    count = len(os.sched_getaffinity(0))
    house.server(count)
    number = holding(house, "-t", "10")
    house.ok(
        "Scontrol",
        "update",
        f"JobId={number}",
        "TimeLimit=+20",
        f"NumCPUs={count}",
        "JobName=x y",
        "Comment=z",
    )
    words = shown(house, number)
    assert (words["TimeLimit"], words["NumCPUs"], words["JobName"], words["Comment"]) == (
        "00:30:00",
        str(count),
        "x y",
        "z",
    )
    pid = house.job(number)["pid"]
    house.until(lambda: os.sched_getaffinity(pid) == os.sched_getaffinity(0))
    house.ok("Scontrol", "update", f"JobId={number}", "NumCPUs=1")
    house.until(lambda: len(os.sched_getaffinity(pid)) == 1)
    done = house.run("Scontrol", "update", f"JobId={number}", f"NumCPUs={count + 1}")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert shown(house, number)["NumCPUs"] == "1"
    go_on(house)
    assert ended(house, number)["exit_code"] == 0


def test_a_limit_that_is_lowered_ends_a_job_that_is_over_it(house: Any) -> None:
    house.server(2)
    number = holding(house, "-t", "10")
    house.ok("Scontrol", "update", f"JobId={number}", "TimeLimit=0:01")
    assert ended(house, number)["state"] == "TIMEOUT"


def test_a_waiting_job_gets_another_dependency_and_time(house: Any) -> None:
    house.server(2)
    first = wrap(house, "true", "-H")
    number = wrap(house, "echo ran", "-d", f"afterok:{first}")
    house.ok("Scontrol", "update", f"jobid={number}", f"dependency=afternotok:{first}")
    house.ok("Scancel", str(first))
    assert ended(house, number)["exit_code"] == 0
    second = wrap(house, "true", "-H", "-b", "now+1hour")
    house.ok("Scontrol", "release", str(second))
    assert shown(house, second)["Reason"] == "BeginTime"
    house.ok("Scontrol", "update", f"jobid={second}", "starttime=now")
    ended(house, second)
    third = wrap(house, "true", "-H")
    done = house.run("Scontrol", "update", f"jobid={third}", f"dependency=afterok:{third}")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)


def test_priority_0_holds_and_another_releases(house: Any) -> None:
    house.server(2)
    number = wrap(house, "true", "-b", "now+1hour")
    house.ok("Scontrol", "update", f"jobid={number}", "priority=0")
    assert shown(house, number)["Reason"] == "JobHeldUser"
    house.ok("Scontrol", "update", f"jobid={number}", "priority=5", "starttime=now")
    ended(house, number)


def test_an_arrays_throttle_is_changed_while_it_runs(house: Any) -> None:
    house.server(4)
    go = house.pipe("go")
    number = wrap(house, f"read x < {go}", "-a", "0-3%1")
    house.until(lambda: len([job for job in house.jobs() if job["state"] == "RUNNING"]) == 1)
    house.ok("Scontrol", "update", f"jobid={number}", "ArrayTaskThrottle=3")
    house.until(lambda: len([job for job in house.jobs() if job["state"] == "RUNNING"]) == 3)
    assert house.ok("Squeue", "-h", "-j", str(number), "-t", "PD", "-o", "%r") == "JobArrayTaskLimit\n"
    house.ok("Scancel", str(number))


def test_a_job_requeues_itself_from_inside_a_step(house: Any) -> None:
    house.server(2)
    text = "echo run ${SLURM_RESTART_COUNT:-0}\ntest -n \"$SLURM_RESTART_COUNT\" && exit 0\nSrun sh -c 'Scontrol requeue $SLURM_JOB_ID; sleep 1000'"
    number = submit(house, "--open-mode=append", script(house, text))
    row = ended(house, number)
    assert (row["exit_code"], row["batch"].attempt) == (0, 2)
    assert lines(house.work / f"slurm-{number}.out")[0] == "run 0"
    assert lines(house.work / f"slurm-{number}.out")[-1] == "run 1"
    assert shown(house, number)["Restarts"] == "1"


def test_requeuehold_waits_for_its_release(house: Any) -> None:
    house.server(2)
    number = wrap(house, 'test -n "$SLURM_RESTART_COUNT" || exec sleep 1000')
    house.until_state(number, "RUNNING")
    house.ok("Scontrol", "requeuehold", str(number))
    house.until(lambda: shown(house, number)["Reason"] == "JobHeldUser")
    assert shown(house, number)["JobState"] == "PENDING"
    house.ok("Scontrol", "release", str(number))
    assert ended(house, number)["exit_code"] == 0


def test_what_may_not_be_requeued_is_not(house: Any) -> None:
    house.server(2)
    number = holding(house, "--no-requeue")
    done = house.run("Scontrol", "requeue", str(number))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    go_on(house)
    assert ended(house, number)["batch"].attempt == 1


def test_an_unenforced_limit_is_said(house: Any) -> None:
    house.server(len(os.sched_getaffinity(0)) + 1)  # nobody can have a processor of his own
    number = holding(house)
    house.until(lambda: "processors" in shown(house, number).get("Unenforced", ""))
    go_on(house)
    ended(house, number)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["show", "job", "99"], 1, "Invalid job id specified"),
        (["show", "job", "abc"], 2, "'abc'"),
        (["show", "nothing"], 2, "invalid entity"),
        (["nosuchverb"], 2, "invalid keyword: nosuchverb"),
        ([], 2, "no verb"),
        (["hold"], 2, "which jobs"),
        (["hold", "99"], 1, "no job 99"),
        (["requeue", "99"], 1, "no job 99"),
        (["suspend", "1"], 1, "job 1"),
        (["resume", "1"], 1, "job 1"),
        (["update", "jobid=1"], 2, "No changes specified"),
        (["update", "timelimit=5"], 2, "No job specified"),
        (["update", "jobid=1", "timelimit=xx"], 2, "'xx'"),
        (["update", "jobid=1", "nosuch=1"], 2, "nosuch=1"),
        (["update", "jobid=1", "numcpus=0"], 2, "numcpus"),
        (["update", "jobid=1", "partition=nope"], 1, "nope"),
        (["update", "jobid=1", "dependency=foo:1"], 2, "foo:1"),
        (["update", "jobid=1", "minmemorynode=900T"], 1, "memory"),
        (["show", "hostnames"], 1, "host list is empty"),
        (["write", "batch_script", "99", "-"], 1, "Invalid job id specified"),
    ],
)
def test_nonsense_is_refused_in_one_line(house: Any, arguments: list[str], code: int, said: str) -> None:
    house.server(2)
    wrap(house, "true", "--hold")
    done = house.run("Scontrol", *arguments)
    assert (done.returncode, done.stderr.count("\n"), done.stdout) == (code, 1, ""), done.stderr
    assert said in done.stderr
    assert shown(house, 1)["JobState"] == "PENDING"


def test_output_of_a_requeued_job_begins_anew(house: Any) -> None:
    house.server(2)
    number = wrap(house, 'echo run $SLURM_RESTART_COUNT; test -n "$SLURM_RESTART_COUNT" || exec sleep 1000')
    house.until(lambda: lines(house.work / f"slurm-{number}.out"))
    house.ok("Scontrol", "requeue", str(number))
    ended(house, number)
    assert output(house, number) == "run 1\n"
