"""Sacct: what jobs there were, how they ended, what they used.

Without -j the jobs of a window of time are shown, from midnight on; sacct(1), DEFAULT TIME WINDOW. A job has a line, its batch script another
(12.batch), each Srun step one more (12.0); there is no .extern, since nothing of jobd's runs beside a job. Refusals are code 1, as sacct's are:
there are tools that look.
"""

import argparse
import gc
import math
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from jobd.cli import render, selection
from jobd.cli import slurm_values as v
from jobd.cli.getopt import REQUIRED, Option, Table
from jobd.cli.listing import (
    Options,
    is_answered,
    once_each,
    parser_of,
    rows_of,
    steps_of,
    user_name,
)
from jobd.cli.main import fail, run
from jobd.client import Client
from jobd.errors import EXIT_REFUSED, UsageError
from jobd.slurm import fields as field_names
from jobd.slurm import states as names_of_states
from jobd.slurm.times import parse_limit_s, parse_time
from jobd.wire.batch import AskNode, JobId, StepRow
from jobd.wire.messages import JobRow

UNITS = "KMGTP"
BATCH_STEP = -1  # in the place of a step's number: 12.batch
_BETWEEN = re.compile(r",(?![^\[]*\])")  # a comma within brackets belongs to the indexes
_WHOLE_SECOND_S = 0.999  # "now" is a second, and what was submitted in it is in the window
# The states of which a job once was in, which it may have left since.
_PASSED = frozenset({"PENDING", "RUNNING"})

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
        Option("allusers", "a", is_idle=True, help="of all users: there is one"),
        Option("clusters", "M", REQUIRED, "LIST", is_idle=True, help="of these clusters: there is one"),
        Option("allclusters", "L", is_idle=True, help="of all clusters: there is one"),
        Option("local", is_idle=True, help="of this cluster"),
        Option("federation", is_idle=True, help="of all clusters: there is one"),
        Option("duplicates", "D", is_idle=True, help="earlier jobs of the same number: there are none"),
        Option("completion", "c", is_idle=True, help="from another store: there is one"),
        Option("whole-hetjob", "", REQUIRED, "YES", is_idle=True, help="there are no such jobs"),
        Option("use-local-uid", is_idle=True, help="that is so anyway"),
        Option("verbose", "v", is_idle=True, help="nothing more to tell"),
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
        if is_answered(options, lambda: build_parser(name)):
            return 0
        if options.words:
            raise UsageError(f"Unknown arguments: {' '.join(options.words)[:60]!r}")
        if options.has("helpformat"):
            sys.stdout.write(field_names.help_text())
            return 0
        query = query_of(options, time.time())
        layout = layout_of(options)
        unit = unit_of(options)
    except UsageError as error:
        return fail(name, f"error: {error}", EXIT_REFUSED)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    gc.disable()  # a list makes no cycles, and 100,000 rows would be looked through for some time
    _show(options, query, layout, unit, Client())
    return 0


# ---- what is asked for
class Query(NamedTuple):
    """Which jobs are meant."""

    jobs: tuple[JobId, ...]
    names: frozenset[str] | None
    users: frozenset[str] | None
    states: frozenset[str] | None
    start_s: float
    end_s: float
    tests: tuple[Callable[[JobRow], bool], ...]

    def fits(self, row: JobRow) -> bool:
        """Whether a job is meant."""
        return (
            (self.names is None or row.name in self.names)
            and (self.users is None or row.user in self.users)
            and self._is_in_window(row)
            and all(test(row) for test in self.tests)
        )

    def _is_in_window(self, row: JobRow) -> bool:
        end_s = math.inf if row.ended_at is None else row.ended_at
        if self.states is None:
            return row.submitted_at <= self.end_s and end_s >= self.start_s
        began_s = end_s if row.started_at is None else row.started_at
        if "PENDING" in self.states and row.submitted_at <= self.end_s and began_s >= self.start_s:
            return True
        was_there = row.started_at is not None and row.started_at <= self.end_s and end_s >= self.start_s
        if "RUNNING" in self.states and was_there:
            return True
        if row.state not in self.states - _PASSED:
            return False
        return row.ended_at is None or self.start_s <= row.ended_at <= self.end_s

    def has_line(self, row: JobRow, step_id: int | None) -> bool:
        """Whether a line of the job is meant: of a step, BATCH_STEP, or None for its own."""
        return not self.jobs or any(
            job.step_id in (None, step_id) and selection.fits(job, row) for job in self.jobs
        )


def query_of(options: Options, now_s: float) -> Query:
    """Which jobs the options mean.

    Raises:
        UsageError: a number, state, time or user that cannot be.
    """
    jobs: list[JobId] = []
    for text in options.all("jobs") or ():
        for word in _BETWEEN.split(text):
            if not word.strip():
                continue
            jobs.append(_job_of(word.strip()))
    if options.has("jobs") and not jobs:
        raise UsageError(f"Bad job/step specified: {options.last('jobs')!r}")
    users = options.words_of("user", "uid")
    states: frozenset[str] | None = None
    for word in options.words_of("state") or ():
        states = (states or frozenset()) | names_of_states.named(word)
    start_s, end_s = _window(options, now_s)
    return Query(
        tuple(jobs),
        options.chosen("name"),
        None if users is None else frozenset(map(user_name, users)),
        states,
        start_s,
        end_s,
        tuple(_tests(options)),
    )


