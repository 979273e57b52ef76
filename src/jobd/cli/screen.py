"""The terminal while a live table has it: the other screen, single keys, and everything as it was afterwards, however it ends.

rich is imported here and in what draws; no plain list loads it.
"""

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class Ended(BaseException):
    """A signal that ends us; raised wherever we are, so that the terminal is put back on the way out."""


class Screen:
    """A context: inside, the terminal is ours."""

    def __init__(self) -> None:
        from rich.console import Console

        self.is_leaving = False
        self.descriptors: list[int] = []
        self._console = Console(markup=False, highlight=False, emoji=False)
        self._live: Any = None
        self._saved: Any = None
        self._handlers: dict[int, Any] = {}
        self._ended_by = 0

    @property
    def height(self) -> int:
        """Its lines."""
        return self._console.height

    def draw(self, picture: "Callable[[Console], RenderableType]") -> None:
        """Show this."""
        self._live.update(picture(self._console), refresh=True)

    def heard(self, ready: dict[Any, int]) -> bool:
        """Take in keys and signals; whether the picture may need other rows."""
        if self._signals in ready:
            for number in os.read(self._signals, 512):
                if number == signal.SIGTSTP:
                    self._stop()
            return True
        if len(self.descriptors) > 1 and self.descriptors[1] in ready:
            keys = os.read(self.descriptors[1], 512)
            self.is_leaving = not keys or b"q" in keys or b"Q" in keys or b"\x03" in keys
        return False

    # ---- coming and going
    def __enter__(self) -> "Screen":
        self._signals, self._writer = os.pipe()
        for descriptor in (self._signals, self._writer):
            os.set_blocking(descriptor, False)
        self.descriptors = [self._signals]
        if sys.stdin is not None and sys.stdin.isatty():
            self.descriptors.append(sys.stdin.fileno())
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        for number in _ENDING:
            self._handlers[number] = signal.signal(number, self._end)
        for number in (signal.SIGWINCH, signal.SIGTSTP):
            self._handlers[number] = signal.signal(number, _nothing)  # its number comes through the pipe
        try:
            self._take()
        except BaseException:
            self._give()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._give()
        signal.set_wakeup_fd(-1)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        os.close(self._signals)
        os.close(self._writer)
        if isinstance(error, Ended):
            os.kill(os.getpid(), self._ended_by)

    def _end(self, number: int, frame: FrameType | None) -> None:
        self._ended_by = number
        raise Ended

    def _take(self) -> None:
        from rich.live import Live

        if len(self.descriptors) > 1:
            import termios
            import tty

            self._saved = termios.tcgetattr(self.descriptors[1])
            tty.setcbreak(self.descriptors[1])
        self._live = Live(
            console=self._console,
            screen=True,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

    def _give(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
        if self._saved is not None:
            import termios

            termios.tcsetattr(self.descriptors[1], termios.TCSADRAIN, self._saved)
            self._saved = None

    def _stop(self) -> None:
        """Ctrl-Z: give the terminal back, stop, and go on from here."""
        self._give()
        os.kill(os.getpid(), signal.SIGSTOP)
        self._take()


def _nothing(number: int, frame: FrameType | None) -> None:
    pass
