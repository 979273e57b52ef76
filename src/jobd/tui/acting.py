"""What can be done to a job, from whichever screen shows it: each asks where it must, does it in a thread, and says what came of it."""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from rich.text import Text
from textual import work
from textual.binding import Binding
from textual.screen import Screen
from textual.widgets import Static

from jobd.errors import JobdError
from jobd.limits import NB_PROC_LIMIT, PRIORITY_LIMIT
from jobd.tui import facts, hands
from jobd.tui.aside import aside
from jobd.tui.dialogs import Entry, Help, Question
from jobd.tui.text import cut, safe
from jobd.units import format_ids, plural
from jobd.wire import messages as m
from jobd.wire.rows import JobRow

if TYPE_CHECKING:
    from jobd.tui.app import Top

_FINAL = facts.FINAL

KEY_OF_MARKS = ("space, *", "mark it, or the whole list: what follows is for all")
KEYS_OF_JOBS = (
    ("c", "cancel it (asks first)"),
    ("h / r", "hold it: it does not start; release it"),
    ("R", "requeue: end it and queue it again (asks first)"),
    ("a", "again: queue a finished job once more, as a new one"),
    ("p", "change its priority"),
    ("P", "change nb_proc of the server"),
)
KEYS_OF_ALL = (("?", "these keys"), ("ctrl+z", "stop for a while; fg goes on"), ("q, ctrl+c", "leave"))


HELP = Binding("question_mark,f1", "help", "help", key_display="?")
CANCEL = Binding("c", "cancel", "cancel")
MARK = Binding("space", "mark", "mark", key_display="space")
HOLD = Binding("h", "hold", "hold")
RELEASE = Binding("r", "release", "release")
REQUEUE = Binding("R", "requeue", "requeue", show=False)
RERUN = Binding("a", "rerun", "again", show=False)
PRIORITY = Binding("p", "priority", "priority", show=False)
NB_PROC = Binding("P", "nb_proc", "procs", show=False)


def unseen(*bindings: Binding) -> list[Binding]:
    """Keys that the line at the foot has no room for."""
    return [dataclasses.replace(binding, show=False) for binding in bindings]


