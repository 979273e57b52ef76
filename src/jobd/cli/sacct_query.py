"""Which jobs Sacct is asked for: numbers, names, states, and a window of time.

By Slurm's name the rules are Slurm's to the letter: what is no number, no state and no time is refused in its words, and a job is in a window
from when it was eligible, so that one that is held is shown only by its number.
"""

import math
import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from jobd.cli import dialect, selection
from jobd.cli import slurm_values as v
from jobd.cli.listing import Options, user_name
from jobd.errors import UsageError
from jobd.slurm import states as names_of_states
from jobd.slurm.times import parse_limit_s, parse_time
from jobd.wire.batch import JobId
from jobd.wire.messages import JobRow

BATCH_STEP = -1  # in the place of a step's number: 12.batch
_BETWEEN = re.compile(r",(?![^\[]*\])")  # a comma within brackets belongs to the indexes
_WHOLE_SECOND_S = 0.999  # "now" is a second, and what was submitted in it is in the window
# The states of which a job once was in, which it may have left since.
_PASSED = frozenset({"PENDING", "RUNNING"})


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
    is_ever: bool = False  # whenever it was
    is_with_steps: bool = True

    def fits(self, row: JobRow) -> bool:
        """Whether a job is meant."""
        return (
            (self.names is None or row.name in self.names)
            and (self.users is None or row.user in self.users)
            and self._is_in_window(row)
            and all(test(row) for test in self.tests)
        )

    def _is_in_window(self, row: JobRow) -> bool:
        if self.is_ever and self.states is None:
            return True
        end_s = math.inf if row.ended_at is None else row.ended_at
        since_s = slurm_eligible_at(row) if dialect.is_slurm else row.submitted_at
        has_come = since_s is not None and since_s <= self.end_s
        if self.states is None:
            return has_come and end_s >= self.start_s
        began_s = end_s if row.started_at is None else row.started_at
        if "PENDING" in self.states and has_come and began_s >= self.start_s:
            return True
        was_there = row.started_at is not None and row.started_at <= self.end_s and end_s >= self.start_s
        if "RUNNING" in self.states and was_there:
            return True
        if row.state not in self.states - _PASSED:
            return False
        return row.ended_at is None or self.start_s <= row.ended_at <= self.end_s

    def has_line(self, row: JobRow, step_id: int | None) -> bool:
        """Whether a line of the job is meant: of a step, BATCH_STEP, or None for its own."""
        if not self.is_with_steps:
            return True
        return not self.jobs or any(
            job.step_id in (None, step_id) and selection.fits(job, row) for job in self.jobs
        )


def slurm_eligible_at(row: JobRow) -> float | None:
    """Since when a job could have started; None for one that never could, as one that was cancelled while it was held."""
    batch = row.batch
    if row.started_at is None and batch is not None and (batch.is_held or batch.dependency):
        return None
    return v.eligible_at(row)


def query_of(options: Options, now_s: float) -> Query:
    """Which jobs the options mean.

    Raises:
        UsageError: a number, state, time or user that cannot be.
    """
    jobs = jobs_of(options)
    users = users_of(options)
    states = states_of(options)
    start_s, end_s, is_ever = window(options, now_s, is_of_jobs=bool(jobs))
    return Query(
        jobs,
        _chosen(options, "name"),
        users,
        states,
        start_s,
        end_s,
        tuple(_tests(options)),
        is_ever,
        not options.has("allocations"),
    )


def jobs_of(options: Options) -> tuple[JobId, ...]:
    """The numbers.

    Raises:
        UsageError: one is none, or there is none.
    """
    if dialect.is_slurm:
        from jobd.cli import sacct_words

        return sacct_words.jobs_of(options)
    words = [word.strip() for text in options.all("jobs") or () for word in _BETWEEN.split(text)]
    jobs = [_job_of(word) for word in words if word]
    if options.has("jobs") and not jobs:
        raise UsageError(f"Bad job/step specified: {options.last('jobs')!r}")
    return tuple(jobs)


def _job_of(word: str) -> JobId:
    try:
        (found,) = selection.parse(word)
    except UsageError:
        raise UsageError(f"Bad job/step specified: {word[:60]}") from None
    return found._replace(step_id=BATCH_STEP) if selection.is_batch_step(word) else found


def users_of(options: Options) -> frozenset[str] | None:
    """The users; None for all."""
    if dialect.is_slurm:
        from jobd.cli import sacct_words

        return sacct_words.users_of(options)
    users = options.words_of("user", "uid")
    return None if users is None else frozenset(map(user_name, users))


