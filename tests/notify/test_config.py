"""notify.toml: what it may say, and one line for what it may not."""

from pathlib import Path
from typing import Any

import pytest

from jobd.errors import ConfigError, JobdError
from jobd.notify import config as configuration
from jobd.notify.config import MailServer
from jobd.notify.kinds import Rule


def from_table(**table: Any) -> configuration.Config:
    return configuration.from_table(table, "notify.toml")


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example.org", MailServer("smtp", "mail.example.org", 587, "", "starttls")),
        ("smtp://mail.example.org:25?security=none", MailServer("smtp", "mail.example.org", 25, "", "none")),
        (
            "smtps://me%40example.org@mail.example.org",
            MailServer("smtp", "mail.example.org", 465, "me@example.org", "tls"),
        ),
        ("smtp://[::1]:2525", MailServer("smtp", "::1", 2525, "", "starttls")),
        ("sendmail:///bin/true", MailServer("sendmail", program="/bin/true")),
    ],
)
def test_a_way_for_mail_is_one_url(url: str, server: MailServer) -> None:
    assert configuration.mail_server(url) == server


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ({"notfy": []}, "no setting 'notfy' (there are: notify, mail, default, keep, retry, timeout, lines)"),
        ({"mail": {"pasword_file": "x"}}, "mail: no setting 'pasword_file'"),
        ({"mail": []}, "mail is a table ([mail])"),
        ({"notify": 3}, "notify is a list of texts, not '3'"),
        ({"notify": ["smtp://a", "smtps://b"]}, "notify has 2 ways for mail; one is enough"),
        (
            {"notify": ["smtp://me:secret@a"]},
            "notify: smtp://a: the password belongs into a file (password_file)",
        ),
        ({"notify": ["smtp://a?security=maybe"]}, "notify: 'smtp://a?security=maybe': behind the ?"),
        ({"notify": ["smtps://a?security=none"]}, "behind the ?"),
        ({"notify": ["smtp://me@a?security=none"]}, "no password goes over an open line"),
        ({"notify": ["smtp://a:99999"]}, "notify: 'smtp://a:99999'"),
        ({"notify": ["smtp://"]}, "smtp://user@host:port"),
        ({"notify": ["sendmail:///nowhere/sendmail"]}, "'/nowhere/sendmail' is no program"),
        ({"notify": ["slack"]}, "'slack' is no URL"),
        ({"notify": ["smtp://me@a"]}, "mail: me@a needs a password_file"),
        (
            {"notify": ["smtp://a"], "mail": {"password_file": "x"}},
            "password_file needs a user (smtp://user@host)",
        ),
        ({"notify": [], "mail": {"from": "a\nb"}}, "mail: from is a text"),
        ({"notify": [], "mail": {"from": "a b"}}, "'a b' is no address for mail"),
        ({"notify": [], "mail": {"to": ["<x@y>"]}}, "'<x@y>' is no address for mail"),
        ({"notify": [], "mail": {"domain": "-x"}}, "domain '-x' is no name of a host"),
        ({"notify": [], "default": {"on": ["FAILED"]}}, "default: on: no 'FAILED' (there are: BEGIN, END,"),
        ({"notify": [], "default": [{}, {"after": "soon"}]}, "default 2: after: 'soon' is no span of time"),
        ({"notify": [], "default": {"all": 1}}, "default: all is true or false"),
        ({"notify": [], "keep": 3}, "keep is a text"),
        ({"notify": [], "timeout": "0"}, "timeout is from 1s to 10m"),
        ({"notify": [], "retry": "1d"}, "retry is from 1s to 10m"),
        ({"notify": [], "lines": -1}, "lines is a number from 0 to 1000"),
    ],
)
def test_what_cannot_be_is_one_line_that_names_it(table: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_table(**table)
    text = str(caught.value)
    assert text.startswith("notify.toml: ") and line in text and "\n" not in text


def test_rules_and_spans() -> None:
    config = from_table(
        notify=[],
        keep="12h",
        lines=0,
        default=[
            {"on": ["FAIL", "TIME_LIMIT"], "after": "10m", "to": "a@b c@d"},
            {"names": ["x*"], "all": True},
        ],
    )
    assert config.rules == (
        Rule(frozenset({"FAIL", "TIME_LIMIT"}), 600.0, (), ("a@b", "c@d")),
        Rule(frozenset({"FAIL"}), 0.0, ("x*",), (), True),
    )
    assert (config.keep_s, config.lines, config.timeout_s) == (43200.0, 0, 30.0)


def test_without_a_file_mail_is_local_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "sendmail"
    monkeypatch.setattr(configuration, "SENDMAILS", (str(program),))
    monkeypatch.setattr(configuration, "config_file", lambda: str(tmp_path / "notify.toml"))
    assert configuration.load().mail is None
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    config = configuration.load()
    assert config.mail == MailServer("sendmail", program=str(program))
    with pytest.raises(ConfigError, match="No such file"):
        configuration.load(str(tmp_path / "notify.toml"))


@pytest.mark.parametrize(
    ("text", "mode", "line"),
    [
        ("x\n", 0o640, "others can read the password (chmod 600"),
        ("", 0o600, "one line with the password"),
        ("a\nb\n", 0o600, "one line"),
    ],
)
def test_a_password_is_one_line_that_nobody_else_can_read(
    tmp_path: Path, text: str, mode: int, line: str
) -> None:
    path = tmp_path / "password"
    path.write_text(text)
    path.chmod(mode)
    config = from_table(notify=["smtp://me@a"], mail={"password_file": str(path)})
    with pytest.raises(ConfigError, match=line.replace("(", r"\(")):
        configuration.check_files(config)
    path.write_text("se cret \n")
    path.chmod(0o600)
    assert config.password() == "se cret "


def test_other_files_are_looked_at(tmp_path: Path) -> None:
    for table, line in (
        ({"notify": ["smtp://me@a"], "mail": {"password_file": str(tmp_path)}}, "no file|Is a directory"),
        ({"notify": ["smtp://me@a"], "mail": {"password_file": str(tmp_path / "no")}}, "No such file"),
        ({"notify": ["smtp://a"], "mail": {"ca_file": str(tmp_path / "no")}}, "no certificates"),
    ):
        with pytest.raises(JobdError, match=line):
            configuration.check_files(from_table(**table))
    path = tmp_path / "notify.toml"
    path.write_text('notify = ["json://localhost"]\n')
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="others can read it"):
        configuration.check_files(configuration.load(str(path)))


@pytest.mark.parametrize("data", [b"notify = [", b"\xff\xfe"])
def test_what_is_no_toml_is_said(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "notify.toml").write_bytes(data)
    with pytest.raises(ConfigError, match="no TOML"):
        configuration.load(str(tmp_path / "notify.toml"))
