"""Which running jobs will soon have used 50, 80 or 90 percent of their time, and when that is to be told. Asks for no time itself.

A job that is suspended has no such moment until it goes on; a limit that is changed moves it. Of several that have passed only the largest is
told.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from jobd.notify import kinds
from jobd.notify.kinds import Wish
from jobd.wire.rows import JobRow

if TYPE_CHECKING:
    from jobd.notify.store import Notice

EARLY_S = 0.001  # a clock that is so little early is taken as right
SLEEP_MAX_S = 3600.0  # the wall clock may be set meanwhile


class Timers:
    """The moments of all running jobs that want them told."""

    def __init__(self) -> None:
        self._jobs: dict[int, tuple[JobRow, Wish]] = {}
        self._told: dict[
            int, tuple[float | None, float]
        ] = {}  # job → its start, and the largest share that was told

    def clear(self) -> None:
        """Know of nobody."""
        self._jobs.clear()
        self._told.clear()

    def see(self, row: JobRow, wish: Wish | None) -> None:
        """A job as it is now."""
        if wish is not None and row.state in ("RUNNING", "SUSPENDED") and wish.kinds & kinds.SHARES.keys():
            self._jobs[row.job_id] = row, wish
        else:
            self._jobs.pop(row.job_id, None)
            self._told.pop(row.job_id, None)

    def pause_s(self, now_s: float) -> float | None:
        """Seconds until the next moment (wall); None where there is none."""
        moments = [at for job_id in self._jobs for _, at in self._moments(job_id)]
        return min(SLEEP_MAX_S, max(0.0, min(moments) - now_s)) if moments else None

    def due(
        self,
        now_s: float,
        notice_of: "Callable[[str, JobRow, Wish, float, float | None, int | None], Notice]",
    ) -> "list[Notice]":
        """What is to be told now. Told twice it has the same key."""
        found = []
        for job_id in list(self._jobs):
            passed = [kind for kind, at in self._moments(job_id) if at <= now_s + EARLY_S]
            if passed:
                row, wish = self._jobs[job_id]
                kind = passed[0]
                self._told[job_id] = row.started_at, kinds.SHARES[kind]
                found.append(notice_of(kind, row, wish, now_s, row.started_at, job_id))
        return found

    def _moments(self, job_id: int) -> list[tuple[str, float]]:
        """(kind, when) of what was not told yet, the largest share first."""
        row, wish = self._jobs[job_id]
        started_at, told = self._told.get(job_id, (None, 0.0))
        if started_at != row.started_at:
            told = 0.0
        found = []
        for kind, share in kinds.SHARES.items():
            if kind in wish.kinds and share > told:
                at = kinds.share_due_at(row, share)
                if at is not None:
                    found.append((kind, at))
        return found
