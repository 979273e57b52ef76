"""What a call and its outcome are in files, and how they get there: whole or not at all.

A call is a pickle of sys.path, then one of (function, arguments, keywords), by cloudpickle. Those that are handed over together are in one
file, since a file for each would cost more than all the rest. An outcome is a file of its own: one byte (RETURNED, RAISED or NOT_SENT), and
then a pickle: of the value; of (exception, text of its traceback); of the text alone.
"""

import io
import os
import pickle
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from jobd.api.failures import RemoteError, RemoteTraceback
from jobd.errors import UsageError

RETURNED = b"="
RAISED = b"!"
NOT_SENT = b"?"  # raised, and the exception cannot be sent

PROTOCOL = pickle.HIGHEST_PROTOCOL


def pack_call(function: Callable[..., Any], arguments: tuple[Any, ...], keywords: dict[str, Any]) -> bytes:
    """The bytes of a call.

    Raises:
        UsageError: it cannot be pickled, or cloudpickle is not there.
    """
    try:
        return pickle.dumps(sys.path, PROTOCOL) + bytes(_cloudpickle().dumps((function, arguments, keywords)))
    except UsageError:
        raise
    except Exception as error:  # whatever the __reduce__ of somebody's class may raise
        raise UsageError(
            f"the call cannot be sent to another process: {type(error).__name__}: {error}"
        ) from error


def unpack_call(data: bytes) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
    """The call; its sys.path becomes ours first, since what is pickled by name is imported.

    Raises:
        Exception: whatever the import of its modules raises.
    """
    file = io.BytesIO(data)
    sys.path[:] = pickle.load(file)
    function, arguments, keywords = pickle.load(file)
    return function, arguments, keywords


def pack_return(value: Any) -> bytes:
    """The outcome of a call that returned.

    Raises:
        Exception: the value cannot be pickled.
    """
    return RETURNED + bytes(_cloudpickle().dumps(value))


def pack_raised(error: BaseException) -> bytes:
    """The outcome of a call that raised."""
    text = "".join(traceback.format_exception(error))
    try:
        data = bytes(_cloudpickle().dumps((error, text)))
        pickle.loads(data)  # many an exception can be pickled and not be made again
    except Exception:  # whatever somebody's class may raise: then the text tells of it
        return NOT_SENT + pickle.dumps(text)
    return RAISED + data


def unpack_outcome(data: bytes) -> tuple[Any, BaseException | None]:
    """(the value, None) or (None, the exception)."""
    try:
        if data[:1] == RETURNED:
            return pickle.loads(data[1:]), None
        if data[:1] == RAISED:
            error, text = pickle.loads(data[1:])
            error.__cause__ = RemoteTraceback(text)
            return None, error
        if data[:1] == NOT_SENT:
            return None, RemoteError(pickle.loads(data[1:]))
    except Exception as error:  # whatever somebody's __setstate__ may raise here
        return None, RemoteError(f"what came back cannot be unpickled: {type(error).__name__}: {error}")
    return None, RemoteError("what came back is no outcome of a call")


class Pack:
    """A file of calls, there until all of them are over."""

    def __init__(self, path: str, calls: Sequence[bytes]) -> None:
        """Write it.

        Raises:
            OSError: it cannot be written; then nothing is left of it.
        """
        self.path = path
        self.spans: list[tuple[int, int]] = []  # (offset, size) of each
        self._count = len(calls)
        self._lock = threading.Lock()
        offset = 0
        try:
            with open(path, "xb") as file:
                for data in calls:
                    file.write(data)
                    self.spans.append((offset, len(data)))
                    offset += len(data)
        except OSError:
            remove(path)
            raise

    def drop(self) -> None:
        """One of its calls is over."""
        with self._lock:
            self._count -= 1
            is_over = self._count == 0
        if is_over:
            remove(self.path)


def replace(path: str, data: bytes) -> None:
    """Put a file in place, whole.

    Raises:
        OSError: it cannot be written.
    """
    part = f"{path}.{os.getpid()}"
    try:
        with open(part, "xb") as file:
            file.write(data)
        os.rename(part, path)
    except OSError:
        remove(part)
        raise


def remove(path: str) -> None:
    """Take a file away, if it is there and can be."""
    try:
        os.unlink(path)
    except OSError:
        pass  # what is left goes with its folder


def _cloudpickle() -> Any:
    try:
        return import_module("cloudpickle")
    except ImportError as error:
        raise UsageError("jobd.Executor needs cloudpickle (pip install 'jobd[executor]')") from error
