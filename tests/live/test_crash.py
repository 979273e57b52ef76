"""Server and agent killed at bad moments: no job is lost, none runs twice, each end is exact, waiting ones keep their place."""

import os
import random
import signal
import subprocess
from pathlib import Path
from typing import Any


def kill_server(house: Any) -> None:
    """kill -9 the server, and wait until it is gone."""
    pid = house.server_pid()
    pidfd = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    import select

    assert select.select([pidfd], [], [], 60)[0]
    os.close(pidfd)


def test_running_and_waiting_sallocs_ride_through_a_killed_server(house: Any) -> None:
    house.server(1)
    go = house.pipe("go")
    first = house.spawn("Salloc", "sh", "-c", f"read x < {go}; exit 7")
    house.until_state(1, "RUNNING")
    second = house.spawn("Salloc", "sh", "-c", "echo second >> order; exit 8")
    house.until_state(2, "PENDING")
    kill_server(house)
    house.server(1)
    third = house.spawn("Salloc", "sh", "-c", "echo third >> order; exit 9")
    house.until_state(3, "PENDING")
    assert house.job(1)["state"] == "RUNNING"
    kill_server(house)
    house.server(1)
    go.write_text("on\n")
    assert [child.wait(60) for child in (first, second, third)] == [7, 8, 9]
    assert (house.work / "order").read_text().split() == ["second", "third"]
    assert [house.until_state(number, "FAILED")["exit_code"] for number in (1, 2, 3)] == [7, 8, 9]


def test_an_end_while_the_server_is_away_is_reported_when_it_is_back(house: Any) -> None:
    house.server(4)
    go = house.pipe("go")
    children = {
        "exit 5": house.spawn("Salloc", "sh", "-c", f"read x < {go}; exit 5"),
        "kill -SEGV $$": house.spawn("Salloc", "sh", "-c", f"ulimit -c 0; read x < {go}; kill -SEGV $$"),
    }
    house.until(lambda: [job["state"] for job in house.jobs()] == ["RUNNING"] * 2)
    numbers = {job["command"][2].rpartition("; ")[2]: job["job_id"] for job in house.jobs()}
    assert house.ok("Sserver", "-1") == "stopped\n"
    with open(go, "w") as file:
        file.write("on\non\n")
    assert [child.wait(60) for child in children.values()] == [5, -signal.SIGSEGV]
    assert house.run("Sserver").returncode == 3
    house.server(4)
    assert house.until_state(numbers["exit 5"], "FAILED")["exit_code"] == 5
    assert house.until_state(numbers["kill -SEGV $$"], "FAILED")["signal"] == signal.SIGSEGV


def test_a_salloc_killed_while_the_server_is_away_leaves_no_process(house: Any) -> None:
    house.server(2)
    child = house.spawn("Salloc", "sh", "-c", "echo $$; (setsid sleep 1000 &); exec sleep 1000")
    assert child.stdout is not None
    pid = int(child.stdout.readline())
    house.until_state(1, "RUNNING")
    house.ok("Sserver", "-1")
    pidfd = os.pidfd_open(pid)
    child.kill()
    import select

    assert select.select([pidfd], [], [], 60)[0]
    house.server(2)
    row = house.until_state(1, "CANCELLED")
    assert row["cause"] == "signalled"


def test_a_waiting_salloc_says_that_the_server_went_and_came(house: Any) -> None:
    house.server(1)
    go = house.pipe("go")
    house.spawn("Salloc", "sh", "-c", f"read x < {go}")
    house.until_state(1, "RUNNING")
    terminal = house.terminal("Salloc", "echo", "ran")
    terminal.expect_exact("job 2 waits")
    kill_server(house)
    terminal.expect_exact("the server has gone; job 2 keeps its place")
    house.server(1)
    terminal.expect_exact("the server is back")
    go.write_text("on\n")
    terminal.expect_exact("ran")
    terminal.wait()
    assert terminal.exitstatus == 0


def test_a_killed_agent_is_replaced_and_watches_what_the_old_one_did(house: Any) -> None:
    house.server(2)
    child = house.spawn("Salloc", "sh", "-c", "echo up; exec sleep 1000")
    assert child.stdout is not None and child.stdout.readline() == "up\n"
    old = house.until(lambda: house.request_status()["agent_pid"])
    os.kill(old, signal.SIGKILL)
    house.until(lambda: house.request_status()["agent_pid"] not in (None, old))
    child.kill()
    assert house.until_state(1, "CANCELLED")["cause"] == "signalled"


def test_both_killed_and_an_end_between_is_still_exact(house: Any) -> None:
    house.server(2)
    go = house.pipe("go")
    child = house.spawn("Salloc", "sh", "-c", f"read x < {go}; exit 6")
    house.until_state(1, "RUNNING")
    agent = house.until(lambda: house.request_status()["agent_pid"])
    kill_server(house)
    os.kill(agent, signal.SIGKILL)
    go.write_text("on\n")
    assert child.wait(60) == 6
    house.server(2)
    assert house.until_state(1, "FAILED")["exit_code"] == 6


def test_the_first_salloc_starts_the_server_and_many_at_once_start_one(house: Any) -> None:
    children = [house.spawn("Salloc", "sh", "-c", f"exit {number}") for number in range(12)]
    assert [child.wait(60) for child in children] == list(range(12))
    assert len(house.jobs(is_finished=True)) == 12
    log = (house.root / ".local/state/jobd/jobd.log").read_text()
    assert log.count("INFO jobd: jobd ") == 1


