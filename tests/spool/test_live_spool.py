"""Folders that run as jobs: the three forms, the four places, the clock of the quiet time, blocking, taking away."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from spool.conftest import Spool

EXAMPLE = Path(__file__).parents[2] / "examples" / "test_QM"


def test_the_example_of_the_manual_runs_unchanged(spool: Spool) -> None:
    """As the manual shows it; the machine of the test has fewer processors, so the spool cuts, and Size is made small outside."""
    spool.start("--max-nb-proc", "2")
    folder = spool.house.root / "making" / "test_QM"
    shutil.copytree(EXAMPLE, folder)
    config = (folder / "proc_config.cfg").read_text()
    assert "nb_proc : 4\n" in config and "script : python test.py proc_config.cfg\n" in config
    (folder / "proc_config.cfg").write_text(config.replace("Size : 50", "Size : 5"))
    test = (folder / "test.py").read_text()
    (folder / "test.py").write_text(test.replace("30 / size", "0.5 / size"))
    os.rename(folder, spool.queue / "test_QM")
    done = spool.until_done("test_QM")
    lines = (done / "process.log").read_text().splitlines()
    assert lines[0] == "Number of processors limited to 2: 4 were asked for"
    assert lines[1].startswith("Job started by jobd at:  20")
    assert lines[2:8] == [*(f"processing {i} / 5" for i in range(1, 6)), "Done"]
    assert lines[8].startswith("Job finished at: 20") and lines[8].endswith("with code 0")
    assert (done / "results.txt").read_text() == "Final result is :\n10\n"
    status = spool.status(done)
    assert (status["state"], status["exit_code"], status["signal"]) == ("COMPLETED", 0, None)
    assert (status["nb_proc_asked"], status["nb_proc"], status["info"]) == (4, 2, "Test of the QM manager")
    assert status["elapsed_s"] > 0.4 and status["cpu_s"] > 0 and "memory_peak_bytes" in status
    assert not spool.names(spool.queue) and not spool.names(spool.running) and not spool.names(spool.lost)
    (row,) = spool.house.jobs(is_finished=True)
    labels = dict(map(tuple, row["batch"].labels))
    assert labels["comment"] == "Test of the QM manager"
    assert (labels["mail_type"], labels["mail_user"]) == ("END,FAIL", "someone@example.org")
    # Whoever knows the job finds its output, wherever the folder went.
    assert Path(row["batch"].stdout).read_text().startswith("Number of")
    assert Path(row["cwd"]).resolve() == done.resolve()


def test_nb_proc_is_set_and_enforced_and_the_script_is_inside(spool: Spool) -> None:
    spool.start()
    script = 'echo "$NB_PROC $(nproc) $PWD $OMP_NUM_THREADS" > facts; ps -o args= $$ >> facts; exit 7'
    spool.put("one", script, nb_proc=1)
    done = spool.until_done("one")
    text = (done / "facts").read_text()
    assert text.startswith(f"1 1 {spool.running}/one 1\n")
    assert spool.status(done)["exit_code"] == 7
    assert (done / "process.log").read_text().endswith("with code 7\n")


def test_xml_as_qm_has_it(spool: Spool) -> None:
    spool.start("--job-file", "infos.xml")
    folder = spool.make()
    (folder / "infos.xml").write_text(
        '<PARAMETER><nb_proc value="2"/><e-mail value="me@example.org"/><script value="echo ran &gt; out"/>'
        '<info value="some text"/><priority value="5"/><size value="12"/><other/></PARAMETER>'
    )
    os.rename(folder, spool.queue / "x")
    done = spool.until_done("x")
    assert (done / "out").read_text() == "ran\n"
    (row,) = spool.house.jobs(is_finished=True)
    assert (row["nb_proc"], row["priority"]) == (2, 5)
    labels = dict(map(tuple, row["batch"].labels))
    assert (labels["comment"], labels["size"], labels["mail_user"]) == ("some text", "12", "me@example.org")


@pytest.mark.parametrize("is_bare", [False, True])
def test_a_script_with_sbatch_lines(spool: Spool, is_bare: bool) -> None:
    spool.start()
    text = "#!/bin/sh\n#SBATCH --cpus-per-task=2 --comment='a remark'\n# more\n\n#SBATCH -J named\necho $NB_PROC $0 $PWD\nexit 3\n"
    making = spool.house.root / "making"
    making.mkdir(exist_ok=True)
    name = "job.sh" if is_bare else "folder"
    if is_bare:
        (making / name).write_text(text)
    else:
        (making / name).mkdir()
        (making / name / "anything.sh").write_text(text)
        (making / name / "data").write_text("1")
    os.rename(making / name, spool.queue / name)
    done = spool.until_done(name)
    lines = (done / "process.log").read_text().splitlines()
    script = "job.sh" if is_bare else "anything.sh"
    assert lines[1] == f"2 ./{script} {spool.running}/{name}"
    assert lines[2].endswith("with code 3")
    (row,) = spool.house.jobs(is_finished=True)
    assert row["name"] == "named" and not row["batch"].is_requeueable
    assert ["comment", "a remark"] in row["batch"].labels


def test_a_script_that_wants_the_machine_and_is_held(spool: Spool) -> None:
    spool.start(env={**spool.house.env, "SBATCH_ACCOUNT": "ours", "INVOCATION_ID": "of the manager"})
    making = spool.house.root / "making"
    making.mkdir()
    text = "#!/bin/sh\n#SBATCH --exclusive --hold --requeue\necho $NB_PROC ${INVOCATION_ID-none}\n"
    (making / "job.sh").write_text(text)
    os.rename(making / "job.sh", spool.queue / "job.sh")
    (job,) = spool.until(lambda: [job for job in spool.house.jobs() if job["batch"].is_held])
    spool.put("other")
    spool.until_done("other")
    assert spool.names(spool.queue) == ["job.sh"]
    spool.house.ok("Scontrol", "release", str(job["job_id"]))
    assert (spool.until_done("job.sh") / "process.log").read_text().splitlines()[1] == "2 none"
    (row,) = spool.house.jobs(is_finished=True, job_ids=[job["job_id"]])
    assert row["batch"].is_requeueable and ["account", "ours"] in row["batch"].labels
    assert row["command"][0].endswith("/job.sh") and ".jobd-spool" in row["command"][0]


def test_a_script_asking_for_more_is_cut(spool: Spool) -> None:
    spool.start("--max-nb-proc", "1")
    making = spool.house.root / "making"
    making.mkdir()
    (making / "job.sh").write_text("#!/bin/sh\n#SBATCH -n2 --mem-per-cpu=100M\necho $NB_PROC\n")
    os.rename(making / "job.sh", spool.queue / "job.sh")
    done = spool.until_done("job.sh")
    lines = (done / "process.log").read_text().splitlines()
    assert lines[0] == "Number of processors limited to 1: 2 were asked for" and lines[2] == "1"
    assert spool.status(done)["memory_asked_bytes"] == 100 << 20


def test_what_is_copied_is_taken_when_it_is_quiet(spool: Spool) -> None:
    """Half of it is there for longer than the quiet time, the other half comes, all the while something changes."""
    spool.start("--quiet-s", "0.6")
    folder = spool.queue / "copied"
    (folder / "sub").mkdir(parents=True)
    # The info file is the last of it; the folder goes on growing deep inside for longer than the quiet time.
    (folder / "proc_config.cfg").write_text("[QMOptions]\nscript : cat sub/part/* > all\n")
    (folder / "sub" / "part").mkdir()
    writer = "import sys, time\nfor i in range(12):\n open(f'{sys.argv[1]}/{i:02}', 'w').write(f'{i} '); time.sleep(0.1)\n"
    subprocess.run([sys.executable, "-c", writer, str(folder / "sub" / "part")], check=True)
    done = spool.until_done("copied")
    assert (done / "all").read_text().split() == [str(i) for i in range(12)]


def test_a_script_that_is_copied(spool: Spool) -> None:
    spool.start("--quiet-s", "0.3")
    with open(spool.queue / "slow.sh", "w") as file:
        file.write("#!/bin/sh\n#SBATCH -n1\n")
        file.flush()
        spool.put("meanwhile")
        spool.until_done("meanwhile")
        file.write("echo whole\n")
    assert "whole\n" in (spool.until_done("slow.sh") / "process.log").read_text()


def test_a_script_that_is_tried_again(spool: Spool) -> None:
    """The second attempt runs in the same folder, which is among the running ones already; the spool dies in between."""
    spool.start()
    gate = spool.house.pipe("gate")
    making = spool.house.root / "making"
    making.mkdir()
    text = f"#!/bin/sh\n#SBATCH --retries=2\necho ran >> runs\nread x < {gate}\n[ $(wc -l < runs) = 3 ]\n"
    (making / "again.sh").write_text(text)
    os.rename(making / "again.sh", spool.queue / "again.sh")
    spool.until(lambda: spool.names(spool.running))
    gate.write_text("go\n")
    spool.until(lambda: (spool.running / "again.sh" / "runs").read_text() == "ran\n" * 2)
    spool.stop(signal.SIGKILL)
    gate.write_text("go\n")
    spool.start()
    gate.write_text("go\n")
    done = spool.until_done("again.sh")
    assert (done / "runs").read_text() == "ran\n" * 3
    status = spool.status(done)
    assert (status["exit_code"], status["attempts"]) == (0, 3)
    assert (done / "process.log").read_text().count("Job started") == 3


def test_more_happens_than_the_kernel_keeps(spool: Spool) -> None:
    """A spool that stands still misses events; then it looks at everything: what came, what went, what is being copied."""
    most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    process = spool.start("--quiet-s", "0.3")
    gate = spool.house.pipe("gate")
    spool.put("first", f"read x < {gate}", nb_proc=2)
    spool.until(lambda: spool.names(spool.running))
    spool.put("goes")
    job = spool.until(lambda: [j for j in spool.house.jobs() if j["name"] == "goes"])[0]
    process.send_signal(signal.SIGSTOP)
    for _ in range(most // 2 + 10):
        (spool.queue / ".dot").touch()
        (spool.queue / ".dot").unlink()
    shutil.rmtree(spool.queue / "goes")
    spool.put("comes")
    shutil.copytree(spool.make(), spool.queue / "copied")
    process.send_signal(signal.SIGCONT)
    spool.house.until_state(job["job_id"], "CANCELLED")
    gate.write_text("go\n")
    for name in ("first", "comes", "copied"):
        spool.until_done(name)
    assert "the kernel had no room" in spool.text()


def test_one_that_gets_its_name_later(spool: Spool) -> None:
    """As a file manager makes it: a new folder with some name, then its own, then what is in it."""
    spool.start("--quiet-s", "0.3")
    (spool.queue / "New Folder").mkdir()
    os.rename(spool.queue / "New Folder", spool.queue / "mine")
    spool.put("other")
    spool.until_done("other")
    (spool.queue / "mine" / "proc_config.cfg").write_text("[QMOptions]\nscript : true\n")
    spool.until_done("mine")
    assert not spool.names(spool.lost)


def test_a_folder_of_an_odd_name(spool: Spool) -> None:
    """The letters of output files mean nothing here."""
    spool.root = spool.house.root / "it's %j of %%x, ü"
    spool.queue, spool.running = spool.root / "QM_qJobs", spool.root / "QM_Jobs"
    spool.done, spool.lost = spool.root / "QM_dJobs", spool.root / "QM_lost+found"
    spool.start()
    spool.put("-x %j", "-nonsense; echo said")
    done = spool.until_done("-x %j")
    assert "said\n" in (done / "process.log").read_text()
    (row,) = spool.house.jobs(is_finished=True)
    assert Path(row["batch"].stdout).resolve() == (done / "process.log").resolve()
    bad = spool.house.run("jobctl", "spool", str(spool.house.root / "back\\slash"))
    assert bad.returncode == 2 and "backslashes" in bad.stderr


def test_a_rerun_of_the_job_says_where_to_put_the_folder(spool: Spool) -> None:
    spool.start()
    spool.put("one", "echo ran >> runs")
    done = spool.until_done("one")
    spool.house.ok("jobctl", "rerun", "1")
    spool.house.until_state(2, "FAILED")
    assert (done / "runs").read_text() == "ran\n"
    assert f"move it to {spool.queue} to run it" in (done / "process.log").read_text()


def test_one_that_is_made_by_hand_may_take_its_time(spool: Spool) -> None:
    spool.start("--quiet-s", "0.1")
    folder = spool.queue / "by-hand"
    folder.mkdir()
    spool.put("other")
    spool.until_done("other")
    (folder / "proc_config.cfg").write_text("[QMOptions]\nscript : true\n")
    spool.until_done("by-hand")
    assert not spool.names(spool.lost)


def test_what_is_there_at_the_start(spool: Spool) -> None:
    """The oldest first, by the info file; what was changed just now has its quiet time."""
    spool.prepare()
    for number, name in enumerate(("c", "a", "b")):
        folder = spool.put(name, f"echo {name} >> {spool.house.root}/order", nb_proc=2)
        os.utime(folder / "proc_config.cfg", (1e9 + number, 1e9 + number))
    spool.start("--quiet-s", "0.3")
    for name in "abc":
        spool.until_done(name)
    assert (spool.house.root / "order").read_text().split() == ["c", "a", "b"]


def test_blocking_is_one_at_a_time_by_priority(spool: Spool) -> None:
    spool.start("--launch-type", "blocking")
    order, gate = spool.house.root / "order", spool.house.pipe("gate")
    script = f"echo begin >> {order}; echo $PWD >> {order}; echo end >> {order}"
    spool.put("first", f"read x < {gate}; {script}")
    spool.until(lambda: spool.names(spool.running))
    for number in range(6):
        spool.put(f"job{number}", script, priority=5 if number == 4 else 0)
    spool.until(lambda: len(spool.house.jobs()) == 7)
    states = [job["state"] for job in spool.house.jobs()]
    assert states.count("RUNNING") == 1 and states.count("PENDING") == 6
    gate.write_text("go\n")
    for number in range(6):
        spool.until_done(f"job{number}")
    lines = order.read_text().split()
    assert lines[0::3] == ["begin"] * 7 and lines[2::3] == ["end"] * 7
    names = [os.path.basename(line) for line in lines[1::3]]
    assert names == ["first", "job4", "job0", "job1", "job2", "job3", "job5"]


def test_blocking_goes_on_after_a_crash(spool: Spool) -> None:
    spool.start("--launch-type", "blocking")
    gate = spool.house.pipe("gate")
    spool.put("first", f"read x < {gate}")
    spool.until(lambda: spool.names(spool.running))
    spool.put("second")
    spool.put("third")
    spool.until(lambda: len(spool.house.jobs()) == 3)
    spool.stop(signal.SIGKILL)
    spool.start("--launch-type", "blocking")
    assert [job["state"] for job in spool.house.jobs()].count("RUNNING") == 1
    gate.write_text("go\n")
    for name in ("first", "second", "third"):
        spool.until_done(name)


def test_what_waited_for_its_turn_runs_where_nobody_takes_turns_any_more(spool: Spool) -> None:
    spool.start("--launch-type", "blocking")
    gate = spool.house.pipe("gate")
    spool.put("first", f"read x < {gate}")
    spool.until(lambda: spool.names(spool.running))
    spool.put("second")
    folder = spool.make()
    (folder / "proc_config.cfg").unlink()
    (folder / "job.sh").write_text("#!/bin/sh\n#SBATCH -n1\necho ran\n")
    os.rename(folder, spool.queue / "third")
    spool.until(lambda: len(spool.house.jobs()) == 3)
    assert spool.stop() == 0
    spool.start()
    for name in ("second", "third"):
        spool.until_done(name)
    gate.write_text("go\n")
    spool.until_done("first")


def test_taking_a_waiting_folder_out_cancels_it(spool: Spool) -> None:
    spool.start()
    gate = spool.house.pipe("gate")
    spool.put("first", f"read x < {gate}", nb_proc=2)
    spool.until(lambda: spool.names(spool.running))
    ids = {}
    for name in ("moved", "removed", "renamed", "stays"):
        spool.put(name, f"echo {name} > {spool.house.root}/{name}.ran", nb_proc=2)
        ids[name] = spool.until(lambda name=name: [j for j in spool.house.jobs() if j["name"] == name])[0][
            "job_id"
        ]
    os.rename(spool.queue / "moved", spool.house.root / "out")
    shutil.rmtree(spool.queue / "removed")
    for name in ("moved", "removed"):
        spool.house.until_state(ids[name], "CANCELLED")
    # Another name is another job; brought back it runs.
    os.rename(spool.queue / "renamed", spool.queue / "other")
    spool.house.until_state(ids["renamed"], "CANCELLED")
    os.rename(spool.house.root / "out", spool.queue / "moved")
    gate.write_text("go\n")
    for name in ("first", "stays", "other", "moved"):
        spool.until_done(name)
    assert not (spool.house.root / "removed.ran").exists()
    assert (spool.house.root / "moved.ran").read_text() == "moved\n"


def test_taken_out_while_no_spool_runs(spool: Spool) -> None:
    spool.start()
    gate = spool.house.pipe("gate")
    spool.put("first", f"read x < {gate}", nb_proc=2)
    spool.until(lambda: spool.names(spool.running))
    spool.put("out")
    job = spool.until(lambda: [j for j in spool.house.jobs() if j["name"] == "out"])[0]
    assert spool.stop() == 0
    shutil.rmtree(spool.queue / "out")
    spool.start()
    spool.house.until_state(job["job_id"], "CANCELLED")
    gate.write_text("go\n")
    spool.until_done("first")


def test_a_cancelled_job_is_done_and_says_so(spool: Spool) -> None:
    spool.start()
    gate = spool.house.pipe("gate")
    spool.put("first", f"read x < {gate}", nb_proc=2)
    spool.until(lambda: spool.names(spool.running))
    spool.put("waits")
    job = spool.until(lambda: [j for j in spool.house.jobs() if j["name"] == "waits"])[0]
    spool.house.ok("Scancel", str(job["job_id"]))
    done = spool.until_done("waits")
    assert spool.status(done)["state"] == "CANCELLED"
    assert "before it started: CANCELLED" in (done / "process.log").read_text()
    running = next(j for j in spool.house.jobs() if j["name"] == "first")
    spool.house.ok("Scancel", str(running["job_id"]))
    done = spool.until_done("first")
    assert spool.status(done)["signal"] == signal.SIGTERM
    assert "with signal 15 (CANCELLED" in (done / "process.log").read_text()


@pytest.mark.parametrize("name", ["same", "é" * 127])
def test_two_of_one_name(spool: Spool, name: str) -> None:
    """The second runs beside the first, under a name with a number, or where that would be too long, under its token."""
    spool.start()
    gate, other = spool.house.pipe("gate"), spool.house.pipe("other")
    spool.put(name, f"read x < {gate}; echo 1 > mine")
    spool.until(lambda: spool.names(spool.running))
    spool.put(name, f"echo 2 > mine; read x < {other}")
    spool.until(lambda: len(spool.names(spool.running)) == 2)
    (second,) = set(spool.names(spool.running)) - {name}
    assert second == "same.2" if name == "same" else second.isalnum() and len(second) == 32
    gate.write_text("go\n")
    other.write_text("go\n")
    spool.until(lambda: len(spool.names(spool.done)) == 2)
    done = [spool.done / found for found in spool.names(spool.done)]
    assert sorted((path / "mine").read_text() for path in done) == ["1\n", "2\n"]
    assert {spool.status(path)["name"] for path in done} == {name}


def test_a_running_folder_that_is_removed(spool: Spool) -> None:
    spool.start()
    gate, ready = spool.house.pipe("gate"), spool.house.pipe("ready")
    spool.put("gone", f"echo up > {ready}; read x < {gate}")
    assert spool.house.until_ready(ready) == "up\n"
    shutil.rmtree(spool.running / "gone")
    gate.write_text("go\n")
    spool.until(lambda: "its folder has gone" in spool.text())
    spool.put("next")
    spool.until_done("next")


def test_done_folders_run_again_when_they_are_put_back(spool: Spool) -> None:
    spool.start()
    spool.put("twice", "echo ran >> runs")
    done = spool.until_done("twice")
    os.rename(done, spool.queue / "twice")
    again = spool.until_done("twice")
    assert (again / "runs").read_text() == "ran\nran\n"
    assert (again / "process.log").read_text().count("Job finished at") == 2
    # A copy of it, with all that is in it, too.
    shutil.copytree(again, spool.house.root / "making" / "copy")
    os.rename(spool.house.root / "making" / "copy", spool.queue / "copy")
    assert (spool.until_done("copy") / "runs").read_text() == "ran\n" * 3


def test_an_old_configuration_is_read_as_it_is(spool: Spool) -> None:
    config = spool.house.root / "QMserv.cfg"
    config.write_text(
        f"[QMServer]\nQM_FOLDER : {spool.root}\nMaxNbProcessors : 1\njob_file : infos.xml\nMailActive : False\n"
        "launch_type : blocking\nDebug : False\n[WEB_QMserver]\nHost : localhost\nThe_Port : 8000\nRefresh_Rate : 5\n"
        "Display_details : True\nDelete_Jobs : True\nLicence_to_kill : False\nDebug : False\n"
    )
    spool.start("--qm", str(config))
    folder = spool.make()
    (folder / "infos.xml").write_text(
        '<PARAMETER><nb_proc value="12"/><e-mail value="a@b"/><script value="echo $NB_PROC"/></PARAMETER>'
    )
    os.rename(folder, spool.queue / "x")
    lines = (spool.until_done("x") / "process.log").read_text().splitlines()
    assert lines[0] == "Number of processors limited to 1: 12 were asked for" and lines[2] == "1"
    (row,) = spool.house.jobs(is_finished=True)
    assert "mail_user" not in dict(map(tuple, row["batch"].labels))


def test_a_second_spool_is_refused(spool: Spool) -> None:
    spool.start()
    done = spool.house.run("jobctl", "spool", str(spool.root))
    assert done.returncode == 1 and "another spool has it" in done.stderr


def test_the_server_is_restarted_and_was_away(spool: Spool) -> None:
    spool.start()
    gate = spool.house.pipe("gate")
    spool.put("first", f"read x < {gate}", nb_proc=2)
    spool.until(lambda: spool.names(spool.running))
    os.kill(spool.house.server_pid(), signal.SIGKILL)
    gate.write_text("go\n")  # it ends while there is no server
    spool.put("second")  # and this one wakes the server
    spool.until_done("first")
    spool.until_done("second")
