"""The mark of a folder that was taken: which job it is. A small file in the folder itself, so that it goes wherever the folder goes.

token of the submission
number of the folder's inode: a copy of the folder is not that job
{"name": …} as JSON: what the folder was called when it was taken, and what its end needs to know
job 12        written by the launcher at each start, before it moves the folder

The last begins with a line's end, since whoever wrote before may have died halfway.
"""

import json
import os
import secrets
from typing import Any, NamedTuple

from jobd.spool.files import BadFile, read, replace
from jobd.spool.settings import HIDDEN

SIZE_MAX = 1 << 20
TOKEN_BYTES = 16


class Mark(NamedTuple):
    """What it says."""

    token: str
    name: str
    job_id: int | None  # of the last start; None: the launcher has not begun
    facts: dict[str, Any]


def new_token() -> str:
    """A token for a folder that nobody has had."""
    return secrets.token_hex(TOKEN_BYTES)


def is_token(text: str) -> bool:
    """Whether that is a token of ours."""
    return len(text) == 2 * TOKEN_BYTES and not text.strip("0123456789abcdef")


def write(folder: str, token: str, name: str, facts: dict[str, Any]) -> None:
    """Mark a folder. When this returns the mark outlives a power cut.

    Raises:
        OSError: it cannot be written.
    """
    inode = os.lstat(folder).st_ino
    text = json.dumps({"name": name, **facts})
    replace(os.path.join(folder, HIDDEN), f"{token}\n{inode}\n{text}\n".encode("ascii"))


def read_mark(folder: str) -> Mark | None:
    """The mark of that folder; None if it has none, or that of another."""
    try:
        data = read(os.path.join(folder, HIDDEN), folder, SIZE_MAX)
        inode = os.lstat(folder).st_ino
        lines = data.decode("ascii").split("\n")[:-1]  # what does not end with a line's end is half of a line
        facts = json.loads(lines[2])
        if int(lines[1]) != inode or not isinstance(facts, dict) or not _is_name(facts.get("name")):
            return None
        if not (lines[0].isalnum() and len(lines[0]) <= 64):
            return None
        if type(facts.get("nb_proc_given", 1)) is not int:
            return None
        jobs = [
            int(line[4:])
            for line in lines[3:]
            if line.startswith("job ") and line[4:].isdigit() and len(line) < 22
        ]
    except (BadFile, OSError, ValueError, IndexError, RecursionError):
        return None
    return Mark(lines[0], facts.pop("name"), jobs[-1] if jobs else None, facts)


def _is_name(found: Any) -> bool:
    return isinstance(found, str) and "/" not in found and found not in ("", ".", "..")
