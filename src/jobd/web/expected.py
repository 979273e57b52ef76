"""When waiting jobs will start and be over, reckoned from what the running ones say of their progress. Values only.

The server reckons with time limits alone, so what it says holds at the latest. Here each running job ends when it will by its own word, or by what is
usual for it; the queue is served as the server does: in its order, but what fits passes what does not, for a while. What is not known (no limit, a GPU,
a licence) ends the reckoning: nothing is guessed.
"""

import heapq
from collections.abc import Iterable, Mapping
from itertools import count
from typing import NamedTuple

from jobd.api.jobs import INDEX_MAX
from jobd.errors import UsageError
from jobd.indexes import parse as parse_indexes
from jobd.progress import Progress
from jobd.web.looks import ends_at
from jobd.wire.rows import JobRow

FOR_ROOM = ("Resources", "Priority")  # Slurm's words for who waits for nothing else
WAITING_MAX = 20  # jobs whose start is reckoned: the next ones
STARTS_MAX = 300  # that are reckoned; of an array each element counts
BYPASS_S = (
    60.0  # for so long one that does not fit is passed; as the server's bypass_s is where nobody has set it
)


class Start(NamedTuple):
    """When a waiting job will start."""

    at_s: float
    is_limit: bool  # at the latest then, as far as nobody comes before it
    over_s: float | None  # when it will be over, where that can be told


class _Needs(NamedTuple):
    """What one job has, or needs."""

    procs: int
    memory: int  # bytes


class _End(NamedTuple):
    """When something becomes free."""

    at_s: float
    number: int  # so that no two are compared further
    is_limit: bool
    has: _Needs
    array_id: int | None


class _Turn:
    """A waiting job, or an array."""

    def __init__(self, row: JobRow, takes_s: float | None) -> None:
        batch = row.batch
        self.row, self.needs = row, _needs(row)
        self.takes_s = row.time_limit_s if takes_s is None else takes_s
        self.is_usual = takes_s is not None
        self.array_id = batch.array_id if batch is not None and batch.tasks else None
        self.limit = batch.array_limit if batch is not None else 0
        self.left = max(1, elements(row))
        self.is_whole = not (batch is not None and batch.tasks.endswith("..."))
        self.first: tuple[float, bool] | None = None
        self.passed_s: float | None = None  # since when others pass it

    def told(self, at_s: float) -> Start | None:
        """What is known of it; `at_s`: of its last start, if there was that."""
        if self.first is None:
            return None
        is_known = self.left == 0 and self.is_usual and self.is_whole and self.takes_s is not None
        return Start(*self.first, at_s + (self.takes_s or 0.0) if is_known else None)


class _Machine:
    """What is free, and when more will be."""

    def __init__(self, procs: int, memory: int) -> None:
        self.procs, self.memory = procs, memory
        self.ends: list[_End] = []
        self.running: dict[int | None, int] = {}  # of arrays with a limit
        self._numbers = count()

    def fits(self, turn: _Turn) -> bool:
        """Whether one more of these can start."""
        if turn.limit and self.running.get(turn.array_id, 0) >= turn.limit:
            return False
        return turn.needs.procs <= self.procs and turn.needs.memory <= max(0, self.memory)

    def take(self, needs: _Needs, array_id: int | None, end_s: float | None, *, is_limit: bool) -> None:
        """From now on somebody has so much; until then, if that is known."""
        self.procs, self.memory = self.procs - needs.procs, self.memory - needs.memory
        self.running[array_id] = self.running.get(array_id, 0) + 1
        if end_s is not None:
            heapq.heappush(self.ends, _End(end_s, next(self._numbers), is_limit, needs, array_id))

    def give(self) -> _End:
        """The next end."""
        end = heapq.heappop(self.ends)
        self.procs, self.memory = self.procs + end.has.procs, self.memory + end.has.memory
        self.running[end.array_id] -= 1
        return end