class ActingScreen(Screen[None]):
    """A screen on which a job is looked at."""

    KEYS: tuple[tuple[str, str], ...] = ()
    has_parts = False  # from its mounting on; it stands in the stack of screens before that, and what comes in meets it there

    def on_unmount(self) -> None:
        """Its parts go."""
        self.has_parts = False

    @property
    def top(self) -> "Top":
        """The program."""
        return cast("Top", self.app)

    def current(self) -> JobRow | None:
        """The job that is meant."""
        raise NotImplementedError

    def marked(self) -> list[JobRow]:
        """The jobs that are meant instead, where some are marked."""
        return []

    def unmark(self) -> None:
        """It is done to them."""

    # ---- what comes in; each screen takes what it shows
    def pictured(self) -> None:
        """There is a new picture."""

    def heard(self, events: list[m.Event]) -> None:
        """Something has happened."""

    def ticked(self) -> None:
        """Some time has passed."""

    # ---- saying
    def note(self, text: str, *, is_bad: bool = False) -> None:
        """A line for the person, until the next one or a key."""
        for line in self.query("#note").results(Static):
            line.update(
                Text(safe(text), style="bold red" if is_bad else "bold", no_wrap=True, overflow="ellipsis")
            )

    def on_key(self) -> None:
        """What was said has been read by now; what this key does comes after."""
        self.note("")

    async def do(self, what: Callable[..., Any], *arguments: Any) -> Any:
        """Do it in a thread; None where it could not be done, which is said."""
        try:
            return await aside(what, *arguments)
        except JobdError as error:
            self.note(str(error), is_bad=True)
        return None

    async def _tell(self, what: Callable[..., str], *arguments: Any) -> bool:
        said = await self.do(what, *arguments)
        if said is not None:
            self.note(said)
        return said is not None

    def _living(self) -> list[JobRow]:
        """What is meant, of what is not over; none where that is said to be wrong."""
        rows = self.marked()
        if not rows:
            row = self.current()
            if row is None:
                self.note("there is no job here", is_bad=True)
                return []
            rows = [row]
        living = [row for row in rows if row.state not in _FINAL]
        if not living:
            what = f"job {facts.number_of(rows[0])} is" if len(rows) == 1 else "they are all"
            self.note(f"{what} over (a queues it again)", is_bad=True)
        return living

    async def _do_to_them(self, what: Callable[..., str], rows: list[JobRow], *arguments: Any) -> None:
        if rows and await self._tell(what, rows, *arguments):
            self.unmark()

    async def _asked(self, question: str, answers: list[tuple[str, str]]) -> str:
        return await self.top.push_screen_wait(Question(question, answers)) or ""

    # ---- doing
    @work(group="act", exclusive=True)
    async def action_cancel(self) -> None:
        """End them, after a question."""
        rows = self._living()
        if len(rows) > 1:
            question = f"Cancel {hands.words_for(rows)}? All their processes end, and all jobs that they have started."
            if await self._asked(question, [("y", f"yes, cancel these {len(rows)}")]):
                await self._do_to_them(hands.cancel, rows)
            return
        if not rows:
            return
        row = rows[0]
        others = await self.do(hands.relatives, row)
        if others is None:
            return
        name = hands.words_for(rows)
        if not others:
            answer = await self._asked(f"Cancel {name}? All its processes end.", [("y", "yes, cancel it")])
        else:
            below = hands.below(row, others)
            whole = format_ids([row.job_id, *(one.job_id for one in others)])
            it = f"yes, itself and the {len(below)} below it" if below else "yes, only this one"
            answer = await self._asked(
                f"Cancel {name}? It is one of a tree of {plural(len(others) + 1, 'job')}: {cut(whole, 200)}",
                [
                    ("t", "yes, with its whole tree"),
                    (
                        "y",
                        f"{it}; a Salloc or Srun takes its tree along, unless started with --on-kill=below",
                    ),
                ],
            )
        if answer:
            await self._do_to_them(hands.cancel, [row, *(others if answer == "t" else [])])

    @work(group="act", exclusive=True)
    async def action_hold(self) -> None:
        """Keep them from starting."""
        await self._do_to_them(hands.hold, self._living())

    @work(group="act", exclusive=True)
    async def action_release(self) -> None:
        """Let them start."""
        await self._do_to_them(hands.release, self._living())

    @work(group="act", exclusive=True)
    async def action_requeue(self) -> None:
        """End them and queue them again, after a question where one runs."""
        row = self.current()
        rows = self.marked() or ([row] if row is not None else [])
        if not rows:
            self.note("there is no job here", is_bad=True)
        elif any(one.state not in _FINAL and one.started_at is not None for one in rows):
            question = f"End {hands.words_for(rows)} and queue {'it' if len(rows) == 1 else 'them'} again?"
            if not await self._asked(question, [("y", "yes, from the beginning")]):
                return
        await self._do_to_them(hands.requeue, rows)

    @work(group="act", exclusive=True)
    async def action_rerun(self) -> None:
        """Queue finished ones again."""
        row = self.current()
        rows = self.marked() or ([row] if row is not None else [])
        if not rows:
            self.note("there is no job here", is_bad=True)
        for one in rows:
            if one.state not in _FINAL:
                text = f"job {facts.number_of(one)} is not over (R ends it and queues it again)"
                self.note(text, is_bad=True)
                return
        await self._do_to_them(hands.rerun, rows)

    @work(group="act", exclusive=True)
    async def action_priority(self) -> None:
        """Give them another priority."""
        rows = self._living()
        if not rows:
            return
        title = f"Priority of {hands.words_for(rows)} (higher goes first)"
        check = _checker(-PRIORITY_LIMIT, PRIORITY_LIMIT)
        value = await self.top.push_screen_wait(Entry(title, str(rows[0].priority), check))
        if value is not None:
            await self._do_to_them(hands.set_priority, rows, int(value))

    @work(group="act", exclusive=True)
    async def action_nb_proc(self) -> None:
        """Change how many procs there are."""
        status = self.top.queue.picture.status
        now = "" if status is None else str(status.nb_proc)
        title = "nb_proc of the server: so many procs are handed out (0: nothing starts)"
        value = await self.top.push_screen_wait(Entry(title, now, _checker(0, NB_PROC_LIMIT)))
        if value is not None:
            await self._tell(hands.set_nb_proc, int(value))

    def action_help(self) -> None:
        """The keys."""
        self.top.push_screen(Help([("Here", self.KEYS), ("The job", KEYS_OF_JOBS), ("Always", KEYS_OF_ALL)]))


def _checker(least: int, most: int) -> Callable[[str], str]:
    def check(text: str) -> str:
        digits = text.strip().removeprefix("-")
        if not digits.isascii() or not digits.isdigit() or len(digits) > 12:
            return f"{safe(text)[:20]!r} is no number"
        return "" if least <= int(text) <= most else f"from {least} to {most}"

    return check
