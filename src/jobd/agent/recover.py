"""What a new agent does with what the last one left: reads the launch book, takes over what lives, and finds what nobody knows of.

Nothing is started here, and nothing is taken for running that is not the very process of the book: (pid, start time) of this boot.
"""

import logging
import time

from jobd.agent.attempts import Attempt
from jobd.agent.batch import Batches
from jobd.agent.book import Entry, Key
from jobd.agent.cgroup import numbers_of
from jobd.agent.processes import open_pidfd
from jobd.agent.reaping import status_of_stranger
from jobd.states import Cause

log = logging.getLogger("jobd.agent")

START_LOOKS = (
    5  # for a process whose start the last agent did not live to note: it may be in the middle of its exec
)
START_PAUSE_S = 0.05
ORPHANS_AFTER_S = 1.0  # after the first word of a server: by then it has told of all that it knows


def recover(batches: Batches) -> None:
    """Take over every attempt of the book."""
    lost = [entry for entry in batches.book.entries if entry.left is None and not entry.pid]
    found = _find_started(batches, lost) if lost else {}
    for entry in batches.book.entries:
        pid, start_ticks = (entry.pid, entry.start_ticks) if entry.pid else found.get(entry.key, (0, 0))
        _take_over(batches, entry, pid, start_ticks)
    batches.spool.sweep()


def find_orphans(batches: Batches, watched: set[int], suspects: set[Key], *, is_leaving: bool) -> set[Key]:
    """End what carries the marker of an attempt of our server that nobody knows of any more.

    Args:
        watched: numbers of Sallocs' jobs, whose commands may carry the attempt of the batch job around them.
        suspects: what the last look told to look at again. Only that is ended: a Salloc may begin while we look.
        is_leaving: what attempts leave running is left alone.

    Returns:
        Attempts that nobody knows of, and those of which something lives though they have left: to be looked at again.
    """
    table = batches.looks.table(batches.server_id)
    keys: set[Key] = set() if is_leaving else {(mark.job_id, mark.attempt) for mark in table.attempts}
    gone = {key for key, attempt in batches.attempts.items() if attempt.left}  # and not committed yet
    unknown = {key for key in keys - set(batches.attempts) - set(batches.parked) if key[0] not in watched}
    for key in sorted(unknown & suspects):
        log.warning("job %d: processes of its attempt %d live, and nobody knows of it: they are ended", *key)
        batches.end_stranger(key, batches.server_id, grace_s=0.0, is_silent=True)
    for group in batches.groups.leftovers() if batches.groups is not None else []:
        if numbers_of(group) not in batches.attempts and not group.is_populated:
            group.remove()
    return unknown - suspects | keys & gone


def _take_over(batches: Batches, entry: Entry, pid: int, start_ticks: int) -> None:
    attempt = Attempt(entry.launch, entry.began_s)
    attempt.is_adopted = True
    attempt.pid, attempt.start_ticks = pid, start_ticks
    attempt.started_at = entry.launch.started_at
    attempt.notes = list(entry.unenforced)
    attempt.is_warned = entry.is_warned
    if entry.left is not None:
        attempt.left = entry.left
        attempt.is_main_over = True
        batches.lives.has_ended(attempt)
        return
    if entry.change is not None:
        attempt.take_change(entry.change)
    if entry.over is not None:
        attempt.over = entry.over
        attempt.cause, attempt.text = Cause(entry.over.cause), entry.over.text
        attempt.exit_code, attempt.signal = entry.over.exit_code, entry.over.signal
    if entry.launch.script:
        batches.spool.adopt(entry.launch.script)
        attempt.has_script = True
    if batches.groups is not None:
        attempt.group = attempt.meter.group = batches.groups.reopen(*attempt.key, pid)
    attempt.pidfd = open_pidfd(pid, start_ticks) if pid else None
    if attempt.pidfd is not None:
        log.info("job %d: taken over (pid %d)", attempt.launch.job_id, pid)
        batches.lives.adopted(attempt)
        return
    attempt.is_session_sure = False
    if attempt.exit_code is None and attempt.signal is None:
        status = status_of_stranger(pid, start_ticks, None) if pid else None
        if pid or attempt.over is not None:
            attempt.main_ended(status)
        else:
            attempt.cause = Cause.UNSTARTED
            attempt.text = "the agent died about its start"
    batches.lives.remains(attempt)


def _find_started(batches: Batches, entries: list[Entry]) -> dict[Key, tuple[int, int]]:
    """The main processes of attempts whose entry has none, where that is sure.

    Any of its processes has the marker, and a daemon that it has left is as well a session's leader. But nothing of an attempt has a
    smaller number than its main process, and the entry has the youngest number from before the spawn; so if the very next one has
    the marker, that is it. Where somebody else was quicker it stays unknown, and what is found is ended.
    """
    found: dict[Key, tuple[int, int]] = {}
    for _ in range(START_LOOKS):
        batches.looks.new_turn()
        for entry in entries:
            table = batches.looks.table(entry.launch.server_id)
            process = table.processes.get(entry.last_pid + 1)
            mark = table.marks.get(entry.last_pid + 1)
            if process is not None and mark == entry.key and process.session == process.pid:
                found[entry.key] = (process.pid, process.start_ticks)
        if len(found) == len(entries):
            break
        time.sleep(START_PAUSE_S)
    for key, (pid, start_ticks) in found.items():
        batches.book.spawned(key, pid, start_ticks, [])
    return found
