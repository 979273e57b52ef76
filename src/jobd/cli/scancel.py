"""Scancel: end jobs, or send them a signal (scancel(1)). Options and job numbers mix."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NamedTuple

from jobd import __version__
from jobd.cli import dialect, selection
from jobd.cli.batch_options import Chosen, chosen_of
from jobd.cli.getopt import NONE, REQUIRED, Given, Option, Table, fill_parser
from jobd.cli.main import Parser, run, say
from jobd.client import Client, pages
from jobd.errors import EXIT_REFUSED, NoSuchJob, UsageError
from jobd.slurm.options import parse_signal_number
from jobd.states import JobState, Scope
from jobd.wire import batch as b
from jobd.wire import messages as m
from jobd.wire.rows import labels_of

PROGRAM = "Scancel"
SIGKILL = 9

TABLE = Table(
    (
        Option("name", "n", REQUIRED, "NAME", "jobs of this name"),
        Option("state", "t", REQUIRED, "STATE", "jobs in this state: PENDING, RUNNING or SUSPENDED"),
        Option("user", "u", REQUIRED, "USER", "jobs of this user"),
        Option("me", help="my own"),
        Option("partition", "p", REQUIRED, "NAME", "jobs of this partition"),
        Option("account", "A", REQUIRED, "NAME", "jobs of this account"),
        Option("qos", "q", REQUIRED, "NAME", "jobs of this quality of service"),
        Option("signal", "s", REQUIRED, "SIGNAL", "send that signal (USR1, SIGUSR1, 10) to the jobs' steps instead of ending them"),
        Option("batch", "b", help="the signal goes to the batch script alone"),
        Option("full", "f", help="the signal goes to the batch script and all that it has started"),
        Option("interactive", "i", help="ask about each job"),
        Option("quiet", "Q", help="say nothing of jobs that are not there"),
        Option("verbose", "v", help="say what is done"),
        *(
            Option(name, short, argument, "VALUE", "no effect here", is_idle=True)
            for name, short, argument in (
                ("clusters", "M", REQUIRED), ("cron", "", NONE), ("ctld", "", NONE), ("hurry", "H", NONE), ("nodelist", "w", REQUIRED),
                ("reservation", "R", REQUIRED), ("sibling", "", REQUIRED), ("wckey", "", REQUIRED),
            )
        ),
        Option("help", "h", help="show this and leave"),
        Option("version", "V", help="show the version and leave"),
    )
)  # fmt: skip

_STATES = {
    name: {state.value}
    for state in (JobState.PENDING, JobState.RUNNING, JobState.SUSPENDED)
    for name in (state.value, state.code)
} | {"W": {"PENDING"}}
_LISTS = {"name": "names", "partition": "partitions", "account": "accounts", "qos": "qos"}


class Asked(NamedTuple):
    """Which jobs, and what to do to them."""

    target: b.Target
    signal: int  # 0: end them
    scope: str
    is_quiet: bool
    is_verbose: bool
    is_asking: bool


def build_parser() -> argparse.ArgumentParser:
    """The command line of Scancel, for its help and manual."""
    parser = Parser(
        prog=PROGRAM,
        usage="Scancel [OPTION]… [ID]…",
        description="End jobs, or send them a signal. An ID is a number of a job (12: of an array, all its elements), an element (12_3), some of "
        "them (12_[1-4,7]) or a step (12.0). Several conditions must hold together.",
        allow_abbrev=False,
        add_help=False,
    )
    fill_parser(parser, TABLE)
    other = parser.add_argument_group("other")
    other.add_argument("-h", "--help", action="help", help="show this and leave")
    other.add_argument(
        "-V", "--version", action="version", version=PROGRAM, help="show the version and leave"
    )
    parser.add_argument("ids", nargs="*", metavar="ID", help="a job")
    return parser


def program() -> None:
    """Entry point."""
    raise SystemExit(run(PROGRAM, main))


def main(argv: Sequence[str]) -> int:
    """Do it; the exit code."""
    if dialect.is_slurm:
        from jobd.cli import cancel_slurm

        return cancel_slurm.main(argv)
    parsed = TABLE.parse(argv, is_mixed=True)
    chosen = chosen_of(parsed.given)
    if "help" in chosen:
        build_parser().print_help()
        return 0
    if "version" in chosen:
        print(f"{PROGRAM} {__version__}")
        return 0
    asked = read(parsed.given, parsed.words)
    if asked is None:
        say(
            f"{PROGRAM}: error: No job identification provided (Scancel 12, Scancel --me, Scancel --name=NAME)"
        )
        return EXIT_REFUSED
    client = Client()
    if asked.is_asking:
        asked = asked._replace(target=b.Target(_agreed(client, asked.target)))
        if not asked.target.jobs:
            return 0
    return cancel(client, asked)


def read(given: Sequence[Given], words: Sequence[str]) -> Asked | None:
    """What is asked; None if no job is named in any way.

    Raises:
        UsageError: something that cannot be.
    """
    chosen = chosen_of(given)
    lists: dict[str, list[str]] = {}
    for option, text in given:
        lists.setdefault(option.name, []).extend(part for part in text.split(",") if part)
    users = [_user(text) for text in lists.get("user", ())]
    if "me" in chosen:
        users.append(_user(str(os.getuid())))
    target = b.Target(
        selection.parse_all(words),
        users=users,
        states=_states(lists.get("state", ())),
        **{field: lists.get(name, []) for name, field in _LISTS.items()},
    )
    if not any(target):
        return None
    number, scope = _signal(chosen, words, has_steps=any(job.step_id is not None for job in target.jobs))
    return Asked(target, number, scope, "quiet" in chosen, "verbose" in chosen, "interactive" in chosen)


def _states(texts: Sequence[str]) -> list[str]:
    states: set[str] = set()
    for text in texts:
        found = _STATES.get(text.upper())
        if found is None:
            raise UsageError(f"Invalid job state specified: {text[:40]} (PENDING, RUNNING or SUSPENDED)")
        states |= found
    return sorted(states)


def _user(text: str) -> str:
    """The name of a user given by name or number; one that does not exist has no jobs."""
    import pwd

    try:
        return pwd.getpwuid(int(text)).pw_name if text.isascii() and text.isdigit() else text
    except (KeyError, OverflowError):
        return text


def _signal(chosen: Chosen, words: Sequence[str], *, has_steps: bool) -> tuple[int, str]:
    """The number and the scope. KILL to a whole job is its end, as in Slurm."""
    batch_words = [selection.is_batch_step(word) for word in words]
    if any(batch_words) and not all(batch_words):
        raise UsageError("ID.batch does not go with other jobs (call Scancel for each)")
    is_batch = "batch" in chosen or any(batch_words)
    text = chosen.get("signal")
    if text is None:
        return 0, ""
    from jobd.cli.option_values import signal_numbers

    number = parse_signal_number(text, signal_numbers())
    if is_batch:
        return number, Scope.BATCH.value
    if "full" in chosen:
        return number, Scope.ALL.value
    return (0, "") if number == SIGKILL and not has_steps else (number, "")


def cancel(client: Client, asked: Asked) -> int:
    """Do it; 1 if one of the jobs cannot be ended or signalled.

    A job that is over, or not known, is as cancelled as it can be: that is no failure, and only a person is told of it. Programs that
    drive Slurm rely on it (scancel(1) of 22.05 and later).
    """
    verb = f"Sending signal {asked.signal} to" if asked.signal else "Terminating"
    request = b.Cancel(asked.target, asked.signal, asked.scope)
    if asked.is_verbose:
        for job in asked.target.jobs:
            say(f"{PROGRAM}: {verb} job {selection.text_of_id(job)}")
    code = 0
    while True:
        affected: b.Affected = client.request(request)
        if asked.is_verbose and not asked.target.jobs:
            for number in affected.job_ids:
                say(f"{PROGRAM}: {verb} job {number}")
        for refusal in affected.refused:
            is_gone = refusal.error == NoSuchJob.__name__ and not asked.signal
            code = code if is_gone else EXIT_REFUSED
            if asked.is_verbose or not (asked.is_quiet or (is_gone and not sys.stderr.isatty())):
                say(f"{PROGRAM}: error: Kill job error on job id {refusal.job}: {_why(refusal)}")
        # A signal is sent once, to however many.
        if not affected.is_more or asked.signal:
            return code


def _why(refusal: b.Refusal) -> str:
    return "Invalid job id specified" if refusal.error == NoSuchJob.__name__ else refusal.text


def _agreed(client: Client, target: b.Target) -> list[b.JobId]:
    """Those of the jobs that the person wants to end."""
    states = target.states or [state.value for state in JobState if not state.is_final]
    request = m.ListJobs(
        job_ids=selection.numbers_of(target.jobs), states=states, names=target.names, is_with_arrays=True
    )
    agreed = []
    for row in pages(client, request):
        if not _is_meant(target, row):
            continue
        labels = labels_of(row)
        name = f"Cancel job_id={selection.text_of(row)} name={row.name} partition={labels.get('partition', '')} [y/n]? "
        sys.stderr.write(name)
        sys.stderr.flush()
        answer = sys.stdin.readline()
        if answer.strip().lower() in ("y", "yes"):
            agreed.append(b.JobId(row.job_id))
    return agreed


def _is_meant(target: b.Target, row: m.JobRow) -> bool:
    labels = labels_of(row)
    return (
        (not target.jobs or any(selection.fits(job, row) for job in target.jobs))
        and (not target.users or row.user in target.users)
        and (not target.partitions or labels.get("partition", "") in target.partitions)
        and (not target.accounts or labels.get("account", "") in target.accounts)
        and (not target.qos or labels.get("qos", "") in target.qos)
    )


__all__ = ["build_parser", "main", "program"]
