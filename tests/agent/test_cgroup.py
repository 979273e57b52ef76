"""Control groups: real ones where the machine has them (below a group of the test's own), the limits in an imitated folder."""

import os
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.groups import Imitation, a_place, a_process, is_alive
from jobd.agent import mounts
from jobd.agent.cgroup import Group, Groups, attempt_of, numbers_of
from jobd.agent.group import UNBOUND_PROCESSORS, WATCHED_MEMORY, unenforced

GIB = 1 << 30


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Groups]:
    """Real groups, or where there are none imitated ones of a kernel without cgroup.kill, whose processes end all the same."""
    with a_place() as groups:
        yield groups if groups is not None else Imitation(tmp_path, without=frozenset({"cgroup.kill"}))


def text(group: Group, name: str) -> str:
    return Path(group.path, name).read_text().strip()


def make(groups: Groups, *, memory_bytes: int = 0, cpus: list[int] | None = None, nb_proc: int = 1) -> Group:
    return groups.make(7, 2, memory_bytes=memory_bytes, cpus=cpus or [], nb_proc=nb_proc)


# ---- limits
def test_a_limit_of_memory_binds_the_whole_attempt_and_leaves_it_no_swap(tmp_path: Path) -> None:
    group = make(Imitation(tmp_path), memory_bytes=GIB)
    assert text(group, "memory.max") == str(GIB)
    assert text(group, "memory.oom.group") == "1"
    assert text(group, "memory.swap.max") == "0"
    assert group.holds_memory
    assert group.unenforced() == []


def test_a_limit_of_memory_is_of_whole_pages(tmp_path: Path) -> None:
    group = make(Imitation(tmp_path), memory_bytes=1_000_000)
    assert text(group, "memory.max") == str(
        1_000_000 // os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PAGE_SIZE")
    )


def test_the_agent_is_never_inside_a_group_whose_memory_is_limited(tmp_path: Path) -> None:
    groups = Imitation(tmp_path)
    assert groups.prepare()
    group = make(groups, memory_bytes=GIB)
    group.enter()
    assert text(group, "memory.max") == "max"
    group.leave()
    assert text(group, "memory.max") == str(GIB)
    assert group.holds_memory


def test_without_a_memory_controller_the_limit_is_said_to_be_watched(tmp_path: Path) -> None:
    group = make(Imitation(tmp_path, without=frozenset({"memory."})), memory_bytes=GIB)
    assert not group.holds_memory
    assert group.unenforced() == [WATCHED_MEMORY]


def test_what_does_not_read_back_as_it_was_written_is_said(tmp_path: Path) -> None:
    groups = Imitation(tmp_path)
    group = make(groups)
    Path(group.path, "memory.max").unlink()
    Path(group.path, "memory.max").symlink_to("/dev/null")
    group.set_limits(memory_bytes=GIB, nb_proc=0)
    assert group.unenforced() == [WATCHED_MEMORY]
    group.set_limits(memory_bytes=0, nb_proc=0)
    assert group.unenforced() == []


def test_an_attempt_without_processors_of_its_own_is_limited_to_their_time(tmp_path: Path) -> None:
    assert text(make(Imitation(tmp_path, processors=4), nb_proc=3), "cpu.max") == "300000 100000"


def test_the_limit_is_lifted_while_a_child_has_procs_of_its_own(tmp_path: Path) -> None:
    group = make(Imitation(tmp_path, processors=4), nb_proc=3)
    group.lift(True)
    assert text(group, "cpu.max") == "max 100000"
    group.lift(False)
    assert text(group, "cpu.max") == "300000 100000"


@pytest.mark.parametrize(("cpus", "nb_proc"), [([0, 1], 2), ([], 4), ([], 9)])
def test_an_attempt_that_is_bound_or_has_them_all_is_not_limited(
    tmp_path: Path, cpus: list[int], nb_proc: int
) -> None:
    group = make(Imitation(tmp_path, processors=4), cpus=cpus, nb_proc=nb_proc)
    assert text(group, "cpu.max") == "max 100000"


def test_without_a_cpu_controller_unbound_processors_are_said(tmp_path: Path) -> None:
    group = make(Imitation(tmp_path, without=frozenset({"cpu.max"}), processors=4), nb_proc=1)
    assert group.unenforced() == [UNBOUND_PROCESSORS]


def test_without_a_group_all_that_affinity_does_not_bind_is_said() -> None:
    assert unenforced(None, memory_bytes=GIB, cpus=[], nb_proc=1, processors=4) == [
        WATCHED_MEMORY,
        UNBOUND_PROCESSORS,
    ]
    assert unenforced(None, memory_bytes=0, cpus=[3], nb_proc=1, processors=4) == []
    assert unenforced(None, memory_bytes=0, cpus=[], nb_proc=4, processors=4) == []


