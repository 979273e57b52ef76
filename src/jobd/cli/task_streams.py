"""Where the output of a step's tasks goes, and where their input comes from.

A task that shares its outlet with no other, and whose lines get no label, has it as its own descriptor: nothing stands between them. Else
it writes to a pipe, and the pump, a thread, puts what comes out together: whole lines, so that those of two tasks do not mix.
Broadcast input goes the other way.
"""

import os
import select
import threading
from collections.abc import Callable, Sequence

CHUNK_BYTES = 1 << 16
LINE_BYTES_MAX = 1 << 20  # of a line without an end, that is held back; longer ones are written in pieces


class Outlet:
    """A descriptor that outputs are written to; several tasks may share it."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.is_open = True

    def write(self, data: bytes) -> None:
        """Write all of it. An outlet that nobody reads any more is closed for good."""
        view = memoryview(data)
        while view and self.is_open:
            try:
                view = view[os.write(self.descriptor, view) :]
            except BlockingIOError:
                select.select([], [self.descriptor], [])
            except OSError:
                self.is_open = False


class _Inflow:
    """A task's pipe: what came through it and is no whole line yet."""

    def __init__(self, outlet: Outlet, label: bytes, is_unbuffered: bool) -> None:
        self._outlet = outlet
        self._label = label
        self._is_unbuffered = is_unbuffered and not label
        self._rest = bytearray()

    @property
    def is_heard(self) -> bool:
        return self._outlet.is_open

    def take(self, data: bytes) -> None:
        if self._is_unbuffered:
            self._outlet.write(data)
            return
        self._rest += data
        end = self._rest.rfind(b"\n") + 1
        if end == 0 and len(self._rest) >= LINE_BYTES_MAX:
            end = len(self._rest)
        if end:
            self._put(bytes(self._rest[:end]))
            del self._rest[:end]

    def end(self) -> None:
        if self._rest:
            self._put(bytes(self._rest))
            self._rest.clear()

    def _put(self, lines: bytes) -> None:
        """Write lines. A labelled one always gets an end, or the next label would stand in the middle of it."""
        if self._label:
            # Split at newlines alone: a carriage return begins no line.
            lines = b"".join(self._label + line + b"\n" for line in lines.removesuffix(b"\n").split(b"\n"))
        self._outlet.write(lines)


class Pump:
    """The thread that carries bytes between tasks and outlets."""

    def __init__(self) -> None:
        self._inflows: dict[int, _Inflow] = {}
        self._source: int | None = None
        self._sinks: dict[int, bytearray] = {}
        self._on_end: Callable[[int], None] = os.close
        self._wake_reader, self._wake_writer = os.pipe()
        self._is_closing = False
        self._poll = select.poll()
        self._thread: threading.Thread | None = None
        self._poll.register(self._wake_reader, select.POLLIN)

    @property
    def has_work(self) -> bool:
        """Whether there is anything to carry."""
        return bool(self._inflows) or self._source is not None

    def carry_out(self, reader: int, outlet: Outlet, *, label: bytes = b"", is_unbuffered: bool) -> None:
        """From a task to an outlet. The pump closes `reader`, which is no sink of `carry_in`."""
        self._inflows[reader] = _Inflow(outlet, label, is_unbuffered)
        self._poll.register(reader, select.POLLIN)

    def carry_in(
        self, source: int, sinks: Sequence[int], on_end: Callable[[int], None] | None = None
    ) -> None:
        """What comes from `source` to each of the sinks.

        Args:
            on_end: what is done to a sink when the source has ended; else it is closed.
        """
        self._source = source
        self._sinks = {sink: bytearray() for sink in sinks}
        self._on_end = on_end or os.close
        for sink in sinks:
            os.set_blocking(sink, False)
        self._poll.register(source, select.POLLIN)

    def start(self) -> None:
        """Begin. All signals must be blocked by now, so that the thread takes none."""
        if self.has_work:
            self._thread = threading.Thread(target=self._run, name="pump", daemon=True)
            self._thread.start()

    def finish(self, patience_s: float) -> None:
        """All tasks are over: take no more input, and carry the last of their output. What still holds a pipe after `patience_s` is
        heard no more."""
        if self._thread is None:
            return
        self._is_closing = True
        os.write(self._wake_writer, b".")
        self._thread.join(patience_s)

    # ---- the thread
    def _run(self) -> None:
        while self._inflows or (self._source is not None and not self._is_closing):
            for descriptor, happened in self._poll.poll():
                if descriptor == self._wake_reader:
                    self._poll.unregister(self._wake_reader)
                    self._stop_input()
                elif descriptor in self._inflows:
                    self._carry_one(descriptor)
                elif descriptor == self._source:
                    self._fill()
                elif descriptor in self._sinks:
                    self._drain(descriptor, is_broken=not happened & select.POLLOUT)

    def _carry_one(self, reader: int) -> None:
        inflow = self._inflows[reader]
        try:
            data = os.read(reader, CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""  # EIO: a terminal whose last user has gone
        if data:
            inflow.take(data)
        if data and inflow.is_heard:
            return
        inflow.end()
        del self._inflows[reader]
        self._poll.unregister(reader)
        os.close(reader)

    def _fill(self) -> None:
        """Take from the source what all sinks will get. It is asked again when they have all taken it."""
        assert self._source is not None
        try:
            data = os.read(self._source, CHUNK_BYTES)
        except OSError:
            data = b""
        if not data:
            sinks = list(self._sinks)
            self._stop_input()
            for sink in sinks:
                self._on_end(sink)
            return
        self._poll.unregister(self._source)
        for sink, pending in self._sinks.items():
            pending += data
            self._poll.register(sink, select.POLLOUT)
        self._ask_again()

    def _drain(self, sink: int, *, is_broken: bool) -> None:
        pending = self._sinks[sink]
        try:
            if not is_broken:
                del pending[: os.write(sink, pending)]
        except BlockingIOError:
            return
        except OSError:
            is_broken = True
        if is_broken:
            # The task reads no more; the others may.
            del self._sinks[sink]
            self._poll.unregister(sink)
            os.close(sink)
        elif not pending:
            self._poll.unregister(sink)
        self._ask_again()

    def _ask_again(self) -> None:
        if self._source is not None and self._sinks and not any(self._sinks.values()):
            self._poll.register(self._source, select.POLLIN)

    def _stop_input(self) -> None:
        if self._source is None:
            return
        for descriptor in (self._source, *self._sinks):
            try:
                self._poll.unregister(descriptor)
            except KeyError:
                pass
        self._source = None
        self._sinks = {}


__all__ = ["Outlet", "Pump"]