def states_of(options: Options) -> frozenset[str] | None:
    """The states; None for all."""
    if dialect.is_slurm:
        from jobd.cli import sacct_words

        return sacct_words.states_of(options)
    states: frozenset[str] | None = None
    for word in options.words_of("state") or ():
        states = (states or frozenset()) | names_of_states.named(word)
    return states


def window(options: Options, now_s: float, *, is_of_jobs: bool) -> tuple[float, float, bool]:
    """(begin, end) in seconds, and whether it is no window at all; sacct(1), DEFAULT TIME WINDOW."""
    if dialect.is_slurm:
        from jobd.cli import sacct_words

        return sacct_words.window(options, now_s, is_of_jobs=is_of_jobs)
    zone = v.local_zone()

    def at(name: str) -> float | None:
        text = options.last(name)
        return None if text is None else parse_time(text, now_s=now_s, zone=zone, is_past=True)

    start_s, end_s = filled(options, at("starttime"), at("endtime"), now_s, is_of_jobs=is_of_jobs)
    if end_s < start_s:
        raise UsageError("the window ends before it begins (--starttime, --endtime)")
    return start_s, end_s, False


def filled(
    options: Options, start_s: float | None, end_s: float | None, now_s: float, *, is_of_jobs: bool
) -> tuple[float, float]:
    """The window with what is not said, up to the last moment of its last second."""
    has_state = any(options.all("state") or ())
    if end_s is None:
        end_s = start_s if has_state and start_s is not None else now_s
    if start_s is None:
        if is_of_jobs:
            start_s = 0.0
        elif has_state:
            start_s = end_s
        else:
            start_s = parse_time("today", now_s=now_s, zone=v.local_zone())
    return start_s, end_s + _WHOLE_SECOND_S


def _chosen(options: Options, name: str) -> frozenset[str] | None:
    """The words of a list, of which Slurm takes an empty one too; nothing fits that."""
    if (
        dialect.is_slurm
        and options.has(name)
        and not any(word.strip(", ") for word in options.all(name) or ())
    ):
        return frozenset()
    return options.chosen(name)


def _tests(options: Options) -> Iterable[Callable[[JobRow], bool]]:
    chosen_by = {
        "partition": v.partition,
        "accounts": v.account,
        "qos": v.qos,
        "group": _group,
        "gid": _group,
    }
    for name, value in chosen_by.items():
        chosen = _chosen(options, name)
        if chosen is not None:
            yield lambda row, chosen=chosen, value=value: value(row) in chosen  # type: ignore[misc]
    wckeys = _chosen(options, "wckeys")
    if wckeys is not None:
        yield lambda row: v.label(row, "wckey") in wckeys
    if options.has("nodelist"):
        from jobd.slurm import hostlist

        try:
            nodes = set(hostlist.expand(options.last("nodelist") or ""))
        except UsageError:
            if not dialect.is_slurm:
                raise
            nodes = set()
        yield lambda row: v.nodes(row) in nodes
    if options.has("ncpus"):
        low, high = _span_of(options.last("ncpus") or "", "cpu", "-I")
        yield lambda row: low <= row.nb_proc <= high
    if options.has("nnodes"):
        least, most = _span_of(options.last("nnodes") or "", "node", "-i")
        yield lambda _: least <= 1 <= most
    if options.has("timelimit-min"):
        least_s = _limit_s(options.last("timelimit-min") or "") or math.inf
        most_s = _limit_s(options.last("timelimit-max") or "0") or math.inf
        if not options.has("timelimit-max"):
            most_s = least_s
        yield lambda row: least_s <= (row.time_limit_s or math.inf) <= most_s


def _group(row: JobRow) -> str:
    return v.user_ids(row.user)[2]


def _limit_s(text: str) -> int | None:
    try:
        return parse_limit_s(text)
    except UsageError:
        if not dialect.is_slurm:
            raise
        raise dialect.Said("sacct: fatal: Invalid time limit specification") from None


def _span_of(text: str, what: str, option: str) -> tuple[int, int]:
    low, _, high = text.partition("-")
    if not low.isascii() or not low.isdigit() or (high and not (high.isascii() and high.isdigit())):
        if dialect.is_slurm:
            raise dialect.Said(f'sacct: error: Invalid numeric value "{text}" for requested {what} range.')
        raise UsageError(f"invalid {what} range {option} {text[:40]!r}")
    return int(low), int(high or low)
