"""Sacct, Squeue, Sinfo and Seff over real jobs: the exact texts that the programs which drive Slurm read. Source: Slurm 22.05.8's own output."""

import os
import re
from pathlib import Path
from typing import Any

import pytest

from live.batches import configured, ended, kill_server, script, submit, wrap

HEADER = (
    "JobID           JobName  Partition    Account  AllocCPUS      State ExitCode \n"
    "------------ ---------- ---------- ---------- ---------- ---------- -------- \n"
)

ENDS = {
    "exit 0": "COMPLETED|0:0",
    "exit 3": "FAILED|3:0",
    "kill -9 $$": "FAILED|0:9",
}


def queried(house: Any, *arguments: str) -> list[str]:
    """The lines of Sacct, without a header and with | between the values."""
    return list(house.ok("Sacct", "-nP", *arguments).splitlines())


# ---- Sacct
@pytest.mark.parametrize("text", ENDS)
def test_each_end_is_on_record_as_slurm_writes_it(house: Any, text: str) -> None:
    house.server(2)
    number = wrap(house, text)
    ended(house, number)
    assert queried(house, "-j", str(number), "-o", "JobID,JobIDRaw,State,ExitCode") == [
        f"{number}|{number}|{ENDS[text]}",
        f"{number}.batch|{number}.batch|{ENDS[text]}",
    ]


def test_a_cancelled_job_says_by_whom_where_there_is_room(house: Any) -> None:
    house.server(2)
    number = str(wrap(house, "exec sleep 1000"))
    house.until_state(int(number), "RUNNING")
    house.ok("Scancel", number)
    ended(house, int(number))
    by = f"CANCELLED by {os.getuid()}"
    assert queried(house, "-j", number, "-o", "JobID,State,ExitCode") == [
        f"{number}|{by}|0:0",
        f"{number}.batch|CANCELLED|0:15",
    ]
    assert house.ok("Sacct", "-nXj", number, "-o", "jobid,state") == f"{number:12} CANCELLED+ \n"
    assert house.ok("Sacct", "-nXj", number, "-o", "jobid,state%20") == f"{number:12} {by:>20} \n"
    assert house.ok("Squeue", "-ht", "all", "-j", number, "-o", "%t %T") == "CA CANCELLED\n"


def test_the_table_is_slurms(house: Any) -> None:
    house.server(2)
    number = wrap(house, "exit 3", "-J", "f", "-A", "me")
    ended(house, number)
    assert house.ok("Sacct", "-j", str(number)) == HEADER + (
        f"{number:<12}          f       main         me          1     FAILED      3:0 \n"
        f"{f'{number}.batch':<12}      batch                    me          1     FAILED      3:0 \n"
    )
    assert house.ok("Sacct", "-j", "99") == HEADER


def test_steps_are_rows_and_the_worst_of_them_is_derived(house: Any) -> None:
    house.server(2)
    number = submit(house, script(house, "Srun -n1 sh -c 'exit 5'\nSrun -n1 true\nexit 0"))
    ended(house, number)
    rows = queried(house, "-j", str(number), "-o", "JobID,JobName,State,ExitCode,DerivedExitCode")
    assert rows == [
        f"{number}|job.sh|COMPLETED|0:0|5:0",
        f"{number}.batch|batch|COMPLETED|0:0|",
        f"{number}.0|sh|FAILED|5:0|",
        f"{number}.1|true|COMPLETED|0:0|",
    ]
    assert queried(house, "-j", f"{number}.0", "-o", "JobID") == [f"{number}.0"]
    assert queried(house, "-Xj", str(number), "-o", "JobID") == [str(number)]


def test_a_job_is_on_record_the_moment_it_is_queued(house: Any) -> None:
    house.server(2)
    number = wrap(house, "true", "--hold", "-J", "a-name")
    assert queried(
        house, "-X", "--name", "a-name", "-S", "now-1minute", "-E", "now", "-o", "JobIdRaw,State"
    ) == [f"{number}|PENDING"]
    assert (
        house.ok("Squeue", "-h", "-o", "%i|%T", "--states=all", "--name", "a-name") == f"{number}|PENDING\n"
    )


def test_elements_of_an_array_are_rows_of_their_own(house: Any) -> None:
    house.server(2)
    number = wrap(house, "exit $SLURM_ARRAY_TASK_ID", "-a", "0-2")
    house.run("jobctl", "wait", str(number))
    assert queried(house, "-Xj", str(number), "-o", "JobID,State") == [
        f"{number}_0|COMPLETED",
        f"{number}_1|FAILED",
        f"{number}_2|FAILED",
    ]
    assert queried(house, "-Xj", f"{number}_2", "-o", "ExitCode") == ["2:0"]


def test_history_outlives_the_server(house: Any) -> None:
    house.server(2)
    number = wrap(house, "exit 7")
    ended(house, number)
    kill_server(house)
    assert queried(house, "-Xj", str(number), "-o", "State,ExitCode") == ["FAILED|7:0"]


def test_states_and_windows_choose(house: Any) -> None:
    house.server(2)
    good, bad = wrap(house, "true"), wrap(house, "false")
    for number in (good, bad):
        ended(house, number)
    window = ("-X", "-S", "now-1hour", "-E", "now", "-o", "JobID")
    assert queried(house, *window, "-s", "F,TO") == [str(bad)]
    assert queried(house, *window, "-s", "completed") == [str(good)]
    assert (
        queried(house, "-X", "-S", "now-1hour", "-s", "F", "-o", "JobID") == []
    )  # an hour ago nothing had failed
    assert queried(house, "-X", "-S", "now-1hour", "-E", "now-30minutes", "-o", "JobID") == []
    assert queried(house, "-X", "-o", "JobID") == [str(good), str(bad)]


