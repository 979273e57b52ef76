"""Who acts in the agent: its loop, or a lane whose process has ended. One at a time, from the beginning of its turn to the end."""

import logging
import signal
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from jobd.agent.lanes import Lane, Lanes

if TYPE_CHECKING:
    from jobd.agent.loop import Agent

log = logging.getLogger("jobd.agent")

QUIET_S = 0.05  # so long at most, and so long after the last turn of a lane; what nobody follows is reaped no later than that
MARGIN_S = 0.002  # the poll counts whole milliseconds


class Turns:
    """The right to act. It is the loop's from the start, but while that rests."""

    def __init__(self, wake: Callable[[], None]) -> None:
        """
        Args:
            wake: the loop, from another thread.
        """
        self._lock = threading.Lock()
        self._lock.acquire()
        self._wake = wake
        self._is_awake = True
        self._until_s = 0.0  # monotonic: how long the loop means to rest
        self._is_quiet, self._quiet_s = False, 0.0
        self._lane_s = 0.0
        self._error: BaseException | None = None
        self._is_over = False
        self.agent: Agent | None = None
        self.lanes = Lanes(self._over)

    def rest(self, poll: Callable[[float | None], Any]) -> Any:
        """The loop waits for what is next, and lanes may have their turns.

        Args:
            poll: waits for so many milliseconds, or until something is there; None: for ever.

        Raises:
            BaseException: what went wrong in a lane is for the loop.
        """
        assert self.agent is not None
        timeout_ms = self.agent.timeout_ms()
        has_been_long = self._is_quiet and time.monotonic() >= self._quiet_s + QUIET_S
        self._set_quiet(self._may_be_quiet() and not has_been_long)  # now and then it hears of all children
        if self._is_quiet:
            timeout_ms = min(QUIET_S * 1000, QUIET_S * 1000 if timeout_ms is None else timeout_ms)
        self._until_s = float("inf") if timeout_ms is None else time.monotonic() + timeout_ms / 1000
        self._is_awake = False
        self._lock.release()
        try:
            return poll(timeout_ms)
        finally:
            self._lock.acquire()
            self._is_awake = True
            if self._error is not None:
                raise self._error

    def close(self) -> None:
        """Nobody acts any more."""
        self._is_over = True
        self._set_quiet(False)
        self._lock.release()

    def _over(self, lane: Lane) -> None:
        """What a lane has followed has ended, and it is its turn."""
        with self._lock:
            pid, lane.pid = lane.pid, 0
            if self._is_over:
                return
            try:
                assert self.agent is not None
                self._lane_s = time.monotonic()
                is_content = self.agent.child_ended(pid)
                is_wanted = (
                    not is_content
                    or self.agent.is_wanted(self._until_s - MARGIN_S)
                    or (self._is_quiet and not self._may_be_quiet())
                )
            except BaseException as error:
                self._error, is_wanted = error, True
            if is_wanted and not self._is_awake:
                self._is_awake = True
                self._wake()

    def _may_be_quiet(self) -> bool:
        """Whether the loop need not hear of each child: the lanes do, and are at it."""
        assert self.agent is not None
        lives = self.agent.batches.lives
        return (
            time.monotonic() < self._lane_s + QUIET_S
            and not lives.is_any_ending
            and self.lanes.follow_all(self.agent.batches.children.mains)
        )

    def _set_quiet(self, is_quiet: bool) -> None:
        """While SIGCHLD is blocked it is kept for later (signal(7))."""
        if is_quiet != self._is_quiet:
            self._is_quiet, self._quiet_s = is_quiet, time.monotonic()
            signal.pthread_sigmask(signal.SIG_BLOCK if is_quiet else signal.SIG_UNBLOCK, [signal.SIGCHLD])
