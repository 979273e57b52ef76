"""Live streams without a server: pictures are given by the test. Parts are drawn once for all, slow viewers skip, and everything ends."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.types import Message

from jobd.web import channels
from jobd.web.channels import Channel, OverviewChannel
from jobd.web.config import Config
from jobd.web.live import Live, Stream
from jobd.web.site import EVENTS_MAX, Site
from jobd.web.usual import Usual
from jobd.wire import messages as m

from .rows import job_row
from .sites import picture, running, site_of

PATIENCE_S = 20.0
REQUEST = Request({"type": "http", "method": "GET", "path": "/live/status", "headers": []})


class Browser:
    """One who looks: what has been sent to it. It may stop reading for a while."""

    def __init__(self, stream: Any) -> None:
        self.status = 0
        self.text = ""
        self.sent = asyncio.Condition()
        self.may_read = asyncio.Event()
        self.may_read.set()
        self._leaving = asyncio.Event()
        self.task = asyncio.create_task(stream({"type": "http"}, self._receive, self._send))

    async def _receive(self) -> Message:
        await self._leaving.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        await self.may_read.wait()
        async with self.sent:
            if message["type"] == "http.response.start":
                self.status = message["status"]
            else:
                self.text += message["body"].decode()
            self.sent.notify_all()

    @property
    def events(self) -> list[tuple[str, Any]]:
        found = []
        for block in self.text.split("\n\n"):
            lines = dict(line.partition(": ")[::2] for line in block.splitlines())
            if "event" in lines:
                found.append((lines["event"], json.loads(lines["data"])))
        return found

    @property
    def parts(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, value in self.events:
            if name == "parts":
                found |= value
        return found

    async def until(self, is_so: Callable[[], Any]) -> Any:
        async with self.sent:
            await asyncio.wait_for(self.sent.wait_for(is_so), PATIENCE_S)
        return is_so()

    async def leave(self) -> None:
        self._leaving.set()
        await asyncio.wait_for(self.task, PATIENCE_S)


def played(play: Callable[[Site, Live], Awaitable[None]], config: Config | None = None) -> None:
    """A test within a loop; nothing may be left in it."""

    async def run() -> None:
        site = site_of(config, picture(running(1, name="first")))
        site.start()
        live = Live(site)
        live.start()
        async with asyncio.timeout(2 * PATIENCE_S):
            await play(site, live)
        site.end_streams()
        await live.close()
        site.close()
        await asyncio.sleep(0)  # what was cancelled ends
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left and not site.listeners and site.viewers == 0, left

    asyncio.run(run())


def overview(live: Live) -> Browser:
    return Browser(Stream(live, "overview", lambda site, watcher: OverviewChannel(site, watcher, Usual())))


def status(live: Live) -> Browser:
    return Browser(Stream(live, "status", Channel))


def test_a_new_picture_is_shown_to_all_and_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play(site: Site, live: Live) -> None:
        drawn: list[str] = []
        fragment = site.fragment
        monkeypatch.setattr(
            site, "fragment", lambda name, **values: drawn.append(name) or fragment(name, **values)
        )
        browsers = [overview(live) for _ in range(20)]
        for browser in browsers:
            await browser.until(lambda browser=browser: "first" in browser.parts.get("board", ""))
        drawn.clear()
        site.show(picture(running(2, name="second")), [])
        for browser in browsers:
            await browser.until(lambda browser=browser: "second" in browser.parts["board"])
            assert "first" not in browser.parts["board"]
        assert drawn.count("board.html") == 1 and site.viewers == 20
        for browser in browsers:
            await browser.leave()

    played(play, Config(viewers_max=20))


def test_who_comes_later_sees_all_at_once() -> None:
    async def play(site: Site, live: Live) -> None:
        early = overview(live)
        await early.until(lambda: "first" in early.parts.get("board", ""))
        late = overview(live)
        await late.until(lambda: "first" in late.parts.get("board", ""))
        assert late.events[0][0] == "hello" and late.events[0][1]["version"] == site.version
        await early.leave()
        site.show(picture(running(2, name="second")), [])
        await late.until(lambda: "second" in late.parts["board"])
        await late.leave()

    played(play)


def test_a_slow_viewer_loses_pictures_and_never_memory() -> None:
    async def play(site: Site, live: Live) -> None:
        slow, quick = overview(live), overview(live)
        await slow.until(lambda: "first" in slow.parts.get("board", ""))
        slow.may_read.clear()
        for number in range(5):
            site.show(picture(running(2, name=f"number-{number}-")), [])
            await quick.until(lambda number=number: f"number-{number}-" in quick.parts["board"])
        before = len(slow.text)
        slow.may_read.set()
        await slow.until(lambda: "number-4-" in slow.parts["board"])
        boards = [value["board"] for name, value in slow.events if name == "parts" and "board" in value]
        assert len(boards) <= 3 and len(slow.text) - before < 3 * len(boards[-1])
        await slow.leave()
        await quick.leave()

    played(play)


def test_what_does_not_change_is_not_sent() -> None:
    async def play(site: Site, live: Live) -> None:
        browser = status(live)
        await browser.until(lambda: "status" in browser.parts)
        for _ in range(3):
            site.show(picture(running(1)), [])
        site.show(picture(running(1), running(2)), [])
        await browser.until(lambda: "<b>2</b> running" in browser.parts["status"])
        assert sum(name == "parts" for name, _ in browser.events) == 2
        await browser.leave()

    played(play)


def test_too_many_viewers_are_told_to_come_again() -> None:
    async def play(site: Site, live: Live) -> None:
        first = status(live)
        await first.until(lambda: first.status == 200)
        answer = live.answer(REQUEST, "status", Channel)
        assert answer.status_code == 503 and answer.headers["retry-after"]
        await first.leave()
        assert isinstance(live.answer(REQUEST, "status", Channel), Stream)

    played(play, Config(viewers_max=1))


def test_streams_end_with_the_site() -> None:
    async def play(site: Site, live: Live) -> None:
        browsers = [overview(live), status(live)]
        for browser in browsers:
            await browser.until(lambda browser=browser: browser.parts)
        site.end_streams()
        await asyncio.wait_for(asyncio.gather(*(browser.task for browser in browsers)), PATIENCE_S)
        assert live.answer(REQUEST, "status", Channel).status_code == 503

    played(play)


def test_a_channel_ends_with_its_last_viewer(tmp_path: Path) -> None:
    async def play(site: Site, live: Live) -> None:
        out = tmp_path / "out"
        out.write_text("1 / 4\n")
        site.show(picture(running(1, output=out)), [])
        for _ in range(3):
            browser = overview(live)
            await browser.until(lambda browser=browser: "1 / 4" in browser.parts.get("board", ""))
            assert live._watcher is not None and live._watcher._called
            await browser.leave()
            await asyncio.gather(*live._tasks)
            assert not live._channels
            async with asyncio.timeout(PATIENCE_S):
                while live._watcher._called:  # a thread that may wait for the disk closes the files
                    await asyncio.sleep(0)

    played(play)


def test_progress_is_told_as_soon_as_it_is_written(tmp_path: Path) -> None:
    async def play(site: Site, live: Live) -> None:
        out = tmp_path / "out"
        out.write_text("1 / 4\n")
        site.show(picture(running(1, output=out)), [])
        browser = overview(live)
        await browser.until(lambda: "1 / 4" in browser.parts.get("board", ""))
        with out.open("a") as file:
            file.write("2 / 4\n")
        await browser.until(lambda: "2 / 4" in browser.parts.get("p1", ""))
        late = overview(live)
        await late.until(lambda: "2 / 4" in late.parts.get("p1", ""))
        # Of a later picture it is a part.
        site.show(picture(running(1, output=out), running(2)), [])
        await browser.until(lambda: "2 / 4" in browser.parts["board"])
        last = overview(live)
        await last.until(lambda: "2 / 4" in last.parts.get("board", ""))
        assert "p1" not in last.parts
        for one in (browser, late, last):
            await one.leave()

    played(play)


def test_who_waits_is_told_a_new_start_when_those_that_run_come_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "REDRAWN_S", 0.0)

    def start(browser: Browser) -> float:
        found = re.search(r'starts <time data-until="(\d+)"', browser.parts.get("board", ""))
        return float(found[1]) if found is not None else 0.0

    async def play(site: Site, live: Live) -> None:
        out = tmp_path / "out"
        out.write_text("1 / 4\n")
        waits = job_row(
            2, nb_proc=4, reason_code="Resources", reason="4 of 4 procs missing, in use by job 1 (a: 4)"
        )
        site.show(picture(running(1, nb_proc=4, output=out), waits), [])
        browser = overview(live)
        await browser.until(lambda: start(browser))
        before = start(browser)
        with out.open("a") as file:
            file.write("3 / 4\n")
        await browser.until(lambda: start(browser) < before - 60)
        await browser.leave()

    played(play)


def test_a_viewer_gets_a_part_after_what_it_is_in() -> None:
    viewer = channels.Viewer.__new__(channels.Viewer)
    viewer.parts = {}
    viewer._has_news = asyncio.Event()
    for parts in ({"p1": "old"}, {"board": "new"}, {"p1": "newer"}):
        viewer.put(parts)
    assert list(viewer.parts.items()) == [("board", "new"), ("p1", "newer")]


def test_who_does_not_listen_misses_events_and_is_told_so() -> None:
    async def play(site: Site, live: Live) -> None:
        with site.subscribe() as listener:
            event = m.Event(1, 0.0, "changed", None)
            for _ in range(3):
                site.show(None, [event] * EVENTS_MAX)
            news = await listener.get()
            assert news.is_missed and len(news.events) == EVENTS_MAX and news.picture is None
            site.show(None, [event])
            assert await listener.get() == (None, [event], False)
            assert await listener.get(0.01) == (None, [], False)

    played(play)


def test_a_keep_alive_goes_out_while_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    from jobd.web import live as module

    monkeypatch.setattr(module, "KEEP_ALIVE_S", 0.05)

    async def play(site: Site, live: Live) -> None:
        browser = status(live)
        await browser.until(lambda: browser.text.count(": still here\n\n") >= 2)
        await browser.leave()

    played(play)


def test_who_takes_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    from jobd.web import live as module

    monkeypatch.setattr(module, "SEND_S", 0.2)

    async def play(site: Site, live: Live) -> None:
        browser = status(live)
        await browser.until(lambda: browser.parts)
        browser.may_read.clear()
        site.show(picture(running(1), running(2)), [])
        await asyncio.wait_for(browser.task, PATIENCE_S)
        assert site.viewers == 0

    played(play)
