"""Threads of the agent that start a process and follow it: when it has ended they do at once what comes next, on its processors.

Short jobs follow each other so without a way through the agent's loop, which would have to wait for a processor, while that of the job
that has ended is free and this thread wakes just there.
"""

import contextlib
import os
import resource
import threading
from collections.abc import Callable, Iterable
from typing import Any

from jobd.agent.hand import Hand

LANES_MAX = 64  # more than so many processes are not followed, but told of by SIGCHLD
NPROC_SHARE = 8  # threads count as processes: no more lanes than this part of what the user may have


class Lane(Hand):
    """A hand that follows what it has started. All but its waiting is in a turn of its own (turns.py)."""

    def __init__(self, over: Callable[["Lane"], None]) -> None:
        """
        Args:
            over: called in its thread when `pid` has ended, and is not reaped; may start the next one here.
        """
        self.pid = 0  # whom it follows; 0: nobody
        self._over = over
        super().__init__("lane")

    @property
    def is_here(self) -> bool:
        """Whether it is who asks."""
        return threading.get_ident() == self._thread.ident

    def do(self, what: Callable[[], Any]) -> Any:
        """Let it start a process, or start it here; its pid, or why there is none."""

        def start() -> Any:
            done = what()
            self.pid = done if isinstance(done, int) else 0
            return done

        return start() if self.is_here else super().do(start)

    def _done_with(self) -> None:
        while self.pid:
            with contextlib.suppress(ChildProcessError):  # it was reaped already
                os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
            self._over(self)


class Lanes:
    """All lanes of an agent."""

    def __init__(self, over: Callable[[Lane], None], most: int = LANES_MAX) -> None:
        """
        Args:
            over: of each of them.
            most: that there may be, if the user may have many processes.
        """
        self._over = over
        nproc = resource.getrlimit(resource.RLIMIT_NPROC)[0]
        self._most = most if nproc == resource.RLIM_INFINITY else min(most, nproc // NPROC_SHARE)
        self._lanes: list[Lane] = []

    def free(self) -> Lane | None:
        """One that follows nobody: that which asks, if it is one of them; None if there is none."""
        idle: Lane | None = None
        for lane in self._lanes:
            if not lane.pid:
                if lane.is_here:
                    return lane
                idle = idle or lane
        if idle is None and len(self._lanes) < self._most:
            try:
                idle = Lane(self._over)
            except RuntimeError:  # no more threads for us
                return None
            self._lanes.append(idle)
        return idle

    def is_followed(self, pid: int) -> bool:
        """Whether one of them has that one's end still before it."""
        return pid != 0 and any(lane.pid == pid for lane in self._lanes)

    def follow_all(self, pids: Iterable[int]) -> bool:
        """Whether they follow all of these."""
        followed = {lane.pid for lane in self._lanes}
        return all(pid in followed for pid in pids)

    def close(self) -> None:
        """Let those end that follow nobody; the others end with the agent."""
        for lane in self._lanes:
            if not lane.pid:
                lane.close()
