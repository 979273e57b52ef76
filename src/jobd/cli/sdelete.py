"""Sdelete: kill jobs properly, with their trees, and take them off the list."""

import argparse
from collections.abc import Sequence

from jobd import __version__
from jobd.cli.main import Parser, run
from jobd.client import Client, Events
from jobd.states import FINAL_STATES
from jobd.units import format_ids
from jobd.wire import messages as m
from jobd.wire.topics import job_topic

FINAL = frozenset(state.value for state in FINAL_STATES)


def build_parser() -> argparse.ArgumentParser:
    """The command line of Sdelete."""
    parser = Parser(
        prog="Sdelete",
        description="Kill jobs properly, each with its whole tree: SIGTERM to every process, wherever it has gone, SIGKILL after a grace. "
        "Returns when they are gone.",
        allow_abbrev=False,
    )
    parser.add_argument("ids", nargs="+", type=job_id, metavar="ID", help="number of a job")
    parser.add_argument("--no-wait", action="store_true", help="return at once")
    parser.add_argument("-v", "--verbose", action="store_true", help="say which jobs end")
    parser.add_argument("--version", action="version", version=f"Sdelete {__version__}")
    return parser


def job_id(text: str) -> int:
    """A job's number."""
    if not text.isascii() or not text.isdigit() or not 0 < len(text) < 18:
        raise argparse.ArgumentTypeError(f"{text!r} is no job number")
    return int(text)


def program() -> None:
    """Entry point."""
    raise SystemExit(run("Sdelete", main))


def main(argv: Sequence[str]) -> int:
    """Do it; the exit code."""
    options = build_parser().parse_args(argv)
    delete(options.ids, is_waiting=not options.no_wait, is_verbose=options.verbose)
    return 0


def delete(ids: list[int], *, is_waiting: bool, is_verbose: bool) -> None:
    """Kill these jobs, and wait until they and their trees are gone.

    Raises:
        JobdError: one of them does not live; then none is touched.
    """
    # From inside a job that is to end, our own end may come first, which is no error.
    client = Client()
    deleted: m.Deleted = client.request(m.Delete(ids))
    if is_verbose:
        print(f"ending {format_ids(deleted.job_ids)}")
    if not is_waiting:
        return
    for number in deleted.job_ids:
        # The subscription is answered with the job as it is, so an end that has been is not missed.
        events = Events(job_topic(number))
        while True:
            event = events.wait()
            if isinstance(event, m.Event) and (event.job is None or event.job.state in FINAL):
                break
        events.close()
