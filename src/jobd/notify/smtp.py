"""Mail by SMTP. One connection takes a run of letters; no wait on the server is longer than the timeout, and no letter than its deadline."""

import base64
import contextlib
import re
import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator
from email.message import EmailMessage
from typing import NoReturn

from jobd.errors import ConfigError
from jobd.notify.config import Config, MailServer
from jobd.notify.message import mail_of, own_address
from jobd.notify.store import Letter
from jobd.notify.transport import Never, NotNow, Trouble, Unwelcome

NAME = "mail"
DEADLINES = (
    6  # timeouts for one letter in all: a server that sends a byte now and then is not waited for longer
)
LETTERS_MAX = 100  # over one connection
QUIT_S = 5.0  # for the answer to our farewell, which nobody needs
# What these say is of our login and not of the letter, whenever they are said.
_OF_LOGIN = frozenset({530, 534, 535, 538})
# A 5xx, and yet of what passes (RFC 3463): the mailbox or the server is full, closed, or has had too much from us today.
_PASSES = re.compile(r"5\.(?:2\.2|3\.1|3\.2|4\.5)\b")
_OF_SIZE = re.compile(r"5\.(?:2\.3|3\.4)\b")


class _Gone(Trouble):
    """The connection has ended."""


class Smtp:
    """A mail server."""

    name = NAME
    bundle_max = 1  # filters look at the subject of each

    def __init__(self, config: Config, server: MailServer) -> None:
        """Nothing is connected yet."""
        self._config = config
        self._server = server
        self._sender = config.sender or own_address()
        self._link: smtplib.SMTP | None = None
        self._is_aborted = False
        self._sent = 0
        self.text = server.text

    def send(self, letter: Letter) -> None:
        """As Transport.send."""
        mail = mail_of(
            key=letter.key,
            receiver=letter.receiver,
            sender=self._sender,
            subject=letter.subject,
            body=letter.body,
            at_s=letter.at,
        )
        was_open = self._link is not None
        try:
            self._hand_over(mail, letter.receiver)
        except _Gone:
            if not was_open or self._is_aborted:
                raise
            # Servers close connections that were open for long. Should it have taken this letter before, its Message-ID is the same.
            self._hand_over(mail, letter.receiver)
        self._sent += 1
        if self._sent >= LETTERS_MAX:
            self.rest()

    def _hand_over(self, mail: EmailMessage, receiver: str) -> None:
        """
        Raises:
            NotNow, Never, Trouble: it was not taken.
        """
        try:
            with self._deadline():
                link = self._link or self._connect()
                link.send_message(mail, self._sender, [receiver])
        except Trouble:
            self._drop()
            raise
        except smtplib.SMTPRecipientsRefused as error:
            code, said = error.recipients[receiver]
            self._refused(code, said, about=f"{receiver}: ", is_of_receiver=True)
        except smtplib.SMTPSenderRefused as error:
            self._refused_sender(error.smtp_code, error.smtp_error)
        except smtplib.SMTPDataError as error:
            self._refused(error.smtp_code, error.smtp_error)
        except smtplib.SMTPNotSupportedError as error:
            raise Never(f"{receiver}: {error}") from None
        except (smtplib.SMTPException, OSError, ValueError) as error:
            self._drop()
            raise _Gone(_words(error)) from None

    def rest(self) -> None:
        """As Transport.rest."""
        link = self._link
        if link is not None:
            with contextlib.suppress(smtplib.SMTPException, OSError, ValueError), self._deadline():
                if link.sock is not None:
                    link.sock.settimeout(min(QUIT_S, self._config.timeout_s))
                link.quit()
        self._drop()

    def abort(self) -> None:
        """As Transport.abort."""
        self._is_aborted = True
        _shut(self._socket)

    # ---- the connection
    _socket: socket.socket | None = (
        None  # a second hold on it, by which it can be ended in the middle of a handshake
    )

    def _hold(self, sock: socket.socket) -> None:
        """A connection is there. TLS takes the socket over and cannot be ended by it, so ours is another one of the same."""
        old, self._socket = self._socket, sock.dup()
        if old is not None:
            old.close()
        if self._is_aborted:
            _shut(self._socket)

    def _connect(self) -> smtplib.SMTP:
        """
        Raises:
            Trouble: the server does not let us in.
        """
        server, timeout_s = self._server, self._config.timeout_s
        link: smtplib.SMTP | None = None
        try:
            context = None
            if server.security != "none":
                context = ssl.create_default_context(cafile=self._config.ca_file or None)
            if server.security == "tls":
                assert context is not None
                link = _Tls(self, server.host, context, timeout_s)
            else:
                link = _Plain(self, server.host, timeout_s)
            code, text = link.connect(server.host, server.port)
            if code != 220:
                raise Trouble(_said(code, text))
            link.ehlo_or_helo_if_needed()
            if server.security == "starttls":
                code, text = link.starttls(context=context)
                if code != 220:
                    raise Trouble(f"STARTTLS: {_said(code, text)}")
            if server.user:
                _login(link, server.user, self._config.password())
            self._link = link
            return link
        except (ConfigError, smtplib.SMTPNotSupportedError) as error:
            raise Unwelcome(str(error)) from None
        except smtplib.SMTPAuthenticationError as error:
            why = f"the login of {server.user} was refused: {_said(error.smtp_code, error.smtp_error)}"
            # A server that cannot look into its list of users now says 4xx.
            raise (Trouble if error.smtp_code < 500 else Unwelcome)(why) from None
        finally:
            if link is not None and self._link is not link:
                link.close()

    def _refused_sender(self, code: int, said: bytes | str) -> NoReturn:
        """The sender is the same in all letters, so all would be refused.

        Raises:
            Unwelcome: for good, or for our login.
            Trouble: for a while.
            Never: the letter is too long, which is said here too.
        """
        text = _said(code, said)
        if _OF_SIZE.search(text):
            self._refused(code, said)
        self._drop()
        if code in _OF_LOGIN:
            raise Unwelcome(text)
        raise (Unwelcome if code >= 500 else Trouble)(f"from {self._sender}: {text}")

    def _refused(
        self, code: int, said: bytes | str, *, about: str = "", is_of_receiver: bool = False
    ) -> NoReturn:
        """
        Raises:
            NotNow: for a while (4xx).
            Never: for good (5xx).
            Trouble: the whole server (421). Unwelcome: our login.
        """
        text = _said(code, said)
        if code == 421 or code in _OF_LOGIN:
            self._drop()
            raise (_Gone if code == 421 else Unwelcome)(f"{about}{text}")
        with contextlib.suppress(smtplib.SMTPException, OSError):
            if self._link is not None:
                self._link.rset()
        is_full = code == 552 and not _OF_SIZE.search(text)  # some say so of a mailbox (RFC 5321, 4.5.3.1.10)
        if code < 500 or is_full or _PASSES.search(text):
            raise NotNow(f"{about}{text}", is_of_receiver=is_of_receiver)
        raise Never(f"{about}{text}")

    def _drop(self) -> None:
        link, self._link, self._sent = self._link, None, 0
        if link is not None:
            link.close()
        sock, self._socket = self._socket, None
        if sock is not None:
            sock.close()

    @contextlib.contextmanager
    def _deadline(self) -> Iterator[None]:
        """End the connection when it all takes too long."""
        timer = threading.Timer(DEADLINES * self._config.timeout_s, lambda: _shut(self._socket))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def _login(link: smtplib.SMTP, user: str, password: str) -> None:
    """
    Raises:
        smtplib.SMTPException: the server does not take it.
    """
    if (user + password).isascii():
        link.login(user, password)
        return
    # smtplib has no more than ASCII. How other letters are said is fixed for this one alone (RFC 4616).
    link.ehlo_or_helo_if_needed()
    secret = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
    code, said = link.docmd("AUTH", f"PLAIN {secret}")
    if code != 235:
        raise smtplib.SMTPAuthenticationError(code, said)


