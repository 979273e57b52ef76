"""The future of a call that runs as a job."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from typing import Any, Generic, TypeVar

from jobd.api.job import Job

Value = TypeVar("Value")


class CallFuture(Future[Value], Generic[Value]):
    """As concurrent.futures has it, and it can be cancelled while it runs.

    To the waiters of concurrent.futures it is pending until it is over, which is what lets `cancel` work at any time; `running` tells the truth.
    """

    def __init__(self) -> None:
        super().__init__()
        self.job_id: int | None = None  # None until it was handed to the server
        self.is_started = False
        self._telling = threading.Lock()
        self._is_told = False
        self.tell_cancelled: Callable[[], None] = lambda: None
        self.job_of: Callable[[int], Job] | None = None

    @property
    def job(self) -> Job | None:
        """Its job; None until it was handed to the server."""
        if self.job_id is None or self.job_of is None:
            return None
        return self.job_of(self.job_id)

    def running(self) -> bool:
        """Whether its job runs."""
        return self.is_started and not self.done()

    def cancel(self) -> bool:
        """Give up: if it waits it will not run, and if it runs its job is ended. Returns at once; False if it is over already."""
        if not super().cancel():
            return False
        with self._telling:
            is_first, self._is_told = not self._is_told, True
        if is_first:
            self.set_running_or_notify_cancel()  # tells those who wait by concurrent.futures.wait; must be called once
            self.tell_cancelled()
        return True

    def settle(self, value: Any, error: BaseException | None) -> None:
        """Set the result, or the exception. One that was cancelled meanwhile stays so."""
        try:
            if error is not None:
                self.set_exception(error)
            else:
                self.set_result(value)
        except InvalidStateError:
            pass  # cancelled
