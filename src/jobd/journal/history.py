"""What the journal tells of what is over, for people: finished jobs, steps, events. Reads only.

It reads through a connection of its own, so that it never waits for a write. Nothing here costs by the number of jobs that
are remembered: every question goes by an index, and every list by pages.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import quote

from jobd.core.job import Attempt, Job
from jobd.errors import JournalError, UsageError
from jobd.journal.records import COLUMNS, INTEGER_MAX, STATE_NUMBERS, Step, attempt_of, job_of, step_of

NAMES_MAX = 100  # in one question: each is a walk of its own through the index
ATTEMPTS_MAX = 10_000  # in one answer
_VALUES_MAX = 500  # of one IN (…)


class History:
    """Questions about the committed past of the journal at `path`."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._reader: sqlite3.Connection | None = None

    def close(self) -> None:
        """Close the reading connection."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    # ---- finished jobs
    def finished(
        self,
        *,
        before: tuple[float, int] | None,
        rows_max: int,
        since_s: float | None = None,
        names: Sequence[str] = (),
        states: Iterable[str] = (),
    ) -> list[Job]:
        """Finished jobs, the newest end first.

        Args:
            before: (ended_at, job_id) of the job just after which the list goes on.
            since_s: only those that ended at or after this time (wall).
            names: only those of one of these names.
            states: only those in one of these states (JobState); others than final ones have no finished jobs.

        Raises:
            UsageError: too many names.
            JournalError: it cannot be read.
        """
        if len(names) > NAMES_MAX:
            raise UsageError(f"{len(names)} names: at most {NAMES_MAX} at a time")
        wanted = set(states)
        numbers = [number for state, number in STATE_NUMBERS.items() if not wanted or state.value in wanted]
        if not numbers:
            return []
        where = ""
        place: list[object] = []
        if before is not None:
            where, place = where + " AND (ended_at, job_id) < (?, ?)", [*place, *before]
        if since_s is not None:
            where, place = where + " AND ended_at >= ?", [*place, since_s]
        values: list[object] = []
        parts = []
        if names:
            within = f" AND phase IN ({','.join(map(str, numbers))})" if wanted else ""
            for name in sorted(set(names)):
                parts.append(
                    "SELECT ended_at, job_id FROM jobs INDEXED BY jobs_named"
                    f" WHERE phase >= 3 AND name = ?{where}{within}"
                )
                values += [name.encode("utf-8", "surrogateescape"), *place]
        else:
            for number in numbers:
                parts.append(
                    "SELECT ended_at, job_id FROM jobs INDEXED BY jobs_ended"
                    f" WHERE phase >= 3 AND phase = {number}{where}"
                )
                values += place
        query = " UNION ALL ".join(parts) + " ORDER BY 1 DESC, 2 DESC LIMIT ?"
        places = self._read(query, (*values, rows_max))
        found = self._jobs([job_id for _, job_id in places])
        return [found[job_id] for _, job_id in places if job_id in found]

    def finished_of(
        self,
        job_ids: Iterable[int],
        *,
        is_with_arrays: bool = False,
        after: int = 0,
        rows_max: int | None = None,
    ) -> list[Job]:
        """Those of these jobs that are finished, by number.

        Args:
            is_with_arrays: a number means the elements of the array of that number too.
            after: only numbers above this one, as the next page.
            rows_max: of a page; None for all.

        Raises:
            JournalError: it cannot be read.
        """
        limit = -1 if rows_max is None else rows_max
        found: set[int] = set()
        for some in _in_parts(_ours(job_ids)):
            marks = ",".join("?" * len(some))
            query = f"SELECT job_id FROM jobs WHERE job_id IN ({marks}) AND phase >= 3 AND job_id > ?"
            found.update(row[0] for row in self._read(query, (*some, after)))
            if is_with_arrays:
                query = (
                    f"SELECT job_id FROM jobs INDEXED BY jobs_array WHERE array_id IN ({marks}) AND job_id > ?"
                    " AND phase >= 3 ORDER BY job_id LIMIT ?"
                )
                found.update(row[0] for row in self._read(query, (*some, after, limit)))
        chosen = sorted(found)[:rows_max]
        jobs = self._jobs(chosen)
        return [jobs[job_id] for job_id in chosen if job_id in jobs]

    def past_of(self, job_id: int, array_index: int | None) -> tuple[bool, float | None, float] | None:
        """(is_success, started_at, ended_at) of a finished job, or None if none of it is finished.

        Of an array: of its finished elements together, the last start and the last end; of a job with an index: of that
        element. One that never started counts as started when it was cancelled, if another did start.

        Raises:
            JournalError: it cannot be read.
        """
        query = """SELECT count(*), min(phase = 3), count(started_at), max(coalesce(started_at, ended_at)), max(ended_at)
 FROM jobs WHERE phase >= 3 AND """
        if array_index is not None:
            rows = self._read(query + "array_id = ? AND array_index = ?", (job_id, array_index))
        else:
            rows = self._read(query + "(job_id = ? OR array_id = ?)", (job_id, job_id))
        if not rows:
            return None
        count, is_success, starts, started_at, ended_at = rows[0]
        return (bool(is_success), started_at if starts else None, ended_at) if count else None

    # ---- earlier attempts
    def attempts_of(self, jobs: Iterable[Job]) -> list[Attempt]:
        """The attempts of these jobs before their last one, by job and number; of very many the first.

        Raises:
            JournalError: it cannot be read.
        """
        by_id = {job.job_id: job for job in jobs}
        found: list[Attempt] = []
        for some in _in_parts(_ours(by_id)):
            marks = ",".join("?" * len(some))
            query = f"SELECT * FROM attempts WHERE job_id IN ({marks}) ORDER BY job_id, attempt LIMIT ?"
            left = ATTEMPTS_MAX - len(found)
            found += [attempt_of(by_id[row[0]], row) for row in self._read(query, (*some, left))]
        return found

    # ---- steps
    def steps_of(self, job_ids: Iterable[int]) -> list[Step]:
        """The steps of these jobs, by job, attempt and number.

        Raises:
            JournalError: it cannot be read.
        """
        steps: list[Step] = []
        for some in _in_parts(_ours(job_ids)):
            marks = ",".join("?" * len(some))
            query = f"SELECT * FROM steps WHERE job_id IN ({marks}) ORDER BY job_id, attempt, step_id"
            steps += map(step_of, self._read(query, tuple(some)))
        return steps

    def step_count(self, job_id: int, attempt: int) -> int:
        """How many steps this attempt of a job has begun: the number of the next one.

        Raises:
            JournalError: it cannot be read.
        """
        query = "SELECT max(step_id) FROM steps WHERE job_id = ? AND attempt = ?"
        rows = self._read(query, (job_id, attempt))
        return rows[0][0] + 1 if rows and rows[0][0] is not None else 0

    # ---- events
    def events_after(self, seq: int, rows_max: int) -> list[bytes]:
        """Bodies of events after that number, oldest first.

        Raises:
            JournalError: they cannot be read.
        """
        query = "SELECT body FROM events WHERE seq > ? ORDER BY seq LIMIT ?"
        return [row[0] for row in self._read(query, (seq, rows_max))]

    def _jobs(self, job_ids: list[int]) -> dict[int, Job]:
        jobs: dict[int, Job] = {}
        for some in _in_parts(job_ids):
            query = f"SELECT {COLUMNS} FROM jobs WHERE job_id IN ({','.join('?' * len(some))}) AND phase >= 3"
            for row in self._read(query, tuple(some)):
                jobs[row[0]] = job_of(row)
        return jobs

    def _read(self, query: str, values: tuple[object, ...]) -> list[Any]:
        try:
            if self._reader is None:
                self._reader = sqlite3.connect(f"file:{quote(self.path)}?mode=ro", uri=True)
            return self._reader.execute(query, values).fetchall()
        except OverflowError:
            return []  # a number beyond SQLite's own is nobody's
        except sqlite3.Error as error:
            raise JournalError(f"cannot read {self.path}: {error}") from error


def _ours(job_ids: Iterable[int]) -> list[int]:
    """These numbers, each once, without those that are beyond SQLite's own."""
    return sorted({job_id for job_id in job_ids if 0 <= job_id <= INTEGER_MAX})


def _in_parts(values: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(values), _VALUES_MAX):
        yield values[start : start + _VALUES_MAX]
