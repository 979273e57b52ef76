"""status: how the server is."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from jobd.daemon.peers import Peer
from jobd.wire.messages import Ask, Status

if TYPE_CHECKING:
    from jobd.daemon.loop import Server


def handle(server: "Server", peer: Peer, request: Ask) -> Callable[[], Status]:
    """Nothing changes."""
    return server.status
