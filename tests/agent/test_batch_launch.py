"""Launching: how a batch job starts, in what surroundings, where its output goes, and what it ends with."""

import json
import os
import resource
import signal
import stat
import sys

import pytest

from agent.hands import PATH, Hands
from jobd.wire import batch as b
from jobd.wire.blobs import blob_of, pack_environment

TELL = "import json,os,sys,resource,signal; print(json.dumps("


def python(text: str) -> list[str]:
    return [sys.executable, "-S", "-c", text]


def test_the_exit_code_is_told_exactly(hands: Hands) -> None:
    left = hands.sh(1, "exit 3")
    assert (left.exit_code, left.signal, left.cause, left.attempt, left.token) == (
        3,
        None,
        "self",
        1,
        "token-1",
    )
    assert left.pid > 0 and left.start_ticks > 0
    assert hands.sh(2, "true").exit_code == 0
    assert hands.sh(3, "exit 255").exit_code == 255


def test_a_signal_is_told_as_such(hands: Hands) -> None:
    left = hands.sh(1, "kill -9 $$")
    assert (left.exit_code, left.signal, left.cause) == (None, signal.SIGKILL, "self")


def test_a_job_that_runs_on_is_told_to_run(hands: Hands) -> None:
    go = hands.gate("go")
    hands.shell(1, "read x < go; exit $x")
    launched = hands.launched(1)
    assert not hands.all_of(b.Left, 1)
    assert os.getpgid(launched.pid) == os.getsid(launched.pid) == launched.pid
    go("7")
    left = hands.left(1)
    assert left.exit_code == 7
    assert (left.pid, left.start_ticks) == (launched.pid, launched.start_ticks)
    assert len(hands.all_of(b.Launched, 1)) == 1
    assert not hands.all_of(b.Over, 1)


def test_use_is_measured(hands: Hands) -> None:
    # A process begins with the peak of the one that spawned it (getrusage(2)), which here is that of all tests so far.
    size = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10) + (60 << 20)
    left = hands.run(1, python(f"x = bytearray({size})\nfor i in range(10**6): pass"))
    assert left.cpu_s > 0.005
    assert size <= left.memory_peak_bytes < size + (100 << 20)


def test_output_is_cut_or_appended_to(hands: Hands) -> None:
    hands.sh(1, "echo one")
    hands.sh(1, "echo two", attempt=2)
    assert hands.output(1) == "two\n"
    hands.sh(1, "echo three", attempt=3, is_appending=True)
    assert hands.output(1) == "two\nthree\n"


def test_error_output_joins_or_has_its_own_file(hands: Hands) -> None:
    hands.sh(1, "echo out; echo err >&2")
    assert hands.output(1) == "out\nerr\n"
    both = str(hands.folder / "both")
    hands.sh(2, "echo out; echo err >&2", stdout=both, stderr=both)
    assert (hands.folder / "both").read_text() == "out\nerr\n"
    hands.sh(3, "echo out; echo err >&2", stderr=str(hands.folder / "3.err"))
    assert hands.output(3) == "out\n"
    assert (hands.folder / "3.err").read_text() == "err\n"


def test_missing_folders_of_output_are_made(hands: Hands) -> None:
    path = hands.folder / "a" / "b" / "out"
    assert hands.sh(1, "echo here", stdout=str(path)).exit_code == 0
    assert path.read_text() == "here\n"
    assert stat.S_IMODE((hands.folder / "a").stat().st_mode) == 0o755


def test_names_of_files_are_below_the_job_s_folder(hands: Hands) -> None:
    (hands.folder / "sub").mkdir()
    hands.sh(1, "pwd", cwd=str(hands.folder / "sub"), stdout="x.out")
    assert (hands.folder / "sub" / "x.out").read_text() == f"{hands.folder}/sub\n"


def test_output_that_cannot_be_opened_is_a_failed_launch(hands: Hands) -> None:
    (hands.folder / "file").write_text("")
    left = hands.sh(1, "echo never", stdout=str(hands.folder / "file" / "out"))
    assert (left.cause, left.exit_code, left.signal, left.pid) == ("launch", None, None, 0)
    assert left.text == f"cannot open {hands.folder}/file/out for output: Not a directory"
    left = hands.sh(2, "echo never", stderr=str(hands.folder))
    assert left.text == f"cannot open {hands.folder} for output: Is a directory"
    left = hands.sh(3, "echo never", stdin=str(hands.folder / "nothing"))
    assert left.text == f"cannot open {hands.folder}/nothing for input: No such file or directory"


