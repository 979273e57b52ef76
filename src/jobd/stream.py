"""All events from a number on, each once and in order, whatever becomes of the server or the connection.

    subscribe ─▶ the subscription stands (an answer to it came) ─▶ ask for what was since the last number ─▶ events as they come
        ▲                                                                                                     │ a gap: ask
        └─────────────── the connection has come again ◀──── has gone: wait for it ◀──────────────────────────┘

What can no longer be told (the journal keeps so many events, or is another one) comes as an event of kind MISSED. No server is started here.

The monitor is read before the socket, and reading it takes no event (Events.turn): the answer to our subscription often comes between the
two, and with it lost nothing would ever be asked for.
"""

import math
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType

import zmq

from jobd.client import Client as Asker
from jobd.client import Events, is_server_alive
from jobd.errors import JobdError, UsageError, WireError
from jobd.limits import EVENTS_PAGE_MAX
from jobd.wire import codec
from jobd.wire import messages as m
from jobd.wire.topics import JOB_NOW, job_topic

MISSED = "missed"
REST_MAX_S = 86_400.0  # poll(2) counts milliseconds in an int
QUIET_S = 1.0  # after so long without events we ask once whether the last ones were dropped on the way


class EventStream:
    """An iterator over events; also a context manager. For one thread at a time; only `wake` is for any thread."""

    def __init__(
        self,
        status: m.Status,
        after_seq: int | None = None,
        timeout_s: float | None = None,
        *,
        reader_fd: int | None = None,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        """
        Args:
            status: the server's, as it is now.
            after_seq: the last event that is known; None: begin with what happens from now on.
            timeout_s: the iteration ends after so long without events; None: never.
            reader_fd: where the events go to: when nobody reads there any more, waiting raises BrokenPipeError.
            tell: called when the server has gone and when it is back, with words for a person.

        Raises:
            UsageError: a number below 0.
        """
        if after_seq is not None and after_seq < 0:
            raise UsageError(f"events after number {after_seq}: 0 is the first")
        self._timeout_s = timeout_s
        self._reader_fd = reader_fd
        self._tell_person = tell or (lambda text: None)
        self._has_gone = False
        self._server_id = status.server_id
        self._last_seq = status.last_seq if after_seq is None else after_seq
        self._ready: deque[m.Event] = deque()
        self._check_at_s: float | None = None  # monotonic
        self._is_behind = False  # there are more to ask for
        self._is_closed = False
        self._lock = threading.Lock()
        self._wake_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._events = Events(b"")
        # The server answers a subscription to a job. Ours is to one that cannot be, so the answer tells us alone that from here on we
        # hear everything: what came before we ask for, what comes later is sent.
        nobody = job_topic(10**17 + int.from_bytes(os.urandom(6)))
        self._standing = nobody + JOB_NOW.encode()
        self._events.socket.setsockopt(zmq.SUBSCRIBE, nobody)
        self._poller = zmq.Poller()
        for part in (self._events.socket, self._events.monitor, self._wake_fd):
            self._poller.register(part, zmq.POLLIN)
        if reader_fd is not None:
            self._poller.register(reader_fd, zmq.POLLERR)

    @property
    def last_seq(self) -> int:
        """The number of the last event that was told: `after_seq` of a later stream."""
        return self._last_seq if not self._ready else max(0, self._ready[0].seq - 1)

    def wait(self, timeout_s: float | None = None) -> list[m.Event]:
        """The next events; none when the time is over, or after `wake`.

        Raises:
            BrokenPipeError: nobody reads at `reader_fd` any more.
        """
        end_s = None if timeout_s is None else time.monotonic() + timeout_s
        while not self._ready and not self._is_closed:
            if self._is_behind:
                self._ask()
                continue
            ends_s = [at_s for at_s in (end_s, self._check_at_s) if at_s is not None]
            pause_s = max(0.0, min(ends_s) - time.monotonic()) if ends_s else None
            ready = dict(
                self._poller.poll(None if pause_s is None else math.ceil(min(pause_s, REST_MAX_S) * 1000))
            )
            if self._wake_fd in ready:
                os.eventfd_read(self._wake_fd)
                break
            if self._reader_fd in ready:
                raise BrokenPipeError
            if self._events.monitor in ready:
                self._turn()
            if self._events.socket in ready:
                self._hear()
            elif self._check_at_s is not None and time.monotonic() >= self._check_at_s:
                # An event that was dropped because we were slow shows as a gap before the next; the last ones have no next.
                self._check_at_s = None
                self._ask()
            elif end_s is not None and time.monotonic() >= end_s:
                break
        told = list(self._ready)
        self._ready.clear()
        return told

    def wake(self) -> None:
        """End a `wait` that is under way; from any thread."""
        with self._lock:
            if self._wake_fd >= 0:
                os.eventfd_write(self._wake_fd, 1)

    def _turn(self) -> None:
        """The connection has come or gone."""
        turn = self._events.turn()
        if turn:
            # Should the answer be lost as any event may be (the server could not make it, or we were slow), we ask without it.
            self._check_at_s = time.monotonic() + QUIET_S
        elif turn is False and not self._has_gone:
            self._has_gone = True
            self._tell_person("the server has gone; waiting for it")

    def _hear(self) -> None:
        """Take in all that has come."""
        for _ in range(EVENTS_PAGE_MAX):
            if not self._events.socket.poll(0):
                break
            frames = self._events.socket.recv_multipart()
            if frames[0] == self._standing:
                if self._has_gone:
                    self._has_gone = False
                    self._tell_person("the server is back")
                self._check_at_s = None
                self._ask()
                continue
            self._check_at_s = time.monotonic() + QUIET_S
            try:
                event = codec.build(m.Event, codec.unpack(frames[-1]))
            except WireError:
                continue  # if it had a number it will be missed, and asked for
            if event.seq == self._last_seq + 1:
                self._tell(event)
            elif event.seq > self._last_seq:
                self._ask()

    def _tell(self, event: m.Event) -> None:
        self._last_seq = event.seq
        self._ready.append(event)

    def _miss(self, last_seq: int, text: str) -> None:
        self._last_seq = last_seq
        self._ready.append(m.Event(last_seq, time.time(), MISSED, None, text))

    def _ask(self) -> None:
        """A page of what was since the last number. A server that goes meanwhile is asked when it is back."""
        self._is_behind = False
        asker = Asker(is_starting=False)
        try:
            status: m.Status = asker.request(m.Ask())
            if status.server_id != self._server_id or status.last_seq < self._last_seq:
                self._server_id = status.server_id
                self._miss(0, "the server has a new journal")
            page: m.EventPage = asker.request(m.ListEvents(self._last_seq, EVENTS_PAGE_MAX))
            first = page.events[0].seq if page.events else page.oldest_seq
            if first > self._last_seq + 1:
                self._miss(first - 1, f"events {self._last_seq + 1} to {first - 1} are no longer kept")
            for event in page.events:
                self._tell(event)
            self._is_behind = bool(page.events) and self._last_seq < page.last_seq
        except JobdError:
            # One that is dead says so by its return. One that lives was only too slow.
            if is_server_alive():
                self._check_at_s = time.monotonic() + QUIET_S
        finally:
            asker.close()

    # ---- as an iterator
    def __iter__(self) -> Iterator[m.Event]:
        while True:
            told = self.wait(self._timeout_s)
            if not told and (self._timeout_s is not None or self._is_closed):
                return
            # What the caller does not come to is not lost: it is told by `last_seq`.
            self._ready.extend(told)
            while self._ready:
                yield self._ready.popleft()

    def __enter__(self) -> "EventStream":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Unsubscribe."""
        if not self._is_closed:
            self._is_closed = True
            self._events.close()
            with self._lock:
                os.close(self._wake_fd)
                self._wake_fd = -1
