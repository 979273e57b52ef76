"""The program on the screen: it follows the board, and sleeps while nothing happens and nothing runs."""

import asyncio
from collections import deque
from functools import partial
from typing import Any

from textual.app import App
from textual.binding import Binding
from textual.events import Event, Key
from textual.message import Message
from textual.timer import Timer

from jobd.api.board import Board, Picture
from jobd.api.tail import Watcher
from jobd.tui import facts
from jobd.tui.acting import ActingScreen
from jobd.tui.driver import QuietDriver
from jobd.tui.ending import Ending, die
from jobd.tui.history_screen import HistoryScreen
from jobd.tui.job_screen import JobScreen
from jobd.tui.progresses import Progresses
from jobd.tui.queue import Queue
from jobd.tui.queue_screen import QueueScreen
from jobd.wire import messages as m
from jobd.wire.rows import JobRow

TICK_S = 1.0  # while something runs its time goes on
KEY_S = 0.1  # after so long a key counts as done
_TURNS = 4  # of the loop, in which a question that a key asks comes up
ENDING_S = 0.1  # for the board's thread
SOON_S = 0.2  # after an output has grown its progress is read

_CSS = """
JobTable, TextView, #facts, VerticalScroll { scrollbar-size-vertical: 1; scrollbar-size-horizontal: 1; }
Screen { background: ansi_default; color: ansi_default; }
JobTable, TextView, #switch, #facts { height: 1fr; background: ansi_default; color: ansi_default; }
JobTable { overflow-x: hidden; }
#head, #state, #parts, #note { height: 1; }
#about { height: 2; }
#recent { height: auto; }
Footer, FooterKey { background: ansi_default; color: ansi_default; }
Input { background: ansi_default; color: ansi_default; }
"""


class Pictured(Message):
    """The board has a new picture."""

    def can_replace(self, message: Message) -> bool:
        """The newest one is enough."""
        return isinstance(message, Pictured)


class Heard(Message):
    """Something has happened."""

    def __init__(self, events: list[m.Event]) -> None:
        super().__init__()
        self.events = events


class KeyDone(Message):
    """Whoever a key was for has had it, and so has everybody around."""


