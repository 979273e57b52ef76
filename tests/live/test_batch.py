"""Batch jobs as a user has them: each way to hand one in, what it finds, when it runs, and how it ends. Real daemons, real processes."""

import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from live.batches import (
    configured,
    elements,
    end_of,
    ended,
    is_gone,
    lines,
    output,
    process_state,
    script,
    submit,
    wrap,
)

SOURCES = {
    "file": (["job.sh", "a b", "c"], None, "a b|c"),
    "standard input": (["-", "a b"], "#!/bin/sh\necho \"$1|$2\"\n", "a b|"),
    "wrap": (["--wrap", "echo $((2+3))"], None, "5"),
    "command": (["--", "printf", "%s|%s\\n", "a b", "$HOME"], None, "a b|$HOME"),
}  # fmt: skip


# ---- handing in
@pytest.mark.parametrize("source", SOURCES)
def test_each_source_of_a_job_runs_what_it_says(house: Any, source: str) -> None:
    arguments, text, said = SOURCES[source]
    script(house, 'echo "$1|$2"')
    house.server(2)
    job_id = submit(house, *arguments, input=text)
    assert end_of(ended(house, job_id)) == ("COMPLETED", 0, None, "self")
    assert output(house, job_id) == said + "\n"


def test_each_line_of_a_file_is_a_job_of_one_request(house: Any) -> None:
    house.server(2)
    text = 'echo one\n# a remark\n{"command": ["sh", "-c", "echo two; exit 3"], "name": "named"}\n'
    numbers = house.ok("Sbatch", "--parsable", "--from", "-", input=text).split()
    assert numbers == ["1", "2"]
    assert [ended(house, number)["exit_code"] for number in (1, 2)] == [0, 3]
    assert (output(house, 1), output(house, 2), house.job(2)["name"]) == ("one\n", "two\n", "named")


def test_the_script_is_copied_and_the_place_captured_when_it_is_handed_in(house: Any) -> None:
    house.server(2)
    folder = house.work / "a place"
    folder.mkdir()
    (folder / "job.sh").write_text(
        "#!/bin/sh\n#SBATCH --hold\npwd; umask; echo $HERE; cat; readlink /proc/self/fd/0\n"
    )
    env = house.env | {"HERE": "was set"}
    job_id = submit(house, "job.sh", cwd=folder, env=env, umask=0o027, input="of the terminal\n")
    (folder / "job.sh").write_text("#!/bin/sh\necho changed\n")
    assert house.job(job_id)["reason_code"] == "JobHeldUser"
    house.ok("Scontrol", "release", str(job_id))
    ended(house, job_id)
    path = folder / f"slurm-{job_id}.out"
    assert path.read_text().splitlines() == [str(folder), "0027", "was set", "/dev/null"]
    assert path.stat().st_mode & 0o777 == 0o640


def test_options_come_from_the_line_before_the_variables_before_the_script(house: Any) -> None:
    house.server(2)
    script(house, "#SBATCH -J script --time=3\n#SBATCH -n 2\necho $SLURM_JOB_NAME $SLURM_NTASKS")
    env = house.env | {"SBATCH_JOB_NAME": "variable", "SBATCH_TIMELIMIT": "2"}
    job_id = submit(house, "-J", "line", "job.sh", env=env)
    row = ended(house, job_id)
    assert (row["name"], row["nb_proc"], row["time_limit_s"]) == ("line", 2, 120)
    assert output(house, job_id) == "line 2\n"


def test_nothing_is_queued_of_a_request_that_is_refused(house: Any) -> None:
    house.server(2)
    for arguments in (
        ["-n", "3", "--wrap", "true"],
        ["--licenses", "none:1", "--wrap", "true"],
        ["--dependency", "afterok:99", "--wrap", "true"],
        ["--mem", "9999T", "--wrap", "true"],
        ["--nosuch", "--wrap", "true"],
        ["nosuch.sh"],
    ):
        done = house.run("Sbatch", *arguments)
        assert done.returncode in (1, 2) and "Traceback" not in done.stderr, done
        assert done.stderr and not done.stdout, arguments
    assert house.jobs() == [] == house.jobs(is_finished=True)
    house.ok("Sbatch", "--test-only", "--wrap", "touch ran")
    assert house.jobs() == [] == house.jobs(is_finished=True)


