"""Srun: run a command in the foreground, in K copies if asked: inside a job as a step of it (srun_step.py), outside as a job of its own
(srun_job.py).
"""

import argparse
import os
import signal
from collections.abc import Sequence

from jobd import __version__
from jobd.cli import allocation, dialect
from jobd.cli.batch_options import Chosen
from jobd.cli.getopt import fill_parser
from jobd.cli.main import Parser, run, say
from jobd.cli.srun_call import PROGRAM, Call
from jobd.cli.srun_options import TABLE, read, step_options
from jobd.cli.submit_line import line_of
from jobd.errors import Refused, UsageError


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
    if "help" in said or "usage" in said:
        parser = build_parser()
        text = parser.format_help() if "help" in said else parser.format_usage()
        print(dialect.own_name(PROGRAM, text), end="")
        return 0
    if "version" in said:
        print(dialect.version(PROGRAM, __version__))
        return 0
    if not parsed.words and dialect.is_slurm:
        from jobd.cli.submit_words import Wrong

        raise Wrong(fatal="No command given to execute.")
    if not parsed.words:
        raise UsageError("no command given to execute (Srun -n 4 hostname)")
    if dialect.is_slurm:
        _check_slurm(chosen)
    call = Call(chosen, step_options(chosen, said), parsed.words, line_of(dialect.own_words(PROGRAM, argv)))
    if chosen.idle and not dialect.is_slurm:
        call.say(f"without effect here: {', '.join(f'--{name}' for name in chosen.idle)}")
    if call.options.chdir:
        os.chdir(call.options.chdir)
    if "jobid" in chosen or around_id is not None:
        from jobd.cli.srun_step import run_inside

        job_id = _number(chosen["jobid"]) if "jobid" in chosen else around_id
        assert job_id is not None
        _check_step(chosen)
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


def _check_slurm(chosen: Chosen) -> None:
    """What Slurm has to say before anything is asked.

    Raises:
        Refused: what cannot be done here, but would run the command all the same.
    """
    from jobd.cli import submit_words

    if "no-allocate" in chosen:
        raise Refused("must specify a node list with -Z, --no-allocate.")
    if "multi-prog" in chosen:
        raise Refused("--multi-prog: several programs in one step cannot be had here")
    if "test-only" in chosen and "jobid" not in chosen:
        raise Refused("--test-only: when it would start cannot be told (sbatch --test-only)")
    if "verbose" in chosen:
        submit_words.say_defined("srun", chosen)
    if (text := chosen.get("kill-on-bad-exit", "")) and not text.isdigit():
        raise submit_words.bad_value("kill-on-bad-exit", text)
    ntasks, per_node = chosen.get("ntasks", ""), chosen.get("ntasks-per-node", "")
    if ntasks.isdigit() and per_node.isdigit() and int(ntasks) > int(per_node) > 0:
        del chosen["ntasks-per-node"]
        say(
            f"srun: Warning: can't honor --ntasks-per-node set to {per_node} which doesn't match the requested tasks {ntasks} "
            f"with the number of requested nodes {chosen.get('nodes', '1')}. Ignoring --ntasks-per-node."
        )


def _check_step(chosen: Chosen) -> None:
    """
    Raises:
        Refused: a step on more nodes than its job has, in Slurm's words.
    """
    nodes = chosen.get("nodes", "1") if dialect.is_slurm else "1"
    least = nodes.partition("-")[0]
    if least.isdigit() and int(least) > 1:
        raise Refused(f"Only allocated 1 nodes asked for {least}")


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 18):
        if dialect.is_slurm:
            from jobd.cli.submit_words import bad_value

            raise bad_value("jobid", text)
        raise UsageError(f"--jobid: {text[:40]!r} is no job number")
    return int(text)


__all__ = ["build_parser", "main", "program"]
