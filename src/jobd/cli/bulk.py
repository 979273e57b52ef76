"""`Sbatch --from FILE`: a line a job, thousands in one request. Every line is read before the first job is queued.

A line is a command: run by sh -c where it has characters that only a shell understands, else split into words (quotes and backslashes as a
shell has them) and run itself. Empty lines and those that begin with # are passed over. A line that begins with {" is a JSON object with
"command" (a line, or a list of words) and any option of Sbatch by its long name: {"command": "make a", "time": "10:00", "ntasks": 2}.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from jobd.cli.batch_options import Chosen
from jobd.cli.getopt import NONE, Table
from jobd.errors import Refused, UsageError
from jobd.limits import BATCH_COMMAND_BYTES_MAX, ITEMS_MAX, NAME_CHARS_MAX
from jobd.wire.batch import BatchItem, BatchSpec, Blob

PART_BYTES_MAX = 16 << 20  # of commands in one request, well below what the server takes
SHELL = "/bin/sh"
BLANKS = " \t\r"  # a shell's, and what an editor of another system leaves at the end of a line

# Keys of JSON that are no option's name.
ALIASES = {
    "name": "job-name",
    "nb-proc": "ntasks",
    "cwd": "chdir",
    "stdout": "output",
    "stderr": "error",
    "stdin": "input",
}
# What says what Sbatch does, and not what a job is.
NOT_IN_LINES = frozenset(
    {"wrap", "from", "help", "usage", "version", "parsable", "quiet", "verbose", "wait", "test-only", "token"}
)

# A word with one of these is for a shell; ~ and # only at the beginning of a word, = only in the first.
_SHELL_CHARS = re.compile(r"[|&;<>()$`*?\[\]{}!\n]|(?:^|\s)[~#]|^\s*\w+=")
_PLAIN = re.compile(r"[^\"'\\]*")
# What a shell does itself: there is no program of that name, or one that would change nothing.
_BUILTINS = frozenset(
    {
        *(
            ".",
            ":",
            "alias",
            "cd",
            "command",
            "eval",
            "exec",
            "exit",
            "export",
            "hash",
            "read",
            "readonly",
            "return",
            "set",
            "shift",
        ),
        *("source", "times", "trap", "type", "ulimit", "umask", "unalias", "unset", "wait"),
    }
)


class Part(NamedTuple):
    """What goes into one request."""

    specs: list[BatchSpec]
    items: list[BatchItem]
    blobs: list[Blob]


# (the options of a line, the name where they give none) → its spec and blobs
Build = Callable[[Chosen], tuple[BatchSpec, list[Blob]]]


def read_lines(path: str) -> list[str]:
    """The lines of a file, or with "-" of standard input.

    Raises:
        OSError: it cannot be read.
    """
    with open(0 if path == "-" else path, "rb", closefd=path != "-") as file:
        data = file.read()
    return data.decode("utf-8", "surrogateescape").split("\n")


def parts(lines: list[str], where: str, chosen: Chosen, table: Table, build: Build) -> list[Part]:
    """All lines as requests.

    Args:
        where: the name of the file, for errors.
        chosen: the options that all have in common.

    Raises:
        UsageError: a line makes no sense; it is named, and nothing of it all is queued.
        Refused: a line asks for what is not to be had here.
    """
    maker = _Maker(chosen, table, build)
    for number, line in enumerate(lines, 1):
        text = line.strip(BLANKS)
        if text.endswith("\\"):
            text = _with_escaped_blank(text, line)
        if not text or text[0] == "#":
            continue
        try:
            maker.take(text)
        except (UsageError, Refused) as error:
            raise type(error)(f"{where}, line {number}: {error} (nothing was queued)") from error
    return list(maker.parts())


def _with_escaped_blank(text: str, line: str) -> str:
    """What is left of a line whose last backslash stood before a blank, which is a word, or the end of one."""
    if (len(text) - len(text.rstrip("\\"))) % 2:
        after = line.lstrip(BLANKS)[len(text) :]
        if after.startswith((" ", "\t")):
            return text + after[0]
    return text


class _Maker:
    """Items, and the specs that they have in common."""

    def __init__(self, chosen: Chosen, table: Table, build: Build) -> None:
        self._chosen = chosen
        self._table = table
        self._build = build
        self._specs: list[tuple[BatchSpec, list[Blob]]] = []
        self._spec_of: dict[tuple[tuple[str, str], ...], int] = {}
        self._items: list[BatchItem] = []
        self._sizes: list[int] = []
        self._common: int | None = None
        self._is_named = "job-name" in chosen

    def take(self, text: str) -> None:
        """One line."""
        if text.startswith("{") and text[1:].lstrip().startswith(('"', "}")):
            command, name, index = self._json(text)
        else:
            command, name = words_of(text)
            if self._common is None:
                self._common = self._spec({})
            index = self._common
        size = sum(map(len, command)) + len(command)
        if (
            size > BATCH_COMMAND_BYTES_MAX // 4
            and len("\0".join(command).encode("utf-8", "surrogateescape")) >= BATCH_COMMAND_BYTES_MAX
        ):
            raise UsageError(f"a command of {size} characters: at most {BATCH_COMMAND_BYTES_MAX} bytes")
        self._items.append(BatchItem(command, index, "" if self._is_named and not name.is_own else name.text))
        self._sizes.append(size)

    def _json(self, text: str) -> "tuple[list[str], _Name, int]":
        import json

        try:
            fields = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"no JSON: {error}") from error
        command = fields.pop("command", None)
        if isinstance(command, str) and command.strip():
            words, name = words_of(command.strip())
        elif isinstance(command, list) and command and all(isinstance(word, str) for word in command):
            words, name = command, _Name(_base(command[0]))
        else:
            raise UsageError('no "command" (a line, or a list of words)')
        if not words[0] or any("\0" in word for word in words):
            raise UsageError("an empty command, or one with a zero byte")
        options = {}
        for key, field in fields.items():
            key = ALIASES.get(key.replace("_", "-"), key.replace("_", "-"))
            chosen = self._option(key, field)
            if chosen is not None:
                options[key] = chosen
        own = options.pop("job-name", None)
        return words, _Name(own[:NAME_CHARS_MAX], True) if own else name, self._spec(options)

    def _option(self, key: str, field: Any) -> str | None:
        """The text of an option as a command line would have it; None for a flag that is off."""
        option = self._table.by_name.get(key)
        if option is None or key in NOT_IN_LINES:
            raise UsageError(f"no option {key[:40]!r}")
        if option.argument == NONE or isinstance(field, bool):
            if not isinstance(field, bool) or option.argument not in (NONE, "optional"):
                raise UsageError(
                    f"{key}: {str(field)[:40]!r} where {'true or false' if option.argument == NONE else 'a value'} is due"
                )
            return "" if field else None
        if field is None:
            return None
        if not isinstance(field, str | int | float):
            raise UsageError(f"{key}: text or a number is due")
        return str(field)

    def _spec(self, options: dict[str, str]) -> int:
        key = tuple(sorted(options.items()))
        index = self._spec_of.get(key)
        if index is None:
            index = self._spec_of[key] = len(self._specs)
            self._specs.append(self._build(Chosen(self._chosen, options)))
        return index

    def parts(self) -> Iterator[Part]:
        """Cut so that each request is within the server's limits."""
        begin = 0
        while begin < len(self._items):
            end, size = begin, 0
            while (
                end < len(self._items)
                and end - begin < ITEMS_MAX
                and (size <= PART_BYTES_MAX or end == begin)
            ):
                size += self._sizes[end]
                end += 1
            yield self._part(self._items[begin:end])
            begin = end

    def _part(self, items: list[BatchItem]) -> Part:
        if len(self._specs) == 1:
            return Part([self._specs[0][0]], items, self._specs[0][1])
        places: dict[int, int] = {}
        for item in items:
            places.setdefault(item.spec_index, len(places))
        blobs = {blob.key: blob for index in places for blob in self._specs[index][1]}
        return Part(
            [self._specs[index][0] for index in places],
            [item._replace(spec_index=places[item.spec_index]) for item in items],
            list(blobs.values()),
        )


class _Name(NamedTuple):
    """The name of a line's job, and whether the line itself gave it."""

    text: str
    is_own: bool = False


def words_of(text: str) -> tuple[list[str], _Name]:
    """(the command, its name) of a line that is neither empty nor a comment.

    Raises:
        UsageError: a quote has no end, or there is a zero byte.
    """
    if "\0" in text:
        raise UsageError("a zero byte")
    if _SHELL_CHARS.search(text) is None:
        if _PLAIN.fullmatch(text) is not None:
            words = [word for word in text.replace("\t", " ").split(" ") if word]
        else:
            import shlex

            try:
                words = shlex.split(text)
            except ValueError as error:
                raise UsageError(f"{str(error).lower()}: {text[:60]!r}") from error
        if words and words[0] and words[0] not in _BUILTINS:
            return words, _Name(_base(words[0]))
    return [SHELL, "-c", text], _Name(_base(text.split(None, 1)[0]))


def _base(word: str) -> str:
    return (word.rpartition("/")[2] or word)[:NAME_CHARS_MAX]