def test_export_says_which_variables_go_along(house: Any) -> None:
    house.server(2)
    env = house.env | {"ONE": "1", "TWO": "2"}
    said = "echo $ONE-$TWO-$SLURM_JOB_ID-${HOME:+home}"
    for option, wanted in (
        ("ALL", "1-2-{}-home"),
        ("ONE", "1--{}-home"),
        ("ALL,ONE=x", "x-2-{}-home"),
        ("NIL", "--{}-"),
        ("NONE", "--{}-home"),
    ):
        job_id = submit(house, f"--export={option}", "--wrap", said, env=env)
        assert ended(house, job_id)["exit_code"] == 0
        assert output(house, job_id).strip() == wanted.format(job_id), option


# ---- outputs
def test_outputs_go_where_the_patterns_say_and_folders_are_made(house: Any) -> None:
    house.server(2)
    job_id = wrap(house, "echo out; echo err >&2", "-J", "me", "-o", "logs/%x/%05j.out", "-e", "%j.err")
    ended(house, job_id)
    assert (house.work / f"logs/me/{job_id:05}.out").read_text() == "out\n"
    assert (house.work / f"{job_id}.err").read_text() == "err\n"


@pytest.mark.parametrize(("mode", "text"), [("truncate", "new\n"), ("append", "old\nnew\n")])
def test_an_output_that_is_there_is_emptied_or_added_to(house: Any, mode: str, text: str) -> None:
    house.server(2)
    (house.work / "out").write_text("old\n")
    ended(house, wrap(house, "echo new", "-o", "out", f"--open-mode={mode}"))
    assert (house.work / "out").read_text() == text


@pytest.mark.parametrize("options", [["-o", "file/below"], ["-D", "/nonexistent"]])
def test_a_place_that_cannot_be_had_is_a_failed_launch(house: Any, options: list[str]) -> None:
    house.server(2)
    (house.work / "file").write_text("")
    row = ended(house, wrap(house, "touch ran", *options))
    assert end_of(row) == ("FAILED", None, None, "launch")
    assert row["reason_code"] == "JobLaunchFailure" and not (house.work / "ran").exists()


# ---- ends
@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("exit 0", ("COMPLETED", 0, None, "self")),
        ("exit 255", ("FAILED", 255, None, "self")),
        ("ulimit -c 0; kill -SEGV $$", ("FAILED", None, 11, "self")),
        ("kill -KILL $$", ("FAILED", None, 9, "self")),
        ("kill -TERM $$", ("FAILED", None, 15, "self")),
        ("nosuchcommand", ("FAILED", 127, None, "self")),
    ],
)
def test_ends_are_exact(house: Any, text: str, end: tuple[Any, ...]) -> None:
    house.server(2)
    assert end_of(ended(house, wrap(house, text))) == end


def test_what_a_job_leaves_behind_ends_with_it(house: Any) -> None:
    house.server(2)
    ready = house.pipe("ready")
    job_id = wrap(
        house, f"setsid sh -c 'trap \"echo term >> ends; exit\" TERM; echo $$ > {ready}; while :; do sleep 0.1; done' & "
        f"read pid < {ready}; echo $pid > pid; (setsid sleep 1000 & ) ; exit 3"
    )  # fmt: skip
    assert end_of(ended(house, job_id)) == ("FAILED", 3, None, "self")
    assert is_gone(int((house.work / "pid").read_text()))
    assert lines(house.work / "ends") == ["term"]


