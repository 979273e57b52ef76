"""Sacct: what jobs there were, how they ended, what they used.

Without -j the jobs of a window of time are shown, from midnight on; sacct(1), DEFAULT TIME WINDOW. A job has a line, its batch script another
(12.batch), each Srun step one more (12.0); there is no .extern, since nothing of jobd's runs beside a job. Refusals are code 1, as sacct's are:
there are tools that look.
"""

import argparse
import gc
import os
import sys
import time
from collections.abc import Sequence

from jobd.cli import dialect, render
from jobd.cli import slurm_values as v
from jobd.cli.getopt import OPTIONAL, REQUIRED, Option, Table
from jobd.cli.listing import Options, is_answered, once_each, parser_of, rows_of, steps_of
from jobd.cli.main import fail, run
from jobd.cli.sacct_query import BATCH_STEP, Query, query_of
from jobd.cli.sacct_records import Record, records_of, slurm_order
from jobd.client import Client
from jobd.errors import EXIT_REFUSED, BadOption, UsageError
from jobd.slurm import fields as field_names
from jobd.wire.batch import AskNode, StepRow
from jobd.wire.messages import JobRow

UNITS = "KMGTP"

TABLE = Table(
    (
        Option(
            "jobs", "j", REQUIRED, "LIST", "these jobs: 12, 12_3 of an array, 12.0 or 12.batch of its steps"
        ),
        Option("name", "", REQUIRED, "LIST", "with these names"),
        Option("user", "u", REQUIRED, "LIST", "of these users"),
        Option("uid", "", REQUIRED, "LIST", "the same as --user"),
        Option(
            "state",
            "s",
            REQUIRED,
            "LIST",
            "that were in these states in the window, which is now without -S and -E",
        ),
        Option(
            "starttime", "S", REQUIRED, "TIME", "the window begins here (default: midnight; with -j: ever)"
        ),
        Option(
            "endtime",
            "E",
            REQUIRED,
            "TIME",
            "the window ends here (default: now; with -s and -S: at its beginning)",
        ),
        Option("partition", "r", REQUIRED, "LIST", "of these partitions"),
        Option("accounts", "A", REQUIRED, "LIST", "of these accounts"),
        Option("qos", "q", REQUIRED, "LIST", "of these qualities of service"),
        Option("wckeys", "W", REQUIRED, "LIST", "with these keys"),
        Option("nodelist", "N", REQUIRED, "LIST", "that ran on these nodes"),
        Option("gid", "g", REQUIRED, "LIST", "of users of these groups"),
        Option("group", "", REQUIRED, "LIST", "the same as --gid"),
        Option("nnodes", "i", REQUIRED, "MIN[-MAX]", "that asked for so many nodes; each has one"),
        Option("ncpus", "I", REQUIRED, "MIN[-MAX]", "that asked for so many procs"),
        Option("timelimit-min", "k", REQUIRED, "TIME", "with this time limit, or with at least it"),
        Option("timelimit-max", "K", REQUIRED, "TIME", "with -k: with at most this time limit"),
        Option("allocations", "X", help="only the jobs, without their steps"),
        Option(
            "format",
            "o",
            REQUIRED,
            "FIELDS",
            "these fields, with %%N for a width and %%-N for one to the left",
        ),
        Option("brief", "b", help=f"the fields {field_names.BRIEF}"),
        Option("long", "l", help="very many fields"),
        Option("helpformat", "e", help="the names of all fields"),
        Option("noheader", "n", help="without the line of names"),
        Option("parsable", "p", help="with | behind each value"),
        Option("parsable2", "P", help="with | between the values"),
        Option("delimiter", "", REQUIRED, "TEXT", "with -p or -P: this instead of |"),
        Option("units", "", REQUIRED, "UNIT", f"sizes in this unit, one of {UNITS}"),
        Option("noconvert", help="sizes in the units in which they are kept"),
        Option("truncate", "T", help="no time before or after the window"),
        Option("json", help="as one JSON document"),
        Option("yaml", help="as one YAML document"),
        Option("batch-script", "B", help="the batch scripts of the jobs"),
        Option("allusers", "a", is_idle=True, help="of all users: there is one"),
        Option("clusters", "M", REQUIRED, "LIST", is_idle=True, help="of these clusters: there is one"),
        Option("allclusters", "L", is_idle=True, help="of all clusters: there is one"),
        Option("local", is_idle=True, help="of this cluster"),
        Option("federation", is_idle=True, help="of all clusters: there is one"),
        Option("duplicates", "D", help="the earlier attempts of jobs that were queued again too"),
        Option("associations", "x", REQUIRED, "LIST", is_idle=True, help="there is one of each user"),
        Option("flags", "F", REQUIRED, "LIST", is_idle=True, help="how it was scheduled is not kept"),
        Option("completion", "c", is_idle=True, help="from another store: there is one"),
        Option("whole-hetjob", "", OPTIONAL, "YES", is_idle=True, help="there are no such jobs"),
        Option("use-local-uid", is_idle=True, help="that is so anyway"),
        Option("verbose", "v", is_idle=True, help="nothing more to tell"),
        Option("usage", help="show how it is called and leave"),
        Option("help", "h", help="show this and leave"),
        Option("version", "V", help="show the version and leave"),
    )
)


