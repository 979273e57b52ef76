"""Keyword options of a job → BatchSpec, each with one clear line for what is wrong. No server is asked here.

Numbers are in base units (seconds, bytes); texts are Slurm's ("1:00:00", "4G").
"""

import os
import re
import signal as signals
import time as clock
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict, Union

from jobd import indexes
from jobd.errors import Refused, UsageError
from jobd.limits import ENVIRONMENT_BYTES_MAX, SCRIPT_BYTES_MAX, TIME_LIMIT_S_MAX
from jobd.slurm import options as slurm
from jobd.slurm import sizes, times
from jobd.slurm.environment import without_job
from jobd.slurm.times import Zone
from jobd.wire.batch import BatchSpec, Blob
from jobd.wire.blobs import blob_of, pack_environment
from jobd.wire.rows import Counted

if TYPE_CHECKING:
    from jobd.api.client import Job

Limit = int | float | str | timedelta
Begin = int | float | str | datetime | timedelta
Dependency = Union[str, int, "Job", Iterable[Union[int, "Job"]]]


class JobOptions(TypedDict, total=False):
    """What may be said of a job; all of it is optional."""

    name: str  # default: the command's
    nb_proc: int  # procs (default 1)
    memory: int | str | None  # of the whole job: bytes, or "4G"; None for no limit
    time: Limit | None  # limit: seconds, a timedelta, or Slurm's "1:00:00" ("90" is 90 minutes)
    gpus: int
    gres: Mapping[str, int] | str  # counted resources of the configuration: {"nvme": 2} or "nvme:2"
    licenses: Mapping[str, int] | str
    exclusive: bool  # nobody else runs meanwhile
    bind: bool  # to processors of its own (default yes)
    array: str | range | Iterable[int]  # one job for each index: "0-99%8", range(100), [1, 3, 5]
    array_limit: int  # so many elements at a time
    dependency: Dependency  # "afterok:12", or jobs that must complete first
    kill_on_invalid_dependency: bool  # cancel it if that can never come to be
    begin: Begin  # not before: epoch, datetime, timedelta from now, or Slurm's "tomorrow", "now+1hour"
    hold: bool  # wait for `release`
    priority: int  # higher goes first
    nice: int  # lowers the priority
    retries: int  # run it again so often if it fails
    retry_on: str | Iterable[int]  # only after these exit codes: "1-3,75" or [75]
    retry_delay: Limit
    requeue: bool  # it may run again after a failure of the machine (default: as configured)
    cwd: str | os.PathLike[str]  # default: the current folder
    env: Mapping[str, str | None]  # over our environment; None takes a variable away
    inherit_env: bool  # whether it gets our environment at all (default yes)
    stdin: str | os.PathLike[str]  # names of files, with Slurm's patterns: "out/%x-%j.log"
    stdout: str | os.PathLike[str]
    stderr: str | os.PathLike[str]  # default: with stdout
    append: bool  # to the output files
    umask: int
    warn: str  # a signal before the time limit: "USR1@60", "B:TERM@30"
    on_kill: str  # "tree" or "below"
    labels: Mapping[str, str]  # partition, account, qos, comment, wckey, mail_type, mail_user …


class Built(NamedTuple):
    """A spec and the blobs that it names."""

    spec: BatchSpec
    blobs: list[Blob]


