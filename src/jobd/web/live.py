"""Live pages: server-sent events. Each page that is looked at has a channel; a channel draws a part once, for all its viewers.

    event ─▶ board ─▶ site.news ─▶ channel: draws what has changed ─▶ each viewer's parts by name ─▶ its stream
                        output file ─▶ inotify ─▶ follower ─┘

channels.py has the channels; here are their streams.
"""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from jobd.api.tail import Watcher
from jobd.web.channels import NUMBERS as NUMBERS
from jobd.web.channels import Channel, Viewer
from jobd.web.output import Chunk
from jobd.web.site import Site

KEEP_ALIVE_S = (
    20.0  # a comment after so long without anything: it tells both sides whether the other is there
)
SEND_S = 30.0  # who takes nothing for so long is gone
AGAIN_MS = 2000  # after which a browser comes back


class Live:
    """All channels."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._watcher: Watcher | None = None
        self._channels: dict[str, Channel] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """In the loop's thread."""
        self._watcher = Watcher()
        asyncio.get_running_loop().add_reader(self._watcher.fileno(), self._watcher.read)

    async def close(self) -> None:
        """End all channels; their streams have been told (Site.end_streams)."""
        for channel in self._channels.values():
            channel.wake()
        for task in list(self._tasks):
            await asyncio.wait({task}, timeout=SEND_S)
        if self._watcher is not None:
            asyncio.get_running_loop().remove_reader(self._watcher.fileno())
            self._watcher.close()

    def answer(self, request: Request, key: str, make: Callable[[Site, Watcher], Channel]) -> Response:
        """The stream of a page.

        Args:
            key: which page: streams of one key share a channel.
        """
        if self._site.is_closing or self._site.viewers >= self._site.config.viewers_max:
            return PlainTextResponse("too many look already\n", 503, {"retry-after": "10"})
        if request.method == "HEAD":
            return Response(media_type="text/event-stream")  # a page asks whether it still may
        return Stream(self, key, make)

    def join(self, key: str, make: Callable[[Site, Watcher], Channel], viewer: Viewer) -> Channel:
        """Look at that page."""
        channel = self._channels.get(key)
        if channel is None:
            assert self._watcher is not None
            channel = self._channels[key] = make(self._site, self._watcher)
            channel.viewers.add(viewer)
            task = asyncio.create_task(self._run(key, channel))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            channel.viewers.add(viewer)
            viewer.put(channel.encoded)
            viewer.has_output = True
        self._site.viewers += 1
        return channel

    def leave(self, channel: Channel, viewer: Viewer) -> None:
        """Look no more."""
        self._site.viewers -= 1
        channel.viewers.discard(viewer)
        if not channel.viewers:
            for key in [key for key, one in self._channels.items() if one is channel]:
                del self._channels[key]
            channel.wake()

    async def _run(self, key: str, channel: Channel) -> None:
        try:
            await channel.run()
        finally:
            if self._channels.get(key) is channel:
                del self._channels[key]

    @property
    def version(self) -> str:
        """Of the pages: a browser that has older ones loads them again."""
        return self._site.version


class Stream(Response):
    """The answer that does not end."""

    def __init__(self, live: Live, key: str, make: Callable[[Site, Watcher], Channel]) -> None:
        super().__init__(media_type="text/event-stream")
        self._live, self._key, self._make = live, key, make

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until one of us goes."""
        headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"x-accel-buffering", b"no")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        viewer = Viewer()
        channel = self._live.join(self._key, self._make, viewer)
        gone = asyncio.create_task(_gone(receive, viewer))
        try:
            hello = {"version": self._live.version, "now": time.time()}
            await self._send(send, f"retry: {AGAIN_MS}\n{_event('hello', hello)}")
            while not viewer.is_over:
                has_news = await viewer.wait(KEEP_ALIVE_S)
                if viewer.is_over:
                    break
                await self._send(send, self._news_of(viewer, channel) if has_news else ": still here\n\n")
        except TimeoutError:
            return  # it takes nothing: uvicorn closes a connection whose answer has not ended
        finally:
            gone.cancel()
            self._live.leave(channel, viewer)
        await self._send(send, "", is_last=True)

    @staticmethod
    def _news_of(viewer: Viewer, channel: Channel) -> str:
        texts = []
        if viewer.parts:
            parts, viewer.parts = viewer.parts, {}
            inner = ", ".join(f'"{name}": {text}' for name, text in parts.items())
            texts.append(f"event: parts\ndata: {{{inner}}}\n\n")
        if viewer.has_output:
            viewer.has_output = False
            for name, follower in channel.followers.items():
                chunk, seen = follower.since(viewer.seen.get(name))
                if chunk.text or chunk.is_new or chunk.trouble != viewer.told.get(name, ""):
                    texts.append(_event("output", {"name": name, **_told(chunk)}))
                viewer.seen[name], viewer.told[name] = seen, chunk.trouble
        return "".join(texts)

    @staticmethod
    async def _send(send: Send, text: str, *, is_last: bool = False) -> None:
        if text or is_last:
            message = {"type": "http.response.body", "body": text.encode(), "more_body": not is_last}
            await asyncio.wait_for(send(message), SEND_S)


def _told(chunk: Chunk) -> dict[str, Any]:
    return chunk._asdict()


def _event(name: str, value: object) -> str:
    return f"event: {name}\ndata: {json.dumps(value)}\n\n"


async def _gone(receive: Receive, viewer: Viewer) -> None:
    """Tell the viewer when its browser has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
    viewer.is_over = True
    viewer.wake()
