"""Desktop, chat, push and a hundred other services, by the library apprise: each is one URL.

It says only whether a notice was taken, so what was not is tried again until it is too old. Its URLs hold secrets: they are never shown.
"""

import hashlib
import logging
import threading
from typing import Any

from jobd.errors import ConfigError
from jobd.extras import require
from jobd.notify import kinds
from jobd.notify.message import one_line
from jobd.notify.store import Letter
from jobd.notify.transport import Trouble

_KINDS = {
    **dict.fromkeys(kinds.BAD, "failure"),
    kinds.END: "success",
    kinds.REQUEUE: "warning",
    **dict.fromkeys(kinds.SHARES, "warning"),
}

TEXT_ROOM = 64  # what a plugin may put around a text


class Service:
    """One URL of apprise."""

    bundle_max = 100  # a phone that rings for each of a thousand jobs is switched off; and apprise takes seconds for each

    def __init__(self, url: str) -> None:
        """
        Raises:
            UsageError: apprise is not installed.
            ConfigError: it does not know such a service, or lacks something that it needs.
        """
        require("notify", "apprise")
        import apprise

        # What it logs is for us: why something was not taken.
        self._heard = _Heard()
        logger = logging.getLogger("apprise")
        logger.addHandler(self._heard)
        logger.propagate = False
        scheme = url.partition(":")[0][:30]
        factory: Any = apprise.Apprise
        self._plugin: Any = factory.instantiate(url, suppress_exceptions=True)
        if self._plugin is None:
            why = self._heard.take().replace(url, f"{scheme}://…")
            raise ConfigError(f"{scheme}://…: {_lacks(scheme) or why or 'no service that apprise knows'}")
        self.name = f"{scheme}:{hashlib.sha256(url.encode()).hexdigest()[:16]}"
        self.text = str(self._plugin.url(privacy=True)).partition("?")[0]

    def send(self, letter: Letter) -> None:
        """As Transport.send."""
        self._heard.take()
        try:
            is_taken = self._plugin.notify(
                title=one_line(letter.subject),
                body=shortened(letter.body, self._room(letter)),
                notify_type=_KINDS.get(letter.kind, "info"),
                body_format="text",
                overflow="truncate",  # whoever is sent more than they take may refuse all of it
            )
        except Exception as error:  # of a hundred plugins of others: its text may have the URL in it
            raise Trouble(f"{self.text}: {type(error).__name__}") from None
        if not is_taken:
            raise Trouble(self._heard.take() or "it was not taken")

    def _room(self, letter: Letter) -> int:
        """Characters that the service takes of a text."""
        # A service without titles gets ours as the first line of the text.
        title = 0 if self._plugin.title_maxlen > 0 else len(letter.subject) + 2
        return max(0, int(self._plugin.body_maxlen) - title - TEXT_ROOM)

    def rest(self) -> None:
        """As Transport.rest."""

    def abort(self) -> None:
        """As Transport.abort: what is under way ends by apprise's own timeouts."""


def shortened(text: str, chars_max: int) -> str:
    """A text that fits: its first lines, that say what happened, and its last ones, of the output; what is between gives way.

    Args:
        chars_max: 0 for no limit.
    """
    if not chars_max or len(text) <= chars_max:
        return text
    lines = text.splitlines()
    first, last = lines[0][: chars_max - 2], []
    room = chars_max - len(first) - len("\n…\n")
    for line in reversed(lines[1:]):
        if len(line) + 1 > room:
            break
        room -= len(line) + 1
        last.append(line)
    return "\n".join([first, "…", *reversed(last)])[:chars_max]


def _lacks(scheme: str) -> str:
    """What has to be installed for a service that apprise knows and cannot do here."""
    from apprise.manager_plugins import NotificationManager

    manager: Any = NotificationManager

    try:
        plugin = manager()[scheme.lower()]
    except KeyError:
        return ""
    if plugin.enabled:
        return ""
    needs = plugin.requirements.get("packages_required") or plugin.requirements.get("details") or ""
    names = needs if isinstance(needs, str) else ", ".join(needs) if isinstance(needs, list) else str(needs)
    return f"apprise cannot do this here: {one_line(names)}" if names else ""


class _Heard(logging.Handler):
    """The last warning that came from this thread."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._by_thread: dict[int, str] = {}

    def emit(self, record: logging.LogRecord) -> None:
        self._by_thread[threading.get_ident()] = " ".join(record.getMessage().split())[:300]

    def take(self) -> str:
        """It, once."""
        return self._by_thread.pop(threading.get_ident(), "")
