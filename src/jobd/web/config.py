"""web.toml: every setting of the page, its default and its meaning; and what an old QMserv.cfg says of the page.

An unknown key or an impossible value is an error that names it. Without any file the page is for reading only.
"""

import os
import re
import tomllib
from typing import Any, NamedTuple

from jobd import paths, qmserv
from jobd.errors import ConfigError

ACTIONS = ("cancel", "hold", "release", "rerun", "set-nb-proc", "delete")
LOOPBACK = ("127.0.0.1", "::1", "localhost")

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_NAMES_MAX = 100


class Setting(NamedTuple):
    """One key of web.toml."""

    default: Any
    low: float | None  # smallest and largest value of a number
    high: float | None
    meaning: str


SETTINGS: dict[str, Setting] = {
    "host": Setting(
        "127.0.0.1",
        None,
        None,
        "where it listens: 127.0.0.1, ::1 or localhost; nobody else's machine can come there",
    ),
    "port": Setting(8000, 1, 65535, "the port there"),
    "socket": Setting(
        "", None, None, "a unix socket instead, by its path; for ssh -L, or a web server before it"
    ),
    "hosts": Setting([], None, None, "names under which a web server before it offers it, besides localhost"),
    "allow": Setting(
        [],
        None,
        None,
        f'what the page may do besides showing: any of {", ".join(ACTIONS)}; ["all"] for all of them',
    ),
    "details": Setting(True, None, None, "show folders, command lines, scripts and outputs of jobs"),
    "refresh_s": Setting(
        10, 0, 3600, "seconds after which a browser without scripts loads a page again; 0: it does not"
    ),
    "session_days": Setting(30, 1, 3650, "days after which a browser must show the token again"),
    "viewers_max": Setting(50, 1, 1000, "live pages at a time; more are told to come again"),
    "output_kb": Setting(64, 1, 4096, "kilobytes of a job's output that are shown: the last ones"),
    "rows": Setting(200, 10, 2000, "rows of the queue that are shown, the first ones"),
    "sample_s": Setting(10, 1, 3600, "seconds between two measurements of what running jobs use"),
    "usage_days": Setting(90, 1, 3650, "days for which measurements are kept"),
    "debug": Setting(False, None, None, "write each request to the log"),
}


class Config(NamedTuple):
    """The settings, checked."""

    host: str = "127.0.0.1"
    port: int = 8000
    socket: str = ""
    hosts: list[str] = []
    allow: frozenset[str] = frozenset()
    details: bool = True
    refresh_s: int = 10
    session_days: int = 30
    viewers_max: int = 50
    output_kb: int = 64
    rows: int = 200
    sample_s: int = 10
    usage_days: int = 90
    debug: bool = False

    @property
    def output_bytes(self) -> int:
        """How much of an output is shown."""
        return self.output_kb << 10


def config_file() -> str:
    """The file of the page's settings; it need not exist."""
    return os.path.join(os.path.dirname(paths.config_file()), "web.toml")


def load(path: str) -> dict[str, Any]:
    """What stands in web.toml; nothing if there is none.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: no TOML: {error}") from error


def from_table(table: dict[str, Any], path: str = "web.toml") -> Config:
    """The configuration of a TOML table.

    Raises:
        ConfigError: an unknown key or an impossible value.
    """
    for key in table:
        if key not in SETTINGS:
            raise ConfigError(f"{path}: no setting {key!r} (there are: {', '.join(SETTINGS)})")
    values = {key: _value(path, key, table.get(key, SETTINGS[key].default)) for key in SETTINGS}
    values["allow"] = _actions(path, values["allow"])
    if values["host"] not in LOOPBACK:
        raise ConfigError(
            f"{path}: host is one of {', '.join(LOOPBACK)}, not {values['host'][:60]!r}: the page is for this machine"
            " (for others put a web server with TLS before it)"
        )
    for name in values["hosts"]:
        if not _HOST.fullmatch(name):
            raise ConfigError(f"{path}: hosts: {name[:60]!r} is no name of a machine")
    if values["socket"] and not os.path.isabs(values["socket"]):
        raise ConfigError(f"{path}: socket is a path that begins with /, not {values['socket'][:60]!r}")
    return Config(**values)


def _value(path: str, key: str, value: Any) -> Any:
    setting = SETTINGS[key]
    if isinstance(setting.default, bool):
        if type(value) is not bool:
            raise ConfigError(f"{path}: {key} is true or false, not {value!r}")
    elif isinstance(setting.default, int):
        if type(value) is not int:
            raise ConfigError(f"{path}: {key} is a whole number, not {value!r}")
        if not (setting.low or 0) <= value <= (setting.high or 0):
            raise ConfigError(f"{path}: {key} is from {setting.low} to {setting.high}, not {value!r}")
    elif isinstance(setting.default, list):
        if type(value) is not list or not all(type(item) is str for item in value):
            raise ConfigError(f"{path}: {key} is a list of names, not {value!r}")
        if len(value) > _NAMES_MAX:
            raise ConfigError(f"{path}: {key} has {len(value)} names, at most {_NAMES_MAX}")
    elif type(value) is not str or "\0" in value:
        raise ConfigError(f"{path}: {key} is a text, not {str(value)[:60]!r}")
    return value


def _actions(path: str, names: list[str]) -> frozenset[str]:
    for name in names:
        if name not in ACTIONS and name != "all":
            raise ConfigError(
                f"{path}: allow: no action {name[:60]!r} (there are: {', '.join(ACTIONS)}, all)"
            )
    return frozenset(ACTIONS) if "all" in names else frozenset(names)


# ---- QMserv.cfg -----------------------------------------------------------------------------------------------
def from_qm(path: str) -> dict[str, Any]:
    """What the section WEB_QMserver of a QMserv.cfg says, as web.toml would; the keys of its other sections are not ours.

    Host: localhost, or the machine's name, under which the page then answers too. Delete_Jobs: waiting jobs may be cancelled, held and
    released, finished ones forgotten. Licence_to_kill: running ones may be cancelled too; we make no difference between the two.

    Raises:
        ConfigError: it cannot be read, or a value is impossible.
    """
    said = qmserv.page(path)
    found: dict[str, Any] = {
        key: value
        for key, value in (
            ("port", said.port),
            ("refresh_s", said.refresh_s),
            ("details", said.is_detailed),
            ("debug", said.is_debugging),
        )
        if value is not None
    }
    if said.host is not None and said.host not in LOOPBACK:
        found["hosts"] = [said.host]
    if said.may_delete is not None or said.may_kill is not None:
        found["allow"] = (["delete", "hold", "release"] if said.may_delete else []) + (
            ["cancel"] if said.may_kill else []
        )
    return found
