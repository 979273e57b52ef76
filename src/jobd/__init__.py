"""jobd: a job server for one's own machine. Nothing is imported here, so that a client starts fast.

The names of the Python API (docs/api.md) are fetched when they are first used.
"""

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from jobd import errors as errors
    from jobd import states as states
    from jobd.api.client import Client as Client
    from jobd.api.executor import Executor as Executor
    from jobd.api.failures import JobCancelled as JobCancelled
    from jobd.api.failures import JobFailed as JobFailed
    from jobd.api.failures import JobKilled as JobKilled
    from jobd.api.failures import JobLost as JobLost
    from jobd.api.failures import JobOutOfMemory as JobOutOfMemory
    from jobd.api.failures import JobTimeout as JobTimeout
    from jobd.api.failures import RemoteError as RemoteError
    from jobd.api.job import Job as Job
    from jobd.api.jobs import End as End
    from jobd.states import JobState as JobState
else:
    _HOMES = {
        "Client": "jobd.api.client",
        "Job": "jobd.api.job",
        "End": "jobd.api.jobs",
        "Executor": "jobd.api.executor",
        "JobCancelled": "jobd.api.failures",
        "JobFailed": "jobd.api.failures",
        "JobKilled": "jobd.api.failures",
        "JobLost": "jobd.api.failures",
        "JobOutOfMemory": "jobd.api.failures",
        "JobTimeout": "jobd.api.failures",
        "RemoteError": "jobd.api.failures",
        "JobState": "jobd.states",
    }

    def __getattr__(name):
        """A name of the API, or a module of words (PEP 562)."""
        from importlib import import_module

        if name in _HOMES:
            found = getattr(import_module(_HOMES[name]), name)
        elif name in ("errors", "states"):
            found = import_module(f"jobd.{name}")
        else:
            raise AttributeError(f"module 'jobd' has no attribute {name!r}")
        globals()[name] = found
        return found

    def __dir__():
        return sorted({*globals(), *_HOMES, "errors", "states"})
