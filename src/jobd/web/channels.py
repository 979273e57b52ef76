"""What is drawn of the live pages. Each page that is looked at has a channel; a channel draws a part once, for all its viewers.

A viewer keeps the newest of each part that it has not been sent yet, so one that is slow skips what is in between. A channel without viewers ends,
and with it all that it watched; then nothing wakes.
"""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any, TypeVar

from jobd.api.tail import Watcher
from jobd.errors import JobdError, NoServer
from jobd.progress import Progress, progress_of
from jobd.states import JobState
from jobd.web.expected import starts
from jobd.web.facts import Facts, facts_of
from jobd.web.looks import living
from jobd.web.output import Follower, Progresses, paths_of
from jobd.web.reading import AGAIN_S, READ_S
from jobd.web.site import News, Site
from jobd.web.usual import PATIENCE_S, Usual
from jobd.wire.rows import JobRow

PAUSE_S = 0.1  # between two drawings of a channel
REDRAWN_S = 5.0  # between two drawings of a list that only progresses
NUMBERS = "usage"  # of what charts.py tells: not an event of the server's

T = TypeVar("T")


class Viewer:
    """One stream: what it has not been sent yet."""

    def __init__(self) -> None:
        self.parts: dict[str, str] = {}  # in JSON
        self.seen: dict[str, tuple[int, int]] = {}  # of each output, what it has been sent
        self.told: dict[str, str] = {}  # of each output, the trouble that it has been sent
        self.has_output = False
        self.is_over = False
        self._has_news = asyncio.Event()

    def put(self, parts: dict[str, str]) -> None:
        """Leave parts, in the place of older ones; what is within another comes after it."""
        for name, text in parts.items():
            self.parts.pop(name, None)
            self.parts[name] = text
        self._has_news.set()

    def wake(self) -> None:
        """There is something."""
        self._has_news.set()

    async def wait(self, timeout_s: float) -> bool:
        """Wait for news; whether there are any."""
        try:
            await asyncio.wait_for(self._has_news.wait(), timeout_s)
        except TimeoutError:
            return False
        self._has_news.clear()
        return True


class Channel:
    """One page, for all who look at it. What it is of is for its subclasses to draw."""

    def __init__(self, site: Site, watcher: Watcher) -> None:
        self.site = site
        self.watcher = watcher
        self.viewers: set[Viewer] = set()
        self.parts: dict[str, str] = {}  # as they were last drawn
        self.encoded: dict[str, str] = {}  # the same in JSON, made once for all viewers
        self.followers: dict[str, Follower] = {}
        self._listener = site.subscribe()
        self._has_output = False
        self._reading: asyncio.Future[Any] | None = None  # that hangs

    async def run(self) -> None:
        """Draw until nobody looks any more."""
        with self._listener as listener:
            try:
                await self.begin()
                while self.viewers and not self.site.is_closing:
                    drawn_s = time.monotonic()
                    news = await listener.get()
                    if not self.viewers or self.site.is_closing:
                        return
                    news = self._without_numbers(news)
                    await self.hear(news)
                    await self.read_outputs()
                    # Many events in a row are drawn together.
                    await asyncio.sleep(max(0.0, drawn_s + PAUSE_S - time.monotonic()))
            finally:
                self.end()
                for viewer in self.viewers:
                    viewer.is_over = True
                    viewer.wake()

    async def begin(self) -> None:
        """Draw all."""
        self.show({"status": self.status()})

    async def hear(self, news: News) -> None:
        """Draw what has changed."""
        self.show({"status": self.status()})

    def _without_numbers(self, news: News) -> News:
        """Tell that there are new numbers for charts; the rest of the news is the server's."""
        told = [event for event in news.events if event.kind == NUMBERS]
        if told:
            self.show({NUMBERS: f"{told[-1].at:.2f}"})
        return news._replace(events=[event for event in news.events if event.kind != NUMBERS])

    def end(self) -> None:
        """Nobody looks any more."""
        for follower in self.followers.values():
            follower.close()
        self.followers.clear()

    def wake(self) -> None:
        """Something else than news has come."""
        self._listener.wake()

    def status(self) -> str:
        """The line that stands on every page."""
        return self.site.fragment("status.html", picture=self.site.picture)

    def show(self, parts: dict[str, str]) -> None:
        """Give everybody those that are not as they were."""
        changed = {name: text for name, text in parts.items() if self.parts.get(name) != text}
        if changed:
            encoded = {name: json.dumps(text) for name, text in changed.items()}
            self.parts.update(changed)
            self.encoded.update(encoded)
            for viewer in self.viewers:
                viewer.put(encoded)

    # ---- outputs
    def follow(self, paths: dict[str, str]) -> None:
        """Follow these outputs from now on: {name: path}."""
        for name in [
            one for one, follower in self.followers.items() if paths.get(one) != follower.source.path
        ]:
            self.followers.pop(name).close()
        for name in paths.keys() - self.followers.keys():
            self.followers[name] = Follower(
                paths[name], self.site.config.output_bytes, self.site.readers, self.watcher, self.on_output
            )
            self.on_output()

    def on_output(self) -> None:
        """An output has changed, or may have."""
        self._has_output = True
        self.wake()

    async def read_outputs(self) -> None:
        """Take in what has been written."""
        if not self._has_output or self._reading is not None:
            return
        self._has_output = False
        followers = list(self.followers.values())
        read = await self.from_disk(lambda: [one.read() for one in followers])
        if read is None or any(read):
            self.tell_output()
        if read is not None and any(one.source.is_behind for one in followers):
            asyncio.get_running_loop().call_later(AGAIN_S, self.on_output)

    async def from_disk(self, work: Callable[[], T]) -> T | None:
        """What comes of it; None where a disk does not answer: then `on_answer` is called when it has."""
        self._reading = reading = self.site.readers.submit(work)
        await asyncio.wait({reading}, timeout=READ_S)
        if reading.done():
            self._reading = None
            return reading.result()
        reading.add_done_callback(lambda _: self._answered())
        return None

    def _answered(self) -> None:
        self._reading = None
        if self.viewers:
            self.on_answer()

    def on_answer(self) -> None:
        """A disk that hung has answered."""
        self.tell_output()
        self.on_output()

    def tell_output(self) -> None:
        """Let all viewers be sent what is new."""
        for viewer in self.viewers:
            viewer.has_output = True
            viewer.wake()


