"""The server's sockets: real inputs in, real messages out. Decides nothing.

* control: ROUTER, the raw form of REP (once named XREP). Clients are plain REQ; the raw form lets many requests share one commit.
* events: XPUB, the raw form of PUB: it also tells who subscribes to what, so that what nobody wants is not sent at all.
* agents: ROUTER for the agents' DEALERs. Several messages travel as frames of one.
"""

import os
from typing import Any

import zmq

from jobd import locks, paths
from jobd.daemon.inputs import AgentSaid, Input, Request, Subscribed
from jobd.daemon.peers import parse_peer
from jobd.daemon.subscriptions import Subscriptions
from jobd.limits import AGENT_BYTES_MAX, REQUEST_BYTES_MAX
from jobd.wire import codec
from jobd.wire import messages as m

INPUTS_A_TICK_MAX = 128  # so that a flood of requests still lets replies out
REPLIES_UNREAD_MAX = (
    256  # of one client, which as a REQ has one; ZeroMQ keeps at least half of it and drops what is more
)
SUBSCRIPTION_BYTES_MAX = 1024
EVENTS_QUEUED_MAX = 10_000  # for one slow subscriber; what is dropped it asks for by number
FRAMES_A_TICK_MAX = 2000  # … and a flood of ended jobs too
AGENT_FRAMES_MAX = 1000  # messages of the agent in one
LINGER_MS = 1000  # for the last replies when the server stops


class Sockets:
    """The three bound sockets; a Comm for the loop."""

    def __init__(self, control_fd: int | None) -> None:
        """Bind them. A stale socket file is replaced; the caller holds the lock that makes this safe.

        Raises:
            zmq.ZMQError: one could not be bound.
        """
        self._context = zmq.Context()
        self.control = self._context.socket(zmq.ROUTER)
        self.control.setsockopt(zmq.MAXMSGSIZE, REQUEST_BYTES_MAX)
        self.control.setsockopt(zmq.ROUTER_HANDOVER, 0)
        self.control.setsockopt(zmq.SNDHWM, REPLIES_UNREAD_MAX)
        self.control.setsockopt(zmq.BACKLOG, 4096)  # a make -j of thousands connects at once
        if control_fd is not None:
            self.control.setsockopt(zmq.USE_FD, control_fd)
        self.events = self._context.socket(zmq.XPUB)
        self.events.setsockopt(zmq.XPUB_VERBOSE, 1)
        self.events.setsockopt(zmq.MAXMSGSIZE, SUBSCRIPTION_BYTES_MAX)
        self.events.setsockopt(zmq.SNDHWM, EVENTS_QUEUED_MAX)
        self.events.setsockopt(zmq.BACKLOG, 4096)
        self.agents = self._context.socket(zmq.ROUTER)
        self.agents.setsockopt(zmq.MAXMSGSIZE, AGENT_BYTES_MAX)
        self.agents.setsockopt(zmq.SNDHWM, 0)
        for socket, path in (
            (self.events, paths.events_socket()),
            (self.agents, paths.agents_socket()),
            (self.control, paths.control_socket()),  # last: who finds it finds the others too
        ):
            socket.setsockopt(zmq.LINGER, LINGER_MS)
            socket.bind(paths.ipc(path))
            if socket is not self.control or control_fd is None:
                os.chmod(path, 0o600)
        self._subscriptions = Subscriptions()
        self.hello: m.Hello | None = None
        self._agent_pid: int | None = None

    def gather(self, ready: dict[Any, int]) -> list[Input]:
        """What has come in, up to a tick's worth."""
        inputs: list[Input] = []
        if self.control in ready:
            self._drain(self.control, inputs, self._request)
        if self.agents in ready:
            self._drain(self.agents, inputs, self._agent)
        if self.events in ready:
            self._drain(self.events, inputs, self._subscription)
        return inputs

    def _drain(self, socket: Any, inputs: list[Input], convert: Any) -> None:
        for _ in range(INPUTS_A_TICK_MAX):
            if len(inputs) >= FRAMES_A_TICK_MAX:
                return
            try:
                frames = socket.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            inputs += convert(frames)

    def _request(self, frames: list[Any]) -> list[Input]:
        # [routing id, empty, body] is what a REQ sends; anything else cannot be answered and is dropped.
        if len(frames) != 3 or len(frames[1]) != 0:
            return []
        return [Request(frames[0].bytes, _peer(frames[2]), frames[2].bytes)]

    def _agent(self, frames: list[Any]) -> list[Input]:
        if not 2 <= len(frames) <= 1 + AGENT_FRAMES_MAX:
            return []
        peer = _peer(frames[1])
        if peer is None or not self._is_agent(peer.pid):
            return []
        agent = frames[0].bytes
        return [AgentSaid(agent, frame.bytes) for frame in frames[1:]]

    def _is_agent(self, pid: int) -> bool:
        """Whether that process is the agent: the one that holds the agent's lock, by the kernel's word on both."""
        if pid != self._agent_pid:
            try:
                self._agent_pid = locks.holder(paths.agent_lock())
            except OSError:
                self._agent_pid = None
        return pid == self._agent_pid

    def _subscription(self, frames: list[Any]) -> list[Input]:
        """A subscription is told each time (XPUB_VERBOSE), its end when the last who had it is gone."""
        data = frames[0].bytes
        topic = data[1:]
        if len(frames) != 1 or data[:1] not in (b"\0", b"\1"):
            return []
        if data[:1] == b"\0":
            self._subscriptions.remove(topic)
            return []
        self._subscriptions.add(topic)
        return [Subscribed(topic)]

    # ---- Comm
    def reply(self, reply_to: Any, data: bytes) -> None:
        """Answer a request; a client that is gone gets nothing."""
        self.control.send_multipart([reply_to, b"", data])

    def tell_agent(self, agent: bytes, messages: list[bytes]) -> None:
        """Say something to the agent; one that is gone is told when it comes back."""
        codec.send_frames(self.agents, [agent, *messages])

    def publish(self, topic: bytes, data: bytes) -> None:
        """Publish an event; slow subscribers miss it and ask."""
        if self._subscriptions.wants(topic):
            self.events.send_multipart([topic, data])

    def agent_said_hello(self, hello: m.Hello) -> None:
        """Keep it for the agent's keeper."""
        self.hello = hello

    def close(self) -> None:
        """Close all, after the last replies are out."""
        for socket in (self.control, self.agents, self.events):
            socket.close()
        self._context.term()


def _peer(frame: Any) -> Any:
    try:
        return parse_peer(frame.get("Peer-Address"))
    except zmq.ZMQError:
        return None
