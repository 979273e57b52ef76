"""The charts: use of the machine, processors and memory of one job, the time line. Pages, and the numbers as JSON.

    events ──▶ Follower (thread) ──▶ store.sqlite ──▶ Reader ──▶ JSON ──▶ charts.js
    processes ──▶ Sampler (thread) ──▶ curves

A page is told that there are new numbers, at most once in a second, and asks for them.
"""

import asyncio
import os
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from jobd.api.client import Client
from jobd.errors import JobdError, NoSuchJob
from jobd.web import store
from jobd.web.follow import Follower
from jobd.web.ledger import living_stretches
from jobd.web.live import NUMBERS
from jobd.web.looks import clean
from jobd.web.samples import Sampler
from jobd.web.site import Site
from jobd.web.timeline import Timeline, timeline
from jobd.web.usage import KEPT_S, SPANS, Point, Use
from jobd.wire import messages as m
from jobd.wire.batch import JobId
from jobd.wire.rows import JobRow

Handler = Callable[[Request], Awaitable[Response]]

TELL_S = 1.0  # between two of them
CACHED_S = 1.0  # for so long the same question has the same answer
CACHED_MAX = 32
SPAN_MIN_S = 60.0  # of a time line
JOB_ID_MAX = 10**18
TABLE_ROWS = 24
JOBS_LISTED = 50


class Question(NamedTuple):
    """What was asked, as a key."""

    kind: str
    begin: float | str
    end: float


class Charts:
    """All that the charts of one site need."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.path = os.path.join(store.folder(), "usage.sqlite")
        self.sampler = Sampler(site.config.sample_s, self._changed)
        self.follower = Follower(
            self.path, self.sampler, self._changed, curves_kept_s=site.config.usage_days * 86400.0
        )
        self._cache: dict[Question, tuple[float, dict[str, Any]]] = {}
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._told_s = 0.0  # monotonic

    def start(self) -> None:
        """Follow, from now on; in the loop."""
        self._loop = asyncio.get_running_loop()
        self.sampler.start()
        self.follower.start()

    def stop(self) -> None:
        """Write what is known, and end."""
        if self._timer is not None:
            self._timer.cancel()
        self.follower.close()
        self.sampler.close()

    # ---- telling
    def _changed(self) -> None:
        try:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._tell_soon)
        except RuntimeError:
            pass  # the loop has ended just before us

    def _tell_soon(self) -> None:
        if self._timer is None and self.site.listeners and self._loop is not None:
            pause_s = max(0.0, self._told_s + TELL_S - time.monotonic())
            self._timer = self._loop.call_later(pause_s, self._tell)

    def _tell(self) -> None:
        self._timer = None
        self._told_s = time.monotonic()
        self.site.show(None, [m.Event(0, time.time(), NUMBERS, None)])

    # ---- numbers
    def cached(self, question: Question, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The answer, made anew if it is not a fresh one."""
        now_s = time.monotonic()
        with self._lock:
            found = self._cache.get(question)
            if found is not None and now_s - found[0] < CACHED_S:
                return found[1]
        answer = make()
        with self._lock:
            if len(self._cache) >= CACHED_MAX:
                self._cache.clear()
            self._cache[question] = (time.monotonic(), answer)
        return answer

    def usage(self, span: str) -> dict[str, Any]:
        """Use of the machine over the last hour, day or week."""
        return self.cached(Question("usage", span, 0.0), lambda: self._usage(span))

    def _usage(self, span: str) -> dict[str, Any]:
        now = time.time()
        ledger, fill = self.follower.ledger, self.follower.fill
        at: list[int] = []
        uses: list[Use] = []
        if ledger is not None:
            living = [
                stretch
                for holder in ledger.living()
                for stretch in living_stretches(holder, self.sampler.points(holder.row.job_id), now)
            ]
            at, uses = ledger.series(span, now, living)
        node = self.site.picture.node
        return {
            "span": span,
            "now": now,
            "procs": node.nb_proc if node is not None else None,
            "memory": node.memory_bytes if node is not None else None,
            "filling": round(fill.share, 3) if fill is not None else None,
            "trouble": self.follower.trouble,
            "at": at,
            "busy": [round(use.busy, 3) for use in uses],
            "cpu": [round(use.cpu, 3) for use in uses],
            "asked_memory": [round(use.asked) for use in uses],
            "used_memory": [round(use.memory) for use in uses],
            "jobs": [int(use.jobs) for use in uses],
            "means": _means(uses),
        }

    def timeline(self, begin: float, end: float) -> dict[str, Any]:
        """Who had which processor, between these times."""
        return self.cached(Question("timeline", begin, end), lambda: _as_json(self._timeline(begin, end)))

    def _timeline(self, begin: float, end: float) -> Timeline:
        ledger = self.follower.ledger
        status = self.site.picture.status
        living = ledger.living() if ledger is not None else []
        is_bound = status is not None and status.nb_proc <= len(status.cpus)  # else no job is
        cpus = status.cpus if status is not None and is_bound else []
        now = time.time()
        with store.Reader(self.path) as reader:
            return timeline(reader, living, begin=begin, end=end, now=now, cpus=cpus)

    def points(self, row: JobRow) -> list[Point]:
        """What a job used over time."""
        if row.started_at is None:
            return []
        if row.ended_at is None:
            return self.sampler.points(row.job_id)
        with store.Reader(self.path) as reader:
            return reader.curve(row.job_id, row.started_at)


