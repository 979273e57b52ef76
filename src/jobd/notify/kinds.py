"""What `--mail-type` may say, and what it means (sbatch(1)). Pure.

What a job asks for is read from its labels; for one that asks for nothing the rules of notify.toml may.
"""

import fnmatch
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from jobd.wire.rows import JobRow, label

BEGIN, END, FAIL, REQUEUE = "BEGIN", "END", "FAIL", "REQUEUE"
INVALID_DEPEND = "INVALID_DEPEND"
TIME_LIMIT = "TIME_LIMIT"
ARRAY_TASKS = "ARRAY_TASKS"
SHARES = {
    "TIME_LIMIT_90": 0.9,
    "TIME_LIMIT_80": 0.8,
    "TIME_LIMIT_50": 0.5,
}  # of the time limit, the largest first

BAD = frozenset({FAIL, TIME_LIMIT, INVALID_DEPEND})
CANCELLED = "CANCELLED"  # no word of --mail-type: an END of what somebody has cancelled

# STAGE_OUT is of burst buffers, which there are none of: accepted, and never told.
OF_ALL = (BEGIN, END, FAIL, INVALID_DEPEND, REQUEUE, "STAGE_OUT")
KINDS = (*OF_ALL, TIME_LIMIT, *SHARES, ARRAY_TASKS)
WORDS = (*KINDS, "ALL", "NONE")


class Rule(NamedTuple):
    """For jobs that do not say themselves what is to be told of them."""

    kinds: frozenset[str]
    min_run_s: float = 0.0  # of END, FAIL, TIME_LIMIT and REQUEUE: only of jobs that ran at least so long
    names: tuple[str, ...] = ()  # patterns as of a shell; none: all names
    to: tuple[str, ...] = ()  # addresses; none: those of the configuration
    is_of_all: bool = False  # of Sallocs and Sruns too


class Wish(NamedTuple):
    """What is to be told of one job, and to whom."""

    kinds: frozenset[str]
    to: tuple[str, ...]  # addresses; none: those of the configuration
    min_run_s: float = 0.0


def parse(text: str) -> frozenset[str]:
    """The kinds of a list as `--mail-type` has it. With NONE there are none, wherever it stands; unknown words are passed over."""
    found: set[str] = set()
    for word in text.upper().split(","):
        word = word.strip()
        if word == "NONE":
            return frozenset()
        elif word == "ALL":
            found.update(OF_ALL)
        elif word in KINDS:
            found.add(word)
    return frozenset(found)


def unknown(words: Iterable[str]) -> list[str]:
    """Those of these words that are no kinds."""
    return [word for word in words if word.upper() not in WORDS]


def wish_of(row: JobRow, rules: Sequence[Rule]) -> Wish | None:
    """What is to be told of a job: what it says itself, else what the first rule says that fits; None for nothing."""
    asked = label(row, "mail_type")
    if asked:
        kinds = parse(asked)
        return Wish(kinds, addresses_of(label(row, "mail_user"))) if kinds else None
    for rule in rules:
        if not rule.is_of_all and row.kind in ("salloc", "srun"):
            continue
        if not rule.names or any(fnmatch.fnmatchcase(row.name, name) for name in rule.names):
            return Wish(rule.kinds, rule.to, rule.min_run_s)
    return None


def addresses_of(text: str) -> tuple[str, ...]:
    """The words of a list of addresses, each once."""
    return tuple(dict.fromkeys(text.replace(",", " ").replace(";", " ").split()))


def is_of_array(row: JobRow) -> bool:
    """Whether it is an array, or an element of one."""
    return row.batch is not None and row.batch.array_id is not None


def is_as_one(row: JobRow, wish: Wish) -> bool:
    """Whether BEGIN, END and FAIL are told once for the whole array that it is of."""
    return is_of_array(row) and ARRAY_TASKS not in wish.kinds


def run_s(row: JobRow, now_s: float) -> float:
    """Seconds for which it has run, pauses by Scontrol not counted."""
    if row.started_at is None:
        return 0.0
    end_s = now_s if row.ended_at is None else row.ended_at
    total_s = end_s - row.started_at
    if row.batch is not None:
        total_s -= row.batch.paused_s
        if row.batch.paused_at is not None:
            total_s -= max(0.0, end_s - row.batch.paused_at)
    return max(0.0, total_s)


def share_due_at(row: JobRow, share: float) -> float | None:
    """When (wall) a running job will have used that share of its time; None while that cannot be told: no limit, suspended, not running."""
    if row.started_at is None or row.ended_at is not None or not row.time_limit_s:
        return None
    if row.state not in ("RUNNING", "SUSPENDED"):
        return None
    if row.batch is None:
        return row.started_at + share * row.time_limit_s
    if row.batch.paused_at is not None:
        return None
    return row.started_at + row.batch.paused_s + share * row.time_limit_s
