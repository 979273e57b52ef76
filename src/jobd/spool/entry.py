"""A folder whose job lives, or whose end is to be told."""

from jobd.errors import JournalError, NoServer, Stopping, TooManyJobs
from jobd.spool.files import printable
from jobd.spool.info import Wanted

FOR_NOW = (NoServer, Stopping, TooManyJobs, JournalError)  # what the server answers differently later
PAUSE_S = 1.0  # before what failed for now is tried again; then twice that, and so on
PAUSE_MAX_S = 60.0


class Entry:
    """A folder whose job lives, or whose end is to be told."""

    def __init__(self, token: str, name: str, wanted: Wanted | None, job_id: int | None = None) -> None:
        self.token, self.name, self.wanted, self.job_id = token, name, wanted, job_id
        self.is_held = False
        self.was_held = False  # by a spool before this one, for its turn
        self.nb_proc = 1
        self.inode = 0  # of its folder, once it was seen
        self.pause_s = PAUSE_S

    @property
    def label(self) -> str:
        """For the log."""
        return f"{printable(self.name)} (job {self.job_id})" if self.job_id else printable(self.name)
