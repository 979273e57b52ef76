"""What the machine has: memory, GPUs, its boot and its names. Read when the server starts; only load and free memory are read anew.

GPUs are counted by NVIDIA's library, in the order of their PCI addresses, so CUDA must be told to number them so
(CUDA_DEVICE_ORDER=PCI_BUS_ID). Where the library is not there or knows none, there are none.
"""

import ctypes
import os
from typing import Any, NamedTuple

from jobd.core.resources import Capacity
from jobd.core.world import World
from jobd.daemon.inputs import Facts
from jobd.settings import SETTINGS, Config, toml_of
from jobd.wire.batch import CountedUse, Node

NVML = "libnvidia-ml.so.1"
GPUS_MAX = 4096  # that are asked for their names
NAME_BYTES = 96  # NVML_DEVICE_NAME_V2_BUFFER_SIZE


class Machine(NamedTuple):
    """What does not change while the server runs."""

    memory_bytes: int = 0  # that jobs may ask for; 0: not known
    gpus: tuple[str, ...] = ()  # the name of each
    boot_at: float = 0.0
    os: str = ""
    arch: str = ""


def machine_of(config: Config) -> Machine:
    """This machine, as far as the configuration does not say otherwise."""
    found = gpu_names() if config.gpus else ()
    if config.gpus >= 0:
        found = (*found, *["gpu"] * config.gpus)[: config.gpus]
    kernel = os.uname()
    return Machine(
        config.memory_bytes or memory_bytes(),
        found,
        boot_at(),
        f"{kernel.sysname} {kernel.release} {kernel.version}",
        kernel.machine,
    )


def capacity_of(machine: Machine, config: Config) -> Capacity:
    """What of it may be handed out."""
    return Capacity(machine.memory_bytes, len(machine.gpus), config.counted)


def node_of(world: World, machine: Machine, config: Config, facts: Facts) -> Node:
    """The machine and what of it is in use, as clients are shown it."""
    in_use = dict(world.in_use.counted)
    return Node(
        name=facts.node,
        cpus=list(world.cpus),
        nb_proc=world.nb_proc,
        used=world.used,
        memory_bytes=machine.memory_bytes,
        memory_used_bytes=world.in_use.memory_bytes,
        gpus=list(machine.gpus),
        gpus_used=sorted(world.gpus_busy),
        counted=[CountedUse(name, count, in_use.get(name, 0)) for name, count in world.capacity.counted],
        boot_at=machine.boot_at,
        started_at=facts.started_at,
        os=machine.os,
        arch=machine.arch,
        load=os.getloadavg()[0],
        memory_free_bytes=free_bytes(),
        cluster=config.cluster,
        partitions=config.partitions,
        settings=[[key, toml_of(getattr(config, key))] for key in SETTINGS],
        version=facts.version,
        accounts=config.accounts,
        qos=config.qos,
    )


def memory_bytes() -> int:
    """The machine's memory, or less where a cgroup of version 2 around the server has less."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min([total, *_limits(_own_cgroup())])


def free_bytes() -> int:
    """The memory that could be had without swapping (MemAvailable of proc(5))."""
    return _number_after("/proc/meminfo", "MemAvailable:") * 1024


def boot_at() -> float:
    """When the kernel was booted."""
    return float(_number_after("/proc/stat", "btime"))


def _number_after(path: str, word: str) -> int:
    """The number behind that word in a file of /proc; 0 where there is none."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            for line in file:
                parts = line.split()
                if parts[:1] == [word]:
                    return int(parts[1])
    except (OSError, ValueError, IndexError):
        pass  # another kernel
    return 0


def _own_cgroup() -> str:
    try:
        with open("/proc/self/cgroup", encoding="ascii", errors="replace") as file:
            for line in file:
                number, _, path = line.rstrip("\n").partition("::")
                if number == "0":
                    return path
    except OSError:
        pass  # no /proc: nothing is known of cgroups
    return "/"


def _limits(path: str) -> list[int]:
    """memory.max of a cgroup and of all around it, where there is one."""
    limits = []
    while True:
        try:
            with open(f"/sys/fs/cgroup{path.rstrip('/')}/memory.max", encoding="ascii") as file:
                limits.append(int(file.read()))
        except (OSError, ValueError):
            pass  # no such file, or "max"
        if path in ("/", ""):
            return limits
        path = os.path.dirname(path)


def gpu_names() -> tuple[str, ...]:
    """The names of the NVIDIA GPUs of this machine; () where there are none, or no driver."""
    try:
        return names_of(ctypes.CDLL(NVML))
    except (OSError, AttributeError):
        return ()  # no such library, or one that is too old


def names_of(library: Any) -> tuple[str, ...]:
    """The names of all devices that this NVML tells of."""
    if library.nvmlInit_v2():
        return ()
    try:
        count = ctypes.c_uint()
        if library.nvmlDeviceGetCount_v2(ctypes.byref(count)):
            return ()
        names = []
        for index in range(min(count.value, GPUS_MAX)):
            handle = ctypes.c_void_p()
            name = ctypes.create_string_buffer(NAME_BYTES)
            failed = library.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(index), ctypes.byref(handle))
            # One that has fallen off its bus still has its number, so it is not left out.
            if not failed and not library.nvmlDeviceGetName(handle, name, ctypes.c_uint(NAME_BYTES)):
                names.append(name.value.decode("utf-8", "replace"))
            else:
                names.append("gpu")
        return tuple(names)
    finally:
        library.nvmlShutdown()
