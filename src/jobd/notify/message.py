"""A notice as a mail: headers that nobody can inject into, and a number that stays the same however often it is sent."""

import hashlib
import os
import pwd
import socket
from datetime import UTC, datetime
from email import policy
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, localtime
from typing import NoReturn

from jobd.errors import UsageError

SUBJECT_CHARS_MAX = 200
ADDRESS_CHARS_MAX = 254  # RFC 5321
_PLAIN = frozenset(' ,;<>()[]\\"')  # what never stands in an address that anybody has
LINE_CHARS_MAX = 998  # RFC 5322
# Everything is ASCII on the way, so that no server can spoil it.
_POLICY = policy.SMTP.clone(cte_type="7bit")


def checked_address(text: str) -> str:
    """An address, or the name of a user of this machine; a domain in other letters in the form that every server takes.

    Raises:
        UsageError: it is none.
    """
    try:
        if (
            not text.isprintable()
            or text.startswith("-")
            or len(text) > ADDRESS_CHARS_MAX
            or not _PLAIN.isdisjoint(text)
        ):
            raise ValueError
        user, at, domain = text.rpartition("@")
        if not at:
            return domain if domain.isascii() and Address(username=domain).username else _none()
        found = Address(addr_spec=f"{user}@{domain.encode('idna').decode()}")
        return found.addr_spec if found.username and found.domain else _none()
    except (ValueError, IndexError, HeaderParseError):
        raise UsageError(f"{text[:80]!r} is no address for mail") from None


def _none() -> NoReturn:
    raise ValueError


def own_user() -> str:
    """The name of the user we run for."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def own_address() -> str:
    """user@host, where nothing else is configured."""
    try:
        return checked_address(f"{own_user()}@{socket.gethostname() or 'localhost'}")
    except UsageError:  # a name that is none elsewhere
        return "jobd@localhost"


def message_id(key: str, receiver: str, sender: str) -> str:
    """The Message-ID: of the same notice to the same receiver always the same, so that a mail that came twice can be told."""
    digest = hashlib.sha256(f"{key}\0{receiver}".encode("utf-8", "replace")).hexdigest()[:40]
    return f"<{digest}@{_ascii_domain(sender)}>"


def one_line(text: str, chars_max: int = SUBJECT_CHARS_MAX) -> str:
    """Text for a header or a title: one line, nothing in it that acts, not too long."""
    shown = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
    shown = shown.encode("utf-8", "replace").decode()
    return shown if len(shown) <= chars_max else shown[: chars_max - 1] + "…"


def mail_of(*, key: str, receiver: str, sender: str, subject: str, body: str, at_s: float) -> EmailMessage:
    """The mail.

    Args:
        key: of the notice.
        at_s: when it was written (wall).
    """
    mail = EmailMessage(policy=_POLICY)
    mail["From"] = Address("jobd", addr_spec=sender)
    mail["To"] = Address(addr_spec=receiver) if "@" in receiver else Address(username=receiver)
    mail["Subject"] = one_line(subject)
    mail["Date"] = format_datetime(localtime_of(at_s))
    mail["Message-ID"] = message_id(key, receiver, sender)
    # By this those of one job, and of all elements of an array, stand together where mail is read.
    mail["References"] = message_id(key.rsplit("/", 3)[0], receiver, sender)
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: whoever is away answers a person only
    mail.set_content(body.encode("utf-8", "replace").decode(), charset="utf-8")
    if mail["Subject"].isascii():
        # Not folded: some readers show where it was. The text is as it was made.
        mail.policy = _POLICY.clone(max_line_length=LINE_CHARS_MAX)
    return mail


def localtime_of(at_s: float) -> datetime:
    """That moment with this machine's zone."""
    return localtime(datetime.fromtimestamp(at_s, UTC))


def _ascii_domain(sender: str) -> str:
    domain = sender.rpartition("@")[2]
    try:
        return domain.encode("idna").decode() or "localhost"
    except UnicodeError:
        return "localhost"
