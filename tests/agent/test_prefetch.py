"""What begins without asking when another leaves: where, in which order, with what said, and what never begins. Real processes."""

import os
import time
from typing import Any

import pytest

from agent.hands import ENVIRONMENT, SERVER, Hands
from jobd.agent.batch import PREFETCHED_MIN
from jobd.agent.outbox import GATHER_S
from jobd.wire import batch as b
from jobd.wire import messages as m
from jobd.wire.blobs import blob_of

CPUS = sorted(os.sched_getaffinity(0))


def prefetch(hands: Hands, job_id: int, text: str = "echo x >> begun", **fields: Any) -> b.Launch:
    """A shell command that may begin when another leaves, heard."""
    launch = hands.make(job_id, ["/bin/sh", "-c", text], **fields)
    hands.hear(ENVIRONMENT, b.Prefetch(launch))
    return launch


def said(hands: Hands, *kinds: type) -> list[tuple[str, int]]:
    """What was said of jobs, in its order."""
    wanted = kinds or (b.Began, b.Left)
    return [(type(one).__name__, one.job_id) for one in hands.link.said if isinstance(one, wanted)]


def begun(hands: Hands) -> list[str]:
    path = hands.folder / "begun"
    return path.read_text().split() if path.exists() else []


def never(hands: Hands, *job_ids: int) -> None:
    """Nothing of these jobs has been, nor will be when another one has run."""
    hands.sh(900, "true")
    hands.sh(901, "true")
    assert not [one for one in said(hands) if one[1] in job_ids] and not begun(hands)


# ---- beginning
def test_it_begins_on_the_processors_of_the_one_that_left_and_says_so_first(hands: Hands) -> None:
    cpu = CPUS[-1]
    go = hands.gate("go")
    hands.shell(1, "read x < go", cpus=[cpu])
    text = "nproc; taskset -cp $$ | grep -o '[0-9,-]*$'"
    prefetch(hands, 2, text)
    hands.turn(20)
    assert said(hands) == []
    before = time.time()
    go("on")
    left = hands.left(2)
    assert said(hands) == [("Left", 1), ("Began", 2), ("Left", 2)]
    (message,) = hands.all_of(b.Began, 2)
    assert (message.attempt, message.token, message.cpus) == (1, "token-2", [cpu])
    assert before <= message.at <= left.ended_at
    assert hands.output(2).split() == ["1", str(cpu)]


def test_as_many_begin_as_have_left_in_their_order(hands: Hands) -> None:
    gates = {number: hands.gate(f"go{number}") for number in (1, 2, 5, 3)}
    for number in (1, 2):
        hands.shell(number, f"read x < go{number}")
    for number in (5, 3, 4):
        prefetch(hands, number, f"read x < go{number}")
    gates[2]("on")
    hands.launched(5)
    gates[1]("on")
    hands.launched(3)
    assert said(hands, b.Began) == [("Began", 5), ("Began", 3)] and not hands.all_of(b.Began, 4)


def test_hundreds_follow_each_other_and_each_runs_once(hands: Hands) -> None:
    numbers = list(range(2, 302))
    for number in numbers:
        prefetch(hands, number, f"echo {number} >> begun")
    hands.sh(1, "true")
    hands.left(numbers[-1])
    assert [int(word) for word in begun(hands)] == numbers
    order = [number for name, number in said(hands) if name == "Began"]
    assert order == numbers
    assert said(hands)[1:] == [(name, number) for number in numbers for name in ("Began", "Left")]


def test_what_cannot_be_started_makes_room_for_the_next(hands: Hands) -> None:
    for number in (2, 3, 4):
        prefetch(hands, number, cwd="/nosuch")
    prefetch(hands, 5)
    hands.sh(1, "true")
    assert hands.left(5).exit_code == 0 and begun(hands) == ["x"]
    assert [hands.left(number).cause for number in (2, 3, 4)] == ["launch"] * 3
    assert said(hands)[1:] == [(name, number) for number in (2, 3, 4, 5) for name in ("Began", "Left")]


def test_its_time_limit_counts_from_its_own_beginning(hands: Hands) -> None:
    prefetch(hands, 2, "exec sleep 1000", time_limit_s=1)
    hands.sh(1, "sleep 1.2")
    began_s = time.monotonic()
    assert hands.left(2).cause == "time limit"
    assert time.monotonic() - began_s > 0.7


def test_what_it_leaves_behind_is_ended_before_the_next_begins(hands: Hands) -> None:
    prefetch(hands, 2, "sleep 1000 & echo $! > behind")
    prefetch(hands, 3, "kill -0 $(cat behind) 2> /dev/null || echo gone")
    hands.sh(1, "true")
    hands.left(3)
    assert hands.output(3) == "gone\n"


