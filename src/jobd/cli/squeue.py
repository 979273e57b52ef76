"""Squeue: list the jobs, or follow them (watch.py)."""

import argparse
import gc
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple, NoReturn

from jobd import __version__
from jobd.cli import render
from jobd.cli.main import run
from jobd.client import Client
from jobd.errors import EXIT_USAGE, NoSuchJob, UsageError
from jobd.limits import PAGE_ROWS_MAX
from jobd.states import FINAL_STATES, JobState
from jobd.wire import messages as m

FINISHED_ROWS = 100  # of the history, where no --limit is given
RECENT_S = 300.0  # Slurm's MinJobAge: for so long a finished job is still shown where its state is asked for
KINDS = ("salloc",)

LIVING = frozenset(state.value for state in JobState) - frozenset(state.value for state in FINAL_STATES)
_FINAL = frozenset(state.value for state in FINAL_STATES)

# Our own letters and Slurm's names. Those of states that jobd does not have are understood and fit no job: tools ask for lists of them.
_STATES: dict[str, frozenset[str]] = {
    **{state.value: frozenset({state.value}) for state in JobState},
    **{state.code: frozenset({state.value}) for state in JobState},
    "W": frozenset({"PENDING"}),
    "R": frozenset({"RUNNING", "COMPLETING"}),  # both are shown as R
    "ALL": frozenset(state.value for state in JobState),
}
_SLURMS_OWN = frozenset(
    "CF CONFIGURING OOM OUT_OF_MEMORY PR PREEMPTED DL DEADLINE BF BOOT_FAIL RQ REQUEUED RF REQUEUE_FED "  # noqa: SIM905
    "RH REQUEUE_HOLD RS RESIZING RV REVOKED SE SPECIAL_EXIT SI SIGNALING SO STAGE_OUT ST STOPPED".split()
)


class Filter(NamedTuple):
    """Which jobs are meant. None: all."""

    states: frozenset[str] | None
    job_ids: frozenset[int] | None
    users: frozenset[str] | None
    names: frozenset[str] | None
    kinds: frozenset[str] | None

    def fits(self, row: m.JobRow) -> bool:
        """Whether a job is meant."""
        return (
            (self.states is None or row.state in self.states)
            and (self.job_ids is None or row.job_id in self.job_ids)
            and (self.users is None or row.user in self.users)
            and (self.names is None or row.name in self.names)
            and (self.kinds is None or row.kind in self.kinds)
        )

    @property
    def needs_looking(self) -> bool:
        """Whether it names anything that the server does not choose by."""
        return any(chosen is not None for chosen in (self.users, self.names, self.kinds))


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_USAGE, f"Squeue: {render.printable(message)} (Squeue --help)\n")


def build_parser() -> argparse.ArgumentParser:
    """The command line of Squeue."""
    parser = _Parser(
        prog="Squeue",
        description="List the jobs: those that run (R), those suspended until their children end (S[4->7,9]), those that wait (W), in the order "
        "in which they will start. The short command is the command line without directories.",
        epilog="On a terminal lines are cut to its width, on a pipe never. What a name or a command has in it that is no visible character is written as an escape.",
        allow_abbrev=False,
        add_help=False,
    )
    choice = parser.add_argument_group("which jobs")
    choice.add_argument(
        "-t",
        "--state",
        "--states",
        action="append",
        metavar="LIST",
        help="in these states: W, R, S, Slurm's names (PD, PENDING, …), or all; finished ones are shown for 5 minutes",
    )
    choice.add_argument("-f", "--finished", action="store_true", help="the finished ones, newest first")
    choice.add_argument(
        "--limit",
        type=_natural,
        metavar="N",
        help=f"at most N of the finished ones (default {FINISHED_ROWS}; 0: all)",
    )
    choice.add_argument(
        "--type", action="append", metavar="LIST", help=f"submitted by these: {', '.join(KINDS)}"
    )
    choice.add_argument("-u", "--user", "--users", action="append", metavar="LIST", help="of these users")
    choice.add_argument("--me", action="store_true", help="my own")
    choice.add_argument("-j", "--job", "--jobs", action="append", metavar="LIST", help="with these numbers")
    choice.add_argument("-n", "--name", action="append", metavar="LIST", help="with these names")
    look = parser.add_argument_group("how they are shown")
    look.add_argument(
        "-l", "--long", action="store_true", help="with times, time limit, processors, exit code and reason"
    )
    look.add_argument("--tree", action="store_true", help="children indented, below their parents")
    look.add_argument(
        "-h", "--noheader", action="store_true", help="only the jobs, without the two lines above them"
    )
    look.add_argument(
        "-o",
        "--format",
        metavar="FORMAT",
        help="Slurm's: %%[.][width]letter, as in '%%.18i %%.8j %%.2t %%.10M %%R'",
    )
    look.add_argument("--json", action="store_true", help="as one JSON document")
    watch = parser.add_argument_group("keeping on")
    watch.add_argument(
        "-w",
        "--watch",
        action="store_true",
        help="on a terminal: a live table (q leaves); on a pipe: a line for each event, with --json an object",
    )
    watch.add_argument(
        "--since",
        type=_natural,
        metavar="SEQ",
        help="with --watch on a pipe: begin with the events after number SEQ",
    )
    watch.add_argument(
        "--until-idle", action="store_true", help="with --watch: leave when no job lives any more"
    )
    other = parser.add_argument_group("other")
    other.add_argument("--help", action="help", help="show this and leave")
    other.add_argument("--version", action="version", version=f"Squeue {__version__}")
    return parser


