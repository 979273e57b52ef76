"""scancel as Slurm 22.05 has it: its options, variables, questions and messages.

Jobs that are named by their numbers alone are ended unseen, and what is not there is no failure. Any other request looks at the list of jobs
first, and then a number that is not in it is one.

Source: scancel(1) and src/scancel of Slurm 22.05, and what its scancel prints.
"""

import argparse
import os
import re
import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from jobd import indexes
from jobd.cli import queue_lines, selection
from jobd.cli import slurm_values as v
from jobd.cli.dialect import Said
from jobd.cli.getopt import REQUIRED, Option, Table
from jobd.cli.listing import Options, check_clusters, is_answered, parser_of, request_of, steps_of, user_name
from jobd.cli.main import say
from jobd.cli.option_values import signal_numbers
from jobd.cli.slurm_view import as_slurm
from jobd.client import Client, pages
from jobd.errors import NoSuchJob, UsageError
from jobd.slurm import states
from jobd.slurm.options import parse_signal_number
from jobd.states import Scope
from jobd.wire import batch as b
from jobd.wire.messages import JobRow

PROGRAM = "scancel"
SIGKILL = 9
NO_SUCH_JOB = "Invalid job id specified"
IS_OVER = "Job/step already completing or completed"
NOT_NOW = "Job can not be altered now, try again later"
CODE_NOT_NOW = 228  # the last eight bits of Slurm's number of that error
USAGE = """\
Usage: scancel [-A account] [--batch] [--full] [--interactive] [-n job_name]
               [-p partition] [-Q] [-q qos] [-R reservation] [-s signal | integer]
               [-t PENDING | RUNNING | SUSPENDED] [--usage] [-u user_name]
               [--hurry] [-V] [-v] [-w hosts...] [--wckey=wckey]
               [job_id[_array_id][.step_id]]
"""

TABLE = Table(
    (
        Option("account", "A", REQUIRED, "NAME", "jobs of this account", "SCANCEL_ACCOUNT"),
        Option("batch", "b", help="signal the batch script alone", variable="SCANCEL_BATCH"),
        Option("clusters", "M", REQUIRED, "NAME", "jobs of this cluster"),
        Option("ctld", is_idle=True, help="send it by way of the controller"),
        Option("full", "f", help="signal the batch script and all steps", variable="SCANCEL_FULL"),
        Option("help", help="show this"),
        Option("hurry", "H", is_idle=True, help="without staging out"),
        Option("interactive", "i", help="ask about each job", variable="SCANCEL_INTERACTIVE"),
        Option("me", help="my own"),
        Option("name", "n", REQUIRED, "NAME", "jobs of this name", "SCANCEL_NAME"),
        Option("jobname", "", REQUIRED, "NAME", "jobs of this name"),
        Option("nodelist", "w", REQUIRED, "NODES", "jobs on these nodes"),
        Option("partition", "p", REQUIRED, "NAME", "jobs of this partition", "SCANCEL_PARTITION"),
        Option("qos", "q", REQUIRED, "NAME", "jobs of this quality of service", "SCANCEL_QOS"),
        Option("quiet", "Q", help="no warnings"),
        Option("reservation", "R", REQUIRED, "NAME", "jobs of this reservation"),
        Option("sibling", "", REQUIRED, "NAME", is_idle=True, help="a sibling of a federated job"),
        Option("signal", "s", REQUIRED, "SIGNAL", "send this signal"),
        Option("state", "t", REQUIRED, "STATE", "jobs in this state", "SCANCEL_STATE"),
        Option("usage", help="show the options"),
        Option("user", "u", REQUIRED, "NAME", "jobs of this user", "SCANCEL_USER"),
        Option("verbose", "v", help="say what is done", variable="SCANCEL_VERBOSE"),
        Option("version", "V", help="show the version"),
        Option("wckey", "", REQUIRED, "NAME", "jobs with this key", "SCANCEL_WCKEY"),
    )
)
FILTERS = ("account", "name", "nodelist", "partition", "qos", "reservation", "state", "user", "wckey")
_SAID_AS = {"name": "job_name", "user": "user_name"}
_ID = re.compile(r"(\d{1,17})(?:_(\d{1,10})|_\[([0-9,:-]+)\])?(?:(?<!\])\.(\d{1,9}))?")
_BETWEEN = re.compile(r",(?![^\[]*\])")  # a comma within brackets belongs to the indexes


class Asked(NamedTuple):
    """Which jobs, and what to do to them."""

    jobs: list[b.JobId]
    texts: list[str]  # of the jobs, as they are named
    filters: dict[str, str]
    signal: int | None
    is_batch: bool
    is_full: bool
    is_asking: bool
    is_quiet: bool
    is_verbose: bool

    @property
    def is_plain(self) -> bool:
        """Whether jobs are named by their numbers alone, to be ended."""
        is_more = self.filters or self.is_asking or self.is_batch or self.is_full or self.signal is not None
        return not is_more and all(job.step_id is None for job in self.jobs)


