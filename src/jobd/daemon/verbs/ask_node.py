"""ask_node: the machine, and what of it is in use."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from jobd.daemon.machine import node_of
from jobd.daemon.peers import Peer
from jobd.wire.batch import AskNode, Node

if TYPE_CHECKING:
    from jobd.daemon.loop import Server


def handle(server: "Server", peer: Peer, request: AskNode) -> Callable[[], Node]:
    """Nothing changes."""
    return lambda: node_of(server.world, server.machine, server.config, server.facts)
