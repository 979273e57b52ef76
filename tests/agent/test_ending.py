"""The end of an attempt, with real processes: TERM with CONT, a grace, KILL, and not over while anything lives."""

import os
import select
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.groups import Imitation, a_place, a_process, identity, is_alive
from jobd.agent import members
from jobd.agent.cgroup import Group, Groups
from jobd.agent.ending import Ending
from jobd.agent.processes import Process
from jobd.agent.tree import Mark, Table, mark_of

LONG_S = 1000.0


class Attempt:
    """A main process that is marked, and the loop that the agent has around its ending."""

    def __init__(self, *command: str, group: Group | None = None) -> None:
        self.server = uuid.uuid4().hex
        environment = {
            "PATH": os.environ["PATH"],
            "JOBD_JOB_ID": "5",
            "JOBD_ATTEMPT": "1",
            "JOBD_SERVER": self.server,
        }
        self.main = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.root = identity(self.main.pid)
        self.group = group
        self.spared: frozenset[int] = frozenset()
        if group is not None:
            group.take_in(self.main.pid)

    def says(self) -> str:
        """A line of its output."""
        assert self.main.stdout is not None
        return self.main.stdout.readline().strip()

    def tell(self) -> None:
        """Give it the line that it waits for."""
        assert self.main.stdin is not None
        self.main.stdin.write("on\n")
        self.main.stdin.flush()

    def find(self) -> list[Process]:
        return members.find(
            Table(self.server), job_id=5, attempt=1, roots=[self.root], group=self.group,
            spared=self.spared | {os.getpid()},
        )  # fmt: skip

    def is_hunted(self, pid: int) -> bool:
        return mark_of(pid, self.server) == Mark(5, 1)

    def end(self, ending: Ending, now_s: float | None = None) -> None:
        """Look whenever it is time or one has ended, as loop.py does, until it is over; `now_s` stands still if it is given."""
        while not ending.is_over:
            now = time.monotonic() if now_s is None else now_s
            ending.look(self.find, now, spared=self.spared, is_hunted=self.is_hunted)
            wait_s = ending.look_at_s - now
            ready, _, _ = select.select(
                list(ending.pidfds), [], [], 60.0 if now_s is not None and ending.pidfds else wait_s
            )
            self.main.poll()
            for pidfd in ready:
                ending.forget(pidfd, now)

    def close(self) -> None:
        for process in self.find():
            os.kill(process.pid, signal.SIGKILL)
        self.main.wait()
        for stream in (self.main.stdin, self.main.stdout):
            assert stream is not None
            stream.close()


@pytest.fixture
def attempt() -> Iterator[Any]:
    """Makes attempts, and ends them with the test."""
    made: list[Attempt] = []

    def build(*command: str, group: Group | None = None) -> Attempt:
        made.append(Attempt(*command, group=group))
        return made[-1]

    yield build
    for one in made:
        one.close()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Groups]:
    with a_place() as groups:
        yield (
            groups
            if groups is not None
            else Imitation(tmp_path, without=frozenset({"cgroup.kill", "cgroup.procs"}))
        )


def test_all_processes_get_term_and_nothing_else_while_they_take_it(attempt: Any) -> None:
    one = attempt("sh", "-c", "setsid sleep 1000 & sleep 1000 & echo on; wait")
    one.says()
    ending = Ending(0.0, LONG_S)
    one.end(ending, 0.0)
    assert one.main.wait() == -signal.SIGTERM


def test_a_stopped_process_wakes_to_its_end(attempt: Any) -> None:
    one = attempt("sh", "-c", "trap 'exit 3' TERM; kill -STOP $$; while :; do read x; done")
    os.waitid(os.P_PID, one.main.pid, os.WSTOPPED)
    one.end(Ending(0.0, LONG_S), 0.0)
    assert one.main.wait() == 3


def test_who_does_not_listen_is_killed_after_the_grace(attempt: Any) -> None:
    one = attempt("sh", "-c", "trap '' TERM; echo on; while :; do read x; done")
    one.says()
    ending = Ending(0.0, 5.0)
    ending.look(one.find, 0.0)
    assert ending.look_at_s <= 5.0
    ending.look(one.find, 4.9)
    assert is_alive(one.main.pid)
    one.end(ending, 5.0)
    assert one.main.wait() == -signal.SIGKILL


def test_the_grace_begins_with_the_first_look_however_late_that_is(attempt: Any) -> None:
    one = attempt("sh", "-c", "echo on; exec sleep 1000")
    one.says()
    ending = Ending(0.0, 5.0)
    ending.look(one.find, 100.0)
    assert one.main.wait() == -signal.SIGTERM
    assert ending.kill_at_s == 105.0


def test_without_a_grace_nobody_gets_term(attempt: Any) -> None:
    one = attempt("sh", "-c", "trap 'echo heard' TERM; echo on; while :; do sleep 1000; done")
    one.says()
    one.end(Ending(0.0, 0.0), 0.0)
    assert one.main.wait() == -signal.SIGKILL
    assert one.says() == ""