def test_a_folder_that_is_not_there_is_a_failed_launch(hands: Hands) -> None:
    left = hands.sh(1, "true", cwd="/nowhere/at/all")
    assert (left.cause, left.text) == ("launch", "cannot enter /nowhere/at/all: No such file or directory")
    assert not hands.book.entries


def test_input_comes_from_a_file_or_from_nothing(hands: Hands) -> None:
    hands.run(1, ["cat"])
    assert hands.output(1) == ""
    (hands.folder / "in").write_text("hello")
    hands.run(2, ["cat"], stdin=str(hands.folder / "in"))
    assert hands.output(2) == "hello"


def test_a_fifo_is_waited_for_by_the_job_and_not_by_the_agent(hands: Hands) -> None:
    os.mkfifo(hands.folder / "in")
    os.mkfifo(hands.folder / "out")
    hands.launch(1, ["cat"], stdin=str(hands.folder / "in"))
    hands.shell(2, "echo through", stdout=str(hands.folder / "out"))
    assert hands.sh(3, "true").exit_code == 0
    assert not hands.all_of(b.Left, 1)
    (hands.folder / "in").write_text("late")
    assert hands.left(1).exit_code == 0
    assert hands.output(1) == "late"


def test_the_umask_is_the_job_s_and_the_agent_keeps_its_own(hands: Hands) -> None:
    hands.sh(1, "umask; touch made", umask=0o027)
    assert hands.output(1) == "0027\n"
    assert stat.S_IMODE((hands.folder / "made").stat().st_mode) == 0o640
    assert stat.S_IMODE((hands.folder / "1.out").stat().st_mode) == 0o640
    was = os.umask(0o077)
    assert was == 0o077
    assert os.getcwd() == "/"


def test_a_job_is_bound_to_its_processors_and_so_is_all_that_it_starts(hands: Hands) -> None:
    own = os.sched_getaffinity(0)
    one = min(own)
    text = "import os; print(sorted(os.sched_getaffinity(0)))"
    hands.sh(1, f"exec {sys.executable} -S -c '{text}'", cpus=[one])
    assert hands.output(1) == f"[{one}]\n"
    assert os.sched_getaffinity(0) == own
    hands.run(2, python(text))
    assert hands.output(2) == f"{sorted(own)}\n"


def test_processors_that_are_not_there_are_said(hands: Hands) -> None:
    left = hands.sh(1, "true", cpus=[1000])
    assert left.exit_code == 0
    assert left.unenforced[0].startswith("processors: ")


def test_the_environment_is_the_captured_one_with_the_server_s_variables_over_it(hands: Hands) -> None:
    variables = ["COLOUR", "red", "?HOME", "/not/this", "?OMP_NUM_THREADS", "1", "ODD", "\udcff=ü"]
    hands.run(1, ["/usr/bin/env", "-0"], variables=variables)
    got = dict(entry.split(b"=", 1) for entry in (hands.folder / "1.out").read_bytes().split(b"\0") if entry)
    assert got == {
        b"PATH": PATH.encode(),
        b"HOME": b"/",
        b"COLOUR": b"red",
        b"OMP_NUM_THREADS": b"1",
        b"ODD": b"\xff=\xc3\xbc",
        b"JOBD_JOB_ID": b"1",
        b"JOBD_ATTEMPT": b"1",
        b"JOBD_SERVER": hands.server_id.encode(),
    }


def test_a_command_is_looked_for_in_the_captured_path(hands: Hands) -> None:
    (hands.folder / "bin").mkdir()
    tool = hands.folder / "bin" / "tool"
    tool.write_text('#!/bin/sh\necho "$0 $1"\n')
    tool.chmod(0o755)
    blob = blob_of(pack_environment({b"PATH": b"/nowhere:" + os.fsencode(hands.folder / "bin")}))
    hands.hear(blob)
    hands.run(1, ["tool", "x"], environment=blob.key)
    assert hands.output(1) == f"{tool} x\n"


