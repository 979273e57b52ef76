"""What the agent knows of one attempt of a batch job, and what it says of it. Values only; batch.py acts."""

import os
import time

from jobd.agent.book import Key
from jobd.agent.ending import Ending
from jobd.agent.group import Group
from jobd.agent.usage import UsageMeter
from jobd.states import Cause
from jobd.wire import batch as b


class Attempt:
    """One attempt, from its launch until the server has committed its end."""

    def __init__(self, launch: b.Launch, began_s: float) -> None:
        """
        Args:
            began_s: monotonic, which goes on over the death of an agent.
        """
        self.launch = launch
        self.key: Key = (launch.job_id, launch.attempt)
        self.began_s = began_s
        self.pid = 0  # of its main process; 0: it has none
        self.start_ticks = 0
        self.pidfd: int | None = None  # of a main process that is no child of ours
        self.is_adopted = False  # started by an earlier agent
        self.status_until_s = 0.0  # how long to ask how its adopted main process ended
        self.started_at = 0.0
        self.notes: list[str] = []  # what was wrong when it was bound to its processors
        self.unenforced: list[str] = []
        self.is_session_sure = (
            True  # False: it was over before an agent looked, and its session may be another's
        )
        self.is_main_over = False
        self.exit_code: int | None = None
        self.signal: int | None = None
        self.cause = Cause.SELF
        self.text = ""
        self.is_told = False  # Launched was said, to whoever was there
        self.is_warned = False
        self.over: b.Over | None = None
        self.left: b.Left | None = None
        self.ending: Ending | None = None
        self.group: Group | None = None
        self.meter = UsageMeter()
        self.cpus = launch.cpus
        self.memory_bytes = launch.memory_bytes
        self.time_limit_s = launch.time_limit_s
        self.paused_s = 0.0
        self.is_paused = False
        self.has_script = False  # of the spool
        self.is_silent = False  # what is ended without being anybody's attempt: nothing is said of it

    @property
    def roots(self) -> list[tuple[int, int]]:
        """(pid, start) of its main process, from which its session is known."""
        return [(self.pid, self.start_ticks)] if self.pid and self.is_session_sure else []

    @property
    def is_living(self) -> bool:
        """Whether something of it may live."""
        return self.left is None

    @property
    def limit_at_s(self) -> float | None:
        """When its time is over, monotonic; None without a limit, and while it is paused."""
        if self.time_limit_s is None or self.is_paused:
            return None
        return self.began_s + self.time_limit_s + self.paused_s

    def take_change(self, change: b.Change) -> None:
        """Its limits are these now."""
        self.cpus, self.memory_bytes = change.cpus, change.memory_bytes
        self.time_limit_s, self.paused_s = change.time_limit_s, change.paused_s
        self.is_paused = change.is_paused

    def main_ended(self, status: int | None) -> None:
        """Its main process is over; None: nobody saw how."""
        self.is_main_over = True
        if status is None:
            if self.cause is Cause.SELF:
                self.cause = Cause.LOST
        elif os.WIFSIGNALED(status):
            self.signal = os.WTERMSIG(status)
        else:
            self.exit_code = os.WEXITSTATUS(status)

    def never_started(self, cause: Cause, text: str) -> b.Left:
        """What is said of one that has no process, and had none that we know."""
        self.cause, self.text = cause, text
        return self.left_message(time.time(), 0.0, 0)

    def began_message(self) -> b.Began:
        """One that was prefetched is being started."""
        return began_message(self.launch)

    def launched_message(self) -> b.Launched:
        """It runs."""
        launch = self.launch
        return b.Launched(
            launch.job_id,
            launch.attempt,
            launch.token,
            self.pid,
            self.start_ticks,
            self.unenforced,
            self.started_at,
        )

    def over_message(self) -> b.Over:
        """Its main process is over, or it is being ended; the first cause stands."""
        launch = self.launch
        return b.Over(
            launch.job_id,
            launch.attempt,
            launch.token,
            self.exit_code,
            self.signal,
            self.cause.value,
            self.text,
        )

    def left_message(self, ended_at: float, cpu_s: float, memory_peak_bytes: int) -> b.Left:
        """Nothing of it lives."""
        launch = self.launch
        return b.Left(
            launch.job_id,
            launch.attempt,
            launch.token,
            self.exit_code,
            self.signal,
            self.cause.value,
            ended_at,
            cpu_s,
            memory_peak_bytes,
            self.text,
            self.pid,
            self.start_ticks,
            self.unenforced,
        )


def began_message(launch: b.Launch) -> b.Began:
    """It is being started in the place of another, on whose processors it runs."""
    return b.Began(launch.job_id, launch.attempt, launch.token, launch.cpus, launch.started_at)
