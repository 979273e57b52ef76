"""What running jobs use, looked at now and then. Nothing is looked at while nothing runs.

A process is a job's if its environment has the job's mark, or its parent is the job's, or it is in the session that the job's main process
leads. Each process is looked up once when it is new; at each look only the jobs' own processes cost anything.
"""

import os
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

import psutil  # type: ignore[import-untyped]

from jobd.web.store import CURVE_POINTS_MAX
from jobd.web.usage import Point

WATCHED_S = 2.0  # between two looks while somebody looks at a chart of jobs
FIRST_S = 2.0  # of a job that is young
FRESH_LOOKS = (
    100  # after so many looks all processes are looked up anew: a number may have been given out again
)


class Curve:
    """The points of one job: at most so many, the time between them doubled whenever there would be more."""

    def __init__(self, began: float, step_s: float = FIRST_S, points: list[Point] | None = None) -> None:
        self.step_s = step_s
        self.points: list[Point] = list(points or [])
        self._at = self.points[-1].at if self.points else began
        self._open_cpu_s = 0.0
        self._open_memory = 0.0
        while len(self.points) >= 2 and self.points[-1].at - self.points[-2].at > 1.5 * self.step_s:
            self.step_s *= 2

    def add(self, at: float, cpu_s: float, memory: float) -> None:
        """Since the last time it used so many seconds of CPU, and now it has so much memory."""
        self._open_cpu_s += cpu_s
        self._open_memory = max(self._open_memory, memory)
        if at - self._at < self.step_s * 0.9:
            return
        self.points.append(Point(at, self._open_cpu_s / (at - self._at), self._open_memory))
        self._at, self._open_cpu_s, self._open_memory = at, 0.0, 0.0
        if len(self.points) >= CURVE_POINTS_MAX:
            self.step_s *= 2
            self._thin()

    def _thin(self) -> None:
        """Two points become one. What they say of the time before them keeps its weight."""
        before = self.points[0].at - self.step_s / 2
        kept = []
        for one, two in zip(self.points[::2], self.points[1::2], strict=False):
            cpu_s = one.cpu * (one.at - before) + two.cpu * (two.at - one.at)
            kept.append(Point(two.at, cpu_s / (two.at - before), max(one.memory, two.memory)))
            before = two.at
        if len(self.points) % 2:
            kept.append(self.points[-1])
        self.points = kept


class Watched(NamedTuple):
    """A running job."""

    job_id: int
    pid: int  # its main process, or its Salloc
    started: float


class _Known(NamedTuple):
    """A process that was looked up."""

    began: float
    job_id: int | None


class Processes:
    """Which processes are whose."""

    def __init__(self, server_id: str) -> None:
        self._server = server_id
        self._known: dict[int, _Known] = {}
        self._looks = 0

    def members(self, jobs: dict[int, Watched]) -> dict[int, list[psutil.Process]]:
        """Job → its processes, now."""
        self._looks += 1
        if self._looks % FRESH_LOOKS == 0:
            self._known.clear()
        pids = psutil.pids()
        sessions = {job.pid: job.job_id for job in jobs.values() if _leads_session(job.pid)}
        known: dict[int, _Known] = {}
        found: dict[int, list[psutil.Process]] = {}
        for pid in sorted(pids):
            entry = self._known.get(pid)
            if entry is not None and entry.job_id is None:
                known[pid] = entry
                continue
            try:
                process = psutil.Process(pid)
                began = process.create_time()
                if entry is None or entry.began != began:
                    entry = _Known(began, self._owner(process, sessions, known))
                known[pid] = entry
                if entry.job_id in jobs:
                    found.setdefault(entry.job_id, []).append(process)
            except (psutil.Error, OSError):
                continue
        self._known = known
        return found

    def _owner(
        self, process: psutil.Process, sessions: dict[int, int], known: dict[int, _Known]
    ) -> int | None:
        try:
            variables = process.environ()
            if variables.get("JOBD_SERVER") == self._server:
                text = variables.get("JOBD_JOB_ID", "")
                if text.isascii() and text.isdigit() and len(text) < 20:
                    return int(text)
        except (psutil.Error, OSError):
            pass
        session = sessions.get(os.getsid(process.pid))
        if session is not None:
            return session
        parent = known.get(process.ppid())
        return parent.job_id if parent is not None else None


