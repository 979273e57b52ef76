"""The first screen: the machine, the queue with its trees, the last ends, and more about the job under the cursor."""

import time

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.events import Resize
from textual.widgets import Footer, Static

from jobd.tui import facts, hands
from jobd.tui.acting import CANCEL, HELP, HOLD, NB_PROC, PRIORITY, RELEASE, REQUEUE, RERUN, ActingScreen
from jobd.tui.dialogs import Entry
from jobd.tui.table import Cells, Column, JobTable
from jobd.tui.text import cut, fit, moment
from jobd.wire import messages as m
from jobd.wire.rows import JobRow

COLUMNS = (
    Column("JOB", 10),
    Column("STATE", 9),
    Column("PROCS", 5, is_right=True),
    Column("TIME", 8, is_right=True),
    Column("END", 11),
    Column("NAME", 0, share=2),
    Column("PROGRESS/REASON", 0, share=3),
)
STATES = ("", "runs", "waits", "held", "suspended", "ending")
PAGES_MAX = 25  # that are looked at for a filter, until somebody goes on
RECENT_LINES = 5
RECENT_FROM_HEIGHT = 18  # a lower screen has no room for them


class QueueScreen(ActingScreen):
    """What runs, what waits and why, when it will be over."""

    BINDINGS = [
        HELP,
        Binding("slash", "filter", "find", key_display="/"),
        Binding("s", "state", "state"),
        Binding("m", "mine", "mine", show=False),
        Binding("enter", "open", "open", key_display="enter"),
        CANCEL,
        HOLD,
        RELEASE,
        NB_PROC,
        *(REQUEUE, RERUN, PRIORITY),
        Binding("f", "past", "past"),
        Binding("escape", "clear", "all", show=False),
        Binding("q", "app.quit", "quit"),
    ]
    KEYS = (
        ("up/down, j/k", "choose a job; page up and down, home, end"),
        ("enter", "open it: facts, output, script (or a second click)"),
        ("/", "only jobs with these words"),
        ("s", "only one state, the next one each time"),
        ("m", "only mine, or all"),
        ("escape", "all again"),
        ("f", "what has finished"),
    )

    def __init__(self, chosen: facts.Filter) -> None:
        super().__init__()
        self.chosen = chosen
        self._now_s = time.time()
        self._shown = 0

    def compose(self) -> ComposeResult:
        """Its parts."""
        yield Static(id="head")
        yield Static(id="state")
        yield JobTable(COLUMNS, self._cells, id="jobs")
        yield Static(id="recent")
        yield Static(id="about")
        yield Static(id="note")
        yield Footer(compact=True, show_command_palette=False)

    @property
    def table(self) -> JobTable:
        """The list."""
        return self.query_one("#jobs", JobTable)

    def on_mount(self) -> None:
        """Begin in the list."""
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

    # ---- what comes in
    def pictured(self) -> None:
        """Show the newest picture."""
        if not self.is_mounted:
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
            state.append(facts.counts(picture.status))
            if not self.chosen.words:
                since = moment(picture.status.started_at, self._now_s)
                state.append(f"  server since {since}", "dim")
            if not picture.status.agent_pid:
                state.append("  its agent is away", "bold red")
        if self.chosen.words:
            state.append(f"  only {self.chosen.words}: {self._shown}", "bold yellow")
        self.query_one("#state", Static).update(state)
        recent = self.query_one("#recent", Static)
        recent.display = self.size.height >= RECENT_FROM_HEIGHT
        if recent.display:
            recent.update(self._recent(width))
        self._about()

    def ticked(self) -> None:
        """Times go on."""
        self._now_s = time.time()
        self.table.refresh()

    def _put(self) -> None:
        items = self.top.queue.items(self.chosen)
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
        for _ in range(PAGES_MAX):
            request = queue.next_page()
            if request is None:
                break
            page = await self.do(hands.page, request)
            if page is None:
                break
            queue.add(request, page)
            items = queue.items(self.chosen)
            self._shown = len(items)
            self.table.put(items)
            if len(items) >= self.table.rows_wanted:
                break
        self.table.is_going_to_end = False
        self.pictured()

    # ---- lines
    def _cells(self, item: facts.Item, room: int) -> Cells:
        row = item.row
        progress = self.top.progresses.known.get(row.job_id)
        word = facts.word_of(row)
        said = (
            facts.progress_text(progress, room)
            if progress is not None and row.started_at is not None and not row.children
            else facts.why(row)
        )
        is_old = bool(self.top.queue.picture.trouble)
        style = "dim" if is_old else ""
        return (
            (facts.number_of(row, 9), style),
            (word, "dim" if is_old else facts.STYLES.get(word, "")),
            (str(row.nb_proc), style),
            (facts.time_of(row, self._now_s), style),
            (facts.end_of(row, self._now_s, progress), style),
            (item.indent + facts.name_of(row), style),
            (said, style),
        )

    def _recent(self, width: int) -> Text:
        lines = [Text(fit(" LAST ENDED", width), style="bold underline")]
        for row in [row for row in self.top.queue.picture.recent if self.chosen._replace(state="").fits(row)]:
            if len(lines) == RECENT_LINES:
                break
            word = facts.word_of(row)
            line = Text(f" {fit(facts.number_of(row, 9), 10)} ")
            line.append(fit(word, 9), facts.STYLES.get(word, ""))
            line.append(f" {fit(facts.end_of(row, self._now_s), 9)} ")
            room = max(0, width - 33)
            name = fit(facts.name_of(row), min(24, room // 2))
            line.append(cut(f"{name} {facts.time_of(row, self._now_s):>8}  {facts.why(row)}", room))
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

    def action_clear(self) -> None:
        """All."""
        self._choose(facts.Filter())

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