def test_one_that_is_changed_gives_on_what_it_has_now(hands: Hands) -> None:
    go = hands.gate("go")
    hands.shell(1, "read x < go", cpus=[CPUS[0]])
    hands.hear(b.Change(1, 1, [CPUS[-1]], 0, None, 0.0, False))
    prefetch(hands, 2)
    go("on")
    hands.left(2)
    assert hands.all_of(b.Began, 2)[0].cpus == [CPUS[-1]]


# ---- what does not begin
def test_what_was_taken_back_never_begins(hands: Hands) -> None:
    for number in (2, 3, 4):
        prefetch(hands, number, f"echo {number} >> begun")
    hands.hear(b.Recall([[2, 1], [4, 1], [77, 1]], 5))
    assert [one.number for one in hands.link.said if isinstance(one, b.Recalled)] == [5]
    hands.sh(1, "true")
    hands.left(3)
    hands.sh(9, "true")
    assert begun(hands) == ["3"] and said(hands, b.Began) == [("Began", 3)]


def test_all_can_be_taken_back_and_sent_again(hands: Hands) -> None:
    launch = prefetch(hands, 2)
    hands.hear(b.Recall([], 1), b.Recall([], 2))
    never(hands, 2)
    assert [one.number for one in hands.link.said if isinstance(one, b.Recalled)] == [1, 2]
    hands.hear(b.Prefetch(launch))
    hands.sh(1, "true")
    hands.left(2)


def test_what_has_begun_is_not_taken_back(hands: Hands) -> None:
    go = hands.gate("go")
    prefetch(hands, 2, "read x < go; exit $x")
    hands.sh(1, "true")
    hands.launched(2)
    hands.hear(b.Recall([], 1))
    go("5")
    assert hands.left(2).exit_code == 5


def test_what_is_launched_begins_once(hands: Hands) -> None:
    launch = prefetch(hands, 2)
    hands.hear(launch)
    hands.left(2)
    hands.sh(1, "true")
    assert begun(hands) == ["x"] and not hands.all_of(b.Began, 2)


def test_what_has_begun_and_is_launched_or_sent_again_runs_once(hands: Hands) -> None:
    go = hands.gate("go")
    launch = prefetch(hands, 2, "echo x >> begun; read x < go")
    hands.sh(1, "true")
    hands.launched(2)
    hands.hear(launch, b.Prefetch(launch), launch)
    assert len(hands.all_of(b.Began, 2)) == 3
    go("on")
    hands.left(2)
    hands.hear(b.Prefetch(launch), b.ForgetAttempt(2, 1, "token-2"), b.Prefetch(launch))
    hands.sh(3, "true")
    hands.sh(4, "true")
    assert begun(hands) == ["x"]


@pytest.mark.parametrize("fields", [{"nb_proc": 2}, {"server_id": SERVER + "another"}])
def test_one_that_asks_for_something_else_does_not_take_its_place(
    hands: Hands, fields: dict[str, Any]
) -> None:
    prefetch(hands, 2, **fields)
    never(hands, 2)


def test_without_its_script_it_waits_for_a_launch_which_asks_for_it(hands: Hands) -> None:
    script = blob_of(b"#!/bin/sh\necho x >> begun\n")
    launch = prefetch(hands, 2, script=script.key)
    never(hands, 2)
    assert not [one for one in hands.link.said if isinstance(one, b.Want)]
    hands.hear(launch)
    assert [one.keys for one in hands.link.said if isinstance(one, b.Want)] == [[script.key]]
    hands.hear(script)
    assert hands.left(2).exit_code == 0 and begun(hands) == ["x"]


def test_one_that_is_killed_before_it_begins_does_not(hands: Hands) -> None:
    prefetch(hands, 2)
    hands.hear(m.Kill(2, 0.0, 1, "token-2"))
    hands.until(lambda: hands.all_of(b.Left, 2))
    assert hands.all_of(b.Left, 2)[0].cause == "start unknown"
    hands.sh(1, "true")
    assert not hands.all_of(b.Began, 2) and not begun(hands)


def test_one_that_is_killed_after_it_was_forgotten_is_not_looked_for(hands: Hands) -> None:
    hands.sh(1, "true")
    hands.hear(b.ForgetAttempt(1, 1, "token-1"))
    count = len(hands.link.said)
    hands.hear(m.Kill(1, 0.0, 1, "token-1"))
    hands.turn(20)
    assert len(hands.link.said) == count


