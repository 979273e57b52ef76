"""The site: what all pages share. One for each program, made before the loop runs.

    board's thread ── call_soon_threadsafe ──▶ loop: site.news ──▶ each listener's own short queue ──▶ its stream
    pages ── site.call(work, …) ──▶ a few threads, each with its own jobd.Client ──▶ the server
          └─ site.readers ──▶ a few others ──▶ the jobs' files

Nothing here wakes while nobody looks and nothing happens. What a listener does not fetch in time is replaced by what is newer: a slow
viewer loses pictures, never memory.
"""

import asyncio
import hashlib
import os
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar

from jinja2 import Environment, PackageLoader
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

import jobd
from jobd.api.board import Board, Picture
from jobd.api.client import Client
from jobd.web import drawn, expected, looks, reasons
from jobd.web.config import Config
from jobd.web.reading import Readers
from jobd.wire import messages as m

THREADS_MAX = 8  # that ask the server
ANSWER_S = 5.0  # a server that takes longer counts as away
EVENTS_MAX = 1000  # that a listener may leave lying; then it is told that it missed some

P = ParamSpec("P")
T = TypeVar("T")


class News(NamedTuple):
    """What has happened since a listener last asked."""

    picture: Picture | None  # the newest, if there was a new one
    events: list[m.Event]  # in their order
    is_missed: bool = False  # some events are not among them


class Listener:
    """One who wants to know: `async for news in listener`. A context manager; for the loop's thread."""

    def __init__(self, site: "Site") -> None:
        self._site = site
        self._picture: Picture | None = None
        self._events: deque[m.Event] = deque()
        self._is_missed = False
        self._has_news = asyncio.Event()
        self.is_over = False  # the site closes

    def put(self, picture: Picture | None, events: list[m.Event]) -> None:
        """Leave news; never waits."""
        self._picture = picture or self._picture
        self._events.extend(events)
        while len(self._events) > EVENTS_MAX:
            self._events.popleft()
            self._is_missed = True
        self._has_news.set()

    def wake(self) -> None:
        """End a `get` that is under way."""
        self._has_news.set()

    async def get(self, timeout_s: float | None = None) -> News:
        """The next news; empty when the time is over, after `wake`, or when the site closes."""
        try:
            await asyncio.wait_for(self._has_news.wait(), timeout_s)
        except TimeoutError:
            pass
        self._has_news.clear()
        news = News(self._picture, list(self._events), self._is_missed)
        self._picture, self._is_missed = None, False
        self._events.clear()
        return news

    async def __aiter__(self) -> AsyncIterator[News]:
        while not self.is_over:
            news = await self.get()
            if not self.is_over:
                yield news

    def __enter__(self) -> "Listener":
        self._site.listeners.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._site.listeners.discard(self)


