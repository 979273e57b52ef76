"""The watch over memory: what counts, how often it looks, and that an unmodified program that eats too much is noticed in time."""

import os
import resource
import select
import signal
import subprocess
import sys
import time
import uuid

import pytest

from agent.groups import a_process, identity
from jobd.agent import members
from jobd.agent.ending import Ending
from jobd.agent.memory import INTERVAL_MAX_S, INTERVAL_MIN_S, MEMBERS_S, MemoryWatch, memory_of, share_of
from jobd.agent.tree import Table

MIB = 1 << 20
KEY = (5, 1)


class Clock:
    """Says that a look took so long."""

    def __init__(self, *readings_s: float) -> None:
        self._readings_s = list(readings_s)

    def __call__(self) -> float:
        return self._readings_s.pop(0) if self._readings_s else 0.0


def test_nothing_watched_is_nothing_looked_at() -> None:
    watch = MemoryWatch()
    assert watch.look_at_s is None
    watch.add(KEY, MIB, list, 0.0)
    assert watch.look_at_s == 0.0
    assert watch.remove(KEY) == 0
    assert watch.look_at_s is None
    assert watch.look(1.0) == []


def test_who_is_above_the_limit_is_named_until_it_is_removed() -> None:
    watch = MemoryWatch()
    watch.add(KEY, 1 * MIB, lambda: [os.getpid()], 0.0)
    watch.add((6, 1), 1 << 50, lambda: [os.getpid()], 0.0)
    (over,) = watch.look(0.0)
    assert over.key == KEY
    assert over.used_bytes > over.limit_bytes == MIB
    assert watch.look_at_s is not None
    assert [one.key for one in watch.look(watch.look_at_s)] == [KEY]
    assert watch.remove(KEY) >= over.used_bytes


def test_near_the_limit_it_looks_often_and_far_from_it_seldom() -> None:
    used_bytes = memory_of(os.getpid())
    near, far = MemoryWatch(), MemoryWatch()
    near.add(KEY, used_bytes + 100 * MIB, lambda: [os.getpid()], 0.0)
    far.add(KEY, used_bytes + (100 << 30), lambda: [os.getpid()], 0.0)
    assert near.look(0.0) == far.look(0.0) == []
    assert near.look_at_s == INTERVAL_MIN_S
    assert far.look_at_s == INTERVAL_MAX_S


def test_who_stays_as_it_is_is_looked_at_more_seldom() -> None:
    watch = MemoryWatch()
    with a_process("sleep", "1000") as child:
        watch.add(KEY, 100 * MIB, lambda: [child.pid], 0.0)
        looks_s = [0.0]
        for _ in range(30):
            watch.look(looks_s[-1])
            assert watch.look_at_s is not None
            looks_s.append(watch.look_at_s)
    assert looks_s[1] - looks_s[0] <= INTERVAL_MIN_S * 1.3
    assert INTERVAL_MIN_S * 3 < looks_s[-1] - looks_s[-2] < INTERVAL_MAX_S


def test_a_dear_look_is_followed_by_a_long_pause() -> None:
    watch = MemoryWatch(Clock(0.0, 0.2))
    watch.add(KEY, MIB, lambda: [os.getpid()], 0.0)
    assert watch.look(0.0)
    assert watch.look_at_s == pytest.approx(2.0)


def test_who_is_gone_uses_nothing() -> None:
    with a_process("true") as child:
        child.wait()
        assert memory_of(child.pid) == share_of(child.pid) == 0


# ---- what counts
def told_by(child: "subprocess.Popen[str]") -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


def a_program(code: str) -> tuple[str, str, str]:
    return (sys.executable, "-c", f"{code}\nprint('on', flush=True); sys.stdin.read()")