def test_scancel_ends_all_of_it_and_what_waits_never_runs(house: Any) -> None:
    house.server(1)
    ready = house.pipe("ready")
    running = wrap(house, f"setsid sh -c 'echo $$ > {ready}; exec sleep 1000' & sleep 1000")
    pid = int(house.until_ready(ready))
    waiting = wrap(house, "touch ran")
    house.ok("Scancel", str(running), str(waiting))
    assert {ended(house, number)["cause"] for number in (running, waiting)} == {"deleted"}
    assert house.job(running)["state"] == house.job(waiting)["state"] == "CANCELLED"
    assert is_gone(pid) and not (house.work / "ran").exists()


def test_scancel_with_a_signal_goes_to_the_script_or_to_all(house: Any) -> None:
    house.server(2)
    ready = house.pipe("ready")
    script(
        house,
        f"trap 'echo usr1 >> got' USR1; trap 'exit 9' USR2\necho > {ready}; while :; do sleep 0.05; done",
    )
    job_id = submit(house, "job.sh")
    house.until_ready(ready)
    house.ok("Scancel", "-s", "USR1", "-b", str(job_id))
    house.until(lambda: lines(house.work / "got") == ["usr1"])
    house.ok("Scancel", "-s", "USR2", "-f", str(job_id))
    assert end_of(ended(house, job_id))[:2] == ("FAILED", 9)


def test_wait_ends_as_the_job_does(house: Any) -> None:
    house.server(2)
    assert house.run("Sbatch", "--wait", "--wrap", "exit 5").returncode == 5
    assert house.run("Sbatch", "-W", "-a", "0-2", "--wrap", "exit $SLURM_ARRAY_TASK_ID").returncode == 2


# ---- limits in time
def test_a_time_limit_is_term_then_grace_then_kill(house: Any) -> None:
    configured(house, "kill_grace_s = 0.3\n")
    house.server(2)
    script(house, "trap 'echo term >> got' TERM\nwhile :; do sleep 0.02; done")
    row = ended(house, submit(house, "-t", "0:01", "job.sh"))
    assert end_of(row) == ("TIMEOUT", None, signal.SIGKILL, "time limit")
    assert lines(house.work / "got") == ["term"]
    assert row["ended_at"] - row["started_at"] >= 1.3


def test_a_signal_comes_before_the_time_limit(house: Any) -> None:
    house.server(2)
    script(house, "trap 'echo usr1 >> got; exit 4' USR1\nwhile :; do sleep 0.02; done")
    row = ended(house, submit(house, "-t", "10", "--signal=B:USR1@599", "job.sh"))
    assert end_of(row) == ("FAILED", 4, None, "self") and lines(house.work / "got") == ["usr1"]


# ---- arrays
def test_an_array_runs_each_index_once_with_its_own_output(house: Any) -> None:
    house.server(2)
    array = wrap(
        house,
        "echo $SLURM_ARRAY_TASK_ID of $SLURM_ARRAY_TASK_COUNT; exit $SLURM_ARRAY_TASK_ID",
        "-a",
        "1-7:3",
    )
    house.until(lambda: not house.jobs())
    rows = elements(house, array)
    assert {index: row["exit_code"] for index, row in rows.items()} == {1: 1, 4: 4, 7: 7}
    assert [output(house, f"{array}_{index}") for index in (1, 4, 7)] == [f"{i} of 3\n" for i in (1, 4, 7)]


def test_no_more_elements_run_than_the_array_allows(house: Any) -> None:
    house.server(2)
    go = house.pipe("go")
    writer = os.open(
        go, os.O_RDWR
    )  # kept open: the next job must not find the end of what was for the last one
    array = wrap(house, f"echo $SLURM_ARRAY_TASK_ID >> begun; read x < {go}", "-a", "0-2%1")
    for index in range(3):
        house.until(lambda index=index: len(lines(house.work / "begun")) == index + 1)
        states = sorted(row["state"] for row in house.jobs())
        assert states == (["PENDING", "RUNNING"] if index < 2 else ["RUNNING"])
        if index < 2:
            waiting = next(row for row in house.jobs() if row["state"] == "PENDING")
            assert waiting["reason_code"] == "JobArrayTaskLimit"
        os.write(writer, b"on\n")
    house.until(lambda: not house.jobs())
    assert lines(house.work / "begun") == ["0", "1", "2"] and len(elements(house, array)) == 3
    os.close(writer)


