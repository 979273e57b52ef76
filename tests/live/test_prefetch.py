"""Hundreds of short jobs that follow each other without the server: each runs once, and nobody is told what is not so, whoever is killed."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobd.agent.book import _records
from jobd.daemon.prefetch import ANSWER_S
from jobd.wire import batch as b
from live.batches import agent_of, configured, is_gone, kill_agent, kill_server, lines, script

BOOK = ".local/state/jobd/launches"
JOB = "echo $SLURM_JOB_ID >> ran"


@pytest.fixture(autouse=True)
def is_always_prefetched(house: Any) -> None:
    """However long a short job takes on a machine that is busy."""
    configured(house, "prefetch_s = 30\n")


def queue(house: Any, count: int, text: str = JOB) -> list[int]:
    """Queue so many of a short script; their numbers, in their order."""
    path = script(house, text, "short.sh")
    said = house.ok("Sbatch", "--parsable", "-o", "/dev/null", "--from", "-", input=f"bash {path}\n" * count)
    return [int(word) for word in said.split()]


def gated(house: Any, first: int) -> str:
    """The script of jobs of which those from number `first` on stay until `open_gate`: the queue cannot run dry before its test is there."""
    os.mkfifo(house.work / "gate")
    return f"{JOB}\n[ $SLURM_JOB_ID -lt {first} ] || read _ < gate"


@contextlib.contextmanager
def open_gate(house: Any) -> Iterator[None]:
    """Let those that stay go, and all after them."""
    gate = os.open(house.work / "gate", os.O_RDWR)
    try:
        os.write(gate, b"\n" * 2000)  # each takes a line
        yield
    finally:
        os.close(gate)


def ran(house: Any) -> list[int]:
    """The jobs that have run, in their order."""
    return [int(word) for word in lines(house.work / "ran")]


def until_ran(house: Any, count: int) -> None:
    house.until(lambda: len(ran(house)) >= count)


def until_idle(house: Any) -> None:
    house.until(lambda: not house.jobs())


def prefetched(house: Any) -> list[int]:
    """The jobs that began without being launched, as the launch book has it."""
    begins = [record for record in _records(str(house.root / BOOK)) if record[0] == "begin"]
    return [record[1] for record in begins if record[3][-1] is True]


def began_at(house: Any) -> dict[int, float]:
    """When each began, as the launch book has it, in the order in which they did."""
    begins = [record for record in _records(str(house.root / BOOK)) if record[0] == "begin"]
    return {record[1]: b.Launch(*record[3]).started_at for record in begins}


def ask(house: Any, request: Any) -> Any:
    with house.client() as client:
        return client.request(request)


def target(job_ids: list[int]) -> b.Target:
    return b.Target([b.JobId(job_id, []) for job_id in job_ids])


def finished(house: Any, job_ids: list[int]) -> dict[int, dict[str, Any]]:
    return {row["job_id"]: row for row in house.jobs(is_finished=True, job_ids=job_ids)}


def check_each_ran_once(house: Any, numbers: list[int]) -> None:
    assert sorted(ran(house)) == numbers
    rows = finished(house, numbers)
    assert [rows[number]["state"] for number in numbers] == ["COMPLETED"] * len(numbers)


# ---- with nobody in the way
def test_one_after_another_in_their_order(house: Any) -> None:
    house.server(1)
    numbers = queue(house, 200)
    until_idle(house)
    assert ran(house) == numbers and len(prefetched(house)) > 100
    rows = finished(house, numbers)
    assert all(rows[number]["state"] == "COMPLETED" for number in numbers)
    # When the agent began them; the server may have been about to start the same one, and then has its own time of it.
    starts = began_at(house)
    assert list(starts) == numbers and list(starts.values()) == sorted(starts.values())
    agreed = [one for one in numbers if rows[one]["started_at"] == starts[one]]
    assert len(agreed) > 150
    for one in agreed:
        assert one + 1 not in agreed or rows[one]["ended_at"] <= starts[one + 1] + 0.001


def test_no_two_are_on_a_processor_at_a_time(house: Any) -> None:
    cpus = sorted(os.sched_getaffinity(0))
    house.server(len(cpus))
    folder = house.work / "taken"
    folder.mkdir()
    text = "cpu=$(taskset -cp $$ | grep -o '[0-9,-]*$'); mkdir taken/$cpu || echo $cpu >> twice\n"
    numbers = queue(house, 200, f"{text}{JOB}; rmdir taken/$cpu")
    until_idle(house)
    check_each_ran_once(house, numbers)
    assert len(prefetched(house)) > 50 and not lines(house.work / "twice") and not list(folder.iterdir())


# ---- taken back
def test_what_was_cancelled_or_held_before_it_started_does_not_run(house: Any) -> None:
    house.server(2)
    numbers = queue(house, 1200, gated(house, 900))
    held: set[int] = set()
    cancelled: set[int] = set()
    for part in range(7):
        if part < 6:
            until_ran(house, 60 + 60 * part)
        else:
            # However slow we were: both that run stay, and those after them are with the agent.
            house.until(lambda: len([number for number in ran(house) if number >= 900]) == 2)
        last = max(ran(house))
        chosen = [number for number in range(last + 1, last + (41 if part < 6 else 121)) if number in numbers]
        told = ask(house, b.Cancel(target(chosen[::4])))
        cancelled |= set(told.job_ids)
        told = ask(house, b.Control(target(chosen[1::4]), "hold"))
        held |= set(told.job_ids)
        assert not held & set(ran(house))
    with open_gate(house):
        house.until(lambda: {row["job_id"] for row in house.jobs()} == held)
        rows = finished(house, numbers)
        unstarted = {number for number, row in rows.items() if row["started_at"] is None}
        assert unstarted <= cancelled and len(held) > 20 and len(unstarted) > 20
        assert not (held | unstarted) & set(ran(house))
        assert len(prefetched(house)) > 100
        ask(house, b.Control(target(sorted(held)), "release"))
        until_idle(house)
    done = ran(house)
    assert len(done) == len(set(done)) and set(done) | cancelled == set(numbers)
    assert not unstarted & set(done)


def test_a_salloc_and_a_change_of_the_limits_come_in_between(house: Any) -> None:
    house.server(2)
    numbers = queue(house, 400)
    until_ran(house, 60)
    house.ok("Sserver", "1")
    assert house.ok("Salloc", "-n", "1", "--priority", "5", "echo", "in between") == "in between\n"
    house.ok("Sserver", "2")
    until_idle(house)
    assert sorted(ran(house)) == numbers


def test_what_calls_others_inside_itself_has_its_procs_for_them(house: Any) -> None:
    house.server(1)
    numbers = queue(house, 60)
    script(house, f"{JOB}\nSalloc sh -c 'echo inside >> calls'\n", "caller.sh")
    said = house.ok("Sbatch", "--parsable", "-o", "/dev/null", "--from", "-", input="bash caller.sh\n" * 5)
    numbers += [int(word) for word in said.split()] + queue(house, 60)
    until_idle(house)
    check_each_ran_once(house, numbers)
    assert lines(house.work / "calls") == ["inside"] * 5


def test_an_agent_that_stands_still_holds_a_request_up_for_a_moment_only(house: Any) -> None:
    house.server(2)
    numbers = queue(house, 600, gated(house, 400))
    until_ran(house, 60)
    agent = agent_of(house)
    os.kill(agent, signal.SIGSTOP)
    try:
        began_s = time.monotonic()
        last = numbers[-1]
        assert ask(house, b.Cancel(target([last, last - 1]))).job_ids == [last - 1, last]
        first_s = time.monotonic() - began_s
        waiting = [row["job_id"] for row in house.jobs() if row["state"] == "PENDING"]
        # It has these, and has not begun them. What it began just before it stood still it could not tell.
        gone = waiting[24:28]
        assert ask(house, b.Cancel(target(gone))).job_ids == gone
        assert time.monotonic() - began_s < first_s + 0.9 * ANSWER_S  # it is not waited for again
    finally:
        os.kill(agent, signal.SIGCONT)
    with open_gate(house):
        until_idle(house)
    done = ran(house)
    assert len(done) == len(set(done)) and last not in done
    assert set(done) | {last, last - 1, *gone} == set(numbers)
    # Whatever was sent to it before is taken back before it looks what has ended.
    assert not set(gone) & set(done)


# ---- killed
def test_a_server_that_is_killed_again_and_again_starts_none_twice(house: Any) -> None:
    house.server(2)
    numbers = queue(house, 600)
    for count in (60, 160, 260, 360):
        until_ran(house, count)
        kill_server(house)
        house.server(2)
    until_idle(house)
    check_each_ran_once(house, numbers)
    assert len(prefetched(house)) > 50


def test_an_agent_that_is_killed_starts_none_twice(house: Any) -> None:
    house.server(2)
    numbers = queue(house, 600)
    for count in (60, 160, 260):
        until_ran(house, count)
        kill_agent(house)
    until_idle(house)
    done = ran(house)
    assert len(done) == len(set(done))
    rows = finished(house, numbers)
    assert {number for number in numbers if rows[number]["state"] == "COMPLETED"} <= set(done)
    others = [row for row in rows.values() if row["state"] != "COMPLETED"]
    assert len(others) <= 12 and all(row["cause"] in ("lost", "start unknown") for row in others)


@pytest.mark.parametrize("is_signalled", [False, True])
def test_a_server_that_stops_takes_all_back_first(house: Any, is_signalled: bool) -> None:
    house.server(2)
    numbers = queue(house, 1200, gated(house, 900))
    until_ran(house, 60)
    agent, pid = agent_of(house), house.server_pid()
    if is_signalled:
        os.kill(pid, signal.SIGTERM)
        house.until(lambda: is_gone(pid))
    else:
        house.ok("Sserver", "-1")
    stopped_at = time.time()
    with open_gate(house):
        house.until(lambda: is_gone(agent))
        begun = ran(house)
        assert len(begun) < len(numbers)
        restarted_at = time.time()
        house.server(2)
        until_idle(house)
    check_each_ran_once(house, numbers)
    starts = [row["started_at"] for row in finished(house, numbers).values()]
    assert not [at for at in starts if stopped_at + (0.05 if is_signalled else 0.0) < at < restarted_at]


def test_all_is_ended_and_nothing_begins(house: Any) -> None:
    house.server(2)
    numbers = queue(house, 600, gated(house, 400))
    until_ran(house, 100)
    agent = agent_of(house)
    house.ok("Sserver", "-2")
    house.until(lambda: is_gone(agent))
    done = ran(house)
    house.server(2)
    assert house.jobs() == [] and ran(house) == done and len(done) < len(numbers)
    rows = finished(house, numbers)
    assert {row["state"] for row in rows.values()} <= {"COMPLETED", "CANCELLED"}
    assert not {number for number, row in rows.items() if row["started_at"] is None} & set(done)


def test_a_scope_that_ends_begins_nothing_more(house: Any) -> None:
    house.server(2)
    numbers = queue(house, 600)
    until_ran(house, 100)
    old = agent_of(house)
    os.kill(old, signal.SIGTERM)
    house.until(lambda: agent_of(house) != old)
    until_idle(house)
    done = ran(house)
    assert len(done) == len(set(done)) and len(done) >= len(numbers) - 4
    assert Path(house.root / BOOK).exists()
