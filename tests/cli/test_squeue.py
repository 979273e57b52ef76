"""What Squeue's options mean, and the lines of its event stream; no server."""

import json
import os
import pwd
import subprocess
import sys

import pytest

from jobd.cli import squeue
from jobd.cli.listing import Options
from jobd.cli.watch import event_line, json_line
from jobd.errors import UsageError
from jobd.wire.messages import Event, JobRow

ROW = JobRow(
    7, 3, 3, "RUNNING", "salloc", 2, 4711, "make", ["/usr/bin/make", "all"], "/", "me", 0, None, 1.0, 2.0, None, [], [], None, None, None, "", "None", "t"
)  # fmt: skip


def chosen(*argv: str) -> squeue.Filter:
    return squeue.filter_of(Options(squeue.TABLE, argv))


def test_without_options_every_job_is_meant() -> None:
    assert chosen() == squeue.Filter()


@pytest.mark.parametrize(
    ("text", "states"),
    [
        ("W", {"PENDING"}),
        ("pd", {"PENDING"}),
        ("pending,Running", {"PENDING", "RUNNING"}),
        ("r", {"RUNNING", "COMPLETING"}),
        ("S", {"SUSPENDED"}),
        ("CD,CA", {"COMPLETED", "CANCELLED"}),
        ("OOM", {"OUT_OF_MEMORY"}),
        ("CONFIGURING", set()),
        ("PD,CF", {"PENDING"}),
    ],
)
def test_states_go_by_any_of_their_names(text: str, states: set[str]) -> None:
    assert chosen("-t", text).states == states


def test_all_states_are_all() -> None:
    states = chosen("-t", "all").states
    assert states is not None
    assert {"PENDING", "RUNNING", "COMPLETED", "TIMEOUT"} <= states


def test_lists_are_given_with_commas_or_again() -> None:
    assert chosen("-j", "1,2", "-j", "3").job_ids == {1, 2, 3}
    assert chosen("-n", "a,b").names == {"a", "b"}


def test_a_user_is_a_name_or_a_number_and_me_is_myself() -> None:
    me = pwd.getpwuid(os.getuid()).pw_name
    assert chosen("--me").users == chosen("-u", str(os.getuid())).users == chosen("-u", me).users == {me}


@pytest.mark.parametrize(
    ("argv", "does_fit"),
    [
        ((), True),
        (("-t", "R"), True),
        (("-t", "W"), False),
        (("-j", "7,8"), True),
        (("-j", "8"), False),
        (("-n", "make"), True),
        (("-n", "mak"), False),
        (("-u", "me"), True),
        (("-u", "you"), False),
        (("--type", "salloc"), True),
        (("-n", "make", "-t", "W"), False),
        (("-p", "main"), True),
        (("-p", "gpu"), False),
        (("-A", "me"), True),
        (("-q", "high"), False),
        (("-L", "matlab"), False),
    ],
)
def test_a_job_is_meant_if_all_that_is_asked_fits(argv: tuple[str, ...], does_fit: bool) -> None:
    assert chosen(*argv).fits(ROW) is does_fit


@pytest.mark.parametrize(
    "argv", [("-t", "X"), ("-j", "x"), ("-j", "-1"), ("-j", ""), ("-n", ","), ("--type", "x"), ("-t", "")]
)
def test_what_cannot_be_meant_is_refused(argv: tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        chosen(*argv)


@pytest.mark.parametrize(
    "argv",
    [
        ("-t", "nonsense"),
        ("-j", "1,x"),
        ("-o", "%!"),
        ("--limit", "-1", "-f"),
        ("--limit", "3"),
        ("--since", "1"),
        ("-w", "-f"),
        ("-w", "--start"),
        ("-O", "nosuch"),
        ("-o", "%i", "-O", "Name"),
        ("-i", "0"),
        ("--sta", "R"),
        ("--nonsense",),
        ("word",),
        ("-t",),
        ("-n", "a\x1b[31m,", "-t", "\x1b[31m"),
    ],
)
def test_wrong_usage_is_one_line_and_code_2(argv: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from jobd.cli.squeue import program; program()", *argv],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HOME": "/nonexistent", "XDG_RUNTIME_DIR": "/nonexistent"},
    )
    assert done.returncode == 2, done
    assert done.stdout == ""
    assert done.stderr.startswith("Squeue: ")
    assert done.stderr.count("\n") == 1
    assert "\x1b" not in done.stderr


def test_a_list_loads_nothing_that_only_the_live_table_needs() -> None:
    code = "import sys, jobd.cli.squeue; print([n for n in ('rich', 'asyncio', 'sqlite3', 'psutil', 'dataclasses') if n in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )


# ---- the stream of events
def test_an_event_is_one_line() -> None:
    line = event_line(Event(12, 1000.25, "ended", ROW._replace(command=["a\nb"], reason="killed\x1b"), ""))
    assert "\n" not in line
    assert "\x1b" not in line
    assert line.split()[1:6] == ["12", "ended", "7", "R", "2"]
    assert line.endswith("(killed\\x1b)")


def test_an_event_of_the_server_is_a_line_with_its_text() -> None:
    line = event_line(Event(12, 1000.25, "limits", None, "nb_proc 4, nb_proc_max 4"))
    assert line.split()[1:6] == ["12", "limits", "-", "-", "-"]
    assert line.endswith("nb_proc 4, nb_proc_max 4")


def test_an_event_as_json_is_one_line_with_the_whole_job() -> None:
    line = json_line(Event(12, 1000.25, "started", ROW, ""))
    assert "\n" not in line
    told = json.loads(line)
    assert told["seq"] == 12
    assert told["job"]["job_id"] == 7
    assert told["job"]["short_command"] == "make all"
