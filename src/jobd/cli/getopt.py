"""Command lines read as getopt_long(3) reads them, from a table of options; the same table makes an argparse parser for help and manual.

--x=v, --x v, -xv, -x v, -abv for flags a and b before x, and prefixes of long names that mean one option only. argparse itself takes
milliseconds to be made ready with a hundred options, which every submission would pay.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from jobd.errors import BadOption

if TYPE_CHECKING:
    import argparse

NONE = "none"  # it has no value
REQUIRED = "required"
OPTIONAL = "optional"  # --x or --x=v, never the next word


class Option(NamedTuple):
    """One row of a table."""

    name: str
    short: str = ""
    argument: str = NONE
    metavar: str = ""
    help: str = ""
    variable: str = ""  # the variable that gives it too, without SBATCH_ or SLURM_ before it
    programs: str = ""  # the letters of the programs that have it (batch_options.py)
    is_idle: bool = False  # accepted, and without effect here


class Given(NamedTuple):
    """An option of a command line; `text` is "" for one without a value."""

    option: Option
    text: str


class Parsed(NamedTuple):
    """A command line, read."""

    given: list[Given]
    words: list[str]  # that are no options
    is_dashed: bool  # the options ended with --


class Table:
    """The options of a program."""

    def __init__(self, options: Iterable[Option]) -> None:
        self.options = tuple(options)
        self.by_name: Mapping[str, Option] = {option.name: option for option in self.options}
        self._by_short = {option.short: option for option in self.options if option.short}

    def parse(self, argv: Sequence[str], *, is_mixed: bool = False) -> Parsed:
        """Read a command line.

        Args:
            is_mixed: options may stand behind other words too; else they end with the first such word.

        Raises:
            BadOption: an option that is none, is ambiguous, lacks its value or may not have one.
        """
        given: list[Given] = []
        words: list[str] = []
        at = 0
        while at < len(argv):
            word = argv[at]
            at += 1
            if word == "--":
                return Parsed(given, words + list(argv[at:]), True)
            if len(word) < 2 or word[0] != "-":
                if not is_mixed:
                    return Parsed(given, [word, *argv[at:]], False)
                words.append(word)
                continue
            following = argv[at] if at < len(argv) else None
            taken = self._long(word, following) if word.startswith("--") else self._short(word, following)
            given += taken[0]
            at += taken[1]
        return Parsed(given, words, False)

    def _long(self, word: str, following: str | None) -> tuple[list[Given], int]:
        name, sign, text = word[2:].partition("=")
        option = self.named(name, word[2:])
        if option.argument == NONE and sign:
            raise BadOption(
                f"option --{option.name} takes no value: {word[:60]!r}",
                f"option '--{option.name}' doesn't allow an argument",
            )
        if option.argument == REQUIRED and not sign:
            if following is None:
                raise BadOption(
                    f"option --{option.name} requires an argument",
                    f"option '--{option.name}' requires an argument",
                )
            return [Given(option, following)], 1
        return [Given(option, text)], 0

    def named(self, name: str, word: str = "") -> Option:
        """The option of a long name, or of the beginning of one.

        Args:
            word: the name as it stands in the command line, with a value perhaps.

        Raises:
            BadOption: there is none, or more than one.
        """
        option = self.by_name.get(name)
        if option is not None:
            return option
        found = [option for option in self.options if name and option.name.startswith(name)]
        is_one = len({(option.short, option.argument) for option in found}) == 1 and found[0].short
        if len(found) > 1 and not is_one:
            several = ", ".join(f"--{option.name}" for option in found[:6])
            possible = _possible([option.name for option in found], name)
            raise BadOption(
                f"option --{name} is ambiguous: {several}{', …' if len(found) > 6 else ''}",
                f"option '--{name}' is ambiguous; possibilities: {possible}",
            )
        if not found:
            raise BadOption(f"unrecognized option '--{name[:60]}'", f"unrecognized option '--{word or name}'")
        return found[0]

    def _short(self, word: str, following: str | None) -> tuple[list[Given], int]:
        given = []
        for at in range(1, len(word)):
            option = self._by_short.get(word[at])
            if option is None:
                raise BadOption(f"invalid option -- '{word[at]}'")
            if option.argument == NONE:
                given.append(Given(option, ""))
                continue
            rest = word[at + 1 :]
            if rest or option.argument == OPTIONAL:
                return [*given, Given(option, rest)], 0
            if following is None:
                raise BadOption(f"option requires an argument -- '{word[at]}'")
            return [*given, Given(option, following)], 1
        return given, 0


def _possible(names: list[str], prefix: str) -> str:
    """What an ambiguous name may stand for, as getopt_long(3) of the program called lists it."""
    import os
    import sys

    from jobd.cli.getopt_orders import in_order

    named = in_order(os.path.basename(sys.argv[0]), names, prefix)
    return " ".join(f"'--{name}'" for name in named)


def fill_parser(parser: "argparse.ArgumentParser", table: Table) -> None:
    """Put the options of a table into an argparse parser, those without effect in a group of their own."""
    idle = parser.add_argument_group("accepted without effect")
    for option in table.options:
        if option.name in ("help", "version"):
            continue
        names = [f"-{option.short}"] if option.short else []
        names.append(f"--{option.name}")
        arguments: dict[str, object] = {"help": option.help}
        if option.argument == NONE:
            arguments["action"] = "store_true"
        else:
            arguments["metavar"] = option.metavar or "VALUE"
        if option.argument == OPTIONAL:
            arguments["nargs"] = "?"
        (idle if option.is_idle else parser).add_argument(*names, **arguments)  # type: ignore[arg-type]