def starts(
    rows: Iterable[JobRow],
    progress: Mapping[int, Progress],
    usual: Mapping[int, float],
    now_s: float,
    *,
    nb_proc: int,
    memory: int = 0,
) -> dict[int, Start]:
    """The starts of the first waiting jobs, as far as they can be told; of an array that of its next element.

    Args:
        rows: of the queue, in its order.
        progress, usual: of jobs by number: how far they are; seconds that such ones take.
        memory: bytes that the machine hands out; 0 if that is not known.
    """
    machine, turns = _Machine(nb_proc, memory), list[_Turn]()
    took: dict[int, float] = {}  # array → seconds that one of its elements will have taken
    is_open = True
    for row in rows:
        if row.state in ("RUNNING", "COMPLETING"):
            until = ends_at(row, progress.get(row.job_id), now_s, usual.get(row.job_id))
            # What a child has goes back to its parent.
            end_s = until.at_s if until is not None and row.parent_id is None else None
            array_id = row.batch.array_id if row.batch is not None else None
            if (
                until is not None
                and until.how != "limit"
                and array_id is not None
                and row.started_at is not None
            ):
                took[array_id] = until.at_s - row.started_at
            machine.take(_needs(row), array_id, end_s, is_limit=until is not None and until.how == "limit")
        elif row.state == "PENDING" and row.reason_code in FOR_ROOM:
            is_open = is_open and _is_simple(row) and row.nb_proc <= nb_proc and len(turns) < WAITING_MAX
            if is_open:
                array_id = row.batch.array_id if row.batch is not None else None
                turns.append(_Turn(row, usual.get(row.job_id, took.get(array_id or 0))))
    return _served(machine, turns, now_s)


def _served(machine: _Machine, turns: list[_Turn], now_s: float) -> dict[int, Start]:
    found: dict[int, Start] = {}
    at_s, is_limit, number = now_s, False, 0
    while turns:
        blocked: list[_Turn] = []
        for turn in turns:
            while turn.left and machine.fits(turn):
                number += 1
                if number > STARTS_MAX:
                    return found
                turn.left -= 1
                turn.first = turn.first or (at_s, is_limit)
                end_s = None if turn.takes_s is None else at_s + turn.takes_s
                machine.take(turn.needs, turn.array_id, end_s, is_limit=not turn.is_usual)
                for one in blocked:
                    one.passed_s = at_s if one.passed_s is None else one.passed_s
                told = turn.told(at_s)
                if told is not None:
                    found[turn.row.job_id] = told
            if turn.left:
                blocked.append(turn)
                if turn.passed_s is not None and at_s - turn.passed_s >= BYPASS_S:
                    break  # nothing passes it any more
        turns = [turn for turn in turns if turn.left]
        if not machine.ends:
            break
        end = machine.give()
        at_s, is_limit = max(at_s, end.at_s), is_limit or end.is_limit
    return found


def all_over_s(rows: Iterable[JobRow], found: Mapping[int, Start]) -> float | None:
    """When all that waits for room will be over, where that can be told of each."""
    last: float | None = None
    for row in rows:
        if row.state != "PENDING" or row.reason_code not in FOR_ROOM:
            continue
        start = found.get(row.job_id)
        if start is None or start.over_s is None:
            return None
        last = max(last or 0.0, start.over_s)
    return last


def elements(row: JobRow) -> int:
    """How many elements of an array still wait in this row; 0 for any other job, and where nobody can tell."""
    tasks = row.batch.tasks if row.batch is not None else ""
    try:
        return parse_indexes(tasks, index_max=INDEX_MAX).count if tasks else 0
    except UsageError:
        return 0  # a list of very many pieces comes without its end


def _needs(row: JobRow) -> _Needs:
    return _Needs(row.nb_proc, row.batch.memory_bytes if row.batch is not None else 0)


def _is_simple(row: JobRow) -> bool:
    batch = row.batch
    return batch is None or not (batch.gpus or batch.counted or batch.is_exclusive)