def _job_of(word: str) -> JobId:
    try:
        (found,) = selection.parse(word)
    except UsageError:
        raise UsageError(f"Bad job/step specified: {word[:60]}") from None
    return found._replace(step_id=BATCH_STEP) if selection.is_batch_step(word) else found


def _window(options: Options, now_s: float) -> tuple[float, float]:
    """(begin, end) in seconds; sacct(1), DEFAULT TIME WINDOW."""
    zone = v.local_zone()

    def at(name: str) -> float | None:
        text = options.last(name)
        return None if text is None else parse_time(text, now_s=now_s, zone=zone, is_past=True)

    start_s, end_s = at("starttime"), at("endtime")
    if end_s is None:
        is_instant = options.has("state") and start_s is not None
        end_s = start_s if is_instant and start_s is not None else now_s
    if start_s is None:
        if options.has("jobs"):
            start_s = 0.0
        elif options.has("state"):
            start_s = end_s
        else:
            start_s = parse_time("today", now_s=now_s, zone=zone)
    end_s += _WHOLE_SECOND_S
    if end_s < start_s:
        raise UsageError("the window ends before it begins (--starttime, --endtime)")
    return start_s, end_s


def _tests(options: Options) -> Iterable[Callable[[JobRow], bool]]:
    for name, value in (("partition", v.partition), ("accounts", v.account), ("qos", v.qos)):
        chosen = options.chosen(name)
        if chosen is not None:
            yield lambda row, chosen=chosen, value=value: value(row) in chosen  # type: ignore[misc]
    wckeys = options.chosen("wckeys")
    if wckeys is not None:
        yield lambda row: v.label(row, "wckey") in wckeys
    if options.has("nodelist"):
        from jobd.slurm import hostlist

        nodes = set(hostlist.expand(options.last("nodelist") or ""))
        yield lambda row: v.nodes(row) in nodes
    if options.has("ncpus"):
        low, high = _span_of(options.last("ncpus") or "")
        yield lambda row: low <= row.nb_proc <= high
    if options.has("timelimit-min"):
        least_s = parse_limit_s(options.last("timelimit-min") or "") or math.inf
        most_s = parse_limit_s(options.last("timelimit-max") or "0") or math.inf
        if not options.has("timelimit-max"):
            most_s = least_s
        yield lambda row: least_s <= (row.time_limit_s or math.inf) <= most_s


def _span_of(text: str) -> tuple[int, int]:
    low, _, high = text.partition("-")
    if not low.isascii() or not low.isdigit() or (high and not (high.isascii() and high.isdigit())):
        raise UsageError(f"invalid cpu range -I {text[:40]!r}")
    return int(low), int(high or low)


def layout_of(options: Options) -> field_names.Layout:
    """How the lines are written.

    Raises:
        UsageError: a field that is none.
    """
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
        raise UsageError(f"Invalid unit type {options.last('units')!r} (one of {UNITS})")
    return unit


# ---- asking and showing
def jobs_of(client: Client, query: Query) -> list[JobRow]:
    """The jobs that are meant, by number."""
    jobs = [job._replace(step_id=None) for job in query.jobs]
    living = rows_of(client, jobs, is_finished=False)
    rows = {row.job_id: row for row in living if query.fits(row)}
    since_s = None if jobs else query.start_s
    names = sorted(query.names or ())
    for row in once_each(rows_of(client, jobs, is_finished=True, since_s=since_s, names=names)):
        # One that ended meanwhile is on both lists, and this is the later word.
        rows.pop(row.job_id, None)
        if query.fits(row):
            rows[row.job_id] = row
    return sorted(rows.values(), key=v.order)


def _show(options: Options, query: Query, layout: field_names.Layout, unit: str, client: Client) -> None:
    from jobd.cli import sacct_values

    rows = jobs_of(client, query)
    is_with_steps = not options.has("allocations")
    started = [row.job_id for row in rows if row.started_at is not None]
    # The job's own derived code is made of its steps too.
    needs_steps = is_with_steps or any(field.name == "DerivedExitCode" for field in layout.fields)
    steps = steps_of(client, started) if needs_steps and started else {}
    if options.has("json"):
        _show_json(rows, steps)
        return
    cluster = "local"
    if any(field.name == "Cluster" for field in layout.fields):
        cluster = client.request(AskNode()).cluster
    truncated_s = (query.start_s, query.end_s) if options.has("truncate") else None
    context = sacct_values.Context(time.time(), cluster, unit, options.has("noconvert"), truncated_s)
    names = [field.name for field in layout.fields]
    write = sys.stdout.write
    if not options.has("noheader"):
        write(layout.header())
    for row in rows:
        own = tuple(steps.get(row.job_id, ()))
        for entry in sacct_values.entries_of(row, own, is_with_steps=is_with_steps):
            step_id = None if entry.step is None else entry.step.step_id
            if not query.has_line(row, BATCH_STEP if entry.is_script else step_id):
                continue
            write(layout.line(list(map(render.printable, sacct_values.values_of(names, entry, context)))))


def _show_json(rows: list[JobRow], steps: dict[int, list[StepRow]]) -> None:
    import json

    jobs = [
        {**render.as_json(row), "steps": [step._asdict() for step in steps.get(row.job_id, ())]}
        for row in rows
    ]
    sys.stdout.write(json.dumps({"jobs": jobs}, indent=1) + "\n")


__all__ = ["build_parser", "jobs_of", "layout_of", "main", "program", "query_of"]
