"""A running job's presence at the server: the note that it leaves, and how its end is told.

The note is written before anything is told and removed once the server has committed it, so an exit code survives the death of
server, agent and ourselves (wire/notes.py).
"""

import os
import signal
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from jobd import paths
from jobd.client import Client, is_server_alive
from jobd.errors import JobdError
from jobd.wire import messages as m
from jobd.wire import notes

SI_USER_MAX = (
    0  # si_code ≤ 0: sent by a process (kill, tgkill, sigqueue); above: by the kernel, as for Ctrl-C
)
TREE_END_S = 2.0  # for the end of the job around us to reach us
TELL_S = 10.0  # for telling the end to a living server; the note tells it otherwise


class End(NamedTuple):
    """How a command ended: one of the two."""

    exit_code: int | None
    signal: int | None


class Presence:
    """What the server and whoever comes after us know of our job."""

    def __init__(self, grant: m.Grant, client: Client, say: Callable[[str], None]) -> None:
        """
        Args:
            say: says what is only for those who asked to hear everything.
        """
        self._job = grant.job
        self._is_leaving = grant.leftovers == "leave"
        self._client = client
        self._say = say
        self._folder = paths.notes_dir()
        self._note: notes.Note | None = None
        self._is_killed_told = False
        self._is_tree_ending = False
        self.killed_by: int | None = None  # the signal that was meant to end us

    def began(self, pid: int) -> None:
        """The command runs: leave the note."""
        self._note = notes.Note(self._job.token, pid, start_ticks(pid))
        self._write(self._note)

    def over(self, end: End, taken: Collection[int], children_left: Callable[[], bool]) -> None:
        """The command is over: note it, tell it; if processes are left, wait until the agent has ended them.

        Args:
            taken: the signals that are blocked and waited for.
            children_left: reaps what is over, and says whether something is left.
        """
        if self._note is not None:
            self._write(
                self._note._replace(is_over=True, exit_code=end.exit_code, signal=end.signal),
            )
        is_gone = not children_left() or self._is_leaving
        is_told = self.tell(end, is_gone=is_gone)
        if not is_gone and is_told:
            while children_left():
                # Wakes for each of them, and for whoever has no patience; the agent sees to it that it ends.
                info = signal.sigwaitinfo([*taken, signal.SIGCHLD])
                if info.si_signo != signal.SIGCHLD and info.si_code <= SI_USER_MAX:
                    break
            is_told = self.tell(end, is_gone=not children_left())
        if is_told and not children_left():
            notes.remove(self._folder, self._job.job_id)
        if self._is_tree_ending:
            # Back at once, our caller would run on until the end of its job reaches it.
            signal.sigtimedwait(taken, TREE_END_S)

    def tell(self, end: End, *, is_gone: bool) -> bool:
        """Tell the server; False if there is none: then the note tells it, through the agent."""
        self.tell_killed()  # if no server was there to hear it
        noted = self._request(m.Ended(self._job.job_id, self._job.token, end.exit_code, end.signal, is_gone))
        self._is_tree_ending = noted is not None and noted.is_tree_ending
        return noted is not None

    def tell_killed(self) -> None:
        """Tell the server that a signal was meant to end us, if one was, once."""
        if self.killed_by is not None and not self._is_killed_told:
            killed = m.Killed(self._job.job_id, self._job.token, self.killed_by)
            self._is_killed_told = self._request(killed) is not None

    def _request(self, request: m.Ended | m.Killed) -> Any:
        """The answer; None if there is no server."""
        if not is_server_alive():
            return None
        try:
            return self._client.telling_only_the_living(TELL_S).request(request)
        except JobdError as error:
            self._say(f"the server was not told of the end: {error}")
            return None

    def _write(self, note: notes.Note) -> None:
        try:
            notes.write(self._folder, self._job.job_id, note)
        except OSError as error:
            self._say(f"no note was left: {error.strerror}")


def start_ticks(pid: int) -> int:
    """When our child started, in clock ticks since boot (proc(5)); it cannot be gone before we reap it."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        return int(file.read().rpartition(b")")[2].split()[19])


def has_children() -> bool:
    """Reap what is over; whether something is left. As subreaper we are the parent of all orphans, so this is all there is."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if pid == 0:
            return True


__all__ = ["End", "Presence", "has_children", "start_ticks"]
