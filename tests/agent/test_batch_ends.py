"""How attempts are ended: by the server, by their limits, with the agent; and what they leave behind."""

import os
import signal
import sys
import time

import pytest

from agent.hands import Hands
from jobd.agent.processes import look_up
from jobd.wire import batch as b
from jobd.wire import messages as m

DEAF = "trap '' TERM; echo ready > r; mv r ready; while :; do sleep 600; done"
READY = "echo ready > r; mv r ready; "
# Daemonizes as one does: a session of its own, a double fork, no parent left. Goes on when the daemon has written its pid.
DAEMON = """import os,time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        open('pid', 'w').write(str(os.getpid()))
        os.rename('pid', 'daemon')
        time.sleep(600)
    os._exit(0)
os.wait()
while not os.path.exists('daemon'):
    time.sleep(0.001)
"""


def is_alive(pid: int) -> bool:
    process = look_up(pid)
    return process is not None and not process.is_zombie


def test_a_killed_job_gets_term_and_may_end_in_its_own_way(hands: Hands) -> None:
    hands.shell(1, "trap 'exit 9' TERM; " + READY + "while :; do sleep 0.01; done")
    hands.wait_for_file("ready")
    hands.hear(m.Kill(1, 30.0, 1))
    left = hands.left(1)
    assert (left.exit_code, left.signal, left.cause) == (9, None, "self")


def test_what_is_deaf_to_term_is_killed_after_the_grace(hands: Hands) -> None:
    hands.shell(1, DEAF)
    hands.wait_for_file("ready")
    began_s = time.monotonic()
    hands.hear(m.Kill(1, 0.2, 1), m.Kill(1, 30.0, 1))
    left = hands.left(1)
    assert left.signal == signal.SIGKILL
    assert 0.2 <= time.monotonic() - began_s < 10


def test_a_stopped_job_can_be_ended(hands: Hands) -> None:
    hands.shell(1, READY + "kill -STOP $$; sleep 600")
    hands.wait_for_file("ready")
    hands.hear(m.Kill(1, 30.0, 1))
    assert hands.left(1).signal == signal.SIGTERM


def test_what_a_job_leaves_running_is_ended_and_only_then_has_it_left(hands: Hands) -> None:
    hands.shell(1, "sleep 600 & exit 5")
    left = hands.left(1)
    (over,) = hands.all_of(b.Over, 1)
    assert (over.exit_code, over.cause) == (5, "self")
    assert (left.exit_code, left.cause) == (5, "self")
    names = [type(one).__name__ for one in hands.link.said if getattr(one, "job_id", 0) == 1]
    assert names == ["Launched", "Over", "Left"]
    assert not hands.marked()


def test_a_daemon_of_a_job_ends_with_it(hands: Hands) -> None:
    hands.run(1, [sys.executable, "-S", "-c", DAEMON])
    assert not is_alive(int((hands.folder / "daemon").read_text()))


def test_a_daemon_whose_parent_is_in_the_middle_of_its_end_ends_with_its_job(hands: Hands) -> None:
    # Its parent has much memory to give back: until that is done it has no environment any more, and the daemon is still its child.
    text = (
        "import os\nr, w = os.pipe()\nif os.fork():\n os.close(w); os.read(r, 1); __import__('time').sleep(float(__import__('sys').argv[1])); os._exit(0)\n"
        "os.setsid(); os.close(r)\nif os.fork() == 0:\n os.close(w); open('d','w').write(str(os.getpid())); os.rename('d','daemon')\n"
        " while True: __import__('time').sleep(60)\n"
        "while not os.path.exists('daemon'): pass\n"
        "import mmap\nblock = mmap.mmap(-1, 200 << 20); block.madvise(mmap.MADV_NOHUGEPAGE)\n"
        "for at in range(0, 200 << 20, 4096): block[at] = 1\n"
        "os.write(w, b'x'); os._exit(0)\n"
    )
    go = hands.gate("go")
    hands.shell(1, "read x < go")  # so that it is not simply of the only one
    for job_id in range(2, 12):
        hands.run(job_id, [sys.executable, "-S", "-c", text, str(0.001 * job_id)])
        assert not is_alive(int((hands.folder / "daemon").read_text()))
        (hands.folder / "daemon").unlink()
    go("")
    hands.left(1)


def test_a_daemon_without_the_marker_ends_with_its_job(hands: Hands) -> None:
    hands.run(1, ["/usr/bin/env", "-i", sys.executable, "-S", "-c", DAEMON])
    assert not is_alive(int((hands.folder / "daemon").read_text()))


