"""One job: all facts, what it writes as it writes it, its script."""

import codecs
import time

from rich.table import Table
from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.timer import Timer
from textual.widgets import ContentSwitcher, Footer, Static

from jobd.api.tail import Tail
from jobd.stream import MISSED
from jobd.tui import facts, hands
from jobd.tui.acting import (
    CANCEL,
    HELP,
    HOLD,
    NB_PROC,
    PRIORITY,
    RELEASE,
    REQUEUE,
    RERUN,
    ActingScreen,
    unseen,
)
from jobd.tui.dialogs import Entry
from jobd.tui.text import cut, safe, size_text
from jobd.tui.view import Scrolled, TextView
from jobd.wire import messages as m
from jobd.wire.rows import JobRow

OUTPUT_BYTES_MAX = 256 * 1024  # of the end of an output; what is before it is in the file
FACT_CELLS_MAX = 2000  # of one fact
PAUSE_S = 0.1  # between two looks at an output that grows
PARTS = ("output", "errors", "script", "facts")


class _Output:
    """A file that is followed into a view."""

    def __init__(self, tail: Tail, view: TextView) -> None:
        self.tail, self.view = tail, view
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def read(self) -> None:
        """Take in what has come."""
        piece = self.tail.read()
        if piece is None:
            return
        if not piece.is_new:
            self.view.add(self._decoder.decode(piece.data))
            return
        self._decoder.reset()
        text = self._decoder.decode(piece.data)
        if piece.begin:
            _, end, rest = text.partition("\n")
            text = f"(what is before: {size_text(piece.begin)} in the file)\n{rest if end else text}"
        self.view.put(text)


