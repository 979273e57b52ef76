"""The line in a job's output that says why it was ended, in the words that people and programs know from Slurm.

slurmstepd: error: *** JOB 12 ON host CANCELLED AT 2026-01-31T08:00:00 DUE TO TIME LIMIT ***
"""

import os
import socket
import stat
import time

from jobd.states import Cause
from jobd.wire.batch import Launch

_WHY = {
    Cause.TIME_LIMIT: " DUE TO TIME LIMIT",
    Cause.REQUEUED: " DUE TO JOB REQUEUE",
    Cause.SCOPE: " DUE TO NODE FAILURE",
    Cause.DELETED: "",
    Cause.TREE: "",
    Cause.PARENT_ENDED: "",
    Cause.SHUTDOWN: "",
}
_NODE = socket.gethostname().partition(".")[0]


def line_of(job_id: int, cause: Cause, at: float) -> str:
    """The line; "" for an end of which nothing is said.

    Args:
        at: seconds since 1970.
    """
    if cause is Cause.OUT_OF_MEMORY:
        return (
            f"slurmstepd: error: Detected 1 oom_kill event in StepId={job_id}.batch. "
            "Some of the step tasks have been OOM Killed.\n"
        )
    why = _WHY.get(cause)
    if why is None:
        return ""
    when = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(at))
    return f"slurmstepd: error: *** JOB {job_id} ON {_NODE} CANCELLED AT {when}{why} ***\n"


def write(launch: Launch, cause: Cause) -> None:
    """Append it to what the job writes as errors. A file that is gone, or takes nothing at once, goes without."""
    line = line_of(launch.job_id, cause, time.time())
    path = launch.stderr or launch.stdout
    if not line or not path or path == os.devnull:
        return
    flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
    try:
        descriptor = os.open(os.path.join(launch.cwd or "/", path), flags)
    except (OSError, ValueError):
        return
    try:
        if stat.S_ISREG(
            os.fstat(descriptor).st_mode
        ):  # a pipe's reader may count on what the job alone writes
            os.write(descriptor, line.encode())
    except OSError:
        pass
    finally:
        os.close(descriptor)