def test_a_daemon_of_one_job_does_not_end_with_another(hands: Hands) -> None:
    go = hands.gate("go")
    hands.launch(1, [sys.executable, "-S", "-c", DAEMON + "open('go').readline()"])
    pid = int(hands.wait_for_file("daemon"))
    for job_id in range(2, 6):
        assert hands.sh(job_id, "true").exit_code == 0
        assert not hands.all_of(b.Over, job_id)
    assert is_alive(pid)
    go("")
    hands.left(1)
    assert not is_alive(pid)


def test_a_daemon_that_nobody_can_tell_whose_it_is_ends_when_the_last_who_may_have_it_does(
    hands: Hands,
) -> None:
    gates = [hands.gate("one"), hands.gate("two")]
    hands.shell(1, "read x < one")
    hands.launched(1)
    hands.launch(2, ["/usr/bin/env", "-i", sys.executable, "-S", "-c", DAEMON + "open('two').readline()"])
    pid = int(hands.wait_for_file("daemon"))
    gates[1]("")
    hands.left(2)
    assert is_alive(pid)
    gates[0]("")
    hands.left(1)
    assert not is_alive(pid)


def test_what_outlives_its_command_is_left_alone_where_that_is_configured(hands: Hands) -> None:
    go = hands.gate("go")
    hands.shell(1, "read x < go & echo $! > p; mv p pid; exit 2", is_leaving=True)
    left = hands.left(1)
    assert left.exit_code == 2
    pid = int(hands.wait_for_file("pid"))
    assert is_alive(pid)
    go("")
    hands.until(lambda: not is_alive(pid))


def test_a_fork_bomb_is_ended(hands: Hands) -> None:
    text = "import os,time\nopen('r','w').close(); os.rename('r','ready')\nwhile True:\n if os.fork(): time.sleep(0.002); os._exit(0)\n"
    hands.launch(1, [sys.executable, "-S", "-c", text])
    hands.wait_for_file("ready")
    hands.hear(m.Kill(1, 0.1, 1))
    hands.left(1)
    assert not hands.marked()


# ---- limits
def test_the_time_limit_ends_a_job(hands: Hands) -> None:
    hands.shell(1, "sleep 600", time_limit_s=1)
    left = hands.left(1)
    (over,) = hands.all_of(b.Over, 1)
    assert (over.cause, over.exit_code, over.signal) == ("time limit", None, None)
    assert (left.cause, left.signal) == ("time limit", signal.SIGTERM)


def test_the_time_limit_binds_while_the_server_is_away_and_is_said_when_it_is_back(hands: Hands) -> None:
    hands.shell(1, DEAF, time_limit_s=1, grace_s=0.1)
    hands.wait_for_file("ready")
    hands.agent.disconnected()
    hands.until(lambda: not hands.agent.batches.lives.is_any_living)
    assert not hands.all_of(b.Left, 1)
    hands.agent.connected()
    hands.agent.flush()
    assert hands.left(1).cause == "time limit"
    assert hands.left(1).signal == signal.SIGKILL


def test_another_time_limit_counts_from_the_start(hands: Hands) -> None:
    hands.shell(1, "sleep 600", time_limit_s=1000)
    hands.launched(1)
    hands.hear(b.Change(1, 1, [], 0, 1, 0.0, False))
    assert hands.left(1).cause == "time limit"
    hands.shell(2, "sleep 0.2", time_limit_s=1)
    hands.launched(2)
    hands.hear(b.Change(2, 1, [], 0, None, 0.0, False))
    assert hands.left(2).cause == "self"


def test_a_job_that_takes_too_much_memory_is_ended_at_once(hands: Hands) -> None:
    hands.launch(
        1,
        [sys.executable, "-S", "-c", "x = bytearray(200 << 20)\nwhile True: pass"],
        memory_bytes=64 << 20,
        cpus=[min(os.sched_getaffinity(0))],
        grace_s=1000.0,
    )
    left = hands.left(1)
    assert (left.cause, left.signal) == ("out of memory", signal.SIGKILL)
    assert left.text.endswith("MB of memory, of 64 MB")
    assert left.memory_peak_bytes > 64 << 20
    assert left.unenforced == ["memory: watched by the agent, not bound by the kernel"]


@pytest.mark.parametrize("is_batch_only", [False, True])
def test_the_warning_goes_to_the_steps_or_to_the_script_alone(hands: Hands, is_batch_only: bool) -> None:
    step = "JOBD_STEP_ID=0 sh -c 'trap \"echo step >> got\" USR1; echo ready > r; mv r ready; read x < go' &"
    go = hands.gate("go")
    hands.shell(
        1,
        f"trap 'echo script >> got' USR1; {step} wait; wait",
        time_limit_s=1000,
        warn_signal=signal.SIGUSR1,
        warn_before_s=2000,
        is_warning_batch_only=is_batch_only,
    )
    hands.wait_for_file("ready")
    hands.until((hands.folder / "got").exists)
    assert (hands.folder / "got").read_text() == ("script\n" if is_batch_only else "step\n")
    go("")


