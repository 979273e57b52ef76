"""Verdicts on the terms of a dependency, and what they leave of a job's wishes. Values only.

A term that is met is taken out of the wishes, and one that can never be met sets `is_never`.
"""

from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import NamedTuple

from jobd.core.events import Changed, Ended, Event, Split
from jobd.core.job import Job, Now, Outcome, Spec
from jobd.dependencies import Dependency, Term
from jobd.states import Cause


class Past(NamedTuple):
    """What the journal knows of a finished job; for an array's number of all its finished elements together."""

    is_success: bool
    started_at: float | None
    ended_at: float


Pasts = Mapping[tuple[int, int | None], Past]
NOTHING_PAST: Pasts = MappingProxyType({})


class Met(NamedTuple):
    """A term is met, and the job may begin at that time."""

    begin_at: float | None = None


class Never(NamedTuple):
    """A term can never be met."""


MET, NEVER = Met(), Never()

# None: it is still open; a term: it has become that one
Verdict = Met | Never | Term | None


def of_past(term: Term, found: Past) -> Verdict:
    """What it means for a term that the job, or all of the array, which it names is over."""
    if term.kind == "after":
        since = found.ended_at if found.started_at is None else found.started_at
        return Met(since + term.delay_s if term.delay_s else None)
    if term.kind == "afterany":
        return MET
    return MET if found.is_success == (term.kind != "afternotok") else NEVER


def of_failed_part(term: Term) -> Verdict:
    """A term on a whole array of which an element has failed."""
    if term.kind == "afterok":
        return NEVER
    return term._replace(kind="afterany") if term.kind == "afternotok" else term


def judge(
    job: Job, verdict: Callable[[Term], Verdict], now: Now, about: Collection[int] | None = None
) -> list[Event]:
    """What verdicts mean for a waiting job. `about`: only terms that name these jobs have any (0 for singleton)."""
    batch = job.spec.batch
    assert batch is not None
    if batch.dependency.is_never:
        return []
    spec = judged(job, batch.dependency, verdict, about)
    if spec is job.spec:
        return []
    assert spec.batch is not None
    if spec.batch.dependency.is_never and batch.is_killed_on_invalid:
        return [Ended(job.job_id, now.wall_s, Outcome(Cause.DEPENDENCY))]
    return [Changed(job.job_id, spec)]


def judged(
    job: Job,
    dependency: Dependency,
    verdict: Callable[[Term], Verdict],
    about: Collection[int] | None = None,
) -> Spec:
    """A job's wishes with what is left of this dependency; its own wishes where nothing has changed."""
    left: list[Term] = []
    never: list[Term] = []
    met: list[Met] = []
    for term in dependency.terms:
        if about is not None and term[1] not in about:  # by far the most, where there are thousands
            left.append(term)
            continue
        found = verdict(term)
        if isinstance(found, Met):
            met.append(found)
        elif isinstance(found, Never):
            never.append(term)
        else:
            left.append(term if found is None else found)
    batch = job.spec.batch
    assert batch is not None
    if dependency.is_any and met:
        left, never = [], []
        met = [min(met, key=lambda one: one.begin_at or 0.0)]
    if dependency.is_any and left:
        never = []  # one of the others will do
    terms = (*never, *left)
    known = Dependency(terms, dependency.is_any and len(terms) > 1, bool(never))
    begins = [one.begin_at for one in met if one.begin_at is not None]
    begin_at = max([*begins, batch.begin_at or 0.0]) if begins else batch.begin_at
    if known == batch.dependency and begin_at == batch.begin_at:
        return job.spec
    return job.spec._replace(batch=batch._replace(dependency=known, begin_at=begin_at))


def in_order(events: list[Event]) -> list[Event]:
    """Splits first, since their numbers are counted on from the next; ends last, since only they have consequences."""
    return sorted(
        events, key=lambda event: 0 if isinstance(event, Split) else 2 if isinstance(event, Ended) else 1
    )
