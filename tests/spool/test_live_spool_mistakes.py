"""What people do to the folders while the spool runs, and what they expect all the same."""

import os
import shutil
import signal
from pathlib import Path

import pytest

from spool.conftest import Spool


def put_script(spool: Spool, name: str, lines: str) -> None:
    """Move a folder with a script of that name into the queue."""
    folder = spool.house.root / "making" / name
    folder.mkdir(parents=True)
    (folder / f"{name}.sh").write_text(f"#!/bin/sh\n{lines}")
    os.rename(folder, spool.queue / name)


def waits_behind(spool: Spool, name: str) -> Path:
    """A job that has the machine, until a line is written to the pipe."""
    gate = spool.house.pipe(f"gate-{name}")
    spool.put(name, f"read x < {gate}", nb_proc=2)
    spool.until(lambda: name in spool.names(spool.running))
    return gate


def test_what_is_cleared_away_is_made_again(spool: Spool) -> None:
    """Who no longer wants the results removes the folder of the results."""
    spool.start()
    spool.put("one")
    spool.until_done("one")
    for folder in (spool.done, spool.lost, spool.running):
        shutil.rmtree(folder)
    spool.put("two", "echo ran")
    assert "ran\n" in (spool.until_done("two") / "process.log").read_text()
    spool.put("bad", "")
    spool.until_lost("bad")


@pytest.mark.parametrize("what", ["queue", "root", "links"])
def test_what_it_cannot_do_without_has_gone(spool: Spool, what: str) -> None:
    """Then it says so and ends, for systemd to start it anew; and it does not look at a place that nobody means."""
    process = spool.start()
    if what == "queue":
        os.rename(spool.queue, spool.root / "elsewhere")
        spool.queue.mkdir()  # another of its name is not the one that is watched
    elif what == "root":
        os.rename(spool.root, spool.house.root / "moved")
        os.rename(spool.make(), spool.house.root / "moved" / "QM_qJobs" / "one")
    else:
        shutil.rmtree(spool.root / ".jobd-spool")
        spool.put("one")
    assert process.wait(60) == 1
    assert f"{'.jobd-spool' if what == 'links' else 'QM_qJobs'} has gone" in spool.text()
    if what == "links":
        spool.start("--quiet-s", "0")
        spool.until_done("one")


@pytest.mark.parametrize("name", ["one", "other"])
def test_a_running_folder_that_is_put_back_is_not_run_twice(spool: Spool, name: str) -> None:
    """Neither by the spool that sees it, nor by the next one. At its end it goes to the done."""
    spool.start()
    runs, gate = spool.house.root / "runs", spool.house.pipe("gate")
    spool.put("one", f"echo ran >> {runs}; read x < {gate}; exit 3")
    spool.until(lambda: runs.exists())
    os.rename(spool.running / "one", spool.queue / name)
    spool.put("two")
    spool.until_done("two")
    spool.stop(signal.SIGKILL)
    spool.start()
    spool.put("three")
    spool.until_done("three")
    gate.write_text("go\n")
    assert spool.status(spool.until_done(name))["exit_code"] == 3
    assert runs.read_text() == "ran\n" and not spool.names(spool.queue)


def test_a_script_that_clears_its_folder_away(spool: Spool) -> None:
    """With everything in it, the spool's own mark, too."""
    spool.start()
    spool.put("clean", "rm -rf ./* ./.[!.]*; echo here; exit 3")
    done = spool.until_done("clean")
    assert spool.status(done)["exit_code"] == 3 and not spool.names(spool.running)


@pytest.mark.parametrize(
    "line", ['{"name": "one", "nb_proc_given": "many"}', '{"name": "../../one"}', "[]", "\0"]
)
def test_a_mark_that_is_damaged_stops_nobody(spool: Spool, line: str) -> None:
    spool.start()
    gate = waits_behind(spool, "first")
    spool.put("one", "exit 3")
    spool.until(lambda: len(spool.house.jobs()) == 2)
    spool.stop()
    mark = spool.queue / "one" / ".jobd-spool"
    token, inode, _ = mark.read_text().split("\n", 2)
    mark.write_text(f"{token}\n{inode}\n{line}\njob {'9' * 30}\n")
    os.utime(spool.queue / "one" / "proc_config.cfg", (1e9, 1e9))
    spool.start("--quiet-s", "0")
    gate.write_text("go\n")
    assert spool.status(spool.until_done("one"))["exit_code"] == 3


