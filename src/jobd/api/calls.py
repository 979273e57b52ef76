"""The calls of an executor: handed over by one thread, their ends heard of by another.

    submit ─▶ waiting ─▶ sender: one request for all that came together ─▶ pending, by token ─▶ watcher: the event of its end ─▶ outcome

The token of a job is known before it is sent, so an end that is heard of before the answer came is not missed. The watcher's stream has no
gaps; where some events can no longer be told, all pending jobs are asked for.
"""

import os
import shutil
import sys
import threading
from collections import deque
from collections.abc import Sequence
from typing import Any

from jobd.api import options as words
from jobd.api import payload, submission, targets
from jobd.api.client import Client
from jobd.api.failures import JobLost, failure_of
from jobd.api.future import CallFuture
from jobd.api.jobs import FINAL
from jobd.api.output import tail_of
from jobd.errors import JobdError
from jobd.limits import ITEMS_MAX
from jobd.states import JobState
from jobd.stream import MISSED, EventStream
from jobd.waits import rows_of
from jobd.wire.batch import BatchItem, Cancel, JobId, SubmitBatch
from jobd.wire.rows import JobRow

TAIL_BYTES = 4096  # of the output, in an exception


class Call:
    """One call on its way."""

    def __init__(self, future: "CallFuture[Any]", data: bytes, name: str, options: "Chosen") -> None:
        self.future = future
        self.data = data  # until it is in its pack
        self.name = name
        self.options = options
        self.pack: payload.Pack | None = None
        self.outcome_path = ""

    def clean(self) -> None:
        """It is over: take away what is its alone."""
        self.data = b""
        pack, self.pack = self.pack, None
        if pack is not None:
            pack.drop()
        if self.outcome_path:
            payload.remove(self.outcome_path)


class Chosen:
    """Options that calls have in common: compared by identity, since they are shared."""

    def __init__(self, options: dict[str, Any], *, is_child: bool) -> None:
        words.check(options)
        self.options = options
        self.is_child = is_child


