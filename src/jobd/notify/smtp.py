"""Mail by SMTP. One connection takes a run of letters; no wait on the server is longer than the timeout, and no letter than its deadline."""

import contextlib
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
from jobd.notify.transport import Never, NotNow, Trouble

NAME = "mail"
DEADLINES = (
    6  # timeouts for one letter in all: a server that sends a byte now and then is not waited for longer
)
LETTERS_MAX = 100  # over one connection
# At MAIL FROM: what these say is of our login and not of the letter.
_OF_LOGIN = frozenset({530, 534, 535, 538})


class Smtp:
    """A mail server."""

    name = NAME

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
        except Trouble:
            if not was_open or self._is_aborted or self._link is not None:
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
            self._refused(code, said, about=f"{receiver}: ")
        except smtplib.SMTPSenderRefused as error:
            if error.smtp_code in _OF_LOGIN:
                self._drop()
                raise Trouble(_said(error.smtp_code, error.smtp_error)) from None
            self._refused(error.smtp_code, error.smtp_error, about=f"from {self._sender}: ")
        except smtplib.SMTPDataError as error:
            self._refused(error.smtp_code, error.smtp_error)
        except smtplib.SMTPNotSupportedError as error:
            raise Never(f"{receiver}: {error}") from None
        except (smtplib.SMTPException, OSError, ValueError) as error:
            self._drop()
            raise Trouble(_words(error)) from None

    def rest(self) -> None:
        """As Transport.rest."""
        link, self._link, self._sent = self._link, None, 0
        if link is not None:
            with contextlib.suppress(smtplib.SMTPException, OSError, ValueError), self._deadline():
                link.quit()
            link.close()

    def abort(self) -> None:
        """As Transport.abort."""
        self._is_aborted = True
        _shut(self._socket)

    # ---- the connection
    _socket: socket.socket | None = None

    def _connect(self) -> smtplib.SMTP:
        """
        Raises:
            Trouble: the server does not let us in.
        """
        server, timeout_s = self._server, self._config.timeout_s
        try:
            context = None
            if server.security != "none":
                context = ssl.create_default_context(cafile=self._config.ca_file or None)
            link: smtplib.SMTP
            if server.security == "tls":
                assert context is not None
                link = _Tls(self, server.host, context, timeout_s)
            else:
                link = _Plain(self, server.host, timeout_s)
            code, text = link.connect(server.host, server.port)
            if code != 220:
                link.close()
                raise Trouble(_said(code, text))
            link.ehlo_or_helo_if_needed()
            if server.security == "starttls":
                code, text = link.starttls(context=context)
                self._socket = link.sock
                if code != 220:
                    raise Trouble(f"STARTTLS: {_said(code, text)}")
            if server.user:
                link.login(server.user, self._config.password())
        except ConfigError as error:
            raise Trouble(str(error)) from None
        except smtplib.SMTPNotSupportedError as error:
            raise Trouble(str(error)) from None
        except smtplib.SMTPAuthenticationError as error:
            raise Trouble(
                f"the login of {server.user} was refused: {_said(error.smtp_code, error.smtp_error)}"
            ) from None
        self._link = link
        return link

    def _refused(self, code: int, said: bytes | str, *, about: str = "") -> NoReturn:
        """
        Raises:
            NotNow: for a while (4xx).
            Never: for good (5xx).
            Trouble: the whole server (421).
        """
        text = f"{about}{_said(code, said)}"
        if code == 421:
            self._drop()
            raise Trouble(text)
        with contextlib.suppress(smtplib.SMTPException, OSError):
            if self._link is not None:
                self._link.rset()
        raise (Never if code >= 500 else NotNow)(text)

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


class _Plain(smtplib.SMTP):
    """One that shows its socket from the beginning, so that another thread can end it."""

    def __init__(self, owner: Smtp, host: str, timeout_s: float) -> None:
        self._owner = owner
        super().__init__(local_hostname=_own_host(), timeout=timeout_s)
        self._host = host  # whose certificate starttls() wants to see

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        found = socket.create_connection((host, port), timeout)
        self._owner._socket = found
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
        self._owner._socket = plain
        found = self._context.wrap_socket(plain, server_hostname=host)
        self._owner._socket = found
        return found


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
