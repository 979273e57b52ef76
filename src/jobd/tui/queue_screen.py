"""The first screen: the machine, the queue with its trees, the last ends, and more about the job under the cursor."""

import time

from rich.cells import cell_len
from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.events import Resize
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
    RERUN,
    ActingScreen,
)
from jobd.tui.dialogs import Entry
from jobd.tui.table import Cells, Column, JobTable
from jobd.tui.text import cut, fit, moment
from jobd.wire import messages as m
from jobd.wire.rows import JobRow

COLUMNS = (
    Column("JOB", 18),
    Column("STATE", 9),
    Column("PROCS", 7, is_right=True, leaves=1),
    Column("TIME", 12, is_right=True, leaves=2),
    Column("END", 16, leaves=3),
    Column("NAME", 60, is_name=True),
    Column("PROGRESS/REASON"),
)
STATES = ("", "runs", "waits", "held", "suspended", "ending")
PAGES_MAX = 25  # that are looked at for a filter, until somebody goes on
RECENT_LINES = 5
ABOUT_FROM_HEIGHT = 14  # a lower screen has no room for its second line
RECENT_FROM_HEIGHT = 18  # a lower screen has no room for them


class QueueScreen(ActingScreen):
    """What runs, what waits and why, when it will be over."""

    BINDINGS = [
        HELP,
        Binding("q,f10", "app.quit", "quit", key_display="q"),
        Binding("enter", "open", "open", key_display="enter"),
        Binding("slash,f3,f4", "filter", "find", key_display="/"),
        CANCEL,
        HOLD,
        RELEASE,
        Binding("f", "past", "past"),
        MARK,
        *(NB_PROC, REQUEUE, RERUN, PRIORITY),
        Binding("s", "state", "state", show=False),
        Binding("m", "mine", "mine", show=False),
        Binding("escape", "clear", "all", show=False),
    ]
    KEYS = (
        ("up/down, j/k", "choose a job; page up and down, home, end, g, G"),
        ("enter", "open it: facts, output, script (or a second click)"),
        ("/", "only jobs with these words"),
        ("s", "only one state, the next one each time"),
        ("m", "only mine, or all"),
        KEY_OF_MARKS,
        ("escape", "unmark; all again"),
        ("f", "what has finished"),
        ("END", "~14:05 by its progress, <14:05 by its time limit,"),
        ("", "from 14:05: it is expected to start then"),
    )

    def __init__(self, chosen: facts.Filter) -> None:
        super().__init__()
        self.chosen = chosen
        self._now_s = time.time()
        self._shown = 0
        self._is_looking = False  # for what fits, page by page

    def compose(self) -> ComposeResult:
        """Its parts."""
        yield Static(id="head")
        yield Static(id="state")
        yield JobTable(COLUMNS, self._cells, id="jobs")
        yield Static(id="recent")
        yield Static(id="note")
        yield Static(id="about")
        yield Footer(compact=True, show_command_palette=False)

    @property
    def table(self) -> JobTable:
        """The list."""
        return self.query_one("#jobs", JobTable)

    def on_mount(self) -> None:
        """Begin in the list."""
        self.has_parts = True
        self.table.focus()
        self.pictured()

    def on_resize(self, event: Resize) -> None:
        """Lines are cut to the width."""
        self.call_after_refresh(self.pictured)

    def on_screen_resume(self) -> None:
        """Back from another screen."""
        self.pictured()

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
    def pictured(self) -> None:
        """Show the newest picture."""
        if not self.has_parts:
            return
        self._now_s = time.time()
        self._put()
        picture = self.top.queue.picture
        width = max(1, self.size.width)
        head = Text(no_wrap=True, overflow="crop")
        for text, style in facts.head(picture.status, picture.node):
            head.append(text, style)
        self.query_one("#head", Static).update(head)
        state = Text(no_wrap=True, overflow="ellipsis")
        if picture.trouble:
            words = "asking the server" if picture.number == 0 else picture.trouble
            state.append(f" {words} ", "bold" if picture.number == 0 else "bold red reverse")
            if picture.status is not None:
                state.append(" (what stands here is old)")
        elif picture.status is not None:
            state.append(facts.counts(picture))
            over = facts.over_of(picture, self.top.progresses.known, self._now_s)
            if over and not self.chosen.words:
                state.append(f"  {over}", "bold")
            elif not self.chosen.words:
                since = moment(picture.status.started_at, self._now_s)
                state.append(f"  server since {since}", "dim")
            if not picture.status.agent_pid:
                state.append("  its agent is away", "bold red")
        if self.chosen.words:
            state.append(f"  only {self.chosen.words}: {self._shown}", "bold yellow")
            if not self.top.queue.is_whole:
                looked_at = max(self.top.queue.looked_at, len(picture.rows))
                more = "…" if self._is_looking else ", end: more"
                state.append(f" in {looked_at}{more}", "bold yellow")
        if marked := len(self.table.marked):
            state.append(f"  {marked} marked", "bold yellow reverse")
        self.query_one("#state", Static).update(state)
        self.query_one("#about").styles.height = 2 if self.size.height >= ABOUT_FROM_HEIGHT else 1
        recent = self.query_one("#recent", Static)
        recent.display = self.size.height >= RECENT_FROM_HEIGHT
        if recent.display:
            recent.update(self._recent(width))
        self._about()

    def ticked(self) -> None:
        """Times go on."""
        self._now_s = time.time()
        self.table.measure()
        self.table.refresh()

    def _put(self) -> None:
        self.top.queue.choose(self.chosen)
        items = self.top.queue.items()
        self._shown = len(items)
        self.table.put(items)
        if len(items) < self.table.rows_wanted and self.chosen.words and not self.top.queue.is_whole:
            self._load_once()

    def heard(self, events: list[m.Event]) -> None:
        """The picture that follows shows it."""

    # ---- more of a long queue
    def on_job_table_near_end(self) -> None:
        """The end of what is known is in sight."""
        if not self.top.queue.is_whole:
            self._load()
        else:
            self.table.is_going_to_end = False

    def _load_once(self) -> None:
        """Look for what a filter lets through, once for each filter."""
        if self._loaded_for != self.chosen:
            self._loaded_for = self.chosen
            self._load()

    _loaded_for: facts.Filter | None = None

    @work(group="load", exclusive=True)
    async def _load(self) -> None:
        queue = self.top.queue
        self._is_looking = True
        try:
            for _ in range(PAGES_MAX):
                request = queue.next_page()
                page = None if request is None else await self.do(hands.page, request)
                if request is None or page is None:
                    break
                queue.add(request, page)
                self.pictured()
                if self._shown >= self.table.rows_wanted:
                    break
        finally:
            self._is_looking = False
        self.table.is_going_to_end = False
        self.pictured()

    # ---- lines
    def _cells(self, item: facts.Item, room: int) -> Cells:
        row = item.row
        progress = self.top.progresses.known.get(row.job_id)
        word = facts.word_of(row)
        is_measured = progress is not None and row.started_at is not None and not row.children
        said = facts.progress_text(progress, room) if progress is not None and is_measured else facts.why(row)
        is_old = bool(self.top.queue.picture.trouble)
        style = "dim" if is_old else ""
        return (
            (facts.number_of(row, 9), style),
            (word, "dim" if is_old else facts.STYLES.get(word, "")),
            (str(row.nb_proc), style),
            (facts.time_of(row, self._now_s), style),
            (facts.end_of(row, self._now_s, progress), style),
            (item.indent + facts.name_of(row), style),
            (said, style or ("green" if is_measured else "")),
        )

    def _recent(self, width: int) -> Text:
        lines = [Text(fit(" LAST ENDED", width), style="bold underline")]
        fitting = [row for row in self.top.queue.picture.recent if self.chosen._replace(state="").fits(row)]
        rows = [
            (
                facts.number_of(row, 9),
                facts.word_of(row),
                facts.end_of(row, self._now_s),
                facts.time_of(row, self._now_s),
                cut(facts.name_of(row), max(1, width // 3)),
                facts.why(row),
            )
            for row in fitting[: RECENT_LINES - 1]
        ]
        widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
        for cells in rows:
            line = Text(" ")
            for place, (cell, cells_wide) in enumerate(zip(cells[:-1], widths, strict=False)):
                style = facts.STYLES.get(cell, "") if place == 1 else ""
                line.append(fit(cell, cells_wide, is_right=place == 3), style).append(" ")
            line.append(cut(cells[-1], max(0, width - line.cell_len)))
            line.truncate(width)
            lines.append(line)
        return Text("\n").join(lines)

    def on_job_table_moved(self) -> None:
        """More about the job under the cursor."""
        self._about()

    def _about(self) -> None:
        row = self.current()
        width = max(1, self.size.width)
        text = Text(no_wrap=True)
        if row is not None:
            said = facts.why(row)
            first = f"{facts.number_of(row)} {facts.name_of(row)}: {facts.word_of(row)}" + (
                f", {said}" if said else ""
            )
            text.append(cut(first, width), "bold")
            text.append("\n" + cut(facts.call_of(row), width), "dim")
        elif self.top.queue.picture.status is not None:
            text.append("no job fits (escape shows all)" if self.chosen.words else "no job runs or waits")
        self.query_one("#about", Static).update(text)

    # ---- filters
    def _choose(self, chosen: facts.Filter) -> None:
        self.chosen = chosen
        self._loaded_for = None
        self.pictured()

    @work(group="ask", exclusive=True)
    async def action_filter(self) -> None:
        """Ask for words."""
        title = "Only jobs with these words in number, name, command, folder or reason"
        value = await self.top.push_screen_wait(Entry(title, self.chosen.text, lambda text: ""))
        if value is not None:
            self._choose(self.chosen._replace(text=value.strip()))

    def action_state(self) -> None:
        """The next state."""
        at = STATES.index(self.chosen.state) if self.chosen.state in STATES else 0
        self._choose(self.chosen._replace(state=STATES[(at + 1) % len(STATES)]))

    def action_mine(self) -> None:
        """Mine or all."""
        self._choose(self.chosen._replace(user="" if self.chosen.user else self.top.user))

    def action_mark(self) -> None:
        """Mark the job under the cursor, or no longer."""
        self.table.action_mark()

    def action_clear(self) -> None:
        """None marked; then all."""
        if not self.table.unmark():
            self._choose(facts.Filter())

    def on_job_table_marked(self) -> None:
        """Say how many."""
        self.pictured()
        if self.table.is_all_marked and not self.top.queue.is_whole:
            self.note(
                "the queue is longer than what is known of it here; only what stands in the list is marked"
            )

    # ---- other screens
    def action_open(self) -> None:
        """Show the job under the cursor."""
        self.table.action_open()

    def on_job_table_opened(self, message: JobTable.Opened) -> None:
        """Show the job."""
        self.top.open_job(message.row.job_id, message.row)

    def action_past(self) -> None:
        """Show the finished ones."""
        self.top.open_history()