def build_parser(name: str = "Sacct") -> argparse.ArgumentParser:
    """The command line of Sacct."""
    return parser_of(
        name,
        TABLE,
        "List jobs, living and finished, of a window of time or by number: a line for each job, its batch script (12.batch) and its steps "
        "(12.0). There is no .extern line.",
        "Times: HH:MM[:SS], MM/DD[/YY], 2030-01-31[T08:00], today, midnight, noon, now, now-1hour. SACCT_FORMAT gives the fields where no "
        "option does.",
    )


def program() -> None:
    """Entry point."""
    raise SystemExit(run("Sacct", main))


def main(argv: Sequence[str], *, name: str = "Sacct") -> int:
    """Do it; the exit code."""
    try:
        options = Options(TABLE, argv)
        if dialect.is_slurm:
            from jobd.cli import sacct_words

            if sacct_words.is_answered(options):
                return 0
        usage = f"Usage: {dialect.name(name)} [options]\n\tUse --help for help\n"
        if is_answered(options, lambda: build_parser(dialect.name(name)), usage):
            return 0
        if options.words:
            raise UsageError(f"Unknown arguments: {' '.join(options.words)[:60]!r}")
        if options.has("helpformat"):
            sys.stdout.write(field_names.help_text())
            return 0
        query = query_of(options, time.time())
        layout = layout_of(options, argv)
        unit = unit_of(options)
    except BadOption as error:
        if dialect.is_slurm:
            raise
        return fail(name, f"error: {error}", EXIT_REFUSED)
    except UsageError as error:
        return fail(name, str(error) if dialect.is_slurm else f"error: {error}", EXIT_REFUSED)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    gc.disable()  # a list makes no cycles, and 100,000 rows would be looked through for some time
    _show(options, query, layout, unit, Client())
    return 0


# ---- how it is shown
def layout_of(options: Options, argv: Sequence[str] = ()) -> field_names.Layout:
    """How the lines are written.

    Raises:
        UsageError: a field that is none.
    """
    if dialect.is_slurm:
        from jobd.cli import sacct_words

        return sacct_words.layout_of(options, TABLE.parse(argv, is_mixed=True).given)
    text = ",".join(options.all("format") or ())
    if options.has("long"):
        text = field_names.LONG
    elif options.has("brief"):
        text = field_names.BRIEF
    fields = field_names.parse(text or os.environ.get("SACCT_FORMAT") or field_names.DEFAULT)
    is_ended = options.has("parsable") and not options.has("parsable2")
    if not options.has("parsable", "parsable2"):
        return field_names.Layout(fields)
    return field_names.Layout(fields, options.last("delimiter") or "|", is_ended)


def unit_of(options: Options) -> str:
    """The unit of sizes; "" for the largest that is whole.

    Raises:
        UsageError: no unit.
    """
    unit = (options.last("units") or "").upper()
    if options.has("units") and (len(unit) != 1 or unit not in UNITS):
        if dialect.is_slurm:
            wrong = (options.last("units") or "")[:1]
            raise dialect.Said(
                f"sacct: error: Invalid unit type '{wrong}'. Possible options are '{UNITS}'",
                "sacct: fatal: Invalid unit type",
            )
        raise UsageError(f"Invalid unit type {options.last('units')!r} (one of {UNITS})")
    return unit


