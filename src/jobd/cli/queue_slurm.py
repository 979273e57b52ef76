"""squeue as Slurm 22.05 has it: its options, variables, tables, order and messages. The list is asked for as Squeue asks for it.

Source: squeue(1) and src/squeue of Slurm 22.05, and what its squeue prints.
"""

import argparse
import gc
import os
import re
import sys
import time
from collections.abc import Callable, Sequence

from jobd import indexes
from jobd.cli import letters, queue_lines, queue_pages, queue_values, render, selection
from jobd.cli import slurm_values as v
from jobd.cli.dialect import Said
from jobd.cli.getopt import OPTIONAL, REQUIRED, Option, Table
from jobd.cli.listing import (
    Filter,
    Options,
    check_clusters,
    cluster_name,
    is_answered,
    my_name,
    parser_of,
    steps_of,
    user_name,
)
from jobd.cli.main import say
from jobd.client import Client
from jobd.slurm import formats, states
from jobd.slurm.columns import JOB_LETTERS
from jobd.wire.batch import JobId, StepRow
from jobd.wire.messages import JobRow

PROGRAM = "squeue"
FORMAT = "%.18i %.9P %.8j %.8u %.2t %.10M %.6D %R"
LONG_FORMAT = "%.18i %.9P %.8j %.8u %.8T %.10M %.9l %.6D %R"
START_FORMAT = "%.18i %.9P %.8j %.8u %.2t %.19S %.6D %20Y %R"
STEP_FORMAT = "%.15i %.8j %.9P %.8u %.9M %N"
USAGE = """\
Usage: squeue [-A account] [--clusters names] [-i seconds] [--job jobid]
              [-n name] [-o format] [-p partitions] [--qos qos]
              [--reservation reservation] [--sort fields] [--start]
              [--step step_id] [-t states] [-u user_name] [--usage]
              [-L licenses] [-w nodes] [--federation] [--local] [--sibling]
\t      [-ahjlrsv]
"""
NO_SUCH_JOB = "slurm_load_jobs error: Invalid job id specified"

TABLE = Table(
    (
        Option("account", "A", REQUIRED, "LIST", "jobs of these accounts", "SQUEUE_ACCOUNT"),
        Option("all", "a", is_idle=True, help="jobs of hidden partitions too"),
        Option("array", "r", help="one element of an array on each line"),
        Option("array-unique", is_idle=True, help="one waiting element of an array on each line"),
        Option("clusters", "M", REQUIRED, "LIST", "of these clusters"),
        Option("federation", is_idle=True, help="of all clusters of the federation"),
        Option("Format", "O", REQUIRED, "NAMES", "the columns, by name"),
        Option("format", "o", REQUIRED, "FORMAT", "the columns, by letter"),
        Option("help", help="show this"),
        Option("hide", is_idle=True, help="no jobs of hidden partitions"),
        Option("iterate", "i", REQUIRED, "SECONDS", "again and again"),
        Option("jobs", "j", OPTIONAL, "LIST", "these jobs"),
        Option("json", help="as JSON"),
        Option("yaml", help="as YAML"),
        Option("licenses", "L", REQUIRED, "LIST", "that ask for these licenses", "SQUEUE_LICENSES"),
        Option("local", is_idle=True, help="of this cluster"),
        Option("long", "l", help="more columns"),
        Option("me", help="my own"),
        Option("name", "n", REQUIRED, "LIST", "of these names", "SQUEUE_NAMES"),
        Option("nodelist", "w", REQUIRED, "LIST", "on these nodes"),
        Option("noconvert", is_idle=True, help="sizes in their own units"),
        Option("noheader", "h", help="no header"),
        Option("partition", "p", REQUIRED, "LIST", "of these partitions", "SQUEUE_PARTITION"),
        Option("priority", "P", is_idle=True, help="a line for each partition of a job"),
        Option("qos", "q", REQUIRED, "LIST", "of these qualities of service", "SQUEUE_QOS"),
        Option("reservation", "R", REQUIRED, "NAME", "of this reservation"),
        Option("sibling", is_idle=True, help="all siblings of a federated job"),
        Option("sort", "S", REQUIRED, "LETTERS", "the order", "SQUEUE_SORT"),
        Option("start", help="expected times of start"),
        Option("states", "t", REQUIRED, "LIST", "in these states", "SQUEUE_STATES"),
        Option("steps", "s", OPTIONAL, "LIST", "these steps"),
        Option("usage", help="show the options"),
        Option("user", "u", REQUIRED, "LIST", "of these users", "SQUEUE_USERS"),
        Option("users", "", REQUIRED, "LIST", "of these users"),
        Option("verbose", "v", help="say more"),
        Option("version", "V", help="show the version"),
    )
)

