"""The terminal, for textual: as its own driver, but asleep while nobody types, and on standard output.

Its own one looks ten times a second whether it is to end. Ours is woken for that.
"""

import io
import os
import selectors
import signal
import sys
import threading
from codecs import getincrementaldecoder
from typing import TYPE_CHECKING, Any

from textual._xterm_parser import XTermParser
from textual.constants import ESCAPE_DELAY
from textual.drivers.linux_driver import LinuxDriver

if TYPE_CHECKING:
    from textual.app import App

_EVERY_MOVE, _DRAWN = "\x1b[?1003h", "\x1b[?1002h"  # modes of the mouse (xterm's control sequences)
_READ_BYTES = 4096


class _Bell(threading.Event):
    """An event that also wakes who sleeps in select."""

    def __init__(self) -> None:
        super().__init__()
        self.fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def set(self) -> None:
        super().set()
        os.eventfd_write(self.fd, 1)

    def clear(self) -> None:
        super().clear()
        try:
            os.eventfd_read(self.fd)
        except BlockingIOError:
            pass


class QuietDriver(LinuxDriver):
    """Reads keys and the mouse; sleeps in between."""

    def __init__(self, app: "App[Any]", **options: Any) -> None:
        super().__init__(app, **options)
        assert sys.__stdout__ is not None
        if isinstance(sys.__stdout__, io.TextIOWrapper):
            sys.__stdout__.reconfigure(errors="replace")  # a locale that cannot write every letter
        self._file = sys.__stdout__
        self._bell = _Bell()
        self.exit_event = self._bell

    def write(self, data: str) -> None:
        """Show it. Of the mouse it is told what is pressed and drawn, but not each move, which nothing here wants to know."""
        super().write(_DRAWN if data == _EVERY_MOVE else data)

    def run_input_thread(self) -> None:
        """Read until we are to end. After a key a while is waited for what belongs to it: a lone escape begins every sequence."""
        parser = XTermParser(self._debug)
        decode = getincrementaldecoder("utf-8")(errors="replace").decode
        with selectors.DefaultSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            selector.register(self._bell.fd, selectors.EVENT_READ)
            pause_s: float | None = None
            while not self.exit_event.is_set():
                ready = {key.fd for key, _ in selector.select(pause_s)}
                pause_s = None
                if self.fileno in ready:
                    pause_s = 2 * ESCAPE_DELAY
                    try:
                        data = os.read(self.fileno, _READ_BYTES)
                    except OSError:
                        data = b""
                    if not data:
                        # The terminal has gone; there is nothing more to read.
                        selector.unregister(self.fileno)
                        ending = getattr(self._app, "ending", None)
                        if ending is not None:
                            ending.begin(signal.SIGHUP)
                        else:
                            self._app.call_later(self._app.exit)
                        continue
                    for event in parser.feed(decode(data)):
                        self.process_message(event)
                for event in parser.tick():
                    self.process_message(event)