class Site:
    """Everything that a page needs besides its request."""

    def __init__(self, config: Config, token: str, *, board: Board | None = None) -> None:
        """
        Args:
            token: the secret that opens the site (security.token_of).
            board: for tests; it is not started, and pictures are given by `show`.
        """
        self.config = config
        self.token = token
        self.board = board or Board(self._on_picture, on_events=self._on_events, rows_max=config.rows)
        self._has_own_board = board is None
        self.listeners: set[Listener] = set()
        self.viewers = 0  # live streams
        self.is_closing = False
        self.picture = self.board.picture
        self.version = _version_of_static()
        self.env = _environment(self.version)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pool = ThreadPoolExecutor(THREADS_MAX, thread_name_prefix="web")
        self.readers = Readers()
        self._own = threading.local()
        self._clients: list[Client] = []
        self._hooks: list[Callable[[News], None]] = []

    # ---- from the first to the last
    def start(self) -> None:
        """Follow the server; in the loop's thread."""
        self._loop = asyncio.get_running_loop()
        if self._has_own_board:
            self.board.start()

    def end_streams(self) -> None:
        """Let all live streams end; the loop's thread."""
        self.is_closing = True
        for listener in list(self.listeners):
            listener.is_over = True
            listener.wake()

    def close(self) -> None:
        """Let go of everything; waits for the board's thread and for requests under way."""
        self.end_streams()
        if self._has_own_board:
            self.board.close()
        self.readers.close()
        self._pool.shutdown(cancel_futures=True)
        for client in self._clients:
            client.close()

    # ---- asking
    def client(self) -> Client:
        """This thread's own client: for the threads of `call` and of charts. It never starts a server."""
        found: Client | None = getattr(self._own, "client", None)
        if found is None:
            found = self._own.client = Client(is_starting=False, deadline_s=ANSWER_S)
            self._clients.append(found)
        return found

    async def call(
        self, work: Callable[Concatenate[Client, P], T], *arguments: P.args, **named: P.kwargs
    ) -> T:
        """`work(client, …)` in one of a few threads, so that the loop never waits for the server. Files are for `readers`."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, lambda: work(self.client(), *arguments, **named))

    # ---- news
    def subscribe(self) -> Listener:
        """To hear of each new picture and of all events: `with site.subscribe() as listener`."""
        return Listener(self)

    def on_news(self, hook: Callable[[News], None]) -> None:
        """Call this with all news, in the loop, for as long as the site lives; it must not wait."""
        self._hooks.append(hook)

    def show(self, picture: Picture | None, events: list[m.Event]) -> None:
        """Hand news to everybody; in the loop's thread."""
        if picture is not None:
            self.picture = picture
        for hook in self._hooks:
            hook(News(picture, events))
        for listener in self.listeners:
            listener.put(picture, events)

    def _on_picture(self, picture: Picture) -> None:
        self._hand_over(picture, [])

    def _on_events(self, events: list[m.Event]) -> None:
        self._hand_over(None, events)

    def _hand_over(self, picture: Picture | None, events: list[m.Event]) -> None:
        try:
            assert self._loop is not None
            self._loop.call_soon_threadsafe(self.show, picture, events)
        except RuntimeError:
            pass  # the loop has ended just before us

    # ---- showing
    def may(self, request: Request, action: str) -> bool:
        """Whether this viewer may do that (config.ACTIONS)."""
        return action in self.config.allow

    def fragment(self, template_name: str, **values: Any) -> str:
        """A part of a page, the same for all viewers: no CSRF token, no nonce."""
        return self.env.get_template(template_name).render(
            site=self, config=self.config, may=self.config.allow, **values
        )

    def render(
        self, request: Request, template_name: str, *, status_code: int = 200, **values: Any
    ) -> Response:
        """A page in the layout. Templates have: request, site, config, may (a set of actions), csrf, nonce, path, picture, note."""
        session = request.scope.get("jobd.session")
        text = self.env.get_template(template_name).render(
            {
                "request": request,
                "site": self,
                "config": self.config,
                "may": self.config.allow if session else frozenset(),
                "csrf": session.csrf if session else "",
                "once": os.urandom(9).hex(),
                "nonce": request.scope.get("jobd.nonce", ""),
                "path": request.url.path,
                "picture": self.picture,
                "note": "",
                **values,
            }
        )
        return HTMLResponse(text, status_code=status_code)


@cache
def _environment(version: str) -> Environment:
    env = Environment(
        loader=PackageLoader("jobd.web"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        finalize=looks.clean,
    )
    env.filters.update(looks.FILTERS)
    env.filters.update(drawn.FILTERS)
    env.globals.update(looks.GLOBALS)
    env.globals.update(reasons.GLOBALS, starts=expected.starts, all_over_s=expected.all_over_s)
    env.globals.update(drawn.GLOBALS, version=version, release=jobd.__version__)
    for name in env.list_templates():
        env.get_template(name)  # read and compiled now, so that the first page does not wait for it
    return env


def _version_of_static() -> str:
    """Changes when any of the static files does, so that a browser may keep them for ever."""
    folder = Path(__file__).parent / "static"
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(
            str(path.relative_to(folder)).encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest()
        )
    return digest.hexdigest()[:12]
