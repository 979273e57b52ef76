"""A real mail server (aiosmtpd) that keeps what it takes, and can be told what to answer."""

import asyncio
import socket
import threading
from collections import deque
from collections.abc import Callable
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from live.conftest import PATIENCE_S


class Post:
    """A mail server on a port of its own; a context manager.

    `answers` has for "MAIL", "RCPT" and "DATA" what is said next in the place of yes; each once.
    """

    def __init__(self, **options: Any) -> None:
        self._changed = threading.Condition()
        self.letters: list[EmailMessage] = []
        self.receivers: list[str] = []
        self.connections = 0
        self.answers: dict[str, deque[str]] = {"MAIL": deque(), "RCPT": deque(), "DATA": deque()}
        self.refused: dict[str, str] = {}  # receiver → always
        self.logins: list[tuple[str, str]] = []
        self.held: threading.Event | None = None  # DATA waits for it before it is answered
        self.is_held_late = False  # when the letter has been taken already
        self.is_holding = threading.Event()
        self._options = options

    def __enter__(self) -> "Post":
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.start()
        return self

    def start(self) -> None:
        """Listen; may be said again after `stop`."""
        self.controller = Controller(self, hostname="127.0.0.1", port=self.port, **self._options)
        self.controller.start()

    def stop(self) -> None:
        """Listen no more; connections end."""
        self.controller.stop()

    def __exit__(self, *error: object) -> None:
        if self.held is not None:
            self.held.set()
        self.controller.stop(no_assert=True)

    def wait(self, is_so: Callable[["Post"], object]) -> None:
        """Until it is so; looked at after each letter."""
        with self._changed:
            assert self._changed.wait_for(lambda: is_so(self), PATIENCE_S), self.subjects

    def wait_count(self, count: int) -> list[EmailMessage]:
        """Until so many letters are there; they."""
        self.wait(lambda post: len(post.letters) >= count)
        return list(self.letters)

    @property
    def subjects(self) -> list[str]:
        """Of all letters."""
        return [str(letter["Subject"]) for letter in self.letters]

    @property
    def ids(self) -> list[str]:
        """Of all letters."""
        return [str(letter["Message-ID"]) for letter in self.letters]

    # ---- as aiosmtpd calls it
    async def handle_EHLO(
        self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        self.connections += 1
        return responses

    async def handle_MAIL(
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if self.answers["MAIL"]:
            return self.answers["MAIL"].popleft()
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if address in self.refused:
            return self.refused[address]
        if self.answers["RCPT"]:
            return self.answers["RCPT"].popleft()
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.held is not None and not self.is_held_late:
            self.is_holding.set()
            await asyncio.get_running_loop().run_in_executor(None, self.held.wait, PATIENCE_S)
        if self.answers["DATA"]:
            return self.answers["DATA"].popleft()
        letter = message_from_bytes(envelope.content, policy=default)
        assert isinstance(letter, EmailMessage)
        with self._changed:
            self.letters.append(letter)
            self.receivers += envelope.rcpt_tos
            self._changed.notify_all()
        if self.held is not None and self.is_held_late:
            self.is_holding.set()
            await asyncio.get_running_loop().run_in_executor(None, self.held.wait, PATIENCE_S)
        return "250 OK"

    def login(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        """As aiosmtpd's authenticator: me, secret."""
        assert isinstance(data, LoginPassword)
        self.logins.append((data.login.decode(), data.password.decode()))
        return AuthResult(success=self.logins[-1] == ("me", "secret"), handled=False)


class Silent:
    """Something that listens on a port, takes connections, and says nothing, or one line; a context manager."""

    def __init__(self, says: bytes = b"", *, is_closing: bool = False) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._says, self._is_closing = says, is_closing
        self._open: list[socket.socket] = []
        self.connections = 0
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Silent":
        self._thread.start()
        return self

    def _run(self) -> None:
        while True:
            try:
                link, _ = self._socket.accept()
            except OSError:
                return
            if self._says:
                link.sendall(self._says)
            if self._is_closing:
                link.close()
            else:
                self._open.append(link)
            with self._changed:
                self.connections += 1
                self._changed.notify_all()

    def wait(self, count: int) -> None:
        """Until so many have called."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.connections >= count, PATIENCE_S)

    def __exit__(self, *error: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for link in self._open:
            link.close()
        self._thread.join(PATIENCE_S)


def body_of(letter: EmailMessage) -> str:
    """Its text."""
    text = letter.get_content()
    assert isinstance(text, str)
    return text.replace("\r\n", "\n")
