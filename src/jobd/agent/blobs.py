"""The blobs that the agent was sent, as long as there is room; and the scripts that it wrote to disk for the jobs that run them."""

import logging
import os
from collections import OrderedDict

from jobd.errors import JobdError
from jobd.wire import blobs
from jobd.wire.batch import Blob

log = logging.getLogger("jobd.agent")

BLOBS_BYTES_MAX = 64 << 20  # of all; the server sends again what is missed
ENVIRONMENTS_MAX = 64  # unpacked; most jobs of a day share a few
SCRIPTS_MAX = 64  # on disk, of those that no job runs
SCRIPT_NAME = "slurm_script"  # as Slurm names it: it is the $0 of the script


class Blobs:
    """Bytes by key, the ones that were not asked for longest gone first."""

    def __init__(self, bytes_max: int = BLOBS_BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._data: OrderedDict[str, bytes] = OrderedDict()
        self._environments: OrderedDict[str, dict[str, str]] = OrderedDict()
        self._size = 0

    def put(self, blob: Blob) -> None:
        """Keep it.

        Raises:
            WireError: its name is not the hash of its bytes.
        """
        if blob.key in self._data:
            return
        blobs.checked(blob)
        self._data[blob.key] = blob.data
        self._size += len(blob.data)
        while self._size > self._bytes_max and len(self._data) > 1:
            key, data = self._data.popitem(last=False)
            self._size -= len(data)
            self._environments.pop(key, None)

    def missing(self, keys: tuple[str, ...]) -> list[str]:
        """Which of these are not here; "" is nothing to be had."""
        return [key for key in keys if key and key not in self._data]

    def data(self, key: str) -> bytes:
        """The bytes of one that is here."""
        self._data.move_to_end(key)
        return self._data[key]

    def environment(self, key: str) -> dict[str, str]:
        """The variables of an environment that is here; not to be changed. "" is an empty one.

        As text in Python's form of bytes that are none (os.fsdecode), in which the server's variables come too.
        """
        if not key:
            return {}
        found = self._environments.get(key)
        if found is None:
            variables = blobs.unpack_environment(self.data(key))
            found = {os.fsdecode(name): os.fsdecode(value) for name, value in variables.items()}
            self._environments[key] = found
            if len(self._environments) > ENVIRONMENTS_MAX:
                self._environments.popitem(last=False)
        else:
            self._environments.move_to_end(key)
            self._data.move_to_end(key)
        return found


class Spool:
    """Scripts as files: one for all jobs that run the same bytes, since an interpreter reads on while it runs."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._users: dict[str, int] = {}
        self._idle: OrderedDict[str, None] = OrderedDict()

    def take(self, key: str, blobs_here: Blobs) -> str:
        """The path of the script, for one more job.

        Raises:
            OSError: it cannot be written.
        """
        path = self._path(key)
        if key not in self._users and key not in self._idle:
            os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
            _write(path, blobs_here.data(key))
        self._idle.pop(key, None)
        self._users[key] = self._users.get(key, 0) + 1
        return path

    def adopt(self, key: str) -> None:
        """One more job runs it since before our time."""
        self._users[key] = self._users.get(key, 0) + 1

    def give_back(self, key: str) -> None:
        """One job less runs it."""
        self._users[key] -= 1
        if self._users[key] == 0:
            del self._users[key]
            self._idle[key] = None
            if len(self._idle) > SCRIPTS_MAX:
                self._remove(self._idle.popitem(last=False)[0])

    def sweep(self) -> None:
        """Remove what no job runs: at the start and at the end of an agent."""
        self._idle.clear()
        try:
            names = os.listdir(self._folder)
        except FileNotFoundError:
            return
        for name in names:
            if name not in self._users:
                self._remove(name)

    def _path(self, key: str) -> str:
        if not (key.isascii() and key.isalnum()):
            raise JobdError(f"no key of a blob: {key[:40]!r}")
        return os.path.join(self._folder, key, SCRIPT_NAME)

    def _remove(self, name: str) -> None:
        folder = os.path.join(self._folder, name)
        for act, path in ((os.unlink, os.path.join(folder, SCRIPT_NAME)), (os.rmdir, folder)):
            try:
                act(path)
            except FileNotFoundError:
                pass
            except OSError as error:
                log.warning("%s: %s", path, error.strerror)


def _write(path: str, data: bytes) -> None:
    """Whole or not at all: a script that was cut short must never run."""
    new = path + ".new"
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o700)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fchmod(descriptor, 0o700)
    finally:
        os.close(descriptor)
    os.rename(new, path)
