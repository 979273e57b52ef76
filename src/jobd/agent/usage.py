"""What an attempt of a batch job used: time of processors, and the most memory.

The control group counts exactly, from the moment that processes are in it. Without one, the rusage of those that the agent has reaped
counts them and all that they have waited for; what became a stranger's child is missing then. And a process starts with the agent's own
peak as its own: posix_spawn(3) lends the agent's memory until the execve(2), which passes that peak on. So a peak that is no larger than the agent's says
nothing, and is recorded as not known.
"""

import resource

from jobd.agent.group import Group, Usage

_MAXRSS_UNIT = 1024  # getrusage(2) on Linux: kilobytes


class UsageMeter:
    """The use of one attempt so far."""

    def __init__(self, group: Group | None = None) -> None:
        self.group = group
        self._reaped_cpu_s = 0.0
        self._memory_bytes = 0

    def reaped(self, used: resource.struct_rusage) -> None:
        """A process of the attempt was reaped; wait4(2) gave this for it and those that it had waited for."""
        self._reaped_cpu_s += used.ru_utime + used.ru_stime
        self.saw_memory(peak_of(used))

    def saw_memory(self, memory_bytes: int) -> None:
        """At some moment it used that much."""
        self._memory_bytes = max(self._memory_bytes, memory_bytes)

    def usage(self) -> Usage:
        """What is known; 0 bytes if the peak is not. Ask before the control group is removed."""
        counted = self.group.usage() if self.group is not None else Usage(0.0, 0)
        # What ran before it was taken into the group is missing there.
        cpu_s = max(counted.cpu_s, self._reaped_cpu_s)
        return Usage(cpu_s, counted.memory_peak_bytes or self._memory_bytes)


def peak_of(used: resource.struct_rusage, own_peak_bytes: int | None = None) -> int:
    """The most memory that a child or one of those that it had waited for has had; 0 if that cannot be told.

    Args:
        own_peak_bytes: the peak of this process, who started the child; None to ask.
    """
    peak_bytes = used.ru_maxrss * _MAXRSS_UNIT
    if own_peak_bytes is None:
        own_peak_bytes = _own_peak_bytes(peak_bytes)
    return peak_bytes if peak_bytes > own_peak_bytes else 0


def _own_peak_bytes(than: int) -> int:
    """A peak that this process has had; the present one, which never falls, if the last that was asked for is less than that."""
    global _known_peak_bytes
    if than > _known_peak_bytes:
        _known_peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _MAXRSS_UNIT
    return _known_peak_bytes


_known_peak_bytes = 0
