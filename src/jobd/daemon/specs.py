"""What a submission of batch jobs asks for → the core's Spec, each part checked, with one clear line for what is wrong.

What a request leaves open is filled from the configuration: partition, account, qos, on_kill, whether it may be requeued.
"""

import math
import re
from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import NamedTuple

from jobd import dependencies
from jobd.core.job import Batch, Resources, Retry, Spec, Warned
from jobd.errors import Refused, UsageError
from jobd.indexes import Indexes
from jobd.limits import (
    BATCH_COMMAND_BYTES_MAX,
    COMMAND_WORDS_MAX,
    EXIT_CODE_MAX,
    LABEL_CHARS_MAX,
    LABELS_MAX,
    NAME_CHARS_MAX,
    NB_PROC_LIMIT,
    PATH_CHARS_MAX,
    PRIORITY_LIMIT,
    RESOURCE_MAX,
    RETRIES_MAX,
    SIGNAL_NUMBER_MAX,
    TIME_LIMIT_S_MAX,
)
from jobd.settings import Config
from jobd.states import OnKill
from jobd.wire.batch import BatchItem, BatchSpec
from jobd.wire.rows import Counted

COUNTED_MAX = 256  # kinds of gres and licenses of one job
RUNS_MAX = 3000  # of an array's indexes: each costs at every split, and they are shown as one text
CODES_MAX = 256  # ranges of exit codes
WALL_S_MAX = 1e11  # the year 5138: beyond it a time is in other units

_LABEL = re.compile(r"[a-z][a-z0-9_]{0,63}")


class Template(NamedTuple):
    """What all items of one BatchSpec have in common."""

    spec: Spec
    tasks: Indexes | None


def template(
    asked: BatchSpec, config: Config, *, user: str, priority: int, keys: Collection[str]
) -> Template:
    """The common part of all items of this spec; token, command and name are each item's own.

    Args:
        priority: of whom does not ask for one: its parent's, or 0.
        keys: the blobs that are there.

    Raises:
        UsageError: it makes no sense.
        Refused: there is no such partition, account or qos.
    """
    _check_texts(asked)
    _check_numbers(asked)
    for key, what in ((asked.environment, "environment"), (asked.script, "script")):
        if key not in keys and (key or what == "environment"):
            raise UsageError(f"the {what} of the job was not sent with it ({key[:40]!r})")
    if asked.on_kill not in ("", OnKill.TREE.value, OnKill.BELOW.value):
        raise UsageError(f"on-kill {asked.on_kill[:40]!r}: tree or below")
    tasks = runs_of(asked.array, config.array_max) if asked.array else None
    labels = labels_of(asked.labels, config, user, asked.counted)
    if tasks is not None:
        labels = tuple(sorted({**dict(labels), "array": array_label(tasks, asked.array_limit)}.items()))
    batch = Batch(
        script=asked.script,
        environment=asked.environment,
        umask=asked.umask,
        stdin=asked.stdin,
        stdout=asked.stdout,
        stderr=asked.stderr,
        is_appending=asked.is_appending,
        ntasks=asked.ntasks,
        cpus_per_task=asked.cpus_per_task,
        ntasks_per_node=asked.ntasks_per_node,
        memory_per_cpu_bytes=asked.memory_per_cpu_bytes,
        nice=asked.nice,
        is_requeueable=config.requeue if asked.is_requeueable is None else asked.is_requeueable,
        retry=Retry(asked.retry_count, _codes(asked.retry_codes), asked.retry_delay_s),
        warned=_warned(asked),
        is_killed_on_invalid=asked.is_killed_on_invalid,
        array_limit=asked.array_limit,
        labels=labels,
        is_held=asked.is_held,
        begin_at=begin_of(asked.begin_at),
        dependency=dependencies.parse(asked.dependency),
    )
    base = priority if asked.priority is None else asked.priority
    spec = Spec(
        token="",
        kind="batch",
        nb_proc=asked.nb_proc,
        command=(),
        name=asked.name,
        cwd=asked.cwd,
        user=user,
        priority=max(-PRIORITY_LIMIT, min(PRIORITY_LIMIT, base - asked.nice)),
        time_limit_s=asked.time_limit_s,
        is_bound=asked.is_bound,
        on_kill=OnKill(asked.on_kill) if asked.on_kill else config.on_kill,
        pid=0,
        start_ticks=0,
        resources=resources_of(asked.memory_bytes, asked.gpus, asked.counted, asked.is_exclusive),
        batch=batch,
    )
    return Template(spec, tasks)


