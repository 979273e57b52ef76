"""Whose turn it is where folders are run one at a time, when the server cannot let one go."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobd.errors import JobdError, JournalError, NoServer, NoSuchJob
from jobd.spool.entry import Entry
from jobd.spool.info import Wanted
from jobd.spool.places import Places
from jobd.spool.settings import BLOCKING, Settings
from jobd.spool.spool import Spool


class Releasing:
    """Of a client only what lets a job go, or what the server answers instead."""

    def __init__(self) -> None:
        self.error: JobdError | None = None
        self.released: list[int] = []

    def release(self, job_id: int) -> None:
        if self.error is not None:
            raise self.error
        self.released.append(job_id)


def spool_of(folder: Path, client: Releasing, later: list[Callable[[], Any]]) -> Spool:
    settings = Settings(folder=str(folder), launch_type=BLOCKING)
    made = Spool(settings, Places(settings), client, lambda key, after_s, do: later.append(do))  # type: ignore[arg-type]
    made._has_looked = True
    for number in (1, 2):
        entry = Entry(f"token{number}", f"job{number}", Wanted("a.cfg", "true"), number)
        entry.is_held = True
        made._entries[entry.token] = entry
        made._held.append((0, number, entry.token))
    return made


@pytest.mark.parametrize("error", [NoServer("away"), JournalError("the disk is full")])
def test_who_could_not_be_let_go_keeps_its_turn(tmp_path: Path, error: JobdError) -> None:
    client, later = Releasing(), []  # type: ignore[var-annotated]
    spool = spool_of(tmp_path, client, later)
    client.error = error
    spool._next()
    assert not client.released and len(later) == 1
    client.error = None
    later[0]()
    assert client.released == [1]


def test_who_was_let_go_by_another_has_its_turn(tmp_path: Path) -> None:
    client, later = Releasing(), []  # type: ignore[var-annotated]
    spool = spool_of(tmp_path, client, later)
    client.error = NoSuchJob("it is over")
    spool._next()
    assert spool._active == {"token1"} and not later
