"""Squeue: list the jobs, or follow them (watch.py)."""

import argparse
import gc
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from jobd.cli import dialect, queue_pages, render, selection
from jobd.cli import slurm_values as v
from jobd.cli.getopt import OPTIONAL, REQUIRED, Option, Table
from jobd.cli.listing import (
    HELP,
    Filter,
    Options,
    is_answered,
    my_name,
    parser_of,
    steps_of,
    user_name,
)
from jobd.cli.main import run
from jobd.client import Client
from jobd.errors import UsageError
from jobd.limits import PAGE_ROWS_MAX
from jobd.slurm import states as names_of_states
from jobd.wire import messages as m

# squeue(1): --start, --steps
START_FORMAT = "%.18i %.9P %.8j %.8u %.2t %.19S %.6D %20Y %R"
STEP_FORMAT = "%.15i %.8j %.9P %.8u %.9M %N"

TABLE = Table(
    (
        Option(
            "states",
            "t",
            REQUIRED,
            "LIST",
            "in these states: W, R, S, Slurm's names (PD, PENDING, …), or all; finished ones are shown for 5 minutes",
        ),
        Option("finished", "f", help="the finished ones, newest first"),
        Option(
            "limit",
            "",
            REQUIRED,
            "N",
            f"at most N of the finished ones (default {queue_pages.FINISHED_ROWS}; 0: all)",
        ),
        Option("type", "", REQUIRED, "LIST", f"submitted by these: {', '.join(v.KINDS)}"),
        Option("user", "u", REQUIRED, "LIST", "of these users"),
        Option("users", "", REQUIRED, "LIST", "the same as --user"),
        Option("me", help="my own"),
        Option("jobs", "j", REQUIRED, "LIST", "with these numbers: 12, 12_3 or 12_[1-4]"),
        Option("name", "n", REQUIRED, "LIST", "with these names"),
        Option("partition", "p", REQUIRED, "LIST", "of these partitions"),
        Option("account", "A", REQUIRED, "LIST", "of these accounts"),
        Option("qos", "q", REQUIRED, "LIST", "of these qualities of service"),
        Option("licenses", "L", REQUIRED, "LIST", "that ask for one of these licenses"),
        Option("long", "l", help="with times, time limit, processors, exit code and reason"),
        Option("tree", help="children indented, below their parents"),
        Option("array", "r", help="each waiting element of an array on a line of its own"),
        Option("start", help="when waiting jobs are expected to start, soonest first"),
        Option(
            "steps", "s", OPTIONAL, "LIST", "the steps of running jobs: all, or those of a list (12, 12.0)"
        ),
        Option("noheader", "h", help="only the jobs, without the two lines above them"),
        Option(
            "format",
            "o",
            REQUIRED,
            "FORMAT",
            "Slurm's: %%[.][width]letter, as in '%%.18i %%.8j %%.2t %%.10M %%R'",
        ),
        Option(
            "Format",
            "O",
            REQUIRED,
            "NAMES",
            "Slurm's: name[:[.][width]], as in JobArrayID,StateCompact,Reason",
        ),
        Option(
            "sort",
            "S",
            REQUIRED,
            "LETTERS",
            "in the order of these letters of --format, - before one to turn it",
        ),
        Option("json", help="as one JSON document"),
        Option(
            "watch",
            "w",
            help="on a terminal: a live table (q leaves); on a pipe: a line for each event, with --json an object",
        ),
        Option(
            "since", "", REQUIRED, "SEQ", "with --watch on a pipe: begin with the events after number SEQ"
        ),
        Option("until-idle", help="with --watch: leave when no job lives any more"),
        Option("iterate", "i", REQUIRED, "SECONDS", "show the list again and again, this long apart"),
        Option("all", "a", is_idle=True, help="hidden partitions too: there are none"),
        Option("array-unique", is_idle=True, help="one line for each waiting element: see --array"),
        Option("clusters", "M", REQUIRED, "LIST", is_idle=True, help="of these clusters: there is one"),
        Option("hide", is_idle=True, help="no hidden partitions: there are none"),
        Option("federation", is_idle=True, help="all clusters: there is one"),
        Option("local", is_idle=True, help="this cluster: there is one"),
        Option("noconvert", is_idle=True, help="sizes are shown in whole units anyway"),
        Option("priority", "P", is_idle=True, help="once for each partition: a job has one"),
        Option(
            "reservation", "R", REQUIRED, "NAME", is_idle=True, help="of this reservation: there are none"
        ),
        Option("verbose", "v", is_idle=True, help="nothing more to tell"),
        *HELP,
    )
)
_NOT_WITH_WATCH = (
    "finished",
    "tree",
    "format",
    "Format",
    "long",
    "start",
    "steps",
    "sort",
    "iterate",
    "array",
)


