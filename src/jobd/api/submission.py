"""Commands with their options → requests to queue them. No server is asked here."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from jobd.api import options as words
from jobd.api.options import Built
from jobd.errors import UsageError
from jobd.limits import BATCH_COMMAND_BYTES_MAX, COMMAND_WORDS_MAX, ITEMS_MAX, NAME_CHARS_MAX, SPECS_MAX
from jobd.wire.batch import BatchItem, BatchSpec, Blob, SubmitBatch

PART_BYTES_MAX = 16 << 20  # of commands and scripts in one request, well below what the server takes
SHELL = "/bin/sh"

Command = str | Sequence["str | os.PathLike[str]"]


class _Part(NamedTuple):
    specs: list[BatchSpec]
    items: list[BatchItem]
    blobs: dict[str, Blob]


def words_of(command: Command) -> list[str]:
    """The words that are run: a line of text goes to a shell, a list is run itself.

    Raises:
        UsageError: it is no command, or one that Linux cannot run.
    """
    if isinstance(command, str):
        found = [SHELL, "-c", command] if command.strip() else []
    elif isinstance(command, Sequence) and all(isinstance(word, str | os.PathLike) for word in command):
        found = [os.fspath(word) for word in command]
    else:
        raise UsageError(f"{str(command)[:40]!r} is no command (a line for a shell, or a list of words)")
    if not found or not found[0]:
        raise UsageError("an empty command")
    if len(found) > COMMAND_WORDS_MAX:
        raise UsageError(f"a command of {len(found)} words: at most {COMMAND_WORDS_MAX}")
    if any("\0" in word for word in found):
        raise UsageError(f"the command {found[0][:40]!r} has a zero byte")
    size = sum(len(os.fsencode(word)) + 1 for word in found)
    if size > BATCH_COMMAND_BYTES_MAX:
        raise UsageError(f"a command of {size} bytes: at most {BATCH_COMMAND_BYTES_MAX}")
    return found


def name_of(command: Command) -> str:
    """The name of a job whose options give none: its program."""
    first = command.split(None, 1)[0] if isinstance(command, str) else os.fspath(command[0])
    return (first.rpartition("/")[2] or first)[:NAME_CHARS_MAX]


def requests_of(
    commands: Iterable[Command | Mapping[str, Any]], common: Mapping[str, Any], *, is_child: bool
) -> Iterator[SubmitBatch]:
    """The requests that queue these, each within the server's limits.

    Args:
        commands: each a command, or {"command": …} with options of its own ("script" too).
        common: the options of all.
        is_child: they are children of the job around us.

    Raises:
        JobdError: one makes no sense.
    """
    part, size = _Part([], [], {}), 0
    places: dict[Any, int] = {}
    for command in commands:
        own: dict[str, Any] = {}
        if isinstance(command, Mapping):
            own = dict(command)
            command = own.pop("command", None) or ()
        chosen = {**common, **own}
        script = chosen.pop("script", None)
        line, name = _line(command, script)
        cost = sum(map(len, line)) + (len(script) if isinstance(script, str | bytes) and own else 0)
        if part.items and (len(part.items) >= min(ITEMS_MAX, SPECS_MAX) or size + cost > PART_BYTES_MAX):
            yield _request(part, is_child)
            part, size, places = _Part([], [], {}), 0, {}
        key = _key(own)
        index = places.get(key) if key is not None else None
        if index is None:
            index = len(part.specs)
            if key is not None:
                places[key] = index
            built: Built = words.build(chosen, script=None if script is None else words.script_bytes(script))
            part.specs.append(built.spec)
            part.blobs.update((blob.key, blob) for blob in built.blobs)
        part.items.append(BatchItem(line, index, "" if chosen.get("name") else name))
        size += cost
    if part.items:
        yield _request(part, is_child)


def child_request(request: SubmitBatch) -> SubmitBatch:
    """The request, for children of the job around us.

    Raises:
        UsageError: there is none.
    """
    claimed = os.environ.get("JOBD_JOB_ID", "")
    if not claimed:
        raise UsageError("is_child: there is no job around this process (JOBD_JOB_ID is not set)")
    is_number = claimed.isascii() and claimed.isdigit() and len(claimed) < 18
    return request._replace(
        is_child=True,
        claimed_job_id=int(claimed) if is_number else None,
        claimed_server_id=os.environ.get("JOBD_SERVER", "")[:64],
    )


def _line(command: Any, script: Any) -> tuple[list[str], str]:
    if script is None:
        return words_of(command), name_of(command)
    if isinstance(command, str):
        raise UsageError("beside a script the command is the list of its arguments")
    name = "script"
    if not isinstance(script, bytes) and not str(script).startswith("#!"):
        name = os.path.basename(os.fspath(script)) or name
    return words_of([name, *command]), name[:NAME_CHARS_MAX]


def _key(own: Mapping[str, Any]) -> Any:
    """What tells the options of one command from those of another; None where that cannot be told cheaply."""
    try:
        key = tuple(sorted((name, type(value), value) for name, value in own.items() if name != "command"))
        hash(key)
    except TypeError:
        return None
    return key


def _request(part: _Part, is_child: bool) -> SubmitBatch:
    request = SubmitBatch(os.urandom(9).hex(), part.specs, part.items, list(part.blobs.values()))
    return child_request(request) if is_child else request