def test_elements_are_cancelled_by_their_index(house: Any) -> None:
    house.server(0)
    house.ok("jobctl", "set-nb-proc-max", "2")
    array = wrap(house, "true", "-a", "0-9")
    house.ok("Scancel", f"{array}_3", f"{array}_[5-8]")
    house.ok("jobctl", "set-nb-proc", "2")
    house.until(lambda: not house.jobs())
    ends = {index: row["state"] for index, row in elements(house, array).items()}
    assert {index for index, state in ends.items() if state == "CANCELLED"} == {3, 5, 6, 7, 8}
    assert {index for index, state in ends.items() if state == "COMPLETED"} == {0, 1, 2, 4, 9}


# ---- when it runs
DEPENDENCIES = [
    ("after", 0, True), ("after", 1, True),
    ("afterany", 0, True), ("afterany", 1, True),
    ("afterok", 0, True), ("afterok", 1, False),
    ("afternotok", 1, True), ("afternotok", 0, False),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "code", "is_met"), DEPENDENCIES)
def test_a_dependency_is_met_or_never(house: Any, kind: str, code: int, is_met: bool) -> None:
    house.server(4)
    go = house.pipe("go")
    first = wrap(house, f"read x < {go}; exit {code}", "--hold")
    second = wrap(house, "true", "-d", f"{kind}:{first}")
    killed = wrap(house, "true", "-d", f"{kind}:{first}", "--kill-on-invalid-dep=yes")
    assert house.job(second)["reason_code"] == "Dependency"
    house.ok("Scontrol", "release", str(first))
    house.until_state(first, "RUNNING")
    if kind == "after":
        assert ended(house, second)["state"] == "COMPLETED"
    go.write_text("on\n")
    ended(house, first)
    if is_met:
        assert [ended(house, number)["state"] for number in (second, killed)] == ["COMPLETED"] * 2
    else:
        assert end_of(ended(house, killed))[3] == "dependency"
        house.until(lambda: house.job(second)["reason_code"] == "DependencyNeverSatisfied")
        assert house.job(second)["state"] == "PENDING"


def test_one_of_several_dependencies_is_enough_with_a_question_mark(house: Any) -> None:
    house.server(4)
    bad, good = wrap(house, "exit 1", "--hold"), wrap(house, "exit 0", "--hold")
    both = wrap(house, "true", "-d", f"afterok:{bad},afterok:{good}")
    either = wrap(house, "true", "-d", f"afterok:{bad}?afterok:{good}")
    house.ok("Scontrol", "release", str(bad), str(good))
    assert ended(house, either)["state"] == "COMPLETED"
    house.until(lambda: house.job(both)["reason_code"] == "DependencyNeverSatisfied")


def test_aftercorr_joins_the_elements_of_two_arrays(house: Any) -> None:
    house.server(2)
    first = wrap(house, "[ $SLURM_ARRAY_TASK_ID != 1 ]", "-a", "0-2", "--hold")
    second = wrap(house, "touch ran-$SLURM_ARRAY_TASK_ID", "-a", "0-2", "-d", f"aftercorr:{first}")
    house.ok("Scontrol", "release", str(first))
    house.until(lambda: [row["reason_code"] for row in house.jobs()] == ["DependencyNeverSatisfied"])
    assert sorted(path.name for path in house.work.glob("ran-*")) == ["ran-0", "ran-2"]
    assert {index for index, row in elements(house, second).items() if row["state"] == "COMPLETED"} == {0, 2}


def test_singletons_run_one_after_the_other(house: Any) -> None:
    house.server(4)
    go = house.pipe("go")
    writer = os.open(
        go, os.O_RDWR
    )  # kept open: the next job must not find the end of what was for the last one
    numbers = [wrap(house, f"read x < {go}", "-J", "one", "-d", "singleton") for _ in range(3)]
    for position, number in enumerate(numbers):
        house.until_state(number, "RUNNING")
        assert {house.job(later)["state"] for later in numbers[position + 1 :]} <= {"PENDING"}
        os.write(writer, b"on\n")
        ended(house, number)
    os.close(writer)


