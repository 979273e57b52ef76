"""A pseudo-terminal for the first task of a step (srun(1), --pty): a real terminal of its own, with job control, in which ours stands
aside: it hands on every key and shows what comes.
"""

import fcntl
import os
import struct
import termios
import tty
from typing import Any

from jobd.cli.task_streams import Outlet, Pump

_NO_SIZE = struct.pack("HHHH", 24, 80, 0, 0)
_END_OF_FILE = b"\x04"


class PseudoTerminal:
    """The terminal of a task, and what we changed of our own."""

    def __init__(self, source: int = 0) -> None:
        """
        Args:
            source: the descriptor whose input the task gets; our terminal, if it is one.

        Raises:
            OSError: none can be had.
        """
        self._source = source
        self._master, self._slave = os.openpty()
        self.path = os.ttyname(self._slave)
        self._saved: list[Any] | None = None
        if os.isatty(source):
            # The task's terminal begins as ours is: its size, its control characters, its modes.
            termios.tcsetattr(self._slave, termios.TCSANOW, termios.tcgetattr(source))
        self.resize()

    @property
    def actions(self) -> list[tuple[Any, ...]]:
        """What makes it a task's (os.posix_spawn). The leader of a session that opens a terminal gets it for its own."""
        opened = (os.POSIX_SPAWN_OPEN, 0, self.path, os.O_RDWR, 0)
        return [opened, *((os.POSIX_SPAWN_DUP2, 0, number) for number in (1, 2))]

    def resize(self) -> None:
        """Give it the size of our own terminal; the kernel tells those who use it."""
        try:
            size = fcntl.ioctl(self._source, termios.TIOCGWINSZ, b"\0" * 8)
        except OSError:
            size = _NO_SIZE
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, size)

    def join(self, pump: Pump, outlet: Outlet) -> None:
        """The task has it: let the pump, which is about to start, carry keys in and what it shows out, and let our own terminal act on
        none of it."""
        os.close(self._slave)  # so that the end of the last user is seen
        writer = os.dup(self._master)
        pump.carry_in(self._source, [writer], self._end_input)
        pump.carry_out(self._master, outlet, is_unbuffered=True)
        if os.isatty(self._source):
            self._saved = termios.tcgetattr(self._source)
            tty.setraw(self._source, termios.TCSADRAIN)  # what was typed ahead is kept

    def _end_input(self, writer: int) -> None:
        """Our input has ended: tell the task as its terminal would be told, by Ctrl-D."""
        try:
            os.write(writer, _END_OF_FILE)
        except OSError:
            pass  # the task has gone before

    def restore(self) -> None:
        """Make our own terminal as it was."""
        if self._saved is not None:
            try:
                termios.tcsetattr(self._source, termios.TCSADRAIN, self._saved)
            except OSError:
                pass  # it is gone
            self._saved = None


__all__ = ["PseudoTerminal"]