def _leads_session(pid: int) -> bool:
    try:
        return pid > 1 and os.getsid(pid) == pid
    except OSError:
        return False


class Sampler:
    """Looks at running jobs, in a thread of its own."""

    def __init__(self, sample_s: float, on_look: Callable[[], None]) -> None:
        """
        Args:
            sample_s: between two looks at jobs that are not young, while nobody watches.
            on_look: called after each look, in the sampler's thread.
        """
        self._sample_s = sample_s
        self._on_look = on_look
        self._lock = threading.Lock()
        self._jobs: dict[int, Watched] = {}
        self._curves: dict[int, Curve] = {}
        self._last: dict[int, tuple[float, float]] = {}  # job → (when, seconds of CPU until then)
        self._processes = Processes("")
        self._server_id = ""
        self._watched_until_s = 0.0  # monotonic
        self._turn = threading.Event()
        self._is_ending = False
        self._thread = threading.Thread(target=self._run, name="samples", daemon=True)

    def start(self) -> None:
        """Look from now on."""
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._is_ending = True
        self._turn.set()
        if self._thread.is_alive():
            self._thread.join()

    # ---- for other threads
    def begin(self, server_id: str, job: Watched, points: Callable[[], list[Point]]) -> None:
        """A job runs; `points` gives what was seen of it before."""
        with self._lock:
            if server_id != self._server_id:
                self._server_id = server_id
                self._processes = Processes(server_id)
            if self._jobs.get(job.job_id) == job:
                return
            is_first = not self._jobs
            known = self._jobs.get(job.job_id)
            self._jobs[job.job_id] = job
            if known is None or known.started != job.started:
                self._curves[job.job_id] = Curve(job.started, points=points())
                self._last.pop(job.job_id, None)
        if is_first:
            self._turn.set()

    def end(self, job_id: int) -> list[Point]:
        """A job runs no more; what was seen of it."""
        with self._lock:
            self._jobs.pop(job_id, None)
            self._last.pop(job_id, None)
            curve = self._curves.pop(job_id, None)
        return curve.points if curve is not None else []

    def points(self, job_id: int) -> list[Point]:
        """What was seen of a running job so far."""
        with self._lock:
            curve = self._curves.get(job_id)
            return list(curve.points) if curve is not None else []

    def watch(self, for_s: float = 60.0) -> None:
        """Somebody looks at a chart: look often, for so long."""
        was_watched = time.monotonic() < self._watched_until_s
        self._watched_until_s = time.monotonic() + for_s
        if not was_watched:
            self._turn.set()

    # ---- in its thread
    def _run(self) -> None:
        while not self._is_ending:
            self._turn.wait(self._pause_s())
            if self._turn.is_set():
                # Just after a start there is little to see, and many may start together.
                self._turn.clear()
                if self._is_ending or not self._jobs:
                    continue
            self._look()
            self._on_look()

    def _pause_s(self) -> float | None:
        with self._lock:
            if not self._jobs:
                return None
            step_s = min(curve.step_s for curve in self._curves.values())
        if time.monotonic() < self._watched_until_s:
            return WATCHED_S
        # A job that starts is young; with all being old it is looked as seldom as their points are apart.
        return min(max(step_s, FIRST_S), max(FIRST_S, self._sample_s))

    def _look(self) -> None:
        with self._lock:
            jobs, processes = dict(self._jobs), self._processes
        members = processes.members(jobs)
        for job_id, job in jobs.items():
            cpu_s, own, shared = 0.0, 0, 0
            for process in members.get(job_id, ()):
                try:
                    times, memory = process.cpu_times(), process.memory_info()
                except (psutil.Error, OSError):
                    continue
                cpu_s += times.user + times.system + times.children_user + times.children_system
                own += max(0, memory.rss - memory.shared)
                shared = max(shared, memory.shared)
            at = time.time()
            with self._lock:
                curve = self._curves.get(job_id)
                if curve is None or self._jobs.get(job_id) != job:
                    continue
                last = self._last.get(job_id)
                if last is None and curve.points:
                    # We were away: what it used meanwhile is not known.
                    used_s = 0.0
                else:
                    # What a process used that nobody waited for is gone with it.
                    used_s = max(0.0, cpu_s - (last[1] if last is not None else 0.0))
                self._last[job_id] = (at, cpu_s)
                curve.add(at, used_s, own + shared)