def command_of(item: BatchItem) -> tuple[str, ...]:
    """The command of an item.

    Raises:
        UsageError: there is none, or Linux could not run it.
    """
    command = item.command
    if not command or not command[0]:
        raise UsageError("a job needs a command")
    if len(command) > COMMAND_WORDS_MAX:
        raise UsageError(f"a command of {len(command)} words: at most {COMMAND_WORDS_MAX}")
    text = "\0".join(command)
    if text.count("\0") != len(command) - 1:
        raise UsageError(f"the command {command[0][:40]!r} has a zero byte")
    if len(text.encode(errors="surrogateescape")) > BATCH_COMMAND_BYTES_MAX:
        raise UsageError(f"the command {command[0][:40]!r} is longer than {BATCH_COMMAND_BYTES_MAX} bytes")
    if len(item.name) > NAME_CHARS_MAX or "\0" in item.name:
        raise UsageError(f"name {item.name[:40]!r}: at most {NAME_CHARS_MAX} characters, and no zero byte")
    return tuple(command)


# ---- parts that other verbs use too
def resources_of(memory_bytes: int, gpus: int, counted: Sequence[Counted], is_exclusive: bool) -> Resources:
    """What a job asks for besides procs.

    Raises:
        UsageError: an impossible number, or a resource named twice.
    """
    if not 0 <= memory_bytes <= RESOURCE_MAX:
        raise UsageError(f"memory of {memory_bytes} bytes: from 0 to {RESOURCE_MAX}")
    if not 0 <= gpus <= NB_PROC_LIMIT:
        raise UsageError(f"{gpus} GPUs: from 0 to {NB_PROC_LIMIT}")
    if len(counted) > COUNTED_MAX:
        raise UsageError(f"{len(counted)} kinds of gres and licenses: at most {COUNTED_MAX}")
    for name, count in counted:
        if not name or len(name) > NAME_CHARS_MAX or not 0 <= count <= RESOURCE_MAX:
            raise UsageError(f"{count} of {name[:40]!r}: no such gres or licenses")
    if len({name for name, _ in counted}) != len(counted):
        raise UsageError("a gres or license is asked for twice")
    wanted = tuple(sorted((name, count) for name, count in counted if count))
    return Resources(memory_bytes, gpus, wanted, is_exclusive)


def labels_of(
    labels: Sequence[Sequence[str]], config: Config, user: str, counted: Sequence[Counted] = ()
) -> tuple[tuple[str, str], ...]:
    """The labels, with those that every job has, and with the licenses among what is counted.

    Raises:
        UsageError: they are none.
        Refused: a partition, account or qos that the configuration does not have.
    """
    found = checked_labels(labels, config)
    found["partition"] = found.get("partition") or config.partitions[0]
    found["account"] = found.get("account") or (config.accounts[0] if config.accounts else user)
    found["qos"] = found.get("qos") or config.qos[0]
    found["licenses"] = ",".join(
        f"{name}:{count}" for name, count in counted if count and name in config.licenses
    )
    if not found["licenses"]:
        del found["licenses"]
    return tuple(sorted(found.items()))


def checked_labels(labels: Sequence[Sequence[str]], config: Config) -> dict[str, str]:
    """Labels by name.

    Raises:
        UsageError: they are none.
        Refused: a partition, account or qos that the configuration does not have.
    """
    if len(labels) > LABELS_MAX:
        raise UsageError(f"{len(labels)} labels: at most {LABELS_MAX}")
    found: dict[str, str] = {}
    for pair in labels:
        if len(pair) != 2 or not _LABEL.fullmatch(pair[0]):
            raise UsageError("a label is a name and a value")
        name, value = pair
        if len(value) > LABEL_CHARS_MAX or "\0" in value:
            raise UsageError(f"{name}: at most {LABEL_CHARS_MAX} characters, and no zero byte")
        found[name] = value
    for name, known in (
        ("partition", config.partitions),
        ("account", config.accounts),
        ("qos", config.qos),
    ):
        # Slurm takes a list of partitions and runs the job in one of them.
        value = found.get(name, "").split(",")[0] if name == "partition" else found.get(name, "")
        if value and known and value not in known:
            raise Refused(f"no {name} {value[:40]!r} (there are: {', '.join(known)})")
        if value:
            found[name] = value
    return found


def begin_of(at: float | None) -> float | None:
    """A time before which the job must not start.

    Raises:
        UsageError: it is none.
    """
    if at is not None and not (math.isfinite(at) and 0 <= at <= WALL_S_MAX):
        raise UsageError(f"begin {at}: seconds since 1970")
    return at


