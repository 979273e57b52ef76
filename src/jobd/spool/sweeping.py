"""Whose folder is where, as a spool finds it when it begins. Jobs go on starting while it looks."""

import logging
import os
import time
from typing import NamedTuple

from jobd.api.client import Client
from jobd.errors import JobdError
from jobd.spool import ending, marks, submitting
from jobd.spool.entry import FOR_NOW, Entry
from jobd.spool.places import Places, entries, inode_of
from jobd.wire.rows import JobRow

log = logging.getLogger("jobd.spool")

AGO_S = 30 * 86400.0  # who ended longer ago is not looked for


class Found(NamedTuple):
    """What is there."""

    running: list[Entry]  # without a number where a power cut took that line of the mark
    waiting: list[Entry]  # marked, in the queue; whether their jobs were submitted is not known
    left_over: list[str]  # paths among the running ones without a mark of ours


def look(places: Places) -> Found:
    """Look at the queue, then at the running ones: a job moves its folder from the one to the other at any time. A folder that moves meanwhile
    is seen twice. The other way round it would be seen in neither, and nobody would ever tell its end.
    """
    waiting: dict[str, Entry] = {}
    for name in places.names():
        path = os.path.join(places.queue, name)
        mark = marks.read_mark(path)
        if mark is None or ending.has_run(path, mark.token):
            continue  # it has moved on, or is a new one
        if mark.name != name and mark.job_id is None:
            continue  # another name is another job, unless this one may be running
        waiting[mark.token] = entry = Entry(mark.token, name, None)
        entry.nb_proc = int(mark.facts.get("nb_proc_given", 1))
        entry.inode, entry.was_held = inode_of(path), mark.facts.get("is_held") is True
    running: list[Entry] = []
    left_over: list[str] = []
    for path in sorted(entries(places.running)):
        mark = marks.read_mark(path)
        if mark is None:
            left_over.append(path)
        else:
            waiting.pop(mark.token, None)
            running.append(entry := Entry(mark.token, mark.name, None, mark.job_id))
            entry.inode = inode_of(path)
    return Found(running, list(waiting.values()), left_over)


def unknown(client: Client, running: list[Entry]) -> list[Entry]:
    """Those of which neither the folder nor the server tells the number; the others have it then.

    Raises:
        JobdError: there is no server.
    """
    without = [entry for entry in running if entry.job_id is None]
    if without:
        numbers = submitting.numbers_of(client, {entry.token for entry in without}, time.time() - AGO_S)
        for entry in without:
            entry.job_id = numbers.get(entry.token)
    return [entry for entry in without if entry.job_id is None]


def is_queued(places: Places, entry: Entry, row: JobRow, *, is_blocking: bool) -> bool:
    """Whether nothing is left to be done for this job, so that it need not be submitted again to know its number.

    Of blocking, one that is held may still have its turn.
    """
    has_turn = is_blocking and row.batch is not None and row.batch.is_held
    return not has_turn and os.path.lexists(places.link_of(entry.token))


def let_go(client: Client, entry: Entry, row: JobRow) -> None:
    """Release one that waited for its turn, when folders were run one at a time.

    Raises:
        JobdError: not now.
    """
    if not entry.was_held or row.batch is None or not row.batch.is_held:
        return
    try:
        client.release(row.job_id)
    except FOR_NOW:
        raise
    except JobdError as error:
        log.warning("%s cannot be released: %s", entry.label, error)
