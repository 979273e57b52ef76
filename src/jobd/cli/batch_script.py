"""The script of a batch job: found, read once, and looked at. What is read here is what runs, whatever becomes of the file.

The texts are Slurm's (its src/sbatch/sbatch.c), each on one line.
"""

import os
import sys
from typing import NamedTuple

from jobd.cli import dialect
from jobd.cli.batch_options import Chosen, chosen_of
from jobd.cli.getopt import Table
from jobd.errors import Refused, UsageError
from jobd.limits import SCRIPT_BYTES_MAX
from jobd.slurm import directives

# What decides where the script comes from, or what Sbatch itself does, cannot stand in the script.
COMMAND_LINE_ONLY = frozenset({"wrap", "from", "help", "token", "usage", "version"})


class Script(NamedTuple):
    """A script with what it is called."""

    data: bytes
    path: str  # as the job's command line shows it
    name: str  # of the job, where none is given
    where: str  # as errors name it


def wrapped(command: str) -> Script:
    """The script around a line of shell (--wrap)."""
    text = f"#!/bin/sh\n# This script was created by sbatch --wrap.\n\n{command}\n"
    return Script(checked(os.fsencode(text)), "wrap", "wrap", "--wrap")


def from_input() -> Script:
    """The script on standard input.

    Raises:
        Refused: it is none.
        OSError: it cannot be read.
    """
    if sys.stdin is not None and sys.stdin.isatty():
        from jobd.cli.main import say

        say("Sbatch: reading the script from the terminal (Ctrl-D ends it; Sbatch --help says more)")
    return Script(checked(_all_of(0)), "sbatch", "sbatch", "standard input")


def from_file(name: str) -> Script:
    """The script of a file, which is looked for in PATH too if it is not in the current folder.

    Raises:
        Refused: it cannot be read, or is no script.
    """
    path = _found(name)
    try:
        number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no name of a file"
        why = "" if dialect.is_slurm else f": {reason}"
        raise Refused(f"Unable to open file {name[:200]}{why}") from error
    try:
        data = _all_of(number)
    except OSError as error:
        if dialect.is_slurm:  # a folder
            raise Refused("Batch script is empty!") from error
        raise Refused(f"Unable to read file {name[:200]}: {error.strerror}") from error
    finally:
        os.close(number)
    base = os.path.basename(name)
    return Script(checked(data), os.path.abspath(path), base, base)


def _found(name: str) -> str:
    if "/" in name or os.path.exists(name):
        return name
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        path = os.path.join(folder or ".", name)
        if os.path.isfile(path) and os.access(path, os.R_OK):
            return path
    return name


def _all_of(number: int) -> bytes:
    parts = []
    left = SCRIPT_BYTES_MAX + 1
    while left > 0 and (part := os.read(number, min(left, 1 << 20))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def checked(data: bytes) -> bytes:
    """These bytes, if they can be a batch script.

    Raises:
        Refused: they can not.
    """
    lines = _complaint(data)
    if lines and dialect.is_slurm:
        from jobd.cli.submit_words import Wrong

        raise Wrong(*lines)
    if lines:
        raise Refused(" ".join(line.replace(".  The", ". The") for line in lines))
    return data


def _complaint(data: bytes) -> tuple[str, ...]:
    """Why these bytes are no batch script, in Slurm's lines; () if they are one."""
    if not data:
        return ("Batch script is empty!",)
    if len(data) > SCRIPT_BYTES_MAX:
        return (f"Batch script is larger than {SCRIPT_BYTES_MAX} bytes",)
    if not data.strip():
        return ("Batch script contains only whitespace!",)
    if not data.startswith(b"#!"):
        return (
            "This does not look like a batch script.  The first",
            "line must start with #! followed by the path to an interpreter.",
            "For instance: #!/bin/sh",
        )
    if b"\0" in data:
        return ("The Slurm controller does not allow scripts that", "contain a NULL character '\\0'.")
    if b"\r\n" in data:
        return (
            "Batch script contains DOS line breaks (\\r\\n)",
            "instead of expected UNIX line breaks (\\n).",
        )
    return ()


def options_of(script: Script, table: Table) -> Chosen:
    """The options of the script's #SBATCH lines. One that is unknown is refused: what it asked for would silently not be.

    Raises:
        UsageError: a line makes no sense.
    """
    if dialect.is_slurm:
        return _options_of_slurm(script, table)
    chosen = Chosen()
    try:
        lines = directives.read(script.data.decode("utf-8", "surrogateescape"))
    except UsageError as error:
        raise UsageError(f"{script.where}: {error}") from error
    for line, words in lines:
        where = f"{script.where}, line {line}"
        try:
            parsed = table.parse(words)
        except UsageError as error:
            raise UsageError(f"{where}: {error}") from error
        if parsed.words:
            raise UsageError(f"{where}: Invalid directive found in batch script: {parsed.words[0][:60]}")
        for option, text in parsed.given:
            if option.name in COMMAND_LINE_ONLY:
                raise UsageError(f"{where}: --{option.name} belongs on the command line")
            chosen.choose(option.name, text, where)
    return chosen


def _options_of_slurm(script: Script, table: Table) -> Chosen:
    """The same in Slurm's words."""
    from jobd.cli.slurm_options import FORGOTTEN
    from jobd.cli.submit_words import Wrong

    chosen = Chosen()
    text = script.data.decode("utf-8", "surrogateescape")
    try:
        lines = directives.read(text, is_strict=True)
    except directives.UnmatchedQuote as error:
        raise Wrong(fatal=f"{script.where}: {error.slurm}") from error
    given = []
    for _, words in lines:
        parsed = table.parse(words)
        if parsed.words:
            raise Wrong(
                f"Invalid directive found in batch script: {parsed.words[0]}", code=dialect.EXIT_OPTIONS
            )
        given += [option for option in parsed.given if option.option.name not in FORGOTTEN]
    for name, value in chosen_of(given).items():
        chosen.choose(name, value)
    return chosen
