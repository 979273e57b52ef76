"""Trees: Salloc inside a job. Whatever the sizes, nothing deadlocks; whoever is killed takes whom the rules say."""

import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest


def test_a_chain_deeper_than_nb_proc_runs(house: Any) -> None:
    house.server(1)
    command = ["echo", "bottom"]
    for _ in range(6):
        command = ["Salloc", *command]
    assert house.ok(*command) == "bottom\n"


def test_parent_and_child_of_full_size_do_not_deadlock(house: Any) -> None:
    house.server(2)
    assert house.ok("Salloc", "-n2", "Salloc", "-n2", "Salloc", "-n2", "echo", "in") == "in\n"


def test_two_trees_that_both_want_all_finish(house: Any) -> None:
    house.server(2)
    script = "for i in 1 2 3; do Salloc -n 2 true || exit 1; done; Salloc -n1 true & Salloc -n1 true & wait"
    children = [house.spawn("Salloc", "-n", "2", "sh", "-c", script) for _ in range(3)]
    assert [child.wait(60) for child in children] == [0, 0, 0]
    assert house.jobs() == []


def test_a_suspended_job_names_the_children_it_waits_for(house: Any) -> None:
    house.server(8)
    go = house.pipe("go")
    script = "; ".join(f"Salloc sh -c 'read x < {go}' & p$i=$!".replace("$i", str(i)) for i in range(4))
    house.spawn("Salloc", "sh", "-c", f"{script}; wait")
    house.until(
        lambda: len([job for job in house.jobs() if job["parent_id"] == 1 and job["state"] == "RUNNING"]) == 4
    )
    parent = house.job(1)
    assert parent["state"] == "SUSPENDED" and parent["children"] == [2, 3, 4, 5]
    assert re.search(r"^ *1 +- +S\[2->5\] ", house.ok("Squeue"), re.M)
    assert house.request_status()["used"] == 4
    descriptor = os.open(go, os.O_WRONLY)
    os.write(descriptor, b"1\n")
    house.until(lambda: house.job(1)["state"] == "SUSPENDED" and len(house.job(1)["children"]) == 3)
    os.write(descriptor, b"2\n3\n4\n")
    os.close(descriptor)
    assert house.until_state(1, "COMPLETED")["exit_code"] == 0


def test_a_parent_runs_again_when_its_last_child_is_gone(house: Any) -> None:
    house.server(2)
    up, go = house.pipe("up"), house.pipe("go")
    house.spawn("Salloc", "sh", "-c", f"Salloc true; echo up > {up}; read x < {go}")
    house.until_ready(up)
    assert house.until_state(1, "RUNNING")["children"] == []
    assert house.request_status()["used"] == 1
    go.write_text("on\n")
    house.until_state(1, "COMPLETED")


def test_children_stand_at_their_roots_place(house: Any) -> None:
    house.server(1)
    up, go, blocked = house.pipe("up"), house.pipe("go"), house.work / "order"
    first = house.spawn(
        "Salloc",
        "sh",
        "-c",
        f"echo up > {up}; read x < {go}; Salloc sh -c 'echo child >> {blocked}'; Salloc sh -c 'echo child2 >> {blocked}'",
    )
    house.until_ready(up)
    other = house.spawn("Salloc", "sh", "-c", f"echo other >> {blocked}")
    house.until_state(2, "PENDING")
    go.write_text("on\n")
    assert first.wait(60) == 0 and other.wait(60) == 0
    assert blocked.read_text().split()[0] == "child"


def test_children_get_the_lent_processors_of_their_parent(house: Any) -> None:
    count = len(os.sched_getaffinity(0))
    house.server(count)
    look = "python3 -c 'import os; print(sorted(os.sched_getaffinity(0)))'"
    outer, inner = house.ok("Salloc", "sh", "-c", f"{look}; Salloc {look}").splitlines()
    assert outer == inner


def test_the_parent_is_known_although_the_process_between_has_gone(house: Any) -> None:
    """A double fork leaves no chain of parents but to the subreaper, and env -i no variable but the kernel's word."""
    house.server(2)
    done = house.pipe("done")
    path = house.env["PATH"]
    inner = f"Salloc sh -c 'echo $JOBD_JOB_ID > {done}; sleep 1000'"
    setting = f"env -i PATH={path} HOME={house.root} XDG_RUNTIME_DIR={house.runtime} HOUSE={house.mark}"
    house.spawn("Salloc", "sh", "-c", f"({setting} setsid {inner} &); sleep 1000")
    assert house.until_ready(done) == "2\n"
    assert house.job(2)["parent_id"] == 1
    house.ok("Sdelete", "1")
    assert house.jobs() == []


def test_a_stale_job_number_makes_no_parent(house: Any) -> None:
    house.server(2)
    server = house.ok("Salloc", "sh", "-c", "echo $JOBD_SERVER").strip()
    env = house.env | {"JOBD_JOB_ID": "1", "JOBD_SERVER": server}
    house.ok("Salloc", "true", env=env)
    assert house.job(2)["parent_id"] is None
    foreign = house.env | {"JOBD_JOB_ID": "99999999999999999999999", "JOBD_SERVER": "x"}
    house.ok("Salloc", "true", env=foreign)


