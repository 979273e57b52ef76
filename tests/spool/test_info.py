"""What info files ask for; settings and QMserv.cfg; small things with files. No process, no server."""

import os
from pathlib import Path

import pytest

from jobd import qmserv
from jobd.errors import ConfigError, UsageError
from jobd.spool import files, marks, settings
from jobd.spool.files import BadFile
from jobd.spool.info import NoInfo, Wanted, wanted_of
from jobd.spool.main import build_parser, settings_of
from jobd.spool.places import Places


def folder_of(path: Path, **contents: str) -> str:
    for name, text in contents.items():
        (path / name.replace("__", ".")).write_text(text)
    return str(path)


def test_the_cfg_of_the_manual(tmp_path: Path) -> None:
    text = "[Proc]\nSize : 50\n%bad = 100%\n\n[QMOptions]\nnb_proc : 4\ne_mail : a@b.org\ninfo : some: text = 5%\nscript : python test.py proc_config.cfg\n"
    found = wanted_of(folder_of(tmp_path, proc_config__cfg=text, test__py="print(1)"))
    assert found == Wanted(
        "proc_config.cfg", "python test.py proc_config.cfg", 4, "a@b.org", "some: text = 5%"
    )


@pytest.mark.parametrize(
    "text",
    [
        "[qmoptions]\nSCRIPT = a; b # c\nE-Mail = x@y\nPriority = -3\nsize = big\n",
        "\ufeff[QMOptions]\nscript : a; b # c\ne_mail : x@y\npriority : -3\nsize : big\nunknown : 1\n",
    ],
)
def test_a_cfg_in_other_clothes(tmp_path: Path, text: str) -> None:
    found = wanted_of(folder_of(tmp_path, job__cfg=text))
    assert found == Wanted("job.cfg", "a; b # c", 1, "x@y", "", -3, "big")


def test_a_cfg_in_latin_1(tmp_path: Path) -> None:
    (tmp_path / "a.cfg").write_bytes("[QMOptions]\nscript : true\ninfo : données\n".encode("latin-1"))
    assert wanted_of(str(tmp_path)).info == "données"


def test_an_xml(tmp_path: Path) -> None:
    text = '<?xml version="1.0"?><PARAMETER><group><nb_proc value=" 12 "/></group><e-mail value="me@gmail.com"/><script value="python process.py p1"/><f1 value="7"/></PARAMETER>'
    assert wanted_of(folder_of(tmp_path, infos__xml=text)) == Wanted(
        "infos.xml", "python process.py p1", 12, "me@gmail.com"
    )


def test_other_files_are_no_info_files(tmp_path: Path) -> None:
    folder = folder_of(
        tmp_path,
        other__cfg="[Proc]\nSize : 1\n",
        data__xml="<data/>",
        infos__xml='<PARAMETER><script value="x"/></PARAMETER>',
    )
    assert wanted_of(folder).file == "infos.xml"
    with pytest.raises(BadFile, match=r"other.cfg: no section \[QMOptions\]"):
        wanted_of(folder, "other.cfg")
    with pytest.raises(NoInfo, match=r"no info file .missing\.cfg"):
        wanted_of(folder, "missing.cfg")


def test_a_script_with_sbatch_lines(tmp_path: Path) -> None:
    script = "#!/bin/bash\n# words\n#SBATCH -n 2\n\n#SBATCH -t 5\n# end\necho #SBATCH -n 9\n"
    found = wanted_of(folder_of(tmp_path, run__sh=script, helper__sh="#!/bin/sh\ntrue\n", log="x"))
    assert (found.file, found.script) == ("run.sh", "exec ./run.sh")
    assert found.directives == "#!/bin/bash\n# words\n#SBATCH -n 2\n\n#SBATCH -t 5\n"


def test_no_interpolation_no_includes(tmp_path: Path) -> None:
    assert (
        wanted_of(folder_of(tmp_path, a__cfg="[QMOptions]\nscript : echo %(x)s ${y}\n")).script
        == "echo %(x)s ${y}"
    )


