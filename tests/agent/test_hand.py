"""The thread that starts processes on processors of their own: what it does, raises and catches, and that nothing of it stays."""

import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from agent.hands import Hands
from jobd.agent.hand import Hand
from jobd.wire import batch as b

CPUS = sorted(os.sched_getaffinity(0))


@pytest.fixture
def hand() -> Iterator[Hand]:
    """One that is closed after the test."""
    before = threading.active_count()
    made = Hand()
    yield made
    made.close()
    made.close()
    assert threading.active_count() == before


def raising(error: BaseException) -> Any:
    raise error


def test_it_is_bound_and_who_asks_is_not(hand: Hand) -> None:
    for cpu in CPUS:
        hand.bind([cpu])
        assert hand.do(lambda: os.sched_getaffinity(0)) == {cpu}
        assert hand.do(threading.get_native_id) != threading.get_native_id()
        assert sorted(os.sched_getaffinity(0)) == CPUS


def test_a_process_that_it_starts_is_where_it_is_and_a_child_of_all(hand: Hand) -> None:
    cpu = CPUS[-1]
    hand.bind([cpu])
    reader, writer = os.pipe()
    command = ["/bin/sh", "-c", "grep Cpus_allowed_list /proc/self/status; exit 7"]
    actions = [(os.POSIX_SPAWN_DUP2, writer, 1)]
    pid = hand.do(lambda: os.posix_spawn(command[0], command, {}, file_actions=actions))
    os.close(writer)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    assert os.read(reader, 100).split() == [b"Cpus_allowed_list:", str(cpu).encode()]
    os.close(reader)


@pytest.mark.parametrize("error", [OSError(2, "gone"), ValueError("x"), SystemExit(3), KeyboardInterrupt()])
def test_what_is_raised_is_the_askers_and_the_next_thing_is_done(hand: Hand, error: BaseException) -> None:
    with pytest.raises(type(error)) as raised:
        hand.do(lambda: raising(error))
    assert raised.value is error
    assert hand.do(lambda: 5) == 5


def test_where_it_may_not_be_it_is_not_and_stays_where_it_was(hand: Hand) -> None:
    hand.bind([CPUS[0]])
    with pytest.raises(OSError, match="Invalid argument"):
        hand.bind([1000])
    assert hand.do(lambda: os.sched_getaffinity(0)) == {CPUS[0]}


def test_nothing_is_kept_of_what_was_done(hand: Hand) -> None:
    class Large:
        pass

    import weakref

    large = Large()
    seen = weakref.ref(large)
    hand.do(lambda one=large: one)  # type: ignore[misc]
    del large
    hand.do(lambda: None)
    assert seen() is None


def test_signals_are_its_askers_also_while_it_waits(hand: Hand) -> None:
    heard: list[int] = []
    old = signal.signal(signal.SIGUSR1, lambda *_: heard.append(threading.get_native_id()))
    try:

        def many() -> int:
            for _ in range(100):
                os.kill(os.getpid(), signal.SIGUSR1)
            return 7

        assert hand.do(many) == 7
        assert set(heard) == {threading.get_native_id()}
        blocked = hand.do(lambda: signal.pthread_sigmask(signal.SIG_BLOCK, []))
        assert {signal.SIGCHLD, signal.SIGTERM, signal.SIGUSR1} <= blocked
    finally:
        signal.signal(signal.SIGUSR1, old)


# ---- in the agent
def test_no_signal_is_blocked_in_a_job(hands: Hands) -> None:
    hands.sh(1, "grep SigBlk /proc/self/status")
    assert int(hands.output(1).split()[1], 16) == 0


def test_a_job_whose_processors_cannot_be_had_runs_where_it_may(hands: Hands) -> None:
    left = hands.sh(1, "grep Cpus_allowed_list /proc/self/status", cpus=[1000])
    assert left.exit_code == 0 and "processors" in left.unenforced[0]
    hands.sh(2, "grep Cpus_allowed_list /proc/self/status")
    assert hands.output(1) == hands.output(2)


def test_an_agent_that_can_be_bound_nowhere_starts_its_jobs(
    hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any) -> None:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(os, "sched_setaffinity", refused)
    left = hands.sh(1, "exit 3", cpus=[CPUS[0]])
    assert left.exit_code == 3 and "processors" in left.unenforced[0]


def test_what_a_job_leaves_behind_is_found_though_another_thread_has_started_it(hands: Hands) -> None:
    left = hands.sh(1, "setsid sleep 1000 & exit 0", cpus=[CPUS[0]])
    assert left.exit_code == 0 and not hands.marked()
    assert hands.all_of(b.Over, 1)