def test_a_job_that_fails_ends_alone_and_its_parent_goes_on(house: Any) -> None:
    house.server(2)
    assert (
        house.ok("Salloc", "sh", "-c", "Salloc false; Salloc sh -c 'kill -SEGV $$'; echo $?")
        .strip()
        .endswith("139")
    )
    assert house.job(1)["state"] == "COMPLETED"
    assert house.job(3)["signal"] == signal.SIGSEGV


def family(house: Any, *options: str) -> list[Any]:
    """A tree of 1 (2 3), each running; their Sallocs' rows."""
    house.server(4)
    up = house.pipe("up")
    script = f"Salloc {' '.join(options)} sleep 1000 & Salloc sh -c 'echo up > {up}; sleep 1000' & wait; sleep 1000"
    child = house.spawn("Salloc", *options, "sh", "-c", script)
    house.until_ready(up)
    house.until(lambda: [job["state"] for job in house.jobs()] == ["RUNNING", "RUNNING", "SUSPENDED"])
    return [child, house.jobs()]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGHUP])
def test_a_child_killed_from_outside_takes_the_whole_tree(house: Any, number: int) -> None:
    child, jobs = family(house)
    os.kill(jobs[0]["pid"], number)
    assert child.wait(60) == -signal.SIGTERM
    ends = [house.until_state(job_id, "CANCELLED") for job_id in (1, 2, 3)]
    assert sorted(end["cause"] for end in ends) == ["signalled", "tree", "tree"]


def test_on_kill_below_spares_parent_and_siblings(house: Any) -> None:
    child, jobs = family(house, "--on-kill=below")
    victim = next(job for job in jobs if job["name"] == "sleep")
    house.ok("Sdelete", str(victim["job_id"]))
    left = [job["job_id"] for job in house.jobs()]
    assert sorted(left) == sorted({1, 2, 3} - {victim["job_id"]})
    house.ok("Sdelete", "1")
    assert house.jobs() == [] and child.wait(60) == -signal.SIGTERM


def test_children_of_a_parent_that_ends_are_killed(house: Any) -> None:
    house.server(2)
    up = house.pipe("up")
    done = house.run(
        "Salloc",
        "sh",
        "-c",
        f"Salloc sh -c 'echo up > {up}; sleep 1000' & read x < {up}; Salloc -n 2 true & "
        "until Squeue --noheader --state W | grep -q .; do :; done; exit 4",
    )
    assert done.returncode == 4
    house.until(lambda: not house.jobs())  # its children are told to end; nobody waits for their last words
    assert house.job(1)["state"] == "FAILED" and house.job(1)["exit_code"] == 4
    assert [house.job(number)["cause"] for number in (2, 3)] == ["parent ended"] * 2


def test_killing_the_parents_salloc_with_9_leaves_nothing(house: Any) -> None:
    child, _ = family(house)
    child.kill()
    house.until(lambda: not house.jobs())
    assert house.job(2)["state"] == house.job(3)["state"] == "CANCELLED"


def test_make_with_a_salloc_in_every_recipe_never_runs_too_many(house: Any) -> None:
    """1,000 recipes under make -j50, inside a job of their own, on 2 procs."""
    house.server(2)
    (house.work / "Makefile").write_text(
        f"all: $(addprefix t,$(shell seq {RECIPES}))\nt%:\n\t@Salloc sh -c 'echo + >> log; echo - >> log'\n"
    )
    done = house.run("Salloc", "-n", "2", "make", "-s", "-j50", timeout=240)
    assert (done.returncode, done.stderr) == (0, "")
    most = running = 0
    log = (house.work / "log").read_text().split()
    for sign in log:
        running += 1 if sign == "+" else -1
        most = max(most, running)
    assert len(log) == 2 * RECIPES and most <= 2
    assert house.jobs() == []


RECIPES = int(os.environ.get("JOBD_TEST_RECIPES", "1000"))


def test_ctrl_c_in_the_middle_of_make_leaves_nothing(house: Any) -> None:
    house.server(2)
    (house.work / "Makefile").write_text(
        "all: $(addprefix t,$(shell seq 100))\nt%:\n\t@Salloc sh -c 'echo $$$$ >> pids; echo up; sleep 1000'\n"
    )
    terminal = house.terminal("Salloc", "-n", "2", "make", "-s", "-j20")
    terminal.expect("up")
    terminal.expect("up")
    house.until(lambda: len(house.jobs()) >= 21)
    terminal.sendintr()
    terminal.wait()
    assert terminal.signalstatus == signal.SIGINT or terminal.exitstatus == 2
    house.until(lambda: not house.jobs())
    for pid in (house.work / "pids").read_text().split():
        assert not Path(f"/proc/{pid}").exists() or b") Z" in Path(f"/proc/{pid}/stat").read_bytes()
