"""`Scontrol update JobId=12 TimeLimit=+30 …`: words ⇄ requests. The parsing has no socket.

Source: scontrol(1), JOBS - SPECIFICATIONS FOR UPDATE COMMAND. What cannot be changed here is refused, and then nothing is.
"""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from jobd.cli import selection
from jobd.cli import slurm_values as v
from jobd.cli.listing import rows_of
from jobd.cli.scontrol_job import tasks_of
from jobd.client import Client
from jobd.errors import NoSuchJob, UsageError
from jobd.slurm.sizes import parse_bytes
from jobd.slurm.times import parse_limit_s, parse_time
from jobd.states import Control
from jobd.wire import batch as b
from jobd.wire.messages import JobRow

NICE_STEP = 100  # of a Nice without a number

_WORD = re.compile(r"([A-Za-z_/-]+?)(\+=|-=|=)(.*)|([A-Za-z]+)", re.DOTALL)

# Key of scontrol → name of the label under which it is kept.
_LABELS = {
    "comment": "comment",
    "partition": "partition",
    "account": "account",
    "qos": "qos",
    "wckey": "wckey",
    "mailuser": "mail_user",
    "mailtype": "mail_type",
    "features": "features",
    "reservationname": "reservation",
}


class Wanted(NamedTuple):
    """What an update asks for."""

    target: b.Target
    update: b.Update  # without a target
    is_changing: bool  # whether `update` says anything
    by_row: tuple[Callable[[JobRow], dict[str, int]], ...]  # what depends on the job itself
    is_held: bool | None  # Priority=0 holds, any other priority releases


def parse(words: Sequence[str], now_s: float) -> Wanted:
    """What the words of an update mean.

    Raises:
        UsageError: a word that is no key=value, a key that cannot be changed, an impossible value.
    """
    target = b.Target()
    values: dict[str, Any] = {}
    labels: list[list[str]] = []
    by_row: list[Callable[[JobRow], dict[str, int]]] = []
    is_held: bool | None = None
    names: list[str] = []
    for word in words:
        found = _WORD.fullmatch(word)
        if found is None:
            raise UsageError(f"Invalid input: {word[:60]} (key=value)")
        key, sign, text = (found[1] or found[4]).lower(), found[2] or "", found[3] or ""
        if key in ("jobid", "job"):
            target = target._replace(jobs=[*target.jobs, *selection.parse(text)])
        elif key in ("jobname", "name"):
            names.append(text)
        elif key in ("nodename", "partitionname", "stepid", "reservation"):
            raise UsageError(
                f"{word[:60]}: only jobs can be updated (jobctl set-nb-proc changes the machine)"
            )
        elif key == "priority":
            priority = _number(key, text, -(1 << 30), 1 << 30)
            is_held = priority == 0
            if priority:
                values["priority"] = priority
        elif key in _LABELS:
            labels.append([_LABELS[key], text])
        elif key in _BY_ROW:
            by_row.append(_BY_ROW[key](text))
        else:
            values |= _value(key, sign, text, word, now_s)
    if target.jobs and names:
        values["name"] = names[-1]
    elif names:
        target = target._replace(names=names[:1])
        if len(names) > 1:
            values["name"] = names[-1]
    if not target.jobs and not target.names:
        raise UsageError("No job specified (JobId=12 or JobName=x)")
    if labels:
        values["labels"] = labels
    if not values and not by_row and is_held is None:
        raise UsageError("No changes specified")
    update = b.Update(b.Target())._replace(**values)
    return Wanted(target, update, bool(values), tuple(by_row), is_held)


