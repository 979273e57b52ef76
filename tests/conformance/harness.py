"""One table of rows, run against jobd's programs by Slurm's names and against a real Slurm: what is expected is written once.

A scene is a piece of shell that sets something up, and the rows that look at it. Either world is a node of four processors and 4000 MB in
the cluster `mini` with the partition `main`, and numbers its jobs from 70001, so that a number is as wide here as there and is no
other number. Rows are in rows_*.py, each with a list SCENES.
"""

import functools
import grp
import os
import pwd
import re
import shlex
import socket
import subprocess
from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import pytest

FIRST_JOB = 70001
NODE = "vm"
PATIENCE_S = 60
NUMBER_DIGITS_MIN = (
    5  # a variable of the setup with a shorter number is no id, and would mask what it has nothing to do with
)

HELPERS = r"""
_all_are() { # IDS STATE…: whether squeue shows each of these jobs in one of the states
    local found=$(squeue -h -t all -j "$1" -o '%T')
    shift
    [ -n "$found" ] && ! printf '%s\n' "$found" | grep -qvxE "$(IFS='|'; echo "$*")"
}
_until() { # WHAT COMMAND…
    local end=$((SECONDS + 40)) what=$1
    shift
    until "$@" 2>/dev/null; do
        [ $SECONDS -lt $end ] || { echo "waited in vain for $what" >&2; "$@"; squeue -t all >&2; return 1; }
        sleep 0.1
    done
}
wait_state() { # ID STATE…: until squeue shows one of these
    _until "job $1 to be ${*:2}" _all_are "$@"
}
wait_end() { # ID…
    local id
    for id; do wait_state "$id" COMPLETED FAILED CANCELLED TIMEOUT NODE_FAIL OUT_OF_MEMORY DEADLINE PREEMPTED BOOT_FAIL; done
}
_is_recorded() { # Slurm's first record of a short job has no partition, for up to five seconds
    local found=$(sacct -j "$1" -X -n -P -o Partition,State)
    [ -n "$found" ] && ! printf '%s\n' "$found" | grep -qE '^\||PENDING|RUNNING|COMPLETING'
}
wait_record() { # ID…: until it is over and sacct knows all of it
    local id
    for id; do wait_end "$id"; _until "the record of job $id" _is_recorded "$id"; done
}
wait_file() { _until "the file $1" test -e "$1"; }
"""


class Row(NamedTuple):
    """A line of bash and what it says, masked."""

    name: str
    command: str
    out: str = ""
    err: str = ""
    code: int = 0


class Scene(NamedTuple):
    """A piece of bash that prepares, and the rows that look at what it made."""

    name: str
    setup: str
    rows: list[Row]


class World(NamedTuple):
    """Where scenes are played: a folder for them, and the environment that has Slurm's commands."""

    folder: Path
    env: Mapping[str, str]
    before: str = ""  # bash, before each row


@functools.cache
def on_node() -> tuple[str, ...]:
    """What is put before a command so that this host is called NODE to it, since tables are as wide as its name is long. Nothing where we
    have no right to that."""
    prefix = ("unshare", "--uts", "--", "sh", "-c", f'hostname {NODE} && exec "$@"', "sh")
    is_permitted = subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0
    return prefix if is_permitted else ()


def scenes() -> list[Scene]:
    """All scenes of all rows_*.py.

    Raises:
        ValueError: two have one name, or two rows of a scene have.
    """
    found: list[Scene] = []
    for path in sorted(Path(__file__).parent.glob("rows_*.py")):
        found += import_module(f"conformance.{path.stem}").SCENES
    _check_names([scene.name for scene in found])
    for scene in found:
        _check_names([row.name for row in scene.rows])
    return found


def _check_names(names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"twice: {', '.join(twice)}")


def play(world: World, scene: Scene) -> None:
    """Set a scene up and compare its rows, one by one, all of them.

    Raises:
        pytest.fail.Exception: the setup failed, or rows differ; it tells of each.
    """
    folder = world.folder / scene.name
    folder.mkdir()
    variables = _set_up(world, scene, folder)
    masks = masks_of(variables, folder)
    prelude = world.folder / f"{scene.name}.sh"
    prelude.write_text(
        "unset BASH_ENV\n"
        + HELPERS
        + "".join(f"{k}={shlex.quote(v)}\n" for k, v in variables.items())
        + world.before
    )
    wrong = []
    for row in scene.rows:
        done = _bash(world, row.command, folder, {"BASH_ENV": str(prelude)})
        out, err = masked(done.stdout, masks), masked(done.stderr, masks)
        found = row._replace(out=out, err=err, code=done.returncode)
        if found != row:
            wrong.append(_difference(row, found))
    if wrong:
        total = f"{len(wrong)} of {len(scene.rows)} rows of scene {scene.name} differ:\n"
        pytest.fail(total + "".join(wrong), pytrace=False)