class OverviewChannel(Channel):
    """The queue, the machine, the last ends."""

    def __init__(self, site: Site, watcher: Watcher, usual: Usual) -> None:
        super().__init__(site, watcher)
        self._usual = usual
        self._progresses = Progresses(site.readers, watcher, self.wake)
        self._asking: asyncio.Future[None] | None = None
        self._drawn_s = 0.0  # monotonic
        self._is_stale = False  # something has come to be known that no picture tells of

    async def begin(self) -> None:
        """Draw all."""
        await self._draw()

    async def hear(self, news: News) -> None:
        """Draw all for a new picture, else those whose progress is another."""
        if news.picture is not None or self._is_stale:
            await self._draw()
        elif self._progresses.has_changed:
            await self._read_progress()
            if time.monotonic() - self._drawn_s > REDRAWN_S:
                await self._draw()  # when others will start hangs on it too

    def end(self) -> None:
        """Nobody looks any more."""
        super().end()
        self._progresses.close()

    def on_answer(self) -> None:
        """A disk that hung has answered, or a server."""
        self._is_stale = True
        self.wake()

    async def _draw(self) -> None:
        self._is_stale, self._drawn_s = False, time.monotonic()
        picture = self.site.picture
        self._progresses.follow(picture.rows)
        await self._progress_news()
        if self._usual.is_lacking(picture.rows) and (self._asking is None or self._asking.done()):
            # Not waited for: a server that hangs must not keep the page from showing what is known.
            self._asking = asyncio.ensure_future(self.site.call(self._usual.ask, picture.rows))
            _, late = await asyncio.wait({self._asking}, timeout=PATIENCE_S)
            for one in late:
                one.add_done_callback(lambda _: self.on_answer())
        for name in [name for name in self.parts if name not in ("status", "board")]:
            del self.parts[name], self.encoded[name]  # they are in the board
        self.show({"status": self.status(), "board": self._board()})

    def _board(self) -> str:
        return self.site.fragment("board.html", picture=self.site.picture, **self._known())

    def _lead(self, known: dict[str, Any]) -> str:
        picture = self.site.picture
        if picture.status is None:
            return ""
        expected = starts(
            living(picture),
            known["progress"],
            known["usual"],
            known["now_s"],
            nb_proc=picture.status.nb_proc,
            memory=picture.node.memory_bytes if picture.node is not None else 0,
        )
        return self.site.fragment("lead.html", picture=picture, expected=expected, **known)

    def _known(self) -> dict[str, Any]:
        rows = self.site.picture.rows
        return {"progress": self._progresses.of, "usual": self._usual.of(rows), "now_s": time.time()}

    async def _progress_news(self) -> dict[int, Progress | None]:
        if not self._progresses.has_changed or self._reading is not None:
            return {}
        found = await self.from_disk(self._progresses.read)
        if found is not None and self._progresses.is_behind:
            asyncio.get_running_loop().call_later(AGAIN_S, self._read_again)
        return found or {}

    def _read_again(self) -> None:
        self._progresses.again()
        self.wake()

    async def _read_progress(self) -> None:
        found = await self._progress_news()
        rows = {row.job_id: row for row in self.site.picture.rows}
        known = self._known()
        usual = known["usual"]
        parts = {
            f"p{job_id}": self.site.fragment(
                "progress.html",
                row=rows[job_id],
                progress=progress,
                usual_s=usual.get(job_id),
                now_s=known["now_s"],
            )
            for job_id, progress in found.items()
            if job_id in rows
        }
        if parts:
            # When all is over hangs on how far each is.
            parts["lead"] = self._lead(known)
        self.show(parts)