def test_a_later_agent_knows_which_limits_are_held(tmp_path: Path) -> None:
    groups = Imitation(tmp_path, processors=4)
    make(groups, memory_bytes=GIB, nb_proc=2)
    group = groups.reopen(7, 2)
    assert group is not None and group.holds_memory and group.holds_processors
    assert unenforced(group, memory_bytes=GIB, cpus=[], nb_proc=2, processors=4) == []


def test_a_later_agent_knows_which_limits_are_not_held(tmp_path: Path) -> None:
    groups = Imitation(tmp_path, without=frozenset({"memory.", "cpu.max"}), processors=4)
    make(groups, memory_bytes=GIB, nb_proc=2)
    group = groups.reopen(7, 2)
    assert group is not None and not group.holds_memory
    both = [WATCHED_MEMORY, UNBOUND_PROCESSORS]
    assert unenforced(group, memory_bytes=GIB, cpus=[], nb_proc=2, processors=4) == both


# ---- what was used
def test_the_kernels_counters_tell_what_was_used(tmp_path: Path) -> None:
    group = make(Imitation(tmp_path))
    assert group.usage() == (1.25, 4096)


def test_a_kernel_without_a_peak_tells_none(tmp_path: Path) -> None:
    assert make(Imitation(tmp_path, without=frozenset({"memory.peak"}))).usage().memory_peak_bytes == 0


def test_a_kill_for_want_of_memory_is_told(tmp_path: Path) -> None:
    group = make(Imitation(tmp_path))
    assert not group.was_oom()
    Path(group.path, "memory.events").write_text("low 0\nhigh 0\nmax 31\noom 1\noom_kill 2\n")
    assert group.was_oom()


# ---- where groups are made
def test_controllers_that_are_not_offered_are_not_asked_for(tmp_path: Path) -> None:
    groups = Imitation(tmp_path)
    (tmp_path / "cgroup.controllers").write_text("hugetlb\n")
    assert groups.prepare()
    assert (tmp_path / "cgroup.subtree_control").read_text() == ""
    assert groups.controllers == frozenset()


def test_no_controller_is_switched_on_while_a_process_cannot_be_moved_away(tmp_path: Path) -> None:
    groups = Imitation(tmp_path)
    (tmp_path / "cgroup.procs").write_text("1\n")
    assert groups.prepare()
    assert (tmp_path / "cgroup.subtree_control").read_text() == ""


def test_a_folder_that_is_no_group_is_no_place(tmp_path: Path) -> None:
    assert not Groups(str(tmp_path)).prepare()


def test_the_root_group_of_the_machine_is_never_ours(tmp_path: Path) -> None:
    assert not mounts.is_writable(str(tmp_path))  # as there, nothing says its type
    own = mounts.own_group()
    assert own is None or Path(own, "cgroup.type").exists()


def test_a_threaded_group_is_not_ours(tmp_path: Path) -> None:
    Imitation(tmp_path)
    assert mounts.is_writable(str(tmp_path))
    (tmp_path / "cgroup.type").write_text("domain threaded\n")
    assert not mounts.is_writable(str(tmp_path))


def test_a_group_with_strangers_is_not_ours(tmp_path: Path) -> None:
    Imitation(tmp_path)
    (tmp_path / "cgroup.procs").write_text(f"{os.getpid()}\n")
    assert mounts.is_for_us(str(tmp_path))
    (tmp_path / "cgroup.procs").write_text(f"{os.getpid()}\n1\n")
    assert not mounts.is_for_us(str(tmp_path))


def test_an_agent_finds_the_place_from_inside_an_attempt(place: Groups) -> None:
    """It may be started by a server that was started from inside a job. Where groups are imitated, nobody is in one."""
    group = make(place)
    code = (
        "import sys; from jobd.agent.cgroup import Groups\n"
        "sys.stdin.readline(); groups = Groups.find(); print(groups.path if groups else groups)"
    )
    with a_process(
        sys.executable, "-c", code, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/"
    ) as child:
        group.take_in(child.pid)
        found, _ = child.communicate("on\n", timeout=60)
    outside = None if mounts.own_group() is None else found.strip()
    assert found.strip() == (place.path if not isinstance(place, Imitation) else str(outside))