def program() -> None:
    """Entry point."""
    raise SystemExit(run("Squeue", main))


def main(argv: Sequence[str]) -> int:
    """Do it; the exit code."""
    parser = build_parser()
    options = parser.parse_args(argv)
    chosen = filter_of(options)
    if options.since is not None and not options.watch:
        parser.error("--since goes with --watch")
    if options.until_idle and not options.watch:
        parser.error("--until-idle goes with --watch")
    if options.limit is not None and not options.finished:
        parser.error("--limit goes with --finished")
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # a locale that cannot write every letter
    if options.watch:
        for name in ("finished", "tree", "format", "long"):
            if getattr(options, name):
                parser.error(f"--{name} does not go with --watch")
        from jobd.cli import watch

        return watch.watch(chosen, is_json=options.json, since=options.since, is_ending=options.until_idle)
    show = _shower(options)
    client = Client()
    gc.disable()  # a list makes no cycles, and 100,000 rows would be looked through for some time
    batches = _batches(client, options, chosen)
    status, rows = next(batches)
    if not rows and chosen.job_ids is not None and len(chosen.job_ids) == 1:
        _check_known(next(iter(chosen.job_ids)))
    show(status, chain([rows], (more for _, more in batches)))
    return 0


def filter_of(options: argparse.Namespace) -> Filter:
    """Which jobs the options mean.

    Raises:
        UsageError: a state, number, user or kind that cannot be.
    """
    states: frozenset[str] | None = None
    for word in _words(options.state) or ():
        if word.upper() not in _STATES.keys() | _SLURMS_OWN:
            raise UsageError(
                f"no state {word!r} (W, R, S, {', '.join(state.value for state in JobState)}, or all)"
            )
        states = (states or frozenset()) | _STATES.get(word.upper(), frozenset())
    kinds = _words(options.type)
    for kind in kinds or ():
        if kind not in KINDS:
            raise UsageError(f"no type {kind!r} (there is {', '.join(KINDS)})")
    ids: set[int] = set()
    for word in _words(options.job) or ():
        if not word.isascii() or not word.isdigit() or len(word) > 17:
            raise UsageError(f"{word!r} is no job number")
        ids.add(int(word))
    users = {_user_name(word) for word in _words(options.user) or ()}
    if options.me:
        users.add(_user_name(str(os.getuid())))
    names = _words(options.name)
    return Filter(
        states,
        frozenset(ids) if options.job else None,
        frozenset(users) if users else None,
        frozenset(names) if names is not None else None,
        frozenset(kinds) if kinds is not None else None,
    )


def _words(lists: list[str] | None) -> list[str] | None:
    """The words of comma lists; None where the option was not given."""
    if lists is None:
        return None
    words = [word.strip() for text in lists for word in text.split(",")]
    if not any(words):
        raise UsageError(f"an empty list: {','.join(lists)!r}")
    return [word for word in words if word]


def _user_name(word: str) -> str:
    """The name of a user given by name or number."""
    if not word.isascii() or not word.isdigit():
        return word
    import pwd

    try:
        return pwd.getpwuid(int(word)).pw_name
    except (KeyError, OverflowError):
        return word


