"""The four folders, and the ways between them. Every way is one rename, so a folder is always in exactly one place.

Besides, a link `.jobd-spool/TOKEN` follows each folder: it is what the server has as the job's folder, and below it the name of its output.
So whoever reads a job's output finds it by the same name while the folder waits, runs and is done. The link is turned before the rename: who dies
between the two leaves it pointing to where the folder goes next.
"""

import errno
import os
import stat
import time
from collections.abc import Iterator

from jobd import locks
from jobd.errors import ConfigError, JobdError, Refused
from jobd.spool import marks
from jobd.spool.files import BadFile, age_of, append, cut, printable, remove
from jobd.spool.info import LOG
from jobd.spool.settings import HIDDEN, Settings

NAME_BYTES_MAX = 255  # of Linux
SUFFIX_BYTES = 8  # for a number that tells two of one name apart
_WRAP = "wrap-"
PASSING_S = 600.0  # what is older was left over by one that died


class PlaceGone(JobdError):
    """A folder without which a spool cannot go on."""


class Places:
    """Where the folders are."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is made yet."""
        self.root = os.path.realpath(settings.folder)
        self.queue, self.running, self.done, self.lost = (
            os.path.join(self.root, name)
            for name in (settings.queue, settings.running, settings.done, settings.lost)
        )
        self.links = os.path.join(self.root, HIDDEN)
        self.lock = os.path.join(self.links, "lock")  # the file; who closes any descriptor of it loses it
        self._lock: int | None = None

    def make(self) -> None:
        """Make what is missing, and see that we are the only spool here and that folders can be renamed between all of them.

        Raises:
            ConfigError: it cannot be so.
            Refused: another spool has these folders.
        """
        here = ""
        if "\\" in self.root or not self.root.isprintable():
            raise ConfigError(
                f"{printable(self.root)}: a folder whose name has backslashes or control characters"
            )
        try:
            for here in (self.root, self.queue, self.running, self.done, self.lost, self.links):
                os.makedirs(here, 0o755, exist_ok=True)
            if self._lock is None:
                self._lock = locks.take(self.lock)
            if self._lock is None:
                holder = locks.holder(self.lock)
                raise Refused(f"{self.root}: another spool has it (process {holder})")
            probe = os.path.join(self.links, "probe")
            os.makedirs(probe, exist_ok=True)
            for here in (self.queue, self.running, self.done, self.lost, self.links):
                target = os.path.join(here, ".probe" if here != self.links else "probe")
                if os.path.isdir(target) and target != probe:
                    os.rmdir(target)
                os.rename(probe, target)
                probe = target
            os.rmdir(probe)
        except OSError as error:
            if error.errno == errno.EXDEV:
                raise ConfigError(
                    f"{here}: the spool's folders must be on one file system, so that a folder is moved at once or not at all"
                ) from error
            raise ConfigError(f"{here}: {error.strerror}") from error

    def remake(self) -> None:
        """Make those again that somebody has removed, as who clears up does; but not what a spool cannot go on without.

        Raises:
            PlaceGone: the queue or the links are missing.
            OSError: one cannot be made.
        """
        for here in (self.queue, self.links):
            if not os.path.isdir(here):
                raise PlaceGone(f"{printable(here)} has gone")
        for here in (self.running, self.done, self.lost):
            if not os.path.isdir(here):
                os.mkdir(here, 0o755)

    def names(self) -> list[str]:
        """The names in the queue, the oldest first."""
        return [
            name for _, name in sorted((age_of(path), os.path.basename(path)) for path in entries(self.queue))
        ]

    def link_of(self, token: str) -> str:
        """The link that follows the folder of that token."""
        return os.path.join(self.links, token)

    def turn(self, token: str, target: str) -> None:
        """Let the link point there.

        Raises:
            OSError: it cannot be made.
        """
        link = self.link_of(token)
        relative = os.path.relpath(target, self.links)
        try:
            os.symlink(relative, link)
            return
        except FileExistsError:
            if os.readlink(link) == relative:
                return
        new = f"{link}.new"
        try:
            os.symlink(relative, new)
        except FileExistsError:
            os.unlink(new)
            os.symlink(relative, new)
        os.rename(new, link)

    def unlink(self, token: str) -> None:
        """The link is of no use any more."""
        try:
            os.unlink(self.link_of(token))
        except OSError:
            pass

    def find(self, token: str, name: str, inode: int = 0) -> str | None:
        """Where the folder of that token is now; None where it is in none of the places where a job may be.

        Args:
            inode: of the folder, where it is known: then it is found also when its script has removed the mark with all the rest.
        """
        candidates = [os.path.join(self.queue, name), os.path.join(self.running, name)]
        try:
            candidates.append(os.path.normpath(os.path.join(self.links, os.readlink(self.link_of(token)))))
        except OSError:
            pass
        for path in candidates:
            if has(path, token):
                return path
        for path in entries(self.running):
            if has(path, token):
                return path
        for path in candidates if inode else ():
            if inode_of(path) == inode and not os.path.lexists(os.path.join(path, HIDDEN)):
                return path
        return None

    def find_waiting(self, token: str) -> str | None:
        """Where the folder of that token is in the queue, by whatever name; None if it is not there."""
        return next((path for path in entries(self.queue) if has(path, token)), None)

    def free(self, folder: str, name: str) -> str:
        """A path in that folder that nobody has: NAME, NAME.2, …"""
        name = cut(name, NAME_BYTES_MAX - SUFFIX_BYTES)
        path = os.path.join(folder, name)
        number = 1
        while os.path.lexists(path):
            number += 1
            path = os.path.join(folder, f"{name}.{number}")
        return path

    def reject(self, path: str, reason: str, token: str = "") -> str:
        """To lost+found, with the reason; where it is then.

        Raises:
            OSError: not now.
        """
        target = self.free(self.lost, f"{stamp(time.time())}-{os.path.basename(path)}")
        line = f"jobd: {printable(reason)}\n"
        try:
            if not stat.S_ISDIR(os.lstat(path).st_mode):
                raise BadFile
            append(path, LOG, line)
            if token:
                self.turn(token, target)
            os.rename(path, target)
        except (BadFile, PermissionError):
            # It is no folder, or not one that we may write to: it gets one around it.
            inner = os.path.join(target, os.path.basename(path))
            os.mkdir(target)
            try:
                append(target, LOG, line)
                if token:
                    self.turn(token, inner)
                _rename(path, inner)
            except OSError:
                remove(os.path.join(target, LOG))
                os.rmdir(target)
                raise
        return target

    def wrap(self, path: str) -> str:
        """Put a folder of the same name around a script that came without; its path.

        Raises:
            OSError: not now.
        """
        name = os.path.basename(path)
        around = os.path.join(self.links, _WRAP + marks.new_token())
        os.mkdir(around)
        try:
            os.rename(path, os.path.join(around, name))
        except OSError:
            os.rmdir(around)
            raise
        os.rename(around, path)
        return path

    def finish_wraps(self) -> None:
        """Bring back what was being put into a folder when we died.

        Raises:
            OSError: not now.
        """
        for around in entries(self.links):
            if not os.path.basename(around).startswith(_WRAP):
                continue
            names = os.listdir(around)
            if names:
                os.rename(around, self.free(self.queue, names[0]))
            else:
                os.rmdir(around)

    def drop_stale_links(self, living: set[str]) -> None:
        """Remove the links of folders that somebody has removed, and the marks of folders that are done."""
        for link in entries(self.links):
            token = os.path.basename(link).removesuffix(".new")
            if token in living or not os.path.islink(link):
                continue
            if not marks.is_token(token) and time.time() - os.lstat(link).st_mtime < PASSING_S:
                continue  # ln turns a link by way of another, and some launcher may be at it
            # Who brought it there died before the mark was removed. Elsewhere a mark is left alone: what it is good for is not for us to say.
            target = os.path.normpath(os.path.join(self.links, os.readlink(link)))
            if target.startswith((self.done + os.sep, self.lost + os.sep)) and has(target, token):
                remove(os.path.join(target, HIDDEN))
            if link.endswith(".new") or not os.path.exists(link):
                remove(link)


def _rename(path: str, target: str) -> None:
    """Rename it. A folder that its owner may not write to cannot change its parent, so it is made so that he may."""
    try:
        os.rename(path, target)
    except PermissionError:
        info = os.lstat(path)
        if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.geteuid():
            raise
        os.chmod(path, stat.S_IMODE(info.st_mode) | stat.S_IRWXU)
        os.rename(path, target)


def inode_of(path: str) -> int:
    """The inode of a folder; 0 if there is none."""
    try:
        info = os.lstat(path)
    except OSError:
        return 0
    return info.st_ino if stat.S_ISDIR(info.st_mode) else 0


def has(path: str, token: str) -> bool:
    """Whether that is the folder of this token."""
    mark = marks.read_mark(path)
    return mark is not None and mark.token == token


def entries(folder: str) -> Iterator[str]:
    """The paths in a folder, but hidden ones."""
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        if not name.startswith("."):
            yield os.path.join(folder, name)


def stamp(at_s: float) -> str:
    """A time as it stands in names and logs: 2026-11-20T10:15:00, local."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(at_s))
