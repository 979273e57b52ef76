"""What becomes of a folder, step by step. One thread does all of it; loop.py hands it what happens.

    taken       read the info file, choose a token
    marked      the mark is in the folder, on disk            from here on this folder is that token
    linked      the link follows it
    submitted   the server has the job, once for each token
    started     the launcher has moved it to the running ones (launch.py)
    told        its end stands in process.log and status.json
    relinked    the link points to its place among the done
    done        renamed there; then the mark goes

Who dies after any of these finds the folder as it is: a mark in the queue is submitted again with its token, which is the same job; a folder among
the running ones is never submitted again, its job is asked for by the number in its mark; an end is told again in the same words.
A job whose folder is not there is cancelled while it waits.
"""

import heapq
import logging
import os
import time
from collections.abc import Callable, Iterable
from typing import Any

from jobd.api.client import Client
from jobd.errors import JobdError, NoSuchJob, Refused
from jobd.spool import ending, marks, submitting, sweeping
from jobd.spool.entry import FOR_NOW, PAUSE_MAX_S, PAUSE_S, Entry
from jobd.spool.files import PASSING, BadFile, newest_change_s, printable, remove, text_of
from jobd.spool.info import NoInfo, wanted_of
from jobd.spool.places import PlaceGone, Places, stamp
from jobd.spool.rejecting import Later, Lost
from jobd.spool.settings import BLOCKING, HIDDEN, Settings
from jobd.spool.taking import taken
from jobd.states import JobState
from jobd.waits import FINAL
from jobd.wire.rows import JobRow

log = logging.getLogger("jobd.spool")

LEFT_OVER = "left over among the running ones: it bears no mark of a job that was started from here"