def build_parser() -> argparse.ArgumentParser:
    """The command line, for its help."""
    return parser_of(PROGRAM, TABLE, "End jobs, or send them a signal.")


def main(argv: Sequence[str]) -> int:
    """Do it; the exit code."""
    options = Options(TABLE, argv)
    if is_answered(options, build_parser, USAGE):
        return 0
    asked = _asked(options)
    client = Client()
    if (named := options.last("clusters")) is not None:
        check_clusters(PROGRAM, named, client)
    return _end_unseen(client, asked) if asked.is_plain else _act(client, asked)


# ---- what is asked
def _error(text: str) -> Said:
    return Said(f"{PROGRAM}: error: {text}")


def _asked(options: Options) -> Asked:
    filters = {}
    for name in FILTERS:
        text = options.last(name)
        text = os.environ.get(TABLE.by_name[name].variable) if text is None else text
        if text is not None:
            filters[name] = text
    if options.has("jobname"):
        filters["name"] = options.last("jobname") or ""
    if options.has("me"):
        filters["user"] = str(os.getuid())
    signal = _signal(options.last("signal"))
    if "state" in filters:
        filters["state"] = _state(filters["state"])
    if "user" in filters:
        filters["user"] = _user(filters["user"])
    texts = [part for word in options.words for part in _BETWEEN.split(word) or [word]]
    jobs = [_job(text) for text in texts]
    if not jobs and not filters:
        raise _error("No job identification provided")
    return Asked(
        jobs,
        texts,
        filters,
        signal,
        is_batch=_is_set(options, "batch"),
        is_full=_is_set(options, "full"),
        is_asking=_is_set(options, "interactive"),
        is_quiet=options.has("quiet"),
        is_verbose=_is_set(options, "verbose"),
    )


def _is_set(options: Options, name: str) -> bool:
    text = os.environ.get(TABLE.by_name[name].variable)
    if options.has(name) or text is None:
        return options.has(name)
    if text.lower() not in ("t", "true", "f", "false"):
        say(f"{PROGRAM}: error: Unrecognized {TABLE.by_name[name].variable} value: {text}")
    return text.lower() in ("t", "true")


