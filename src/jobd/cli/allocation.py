"""Asking for procs and waiting for them: what Salloc does, and Srun outside a job.

    ask ─▶ granted
      └──▶ wait: asleep on the event of our own job, whatever becomes of the server meanwhile

Everything here is on the way to every job's start: imports stand where they are needed.
"""

import os
import sys
import time
from collections.abc import Sequence
from typing import NoReturn

from jobd.cli import command
from jobd.cli.main import say
from jobd.client import Client, Events
from jobd.errors import EXIT_REFUSED, NoServer
from jobd.limits import COMMAND_CHARS_MAX, COMMAND_WORDS_MAX
from jobd.states import JobState
from jobd.units import plural
from jobd.wire import messages as m
from jobd.wire.topics import job_topic

GRANTED = frozenset({JobState.RUNNING, JobState.SUSPENDED})


class Allocation:
    """One submission, until its procs are granted."""

    def __init__(self, program: str, submit: m.Submit, *, is_talking: bool, is_verbose: bool) -> None:
        """
        Args:
            program: the name that stands before what is said.
            is_talking: say that it waits, and what becomes of the server meanwhile.
            is_verbose: say everything.
        """
        self._program = program
        self._submit = submit
        self._is_talking = is_talking
        self._is_verbose = is_verbose
        self._began_s = time.monotonic()  # to wait
        self.client = Client(deadline_s=120.0)

    def say_if_verbose(self, text: str) -> None:
        """Say it if that was asked for."""
        if self._is_verbose:
            say(f"{self._program}: {text}")

    def _say(self, text: str) -> None:
        if self._is_talking:
            say(f"{self._program}: {text}")

    def granted(self) -> m.Grant:
        """Ask, and return when the procs are ours. Ends the program if they will never be.

        Raises:
            JobdError: the server refused.
        """
        self._ask()
        command.become_subreaper()  # while the server thinks
        grant: m.Grant = self._answer()
        job = grant.job
        self.say_if_verbose(f"job {job.job_id} asks for {plural(job.nb_proc, 'proc')}")
        if job.state == JobState.PENDING:
            self.client.close()
            grant = self._wait(grant)
        elif job.state not in GRANTED:
            self._refuse(job)
        else:
            self.say_granted(job, has_waited=False)
        return grant

    # ---- what is said; sbatch's kin of Slurm say it in other words
    def say_waiting(self, row: m.JobRow) -> None:
        """It has to wait."""
        self._say(f"job {row.job_id} waits for {plural(row.nb_proc, 'proc')}: {row.reason}")

    def say_granted(self, row: m.JobRow, *, has_waited: bool) -> None:
        """It runs."""
        if has_waited:
            self._say(f"job {row.job_id} runs, after {time.monotonic() - self._began_s:.0f} s")

    def say_refused(self, row: m.JobRow) -> None:
        """It was taken off the queue."""
        say(f"{self._program}: job {row.job_id} does not run: {row.reason}")

    def _ask(self) -> None:
        try:
            self.client.send(self._submit)
        except NoServer as error:
            self._wait_for_server(error)
            self.client.send(self._submit._replace(is_again=True))

    def _answer(self) -> m.Grant:
        while True:
            try:
                answer: m.Grant = self.client.receive()
                return answer
            except NoServer as error:
                self._wait_for_server(error)
                self.client.close()
                self.client.send(self._submit._replace(is_again=True))

    def _wait_for_server(self, error: NoServer) -> None:
        """Inside a job, a stopped server is waited for: the job's end would otherwise depend on when it was stopped."""
        if "JOBD_JOB_ID" not in os.environ:
            raise error
        self._say(f"{error}; waiting for it")
        events = Events(b"server.")
        while events.wait() is not True:
            pass
        events.close()

    def _wait(self, grant: m.Grant) -> m.Grant:
        """Sleep until our job runs. The subscription itself makes the server tell how it stands, now and at each reconnection."""
        job = grant.job
        self._began_s = time.monotonic()
        self.say_waiting(job)
        events = Events(job_topic(job.job_id))
        has_gone = False
        while True:
            event = events.wait()
            if event is True:
                if has_gone:
                    self._say("the server is back")
                has_gone = False
            elif event is False:
                if not has_gone:
                    self._say(f"the server has gone; job {job.job_id} keeps its place and waits for it")
                has_gone = True
            elif isinstance(event, m.Event):
                row = event.job
                if row is None or row.token != self._submit.token:
                    # It does not know us: its journal was lost. We are still here, so ask anew.
                    events.close()
                    self._submit = self._submit._replace(is_again=True)
                    return self.granted()
                if row.state in GRANTED:
                    events.close()
                    self.say_granted(row, has_waited=True)
                    return grant._replace(job=row)
                if row.state != JobState.PENDING:
                    self._refuse(row)

    def _refuse(self, row: m.JobRow) -> NoReturn:
        """Our job was taken off the queue before it ran: say why, and leave."""
        self.say_refused(row)
        sys.stderr.flush()
        os._exit(EXIT_REFUSED)


def recorded(words: Sequence[str]) -> list[str]:
    """A command line for the record: the server never runs it, so a long one is cut."""
    left = COMMAND_CHARS_MAX
    kept = []
    for word in words[:COMMAND_WORDS_MAX]:
        if len(word) >= left:
            kept.append(word[: left - 1] + "…")
            break
        kept.append(word)
        left -= len(word)
    return kept


def claimed_job_id() -> int | None:
    """The job that JOBD_JOB_ID says is around us."""
    claimed = os.environ.get("JOBD_JOB_ID", "")
    return int(claimed) if claimed.isascii() and claimed.isdigit() and len(claimed) < 18 else None


def claimed_server_id() -> str:
    """The server that JOBD_SERVER says gave that number."""
    return os.environ.get("JOBD_SERVER", "")[:64]


def cwd() -> str:
    """The working directory, or "" if it was deleted under us: the command may not mind."""
    try:
        return os.getcwd()
    except OSError:
        return ""


__all__ = ["Allocation", "claimed_job_id", "claimed_server_id", "cwd", "recorded"]
