"""Reading the files of jobs without ever waiting for a disk that does not answer, as a network folder whose machine is away.

A few threads of their own read. Who asks waits a moment, and then goes on without. Of a folder in which a read hangs nothing more is read until
that one is over, so a folder has one thread and never all of them. The threads are daemons: the program ends though they hang.
"""

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TypeVar

from jobd.api.tail import Piece, Tail, Watcher

READ_S = 1.0  # a read that takes longer hangs
AGAIN_S = 2.0  # after which a folder that hung is looked at again, while somebody looks
THREADS_MAX = 8
HANGS = "its folder does not answer"

T = TypeVar("T")
_Task = Callable[[], None]


class Readers:
    """The threads. They begin with the first read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        self._threads = self._idle = self._waiting = 0
        self._begun: dict[tuple[str, int], float] = {}  # (folder, thread) that reads → since when, monotonic
        self._put_off: dict[str, list[_Task]] = {}  # folder → what is done when it answers again

    def hangs(self, path: str) -> bool:
        """Whether a read in the folder of this file hangs."""
        with self._lock:
            return self._hangs(os.path.dirname(path))

    def _hangs(self, folder: str) -> bool:
        before_s = time.monotonic() - READ_S
        return any(one == folder and at_s < before_s for (one, _), at_s in self._begun.items())

    @contextmanager
    def at(self, path: str) -> Iterator[None]:
        """Around all that touches a file, in one of the threads."""
        key = (os.path.dirname(path), threading.get_ident())
        with self._lock:
            self._begun[key] = time.monotonic()
        try:
            yield
        finally:
            with self._lock:
                del self._begun[key]
                put_off = self._put_off.pop(key[0], [])
            for task in put_off:
                self.later(task)

    def submit(self, work: Callable[[], T]) -> "asyncio.Future[T]":
        """Let a thread do it; what comes of it. To cancel that does not end a read that hangs."""
        future: Future[T] = Future()

        def task() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(work())
                except BaseException as error:
                    future.set_exception(error)

        self._put(task)
        return asyncio.wrap_future(future)

    async def call(self, work: Callable[[], T]) -> T:
        """What comes of it.

        Raises:
            TimeoutError: nothing has come within READ_S.
        """
        return await asyncio.wait_for(self.submit(work), READ_S)

    def later(self, task: _Task, path: str = "") -> None:
        """Let a thread do it some time, where `path` is given not before its folder answers; from any thread, never waits."""
        folder = os.path.dirname(path)
        with self._lock:
            if path and self._hangs(folder):
                self._put_off.setdefault(folder, []).append(task)
                return
        self._put(task)

    def close(self) -> None:
        """Let the threads end when they can; waits for none."""
        with self._lock:
            for _ in range(self._threads):
                self._tasks.put(None)

    def _put(self, task: _Task) -> None:
        with self._lock:
            self._waiting += 1
            if self._waiting > self._idle and self._threads < THREADS_MAX:
                self._threads += 1
                threading.Thread(target=self._run, name="reader", daemon=True).start()
        self._tasks.put(task)

    def _run(self) -> None:
        while True:
            with self._lock:
                self._idle += 1
            task = self._tasks.get()
            with self._lock:
                self._idle -= 1
                if task is not None:
                    self._waiting -= 1
            if task is None:
                return
            task()


class Source:
    """The end of one file, as far as its disk answers. `read` is for the threads, one at a time; the rest never waits."""

    def __init__(
        self,
        path: str,
        bytes_max: int,
        readers: Readers,
        watcher: Watcher | None = None,
        on_change: Callable[[], None] | None = None,
    ) -> None:
        """As of a Tail; nothing is opened yet."""
        self.path = path
        self.is_behind = False  # it was not looked at, since its folder hangs
        self._readers = readers
        self._tail = Tail(path, bytes_max, watcher, on_change)
        self._lock = threading.Lock()
        self._is_closed = False

    @property
    def trouble(self) -> str:
        """Why nothing can be read; "" while it can."""
        return HANGS if self.is_behind or self._readers.hangs(self.path) else self._tail.trouble

    @property
    def size(self) -> int:
        """Of the file, as it was last known."""
        return self._tail.size

    def read(self) -> Piece | None:
        """What has come since the last time; None for nothing."""
        if self._readers.hangs(self.path):
            self.is_behind = True
            return None
        with self._lock:
            if self._is_closed:
                return None
            with self._readers.at(self.path):
                piece = self._tail.read()
            self.is_behind = False
        if self._is_closed:
            self._close()  # who closed it has found it busy
        return piece

    def close(self) -> None:
        """Let go of the file, when its disk lets us."""
        self._is_closed = True
        self._readers.later(self._close, self.path)

    def end(self) -> None:
        """The same, in one of the threads."""
        self._is_closed = True
        if self._readers.hangs(self.path):
            self._readers.later(self._close, self.path)
        else:
            self._close()

    def _close(self) -> None:
        if self._lock.acquire(blocking=False):
            try:
                with self._readers.at(self.path):
                    self._tail.close()
            finally:
                self._lock.release()
