"""notify.toml: where notices go, and what is told of jobs that say nothing themselves. docs/notify.md has it for users.

Unknown keys and impossible values are errors that name them. No password stands in it: it is in a file of its own, which others must not
be able to read.
"""

import os
import re
import stat
import tomllib
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from jobd import paths
from jobd.errors import ConfigError, UsageError
from jobd.notify import kinds
from jobd.notify.kinds import Rule
from jobd.slurm.times import parse_delay_s

SMTP, SENDMAIL = "smtp", "sendmail"
SENDMAILS = ("/usr/sbin/sendmail", "/usr/lib/sendmail")
PASSWORD_CHARS_MAX = 4096

_KEYS = ("notify", "mail", "default", "keep", "retry", "timeout", "lines")
_MAIL_KEYS = ("from", "to", "domain", "password_file", "ca_file")
_RULE_KEYS = ("on", "after", "names", "to", "all")
_PORTS = {"smtp": 587, "smtps": 465}
_SECURITIES = ("starttls", "none")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")


class MailServer(NamedTuple):
    """How mail leaves this machine."""

    kind: str  # SMTP or SENDMAIL
    host: str = ""
    port: int = 0
    user: str = ""
    security: str = "tls"  # tls, starttls, none
    program: str = ""  # of SENDMAIL

    @property
    def text(self) -> str:
        """For a person."""
        if self.kind == SENDMAIL:
            return f"sendmail ({self.program})"
        user = f"{self.user}@" if self.user else ""
        how = {"tls": "TLS", "starttls": "STARTTLS", "none": "no encryption"}[self.security]
        return f"mail by {user}{self.host}:{self.port} ({how})"


class Config(NamedTuple):
    """The configuration, checked."""

    path: str
    mail: MailServer | None = None
    services: tuple[str, ...] = ()  # URLs of apprise
    sender: str = ""  # "" for user@host
    to: tuple[str, ...] = ()  # for jobs that name nobody
    domain: str = ""  # of addresses without one
    password_file: str = ""
    ca_file: str = ""
    rules: tuple[Rule, ...] = ()
    keep_s: float = 3 * 86400.0
    retry_s: float = 5.0  # the first pause after a failure
    timeout_s: float = 30.0
    lines: int = 20  # of output in a notice

    def password(self) -> str:
        """What the password file has, without the end of its line; "" where there is none.

        Raises:
            ConfigError: it cannot be read, others can read it, or it is empty.
        """
        return _read_password(self.password_file) if self.password_file else ""


def config_file() -> str:
    """The file; it need not exist."""
    return os.path.join(os.path.dirname(paths.config_file()), "notify.toml")