_JOB = re.compile(r"(\d{1,17})(?:_(?:(\d{1,10})|\[([0-9,:-]+)(?:%\d+)?\]))?(?:[.+].*)?")
_STEP = re.compile(r"\d{1,17}(?:_\d{1,10})?\.(?:\d{1,9}|batch|extern)")
_BETWEEN = re.compile(r",(?![^\[]*\])")  # a comma within brackets belongs to the indexes

Order = Callable[[list[JobRow]], list[JobRow]]
Show = Callable[[list[JobRow], float, Order], None]


def build_parser() -> argparse.ArgumentParser:
    """The command line, for its help."""
    return parser_of(PROGRAM, TABLE, "List the jobs.")


def main(argv: Sequence[str]) -> int:
    """Do it; the exit code."""
    options = Options(TABLE, argv)
    if is_answered(options, build_parser, USAGE):
        return 0
    jobs_text, steps_text = _lists(options)
    every_s = _seconds(options.last("iterate"))
    jobs = _jobs(jobs_text)
    steps = _steps(steps_text)
    show = _shower(options, steps)
    chosen = _filter(options, jobs)
    gc.disable()
    cluster = ""
    if (named := options.last("clusters")) is not None:
        cluster = check_clusters(PROGRAM, named, Client())
    if options.has("json", "yaml"):
        from jobd.cli import queue_json

        is_yaml = options.has("yaml")
        queue_json.show(Client(), lambda client: _found(client, options, chosen), is_yaml=is_yaml)
        return 0
    while True:
        rows = _found(Client(), options, chosen)
        has_header = not options.has("noheader")
        if has_header and (every_s or options.has("long", "verbose")):
            print(time.ctime())
        if has_header and cluster:
            print(f"CLUSTER: {cluster}")
        show(rows, now_s := time.time(), _order(options, now_s))
        if every_s is None:
            return 0
        print(flush=True)
        time.sleep(every_s)


# ---- what is asked
def _lists(options: Options) -> tuple[str | None, str | None]:
    """(jobs, steps) that are asked for. Either list may be a word of its own, behind the option or anywhere."""
    words = list(options.words)
    jobs, steps = options.last("jobs") or None, options.last("steps") or None
    if words and options.has("jobs"):
        jobs = words.pop(0)
    elif words and options.has("steps"):
        steps = words.pop(0)
    if words:
        sys.stdout.write(USAGE)
        raise _error(f"Unrecognized option: {words[0]}")
    return jobs, steps


def _error(*lines: str) -> Said:
    return Said(f"{PROGRAM}: error: {lines[0]}", *lines[1:])


def _given(options: Options, name: str) -> str | None:
    """The value of an option, else of its variable."""
    text = options.last(name)
    return os.environ.get(TABLE.by_name[name].variable) if text is None else text


def _set(options: Options, name: str) -> frozenset[str] | None:
    text = _given(options, name)
    return None if text is None else frozenset(text.split(","))


