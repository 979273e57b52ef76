"""A new agent takes over what the last one left, from the launch book and from what lives."""

import os
import signal
from pathlib import Path

import pytest

from agent.hands import ENVIRONMENT, Hands, killed
from jobd.agent.book import Book
from jobd.agent.processes import boot_id, exit_status, look_up
from jobd.wire import batch as b
from jobd.wire import codec
from jobd.wire import messages as m


def next_agent(hands: Hands) -> None:
    hands.die()
    hands.start()
    hands.agent.flush()


def can_tell_exits() -> bool:
    """Whether this kernel tells the exit code of a stranger (PIDFD_GET_INFO, Linux 6.15)."""
    pid = os.posix_spawn("/bin/true", ["true"], {})
    pidfd = os.pidfd_open(pid)
    os.waitpid(pid, 0)
    status = exit_status(pidfd)
    os.close(pidfd)
    return status is not None


def test_a_living_job_is_taken_over_with_its_exit_code(hands: Hands) -> None:
    go = hands.gate("go")
    hands.shell(1, "read x < go; exit $x")
    before = hands.launched(1)
    next_agent(hands)
    again = hands.launched(1)
    assert (again.pid, again.start_ticks, again.token) == (before.pid, before.start_ticks, before.token)
    go("7")
    left = hands.left(1)
    assert (left.exit_code, left.cause) == ((7, "self") if can_tell_exits() else (None, "lost"))
    assert left.pid == before.pid


def test_a_job_that_was_taken_over_is_not_launched_again(hands: Hands) -> None:
    go = hands.gate("go")
    launch = hands.shell(1, "echo x >> runs; read x < go")
    hands.launched(1)
    next_agent(hands)
    hands.hear(ENVIRONMENT, launch)
    assert len(hands.all_of(b.Launched, 1)) == 2
    go("")
    hands.left(1)
    assert (hands.folder / "runs").read_text() == "x\n"


def test_a_job_that_was_taken_over_can_be_killed_and_keeps_its_limits(hands: Hands) -> None:
    hands.shell(1, "trap '' TERM; echo > r; mv r ready; while :; do sleep 600; done", grace_s=0.1)
    hands.wait_for_file("ready")
    hands.shell(2, "sleep 600", time_limit_s=2)
    hands.shell(3, "sleep 600", time_limit_s=600)
    for job_id in (1, 2, 3):
        hands.launched(job_id)
    hands.hear(b.Change(3, 1, [], 0, 1, 0.0, False))
    next_agent(hands)
    hands.hear(m.Kill(1, 0.1, 1))
    hands.left(1)
    assert hands.left(2).cause == hands.left(3).cause == "time limit"


def test_what_a_taken_over_job_leaves_behind_is_ended(hands: Hands) -> None:
    go = hands.gate("go")
    hands.shell(1, "setsid sleep 600 & echo > r; mv r ready; read x < go")
    hands.wait_for_file("ready")
    next_agent(hands)
    go("")
    hands.left(1)
    assert not hands.marked()


def test_a_job_that_ended_while_no_agent_was_there_is_lost_and_what_it_left_is_ended(hands: Hands) -> None:
    go = hands.gate("go")
    hands.shell(1, "setsid sleep 600 & echo > r; mv r ready; read x < go")
    hands.wait_for_file("ready")
    pid = hands.launched(1).pid
    hands.die()
    go("")
    os.waitpid(pid, 0)
    hands.start()
    left = hands.left(1)
    assert (left.cause, left.exit_code, left.signal) == ("lost", None, None)
    assert not hands.marked()


def test_a_zombie_still_tells_how_it_ended(hands: Hands) -> None:
    """Nobody has reaped it: as where the first process of a container does not."""
    go = hands.gate("go")
    hands.shell(1, "read x < go; exit 6")
    pid = hands.launched(1).pid
    hands.die()
    go("")
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    hands.start()
    left = hands.left(1)
    assert (left.exit_code, left.cause) == (6, "self")


def test_an_end_that_was_not_forgotten_is_said_by_the_next_agent(hands: Hands) -> None:
    left = hands.sh(1, "exit 3")
    next_agent(hands)
    assert hands.all_of(b.Left, 1) == [left]
    hands.hear(b.ForgetAttempt(1, 1, left.token))
    next_agent(hands)
    assert not hands.all_of(b.Left, 1)