def load(path: str | None = None) -> Config:
    """The configuration in that file; without one local mail, if there is a sendmail.

    Raises:
        ConfigError: it cannot be read, or says something impossible.
    """
    is_named = path is not None
    path = path or config_file()
    try:
        with open(path, "rb") as file:
            table = tomllib.load(file)
    except OSError as error:
        if is_named or not isinstance(error, FileNotFoundError):
            raise ConfigError(f"{path}: {error.strerror}") from error
        table = {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: no TOML: {error}") from error
    return from_table(table, path)


def from_table(table: dict[str, Any], path: str = "notify.toml") -> Config:
    """The configuration of a TOML table.

    Raises:
        ConfigError: an unknown key or an impossible value.
    """
    _check_keys(path, "", table, _KEYS)
    mail_table = table.get("mail", {})
    if type(mail_table) is not dict:
        raise ConfigError(f"{path}: mail is a table ([mail])")
    _check_keys(path, "mail: ", mail_table, _MAIL_KEYS)
    urls = _texts(path, "notify", table.get("notify"))
    servers: list[str] = []
    services: list[str] = []
    for url in urls if urls is not None else _local_mail():
        (servers if _scheme(url) in (*_PORTS, SENDMAIL) else services).append(url)
    if len(servers) > 1:
        raise ConfigError(f"{path}: notify has {len(servers)} ways for mail; one is enough")
    try:
        mail = mail_server(servers[0]) if servers else None
    except UsageError as error:
        raise ConfigError(f"{path}: notify: {error}") from error
    for url in services:
        if "://" not in url:
            raise ConfigError(
                f"{path}: notify: {url[:60]!r} is no URL (smtp://user@host, sendmail://, slack://…)"
            )
    domain = _text(path, "mail: domain", mail_table.get("domain", ""))
    if domain and not _NAME.fullmatch(domain):
        raise ConfigError(f"{path}: mail: domain {domain[:60]!r} is no name of a host")
    sender = _text(path, "mail: from", mail_table.get("from", ""))
    to = kinds.addresses_of(" ".join(_texts(path, "mail: to", mail_table.get("to", [])) or ()))
    for address in (*to, *((sender,) if sender else ())):
        _check_address(path, address)
    password_file, ca_file = (
        os.path.expanduser(_text(path, f"mail: {key}", mail_table.get(key, "")))
        for key in ("password_file", "ca_file")
    )
    config = Config(
        path,
        mail,
        tuple(services),
        sender,
        to,
        domain,
        password_file,
        ca_file,
        _rules(path, table.get("default", [])),
        _span(path, "keep", table.get("keep", "3d")),
        _span(path, "retry", table.get("retry", "5s")),
        _span(path, "timeout", table.get("timeout", "30s")),
        _count(path, "lines", table.get("lines", 20)),
    )
    for key, value in (("timeout", config.timeout_s), ("retry", config.retry_s)):
        if not 1 <= value <= 600:
            raise ConfigError(f"{path}: {key} is from 1s to 10m")
    if config.password_file and (mail is None or not mail.user):
        raise ConfigError(f"{path}: mail: password_file needs a user (smtp://user@host)")
    if mail is not None and mail.user and not config.password_file:
        raise ConfigError(f"{path}: mail: {mail.user}@{mail.host} needs a password_file")
    return config


def check_files(config: Config) -> None:
    """Look at the files that it names.

    Raises:
        ConfigError: one cannot be used.
    """
    config.password()
    if config.ca_file:
        import ssl

        try:
            ssl.create_default_context(cafile=config.ca_file)
        except OSError as error:
            raise ConfigError(f"{config.ca_file}: no certificates: {error.strerror or error}") from error
    if config.services and is_open_to_others(config.path):
        raise ConfigError(
            f"{config.path}: others can read it, and its addresses may hold secrets (chmod 600 {config.path})"
        )


def is_open_to_others(path: str) -> bool:
    """Whether anybody else may read that file."""
    try:
        return bool(os.stat(path).st_mode & 0o077)
    except OSError:
        return False


def mail_server(url: str) -> MailServer:
    """What a URL of ours names: smtp://user@host:587, smtps://host, sendmail://, sendmail:///usr/bin/msmtp.

    Raises:
        UsageError: it makes no sense.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
        query = parse_qs(parts.query, strict_parsing=True, max_num_fields=10) if parts.query else {}
    except ValueError as error:
        raise UsageError(f"{url[:80]!r}: {error}") from error
    if parts.scheme.lower() == SENDMAIL:
        program = unquote(parts.path)
        if parts.netloc or parts.query or parts.fragment:
            raise UsageError(f"{url[:80]!r}: sendmail:// or sendmail:///path/of/the/program")
        if not program:
            program = next((path for path in SENDMAILS if os.access(path, os.X_OK)), "")
            if not program:
                raise UsageError("there is no local sendmail on this machine")
        if not os.access(program, os.X_OK) or not os.path.isfile(program):
            raise UsageError(f"{program!r} is no program")
        return MailServer(SENDMAIL, program=program)
    scheme = parts.scheme.lower()
    if scheme not in _PORTS:
        raise UsageError(f"{url[:40]!r}: smtp://, smtps:// or sendmail://")
    if parts.password is not None:
        raise UsageError(f"{scheme}://{parts.hostname}: the password belongs into a file (password_file)")
    if not parts.hostname or parts.path not in ("", "/") or parts.fragment:
        raise UsageError(f"{url[:80]!r}: {scheme}://user@host:port")
    unknown = set(query) - {"security"}
    security = query.get("security", ["starttls"])[-1]
    if unknown or (scheme == "smtps" and query) or security not in _SECURITIES:
        raise UsageError(
            f"{url[:80]!r}: behind the ? only security=starttls or security=none, and that of smtp:// only"
        )
    user = unquote(parts.username or "")
    if user and security == "none":
        raise UsageError(
            f"{scheme}://{parts.hostname}: no password goes over an open line (security=none with a user)"
        )
    return MailServer(
        SMTP, parts.hostname, port or _PORTS[scheme], user, "tls" if scheme == "smtps" else security
    )


def _scheme(url: str) -> str:
    return url.partition(":")[0].lower()


def _local_mail() -> list[str]:
    return ["sendmail://"] if any(os.access(path, os.X_OK) for path in SENDMAILS) else []


def _read_password(path: str) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(descriptor, encoding="utf-8") as file:
            status = os.fstat(descriptor)
            text = file.read(PASSWORD_CHARS_MAX + 1) if stat.S_ISREG(status.st_mode) else ""
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: no UTF-8") from error
    if not stat.S_ISREG(status.st_mode):
        raise ConfigError(f"{path}: no file")
    if status.st_mode & 0o077:
        raise ConfigError(f"{path}: others can read the password (chmod 600 {path})")
    password = text.removesuffix("\n").removesuffix("\r")
    if not password or len(text) > PASSWORD_CHARS_MAX or "\n" in password:
        raise ConfigError(f"{path}: one line with the password")
    return password


# ---- values
def _rules(path: str, value: Any) -> tuple[Rule, ...]:
    tables = [value] if type(value) is dict else value
    if type(tables) is not list or not all(type(table) is dict for table in tables):
        raise ConfigError(f"{path}: default is a table, or several ([[default]])")
    rules = []
    for number, table in enumerate(tables, 1):
        where = "default: " if len(tables) == 1 else f"default {number}: "
        _check_keys(path, where, table, _RULE_KEYS)
        words = _texts(path, f"{where}on", table.get("on", ["FAIL"])) or ()
        if wrong := kinds.unknown(words):
            raise ConfigError(f"{path}: {where}on: no {wrong[0]!r} (there are: {', '.join(kinds.WORDS)})")
        if type(table.get("all", False)) is not bool:
            raise ConfigError(f"{path}: {where}all is true or false")
        to = kinds.addresses_of(" ".join(_texts(path, f"{where}to", table.get("to", [])) or ()))
        for address in to:
            _check_address(path, address)
        rules.append(
            Rule(
                kinds.parse(",".join(words)),
                _span(path, f"{where}after", table.get("after", "0")),
                tuple(_texts(path, f"{where}names", table.get("names", [])) or ()),
                to,
                table.get("all", False),
            )
        )
    return tuple(rules)


def _check_address(path: str, address: str) -> None:
    from jobd.notify.message import checked_address

    try:
        checked_address(address)
    except UsageError as error:
        raise ConfigError(f"{path}: {error}") from error


def _check_keys(path: str, where: str, table: dict[str, Any], known: tuple[str, ...]) -> None:
    for key in table:
        if key not in known:
            raise ConfigError(f"{path}: {where}no setting {key!r} (there are: {', '.join(known)})")


def _text(path: str, key: str, value: Any) -> str:
    if type(value) is not str or not value.isprintable():
        raise ConfigError(f"{path}: {key} is a text, not {str(value)[:60]!r}")
    return value


def _texts(path: str, key: str, value: Any) -> list[str] | None:
    """A list of texts, or one; None where the key is missing."""
    if value is None:
        return None
    found = [value] if type(value) is str else value
    if type(found) is not list or not all(type(one) is str and one and one.isprintable() for one in found):
        raise ConfigError(f"{path}: {key} is a list of texts, not {str(value)[:60]!r}")
    return found


def _span(path: str, key: str, value: Any) -> float:
    try:
        return float(parse_delay_s(_text(path, key, value)))
    except UsageError as error:
        raise ConfigError(f"{path}: {key}: {error}") from error


def _count(path: str, key: str, value: Any) -> int:
    if type(value) is not int or not 0 <= value <= 1000:
        raise ConfigError(f"{path}: {key} is a number from 0 to 1000, not {str(value)[:60]!r}")
    return value
