"""A list of jobs on the screen: only the lines that are seen are made, so that its length costs nothing."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from rich.cells import cell_len
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
_MARKED = Style.parse("bold yellow")
_PLAIN = Style()
_NEAR_END_ROWS = 20  # so close to the end more is asked for
_MEASURED_ROWS = (
    60  # at the front of the list, whose texts give the columns their widths, beside those that are seen
)
_NAME_CELLS = 10  # a name is not cut shorter than that for the sake of the last column
_LAST_CELLS = 20  # for less than that in the last column others leave


class Column(NamedTuple):
    """A column: as wide as its widest text, at most so many cells. The last one has what is left."""

    name: str
    cells: int = 0
    is_right: bool = False
    leaves: int = 0  # in a narrow terminal it is left out: 1 first; 0: never
    is_name: bool = (
        False  # it has at most 2/5 of what it and the last one have together, or what that one does not need
    )


Cells = Sequence[tuple[str, str]]  # (text, style) for each column


class JobTable(ScrollView, can_focus=True):
    """Lines with a cursor. The cursor stays on its job wherever that moves to."""

    BINDINGS = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup,ctrl+b", "page(-1)", "Page up", show=False),
        Binding("pagedown,ctrl+f", "page(1)", "Page down", show=False),
        Binding("ctrl+u", "page(-0.5)", "Half a page up", show=False),
        Binding("ctrl+d", "page(0.5)", "Half a page down", show=False),
        Binding("home,g", "move(-1000000000)", "First", show=False),
        Binding("end,G", "end", "Last", show=False),
        Binding("asterisk", "mark_all", "Mark all", show=False),
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

    class Marked(Message):
        """Other jobs are marked now."""

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
        self._widths: list[int] = []
        self._measured_for = -1  # so many cells in all
        self._cursor = 0
        self._marked: set[int] = set()
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
        self._marked &= self._places.keys()  # what is not seen in the list is not meant
        self.virtual_size = Size(self.size.width, len(items) + 1)
        self.measure()
        self.refresh()
        self.call_after_refresh(self._settle)

    # ---- marks
    @property
    def marked(self) -> list[JobRow]:
        """The jobs that are marked, in the order of the list."""
        return [item.row for item in self._items if item.row.job_id in self._marked] if self._marked else []

    @property
    def is_all_marked(self) -> bool:
        """Whether the whole list is marked."""
        return len(self._marked) == len(self._places) > 0

    def unmark(self) -> bool:
        """Mark none; whether any was."""
        had_any = bool(self._marked)
        self._marked.clear()
        self._say_marked()
        return had_any

    def action_mark(self) -> None:
        """Mark the job under the cursor, or no longer; and on to the next."""
        if self.selected is not None:
            self._marked ^= {self.selected.job_id}
            self._say_marked()
            self.action_move(1)

    def action_mark_all(self) -> None:
        """Mark all of the list; none where all are."""
        self._marked = set() if self.is_all_marked else set(self._places)
        self._say_marked()

    def _say_marked(self) -> None:
        self.refresh()
        self.post_message(self.Marked())

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
        before, self._cursor = self._cursor, max(0, min(place, len(self._items) - 1))
        for row in (before, self._cursor):
            self.refresh_line(
                row + 1
            )  # no more than that: over a slow line a key held down would go on long after
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

    def action_page(self, by: float) -> None:
        """So many screens down."""
        self.is_going_to_end = False
        self._go(self._cursor + int(by * max(2, self._rows_seen - 1)))

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
        self.measure()
        self.call_after_refresh(self._scroll_to_cursor)

    # ---- drawing
    def measure(self) -> None:
        """Give the columns their widths, by what stands in them; 0 for one that is left out."""
        top = self.scroll_offset.y
        texts = [[column.name] for column in self._columns]
        for item in (
            *self._items[:_MEASURED_ROWS],
            *self._items[max(_MEASURED_ROWS, top) : top + self._rows_seen],
        ):
            for kept, (text, _) in zip(texts, self._cells_of(item, _LAST_CELLS), strict=True):
                kept.append(text[:200])  # enough for any column
        widths = [
            min(column.cells, max(map(cell_len, kept)))
            for column, kept in zip(self._columns[:-1], texts, strict=False)
        ]
        texts_width = list(widths)
        last = max(map(cell_len, texts[-1]))
        self._measured_for = self.scrollable_content_region.width
        name = next(place for place, column in enumerate(self._columns) if column.is_name)
        wanted, widths[name] = widths[name], min(widths[name], _NAME_CELLS)

        def left() -> int:
            # In front of the columns is the mark, behind each a blank.
            return self._measured_for - 2 - sum(width + 1 for width in widths if width)

        for column in sorted(self._columns[:-1], key=lambda column: column.leaves):
            if column.leaves and left() < _LAST_CELLS:
                widths[self._columns.index(column)] = 0
        for place in sorted(range(len(widths)), key=lambda place: -self._columns[place].leaves):
            # What went for the sake of a wider one, and has room again.
            if not widths[place] and left() - texts_width[place] - 1 >= _LAST_CELLS:
                widths[place] = texts_width[place]
        room = widths[name] + left()
        widths[name] = min(wanted, max(widths[name], room * 2 // 5, room - last))
        self._widths = [*widths, max(0, left())]

    def render_line(self, y: int) -> Strip:
        """A line as it is seen."""
        cells = self.scrollable_content_region.width
        if cells != self._measured_for:
            self.measure()  # a bar at the side has come or gone
        base = self.rich_style
        if y == 0:
            names = [
                fit(column.name, width, is_right=column.is_right)
                for column, width in zip(self._columns, self._widths, strict=True)
                if width
            ]
            return Strip([Segment(fit(" " + " ".join(names), cells), base + _HEAD)])
        place = self.scroll_offset.y + y - 1
        if place >= len(self._items):
            return Strip.blank(cells, base)
        item = self._items[place]
        is_here, is_marked = place == self._cursor, item.row.job_id in self._marked
        plain = base + (_CURSOR if is_here else _PLAIN) + (_MARKED if is_marked else _PLAIN)
        segments = [Segment("*" if is_marked else ">" if is_here else " ", plain)]
        for column, width, (text, style) in zip(
            self._columns, self._widths, self._cells_of(item, self._widths[-1]), strict=True
        ):
            if not width:
                continue
            shown = plain if is_here or is_marked or not style else base + Style.parse(style)
            segments.append(Segment(fit(text, width, is_right=column.is_right), shown))
            segments.append(Segment(" ", plain))
        return Strip(segments).adjust_cell_length(cells, plain)
