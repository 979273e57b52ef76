"""Members of an attempt: however a process has tried to get away, one of the ways of looking finds it."""

import os
import select
import subprocess
import uuid

import pytest

from agent.groups import a_process, identity
from jobd.agent import members
from jobd.agent.processes import Process, newest_pid, read_environment
from jobd.agent.tree import Mark, Table, mark_of
from jobd.agent.tree import members as members_of_salloc

SERVER = uuid.uuid4().hex
MAIN = (100, 7)


class Imagined(Table):
    """A process table that somebody made up: (pid, parent, session), and the marks in their environments."""

    def __init__(self, *rows: tuple[int, int, int], marks: dict[int, Mark] | None = None) -> None:
        self.processes = {
            pid: Process(pid, parent, session, 7, False, session) for pid, parent, session in rows
        }
        self.__dict__["marks"] = marks or {}


def found(
    table: Table, *, roots: list[tuple[int, int]] | None = None, spared: tuple[int, ...] = (), strays: tuple[int, ...] = ()
) -> list[int]:  # fmt: skip
    processes = members.find(
        table, job_id=5, attempt=1, roots=[MAIN] if roots is None else roots, group=None,
        spared=frozenset(spared), strays=list(strays),
    )  # fmt: skip
    return [process.pid for process in processes]


# ---- whose it is
def test_descendants_of_the_main_process_are_members() -> None:
    assert found(Imagined((100, 9, 100), (101, 100, 101), (102, 101, 102), (103, 9, 103))) == [100, 101, 102]


def test_the_session_outlives_the_main_process() -> None:
    assert found(Imagined((101, 9, 100), (102, 101, 102), (103, 9, 103))) == [101, 102]


def test_a_session_whose_number_was_given_out_anew_is_somebody_elses() -> None:
    table = Imagined((100, 1, 100), (101, 100, 100))
    assert found(table, roots=[(100, 6)]) == []


def test_who_ended_unseen_has_no_session_any_more() -> None:
    assert found(Imagined((101, 9, 100)), roots=[]) == []


def test_the_marker_finds_what_has_a_session_of_its_own_and_no_parent() -> None:
    table = Imagined((200, 1, 200), (201, 200, 200), marks={200: Mark(5, 1)})
    assert found(table) == [200, 201]


def test_other_attempts_and_other_jobs_are_not_members() -> None:
    table = Imagined((200, 1, 200), (201, 1, 201), (202, 1, 202))
    table.__dict__["marks"] = {200: Mark(5, 2), 201: Mark(6, 1), 202: Mark(5, 0)}
    assert found(table) == []


def test_what_a_salloc_inside_the_job_has_started_is_below_it() -> None:
    table = Imagined(
        (100, 9, 100), (101, 100, 100), (102, 101, 102), marks={101: Mark(5, 1), 102: Mark(6, 1)}
    )
    assert found(table) == [100, 101, 102]


def test_the_server_and_what_it_has_started_are_nobodys() -> None:
    assert found(Imagined((100, 9, 100), (101, 100, 100), (102, 101, 102)), spared=(101,)) == [100]


def test_strays_are_members_when_there_is_nobody_else_whose_they_could_be() -> None:
    table = Imagined(
        (9, 1, 9), (100, 9, 100), (300, 9, 300), (301, 300, 300), (400, 9, 400), marks={400: Mark(6, 1)}
    )
    assert found(table, strays=(300,)) == [100, 300, 301]


def test_a_salloc_finds_its_job_by_the_number_alone() -> None:
    table = Imagined((200, 1, 200), (201, 1, 201), marks={200: Mark(5, 0), 201: Mark(6, 0)})
    of_salloc = members_of_salloc(table, job_id=5, roots=[], salloc=None, spared=frozenset())
    assert [process.pid for process in of_salloc] == [200]


# ---- what the kernel tells
def environment(**numbers: object) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "JOBD_SERVER": SERVER} | {
        key: str(value) for key, value in numbers.items()
    }


def test_a_marker_is_inherited_over_a_double_fork_into_a_session_of_its_own() -> None:
    command = "(setsid sh -c 'echo $$; exec sleep 1000' &)"
    marks = environment(JOBD_JOB_ID=5, JOBD_ATTEMPT=1)
    with a_process("sh", "-c", command, env=marks, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        pid = int(child.stdout.readline())
        child.wait()
        assert identity(pid) in [(p.pid, p.start_ticks) for p in members.find(
            Table(SERVER), job_id=5, attempt=1, roots=[], group=None, spared=frozenset())]  # fmt: skip
        assert mark_of(pid, SERVER) == Mark(5, 1)
        assert mark_of(pid, "another server") is None
        end(pid)


@pytest.mark.parametrize(
    "wrong", [{}, {"JOBD_ATTEMPT": 1}, {"JOBD_JOB_ID": "x"}, {"JOBD_JOB_ID": "-5"}, {"JOBD_JOB_ID": "9" * 30}]
)
def test_a_marker_that_is_none_is_nobodys(wrong: dict[str, object]) -> None:
    with a_process("sleep", "1000", env=environment(**wrong)) as child:
        assert child.pid not in Table(SERVER).marks


def test_processes_without_any_environment_are_remembered_and_forgotten() -> None:
    bare: set[tuple[int, int]] = set()
    with a_process("sleep", "1000", env={}) as child:
        own = identity(child.pid)
        assert child.pid not in Table(SERVER, bare).marks
        assert own in bare
        assert read_environment(child.pid) == frozenset()
    assert Table(SERVER, bare).marks is not None
    assert own not in bare


def test_the_newest_number_is_that_of_the_youngest_process() -> None:
    before = newest_pid()
    with a_process("sleep", "1000") as child:
        assert child.pid <= newest_pid()
        assert child.pid != before


def end(pid: int) -> None:
    """Kill a process that is no child of ours, and wait until it is gone."""
    pidfd = os.pidfd_open(pid)
    try:
        os.kill(pid, 9)
        assert select.select([pidfd], [], [], 60)[0]
    finally:
        os.close(pidfd)
