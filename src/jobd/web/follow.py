"""Keeps what the charts remember up to date: one thread that follows the events, and at the first start goes back through the history.

    first start, or events were missed ──▶ the events that are kept, page by page ──▶ the running jobs ──▶ events as they come
                                                                                     └─▶ the history, page by page, newest first

Pages are small and have pauses between them, so that neither the server nor the page is held up by a million finished jobs. What is
counted and the number of the last event are written together; while nothing happens nothing wakes.
"""

import contextlib
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

from jobd.client import Client as Asker
from jobd.errors import JobdError
from jobd.stream import MISSED, EventStream
from jobd.web.ledger import Ledger
from jobd.web.samples import Sampler, Watched
from jobd.web.store import Store, Taken, alone, discard, is_damaged
from jobd.web.usage import KEPT_S, Point
from jobd.wire import messages as m
from jobd.wire.rows import JobRow

log = logging.getLogger("jobd.web")

AGAIN_S = 2.0  # while there is no server
TAKEN_S = 10.0  # while another page keeps the record
ANSWER_S = 10.0
QUIET_S = 0.3  # what has happened is written after so long without more
BUSY_S = 1.0  # and after so long in any case
PAGE_ROWS = 500  # at a time: some milliseconds of the server's time and of ours
REST = 2.0  # pauses are so many times as long as our work before them
TIDY_S = 600.0
BACK_S = 5.0  # the history is read from a little before the last event that is known: an end has two clocks


class Fill:
    """A walk back through the history."""

    def __init__(self, begun: float, since: float, cursor: str = "", at: float | None = None) -> None:
        self.begun = begun  # who ended later comes with the events
        self.since = since
        self.cursor = cursor
        self.at = begun if at is None else at  # so far

    @property
    def share(self) -> float:
        """How much of it is done, by time: 0 to 1."""
        return (self.begun - self.at) / max(1.0, self.begun - self.since)


