"""The end of one attempt of a batch job: CONT and TERM to all its processes, a grace, KILL, and again until nothing is left.

As kill.py, which ends the job of a Salloc, it is a state machine without a clock or a loop: the loop calls `look` when `look_at_s` has
come, registers what is in `pidfds`, and calls `forget` for one that is ready. An attempt has more than a Salloc's job: its processes are
in sessions of their own, so a process group that has one of them has nobody else; they may be in a control group; and their orphans
become children of the agent, which tells of those that were gone before they could be looked at (`stir`).
"""

import os
import signal
from collections.abc import Callable

from jobd.agent.group import Group
from jobd.agent.kill import EMPTY_LOOKS_NEEDED, LOOK_AGAIN_FIRST_S, LOOK_AGAIN_MAX_S
from jobd.agent.processes import Process, newest_pid, open_pidfd

HUNT_ROUNDS = 300  # looks at the newest process within one look: some 10 ms
HUNT_PIDS = 4  # numbers that may have been given out since


class Ending:
    """One attempt's end under way."""

    def __init__(self, now_s: float, grace_s: float, *, group: Group | None = None) -> None:
        """
        Args:
            grace_s: between TERM and KILL; 0 to kill at once.
        """
        self.kill_at_s = now_s + grace_s
        self.look_at_s = now_s
        self._grace_s = grace_s
        self._has_looked = False
        self.pidfds: dict[int, tuple[int, int]] = {}  # pidfd → (pid, start) of those that were signalled
        self.is_over = False
        self._group = group
        self._is_thawed = False
        self._signalled: dict[tuple[int, int], int] = {}  # (pid, start) → the last signal
        self._empty_looks = 0
        self._pause_s = LOOK_AGAIN_FIRST_S
        self._is_stirred = False

    def kill_at_once(self, now_s: float) -> None:
        """No grace any more: it took too much memory, or somebody cannot wait."""
        self._grace_s = 0.0
        self.kill_at_s = min(self.kill_at_s, now_s)
        self.look_at_s = min(self.look_at_s, now_s)

    def look(
        self,
        find: Callable[[], list[Process]],
        now_s: float,
        *,
        spared: frozenset[int] = frozenset(),
        is_hunted: Callable[[int], bool] = lambda pid: False,
    ) -> None:
        """Look for processes of the attempt; signal what is new, or all once the grace is over.

        Args:
            find: all living members, without the spared.
            spared: pids that are no job's, should one be in its control group: the agent and the server.
            is_hunted: whether a process is of the attempt, told from itself alone; for what is gone before a whole look is over.
        """
        if not self._has_looked:
            # The grace begins with the TERM. An agent that was held up meanwhile takes nothing of it from the job.
            self._has_looked = True
            self.kill_at_s = max(self.kill_at_s, now_s + self._grace_s)
        is_killing = now_s >= self.kill_at_s
        number = signal.SIGKILL if is_killing else signal.SIGTERM
        if self._group is not None and not self._is_thawed:
            self._is_thawed = True
            self._group.freeze(False)  # what stands still takes no TERM
        if self._group is not None and is_killing and self._group.is_populated:
            self._group.send_away(spared)
            self._group.kill()
        found = find()
        if is_killing:
            self._kill_groups(found)
            if self._is_stirred and not found:
                _hunt(is_hunted)
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
                send(pidfd, number)
        is_populated = self._group is not None and self._group.is_populated
        self._plan_next(bool(found or self.pidfds or is_populated or self._is_stirred), now_s)
        self._is_stirred = False

    def stir(self, now_s: float) -> None:
        """A process has ended that was nobody's main process and that may have been of this attempt: it may have left others."""
        self._is_stirred = True
        self._empty_looks = 0
        self.look_at_s = min(self.look_at_s, now_s)

    def hurry(self, now_s: float) -> None:
        """Something has changed in its control group (`events_fd`)."""
        if self._group is not None and not self._group.is_populated:
            self.look_at_s = min(self.look_at_s, now_s)

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

    def _plan_next(self, is_anything_left: bool, now_s: float) -> None:
        if is_anything_left:
            self._empty_looks = 0
            self._pause_s = min(LOOK_AGAIN_MAX_S, self._pause_s * 2)
        else:
            self._empty_looks += 1
            self._pause_s = LOOK_AGAIN_FIRST_S
        self.is_over = self._empty_looks >= EMPTY_LOOKS_NEEDED
        self.look_at_s = now_s + self._pause_s
        if now_s < self.kill_at_s:
            self.look_at_s = min(self.look_at_s, self.kill_at_s)

    def _kill_groups(self, found: list[Process]) -> None:
        """Whole process groups at once, which no fork slips through (kill(2) takes the lock that fork takes)."""
        for group in {process.group for process in found} - {os.getpgrp(), 0, 1}:
            try:
                os.killpg(group, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass


def send(pidfd: int, number: int) -> bool:
    """Send a signal, TERM with CONT; whether there was somebody to take it."""
    # A stopped process takes TERM only when it is continued; CONT comes second, so that it wakes to its end.
    for one in (number, signal.SIGCONT) if number == signal.SIGTERM else (number,):
        try:
            signal.pidfd_send_signal(pidfd, one)
        except (ProcessLookupError, PermissionError):
            return False  # gone, or a set-user-id program: the next look tells which
    return True


def _hunt(is_hunted: Callable[[int], bool]) -> None:
    """Kill the newest process if it is of the attempt, again and again: a chain whose every link forks the next, leaves its session

    and ends lives shorter than a look at the whole table, but each link is for a moment the newest process there is.
    """
    for _ in range(HUNT_ROUNDS):
        newest = newest_pid()
        for pid in range(newest, max(1, newest - HUNT_PIDS), -1):
            if is_hunted(pid):
                try:
                    os.kill(pid, signal.SIGKILL)
                except (ProcessLookupError, PermissionError):
                    continue
