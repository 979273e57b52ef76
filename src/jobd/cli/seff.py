"""Seff: what jobs asked for and what they used of it, with one sentence of advice."""

import argparse
import time
from collections.abc import Sequence

from jobd.cli import dialect, selection
from jobd.cli import slurm_values as v
from jobd.cli.getopt import Table
from jobd.cli.listing import HELP, Options, is_answered, parser_of
from jobd.cli.main import printable, run, say
from jobd.client import Client
from jobd.errors import JobdError, NoServer, UsageError
from jobd.slurm import advice
from jobd.wire.batch import AskNode, Node
from jobd.wire.messages import JobRow

TABLE = Table((*(option._replace(short="h" if option.name == "help" else option.short) for option in HELP),))

SCRIPT_VERSION = "2.1"  # of the script in Slurm's contribs
USAGE = """\
Usage: seff [Options] <Jobid>
       Options:
       -h    Help menu
       -v    Version
       -d    Debug mode: display raw Slurm data"""


def build_parser() -> argparse.ArgumentParser:
    """The command line of Seff."""
    parser = parser_of(
        "Seff",
        TABLE,
        "Say how well jobs used what they asked for: processors, memory and time, with one sentence of advice.",
    )
    parser.add_argument("ids", nargs="+", metavar="ID", help="number of a job: 12, 12_3 or 12_[1-4]")
    return parser


def program() -> None:
    """Entry point."""
    raise SystemExit(run("Seff", main))


def main(argv: Sequence[str]) -> int:
    """Do it; the exit code."""
    if dialect.is_slurm:
        return _slurm(argv)
    options = Options(TABLE, argv)
    if is_answered(options, build_parser):
        return 0
    if not options.words:
        raise UsageError("which job? (Seff 12)")
    jobs = selection.parse_all(options.words)
    from jobd.cli.scontrol_show import find

    client = Client()
    rows = find(client, [job._replace(step_id=None) for job in jobs])
    node: Node = client.request(AskNode())
    now_s = time.time()
    for number, row in enumerate(rows):
        if number:
            print()
        for line in advice.report(facts_of(row, node.cluster, now_s)):
            print(printable(line))
    return 0


def _slurm(argv: Sequence[str]) -> int:
    """As the script that comes with Slurm: one job, and exit codes of its own."""
    words = [word for word in argv if word != "-d"]
    if words == ["-v"]:
        print(f"seff Version {SCRIPT_VERSION}")
        return 1
    if len(words) != 1 or words[0] == "-h":
        print(USAGE)
        return 1
    from jobd.cli.scontrol_show import find

    try:
        client = Client()
        rows = find(client, [job._replace(step_id=None) for job in selection.parse(words[0])])
    except NoServer:
        raise
    except JobdError:
        say("Job not found.")
        return 2
    node: Node = client.request(AskNode())
    for line in advice.slurm_report(facts_of(rows[0], node.cluster, time.time())):
        print(printable(line))
    return 0


def facts_of(row: JobRow, cluster: str, now_s: float) -> advice.Facts:
    """What is known of a job."""
    batch = row.batch
    code, _, number = v.exit_pair(row).partition(":")
    text = v.job_text(row)
    is_element = batch is not None and batch.array_id is not None
    return advice.Facts(
        job=str(row.job_id),
        array_job=text if is_element else "",
        cluster=cluster,
        user=row.user,
        group=v.user_ids(row.user)[2],
        state=row.state,
        exit_code=int(code) or (0 if dialect.is_slurm else int(number)),
        nb_proc=row.nb_proc,
        cpu_s=0.0 if batch is None else batch.cpu_s,
        elapsed_s=v.elapsed_s(row, now_s),
        time_limit_s=row.time_limit_s,
        memory_used_bytes=0 if batch is None else batch.memory_peak_bytes,
        memory_bytes=0 if batch is None else batch.memory_bytes,
        is_measured=v.is_batch(row),
        is_over=row.ended_at is not None,
        has_started=row.started_at is not None,
        is_memory_by_cpu=batch is not None and bool(batch.memory_per_cpu_bytes),
    )
