"""The events of the server, each handled once: what is to be told of it goes into the outbox, together with its number.

    events ─▶ notices of each ─┐
    arrays that may be over ───┼─▶ one transaction: what was not told yet, the position ─▶ the senders are woken
    time that is used up ──────┘

What can no longer be heard (the journal keeps so many events, or is another one) is made up for by the lists: of the jobs that have ended since,
and of those that live. What was told already is known by its key.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from jobd.api.client import Client
from jobd.errors import JobdError, JournalError, NoServer
from jobd.limits import IDS_MAX
from jobd.notify import kinds
from jobd.notify.config import Config
from jobd.notify.kinds import Wish
from jobd.notify.senders import Senders
from jobd.notify.store import Damaged, Notice, Position, Store
from jobd.notify.tell import Teller, array_id_of
from jobd.states import JobState
from jobd.stream import MISSED, EventStream
from jobd.waits import pages
from jobd.wire import messages as m
from jobd.wire.rows import JobRow

BATCH_MAX = 200  # events of one transaction
BACK_S = 120.0  # ends that were missed are looked for from so long before the last event that was handled
AGAIN_S, AGAIN_MAX_S = 1.0, 30.0  # until a server that has gone in the middle of a question is asked again
UNWRITTEN_MAX = 1000  # events in which there was nothing to tell

Given = TypeVar("Given")
Found = TypeVar("Found")


class _Ending(Exception):
    """We are to end."""


class Follower:
    """What is told of which event."""

    def __init__(self, config: Config, store: Store, senders: Senders, log: Callable[[str], None]) -> None:
        self._config = config
        self._store = store
        self._senders = senders
        self._log = log
        self._client = Client(is_starting=False)
        self._teller = Teller(config, self._client.connection.request, log)
        self._stream: EventStream | None = None
        self._ended = threading.Event()
        self._must_look = True  # at the jobs that run, for their time limits
        self._began_at = time.time()

    def end(self) -> None:
        """Follow no more; from any thread."""
        self._ended.set()
        stream = self._stream
        if stream is not None:
            stream.wake()

    def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Follow until `end`.

        Args:
            ready: called when what happens from now on is not missed; perhaps more than once.
        """
        position = self._store.position()
        try:
            while True:
                if position is None:
                    position = self._first_position()
                elif self._must_look:
                    self._look_at_living()
                seq = "its start" if position is None else f"number {position.seq}"
                self._log(f"follows the events of the server from {seq} on")
                with EventStream(
                    _nobody(position), 0 if position is None else position.seq, tell=self._heard_of_server
                ) as stream:
                    self._stream = stream
                    ready()
                    if self._must_look and position is not None:
                        self._look_at_living()  # it may have come up just before the stream was there to hear of it
                    position = self._follow(stream, position)
        except _Ending:
            pass
        finally:
            self._stream = None
            self._client.close()

    def _first_position(self) -> Position | None:
        """Nothing was ever handled, so what happens from now on is ours. None while there is no server: then it is what happens from its start on."""
        try:
            status = self._client.status()
            position = Position(status.server_id, status.last_seq, time.time())
            self._put((), position)
            self._look_at_living()
        except NoServer:
            return None
        return position

    def _heard_of_server(self, text: str) -> None:
        """The server has gone, or is back. The stream's own thread, which is ours."""
        if self._must_look and "back" in text and self._stream is not None:
            self._stream.wake()

    def _follow(self, stream: EventStream, position: Position | None) -> Position:
        """Handle what comes, until something was missed; the position then.

        Raises:
            _Ending: it is the end.
        """
        written = position
        try:
            while True:
                self._check_end()
                events = stream.wait(self._teller.timers.pause_s(time.time()))
                if events and (position is None or any(event.kind == MISSED for event in events)):
                    return self._until_answered(self._recover, position)
                if self._must_look:
                    self._look_at_living()
                for begin in range(0, len(events), BATCH_MAX):
                    self._check_end()
                    assert position is not None  # or there were no events
                    part = events[begin : begin + BATCH_MAX]
                    notices = self._until_answered(self._teller.notices_of, part)
                    new = Position(position.server_id, part[-1].seq, part[-1].at)
                    # Where there was nothing to tell there is nothing to be told twice: the disk is spared.
                    if notices or written is None or new.seq - written.seq >= UNWRITTEN_MAX:
                        self._put(notices, new)
                        written = new
                    position = new  # not before it is told: this is what is written at the end
                self._put(self._teller.safely("a time limit", self._teller.due(time.time())), None)
        finally:
            if position is not None and position != written:
                with contextlib.suppress(JobdError):  # what it says is handled again, and makes nothing new
                    self._store.take((), self._senders.letters_of, position)

    def _put(self, notices: Sequence[Notice], position: Position | None) -> None:
        """Into the outbox, together with the position; where the disk is full, when it is not any more.

        Raises:
            _Ending: it is the end.
            Damaged: it never can be.
        """
        pause_s = AGAIN_S
        while notices or position is not None:
            try:
                new = self._store.take(notices, self._senders.letters_of, position)
            except Damaged:
                raise
            except JobdError as error:
                self._log(f"{error}; tried again in {pause_s:.0f} s")
                self._ended.wait(pause_s)
                self._check_end()
                pause_s = min(2 * pause_s, AGAIN_MAX_S)
                continue
            self._senders.tell({transport for _, transport in new})
            return

    def _until_answered(self, act: Callable[[Given], Found], given: Given) -> Found:
        """Do what asks the server; if it has gone, again when it is back.

        Raises:
            _Ending: it is the end.
        """
        pause_s = AGAIN_S
        while True:
            self._check_end()
            try:
                return act(given)
            except NoServer:
                self._ended.wait(pause_s)
            except JournalError as error:  # its disk may be full
                self._log(f"{error}; asked again in {pause_s:.0f} s")
                self._ended.wait(pause_s)
            pause_s = min(2 * pause_s, AGAIN_MAX_S)

    def _check_end(self) -> None:
        if self._ended.is_set():
            raise _Ending

    # ---- what was not heard
    def _recover(self, position: Position | None) -> Position:
        """Make up for events that can no longer be told, by the lists; the position from which on events are whole again."""
        status = self._client.status()
        since_s = self._began_at if position is None else position.at - BACK_S
        self._log("events were missed: the lists of jobs are asked for what has ended since")
        arrays: dict[int, tuple[JobRow, Wish]] = {}
        with self._gathering() as tell:
            for row in pages(self._client.connection.request, m.ListJobs(is_finished=True, since_s=since_s)):
                wish = kinds.wish_of(row, self._config.rules)
                if wish is None or row.ended_at is None:
                    continue
                if kinds.is_as_one(row, wish):
                    arrays[array_id_of(row)] = row, wish
                what = f"job {row.job_id}"
                tell(self._teller.safely(what, self._teller.of_missed(row, wish, since_s)))
                tell(self._teller.safely(what, self._teller.of_end(row, wish, row.ended_at)))
            for array_id, (row, wish) in arrays.items():
                tell(self._teller.safely(f"array {array_id}", self._teller.of_array(array_id, row, wish)))
        self._must_look = True
        self._look_at_living(since_s)
        new = Position(status.server_id, status.last_seq, time.time())
        self._put((), new)
        return new

    @contextlib.contextmanager
    def _gathering(self) -> Iterator[Callable[[Sequence[Notice]], None]]:
        """Notices put into the outbox by the hundred."""
        found: list[Notice] = []

        def tell(notices: Sequence[Notice]) -> None:
            found.extend(notices)
            if len(found) >= BATCH_MAX:
                self._put(found, None)
                found.clear()

        yield tell
        self._put(found, None)

    def _look_at_living(self, since_s: float | None = None) -> None:
        """Know of the jobs that run, for their time limits; tell what was missed of all that live since then (wall).

        Where there is no server now, it is done when it is back.
        """
        try:
            self._teller.timers.clear()
            with self._gathering() as tell:
                for row in self._living_rows(is_waiting_too=since_s is not None):
                    wish = kinds.wish_of(row, self._config.rules)
                    self._teller.timers.see(row, wish)
                    if wish is not None and since_s is not None:
                        what = f"job {row.job_id}"
                        tell(self._teller.safely(what, self._teller.of_missed(row, wish, since_s)))
            self._clean()
        except NoServer:
            if since_s is not None:
                raise
            return
        self._must_look = False

    def _clean(self) -> None:
        try:
            self._store.clean(self._living(self._store.told_living()))
        except (NoServer, Damaged):
            raise
        except JobdError as error:
            self._log(f"{error}")  # what could not be forgotten does no harm

    def _living_rows(self, *, is_waiting_too: bool) -> Iterator[JobRow]:
        """The jobs that have begun and are not over, with which a list begins, and perhaps those that wait."""
        for row in pages(self._client.connection.request, m.ListJobs()):
            if row.state == JobState.PENDING.value and not is_waiting_too:
                break
            yield row

    def _living(self, job_ids: Sequence[int]) -> set[int]:
        """Those of these jobs and arrays that live."""
        found: set[int] = set()
        for begin in range(0, len(job_ids), IDS_MAX):
            request = m.ListJobs(job_ids=list(job_ids[begin : begin + IDS_MAX]), is_with_arrays=True)
            for row in pages(self._client.connection.request, request):
                found |= {row.job_id, array_id_of(row)}
        return found


def _nobody(position: Position | None) -> m.Status:
    """A server that is not there: its journal is known, and no more."""
    server_id, seq = ("", 0) if position is None else (position.server_id, position.seq)
    return m.Status("", 0, server_id, 0.0, 0, 0, 0, 0, 0, 0, None, [], seq)
