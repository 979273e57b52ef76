"""Whose folder is where, as a spool finds it when it begins. Jobs go on starting while it looks."""

import os
from typing import NamedTuple

from jobd.spool import ending, marks
from jobd.spool.entry import Entry
from jobd.spool.places import Places, entries, inode_of


class Found(NamedTuple):
    """What is there."""

    running: list[Entry]
    waiting: list[Entry]  # marked, in the queue; whether their jobs were submitted is not known
    left_over: list[str]  # paths among the running ones that no job was started in


def look(places: Places, names: list[str]) -> Found:
    """Look at the queue, then at the running ones: a job moves its folder from the one to the other at any time. A folder that moves meanwhile
    is seen twice. The other way round it would be seen in neither, and nobody would ever tell its end.

    Args:
        names: those in the queue, read just now.
    """
    waiting: dict[str, Entry] = {}
    for name in names:
        path = os.path.join(places.queue, name)
        mark = marks.read_mark(path)
        if mark is None or mark.name != name or ending.has_run(path, mark.token):
            continue  # it has moved on, or is a new one
        waiting[mark.token] = entry = Entry(mark.token, name, None)
        entry.nb_proc = int(mark.facts.get("nb_proc_given", 1))
        entry.was_let_go, entry.inode = mark.was_let_go, inode_of(path)
    running: list[Entry] = []
    left_over: list[str] = []
    for path in sorted(entries(places.running)):
        mark = marks.read_mark(path)
        if mark is None or mark.job_id is None:
            left_over.append(path)
        else:
            waiting.pop(mark.token, None)
            running.append(entry := Entry(mark.token, mark.name, None, mark.job_id))
            entry.inode = inode_of(path)
    return Found(running, list(waiting.values()), left_over)