class Calls:
    """All calls of an executor and its views."""

    def __init__(self, client: Client, folder: str, *, is_own_folder: bool) -> None:
        """
        Args:
            is_own_folder: it is removed when all is over.

        Raises:
            NoServer: there is none.
        """
        self.client = client
        self.folder = folder
        self.condition = threading.Condition()
        self.pid = os.getpid()
        self._waiting: deque[Call] = deque()
        self._cancelled: deque[Call] = deque()
        self._pending: dict[str, Call] = {}  # by the token of its job
        self._is_sending = False
        self._is_closing = False
        self._is_to_look = False
        self._is_all_sent = False  # the sender has ended. Its thread still lives while it wakes the watcher, so that cannot be asked
        self._is_own_folder = is_own_folder
        self._stream = EventStream(client.status())
        self._sender = threading.Thread(target=self._send_all, name="jobd-sender", daemon=True)
        self._watcher = threading.Thread(target=self._watch, name="jobd-watcher", daemon=True)
        self._sender.start()
        self._watcher.start()

    # ---- what the caller's threads do
    def add(self, call: Call) -> None:
        """Hand over a call. The condition must be held.

        Raises:
            RuntimeError: the executor was shut down.
        """
        if self._is_closing:
            raise RuntimeError("cannot schedule new futures after shutdown")
        self._waiting.append(call)
        self.condition.notify_all()

    def cancel(self, call: Call) -> None:
        """End the job of a call whose future was cancelled."""
        with self.condition:
            self._cancelled.append(call)
            self.condition.notify_all()

    def close(self) -> None:
        """Take no more; the threads end when all is over."""
        with self.condition:
            self._is_closing = True
            self.condition.notify_all()

    def open_calls(self) -> list[Call]:
        """The calls that are not over. The condition must be held."""
        return [*self._waiting, *self._pending.values()]

    def join(self) -> None:
        """Wait until all calls are over and the threads have ended."""
        self._sender.join()
        self._watcher.join()

    def flush(self, timeout_s: float) -> None:
        """Wait until all that was submitted has been handed to the server."""
        with self.condition:
            self.condition.wait_for(lambda: not self._waiting and not self._is_sending, timeout_s)

    # ---- the sender
    def _send_all(self) -> None:
        try:
            while self._is_something_to_send():
                with self.condition:
                    calls = [call for call in self._waiting if not _is_dropped(call)]
                    self._waiting.clear()
                    cancelled = list(self._cancelled)
                    self._cancelled.clear()
                    self._is_sending = True
                by_options: dict[Chosen, list[Call]] = {}
                for call in calls:
                    by_options.setdefault(call.options, []).append(call)
                for chosen, group in by_options.items():
                    for begin in range(0, len(group), ITEMS_MAX):
                        self._send(chosen, group[begin : begin + ITEMS_MAX])
                self._end_jobs(cancelled)
        except BaseException as error:
            self._fail_all(error)
            raise
        finally:
            self._is_all_sent = True
            self._stream.wake()

    def _is_something_to_send(self) -> bool:
        """Wait for calls to hand over or to cancel; False when all is over."""
        with self.condition:
            self._is_sending = False
            self.condition.notify_all()
            self.condition.wait_for(lambda: self._waiting or self._cancelled or self._is_over)
            return not self._is_over

    @property
    def _is_over(self) -> bool:
        is_idle = not self._waiting and not self._cancelled and not self._pending
        return self._is_closing and is_idle

    def _send(self, chosen: Chosen, calls: Sequence[Call]) -> None:
        """One request. If it is refused, that is the outcome of all its calls."""
        token = os.urandom(9).hex()
        pending = {f"{token}/{number}" if number else token: call for number, call in enumerate(calls)}
        try:
            request = self._request_of(token, chosen, calls)
            with self.condition:
                self._pending.update(pending)
            accepted = self.client.connection.request(request)
        except (JobdError, OSError) as error:
            # What has ended by now although no answer came has its outcome.
            with self.condition:
                for key in pending:
                    self._pending.pop(key, None)
            for call in calls:
                call.clean()
                call.future.settle(None, error)
        else:
            for call, job_id in zip(calls, accepted.job_ids, strict=True):
                call.future.job_id = job_id

    def _request_of(self, token: str, chosen: Chosen, calls: Sequence[Call]) -> SubmitBatch:
        output = os.path.join(self.folder.replace("%", "%%"), "%j.out")
        built = words.build({"stdout": output, **chosen.options})
        # -P: the current folder is no place for modules, unless it is one for the caller.
        head = [sys.executable, "-P", "-m", "jobd.api.call"]
        pack = payload.Pack(os.path.join(self.folder, f"{token}.calls"), [call.data for call in calls])
        items: list[BatchItem] = []
        for call, (offset, size) in zip(calls, pack.spans, strict=True):
            call.data, call.pack = b"", pack
            call.outcome_path = os.path.join(self.folder, f"{token}-{len(items)}.outcome")
            command = [*head, pack.path, str(offset), str(size), call.outcome_path]
            items.append(BatchItem(command, 0, call.name))
        request = SubmitBatch(token, [built.spec], items, built.blobs)
        return submission.child_request(request) if chosen.is_child else request

    def _end_jobs(self, calls: Sequence[Call]) -> None:
        with self.condition:
            living = {id(call) for call in self._pending.values()}
        job_ids = [call.future.job_id for call in calls if id(call) in living]
        wanted = [JobId(job_id) for job_id in job_ids if job_id is not None]
        try:
            targets.each_part(
                self.client.connection, wanted, lambda target: Cancel(target), is_over_fine=True
            )
        except JobdError:
            # Nobody waits for their outcome; if there is no server they are asked for again when there is one.
            with self.condition:
                self._cancelled.extend(calls)
                self.condition.wait(RETRY_S)

    # ---- the watcher
    def _watch(self) -> None:
        try:
            with self._stream:
                while not self._is_all_sent:
                    for event in self._stream.wait(RETRY_S if self._is_to_look else None):
                        if event.kind == MISSED:
                            self._is_to_look = True
                        elif event.job is not None:
                            self._hear(event.job)
                    if self._is_to_look:
                        self._look()
        except BaseException as error:
            self._fail_all(error)
            raise
        if self._is_own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _fail_all(self, error: BaseException) -> None:
        """Nobody would tell the futures any more: a mistake of ours must not leave anybody waiting."""
        with self.condition:
            self._is_closing = True
            calls = self.open_calls()
            self._waiting.clear()
            self._cancelled.clear()
            self._pending.clear()
            self.condition.notify_all()
        for call in calls:
            call.future.settle(None, error)

    def _hear(self, row: JobRow) -> None:
        call = self._pending.get(row.token)
        if call is None:
            return
        call.future.job_id = row.job_id
        call.future.is_started = row.state in _STARTED
        if row.state in FINAL:
            self._finish(row.token, call, row)

    def _look(self) -> None:
        """Ask for all pending jobs."""
        with self.condition:
            pending = {token: call for token, call in self._pending.items() if call.future.job_id is not None}
        wanted = [JobId(call.future.job_id) for call in pending.values() if call.future.job_id is not None]
        try:
            rows = {row.token: row for row in rows_of(self.client.connection.request, wanted)}
        except JobdError:
            return  # it is asked again
        self._is_to_look = False
        for token, call in pending.items():
            row = rows.get(token)
            if row is not None:
                self._hear(row)
                continue
            job_id = call.future.job_id
            lost = JobLost(f"job {job_id} is no longer known", job_id, JobState.NODE_FAIL)
            self._settle(token, call, None, lost)

    def _finish(self, token: str, call: Call, row: JobRow) -> None:
        value, error = (None, None) if call.future.cancelled() else _outcome(call.outcome_path, row)
        self._settle(token, call, value, error)

    def _settle(self, token: str, call: Call, value: Any, error: BaseException | None) -> None:
        call.clean()
        call.future.settle(value, error)
        with self.condition:
            self._pending.pop(token, None)
            self.condition.notify_all()


RETRY_S = 1.0  # before jobs are cancelled again for which there was no server
_STARTED = frozenset({JobState.RUNNING.value, JobState.SUSPENDED.value, JobState.COMPLETING.value})


def _is_dropped(call: Call) -> bool:
    """Whether a call was cancelled before it was sent."""
    if call.future.cancelled():
        call.clean()
        return True
    return False


def _outcome(path: str, row: JobRow) -> tuple[Any, BaseException | None]:
    """What came of a call whose job is over."""
    is_own_end = row.state == JobState.COMPLETED.value or (
        row.state == JobState.FAILED.value and row.exit_code == 1
    )
    if is_own_end:
        try:
            with open(path, "rb") as file:
                return payload.unpack_outcome(file.read())
        except FileNotFoundError:
            pass  # it ended its process itself: by os._exit, or by what it called
        except OSError as error:
            return None, error
    output = ""
    if row.batch is not None and row.batch.stderr:
        try:
            output = tail_of(row.batch.stderr, TAIL_BYTES)
        except OSError:
            pass  # it never started, or its output was taken away
    return None, failure_of(row, output)