def build(options: Mapping[str, Any], *, script: bytes | None = None) -> Built:
    """What these options ask for.

    Raises:
        UsageError: an option is unknown, or makes no sense.
        Refused: the current folder is gone.
    """
    check(options)
    environment = blob_of(_environment(options))
    blobs = [environment] if script is None else [environment, blob_of(script)]
    spec = BatchSpec(
        nb_proc=options.get("nb_proc", 1),
        name=options.get("name", ""),
        cwd=_cwd(options.get("cwd")),
        environment=environment.key,
        script="" if script is None else blobs[1].key,
        umask=options["umask"] if "umask" in options else own_umask(),
        priority=options.get("priority"),
        nice=options.get("nice", 0),
        time_limit_s=_named("time", options, limit_s_of),
        is_bound=options.get("bind", True),
        on_kill=options.get("on_kill", ""),
        stdin=_path(options, "stdin"),
        stdout=_path(options, "stdout"),
        stderr=_path(options, "stderr"),
        is_appending=options.get("append", False),
        memory_bytes=_named("memory", options, bytes_of) or 0,
        gpus=options.get("gpus", 0) + (_gres(options).gpus if isinstance(options.get("gres"), str) else 0),
        counted=_counted(options),
        is_exclusive=options.get("exclusive", False),
        is_requeueable=options.get("requeue"),
        is_killed_on_invalid=options.get("kill_on_invalid_dependency", False),
        is_held=options.get("hold", False),
        begin_at=_named("begin", options, begin_of),
        dependency=_named("dependency", options, dependency_of) or "",
        labels=[[name, value] for name, value in options.get("labels", {}).items()],
    )
    return Built(_with_array(options, _with_warning(options, _with_retries(options, spec))), blobs)