def check_range(what: str, value: int | None, low: int, high: int) -> None:
    """
    Raises:
        UsageError: a number that is there and out of its range.
    """
    if value is not None and not low <= value <= high:
        raise UsageError(f"{what} {value}: from {low} to {high}")


def check_path(path: str) -> None:
    """
    Raises:
        UsageError: it is too long for one, or no system has such.
    """
    if len(path) > PATH_CHARS_MAX or "\0" in path:
        raise UsageError(f"{path[:40]!r}: a path has at most {PATH_CHARS_MAX} characters, and no zero byte")


# ---- the rest
def _check_texts(asked: BatchSpec) -> None:
    if len(asked.name) > NAME_CHARS_MAX or "\0" in asked.name:
        raise UsageError(f"name {asked.name[:40]!r}: at most {NAME_CHARS_MAX} characters, and no zero byte")
    for path in (asked.cwd, asked.stdin, asked.stdout, asked.stderr):
        check_path(path)
    if not asked.cwd.startswith("/"):
        raise UsageError(f"directory {asked.cwd[:40]!r}: it must begin with /")


def _check_numbers(asked: BatchSpec) -> None:
    check_range("procs", asked.nb_proc, 1, NB_PROC_LIMIT)
    check_range("umask", asked.umask, 0, 0o777)
    check_range("priority", asked.priority, -PRIORITY_LIMIT, PRIORITY_LIMIT)
    check_range("nice", asked.nice, -PRIORITY_LIMIT, PRIORITY_LIMIT)
    check_range("time limit in seconds", asked.time_limit_s, 1, TIME_LIMIT_S_MAX)
    check_range("ntasks", asked.ntasks, 1, NB_PROC_LIMIT)
    check_range("cpus-per-task", asked.cpus_per_task, 1, NB_PROC_LIMIT)
    check_range("ntasks-per-node", asked.ntasks_per_node, 1, NB_PROC_LIMIT)
    check_range("memory per cpu", asked.memory_per_cpu_bytes, 0, RESOURCE_MAX)
    check_range("retries", asked.retry_count, 0, RETRIES_MAX)
    check_range("retry-delay in seconds", asked.retry_delay_s, 0, TIME_LIMIT_S_MAX)
    check_range("signal", asked.warn_signal, 0, SIGNAL_NUMBER_MAX)
    check_range("signal: seconds before the end", asked.warn_before_s, 0, TIME_LIMIT_S_MAX)
    check_range("array: elements at a time", asked.array_limit, 0, NB_PROC_LIMIT)


def _codes(ranges: list[list[int]]) -> tuple[tuple[int, int], ...]:
    if len(ranges) > CODES_MAX:
        raise UsageError(f"{len(ranges)} ranges of exit codes: at most {CODES_MAX}")
    found = []
    for item in ranges:
        if len(item) != 2 or not 0 <= item[0] <= item[1] <= EXIT_CODE_MAX:
            raise UsageError(f"exit codes {item[:4]}: a range within 0 to {EXIT_CODE_MAX}")
        found.append((item[0], item[1]))
    return tuple(found)


def _warned(asked: BatchSpec) -> Warned | None:
    if not asked.warn_signal:
        return None
    return Warned(asked.warn_signal, asked.warn_before_s, asked.is_warning_batch_only)


def array_label(tasks: Indexes, limit: int) -> str:
    """The label of an array, from which each of its elements knows the whole: 0-9%4."""
    return tasks.text + (f"%{limit}" if limit else "")


def runs_of(runs: list[list[int]], index_max: int) -> Indexes:
    """Indexes of an array as they travel: (first, last, step) each, ascending and apart.

    Raises:
        UsageError: they are none.
    """
    if len(runs) > RUNS_MAX:
        raise UsageError(f"array indexes in {len(runs)} pieces: at most {RUNS_MAX}")
    found = []
    for run in runs:
        if len(run) != 3 or not 0 <= run[0] <= run[1] or run[2] < 1 or (run[1] - run[0]) % run[2]:
            raise UsageError(f"{run[:4]} is no range of array indexes")
        if run[1] > index_max:
            raise UsageError(f"array index {run[1]} is above {index_max} (array_max in config.toml)")
        found.append((run[0], run[1], run[2]))
    found.sort()
    if any(after[0] <= before[1] for before, after in pairwise(found)):
        raise UsageError("ranges of array indexes overlap")
    return Indexes(tuple(found))