def _natural(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 17:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 on")
    return int(text)


# ---- asking
def _batches(
    client: Client, options: argparse.Namespace, chosen: Filter
) -> Iterator[tuple[m.Status, list[m.JobRow]]]:
    """(status, rows) of each page: the living ones that are meant, then the finished ones. There is always a first."""
    states, ids = chosen.states, sorted(chosen.job_ids or ())
    is_first = True
    if not options.finished:
        for page in _pages(client, _request(ids, None if states is None else states & LIVING)):
            rows = [row for row in page.rows if chosen.fits(row)] if chosen.needs_looking else page.rows
            if ids:
                rows = sorted(rows, key=_place)
            is_first = False
            yield page.status, rows
        if states is None or not states & _FINAL:
            return
    left = (FINISHED_ROWS if options.limit is None else options.limit) if options.finished else 0
    recent_s = None if options.finished or ids else time.time() - RECENT_S
    request = _request(ids, None if states is None else states & _FINAL)._replace(is_finished=True)
    if left and not chosen.needs_looking:
        request = request._replace(rows_max=min(left, PAGE_ROWS_MAX))
    for page in _pages(client, request):
        rows = [row for row in page.rows if chosen.fits(row)]
        if recent_s is not None:
            rows = [row for row in rows if row.ended_at is not None and row.ended_at >= recent_s]
        if left and len(rows) >= left:
            yield page.status, rows[:left]
            return
        left = max(0, left - len(rows))
        if rows or is_first:
            is_first = False
            yield page.status, rows
        if recent_s is not None and len(rows) < len(page.rows) and _ends_before(page.rows, recent_s):
            return


def _request(ids: list[int], states: frozenset[str] | None) -> m.ListJobs:
    # The server takes an empty list for all states; a state that no job has stands for none.
    names = [] if states is None else sorted(states) or ["-"]
    return m.ListJobs(rows_max=PAGE_ROWS_MAX, job_ids=ids, states=names)


def _pages(client: Client, request: m.ListJobs) -> Iterator[m.JobPage]:
    """All pages; the server looks for the next one while we print this one."""
    client.send(request)
    while True:
        page: m.JobPage = client.receive()
        if page.cursor:
            client.send(request._replace(cursor=page.cursor))
        yield page
        if not page.cursor:
            return


def _ends_before(rows: list[m.JobRow], at_s: float) -> bool:
    return any(row.ended_at is not None and row.ended_at < at_s for row in rows)


def _place(row: m.JobRow) -> tuple[int, int, int, int]:
    """Where a job stands in a list, for rows that came by number: running, suspended, then the queue's own order."""
    if row.state == "PENDING":
        return 2, -row.priority, row.root_id, row.job_id
    return int(bool(row.children)), 0, 0, row.job_id


def _check_known(job_id: int) -> None:
    """Asked for one job, say so if there never was one: an empty list would read as an end.

    Raises:
        NoSuchJob: neither living nor remembered.
    """
    client = Client()  # of its own: the list may still be under way on the other
    for is_finished in (False, True):
        if client.request(m.ListJobs(job_ids=[job_id], is_finished=is_finished)).rows:
            return
    raise NoSuchJob(f"no job {job_id} (Squeue lists the living, Squeue --finished the others)")


# ---- showing
Batches = Iterator[list[m.JobRow]]


def _shower(options: argparse.Namespace) -> Callable[[m.Status, Batches], None]:
    """What prints the list in the form that the options ask for.

    Raises:
        UsageError: a format that is none.
    """
    if options.json:
        return _show_json
    if options.format is not None:
        from jobd.slurm import formats

        fields = formats.parse(options.format)

        def show_format(_: m.Status, batches: Batches) -> None:
            write = sys.stdout.write
            if not options.noheader:
                write(formats.header(fields) + "\n")
            for rows in batches:
                now_s = time.time()
                for row in rows:
                    write(formats.line(fields, lambda letter: render.slurm_value(letter, row, now_s)) + "\n")  # noqa: B023

        return show_format

    def show_table(status: m.Status, batches: Batches) -> None:
        write = sys.stdout.write
        width = terminal_width()
        has_header = not options.noheader
        if has_header:
            line = render.summary(status)
            write((line if width is None else render.cut(line, width)) + "\n")
        table = render.Table(render.LONG if options.long else render.SHORT, width=width)
        indented: Iterator[list[tuple[m.JobRow, str]]]
        if options.tree:
            indented = iter([list(render.as_tree(row for rows in batches for row in rows))])
        else:
            indented = ([(row, "") for row in rows] for rows in batches)
        for rows in indented:
            if options.long:
                now_s = time.time()
                cells = [render.long_cells(row, now_s, indent) for row, indent in rows]
            else:
                cells = [render.short_cells(row, indent) for row, indent in rows]
            write(table.text(cells, has_header=has_header))
            has_header = False

    return show_table


def _show_json(status: m.Status, batches: Batches) -> None:
    """One document, written as it comes."""
    import json

    head = {"used": status.used, "nb_proc": status.nb_proc, "nb_proc_max": status.nb_proc_max}
    write = sys.stdout.write
    write(json.dumps(head)[:-1] + ', "jobs": [')
    separator = "\n"
    for rows in batches:
        for row in rows:
            write(separator + json.dumps(render.as_json(row)))
            separator = ",\n"
    write("\n]}\n")


def terminal_width() -> int | None:
    """The width of the terminal that the list goes to, in cells; None where it goes elsewhere."""
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or None
    except (OSError, ValueError):
        return None


__all__ = ["build_parser", "filter_of", "main", "program"]
