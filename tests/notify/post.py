"""A real mail server (aiosmtpd) that keeps what it takes, and can be told what to answer."""

import asyncio
import contextlib
import socket
import threading
from collections import deque
from collections.abc import Callable
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any, Self

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
        self.asked: list[str] = []  # receivers, each time they are named
        self.logins: list[tuple[str, str]] = []
        self.password = "secret"
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
        self._is_open = True

    def stop(self) -> None:
        """Listen no more; connections end."""
        self.controller.stop()
        self._is_open = False

    def __exit__(self, *error: object) -> None:
        if self.held is not None:
            self.held.set()
        if self._is_open:
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
        self.asked.append(address)
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
        return AuthResult(success=self.logins[-1] == ("me", self.password), handled=False)


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


class Spoken:
    """A server that talks with one client at a time, as `talk` has it; a context manager."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.connections = 0
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def _run(self) -> None:
        while True:
            try:
                link, _ = self._socket.accept()
            except OSError:
                return
            with self._changed:
                self.connections += 1
                self._changed.notify_all()
            with contextlib.suppress(OSError), link:
                self.talk(link)

    def talk(self, link: socket.socket) -> None:
        """With one client."""
        raise NotImplementedError

    def wait(self, count: int) -> None:
        """Until so many have called."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.connections >= count, PATIENCE_S)

    def __exit__(self, *error: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(PATIENCE_S)


class Dripping(Spoken):
    """One that begins to encrypt, and goes on byte by byte."""

    def __init__(self, is_starttls: bool) -> None:
        super().__init__()
        self._is_starttls = is_starttls
        self.dripped = 0

    def talk(self, link: socket.socket) -> None:
        if self._is_starttls:
            link.sendall(b"220 hello\r\n")
            link.recv(1000)
            link.sendall(b"250-hello\r\n250 STARTTLS\r\n")
            link.recv(1000)
            link.sendall(b"220 go ahead\r\n")
        link.sendall(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xf0")  # a hello of 16 kB is to come
        pause = threading.Event()
        while not pause.wait(0.3):
            link.sendall(b"\x00")
            self.dripped += 1


class Rude(Spoken):
    """One that takes letters, and says nothing to a farewell."""

    def __init__(self) -> None:
        super().__init__()
        self.quit = threading.Event()

    def talk(self, link: socket.socket) -> None:
        link.sendall(b"220 hello\r\n")
        is_data = False
        for line in link.makefile("rb"):
            if is_data:
                if line == b".\r\n":
                    is_data = False
                    link.sendall(b"250 taken\r\n")
            elif line.upper().startswith(b"DATA"):
                is_data = True
                link.sendall(b"354 go\r\n")
            elif line.upper().startswith(b"QUIT"):
                self.quit.set()
            else:
                link.sendall(b"250 fine\r\n")


def body_of(letter: EmailMessage) -> str:
    """Its text."""
    text = letter.get_content()
    assert isinstance(text, str)
    return text.replace("\r\n", "\n")