class JobScreen(ActingScreen):
    """A job, living or finished."""

    BINDINGS = [
        HELP,
        Binding("q,escape", "leave", "back", key_display="q"),
        Binding("tab", "next", "next part", key_display="tab"),
        Binding("1", "show('output')", "output", show=False),
        Binding("2", "show('errors')", "errors", show=False),
        Binding("3", "show('script')", "script", show=False),
        Binding("4", "show('facts')", "facts", show=False),
        Binding("f", "follow", "follow/pause"),
        Binding("slash", "find", "find", key_display="/"),
        Binding("n", "find_next(1)", "next", show=False),
        Binding("N", "find_next(-1)", "previous", show=False),
        CANCEL,
        HOLD,
        RELEASE,
        RERUN,
        *(REQUEUE, PRIORITY, *unseen(NB_PROC)),
    ]
    KEYS = (
        ("1 2 3 4, tab", "output, errors, script, all facts"),
        ("f", "follow the output, or pause (scrolling up pauses too)"),
        ("up/down, j/k", "scroll; page up and down, home, left, right, as in less"),
        ("end, G", "to the end, and follow it"),
        ("/, n, N", "find words, from the end back; once more below, above"),
        ("escape, q", "back"),
    )

    def __init__(self, job_id: int, row: JobRow | None) -> None:
        super().__init__()
        self._job_id, self._row = job_id, row
        self._outputs: dict[str, _Output] = {}
        self._timer: Timer | None = None
        self._was_away = False

    def compose(self) -> ComposeResult:
        """Its parts."""
        yield Static(id="head")
        yield Static(id="about")
        yield Static(id="parts")
        with ContentSwitcher(initial="output", id="switch"):
            yield TextView(is_following=True, id="output")
            yield TextView(is_following=True, id="errors")
            yield TextView(id="script")
            yield Scrolled(Static(id="list"), id="facts")
        yield Static(id="note")
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """Ask for all of it."""
        self.has_parts = True
        self.query_one("#output").focus()
        self._changed()
        self._ask()

    def on_unmount(self) -> None:
        """Let go of the files."""
        for output in self._outputs.values():
            output.tail.close()
        self._outputs.clear()

    def current(self) -> JobRow | None:
        """This job."""
        return self._row

    # ---- what comes in
    @work(group="row", exclusive=True)
    async def _ask(self) -> None:
        row = await self.do(hands.job, self._job_id)
        if row is not None:
            self._row = row
        elif self._row is None:
            self.note(f"job {self._job_id} is not known", is_bad=True)
        self._changed()
        await self._read_script()

    async def _read_script(self) -> None:
        row = self._row
        if row is None:
            return
        view = self.query_one("#script", TextView)
        if row.batch is None or not row.batch.has_script:
            view.put(f"It has no script; its command is:\n{facts.command_of(row)}")
            return
        data = await self.do(hands.script, row.job_id)
        if data is not None:
            view.put(data.decode("utf-8", "replace"))

    def heard(self, events: list[m.Event]) -> None:
        """What has happened to it."""
        for event in events:
            if event.job is not None and event.job.job_id == self._job_id:
                self._row = event.job
                self._changed()
            elif event.kind == MISSED:
                self._ask()

    def pictured(self) -> None:
        """The picture tells the reason of one that waits better than its last event."""
        for row in self.top.queue.picture.rows:
            if row.job_id == self._job_id:
                self._row = row
        is_away = bool(self.top.queue.picture.trouble)
        if self._row is None and self._was_away and not is_away:
            self._ask()
        self._was_away = is_away
        self._changed()

    def ticked(self) -> None:
        """Times go on; a file may have come."""
        if self.top.watcher is None or any(output.tail.trouble for output in self._outputs.values()):
            self._read()
        self._lines()

    def _changed(self) -> None:
        if not self.has_parts:
            return
        self._open_outputs()
        self._read()
        self._lines()

    # ---- output
    def _open_outputs(self) -> None:
        row = self._row
        batch = row.batch if row is not None else None
        paths = {"output": batch.stdout if batch is not None else ""}
        paths["errors"] = batch.stderr if batch is not None and batch.stderr != batch.stdout else ""
        for part, path in paths.items():
            here = self._outputs.get(part)
            if here is not None and here.tail.path == path:
                continue
            if here is not None:
                here.tail.close()
                del self._outputs[part]
            if path:
                tail = Tail(path, OUTPUT_BYTES_MAX, self.top.watcher, self._grown)
                self._outputs[part] = _Output(tail, self.query_one(f"#{part}", TextView))

    def _grown(self) -> None:
        """An output has grown: look at it soon, and not for every line."""
        if self._timer is None:
            self._timer = self.set_timer(PAUSE_S, self._read)

    def _read(self) -> None:
        self._timer = None
        for part in ("output", "errors"):
            view = self.query_one(f"#{part}", TextView)
            output = self._outputs.get(part)
            if output is None:
                view.put(self._no_file(part))
            elif view.is_following or not view.text:
                output.read()
                if output.tail.trouble:
                    view.put(self._trouble(output.tail))

    def _no_file(self, part: str) -> str:
        row = self._row
        if row is None:
            return ""
        if row.batch is None or not row.batch.stdout:
            return f"It writes to where {safe(row.kind)} was called."
        return f"Its errors are with its {'output' if part == 'errors' else part}."

    def _trouble(self, tail: Tail) -> str:
        row = self._row
        if row is not None and row.started_at is None:
            return "It has not started."
        return f"{tail.trouble}: {tail.path}"

    def on_text_view_followed(self) -> None:
        """Followed again, or paused."""
        self._read()
        self._lines()

    # ---- lines
    def _lines(self) -> None:
        row, now_s = self._row, time.time()
        width = max(1, self.size.width)
        if row is None:
            return
        progress = self.top.progresses.known.get(row.job_id) if row.ended_at is None else None
        word = facts.word_of(row)
        head = Text(f" job {facts.number_of(row)} ", style="bold reverse", no_wrap=True, overflow="ellipsis")
        head = Text.assemble(
            head, f" {cut(facts.name_of(row), max(10, width // 3))}  ", (word, facts.STYLES.get(word, ""))
        )
        if progress is not None:
            head.append(f"  {facts.progress_text(progress, 44)}")
        if row.state in facts.FINAL:
            head.append(f"  exit code {facts.code_of(row)}")
        if self.top.queue.picture.trouble:
            head.append("  " + self.top.queue.picture.trouble, "bold red")
        self.query_one("#head", Static).update(head)
        end = facts.end_of(row, now_s, progress)
        numbers = [f"procs {row.nb_proc}", f"time {facts.time_of(row, now_s) or '-'}"]
        numbers += (
            [f"{'ended' if row.ended_at is not None else 'end' if row.started_at else 'starts'} {end}"]
            if end
            else []
        )
        numbers += [f"priority {row.priority}"]
        about = Text(cut("  ".join(numbers), width), no_wrap=True)
        about.append(
            "\n" + cut(facts.why(row) or facts.call_of(row), width),
            "bold" if facts.why(row) else "dim",
        )
        self.query_one("#about", Static).update(about)
        self._part_line()
        told = Table.grid(padding=(0, 2, 0, 0))
        told.add_column(justify="right", no_wrap=True)
        told.add_column(overflow="fold")
        for name, value in facts.facts(row, now_s):
            told.add_row(Text(cut(name, 20), "bold"), Text(cut(value, FACT_CELLS_MAX)))
        self.query_one("#list", Static).update(told)

    def _part_line(self) -> None:
        here = self.query_one("#switch", ContentSwitcher).current
        line = Text(no_wrap=True)
        for number, part in enumerate(PARTS, 1):
            line.append(f" {number} {part} ", "reverse" if part == here else "").append(" ")
        if here in ("output", "errors"):
            view = self.query_one(f"#{here}", TextView)
            line.append(
                "  following" if view.is_following else "  paused: f goes on",
                "bold yellow" if not view.is_following else "dim",
            )
        self.query_one("#parts", Static).update(line)

    def on_click(self, event: object) -> None:
        """A click on the name of a part shows it."""
        x, y = getattr(event, "screen_x", -1), getattr(event, "screen_y", -1)
        if y != self.query_one("#parts").region.y:
            return
        at = 0
        for number, part in enumerate(PARTS, 1):
            at += len(f" {number} {part} ") + 1
            if x < at:
                self.action_show(part)
                return

    # ---- moving
    def action_show(self, part: str) -> None:
        """Another part."""
        self.query_one("#switch", ContentSwitcher).current = part
        self.query_one(f"#{part}").focus()
        self._part_line()

    def action_next(self) -> None:
        """The next part."""
        here = self.query_one("#switch", ContentSwitcher).current or PARTS[0]
        self.action_show(PARTS[(PARTS.index(here) + 1) % len(PARTS)])

    def action_follow(self) -> None:
        """Follow, or pause."""
        here = self.query_one("#switch", ContentSwitcher).current
        if here in ("output", "errors"):
            view = self.query_one(f"#{here}", TextView)
            view.follow(not view.is_following)

    def _view(self) -> TextView | None:
        here = self.query_one("#switch", ContentSwitcher).current
        return None if here == "facts" else self.query_one(f"#{here}", TextView)

    @work(group="ask", exclusive=True)
    async def action_find(self) -> None:
        """Ask for words, and look for them."""
        view = self._view()
        if view is None:
            return
        words = await self.top.push_screen_wait(Entry("Find these words", view.sought, lambda text: ""))
        if words is not None and not view.seek(words.strip()):
            self.note(f"{words.strip()!r} is not here", is_bad=True)

    def action_find_next(self, by: int) -> None:
        """Look once more, below or above."""
        view = self._view()
        if view is None or not view.sought:
            self.note("nothing is looked for (/ does)", is_bad=True)
        elif not view.seek(view.sought, by):
            self.note(f"{view.sought!r} is not {'below' if by > 0 else 'above'}", is_bad=True)

    def action_leave(self) -> None:
        """Back."""
        if len(self.top.screen_stack) > 1:
            self.top.pop_screen()
