"""Options → a submission: the BatchSpec of what is asked for, with the blobs that it names. No server is asked here, no file read.

Priorities among sources, as in sbatch(1): the command line, then SBATCH_* variables, then #SBATCH lines.
"""

import os
from collections.abc import Callable, Sequence
from typing import NamedTuple

from jobd.cli import dialect
from jobd.cli.batch_environment import Variables, caller_variables, environment_of
from jobd.cli.batch_options import Chosen
from jobd.cli.option_values import (
    Asked,
    asked,
    check_self,
    is_appending,
    signal_numbers,
    value,
    yes_or_no,
)
from jobd.cli.submit_line import line_of
from jobd.errors import Refused, UsageError
from jobd.limits import (
    BATCH_COMMAND_BYTES_MAX,
    LABEL_CHARS_MAX,
    NAME_CHARS_MAX,
    PATH_CHARS_MAX,
    RETRIES_MAX,
)
from jobd.slurm import options as slurm
from jobd.slurm import times
from jobd.wire.batch import BatchSpec, Blob
from jobd.wire.blobs import blob_of


class Surroundings(NamedTuple):
    """What a submission takes from where it is made."""

    variables: Variables
    cwd: str
    umask: int
    host: str
    now_s: float
    procs: Callable[[], int]  # that the server hands out; asked only where a job wants them all
    submit_line: str


class Built(NamedTuple):
    """A spec and the blobs that it names."""

    spec: BatchSpec
    blobs: list[Blob]


def surroundings(words: Sequence[str], procs: Callable[[], int]) -> Surroundings:
    """Ours.

    Raises:
        Refused: the current folder is gone, and a job could not run in it.
    """
    import time

    umask = os.umask(0o077)
    os.umask(umask)
    try:
        cwd = os.getcwd()
    except OSError as error:
        raise Refused(f"the current folder cannot be told: {error.strerror} (cd to another)") from error
    host = os.uname().nodename.partition(".")[0]
    return Surroundings(caller_variables(), cwd, umask, host, time.time(), procs, line_of(words))


def build(chosen: Chosen, around: Surroundings, *, name: str, script: bytes | None) -> Built:
    """What these options ask for.

    Args:
        name: of the job, where the options give none.
        script: None where items' commands are run themselves.

    Raises:
        UsageError: an option makes no sense.
        Refused: what is asked for is not to be had here.
        OSError: the file of --export-file cannot be read.
    """
    check_self(chosen)
    wants = asked(chosen, host=around.host, now_s=around.now_s, procs=around.procs)
    environment = blob_of(environment_of(chosen, around.variables))
    blobs = [environment]
    if script is not None:
        blobs.append(blob_of(script))
    spec = BatchSpec(
        nb_proc=wants.nb_proc,
        name=job_name(chosen.get("job-name") or name),
        cwd=_cwd(chosen, around.cwd),
        environment=environment.key,
        script=blobs[1].key if script is not None else "",
        umask=around.umask,
        priority=wants.priority,
        nice=wants.nice,
        time_limit_s=wants.time_limit_s,
        is_bound="no-bind" not in chosen,
        stdin=_path(chosen, "input"),
        stdout=_path(chosen, "output"),
        stderr=_path(chosen, "error"),
        is_appending=value(chosen, "open-mode", is_appending) or False,
        ntasks=wants.ntasks,
        cpus_per_task=wants.cpus_per_task,
        ntasks_per_node=wants.ntasks_per_node,
        memory_bytes=wants.memory_bytes,
        memory_per_cpu_bytes=wants.memory_per_cpu_bytes,
        gpus=wants.gpus,
        counted=wants.counted,
        is_exclusive=wants.is_exclusive,
        is_requeueable=True if "requeue" in chosen else False if "no-requeue" in chosen else None,
        is_killed_on_invalid=value(chosen, "kill-on-invalid-dep", yes_or_no) or False,
        is_held="hold" in chosen,
        begin_at=wants.begin_at,
        dependency=wants.dependency,
        labels=_labels(chosen, wants, around),
    )
    return Built(_with_array(chosen, _with_signal(chosen, _with_retries(chosen, spec))), blobs)


def _with_retries(chosen: Chosen, spec: BatchSpec) -> BatchSpec:
    count = value(chosen, "retries", lambda text: slurm.parse_count(text, least=0, most=RETRIES_MAX))
    codes = value(chosen, "retry-on", slurm.parse_codes)
    delay_s = value(chosen, "retry-delay", times.parse_delay_s)
    if not count:
        if (codes is not None or delay_s is not None) and count is None:
            raise UsageError("--retry-on and --retry-delay need --retries=N")
        return spec
    return spec._replace(
        retry_count=count, retry_codes=[list(pair) for pair in codes or ()], retry_delay_s=delay_s or 0
    )


def _with_signal(chosen: Chosen, spec: BatchSpec) -> BatchSpec:
    found = value(chosen, "signal", lambda text: slurm.parse_signal(text, signal_numbers()))
    if found is None:
        return spec
    return spec._replace(
        warn_signal=found.signal, warn_before_s=found.before_s, is_warning_batch_only=found.is_batch_only
    )


def _with_array(chosen: Chosen, spec: BatchSpec) -> BatchSpec:
    is_empty = dialect.is_slurm and not chosen.get("array")
    found = None if is_empty else value(chosen, "array", _array)
    if found is None:
        return spec
    # A limit that nothing reaches is none.
    limit = found.limit if found.limit < found.indexes.count else 0
    return spec._replace(array=[list(run) for run in found.indexes.runs], array_limit=limit)


def _array(text: str) -> slurm.Array:
    """--array; by Slurm's names %0 is no limit."""
    return slurm.parse_array(text.removesuffix("%0") if dialect.is_slurm else text)


def _labels(chosen: Chosen, wants: Asked, around: Surroundings) -> list[list[str]]:
    labels = [*wants.labels, ["submit_host", around.host], ["submit_line", around.submit_line]]
    if chosen.get("array"):
        labels.append(["array", chosen["array"][:LABEL_CHARS_MAX]])
        # The server knows the indexes; how they were said is told to the job.
        step = chosen["array"].partition(":")[2].partition("%")[0].partition(",")[0]
        if step.isascii() and step.isdigit():
            labels.append(["array_step", str(int(step))])
    return labels


def job_name(text: str) -> str:
    """A job's name, cut to what one may have, on one line."""
    return text.replace("\n", " ").replace("\0", "")[:NAME_CHARS_MAX]


def _cwd(chosen: Chosen, cwd: str) -> str:
    folder = os.path.join(cwd, _path(chosen, "chdir"))
    return folder.rstrip("/") or "/"


def _path(chosen: Chosen, name: str) -> str:
    text = chosen.get(name, "")
    if name in chosen and not text:
        raise UsageError(f"--{name}: an empty name")
    if len(text) > PATH_CHARS_MAX or "\0" in text:
        raise UsageError(f"--{name}: {text[:40]!r}… is no name of a file")
    return "" if text == "/dev/null" and name == "input" else text


def check_command(words: Sequence[str]) -> list[str]:
    """The words of a command, if Linux can run them.

    Raises:
        UsageError: they are too long.
    """
    size = sum(len(os.fsencode(word)) + 1 for word in words)
    if size > BATCH_COMMAND_BYTES_MAX:
        raise UsageError(f"a command line of {size} bytes: at most {BATCH_COMMAND_BYTES_MAX}")
    return list(words)
