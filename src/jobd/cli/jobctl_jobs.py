"""The verbs of jobctl that are about jobs: log, wait, rerun, clean, hold, release, requeue, suspend, resume."""

import argparse
import os
import sys
from collections.abc import Callable

from jobd.cli.main import outlive_own_end, say
from jobd.errors import EXIT_REFUSED, UsageError
from jobd.states import Control

SUMMARIES = {
    "log": "show what jobs have written; with -f what they write, until they end",
    "wait": "wait until jobs are over; the exit code is the worst of theirs",
    "rerun": "queue finished batch jobs again, as new jobs that ask for the same",
    "clean": "forget finished jobs that ended long ago",
    "hold": "keep waiting jobs from starting",
    "release": "let held jobs start again",
    "requeue": "end running jobs and queue them again",
    "suspend": "stop running jobs for a while; their procs are free meanwhile",
    "resume": "let suspended jobs go on",
}
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def adder(name: str) -> Callable[[argparse.ArgumentParser], None]:
    """What adds a verb's arguments to its parser."""
    return _ADDERS.get(name, _ids)


def actor(name: str) -> Callable[[argparse.Namespace], int]:
    """What does it."""
    return _ACTORS.get(name) or (lambda options: _control(options, Control(name)))


# ---- arguments
def _ids(parser: argparse.ArgumentParser, *, least: str = "+") -> None:
    parser.add_argument(
        "ids", nargs=least, metavar="ID", help="a job: 12 (of an array, all elements), 12_3 or 12_[1-4]"
    )


def _log_arguments(parser: argparse.ArgumentParser) -> None:
    _ids(parser)
    parser.add_argument("-f", "--follow", action="store_true", help="go on until the jobs have ended")
    parser.add_argument(
        "--err", action="store_true", help="what they write as errors, where that is a file of its own"
    )
    parser.add_argument(
        "-n", "--lines", type=_natural, metavar="LINES", help="only the last LINES lines of each"
    )


def _clean_arguments(parser: argparse.ArgumentParser) -> None:
    _ids(parser, least="*")
    parser.add_argument(
        "--older", required=True, type=_span_s, metavar="TIME", help="that ended so long ago: 30d, 12h, 2w"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")


def _natural(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no number of lines")
    return int(text)


def _span_s(text: str) -> int:
    number, unit = text[:-1], text[-1:].lower()
    if unit not in _UNITS_S or not number.isascii() or not number.isdigit() or len(number) > 6:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no time (30d, 12h, 2w)")
    return int(number) * _UNITS_S[unit]


# ---- acts
def _log(options: argparse.Namespace) -> int:
    from jobd.cli import output

    return output.show(options.ids, is_following=options.follow, is_error=options.err, lines=options.lines)


def _wait(options: argparse.Namespace) -> int:
    from jobd.cli import ends, selection
    from jobd.client import Client

    return ends.wait_for(Client(), selection.parse_all(options.ids))


def _rerun(options: argparse.Namespace) -> int:
    from jobd.cli import selection
    from jobd.client import Client
    from jobd.wire import batch as b

    jobs = selection.parse_all(options.ids)
    if any(job.step_id is not None for job in jobs):
        raise UsageError("a step cannot be run again without its job")
    whole = selection.numbers_of(job for job in jobs if not job.runs)
    elements = [job for job in jobs if job.runs]
    accepted: b.Accepted = Client().request(b.Rerun(whole, os.urandom(9).hex(), elements))
    for line in accepted.warnings:
        say(f"jobctl: {line}")
    for number in accepted.job_ids:
        print(f"Submitted batch job {number}")
    return 0


def _clean(options: argparse.Namespace) -> int:
    import time

    from jobd.cli import selection
    from jobd.client import Client
    from jobd.units import plural
    from jobd.wire import batch as b

    before_at = time.time() - options.older
    job_ids = selection.numbers_of(selection.parse_all(options.ids))
    if not options.yes and not _agrees(before_at, len(job_ids)):
        return EXIT_REFUSED
    cleaned: b.Cleaned = Client().request(b.Clean(before_at, job_ids))
    print(f"forgot {plural(cleaned.count, 'finished job')}")
    return 0


def _agrees(before_at: float, count: int) -> bool:
    """Whether the person wants it.

    Raises:
        UsageError: there is nobody to ask.
    """
    import time

    if not sys.stdin.isatty():
        raise UsageError("clean asks before it forgets; where nobody can answer, say --yes")
    which = "these" if count else "all"
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(before_at))
    sys.stderr.write(
        f"Forget {which} finished jobs that ended before {when}? Their output files stay. [y/N] "
    )
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _control(options: argparse.Namespace, action: Control) -> int:
    from jobd.cli import selection
    from jobd.client import Client
    from jobd.wire import batch as b

    request = b.Control(b.Target(selection.parse_all(options.ids)), action.value)
    if action is Control.REQUEUE:
        outlive_own_end()
    client = Client()
    code = 0
    while True:
        affected: b.Affected = client.request(request)
        for refusal in affected.refused:
            say(f"jobctl: {action.value} {refusal.job}: {refusal.text}")
            code = EXIT_REFUSED
        if not affected.is_more:
            return code


_ADDERS: dict[str, Callable[[argparse.ArgumentParser], None]] = {
    "log": _log_arguments,
    "clean": _clean_arguments,
}
_ACTORS: dict[str, Callable[[argparse.Namespace], int]] = {
    "log": _log,
    "wait": _wait,
    "rerun": _rerun,
    "clean": _clean,
}


__all__ = ["SUMMARIES", "actor", "adder"]