class Spool:
    """The folders that are jobs."""

    def __init__(self, settings: Settings, places: Places, client: Client, later: Later) -> None:
        """
        Args:
            later: does something after so many seconds, instead of what was asked for with the same key.
        """
        self.settings, self.places, self.client = settings, places, client
        self._later = later
        self._lost = Lost(places, later)
        self._entries: dict[str, Entry] = {}  # by token
        self._waiting: dict[str, Entry] = {}  # those in the queue, by name
        self._held: list[tuple[int, int, str]] = []  # of blocking: (-priority, number, token), a heap
        self._pauses: dict[str, float] = {}  # by name, of what could not be taken: before it is tried again
        self._taken = 0
        self._has_looked = False  # until then nothing is let go: something may be under way
        self._active: set[str] = set()  # of blocking: the tokens that were let go

    # ---- the beginning
    def sweep(self) -> None:
        """Take up what is there.

        Raises:
            JobdError: there is no server.
        """
        self.places.finish_wraps()
        found = sweeping.look(self.places)
        for path in found.left_over:
            self._lost.put(path, LEFT_OVER)
        for entry in found.running:
            self._enter(entry)
        for entry in sweeping.unknown(self.client, found.running):
            self._reject_entry(entry, LEFT_OVER)
        living = {row.token: row for row in self.client.jobs()} if found.waiting else {}
        is_blocking = self.settings.launch_type == BLOCKING
        for entry in found.waiting:
            self._enter(entry, is_waiting=True)
            row = living.get(entry.token)
            if row is not None and sweeping.is_queued(self.places, entry, row, is_blocking=is_blocking):
                entry.job_id = row.job_id
            else:
                self._resume(entry)
            if row is not None and not is_blocking:
                sweeping.let_go(self.client, entry, row)
        self.check([*found.running, *found.waiting])
        self._cancel_strays()
        self.places.drop_stale_links(set(self._entries))
        self._has_looked = True
        self._next()

    def is_known(self, name: str) -> bool:
        """Whether what bears that name in the queue is a job already: one that waits, or one that runs and was put back by somebody."""
        mark = marks.read_mark(os.path.join(self.places.queue, name))
        return mark is not None and mark.token in self._entries

    def _resume(self, entry: Entry) -> None:
        """A folder that was marked; whether its job was submitted is not known, and that may start at any time."""
        path = os.path.join(self.places.queue, entry.name)
        try:
            entry.wanted = wanted_of(path, self.settings.job_file)
            # Where there is a link, its job may be starting just now: then the link is the launcher's to turn.
            if not os.path.lexists(self.places.link_of(entry.token)):
                self.places.turn(entry.token, path)
        except (BadFile, OSError) as error:
            found = self._find(entry)
            mark = marks.read_mark(found) if found is not None else None
            if found != path and mark is not None:  # it has started while we read
                entry.job_id = mark.job_id
                self._waiting.pop(entry.name, None)
            elif found is None:
                self.left(entry.name)
            elif isinstance(error, OSError) and error.errno in PASSING:
                log.warning("%s cannot be taken up: %s", entry.label, text_of(error))
                self._again(("submit", entry.token), entry, lambda: self._resume_again(entry))
            else:
                self._reject_entry(entry, text_of(error))
            return
        self._submit(entry)

    def _resume_again(self, entry: Entry) -> None:
        if self._entries.get(entry.token) is entry:
            self._resume(entry)
            self.check([entry])

    def _find(self, entry: Entry) -> str | None:
        return self.places.find(entry.token, entry.name, entry.inode)

    # ---- taking
    def take(self, name: str, *, incomplete_s: float = 0.0) -> float:
        """Make a job of what bears that name in the queue, or bring it to lost+found.

        Args:
            incomplete_s: what has no info file is left alone for so long after its last change.

        Returns:
            In how many seconds it is to be looked at again, if it is left alone; else 0.
        """
        if self.is_known(name):
            return 0.0
        path = os.path.join(self.places.queue, name)
        try:
            self._take(path, name)
            self._pauses.pop(name, None)
        except NoInfo as error:
            left_s = incomplete_s - (time.time() - newest_change_s(path))
            if incomplete_s > 0 and left_s > 0:
                return left_s
            self._reject(path, str(error))
        except BadFile as error:
            self._reject(path, str(error))
        except FileNotFoundError:
            self.places.remake()
            if os.path.lexists(path):
                self._again(("take", name), name, lambda: self.take(name))
        except OSError as error:
            if error.errno in PASSING:
                log.warning("%s cannot be taken: %s", printable(name), error.strerror)
                self._again(("take", name), name, lambda: self.take(name))
            else:
                self._reject(path, text_of(error))
        except PlaceGone:
            raise
        except Exception as error:  # a mistake of ours over one folder is not to stop the others
            log.exception("a mistake in the program")
            self._reject(path, f"a mistake in the program: {type(error).__name__}: {error}")
        return 0.0

    def _take(self, path: str, name: str) -> None:
        entry = taken(self.places, self.settings, path)
        self._enter(entry, is_waiting=True)
        self._submit(entry)

    def _enter(self, entry: Entry, *, is_waiting: bool = False) -> Entry:
        self._entries[entry.token] = entry
        if is_waiting:
            self._waiting[entry.name] = entry
        return entry

    def _drop(self, entry: Entry) -> None:
        self._entries.pop(entry.token, None)
        if self._waiting.get(entry.name) is entry:
            del self._waiting[entry.name]
        self._active.discard(entry.token)

    # ---- submitting
    def _submit(self, entry: Entry) -> None:
        """Queue its job. What fails for now is tried again; what is refused goes to lost+found."""
        assert entry.wanted is not None
        is_blocking = self.settings.launch_type == BLOCKING
        folder = submitting.Folder(entry.token, entry.name, entry.wanted, entry.nb_proc, is_blocking)
        try:
            entry.job_id = submitting.submit(
                self.client,
                self.places,
                folder,
                is_mailing=self.settings.mail,
                max_nb_proc=self.settings.max_nb_proc,
            )
        except (*FOR_NOW, OSError) as error:
            log.warning("%s cannot be submitted now: %s", entry.label, text_of(error))
            self._again(("submit", entry.token), entry, lambda: self._submit_again(entry))
            return
        except JobdError as error:
            self._reject_entry(entry, str(error))
            return
        log.info("%s is queued", entry.label)
        if is_blocking:
            self._taken += 1
            entry.is_held = True
            heapq.heappush(self._held, (-(entry.wanted.priority or 0), self._taken, entry.token))
            self._next()

    def _submit_again(self, entry: Entry) -> None:
        if self._entries.get(entry.token) is entry:
            self._submit(entry)
            self.check([entry])

    def _next(self) -> None:
        """Of blocking: let the next one go, if none is under way."""
        while self._has_looked and self._held and not self._active:
            token = self._held[0][2]
            entry = self._entries.get(token)
            if entry is not None and entry.is_held and entry.job_id is not None:
                try:
                    self.client.release(entry.job_id)
                except FOR_NOW:
                    self._later("next", PAUSE_MAX_S, self._next)
                    return
                except JobdError as error:
                    log.warning("%s cannot be released: %s", entry.label, error)
                entry.is_held = False
                self._active.add(token)
            heapq.heappop(self._held)

    # ---- what the server tells
    def check(self, known: Iterable[Entry]) -> None:
        """Ask the server for these jobs.

        Raises:
            JobdError: there is no server.
        """
        asked = {entry.job_id: entry for entry in known if entry.job_id is not None}
        rows = {row.job_id: row for row in submitting.rows_of(self.client, list(asked))}
        for job_id, entry in asked.items():
            row = rows.get(job_id)
            if self._entries.get(entry.token) is not entry:
                continue
            if row is not None and row.token == entry.token:
                self.heard(row)
            elif self._find(entry) == os.path.join(self.places.queue, entry.name):
                # The server has lost its journal; it never ran, and is not under way any more.
                self._active.discard(entry.token)
                self._resume(self._enter(entry, is_waiting=True))
            else:
                self._reject_entry(
                    entry, f"the server does not know job {job_id} any more: how it ended cannot be told"
                )

    def check_all(self) -> None:
        """Ask for all, since something may have been missed."""
        try:
            self.check(list(self._entries.values()))
        except JobdError as error:
            log.warning("the jobs cannot be looked at now: %s", error)
            self._later("check", PAUSE_MAX_S, self.check_all)
        self._next()

    def heard(self, row: JobRow) -> None:
        """A job as it is now."""
        entry = self._entries.get(row.token)
        if entry is None:
            return
        entry.job_id = row.job_id
        if row.state in FINAL:
            self._finish(entry, row)
            self._next()
        elif self.settings.launch_type == BLOCKING and (row.batch is None or not row.batch.is_held):
            entry.is_held = False
            self._active.add(entry.token)

    def _finish(self, entry: Entry, row: JobRow) -> None:
        """Tell its end in the folder, and bring it to the done."""
        path = self._find(entry) or self.places.find_waiting(entry.token)
        if path is None:
            log.warning("%s is over (%s), and its folder has gone", entry.label, row.state)
            self.places.unlink(entry.token)
            self._drop(entry)
            return
        try:
            try:
                ending.tell(path, row, marks.read_mark(path))
            except OSError as error:
                if error.errno in PASSING:
                    raise
                log.warning("%s: its end cannot be told in it: %s", entry.label, text_of(error))
            self.places.remake()
            target = self.places.free(self.places.done, f"{stamp(row.ended_at or 0)}-{entry.name}")
            self.places.turn(entry.token, target)
            os.rename(path, target)
        except OSError as error:
            log.warning("%s cannot be brought to the done now: %s", entry.label, text_of(error))
            self._again(("finish", entry.token), entry, lambda: self._finish_again(entry, row))
            return
        remove(os.path.join(target, HIDDEN))
        log.info("%s is over: %s, %s", entry.label, row.state, printable(target))
        self._drop(entry)

    def _finish_again(self, entry: Entry, row: JobRow) -> None:
        if self._entries.get(entry.token) is entry:
            self._finish(entry, row)
            self._next()

    # ---- what somebody takes away
    def left(self, name: str) -> None:
        """Nothing bears that name in the queue any more, or something else does."""
        entry = self._waiting.get(name)
        if entry is None:
            return
        path = self._find(entry)
        if path == os.path.join(self.places.queue, name):
            return
        del self._waiting[name]
        if path is not None:
            return
        row = None
        try:
            if entry.job_id is not None:
                row = submitting.row_of(self.client, entry.job_id, entry.token)
        except JobdError as error:
            log.warning("%s cannot be looked at now: %s", entry.label, error)
        if row is not None and row.state not in (JobState.PENDING, *FINAL):
            return  # it was taken away from where it runs
        log.info("%s was taken out of the queue: its job is cancelled", entry.label)
        self.places.unlink(entry.token)
        self._drop(entry)
        if row is None:
            self._later("strays", PAUSE_S, self._cancel_strays)
        else:
            self._cancel(row.job_id)
        self._next()

    def left_all(self) -> None:
        """Look whether somebody has taken away any."""
        for name in list(self._waiting):
            self.left(name)

    def _cancel(self, job_id: int) -> None:
        try:
            self.client.cancel(job_id)
        except FOR_NOW:
            self._later(("cancel", job_id), PAUSE_MAX_S, lambda: self._cancel(job_id))
        except (NoSuchJob, Refused):
            pass  # it is over

    def _cancel_strays(self) -> None:
        """Cancel the jobs of ours that wait and whose folder was taken away while nobody looked."""
        try:
            rows = self.client.jobs(states=[JobState.PENDING.value])
            for row in rows:
                if submitting.is_of(row, self.places) and row.token not in self._entries:
                    log.info("job %d has no folder any more: it is cancelled", row.job_id)
                    self._cancel(row.job_id)
        except JobdError as error:
            log.warning("the queue cannot be looked at now: %s", error)
            self._later("strays", PAUSE_MAX_S, self._cancel_strays)

    # ---- what is no job
    def _reject(self, path: str, reason: str) -> None:
        self._pauses.pop(os.path.basename(path), None)
        self._lost.put(path, reason)

    def _reject_entry(self, entry: Entry, reason: str) -> None:
        path = self._find(entry)
        self._drop(entry)
        if path is not None:
            self._lost.put(path, reason, entry.token)

    def _again(self, key: Any, what: "Entry | str", do: Callable[[], Any]) -> None:
        """Do it later, and later each time.

        Args:
            what: a folder that was taken, or the name of one that was not.
        """
        if isinstance(what, Entry):
            pause_s, what.pause_s = what.pause_s, min(PAUSE_MAX_S, 2 * what.pause_s)
        else:
            pause_s = self._pauses.get(what, PAUSE_S)
            self._pauses[what] = min(PAUSE_MAX_S, 2 * pause_s)
        self._later(key, pause_s, do)