# ---- processes
def test_what_is_started_by_an_agent_that_entered_is_inside(place: Groups) -> None:
    group = make(place)
    group.enter()
    inside = Path(group.path, "cgroup.procs").read_text().split()
    with a_process("sleep", "1000") as child:
        group.leave()
        if isinstance(place, Imitation):
            assert inside == ["0"]
        else:
            assert inside == [str(os.getpid())]
            assert group.pids() == [child.pid]
            assert group.is_populated


def test_a_process_tells_in_whose_group_it_is(place: Groups) -> None:
    group = make(place)
    assert attempt_of(os.getpid()) is None
    with a_process("sleep", "1000") as child:
        group.take_in(child.pid)
        assert attempt_of(child.pid) == (None if isinstance(place, Imitation) else (7, 2))


def test_killing_ends_what_is_inside_and_what_that_has_made(place: Groups) -> None:
    group = make(place)
    with a_process("sh", "-c", "read x; setsid sleep 1000 & wait", stdin=subprocess.PIPE) as child:
        group.take_in(child.pid)
        if isinstance(place, Imitation):
            group.kill()
        else:
            assert child.stdin is not None
            child.stdin.write("on\n")
            child.stdin.flush()
            until_quiet(group)
            assert not group.is_populated
        assert child.wait(60) == -9


def until_quiet(group: Group) -> None:
    """Kill until nothing is left, woken by the kernel."""
    poll = select.poll()
    poll.register(group.events_fd, select.POLLPRI)
    while group.is_populated:
        group.kill()
        poll.poll(250)


def test_the_kernel_tells_when_the_last_process_is_gone(place: Groups) -> None:
    group = make(place)
    poll = select.poll()
    poll.register(group.events_fd, select.POLLPRI)
    with a_process("cat", stdin=subprocess.PIPE) as child:
        group.take_in(child.pid)
        was_populated = group.is_populated
        child.communicate("")
        if isinstance(place, Imitation):
            assert not was_populated
        else:
            assert was_populated
            assert poll.poll(60_000)
    assert not group.is_populated


def test_frozen_processes_stand_still_until_they_are_thawed(place: Groups) -> None:
    group = make(place)
    with a_process("cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        group.take_in(child.pid)
        assert group.freeze(True)
        if not isinstance(place, Imitation):
            poll = select.poll()
            poll.register(group.events_fd, select.POLLPRI)
            while not group.is_frozen:
                assert poll.poll(60_000)
        assert group.freeze(False)
        assert child.communicate("on\n", timeout=60)[0] == "on\n"


def test_a_server_inside_a_group_is_sent_away_before_the_kill(place: Groups) -> None:
    group = make(place)
    with a_process("sleep", "1000") as job, a_process("sleep", "1000") as server:
        group.take_in(server.pid)
        group.take_in(job.pid)
        group.send_away(frozenset({server.pid}))
        group.kill()
        assert job.wait(60) == -9
        assert is_alive(server.pid)


def test_a_group_is_removed_with_those_that_the_job_has_made(place: Groups) -> None:
    group = make(place)
    os.makedirs(f"{group.path}/own/deeper")
    assert group.remove()
    assert not os.path.exists(group.path)
    assert not group.is_populated


def test_a_group_with_a_process_stays(place: Groups) -> None:
    group = make(place)
    with a_process("sleep", "1000") as child:
        group.take_in(child.pid)
        if not isinstance(place, Imitation):
            assert not group.remove()
            with pytest.raises(OSError):
                make(place)
        assert group.pids() == [child.pid]


def test_an_empty_group_of_the_same_numbers_gives_way(place: Groups) -> None:
    first = make(place)
    os.mkdir(f"{first.path}/own")
    second = make(place)
    assert not os.path.exists(f"{second.path}/own")


def test_a_later_agent_finds_the_groups_of_the_last_one(place: Groups) -> None:
    group = make(place)
    found = place.reopen(7, 2)
    assert found is not None and found.path == group.path
    assert [numbers_of(left) for left in place.leftovers()] == [(7, 2)]
    assert place.reopen(7, 3) is None


def test_a_later_agent_in_another_place_finds_a_group_by_its_process(place: Groups, tmp_path: Path) -> None:
    group = make(place)
    elsewhere = Imitation(tmp_path / "elsewhere") if (tmp_path / "elsewhere").mkdir() is None else None
    assert elsewhere is not None
    with a_process("sleep", "1000") as child:
        group.take_in(child.pid)
        found = elsewhere.reopen(7, 2, child.pid)
        if isinstance(place, Imitation):
            assert found is None
        else:
            assert found is not None and found.path == group.path
            found.kill()
            assert child.wait(60) == -9
