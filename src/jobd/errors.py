"""The tree of errors: one class for each cause that a caller can act on.

Each carries one line for a person: what, the offending value, a hint. The exit codes are those of
docs/commands: 1 refused or failed, 2 wrong usage, 3 no server.
"""

EXIT_REFUSED = 1
EXIT_USAGE = 2
EXIT_NO_SERVER = 3


class JobdError(Exception):
    """The root. `name` travels over the wire, so that a client raises what the server meant."""

    exit_code = EXIT_REFUSED

    @property
    def name(self) -> str:
        """The name under which this class travels."""
        return type(self).__name__


class Refused(JobdError):
    """The server understood and said no."""


class TooManyProcs(Refused):
    """More procs were asked for than one job may have."""


class NotEnough(Refused):
    """More of something than the machine has was asked for: memory, GPUs, licenses …"""


class NoSuchJob(Refused):
    """No living job has that number."""


class ParentEnding(Refused):
    """A job that is being ended may have no more children."""


class Stopping(Refused):
    """The server is on its way out and takes no more jobs."""


class TooManyJobs(Refused):
    """The queue is full."""


class UsageError(JobdError):
    """The request makes no sense, whatever the state."""

    exit_code = EXIT_USAGE


class BadOption(UsageError):
    """A command line with an option that is none, or lacks its value."""

    def __init__(self, text: str, slurm: str = "") -> None:
        """
        Args:
            slurm: what getopt(3), and with it every program of Slurm, says.
        """
        super().__init__(text)
        self.slurm = slurm or text


class WireError(UsageError):
    """Bytes that are no message of ours."""


class ConfigError(UsageError):
    """The configuration file cannot be used."""


class PathError(JobdError):
    """A folder that jobd needs is missing, not ours, or open to others."""


class NoServer(JobdError):
    """Nobody answers."""

    exit_code = EXIT_NO_SERVER


class JournalError(JobdError):
    """What must be remembered cannot be written or read."""


_BY_NAME = {
    cls.__name__: cls
    for cls in (
        JobdError,
        Refused,
        TooManyProcs,
        NotEnough,
        NoSuchJob,
        ParentEnding,
        Stopping,
        TooManyJobs,
        UsageError,
        BadOption,
        WireError,
        ConfigError,
        PathError,
        NoServer,
        JournalError,
    )
}


def from_name(name: str, text: str) -> JobdError:
    """The error that travelled as (name, text); an unknown name, from a newer server, is a refusal."""
    return _BY_NAME.get(name, Refused)(text)
