"""Threads that follow what they have started, and the turns that they take: with real processes, and with the agent's own loop."""

import os
import random
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from agent.hands import ENVIRONMENT, PATIENCE_S, Hands
from jobd.agent import lanes as module
from jobd.agent.lanes import Lane, Lanes
from jobd.wire import batch as b
from jobd.wire import messages as m

CPUS = sorted(os.sched_getaffinity(0))


def start(text: str) -> Callable[[], int]:
    return lambda: os.posix_spawn("/bin/sh", ["/bin/sh", "-c", text], {})


class Followed:
    """Lanes, and what they said; `next` is started by them when one has ended."""

    def __init__(self) -> None:
        self.over: list[tuple[int, int]] = []  # (pid, thread)
        self.next: list[str] = []
        self.told = threading.Semaphore(0)
        self.lanes = Lanes(self._over)

    def _over(self, lane: Lane) -> None:
        pid, lane.pid = lane.pid, 0
        assert os.waitpid(pid, 0)[0] == pid, "it was not reaped"
        self.over.append((pid, threading.get_native_id()))
        if self.next:
            free = self.lanes.free()
            assert free is lane
            lane.do(start(self.next.pop(0)))
        self.told.release()

    def wait(self, number: int = 1) -> None:
        for _ in range(number):
            assert self.told.acquire(timeout=PATIENCE_S)


@pytest.fixture
def followed() -> Iterator[Followed]:
    made = Followed()
    before = threading.active_count()
    yield made
    made.lanes.close()
    assert threading.active_count() == before


def free_of(lanes: Lanes) -> Lane:
    lane = lanes.free()
    assert lane is not None
    return lane


def test_it_starts_what_comes_next_in_its_own_thread(followed: Followed) -> None:
    followed.next = ["exit 1", "exit 2"]
    lane = free_of(followed.lanes)
    assert not lane.is_here
    first = lane.do(start("exit 0"))
    followed.wait(3)
    assert followed.over[0][0] == first
    assert len({pid for pid, _ in followed.over}) == 3
    (thread,) = {thread for _, thread in followed.over}
    assert thread != threading.get_native_id()


def test_one_that_follows_is_not_free_and_is_afterwards(followed: Followed) -> None:
    lane = free_of(followed.lanes)
    pid = lane.do(start("exec sleep 1000"))
    assert followed.lanes.is_followed(pid) and followed.lanes.follow_all([pid])
    assert not followed.lanes.is_followed(0) and not followed.lanes.follow_all([pid, 1])
    other = free_of(followed.lanes)
    assert other is not lane
    assert other.do(lambda: "no process") == "no process"
    assert free_of(followed.lanes) is other
    os.kill(pid, signal.SIGKILL)
    followed.wait()
    assert not followed.lanes.is_followed(pid)


def test_one_that_was_reaped_by_another_is_over_too() -> None:
    over: list[Lane] = []
    told = threading.Event()

    def end(lane: Lane) -> None:
        lane.pid = 0
        over.append(lane)
        told.set()

    lanes = Lanes(end)
    lane = free_of(lanes)
    os.waitpid(lane.do(start("exit 0")), 0)
    assert told.wait(PATIENCE_S) and over == [lane]
    lanes.close()


def test_there_are_so_many_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Lanes(lambda _: None, most=0).free() is None
    with monkeypatch.context() as patched:
        patched.setattr(resource, "getrlimit", lambda _: (7, 7))
        assert Lanes(lambda _: None).free() is None

    def refused(_: Any) -> Lane:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(module, "Lane", refused)
    assert Lanes(lambda _: None).free() is None


# ---- in the agent
def prefetch(hands: Hands, job_ids: range, text: str, **fields: Any) -> None:
    launches = [hands.make(number, ["/bin/sh", "-c", text], **fields) for number in job_ids]
    hands.hear(ENVIRONMENT, *(b.Prefetch(one) for one in launches))


def ends(hands: Hands) -> list[int]:
    return [one.job_id for one in hands.link.said if isinstance(one, b.Left)]