def test_autostart_off_says_how_to_start_one(house: Any) -> None:
    (house.root / ".config/jobd").mkdir(parents=True)
    (house.root / ".config/jobd/config.toml").write_text("autostart = false\n")
    done = house.run("Salloc", "true")
    assert done.returncode == 3
    assert (
        done.stderr == "Salloc: no server runs (start one with: Sserver N, or systemctl --user start jobd)\n"
    )


def test_stale_sockets_and_locks_do_not_stop_a_start(house: Any) -> None:
    house.server(1)
    kill_server(house)
    assert (house.runtime / "jobd/control.sock").exists() and (house.runtime / "jobd/jobd.lock").exists()
    assert house.ok("Salloc", "echo", "in") == "in\n"


def test_a_second_server_is_refused_in_one_line(house: Any) -> None:
    house.server(1)
    done = house.run("jobd")
    assert done.returncode == 1 and done.stderr.startswith("jobd: a server runs already (pid ")


def test_nb_proc_and_nb_proc_max_are_remembered(house: Any) -> None:
    house.server(3)
    house.ok("jobctl", "set-nb-proc-max", "5")
    house.ok("Sserver", "-1")
    house.ok("jobctl", "up")
    status = house.request_status()
    assert (status["nb_proc"], status["nb_proc_max"]) == (3, 5)


def test_a_journal_that_cannot_be_read_is_left_alone(house: Any) -> None:
    folder = house.root / ".local/state/jobd"
    folder.mkdir(parents=True)
    folder.chmod(0o700)
    garbage = os.urandom(5000)
    (folder / "journal.sqlite").write_bytes(garbage)
    done = house.run("Sserver", "2")
    assert done.returncode == 3
    assert "cannot be read" in done.stderr and done.stderr.count("\n") == 1
    assert (folder / "journal.sqlite").read_bytes() == garbage


def test_a_runtime_folder_open_to_others_is_not_used(house: Any) -> None:
    (house.runtime / "jobd").mkdir()
    (house.runtime / "jobd").chmod(0o777)
    done = house.run("Sserver", "2")
    assert done.returncode == 3 and "others can write to" in done.stderr


def test_bad_configuration_is_named_in_one_line(house: Any) -> None:
    (house.root / ".config/jobd").mkdir(parents=True)
    (house.root / ".config/jobd/config.toml").write_text("bypas_max = 3\n")
    done = house.run("Sserver", "2")
    assert done.returncode == 2 and "no setting 'bypas_max'" in done.stderr


def test_a_folder_that_everybody_can_write_to_holds_no_server(house: Any) -> None:
    house.runtime.chmod(0o777)
    done = house.run("Sserver", "2")
    assert done.returncode == 3 and "everybody can write to" in done.stderr
    house.runtime.chmod(0o700)


def test_without_xdg_variables_as_from_cron_it_works_below_the_home_folder(house: Any) -> None:
    env = {key: value for key, value in house.env.items() if not key.startswith("XDG_")}
    assert house.ok("Salloc", "echo", "cron", env=env) == "cron\n"
    base = Path(f"/run/user/{os.getuid()}")
    folder = (
        base if base.exists() and base.stat().st_uid == os.getuid() else house.root / ".local/state/jobd/run"
    )
    assert (folder / "jobd/control.sock").exists() or (folder / "control.sock").exists()
    house.ok("Sserver", "-2", env=env)


ROUNDS = int(os.environ.get("JOBD_TEST_KILLS", "200"))


def test_the_server_killed_hundreds_of_times_loses_nothing(house: Any) -> None:
    """Sallocs with exit codes of their own, nested and flat, while the server is killed over and over at random moments."""
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    rng = random.Random(seed)
    house.server(2)
    script = (
        "for i in $(seq {count}); do c=$((({base} + i) % 200)); "
        "Salloc -q sh -c 'echo $JOBD_JOB_ID '$c' >> ran; exit '$c; echo $c $? >> codes; done"
    )
    per_worker = 12
    workers = [
        house.spawn("sh", "-c", script.format(count=per_worker, base=20 * number), stderr=subprocess.PIPE)
        for number in range(5)
    ]
    nested = house.spawn(
        "Salloc",
        "-q",
        "sh",
        "-c",
        "for i in $(seq 8); do Salloc -q -n 2 sh -c 'echo $JOBD_JOB_ID 3 >> ran; exit 3'; echo 3 $? >> codes; done",
    )
    kills = 0
    while any(child.poll() is None for child in (*workers, nested)) or kills < ROUNDS:
        before = (
            len((house.work / "codes").read_text().splitlines()) if (house.work / "codes").exists() else 0
        )
        house.server(2)
        if rng.random() < 0.3:  # let something happen, else only starts of the server are killed
            target = before + rng.randrange(1, 3)
            done = (*workers, nested)
            house.until(
                lambda target=target, done=done: (
                    all(c.poll() is not None for c in done) or len(lines(house.work / "codes")) >= target
                )
            )
        kill_server(house)
        kills += 1
    house.server(2)
    house.until(lambda: not house.jobs())
    codes = [line.split() for line in lines(house.work / "codes")]
    assert len(codes) == 5 * per_worker + 8
    assert all(wanted == got for wanted, got in codes), codes
    ran = [line.split() for line in lines(house.work / "ran")]
    assert len({number for number, _ in ran}) == len(ran) == len(codes)
    for number, code in ran:
        row = house.job(int(number))
        assert row["exit_code"] == int(code), row
    print(f"{kills} kills")


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []
