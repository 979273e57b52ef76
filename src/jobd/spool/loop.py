"""What happens, from three sides (the folders, the server, the clock), brought to one thread that sleeps in between."""

import heapq
import itertools
import logging
import os
import queue
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

from jobd import manager
from jobd.api.client import Client
from jobd.errors import JobdError, Refused
from jobd.spool.entry import FOR_NOW
from jobd.spool.files import newest_change_s, printable
from jobd.spool.places import PlaceGone, Places
from jobd.spool.settings import Settings
from jobd.spool.spool import Spool
from jobd.spool.watching import ARRIVED, GONE, GROWS, LEFT, LOST, Seen, Watch
from jobd.stream import MISSED, EventStream
from jobd.wire import messages as m

log = logging.getLogger("jobd.spool")

SERVER_PAUSE_S = 1.0  # between two looks for a server that cannot be started
SERVER_PAUSE_MAX_S = 30.0


class Loop:
    """A spool at work."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is touched yet."""
        self._settings = settings
        self._places = Places(settings)
        self._client = Client()
        self._inbox: queue.PriorityQueue[tuple[int, int, Any]] = queue.PriorityQueue()
        self._numbers = itertools.count()
        self._timers = Timers()
        self._spool = Spool(settings, self._places, self._client, self._timers.set)
        self._newest: dict[
            str, float
        ] = {}  # what is being copied, and its newest change when it was looked at last
        self._grew_last = ""  # what left the queue last, if it was being copied
        self._watch: Watch | None = None
        self._stream: EventStream | None = None
        self._listener: threading.Thread | None = None
        self._code: int | None = None

    def run(self) -> int:
        """Until SIGTERM or SIGINT; the exit code.

        Raises:
            JobdError: the folders cannot be used.
        """
        self._places.make()
        at_signal(lambda: self._put(_Stop(0)))
        try:
            self._watch = Watch(self._places.queue, self._put)
        except OSError as error:
            raise Refused(f"{self._places.queue} cannot be watched: {error.strerror}") from error
        # From here on nothing that happens to the folders is missed. Whether there is a server is another matter.
        manager.tell(f"READY=1\nSTATUS=looking for a server, for {printable(self._places.root)}")
        try:
            self._begin()
            while self._code is None:
                self._turn(self._timers.left_s())
        except PlaceGone as error:
            log.error("%s", error)
            self._code = 1
        finally:
            manager.tell("STOPPING=1")
            self._watch.close()
            if self._stream is not None and self._listener is not None:
                self._code = 1 if self._code is None else self._code
                self._stream.wake()
                self._listener.join(10)
            if self._stream is not None:
                self._stream.close()
            self._client.close()
        return 1 if self._code is None else self._code

    def _begin(self) -> None:
        """Take up what is there, as soon as there is a server."""
        pause_s = SERVER_PAUSE_S
        while self._code is None:
            try:
                if self._stream is None:
                    self._stream = EventStream(self._client.status())
                self._spool.sweep()
                break
            except FOR_NOW as error:
                log.warning("%s", error)
            end_s = time.monotonic() + pause_s
            pause_s = min(SERVER_PAUSE_MAX_S, 2 * pause_s)
            while self._code is None and time.monotonic() < end_s:
                # What happens to the folders meanwhile is found by the sweep.
                item = self._get(end_s - time.monotonic())
                if isinstance(item, _Stop):
                    self._code = item.code
                elif isinstance(item, Seen) and item.kind == GONE:
                    self._see(item)
        if self._code is not None:
            return
        self._listener = threading.Thread(target=self._listen, name="events", daemon=True)
        self._listener.start()
        self._look_at_queue()
        log.info("watching %s", printable(self._places.root))
        manager.tell(f"STATUS=watching {printable(self._places.root)}")

    def _listen(self) -> None:
        """Hand on what the server tells."""
        assert self._stream is not None
        while self._code is None:
            try:
                for event in self._stream.wait():
                    self._put(event)
            except JobdError as error:
                log.warning("%s", error)
            except Exception:
                log.exception("a mistake in the program; starting anew would help")
                self._put(_Stop(1))
                return

    # ---- one turn
    def _put(self, item: Any) -> None:
        """From any thread. What is over goes before what comes, so that nobody waits for his results until a thousand others are queued."""
        order = 0 if isinstance(item, _Stop) else 1 if isinstance(item, m.Event) else 2
        self._inbox.put((order, next(self._numbers), item))

    def _get(self, timeout_s: float | None) -> Any:
        try:
            return self._inbox.get(timeout=None if timeout_s is None else max(0.0, timeout_s))[2]
        except queue.Empty:
            return None

    def _turn(self, timeout_s: float | None) -> None:
        item = self._get(timeout_s)
        self._do(lambda: self._heed(item))
        for do in self._timers.due():
            self._do(do)

    def _do(self, what: Callable[[], Any]) -> None:
        """Do one thing; if the server fails us over it, look again later. What else is to be done is not held up by it."""
        try:
            what()
        except PlaceGone:
            raise
        except JobdError as error:
            log.warning("%s", error)
            self._timers.set("check", SERVER_PAUSE_MAX_S, self._spool.check_all)

    def _heed(self, item: Any) -> None:
        if isinstance(item, Seen):
            self._see(item)
        elif isinstance(item, m.Event):
            if item.kind == MISSED:
                self._spool.check_all()
            elif item.job is not None:
                self._spool.heard(item.job)
        elif isinstance(item, _Stop):
            self._code = item.code

    def _see(self, seen: Seen) -> None:
        if seen.name.startswith("."):
            return
        if seen.kind == ARRIVED:
            self._spool.left(seen.name)
            if seen.before and seen.before == self._grew_last:
                self._grow(seen.name)  # made here, and only given its name
            elif not self._spool.is_known(seen.name):
                self._take(seen.name)
        elif seen.kind == GROWS:
            if seen.name in self._newest or not self._spool.is_known(seen.name):
                self._grow(seen.name)
        elif seen.kind == LEFT:
            self._grew_last = seen.name if seen.name in self._newest else ""
            if not os.path.lexists(os.path.join(self._places.queue, seen.name)):
                self._forget(seen.name)
            self._spool.left(seen.name)
        elif seen.kind == LOST:
            log.warning("the kernel had no room for all that happened: looking at everything")
            self._spool.left_all()
            self._look_at_queue()
        elif seen.kind == GONE and self._code is None:
            raise PlaceGone(f"{printable(self._places.queue)} has gone")  # or another bears its name now

    def _look_at_queue(self) -> None:
        """Take what has been quiet for long enough; wait for the rest."""
        now_s = time.time()  # one for all: a younger one must not become old enough while we look
        for name in self._places.names():
            if self._spool.is_known(name) or name in self._newest:
                continue
            age_s = now_s - newest_change_s(os.path.join(self._places.queue, name))
            if age_s < self._settings.quiet_s:  # below 0: the clock was set back
                self._grow(name, self._settings.quiet_s - max(0.0, age_s))
            else:
                self._take(name)

    def _grow(self, name: str, left_s: float | None = None) -> None:
        """Something is being copied: look at it when it has been quiet."""
        assert self._watch is not None
        path = os.path.join(self._places.queue, name)
        if name not in self._newest:  # also where it has gone again: that is told next
            self._newest[name] = -1.0
            if os.path.isdir(path) and not os.path.islink(path):
                self._watch.look_below(name)
        self._timers.set(
            ("quiet", name), self._settings.quiet_s if left_s is None else left_s, lambda: self._quiet(name)
        )

    def _quiet(self, name: str) -> None:
        """Nothing was told for the quiet time. What was not told (a watch that came late) shows by its time."""
        newest = newest_change_s(os.path.join(self._places.queue, name))
        age_s = time.time() - newest
        if age_s < self._settings.quiet_s and newest != self._newest.get(name):
            self._newest[name] = newest
            self._grow(name, self._settings.quiet_s - max(0.0, age_s))
        else:
            self._take(name, self._settings.incomplete_s)

    def _take(self, name: str, incomplete_s: float = 0.0) -> None:
        left_s = self._spool.take(name, incomplete_s=incomplete_s)
        if left_s > 0:
            self._grow(name, left_s)
        else:
            self._forget(name)

    def _forget(self, name: str) -> None:
        assert self._watch is not None
        if self._newest.pop(name, None) is not None:
            self._watch.look_away(name)
            self._timers.drop(("quiet", name))


