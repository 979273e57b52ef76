"""The pages for reading: overview, one job, history. Each asks for one page of rows at most."""

import asyncio
import time
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from jobd.api.client import Client
from jobd.api.jobs import parse
from jobd.errors import EXIT_NO_SERVER, EXIT_USAGE, JobdError, NoServer, NoSuchJob, UsageError
from jobd.progress import progress_of
from jobd.states import FINAL_STATES, JobState
from jobd.web.actions import Notes
from jobd.web.facts import Facts, facts_of
from jobd.web.output import Shown, outputs_of, outputs_unread, progress_now
from jobd.web.site import Site
from jobd.web.usual import PATIENCE_S, Usual
from jobd.wire import messages as m
from jobd.wire.rows import JobRow

HISTORY_ROWS = 100
NAME_CHARS_MAX = 256

STATES = [state.value for state in JobState if state in FINAL_STATES]


class Pages:
    """The handlers."""

    def __init__(self, site: Site, notes: Notes, usual: Usual) -> None:
        self._site = site
        self._usual = usual
        self._asking: asyncio.Future[None] | None = None  # one at a time
        self._notes = notes

    def _page(self, request: Request, template: str, **values: Any) -> Response:
        note = self._notes.take(request.query_params.get("note", ""))
        return self._site.render(request, template, note=note, **values)

    async def overview(self, request: Request) -> Response:
        """What runs, what waits and why, what has just ended."""
        picture = self._site.picture
        await self._ask_usual(picture.rows)
        progress = await progress_now(picture.rows, self._site.readers)
        usual = self._usual.of(picture.rows)
        return self._page(
            request, "overview.html", picture=picture, progress=progress, usual=usual, now_s=time.time()
        )

    async def _ask_usual(self, rows: Iterable[JobRow]) -> None:
        rows = list(rows)
        if self._usual.is_lacking(rows):
            # Only for a moment: a server that hangs must not keep the page from showing what is known.
            if self._asking is None or self._asking.done():
                self._asking = asyncio.ensure_future(self._site.call(self._usual.ask, rows))
            await asyncio.wait({self._asking}, timeout=PATIENCE_S)

    async def job(self, request: Request) -> Response:
        """One job, or one array."""
        text = request.path_params["job"]
        try:
            facts: Facts = await self._site.call(facts_of, text)
        except JobdError as error:
            return self.trouble(request, error)
        outputs: list[Shown] = []
        is_running = facts.row is not None and facts.row.state == JobState.RUNNING.value
        if facts.row is not None and self._site.config.details:
            outputs = await self._outputs(facts.row)
        usual_s = None
        if is_running and facts.row is not None:
            await self._ask_usual([facts.row])
            usual_s = self._usual.of([facts.row]).get(facts.row.job_id)
        return self._page(
            request,
            "job.html",
            facts=facts,
            row=facts.row,
            outputs=outputs,
            progress=next((progress_of(one.text[-4096:]) for one in outputs), None) if is_running else None,
            usual_s=usual_s,
            now_s=time.time(),
            live=f"/live/job/{facts.text}",
        )

    async def history(self, request: Request) -> Response:
        """What has been: by state, name and time, a page at a time."""
        asked = request.query_params
        if (wanted := asked.get("job", "").strip()) and not asked.get("cursor"):
            try:
                parse(wanted)
            except UsageError:
                # Who looks for a job may know its name only.
                return RedirectResponse(f"/history?{urlencode({'name': wanted})}", 303)
            return RedirectResponse(f"/job/{wanted}", 303)
        states = [state for state in asked.getlist("state") if state in STATES]
        name = asked.get("name", "").strip()[:NAME_CHARS_MAX]
        try:
            since_s, until_s = _time(asked.get("since", "")), _time(asked.get("until", ""))
            page: m.JobPage = await self._site.call(
                _finished, states, name, since_s, until_s, asked.get("cursor", "")[:100]
            )
        except JobdError as error:
            return self.trouble(request, error)
        chosen = {
            "state": states,
            "name": name,
            "since": asked.get("since", ""),
            "until": asked.get("until", ""),
        }
        query = urlencode({key: value for key, value in chosen.items() if value}, doseq=True)
        return self._page(
            request,
            "history.html",
            rows=page.rows,
            cursor=page.cursor,
            is_first=not asked.get("cursor"),
            query=query,
            chosen=chosen,
            states=STATES,
            now_s=time.time(),
        )

    async def raw(self, request: Request) -> Response:
        """The end of an output as plain text, as it is."""
        if not self._site.config.details:
            return PlainTextResponse("outputs are not shown here\n", 403)
        try:
            facts: Facts = await self._site.call(facts_of, request.path_params["job"], is_with_script=False)
        except JobdError as error:
            return self.trouble(request, error)
        row: JobRow | None = facts.row
        if row is None:
            return PlainTextResponse("an array has no output of its own\n", 404)
        for one in await self._outputs(row):
            if one.name == request.path_params["name"]:
                return PlainTextResponse(one.text if not one.trouble else f"{one.trouble}\n")
        return PlainTextResponse("it has no such output\n", 404)

    async def _outputs(self, row: JobRow) -> list[Shown]:
        readers, bytes_max = self._site.readers, self._site.config.output_bytes
        try:
            return await readers.call(lambda: outputs_of(row, bytes_max, readers)) if row.started_at else []
        except TimeoutError:
            return outputs_unread(row)

    def trouble(self, request: Request, error: JobdError) -> Response:
        """What could not be done, in its own words."""
        status = {EXIT_NO_SERVER: 503, EXIT_USAGE: 400}.get(error.exit_code, 409)
        if isinstance(error, NoSuchJob):
            status = 404
        title = {503: "The server is away", 404: "Not there"}.get(status, "That did not work")
        text = "there is no server" if isinstance(error, NoServer) else str(error)
        return self._site.render(request, "error.html", status_code=status, title=title, text=text)

    async def not_found(self, request: Request, error: Exception) -> Response:
        """There is no such page."""
        if request.scope.get("jobd.session") is None:
            return PlainTextResponse("there is no such page\n", 404)  # nothing of anybody's jobs
        return self._site.render(
            request, "error.html", status_code=404, title="Not there", text="There is no such page."
        )

    async def mistake(self, request: Request, error: Exception) -> Response:
        """A mistake of ours."""
        return self._site.render(
            request,
            "error.html",
            status_code=500,
            title="A mistake in the page",
            text=type(error).__name__,
        )


def _finished(
    client: Client, states: list[str], name: str, since_s: float | None, until_s: float | None, cursor: str
) -> m.JobPage:
    if not cursor and until_s is not None:
        # A cursor is the place after which a page begins: the time of an end, and a number (daemon/verbs/list_jobs.py).
        cursor = f"{until_s!r} 0"
    page: m.JobPage = client.connection.request(
        m.ListJobs(
            cursor=cursor,
            rows_max=HISTORY_ROWS,
            states=states,
            names=[name] if name else [],
            is_finished=True,
            since_s=since_s,
        )
    )
    return page


def _time(text: str) -> float | None:
    """A day, or a day and a time, as browsers send them; None for none.

    Raises:
        UsageError: it is no time.
    """
    if not text.strip():
        return None
    for layout in ("%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d"):
        try:
            return time.mktime(time.strptime(text.strip(), layout))
        except (ValueError, OverflowError):
            continue
    raise UsageError(f"{text[:40]!r} is no time (2026-01-31T14:00)")
