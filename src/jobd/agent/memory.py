"""The watch over memory where no control group binds it: which attempts have taken more than their limit?

What counts is what only ending the processes gives back: anonymous and shared memory, and what of it was swapped out; not files that
are mapped, which the kernel drops when it needs room. Each process is asked for its own sum, which is cheap but counts what is
shared (by forked workers, say) once for each. So an attempt above its limit by that sum is asked again for its share of each page
(smaps_rollup), which is dear; only that decides.

Far from its limit an attempt is looked at once a second, near it every 50 ms; one that stays as it is, more seldom. Nothing is
looked at while no attempt with a limit lives.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

from jobd.agent.processes import can_list_children, children_of, snapshot

Key = tuple[int, int]  # (job, attempt)

INTERVAL_MIN_S = 0.05
INTERVAL_MAX_S = 1.0
RATE = 8 << 30  # bytes a second: about what a few threads can fill
QUIET_FACTOR_MAX = 4.0  # an attempt that stays as it is is looked at so much more seldom …
QUIET_CHANGE = 0.01  # … and so much of its limit counts as staying
MEMBERS_S = 1.0  # between two dear looks for all members; between them their children are followed
COST_MAX = 0.1  # of the time goes to dear looks at most


class Over(NamedTuple):
    """An attempt that is over its limit."""

    key: Key
    used_bytes: int
    limit_bytes: int


class _Watched:
    """One attempt under watch."""

    def __init__(self, limit_bytes: int, find: Callable[[], list[int]], is_cheap: bool, now_s: float) -> None:
        self.limit_bytes = limit_bytes
        self.find = find
        self.is_cheap = is_cheap
        self.pids: set[int] = set()
        self.members_at_s = now_s
        self.look_at_s = now_s
        self.used_bytes = 0
        self.peak_bytes = 0
        self.quiet = 1.0


class MemoryWatch:
    """All attempts whose memory is limited and not bound."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """
        Args:
            clock: measures what a look costs.
        """
        self._watched: dict[Key, _Watched] = {}
        self._clock = clock
        self._lists_children = can_list_children()
        self._children: dict[int, list[int]] | None = None
        self.look_at_s: float | None = None  # None: nothing is watched

    def add(
        self,
        key: Key,
        limit_bytes: int,
        find_members: Callable[[], list[int]],
        now_s: float,
        *,
        is_cheap: bool = False,
    ) -> None:
        """Watch an attempt, or give it another limit.

        Args:
            find_members: pids of all that are of it.
            is_cheap: whether that may be asked at each look (the list of a control group); else it is once a second.
        """
        watched = self._watched.get(key)
        if watched is None:
            self._watched[key] = _Watched(limit_bytes, find_members, is_cheap, now_s)
        else:
            watched.limit_bytes, watched.find, watched.is_cheap = limit_bytes, find_members, is_cheap
            watched.look_at_s = now_s
        self._plan()

    def remove(self, key: Key) -> int:
        """Watch it no more; the most memory that was seen, in bytes."""
        watched = self._watched.pop(key, None)
        if watched is None:
            return 0
        self._plan()
        return watched.peak_bytes

    def look(self, now_s: float) -> list[Over]:
        """Look at those that are due; which are over their limit? These are said again at each look until they are removed."""
        over = []
        self._children = None
        for key, watched in self._watched.items():
            if watched.look_at_s > now_s:
                continue
            self._refresh(watched, now_s)
            started_s = self._clock()
            used = {pid: memory_of(pid) for pid in watched.pids}
            watched.pids = {pid for pid in watched.pids if used[pid]}  # without those that are gone
            used_bytes = sum(used.values())
            is_dear = used_bytes > watched.limit_bytes
            if is_dear:
                used_bytes = sum(map(share_of, watched.pids))
            watched.peak_bytes = max(watched.peak_bytes, used_bytes)
            if used_bytes > watched.limit_bytes:
                over.append(Over(key, used_bytes, watched.limit_bytes))
            interval_s = _interval_s(watched, used_bytes)
            if is_dear:
                interval_s = max(interval_s, (self._clock() - started_s) / COST_MAX)
            watched.look_at_s = now_s + interval_s
        self._plan()
        return over

    def _refresh(self, watched: _Watched, now_s: float) -> None:
        if watched.is_cheap or now_s >= watched.members_at_s or not watched.pids:
            watched.pids = set(watched.find())
            watched.members_at_s = now_s + MEMBERS_S
            return
        stack = list(watched.pids)
        while stack:
            for child in self._children_of(stack.pop()):
                if child not in watched.pids:
                    watched.pids.add(child)
                    stack.append(child)

    def _children_of(self, pid: int) -> list[int]:
        if self._lists_children:
            return children_of(pid)
        if self._children is None:  # one look at the process table serves all
            self._children = {}
            for process in snapshot().values():
                self._children.setdefault(process.parent, []).append(process.pid)
        return self._children.get(pid, [])

    def _plan(self) -> None:
        self.look_at_s = min((watched.look_at_s for watched in self._watched.values()), default=None)


def memory_of(pid: int) -> int:
    """Anonymous, shared and swapped bytes of a process, all of what it shares included; 0 if it is gone (proc(5), status)."""
    found = _fields(f"/proc/{pid}/status", (b"RssAnon", b"RssShmem", b"VmSwap"))
    return sum(found.values())


def share_of(pid: int) -> int:
    """The same, with its share only of what it shares; 0 if it is gone (proc(5), smaps_rollup)."""
    found = _fields(f"/proc/{pid}/smaps_rollup", (b"Pss", b"Pss_Anon", b"Pss_Shmem", b"SwapPss"))
    if b"Pss_Anon" in found:
        return found[b"Pss_Anon"] + found.get(b"Pss_Shmem", 0) + found.get(b"SwapPss", 0)
    if b"Pss" in found:  # before Linux 5.4
        return found[b"Pss"] + found.get(b"SwapPss", 0)
    return memory_of(pid)  # it may not be asked


def _fields(path: str, names: tuple[bytes, ...]) -> dict[bytes, int]:
    """Lines of `Name: number kB`, in bytes."""
    found = {}
    try:
        with open(path, "rb") as file:
            for line in file:
                name, _, rest = line.partition(b":")
                if name in names:
                    found[name] = int(rest.split()[0]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return found


def _interval_s(watched: _Watched, used_bytes: int) -> float:
    """Until the next look: before it could have filled what is left, unless it has not moved for a while."""
    is_quiet = abs(used_bytes - watched.used_bytes) <= watched.limit_bytes * QUIET_CHANGE
    watched.quiet = min(QUIET_FACTOR_MAX, watched.quiet * 1.2) if is_quiet else 1.0
    watched.used_bytes = used_bytes
    left_s = (watched.limit_bytes - used_bytes) / RATE
    return min(INTERVAL_MAX_S, max(INTERVAL_MIN_S, left_s) * watched.quiet)