# ---- without a server
def test_nothing_begins_while_the_agent_is_ending(hands: Hands) -> None:
    go = hands.gate("go")
    hands.shell(1, "read x < go")
    launch = prefetch(hands, 2)
    hands.agent.end_all()
    hands.hear(b.Prefetch(launch))
    hands.hear(b.Recall([], 3))
    assert any(isinstance(one, b.Recalled) for one in hands.link.said)
    hands.until(lambda: hands.agent.may_leave)
    go("on")
    assert said(hands) == [("Left", 1)] and not begun(hands)


def test_nothing_begins_when_the_server_has_said_that_it_goes(hands: Hands) -> None:
    go = hands.gate("go")
    hands.shell(1, "read x < go")
    prefetch(hands, 2)
    hands.hear(m.Bye())
    go("on")
    hands.left(1)
    never(hands, 2)


def test_nothing_begins_while_no_server_is_there_nor_for_the_next_one(hands: Hands) -> None:
    go = hands.gate("go")
    hands.shell(1, "read x < go")
    launch = prefetch(hands, 2)
    hands.agent.disconnected()
    hands.hear(b.Prefetch(launch))  # it was on its way
    go("on")
    hands.until(lambda: not hands.agent.batches.lives.is_any_living)
    hands.agent.connected()
    never(hands, 2)


def test_what_began_unheard_is_said_to_the_next_server_before_its_end(hands: Hands) -> None:
    go = hands.gate("go")
    for number in (2, 3):
        prefetch(hands, number, "read x < go")
    hands.sh(1, "true")
    hands.launched(2)
    go("on")
    hands.launched(3)
    hands.agent.disconnected()
    hands.link.said.clear()
    hands.agent.connected()
    hands.hear()
    assert said(hands) == [("Left", 1), ("Began", 2), ("Left", 2), ("Began", 3)]
    go("on")


def test_an_agent_that_takes_over_says_what_began(hands: Hands) -> None:
    go = hands.gate("go")
    prefetch(hands, 2)
    prefetch(hands, 3, "read x < go", cpus=[])
    hands.sh(1, "true", cpus=[CPUS[0]])
    hands.launched(3)
    hands.die()
    hands.start()
    hands.hear()
    assert said(hands)[:4] == [("Left", 1), ("Began", 2), ("Left", 2), ("Began", 3)]
    assert hands.all_of(b.Began, 3)[0].cpus == [CPUS[0]]
    go("on")
    hands.left(3)
    assert begun(hands) == ["x"]


# ---- when it is said
def test_ends_are_gathered_for_a_moment_while_there_is_enough_to_do(hands: Hands) -> None:
    go = hands.gate("go")
    for number in range(2, 4 + PREFETCHED_MIN):
        prefetch(hands, number, "read x < go")
    hands.sh(1, "true")
    hands.launched(2)
    hands.agent.batches.lives._untold._after_s = 1000.0  # nothing else is said meanwhile
    hands.agent._outbox._sent_at_s = time.monotonic() + 1000.0
    go("on")
    hands.until(lambda: len(hands.agent._outbox._frames) >= 2)
    assert not hands.all_of(b.Left, 2)
    hands.agent._outbox._sent_at_s = time.monotonic()
    due_ms = hands.agent.timeout_ms()
    assert due_ms is not None and due_ms <= GATHER_S * 1000 + 1
    while hands.agent._outbox._frames:
        hands.turn()  # it wakes by itself
    said = [type(one) for one in hands.link.said if not isinstance(one, b.Launched)]
    assert said[-2:] == [b.Left, b.Began] and hands.all_of(b.Left, 2)


def test_what_is_urgent_is_said_at_once_with_all_that_was_gathered(hands: Hands) -> None:
    go = hands.gate("go")
    for number in range(2, 4 + PREFETCHED_MIN):
        prefetch(hands, number, "read x < go")
    hands.sh(1, "true")
    hands.launched(2)
    hands.agent.batches.lives._untold._after_s = 1000.0  # nothing else is said meanwhile
    hands.agent._outbox._sent_at_s = time.monotonic() + 1000.0
    go("on")
    hands.until(lambda: len(hands.agent._outbox._frames) >= 2)
    assert not hands.all_of(b.Left, 2)
    hands.hear(b.Recall([], 1))
    said = [type(one) for one in hands.link.said if not isinstance(one, b.Launched)]
    assert said[-3:] == [b.Left, b.Began, b.Recalled]
    hands.agent._outbox._sent_at_s = 0.0