def _value(key: str, sign: str, text: str, word: str, now_s: float) -> dict[str, Any]:
    """The field of Update that a key changes."""
    if key == "timelimit":
        return _time_limit(sign, text)
    if key == "nice":
        return {"nice": NICE_STEP if not sign else _number(key, text, -(1 << 30), 1 << 30)}
    if key == "minmemorynode":
        return {"memory_bytes": parse_bytes(text)}
    if key in ("numcpus", "mincpusnode"):
        return {"nb_proc": _number(key, text.partition("-")[0], 1, 1 << 20)}
    if key == "dependency":
        return {"dependency": text}
    if key in ("starttime", "eligibletime"):
        return {"begin_at": parse_time(text, now_s=now_s, zone=v.local_zone())}
    if key == "requeue":
        return {"is_requeueable": _number(key, text, 0, 1) == 1}
    if key == "arraytaskthrottle":
        return {"array_limit": _number(key, text, 0, 1 << 30)}
    raise UsageError(f"Update of this parameter is not supported: {word[:60]} (request aborted)")


def _number(key: str, text: str, low: int, high: int) -> int:
    try:
        number = int(text) if text.isascii() and len(text) < 18 else None
    except ValueError:
        number = None
    if number is None or not low <= number <= high:
        raise UsageError(f"Invalid {key} value: {text[:40]!r} (from {low} to {high})")
    return number


def _time_limit(sign: str, text: str) -> dict[str, Any]:
    """TimeLimit=30, =+30, =-30, +=30, -=30: minutes, or any of Slurm's forms."""
    way = {"+=": 1, "-=": -1}.get(sign, 0)
    if not way and text[:1] in ("+", "-") and text != "-1":
        way, text = (1 if text[0] == "+" else -1), text[1:]
    limit_s = parse_limit_s(text)
    if not way:
        return {"time_limit_s": limit_s or 0}
    if limit_s is None:
        raise UsageError(f"Invalid TimeLimit value: {text[:40]!r}")
    return {"time_limit_add_s": way * limit_s}


def _by_memory(text: str) -> Callable[[JobRow], dict[str, int]]:
    each = parse_bytes(text)
    return lambda row: {"memory_bytes": each * row.nb_proc}


def _by_tasks(text: str) -> Callable[[JobRow], dict[str, int]]:
    count = _number("NumTasks", text, 1, 1 << 20)
    return lambda row: {"nb_proc": count * tasks_of(row)[1]}


def _by_processors(text: str) -> Callable[[JobRow], dict[str, int]]:
    count = _number("CPUsPerTask", text, 1, 1 << 20)
    return lambda row: {"nb_proc": count * tasks_of(row)[0]}


_BY_ROW: dict[str, Callable[[str], Callable[[JobRow], dict[str, int]]]] = {
    "minmemorycpu": _by_memory,
    "numtasks": _by_tasks,
    "reqprocs": _by_tasks,
    "cpuspertask": _by_processors,
}


# ---- asking
def requests(wanted: Wanted, client: Client) -> Iterator[b.Update | b.Control]:
    """What is to be asked of the server, in order.

    Raises:
        NoSuchJob: a change that depends on the jobs themselves, and none of them lives.
    """
    if not wanted.by_row:
        if wanted.is_changing:
            yield wanted.update._replace(target=wanted.target)
    else:
        rows = list(_rows(wanted.target, client))
        if not rows:
            raise NoSuchJob("Invalid job id specified: none of them lives (Squeue lists the living)")
        for row in rows:
            own: dict[str, Any] = {
                key: value for change in wanted.by_row for key, value in change(row).items()
            }
            target = b.Target(jobs=[b.JobId(row.job_id)])
            yield wanted.update._replace(target=target, **own)
    if wanted.is_held:
        yield b.Control(wanted.target, Control.HOLD.value)
    elif wanted.is_held is False:
        held = [row for row in _rows(wanted.target, client) if row.batch is not None and row.batch.is_held]
        if held:
            target = b.Target(jobs=[b.JobId(row.job_id) for row in held])
            yield b.Control(target, Control.RELEASE.value)


def _rows(target: b.Target, client: Client) -> Iterator[JobRow]:
    for row in rows_of(client, target.jobs, is_finished=False, names=target.names):
        if not target.names or row.name in target.names:
            yield row


def named(name: str, client: Client) -> list[int]:
    """The numbers of the living jobs of that name."""
    return [row.job_id for row in _rows(b.Target(names=[name]), client)]


def make(words: Sequence[str]) -> Wanted:
    """What the words mean, now."""
    return parse(words, time.time())
