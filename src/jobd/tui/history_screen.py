"""The finished jobs, newest first, page by page."""

import time

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.widgets import Footer, Static

from jobd.tui import facts, hands
from jobd.tui.acting import (
    CANCEL,
    HELP,
    HOLD,
    KEY_OF_MARKS,
    MARK,
    NB_PROC,
    PRIORITY,
    RELEASE,
    REQUEUE,
    ActingScreen,
    unseen,
)
from jobd.tui.dialogs import Entry
from jobd.tui.queue import History
from jobd.tui.table import Cells, Column, JobTable
from jobd.tui.text import cut, size_text
from jobd.units import format_elapsed
from jobd.wire import messages as m
from jobd.wire.rows import JobRow

COLUMNS = (
    Column("ENDED", 12),
    Column("JOB", 18),
    Column("STATE", 9),
    Column("EXIT", 5, is_right=True, leaves=2),
    Column("PROCS", 7, is_right=True, leaves=1),
    Column("TIME", 12, is_right=True, leaves=3),
    Column("NAME", 60, is_name=True),
    Column("REASON"),
)
STATES = ("", "completed", "failed", "cancelled", "timeout", "no memory", "lost")
PAGES_MAX = 25


class HistoryScreen(ActingScreen):
    """What has been."""

    BINDINGS = [
        HELP,
        Binding("f,q", "leave", "back", key_display="q"),
        Binding("escape", "clear", "back", show=False),
        Binding("enter", "open", "open", key_display="enter"),
        Binding("slash,f3,f4", "filter", "find", key_display="/"),
        Binding("s", "state", "state"),
        Binding("m", "mine", "mine"),
        Binding("a", "rerun", "run again"),
        MARK,
        *unseen(CANCEL, HOLD, RELEASE, REQUEUE, PRIORITY, NB_PROC),
    ]
    KEYS = (
        ("up/down, j/k", "choose a job; at the end more are asked for"),
        ("enter", "open it"),
        ("/", "only jobs with these words"),
        ("s", "only one state, the next one each time"),
        ("m", "only mine, or all"),
        KEY_OF_MARKS,
        ("escape", "unmark; all again; back"),
        ("f, q", "back to the queue"),
    )

    def __init__(self) -> None:
        super().__init__()
        self._history = History(facts.Filter())

    def compose(self) -> ComposeResult:
        """Its parts."""
        yield Static(id="head")
        yield JobTable(COLUMNS, self._cells, id="jobs")
        yield Static(id="note")
        yield Static(id="about")
        yield Footer(compact=True, show_command_palette=False)

    @property
    def table(self) -> JobTable:
        """The list."""
        return self.query_one("#jobs", JobTable)

    def on_mount(self) -> None:
        """Ask for the first page."""
        self.has_parts = True
        self.table.focus()
        self._show()
        self._load()

    def current(self) -> JobRow | None:
        """The job under the cursor."""
        return self.table.selected

    def marked(self) -> list[JobRow]:
        """Those that are marked."""
        return self.table.marked

    def unmark(self) -> None:
        """Mark none."""
        self.table.unmark()

    # ---- what comes in
    def heard(self, events: list[m.Event]) -> None:
        """What has ended now stands in front."""
        if self._history.heard(events):
            self._show()

    def pictured(self) -> None:
        """The server may be back."""
        self._show()

    def on_job_table_near_end(self) -> None:
        """More."""
        self._load()

    @work(group="load", exclusive=True)
    async def _load(self) -> None:
        history = self._history
        for _ in range(PAGES_MAX):
            request = history.next_page()
            if request is None:
                break
            page = await self.do(hands.page, request)
            if page is None or history is not self._history:
                return
            history.add(request, page)
            self._show()
            if len(history.items) >= self.table.rows_wanted:
                break
        self.table.is_going_to_end = False
        self._show()

    # ---- lines
    def _show(self) -> None:
        history = self._history
        self.table.put(history.items)
        head = Text(" finished jobs ", style="bold reverse", no_wrap=True, overflow="ellipsis")
        head = Text.assemble(head, f"  {len(history.items)} shown, {history.looked_at} looked at")
        head.append("" if history.next_page() is None else ", there are more (end)")
        if history.chosen.words:
            head.append(f"  only {history.chosen.words}", "bold yellow")
        if marked := len(self.table.marked):
            head.append(f"  {marked} marked", "bold yellow reverse")
        if trouble := self.top.queue.picture.trouble:
            head.append(f"  {trouble} ", "bold red reverse")
        self.query_one("#head", Static).update(head)

    def _cells(self, item: facts.Item, room: int) -> Cells:
        row, now_s = item.row, time.time()
        word = facts.word_of(row)
        return (
            (facts.end_of(row, now_s), ""),
            (facts.number_of(row, 9), ""),
            (word, facts.STYLES.get(word, "")),
            (facts.code_of(row), ""),
            (str(row.nb_proc), ""),
            (facts.time_of(row, now_s), ""),
            (facts.name_of(row), ""),
            (facts.why(row), ""),
        )

    def on_job_table_moved(self) -> None:
        """More about the job under the cursor."""
        row = self.current()
        text = Text(no_wrap=True)
        width = max(1, self.size.width)
        if row is not None:
            used = ""
            if row.batch is not None:
                used = f", used {format_elapsed(row.batch.cpu_s)} of processors"
                used += (
                    f" and {size_text(row.batch.memory_peak_bytes)}" if row.batch.memory_peak_bytes else ""
                )
            first = f"{facts.number_of(row)} {facts.name_of(row)}: {facts.word_of(row)}, {facts.why(row) or '-'}{used}"
            text.append(cut(first, width), "bold")
            text.append("\n" + cut(facts.call_of(row), width), "dim")
        else:
            text.append("nothing" + (" fits (escape shows all)" if self._history.chosen.words else ""))
        self.query_one("#about", Static).update(text)

    # ---- filters
    def _choose(self, chosen: facts.Filter) -> None:
        self._history = History(chosen)
        self._show()
        self._load()

    @work(group="ask", exclusive=True)
    async def action_filter(self) -> None:
        """Ask for words."""
        title = "Only jobs with these words in number, name, command, folder or reason"
        value = await self.top.push_screen_wait(Entry(title, self._history.chosen.text, lambda text: ""))
        if value is not None:
            self._choose(self._history.chosen._replace(text=value.strip()))

    def action_state(self) -> None:
        """The next state."""
        at = STATES.index(self._history.chosen.state)
        self._choose(self._history.chosen._replace(state=STATES[(at + 1) % len(STATES)]))

    def action_mine(self) -> None:
        """Mine or all."""
        chosen = self._history.chosen
        self._choose(chosen._replace(user="" if chosen.user else self.top.user))

    # ---- other screens
    def action_open(self) -> None:
        """Show the job under the cursor."""
        self.table.action_open()

    def on_job_table_opened(self, message: JobTable.Opened) -> None:
        """Show the job."""
        self.top.open_job(message.row.job_id, message.row)

    def on_job_table_marked(self) -> None:
        """Say how many."""
        self._show()

    def action_mark(self) -> None:
        """Mark the job under the cursor, or no longer."""
        self.table.action_mark()

    def action_clear(self) -> None:
        """None marked; then all; then back."""
        if self.table.unmark():
            return
        if self._history.chosen.words:
            self._choose(facts.Filter())
        else:
            self.action_leave()

    def action_leave(self) -> None:
        """Back."""
        self.top.pop_screen()