def at_signal(do: Callable[[], None]) -> None:
    """Do that at SIGTERM or SIGINT, in a thread of its own.

    A handler of Python's runs when the main thread comes back from where it sleeps. A signal that comes just before it falls asleep would not
    wake it.
    """
    reader, writer = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(writer, False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

    def wait() -> None:
        while os.read(reader, 1):
            do()

    threading.Thread(target=wait, name="signals", daemon=True).start()


class _Stop:
    def __init__(self, code: int) -> None:
        self.code = code


class Timers:
    """What is to be done later, one thing for each key."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Any]] = []
        self._set: dict[Any, tuple[int, Callable[[], Any]]] = {}
        self._numbers = itertools.count()

    def set(self, key: Any, after_s: float, do: Callable[[], Any]) -> None:
        """Do it after so many seconds, instead of what was to be done for this key."""
        number = next(self._numbers)
        self._set[key] = (number, do)
        heapq.heappush(self._heap, (time.monotonic() + after_s, number, key))
        if len(self._heap) > 64 and len(self._heap) > 4 * len(self._set):
            living = {number for number, _ in self._set.values()}
            self._heap = [item for item in self._heap if item[1] in living]
            heapq.heapify(self._heap)

    def drop(self, key: Any) -> None:
        """Do nothing for this key."""
        self._set.pop(key, None)

    def left_s(self) -> float | None:
        """Until the next; None: there is none."""
        while self._heap and self._set.get(self._heap[0][2], (None,))[0] != self._heap[0][1]:
            heapq.heappop(self._heap)
        return max(0.0, self._heap[0][0] - time.monotonic()) if self._heap else None

    def due(self) -> list[Callable[[], Any]]:
        """What is to be done now; it is not told again."""
        found = []
        while self.left_s() == 0.0:
            key = heapq.heappop(self._heap)[2]
            found.append(self._set.pop(key)[1])
        return found
