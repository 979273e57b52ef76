"""Salloc: run a command when enough procs are free, as if there were no Salloc.

    ask ─▶ granted ─▶ run (command.py) ─▶ tell the end ─▶ end as the command did
      └──▶ wait: asleep on the event of our own job, whatever becomes of the server meanwhile

Everything here is on the way to every job's start: imports stand where they are needed.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence

from jobd import __version__
from jobd.cli import command
from jobd.cli.main import Parser, run, say
from jobd.client import Client, Events
from jobd.errors import EXIT_REFUSED, NoServer
from jobd.limits import COMMAND_CHARS_MAX, COMMAND_WORDS_MAX, NAME_CHARS_MAX
from jobd.states import JobState
from jobd.units import parse_time_limit_s, plural
from jobd.wire import messages as m
from jobd.wire.topics import job_topic

GRANTED = frozenset({JobState.RUNNING, JobState.SUSPENDED})


def build_parser() -> argparse.ArgumentParser:
    """The command line of Salloc."""
    parser = Parser(
        prog="Salloc",
        usage="Salloc [OPTION]… COMMAND [ARGUMENT]…",
        description="Wait for N free processors, then run COMMAND in the foreground, as if Salloc were not there: its input, output, "
        "terminal, signals and exit code are COMMAND's. Everything from the first word that is no option on belongs to COMMAND.",
        epilog="Inside, COMMAND finds JOBD_JOB_ID, JOBD_NB_PROC, NB_PROC and, where they were not set, OMP_NUM_THREADS and its like; it "
        "is bound to N processors of its own. A Salloc inside a job is its child: while a job has children its own procs "
        "count as free, so no nesting can deadlock.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "-n", "--nb-proc", type=_count, default=1, metavar="N", help="procs to wait for (default 1)"
    )
    parser.add_argument(
        "-t",
        "--time",
        type=parse_time_limit_s,
        metavar="LIMIT",
        help="end the job after LIMIT: minutes, M:S, H:M:S, D-H, D-H:M or D-H:M:S",
    )
    parser.add_argument("-J", "--job-name", metavar="NAME", help="name of the job (default: that of COMMAND)")
    parser.add_argument(
        "--priority",
        type=int,
        metavar="P",
        help="higher goes first (default 0, or that of the job inside which this is called)",
    )
    parser.add_argument(
        "--on-kill",
        choices=("tree", "below"),
        default="",
        help="if this job is killed: end its whole tree, or only what is below it (default: on_kill of the configuration)",
    )
    parser.add_argument("--no-bind", action="store_true", help="do not bind COMMAND to processors of its own")
    parser.add_argument("-v", "--verbose", action="store_true", help="say what happens")
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing but errors")
    parser.add_argument("--version", action="version", version=f"Salloc {__version__}")
    parser.add_argument(
        "command",
        nargs=argparse.REMAINDER,
        metavar="COMMAND",
        help="the command with its arguments; no shell looks at it",
    )
    return parser


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of procs (1 or more)")
    return int(text)


def program() -> None:
    """Entry point. Leaves without the interpreter's farewell, which costs some 6 ms and has nothing to do."""
    code = run("Salloc", main)
    os._exit(code)


def main(argv: Sequence[str]) -> int:
    """Ask, wait, run; the exit code. A command that died by a signal takes this process with it the same way."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a waiting Salloc dies of Ctrl-C as any program does
    options = build_parser().parse_args(argv)
    words = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not words:
        build_parser().error("no command (Salloc -n 4 make check)")
    found = command.missing(words[0])
    if found is not None:
        say(f"Salloc: {found.text}")
        return found.exit_code
    salloc = _Salloc(options, words)
    grant = salloc.granted()
    return command.run_command(words, grant, salloc.client, say=salloc.say_if_verbose)


class _Salloc:
    """One submission, until its procs are granted."""

    def __init__(self, options: argparse.Namespace, words: list[str]) -> None:
        self._options = options
        is_talking = sys.stderr is not None and sys.stderr.isatty()
        self._is_talking = (is_talking or options.verbose) and not options.quiet
        self.client = Client(deadline_s=120.0)
        claimed = os.environ.get("JOBD_JOB_ID", "")
        name = options.job_name or os.path.basename(words[0]) or words[0]
        self._submit = m.Submit(
            os.urandom(9).hex(),
            options.nb_proc,
            _cut(words),
            name[:NAME_CHARS_MAX],
            _cwd(),
            options.priority,
            options.time,
            not options.no_bind,
            options.on_kill,
            int(claimed) if claimed.isascii() and claimed.isdigit() and len(claimed) < 18 else None,
            os.environ.get("JOBD_SERVER", "")[:64],
        )

    def say_if_verbose(self, text: str) -> None:
        """Say it if -v was given."""
        if self._options.verbose and not self._options.quiet:
            say(f"Salloc: {text}")

    def _say(self, text: str) -> None:
        if self._is_talking:
            say(f"Salloc: {text}")

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
        return grant

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
        began_s = time.monotonic()
        self._say(f"job {job.job_id} waits for {plural(job.nb_proc, 'proc')}: {job.reason}")
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
                    self._say(f"job {job.job_id} runs, after {time.monotonic() - began_s:.0f} s")
                    return grant._replace(job=row)
                if row.state != JobState.PENDING:
                    self._refuse(row)

    def _refuse(self, row: m.JobRow) -> None:
        """Our job was taken off the queue before it ran: say why, and leave."""
        say(f"Salloc: job {row.job_id} does not run: {row.reason}")
        sys.stderr.flush()
        os._exit(EXIT_REFUSED)


def _cut(words: list[str]) -> list[str]:
    """The command line for the record: the server never runs it, so a long one is cut."""
    left = COMMAND_CHARS_MAX
    kept = []
    for word in words[:COMMAND_WORDS_MAX]:
        if len(word) >= left:
            kept.append(word[: left - 1] + "…")
            break
        kept.append(word)
        left -= len(word)
    return kept


def _cwd() -> str:
    try:
        return os.getcwd()
    except OSError:
        return ""  # deleted under us; the command may not mind


__all__ = ["build_parser", "main", "program"]
