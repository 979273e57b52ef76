"""What people do to the folders while the spool runs, and what they expect all the same."""

import os
import shutil
import signal
from pathlib import Path

import pytest

from spool.conftest import Spool


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


def test_a_running_folder_that_is_put_back_is_not_run_twice(spool: Spool) -> None:
    """Neither by the spool that sees it, nor by the next one. At its end it goes to the done."""
    spool.start()
    runs, gate = spool.house.root / "runs", spool.house.pipe("gate")
    spool.put("one", f"echo ran >> {runs}; read x < {gate}; exit 3")
    spool.until(lambda: runs.exists())
    os.rename(spool.running / "one", spool.queue / "one")
    spool.put("two")
    spool.until_done("two")
    spool.stop(signal.SIGKILL)
    spool.start()
    spool.put("three")
    spool.until_done("three")
    gate.write_text("go\n")
    assert spool.status(spool.until_done("one"))["exit_code"] == 3
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


def test_who_holds_a_script_holds_it_also_over_a_restart(spool: Spool) -> None:
    spool.start()
    gate = waits_behind(spool, "first")
    folder = spool.house.root / "making" / "held"
    folder.mkdir()
    (folder / "held.sh").write_text("#!/bin/sh\n#SBATCH -n1\nexit 3\n")
    os.rename(folder, spool.queue / "held")
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
