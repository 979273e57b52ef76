"""What sacct takes and refuses when it was called by Slurm's name: to the letter as Slurm 22.05's.

Numbers are read up to where they end (12x is 12), an empty list is no condition, and each refusal has its own form.
"""

import os
import re
from collections.abc import Iterable, Sequence

from jobd.cli import slurm_values as v
from jobd.cli.dialect import RELEASE, Said
from jobd.cli.getopt import Given
from jobd.cli.listing import Options
from jobd.cli.sacct_query import BATCH_STEP, filled
from jobd.slurm import fields as field_names
from jobd.slurm import moments
from jobd.slurm import states as names_of_states
from jobd.wire.batch import JobId

EXTERN_STEP = -2  # no job has it
_JOB = re.compile(r"(\d+)(_?)(\d*)", re.ASCII)
_NUMBER_MAX = 10**17  # beyond any job
# Of Slurm's states those that are no end, and so not in its accounts.
_UNACCOUNTED = frozenset(
    [
        "CF",
        "CG",
        "CONFIGURING",
        "COMPLETING",
        "RD",
        "RESV_DEL_HOLD",
        "RF",
        "REQUEUE_FED",
        "RH",
        "REQUEUE_HOLD",
        "SE",
        "SPECIAL_EXIT",
        "SI",
        "SIGNALING",
        "SO",
        "STAGE_OUT",
        "ST",
        "STOPPED",
    ]
)


def is_answered(options: Options) -> bool:
    """Whether all that was asked for was who we are; and whether the command line can be meant at all.

    Raises:
        Said: words, or options that exclude each other.
    """
    if options.has("version"):
        print(RELEASE)
        return True
    if options.words:
        raise Said("sacct: error: Unknown arguments:", *(f"sacct: error:  {word}" for word in options.words))
    whole = options.last("whole-hetjob")
    if whole and whole.lower() not in ("yes", "no"):
        raise Said(f'sacct: error: Invalid --whole-hetjob value "{whole}". Valid values: [yes|no].')
    if options.has("format") and options.has("long"):
        raise Said(
            "sacct: fatal: Options -o(--format) and -l(--long) are mutually exclusive. Please remove one and retry."
        )
    _check_groups(options)
    return False


def _check_groups(options: Options) -> None:
    if not options.has("gid", "group"):
        return
    import grp

    for word in _words(options.all("gid", "group")):
        try:
            grp.getgrgid(int(word)) if word.isdigit() else grp.getgrnam(word)
        except (KeyError, OverflowError):
            raise Said(f"sacct: error: Invalid group id: {word}") from None


def _words(texts: Iterable[str] | None) -> list[str]:
    return [word for text in texts or () for word in text.split(",") if word]


# ---- which jobs
def jobs_of(options: Options) -> tuple[JobId, ...]:
    """The numbers of -j; none for all.

    Raises:
        Said: one is none.
    """
    return steps_named(_words(options.all("jobs")), "sacct")


def steps_named(words: Iterable[str], program: str) -> tuple[JobId, ...]:
    """Jobs and steps: 12, 12_3, 12.0, 12.batch.

    Raises:
        Said: one is none.
    """
    jobs = []
    for word in words:
        found = _JOB.match(word)
        if found is None:
            raise Said(f"{program}: fatal: Bad job/step specified: {word}")
        number, has_index, index = found.groups()
        if has_index and not index:
            raise Said(f"{program}: fatal: Bad job array element specified: {number}")
        job = JobId(min(int(number), _NUMBER_MAX), [[int(index)] * 2 + [1]] if has_index else [])
        rest = word[found.end() :]
        if rest.startswith("."):
            job = job._replace(step_id=_step_of(rest[1:], number, program))
        if job.job_id:
            jobs.append(job)
    return tuple(jobs)


def _step_of(word: str, number: str, program: str) -> int:
    if word.startswith("batch"):
        return BATCH_STEP
    if word.startswith("extern"):
        return EXTERN_STEP
    found = re.match(r"\d{1,9}", word, re.ASCII)
    if found is None:
        raise Said(f"{program}: fatal: Bad step specified: {number}")
    return int(found[0])


def users_of(options: Options) -> frozenset[str] | None:
    """The users of -u; None for all.

    Raises:
        Said: there is no such user.
    """
    texts = options.all("user", "uid")
    if texts is None:
        return None
    words = _words(texts)
    if not words:
        raise Said()
    import pwd

    users = set()
    for word in words:
        try:
            users.add((pwd.getpwuid(int(word)) if word.isdigit() else pwd.getpwnam(word)).pw_name)
        except (KeyError, OverflowError):
            raise Said(f"sacct: error: Invalid user id: {word}") from None
    return frozenset(users)


def states_of(options: Options) -> frozenset[str] | None:
    """The states of -s; None for all.

    Raises:
        Said: one is none, or is not accounted for.
    """
    words = _words(options.all("state"))
    if not words:
        return None
    states: frozenset[str] = frozenset()
    for word in words:
        name = word.upper()
        if name in _UNACCOUNTED:
            raise Said(f"sacct: fatal: job state {word} is not supported / accounted")
        named = names_of_states.as_slurm_has_it(word)
        if named is None:
            raise Said(f"sacct: fatal: unrecognized job state value '{word}'")
        states |= named
    return states


def window(options: Options, now_s: float, *, is_of_jobs: bool) -> tuple[float, float, bool]:
    """(begin, end) in seconds, and whether it is no window at all.

    Raises:
        Said: a time that is none, or an end before the beginning.
    """
    zone = v.local_zone()

    def at(name: str) -> float | None:
        text = options.last(name)
        try:
            return None if text is None else moments.parse_exactly(text, now_s=now_s, zone=zone, is_past=True)
        except moments.MomentError as error:
            raise Said(str(error)) from None

    given = at("starttime"), at("endtime")
    start_s, end_s = filled(options, *given, now_s, is_of_jobs=is_of_jobs)
    if end_s < start_s:
        texts = [v.format_time(at_s, "Unknown") for at_s in (start_s, given[1] or now_s + 1)]
        raise Said(f"sacct: error: Start time ({texts[0]}) requested is after end time ({texts[1]}).")
    return start_s, end_s, is_of_jobs and given == (None, None)


# ---- how they are shown
def layout_of(options: Options, given: Sequence[Given]) -> field_names.Layout:
    """How the lines are written: the fields of -o, those of -b, those of -l; else those of SACCT_FORMAT."""
    texts = list(options.all("format") or ())
    texts += [field_names.BRIEF] * options.has("brief") + [field_names.LONG] * options.has("long")
    if not texts:
        texts = [os.environ.get("SACCT_FORMAT", field_names.DEFAULT)]
    fields = field_names.parse_exactly(",".join(texts))
    ways = [one.option.name for one in given if one.option.name in ("parsable", "parsable2")]
    if not ways:
        return field_names.Layout(fields)
    delimiter = options.last("delimiter")
    return field_names.Layout(fields, "|" if delimiter is None else delimiter, ways[-1] == "parsable")
