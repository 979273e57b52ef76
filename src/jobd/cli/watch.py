"""Squeue --watch: follow the jobs. On a terminal a live table, elsewhere a line for each event.

The stream (Stream) never misses an event, whatever happens to the server or the connection:

    subscribe ─▶ the subscription stands (an answer to it came) ─▶ ask for what was since the last number ─▶ events as they come
        ▲                                                                                                     │ a gap: ask
        └─────────────── the connection has come again ◀──── has gone: say so, wait ◀─────────────────────────┘

The table asks for its first page when anything happens, at most some times a second. Both sleep while nothing happens.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import zmq

from jobd.cli import render
from jobd.cli.main import say
from jobd.client import Client, Events
from jobd.errors import NoServer, WireError
from jobd.limits import EVENTS_PAGE_MAX, PAGE_ROWS_MAX
from jobd.units import format_elapsed
from jobd.wire import codec
from jobd.wire import messages as m
from jobd.wire.topics import JOB_NOW, job_topic

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from jobd.cli.squeue import Filter

QUIET_MS = 1000  # after so long without events we ask once whether the last ones were dropped on the way
ASK_PAUSE_S = 0.2  # between two pages for the table
ASK_AGAIN_S = 1.0  # where the server is there and did not answer
ANSWER_S = 5.0  # a server that takes longer counts as gone, so that the table can say so
PAGES_LOOKED_AT_MAX = 10  # for a filter that the server does not know, at each change
_EVENTS_DRAINED_MAX = 10_000  # before the table is drawn again


def watch(chosen: "Filter", *, is_json: bool, since: int | None, is_ending: bool = False) -> int:
    """Follow the jobs that are meant, until we are stopped or, with `is_ending`, until no job lives."""
    is_table = sys.stdout.isatty() and not is_json and since is None
    if is_table and os.environ.get("TERM", "dumb") not in ("dumb", "unknown", ""):
        from jobd.cli.screen import Screen

        return _Table(chosen, is_ending=is_ending).run(Screen())
    follow(chosen, is_json=is_json, since=since, is_ending=is_ending)
    return 0


# ---- on a pipe
def follow(chosen: "Filter", *, is_json: bool, since: int | None, is_ending: bool = False) -> None:
    """Print a line for each event, for ever or, with `is_ending`, until no job lives.

    Raises:
        BrokenPipeError: nobody reads any more.
    """
    line = json_line if is_json else event_line
    is_choosing = any(part is not None for part in chosen)
    if is_ending and is_idle(Client().request(m.Ask())):
        return
    for event in Stream(sys.stdout.fileno()).events(since):
        if chosen.fits(event.job) if event.job is not None else not is_choosing:
            sys.stdout.write(line(event) + "\n")
            sys.stdout.flush()
        if is_ending and event.kind == "ended" and is_idle(Client().request(m.Ask())):
            return


def is_idle(status: m.Status) -> bool:
    """Whether no job lives."""
    return status.running + status.suspended + status.waiting == 0


def event_line(event: m.Event) -> str:
    """TIME SEQ KIND JOBID STATUS NB_PROC SHORT_COMMAND (REASON)"""
    row = event.job
    at = f"{render.format_time(event.at, '-')}.{int(event.at % 1 * 1000):03}"
    head = f"{at} {event.seq:6} {render.printable(event.kind):9}"
    if row is None:
        return f"{head} {'-':>6} {'-':6} {'-':>7} {render.printable(event.text)}".rstrip()
    reason = f"  ({render.printable(row.reason)})" if row.reason else ""
    return (
        f"{head} {row.job_id:6} {render.status_of(row):6} {row.nb_proc:7} {render.short_command(row)}{reason}"
    )


def json_line(event: m.Event) -> str:
    """The event as a JSON object, its job as in the list."""
    job = None if event.job is None else render.as_json(event.job)
    return json.dumps({**event._asdict(), "job": job})


class Stream:
    """All events from a number on, each once, in order."""

    def __init__(self, reader_fd: int | None = None, tell: Callable[[str], None] | None = None) -> None:
        """
        Args:
            reader_fd: where the events go to; the stream ends when nobody reads there any more.
            tell: what is to be said to the person.
        """
        self._tell = tell or (lambda text: say(f"Squeue: {text}"))
        self._reader_fd = reader_fd
        self._last_seq = 0
        self._server_id = ""

    def events(self, since: int | None) -> Iterator[m.Event]:
        """The events after number `since`, or from now on. Never ends by itself.

        Raises:
            NoServer: there is none at the beginning.
            BrokenPipeError: nobody reads any more.
        """
        status: m.Status = Client().request(m.Ask())
        self._server_id = status.server_id
        self._last_seq = status.last_seq if since is None else since
        events = Events(b"")
        # The server answers a subscription to a job. Ours is to one that cannot be, so the answer tells us alone that from here on we
        # hear everything: what came before we ask for, what comes later is sent.
        nobody = job_topic(10**17 + int.from_bytes(os.urandom(6)))
        events.socket.setsockopt(zmq.SUBSCRIBE, nobody)
        poller = zmq.Poller()
        poller.register(events.socket, zmq.POLLIN)
        poller.register(events.monitor, zmq.POLLIN)
        if self._reader_fd is not None:
            poller.register(self._reader_fd, zmq.POLLERR)
        is_to_check = has_gone = False
        while True:
            ready = dict(poller.poll(QUIET_MS if is_to_check else None))
            if self._reader_fd in ready:
                raise BrokenPipeError
            if events.socket in ready:
                topic, data = _received(events.socket)
                if topic == nobody + JOB_NOW.encode():
                    if has_gone:
                        self._tell("the server is back")
                    has_gone = False
                    yield from self._missed()
                else:
                    yield from self._heard(data)
                    is_to_check = True
            elif events.monitor in ready:
                if events.wait(0) is False and not has_gone:
                    self._tell("the server has gone; waiting for it")
                    has_gone = True
            elif not ready:
                # An event that was dropped because we were slow shows as a gap before the next; the last ones have no next.
                is_to_check = False
                yield from self._missed()

    def _heard(self, data: bytes) -> Iterator[m.Event]:
        try:
            event = _event(data)
        except WireError:
            return  # if it had a number it will be missed, and asked for
        if event.seq == self._last_seq + 1:
            self._last_seq = event.seq
            yield event
        elif event.seq > self._last_seq:
            yield from self._missed()

    def _missed(self) -> Iterator[m.Event]:
        """What was since the last number. A server that goes meanwhile is asked when it is back."""
        client = Client(is_starting=False)
        try:
            status: m.Status = client.request(m.Ask())
            if status.server_id != self._server_id or status.last_seq < self._last_seq:
                self._tell("the server has a new journal; its events are shown from the first on")
                self._server_id, self._last_seq = status.server_id, 0
            while True:
                page: m.EventPage = client.request(m.ListEvents(self._last_seq, EVENTS_PAGE_MAX))
                for event in page.events:
                    if event.seq > self._last_seq + 1:
                        self._tell(f"events {self._last_seq + 1} to {event.seq - 1} are no longer kept")
                    self._last_seq = event.seq
                    yield event
                if not page.events:
                    if page.oldest_seq > self._last_seq + 1:
                        self._tell(f"events {self._last_seq + 1} to {page.oldest_seq - 1} are no longer kept")
                        self._last_seq = page.oldest_seq - 1
                    return
                if self._last_seq >= page.last_seq:
                    return
        except NoServer:
            return
        finally:
            client.close()


def _received(socket: Any) -> tuple[bytes, bytes]:
    frames: list[bytes] = socket.recv_multipart()
    return frames[0], frames[-1]


def _event(data: bytes) -> m.Event:
    fields = codec.unpack(data)
    if type(fields) is not list:
        raise WireError("no event")
    event: m.Event = codec.build(m.Event, fields)
    return event


# ---- on a terminal
class _Table:
    """The live table: what it shows, and when it asks."""

    def __init__(self, chosen: "Filter", *, is_ending: bool = False) -> None:
        self._chosen = chosen
        self._is_ending = is_ending
        self._status: m.Status | None = None
        self._rows: list[m.JobRow] = []
        self._is_cut = False  # there are more than fit
        self._trouble = ""
        self._client = Client(is_starting=False, deadline_s=ANSWER_S)
        self._ask_at_s: float | None = 0.0  # monotonic; None: when something happens
        self._asked_s = 0.0

    def run(self, screen: "Any") -> int:
        """Show it until q is pressed.

        Raises:
            NoServer: there is none at the beginning.
            KeyboardInterrupt: Ctrl-C; the terminal is as it was.
        """
        self._status = Client().request(m.Ask())  # as any client does, this starts a server
        events = Events(b"")
        poller = zmq.Poller()
        poller.register(events.socket, zmq.POLLIN)
        poller.register(events.monitor, zmq.POLLIN)
        with screen:
            for descriptor in screen.descriptors:
                poller.register(descriptor, zmq.POLLIN)
            while True:
                now_s = time.monotonic()
                if self._ask_at_s is not None and now_s >= self._ask_at_s:
                    self._ask(screen.height)
                if self._is_ending and not self._trouble and is_idle(self._status):
                    return 0
                screen.draw(self._picture)
                ready = dict(poller.poll(self._sleep_ms()))
                if events.socket in ready and _drained(events.socket):
                    self._ask_soon()
                if events.monitor in ready:
                    self._connected(bool(events.wait(0)))
                if screen.heard(ready):
                    self._ask_soon()
                if screen.is_leaving:
                    return 0

    def _ask_soon(self) -> None:
        soon_s = self._asked_s + ASK_PAUSE_S
        self._ask_at_s = soon_s if self._ask_at_s is None else min(self._ask_at_s, soon_s)

    def _connected(self, is_connected: bool) -> None:
        if is_connected:
            self._ask_soon()
        else:
            self._trouble = "the server has gone; this comes back with it"
            self._ask_at_s = None

    def _sleep_ms(self) -> int | None:
        """Until the next page is due, or the next second if one can see it pass."""
        ends = []
        if self._ask_at_s is not None:
            ends.append(self._ask_at_s - time.monotonic())
        if not self._trouble and any(row.started_at is not None for row in self._rows):
            ends.append(1.0 - time.time() % 1.0)
        return max(0, int(min(ends) * 1000) + 1) if ends else None

    def _ask(self, height: int) -> None:
        """Get as many rows as the screen has."""
        chosen = self._chosen
        rows_max = max(1, height)
        states = [] if chosen.states is None else sorted(chosen.states) or ["-"]
        size = PAGE_ROWS_MAX if chosen.needs_looking else min(rows_max, PAGE_ROWS_MAX)
        ids = sorted(chosen.job_ids or ())
        request = m.ListJobs("", size, ids, states, is_with_arrays=bool(ids))
        rows: list[m.JobRow] = []
        try:
            for _ in range(PAGES_LOOKED_AT_MAX):
                page: m.JobPage = self._client.request(request)
                rows += [row for row in page.rows if chosen.fits(row)]
                if len(rows) >= rows_max or not page.cursor:
                    break
                request = request._replace(cursor=page.cursor)
        except NoServer as error:
            self._client.close()
            self._trouble = self._trouble or str(error)
            self._asked_s = time.monotonic()
            self._ask_at_s = self._asked_s + ASK_AGAIN_S
            return
        self._rows, self._status, self._is_cut = rows, page.status, bool(page.cursor)
        self._trouble = ""
        self._asked_s = time.monotonic()
        self._ask_at_s = None

    def _picture(self, console: "Console") -> "RenderableType":
        assert self._status is not None
        return picture(
            self._status,
            self._rows,
            width=console.width,
            height=console.height,
            now_s=time.time(),
            is_cut=self._is_cut,
            trouble=self._trouble,
        )


def _drained(socket: Any) -> bool:
    """Take in what has come; whether anything has happened."""
    has_happened = False
    for _ in range(_EVENTS_DRAINED_MAX):
        try:
            topic = socket.recv_multipart(zmq.NOBLOCK)[0]
        except zmq.Again:
            break
        # A snapshot is an answer to somebody else's subscription; nothing has happened.
        has_happened = has_happened or not topic.endswith(f".{JOB_NOW}".encode())
    return has_happened


_STYLES = {"RUNNING": "green", "COMPLETING": "green", "SUSPENDED": "yellow"}
_LINES_AROUND = 4  # summary, bar, the table's header, the line at the bottom
_BAR_CELLS = 40


def picture(
    status: m.Status,
    rows: list[m.JobRow],
    *,
    width: int,
    height: int,
    now_s: float,
    is_cut: bool,
    trouble: str,
) -> "RenderableType":
    """What the screen shows, for rich."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    head = Text(render.summary(status), style="bold", no_wrap=True, overflow="crop")
    bar = ProgressBar(
        total=max(1, status.nb_proc),
        completed=min(status.used, max(1, status.nb_proc)),
        width=min(_BAR_CELLS, max(1, width // 3)),
        complete_style="red" if status.used > status.nb_proc else "green",
        finished_style="green",
    )
    counts = f"  {status.running} running, {status.suspended} suspended, {status.waiting} waiting"
    second = Table.grid()
    second.add_column()
    second.add_column(no_wrap=True, overflow="crop")
    second.add_row(bar, Text(counts))
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="reverse", expand=True)
    for name, justify in (
        ("JOBID", "right"),
        ("PARENT", "right"),
        ("STATUS", "left"),
        ("NB_PROC", "right"),
        ("TIME", "right"),
    ):
        table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    table.add_column("SHORT_COMMAND", no_wrap=True, ratio=1, overflow="ellipsis")
    table.add_column("REASON", no_wrap=True, ratio=1, overflow="ellipsis")
    shown = rows[: max(0, height - _LINES_AROUND)]
    for row in shown:
        *cells, command = render.short_cells(row)
        elapsed = "" if row.started_at is None else format_elapsed(render.elapsed_s(row, now_s))
        texts = (*cells[:4], elapsed, command, render.printable(row.reason))
        table.add_row(*map(Text, texts), style="dim" if trouble else _STYLES.get(row.state, ""))
    foot = trouble or ("more below; q leaves" if is_cut or len(shown) < len(rows) else "q leaves")
    last = Text(foot, style="bold red" if trouble else "dim", no_wrap=True, overflow="crop")
    return Group(head, second, table, last)
