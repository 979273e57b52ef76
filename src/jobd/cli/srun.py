"""Srun: run a command in the foreground, in K copies if asked: inside a job as a step of it (srun_step.py), outside as a job of its own
(srun_job.py).
"""

import argparse
import os
import signal
from collections.abc import Sequence

from jobd import __version__
from jobd.cli import allocation
from jobd.cli.getopt import fill_parser
from jobd.cli.main import Parser, run
from jobd.cli.srun_call import PROGRAM, Call
from jobd.cli.srun_options import TABLE, read, step_options
from jobd.errors import UsageError


def build_parser() -> argparse.ArgumentParser:
    """The command line of Srun, for its help and manual."""
    parser = Parser(
        prog="Srun",
        usage="Srun [OPTION]… COMMAND [ARGUMENT]…",
        description="Run COMMAND in the foreground: inside a job as a step of it, with -n K as K copies that share the job's processors; "
        "outside as a job of its own, which waits for free processors as Salloc does. Everything from the first word that is no "
        "option on belongs to COMMAND.",
        epilog="Each copy finds SLURM_PROCID, SLURM_LOCALID, SLURM_NTASKS, SLURM_STEP_ID and what its job's commands find. The exit code is "
        "the highest of theirs, 128 + the number of a signal.",
        allow_abbrev=False,
        add_help=False,
    )
    fill_parser(parser, TABLE)
    other = parser.add_argument_group("other")
    other.add_argument("-h", "--help", action="help", help="show this and leave")
    other.add_argument("-V", "--version", action="version", version="Srun", help="show the version and leave")
    parser.add_argument(
        "command",
        nargs=argparse.REMAINDER,
        metavar="COMMAND",
        help="the command with its arguments; no shell looks at it",
    )
    return parser


def program() -> None:
    """Entry point. Leaves without the interpreter's farewell, as Salloc does."""
    code = run(PROGRAM, main)
    os._exit(code)


def main(argv: Sequence[str]) -> int:
    """Run it; the highest code of its tasks."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a waiting Srun dies of Ctrl-C as any program does
    around_id = _job_around()
    chosen, said, parsed = read(argv, os.environ, is_inside=around_id is not None or _has_jobid(argv))
    if "help" in said:
        build_parser().print_help()
        return 0
    if "version" in said:
        print(f"{PROGRAM} {__version__}")
        return 0
    if not parsed.words:
        raise UsageError("no command given to execute (Srun -n 4 hostname)")
    call = Call(chosen, step_options(chosen, said), parsed.words)
    if chosen.idle:
        call.say(f"without effect here: {', '.join(f'--{name}' for name in chosen.idle)}")
    if call.options.chdir:
        os.chdir(call.options.chdir)
    if "jobid" in chosen or around_id is not None:
        from jobd.cli.srun_step import run_inside

        job_id = _number(chosen["jobid"]) if "jobid" in chosen else around_id
        assert job_id is not None
        code = run_inside(call, job_id, is_asked_for="jobid" in chosen)
        if code is not None:
            return code
    from jobd.cli.srun_job import run_outside

    return run_outside(call)


def _job_around() -> int | None:
    """The job that the variables say is around us: ours name the innermost, and Slurm's are all that some tools leave."""
    claimed = allocation.claimed_job_id()
    if claimed is not None:
        return claimed
    text = os.environ.get("SLURM_JOB_ID", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else None


def _has_jobid(argv: Sequence[str]) -> bool:
    return any(word.startswith("--jobid") for word in argv)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 18):
        raise UsageError(f"--jobid: {text[:40]!r} is no job number")
    return int(text)


__all__ = ["build_parser", "main", "program"]
