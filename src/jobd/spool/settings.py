"""What the spool is told: its folders and rules, from spool.toml, from a QMserv.cfg, from the command line; in this order, the last one wins."""

import os
import tomllib
from typing import Any, NamedTuple

from jobd import paths, qmserv
from jobd.errors import ConfigError
from jobd.limits import NB_PROC_LIMIT

BLOCKING = "blocking"
NON_BLOCKING = "non-blocking"
QUIET_S_MAX = 86400.0
HIDDEN = ".jobd-spool"  # of the spool's own files: in its folder, and in that of each job


class Settings(NamedTuple):
    """All of it, checked. The fields are the keys of spool.toml."""

    folder: str = ""  # the folder of the folders below; absolute
    queue: str = "QM_qJobs"
    running: str = "QM_Jobs"
    done: str = "QM_dJobs"
    lost: str = "QM_lost+found"
    quiet_s: float = 2.0  # a folder that is being copied is complete after so long without a change
    incomplete_s: float = 60.0  # one that has no info file yet is given up after so long without a change
    max_nb_proc: int = 0  # a job that asks for more gets this; 0: no such limit but the server's
    job_file: str = ""  # the name of the info file in each folder; "": the one file that is an info file
    launch_type: str = NON_BLOCKING
    mail: bool = True  # whether e_mail of an info file is heeded
    debug: bool = False

    def check(self, where: str) -> "Settings":
        """Itself.

        Raises:
            ConfigError: a value is impossible.
        """
        names = (self.queue, self.running, self.done, self.lost)
        for key, name in zip(("queue", "running", "done", "lost"), names, strict=True):
            if (
                not name
                or "/" in name
                or "\0" in name
                or name.startswith(".")
                or len(os.fsencode(name)) > 255
            ):
                raise ConfigError(
                    f"{where}: {key} is the name of a folder in the spool's folder, not {name[:60]!r}"
                )
        if len(set(names)) < len(names):
            raise ConfigError(
                f"{where}: queue, running, done and lost are four folders, not {', '.join(names)}"
            )
        for key, value in (("quiet_s", self.quiet_s), ("incomplete_s", self.incomplete_s)):
            if not 0 <= value <= QUIET_S_MAX:
                raise ConfigError(f"{where}: {key} is from 0 to {QUIET_S_MAX:.0f} seconds, not {value}")
        if not 0 <= self.max_nb_proc <= NB_PROC_LIMIT:
            raise ConfigError(
                f"{where}: max_nb_proc is from 0 (no limit) to {NB_PROC_LIMIT}, not {self.max_nb_proc}"
            )
        if self.job_file in (".", "..") or "/" in self.job_file or "\0" in self.job_file:
            raise ConfigError(f"{where}: job_file is the name of a file, not {self.job_file[:60]!r}")
        if self.job_file and not self.job_file.lower().endswith((".cfg", ".xml")):
            raise ConfigError(f"{where}: job_file ends with .cfg or .xml, not {self.job_file[:60]!r}")
        if self.launch_type not in (BLOCKING, NON_BLOCKING):
            raise ConfigError(
                f"{where}: launch_type is {BLOCKING} or {NON_BLOCKING}, not {self.launch_type[:60]!r}"
            )
        return self


def config_file() -> str:
    """spool.toml; it need not exist."""
    return os.path.join(os.path.dirname(paths.config_file()), "spool.toml")


def load(path: str) -> dict[str, Any]:
    """What spool.toml says; {} if there is none. Its key `qm` names a QMserv.cfg, whose values stand below its own.

    Raises:
        ConfigError: it cannot be read, or says something impossible.
    """
    try:
        with open(path, "rb") as file:
            table = tomllib.load(file)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: no TOML: {error}") from error
    known = ["qm", *Settings._fields]
    for key, value in table.items():
        if key not in known:
            raise ConfigError(f"{path}: no setting {key!r} (there are: {', '.join(known)})")
        _check_kind(path, key, value)
    for key in ("folder", "qm"):
        if table.get(key):
            table[key] = _absolute(table[key], os.path.dirname(path))
    own = {key: value for key, value in table.items() if key != "qm"}
    Settings(**own).check(path)
    return {**of_qm(table["qm"]), **own} if table.get("qm") else own


def of_qm(path: str) -> dict[str, Any]:
    """What a QMserv.cfg says, in our keys.

    Raises:
        ConfigError: it cannot be read, or says something impossible.
    """
    found = qmserv.server(path)
    values: dict[str, Any] = {}
    if found.folder is not None:
        values["folder"] = _absolute(found.folder, os.path.dirname(os.path.abspath(path)))
    for key, value in (
        ("max_nb_proc", found.max_nb_proc),
        ("job_file", found.job_file),
        ("launch_type", found.launch_type),
        ("mail", found.is_mailing),
        ("debug", found.is_debugging),
    ):
        if value is not None:
            values[key] = value
    Settings(**values).check(path)
    return values


def _check_kind(path: str, key: str, value: Any) -> None:
    default = "" if key == "qm" else Settings._field_defaults[key]
    if isinstance(default, bool):
        if type(value) is not bool:
            raise ConfigError(f"{path}: {key} is true or false, not {str(value)[:60]!r}")
    elif isinstance(default, int | float):
        if type(value) not in ((int,) if type(default) is int else (int, float)):
            raise ConfigError(f"{path}: {key} is a number, not {str(value)[:60]!r}")
    elif type(value) is not str:
        raise ConfigError(f"{path}: {key} is a text, not {str(value)[:60]!r}")


def _absolute(path: str, base: str) -> str:
    return os.path.normpath(os.path.join(base, os.path.expanduser(path)))
