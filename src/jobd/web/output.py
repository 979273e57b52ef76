"""What jobs write, for the page: the last part of it, as text that is safe to show, and how far they say that they are.

Only the two output files of a job are ever opened, by the names that its row has (jobd.api.tail says how). Readers of one job share one follower.
"""

import codecs
import contextlib
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import NamedTuple

from jobd.api.tail import Watcher
from jobd.progress import Progress, progress_of
from jobd.states import JobState
from jobd.web.reading import HANGS, Readers, Source
from jobd.wire.rows import JobRow

PROGRESS_BYTES = 4096  # at the end of an output, in which its progress is looked for
PROGRESS_JOBS_MAX = 100
_HELD_CHARS_MAX = 200  # of a sequence for terminals whose end has not come

# Sequences for terminals: colours, titles, moves.
_SEQUENCE = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[PX^_][^\x1b]*\x1b\\|[ -/]*[0-OQ-WYZ\\`-~])"
)
_BEGUN = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]*\x1b?|[PX^_][^\x1b]*\x1b?|[ -/]*)$")

# What cannot be seen is shown by the pictures that Unicode has for it; what turns the direction of text is not followed.
_VISIBLE = {
    **{number: 0x2400 + number for number in range(32) if chr(number) not in "\t\n\r"},
    0x7F: 0x2421,
    **dict.fromkeys(
        (*range(0x80, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C), 0xFFFD
    ),
}


def visible(text: str) -> str:
    """A text of several lines, nothing in it hidden."""
    return text.translate(_VISIBLE)


class Text:
    """Bytes of an output, as they come → text that is safe to show. \\r is left in: it begins the line anew (`collapsed`)."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""

    def feed(self, data: bytes) -> str:
        """The text of the next bytes; what is not complete yet comes with the next ones."""
        text = _SEQUENCE.sub("", self._held + self._decoder.decode(data))
        begun = _BEGUN.search(text, max(0, len(text) - _HELD_CHARS_MAX))
        self._held = text[begun.start() :] if begun is not None else ""
        if begun is not None:
            text = text[: begun.start()]
        return visible(text)


def shown(data: bytes, *, is_cut: bool = False) -> str:
    """All of these bytes as text, each line as a terminal would leave it.

    Args:
        is_cut: they do not begin at the file's beginning, so the first line, which may be half a one, is left out.
    """
    text = Text().feed(data)
    if is_cut and 0 <= (end := text.find("\n")) < len(text) - 1:
        text = text[end + 1 :]
    return collapsed(text)


def collapsed(text: str) -> str:
    """Each line as a terminal would leave it: what stands after its last \\r."""
    if "\r" not in text:
        return text
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))


def paths_of(row: JobRow) -> dict[str, str]:
    """The outputs of a job: {"stdout": path}, with "stderr" where that is a file of its own; none for one that writes where it was called."""
    batch = row.batch
    if batch is None or not batch.stdout or row.started_at is None:
        return {}
    found = {"stdout": batch.stdout}
    if batch.stderr and batch.stderr != batch.stdout:
        found["stderr"] = batch.stderr
    return {name: path for name, path in found.items() if path != "/dev/null"}


class Shown(NamedTuple):
    """The end of an output as a page shows it."""

    name: str  # stdout, stderr
    path: str
    text: str
    size: int
    is_cut: bool
    trouble: str


def outputs_of(row: JobRow, bytes_max: int, readers: Readers) -> list[Shown]:
    """The ends of a job's outputs, read now; for one of the readers' threads."""
    found = []
    for name, path in paths_of(row).items():
        source = Source(path, bytes_max, readers)
        piece = source.read()
        source.end()
        data, size = piece.data if piece is not None else b"", source.size
        is_cut = size > len(data)
        found.append(Shown(name, path, shown(data, is_cut=is_cut), size, is_cut, source.trouble))
    return found


def outputs_unread(row: JobRow) -> list[Shown]:
    """The same where the disk does not answer."""
    return [Shown(name, path, "", 0, False, HANGS) for name, path in paths_of(row).items()]


# ---- followed -------------------------------------------------------------------------------------------------
class Chunk(NamedTuple):
    """What a viewer has not seen yet."""

    text: str
    is_new: bool  # in the place of all that was shown
    size: int
    is_cut: bool
    trouble: str


class Follower:
    """One output, read once for all its viewers, who each remember how far they have seen."""

    def __init__(
        self, path: str, bytes_max: int, readers: Readers, watcher: Watcher, on_change: Callable[[], None]
    ) -> None:
        self.source = Source(path, bytes_max, readers, watcher, on_change)
        self._chars_max = bytes_max
        self._text = Text()
        self._kept = ""
        self._begin = (
            0  # the number of the first character that is kept, counted from when it last began anew
        )
        self._series = 0  # rises when it begins anew
        self._is_cut = False

    def read(self) -> bool:
        """Take in what has come; whether there is anything to tell. For any thread, one at a time."""
        trouble = self.source.trouble
        piece = self.source.read()
        if piece is None:
            return trouble != self.source.trouble
        if piece.is_new:
            self._text = Text()
            self._series += 1
            self._kept, self._begin = "", 0
            self._is_cut = piece.begin > 0
        text = self._text.feed(piece.data)
        if piece.is_new and self._is_cut and 0 <= (end := text.find("\n")) < len(text) - 1:
            text = text[end + 1 :]
        self._kept += text
        if len(self._kept) > 2 * self._chars_max:
            self._begin += len(self._kept) - self._chars_max
            self._kept = self._kept[-self._chars_max :]
            self._is_cut = True
        return True

    def since(self, seen: tuple[int, int] | None) -> tuple[Chunk, tuple[int, int]]:
        """What is new to one who has seen so much, and how much has then been seen."""
        now = (self._series, self._begin + len(self._kept))
        if seen is None or seen[0] != self._series or seen[1] < self._begin:
            text, is_new = self._kept, True
        else:
            text, is_new = self._kept[seen[1] - self._begin :], False
        return Chunk(text, is_new, self.source.size, self._is_cut, self.source.trouble), now

    @property
    def end(self) -> str:
        """The last part, in which a progress may stand."""
        return self._kept[-PROGRESS_BYTES:]

    def close(self) -> None:
        """Let go of the file."""
        self.source.close()


class Progresses:
    """How far the running jobs of a list say that they are; read again only when their outputs have changed."""

    def __init__(
        self,
        readers: Readers,
        watcher: Watcher | None = None,
        on_change: Callable[[], None] | None = None,
    ) -> None:
        self.of: dict[int, Progress] = {}
        self._readers, self._watcher = readers, watcher
        self._wake = on_change or (lambda: None)
        self._sources: dict[int, Source] = {}
        self._ends: dict[int, bytes] = {}
        self._changed: set[int] = set()

    def follow(self, rows: Iterable[JobRow]) -> None:
        """From now on these; never waits."""
        wanted: dict[int, str] = {}
        for row in rows:
            if row.state == JobState.RUNNING.value and len(wanted) < PROGRESS_JOBS_MAX:
                path = paths_of(row).get("stdout")
                if path:
                    wanted[row.job_id] = path
        for job_id in [one for one, source in self._sources.items() if wanted.get(one) != source.path]:
            self._sources.pop(job_id).close()
            self.of.pop(job_id, None)
            self._ends.pop(job_id, None)
        for job_id in wanted.keys() - self._sources.keys():
            on_change = partial(self._on_change, job_id)
            self._sources[job_id] = Source(
                wanted[job_id], PROGRESS_BYTES, self._readers, self._watcher, on_change
            )
            self._changed.add(job_id)

    def _on_change(self, job_id: int) -> None:
        self._changed.add(job_id)
        self._wake()

    @property
    def has_changed(self) -> bool:
        """Whether there is something to read."""
        return bool(self._changed)

    @property
    def is_behind(self) -> bool:
        """Whether some could not be read, since their folder hangs."""
        return any(source.is_behind for source in list(self._sources.values()))

    def again(self) -> None:
        """Read those once more that could not be read."""
        self._changed.update(job_id for job_id, source in self._sources.items() if source.is_behind)

    def read(self) -> dict[int, Progress | None]:
        """Read what has changed; those whose progress is another now. For the readers' threads, one at a time."""
        found: dict[int, Progress | None] = {}
        for job_id in list(self._changed):
            self._changed.discard(job_id)
            source = self._sources.get(job_id)
            piece = source.read() if source is not None else None
            if piece is None or self._sources.get(job_id) is not source:
                continue
            before = b"" if piece.is_new else self._ends.get(job_id, b"")
            end = self._ends[job_id] = (before + piece.data)[-PROGRESS_BYTES:]
            progress = progress_of(Text().feed(end))
            if progress != self.of.get(job_id):
                found[job_id] = progress
                if progress is None:
                    self.of.pop(job_id, None)
                else:
                    self.of[job_id] = progress
        return found

    def close(self) -> None:
        """Let go of all files."""
        for source in self._sources.values():
            source.close()
        self._sources.clear()

    def once(self) -> None:
        """Read, and let go of all files; for the readers' threads."""
        self.read()
        for source in self._sources.values():
            source.end()


async def progress_now(rows: Iterable[JobRow], readers: Readers) -> Mapping[int, Progress]:
    """How far the running jobs of a list say that they are, read now, as far as disks answer."""
    found = Progresses(readers)
    found.follow(rows)
    if found.has_changed:
        with contextlib.suppress(TimeoutError):
            await readers.call(found.once)
    return dict(found.of)