def _seconds(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or int(text[:9]) == 0:
        raise _error(f"--iterate={text}", "")
    return int(text[:9])


def _jobs(text: str | None) -> tuple[JobId, ...] | None:
    if text is None:
        return None
    return tuple(_job(word) for word in _BETWEEN.split(text) if word)


def _job(word: str) -> JobId:
    found = _JOB.fullmatch(word.strip()) if word.isascii() else None
    if found is None or int(found[1]) == 0:
        raise _error(f"Invalid job id: {word}")
    listed = found[3] or found[2]
    if listed is None:
        return JobId(int(found[1]))
    runs = indexes.parse(listed, index_max=selection.INDEX_MAX).runs
    return JobId(int(found[1]), [list(run) for run in runs])


def _steps(text: str | None) -> frozenset[str]:
    """The steps, as they are written: 12.0, 12_3.batch; none for all."""
    words = [word for word in (text or "").split(",") if word]
    for word in words:
        if _STEP.fullmatch(word) is None:
            raise _error(f"Invalid job_step id: {word}.??")
    return frozenset(words)


def _states(options: Options) -> frozenset[str]:
    text = _given(options, "states")
    if text is None:
        return frozenset({"PENDING"}) if options.has("start") else states.LIVING
    if text.lower() == "all":
        return states.ALL
    chosen: frozenset[str] = frozenset()
    for word in filter(None, text.split(",")):
        named = states.as_slurm_has_it(word)
        if named is None:
            valid = f"{PROGRAM}: error: Valid job states include: {states.VALID}"
            raise _error(f"Invalid job state specified: {word}", valid, "")
        chosen |= named
    return chosen


def _users(options: Options) -> frozenset[str] | None:
    if options.has("me"):
        return frozenset({my_name()})
    text = options.last("users") if options.last("user") is None else options.last("user")
    text = os.environ.get("SQUEUE_USERS") if text is None else text
    if text is None:
        return None
    import pwd

    known = set()
    for word in filter(None, text.split(",")):
        name = user_name(word)
        try:
            pwd.getpwnam(name)
        except (KeyError, ValueError):
            say(f"{PROGRAM}: error: Invalid user: {word}")
            say("")
            continue
        known.add(name)
    return frozenset(known)


def _filter(options: Options, jobs: tuple[JobId, ...] | None) -> Filter:
    nodes = options.last("nodelist")
    if nodes is not None:
        from jobd.slurm import hostlist

        for name in hostlist.expand(nodes):
            if name not in (v.node_name(), os.uname().nodename):
                raise _error(f"Invalid node name {name}")
    return Filter(
        _states(options),
        None if jobs is None else frozenset(selection.numbers_of(jobs)),
        _users(options),
        None if options.has("steps") else _set(options, "name"),
        None,
        jobs,
        _set(options, "partition"),
        _set(options, "account"),
        _set(options, "qos"),
        _set(options, "licenses"),
    )


# ---- asking
def _is_all(options: Options) -> bool:
    """Whether all jobs are meant, the finished ones too: --json of Slurm 22.05 shows them unless something is asked for."""
    return not options.has("jobs", "states", "user", "users", "me", "name", "partition", "account", "qos")


def _found(client: Client, options: Options, chosen: Filter) -> list[JobRow]:
    """The jobs that are meant.

    Raises:
        Said: only one was asked for, and there is none of that number.
    """
    if options.has("json", "yaml") and _is_all(options):
        chosen = chosen._replace(states=states.ALL)
    if chosen.jobs == ():
        return []
    rows: dict[int, JobRow] = {}
    for _, page in queue_pages.batches(client, options, chosen):
        for row in page:
            rows.setdefault(row.job_id, row)
    is_single = chosen.jobs is not None and len(chosen.jobs) == 1 and not options.has("steps")
    if chosen.jobs is not None and any(row.ended_at is not None for row in rows.values()):
        since_s = time.time() - queue_pages.min_job_age_s(client)
        rows = {key: row for key, row in rows.items() if row.ended_at is None or row.ended_at >= since_s}
    if not rows and is_single and chosen.jobs and not queue_pages.is_remembered(chosen.jobs[0].job_id):
        raise Said(NO_SUCH_JOB)
    found = list(rows.values())
    if options.has("nodelist"):
        found = [row for row in found if v.nodes(row)]
    if (reservation := options.last("reservation")) is not None:
        found = [row for row in found if v.label(row, "reservation") == reservation]
    return _arranged(found, options, chosen)


def _arranged(rows: list[JobRow], options: Options, chosen: Filter) -> list[JobRow]:
    if any(job.runs for job in chosen.jobs or ()):
        rows = [queue_values.without_limit(queue_lines.narrowed(row, chosen.jobs or ()), row) for row in rows]
    if options.has("array", "array-unique") or "SQUEUE_ARRAY" in os.environ:
        rows = list(queue_lines.unfolded(iter(rows)))
    return rows


def _order(options: Options, now_s: float) -> Order:
    text = _given(options, "sort")
    is_start = text is None and options.has("start")
    return lambda rows: queue_values.in_order(rows, "S" if is_start else text, now_s, is_start=is_start)


# ---- showing
def _shower(options: Options, steps: frozenset[str]) -> Show:
    text, named = options.last("format"), options.last("Format")
    if text is not None and named is not None:
        raise _error("-O (--Format) is incompatible with -o (--format)")
    is_plain = not options.has("long", "start", "steps")
    if text is None and named is None and is_plain:
        text = os.environ.get("SQUEUE_FORMAT")
        named = os.environ.get("SQUEUE_FORMAT2") if text is None else None
    has_header = not options.has("noheader")
    if options.has("steps"):
        return _step_shower(text, named, steps, has_header=has_header)
    if named is not None:
        fields, unknown = formats.read_names(named, queue_values.COLUMNS, queue_values.SAME)
    else:
        default = START_FORMAT if options.has("start") else LONG_FORMAT if options.has("long") else FORMAT
        layout = default if text is None else text
        fields, unknown = formats.read(layout, JOB_LETTERS, queue_values.COLUMNS | {"excnodes": "EXC_NODES"})
    _say_unknown("job", unknown)
    values = dict(queue_values.JOB_VALUES)

    def show(rows: list[JobRow], now_s: float, order: Order) -> None:
        if any(field.name == "cluster" for field in fields):
            cluster = cluster_name(Client())
            values["cluster"] = lambda row, _: cluster
        line = letters.line_maker(queue_values.uncut(fields), values)
        if has_header:
            print(formats.header(fields))
        sys.stdout.write("".join([line(row, now_s) + "\n" for row in order(rows)]))

    return show


def _say_unknown(what: str, unknown: list[str]) -> None:
    for name in unknown:
        say(f"{PROGRAM}: error: Invalid {what} format specification: {name}")


def _step_shower(text: str | None, named: str | None, wanted: frozenset[str], *, has_header: bool) -> Show:
    if named is not None:
        fields, unknown = formats.read_names(named, queue_values.STEP_COLUMNS)
    else:
        layout = STEP_FORMAT if text is None else text
        fields, unknown = formats.read(layout, queue_values.STEP_LETTERS, queue_values.STEP_COLUMNS)
    _say_unknown("job step", unknown)
    fields = queue_values.uncut(fields)
    values = dict(queue_values.STEP_LINE)

    def shown(step: StepRow, row: JobRow, now_s: float) -> str:
        return formats.line(fields, lambda name: render.printable(values[name](step, row, now_s)))

    def show(rows: list[JobRow], now_s: float, order: Order) -> None:
        running = [
            row
            for row in queue_values.in_order(rows, "i", now_s)
            if row.started_at is not None and row.ended_at is None
        ]
        steps = steps_of(Client(), [row.job_id for row in running])
        if any(field.name == "cluster" for field in fields):
            cluster = cluster_name(Client())
            values["cluster"] = lambda step, row, now_s: cluster
        if has_header:
            print(formats.header(fields))
        for row in running:
            batch = queue_values.batch_step(row)
            living = [step for step in steps.get(row.job_id, ()) if step.ended_at is None]
            for step in living + ([batch] if batch else []):
                if not wanted or values["stepid"](step, row, now_s) in wanted:
                    print(shown(step, row, now_s))

    return show


__all__ = ["build_parser", "main"]
