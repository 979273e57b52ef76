"""What goes into a tick of the server and what comes out of it: inputs, the Comm, and what is fixed. Values only."""

from typing import Any, NamedTuple, Protocol

from jobd.daemon.peers import Peer
from jobd.wire import messages as m


class Request(NamedTuple):
    """A client's request; `reply_to` is whatever Comm.reply wants back."""

    reply_to: Any
    peer: Peer | None
    data: bytes


class AgentSaid(NamedTuple):
    """A message of the agent with that routing id."""

    agent: bytes
    data: bytes


class Subscribed(NamedTuple):
    """Somebody subscribed to a topic."""

    topic: bytes


Input = Request | AgentSaid | Subscribed


class Comm(Protocol):
    """The only way in which the loop affects anything but the journal."""

    def reply(self, reply_to: Any, data: bytes) -> None:
        """Answer a request."""

    def tell_agent(self, agent: bytes, messages: list[bytes]) -> None:
        """Say something to an agent, in this order; all from some point on may be lost."""

    def publish(self, topic: bytes, data: bytes) -> None:
        """Publish an event to those who want it."""

    def agent_said_hello(self, hello: m.Hello) -> None:
        """An agent has (re)connected."""


class Facts(NamedTuple):
    """What is fixed while the server runs."""

    version: str
    pid: int
    uid: int
    user: str
    server_id: str
    boot_id: str
    started_at: float
    gid: int = 0
    node: str = "localhost"
