"""How far the running jobs say that they are, read from the ends of their outputs as these grow."""

from collections.abc import Callable, Iterable

from jobd.api.tail import Tail, Watcher, read_end
from jobd.progress import Progress, progress_of
from jobd.wire.rows import JobRow

TAIL_BYTES = 4096
JOBS_MAX = 128  # whose outputs are followed at a time


def progress_in(row: JobRow) -> Progress | None:
    """What the end of its output says; None where there is none."""
    path = output_of(row)
    if not path:
        return None
    data, _, _ = read_end(path, TAIL_BYTES)
    return progress_of(data.decode("utf-8", "replace"))


def output_of(row: JobRow) -> str:
    """The file of its output; "" for a job that writes to where it was called."""
    return row.batch.stdout if row.batch is not None else ""


class Progresses:
    """Of all jobs that run and are shown; for one thread."""

    def __init__(self, watcher: Watcher | None, on_change: Callable[[], None]) -> None:
        """
        Args:
            on_change: an output has grown: `read` is worth while.
        """
        self.known: dict[int, Progress] = {}
        self._watcher, self._on_change = watcher, on_change
        self._tails: dict[int, Tail] = {}
        self._changed: set[int] = set()

    def follow(self, rows: Iterable[JobRow]) -> None:
        """Those of these that run, and no others."""
        running = [row for row in rows if row.started_at is not None and row.ended_at is None]
        wanted = {row.job_id: output_of(row) for row in running[:JOBS_MAX] if output_of(row)}
        for job_id, tail in list(self._tails.items()):
            if wanted.get(job_id) != tail.path:
                tail.close()
                del self._tails[job_id]
                self.known.pop(job_id, None)
        for job_id, path in wanted.items():
            if job_id not in self._tails:
                self._tails[job_id] = Tail(path, TAIL_BYTES, self._watcher, self._teller(job_id))
                self._changed.add(job_id)
            elif self._watcher is None or self._tails[job_id].trouble:
                self._changed.add(job_id)  # its file may be there by now

    def _teller(self, job_id: int) -> Callable[[], None]:
        def tell() -> None:
            self._changed.add(job_id)
            self._on_change()

        return tell

    @property
    def is_incomplete(self) -> bool:
        """Whether a file that is to be followed is not there yet, or nobody tells of its changes."""
        return self._watcher is None or any(tail.trouble for tail in self._tails.values())

    def read(self) -> bool:
        """Read what has grown; whether any progress is another now."""
        is_new = False
        for job_id in self._changed & self._tails.keys():
            piece = self._tails[job_id].read()
            if piece is None:
                continue
            # A piece may begin within a number: what is there of it would be taken for the whole.
            text = piece.data.decode("utf-8", "replace")
            if piece.begin and not piece.is_new:
                text = f"/{text}" if text[:1].isdigit() else text
            elif piece.begin:
                text = text.partition("\n")[2] or text.partition("\r")[2]
            found = progress_of(text)
            if found is not None and self.known.get(job_id) != found:
                self.known[job_id] = found
                is_new = True
        self._changed.clear()
        return is_new

    def close(self) -> None:
        """Follow nothing more."""
        for tail in self._tails.values():
            tail.close()
        self._tails.clear()