def test_a_job_does_not_begin_before_its_time(house: Any) -> None:
    house.server(2)
    soon = wrap(house, "true", "--begin=now+2")
    late = wrap(house, "true", "--begin=now+1hour")
    assert house.job(soon)["reason_code"] == house.job(late)["reason_code"] == "BeginTime"
    row = ended(house, soon)
    assert row["started_at"] >= row["batch"].begin_at >= row["submitted_at"] + 1
    house.ok("Scontrol", "update", f"JobId={late}", "StartTime=now")
    assert ended(house, late)["state"] == "COMPLETED"


def test_a_waiting_job_is_held_and_released(house: Any) -> None:
    house.server(1)
    go = house.pipe("go")
    first = wrap(house, f"read x < {go}")
    held, free = wrap(house, "true"), wrap(house, "true")
    house.until_state(first, "RUNNING")
    house.ok("Scontrol", "hold", str(held))
    go.write_text("on\n")
    ended(house, free)
    assert (house.job(held)["state"], house.job(held)["reason_code"]) == ("PENDING", "JobHeldUser")
    house.ok("Scontrol", "release", str(held))
    assert ended(house, held)["state"] == "COMPLETED"


def test_priorities_order_what_waits(house: Any) -> None:
    house.server(1)
    go = house.pipe("go")
    first = wrap(house, f"read x < {go}")
    house.until_state(first, "RUNNING")
    for name, options in (("low", ["--nice=5"]), ("plain", []), ("high", ["--priority=9"]), ("raised", [])):
        job_id = wrap(house, f"echo {name} >> order", *options)
    house.ok("Scontrol", "update", f"JobId={job_id}", "Priority=20")
    go.write_text("on\n")
    house.until(lambda: not house.jobs())
    assert lines(house.work / "order") == ["raised", "high", "plain", "low"]


@pytest.mark.parametrize("option", ["--licenses=seat:2", "--gres=disk:2"])
def test_counted_resources_are_never_given_out_twice(house: Any, option: str) -> None:
    configured(house, "licenses = { seat = 3 }\ngres = { disk = 3 }\n")
    house.server(4)
    go = house.pipe("go")
    first = wrap(house, f"read x < {go}", option)
    house.until_state(first, "RUNNING")
    second = wrap(house, "true", option)
    assert ended(house, wrap(house, "true"))["state"] == "COMPLETED"
    row = house.job(second)
    assert row["state"] == "PENDING" and re.search("1 of 2 (seat|disk) missing", row["reason"]), row["reason"]
    go.write_text("on\n")
    assert ended(house, second)["state"] == "COMPLETED"


def test_an_exclusive_job_is_alone(house: Any) -> None:
    house.server(2)
    go = house.pipe("go")
    alone = wrap(house, f"read x < {go}", "--exclusive")
    house.until_state(alone, "RUNNING")
    other = wrap(house, "true")
    assert house.job(other)["state"] == "PENDING"
    go.write_text("on\n")
    ended(house, other)


# ---- again, and pauses
def test_a_failed_job_is_tried_again_as_often_as_it_says(house: Any) -> None:
    house.server(2)
    third = wrap(house, "echo x >> tries; [ $(wc -l < tries) = 3 ]", "--retries=5")
    row = ended(house, third)
    assert (row["state"], row["batch"].attempt, len(lines(house.work / "tries"))) == ("COMPLETED", 3, 3)
    row = ended(house, wrap(house, "exit 7", "--retries=2", "--retry-on=7"))
    assert (row["exit_code"], row["batch"].attempt) == (7, 3)
    row = ended(house, wrap(house, "exit 7", "--retries=2", "--retry-on=1-6"))
    assert (row["exit_code"], row["batch"].attempt) == (7, 1)


