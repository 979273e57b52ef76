"""The configuration: every setting, its default and its meaning. docs/configuration.md is made from this file.

config.toml holds any of the keys below; a missing file means the defaults. An unknown key or an impossible value is an
error that names it: a server that silently ignores a limit is worse than one that does not start.
"""

import json
import re
import tomllib
from typing import Any, NamedTuple

from jobd.errors import ConfigError
from jobd.limits import LABEL_CHARS_MAX, RESOURCE_MAX
from jobd.states import OnKill

NAMES_MAX = 1000  # entries of a list or a table: more is a mistake in a file
COUNT_MAX = 1_000_000_000  # of a gres or of licenses

# What may stand in Slurm's lists of resources, partitions and accounts without quotes (`gres:type` for a kind of it).
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/@-]*")
_MEMORY = re.compile(r"(\d{1,17}(?:\.\d{1,9})?)([KMGTP])(?:i?B)?", re.IGNORECASE)


class Setting(NamedTuple):
    """One key of config.toml."""

    default: Any
    low: float | None  # smallest and largest value of a number
    high: float | None
    choices: tuple[str, ...]
    meaning: str
    values: str = ""  # what a text or a table may be, for the manual


def _number(default: float, low: float, high: float, meaning: str) -> Setting:
    return Setting(default, low, high, (), meaning)


def _choice(default: str, choices: tuple[str, ...], meaning: str) -> Setting:
    return Setting(default, None, None, choices, meaning)


def _flag(default: bool, meaning: str) -> Setting:
    return Setting(default, None, None, (), meaning)


def _text(default: str, values: str, meaning: str) -> Setting:
    return Setting(default, None, None, (), meaning, values)


def _names(default: list[str], meaning: str) -> Setting:
    return Setting(default, None, None, (), meaning)


def _table(meaning: str) -> Setting:
    return Setting({}, None, None, (), meaning, "a table of names and counts")


SETTINGS: dict[str, Setting] = {
    "autostart": _flag(True, "a client that finds no server starts one"),
    "on_kill": _choice(
        "tree",
        ("tree", "below"),
        "how far the killing of a job reaches: its whole tree, or itself and what is below it",
    ),
    "leftovers": _choice(
        "kill",
        ("kill", "leave"),
        "processes that outlive the command they belong to (left in the background): ended, or left alone",
    ),
    "kill_grace_s": _number(5.0, 0.0, 3600.0, "seconds between SIGTERM and SIGKILL"),
    "bypass_max": _number(16, 0, 256, "how often a job that does not fit may be passed by smaller ones"),
    "bypass_s": _number(60.0, 0.0, 1e9, "for how many seconds after the first pass it may be passed"),
    "jobs_max": _number(1_000_000, 1, 100_000_000, "living jobs, waiting ones included"),
    "events_kept": _number(100_000, 100, 100_000_000, "events kept for those who missed some"),
    "history_days": _number(90.0, 0.0, 36500.0, "days for which finished jobs are remembered"),
    "journal_sync": _choice(
        "normal",
        ("normal", "full"),
        "what a commit survives: normal the death of the server, full a power cut too (0.3 to 10 ms a commit)",
    ),
    "prefetch_s": _number(
        0.1,
        0.0,
        3600.0,
        "batch jobs that last less than so many seconds on average are handed to the agent beforehand; 0: none ever",
    ),
    "thread_variables": _names(
        [
            "OMP_NUM_THREADS",
            "OPENBLAS_NUM_THREADS",
            "MKL_NUM_THREADS",
            "BLIS_NUM_THREADS",
            "NUMEXPR_NUM_THREADS",
            "NUMBA_NUM_THREADS",
            "VECLIB_MAXIMUM_THREADS",
            "JULIA_NUM_THREADS",
            "RAYON_NUM_THREADS",
            "GOMAXPROCS",
        ],
        "variables set to the number of procs, where the caller has not set them",
    ),
    "memory": _text(
        "", "a size as `24G`, or empty", "memory that jobs may ask for; empty: what the machine has"
    ),
    "gpus": _number(-1, -1, 4096, "GPUs that jobs may ask for; -1: as many as the NVIDIA driver tells of"),
    "gres": _table("generic resources that jobs may ask for with `--gres`, and how many there are of each"),
    "licenses": _table("licenses that jobs may ask for with `--licenses`, and how many there are of each"),
    "requeue": _flag(
        True, "a batch job may be queued again (after a reboot, by Scontrol) unless it says `--no-requeue`"
    ),
    "array_max": _number(1_000_000, 1, 100_000_000, "the largest index of an array"),
    "cluster": _text("local", "a name", "the name of the cluster that jobs and listings show"),
    "partitions": _names(["main"], "names that `--partition` may give; the first is the default"),
    "accounts": _names(
        [],
        "names that `--account` may give, the first being the default; none: anything, by default the user",
    ),
    "qos": _names(["normal"], "names that `--qos` may give; the first is the default"),
    "min_job_age_s": _number(
        300.0, 0.0, 86400.0, "for how many seconds Squeue -t all and Scontrol show a job after its end"
    ),
}