def test_what_is_no_question_is_refused_with_1(house: Any) -> None:
    house.server(2)
    for arguments in (
        ["--format=Bogus"],
        ["-j", "abc"],
        ["--nosuch"],
        ["-s", "BOGUS"],
        ["-S", "xx"],
        ["-nu", "USER", "-o", "Account%256", "|", "tail", "-1"],  # as a program without a shell calls it
    ):
        done = house.run("Sacct", *arguments)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), arguments


# ---- Squeue
def test_squeue_has_the_words_that_programs_count(house: Any) -> None:
    house.server(1)
    go = house.pipe("go")
    running = wrap(house, f"read x < {go}")
    house.until_state(running, "RUNNING")
    held = wrap(house, "true", "--hold")
    array = submit(house, "-H", "-a", "0-3,7%2", "--wrap", "true")
    dependent = wrap(house, "true", "-d", f"afterok:{held}")
    later = wrap(house, "true", "-b", "now+1hour")
    rows = house.ok("Squeue", "-O", "JobArrayID,StateCompact,Reason", "-t", "all", "--me", "-h").splitlines()
    assert sorted(map(str.split, rows)) == sorted(
        [
            [str(running), "R", "None"],
            [str(held), "PD", "JobHeldUser"],
            [f"{array}_[0-3,7%2]", "PD", "JobHeldUser"],
            [str(dependent), "PD", "Dependency"],
            [str(later), "PD", "BeginTime"],
        ]
    )
    host = os.uname().nodename.partition(".")[0]
    assert house.ok("Squeue", "-h", "-j", str(running), "-o", "%T %B") == f"RUNNING {host}\n"
    single = house.ok("Squeue", "-h", "-r", "-j", str(array), "-o", "%i %F %K %t").splitlines()
    assert single == [f"{array}_{index} {array} {index} PD" for index in (0, 1, 2, 3, 7)]
    assert house.run("Squeue", "-h", "-j", "98").returncode == 1
    assert house.ok("Squeue", "-h", "-j", "98,98") == ""
    go.write_text("on\n")
    ended(house, running)


def test_waiting_jobs_are_expected_when_limits_are_known(house: Any) -> None:
    house.server(1)
    go = house.pipe("go")
    first = wrap(house, f"read x < {go}", "-t", "10")
    house.until_state(first, "RUNNING")
    second = wrap(house, "true", "-t", "10")
    start = house.ok("Squeue", "--start", "-h", "-j", str(second), "-o", "%S").strip()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", start)
    end = house.ok("Squeue", "-h", "-j", str(first), "-o", "%e").strip()
    assert start == end
    go.write_text("on\n")
    ended(house, second)


# ---- Sinfo, Seff
def test_sinfo_follows_what_is_in_use(house: Any) -> None:
    configured(house, "[gres]\ndisk = 4\n")
    house.server(2)
    assert house.ok("Sinfo", "-h", "-o", "%t %C %G") == "idle 0/2/0/2 disk:4\n"
    go = house.pipe("go")
    number = wrap(house, f"read x < {go}")
    house.until_state(number, "RUNNING")
    assert house.ok("Sinfo", "-h", "-o", "%t %C") == "mix 1/1/0/2\n"
    house.ok("jobctl", "set-nb-proc", "1")
    assert house.ok("Sinfo", "-h", "-o", "%t") == "alloc\n"
    go.write_text("on\n")
    ended(house, number)
    house.ok("jobctl", "set-nb-proc", "0")
    assert house.ok("Sinfo", "-h", "-o", "%t") == "drain\n"


def test_seff_tells_what_a_job_used(house: Any) -> None:
    house.server(2)
    burn = "import os, time; x = bytearray(150 << 20)\nwhile time.process_time() < 0.5: pass"
    (house.work / "burn.py").write_text(burn)
    number = wrap(house, "python3 burn.py", "--mem=1G")
    ended(house, number)
    text = house.ok("Seff", str(number))
    assert f"Job ID: {number}\n" in text
    assert "State: COMPLETED (exit code 0)\n" in text
    used = re.search(r"^Memory Utilized: ([\d.]+) MB$", text, re.MULTILINE)
    assert used is not None and 150 <= float(used[1]) < 400
    share = re.search(r"^Memory Efficiency: ([\d.]+)% of 1.00 GB", text, re.MULTILINE)
    assert share is not None and 14 < float(share[1]) < 40
    cpu_s = house.job(number)["batch"].cpu_s
    assert 0.5 <= cpu_s < 5
    assert text.splitlines()[-1].startswith("Advice: ")
    assert house.run("Seff", "99").returncode == 1


def test_a_job_that_took_too_much_memory_is_told_how_much(house: Any) -> None:
    house.server(2)
    (house.work / "eat.py").write_text("x = bytearray(300 << 20)\nimport time\ntime.sleep(1000)\n")
    number = wrap(house, "exec python3 eat.py", "--mem=100M")
    assert ended(house, number)["state"] == "OUT_OF_MEMORY"
    assert queried(house, "-Xj", str(number), "-o", "State,ExitCode") == ["OUT_OF_MEMORY|0:125"]
    assert house.job(number)["batch"].memory_peak_bytes >= 100 << 20
    assert "ran out of memory" in house.ok("Seff", str(number))
    assert Path(house.work / f"slurm-{number}.out").exists()