# ---- asking and showing
def jobs_of(client: Client, query: Query, requeued: set[int] | None = None) -> list[JobRow]:
    """The jobs that are meant, by number.

    Args:
        requeued: is given those that have had earlier attempts, and may be meant for one of these.
    """
    jobs = [job._replace(step_id=None) for job in query.jobs]
    rows: dict[int, JobRow] = {}

    def take(row: JobRow) -> None:
        rows.pop(row.job_id, None)  # one that ended meanwhile is on both lists, and this is the later word
        if requeued is not None and row.batch is not None and row.batch.requeued_at is not None:
            requeued.add(row.job_id)
        if query.fits(row):
            rows[row.job_id] = row

    for row in rows_of(client, jobs, is_finished=False):
        take(row)
    since_s = None if jobs else query.start_s
    names = sorted(query.names or ())
    for row in once_each(rows_of(client, jobs, is_finished=True, since_s=since_s, names=names)):
        take(row)
    return sorted(rows.values(), key=slurm_order if dialect.is_slurm else v.order)


def _show(options: Options, query: Query, layout: field_names.Layout, unit: str, client: Client) -> None:
    from jobd.cli import sacct_values

    requeued: set[int] = set()
    rows = jobs_of(client, query, requeued)
    if dialect.is_slurm and options.has("clusters"):
        clusters = {word for text in options.all("clusters") or () for word in text.split(",")}
        if not clusters & {"all", client.request(AskNode()).cluster}:
            rows, requeued = [], set()
    if options.has("batch-script"):
        _show_scripts(client, rows)
        return
    records = records_of(client, rows, requeued, query, is_all=options.has("duplicates"))
    is_with_steps = not options.has("allocations")
    started = sorted({record.row.job_id for record in records if record.row.started_at is not None})
    # The job's own derived code is made of its steps too.
    needs_steps = is_with_steps or any(field.name == "DerivedExitCode" for field in layout.fields)
    steps = steps_of(client, started) if needs_steps and started else {}
    if options.has("json", "yaml"):
        if dialect.is_slurm or options.has("yaml"):
            from jobd.cli import sacct_json

            sacct_json.show(client, records, steps, now_s=time.time(), is_yaml=options.has("yaml"))
        else:
            _show_json(records, steps)
        return
    names = [field.name for field in layout.fields]
    cluster, memory_bytes = "local", 0
    if not {"Cluster", "ReqMem", "ReqTRES"}.isdisjoint(names):
        node = client.request(AskNode())
        cluster, memory_bytes = node.cluster, node.memory_bytes
    truncated_s = (query.start_s, query.end_s) if options.has("truncate") else None
    context = sacct_values.Context(
        time.time(), cluster, unit, options.has("noconvert"), truncated_s, memory_bytes
    )
    write = sys.stdout.write
    if not options.has("noheader"):
        write(layout.header())
    for record in records:
        own = record.steps_of(steps)
        entries = sacct_values.entries_of(record.parts, own, is_with_steps=is_with_steps)
        for entry in [entries[0]._replace(row=record.row), *entries[1:]]:
            step_id = None if entry.step is None else entry.step.step_id
            if not query.has_line(record.row, BATCH_STEP if entry.is_script else step_id):
                continue
            write(layout.line(list(map(render.printable, sacct_values.values_of(names, entry, context)))))


def _show_scripts(client: Client, rows: list[JobRow]) -> None:
    from jobd.wire.batch import ReadScript

    for row in rows:
        has_script = row.batch is not None and row.batch.has_script
        script = client.request(ReadScript(row.job_id)).data.decode(errors="replace") if has_script else ""
        head = f"Batch Script for {v.job_text(row)}\n{'-' * 80}\n"
        sys.stdout.write(f"{head}{script or 'NONE'}\n{'' if script else chr(10)}")


def _show_json(records: list[Record], steps: dict[int, list[StepRow]]) -> None:
    import json

    jobs = [
        {**render.as_json(record.row), "steps": [step._asdict() for step in record.steps_of(steps)]}
        for record in records
    ]
    sys.stdout.write(json.dumps({"jobs": jobs}, indent=1) + "\n")


__all__ = [
    "BATCH_STEP",
    "Query",
    "build_parser",
    "jobs_of",
    "layout_of",
    "main",
    "program",
    "query_of",
]
