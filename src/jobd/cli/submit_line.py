"""The command line of a submission, for the record. On the way to every job's start: nothing heavy is imported."""

from collections.abc import Sequence

from jobd.limits import LABEL_CHARS_MAX

_QUOTED = frozenset(" \t\n\"'\\$`&|;<>()*?[]{}~#!%")


def line_of(words: Sequence[str]) -> str:
    """These words as a shell would read them, cut to what a label may hold."""
    if all(word and word.isascii() and not set(word) & _QUOTED for word in words):
        line = " ".join(words)
    else:
        from shlex import join

        line = join(words)
    line = line.replace("\0", "")  # no argument of a program has one, but a caller of main() may
    return line if len(line) <= LABEL_CHARS_MAX else line[: LABEL_CHARS_MAX - 1] + "…"


__all__ = ["line_of"]
