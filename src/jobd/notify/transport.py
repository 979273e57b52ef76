"""What every way out has in common: it takes a letter, or says whose fault it was that it did not."""

from typing import Protocol

from jobd.notify.store import Letter


class NotNow(Exception):
    """This letter was not taken now; a later try may do. Others may be taken."""


class Never(Exception):
    """This letter will never be taken, as it is."""


class Trouble(Exception):
    """Nothing can be sent now: no connection, a server that is down, a login that is refused."""


class Transport(Protocol):
    """A way out. Used by one thread."""

    name: str  # under which letters wait for it
    text: str  # for a person

    def send(self, letter: Letter) -> None:
        """Send it; when this returns it has been taken.

        Raises:
            NotNow, Never, Trouble: it has not.
        """

    def rest(self) -> None:
        """Nothing is to be sent for a while: let go of connections."""

    def abort(self) -> None:
        """End what is under way; from any thread."""