def build_parser() -> argparse.ArgumentParser:
    """The command line of Squeue."""
    return parser_of(
        "Squeue",
        TABLE,
        "List the jobs: those that run (R), those suspended until their children end (S[4->7,9]) or by Scontrol (S), those that wait (W), in the "
        "order in which they will start. The short command is the command line without directories.",
        "On a terminal lines are cut to its width, on a pipe never. What a name or a command has in it that is no visible character is "
        "written as an escape.",
    )


def program() -> None:
    """Entry point."""
    raise SystemExit(run("Squeue", main))


def main(argv: Sequence[str]) -> int:
    """Do it; the exit code."""
    if dialect.is_slurm:
        from jobd.cli import queue_slurm

        return queue_slurm.main(argv)
    options = Options(TABLE, argv)
    if is_answered(options, build_parser):
        return 0
    options.refuse_words()
    chosen = filter_of(options)
    for name in ("since", "until-idle"):
        if options.has(name) and not options.has("watch"):
            raise UsageError(f"--{name} goes with --watch")
    if options.has("limit") and not options.has("finished"):
        raise UsageError("--limit goes with --finished")
    options.natural("limit")
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # a locale that cannot write every letter
    if options.has("watch"):
        return _watch(options, chosen)
    every_s = options.natural("iterate")
    if every_s is None:
        return _show_once(options, chosen, Client())
    if every_s == 0:
        raise UsageError("--iterate 0: at least 1 second")
    while True:
        print(time.strftime("%a %b %d %H:%M:%S %Y", time.localtime()))
        _show_once(options, chosen, Client())
        print(flush=True)
        time.sleep(every_s)


def _watch(options: Options, chosen: Filter) -> int:
    for name in _NOT_WITH_WATCH:
        if options.has(name):
            raise UsageError(f"--{name} does not go with --watch")
    since = options.natural("since")
    from jobd.cli import watch

    return watch.watch(chosen, is_json=options.has("json"), since=since, is_ending=options.has("until-idle"))


def _show_once(options: Options, chosen: Filter, client: Client) -> int:
    show = _shower(options, chosen, client)
    gc.disable()  # a list makes no cycles, and 100,000 rows would be looked through for some time
    found = queue_pages.batches(client, options, chosen)
    status, rows = next(found)
    if not rows and chosen.jobs is not None and len(chosen.jobs) == 1:
        queue_pages.check_known(chosen.jobs[0])
    show(status, _arranged(options, chosen, chain([rows], (more for _, more in found))))
    return 0


def filter_of(options: Options) -> Filter:
    """Which jobs the options mean.

    Raises:
        UsageError: a state, number, user or kind that cannot be.
    """
    states: frozenset[str] | None = frozenset({"PENDING"}) if options.has("start") else None
    if options.has("states"):
        states = frozenset()
        for word in options.words_of("states") or ():
            states |= names_of_states.named(word)
    kinds = options.chosen("type")
    for kind in kinds or ():
        if kind not in v.KINDS:
            raise UsageError(f"no type {kind!r} (there is {', '.join(v.KINDS)})")
    texts = options.words_of("jobs") and options.all("jobs")
    jobs = None if texts is None else tuple(selection.parse_all(texts))
    users = frozenset(user_name(word) for word in options.words_of("user", "users") or ())
    if options.has("me"):
        users |= {my_name()}
    return Filter(
        states,
        None if jobs is None else frozenset(selection.numbers_of(jobs)),
        users or None,
        options.chosen("name"),
        kinds,
        jobs,
        options.chosen("partition"),
        options.chosen("account"),
        options.chosen("qos"),
        options.chosen("licenses"),
    )


# ---- arranging
Batches = Iterator[list[m.JobRow]]