class Follower:
    """The thread. `ledger` and `fill` are for others to read."""

    def __init__(
        self, path: str, sampler: Sampler, on_change: Callable[[], None], *, curves_kept_s: float
    ) -> None:
        """
        Args:
            path: of the store.
            on_change: called when what is kept has changed, in this thread; must not wait.
        """
        self.ledger: Ledger | None = None
        self.fill: Fill | None = None
        self.trouble = ""
        self._path, self._sampler, self._on_change = path, sampler, on_change
        self._curves_kept_s = curves_kept_s
        self._ending = threading.Event()
        self._stream: EventStream | None = None
        self._server_id = ""
        self._last_seq, self._last_at = 0, 0.0
        self._is_dirty = self._is_gap = self._is_live = False
        self._is_torn = False  # the file is damaged, as somebody has found who reads it
        self._saved_s = self._tidied_s = 0.0  # monotonic
        self._thread = threading.Thread(target=self._run, name="usage", daemon=True)

    def start(self) -> None:
        """Follow from now on."""
        self._thread.start()

    def torn(self, error: sqlite3.Error) -> None:
        """Somebody could not read what is kept; where it is of no more use, begin anew."""
        if is_damaged(error, self._path):
            self._is_torn = True
            stream = self._stream
            if stream is not None:
                stream.wake()

    def close(self) -> None:
        """Write what is known, and end."""
        self._ending.set()
        stream = self._stream
        if stream is not None:
            stream.wake()
        if self._thread.is_alive():
            self._thread.join()

    # ---- in its thread
    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                status: m.Status = _ask(m.Ask())
                with alone(self._path), closing(Store(self._path)) as store:
                    self._follow(store, status)
            except (JobdError, sqlite3.Error) as error:
                if self.trouble != str(error):
                    log.info("charts: %s", error)
                self.trouble = str(error)
                if self._is_torn or is_damaged(error, self._path):
                    self._renew()
                # Only until a server is there, the disk has room, or another page has ended: nobody tells of that.
                self._ending.wait(TAKEN_S if isinstance(error, Taken) else AGAIN_S)

    def _renew(self) -> None:
        """What is kept is of no more use: it is read anew."""
        self._is_torn = False
        log.warning("%s is damaged or gone: the history is read anew", self._path)
        with contextlib.suppress(OSError):
            discard(self._path)

    def _follow(self, store: Store, status: m.Status) -> None:
        """All from here on; what is not committed when it fails is read again."""
        self._server_id = store.value("server_id") or ""
        self._last_seq, self._last_at = store.value("last") or (0, 0.0)
        fill = store.value("fill")
        self.fill = Fill(*fill) if fill else None
        self.ledger = Ledger(store)
        self._is_dirty = self._is_gap = self._is_live = False
        if status.server_id != self._server_id:
            self._begin_anew(store, status.server_id)
        self._catch_up(store)
        self._is_live = True  # a process that an older event tells of may be gone, and its number another's
        self._take_running(store)
        self.trouble = ""
        self._stream = stream = EventStream(status, self._last_seq)
        try:
            while not self._ending.is_set():
                pause_s: float | None = QUIET_S if self._is_dirty else None
                if self.fill is not None:
                    pause_s = self._fill_some(store)
                events = stream.wait(pause_s)
                if self._is_torn:
                    raise sqlite3.DatabaseError("the record is damaged")
                if events:
                    self._take_all(store, events)
                if self._is_dirty and (not events or time.monotonic() - self._saved_s > BUSY_S):
                    self._save(store)
        finally:
            self._stream = None
            stream.close()
        for holder in self.ledger.living():
            self._keep_curve(store, holder.row)
        self._save(store)

    def _begin_anew(self, store: Store, server_id: str) -> None:
        """Another journal than before, or the first one."""
        store.begin()
        if self._server_id:
            store.new_journal()
        store.remember("server_id", server_id)
        self._server_id, self._last_seq, self._last_at = server_id, 0, 0.0
        for job_id in self._ledger.drop_all_but(set()):
            self._sampler.end(job_id)
        self._want_fill(0.0)
        self._save(store)

    @property
    def _ledger(self) -> Ledger:
        assert self.ledger is not None
        return self.ledger

    def _want_fill(self, since: float) -> None:
        now = time.time()
        since = max(since - BACK_S, now - KEPT_S)
        if self.fill is not None:
            since = min(since, self.fill.since)
        self.fill = Fill(now, since)
        self._is_dirty = True

    def _catch_up(self, store: Store) -> None:
        """What was told while we were away, or before we were there, with pauses."""
        asker = Asker(is_starting=False, deadline_s=ANSWER_S)
        try:
            while not self._ending.is_set():
                began_s = time.thread_time()
                page: m.EventPage = asker.request(m.ListEvents(self._last_seq, PAGE_ROWS))
                first = page.events[0].seq if page.events else page.oldest_seq
                if first > self._last_seq + 1:
                    missed = m.Event(first - 1, page.events[0].at if page.events else 0.0, MISSED, None)
                    self._take_all(store, [missed])
                before = self._last_seq
                self._take_all(store, page.events)
                if (
                    page.events and self._last_seq <= before
                ):  # numbers that make no sense: the history knows better
                    self._take_all(store, [m.Event(page.last_seq, time.time(), MISSED, None)])
                self._save(store)
                if not page.events or self._last_seq >= page.last_seq:
                    return
                self._ending.wait(REST * (time.thread_time() - began_s))
        finally:
            asker.close()

    def _take_running(self, store: Store) -> None:
        """The jobs that run now, whatever was told of them before."""
        store.begin()
        rows = list(_living())
        now = time.time()
        for job_id in self._ledger.drop_all_but({row.job_id for row in rows}) if self._is_gap else ():
            self._sampler.end(job_id)
        self._is_gap = False
        for row in rows:
            is_new = row.job_id not in self._ledger.holders
            self._see(store, row, (row.started_at or now) if is_new else now)
        self._is_dirty = True

    def _take_all(self, store: Store, events: list[m.Event]) -> None:
        store.begin()
        for event in events:
            self._take(store, event)
        if self._is_gap and self._is_live:
            self._take_running(store)

    def _take(self, store: Store, event: m.Event) -> None:
        self._is_dirty = True
        if event.kind == MISSED:
            if event.seq == 0:
                status: m.Status = _ask(m.Ask())
                self._begin_anew(store, status.server_id)
                store.begin()
            else:
                self._want_fill(self._last_at)
                self._is_gap = True
            self._last_seq = event.seq
            return
        self._last_seq, self._last_at = event.seq, max(event.at, self._last_at)
        row = event.job
        if row is None:
            return
        if row.ended_at is not None:
            self._ledger.end(row, self._sampler.end(row.job_id) or _curve(store, row))
        else:
            self._see(store, row, event.at)

    def _see(self, store: Store, row: JobRow, at: float) -> None:
        if self._ledger.see(row, at) is None:
            self._sampler.end(row.job_id)
        elif row.started_at is not None and row.pid and self._is_live:
            watched = Watched(row.job_id, row.pid, row.started_at)
            self._sampler.begin(self._server_id, watched, lambda: _curve(store, row))

    def _keep_curve(self, store: Store, row: JobRow) -> None:
        points = self._sampler.points(row.job_id)
        if points and row.started_at is not None:
            store.begin()
            store.put_curve(row.job_id, row.started_at, None, points)

    # ---- the history
    def _fill_some(self, store: Store) -> float:
        """One page further back; how long to rest then."""
        fill = self.fill
        assert fill is not None
        began_s = time.thread_time()
        store.begin()
        request = m.ListJobs(cursor=fill.cursor, rows_max=PAGE_ROWS, is_finished=True, since_s=fill.since)
        page: m.JobPage = _ask(request)
        for row in page.rows:
            # Who ended after the walk began, or is not over as far as we were told, comes with the events.
            if (
                row.ended_at is not None
                and row.ended_at <= fill.begun
                and row.job_id not in self._ledger.holders
            ):
                self._ledger.find(row)
                fill.at = min(fill.at, row.ended_at)
        fill.cursor = page.cursor
        if not page.cursor:
            self.fill = None
        self._is_dirty = True
        self._save(store)
        return REST * (time.thread_time() - began_s)

    def _save(self, store: Store) -> None:
        if not os.path.exists(self._path):
            raise sqlite3.DatabaseError("the record is gone")
        store.begin()
        self._ledger.write()
        store.remember("last", [self._last_seq, self._last_at])
        fill = self.fill
        store.remember("fill", [fill.begun, fill.since, fill.cursor, fill.at] if fill is not None else None)
        if time.monotonic() - self._tidied_s > TIDY_S:
            self._tidied_s = time.monotonic()
            self._ledger.tidy(time.time(), self._curves_kept_s)
        store.commit()
        self._is_dirty = False
        self._saved_s = time.monotonic()
        self._on_change()  # only now, since who asks reads what is committed


def _ask(request: Any) -> Any:
    asker = Asker(is_starting=False, deadline_s=ANSWER_S)
    try:
        return asker.request(request)
    finally:
        asker.close()


def _living() -> Iterator[JobRow]:
    """All jobs that have started and are not over."""
    asker = Asker(is_starting=False, deadline_s=ANSWER_S)
    try:
        request = m.ListJobs(states=["RUNNING", "SUSPENDED", "COMPLETING"])
        while True:
            page: m.JobPage = asker.request(request)
            yield from page.rows
            if not page.cursor:
                return
            request = request._replace(cursor=page.cursor)
    finally:
        asker.close()


def _curve(store: Store, row: JobRow) -> list[Point]:
    return store.curve(row.job_id, row.started_at) if row.started_at is not None else []
