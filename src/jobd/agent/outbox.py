"""What the agent has to say to the server, as few messages of many frames."""

import time
from typing import Any

from jobd.wire import batch as b
from jobd.wire import codec
from jobd.wire.verbs import FROM_AGENT

FRAMES_MAX = 500  # in one message
GATHER_S = 0.02  # between two messages, while there is enough to do without the server

_UNHURRIED = (b.Left, b.Began)


class Outbox:
    """Messages that wait to be sent.

    While short jobs follow each other here without the server, their ends are gathered for a moment: each message costs it a tick.
    """

    def __init__(self, link: Any) -> None:
        """
        Args:
            link: the DEALER to the server.
        """
        self._link = link
        self._frames: list[bytes] = []
        self._sent_at_s = 0.0
        self._is_urgent = False

    def add(self, message: Any) -> None:
        """Say this with the next."""
        self._frames.append(codec.encode_named(FROM_AGENT, message))
        self._is_urgent = self._is_urgent or type(message) not in _UNHURRIED

    def clear(self) -> None:
        """Nobody is there to hear it."""
        self._frames.clear()

    def due_s(self, *, is_patient: bool) -> float | None:
        """When it is to be sent, monotonic; None: there is nothing.

        Args:
            is_patient: the server need not know at once.
        """
        if not self._frames:
            return None
        return self._sent_at_s + GATHER_S if is_patient and not self._is_urgent else 0.0

    def flush(self, *, is_patient: bool) -> None:
        """Send it, if it is due."""
        due_s = self.due_s(is_patient=is_patient)
        now_s = time.monotonic()
        if due_s is None or now_s < due_s:
            return
        self._sent_at_s, self._is_urgent = now_s, False
        while self._frames:
            frames, self._frames = self._frames[:FRAMES_MAX], self._frames[FRAMES_MAX:]
            codec.send_frames(self._link, frames)
