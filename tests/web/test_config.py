"""web.toml and the page's part of QMserv.cfg: what they may say, and that each mistake is named."""

import json
from pathlib import Path
from typing import Any

import pytest

from jobd.errors import ConfigError
from jobd.web import config
from jobd.web.config import ACTIONS, Config, from_qm, from_table, load
from jobd.web.main import build_parser, main

QM = """[QMServer]
QM_FOLDER : /tmp/QM
MaxNbProcessors : 12
[WEB_QMserver]
Host : localhost
The_Port : 8111
Refresh_Rate : 5.0
Display_details : True
Delete_Jobs : True
Licence_to_kill : False
Debug : False
"""


def test_without_a_file_it_is_for_reading_only(tmp_path: Path) -> None:
    assert load(str(tmp_path / "web.toml")) == {}
    assert from_table({}) == Config() and Config().allow == frozenset() and Config().host == "127.0.0.1"


def test_the_defaults_of_the_two_tables_agree() -> None:
    for key, setting in config.SETTINGS.items():
        assert getattr(Config(), key) == (frozenset() if key == "allow" else setting.default)


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "web.toml"
    path.write_text('port = 9000\nallow = ["cancel", "hold"]\nhosts = ["jobs.example.org"]\nrefresh_s = 0\n')
    found = from_table(load(str(path)), str(path))
    assert (found.port, found.allow, found.refresh_s) == (9000, {"cancel", "hold"}, 0)
    assert from_table({"allow": ["all"]}).allow == set(ACTIONS)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"prot": 1}, "no setting 'prot'"),
        ({"port": 0}, "port is from 1 to 65535"),
        ({"port": "80"}, "port is a whole number"),
        ({"port": True}, "port is a whole number"),
        ({"host": "0.0.0.0"}, "host is one of"),
        ({"host": 7}, "host is a text"),
        ({"allow": ["kill"]}, "no action 'kill'"),
        ({"allow": "all"}, "allow is a list"),
        ({"hosts": ["a b"]}, "no name of a machine"),
        ({"hosts": ["x"] * 101}, "at most 100"),
        ({"socket": "here"}, "begins with /"),
        ({"details": 1}, "details is true or false"),
        ({"viewers_max": 0}, "viewers_max is from 1"),
    ],
)
def test_a_mistake_is_named(table: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        from_table(table)


@pytest.mark.parametrize("text", ["port = ", "port = 1\nport = 2", b"\xff".decode("latin-1") + "="])
def test_what_is_no_toml_is_said(tmp_path: Path, text: str) -> None:
    path = tmp_path / "web.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match="no TOML"):
        load(str(path))


def test_every_setting_is_documented_with_its_default() -> None:
    page = (Path(__file__).parents[2] / "docs" / "web.md").read_text()
    rows = {
        cells[1].strip(): cells[2].strip() for line in page.splitlines() if len(cells := line.split("|")) == 5
    }
    told = {}
    for names, defaults in rows.items():
        told |= dict(zip(names.split(", "), defaults.split(", "), strict=False))
    for key, setting in config.SETTINGS.items():
        assert told[f"`{key}`"] == f"`{json.dumps(setting.default)}`", key


# ---- QMserv.cfg
def qm(tmp_path: Path, text: str = QM) -> Config:
    path = tmp_path / "QMserv.cfg"
    path.write_text(text)
    return from_table(from_qm(str(path)), str(path))


def test_a_qmserv_cfg_is_read_as_it_is(tmp_path: Path) -> None:
    found = qm(tmp_path)
    assert (found.port, found.refresh_s, found.details, found.debug) == (8111, 5, True, False)
    assert found.allow == {"delete", "hold", "release"} and found.hosts == []


def test_a_machines_name_is_one_that_is_answered_to_and_never_listened_on(tmp_path: Path) -> None:
    found = qm(tmp_path, QM.replace("localhost", "lab7.example.org"))
    assert found.hosts == ["lab7.example.org"] and found.host == "127.0.0.1"


def test_a_licence_to_kill_lets_cancel(tmp_path: Path) -> None:
    found = qm(tmp_path, QM.replace("Licence_to_kill : False", "Licence_to_kill : yes"))
    assert "cancel" in found.allow


def test_without_the_section_all_is_as_usual(tmp_path: Path) -> None:
    assert qm(tmp_path, "[QMServer]\nQM_FOLDER : /x%y\n") == Config()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("8111", "many", "The_Port is a number"),
        ("8111", "70000", "The_Port is a number from 1"),
        ("5.0", "inf", "Refresh_Rate is a number"),
        ("Debug : False", "Debug : perhaps", "Debug is True or False"),
        ("[WEB_QMserver]", "[WEB_QMserver", "QMserv.cfg"),
    ],
)
def test_a_mistake_in_it_is_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said.replace("[", r"\[")):
        qm(tmp_path, QM.replace(old, new))


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        from_qm(str(tmp_path / "none"))
    with pytest.raises(ConfigError, match="no such file"):
        main(["--config", str(tmp_path / "none")])


# ---- the command line
def test_a_wrong_word_is_refused_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        build_parser().parse_args(["--port", "x"])
    assert caught.value.code == 2
    assert capsys.readouterr().err == "jobctl: argument --port: invalid int value: 'x' (jobctl web --help)\n"


def test_options_stand_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    path = tmp_path / "own.toml"
    path.write_text('port = 9000\nsocket = "/run/x.sock"\n')
    with pytest.raises(ConfigError, match="no action 'kill'"):
        main(["--config", str(path), "--allow", "kill", "--address"])
    assert main(["--config", str(path), "--port", "9001", "--address"]) == 0