def _arranged(options: Options, chosen: Filter, batches: Batches) -> Batches:
    """The rows as the options want them: elements alone, one line each, in their order."""
    order = options.last("sort") or ("S" if options.has("start") else None)
    is_unfolded = options.has("array", "array-unique")
    is_narrowed = any(job.runs for job in chosen.jobs or ())
    if order is None and not is_unfolded and not is_narrowed:
        return batches
    from jobd.cli import queue_lines

    def arranged() -> Batches:
        rows: Iterator[m.JobRow] = (row for batch in batches for row in batch)
        if is_narrowed:
            rows = (queue_lines.narrowed(row, chosen.jobs or ()) for row in rows)
        if is_unfolded:
            rows = queue_lines.unfolded(rows)
        if order is not None:
            yield queue_lines.sorted_rows(list(rows), order, time.time())
            return
        while part := [row for row, _ in zip(rows, range(PAGE_ROWS_MAX), strict=False)]:
            yield part

    return arranged()


# ---- showing
def _shower(options: Options, chosen: Filter, client: Client) -> Callable[[m.Status, Batches], None]:
    """What prints the list in the form that the options ask for.

    Raises:
        UsageError: a format that is none.
    """
    if options.has("json"):
        return _show_json
    if options.has("steps"):
        return _step_shower(options, client)
    if options.has("format", "Format", "start"):
        return _format_shower(options)

    def show_table(status: m.Status, batches: Batches) -> None:
        write = sys.stdout.write
        width = terminal_width()
        has_header = not options.has("noheader")
        is_long = options.has("long")
        if has_header:
            line = render.summary(status)
            write((line if width is None else render.cut(line, width)) + "\n")
        table = render.Table(render.LONG if is_long else render.SHORT, width=width)
        indented: Iterator[list[tuple[m.JobRow, str]]]
        if options.has("tree"):
            indented = iter([list(render.as_tree(row for rows in batches for row in rows))])
        else:
            indented = ([(row, "") for row in rows] for rows in batches)
        for rows in indented:
            if is_long:
                now_s = time.time()
                cells = [render.long_cells(row, now_s, indent) for row, indent in rows]
            else:
                cells = [render.short_cells(row, indent) for row, indent in rows]
            write(table.text(cells, has_header=has_header))
            has_header = False

    return show_table


def _format_shower(options: Options) -> Callable[[m.Status, Batches], None]:
    from jobd.cli import letters
    from jobd.slurm import formats

    if options.has("format") and options.has("Format"):
        raise UsageError("-O (--Format) is incompatible with -o (--format)")
    named = options.last("Format")
    fields = (
        formats.parse(options.last("format") or START_FORMAT) if named is None else formats.parse_names(named)
    )
    line = letters.line_maker(fields)

    def show(_: m.Status, batches: Batches) -> None:
        write = sys.stdout.write
        if not options.has("noheader"):
            write(formats.header(fields) + "\n")
        for rows in batches:
            now_s = time.time()
            write("".join([line(row, now_s) + "\n" for row in rows]))

    return show


def _step_shower(options: Options, client: Client) -> Callable[[m.Status, Batches], None]:
    """The steps that run, of all jobs or of those of a list."""
    from jobd.cli import letters
    from jobd.slurm import formats
    from jobd.slurm.columns import STEP_COLUMNS, STEP_LETTERS

    text = options.last("format") or STEP_FORMAT
    fields = formats.parse(text, STEP_LETTERS, STEP_COLUMNS)
    wanted = selection.parse_all(word for word in options.all("steps") or () if word)

    def show(_: m.Status, batches: Batches) -> None:
        rows = [row for batch in batches for row in batch if row.started_at is not None]
        rows = [row for row in rows if not wanted or any(selection.fits(job, row) for job in wanted)]
        numbers = {job.step_id for job in wanted if job.step_id is not None}
        steps = steps_of(client, [row.job_id for row in rows])
        now_s = time.time()
        if not options.has("noheader"):
            print(formats.header(fields))
        for row in rows:
            for step in steps.get(row.job_id, ()):
                if step.ended_at is None and (not numbers or step.step_id in numbers):
                    print(
                        formats.line(
                            fields,
                            lambda name: render.printable(letters.STEP_VALUES[name](step, row, now_s)),  # noqa: B023
                        )
                    )

    return show


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


__all__ = ["Filter", "build_parser", "filter_of", "main", "program"]