def test_what_forked_workers_share_counts_once() -> None:
    code = "import os, sys; data = bytearray(b'x') * (64 << 20)\nfor _ in range(3):\n    if not os.fork(): sys.stdin.read(); os._exit(0)"
    with a_process(*a_program(code), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        told_by(child)
        family = [p.pid for p in Table("").processes.values() if p.pid == child.pid or p.parent == child.pid]
        assert len(family) == 4
        assert sum(map(memory_of, family)) > 256 * MIB
        watch = MemoryWatch()
        watch.add(KEY, 128 * MIB, lambda: family, 0.0)
        assert watch.look(0.0) == []
        assert 64 * MIB < watch.remove(KEY) < 128 * MIB
        child.communicate("")


def test_a_mapped_file_does_not_count(tmp_path: os.PathLike[str]) -> None:
    path = os.path.join(tmp_path, "data")
    with open(path, "wb") as file:
        file.write(bytes(64 * MIB))
    code = f"import mmap, sys; m = mmap.mmap(open({path!r}, 'rb').fileno(), 0, prot=mmap.PROT_READ); sum(m[::4096])"
    with a_process(*a_program(code), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        told_by(child)
        assert memory_of(child.pid) < 64 * MIB
        child.communicate("")


def test_shared_memory_counts() -> None:
    code = "import mmap, sys; m = mmap.mmap(-1, 64 << 20); m.write(b'x' * (64 << 20))"
    with a_process(*a_program(code), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        told_by(child)
        assert memory_of(child.pid) > 64 * MIB
        assert share_of(child.pid) > 64 * MIB
        child.communicate("")


# ---- who counts
def test_children_count_at_once_though_all_members_are_looked_for_once_a_second() -> None:
    asked: list[int] = []
    code = "import os, sys; sys.stdin.readline()\nif not os.fork(): data = bytearray(b'x') * (64 << 20)"
    with a_process(*a_program(code), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:

        def find() -> list[int]:
            asked.append(child.pid)
            return [child.pid]

        watch = MemoryWatch()
        watch.add(KEY, 48 * MIB, find, 0.0)
        assert watch.look(0.0) == []
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
        assert [told_by(child), told_by(child)] == ["on", "on"]
        assert [over.key for over in watch.look(MEMBERS_S * 0.9)] == [KEY]
        assert len(asked) == 1
        watch.look(MEMBERS_S * 1.1)
        assert len(asked) == 2
        child.communicate("")


def test_a_cheap_list_is_asked_at_each_look() -> None:
    asked: list[float] = []
    watch = MemoryWatch()
    watch.add(KEY, 1 << 50, lambda: asked.append(0.0) or [os.getpid()], 0.0, is_cheap=True)  # type: ignore[func-returns-value]
    for now_s in (0.0, 0.1, 0.2):
        watch.add(KEY, 1 << 50, lambda: asked.append(0.0) or [os.getpid()], now_s, is_cheap=True)  # type: ignore[func-returns-value]
        watch.look(now_s)
    assert len(asked) == 3


# ---- that limits bind an unmodified program, as the agent puts them in force where it has no control group
def test_a_program_that_eats_memory_is_ended_and_nothing_else_suffers() -> None:
    limit_bytes = 200 * MIB
    server = uuid.uuid4().hex
    marks = {"PATH": os.environ["PATH"], "JOBD_JOB_ID": "5", "JOBD_ATTEMPT": "1", "JOBD_SERVER": server}
    eater = "kept = []\nwhile True: kept.append(bytearray(b'x') * (4 << 20))"
    with (
        a_process("sleep", "1000") as other,
        a_process(
            "sh", "-c", f'"{sys.executable}" -c "{eater}"; true', env=marks, start_new_session=True
        ) as job,
    ):
        root = identity(job.pid)

        def find() -> list[members.Process]:
            return members.find(
                Table(server), job_id=5, attempt=1, roots=[root], group=None, spared=frozenset({os.getpid()})
            )

        watch = MemoryWatch()
        watch.add(KEY, limit_bytes, lambda: [process.pid for process in find()], time.monotonic())
        over = watch.look(time.monotonic())
        while not over:
            assert watch.look_at_s is not None
            select.select([], [], [], max(0.0, watch.look_at_s - time.monotonic()))
            over = watch.look(time.monotonic())
        assert over[0].used_bytes < limit_bytes + (2 << 30)  # what it can take between two looks
        ending = Ending(time.monotonic(), 0.0)
        while not ending.is_over:
            ending.look(find, time.monotonic())
            for pidfd in select.select(list(ending.pidfds), [], [], 0.05)[0]:
                ending.forget(pidfd, time.monotonic())
            job.poll()
        assert job.wait() == -signal.SIGKILL
        assert other.poll() is None
        assert watch.remove(KEY) > limit_bytes


def test_eight_busy_threads_on_one_processor_use_one_processors_time() -> None:
    """Bound as the agent binds: by the affinity that the attempt is started with."""
    code = (
        "import os, time\n"
        "end_s = time.monotonic() + 0.4\n"
        "for _ in range(7):\n"
        "    if not os.fork(): break\n"
        "while time.monotonic() < end_s: pass\n"
        "try:\n"
        "    while True: os.wait()\n"
        "except ChildProcessError: pass\n"
    )
    cpus = os.sched_getaffinity(0)
    started_s = time.monotonic()
    os.sched_setaffinity(0, {min(cpus)})
    try:
        pid = os.posix_spawn(sys.executable, [sys.executable, "-c", code], os.environ, setsid=True)
    finally:
        os.sched_setaffinity(0, cpus)
    _, status, used = os.wait4(pid, 0)
    wall_s = time.monotonic() - started_s
    assert status == 0
    assert isinstance(used, resource.struct_rusage)
    assert used.ru_utime + used.ru_stime <= wall_s * 1.1