def test_settings_say_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "spool.toml"
    for text, error in (
        ("nonsense = 1", "no setting 'nonsense'"),
        ("quiet_s = -1", "quiet_s is from 0 to 86400 seconds"),
        ("quiet_s = 'a'", "quiet_s is a number"),
        ("mail = 1", "mail is true or false"),
        ("max_nb_proc = 1.5", "max_nb_proc is a number"),
        ("queue = 'a/b'", "queue is the name of a folder"),
        ("queue = 'x'\ndone = 'x'", "are four folders"),
        ("launch_type = 'some'", "launch_type is blocking or non-blocking"),
        ("job_file = 'a.txt'", "job_file ends with .cfg or .xml"),
        ("folder = ", "no TOML"),
    ):
        path.write_text(text)
        with pytest.raises(ConfigError, match=error):
            settings.load(str(path))
    path.write_text('folder = "jobs"\nquiet_s = 1')
    assert settings.load(str(path)) == {"folder": f"{tmp_path}/jobs", "quiet_s": 1}
    assert settings.load(str(tmp_path / "missing")) == {}


def test_qmserv_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "QMserv.cfg"
    path.write_text(
        "# a remark\n[QMServer]\nQM_FOLDER : ~/QM\nMaxNbProcessors : 12 ; of 16\njob_file : proc_config.cfg\nMailActive : True\nSendMail : x\n"
        "launch_type : non-blocking\nDebug : no\n[WEB_QMserver]\nHost : localhost\nThe_Port : 8000\nRefresh_Rate : 5\nDisplay_details : True\n"
        "Delete_Jobs : true\nLicence_to_kill : False\nDebug : False\n"
    )
    assert qmserv.server(str(path)) == ("~/QM", 12, "proc_config.cfg", True, "non-blocking", False)
    assert qmserv.page(str(path)) == ("localhost", 8000, 5, True, True, False, False)
    values = settings.of_qm(str(path))
    assert (
        values["folder"] == os.path.expanduser("~/QM")
        and values["max_nb_proc"] == 12
        and values["mail"] is True
    )
    path.write_text("[QMServer]\nQM_FOLDER : here\n")
    assert settings.of_qm(str(path)) == {"folder": f"{tmp_path}/here"}
    for text, error in (
        ("", "no section .QMServer."),
        ("[QMServer]\nMaxNbProcessors : many\n", "MaxNbProcessors is a number"),
        ("[QMServer]\nMailActive : perhaps\n", "MailActive is True or False"),
        ("[QMServer]\nlaunch_type : sometimes\n", "launch_type is blocking or non-blocking"),
    ):
        path.write_text(text)
        with pytest.raises(ConfigError, match=error):
            settings.of_qm(str(path))
    # What is said of the page is the page's business alone.
    path.write_text("[QMServer]\n[WEB_QMserver]\nThe_Port : 99999\nRefresh_Rate : 2.5 ; s\n")
    assert settings.of_qm(str(path)) == {}
    with pytest.raises(ConfigError, match="The_Port is a number from 1 to 65535, not '99999'"):
        qmserv.page(str(path))
    with pytest.raises(ConfigError, match="No such file"):
        settings.of_qm(str(tmp_path / "missing"))


def test_the_last_source_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "jobd").mkdir()
    with pytest.raises(UsageError, match="which folder"):
        settings_of(build_parser().parse_args([]))
    (tmp_path / "jobd" / "spool.toml").write_text(
        'folder = "/a"\nquiet_s = 5\nmax_nb_proc = 3\nlaunch_type = "blocking"\n'
    )
    (tmp_path / "QMserv.cfg").write_text("[QMServer]\nQM_FOLDER : /b\nMaxNbProcessors : 7\n")
    found = settings_of(build_parser().parse_args(["--qm", str(tmp_path / "QMserv.cfg"), "--quiet-s", "9"]))
    assert (found.folder, found.max_nb_proc, found.quiet_s, found.launch_type) == ("/b", 7, 9.0, "blocking")
    assert settings_of(build_parser().parse_args(["/c", "--no-mail"])).folder == "/c"


