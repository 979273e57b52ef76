"""What Squeue, Sacct, Scontrol, Sinfo and Seff share: a command line and its lists of words, which jobs are meant, and asking
for them page by page.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from jobd import __version__
from jobd.cli import dialect, selection
from jobd.cli import slurm_values as v
from jobd.cli.dialect import Said
from jobd.cli.getopt import Option, Table, fill_parser
from jobd.cli.main import Parser as OneLineParser
from jobd.client import Client
from jobd.errors import UsageError
from jobd.limits import IDS_MAX, PAGE_ROWS_MAX
from jobd.wire import messages as m
from jobd.wire.batch import (
    AskNode,
    AttemptPage,
    AttemptRow,
    JobId,
    ListAttempts,
    ListSteps,
    Node,
    StepPage,
    StepRow,
)

MIN_JOB_AGE_S = (
    300.0  # for so long a finished job is still shown where its state is asked for (min_job_age_s)
)


# ---- the command line
HELP = (
    Option("help", help="show this and leave"),
    Option("version", "V", help="show the version and leave"),
)


class Options:
    """A command line, read by a table; options and words may mix."""

    def __init__(self, table: Table, argv: Sequence[str]) -> None:
        """
        Raises:
            UsageError: an option that is none, or lacks its value.
        """
        parsed = table.parse(argv, is_mixed=True)
        self.words = parsed.words
        self._texts: dict[str, list[str]] = {}
        for option, text in parsed.given:
            self._texts.setdefault(option.name, []).append(text)

    def has(self, *names: str) -> bool:
        """Whether one of them was given."""
        return any(name in self._texts for name in names)

    def last(self, name: str) -> str | None:
        """The value that counts: the last one given."""
        texts = self._texts.get(name)
        return texts[-1] if texts else None

    def all(self, *names: str) -> list[str] | None:
        """All values; None where it was not given."""
        texts = [text for name in names for text in self._texts.get(name, ())]
        return texts if self.has(*names) else None

    def words_of(self, *names: str) -> list[str] | None:
        """The words of comma lists; None where the option was not given.

        Raises:
            UsageError: there is none in them.
        """
        return words_of(self.all(*names))

    def chosen(self, *names: str) -> frozenset[str] | None:
        """The same as a set."""
        words = self.words_of(*names)
        return None if words is None else frozenset(words)

    def natural(self, name: str) -> int | None:
        """A number from 0 on; None where the option was not given.

        Raises:
            UsageError: it is none.
        """
        text = self.last(name)
        if text is None:
            return None
        if not text.isascii() or not text.isdigit() or len(text) > 17:
            raise UsageError(f"--{name} {text[:40]!r}: no number from 0 on")
        return int(text)

    def refuse_words(self) -> None:
        """
        Raises:
            UsageError: there are words that are no options.
        """
        if self.words:
            raise UsageError(f"unrecognized argument {self.words[0][:60]!r}")


def parser_of(program: str, table: Table, description: str, epilog: str = "") -> argparse.ArgumentParser:
    """What help, manual page and completions are made of."""
    parser = OneLineParser(prog=program, description=description, epilog=epilog or None, add_help=False)
    fill_parser(parser, table)
    parser.add_argument("--help", action="help", help=HELP[0].help)
    parser.add_argument("-V", "--version", action="version", version=f"{program} {__version__}")
    return parser


def is_answered(
    options: Options, build_parser: Callable[[], argparse.ArgumentParser], usage: str = ""
) -> bool:
    """Whether --help, --usage or --version was all that was asked for; it has been shown."""
    if options.has("help"):
        sys.stdout.write(build_parser().format_help())
    elif options.has("usage"):
        sys.stdout.write(usage)
    elif options.has("version"):
        sys.stdout.write(f"{dialect.version(build_parser().prog, __version__)}\n")
    return options.has("help", "usage", "version")


def words_of(lists: Iterable[str] | None) -> list[str] | None:
    """The words of comma lists; None where the option was not given.

    Raises:
        UsageError: there is none in them.
    """
    if lists is None:
        return None
    words = [word.strip() for text in lists for word in text.split(",")]
    if not any(words):
        raise UsageError(f"an empty list: {','.join(lists)!r}")
    return [word for word in words if word]


def user_name(word: str) -> str:
    """The name of a user given by name or number."""
    if not word.isascii() or not word.isdigit():
        return word
    import pwd

    try:
        return pwd.getpwuid(int(word)).pw_name
    except (KeyError, OverflowError):
        return word


def my_name() -> str:
    """My own name."""
    return user_name(str(os.getuid()))


def cluster_name(client: Client) -> str:
    """The name of this cluster."""
    node: Node = client.request(AskNode())
    return node.cluster


def check_clusters(program: str, text: str, client: Client) -> str:
    """The name of our cluster, which is the only one that may be asked for.

    Raises:
        Said: another one was.
    """
    cluster = cluster_name(client)
    for name in text.split(","):
        if name not in (cluster, "all", ""):
            raise Said(
                f"{program}: error: No cluster '{name}' known by database.",
                f"{program}: error: '{name}' can't be reached now, or it is an invalid entry for --cluster.  "
                "Use 'sacctmgr list clusters' to see available clusters.",
            )
    return cluster


# ---- which jobs
class Filter(NamedTuple):
    """Which jobs are meant. None: all."""

    states: frozenset[str] | None = None
    job_ids: frozenset[int] | None = None
    users: frozenset[str] | None = None
    names: frozenset[str] | None = None
    kinds: frozenset[str] | None = None
    jobs: tuple[JobId, ...] | None = None  # as they were written: 12_3; `job_ids` has their numbers
    partitions: frozenset[str] | None = None
    accounts: frozenset[str] | None = None
    qos: frozenset[str] | None = None
    licenses: frozenset[str] | None = None

    def fits(self, row: m.JobRow) -> bool:
        """Whether a job is meant."""
        return (
            (self.states is None or row.state in self.states)
            and (self.jobs is None or any(selection.fits(job, row) for job in self.jobs))
            and (self.users is None or row.user in self.users)
            and (self.names is None or row.name in self.names)
            and (self.kinds is None or row.kind in self.kinds)
            and (self.partitions is None or v.partition(row) in self.partitions)
            and (self.accounts is None or v.account(row) in self.accounts)
            and (self.qos is None or v.qos(row) in self.qos)
            and (self.licenses is None or _has_license(row, self.licenses))
        )

    @property
    def needs_looking(self) -> bool:
        """Whether it names anything that the server does not choose by."""
        return any(chosen is not None for chosen in (self.users, self.names, *self[4:]))


def _has_license(row: m.JobRow, names: frozenset[str]) -> bool:
    from jobd.cli import tres

    return any(one.name in names for one in tres.licenses(row))


# ---- asking
def pages(client: Client, request: m.ListJobs) -> Iterator[m.JobPage]:
    """All pages; the server looks for the next one while we work on this one."""
    client.send(request)
    while True:
        page: m.JobPage = client.receive()
        if page.cursor:
            client.send(request._replace(cursor=page.cursor))
        if dialect.is_slurm:
            from jobd.cli.slurm_view import as_slurm

            page = page._replace(rows=list(map(as_slurm, page.rows)))
        yield page
        if not page.cursor:
            return


def request_of(
    ids: Sequence[int], states: frozenset[str] | None, *, is_with_arrays: bool = True
) -> m.ListJobs:
    """What asks for these jobs; none for all.

    Raises:
        UsageError: more than the server takes at a time.
    """
    if len(ids) > IDS_MAX:
        raise UsageError(f"{len(ids)} job numbers: at most {IDS_MAX} at a time")
    # The server takes an empty list for all states; a state that no job has stands for none.
    if states is not None and dialect.is_slurm:
        from jobd.cli.slurm_view import asked_for

        states = asked_for(states)
    names = [] if states is None else sorted(states) or ["-"]
    return m.ListJobs(
        rows_max=PAGE_ROWS_MAX, job_ids=list(ids), states=names, is_with_arrays=is_with_arrays and bool(ids)
    )


def rows_of(
    client: Client,
    jobs: Sequence[JobId],
    *,
    is_finished: bool,
    since_s: float | None = None,
    names: Sequence[str] = (),
) -> Iterator[m.JobRow]:
    """The living, or the finished jobs that these words mean; all for none."""
    request = request_of(selection.numbers_of(jobs), None)._replace(
        is_finished=is_finished, since_s=since_s, names=list(names)
    )
    for page in pages(client, request):
        for row in page.rows:
            if not jobs or any(selection.fits(job, row) for job in jobs):
                yield row


def steps_of(client: Client, job_ids: Sequence[int]) -> dict[int, list[StepRow]]:
    """The steps of these jobs, by job."""
    steps: dict[int, list[StepRow]] = {}
    for begin in range(0, len(job_ids), PAGE_ROWS_MAX):
        page: StepPage = client.request(ListSteps(list(job_ids[begin : begin + PAGE_ROWS_MAX])))
        for step in page.steps:
            steps.setdefault(step.job_id, []).append(step)
    return steps


def attempts_of(client: Client, job_ids: Sequence[int]) -> list[AttemptRow]:
    """The earlier attempts of these jobs."""
    attempts: list[AttemptRow] = []
    for begin in range(0, len(job_ids), PAGE_ROWS_MAX):
        page: AttemptPage = client.request(ListAttempts(list(job_ids[begin : begin + PAGE_ROWS_MAX])))
        attempts += page.attempts
    return attempts


def once_each(rows: Iterable[m.JobRow]) -> Iterator[m.JobRow]:
    """Each job once: one that ends between two pages is on both lists."""
    seen: set[int] = set()
    for row in rows:
        if row.job_id not in seen:
            seen.add(row.job_id)
            yield row
