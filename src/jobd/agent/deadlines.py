"""When something is due for an attempt: a heap of moments that may be set anew or cleared. No clock in it."""

import heapq
from collections import deque
from collections.abc import Iterator
from enum import Enum

from jobd.agent.attempts import Attempt
from jobd.agent.book import Key


class Due(Enum):
    """What is due."""

    LIMIT = "time limit"
    WARNING = "signal before the time limit"
    LOOK = "the next look of its ending"
    STATUS = "the next try to learn how its adopted process ended"


class Deadlines:
    """(attempt, what) → when, in seconds of the monotonic clock."""

    def __init__(self) -> None:
        self._at: dict[tuple[Key, Due], float] = {}
        self._heap: list[tuple[float, Key, str]] = []

    def set(self, key: Key, due: Due, at_s: float) -> None:
        """It is due then, and not as was said before."""
        self._at[key, due] = at_s
        heapq.heappush(self._heap, (at_s, key, due.name))

    def clear(self, key: Key, *dues: Due) -> None:
        """These are not due any more; without any named, nothing of this attempt is."""
        if not self._at:
            return
        for one in dues or Due:
            self._at.pop((key, one), None)

    @property
    def next_s(self) -> float | None:
        """When the next is due."""
        while self._heap:
            at_s, key, name = self._heap[0]
            if self._at.get((key, Due[name])) == at_s:
                return at_s
            heapq.heappop(self._heap)  # it was set anew, or cleared
        return None

    def take(self, now_s: float) -> list[tuple[Key, Due]]:
        """What is due by now, earliest first; it is not due any more then."""
        taken: list[tuple[Key, Due]] = []
        while True:
            at_s = self.next_s
            if at_s is None or at_s > now_s:
                return taken
            _, key, name = heapq.heappop(self._heap)
            del self._at[key, Due[name]]
            taken.append((key, Due[name]))


class Later:
    """Attempts that are seen to once, some time after their start, if they still live then."""

    def __init__(self, after_s: float) -> None:
        self._after_s = after_s
        self._queue: deque[tuple[float, Attempt]] = deque()

    def add(self, attempt: Attempt) -> None:
        """It has started, after all that were added before."""
        self._queue.append((attempt.began_s + self._after_s, attempt))

    @property
    def next_s(self) -> float | None:
        """When the first is due, monotonic; None: none is."""
        while self._queue and not self._queue[0][1].is_living:
            self._queue.popleft()
        return self._queue[0][0] if self._queue else None

    def take(self, now_s: float) -> Iterator[Attempt]:
        """Those whose time has come."""
        while (next_s := self.next_s) is not None and next_s <= now_s:
            yield self._queue.popleft()[1]