# ---- single values
def limit_s_of(value: Limit | None) -> int | None:
    """Whole seconds of a span of time, rounded up; None for no limit.

    Raises:
        UsageError: it is none.
    """
    if value is None:
        return None
    if isinstance(value, str):
        return times.parse_limit_s(value)
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if not 0 < seconds <= TIME_LIMIT_S_MAX:
        raise UsageError(f"{seconds} s is no time limit (more than 0 s, at most ten years; None for none)")
    return -int(-seconds // 1)


def bytes_of(value: int | str | None) -> int:
    """Bytes of 4G, or of a number of bytes; 0 for None.

    Raises:
        UsageError: it is no size.
    """
    if value is None:
        return 0
    if isinstance(value, str):
        return sizes.parse_bytes(value)
    if value < 0:
        raise UsageError(f"{value} bytes: at least 0")
    return value


def begin_of(value: Begin) -> float:
    """Seconds since the epoch.

    Raises:
        UsageError: it is no time.
    """
    try:
        if isinstance(value, datetime):
            return value.timestamp()
        if isinstance(value, timedelta):
            return clock.time() + value.total_seconds()
        if isinstance(value, str):
            return times.parse_time(value, now_s=clock.time(), zone=_LOCAL)
    except (OverflowError, ValueError, OSError) as error:
        raise UsageError(f"{str(value)[:40]!r} is out of the range of time") from error
    return float(value)


def _wall_of(at_s: float) -> times.Wall:
    moment = clock.localtime(at_s)
    return (
        moment.tm_year,
        moment.tm_mon,
        moment.tm_mday,
        moment.tm_hour,
        moment.tm_min,
        moment.tm_sec,
    )


_LOCAL = Zone(_wall_of, lambda wall: clock.mktime((*wall, 0, 0, -1)))


def dependency_of(value: Dependency) -> str:
    """Slurm's text of a dependency; jobs alone mean that they must complete.

    Raises:
        UsageError: it is none.
    """
    from jobd import dependencies

    if isinstance(value, str):
        return dependencies.text_of(dependencies.parse(value))
    jobs = value if isinstance(value, Iterable) else [value]
    ids = [job if isinstance(job, int) else getattr(job, "text", None) for job in jobs]
    if not ids or None in ids:
        raise UsageError('a dependency is "afterok:12", a job, or a list of jobs')
    return dependencies.text_of(dependencies.parse(f"afterok:{':'.join(map(str, ids))}"))


def own_umask() -> int:
    """Our umask. From /proc, since to ask umask(2) is to change it for all threads."""
    with open("/proc/self/status", "rb") as file:
        found = re.search(rb"^Umask:\s*([0-7]+)$", file.read(), re.MULTILINE)
    return int(found[1], 8) if found else 0o022


def script_bytes(script: "str | bytes | os.PathLike[str]") -> bytes:
    """The bytes of a script: itself, if it begins with #!, else the file of that name.

    Raises:
        UsageError: it is no script, or one with #SBATCH lines, which are read only by Sbatch.
        Refused: the file cannot be read.
    """
    if isinstance(script, str) and script.startswith("#!"):
        data = script.encode("utf-8", "surrogateescape")
    elif isinstance(script, bytes):
        data = script
    else:
        try:
            with open(script, "rb") as file:
                data = file.read(SCRIPT_BYTES_MAX + 1)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "no name of a file"
            raise Refused(f"script {str(script)[:200]}: {reason}") from error
    if not data.startswith(b"#!") or b"\0" in data or len(data) > SCRIPT_BYTES_MAX:
        raise UsageError(f"a script begins with #!, has no zero byte, and at most {SCRIPT_BYTES_MAX} bytes")
    from jobd.slurm.directives import read

    if read(data.decode("utf-8", "surrogateescape")):
        raise UsageError("the script has #SBATCH lines, which only Sbatch reads: say it in keywords")
    return data


# ---- parts
def check(options: Mapping[str, Any]) -> None:
    """
    Raises:
        UsageError: an option is unknown, or a value of another kind.
    """
    for name, value in options.items():
        kinds = _KINDS.get(name)
        if kinds is None:
            raise UsageError(f"no option {name[:40]!r} (docs/api.md has them)")
        # A bool is an int to Python, and to nobody who reads nb_proc=True.
        is_kind = isinstance(value, kinds) and (not isinstance(value, bool) or bool in kinds)
        if not is_kind:
            wanted = " or ".join(kind.__name__.replace("NoneType", "None") for kind in kinds)
            raise UsageError(f"{name}: {str(value)[:40]!r} is {type(value).__name__}, not {wanted}")


_TEXT = (str,)
_NUMBER = (int,)
_YES_NO = (bool,)
_SPAN = (int, float, str, timedelta)
_NAME = (str, os.PathLike)
_KINDS: dict[str, tuple[type, ...]] = {
    "name": _TEXT, "nb_proc": _NUMBER, "memory": (int, str, type(None)), "time": (*_SPAN, type(None)), "gpus": _NUMBER,
    "gres": (str, Mapping), "licenses": (str, Mapping), "exclusive": _YES_NO, "bind": _YES_NO, "array": (str, Iterable),
    "array_limit": _NUMBER, "dependency": (object,), "kill_on_invalid_dependency": _YES_NO, "begin": (*_SPAN, datetime), "hold": _YES_NO,
    "priority": _NUMBER, "nice": _NUMBER, "retries": _NUMBER, "retry_on": (str, Iterable), "retry_delay": _SPAN, "requeue": _YES_NO,
    "cwd": _NAME, "env": (Mapping,), "inherit_env": _YES_NO, "stdin": _NAME, "stdout": _NAME, "stderr": _NAME, "append": _YES_NO,
    "umask": _NUMBER, "warn": _TEXT, "on_kill": _TEXT, "labels": (Mapping,),
}  # fmt: skip


def _named(name: str, options: Mapping[str, Any], parse: Callable[[Any], Any]) -> Any:
    """The value of an option, with its name before what is wrong."""
    if name not in options:
        return None
    try:
        return parse(options[name])
    except UsageError as error:
        raise UsageError(f"{name}: {error}") from error


def _environment(options: Mapping[str, Any]) -> bytes:
    variables = without_job(os.environb) if options.get("inherit_env", True) else {}
    for name, value in options.get("env", {}).items():
        if not isinstance(name, str) or not isinstance(value, str | None) or "=" in name or not name:
            raise UsageError(f"env: {str(name)[:40]!r}={str(value)[:40]!r} is no variable")
        if "\0" in name + (value or ""):
            raise UsageError(f"env: {name[:40]!r} has a zero byte")
        if value is None:
            variables.pop(os.fsencode(name), None)
        else:
            variables[os.fsencode(name)] = os.fsencode(value)
    data = pack_environment(variables)
    if len(data) > ENVIRONMENT_BYTES_MAX:
        raise UsageError(f"an environment of {len(data)} bytes: at most {ENVIRONMENT_BYTES_MAX}")
    return data


def _cwd(value: "str | os.PathLike[str] | None") -> str:
    try:
        return os.getcwd() if value is None else os.path.abspath(value)
    except OSError as error:
        raise Refused(f"the current folder cannot be told: {error.strerror} (say cwd=)") from error


def _path(options: Mapping[str, Any], name: str) -> str:
    path = os.fspath(options.get(name, ""))
    return "" if path == "/dev/null" and name == "stdin" else str(path)


def _gres(options: Mapping[str, Any]) -> slurm.Gres:
    found: slurm.Gres = _named("gres", options, slurm.parse_gres)
    return found


def _counted(options: Mapping[str, Any]) -> list[Counted]:
    total: dict[str, int] = {}
    for name, parse in (
        ("gres", lambda text: slurm.parse_gres(text).counted),
        ("licenses", slurm.parse_licenses),
    ):
        value = options.get(name, {})
        pairs: Sequence[tuple[str, int]]
        pairs = _named(name, options, parse) if isinstance(value, str) else list(value.items())
        for key, count in pairs:
            if not isinstance(key, str) or type(count) is not int:
                raise UsageError(f"{name}: {str(key)[:40]!r}: {str(count)[:40]!r} is no name and number")
            if key == "gpu":
                raise UsageError(f"{name}: GPUs are asked for by gpus=")
            total[key] = total.get(key, 0) + count
    return [Counted(name, total[name]) for name in sorted(total)]


def _with_retries(options: Mapping[str, Any], spec: BatchSpec) -> BatchSpec:
    count = options.get("retries", 0)
    if not count:
        if "retry_on" in options or "retry_delay" in options:
            raise UsageError("retry_on and retry_delay need retries=")
        return spec
    codes = options.get("retry_on", ())
    if not isinstance(codes, str):
        codes = ",".join(map(str, codes))
    ranges = _named("retry_on", {"retry_on": codes}, slurm.parse_codes) if codes else ()
    delay_s = options.get("retry_delay", 0)
    if isinstance(delay_s, str):
        delay_s = _named("retry_delay", options, times.parse_delay_s)
    elif delay_s:
        delay_s = _named("retry_delay", options, limit_s_of)
    return spec._replace(
        retry_count=count, retry_codes=[list(pair) for pair in ranges], retry_delay_s=delay_s
    )


def _with_warning(options: Mapping[str, Any], spec: BatchSpec) -> BatchSpec:
    found = _named("warn", options, lambda text: slurm.parse_signal(text, signal_numbers()))
    if found is None:
        return spec
    return spec._replace(
        warn_signal=found.signal, warn_before_s=found.before_s, is_warning_batch_only=found.is_batch_only
    )


def signal_numbers() -> dict[str, int]:
    """The numbers of this machine's signals, by name without SIG."""
    return {member.name.removeprefix("SIG"): int(member) for member in signals.Signals}


def _with_array(options: Mapping[str, Any], spec: BatchSpec) -> BatchSpec:
    if "array" not in options:
        if "array_limit" in options:
            raise UsageError("array_limit needs array=")
        return spec
    value = options["array"]
    limit = options.get("array_limit", 0)
    if isinstance(value, str):
        found = _named("array", options, slurm.parse_array)
        tasks, limit = found.indexes, limit or found.limit
    elif isinstance(value, range) and value:
        # As one run, however many they are.
        low, high = min(value[0], value[-1]), max(value[0], value[-1])
        tasks = indexes.Indexes(((low, high, abs(value.step) if high > low else 1),))
    else:
        try:
            tasks = indexes.of(iter(value))
        except TypeError as error:
            raise UsageError("array: indexes are whole numbers") from error
    if not tasks.runs or not all(type(index) is int and index >= 0 for run in tasks.runs for index in run):
        raise UsageError("array: indexes are whole numbers from 0 on, and at least one")
    return spec._replace(array=[list(run) for run in tasks.runs], array_limit=limit)
