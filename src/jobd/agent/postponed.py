"""Launches that could not be started for want of processes, memory, open files or disk: they wait, and are tried again. No clock in it.

Such a want passes, and has nothing to do with the job. Were the job's end made of it, a whole queue would fail within seconds.
"""

import errno

from jobd.agent.book import Key

FIRST_S = 0.1  # after the first failure; each further one doubles the pause
MOST_S = 5.0
# Too many processes, no memory, too many open files (of ours, of the machine), a full disk.
_PASSING = frozenset({errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EDQUOT})


def is_passing(error: OSError) -> bool:
    """Whether what failed so may work later."""
    return error.errno in _PASSING


class Postponed:
    """Which are to be tried again, in their order, and when."""

    def __init__(self) -> None:
        self._keys: dict[Key, None] = {}
        self._pause_s = FIRST_S
        self.at_s: float | None = None  # the next try, monotonic; None: there is nobody

    def __contains__(self, key: Key) -> bool:
        return key in self._keys

    def add(self, key: Key, now_s: float) -> bool:
        """It could not be started. True: it is the first, or has been tried for the first time since all went well."""
        is_first = not self._keys and self._pause_s == FIRST_S
        self._keys[key] = None
        if self.at_s is None:
            self.at_s = now_s + self._pause_s
            self._pause_s = min(MOST_S, 2 * self._pause_s)
        return is_first

    def hurry(self, now_s: float) -> None:
        """Something has left, and there may be room."""
        if self._keys:
            self.at_s = now_s

    def take(self, now_s: float) -> list[Key]:
        """Those to be tried, if it is time; who is not taken out by `started` or `drop` is put back by `add`."""
        if self.at_s is None or now_s < self.at_s:
            return []
        self.at_s = None
        return list(self._keys)

    def started(self, key: Key) -> None:
        """There was room."""
        self._pause_s = FIRST_S
        self.drop(key)

    def drop(self, key: Key) -> None:
        """It is not to be tried any more."""
        self._keys.pop(key, None)
        if not self._keys:
            self.at_s = None
