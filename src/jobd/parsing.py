"""Command lines that are refused in one line, and the line."""

import argparse
import sys
from typing import Any, NoReturn

from jobd.errors import EXIT_USAGE


class _Formatter(argparse.HelpFormatter):
    """Looks for the terminal's width only when help is shown: finding it out costs every start 2 ms of imports."""

    def __init__(self, prog: str) -> None:
        is_shown = not {"--help", "-h"}.isdisjoint(sys.argv)
        super().__init__(prog, width=None if is_shown else 100)


class Parser(argparse.ArgumentParser):
    """A command line that is refused in one line."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **({"formatter_class": _Formatter} | options))

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and where help is; exit code 2."""
        say(f"{self.prog.partition(' ')[0]}: {printable(message)} ({self.prog} --help)")
        self.exit(EXIT_USAGE)


def printable(text: str) -> str:
    """Text with nothing in it that a terminal would act on."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def say(text: str) -> None:
    """A line on stderr, whatever has become of it."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(printable(text.replace("\n", " ")) + "\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        pass