def _means(uses: list[Use]) -> dict[str, float]:
    """Averages over the whole span, of asked against used."""
    count = max(1, len(uses))
    total = Use(*(sum(values) for values in zip(*uses, strict=True))) if uses else Use()
    return {
        "busy": round(total.busy / count, 3),
        "cpu": round(total.cpu / count, 3),
        "share": round(total.cpu / total.known, 3) if total.known > 0 else 0.0,
        "asked_memory": round(total.asked / count),
        "used_memory": round(total.memory / count),
        "jobs": int(total.jobs),
    }


def _as_json(found: Timeline) -> dict[str, Any]:
    return {
        "begin": found.begin,
        "end": found.end,
        "now": time.time(),
        "lanes": found.lanes,
        "bars": [
            [
                bar.lane,
                bar.height,
                round(bar.begin, 2),
                round(bar.end, 2),
                bar.job_id,
                clean(bar.name),
                bar.state,
            ]
            for bar in found.bars
        ],
        "blurs": [
            [blur.lane, round(blur.begin, 1), round(blur.end, 1), blur.jobs, blur.share]
            for blur in found.blurs
        ],
    }


# ---- pages and numbers, by address
def _charts(request: Request) -> Charts:
    found: Charts = request.scope["jobd.charts"]
    return found


def _span(request: Request) -> str:
    span = request.query_params.get("span", "hour")
    if span not in SPANS:
        raise HTTPException(400, "span is hour, day or week")
    return span


def _times(request: Request) -> tuple[float, float]:
    """From when to when, of a time line: ?span=, or ?from= and ?to= in seconds since the epoch."""
    now = time.time()
    if "from" not in request.query_params and "to" not in request.query_params:
        end = float(int(now) + 1)
        return end - SPANS[_span(request)][1], end
    try:
        begin, end = float(request.query_params["from"]), float(request.query_params["to"])
    except (KeyError, ValueError):
        raise HTTPException(400, "from and to are seconds since the epoch") from None
    if not now - 10 * KEPT_S <= begin < end <= now + 10 * KEPT_S:  # and neither is no number
        raise HTTPException(400, "from and to are times of the last days, the earlier one first")
    begin = max(begin, now - KEPT_S)
    end = min(max(end, begin + SPAN_MIN_S), begin + KEPT_S)
    return round(begin, 1), round(end, 1)


async def usage_json(request: Request) -> Response:
    """The numbers of the page `use`."""
    charts, span = _charts(request), _span(request)
    charts.sampler.watch()
    return _json(await asyncio.to_thread(charts.usage, span))


async def timeline_json(request: Request) -> Response:
    """The numbers of the time line."""
    charts = _charts(request)
    begin, end = _times(request)
    return _json(await asyncio.to_thread(charts.timeline, begin, end))


