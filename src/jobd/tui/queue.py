"""The queue and the history as the screens have them. Pure.

Of the queue there is the board's picture, and behind its rows those of further pages, kept up to date by the events.
"""

from collections.abc import Iterable, Sequence

from jobd.api.board import Picture
from jobd.limits import PAGE_ROWS_MAX
from jobd.stream import MISSED
from jobd.tui import facts
from jobd.tui.facts import Item
from jobd.wire import messages as m
from jobd.wire.rows import JobRow

FIRST_ROWS = 200  # of the history, in a page
_RANKS = {"RUNNING": 0, "COMPLETING": 0, "SUSPENDED": 1}  # all others wait


class Queue:
    """The rows that fit a filter, in the order of the queue, as far as they are known."""

    def __init__(self) -> None:
        self.picture = Picture(0, 0.0)
        self.chosen = facts.Filter()
        self.looked_at = 0  # rows of further pages, whether they fit or not
        self._further: dict[int, JobRow] = {}  # those of them that fit
        self._cursor: str | None = ""  # of the next page; None: there is none
        self._is_paged = False

    def choose(self, chosen: facts.Filter) -> None:
        """Another filter: further pages have to be asked for again, since of a queue of any length only what fits is kept."""
        if chosen != self.chosen:
            self.chosen = chosen
            self._forget()

    # ---- what comes in
    def show(self, picture: Picture) -> None:
        """Another picture."""
        self.picture = picture
        if not picture.is_cut:
            self._forget()

    def heard(self, events: Iterable[m.Event]) -> None:
        """What has happened, to jobs of further pages too."""
        if not self._is_paged:
            return
        for event in events:
            if event.kind == MISSED:
                self._forget()
                return
            row = event.job
            if row is None:
                continue
            if row.state in facts.FINAL or not self.chosen.fits(row):
                self._further.pop(row.job_id, None)
            elif event.kind != "submitted" or self._cursor is None:
                self._further[row.job_id] = row
            # Else it comes with its page.

    def next_page(self) -> m.ListJobs | None:
        """What to ask for to know more of the queue; None where all of it is known."""
        if not self.picture.is_cut or self._cursor is None:
            return None
        return m.ListJobs(cursor=self._cursor, rows_max=PAGE_ROWS_MAX)

    def add(self, request: m.ListJobs, page: m.JobPage) -> None:
        """The answer to that."""
        if request.cursor != self._cursor:
            return  # it was asked before something was forgotten
        self._is_paged = True
        self.looked_at += len(page.rows)
        for row in page.rows:
            if self.chosen.fits(row):
                self._further.setdefault(row.job_id, row)
        self._cursor = page.cursor or None

    def _forget(self) -> None:
        self._further = {}
        self._cursor, self._is_paged, self.looked_at = "", False, 0

    # ---- what goes out
    @property
    def is_whole(self) -> bool:
        """Whether all of the queue is known."""
        return self.next_page() is None

    def rows(self) -> Sequence[JobRow]:
        """All that are known and fit."""
        shown = [row for row in self.picture.rows if self.chosen.fits(row)]
        if not self._further:
            return shown
        ids = {row.job_id for row in self.picture.rows}
        ids.update(row.job_id for row in self.picture.recent)
        further = [row for job_id, row in self._further.items() if job_id not in ids]
        if any(row.state != "PENDING" for row in further):
            return sorted([*shown, *further], key=lambda row: _RANKS.get(row.state, 2))
        return shown + further

    def items(self) -> list[Item]:
        """The lines of the list."""
        rows = self.rows()
        if all(row.parent_id is None for row in rows):
            return [Item(row) for row in rows]
        return [Item(row, indent) for row, indent in facts.as_tree(rows)]


class History:
    """The finished jobs, newest first, as far as they were asked for."""

    def __init__(self, chosen: facts.Filter) -> None:
        self.chosen = chosen
        self.looked_at = 0  # rows that came, shown or not
        self.items: list[Item] = []
        self._ids: set[int] = set()
        self._cursor: str | None = ""

    def next_page(self) -> m.ListJobs | None:
        """What to ask for next; None at the end."""
        if self._cursor is None:
            return None
        states = [state for state, word in facts.WORDS.items() if word == self.chosen.state]
        # What we choose ourselves is chosen from large pages.
        rows_max = PAGE_ROWS_MAX if self.chosen.text or self.chosen.user else FIRST_ROWS
        return m.ListJobs(cursor=self._cursor, rows_max=rows_max, is_finished=True, states=states)

    def add(self, request: m.ListJobs, page: m.JobPage) -> None:
        """The answer to that."""
        if request.cursor != self._cursor:
            return
        self.looked_at += len(page.rows)
        self._cursor = page.cursor or None
        fresh = [row for row in page.rows if row.job_id not in self._ids and self.chosen.fits(row)]
        self.items += [Item(row) for row in fresh]
        self._ids.update(row.job_id for row in fresh)

    def heard(self, events: Iterable[m.Event]) -> bool:
        """What has ended stands in front; whether there was any."""
        fresh = []
        for event in events:
            row = event.job
            if (
                row is not None
                and row.state in facts.FINAL
                and row.job_id not in self._ids
                and self.chosen.fits(row)
            ):
                fresh.append(Item(row))
                self._ids.add(row.job_id)
        self.items[:0] = reversed(fresh)
        return bool(fresh)
