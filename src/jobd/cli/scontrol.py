"""Scontrol: show jobs and the machine, change jobs, hold, release, requeue, suspend and resume them."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

from jobd import __version__
from jobd.cli import dialect, selection
from jobd.cli.getopt import REQUIRED, Option, Table
from jobd.cli.listing import Options, is_answered, pages, parser_of, request_of
from jobd.cli.main import outlive_own_end, run, say
from jobd.cli.slurm_values import node_name
from jobd.client import Client, is_listening, is_server_alive
from jobd.errors import EXIT_REFUSED, Refused, UsageError
from jobd.states import Control
from jobd.wire import batch as b

PARTS_MAX = 100_000  # of a long list that the server does in parts: more is a mistake of ours

TABLE = Table(
    (
        Option("oneliner", "o", help="show each record in one line"),
        Option("details", "d", help="show jobs with the processors and GPUs that they were given"),
        Option("quiet", "Q", help="say nothing but errors"),
        Option("verbose", "v", help="say what is done"),
        Option("all", "a", is_idle=True, help="hidden partitions too: there are none"),
        Option("hide", is_idle=True, help="no hidden partitions: there are none"),
        Option("future", "F", is_idle=True, help="future nodes too: there are none"),
        Option("clusters", "M", REQUIRED, "NAME", is_idle=True, help="on this cluster: there is one"),
        Option("local", is_idle=True, help="on this cluster"),
        Option("federation", is_idle=True, help="on all clusters: there is one"),
        Option("sibling", is_idle=True, help="on all clusters: there is one"),
        Option("uid", "u", REQUIRED, "UID", is_idle=True, help="as this user: there is one"),
        Option("help", "h", help="show this and leave"),
        Option("version", "V", help="show the version and leave"),
    )
)


class Verb(NamedTuple):
    """A verb: what follows it, and what it does."""

    words: str
    summary: str
    act: Callable[[Sequence[str], Options], int]


def build_parser() -> argparse.ArgumentParser:
    """The command line of Scontrol."""
    parser = parser_of(
        "Scontrol",
        TABLE,
        "Show jobs and the machine, and change jobs. Words may be cut short and options stand anywhere. Jobs are 12, 12_3, 12_[1-4], lists of "
        "these, or jobname=NAME.",
        "Verbs: " + "; ".join(f"{name} {verb.words}: {verb.summary}" for name, verb in VERBS.items()) + ".",
    )
    parser.add_argument("words", nargs="*", metavar="VERB", help=f"one of {', '.join(VERBS)}, with its words")
    return parser


def program() -> None:
    """Entry point."""
    raise SystemExit(run("Scontrol", main))


def main(argv: Sequence[str]) -> int:
    """Do it; the exit code."""
    if dialect.is_slurm:
        from jobd.cli import scontrol_slurm

        return scontrol_slurm.main(argv)
    options = Options(TABLE, argv)
    if is_answered(options, build_parser):
        return 0
    if not options.words:
        raise UsageError(f"no verb ({', '.join(VERBS)})")
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    name = options.words[0].lower()
    fitting = [known for known in VERBS if known.startswith(name)]
    if not fitting:
        raise UsageError(f"invalid keyword: {name[:40]} ({', '.join(VERBS)})")
    if name not in VERBS and len(fitting) > 1:
        raise UsageError(f"keyword {name[:40]} is one of {', '.join(fitting)}")
    return VERBS[name if name in VERBS else fitting[0]].act(options.words[1:], options)


# ---- what they do
def _show(words: Sequence[str], options: Options) -> int:
    from jobd.cli import scontrol_show

    scontrol_show.show(words, scontrol_show.Look(options.has("oneliner"), options.has("details")))
    return 0


def _update(words: Sequence[str], options: Options) -> int:
    from jobd.cli import scontrol_update

    wanted = scontrol_update.make(words)
    client = Client()
    code = 0
    for request in scontrol_update.requests(wanted, client):
        code = max(code, affect(client, request, options))
    return code


def target_of(words: Sequence[str]) -> b.Target:
    """The jobs that the words of a verb mean: 12,13 12_3 jobid=12 jobname=x.

    Raises:
        UsageError: there are none.
    """
    target = b.Target()
    for word in words:
        key, sign, text = word.partition("=")
        if not sign:
            target = target._replace(jobs=[*target.jobs, *selection.parse(word)])
        elif key.lower() in ("jobid", "job"):
            target = target._replace(jobs=[*target.jobs, *selection.parse(text)])
        elif key.lower() in ("jobname", "name") and text:
            target = target._replace(names=[*target.names, text])
        else:
            raise UsageError(f"Invalid job id {word[:60]!r} (12, 12_3, 12_[1-4], jobid=12 or jobname=x)")
    if not target.jobs and not target.names:
        raise UsageError("which jobs? (12, 12_3, 12_[1-4], jobid=12 or jobname=x)")
    return target


def _controlling(action: Control, *, is_held_after: bool = False) -> Callable[[Sequence[str], Options], int]:
    def act(words: Sequence[str], options: Options) -> int:
        rest = list(words)
        states: list[str] = []
        if action is Control.REQUEUE and rest and rest[0].lower().startswith("incomplete"):
            rest.pop(0)
            states = ["RUNNING", "SUSPENDED"]
        target = target_of(rest)._replace(states=states)
        if action is Control.REQUEUE:
            outlive_own_end()
        return affect(Client(), b.Control(target, action.value, is_held_after), options)

    return act


def affect(client: Client, request: b.Control | b.Update, options: Options) -> int:
    """Ask for it, and say what could not be done; the exit code."""
    code = 0
    for _ in range(PARTS_MAX):
        done: b.Affected = client.request(request)
        for refusal in done.refused:
            is_named = refusal.job in refusal.text
            say(f"Scontrol: {refusal.text}" if is_named else f"Scontrol: job {refusal.job}: {refusal.text}")
            code = EXIT_REFUSED
        if options.has("verbose") and done.job_ids:
            print(f"jobs {','.join(map(str, done.job_ids))}")
        if not done.is_more or not done.job_ids:
            return code
    raise Refused("the list of jobs has no end")


def _top(words: Sequence[str], options: Options) -> int:
    """A priority above all that wait, the first of the words highest."""
    target = target_of(words)
    client = Client()
    highest = 0
    for page in pages(client, request_of((), frozenset({"PENDING"}))):
        highest = max([highest, *(row.priority for row in page.rows)])
    targets = [b.Target(jobs=[job]) for job in target.jobs]
    if target.names:
        targets.append(b.Target(names=target.names))
    code = 0
    for above, one in enumerate(reversed(targets), start=1):
        code = max(code, affect(client, b.Update(one, priority=highest + above), options))
    return code


def _write(words: Sequence[str], options: Options) -> int:
    """The script of a job, into a file."""
    from jobd.cli import scontrol_show

    if len(words) not in (2, 3) or not "batch_script".startswith(words[0].lower()):
        raise UsageError("write batch_script ID [FILE], - for standard output")
    client = Client()
    rows = scontrol_show.find(client, selection.parse(words[1]))
    script: b.Script = client.request(b.ReadScript(rows[0].job_id))
    if not script.data:
        raise Refused(f"job {words[1]} has no batch script: it runs a command")
    path = words[2] if len(words) == 3 else f"slurm-{words[1]}.sh"
    if path == "-":
        sys.stdout.flush()
        sys.stdout.buffer.write(script.data)
        return 0
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o700)
    with open(descriptor, "wb") as file:
        file.write(script.data)
    if not options.has("quiet"):
        print(f"batch script for job {words[1]} written to {path}")
    return 0


def _ping(words: Sequence[str], options: Options) -> int:
    is_up = is_server_alive() and is_listening()
    print(f"Slurmctld(primary) at {node_name()} is {'UP' if is_up else 'DOWN'}")
    return 0 if is_up else EXIT_REFUSED


def _version(words: Sequence[str], options: Options) -> int:
    print(f"Scontrol {__version__}")
    return 0


def _help(words: Sequence[str], options: Options) -> int:
    sys.stdout.write(build_parser().format_help())
    return 0


_JOBS = "JOBS"

VERBS: dict[str, Verb] = {
    "show": Verb("job|step|node|partition|config|hostnames|hostlist|licenses [WHICH]", "show records", _show),
    "update": Verb(
        "JobId=ID KEY=VALUE…",
        "change Priority, Nice, TimeLimit (+N, -N), MinMemoryNode, MinMemoryCPU, NumCPUs, NumTasks, CPUsPerTask, Dependency, JobName, Comment, "
        "StartTime, Requeue, ArrayTaskThrottle, Partition, Account, QOS",
        _update,
    ),
    "hold": Verb(_JOBS, "keep waiting jobs from starting", _controlling(Control.HOLD)),
    "uhold": Verb(_JOBS, "the same", _controlling(Control.HOLD)),
    "release": Verb(_JOBS, "let held jobs start", _controlling(Control.RELEASE)),
    "requeue": Verb(
        f"[incomplete] {_JOBS}",
        "end running jobs, or take some that have just ended, and queue them again",
        _controlling(Control.REQUEUE),
    ),
    "requeuehold": Verb(
        f"[incomplete] {_JOBS}", "the same, and hold them", _controlling(Control.REQUEUE, is_held_after=True)
    ),
    "suspend": Verb(_JOBS, "stop running jobs for a while", _controlling(Control.SUSPEND)),
    "resume": Verb(_JOBS, "let them go on", _controlling(Control.RESUME)),
    "top": Verb(_JOBS, "put waiting jobs before all others", _top),
    "write": Verb("batch_script ID [FILE|-]", "write a job's script to a file", _write),
    "ping": Verb("", "say whether the server is there", _ping),
    "version": Verb("", "show the version", _version),
    "help": Verb("", "show this", _help),
}
