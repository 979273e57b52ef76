"""How a call that ran as a job can fail: one class for each cause that a caller can act on.

An exception that the function itself raised comes back as it is, with the text of its traceback as its cause.
"""

from typing import Any

from jobd.errors import JobdError
from jobd.states import Cause, JobState
from jobd.wire.rows import JobRow


class JobFailed(JobdError):
    """The job of a call ended without a result.

    Attributes:
        job_id: its number, or None if it never had one.
        state: how it ended.
        code, signal: its process's exit code, or the signal that ended it, where known.
        output: the end of what it wrote.
    """

    def __init__(
        self,
        text: str,
        job_id: int | None = None,
        state: JobState = JobState.FAILED,
        code: int | None = None,
        signal: int | None = None,
        output: str = "",
    ) -> None:
        super().__init__(text)
        self.job_id = job_id
        self.state = state
        self.code = code
        self.signal = signal
        self.output = output

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (
            str(self.args[0]),
            self.job_id,
            self.state,
            self.code,
            self.signal,
            self.output,
        )

    def __str__(self) -> str:
        return str(self.args[0])


class JobTimeout(JobFailed, TimeoutError):
    """It reached its time limit."""


class JobOutOfMemory(JobFailed, MemoryError):
    """It took more memory than it had asked for."""


class JobCancelled(JobFailed):
    """Somebody cancelled it, not by its future."""


class JobKilled(JobFailed):
    """A signal ended it."""


class JobLost(JobFailed):
    """Its end could not be learnt: the machine was rebooted, or the journal is another one."""


class RemoteError(JobdError):
    """The function raised something that cannot be sent back; the text has its traceback."""


class RemoteTraceback(Exception):
    """The traceback of a function's exception, as text: the cause of the exception that comes back."""

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


_CLASSES: dict[JobState, type[JobFailed]] = {
    JobState.TIMEOUT: JobTimeout,
    JobState.OUT_OF_MEMORY: JobOutOfMemory,
    JobState.CANCELLED: JobCancelled,
    JobState.NODE_FAIL: JobLost,
}


def failure_of(row: JobRow, output: str) -> JobFailed:
    """The exception for a job that ended in this way, without a result.

    Args:
        output: the end of what it wrote.
    """
    state = JobState(row.state)
    kind = _CLASSES.get(state)
    if kind is None:
        is_unseen = row.cause in (Cause.LOST.value, Cause.UNSTARTED.value)
        kind = JobLost if is_unseen else JobKilled if row.signal is not None else JobFailed
    how = row.reason or "it ended without a result"
    if state is JobState.COMPLETED:
        how = "it ended without a result"
    text = f"job {row.job_id} ({row.name}) {state.value}: {how}"
    if last := output.strip().rpartition("\n")[2]:
        text += f"; it wrote last: {last[:200]}"
    return kind(text, row.job_id, state, row.exit_code, row.signal, output)