def test_a_line_is_added_once_and_a_half_one_is_completed(tmp_path: Path) -> None:
    log = tmp_path / "process.log"
    for before, after in (
        ("", "it is over\n"),
        ("a\n", "a\nit is over\n"),
        ("a", "a\nit is over\n"),
        ("a\nit is over\n", "a\nit is over\n"),
        ("a\nit is", "a\nit is over\n"),
        ("it is over\na\n", "it is over\na\nit is over\n"),
    ):
        log.write_text(before)
        files.append(str(tmp_path), "process.log", "it is over\n")
        assert log.read_text() == after


def test_names_are_cut_in_whole_characters() -> None:
    assert files.cut("é" * 10, 7) == "ééé"
    assert files.cut("abc", 7) == "abc"
    assert files.printable("a\nb\x1b\udcff é") == "a\\nb\\x1b\\udcff é"


def test_a_mark_is_of_one_folder(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    assert marks.read_mark(str(folder)) is None
    marks.write(str(folder), "abc", "new\nline\udcff", {"script": "x"})
    assert marks.read_mark(str(folder)) == marks.Mark("abc", "new\nline\udcff", None, {"script": "x"})
    with open(folder / ".jobd-spool", "a") as file:
        file.write("job 12\njob 13\njob 1")  # the last one is half of a line
    found = marks.read_mark(str(folder))
    assert found is not None and found.job_id == 13
    os.rename(folder, tmp_path / "b")
    assert marks.read_mark(str(tmp_path / "b")) == found
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / ".jobd-spool").write_bytes((tmp_path / "b" / ".jobd-spool").read_bytes())
    assert marks.read_mark(str(tmp_path / "copy")) is None
    for text in ("", "abc\n", "abc\nx\n{}\n", "abc\n1\n[" * 100_000, "\xff"):
        (tmp_path / "b" / ".jobd-spool").write_text(text)
        assert marks.read_mark(str(tmp_path / "b")) is None


def test_links_turn_and_free_names(tmp_path: Path) -> None:
    places = Places(settings.Settings(folder=str(tmp_path / "q")))
    places.make()
    token = marks.new_token()
    places.turn(token, f"{places.queue}/a")
    places.turn(token, f"{places.running}/a")
    places.turn(token, f"{places.running}/a")
    assert os.readlink(places.link_of(token)) == "../QM_Jobs/a"
    os.mkdir(f"{places.done}/x")
    os.symlink("nowhere", f"{places.done}/x.2")
    assert places.free(places.done, "x") == f"{places.done}/x.3"
    assert len(os.fsencode(os.path.basename(places.free(places.done, "é" * 200)))) <= 255
    places.drop_stale_links({"other"})
    assert not os.path.lexists(places.link_of(token))


def test_links_that_are_just_being_turned_are_left_alone(tmp_path: Path) -> None:
    """ln makes another link beside the one that it turns; a launcher whose other link goes away gives its job up."""
    places = Places(settings.Settings(str(tmp_path)))
    places.make()
    links = Path(places.links)
    old, token = "CuZz9876", marks.new_token()
    for name in ("CuAb1234", old, token, f"{marks.new_token()}.new"):
        (links / name).symlink_to("../QM_Jobs/nothing")
    os.utime(links / old, (1e9, 1e9), follow_symlinks=False)
    places.drop_stale_links({token})
    assert sorted(os.listdir(links)) == sorted(["CuAb1234", token, "lock"])


def test_only_what_is_done_loses_its_mark(tmp_path: Path) -> None:
    places = Places(settings.Settings(str(tmp_path)))
    places.make()
    for place in (places.running, places.done, places.lost):
        folder, token = os.path.join(place, "one"), marks.new_token()
        os.mkdir(folder)
        marks.write(folder, token, "one", {})
        places.turn(token, folder)
    places.drop_stale_links(set())
    found = [
        os.path.exists(os.path.join(place, "one", ".jobd-spool"))
        for place in (places.running, places.done, places.lost)
    ]
    assert found == [True, False, False]
