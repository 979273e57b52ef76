"""The documents against the code: what is made is current, what is written names all that there is, and no link is broken."""

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from jobd.cli.programs import DAEMONS, PROGRAMS
from jobd.settings import SETTINGS
from jobd.wire import messages
from jobd.wire.verbs import FROM_AGENT, TO_AGENT, VERBS

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
MODULES = {program: module for program, (module, _) in {**PROGRAMS, **DAEMONS}.items()}
MESSAGES = [value for value in vars(messages).values() if hasattr(value, "_fields")]


def test_what_is_made_from_the_code_is_current() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "docs", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


WHOLE = (
    "squeue", "sdelete", "sserver", "salloc", "sbatch", "srun", "scancel", "scontrol", "sacct", "sinfo", "seff",
)  # fmt: skip


@pytest.mark.parametrize("program", MODULES)
def test_every_option_is_on_its_page(program: str) -> None:
    page = (DOCS / "commands" / f"{program}.md").read_text()
    words = set(re.findall(r"[\w-]+", page))
    for parser, action in _actions(import_module(MODULES[program]).build_parser()):
        if action.help == argparse.SUPPRESS or parser.prog.removeprefix("jobctl ") in WHOLE:
            continue  # those have pages of their own
        names = action.option_strings or list(action.choices or ()) or [str(action.metavar)]
        assert set(names) - {"-1", "-2"} <= words, (
            f"{parser.prog} {names} is not in docs/commands/{program}.md"
        )


@pytest.mark.parametrize("program", MODULES)
def test_every_page_has_its_parts(program: str) -> None:
    page = (DOCS / "commands" / f"{program}.md").read_text()
    assert page.startswith(f"# {program}\n")
    for part in ("ptions\n", "## Examples\n", "## Exit codes\n", "## Files\n"):
        assert part in page, f"docs/commands/{program}.md has no {part.strip()!r}"
    assert f"docs/commands/{program}.md" in (ROOT / "README.md").read_text()


def test_every_command_has_a_page_and_every_page_a_command() -> None:
    assert {path.stem for path in (DOCS / "commands").glob("*.md")} == set(MODULES)


def test_every_setting_is_documented() -> None:
    page = (DOCS / "configuration.md").read_text()
    for key in SETTINGS:
        assert f"| `{key}` |" in page


def test_every_verb_is_in_the_protocol() -> None:
    rows = _rows((DOCS / "protocol.md").read_text())
    for name, verb in VERBS.items():
        assert [f"`{name}`", verb.request.__name__, verb.reply.__name__] in [row[:3] for row in rows], name
    for name, message in {**TO_AGENT, **FROM_AGENT}.items():
        assert [f"`{name}`", f"`{message.__name__}`"] in [row[:2] for row in rows], name


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.__name__)
def test_every_message_is_in_the_protocol_with_its_fields_in_order(message: type) -> None:
    text = (DOCS / "protocol.md").read_text()
    fields = ", ".join(message._fields)  # type: ignore[attr-defined]
    if message is messages.Watched:
        assert f"(`Watched`: {fields})" in text
        return
    rows = _rows(text)
    named = [row for row in rows if f"`{message.__name__}`" in row[:2]]
    assert [row[row.index(f"`{message.__name__}`") + 1] for row in named] == [fields]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", _without_code(path.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        goal = (path.parent / name).resolve() if name else path
        assert goal.exists(), f"{path.relative_to(ROOT)}: no {target}"
        if anchor:
            assert anchor in _anchors(goal), f"{path.relative_to(ROOT)}: no heading for {target}"


def test_the_commands_in_the_readme_exist() -> None:
    readme = (ROOT / "README.md").read_text()
    for name in re.findall(r"scripts/[a-z-]+", readme):
        assert os.access(ROOT / name, os.X_OK), name
    jobctl = import_module("jobd.cli.jobctl")
    verbs = {*jobctl.VERBS, *jobctl.WHOLE_COMMANDS}
    for page in PAGES:
        for verb in re.findall(r"^ *(?:\$ )?jobctl ([a-z][a-z_-]+)", page.read_text(), re.MULTILINE):
            assert verb.replace("_", "-") in verbs, f"{page.name}: jobctl {verb}"
        for verb in re.findall(r"`jobctl ([a-z][a-z_-]+)", page.read_text()):
            assert verb.replace("_", "-") in verbs, f"{page.name}: jobctl {verb}"


def test_decisions_are_numbered_without_gaps() -> None:
    numbers = [int(path.name[:3]) for path in sorted((DOCS / "decisions").glob("*.md"))]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completions_are_printed_for_each_shell(shell: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from jobd.cli.jobctl import program; program()", "completion", shell],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for program in MODULES:
        assert f"_shtab_{program.replace('-', '_')}" in done.stdout


def test_bash_completes_what_salloc_is_to_run() -> None:
    script = DOCS / "completions" / "bash" / "Salloc"
    look = 'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _jobd_Salloc; printf "%s\\n" "${COMPREPLY[@]}"'
    for words, expected in (
        (["Salloc", "--nb"], "--nb-proc"),
        (["Salloc", "--on-kill", "b"], "below"),
        (["Salloc", "-n", "4", "pri"], "printf"),
        (["Salloc", "--", "pri"], "printf"),
        (["Salloc", "-n", "4", "make", "--nb"], ""),  # make's option, not Salloc's
    ):
        done = subprocess.run(
            ["bash", "-c", f". {script}; {look}", "bash", *words], capture_output=True, text=True, check=False
        )
        assert expected in done.stdout.split("\n"), (words, done.stdout, done.stderr)
        assert expected or not done.stdout.strip(), words


def _actions(
    parser: argparse.ArgumentParser,
) -> Iterator[tuple[argparse.ArgumentParser, argparse.Action]]:
    for action in parser._actions:
        yield parser, action
        if isinstance(action, argparse._SubParsersAction):
            for child in action.choices.values():
                yield from _actions(child)


def _rows(text: str) -> list[list[str]]:
    """The cells of all rows of all tables."""
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("|")
    ]


def _without_code(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def _anchors(path: Path) -> set[str]:
    """The headings of a page, as GitHub makes anchors of them."""
    return {
        re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.*)$", _without_code(path.read_text()), re.MULTILINE)
    }
