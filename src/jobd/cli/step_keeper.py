"""A small process beside each Srun inside a job. When Srun is killed before it could do so itself (kill -9), it ends the tasks.

It sleeps on a pipe, whose end without a word is Srun's end, and finds the tasks by the mark that they carry in their environment. It is
forked before anything else is opened, so that it holds nothing open that somebody waits to see closed.
"""

import os
import signal
import time

from jobd.cli.tasks import descendants, send

MARK = "JOBD_STEP_TOKEN"  # the variable that marks the processes of a step
GRACE_S = 5.0  # between SIGTERM and SIGKILL
LOOK_S = 0.02  # between two looks whether they are gone
_LOOKS_EMPTY = 2  # one look is not enough against what keeps forking


class Keeper:
    """Our side of it."""

    def __init__(self, token: str) -> None:
        """Fork it.

        Args:
            token: what the mark of this step's processes says.

        Raises:
            OSError: it cannot be.
        """
        reader, self._writer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                _keep(reader, f"{MARK}={token}".encode())
            finally:
                os._exit(0)
        os.close(reader)

    def dismiss(self) -> None:
        """The step is over, and its tasks are gone."""
        try:
            os.write(self._writer, b"done\n")
            os.close(self._writer)
            os.waitpid(self.pid, 0)
        except OSError:
            pass


def _keep(reader: int, mark: bytes) -> None:
    # What a terminal or a killing hand sends to the whole group is for the tasks.
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    kept = os.dup2(reader, 3)
    os.closerange(4, min(os.sysconf("SC_OPEN_MAX"), 4096))
    if os.read(kept, 16) == b"":
        _end(mark)


def _end(mark: bytes) -> None:
    """TERM and CONT to the tasks and all that they have started, KILL after a grace, until two looks are empty."""
    looks = 0
    is_first = True
    kill_at_s = time.monotonic() + GRACE_S
    while looks < _LOOKS_EMPTY:
        pids = _members(mark)
        looks = 0 if pids else looks + 1
        is_killing = time.monotonic() >= kill_at_s
        for pid in pids:
            if is_killing:
                send(pid, signal.SIGKILL)
            elif is_first:
                send(pid, signal.SIGTERM)
                send(pid, signal.SIGCONT)
        is_first = False
        time.sleep(LOOK_S)


def _members(mark: bytes) -> list[int]:
    """The living processes that carry the mark of the step, and what descends from them."""
    found: dict[int, None] = {}
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            with open(f"/proc/{name}/environ", "rb") as file:
                is_marked = mark in file.read().split(b"\0")
        except OSError:
            continue
        if is_marked:
            found[int(name)] = None
            found |= dict.fromkeys(descendants(int(name)))
    return [pid for pid in found if _is_living(pid)]


def _is_living(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except OSError:
        return False


__all__ = ["Keeper"]
