"""uvicorn, without its clock: it sleeps until somebody comes, and ends its streams when it is told to end."""

import asyncio
import contextlib
import logging
import os
import re
import signal
import socket
from collections.abc import Callable
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from jobd.web.app import build
from jobd.web.config import Config
from jobd.web.site import Site

HEAD_S = 15.0  # within which a connection must have said what it wants
HEAD_BYTES_MAX = 16 << 10
KEEP_ALIVE_S = 30
LEAVE_S = 5  # that pages under way have when we end
CONNECTIONS_BESIDE = 200  # besides the live ones
CONNECTIONS_SPARE = 50  # of these, that are kept free of who says nothing


class Protocol(H11Protocol):
    """A connection that must say soon what it wants, and the sooner the more others there are."""

    def connection_made(self, transport: Any) -> None:
        """A browser has connected."""
        super().connection_made(transport)
        self._since_s = self.loop.time()
        self._head = self.loop.call_later(HEAD_S, self._too_slow)
        # Before there are so many that nobody more is answered, those go that have said nothing for longest.
        if len(self.connections) > (self.limit_concurrency or 0) - CONNECTIONS_SPARE:
            others = [one for one in self.connections if isinstance(one, Protocol) and one is not self]
            idle = [one for one in others if one.is_idle and not one.transport.is_closing()]
            if idle:
                oldest = min(idle, key=lambda one: one._since_s)
                oldest.transport.close()
                if not oldest.transport.get_write_buffer_size():
                    # Many may come in one turn, and it is gone only in the next. One that does not read is counted until it is.
                    self.connections.discard(oldest)

    @property
    def is_idle(self) -> bool:
        """Whether nothing that it has asked for is under way."""
        return self.cycle is None or self.cycle.response_complete

    def on_response_complete(self) -> None:
        """A page is sent; the next request must come within the time that a connection is kept, and soon be whole."""
        super().on_response_complete()
        self._since_s = self.loop.time()
        self._head.cancel()
        self._head = self.loop.call_later(KEEP_ALIVE_S + HEAD_S, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        """It has gone."""
        self._head.cancel()
        super().connection_lost(exc)

    def _too_slow(self) -> None:
        if self.transport.is_closing():
            self.transport.abort()  # it does not read what it was sent
        elif self.is_idle:
            self.transport.close()
            self._head = self.loop.call_later(HEAD_S, self._too_slow)


class Server(uvicorn.Server):
    """uvicorn's own looks ten times a second whether it should end; this one is told."""

    def __init__(self, config: uvicorn.Config, site: Site, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready
        self._site = site
        self._over = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def main_loop(self) -> None:
        """Until a signal."""
        self._loop = asyncio.get_running_loop()
        self._on_ready()
        if not self.should_exit:
            await self._over.wait()
        self._site.end_streams()

    def handle_exit(self, sig: int, frame: Any) -> None:
        """A signal: end in order; a second Ctrl-C ends at once. uvicorn's own would die by the signal in the end."""
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._over.set)


class _WithoutToken(logging.Filter):
    """The log has the addresses that were asked for, and not the token in them."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Each line is kept."""
        if isinstance(record.args, tuple):
            record.args = tuple(
                _TOKEN.sub(r"\1…", value) if isinstance(value, str) else value for value in record.args
            )
        return True


_TOKEN = re.compile(r"([?&]token=)[^&\s]*")


def serve(config: Config, token: str, listener: socket.socket, on_ready: Callable[[], None]) -> int:
    """Serve on that socket until SIGTERM or SIGINT; the exit code. `on_ready` is called when pages are answered."""
    logging.basicConfig(level=logging.WARNING, format="jobctl web: %(message)s")
    if config.debug:
        logging.getLogger("uvicorn.access").setLevel(logging.INFO)
    else:
        # Who sends nonsense must not fill the log with it.
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    logging.getLogger("uvicorn.access").addFilter(_WithoutToken())
    site = Site(config, token)
    server = Server(
        uvicorn.Config(
            build(site),
            http=Protocol,
            ws="none",
            loop="asyncio",
            lifespan="on",
            log_config=None,
            access_log=config.debug,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=LEAVE_S,
            h11_max_incomplete_event_size=HEAD_BYTES_MAX,
            limit_concurrency=config.viewers_max + CONNECTIONS_BESIDE,
        ),
        site,
        on_ready,
    )
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listener])
    if config.socket:
        with contextlib.suppress(OSError):
            os.unlink(config.socket)
    return 0