@pytest.mark.parametrize(
    ("argv", "code", "line"),
    [
        (["no-such-thing"], 127, "jobd: no-such-thing: command not found\n"),
        (["/no/such/thing"], 127, "jobd: /no/such/thing: no such file\n"),
        (["/etc/passwd"], 126, "jobd: /etc/passwd: Permission denied\n"),
        (["/tmp"], 126, "jobd: /tmp: Permission denied\n"),
    ],
)
def test_a_command_that_cannot_be_run_ends_as_in_a_shell(
    hands: Hands, argv: list[str], code: int, line: str
) -> None:
    left = hands.run(1, argv)
    assert (left.exit_code, left.cause, left.pid) == (code, "self", 0)
    assert hands.output(1) == line


def test_a_command_with_a_zero_byte_is_a_failed_launch(hands: Hands) -> None:
    assert hands.run(1, ["echo", "a\0b"]).cause == "launch"
    assert hands.run(3, []).text == "there is no command"


def test_a_job_has_no_descriptors_of_the_agent_and_signals_as_usual(hands: Hands) -> None:
    hands.sh(1, "ls /proc/self/fd")
    assert hands.output(1).split() == ["0", "1", "2", "3"]  # 3 is the folder that ls reads
    hands.sh(2, "grep -E '^Sig(Blk|Ign)' /proc/self/status")
    # The two that glibc keeps for itself (32 and 33) are left out.
    assert [int(line.split()[1], 16) & 0x7FFFFFFF for line in hands.output(2).splitlines()] == [0, 0]
    hands.sh(3, "ulimit -Sn")
    assert int(hands.output(3)) <= 1024


# ---- scripts
def script(hands: Hands, text: str) -> str:
    blob = blob_of(text.encode())
    hands.hear(blob)
    return blob.key


def test_a_script_is_run_by_its_interpreter_with_its_arguments(hands: Hands) -> None:
    key = script(hands, '#!/bin/sh\nbasename "$0"\necho "$# $1 $2"\nexit 4\n')
    left = hands.run(1, ["job.sh", "a b", "c"], script=key)
    assert left.exit_code == 4
    assert hands.output(1) == "slurm_script\n2 a b c\n"


def test_a_script_may_be_of_any_language_or_of_none(hands: Hands) -> None:
    key = script(hands, f"#!{sys.executable} -S\nimport sys\nprint(sys.argv[1:])\n")
    hands.run(1, ["job.py", "x"], script=key)
    assert hands.output(1) == "['x']\n"
    hands.run(2, ["job"], script=script(hands, "echo plain $1; exit 5\n"))
    assert hands.output(2) == "plain\n"
    left = hands.run(3, ["job"], script=script(hands, "#!/no/interpreter\n"))
    assert left.exit_code == 127
    assert "interpreter" in hands.output(3)


def test_a_script_is_a_private_file_that_is_shared_and_later_removed(hands: Hands) -> None:
    key = script(hands, "#!/bin/sh\nread x < $1; stat -c %a $0; cat $0 >&2\n")
    gates = [hands.gate("one"), hands.gate("two")]
    for job_id, name in ((1, "one"), (2, "two")):
        hands.launch(job_id, ["s", str(hands.folder / name)], script=key)
        hands.launched(job_id)
    spool = hands.folder / "spool"
    assert os.listdir(spool) == [key]
    for job_id, go in enumerate(gates, 1):
        go("")
        hands.left(job_id)
    assert hands.output(1).startswith("700\n")
    hands.agent.batches.spool.sweep()
    assert os.listdir(spool) == []


def test_many_scripts_do_not_pile_up(hands: Hands) -> None:
    for number in range(70):
        key = script(hands, f"#!/bin/true\n{number}\n")
        assert hands.run(number + 1, ["s"], script=key).exit_code == 0
    assert len(os.listdir(hands.folder / "spool")) <= 64


def test_everything_of_a_job_can_be_read_back(hands: Hands) -> None:
    """A larger job: what it sees of itself, in one go."""
    text = TELL + "[os.getcwd(), os.getpid()==os.getsid(0), os.environ['JOBD_JOB_ID'], sys.stdin.read()]))"
    left = hands.run(9, python(text))
    assert left.exit_code == 0
    assert json.loads(hands.output(9)) == [str(hands.folder), True, "9", ""]
