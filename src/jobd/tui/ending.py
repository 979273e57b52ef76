"""Being ended by a signal: at once, with the terminal as it was, also where the terminal takes nothing more (a line that hangs).

What is shown goes through a queue to a thread that writes it. When nobody reads the terminal that thread stands still, then the queue is full,
then the whole program waits; the loop hears of no signal any more. Python's own handlers run even then.
"""

import asyncio
import os
import signal
import termios
from collections.abc import Callable
from types import FrameType
from typing import Any

ENDING_S = 1.0  # for an end in good order
SIGNALS = (signal.SIGTERM, signal.SIGHUP)

# No mouse, no pasting in brackets, line wrap, no other keyboard, the first screen, a cursor, no word of the focus.
_AS_IT_WAS = b"\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1015l\x1b[?1006l\x1b[?2004l\x1b[?7h\x1b[<u\x1b[?1049l\x1b[?25h\x1b[?1004l"


class Ending:
    """Ends the program by its loop, and without it where that does not come to it. Made in the main thread, within the loop."""

    def __init__(self, end: Callable[[int], None], attributes: Callable[[], list[Any] | None]) -> None:
        """
        Args:
            end: ends the program in good order; called in the loop, with the number of the signal.
            attributes: how the terminal was set before.
        """
        self._end, self._attributes = end, attributes
        self._loop = asyncio.get_running_loop()
        self._number = int(signal.SIGHUP)
        signal.signal(signal.SIGALRM, self._too_late)
        for number in SIGNALS:
            signal.signal(number, self._heard)

    def begin(self, number: int) -> None:
        """End by this signal; from any thread."""
        self._number = number
        signal.setitimer(signal.ITIMER_REAL, ENDING_S)
        try:
            self._loop.call_soon_threadsafe(self._end, number)
        except RuntimeError:
            pass  # the loop is closed: it is the end already

    def _heard(self, number: int, frame: FrameType | None) -> None:
        self.begin(number)

    def _too_late(self, number: int, frame: FrameType | None) -> None:
        attributes = self._attributes()
        try:
            # Opened anew, as only so it can be written to without waiting: how our own one waits is also the shell's affair.
            terminal = os.open("/dev/tty", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
            if attributes is not None:
                termios.tcsetattr(terminal, termios.TCSANOW, attributes)
            os.write(terminal, _AS_IT_WAS)
        except (OSError, termios.error):
            pass  # it has gone
        die(self._number)


def die(number: int) -> None:
    """End by this signal now."""
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
