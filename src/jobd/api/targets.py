"""Requests to do something to jobs, in parts that the server takes, and what is made of its refusals."""

from collections.abc import Callable, Sequence
from typing import Any

from jobd.api.connection import Connection
from jobd.api.options import signal_numbers
from jobd.errors import NoSuchJob, UsageError, from_name
from jobd.slurm.options import parse_signal_number
from jobd.wire.batch import Affected, JobId, Target

PART_MAX = 2000  # jobs in one request: the server does at most 5,000 at a time
ROUNDS_MAX = 1000  # for arrays of more elements than that

NONE = Target()


def each_part(
    connection: Connection,
    wanted: Sequence[JobId],
    request_of: Callable[[Target], Any],
    *,
    is_over_fine: bool = False,
) -> list[int]:
    """Do it to all; the numbers of those to which it was done.

    Args:
        is_over_fine: that a job is over, or not known, is no error.

    Raises:
        JobdError: the first refusal, after all others were done.
    """
    done: dict[int, None] = {}
    refused = []
    for begin in range(0, len(wanted), PART_MAX):
        target = Target(jobs=list(wanted[begin : begin + PART_MAX]))
        for _ in range(ROUNDS_MAX):
            answer: Affected = connection.request(request_of(target))
            is_new = not done.keys() >= set(answer.job_ids)
            done.update(dict.fromkeys(answer.job_ids))
            if not (answer.is_more and is_new):
                break
        refused += answer.refused
    for one in refused:
        error = from_name(one.error, one.text)
        if not (is_over_fine and isinstance(error, NoSuchJob)):
            raise error
    return list(done)


def signal_number(signal: int | str) -> int:
    """The number of a signal.

    Raises:
        UsageError: there is none.
    """
    if isinstance(signal, str):
        return parse_signal_number(signal, signal_numbers())
    if isinstance(signal, bool) or not isinstance(signal, int):
        raise UsageError(f"{str(signal)[:40]!r} is no signal")
    return int(signal)
