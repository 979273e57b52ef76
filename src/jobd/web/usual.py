"""How long jobs of one name usually take: the middle of the last ones that were done, asked once in a while."""

import time
from collections.abc import Iterable, Iterator
from statistics import median

from jobd.api.client import Client
from jobd.errors import JobdError
from jobd.states import JobState
from jobd.web.expected import FOR_ROOM, WAITING_MAX
from jobd.web.looks import elapsed_s
from jobd.wire import messages as m
from jobd.wire.rows import JobRow

LAST = 10  # that are looked at
LEAST = 2  # fewer say nothing
KEPT_S = 300.0
AGAIN_S = 10.0  # after a server that did not answer
KEPT_MAX = 1000
PATIENCE_S = 0.3  # that a page waits for it
ASKED_MAX = 20  # names in one go; the others come with the next picture

# Names that say nothing of what is run: of commands and scripts without a name of their own.
NAMELESS = frozenset({"wrap", "sh", "bash", "python", "python3", "sleep", "srun", "salloc"})

_Key = tuple[str, int, str]


class Usual:
    """What is known of names; for any thread, one at a time is enough."""

    def __init__(self) -> None:
        self._known: dict[_Key, tuple[float, float | None]] = {}  # (asked at, seconds)

    def of(self, rows: Iterable[JobRow]) -> dict[int, float]:
        """{job: seconds} of those that run or come next, as far as it is known by now."""
        found = {}
        for row in _asked(rows):
            seconds = self._known.get(_key(row), (0.0, None))[1]
            if seconds is not None:
                found[row.job_id] = seconds
        return found

    def is_lacking(self, rows: Iterable[JobRow]) -> bool:
        """Whether there is something to ask."""
        return bool(self._lacking(rows))

    def ask(self, client: Client, rows: Iterable[JobRow]) -> None:
        """Ask for what is not known, or was long ago; a server that does not answer leaves it unknown."""
        for key in self._lacking(rows)[:ASKED_MAX]:
            name, nb_proc, cwd = key
            request = m.ListJobs(
                rows_max=LAST, names=[name], states=[JobState.COMPLETED.value], is_finished=True
            )
            try:
                page: m.JobPage = client.connection.request(request)
            except JobdError:
                # Not asked again with each page: a server that hangs would hold up each of them.
                self._keep(key, None, KEPT_S - AGAIN_S)
                return
            took = [
                elapsed_s(row, 0.0)
                for row in page.rows
                if row.nb_proc == nb_proc and row.cwd == cwd and row.started_at
            ]
            self._keep(key, median(took) if len(took) >= LEAST else None)

    def _keep(self, key: _Key, seconds: float | None, age_s: float = 0.0) -> None:
        while len(self._known) >= KEPT_MAX:
            self._known.pop(next(iter(self._known)), None)
        self._known[key] = (time.monotonic() - age_s, seconds)

    def _lacking(self, rows: Iterable[JobRow]) -> list[_Key]:
        before_s = time.monotonic() - KEPT_S
        keys = {_key(row): None for row in _asked(rows) if row.name not in NAMELESS}
        return [key for key in keys if key not in self._known or self._known[key][0] < before_s]


def _asked(rows: Iterable[JobRow]) -> Iterator[JobRow]:
    waiting = 0
    for row in rows:
        if row.state == JobState.RUNNING.value:
            yield row
        elif row.state == JobState.PENDING.value and row.reason_code in FOR_ROOM and waiting < WAITING_MAX:
            waiting += 1
            yield row


def _key(row: JobRow) -> _Key:
    return row.name, row.nb_proc, row.cwd
