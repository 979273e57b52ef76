"""A long history, made in a moment."""

import contextlib
import importlib
import sqlite3
import sys
from pathlib import Path
from typing import Any

from live.conftest import House

SCRIPTS = Path(__file__).parents[2] / "scripts"


def _bench_history() -> Any:
    if str(SCRIPTS) not in sys.path:
        sys.path.append(str(SCRIPTS))
    return importlib.import_module("bench_history")


def with_past(house: House, count: int, nb_proc: int = 2) -> None:
    """Start a server that remembers so many jobs, one each half second until a minute ago."""
    house.server(nb_proc)
    job_id = int(house.ok("Sbatch", "--parsable", "--output=/dev/null", "--wrap", "true"))
    house.until_state(job_id, "COMPLETED")
    house.ok("Sserver", "-1")
    path = house.root / ".local/state/jobd/journal.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as journal:
        (last_seq,) = journal.execute("SELECT max(seq) FROM events").fetchone()
    _bench_history().fill(str(path), count)
    with contextlib.closing(sqlite3.connect(path)) as journal:
        # The events of that past are copies of one, with its number in them.
        journal.execute("DELETE FROM events WHERE seq > ?", (last_seq,))
        journal.commit()
    house.server(nb_proc)