def test_the_grace_can_be_cut_short(attempt: Any) -> None:
    one = attempt("sh", "-c", "trap '' TERM; echo on; while :; do read x; done")
    one.says()
    ending = Ending(0.0, LONG_S)
    ending.look(one.find, 0.0)
    ending.kill_at_once(1.0)
    assert ending.look_at_s <= 1.0
    one.end(ending, 1.0)
    assert one.main.wait() == -signal.SIGKILL


def test_one_empty_look_is_not_enough(attempt: Any) -> None:
    ending = Ending(0.0, LONG_S)
    ending.look(list, 0.0)
    assert not ending.is_over
    ending.look(list, ending.look_at_s)
    assert ending.is_over


def test_one_that_was_gone_before_it_was_looked_at_makes_all_looks_begin_again() -> None:
    ending = Ending(0.0, LONG_S)
    ending.look(list, 0.0)
    ending.stir(0.01)
    assert ending.look_at_s <= 0.01
    ending.look(list, 0.01)
    ending.look(list, 0.1)
    assert not ending.is_over
    ending.look(list, 0.2)
    assert ending.is_over


def test_a_process_that_forks_while_it_is_ended_does_not_get_away(attempt: Any) -> None:
    one = attempt(
        "sh",
        "-c",
        "trap 'setsid sh -c \"trap : TERM; sleep 1000; sleep 1000\" & exit' TERM; echo on; read x; wait",
    )
    one.says()
    one.end(Ending(time.monotonic(), 0.2))
    assert one.find() == []


# A chain whose links live for some hundred microseconds: at each moment one process, a group and a session of its own.
CHAIN = """
import os, sys
sys.stdout.write("on\\n"); sys.stdout.flush()
while True:
    if os.fork():
        os._exit(0)
    if {own_session}:
        os.setsid()
"""


@pytest.mark.parametrize("own_session", [False, True])
def test_a_chain_of_forks_is_ended(attempt: Any, own_session: bool) -> None:
    one = attempt(sys.executable, "-c", CHAIN.format(own_session=own_session))
    one.says()
    ending = Ending(0.0, 0.0)
    # Each link holds the pipe. A look may miss them all; it is stirred, as the agent is by each link that it reaps.
    while not select.select([one.main.stdout], [], [], 0)[0]:
        ending.stir(0.0)
        ending.look(one.find, 0.0, is_hunted=one.is_hunted)
    assert one.says() == ""
    ending.close()


# ---- in a control group
def test_the_group_ends_what_carries_no_marker_and_has_got_away(attempt: Any, place: Groups) -> None:
    group = None if isinstance(place, Imitation) else place.make(5, 1, memory_bytes=0, cpus=[], nb_proc=1)
    away = "(setsid env -i sh -c 'trap \"\" TERM; echo $$; while :; do sleep 1000; done' &)"
    one = attempt("sh", "-c", f"read x; {away if group is not None else 'echo $$'}; sleep 1000", group=group)
    one.tell()
    pid = int(one.says())
    one.end(Ending(time.monotonic(), 0.1, group=group))
    assert not is_alive(pid)
    assert group is None or not group.is_populated


def test_a_frozen_attempt_is_thawed_so_that_it_takes_its_term(attempt: Any, place: Groups) -> None:
    group = place.make(5, 1, memory_bytes=0, cpus=[], nb_proc=1)
    one = attempt("sh", "-c", "trap 'exit 4' TERM; echo on; while :; do read x; done", group=group)
    one.says()
    assert group.freeze(True)
    one.end(Ending(0.0, LONG_S, group=group), 0.0)
    assert one.main.wait() == 4


def test_a_server_that_the_job_has_started_lives_on(attempt: Any, place: Groups) -> None:
    group = None if isinstance(place, Imitation) else place.make(5, 1, memory_bytes=0, cpus=[], nb_proc=1)
    with a_process("sleep", "1000") as server:
        if group is not None:
            group.take_in(server.pid)
        one = attempt("sh", "-c", "trap '' TERM; echo on; while :; do read x; done", group=group)
        one.says()
        one.spared = frozenset({server.pid})
        one.end(Ending(0.0, 0.0, group=group), 0.0)
        assert one.main.wait() == -signal.SIGKILL
        assert is_alive(server.pid)


def test_an_attempt_is_not_over_while_its_group_is_populated(place: Groups) -> None:
    group = place.make(5, 1, memory_bytes=0, cpus=[], nb_proc=1)
    with a_process("sleep", "1000") as child:
        if isinstance(place, Imitation):
            Path(group.path, "cgroup.events").write_text("populated 1\nfrozen 0\n")
        else:
            group.take_in(child.pid)
        ending = Ending(0.0, LONG_S, group=group)
        for _ in range(5):
            ending.look(list, ending.look_at_s)
        assert not ending.is_over
        waits_until_s = ending.look_at_s
        ending.hurry(waits_until_s - 0.1)
        assert ending.look_at_s == waits_until_s
