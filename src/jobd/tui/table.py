"""A list of jobs on the screen: only the lines that are seen are made, so that its length costs nothing."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding
from textual.events import Click
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from jobd.tui.facts import Item
from jobd.tui.text import fit
from jobd.wire.rows import JobRow

_HEAD = Style.parse("bold underline")
_CURSOR = Style.parse("reverse")
_NEAR_END_ROWS = 20  # so close to the end more is asked for


class Column(NamedTuple):
    """A column: its width in cells, or 0 for a share of what is left over."""

    name: str
    cells: int
    is_right: bool = False
    share: int = 1


Cells = Sequence[tuple[str, str]]  # (text, style) for each column


class JobTable(ScrollView, can_focus=True):
    """Lines with a cursor. The cursor stays on its job wherever that moves to."""

    BINDINGS = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home", "move(-1000000000)", "First", show=False),
        Binding("end", "end", "Last", show=False),
    ]

    class Moved(Message):
        """The cursor is on another job, or what it is on has changed."""

        def __init__(self, table: "JobTable") -> None:
            super().__init__()
            self.table = table

    class Opened(Message):
        """Somebody wants to see this job."""

        def __init__(self, row: JobRow) -> None:
            super().__init__()
            self.row = row

    class NearEnd(Message):
        """The end of the list is in sight."""

    def __init__(
        self, columns: Sequence[Column], cells_of: Callable[[Item, int], Cells], *, id: str | None = None
    ) -> None:
        """
        Args:
            cells_of: the cells of a job, given the width of the last column.
        """
        super().__init__(id=id)
        self._columns = columns
        self._cells_of = cells_of
        self._items: Sequence[Item] = ()
        self._places: dict[int, int] = {}
        self._cursor = 0
        self.is_going_to_end = False  # End was pressed, and more may be on its way

    # ---- what it shows
    @property
    def items(self) -> Sequence[Item]:
        """All lines."""
        return self._items

    @property
    def selected(self) -> JobRow | None:
        """The job under the cursor."""
        return self._items[self._cursor].row if self._items else None

    def put(self, items: Sequence[Item]) -> None:
        """Show these."""
        before = self.selected
        self._items = items
        self._places = {item.row.job_id: place for place, item in enumerate(items)}
        place = self._places.get(before.job_id, self._cursor) if before is not None else 0
        if self.is_going_to_end:
            place = len(items) - 1
        self._cursor = max(0, min(place, len(items) - 1))
        self.virtual_size = Size(self.size.width, len(items) + 1)
        self.refresh()
        self.call_after_refresh(self._settle)

    def select(self, job_id: int) -> None:
        """Move the cursor to this job, if it is there."""
        if job_id in self._places:
            self._go(self._places[job_id])

    def _settle(self) -> None:
        self._scroll_to_cursor()
        self.post_message(self.Moved(self))

    @property
    def rows_wanted(self) -> int:
        """So many lines fill what is seen, and some more."""
        return self.scroll_offset.y + self._rows_seen + _NEAR_END_ROWS

    # ---- moving
    @property
    def _rows_seen(self) -> int:
        return max(1, self.scrollable_content_region.height - 1)

    def _tell_end(self) -> None:
        if max(self.rows_wanted, self._cursor + _NEAR_END_ROWS) >= len(self._items):
            self.post_message(self.NearEnd())

    def _go(self, place: int) -> None:
        self._cursor = max(0, min(place, len(self._items) - 1))
        self.refresh()
        self._settle()
        self._tell_end()

    def _scroll_to_cursor(self) -> None:
        # The heading stays: the line of row n is n + 1, and the first line that is seen is the heading.
        top = self.scroll_offset.y
        if self._cursor < top:
            self.scroll_to(y=self._cursor, animate=False)
        elif self._cursor >= top + self._rows_seen:
            self.scroll_to(y=self._cursor - self._rows_seen + 1, animate=False)

    def action_move(self, by: int) -> None:
        """So many lines down."""
        self.is_going_to_end = False
        self._go(self._cursor + by)

    def action_page(self, by: int) -> None:
        """So many screens down."""
        self.is_going_to_end = False
        self._go(self._cursor + by * max(1, self._rows_seen - 1))

    def action_end(self) -> None:
        """To the last that is known; where more is asked for, to the last of that."""
        self.is_going_to_end = True
        self._go(len(self._items) - 1)

    def action_open(self) -> None:
        """Show the job under the cursor."""
        if self.selected is not None:
            self.post_message(self.Opened(self.selected))

    def on_click(self, event: Click) -> None:
        """A click moves the cursor, a second one opens."""
        if event.y < 1:
            return
        place = self.scroll_offset.y + event.y - 1
        if place < len(self._items):
            self._go(place)
            if event.chain >= 2:
                self.action_open()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """By the wheel too the end may come into sight."""
        super().watch_scroll_y(old_value, new_value)
        if new_value > old_value:
            self._tell_end()

    def on_resize(self) -> None:
        """Keep the cursor in sight."""
        self.virtual_size = Size(self.size.width, len(self._items) + 1)
        self.call_after_refresh(self._scroll_to_cursor)

    # ---- drawing
    def _widths(self, cells: int) -> list[int]:
        fixed = sum(column.cells + 1 for column in self._columns)
        left = max(0, cells - fixed)
        shares = sum(column.share for column in self._columns if not column.cells)
        widths = []
        for column in self._columns:
            width = column.cells or left * column.share // max(1, shares)
            widths.append(width)
        widths[-1] += max(0, cells - sum(widths) - len(widths) + 1 - 1)
        return widths

    def render_line(self, y: int) -> Strip:
        """A line as it is seen."""
        cells = self.scrollable_content_region.width
        widths = self._widths(cells - 1)
        base = self.rich_style
        if y == 0:
            names = [
                fit(column.name, width, is_right=column.is_right)
                for column, width in zip(self._columns, widths, strict=True)
            ]
            return Strip([Segment(fit(" " + " ".join(names), cells), base + _HEAD)])
        place = self.scroll_offset.y + y - 1
        if place >= len(self._items):
            return Strip.blank(cells, base)
        is_here = place == self._cursor
        segments = [Segment(">" if is_here else " ", base + (_CURSOR if is_here else _PLAIN))]
        for column, width, (text, style) in zip(
            self._columns, widths, self._cells_of(self._items[place], widths[-1]), strict=True
        ):
            shown = base + (_CURSOR if is_here else Style.parse(style) if style else _PLAIN)
            segments.append(Segment(fit(text, width, is_right=column.is_right), shown))
            segments.append(Segment(" ", base + (_CURSOR if is_here else _PLAIN)))
        return Strip(segments).adjust_cell_length(cells, base)


_PLAIN = Style()
