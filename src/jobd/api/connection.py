"""One connection to the server for several threads, made anew in a forked child."""

import os
import threading
import weakref
from typing import Any

from jobd.client import DEADLINE_S
from jobd.client import Client as Asker


class Connection:
    """Requests of several threads, one at a time."""

    def __init__(self, *, is_starting: bool = True, deadline_s: float = DEADLINE_S) -> None:
        """
        Args:
            is_starting: start a server if there is none (and the configuration allows it).
            deadline_s: how long a request may take in all.
        """
        self._is_starting = is_starting
        self._deadline_s = deadline_s
        self._asker: Asker | None = None
        self._lock = threading.Lock()
        _connections.add(self)

    def request(self, request: Any) -> Any:
        """Ask, and wait for the answer.

        Raises:
            JobdError: what the server refused with; NoServer if there is none.
        """
        with self._lock:
            if self._asker is None:
                self._asker = Asker(is_starting=self._is_starting, deadline_s=self._deadline_s)
            try:
                return self._asker.request(request)
            except BaseException:
                # After an interrupted or unanswered request the socket would wait for that answer for ever.
                self._asker.close()
                raise

    def close(self) -> None:
        """Let go of the connection; a later request makes another."""
        with self._lock:
            if self._asker is not None:
                self._asker.close()

    def forget_after_fork(self) -> None:
        """In a child: the parent's socket is not ours to use, and its lock may have been held."""
        self._asker = None
        self._lock = threading.Lock()


_connections: "weakref.WeakSet[Connection]" = weakref.WeakSet()


def _forget_all() -> None:
    for connection in list(_connections):
        connection.forget_after_fork()


os.register_at_fork(after_in_child=_forget_all)
