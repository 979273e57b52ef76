"""Text on the screen that may grow: a script, facts, the output of a job. Bounded, and followed until somebody scrolls away from its end."""

from collections import deque

from rich.cells import cell_len
from rich.segment import Segment
from textual.binding import Binding
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from jobd.tui.text import folded, output_line

LINES_MAX = 20_000
PENDING_CHARS_MAX = 100_000  # of a line that has not ended


class TextView(ScrollView, can_focus=True):
    """Lines; scrolled by keys and the mouse."""

    BINDINGS = [
        Binding("up,k", "go(-1)", "Up", show=False),
        Binding("down,j", "go(1)", "Down", show=False),
        Binding("pageup", "leaf(-1)", "Page up", show=False),
        Binding("pagedown,space", "leaf(1)", "Page down", show=False),
        Binding("home", "first", "First", show=False),
        Binding("end", "last", "Last", show=False),
        Binding("left", "aside(-8)", "Left", show=False),
        Binding("right", "aside(8)", "Right", show=False),
    ]

    class Followed(Message):
        """Whether the end is followed has changed."""

    def __init__(self, *, is_following: bool = False, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: deque[str] = deque(maxlen=LINES_MAX)
        self._pending = ""  # the last line, which has not ended
        self._cells = 0  # of the widest line
        self.is_following = is_following

    @property
    def text(self) -> str:
        """All that is shown."""
        return "\n".join([*self._lines, *self._last()])

    # ---- what it shows
    def put(self, text: str) -> None:
        """Show this instead of all that was."""
        self._lines.clear()
        self._pending, self._cells = "", 0
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

    def _last(self) -> list[str]:
        return folded(output_line(self._pending)) if self._pending else []

    def _grown(self) -> None:
        last = self._last()
        cells = max([self._cells, *map(cell_len, last)])
        self.virtual_size = Size(cells, len(self._lines) + len(last))
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

    def action_leaf(self, by: int) -> None:
        """So many screens down."""
        self._leave(by)
        self.scroll_relative(y=by * max(1, self.size.height - 1), animate=False)

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

    def _leave(self, by: int) -> None:
        if by < 0:
            self.follow(False)

    def on_mouse_scroll_up(self) -> None:
        """Who turns the wheel up wants to read."""
        self.follow(False)

    # ---- drawing
    def render_line(self, y: int) -> Strip:
        """A line as it is seen."""
        cells = self.scrollable_content_region.width
        place = self.scroll_offset.y + y
        base = self.rich_style
        line = ""
        if place < len(self._lines):
            line = self._lines[place]
        else:
            last = self._last()
            if place - len(self._lines) < len(last):
                line = last[place - len(self._lines)]
        strip = Strip([Segment(line, base)])
        left = self.scroll_offset.x
        return strip.crop_extend(left, left + cells, base) if line else Strip.blank(cells, base)
