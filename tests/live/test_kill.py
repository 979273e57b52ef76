"""Hard cases of ending jobs, and of strangers at the sockets: each was once a way to lose a job or to leave a process."""

import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
import zmq

from jobd.wire import codec
from jobd.wire import messages as m
from jobd.wire.verbs import FROM_AGENT


def short_grace(house: Any) -> None:
    """Half a second between TERM and KILL."""
    (house.root / ".config/jobd").mkdir(parents=True)
    (house.root / ".config/jobd/config.toml").write_text("kill_grace_s = 0.5\n")


def state_of(pid: int) -> str:
    """The letter of a process's state; empty if it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0].decode()
    except OSError:
        return ""


def test_a_salloc_that_is_deaf_and_stopped_never_starts_a_deleted_job(house: Any) -> None:
    short_grace(house)
    house.server(1)
    go = house.pipe("go")
    house.spawn("Salloc", "sh", "-c", f"read x < {go}")
    house.until_state(1, "RUNNING")
    deaf = house.spawn("sh", "-c", 'trap "" TERM; exec Salloc sh -c "touch ran; exec sleep 1000"')
    house.until_state(2, "PENDING")
    deaf.send_signal(signal.SIGSTOP)
    house.until(lambda: state_of(deaf.pid) == "T")
    go.write_text("on\n")
    house.until_state(2, "RUNNING")
    house.ok("Sdelete", "2")
    assert deaf.wait(60) == -signal.SIGKILL
    assert not (house.work / "ran").exists()


def test_a_command_stopped_and_continued_by_hand_goes_on(house: Any) -> None:
    house.server()
    go = house.pipe("go")
    child = house.spawn("Salloc", "sh", "-c", f"echo $$; read x < {go}; exit 4")
    assert child.stdout is not None
    pid = int(child.stdout.readline())
    os.kill(pid, signal.SIGSTOP)
    house.until(lambda: state_of(pid) == "T")
    os.kill(pid, signal.SIGCONT)
    go.write_text("on\n")
    assert child.wait(60) == 4


def test_a_stopped_tree_is_killed_all_the_same(house: Any) -> None:
    house.server()
    child = house.spawn("Salloc", "sh", "-c", "echo up; exec sleep 1000", start_new_session=True)
    assert child.stdout is not None and child.stdout.readline() == "up\n"
    house.until((house.runtime / "jobd/notes/1").exists)
    os.killpg(child.pid, signal.SIGSTOP)
    house.until(lambda: state_of(child.pid) == "T")
    house.ok("Sdelete", "1")
    assert child.wait(60) == -signal.SIGTERM


def test_what_forks_faster_than_one_can_look_is_ended_too(house: Any) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.fail("no C compiler (gcc)")
    short_grace(house)
    source = house.work / "chain.c"
    source.write_text(
        "#include <unistd.h>\n#include <signal.h>\n#include <stdlib.h>\n"
        'int main() { signal(SIGTERM, SIG_IGN); if (write(1, "up\\n", 3)) {} if (fork() > 0) _exit(0);\n'
        "  alarm(60); for (;;) if (fork() > 0) _exit(0); }\n"
    )
    subprocess.run([compiler, "-o", house.work / "chain", source], check=True)
    child = house.spawn("Salloc", "sh", "-c", "./chain; sleep 1000", start_new_session=True)
    assert child.stdout is not None and child.stdout.readline() == "up\n"
    house.ok("Sdelete", "1")
    assert child.wait(60) in (-signal.SIGTERM, -signal.SIGKILL)
    assert house.jobs() == []
    assert not [pid for pid in house.processes() if b"chain" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def test_signals_sent_to_salloc_alone_reach_the_command(house: Any) -> None:
    house.server()
    program = "import os, signal; signal.signal(10, lambda *_: os.write(1, b'usr1\\n')); os.write(1, b'up\\n'); signal.pause(); signal.pause()"
    child = house.spawn("Salloc", "python3", "-c", program)
    assert child.stdout is not None and child.stdout.readline() == "up\n"
    child.send_signal(signal.SIGUSR1)
    assert child.stdout.readline() == "usr1\n"
    child.send_signal(signal.SIGUSR2)
    assert child.wait(60) == -signal.SIGUSR2


def test_children_do_not_outlive_a_tree_that_is_killed_while_its_parent_goes_on(house: Any) -> None:
    """The parent of a killed child does not run on for the moment until its own end reaches it."""
    house.server()
    child = house.spawn("Salloc", "sh", "-c", "Salloc sh -c 'echo up; sleep 1000'; echo went on >> log")
    assert child.stdout is not None and child.stdout.readline() == "up\n"
    os.kill(house.job(2)["pid"], signal.SIGTERM)
    assert child.wait(60) == -signal.SIGTERM
    assert not (house.work / "log").exists()


def test_a_stranger_cannot_be_the_agent(house: Any) -> None:
    house.server()
    house.until(lambda: house.request_status()["agent_pid"])
    agent_pid = house.request_status()["agent_pid"]
    child = house.spawn("Salloc", "sh", "-c", "echo up; exec sleep 1000")
    assert child.stdout is not None and child.stdout.readline() == "up\n"
    context = zmq.Context()
    stranger = context.socket(zmq.DEALER)
    stranger.linger = 0
    stranger.connect(f"ipc://{house.runtime}/jobd/agents.sock")
    for hello in (m.Hello(os.getpid(), 1, "b", "v"), m.Hello(1 << 40, 1, "b", "v"), m.Gone(1, True, 0, None)):
        stranger.send(codec.encode_named(FROM_AGENT, hello))
    assert house.ok("Salloc", "echo", "in") == "in\n"
    assert house.request_status()["agent_pid"] == agent_pid
    assert house.job(1)["state"] == "RUNNING"
    house.ok("Sdelete", "1")
    assert child.wait(60) == -signal.SIGTERM
    context.destroy(linger=0)


@pytest.mark.parametrize("end", [(2**64 - 1, None), (-1, None), (256, None), (None, 2**63), (None, -9)])
def test_an_end_that_cannot_be_is_refused(house: Any, end: tuple[int | None, int | None]) -> None:
    house.server()
    child = house.spawn("Salloc", "sh", "-c", "echo up; exec sleep 1000")
    assert child.stdout is not None and child.stdout.readline() == "up\n"
    from jobd.errors import UsageError

    with house.client() as client, pytest.raises(UsageError):
        client.request(m.Ended(1, house.job(1)["token"], *end, True))
    assert house.job(1)["state"] == "RUNNING"


def test_from_inside_a_job_no_server_is_started(house: Any) -> None:
    house.server()
    done = house.run("Salloc", "sh", "-c", "Sserver -1; Sserver 2; echo $?")
    assert done.returncode == 0 and done.stdout.endswith("3\n")
    assert "from inside a job none is started" in done.stderr


def test_an_unbound_job_inside_a_bound_one_is_free(house: Any) -> None:
    count = len(os.sched_getaffinity(0))
    house.server(count)
    look = "import os; print(len(os.sched_getaffinity(0)))"
    assert house.ok("Salloc", "Salloc", "--no-bind", "python3", "-c", look) == f"{count}\n"


def test_leftovers_can_be_left(house: Any) -> None:
    (house.root / ".config/jobd").mkdir(parents=True)
    (house.root / ".config/jobd/config.toml").write_text('leftovers = "leave"\n')
    house.server()
    house.ok("Salloc", "sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 & echo $! > pid")
    pid = int((house.work / "pid").read_text())
    house.ok("Salloc", "true")
    assert house.jobs() == [] and state_of(pid) == "S"
    os.kill(pid, signal.SIGKILL)


def test_many_jobs_under_a_busy_agent_all_end_as_they_should(house: Any) -> None:
    """A descriptor that the agent lets go must not be taken for that of the next Salloc."""
    (house.root / ".config/jobd").mkdir(parents=True)
    (house.root / ".config/jobd/config.toml").write_text("kill_grace_s = 0.2\n")
    house.server(4)
    flood = house.spawn("sh", "-c", "seq 150 | xargs -P8 -I{} Salloc -q true")
    for _ in range(8):
        child = house.spawn(
            "Salloc", "--on-kill=below", "sh", "-c", "trap '' TERM; echo up; while :; do sleep 1; done"
        )
        assert child.stdout is not None and child.stdout.readline() == "up\n"
        row = next(job for job in house.jobs() if job["pid"] == child.pid)
        house.ok("Sdelete", str(row["job_id"]))
        child.wait(60)
    assert flood.wait(60) == 0
    ends = [job["state"] for job in house.jobs(is_finished=True) if job["name"] == "true"]
    assert ends == ["COMPLETED"] * 150
