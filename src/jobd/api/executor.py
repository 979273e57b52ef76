"""jobd.Executor: a concurrent.futures.Executor whose calls run as batch jobs. docs/api.md is for its users.

Function, arguments and result travel by cloudpickle in files below the state folder; what a call prints goes to its job's output file there.
The files of a call go when it is over, the folder at `shutdown`.
"""

import atexit
import itertools
import os
import shutil
import tempfile
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from concurrent import futures
from typing import Any, ParamSpec, TypeVar, Unpack

from jobd import paths
from jobd.api import payload
from jobd.api.calls import Call, Calls, Chosen
from jobd.api.client import Client
from jobd.api.future import CallFuture
from jobd.api.options import JobOptions
from jobd.errors import PathError, UsageError
from jobd.limits import NAME_CHARS_MAX

Params = ParamSpec("Params")
Value = TypeVar("Value")

DEADLINE_S = 120.0  # of a request: a server may be starting
FLUSH_S = 30.0  # at the interpreter's end, for what was not handed to the server yet
STALE_S = 30 * 86400.0  # a folder whose executor did not clean it: its jobs may still wait


class Executor(futures.Executor):
    """Runs calls as jobs. Threads may share one; a forked child needs its own."""

    def __init__(
        self,
        client: Client | None = None,
        *,
        folder: "str | os.PathLike[str] | None" = None,
        is_child: bool | None = None,
        **options: Unpack[JobOptions],
    ) -> None:
        """
        Args:
            client: the server to use; default: a client of its own.
            folder: where calls, outcomes and outputs are kept. It is not removed; default: one below the state folder, which is.
            is_child: the jobs are children of the job around us; default: if there is one, so that its procs are free for them.
            options: of each call's job, as for `Client.submit` (but no arrays).

        Raises:
            JobdError: there is no server, an option makes no sense, or the folder cannot be made.
        """
        if is_child is None:
            is_child = "JOBD_JOB_ID" in os.environ
        chosen = _chosen(dict(options), is_child=is_child)
        place = _make_folder(folder)
        try:
            self._calls = Calls(client or Client(deadline_s=DEADLINE_S), place, is_own_folder=folder is None)
        except BaseException:
            if folder is None:
                shutil.rmtree(place, ignore_errors=True)
            raise
        self._chosen = chosen
        self._root = self
        _all.add(self._calls)
        # Nobody can submit any more: the threads end with the last call.
        weakref.finalize(self, self._calls.close).atexit = False

    def options(self, **options: Unpack[JobOptions]) -> "Executor":
        """A view of this executor whose calls ask for this besides: `executor.options(nb_proc=4).submit(f)`.

        Keep one for many calls: those of one view travel in one request.

        Raises:
            UsageError: an option makes no sense.
        """
        view = object.__new__(type(self))
        view._root = self._root
        view._calls = self._calls
        view._chosen = _chosen({**self._chosen.options, **options}, is_child=self._chosen.is_child)
        return view

    def submit(
        self, fn: Callable[Params, Value], /, *args: Params.args, **kwargs: Params.kwargs
    ) -> CallFuture[Value]:
        """Queue fn(*args, **kwargs) as a job; all keywords are the function's (`options` has the job's).

        Raises:
            UsageError: the call cannot be pickled, or the executor came here by a fork.
            RuntimeError: the executor was shut down.
        """
        calls = self._calls
        if calls.pid != os.getpid():
            raise UsageError("an Executor does not outlive a fork: make another one in the child")
        data = payload.pack_call(fn, args, kwargs)
        future: CallFuture[Value] = CallFuture()
        name = self._chosen.options.get("name") or _name_of(fn)
        call = Call(future, data, name[:NAME_CHARS_MAX], self._chosen)
        future.tell_cancelled = lambda: calls.cancel(call)
        future.job_of = calls.client.job
        with calls.condition:
            calls.add(call)
        return future

    def map(
        self,
        fn: Callable[..., Value],
        /,
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
    ) -> Iterator[Value]:
        """The results of fn for each tuple of arguments, in order.

        Args:
            timeout: seconds from now, after which TimeoutError is raised.
            chunksize: so many calls in one job: for short ones, since each job is an interpreter of its own.
        """
        if chunksize < 1:
            raise UsageError(f"chunksize {chunksize}: at least 1")
        if chunksize == 1:
            return super().map(fn, *iterables, timeout=timeout)
        view = self.options(name=self._chosen.options.get("name") or _name_of(fn))
        chunks = super(Executor, view).map(
            _call_chunk, itertools.repeat(fn), _chunks(chunksize, *iterables), timeout=timeout
        )
        return itertools.chain.from_iterable(chunks)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls.

        Args:
            wait: return when all calls are over.
            cancel_futures: cancel those whose job does not run yet.
        """
        calls = self._calls
        calls.close()
        if cancel_futures:
            with calls.condition:
                found = calls.open_calls()
            for call in found:
                if not call.future.running():
                    call.future.cancel()
        if wait:
            calls.join()

    def output(self, future: "CallFuture[Any]", *, tail_bytes: int | None = None) -> str:
        """What a call has printed so far; "" before it starts. The file goes with the executor's folder, unless `stdout` or `folder` was given.

        Raises:
            Refused: the file is gone.
        """
        job = future.job
        return "" if job is None else job.output(tail_bytes=tail_bytes)


def _chosen(options: dict[str, Any], *, is_child: bool) -> Chosen:
    if "array" in options or "array_limit" in options:
        raise UsageError("array: a call is one job (map makes many)")
    return Chosen(options, is_child=is_child)


def _name_of(function: Any) -> str:
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    return str(name).rpartition("<locals>.")[2].replace("\0", "") or "call"


# ---- map in chunks
def _chunks(size: int, *iterables: Iterable[Any]) -> Iterator[list[tuple[Any, ...]]]:
    rows = zip(*iterables, strict=False)
    while chunk := list(itertools.islice(rows, size)):
        yield chunk


def _call_chunk(function: Callable[..., Value], rows: list[tuple[Any, ...]]) -> list[Value]:
    return [function(*row) for row in rows]


# ---- the folder
def _make_folder(folder: "str | os.PathLike[str] | None") -> str:
    """The folder of an executor, absolute.

    Raises:
        PathError: it cannot be made.
    """
    try:
        if folder is not None:
            path = os.path.abspath(folder)
            os.makedirs(path, exist_ok=True)
            return path
        parent = os.path.join(paths.make_private(paths.state_dir()), "calls")
        paths.make_private(parent)
        _remove_stale(parent)
        return tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=parent)
    except OSError as error:
        raise PathError(f"cannot make the folder for calls: {error.strerror}: {error.filename}") from error


def _remove_stale(parent: str) -> None:
    """Folders of executors that were killed, after a time in which their jobs will have run."""
    with os.scandir(parent) as entries:
        for entry in entries:
            if entry.stat(follow_symlinks=False).st_mtime < time.time() - STALE_S:
                shutil.rmtree(entry.path, ignore_errors=True)


# ---- the end
_all: "weakref.WeakSet[Calls]" = weakref.WeakSet()


def _flush_all() -> None:
    """At the interpreter's end: what was submitted is handed to the server, and runs; who wants results shuts down first."""
    for calls in list(_all):
        if calls.pid == os.getpid():
            calls.flush(FLUSH_S)
            with calls.condition:
                is_over = not calls.open_calls()
            if is_over:
                calls.close()
                calls.join()


atexit.register(_flush_all)
