"""What cannot be started for want of files, processes, memory or disk waits, and is started when there is room; nothing of it is an end."""

import contextlib
import errno
import os
import resource
import time
from collections.abc import Iterator

import pytest

from agent.hands import ENVIRONMENT, Hands
from jobd.agent.book import Book
from jobd.agent.postponed import FIRST_S, MOST_S, Postponed, is_passing
from jobd.agent.processes import boot_id
from jobd.states import Cause
from jobd.wire import batch as b
from jobd.wire import messages as m


@pytest.fixture(autouse=True)
def few_files() -> Iterator[None]:
    """This process may open some hundred files, no more. Before the agent is made, which notes the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (300, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextlib.contextmanager
def no_more_files() -> Iterator[None]:
    """No descriptor can be had any more in this process."""
    taken = []
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.open("/dev/null", os.O_RDONLY))
        yield
    finally:
        for descriptor in taken:
            os.close(descriptor)


def test_a_job_for_which_there_is_no_room_is_started_when_there_is(hands: Hands) -> None:
    with no_more_files():
        hands.shell(1, "echo $$ >> runs; exit 3")
        hands.shell(2, "echo $$ >> runs")
        begin_s = time.monotonic()
        hands.until(lambda: time.monotonic() > begin_s + 3 * FIRST_S)  # it is tried again meanwhile
        assert not [one for one in hands.link.said if isinstance(one, b.Left | b.Launched | b.Over)]
        assert hands.agent.batches.next_s is not None
    assert (hands.left(1).exit_code, hands.left(1).cause) == (3, "self")
    assert hands.left(2).exit_code == 0
    assert len((hands.folder / "runs").read_text().split()) == 2
    assert hands.agent.batches.next_s is None  # and nobody wakes up any more


def test_what_leaves_makes_room_at_once(hands: Hands) -> None:
    gate = hands.gate("go")
    hands.shell(1, "read x < go")
    hands.launched(1)
    with no_more_files():
        hands.shell(2, "true")
        batches = hands.agent.batches
        batches._postponed.at_s = time.monotonic() + 1000.0  # later than anybody waits
    gate("go")
    assert hands.left(2).exit_code == 0


def test_one_that_waits_for_room_can_be_cancelled_and_changed(hands: Hands) -> None:
    with no_more_files():
        hands.shell(1, "echo $$ >> runs")
        hands.hear(m.Kill(1, 5.0, 1, "token-1", "deleted"))
        assert [left.cause for left in hands.all_of(b.Left, 1)] == [Cause.UNSTARTED.value]
        hands.shell(2, "sleep 600", time_limit_s=600)
        hands.hear(b.Change(2, 1, [], 0, 1, 0.0, False))
    assert hands.left(2).cause == Cause.TIME_LIMIT.value
    assert not (hands.folder / "runs").exists()


def test_the_next_agent_does_not_take_it_for_started(hands: Hands) -> None:
    with no_more_files():
        launch = hands.shell(1, "echo $$ >> runs")
    hands.die()
    hands.start()
    assert not any(isinstance(one, b.Left | b.Launched | b.Over) for one in hands.link.said)
    hands.hear(ENVIRONMENT, launch)
    assert hands.left(1).exit_code == 0
    assert len((hands.folder / "runs").read_text().split()) == 1


def test_what_was_prefetched_and_found_no_room_is_the_next_servers_to_start(hands: Hands) -> None:
    gate = hands.gate("go")
    hands.shell(1, "read x < go")
    hands.launched(1)
    hands.hear(b.Prefetch(hands.make(2, ["/bin/sh", "-c", "echo $$ >> runs"])))
    with no_more_files():
        gate("go")
        hands.left(1)
        hands.until(lambda: [one for one in hands.link.said if isinstance(one, b.Began)])
        hands.agent.disconnected()
    hands.agent.connected()
    assert hands.sh(3, "true").exit_code == 0
    assert not (hands.folder / "runs").exists()


def test_a_full_disk_delays_the_start(hands: Hands) -> None:
    os.close(hands.book._descriptor)
    hands.book._descriptor = os.open("/dev/full", os.O_WRONLY)
    path, hands.book._path = hands.book._path, "/dev/full/launches"
    hands.shell(1, "echo x >> runs")
    assert hands.all_of(b.Left, 1) == [] and not (hands.folder / "runs").exists()
    hands.book._path = path
    assert hands.left(1).exit_code == 0


def test_a_withdrawn_start_is_none(tmp_path) -> None:
    book = Book(str(tmp_path / "launches"), boot_id())
    launch = _launch()
    book.begin(launch, 1.0)
    book.withdraw((1, 1))
    book.begin(launch._replace(job_id=2), 2.0)
    book.withdraw((2, 1))
    book.begin(launch._replace(job_id=2), 3.0)
    book.withdraw((9, 9))
    book.close()
    book = Book(str(tmp_path / "launches"), boot_id())
    assert [(entry.key, entry.began_s) for entry in book.entries] == [((2, 1), 3.0)]
    assert book.forgotten == {}
    book.close()


def _launch() -> b.Launch:
    texts = dict.fromkeys(
        ("token", "server_id", "script", "environment", "cwd", "stdin", "stdout", "stderr"), ""
    )
    lists: dict[str, list[int]] = {name: [] for name in ("argv", "variables", "cpus", "all_cpus")}
    return b.Launch(
        job_id=1, attempt=1, umask=0, is_appending=False, nb_proc=1, memory_bytes=0, time_limit_s=None, warn_signal=0, warn_before_s=0,
        is_warning_batch_only=False, grace_s=1.0, is_leaving=False, started_at=0.0, **texts, **lists,
    )  # fmt: skip


# ---- when
def test_pauses_grow_and_begin_anew() -> None:
    waiting = Postponed()
    assert waiting.take(1.0) == [] and waiting.at_s is None
    assert waiting.add((1, 1), 0.0) and not waiting.add((2, 1), 0.0)
    now_s, pauses = 0.0, []
    for _ in range(9):
        assert waiting.at_s is not None and waiting.take(waiting.at_s - 0.01) == []
        pauses.append(waiting.at_s - now_s)
        now_s = waiting.at_s
        assert sorted(waiting.take(now_s)) == [(1, 1), (2, 1)]
        assert not waiting.add((1, 1), now_s)
    assert pauses[0] == FIRST_S and pauses[1] == pytest.approx(2 * FIRST_S) and max(pauses) <= MOST_S * 1.01
    assert pauses[-1] == pytest.approx(MOST_S)
    waiting.hurry(7.0)
    assert waiting.take(7.0)
    waiting.started((1, 1))
    waiting.started((2, 1))
    assert waiting.at_s is None and waiting.add((3, 1), 10.0) and waiting.at_s == 10.0 + FIRST_S
    waiting.drop((3, 1))
    waiting.hurry(11.0)
    assert waiting.at_s is None and (3, 1) not in waiting


@pytest.mark.parametrize(
    ("code", "is_so"),
    [(errno.EAGAIN, True), (errno.ENOMEM, True), (errno.EACCES, False), (errno.E2BIG, False)],
)
def test_a_want_passes_and_a_fault_does_not(code: int, is_so: bool) -> None:
    assert is_passing(OSError(code, "")) is is_so