@pytest.mark.parametrize("is_over", [False, True])
def test_a_mark_that_lost_its_last_line(spool: Spool, is_over: bool) -> None:
    """As after a power cut: the folder had been moved, the line with the number was not on disk yet. The server knows it by its token."""
    spool.start()
    gate, runs = spool.house.pipe("gate"), spool.house.root / "runs"
    spool.put("one", f"echo ran >> {runs}; read x < {gate}; exit 3")
    spool.until(lambda: runs.exists())
    spool.stop(signal.SIGKILL)
    mark = spool.running / "one" / ".jobd-spool"
    mark.write_text("".join(mark.read_text().splitlines(keepends=True)[:3]))
    if is_over:
        gate.write_text("go\n")
        spool.until(lambda: not spool.house.jobs())
        spool.start()
    else:
        spool.start()
        gate.write_text("go\n")
    assert spool.status(spool.until_done("one"))["exit_code"] == 3
    assert runs.read_text() == "ran\n" and not spool.names(spool.lost)


def test_who_holds_a_script_holds_it_also_over_a_restart(spool: Spool) -> None:
    spool.start()
    gate = waits_behind(spool, "first")
    put_script(spool, "held", "#SBATCH -n1\nexit 3\n")
    (job,) = spool.until(
        lambda: [j for j in spool.house.jobs() if j["name"] == "held.sh" and not j["batch"].is_held]
    )
    spool.house.ok("Scontrol", "hold", str(job["job_id"]))
    spool.stop()
    spool.start()
    gate.write_text("go\n")
    spool.until_done("first")
    spool.put("last")
    spool.until_done("last")
    assert spool.names(spool.queue) == ["held"]
    spool.house.ok("Scontrol", "release", str(job["job_id"]))
    assert spool.status(spool.until_done("held"))["exit_code"] == 3


def test_a_script_that_says_wait(spool: Spool) -> None:
    """Whoever wrote it meant the terminal. Others are not held up by it."""
    spool.start()
    gate = spool.house.pipe("gate")
    put_script(spool, "waits", f"#SBATCH --wait\nread x < {gate}; exit 3\n")
    spool.put("other")
    spool.until_done("other")
    gate.write_text("go\n")
    assert spool.status(spool.until_done("waits"))["exit_code"] == 3


def test_an_interrupt_while_a_script_is_queued(spool: Spool) -> None:
    """A Ctrl-C reaches all programs of the terminal. The script that is just being queued is not lost by it."""
    process = spool.start(start_new_session=True)
    server = spool.house.server_pid()
    os.kill(server, signal.SIGSTOP)
    put_script(spool, "one", "#SBATCH -n1\nexit 3\n")
    spool.until(lambda: any(path.is_symlink() for path in (spool.root / ".jobd-spool").iterdir()))
    os.killpg(process.pid, signal.SIGINT)
    os.kill(server, signal.SIGCONT)
    assert process.wait(60) == 0
    assert not spool.names(spool.lost)
    spool.start()
    assert spool.status(spool.until_done("one"))["exit_code"] == 3


def test_a_restart_does_not_queue_again_what_is_queued(spool: Spool) -> None:
    """With thousands that wait, and more so with scripts, it would take minutes; meanwhile nobody would look at the queue."""
    spool.start()
    gate = waits_behind(spool, "first")
    for number in range(3):
        spool.put(f"folder{number}", "exit 3")
        put_script(spool, f"script{number}", "#SBATCH -n1\nexit 3\n")
    spool.until(lambda: spool.text().count(" is queued") == 7)
    spool.stop(signal.SIGKILL)
    spool.start()
    assert spool.text().count(" is queued") == 7
    gate.write_text("go\n")
    for name in (f"{kind}{number}" for kind in ("folder", "script") for number in range(3)):
        assert spool.status(spool.until_done(name))["exit_code"] == 3


def test_results_do_not_wait_until_all_are_queued(spool: Spool) -> None:
    spool.start()
    folders = [spool.make() for _ in range(100)]
    for number, folder in enumerate(folders):
        os.rename(folder, spool.queue / f"job{number}")
    spool.until(lambda: len(spool.names(spool.done)) == 100)
    text = spool.text()
    assert text.index(" is over") < text.rindex(" is queued")


def test_a_time_that_is_yet_to_come_does_not_make_it_whole(spool: Spool) -> None:
    """It is being copied from a machine whose clock is ahead, with its times, when the spool begins."""
    spool.prepare()
    folder = spool.queue / "one"
    folder.mkdir()
    (folder / "proc_config.cfg").write_text("[QMOptions]\nscript : cat data; exit 3\n")
    os.utime(folder / "proc_config.cfg", (4e9, 4e9))
    os.utime(folder, (4e9, 4e9))
    spool.start("--quiet-s", "1")
    assert spool.names(spool.queue) == ["one"] and "queued" not in spool.text()
    (folder / "data").write_text("whole\n")
    assert "whole\n" in (spool.until_done("one") / "process.log").read_text()
