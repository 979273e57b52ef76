"""What nobody should put into a queue, and somebody will: each gets a clear reason, nothing is lost, and the spool goes on."""

import os
import socket
import subprocess
from pathlib import Path

import pytest

from spool.conftest import JOBCTL, Spool

GOOD = "[QMOptions]\nscript : true\n"
BOMB = '<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><PARAMETER><script value="&b;"/></PARAMETER>'
OUTSIDE = '<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a SYSTEM "file:///etc/passwd">]><PARAMETER><script value="true"/><info>&a;</info></PARAMETER>'

# The name of the info file, what is in it, what the reason says.
BAD = {
    "no-script": ("a.cfg", "[QMOptions]\nnb_proc : 1\n", "a.cfg: no script in it"),
    "empty-script": ("a.cfg", "[QMOptions]\nscript :\n", "a.cfg: no script in it"),
    "no-section": (
        "proc_config.cfg",
        "[Proc]\nSize : 5\n",
        "there is no info file (*.cfg with [QMOptions], *.xml with <PARAMETER>)",
    ),
    "no-cfg": ("proc_config.cfg", "[QMOptions]\nhello\n", "proc_config.cfg: Source contains parsing errors"),
    "procs": (
        "a.cfg",
        "[QMOptions]\nscript : x\nnb_proc : many\n",
        "nb_proc is a whole number from 1 to 1048576, not 'many'",
    ),
    "no-procs": ("a.cfg", "[QMOptions]\nscript : x\nnb_proc : 0\n", "nb_proc is a whole number"),
    "too-many": ("a.cfg", "[QMOptions]\nscript : x\nnb_proc : 3\n", "3 procs"),
    "priority": ("a.cfg", "[QMOptions]\nscript : x\npriority : high\n", "priority is a whole number"),
    "zero-byte": ("a.cfg", "[QMOptions]\nscript : a\0b\n", "without zero bytes"),
    "mail": ("a.cfg", "[QMOptions]\nscript : a\ne_mail : a\x1bb\n", "is no address"),
    "no-xml": ("infos.xml", "<PARAMETER><script", "infos.xml: no xml"),
    "bomb": ("infos.xml", BOMB, "entities and external parts are not read"),
    "outside": ("infos.xml", OUTSIDE, "entities and external parts are not read"),
    "nothing": ("readme.txt", "hello", "there is no info file"),
    "huge": ("proc_config.cfg", GOOD + "# " + "x" * (2 << 20), "larger than 1048576 bytes"),
    "directive": ("run.sh", "#!/bin/sh\n#SBATCH --nonsense\ntrue\n", "nonsense"),
    "quote": ("run.sh", "#!/bin/sh\n#SBATCH --comment='a\ntrue\n", "line 2: the quote ' has no end"),
    "array": (
        "run.sh",
        "#!/bin/sh\n#SBATCH --array=1-3\ntrue\n",
        "line 2: a folder is one job, not an array",
    ),
    "short-array": ("run.sh", "#!/bin/sh\n#SBATCH -H -a1-3\ntrue\n", "a folder is one job, not an array"),
    "hidden-array": (
        "run.sh",
        "#!/bin/sh\n#SBATCH -Ha0-4000000000,0\ntrue\n",
        "a folder is one job, not an array",
    ),
    "test": ("run.sh", "#!/bin/sh\n#SBATCH --test-only\ntrue\n", "--test-only queues nothing"),
    "descriptor": (
        "run.sh",
        "#!/bin/sh\n#SBATCH --export-file=5\ntrue\n",
        "the whole path of a file is needed",
    ),
    "pipe": (
        "run.sh",
        "#!/bin/sh\n#SBATCH --export-file=/dev/stdin\ntrue\n",
        "the whole path of a file is needed",
    ),
    "no-such-file": ("run.sh", "#!/bin/sh\n#SBATCH --export-file=/nowhere/at/all\ntrue\n", "the whole path"),
    "too-many-tasks": ("run.sh", "#!/bin/sh\n#SBATCH -n3\ntrue\n", "3 procs"),
    "no-interpreter": ("run.sh", "#SBATCH -n1\ntrue\n", "the first line of a script is #!"),
    "dos": ("run.sh", "#!/bin/sh\r\n#SBATCH -n1\r\ntrue\r\n", "lines that end as in DOS"),
}


def test_each_bad_folder_gets_its_reason(spool: Spool) -> None:
    spool.start()
    for name, (file, text, _) in BAD.items():
        folder = spool.house.root / "making" / name
        folder.mkdir(parents=True)
        (folder / file).write_text(text, newline="")
        (folder / "data").write_text("precious")
        os.rename(folder, spool.queue / name)
    for name, (_, _, reason) in BAD.items():
        path, log = spool.until_lost(name)
        assert log.startswith("jobd: ") and log.count("\n") == 1 and reason in log, (name, log)
        assert (path / "data").read_text() == "precious"
        assert not [left for left in os.listdir(path) if left.startswith(".")]
    spool.put("good")
    spool.until_done("good")
    assert not spool.names(spool.queue) and not spool.names(spool.running)