def test_a_requeued_job_runs_again_under_its_number(house: Any) -> None:
    house.server(2)
    ready, go = house.pipe("ready"), house.pipe("go")
    job_id = wrap(house, f"echo $SLURM_RESTART_COUNT > {ready}; read x < {go}; exit 3")
    assert house.until_ready(ready).strip() in ("", "0")
    pid = house.until(lambda: house.job(job_id)["pid"])
    house.ok("Scontrol", "requeue", str(job_id))
    assert house.until_ready(ready) == "1\n"
    assert is_gone(pid)
    go.write_text("on\n")
    row = ended(house, job_id)
    assert (row["exit_code"], row["batch"].attempt) == (3, 2)


def test_a_suspended_job_stands_still_and_lends_its_procs(house: Any) -> None:
    house.server(1)
    ready, go = house.pipe("ready"), house.pipe("go")
    job_id = wrap(house, f"echo $$ > {ready}; read x < {go}; exit 6")
    pid = int(house.until_ready(ready))
    other = wrap(house, "true")
    house.ok("Scontrol", "suspend", str(job_id))
    house.until_state(job_id, "SUSPENDED")
    assert ended(house, other)["state"] == "COMPLETED"
    house.until(lambda: is_still(pid))
    house.ok("Scontrol", "resume", str(job_id))
    go.write_text("on\n")
    row = ended(house, job_id)
    assert row["exit_code"] == 6 and row["batch"].paused_s > 0


def is_still(pid: int) -> bool:
    """Whether a process is stopped, or its control group (version 2) is frozen."""
    if process_state(pid) == "T":
        return True
    groups = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    place = next((line[3:] for line in groups if line.startswith("0::")), "")
    for mount in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
        events = Path(f"{mount}{place}/cgroup.events")
        if events.exists():
            return "frozen 1" in events.read_text()
    return False


# ---- inside
def test_a_job_has_its_own_processors_and_finds_its_numbers(house: Any) -> None:
    house.server(2)
    script(
        house,
        "nproc; echo $NB_PROC $OMP_NUM_THREADS $SLURM_NTASKS $SLURM_CPUS_PER_TASK $SLURM_JOB_ID $JOBD_JOB_ID",
    )
    for options, wanted in ((["-n1"], ["1", "1 1 1 {0} {0}"]), (["-n1", "-c2"], ["2", "2 2 1 2 {0} {0}"])):
        job_id = submit(house, *options, "job.sh")
        ended(house, job_id)
        said = output(house, job_id).splitlines()
        assert said[1] == wanted[1].format(job_id)
        assert said[0] == (wanted[0] if len(os.sched_getaffinity(0)) >= 2 else said[0])


def test_sallocs_inside_are_children_and_end_with_it(house: Any) -> None:
    house.server(1)
    ready = house.pipe("ready")
    job_id = wrap(house, f"Salloc sh -c 'echo $$ > {ready}; exec sleep 1000'")
    pid = int(house.until_ready(ready))
    row = house.job(job_id)
    assert row["state"] == "SUSPENDED" and len(row["children"]) == 1
    child = house.job(row["children"][0])
    assert (child["parent_id"], child["kind"]) == (job_id, "salloc")
    house.ok("Scancel", str(job_id))
    assert end_of(ended(house, job_id))[3] == "deleted"
    assert ended(house, child["job_id"])["state"] == "CANCELLED"
    assert is_gone(pid)


def test_a_job_queued_from_inside_is_nobodys_child_unless_it_is_waited_for(house: Any) -> None:
    house.server(1)
    outer = wrap(
        house,
        "Sbatch --parsable --wrap 'touch alone' > number; Sbatch --wait --wrap 'touch child; exit 4'; echo $? > code",
    )
    ended(house, outer)
    house.until(lambda: not house.jobs())
    alone = house.job(int((house.work / "number").read_text()))
    assert alone["parent_id"] is None and alone["state"] == "COMPLETED"
    assert (house.work / "code").read_text() == "4\n" and house.job(3)["parent_id"] == outer
