"""What a page or a screen shows of the queue, kept up to date: the first rows, the last ends, the machine, and whether the server is there.

One thread follows the events; a new picture is asked for when something has happened, at most some times a second, and costs one page
however long the queue is. While nothing happens nothing wakes. It never starts a server, and outlives its restarts.
"""

import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import NamedTuple

import zmq

from jobd.client import Client as Asker
from jobd.client import is_server_alive
from jobd.errors import JobdError, NoServer
from jobd.stream import EventStream
from jobd.wire import batch as b
from jobd.wire import messages as m
from jobd.wire.rows import JobRow

ROWS_MAX = 200
RECENT_MAX = 20
PAUSE_S = 0.1  # between two pictures
AGAIN_S = 1.0  # while there is no server
ANSWER_S = 5.0  # a server that takes longer counts as away


class Picture(NamedTuple):
    """How things are; never changed, but followed by another."""

    number: int  # of the picture, from 1
    at: float
    trouble: str = "not asked yet"  # why what stands below may be old; "" while the server answers
    status: m.Status | None = None
    node: b.Node | None = None
    rows: tuple[JobRow, ...] = ()  # running, suspended, then waiting, in the order of the queue
    is_cut: bool = False  # there are more
    recent: tuple[JobRow, ...] = ()  # the last that ended, newest first


class Board:
    """The picture, and who wants to know of a new one."""

    def __init__(
        self,
        on_picture: Callable[[Picture], None],
        *,
        on_events: Callable[[list[m.Event]], None] | None = None,
        rows_max: int = ROWS_MAX,
        recent_max: int = RECENT_MAX,
        pause_s: float = PAUSE_S,
    ) -> None:
        """
        Args:
            on_picture: called with each new picture, in the board's thread; must not wait.
            on_events: called with all that has happened, in its order, before the picture that shows it.
        """
        self._on_picture = on_picture
        self._on_events = on_events or (lambda events: None)
        self._rows_max, self._recent_max, self._pause_s = rows_max, recent_max, pause_s
        self._stream: EventStream | None = None
        self._ending = threading.Event()
        self._is_gone = False  # the stream has lost the server
        self.picture = Picture(0, time.time())
        self._thread = threading.Thread(target=self._run, name="board", daemon=True)

    def start(self) -> None:
        """Follow the server from now on."""
        self._thread.start()

    def close(self, patience_s: float | None = None) -> None:
        """Follow it no more.

        Args:
            patience_s: for its thread, which may be asking a server that hangs; None: until it has ended. It tells nothing any more.
        """
        self._ending.set()
        stream = self._stream
        if stream is not None:
            stream.wake()
        if self._thread.is_alive():
            self._thread.join(patience_s)

    def look(self) -> None:
        """Make a new picture soon though nothing has happened; from any thread."""
        stream = self._stream
        if stream is not None:
            stream.wake()

    # ---- in its thread
    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                with closing(Asker(is_starting=False, deadline_s=ANSWER_S)) as asker:
                    status = asker.request(m.Ask())
                self._is_gone = False
                self._stream = EventStream(status, tell=self._heard_of_server)
                self._follow(self._stream)
            except (JobdError, OSError, zmq.ZMQError) as error:
                # No server, until the first one is there: nobody tells of its coming. Or no more descriptors, in this process or in
                # the machine; that may pass, too.
                self._trouble(_words(error))
                self._ending.wait(AGAIN_S)
            finally:
                stream, self._stream = self._stream, None
                if stream is not None:
                    stream.close()

    def _follow(self, stream: EventStream) -> None:
        self._ask()
        asked_s = time.monotonic()
        while not self._ending.is_set():
            # A server that is back may answer before the stream stands again: until then nobody would tell that it goes once more.
            events = stream.wait(None if self._is_settled() else AGAIN_S)
            if self._ending.is_set():
                return
            if events:
                self._on_events(events)
            self._ending.wait(max(0.0, asked_s + self._pause_s - time.monotonic()))
            # What has happened in the pause is in the picture too.
            if more := stream.wait(0.0):
                self._on_events(more)
            asked_s = time.monotonic()
            self._ask()

    def _is_settled(self) -> bool:
        """Whether an event will tell of the next change: not so of the server's own coming, nor of its agent's."""
        status = self.picture.status
        return not (self.picture.trouble or self._is_gone or status is None or status.agent_pid is None)

    def _heard_of_server(self, text: str) -> None:
        self._is_gone = "gone" in text
        if self._is_gone:
            self._trouble("the server has gone; waiting for it")
        elif self._stream is not None:
            self._stream.wake()

    def _ask(self) -> None:
        try:
            self._show(ask(self._rows_max, self._recent_max))
        except JobdError as error:
            self._trouble(_words(error))

    def _trouble(self, text: str) -> None:
        if text != self.picture.trouble:
            self._show(self.picture._replace(trouble=text))

    def _show(self, picture: Picture) -> None:
        if self._ending.is_set():
            return  # whoever wanted to know may be gone
        self.picture = picture._replace(number=self.picture.number + 1, at=time.time())
        self._on_picture(self.picture)


def ask(rows_max: int = ROWS_MAX, recent_max: int = RECENT_MAX, *, deadline_s: float = ANSWER_S) -> Picture:
    """How things are now.

    Raises:
        JobdError: there is no server, or it did not answer in time.
    """
    with closing(Asker(is_starting=False, deadline_s=deadline_s)) as asker:
        page: m.JobPage = asker.request(m.ListJobs(rows_max=rows_max))
        recent: m.JobPage = asker.request(m.ListJobs(rows_max=recent_max, is_finished=True))
        node: b.Node = asker.request(b.AskNode())
    ended = tuple(recent.rows)
    # What has ended between the two answers stands in both.
    over = {row.job_id for row in ended}
    rows = tuple(row for row in page.rows if row.job_id not in over)
    return Picture(1, time.time(), "", page.status, node, rows, bool(page.cursor), ended)


def _words(error: Exception) -> str:
    if isinstance(error, NoServer) and not is_server_alive():
        return "there is no server"
    return str(error)