def test_a_script_cannot_have_the_lock_let_go(spool: Spool) -> None:
    spool.start()
    folder = spool.house.root / "making" / "lock"
    folder.mkdir(parents=True)
    lock = spool.root / ".jobd-spool" / "lock"
    (folder / "run.sh").write_text(f"#!/bin/sh\n#SBATCH --export-file={lock}\ntrue\n")
    os.rename(folder, spool.queue / "lock")
    spool.until_lost("lock")
    refused = spool.house.run("jobctl", "spool", str(spool.root))
    assert refused.returncode and "another spool has it" in refused.stderr


def test_what_is_no_plain_file_or_folder(spool: Spool) -> None:
    """Links, pipes, sockets, folders where a file should be: nothing blocks, and the thing itself is in lost+found."""
    spool.start()
    secret = spool.house.root / "secret"
    secret.mkdir()
    (secret / "proc_config.cfg").write_text(GOOD)
    makers = {
        "link-to-folder": lambda path: path.symlink_to(secret),
        "link-to-nothing": lambda path: path.symlink_to("nowhere"),
        "plain": lambda path: path.write_text("hello"),
        "empty": lambda path: path.write_text(""),
        "pipe": os.mkfifo,
        "socket": lambda path: socket.socket(socket.AF_UNIX).bind(str(path)),
    }
    making = spool.house.root / "making"
    making.mkdir()
    for name, make in makers.items():
        make(making / name)
        os.rename(making / name, spool.queue / name)
    inner = {
        "info-link": lambda folder: (folder / "proc_config.cfg").symlink_to(secret / "proc_config.cfg"),
        "info-pipe": lambda folder: os.mkfifo(folder / "proc_config.cfg"),
        "info-folder": lambda folder: (folder / "proc_config.cfg").mkdir(),
        "info-loop": lambda folder: (folder / "proc_config.cfg").symlink_to("proc_config.cfg"),
        "log-link": lambda folder: (
            (folder / "a.cfg").write_text(GOOD),
            (folder / "process.log").symlink_to(secret / "log"),
        ),
        "log-pipe": lambda folder: ((folder / "a.cfg").write_text(GOOD), os.mkfifo(folder / "process.log")),
        "mark-folder": lambda folder: ((folder / "a.cfg").write_text(GOOD), (folder / ".jobd-spool").mkdir()),
        "two-infos": lambda folder: (
            (folder / "a.cfg").write_text(GOOD),
            (folder / "b.cfg").write_text(GOOD),
        ),
    }
    for name, fill in inner.items():
        (making / name).mkdir()
        fill(making / name)
        os.rename(making / name, spool.queue / name)
    reasons = {
        "link-to-folder": "it is a link: put the folder itself here",
        "plain": "it is no folder, and no script with #SBATCH lines",
        "info-link": "proc_config.cfg is a link out of its folder",
        "info-pipe": "proc_config.cfg is no plain file",
        "info-folder": "proc_config.cfg",
        "info-loop": "proc_config.cfg cannot be read",
        "log-link": "process.log is no plain file",
        "log-pipe": "process.log is no plain file",
        "two-infos": "a.cfg, b.cfg: which is the info file?",
    }
    for name in (*makers, *inner):
        path, log = spool.until_lost(name)
        assert reasons.get(name, "") in log, (name, log)
        assert name in inner or spool.until(lambda path=path, name=name: os.path.lexists(path / name))
    assert os.listdir(secret) == ["proc_config.cfg"]
    # A link inside of the folder is fine, and so is a link out of it that is the script's own business.
    folder = spool.make(script="cat data > out")
    os.rename(folder / "proc_config.cfg", folder / "real.cfg")
    (folder / "proc_config.cfg").symlink_to("real.cfg")
    (spool.house.root / "elsewhere").write_text("outside")
    (folder / "data").symlink_to(spool.house.root / "elsewhere")
    os.rename(folder, spool.queue / "links")
    # real.cfg is an info file too, so the name must be said.
    assert "which is the info file" in spool.until_lost("links")[1]


NAMES = [
    "with blanks  in it ", "new\nline", "ends\n", "-rf", "--help", "ünïcödé 漢字 🎉", "quote'\"$(id)`id`\\", "%j-%x", "*?[a]",
    "x" * 255, "é" * 127, "tab\there", "\x1b[31mred", ";&|<>", "=", "~", "#", "a.2", os.fsdecode(b"not-utf8-\xff\xfe"), "jobs'; exit",
]  # fmt: skip


def test_names(spool: Spool) -> None:
    spool.start()
    for name in NAMES:
        spool.put(name, 'basename "$PWD" > me; pwd -P > where')
    spool.until(lambda: len(spool.names(spool.done)) + len(spool.names(spool.lost)) >= len(NAMES))
    assert not spool.names(spool.lost) and not spool.names(spool.queue)
    found = {
        os.fsdecode((path / "where").read_bytes())[len(str(spool.running)) + 1 : -1]
        for path in spool.done.iterdir()
    }
    assert found == set(NAMES)
    for path in spool.done.iterdir():
        assert spool.status(path)["exit_code"] == 0
    assert "\x1b" not in spool.text()
    spool.house.ok("Squeue")


