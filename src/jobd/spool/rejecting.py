"""What is no job → lost+found, now or when there is room."""

import logging
import os
from collections.abc import Callable
from typing import Any

from jobd.spool.entry import PAUSE_MAX_S
from jobd.spool.files import printable, remove, text_of
from jobd.spool.places import Places
from jobd.spool.settings import HIDDEN

log = logging.getLogger("jobd.spool")

Later = Callable[[Any, float, Callable[[], None]], None]  # a key, after how many seconds, what to do


class Lost:
    """The way to lost+found."""

    def __init__(self, places: Places, later: Later) -> None:
        self._places, self._later = places, later

    def put(self, path: str, reason: str, token: str = "", inode: int = 0) -> None:
        """Bring it there; where that cannot be now, later, if it is still the same (its inode)."""
        name = printable(os.path.basename(path))
        try:
            found = os.lstat(path).st_ino
            if inode not in (0, found):
                return
            inode = found
            self._places.remake()
            target = self._places.reject(path, reason, token)
            if token:
                remove(os.path.join(target, HIDDEN))
            log.warning("%s goes to lost+found: %s", name, printable(reason))
        except FileNotFoundError:
            log.warning("%s has gone: %s", name, printable(reason))
        except OSError as error:
            log.error(
                "%s cannot go to lost+found (%s), where it belongs: %s",
                name,
                text_of(error),
                printable(reason),
            )
            self._later(("reject", path), PAUSE_MAX_S, lambda: self.put(path, reason, token, inode))
