"""The end of one job: CONT and TERM to all its processes, a grace, KILL, and again until two looks find nothing.

A state machine without a clock or a loop of its own: loop.py calls `look` when a process has ended or `look_at_s` has come.
"""

import logging
import os
import signal
from collections.abc import Callable

from jobd.agent.processes import Process, children_of, look_up, open_pidfd

log = logging.getLogger("jobd.agent")

LOOK_AGAIN_FIRST_S = 0.02  # after the first look that finds nothing: a fork may have been under way
LOOK_AGAIN_MAX_S = 0.25  # while something lives: it may have forked without anything having ended
EMPTY_LOOKS_NEEDED = 2
RUNAWAY_S = 2.0  # of KILL after KILL; then whole process groups are killed


class KillingOfJob:
    """One job's end under way."""

    def __init__(self, now_s: float, grace_s: float) -> None:
        self.kill_at_s = now_s + grace_s
        self.look_at_s = now_s
        self._grace_s = grace_s
        self._has_looked = False
        self.pidfds: dict[
            int, tuple[int, int]
        ] = {}  # pidfd → (pid, start) of processes that were signalled and live
        self.is_over = False
        self._signalled: dict[tuple[int, int], int] = {}  # (pid, start) → the last signal
        self._children: list[int] = []  # of the subreaper, at the last look
        self._empty_looks = 0
        self._pause_s = LOOK_AGAIN_FIRST_S

    def look(self, find: Callable[[], list[Process]], now_s: float, *, subreaper: int | None) -> None:
        """Look for processes of the job; signal what is new, or all once the grace is over.

        Args:
            subreaper: pid of the Salloc while it lives and has this job alone. All orphans of the job are its children, so it has
                some as long as anything lives, however fast that forks.
        """
        if not self._has_looked:
            # The grace begins with the TERM. An agent that was held up meanwhile takes nothing of it from the job.
            self._has_looked = True
            self.kill_at_s = max(self.kill_at_s, now_s + self._grace_s)
        number = signal.SIGKILL if now_s >= self.kill_at_s else signal.SIGTERM
        found = find()
        is_anything_left = False
        if subreaper is not None:
            children = children_of(subreaper)
            # What forks fast is gone before it can be looked at, but it leaves other children at each look.
            is_anything_left = children != self._children or any(map(_lives, children))
            self._children = children
        if now_s >= self.kill_at_s + RUNAWAY_S:
            # What still lives forks faster than it can be looked up, link by link. Its group may be its caller's too, who then
            # ends with it; nothing else reaches it.
            groups = {process.group for process in found}
            if subreaper is not None and not groups:
                groups.add(_group_of(subreaper))
            for group in groups - {os.getpgrp(), 0, 1}:
                log.warning("a runaway: process group %d is killed", group)
                _kill_group(group)
        followed = {identity: pidfd for pidfd, identity in self.pidfds.items()}
        for process in found:
            identity = (process.pid, process.start_ticks)
            pidfd = followed.get(identity)
            if pidfd is None:
                pidfd = open_pidfd(*identity)
                if pidfd is None:
                    continue
                self.pidfds[pidfd] = identity
            if self._signalled.get(identity) != number:
                self._signalled[identity] = number
                _send(pidfd, number)
        if found or self.pidfds or is_anything_left:
            self._empty_looks = 0
            self._pause_s = min(LOOK_AGAIN_MAX_S, self._pause_s * 2)
        else:
            self._empty_looks += 1
            self._pause_s = LOOK_AGAIN_FIRST_S
        self.is_over = self._empty_looks >= EMPTY_LOOKS_NEEDED
        self.look_at_s = now_s + self._pause_s
        if number == signal.SIGTERM:
            self.look_at_s = min(self.look_at_s, self.kill_at_s)

    def forget(self, pidfd: int, now_s: float) -> None:
        """A process that was signalled is gone."""
        del self.pidfds[pidfd]
        os.close(pidfd)
        if not self.pidfds:
            self.look_at_s = now_s

    def close(self) -> None:
        """Let go of what is still followed."""
        for pidfd in self.pidfds:
            os.close(pidfd)
        self.pidfds.clear()


def _group_of(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


def _kill_group(group: int) -> None:
    """All of a process group at once, which no fork slips through (kill(2) takes the lock that fork takes)."""
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def _lives(pid: int) -> bool:
    process = look_up(pid)
    return process is not None and not process.is_zombie


def _send(pidfd: int, number: int) -> None:
    # A stopped process takes TERM only when it is continued; CONT comes second, so that it wakes to its end.
    for one in (number, signal.SIGCONT) if number == signal.SIGTERM else (number,):
        try:
            signal.pidfd_send_signal(pidfd, one)
        except (ProcessLookupError, PermissionError):
            return  # gone, or a set-user-id program: the next look tells which