def _set_up(world: World, scene: Scene, folder: Path) -> dict[str, str]:
    """Run the setup; the variables that it has set."""
    script = f"""{HELPERS}
_before=" $(compgen -v | tr '\\n' ' ') "
{scene.setup}
for _name in $(compgen -v); do
    case "$_before" in *" $_name "*) continue ;; esac
    case "$_name" in _*|PIPESTATUS|BASH_*|FUNCNAME) continue ;; esac
    printf '%s=%s\\0' "$_name" "${{!_name-}}" >&9
done
"""
    variables = world.folder / f"{scene.name}.vars"
    done = _bash(world, script, folder, {}, "-eu", f"exec 9>{shlex.quote(str(variables))}")
    if done.returncode != 0:
        said = f"{done.stdout}{done.stderr}"
        pytest.fail(f"the setup of scene {scene.name} failed ({done.returncode}):\n{said}", pytrace=False)
    pairs = [pair.partition("=") for pair in variables.read_text().split("\0") if pair]
    return {name: value for name, _, value in pairs}


def _bash(
    world: World, text: str, folder: Path, env: Mapping[str, str], flags: str = "", first: str = ""
) -> subprocess.CompletedProcess[str]:
    command = [*on_node(), "bash", *([flags] if flags else []), "-c", f"{first}\n{text}" if first else text]
    try:
        return subprocess.run(
            command,
            cwd=folder,
            env={**world.env, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="backslashreplace",
            timeout=PATIENCE_S,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        said = (late.stdout or b"") + (late.stderr or b"")
        return subprocess.CompletedProcess(command, 124, "", f"not over after {PATIENCE_S} s: {said!r}")


def _difference(row: Row, found: Row) -> str:
    lines = [f"-- {row.name}: {row.command}\n"]
    for what in ("out", "err", "code"):
        expected, got = getattr(row, what), getattr(found, what)
        if expected != got:
            lines.append(f"   {what} expected: {_shown(expected)}\n   {what} got:      {_shown(got)}\n")
    return "".join(lines)


def _shown(value: str | int) -> str:
    """A text as it may be copied into a row; several lines below each other."""
    if isinstance(value, int) or value.count("\n") <= 1:
        return repr(value)
    return "".join(f"\n       {line!r}" for line in value.splitlines(keepends=True))


# ---- masks
class Mask(NamedTuple):
    """What is replaced by a word."""

    pattern: re.Pattern[str]
    word: str
    is_padded: bool = False  # its width differs, so that the blanks beside it become one

    def of(self, text: str) -> str:
        """The text without it."""
        if not self.is_padded:
            return self.pattern.sub(self.word, text)
        return self.pattern.sub(lambda found: f"{found[1][:1]}{self.word}{found[2][:1]}", text)


def masks_of(variables: Mapping[str, str], folder: Path) -> list[Mask]:
    """What differs from run to run, in the order in which it is replaced."""
    user = pwd.getpwuid(os.getuid()).pw_name
    group = grp.getgrgid(os.getgid()).gr_name
    host = NODE if on_node() else socket.gethostname().partition(".")[0]
    plain = [
        (rf"(?<!\d){value}(?!\d)", f"<{name}>")
        for name, value in sorted(variables.items())
        if value.isdigit() and len(value) >= NUMBER_DIGITS_MIN
    ]
    plain += [
        (r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?\b", "<time>"),
        (rf"\b(Group(?:Id)?=){re.escape(group)}\({os.getgid()}\)", r"\1<group>(<gid>)"),
        (rf"\b{re.escape(user)}\({os.getuid()}\)", "<user>(<uid>)"),
        (rf"\b([Uu](?:ser_?)?(?:id|ID)[=: ]){os.getuid()}\b", r"\1<uid>"),
        (rf"\b([Gg](?:roup_?)?(?:id|ID)[=: ]){os.getgid()}\b", r"\1<gid>"),
    ]
    # A limit is of whole minutes, and counts; a span is not, or below one. 0:15 is the exit code of what SIGTERM has ended.
    span = r"00:00:\d\d|00:\d\d:(?!00)\d\d|0?0:\d\d|[0-5]?\d:(?!00)[0-5]\d"
    span = rf"( *)(?<![\w:.-])(?!0:15\b)(?:{span})(?![\d:])(?:\.\d+)?()"
    padded = [(str(folder), "<dir>"), (user, "<user>"), (host, "<node>")]
    around = [
        Mask(re.compile(rf"( *)(?<![\w./-]){re.escape(text)}(?![\w-])( *)"), word, is_padded=True)
        for text, word in padded
    ]
    return [
        around[0],
        *(Mask(re.compile(pattern), word) for pattern, word in plain),
        Mask(re.compile(span), "<span>", is_padded=True),
        *around[1:],
    ]


def masked(text: str, masks: Iterable[Mask]) -> str:
    """A text without what differs from run to run."""
    for mask in masks:
        text = mask.of(text)
    return text
