"""What every way out has in common: it takes a letter, or says whose fault it was that it did not."""

from typing import Protocol

from jobd.notify.store import Letter


class NotNow(Exception):
    """This letter was not taken now; a later try may do. Others may be taken."""

    def __init__(self, text: str, *, is_of_receiver: bool = False) -> None:
        """
        Args:
            is_of_receiver: no other letter to this receiver would have been taken.
        """
        super().__init__(text)
        self.is_of_receiver = is_of_receiver


class Never(Exception):
    """This letter will never be taken, as it is."""


class Trouble(Exception):
    """Nothing can be sent now: no connection, a server that is down."""


class Unwelcome(Trouble):
    """We are known, and not let in: a wrong password, a sender that we may not be. Who tries that often is locked out."""


class Transport(Protocol):
    """A way out. Used by one thread."""

    name: str  # under which letters wait for it
    text: str  # for a person
    bundle_max: int  # so many letters may be sent as one; 1 for none

    def send(self, letter: Letter) -> None:
        """Send it; when this returns it has been taken.

        Raises:
            NotNow, Never, Trouble, Unwelcome: it has not.
        """

    def rest(self) -> None:
        """Nothing is to be sent for a while: let go of connections."""

    def abort(self) -> None:
        """End what is under way; from any thread."""