# ---- control
def test_a_paused_job_stands_still_and_its_time_does_not_run(hands: Hands) -> None:
    count = "i=0; while :; do i=$((i+1)); echo $i > n; mv n count; sleep 0.01; done"
    hands.shell(1, count, time_limit_s=2)
    hands.wait_for_file("count")
    launched = hands.launched(1)
    hands.hear(b.Change(1, 1, [], 0, 2, 0.0, True))
    with open(f"/proc/{launched.pid}/stat") as file:
        assert (
            file.read().rpartition(")")[2].split()[0] in "TtD"
        )  # D: it was writing, and stops when that is done
    was = (hands.folder / "count").read_text()
    end_s = time.monotonic() + 2.1
    hands.until(lambda: time.monotonic() > end_s)
    assert (hands.folder / "count").read_text() == was
    assert not hands.all_of(b.Over, 1)
    hands.hear(b.Change(1, 1, [], 0, 60, 2.1, False))
    hands.until(lambda: (hands.folder / "count").read_text() != was)
    hands.hear(m.Kill(1, 30.0, 1))
    assert hands.left(1).cause == "self"


def test_a_paused_job_can_be_ended(hands: Hands) -> None:
    hands.shell(1, "sleep 600")
    hands.launched(1)
    hands.hear(b.Change(1, 1, [], 0, None, 0.0, True), m.Kill(1, 30.0, 1))
    assert hands.left(1).signal == signal.SIGTERM


def test_other_processors_bind_all_threads_and_children(hands: Hands) -> None:
    own = sorted(os.sched_getaffinity(0))
    hands.shell(1, "sleep 600 & echo $! > c; mv c child; wait")
    child = int(hands.wait_for_file("child"))
    launched = hands.launched(1)
    hands.hear(b.Change(1, 1, own[:1], 0, None, 0.0, False))
    assert os.sched_getaffinity(child) == os.sched_getaffinity(launched.pid) == {own[0]}
    hands.hear(b.Change(1, 1, [], 0, None, 0.0, False))
    assert os.sched_getaffinity(child) == set(own)


@pytest.mark.parametrize(
    ("scope", "expected"), [("batch", {"script"}), ("steps", {"step"}), ("all", {"script", "step", "other"})]
)
def test_a_signal_goes_to_whom_it_is_meant_for(hands: Hands, scope: str, expected: set[str]) -> None:
    def part(name: str) -> str:
        return f"sh -c 'trap \"echo {name} >> got\" USR2; echo > r-{name}; mv r-{name} ready-{name}; read x < go'"

    hands.gate("go")
    hands.shell(
        1,
        f"JOBD_STEP_ID=1 {part('step')} & {part('other')} & trap 'echo script >> got' USR2; wait; wait; wait; wait",
    )
    hands.wait_for_file("ready-step")
    hands.wait_for_file("ready-other")
    hands.launched(1)
    hands.hear(b.Signal(1, 1, signal.SIGUSR2, scope))
    got = hands.folder / "got"
    hands.until(lambda: got.exists() and set(got.read_text().split()) == expected)


# ---- with the agent
def test_an_agent_that_is_told_to_end_ends_its_jobs_and_says_why(hands: Hands) -> None:
    hands.shell(1, "sleep 600")
    hands.shell(2, DEAF, grace_s=0.1)
    hands.wait_for_file("ready")
    hands.agent.end_all()
    hands.until(lambda: hands.agent.may_leave)
    assert m.ScopeEnding() in hands.link.said
    assert {one.cause for one in (hands.left(1), hands.left(2))} == {"scope"}
    hands.shell(3, "true")
    assert not hands.all_of(b.Left, 3)


def test_an_agent_with_a_living_job_stays_and_one_without_leaves(hands: Hands) -> None:
    go = hands.gate("go")
    hands.shell(1, "read x < go")
    hands.launched(1)
    hands.hear(m.Bye())
    hands.agent.disconnected()
    assert not hands.agent.may_leave
    assert hands.agent.batches.lives.next_s is None
    go("")
    hands.until(lambda: hands.agent.may_leave)


def test_idle_costs_nothing(hands: Hands) -> None:
    hands.gate("go")
    hands.shell(1, "read x < go")
    hands.launched(1)
    hands.until(lambda: hands.agent.timeout_ms() is None)
