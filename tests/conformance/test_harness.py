"""What the comparison lets pass and what it does not; no server."""

import grp
import os
import pwd
import socket
from pathlib import Path

import pytest

from conformance.harness import NODE, Row, Scene, World, masked, masks_of, on_node, play

USER = pwd.getpwuid(os.getuid()).pw_name
GROUP = grp.getgrgid(os.getgid()).gr_name
HOST = NODE if on_node() else socket.gethostname().partition(".")[0]
FOLDER = Path("/tmp/conf-xyz/s/scene")
VARIABLES = {"one": "70001", "ten": "70010", "count": "12", "word": "hello"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("70001 70010 170001 700011", "<one> <ten> 170001 700011"),
        ("70001_[0-9%2]|slurm-70010.out", "<one>_[0-9%2]|slurm-<ten>.out"),
        ("12 hello", "12 hello"),
        ("             70001      main", "             <one>      main"),
        ("Start=2026-11-21T10:05:11 End=Unknown", "Start=<time> End=Unknown"),
        ("R       0:03      1 x", "R <span>      1 x"),
        ("00:00:01 00:00.012 0:59 1:05 00:01:05", "<span> <span> <span> <span> <span>"),
        (
            "TimeLimit=00:10:00 10:00 1:00:00 0:9 0:15 7:0 143:0",
            "TimeLimit=00:10:00 10:00 1:00:00 0:9 0:15 7:0 143:0",
        ),
        (
            f"UserId={USER}({os.getuid()}) GroupId={GROUP}({os.getgid()})",
            "UserId=<user>(<uid>) GroupId=<group>(<gid>)",
        ),
        (f"uid={os.getuid()} GID={os.getgid()}", "uid=<uid> GID=<gid>"),
        (f"     {USER} PD", " <user> PD"),
        (f"{HOST}      \n", "<node> \n"),
        (f"/home/{USER}/x {USER}-x", f"/home/{USER}/x {USER}-x"),
        (f"{FOLDER}/slurm-70001.out", "<dir>/slurm-<one>.out"),
    ],
)
def test_masks(text: str, expected: str) -> None:
    assert masked(text, masks_of(VARIABLES, FOLDER)) == expected


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, {"PATH": "/usr/bin:/bin"})


def test_rows_know_the_variables_and_the_folder_of_the_setup(world: World) -> None:
    setup = "job=70001; text=$'two\\nlines'; declare -r fixed=1; echo made >file"
    rows = [
        Row("variables", 'echo "$job|$text"', "<job>|two\nlines\n"),
        Row("folder", "pwd; cat file; wait_file file", "<dir>\nmade\n"),
        Row("all three", "echo out; echo err >&2; exit 3", "out\n", "err\n", 3),
        Row("the host", "uname -n | sed 's/[.].*//'", "<node>\n"),
        Row("nothing is exported", "env | grep -c -e job -e BASH_ENV", "0\n", code=1),
    ]
    play(world, Scene("good", setup, rows))


def test_every_difference_is_told(world: World) -> None:
    rows = [
        Row("right", "echo a", "a\n"),
        Row("wrong text", "printf 'a\\nb\\n'", "a\nc\n"),
        Row("wrong code", "exit 2"),
    ]
    with pytest.raises(pytest.fail.Exception) as raised:
        play(world, Scene("bad", "", rows))
    assert str(raised.value) == (
        "2 of 3 rows of scene bad differ:\n"
        "-- wrong text: printf 'a\\nb\\n'\n"
        "   out expected: \n       'a\\n'\n       'c\\n'\n"
        "   out got:      \n       'a\\n'\n       'b\\n'\n"
        "-- wrong code: exit 2\n"
        "   code expected: 0\n"
        "   code got:      2\n"
    )


def test_a_setup_that_fails_is_told(world: World) -> None:
    with pytest.raises(pytest.fail.Exception, match=r"setup of scene bad failed \(1\):\nsaid\n"):
        play(world, Scene("bad", "echo said; false; true", []))
