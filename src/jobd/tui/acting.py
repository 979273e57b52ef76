"""What can be done to a job, from whichever screen shows it: each asks where it must, does it in a thread, and says what came of it."""

import asyncio
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
from jobd.tui.dialogs import Entry, Help, Question
from jobd.tui.text import cut, safe
from jobd.units import format_ids, plural
from jobd.wire import messages as m
from jobd.wire.rows import JobRow

if TYPE_CHECKING:
    from jobd.tui.app import Top

_FINAL = facts.FINAL

KEYS_OF_JOBS = (
    ("c", "cancel it (asks first)"),
    ("h / r", "hold it: it does not start; release it"),
    ("R", "requeue: end it and queue it again (asks first)"),
    ("a", "again: queue a finished job once more, as a new one"),
    ("p", "change its priority"),
    ("P", "change nb_proc of the server"),
)
KEYS_OF_ALL = (("?", "these keys"), ("ctrl+z", "stop for a while; fg goes on"), ("q, ctrl+c", "leave"))


HELP = Binding("question_mark", "help", "help", key_display="?")
CANCEL = Binding("c", "cancel", "cancel")
HOLD = Binding("h", "hold", "hold")
RELEASE = Binding("r", "release", "release")
REQUEUE = Binding("R", "requeue", "requeue", show=False)
RERUN = Binding("a", "rerun", "again", show=False)
PRIORITY = Binding("p", "priority", "priority", show=False)
NB_PROC = Binding("P", "nb_proc", "procs")


def unseen(*bindings: Binding) -> list[Binding]:
    """Keys that the line at the foot has no room for."""
    return [dataclasses.replace(binding, show=False) for binding in bindings]


class ActingScreen(Screen[None]):
    """A screen on which a job is looked at."""

    KEYS: tuple[tuple[str, str], ...] = ()

    @property
    def top(self) -> "Top":
        """The program."""
        return cast("Top", self.app)

    def current(self) -> JobRow | None:
        """The job that is meant."""
        raise NotImplementedError

    # ---- what comes in; each screen takes what it shows
    def pictured(self) -> None:
        """There is a new picture."""

    def heard(self, events: list[m.Event]) -> None:
        """Something has happened."""

    def ticked(self) -> None:
        """Some time has passed."""

    # ---- saying
    def note(self, text: str, *, is_bad: bool = False) -> None:
        """A line for the person, until the next one."""
        for line in self.query("#note").results(Static):
            line.update(
                Text(safe(text), style="bold red" if is_bad else "bold", no_wrap=True, overflow="ellipsis")
            )

    async def do(self, what: Callable[..., Any], *arguments: Any) -> Any:
        """Do it in a thread; None where it could not be done, which is said."""
        try:
            return await asyncio.to_thread(what, *arguments)
        except JobdError as error:
            self.note(str(error), is_bad=True)
        return None

    async def _tell(self, what: Callable[..., str], *arguments: Any) -> None:
        said = await self.do(what, *arguments)
        if said is not None:
            self.note(said)

    def _living(self) -> JobRow | None:
        row = self.current()
        if row is None:
            self.note("there is no job here", is_bad=True)
        elif row.state in _FINAL:
            self.note(f"job {facts.number_of(row)} is over (a queues it again)", is_bad=True)
            return None
        return row

    # ---- doing
    @work(group="act", exclusive=True)
    async def action_cancel(self) -> None:
        """End it, after a question."""
        row = self._living()
        if row is None:
            return
        others = await self.do(hands.relatives, row)
        if others is None:
            return
        name = f"{facts.number_of(row)} ({cut(facts.name_of(row), 40)})"
        if not others:
            answer = await self.top.push_screen_wait(
                Question(f"Cancel job {name}? All its processes end.", [("y", "yes, cancel it")])
            )
        else:
            below = hands.below(row, others)
            whole = format_ids([row.job_id, *(one.job_id for one in others)])
            answer = await self.top.push_screen_wait(
                Question(
                    f"Cancel job {name}? It is one of a tree of {plural(len(others) + 1, 'job')}: {cut(whole, 200)}",
                    [
                        ("t", "yes, with its whole tree"),
                        (
                            "y",
                            f"yes, itself and the {len(below)} below it"
                            + (
                                "; a Salloc or Srun takes its tree along, unless started with --on-kill=below"
                            ),
                        ),
                    ],
                )
            )
        if answer:
            await self._tell(hands.cancel, row, others if answer == "t" else [])

    @work(group="act", exclusive=True)
    async def action_hold(self) -> None:
        """Keep it from starting."""
        if row := self._living():
            await self._tell(hands.hold, row)

    @work(group="act", exclusive=True)
    async def action_release(self) -> None:
        """Let it start."""
        if row := self._living():
            await self._tell(hands.release, row)

    @work(group="act", exclusive=True)
    async def action_requeue(self) -> None:
        """End it and queue it again, after a question where it runs."""
        row = self.current()
        if row is None:
            self.note("there is no job here", is_bad=True)
            return
        if row.state not in _FINAL and row.started_at is not None:
            question = f"End job {facts.number_of(row)} ({cut(facts.name_of(row), 40)}) and queue it again?"
            if not await self.top.push_screen_wait(Question(question, [("y", "yes, from its beginning")])):
                return
        await self._tell(hands.requeue, row)

    @work(group="act", exclusive=True)
    async def action_rerun(self) -> None:
        """Queue a finished one again."""
        row = self.current()
        if row is None:
            self.note("there is no job here", is_bad=True)
        elif row.state not in _FINAL:
            self.note(f"job {facts.number_of(row)} is not over (R ends it and queues it again)", is_bad=True)
        else:
            await self._tell(hands.rerun, row)

    @work(group="act", exclusive=True)
    async def action_priority(self) -> None:
        """Give it another priority."""
        row = self._living()
        if row is None:
            return
        title = f"Priority of job {facts.number_of(row)} (higher goes first)"
        check = _checker(-PRIORITY_LIMIT, PRIORITY_LIMIT)
        value = await self.top.push_screen_wait(Entry(title, str(row.priority), check))
        if value is not None:
            await self._tell(hands.set_priority, row, int(value))

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
