"""Squeue --watch: follow the jobs. On a terminal a live table, elsewhere a line for each event.

The lines are those of a stream (jobd.stream), which never misses an event. The table asks for its first page when anything happens, at most
some times a second. Both sleep while nothing happens.
"""

import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any

import zmq

from jobd.cli import render
from jobd.cli.main import say
from jobd.client import Client, Events
from jobd.errors import NoServer
from jobd.limits import PAGE_ROWS_MAX
from jobd.stream import MISSED, EventStream
from jobd.units import format_elapsed
from jobd.wire import messages as m
from jobd.wire.topics import JOB_NOW

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from jobd.cli.squeue import Filter

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
        NoServer: there is none at the beginning.
        BrokenPipeError: nobody reads any more.
    """
    line = json_line if is_json else event_line
    is_choosing = any(part is not None for part in chosen)
    status: m.Status = Client().request(m.Ask())
    if is_ending and is_idle(status):
        return
    with EventStream(status, since, reader_fd=sys.stdout.fileno(), tell=_say) as stream:
        for event in stream:
            if event.kind == MISSED:
                _say(event.text)
            elif chosen.fits(event.job) if event.job is not None else not is_choosing:
                sys.stdout.write(line(event) + "\n")
                sys.stdout.flush()
            if is_ending and event.kind in (MISSED, "ended") and is_idle(Client().request(m.Ask())):
                return


def _say(text: str) -> None:
    say(f"Squeue: {text}")


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
                turn = events.turn() if events.monitor in ready else None
                if turn is not None:
                    self._connected(turn)
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