class JobChannel(Channel):
    """One job, or an array."""

    def __init__(self, site: Site, watcher: Watcher, text: str, usual: Usual) -> None:
        super().__init__(site, watcher)
        self._text, self._usual = text, usual
        self._numbers: frozenset[int] = frozenset()
        self._row: JobRow | None = None
        self._is_lost = False  # nobody could tell of it
        self._told: Progress | None = None

    async def begin(self) -> None:
        """Draw all."""
        await self._load()
        await self.read_outputs()

    async def hear(self, news: News) -> None:
        """Ask again when something has happened to the job or to one beside it."""
        is_ours = news.is_missed or any(self._is_ours(event.job) for event in news.events)
        if not is_ours and news.picture is not None:
            row = next((one for one in news.picture.rows if one.job_id in self._numbers), None)
            is_ours = row is not None and self._row is not None and row != self._row
            is_ours |= self._is_lost and not news.picture.trouble
        if is_ours:
            await self._load()
        elif news.picture is not None:
            self.show({"status": self.status()})

    def _is_ours(self, row: JobRow | None) -> bool:
        if row is None:
            return True  # of a change to all, or what was missed
        return (
            row.job_id in self._numbers
            or row.parent_id in self._numbers
            or (row.batch is not None and row.batch.array_id in self._numbers)
        )

    async def _load(self) -> None:
        try:
            facts: Facts = await self.site.call(facts_of, self._text, is_with_script=False)
        except JobdError as error:
            self._is_lost = True
            text = "" if isinstance(error, NoServer) else str(error)  # that there is none is told above
            self.show({"status": self.status(), "trouble": self.site.fragment("trouble.html", text=text)})
            return
        self._is_lost = False
        self._numbers = facts.numbers
        self._row = facts.row
        if facts.row is not None and self.site.config.details:
            self.follow(paths_of(facts.row))
            self.on_output()  # its end may be the last word on a file that was not there
            await super().read_outputs()
        if facts.row is not None and self._usual.is_lacking([facts.row]):
            asking = asyncio.ensure_future(self.site.call(self._usual.ask, [facts.row]))
            await asyncio.wait({asking}, timeout=PATIENCE_S)
        text = self.site.fragment(
            "job_facts.html",
            facts=facts,
            row=facts.row,
            progress=self._progress(),
            usual_s=self._usual_s(),
            now_s=time.time(),
        )
        for known in (self.parts, self.encoded):
            known.pop("progress", None)  # it is in the facts
        self.show({"status": self.status(), "trouble": "", "job": text})

    async def read_outputs(self) -> None:
        """Take in what has been written, and how far it says that the job is."""
        await super().read_outputs()
        progress = self._progress()
        if progress is not None and progress != self._told:
            self._told = progress
            text = self.site.fragment(
                "progress.html", row=self._row, progress=progress, usual_s=self._usual_s(), now_s=time.time()
            )
            self.show({"progress": text})

    def _usual_s(self) -> float | None:
        return self._usual.of([self._row]).get(self._row.job_id) if self._row is not None else None

    def _progress(self) -> Progress | None:
        follower = self.followers.get("stdout")
        if follower is None or self._row is None or self._row.state != JobState.RUNNING.value:
            return None
        return progress_of(follower.end)