async def job_json(request: Request) -> Response:
    """What one job used over time."""
    charts, job_id = _charts(request), request.path_params["job_id"]
    if job_id > JOB_ID_MAX:
        raise HTTPException(404, f"no job {job_id}")
    row = await charts.site.call(_row, job_id)
    if row.ended_at is None and row.started_at is not None:
        charts.sampler.watch()
    points = await asyncio.to_thread(charts.points, row)
    return _json(
        {
            "now": time.time(),
            "started": row.started_at,
            "ended": row.ended_at,
            "procs": row.nb_proc,
            "asked_memory": row.batch.memory_bytes if row.batch is not None else 0,
            "at": [round(point.at, 1) for point in points],
            "cpu": [round(point.cpu, 3) for point in points],
            "memory": [round(point.memory) for point in points],
        }
    )


def _row(client: Client, job_id: int) -> JobRow:
    try:
        return client.rows_of(JobId(job_id))[0]
    except NoSuchJob as error:
        raise HTTPException(404, str(error)) from error
    except JobdError as error:
        raise HTTPException(503, str(error)) from error


def _json(value: dict[str, Any]) -> Response:
    return JSONResponse(value, headers={"Cache-Control": "no-store"})


async def usage_page(request: Request) -> Response:
    """Use of the machine."""
    charts, span = _charts(request), _span(request)
    numbers = await asyncio.to_thread(charts.usage, span)
    return charts.site.render(
        request, "usage.html", span=span, spans=list(SPANS), numbers=numbers, table=_table(numbers)
    )


async def timeline_page(request: Request) -> Response:
    """Who had which processor when."""
    charts = _charts(request)
    begin, end = _times(request)
    numbers = await asyncio.to_thread(charts.timeline, begin, end)
    longest = sorted(numbers["bars"], key=lambda bar: bar[2] - bar[3])
    listed = {bar[4]: bar for bar in reversed(longest[: 2 * JOBS_LISTED])}
    return charts.site.render(
        request,
        "timeline.html",
        span=request.query_params.get("span", "" if "from" in request.query_params else "hour"),
        spans=list(SPANS),
        numbers=numbers,
        jobs=sorted(listed.values(), key=lambda bar: bar[2])[-JOBS_LISTED:],
        short_count=sum(blur[3] for blur in numbers["blurs"]),
    )


def _table(numbers: dict[str, Any]) -> list[dict[str, float]]:
    """The same numbers in a few rows, newest first."""
    at = numbers["at"]
    size = max(1, -(-len(at) // TABLE_ROWS))
    rows = []
    for first in range(0, len(at), size):
        part = slice(first, first + size)
        row: dict[str, float] = {"at": at[first], "jobs": sum(numbers["jobs"][part])}
        for key in ("busy", "cpu", "asked_memory", "used_memory"):
            values = numbers[key][part]
            row[key] = sum(values) / len(values)
        rows.append(row)
    return rows[::-1]


# ---- what app.py calls
_of_site: dict[Site, Charts] = {}  # from `routes` to `stop`


def routes(site: Site) -> list[Route]:
    """The pages and numbers."""
    charts = _of_site[site] = Charts(site)

    def of(handler: Handler) -> Handler:
        async def answer(request: Request) -> Response:
            request.scope["jobd.charts"] = charts
            try:
                return await handler(request)
            except HTTPException as error:
                return PlainTextResponse(f"{error.detail}\n", error.status_code)
            except sqlite3.Error as error:
                charts.follower.torn(error)
                return PlainTextResponse(f"what is kept for the charts cannot be read: {error}\n", 503)

        return answer

    return [
        Route("/timeline", of(timeline_page)),
        Route("/usage", of(usage_page)),
        Route("/data/timeline", of(timeline_json)),
        Route("/data/usage", of(usage_json)),
        Route("/data/job/{job_id:int}", of(job_json)),
    ]


def start(site: Site) -> None:
    """Follow the server and its jobs, from now on; in the loop's thread."""
    _of_site[site].start()


def stop(site: Site) -> None:
    """Write what is known, and end; waits for two threads, some milliseconds."""
    _of_site.pop(site).stop()