class _Plain(smtplib.SMTP):
    """One that shows its socket from the beginning, so that another thread can end it."""

    def __init__(self, owner: Smtp, host: str, timeout_s: float) -> None:
        self._owner = owner
        super().__init__(local_hostname=_own_host(), timeout=timeout_s)
        self._host = host  # whose certificate starttls() wants to see

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        found = socket.create_connection((host, port), timeout)
        self._owner._hold(found)
        return found


class _Tls(smtplib.SMTP_SSL):
    """The same over TLS from the first byte."""

    def __init__(self, owner: Smtp, host: str, context: ssl.SSLContext, timeout_s: float) -> None:
        self._owner = owner
        self._context = context
        super().__init__(local_hostname=_own_host(), timeout=timeout_s, context=context)
        self._host = host

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        plain = socket.create_connection((host, port), timeout)
        self._owner._hold(plain)
        return self._context.wrap_socket(plain, server_hostname=host)


def _own_host() -> str:
    """How we greet. What smtplib would find out by itself asks a name server that may not answer."""
    name = socket.gethostname()
    return name if "." in name and name.isascii() else "[127.0.0.1]"


def _shut(sock: socket.socket | None) -> None:
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


def _said(code: int, text: bytes | str) -> str:
    shown = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return f"{code} {' '.join(shown.split())}"[:300]


def _words(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the server's certificate is not good: {error.verify_message}"
    if isinstance(error, TimeoutError) or str(error).endswith("timed out"):
        return "the server does not answer in time"
    if isinstance(error, smtplib.SMTPResponseException):
        return _said(error.smtp_code, error.smtp_error)
    return " ".join((getattr(error, "strerror", None) or str(error) or type(error).__name__).split())[:300]
