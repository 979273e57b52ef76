"""Batch jobs and control groups: real ones where the machine has them, and imitated ones for limits that it may not have."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.groups import Imitation, a_place
from agent.hands import Hands
from jobd.agent import mounts
from jobd.wire import batch as b
from jobd.wire import messages as m


@pytest.fixture
def grouped(tmp_path: Path) -> Iterator[Hands]:
    """An agent that may make groups."""
    os.environ["XDG_RUNTIME_DIR"] = str(tmp_path)
    (tmp_path / "groups").mkdir()
    with a_place() as groups:
        hands = Hands(tmp_path, groups if groups is not None else Imitation(tmp_path / "groups"))
        yield hands
        hands.close()
        assert not hands.marked()
        assert hands.groups is not None and hands.groups.leftovers() == []


@pytest.fixture
def imitated(tmp_path: Path) -> Iterator[Hands]:
    """An agent with groups in which it may write all limits, and which do nothing."""
    os.environ["XDG_RUNTIME_DIR"] = str(tmp_path)
    (tmp_path / "groups").mkdir()
    groups = Imitation(tmp_path / "groups")
    assert groups.prepare()
    groups.controllers = frozenset({"cpu", "memory", "pids"})
    hands = Hands(tmp_path, groups)
    yield hands
    hands.close()
    assert not hands.marked()


def has_group(hands: Hands, job_id: int) -> bool:
    return hands.agent.batches.attempts[job_id, 1].group is not None


def test_a_job_that_lives_on_gets_a_group_with_all_that_it_has_started(grouped: Hands) -> None:
    go = grouped.gate("go")
    grouped.shell(1, "sleep 600 & echo $! > c; mv c child; read x < go")
    child = int(grouped.wait_for_file("child"))
    grouped.until(lambda: has_group(grouped, 1))
    group = grouped.agent.batches.attempts[1, 1].group
    assert group is not None
    if not isinstance(grouped.groups, Imitation):
        assert {child, grouped.launched(1).pid} <= set(group.pids())
        assert os.path.basename(mounts.group_of(child) or "") == "job1.1"
    go("")
    assert grouped.left(1).exit_code == 0
    assert not os.path.exists(group.path)


def test_a_short_job_gets_none(grouped: Hands) -> None:
    for job_id in range(1, 10):
        grouped.sh(job_id, "true")
        assert not has_group(grouped, job_id)


def test_what_left_session_parent_and_marker_is_ended_by_its_group(grouped: Hands) -> None:
    go = [grouped.gate("one"), grouped.gate("two")]
    grouped.shell(
        1, "read x < one; env -i setsid sh -c '(env -i setsid sleep 600) & echo $! > p; mv p pid' & sleep 600"
    )
    grouped.shell(2, "read x < two")
    grouped.until(lambda: has_group(grouped, 1) and has_group(grouped, 2))
    go[0]("")
    grouped.wait_for_file("pid")
    grouped.hear(m.Kill(1, 0.2, 1))
    grouped.left(1)
    assert grouped.groups is not None
    assert [os.path.basename(group.path) for group in grouped.groups.leftovers()] == ["job2.1"]
    go[1]("")
    grouped.left(2)


def test_a_group_is_found_again_by_the_next_agent(grouped: Hands) -> None:
    grouped.gate("go")
    grouped.shell(1, "read x < go")
    grouped.until(lambda: has_group(grouped, 1))
    grouped.die()
    grouped.start()
    assert has_group(grouped, 1)
    grouped.hear(m.Kill(1, 5.0, 1))
    grouped.left(1)


def test_a_paused_job_is_frozen_and_can_be_ended(grouped: Hands) -> None:
    grouped.gate("go")
    grouped.shell(1, "read x < go")
    grouped.until(lambda: has_group(grouped, 1))
    grouped.hear(b.Change(1, 1, [], 0, None, 0.0, True))
    group = grouped.agent.batches.attempts[1, 1].group
    assert group is not None
    assert Path(group.path, "cgroup.freeze").read_text() == "1\n" or isinstance(grouped.groups, Imitation)
    grouped.hear(m.Kill(1, 5.0, 1))
    left = grouped.left(1)
    assert left.signal in (signal.SIGTERM, signal.SIGKILL)


def test_a_job_with_a_limit_of_memory_is_born_in_its_group(imitated: Hands) -> None:
    go = imitated.gate("go")
    imitated.shell(1, "read x < go", memory_bytes=1 << 30)
    assert has_group(imitated, 1)
    group = imitated.agent.batches.attempts[1, 1].group
    assert group is not None
    assert Path(group.path, "memory.max").read_text() == f"{1 << 30}"
    assert imitated.launched(1).unenforced == []
    imitated.hear(b.Change(1, 1, [], 2 << 30, None, 0.0, False))
    assert Path(group.path, "memory.max").read_text() == f"{2 << 30}"
    go("")
    imitated.left(1)


def test_a_job_that_the_kernel_ended_for_want_of_memory_says_so(imitated: Hands) -> None:
    go = imitated.gate("go")
    imitated.shell(1, "read x < go; kill -9 $$", memory_bytes=1 << 30)
    group = imitated.agent.batches.attempts[1, 1].group
    assert group is not None
    Path(group.path, "memory.events").write_text("oom 1\noom_kill 1\noom_group_kill 1\n")
    go("")
    left = imitated.left(1)
    assert (left.cause, left.signal) == ("out of memory", signal.SIGKILL)
    assert left.memory_peak_bytes == 4096


def test_a_launch_that_fails_leaves_no_group(imitated: Hands) -> None:
    assert imitated.run(1, ["no-such-command"], memory_bytes=1 << 30).exit_code == 127
    assert imitated.groups is not None and imitated.groups.leftovers() == []


def test_what_is_not_bound_gets_a_share_of_time_once_it_has_a_group(imitated: Hands) -> None:
    imitated.gate("go")
    imitated.shell(1, "read x < go", nb_proc=1)
    imitated.until(lambda: has_group(imitated, 1))
    assert imitated.all_of(b.Launched, 1)[-1].unenforced == []
    imitated.hear(m.Kill(1, 5.0, 1))
    imitated.left(1)


def test_python_runs_in_a_group(grouped: Hands) -> None:
    left = grouped.run(1, [sys.executable, "-S", "-c", "import time; time.sleep(0.3); sum(range(10**6))"])
    assert left.exit_code == 0
    assert left.cpu_s > 0
