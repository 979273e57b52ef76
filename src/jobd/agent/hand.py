"""A thread of the agent that is bound to processors in its place, to start a process there: a child inherits what the thread has.

Were the agent to bind itself, it would first have to be moved, and then stand in the way of the very process that it has started,
which may run nowhere else. This one is bound while it sleeps, wakes up in the right place, and sleeps again.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterable
from typing import Any


class Hand:
    """It does one thing at a time, and who asks waits."""

    def __init__(self, name: str = "hand") -> None:
        self._go, self._done = threading.Lock(), threading.Lock()
        self._go.acquire()
        self._done.acquire()
        self._what: Callable[[], Any] | None = None
        self._result: Any = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def bind(self, cpus: Iterable[int]) -> None:
        """What it does next it does on these processors, and so do the processes that it starts.

        Raises:
            OSError: none of them may be used.
        """
        assert self._thread.native_id is not None
        os.sched_setaffinity(self._thread.native_id, cpus)

    def do(self, what: Callable[[], Any]) -> Any:
        """Let it do this; what that returns or raises."""
        self._what = what
        self._go.release()
        self._done.acquire()
        error, self._error = self._error, None
        if error is not None:
            raise error
        result, self._result = self._result, None
        return result

    def close(self) -> None:
        """Let it end."""
        if self._thread.is_alive():
            self._what = None
            self._go.release()
            self._thread.join()

    def _run(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # those are the agent's
        while True:
            self._go.acquire()
            if self._what is None:
                return
            try:
                self._result = self._what()
            except BaseException as error:  # it is the asker's
                self._error = error
            self._what = None
            self._done.release()
            self._done_with()

    def _done_with(self) -> None:
        """What it does when nobody waits for it."""