def test_an_ending_that_was_under_way_is_finished_with_its_cause(hands: Hands) -> None:
    deaf = "trap '' TERM; echo > r; mv r ready; while :; do sleep 600; done"
    hands.shell(1, deaf, time_limit_s=1, grace_s=3.0)
    hands.wait_for_file("ready")
    hands.until(lambda: hands.all_of(b.Over, 1))
    next_agent(hands)
    assert [one.cause for one in hands.all_of(b.Over, 1)] == ["time limit"]
    left = hands.left(1)
    assert left.cause == "time limit"
    assert left.signal == (signal.SIGKILL if can_tell_exits() else None)


def test_the_exit_code_of_a_main_process_is_kept_while_the_rest_is_ended(hands: Hands) -> None:
    hands.shell(
        1,
        "(trap '' TERM; echo > r; mv r ready; exec sleep 600) & while ! [ -e ready ]; do sleep 0.01; done; exit 3",
    )
    hands.until(lambda: hands.all_of(b.Over, 1))
    next_agent(hands)
    hands.hear(m.Kill(1, 0.0, 1))
    hands.agent.batches.attempts[1, 1].ending.kill_at_once(0.0)  # type: ignore[union-attr]
    assert hands.left(1).exit_code == 3


# ---- an agent that died about a start
def begin(hands: Hands, launch: b.Launch, last_pid: int = 0) -> None:
    """What stands in the book of an agent that died before it could tell the pid."""
    hands.book.begin(launch, 0.0, last_pid)
    hands.die()


def test_a_start_that_left_no_trace_is_unknown_and_nothing_is_started_again(hands: Hands) -> None:
    launch = hands.make(1, ["/bin/sh", "-c", "echo x >> runs"])
    begin(hands, launch)
    hands.start()
    hands.hear(ENVIRONMENT, launch)
    left = hands.left(1)
    assert (left.cause, left.text) == ("start unknown", "the agent died about its start")
    assert not (hands.folder / "runs").exists()


def spawn_marked(hands: Hands, job_id: int, text: str) -> int:
    marker = {"JOBD_JOB_ID": str(job_id), "JOBD_ATTEMPT": "1", "JOBD_SERVER": hands.server_id}
    return os.posix_spawn("/bin/sh", ["/bin/sh", "-c", f"cd {hands.folder}; {text}"], marker, setsid=True)


def test_a_start_whose_process_lives_is_found_by_its_marker(hands: Hands) -> None:
    go = hands.gate("go")
    pid = spawn_marked(hands, 1, "setsid sleep 600 & read x < go; exit 5")
    begin(hands, hands.make(1, ["sh"]), pid - 1)
    hands.start()
    assert hands.launched(1).pid == pid
    go("")
    left = hands.left(1)
    assert left.exit_code == (5 if can_tell_exits() else None)
    next_agent(hands)
    assert hands.all_of(b.Left, 1)[0].pid == pid


def test_a_daemon_is_not_taken_for_the_main_process_that_has_left_it(hands: Hands) -> None:
    pid = spawn_marked(hands, 1, "sleep 600")
    begin(hands, hands.make(1, ["sh"]), pid - 2)
    hands.start()
    left = hands.left(1)
    assert (left.cause, left.pid) == ("start unknown", 0)
    assert not hands.marked()


def test_what_carries_a_marker_that_nobody_knows_is_ended(hands: Hands) -> None:
    hands.die()

    def spawn(job_id: int, server_id: str) -> int:
        marker = {"JOBD_JOB_ID": str(job_id), "JOBD_ATTEMPT": "1", "JOBD_SERVER": server_id}
        return os.posix_spawn("/bin/sleep", ["sleep", "600"], marker, setsid=True)

    spawn(1, hands.server_id)
    stranger = spawn(1, "another server")
    # Below a Salloc inside a batch job: it carries the attempt of the job around it.
    below = spawn(3, hands.server_id)
    salloc = look_up(os.posix_spawn("/bin/sleep", ["sleep", "600"], {}))
    assert salloc is not None
    hands.start()
    hands.hear(m.Watch(hands.server_id, [m.Watched(3, salloc.pid, salloc.start_ticks, "t")]))
    hands.until(lambda: hands.marked() == [below])
    assert not [one for one in hands.link.said if isinstance(one, b.Left)]
    assert look_up(stranger) is not None
    killed(stranger)


# ---- the book itself
def test_a_book_of_another_boot_keeps_its_ends_only(tmp_path: Path, hands: Hands) -> None:
    path = str(tmp_path / "book")
    book = Book(path, "one boot")
    book.begin(hands.make(1, ["x"]), 0.0)
    book.begin(hands.make(2, ["x"]), 0.0)
    left = b.Left(2, 1, "token-2", 0, None, "self", 1.0, 0.0, 0)
    book.left(left)
    book.close()
    book = Book(path, "the next boot")
    assert [(entry.key, entry.left) for entry in book.entries] == [((2, 1), left)]
    book.close()