def test_hidden_names_are_left_alone(spool: Spool) -> None:
    spool.start()
    spool.put(".hidden")
    spool.put("seen")
    spool.until_done("seen")
    assert os.listdir(spool.queue) == [".hidden"]


def test_what_may_not_be_read_or_written(spool: Spool) -> None:
    """Root may read and write everything, so the spool runs as one who may not."""
    powers = "-dac_override,-dac_read_search"
    command = [
        "setpriv",
        f"--bounding-set={powers}",
        f"--inh-caps={powers}",
        JOBCTL,
        "spool",
        str(spool.root),
    ]
    spool.prepare()
    with open(spool.log, "a") as log:
        spool.process = spool.house.spawn(*command, stderr=log)
    spool.until(lambda: "INFO watching" in spool.text())
    for name, mode, file_mode in (
        ("unreadable", 0o000, 0o644),
        ("unwritable", 0o555, 0o644),
        ("secret", 0o755, 0o000),
    ):
        folder = spool.make()
        (folder / "proc_config.cfg").chmod(file_mode)
        folder.chmod(mode)
        os.rename(folder, spool.queue / name)
    for name, inner in (("unreadable", "unreadable"), ("unwritable", "unwritable"), ("secret", "")):
        path, log = spool.until_lost(name)
        assert "Permission denied" in log, (name, log)
        spool.until(lambda path=path, inner=inner: (path / inner / "proc_config.cfg").exists())
    spool.put("good")
    spool.until_done("good")
    assert not spool.names(spool.queue)


def test_a_full_disk(spool: Spool) -> None:
    """Nothing is lost, nothing runs without its log; when there is room again everything goes on."""
    mounted = spool.house.root / "mounted"
    mounted.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "spool", str(mounted)], capture_output=True, text=True
    )
    if done.returncode:
        pytest.fail(f"a small file system cannot be mounted: {done.stderr}")
    spool.root = mounted / "q"
    spool.queue, spool.running = spool.root / "QM_qJobs", spool.root / "QM_Jobs"
    spool.done, spool.lost = spool.root / "QM_dJobs", spool.root / "QM_lost+found"
    spool.prepare()
    spool.start()
    gate = spool.house.pipe("gate")

    def make(name: str, text: str) -> Path:
        folder = mounted / name
        folder.mkdir()
        (folder / "proc_config.cfg").write_text(text)
        return folder

    runs = make("runs", f"[QMOptions]\nscript : read x < {gate}\n")
    waits = make("waits", f"[QMOptions]\nscript : echo ran >> {spool.house.root}/ran\n")
    bad = make("bad", "[QMOptions]\n")
    os.rename(runs, spool.queue / "runs")
    spool.until(lambda: (spool.running / "runs" / "process.log").exists())
    filler = mounted / "filler"
    with open(filler, "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass
    os.rename(waits, spool.queue / "waits")
    os.rename(bad, spool.queue / "bad")
    gate.write_text("go\n")
    spool.until(lambda: "waits cannot be taken: No space left on device" in spool.text())
    spool.until(lambda: "bad cannot go to lost+found" in spool.text())
    spool.until(lambda: "cannot be brought to the done now" in spool.text())
    assert spool.names(spool.queue) == ["bad", "waits"] and spool.names(spool.running) == ["runs"]
    # The spool dies over it, too.
    spool.stop(9)
    spool.start(is_waiting=False)
    spool.until(lambda: spool.text().count("waits cannot be taken") > 1)
    filler.unlink()
    spool.until_done("waits")
    spool.until_done("runs")
    spool.until_lost("bad")
    assert (spool.house.root / "ran").read_text() == "ran\n"
    assert spool.status(spool.until_done("runs"))["exit_code"] == 0
    assert spool.stop() == 0
    subprocess.run(["umount", str(mounted)], check=True)


def test_the_folder_itself_goes(spool: Spool) -> None:
    """Then there is nothing to watch: the spool ends, for systemd to start it anew."""
    process = spool.start()
    os.rename(spool.queue, spool.root / "elsewhere")
    assert process.wait(60) == 1
    assert "QM_qJobs has gone" in spool.text()


def test_places_on_two_file_systems_are_refused(spool: Spool) -> None:
    spool.prepare()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "spool", str(spool.done)], check=True)
    try:
        done = spool.house.run("jobctl", "spool", str(spool.root))
        assert done.returncode == 2 and "must be on one file system" in done.stderr
    finally:
        subprocess.run(["umount", str(spool.done)], check=True)


def test_a_thousand_at_once(spool: Spool) -> None:
    spool.start()
    runs = spool.house.root / "runs"
    folders = [spool.make(f"echo $PWD >> {runs}") for _ in range(1000)]
    for number, folder in enumerate(folders):
        os.rename(folder, spool.queue / f"job{number}")
    # An event of the server each time would be more to look at than the spool has to do.
    spool.house.until(lambda: len(os.listdir(spool.done)) >= 1000, topic=b"none", timeout_s=300)
    lines = runs.read_text().split()
    assert len(lines) == len(set(lines)) == 1000 and not spool.names(spool.lost)
