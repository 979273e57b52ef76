"""Sserver: start, size, show or stop the server."""

import argparse
import os
import time
from collections.abc import Sequence

from jobd import __version__
from jobd.cli.main import Parser, run
from jobd.client import Client, is_server_alive
from jobd.errors import EXIT_NO_SERVER, NoServer
from jobd.limits import NB_PROC_LIMIT
from jobd.units import format_elapsed, plural
from jobd.wire import messages as m

STOPPED_S = 60.0  # for a server to be gone after it was told


def build_parser() -> argparse.ArgumentParser:
    """The command line of Sserver."""
    parser = Parser(
        prog="Sserver",
        usage="Sserver [N | -1 | -2]",
        description="Without an argument: say whether the server runs, since when, and what it does. Exit code 3 if it does not.",
        epilog="A server that is stopped leaves running jobs alone and forgets nothing; a later start takes them over.",
        allow_abbrev=False,
    )
    # -1 and -2 look like options, and argparse knows negative numbers where no option looks like one.
    parser.add_argument(
        "number",
        nargs="?",
        type=int,
        metavar="N",
        help="start the server if none runs, and set nb_proc and nb_proc_max to N; "
        "-1: stop the server, running jobs go on; -2: kill every job properly, then stop",
    )
    parser.add_argument("--version", action="version", version=f"Sserver {__version__}")
    return parser


def program() -> None:
    """Entry point."""
    raise SystemExit(run("Sserver", main))


def main(argv: Sequence[str]) -> int:
    """Do it; the exit code."""
    parser = build_parser()
    number = parser.parse_args(argv).number
    if number is None:
        return show()
    if number in (-1, -2):
        return stop(is_killing=number == -2)
    if not 0 <= number <= NB_PROC_LIMIT:
        parser.error(
            f"{number}: from 0 to {NB_PROC_LIMIT} procs, or -1 (stop), or -2 (kill all jobs and stop)"
        )
    start(number)
    return 0


def start(number: int | None) -> None:
    """Start the server if none runs; set nb_proc and nb_proc_max if a number is given.

    Raises:
        NoServer: it could not be started.
    """
    if not is_server_alive():
        from jobd.start import start_server

        start_server()
    client = Client(is_starting=False)
    if number is None:
        status: m.Status = client.request(m.Ask())
    else:
        status = client.request(m.SetLimits(number, max(1, number)))
    print(_line(status))


def show() -> int:
    """Say how the server is; 3 if there is none. Never starts one."""
    if not is_server_alive():
        print("no server runs (start one with: Sserver N, or systemctl --user start jobd)")
        return EXIT_NO_SERVER
    print(_line(Client(is_starting=False).request(m.Ask())))
    return 0


def stop(*, is_killing: bool) -> int:
    """Stop the server and wait until it is gone. Stopping what does not run is no error; killing without a server is."""
    if not is_server_alive():
        if is_killing:
            raise NoServer("no server runs, so there is nobody to end the jobs (start one with: Sserver N)")
        print("no server runs")
        return 0
    from jobd import locks, paths

    pid = locks.holder(paths.server_lock())
    pidfd = _pidfd(pid)
    Client(is_starting=False).request(m.Stop(is_killing))
    if pidfd is not None:
        import select

        # The end of all jobs takes as long as their grace; who has no patience has Ctrl-C.
        if not select.select([pidfd], [], [], None if is_killing else STOPPED_S)[0]:
            raise NoServer(f"the server (pid {pid}) has not ended for {STOPPED_S:.0f} s")
    print("stopped, all jobs ended" if is_killing else "stopped")
    return 0


def _pidfd(pid: int | None) -> int | None:
    try:
        return None if pid is None else os.pidfd_open(pid)
    except OSError:
        return None


def _line(status: m.Status) -> str:
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(status.started_at))
    return (
        f"jobd {status.version} runs (pid {status.pid}) since {since} ({format_elapsed(time.time() - status.started_at)}): "
        f"nb_proc {status.nb_proc}, nb_proc_max {status.nb_proc_max}, {plural(status.used, 'proc')} used, "
        f"{status.running} running, {status.suspended} suspended, {status.waiting} waiting"
    )