@pytest.mark.parametrize("cut", [1, 7, 30])
def test_a_torn_book_is_read_up_to_the_tear(tmp_path: Path, hands: Hands, cut: int) -> None:
    path = tmp_path / "book"
    book = Book(str(path), boot_id())
    book.begin(hands.make(1, ["x"]), 0.0)
    whole = path.stat().st_size
    book.begin(hands.make(2, ["x"]), 0.0)
    book.close()
    with open(path, "r+b") as file:
        file.truncate(whole + cut)
    book = Book(str(path), boot_id())
    assert [entry.key for entry in book.entries] == [(1, 1)]
    book.close()


@pytest.mark.parametrize("data", [b"", b"garbage", b"\xc1\xc1", codec.pack(["boot"]), codec.pack({"a": 1})])
def test_a_book_that_is_none_has_nothing(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "book"
    path.write_bytes(data)
    book = Book(str(path), boot_id())
    assert book.entries == []
    book.close()


def test_a_book_does_not_grow_with_what_is_past(tmp_path: Path, hands: Hands) -> None:
    path = tmp_path / "book"
    book = Book(str(path), boot_id())
    kept = hands.make(1, ["x"], token="kept")
    book.begin(kept, 1.5)
    book.spawned((1, 1), 17, 18, ["note"])
    for job_id in range(2, 6000):
        book.begin(hands.make(job_id, ["x"]), 0.0)
        book.left(b.Left(job_id, 1, "t", 0, None, "self", 1.0, 0.0, 0))
        book.forget((job_id, 1), "t")
    assert path.stat().st_size < 2 << 20
    book.close()
    book = Book(str(path), boot_id())
    (entry,) = book.entries
    assert (entry.launch.token, entry.began_s, entry.pid, entry.start_ticks) == ("kept", 1.5, 17, 18)
    assert book.forgotten[5999, 1] == "t"
    assert len(book.forgotten) <= 1000
    book.close()


def test_a_start_that_cannot_be_written_down_does_not_happen(hands: Hands) -> None:
    os.close(hands.book._descriptor)
    hands.book._descriptor = os.open("/dev/full", os.O_WRONLY)
    path, hands.book._path = hands.book._path, "/nowhere/launches"
    hands.book._is_torn = True
    left = hands.sh(1, "echo x >> runs")
    assert (left.cause, left.text) == ("launch", "launch book: No such file or directory")
    assert hands.sh(2, "echo x >> runs").text == left.text
    assert not (hands.folder / "runs").exists()
    hands.book._path = path
    assert hands.sh(3, "true").exit_code == 0
    next_agent(hands)
    assert [one.job_id for one in hands.link.said if isinstance(one, b.Left)] == [3]


def stranger(hands: Hands, job_id: int) -> int:
    """A process with the marker of an attempt, which the book has lost sight of."""
    marks = {"JOBD_SERVER": hands.server_id, "JOBD_JOB_ID": str(job_id), "JOBD_ATTEMPT": "1"}
    return os.posix_spawn("/bin/sleep", ["sleep", "600"], marks, setsid=True)


def test_what_lives_of_an_attempt_that_has_left_is_ended_once_its_end_is_committed(hands: Hands) -> None:
    launch = hands.shell(1, "exit 0")
    hands.left(1)
    pid = stranger(hands, 1)
    next_agent(hands)
    first = hands.agent._orphans_at_s
    hands.until(lambda: hands.agent._orphans_at_s != first)
    assert hands.marked() == [pid]
    hands.hear(b.ForgetAttempt(1, 1, launch.token))
    hands.until(lambda: not hands.marked())


def test_where_leftovers_are_left_alone_a_new_agent_leaves_them_too(hands: Hands) -> None:
    pid = stranger(hands, 1)
    next_agent(hands)
    hands.hear(m.Watch(hands.server_id, [], True))
    hands.until(lambda: hands.agent._orphans_at_s is None)
    hands.turn(0)
    assert hands.marked() == [pid]
    killed(pid)


def test_what_the_server_tells_of_while_orphans_are_looked_for_is_none(hands: Hands) -> None:
    pid = stranger(hands, 7)
    next_agent(hands)
    first = hands.agent._orphans_at_s
    hands.until(lambda: hands.agent._orphans_at_s != first)
    salloc = look_up(pid)
    assert salloc is not None
    hands.hear(m.Watch(hands.server_id, [m.Watched(7, pid, salloc.start_ticks, "token")]))
    hands.until(lambda: hands.agent._orphans_at_s is None)
    hands.turn(0)
    assert hands.marked() == [pid]
    killed(pid)