class Config(NamedTuple):
    """The settings, checked."""

    autostart: bool
    on_kill: OnKill
    leftovers: str
    kill_grace_s: float
    bypass_max: int
    bypass_s: float
    jobs_max: int
    events_kept: int
    history_days: float
    journal_sync: str
    prefetch_s: float
    thread_variables: list[str]
    memory: str
    gpus: int
    gres: dict[str, int]
    licenses: dict[str, int]
    requeue: bool
    array_max: int
    cluster: str
    partitions: list[str]
    accounts: list[str]
    qos: list[str]
    min_job_age_s: float

    @property
    def memory_bytes(self) -> int:
        """The memory that jobs may ask for; 0 where it is for the machine to tell."""
        return _memory_bytes(self.memory)

    @property
    def counted(self) -> tuple[tuple[str, int], ...]:
        """(name, count) of all gres and licenses, sorted by name."""
        return tuple(sorted({**self.gres, **self.licenses}.items()))


def load(path: str) -> Config:
    """The configuration in that file, or the defaults if there is none.

    Raises:
        ConfigError: it cannot be read, or says something impossible.
    """
    try:
        with open(path, "rb") as file:
            table = tomllib.load(file)
    except FileNotFoundError:
        table = {}
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: no TOML: {error}") from error
    return from_table(table, path)


def from_table(table: dict[str, Any], path: str = "config.toml") -> Config:
    """The configuration of a TOML table.

    Raises:
        ConfigError: an unknown key or an impossible value.
    """
    for key in table:
        if key not in SETTINGS:
            raise ConfigError(f"{path}: no setting {key!r} (there are: {', '.join(SETTINGS)})")
    values = {
        key: _value(path, key, setting, table.get(key, setting.default)) for key, setting in SETTINGS.items()
    }
    values["on_kill"] = OnKill(values["on_kill"])
    config = Config(**values)
    _check_together(path, config)
    return config


def toml_of(value: object) -> str:
    """A value of a setting as it stands in config.toml."""
    if isinstance(value, dict):
        inner = ", ".join(f"{json.dumps(key)} = {toml_of(item)}" for key, item in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, str):
        return json.dumps(str.__str__(getattr(value, "value", value)), ensure_ascii=False)
    return json.dumps(
        value, ensure_ascii=False
    )  # truth values, numbers and lists of texts are written alike in both


def _value(path: str, key: str, setting: Setting, value: Any) -> Any:
    default = setting.default
    if isinstance(default, bool):
        if type(value) is not bool:
            raise ConfigError(f"{path}: {key} is true or false, not {value!r}")
    elif isinstance(default, (int, float)):
        if type(value) not in ((int,) if isinstance(default, int) else (int, float)):
            raise ConfigError(f"{path}: {key} is a number, not {value!r}")
        if not setting.low <= value <= setting.high:
            raise ConfigError(f"{path}: {key} is from {setting.low} to {setting.high}, not {value!r}")
    elif isinstance(default, list):
        if type(value) is not list or not all(type(item) is str and item for item in value):
            raise ConfigError(f"{path}: {key} is a list of names, not {value!r}")
        if len(value) > NAMES_MAX:
            raise ConfigError(f"{path}: {key} has {len(value)} names, at most {NAMES_MAX}")
    elif isinstance(default, dict):
        _check_counts(path, key, value)
    elif setting.choices:
        if value not in setting.choices:
            raise ConfigError(f"{path}: {key} is one of {', '.join(setting.choices)}, not {value!r}")
    elif type(value) is not str or len(value) > LABEL_CHARS_MAX:
        raise ConfigError(f"{path}: {key} is a text, not {str(value)[:60]!r}")
    return value


def _check_counts(path: str, key: str, value: Any) -> None:
    if type(value) is not dict:
        raise ConfigError(
            f"{path}: {key} is a table of names and counts ({key} = {{ a = 2 }}), not {value!r}"
        )
    if len(value) > NAMES_MAX:
        raise ConfigError(f"{path}: {key} has {len(value)} names, at most {NAMES_MAX}")
    for name, count in value.items():
        if not _NAME.fullmatch(name):
            raise ConfigError(f"{path}: {key}: {name!r} is no name of letters, digits and _.:/@-")
        if type(count) is not int or not 0 <= count <= COUNT_MAX:
            raise ConfigError(f"{path}: {key}: {name} is a count from 0 to {COUNT_MAX}, not {count!r}")


def _check_together(path: str, config: Config) -> None:
    """What no setting shows by itself."""
    if not 0 <= _memory_bytes(config.memory, path) <= RESOURCE_MAX:
        raise ConfigError(f"{path}: memory {config.memory!r} is beyond any machine")
    for key in ("cluster", "partitions", "accounts", "qos"):
        value = getattr(config, key)
        for name in [value] if type(value) is str else value:
            if not _NAME.fullmatch(name):
                raise ConfigError(f"{path}: {key}: {name[:60]!r} is no name of letters, digits and _.:/@-")
    for key in ("partitions", "qos"):
        if not getattr(config, key):
            raise ConfigError(f"{path}: {key} needs at least one name")
    if any(name == "gpu" or name.startswith("gpu:") for name in config.gres):
        raise ConfigError(f"{path}: gres: gpu is counted by the setting gpus")
    for name in config.gres:
        if name in config.licenses:
            raise ConfigError(f"{path}: {name!r} is both a gres and a license")


def _memory_bytes(text: str, path: str = "config.toml") -> int:
    if not text:
        return 0
    found = _MEMORY.fullmatch(text.strip())
    if found is None:
        raise ConfigError(f"{path}: memory is a size with its unit (24G, 512M, 1.5T), not {text[:60]!r}")
    size = int(float(found[1]) * (1 << 10 * ("KMGTP".index(found[2].upper()) + 1)))
    if size == 0:
        raise ConfigError(f"{path}: memory is more than nothing (leave it empty for what the machine has)")
    return size
