"""A real page of a real server, asked as a browser asks, but for the drawing."""

import contextlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx

from live.conftest import PATIENCE_S, House

from .browsing import Web


class Visitor:
    """Somebody who has shown the token."""

    def __init__(self, web: Web, *, transport: httpx.BaseTransport | None = None) -> None:
        self.web = web
        self.http = httpx.Client(base_url=web.root, timeout=PATIENCE_S, transport=transport)
        assert self.http.get(web.address).status_code == 303

    def page(self, path: str, status: int = 200) -> str:
        """The text of a page, which must come with that status."""
        answer = self.http.get(path)
        assert answer.status_code == status, (path, answer.status_code, answer.text)
        return answer.text

    def act(self, do: str, *, at: str = "/", **fields: str) -> tuple[int, str]:
        """Press a button on a page; the status, and the page to which it leads."""
        page = self.page(at)
        form = {"do": do, "back": at, **fields}
        for name in ("csrf", "once"):
            found = re.search(rf'name="{name}" value="([^"]*)"', page)
            if found is not None:
                form.setdefault(name, found[1])
        answer = self.http.post("/act", data=form, headers={"origin": self.web.root})
        if answer.status_code == 303:
            return 303, self.page(answer.headers["location"])
        return answer.status_code, answer.text

    def close(self) -> None:
        self.http.close()


class Listener:
    """A live stream, read by a thread of its own."""

    def __init__(self, visitor: Visitor, path: str) -> None:
        self.parts: dict[str, str] = {}
        self.output: dict[str, str] = {}
        self.troubles: list[str] = []
        self.times: list[tuple[float, str]] = []
        self.is_over = False
        self._changed = threading.Condition()
        self._http = httpx.Client(
            base_url=visitor.web.root,
            cookies=visitor.http.cookies,
            timeout=httpx.Timeout(PATIENCE_S, read=None),
        )
        self._stream = self._http.stream("GET", path)
        self._answer = self._stream.__enter__()
        assert self._answer.status_code == 200
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        name = ""
        with contextlib.suppress(httpx.HTTPError, RuntimeError, ValueError):
            for line in self._answer.iter_lines():
                kind, _, value = line.partition(": ")
                if kind == "event":
                    name = value
                elif kind == "data":
                    self._take(name, json.loads(value))
        with self._changed:
            self.is_over = True
            self._changed.notify_all()

    def _take(self, name: str, value: Any) -> None:
        with self._changed:
            if name == "parts":
                self.parts |= value
                self.times.append((time.time(), json.dumps(value)))
            elif name == "output":
                before = "" if value["is_new"] else self.output.get(value["name"], "")
                self.output[value["name"]] = before + value["text"]
                self.troubles.append(value["trouble"])
            self._changed.notify_all()

    def until(self, is_so: Callable[[], Any]) -> Any:
        """Wait until something is so, looked at whenever something has come."""
        with self._changed:
            assert self._changed.wait_for(is_so, PATIENCE_S), (self.parts, self.output, self.troubles)
            return is_so()

    def close(self) -> None:
        """Go away."""
        import socket

        stream = self._answer.extensions.get("network_stream")
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
        self._thread.join(PATIENCE_S)
        self._http.close()


@contextlib.contextmanager
def listening(visitor: Visitor, path: str) -> Iterator[Listener]:
    """A live stream for a while."""
    made = Listener(visitor, path)
    try:
        yield made
    finally:
        made.close()


@contextlib.contextmanager
def visiting(house: House, *arguments: str) -> Iterator[Visitor]:
    """A page, and one who looks at it; ended at the end, in order."""
    web = Web(house, *arguments)
    visitor = Visitor(web)
    try:
        yield visitor
    finally:
        visitor.close()
        code = web.stop()
        is_open = web.process.stdout is not None and not web.process.stdout.closed
        text = web.process.stdout.read() if is_open and web.process.stdout else ""
    assert code == 0 and "Traceback" not in text, (code, text)
