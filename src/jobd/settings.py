"""The configuration: every setting, its default and its meaning. docs/configuration.md is made from this file.

config.toml holds any of the keys below; a missing file means the defaults. An unknown key or an impossible value is an
error that names it: a server that silently ignores a limit is worse than one that does not start.
"""

import tomllib
from typing import Any, NamedTuple

from jobd.errors import ConfigError
from jobd.states import OnKill


class Setting(NamedTuple):
    """One key of config.toml."""

    default: Any
    low: float | None  # smallest and largest value of a number
    high: float | None
    choices: tuple[str, ...]
    meaning: str


def _number(default: float, low: float, high: float, meaning: str) -> Setting:
    return Setting(default, low, high, (), meaning)


def _choice(default: str, choices: tuple[str, ...], meaning: str) -> Setting:
    return Setting(default, None, None, choices, meaning)


def _flag(default: bool, meaning: str) -> Setting:
    return Setting(default, None, None, (), meaning)


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
    "thread_variables": Setting(
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
        None,
        None,
        (),
        "variables set to the number of procs, where the caller has not set them",
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
    thread_variables: list[str]


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
    return Config(**values)


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
    elif value not in setting.choices:
        raise ConfigError(f"{path}: {key} is one of {', '.join(setting.choices)}, not {value!r}")
    return value
