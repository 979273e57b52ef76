"""What an attempt used: by the counters of its group, else by what was reaped and what the watch saw."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from agent.groups import Imitation
from jobd.agent.cgroup import Usage
from jobd.agent.usage import UsageMeter

MIB = 1 << 20


def rusage_of(code: str) -> resource.struct_rusage:
    """Run a program; what the kernel counted for it."""
    child = subprocess.Popen([sys.executable, "-c", code])
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = status
    assert status == 0
    return used


def test_nothing_known_is_nothing_used() -> None:
    assert UsageMeter().usage() == Usage(0.0, 0)


def test_without_a_group_what_was_reaped_is_added_up() -> None:
    busy = rusage_of("import time\nwhile time.process_time() < 0.1: pass")
    short = rusage_of("pass")
    meter = UsageMeter()
    meter.reaped(busy)
    meter.reaped(short)
    cpu_s = busy.ru_utime + busy.ru_stime + short.ru_utime + short.ru_stime
    assert 0.1 <= meter.usage().cpu_s == pytest.approx(cpu_s)


def test_the_peak_is_that_of_the_largest_process_below() -> None:
    size_bytes = own_peak_bytes() + 64 * MIB
    large = f"data = bytearray(b'x') * {size_bytes}"
    meter = UsageMeter()
    meter.reaped(rusage_of("pass"))
    meter.reaped(rusage_of(f"import subprocess, sys; subprocess.run([sys.executable, '-c', {large!r}])"))
    assert size_bytes < meter.usage().memory_peak_bytes < 2 * size_bytes


def test_a_peak_that_is_no_larger_than_our_own_is_not_known() -> None:
    meter = UsageMeter()
    meter.reaped(rusage_of("pass"))
    assert meter.usage().memory_peak_bytes == 0


def own_peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def test_what_the_watch_saw_counts_if_it_is_more() -> None:
    meter = UsageMeter()
    meter.reaped(rusage_of("pass"))
    meter.saw_memory(1 << 40)
    meter.saw_memory(5)
    assert meter.usage().memory_peak_bytes == 1 << 40


def test_the_groups_counters_come_first(tmp_path: Path) -> None:
    meter = UsageMeter(Imitation(tmp_path).make(1, 1, memory_bytes=0, cpus=[], nb_proc=1))
    meter.saw_memory(1 << 40)
    assert meter.usage() == Usage(1.25, 4096)


def test_what_ran_before_it_was_taken_into_a_group_is_not_lost(tmp_path: Path) -> None:
    group = Imitation(tmp_path, without=frozenset({"memory.peak"})).make(
        1, 1, memory_bytes=0, cpus=[], nb_proc=1
    )
    Path(group.path, "cpu.stat").write_text("usage_usec 1000\n")
    meter = UsageMeter(group)
    meter.reaped(rusage_of("import time\nwhile time.process_time() < 0.05: pass"))
    meter.saw_memory(7 * MIB)
    assert meter.usage().cpu_s >= 0.05
    assert meter.usage().memory_peak_bytes >= 7 * MIB