class Top(App[int]):
    """jobctl top."""

    CSS = _CSS
    ENABLE_COMMAND_PALETTE = False
    BINDINGS = [
        Binding("ctrl+c", "quit", "quit", show=False, priority=True),
        Binding("ctrl+z", "suspend_process", "stop", show=False, priority=True),
    ]

    def __init__(
        self, chosen: facts.Filter, *, user: str, job_id: int | None = None, is_following: bool = True
    ) -> None:
        """
        Args:
            user: our name, for "mine".
            job_id: a job to begin with.
            is_following: follow the server; else pictures come by `show`.
        """
        super().__init__(driver_class=QuietDriver, ansi_color=True)
        self.theme = "ansi-dark"
        self.animation_level = "none"
        self.user = user
        self.queue = Queue()
        self.watcher: Watcher | None = None
        try:
            self.watcher = Watcher()
        except OSError:
            pass  # then outputs are looked at while their times go on
        self.progresses = Progresses(self.watcher, self._output_grown)
        self.board = Board(self._board_pictured, on_events=self._board_heard)
        self._is_following = is_following
        self._first = QueueScreen(chosen)
        self._first_job = job_id
        self.ending: Ending | None = None
        self._tick: Timer | None = None
        self._soon: Timer | None = None
        self._latest = self.board.picture
        self._keys: deque[Key] = deque()  # that wait
        self._is_pressing = False  # one is under way
        self._turn = 0  # whose it is to press the next one
        self._key_timer: Timer | None = None

    def get_default_screen(self) -> QueueScreen:
        """The queue."""
        return self._first

    def on_mount(self) -> None:
        """Begin."""
        self.ending = Ending(self._end, lambda: getattr(self._driver, "attrs_before", None))
        if self.watcher is not None:
            asyncio.get_running_loop().add_reader(self.watcher.fileno(), self.watcher.read)
        self._tick = self.set_interval(TICK_S, self._ticked, pause=True)
        if self._is_following:
            self.board.start()
        if self._first_job is not None:
            self.open_job(self._first_job, None)

    def on_unmount(self) -> None:
        """Let go of the files."""
        self.progresses.close()
        if self.watcher is not None:
            asyncio.get_running_loop().remove_reader(self.watcher.fileno())
            self.watcher.close()

    def _end(self, number: int) -> None:
        self.exit(128 + number)

    # ---- keys, one after the other
    async def on_event(self, event: Event) -> None:
        """Take one key at a time: what is typed ahead, or comes in one piece over a slow line, means what it would mean slowly.

        A key goes to the part that has the focus, then to those around it, and only then is looked up in the tables of keys; the next one
        would overtake it on the way.
        """
        if not isinstance(event, Key) or event.is_forwarded:
            await super().on_event(event)
            return
        self._keys.append(event)
        if not self._is_pressing:
            await self._press()

    async def _press(self) -> None:
        self._is_pressing = True
        event = self._keys.popleft()
        target = self.focused or self.screen
        # Who had it may be gone before it says so.
        self._key_timer = self.set_timer(KEY_S, self.on_key_done)
        await super().on_event(event)
        if not (event.is_forwarded and target.post_message(KeyDone())):
            await self.on_key_done()

    async def on_key_done(self) -> None:
        """The next one, where there is one: after what this one has begun, and on the screen that it has brought."""
        if self._key_timer is None:
            return
        self._key_timer.stop()
        self._key_timer = None
        if not self._keys:
            self._is_pressing = False
            return
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        self._turn += 1
        press = partial(self._press_next, self._turn)
        self.set_timer(KEY_S, press)  # a screen that goes takes with it what it was to call
        self.call_after_refresh(press)

    async def _press_next(self, turn: int) -> None:
        if turn == self._turn and self._key_timer is None and self._keys:
            self._turn += 1
            await self._press()

    # ---- what comes in, from the board's thread
    def _board_pictured(self, picture: Picture) -> None:
        self._latest = picture
        self._come(Pictured())

    def _board_heard(self, events: list[m.Event]) -> None:
        self._come(Heard(events))

    def _come(self, message: Message) -> None:
        try:
            self.post_message(message)
        except RuntimeError:
            pass  # the loop is closed: the program is over

    # ---- and here
    def show(self, picture: Picture, events: list[m.Event] | None = None) -> None:
        """Show this picture."""
        if events:
            self.on_heard(Heard(events))
        self._latest = picture
        self.on_pictured()

    def on_pictured(self) -> None:
        """Show the newest."""
        self.queue.show(self._latest)
        self.progresses.follow(self._latest.rows)
        self.progresses.read()
        self._wind()
        self._top_screen(lambda screen: screen.pictured())

    def on_heard(self, message: Heard) -> None:
        """Tell all who show it."""
        self.queue.heard(message.events)
        for screen in self.screen_stack:
            if isinstance(screen, ActingScreen) and screen.has_parts:
                screen.heard(message.events)

    def _wind(self) -> None:
        """Tick while times go on, and only then."""
        if self._tick is None:
            return
        picture = self._latest
        is_running = any(row.started_at is not None for row in picture.rows[:1]) and not picture.trouble
        (self._tick.resume if is_running else self._tick.pause)()

    def _ticked(self) -> None:
        if self.progresses.is_incomplete:
            self.progresses.follow(self._latest.rows)
            self.progresses.read()
        self._top_screen(lambda screen: screen.ticked())

    def _output_grown(self) -> None:
        if self._soon is None:
            self._soon = self.set_timer(SOON_S, self._read_progress)

    def _read_progress(self) -> None:
        self._soon = None
        if self.progresses.read():
            self._top_screen(lambda screen: screen.ticked())

    def _top_screen(self, tell: Any) -> None:
        """The screen that is seen; below a question it is the one that asked."""
        for screen in reversed(self.screen_stack):
            if isinstance(screen, ActingScreen) and screen.has_parts:
                tell(screen)
                return

    # ---- other screens
    def open_job(self, job_id: int, row: JobRow | None) -> None:
        """Show one job."""
        self.push_screen(JobScreen(job_id, row))

    def open_history(self) -> None:
        """Show what has been."""
        self.push_screen(HistoryScreen())


def run(chosen: facts.Filter, *, user: str, job_id: int | None = None) -> int:
    """Show it until somebody leaves; the exit code. A signal that ends us is our end, with the terminal as it was."""
    top = Top(chosen, user=user, job_id=job_id)
    try:
        code = top.run()
    finally:
        # Only now: the board's thread may be telling us something. It may also wait for a server that hangs, which nobody else does.
        top.board.close(ENDING_S)
    if code is not None and code > 128:
        die(code - 128)
    return code or top.return_code or 0
