"""Salloc: run a command when enough procs are free, as if there were no Salloc.

    ask and wait (allocation.py) ─▶ run (command.py) ─▶ tell the end (presence.py) ─▶ end as the command did

Everything here is on the way to every job's start: imports stand where they are needed.
"""

import argparse
import os
import signal
import sys
from collections.abc import Sequence

from jobd import __version__
from jobd.cli import allocation, command, dialect
from jobd.cli.main import Parser, run, say
from jobd.cli.submit_line import line_of
from jobd.limits import NAME_CHARS_MAX
from jobd.units import parse_time_limit_s
from jobd.wire import messages as m


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
    parser.add_argument(
        "--mail-type",
        type=_mail_types,
        metavar="LIST",
        help="where jobd-notify runs, send mail at BEGIN, END, FAIL, ALL of these, TIME_LIMIT, TIME_LIMIT_50, _80, _90",
    )
    parser.add_argument(
        "--mail-user",
        default="",
        metavar="ADDRESS",
        help="who gets that mail (default: yourself, see jobctl notify)",
    )
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


def _mail_types(text: str) -> str:
    from jobd.cli.option_values import check_mail_types
    from jobd.errors import UsageError

    try:
        check_mail_types(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def program() -> None:
    """Entry point. Leaves without the interpreter's farewell, which costs some 6 ms and has nothing to do."""
    code = run("Salloc", main)
    os._exit(code)


def main(argv: Sequence[str]) -> int:
    """Ask, wait, run; the exit code. A command that died by a signal takes this process with it the same way."""
    if dialect.is_slurm:
        from jobd.cli import salloc_slurm

        return salloc_slurm.main(argv)
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
    is_talking = sys.stderr is not None and sys.stderr.isatty()
    asked = allocation.Allocation(
        "Salloc",
        _submission(options, words, line_of(["Salloc", *argv])),
        is_talking=(is_talking or options.verbose) and not options.quiet,
        is_verbose=options.verbose and not options.quiet,
    )
    grant = asked.granted()
    return command.run_command(words, grant, asked.client, say=asked.say_if_verbose)


def _submission(options: argparse.Namespace, words: list[str], submit_line: str) -> m.Submit:
    labels = [["submit_line", submit_line]]
    if options.mail_type:
        labels += [["mail_type", options.mail_type]]
        if options.mail_user:
            labels += [["mail_user", options.mail_user]]
    name = options.job_name or os.path.basename(words[0]) or words[0]
    return m.Submit(
        os.urandom(9).hex(),
        options.nb_proc,
        allocation.recorded(words),
        name[:NAME_CHARS_MAX],
        allocation.cwd(),
        options.priority,
        options.time,
        not options.no_bind,
        options.on_kill,
        allocation.claimed_job_id(),
        allocation.claimed_server_id(),
        labels=labels,
    )


__all__ = ["build_parser", "main", "program"]
