"""From an older schema to this one, step by step. Each step is one transaction; nothing is touched that is not understood."""

import sqlite3
from collections.abc import Callable

from jobd.errors import JournalError

SCHEMA_VERSION = 1

# version → the step from it to the next one
STEPS: dict[int, Callable[[sqlite3.Connection], None]] = {}


def upgrade(connection: sqlite3.Connection, path: str) -> None:
    """Bring the journal at `path` to SCHEMA_VERSION.

    Raises:
        JournalError: it is of a newer release, or of none.
    """
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    while version < SCHEMA_VERSION:
        step = STEPS.get(version)
        if step is None:
            raise JournalError(f"{path} is no journal of jobd (move it away to begin a new one)")
        with connection:
            step(connection)
            version += 1
            connection.execute(f"PRAGMA user_version = {version}")
    if version > SCHEMA_VERSION:
        raise JournalError(
            f"{path} was written by a newer jobd (schema {version}, this one knows {SCHEMA_VERSION}): "
            "start that release, or move the file away to begin a new one"
        )
