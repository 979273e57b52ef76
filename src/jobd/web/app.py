"""The application: routes, and who stands before them. `build` makes it; `main` serves it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from jobd.web.actions import Notes, act
from jobd.web.channels import Channel, JobChannel, OverviewChannel
from jobd.web.live import Live
from jobd.web.pages import Pages
from jobd.web.security import Guard, Sessions
from jobd.web.site import Site
from jobd.web.usual import Usual

STATIC_S = 365 * 86400  # static files are named by their version


def build(site: Site) -> ASGIApp:
    """The application of a site; it starts and closes what the site needs."""
    notes, live = Notes(), Live(site)
    usual = Usual()
    pages = Pages(site, notes, usual)
    sessions = Sessions(site.token, site.config.session_days)
    charts: Any = None
    if find_spec("jobd.web.charts") is not None:
        from jobd.web import charts

    async def do(request: Request) -> Response:
        return await act(site, notes, request)

    async def live_overview(request: Request) -> Response:
        return live.answer(request, "overview", lambda site, watcher: OverviewChannel(site, watcher, usual))

    async def live_status(request: Request) -> Response:
        return live.answer(request, "status", Channel)

    async def live_job(request: Request) -> Response:
        text = request.path_params["job"]
        return live.answer(
            request, f"job {text}", lambda site, watcher: JobChannel(site, watcher, text, usual)
        )

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        live.start()
        site.start()
        if charts is not None:
            charts.start(site)
        try:
            yield
        finally:
            site.end_streams()
            await live.close()
            if charts is not None:
                charts.stop(site)
            site.close()

    app = Starlette(
        routes=[
            Route("/", pages.overview),
            Route("/job/{job}", pages.job),
            Route("/job/{job}/{name:str}.txt", pages.raw),
            Route("/history", pages.history),
            Route("/act", do, methods=["POST"]),
            Route("/live/overview", live_overview),
            Route("/live/status", live_status),
            Route("/live/job/{job}", live_job),
            *(charts.routes(site) if charts is not None else []),
            Mount("/static", _kept(StaticFiles(directory=Path(__file__).parent / "static"))),
        ],
        exception_handlers={HTTPException: pages.not_found, Exception: pages.mistake},
        lifespan=lifespan,
    )
    # Around all of it, so that what it says of every answer is said of a mistake of ours too.
    return Guard(app, login=_login(site, sessions), config=site.config, sessions=sessions)


def _login(site: Site, sessions: Sessions) -> ASGIApp:
    """What is shown to who has no session: how to get one, and a field for the token."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        is_wrong = bool(scope.get("jobd.wrong_token"))
        if request.method == "POST":
            from urllib.parse import parse_qs

            form = parse_qs((await request.body()).decode("utf-8", "replace"))
            shown = form.get("token", [""])[-1].strip()
            if request.url.path == "/login" and sessions.is_token(shown):
                response: Response = RedirectResponse("/", 303)
                sessions.give(response)
                await response(scope, receive, send)
                return
            is_wrong = request.url.path == "/login"
        # A cookie that is Strict stays at home when a link on another site leads here: one step on our own brings it.
        is_from_elsewhere = request.headers.get("sec-fetch-site") in ("cross-site", "same-site")
        response = site.render(
            request,
            "login.html",
            status_code=403 if is_wrong else 401,
            is_wrong=is_wrong,
            again=request.url.path if is_from_elsewhere and request.method == "GET" else "",
        )
        await response(scope, receive, send)

    return answer


def _kept(app: ASGIApp) -> ASGIApp:
    """What may be kept for ever: its address names its version."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def with_age(message: Any) -> None:
            if message["type"] == "http.response.start" and message["status"] in (200, 304):
                is_named = scope["query_string"].startswith(b"v=")
                age = f"public, max-age={STATIC_S}, immutable" if is_named else "no-cache"
                message["headers"] = [*message["headers"], (b"cache-control", age.encode())]
            await send(message)

        await app(scope, receive, with_age)

    return answer
