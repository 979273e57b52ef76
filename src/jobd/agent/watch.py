"""What the agent knows of the Sallocs and their jobs. Values and a few readings; loop.py acts."""

import os
from typing import NamedTuple

from jobd import paths
from jobd.agent.kill import KillingOfJob
from jobd.agent.processes import exit_status, open_pidfd
from jobd.wire import notes
from jobd.wire.messages import Gone, Watched


class Client:
    """A process that asked for jobs: a Salloc has one, a program that uses the client library may have many."""

    def __init__(self, pid: int, start_ticks: int) -> None:
        self.pid = pid
        self.start_ticks = start_ticks
        self.pidfd = open_pidfd(pid, start_ticks)
        self.jobs: set[int] = set()
        self._status: int | None = None

    @property
    def is_gone(self) -> bool:
        """Whether it lives no more."""
        return self.pidfd is None

    def let_go(self) -> None:
        """It is gone, or nobody asks for it any more: keep what the kernel tells of its end."""
        if self.pidfd is not None:
            self._status = exit_status(self.pidfd)
            os.close(self.pidfd)
            self.pidfd = None

    @property
    def signal(self) -> int | None:
        """The signal that ended it, where the kernel told."""
        if self._status is None or not os.WIFSIGNALED(self._status):
            return None
        return os.WTERMSIG(self._status)


class Watch:
    """One job: its client, its killing while that goes on, the report of its end until it is heard."""

    def __init__(self, watched: Watched, client: Client) -> None:
        self.job_id = watched.job_id
        self.token = watched.token
        self.client = client
        self.killing: KillingOfJob | None = None
        self.gone: Gone | None = None  # said again at each connection until the server says Forget
        self.client_end_at_s: float | None = (
            None  # monotonic: a Salloc that outlives its killed job is ended then
        )

    @property
    def is_alone(self) -> bool:
        """Whether its client has no other job, so that it is a Salloc and may be ended with its job."""
        return self.client.jobs == {self.job_id}

    def note(self) -> notes.Note | None:
        """The Salloc's note, if it is of this job."""
        note = notes.read(paths.notes_dir(), self.job_id)
        return note if note is not None and note.token == self.token else None

    def roots(self) -> list[tuple[int, int]]:
        """The command, where it is known."""
        note = self.note()
        return [(note.pid, note.start_ticks)] if note is not None else []

    def outcome(self) -> "Known":
        """The end of the command: from the note, which is exact."""
        note = self.note()
        if note is not None and note.is_over:
            return Known(True, note.exit_code, note.signal)
        return Known(False, None, None)


class Known(NamedTuple):
    """What is known of a command's end."""

    is_known: bool
    exit_code: int | None
    signal: int | None