def _signal(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return parse_signal_number(text, signal_numbers())
    except UsageError:
        raise Said(f"Unknown job signal: {text}") from None


def _state(text: str) -> str:
    """A state by its long name."""
    named = states.as_slurm_has_it(text)
    if named is None:
        raise Said(
            f"Invalid job state specified: {text}", "Valid job states are PENDING, RUNNING, and SUSPENDED"
        )
    return next(iter(named), text.upper())


def _user(text: str) -> str:
    import pwd

    name = user_name(text)
    try:
        pwd.getpwnam(name)
    except (KeyError, ValueError):
        raise _error(f"Invalid user name: {text}") from None
    return name


def _job(text: str) -> b.JobId:
    found = _ID.fullmatch(text) if text.isascii() else None
    if found is None or int(found[1]) == 0:
        raise _error(f"Invalid job id {text}")
    listed = found[3] or found[2]
    runs: list[list[int]] = []
    if listed is not None:
        try:
            runs = [list(run) for run in indexes.parse(listed, index_max=selection.INDEX_MAX).runs]
        except UsageError:
            raise _error(f"Invalid job id {text}") from None
    return b.JobId(int(found[1]), runs, None if found[4] is None else int(found[4]))


# ---- by number alone
def _end_unseen(client: Client, asked: Asked) -> int:
    if asked.is_verbose:
        for text in asked.texts:
            say(f"{PROGRAM}: Terminating job {text}")
    while True:
        affected: b.Affected = client.request(b.Cancel(b.Target(asked.jobs), 0, ""))
        if asked.is_verbose and affected.refused:
            over = {row.job_id for row in _rows(client, asked.jobs, is_finished=True)}
            for refusal in affected.refused:
                number = re.match(r"\d+", refusal.job)
                is_over = number is not None and refusal.job == number[0] and int(number[0]) in over
                say(
                    f"{PROGRAM}: error: Kill job error on job id {refusal.job}: {IS_OVER if is_over else NO_SUCH_JOB}"
                )
        if not affected.is_more:
            return 0


# ---- by the list of jobs
def _act(client: Client, asked: Asked) -> int:
    if (
        asked.jobs
        or asked.is_asking
        or asked.is_verbose
        or set(asked.filters) - {"name", "user", "partition"}
    ):
        return _act_on_list(client, asked)
    named = {name: [text] for name, text in asked.filters.items()}
    target = b.Target(
        names=named.get("name", []), users=named.get("user", []), partitions=named.get("partition", [])
    )
    return _send(client, asked, target)


def _act_on_list(client: Client, asked: Asked) -> int:
    code = 0
    rows = list(_rows(client, asked.jobs))
    for job, text in zip(asked.jobs, asked.texts, strict=True):
        if not any(selection.fits(job, row) for row in rows):
            code = 1
            if not asked.is_quiet:
                _say_unknown(job, text)
    chosen = [row for row in rows if _is_meant(asked, row)]
    if not chosen and asked.filters and asked.is_verbose and (code or not asked.jobs):
        named = "".join(f"{_SAID_AS.get(name, name)}={text} " for name, text in asked.filters.items())
        say(f"{PROGRAM}: error: No active jobs match ALL job filters, including: {named}")
    jobs = []
    for row in chosen:
        for job in _jobs_of(asked, row):
            if job.step_id is not None and not _is_running_step(client, job):
                code = 1
                _say_unknown(job, v.job_text(row))
            elif not asked.is_asking or _agrees(job, row):
                jobs.append(job)
    return max(code, _send(client, asked, b.Target(jobs)) if jobs else 0)


def _say_unknown(job: b.JobId, text: str) -> None:
    what = "job" if job.step_id is None else "job step"
    say(f"{PROGRAM}: error: Kill job error on {what} id {text}: {NO_SUCH_JOB}")


def _is_running_step(client: Client, job: b.JobId) -> bool:
    steps = steps_of(client, [job.job_id]).get(job.job_id, ())
    return any(step.step_id == job.step_id and step.ended_at is None for step in steps)


def _rows(client: Client, jobs: Sequence[b.JobId], *, is_finished: bool = False) -> Iterator[JobRow]:
    request = request_of(selection.numbers_of(jobs), None)._replace(is_finished=is_finished)
    for row in pages(client, request):
        if not jobs or any(selection.fits(job, row) for job in jobs):
            narrow = [job for job in jobs if job.step_id is None]
            yield queue_lines.narrowed(row, narrow) if narrow else row


def _is_meant(asked: Asked, row: JobRow) -> bool:
    has = {
        "account": v.account(row),
        "name": row.name,
        "partition": v.partition(row),
        "qos": v.qos(row),
        "reservation": v.label(row, "reservation"),
        "user": row.user,
        "wckey": v.label(row, "wckey"),
    }
    for name, text in asked.filters.items():
        if name == "state":
            if as_slurm(row).state not in (states.as_slurm_has_it(text) or ()):
                return False
        elif name == "nodelist":
            from jobd.slurm import hostlist

            if v.nodes(row) not in hostlist.expand(text):
                return False
        elif has[name] != text:
            return False
    return True


def _jobs_of(asked: Asked, row: JobRow) -> list[b.JobId]:
    """What is asked for of a row: itself, the elements that wait, or steps."""
    steps = [job for job in asked.jobs if job.step_id is not None and selection.fits(job, row)]
    if steps and not any(job.step_id is None and selection.fits(job, row) for job in asked.jobs):
        return [b.JobId(row.job_id, [], job.step_id) for job in steps]
    batch = row.batch
    if batch is None or batch.array_id is None:
        return [b.JobId(row.job_id)]
    if batch.array_index is not None:
        return [b.JobId(batch.array_id, [[batch.array_index, batch.array_index, 1]])]
    runs = indexes.parse(batch.tasks, index_max=selection.INDEX_MAX).runs if batch.tasks else ()
    return [b.JobId(batch.array_id, [list(run) for run in runs])]


def _agrees(job: b.JobId, row: JobRow) -> bool:
    """Ask the person; where nobody answers it is a no."""
    number = v.job_text(row)
    what = f"job_id={number}" if job.step_id is None else f"step_id={number}.{job.step_id}"
    while True:
        sys.stdout.write(f"Cancel {what} name={row.name} partition={v.partition(row)} [y/n]? ")
        sys.stdout.flush()
        answer = sys.stdin.readline()
        if not answer or answer[0] in "nN":
            return False
        if answer[0] in "yY":
            return True


def _send(client: Client, asked: Asked, target: b.Target) -> int:
    """End or signal them; the exit code."""
    has_steps = any(job.step_id is not None for job in target.jobs)
    is_end = asked.signal in (None, SIGKILL)
    scope = Scope.BATCH.value if asked.is_batch else Scope.ALL.value if asked.is_full else ""
    number = (
        0 if is_end and not has_steps and not (asked.is_batch and asked.signal) else asked.signal or SIGKILL
    )
    if asked.is_verbose:
        verb = "Terminating" if is_end else f"Signal {asked.signal} to"
        which = "batch " if asked.is_batch and not is_end else "full " if asked.is_full and not is_end else ""
        for job in target.jobs:
            what = f"{which}job" if job.step_id is None else "step"
            say(f"{PROGRAM}: {verb} {what} {selection.text_of_id(job)}")
    code = 0
    while True:
        affected: b.Affected = client.request(b.Cancel(target, number, scope if number else ""))
        for refusal in affected.refused:
            is_gone = refusal.error == NoSuchJob.__name__
            if is_gone and not number:
                continue  # it has ended by itself meanwhile
            code = 1 if is_gone else CODE_NOT_NOW
            if not asked.is_quiet:
                what = "job step" if "." in refusal.job else "job"
                why = NO_SUCH_JOB if is_gone else NOT_NOW
                say(f"{PROGRAM}: error: Kill job error on {what} id {refusal.job}: {why}")
        if not affected.is_more or number:
            return code


__all__ = ["build_parser", "main"]