def test_short_jobs_follow_each_other_while_the_loop_rests(hands: Hands) -> None:
    """Each once, in their order, and most without the loop."""
    number = 200
    hands.shell(1, "true", cpus=[CPUS[0]])
    prefetch(hands, range(2, number + 1), "echo $JOBD_JOB_ID >> begun; exit $((JOBD_JOB_ID % 7))")
    by_lanes, ended = 0, hands.agent.child_ended

    def count(pid: int) -> bool:
        nonlocal by_lanes
        by_lanes += 1
        return ended(pid)

    hands.agent.child_ended = count  # type: ignore[method-assign]
    hands.until(lambda: len(ends(hands)) == number)
    assert (hands.folder / "begun").read_text().split() == [str(one) for one in range(2, number + 1)]
    assert ends(hands) == list(range(1, number + 1))
    left = [one for one in hands.link.said if isinstance(one, b.Left)]
    assert [one.exit_code for one in left[1:]] == [one % 7 for one in range(2, number + 1)]
    assert {tuple(one.cpus) for one in hands.link.said if isinstance(one, b.Began)} == {(CPUS[0],)}
    assert by_lanes > number // 2


def test_what_jobs_leave_behind_is_reaped_though_the_loop_does_not_hear_of_each_child(hands: Hands) -> None:
    hands.shell(1, "true", is_leaving=True)
    prefetch(hands, range(2, 40), "(setsid true &) & exit 0", is_leaving=True)
    hands.until(lambda: len(ends(hands)) == 39)
    hands.until(lambda: not hands.agent.batches.children.others())
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_it_is_reaped_too_while_lanes_are_at_it_all_the_time(hands: Hands) -> None:
    go = hands.gate("go")
    hands.shell(1, "(setsid sh -c 'read x < go' &) & exit 0", is_leaving=True)
    hands.left(1)
    hands.turns._lane_s = float("inf")
    hands.until(lambda: hands.turns._is_quiet and hands.agent.batches.children.others())
    go("on")
    hands.until(lambda: not hands.agent.batches.children.others())


def test_two_lanes_with_kills_and_recalls_among_them(hands: Hands) -> None:
    """What was not taken back began once and left once; what was taken back never began."""
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    dice = random.Random(seed)
    number = 300
    for first in (1, 2):
        hands.shell(first, "exit 0", cpus=[CPUS[first % len(CPUS)]])
    taken: set[int] = set()
    launched: set[int] = set()
    given = 3
    recall = 0
    while given <= number or len(set(ends(hands)) | taken) < number:
        if given <= number and dice.random() < 0.5:
            upto = min(number + 1, given + dice.randint(1, 12))
            prefetch(hands, range(given, upto), "echo $JOBD_JOB_ID >> begun")
            given = upto
        if dice.random() < 0.2:
            recall += 1
            wanted = [[one, 1] for one in range(max(3, given - 4), given)]
            hands.hear(b.Recall(wanted, recall))
            begun = {one.job_id for one in hands.link.said if isinstance(one, b.Began)}
            taken |= {job_id for job_id, _ in wanted} - begun - launched
        if dice.random() < 0.1 and given > 3:
            key = dice.randrange(3, given)
            is_begun = any(isinstance(one, b.Began) and one.job_id == key for one in hands.link.said)
            if is_begun and key not in ends(hands):
                hands.hear(m.Kill(key, 0.0, 1, f"token-{key}"))
        hands.turn(dice.choice([0, 1, 5]))
        running = [one for one in hands.agent.batches.attempts.values() if one.is_living]
        if not running:  # all that was given was taken back, or came when nobody was there to leave
            for one in [key for key, _ in list(hands.agent.batches._prefetched)]:
                launched.add(one)
                hands.hear(hands.make(one, ["/bin/sh", "-c", "echo $JOBD_JOB_ID >> begun"]))
    begun_at = [one.job_id for one in hands.link.said if isinstance(one, b.Began)]
    assert len(begun_at) == len(set(begun_at))
    assert sorted(ends(hands)) == sorted(set(range(1, number + 1)) - taken)
    ran = [int(one) for one in (hands.folder / "begun").read_text().split()]
    assert len(ran) == len(set(ran)) and not set(ran) & taken


def test_what_goes_wrong_in_a_lane_is_the_loops(hands: Hands, monkeypatch: pytest.MonkeyPatch) -> None:
    go = hands.gate("go")
    hands.shell(1, "read x < go")
    hands.launched(1)

    def broken(_: int) -> bool:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(hands.agent, "child_ended", broken)
        go("on")
        with pytest.raises(ZeroDivisionError):
            end_s = time.monotonic() + PATIENCE_S
            while time.monotonic() < end_s:
                hands.turn(20)
    hands.turns._error = None
    hands.agent.children_changed()
    hands.left(1)


def test_a_limit_of_a_year_is_no_reason_to_fall(hands: Hands) -> None:
    go = hands.gate("go")
    hands.shell(1, "read x < go", time_limit_s=366 * 86_400)
    hands.launched(1)
    hands.turn()
    go("on")
    hands.left(1)
