"""QMserv.cfg, the configuration of QM, read as it is. What is not there is None; what is unknown is left alone.

[QMServer]        QM_FOLDER, MaxNbProcessors, job_file, MailActive, launch_type, Debug
[WEB_QMserver]    Host, The_Port, Refresh_Rate, Display_details, Delete_Jobs, Licence_to_kill, Debug
"""

import configparser
from typing import NamedTuple

from jobd.errors import ConfigError

SIZE_MAX = 1 << 20
NB_PROC_MAX = 1 << 20
_YES_NO = configparser.ConfigParser.BOOLEAN_STATES


class Page(NamedTuple):
    """What the section WEB_QMserver says."""

    host: str | None = None
    port: int | None = None
    refresh_s: int | None = None
    is_detailed: bool | None = None
    may_delete: bool | None = None  # waiting and done jobs
    may_kill: bool | None = None  # running jobs
    is_debugging: bool | None = None


class Server(NamedTuple):
    """What the section QMServer says."""

    folder: str | None
    max_nb_proc: int | None
    job_file: str | None
    is_mailing: bool | None
    launch_type: str | None
    is_debugging: bool | None


def server(path: str) -> Server:
    """What that file says of the jobs.

    Raises:
        ConfigError: it cannot be read, has no such section, or says something impossible.
    """
    parser = _read(path)
    if not parser.has_section("QMServer"):
        raise ConfigError(f"{path}: no section [QMServer]")
    section = _Section(path, parser, "QMServer")
    return Server(
        folder=section.text("QM_FOLDER"),
        max_nb_proc=section.number("MaxNbProcessors", 1, NB_PROC_MAX),
        job_file=section.text("job_file"),
        is_mailing=section.flag("MailActive"),
        launch_type=_launch_type(section),
        is_debugging=section.flag("Debug"),
    )


def page(path: str) -> Page:
    """What that file says of the page; nothing, if it has no such section.

    Raises:
        ConfigError: it cannot be read, or says something impossible.
    """
    section = _Section(path, _read(path), "WEB_QMserver")
    return Page(
        host=section.text("Host"),
        port=section.number("The_Port", 1, 65535),
        refresh_s=section.number("Refresh_Rate", 0, 86400),
        is_detailed=section.flag("Display_details"),
        may_delete=section.flag("Delete_Jobs"),
        may_kill=section.flag("Licence_to_kill"),
        is_debugging=section.flag("Debug"),
    )


def _read(path: str) -> configparser.ConfigParser:
    try:
        with open(path, encoding="utf-8-sig", errors="surrogateescape") as file:
            text = file.read(SIZE_MAX + 1)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    if len(text) > SIZE_MAX:
        raise ConfigError(f"{path}: larger than {SIZE_MAX} bytes")
    parser = configparser.ConfigParser(interpolation=None, strict=False, inline_comment_prefixes=("#", ";"))
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise ConfigError(f"{path}: {' '.join(str(error).split())}") from error
    return parser


class _Section:
    """One section; what is missing or empty in it is None."""

    def __init__(self, path: str, parser: configparser.ConfigParser, name: str) -> None:
        self.where = f"{path}: [{name}]"
        self._values = parser[name] if parser.has_section(name) else {}

    def text(self, key: str) -> str | None:
        return (self._values.get(key.lower()) or "").strip().strip("\"'") or None

    def number(self, key: str, low: int, high: int) -> int | None:
        """A whole number; one that is written as 5.0, or halves of seconds, are rounded."""
        text = self.text(key)
        if text is None:
            return None
        try:
            value = round(float(text))
        except (ValueError, OverflowError):
            value = low - 1
        if not low <= value <= high:
            raise ConfigError(f"{self.where} {key} is a number from {low} to {high}, not {text[:60]!r}")
        return value

    def flag(self, key: str) -> bool | None:
        text = self.text(key)
        if text is None:
            return None
        if text.lower() not in _YES_NO:
            raise ConfigError(f"{self.where} {key} is True or False, not {text[:60]!r}")
        return _YES_NO[text.lower()]


def _launch_type(section: _Section) -> str | None:
    text = section.text("launch_type")
    return None if text is None else text.lower().replace("_", "-").replace("nonblocking", "non-blocking")
