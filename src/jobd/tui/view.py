"""Text on the screen that may grow: a script, facts, the output of a job. Bounded, and followed until somebody scrolls away from its end."""

from collections import deque
from collections.abc import Iterable

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from jobd.tui.text import folded, output_line

LINES_MAX = 20_000
_HIT = Style.parse("bold yellow underline")
_HERE = Style.parse("bold reverse")
PENDING_CHARS_MAX = 100_000  # of a line that has not ended


class Scrolled(VerticalScroll):
    """Parts that may need more lines than there are, with the keys of a text."""

    BINDINGS = [
        Binding("k", "scroll_up", "Up", show=False),
        Binding("j", "scroll_down", "Down", show=False),
        Binding("b,ctrl+b", "page_up", "Page up", show=False),
        Binding("space,ctrl+f", "page_down", "Page down", show=False),
        Binding("g", "scroll_home", "First", show=False),
        Binding("G", "scroll_end", "Last", show=False),
    ]


class TextView(ScrollView, can_focus=True):
    """Lines; scrolled by keys and the mouse."""

    BINDINGS = [
        Binding("up,k", "go(-1)", "Up", show=False),
        Binding("down,j", "go(1)", "Down", show=False),
        Binding("pageup,b,ctrl+b", "leaf(-1)", "Page up", show=False),
        Binding("pagedown,space,ctrl+f", "leaf(1)", "Page down", show=False),
        Binding("ctrl+u", "leaf(-0.5)", "Half a page up", show=False),
        Binding("ctrl+d", "leaf(0.5)", "Half a page down", show=False),
        Binding("home,g", "first", "First", show=False),
        Binding("end,G", "last", "Last", show=False),
        Binding("left", "aside(-8)", "Left", show=False),
        Binding("right", "aside(8)", "Right", show=False),
    ]

    class Followed(Message):
        """Whether the end is followed has changed."""

    def __init__(self, *, is_following: bool = False, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: deque[str] = deque(maxlen=LINES_MAX)
        self._pending = ""  # the last line, which has not ended
        self._last: list[str] = []  # the same, as it is shown
        self._cells = 0  # of the widest line
        self._sought = ""  # what is looked for, in small letters
        self._found = -1  # the line where it was found last
        self.is_following = is_following

    @property
    def text(self) -> str:
        """All that is shown."""
        return "\n".join([*self._lines, *self._last])

    # ---- what it shows
    def put(self, text: str) -> None:
        """Show this instead of all that was."""
        self._lines.clear()
        self._pending, self._cells, self._found = "", 0, -1
        self.add(text)

    def add(self, text: str) -> None:
        """Show this too."""
        *whole, self._pending = (self._pending + text).split("\n")
        if len(self._pending) > PENDING_CHARS_MAX:
            whole.append(self._pending)
            self._pending = ""
        elif "\r" in self._pending:
            # What was written over is not needed again; a return at the end may be the first half of a line's end.
            body, _, last = self._pending.rpartition("\r")
            self._pending = f"{body.rpartition(chr(13))[2]}\r{last}"
        for line in whole[-LINES_MAX:]:
            self._keep(line)
        self._grown()

    def _keep(self, line: str) -> None:
        for part in folded(output_line(line)):
            self._lines.append(part)
            self._cells = max(self._cells, cell_len(part))

    def _grown(self) -> None:
        self._last = folded(output_line(self._pending)) if self._pending else []
        cells = max([self._cells, *map(cell_len, self._last)])
        self.virtual_size = Size(cells, len(self._lines) + len(self._last))
        if self.is_following:
            self.scroll_end(animate=False, x_axis=False)
        self.refresh()

    # ---- moving
    def follow(self, is_following: bool) -> None:
        """Stay at the end, or stay here."""
        is_new = is_following != self.is_following
        self.is_following = is_following
        if is_following:
            self.scroll_end(animate=False, x_axis=False)
        if is_new:
            self.post_message(self.Followed())

    def action_go(self, by: int) -> None:
        """So many lines down."""
        self._leave(by)
        self.scroll_relative(y=by, animate=False)

    def action_leaf(self, by: float) -> None:
        """So many screens down."""
        self._leave(by)
        self.scroll_relative(y=int(by * max(2, self.size.height - 1)), animate=False)

    def action_aside(self, by: int) -> None:
        """So many cells to the right."""
        self.scroll_relative(x=by, animate=False)

    def action_first(self) -> None:
        """To the beginning."""
        self.follow(False)
        self.scroll_home(animate=False)

    def action_last(self) -> None:
        """To the end, and stay there."""
        self.follow(True)

    def _leave(self, by: float) -> None:
        if by < 0:
            self.follow(False)

    def on_mouse_scroll_up(self) -> None:
        """Who turns the wheel up wants to read."""
        self.follow(False)

    # ---- looking for something
    @property
    def sought(self) -> str:
        """What was looked for last."""
        return self._sought

    def seek(self, words: str, by: int = 0) -> bool:
        """Look for words, in any case; whether they were found. The line is brought into sight, and following pauses.

        Args:
            by: 0: from the end back, as the newest is what somebody who follows wants; 1, -1: the next place below or above the last one.
        """
        self._sought = words.lower()
        if not words:
            self.refresh()
            return True
        lines = [*self._lines, *self._last]
        places: Iterable[int] = range(len(lines) - 1, -1, -1)
        if by and self._found >= 0:
            places = range(self._found + by, len(lines) if by > 0 else -1, by)
        for place in places:
            if self._sought in lines[place].lower():
                self.follow(False)
                self._found = place
                self.scroll_to(y=max(0, place - self.size.height // 2), animate=False)
                at = cell_len(lines[place][: lines[place].lower().index(self._sought)])
                if not self.scroll_offset.x <= at < self.scroll_offset.x + self.size.width - len(words):
                    self.scroll_to(x=max(0, at - self.size.width // 2), animate=False)
                self.refresh()
                return True
        self.refresh()
        return False

    # ---- drawing
    def render_line(self, y: int) -> Strip:
        """A line as it is seen."""
        cells = self.scrollable_content_region.width
        place = self.scroll_offset.y + y
        base = self.rich_style
        line = ""
        if place < len(self._lines):
            line = self._lines[place]
        elif place - len(self._lines) < len(self._last):
            line = self._last[place - len(self._lines)]
        if not line:
            return Strip.blank(cells, base)
        left = self.scroll_offset.x
        return Strip(self._parts(line, base, place)).crop_extend(left, left + cells, base)

    def _parts(self, line: str, base: Style, place: int) -> list[Segment]:
        """The line, with what was looked for marked."""
        small = line.lower() if self._sought else ""
        if not small or len(small) != len(line):
            return [Segment(line, base)]
        hit = base + (_HERE if place == self._found else _HIT)
        parts, at = [], 0
        while (begin := small.find(self._sought, at)) >= 0:
            end = begin + len(self._sought)
            parts += [Segment(line[at:begin], base), Segment(line[begin:end], hit)]
            at = end
        return [*parts, Segment(line[at:], base)]
