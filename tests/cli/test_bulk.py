"""`Sbatch --from`: lines → items and specs; no server."""

import json
import subprocess
from collections.abc import Iterable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jobd.cli import bulk, sbatch
from jobd.cli.batch_options import Chosen
from jobd.cli.batch_spec import Built, Surroundings, build
from jobd.errors import Refused, UsageError
from jobd.limits import ITEMS_MAX

AROUND = Surroundings({b"PATH": b"/bin"}, "/tmp", 0o022, "vm", 1_000_000.0, lambda: 2, "Sbatch --from x")


def built(chosen: Chosen) -> Built:
    return build(chosen, AROUND, name="", script=None)


def parts(lines: Iterable[str], **options: str) -> list[bulk.Part]:
    return bulk.parts(
        list(lines),
        "jobs.txt",
        Chosen({k.replace("_", "-"): v for k, v in options.items()}),
        sbatch.TABLE,
        built,
    )


def commands(*lines: str) -> list[list[str]]:
    return [item.command for part in parts(lines) for item in part.items]


def test_empty_lines_and_comments_are_passed_over() -> None:
    assert commands("", "  ", "# x", "  # y", "true", "\ttrue a\r") == [["true"], ["true", "a"]]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("make a  b", ["make", "a", "b"]),
        ("echo 'a b' \"c d\" e\\ f", ["echo", "a b", "c d", "e f"]),
        ("run --x=1 50% a:b,c@d+e^f", ["run", "--x=1", "50%", "a:b,c@d+e^f"]),
        ("a.out x~ y#z", ["a.out", "x~", "y#z"]),
        ("run a\u00a0b", ["run", "a\u00a0b"]),
    ],
)
def test_a_line_without_shell_characters_is_run_itself(line: str, words: list[str]) -> None:
    assert commands(line) == [words]


@pytest.mark.parametrize(
    "line",
    [
        "a | b", "a && b", "a > b", "echo $X", "echo `x`", "ls *.c", "ls ?", "ls [ab]", "cd x", "exit 3", "X=1 run", "ls ~/x", "a; b", "echo a # b",
        "( a )", "{ a; }", "! a", ". x", "a &",
    ],
)  # fmt: skip
def test_a_line_for_a_shell_is_given_to_one_as_it_is(line: str) -> None:
    assert commands(line) == [["/bin/sh", "-c", line]]


@settings(deadline=None, max_examples=60)  # each starts two processes
@example(["\\ "])
@example(["a\\\\ "])
@example(["\\\\\\  "])
@example(["'\\ '"])
@given(st.lists(st.text(alphabet="ab'\"\\ -.=/|~#", min_size=1, max_size=8), min_size=1, max_size=4))
def test_a_line_means_what_it_means_to_a_shell(words: list[str]) -> None:
    line = "printf '%s\\n' " + " ".join(words)
    expected = subprocess.run(["/bin/sh", "-c", line], capture_output=True, check=False)
    try:
        (command,) = commands(line)
    except UsageError:
        # A backslash at the very end is a line that goes on: there is none, and a shell only shrugs.
        assert expected.returncode != 0 or line.endswith("\\")
        return
    if expected.returncode == 0:
        assert subprocess.run(command, capture_output=True, check=False).stdout == expected.stdout


def test_a_job_is_named_after_its_program_and_all_share_one_spec() -> None:
    (part,) = parts(["/usr/bin/make a", "a.sh | b"])
    assert [item.name for item in part.items] == ["make", "a.sh"]
    assert len(part.specs) == len(part.blobs) == 1


def test_a_name_for_all_is_the_name_of_all() -> None:
    (part,) = parts(["make a", '{"command": "b"}', '{"command": "b", "name": "own"}'], job_name="fit")
    assert [item.name for item in part.items] == ["", "", "own"]
    assert part.specs[0].name == "fit"


def test_json_lines_take_the_options_of_the_command_line() -> None:
    lines = [
        {"command": "make a"},
        {"command": ["echo", "a | b"], "name": "e", "nb_proc": 2, "time": "1:00", "mem": "1G", "output": "o"},
        {"command": "a | b", "cpus-per-task": 2, "hold": True, "requeue": False, "nice": 5, "cwd": "/"},
        {"command": "make b"},
    ]
    (part,) = parts([json.dumps(line) for line in lines], time="9")
    assert [item.command for item in part.items] == [
        ["make", "a"],
        ["echo", "a | b"],
        ["/bin/sh", "-c", "a | b"],
        ["make", "b"],
    ]
    assert [item.name for item in part.items] == ["make", "e", "a", "make"]
    assert [item.spec_index for item in part.items] == [0, 1, 2, 0]
    first, second, third = part.specs
    assert (first.nb_proc, first.time_limit_s) == (1, 540)
    assert (second.ntasks, second.time_limit_s, second.memory_bytes, second.stdout) == (2, 60, 1 << 30, "o")
    assert (third.cpus_per_task, third.is_held, third.is_requeueable, third.nice, third.cwd) == (
        2,
        True,
        None,
        5,
        "/",
    )


def test_lines_of_their_own_environment_send_it_once_each() -> None:
    lines = [json.dumps({"command": "x", "export": f"ALL,A={index % 2}"}) for index in range(6)]
    (part,) = parts(lines)
    assert len(part.specs) == len(part.blobs) == 2


@pytest.mark.parametrize(
    "line",
    [
        "echo 'a", "echo \0", '{"command": 1}', "{}", '{"command": []}', '{"command": ["", "a"]}', '{"command": "a", "tim": 1}', '{"command": "a",}',
        '{"command": "a", "time": "x"}', '{"command": "a", "hold": 1}', '{"command": "a", "time": [1]}', '{"command": "a", "wait": true}',
        '{"command": ["a\\u0000b"]}', '{"command": "a", "time": true}', "x" * 140_000, '{"command": "a", "nodes": 2}',
    ],
)  # fmt: skip
def test_a_bad_line_refuses_everything_and_is_named(line: str) -> None:
    with pytest.raises((UsageError, Refused)) as caught:
        parts(["true", "", line])
    assert "jobs.txt, line 3" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_many_lines_are_cut_into_requests_that_the_server_takes() -> None:
    cut = parts(f"true {index}" for index in range(ITEMS_MAX + 5))
    assert [len(part.items) for part in cut] == [ITEMS_MAX, 5]
    assert cut[1].items[0].command == ["true", str(ITEMS_MAX)]
    big = parts("x" * 100_000 for _ in range(180))
    assert len(big) > 1
    assert sum(len(part.items) for part in big) == 180


def test_a_part_has_just_the_specs_that_it_names() -> None:
    lines = ["true"] * ITEMS_MAX + ['{"command": "b", "time": 5}', '{"command": "b", "time": 6}']
    cut = parts(lines)
    assert [len(part.specs) for part in cut] == [1, 2]
    assert [part.specs[item.spec_index].time_limit_s for part in cut[1:] for item in part.items] == [300, 360]


def test_bytes_that_are_no_text_come_through() -> None:
    assert commands("run \udcff") == [["run", "\udcff"]]
