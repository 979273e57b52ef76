"""The client's side of the sockets: requests with a deadline that survive a restart of the server, and events.

Every request may be sent twice: the server answers a repeated one as it did the first (submissions by their token). So when no answer
comes, the client looks whether the server lives, waits or starts it, and asks again on a new connection.

This module is on every client's way to its start, so it imports nothing that a running Salloc does not need.
"""

import itertools
import os
import struct
import time
from typing import Any

import zmq

from jobd import locks, paths
from jobd.errors import JobdError, NoServer, WireError
from jobd.limits import REPLY_BYTES_MAX
from jobd.wire import codec
from jobd.wire import messages as m
from jobd.wire.verbs import VERB_OF

LOOK_AGAIN_S = 2.0  # a silent server is looked for this often
DEADLINE_S = 30.0
NEVER_MS = 24 * 3600 * 1000
RESTART_PAUSE_S = 0.05  # between two looks for a server that is on its way up

# CLOSED is what a refused connection says, DISCONNECTED one that stood.
_STANDS_OR_NOT = zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED | zmq.EVENT_CLOSED

_numbers = itertools.count()  # of the monitors' endpoints, which must differ


class Client:
    """A connection to the server of this runtime folder, made when it is first needed.

    Not for use by several threads at a time.
    """

    def __init__(self, *, is_starting: bool = True, deadline_s: float = DEADLINE_S) -> None:
        """
        Args:
            is_starting: start a server if there is none (and the configuration allows it).
            deadline_s: how long a request may take in all.
        """
        self._is_starting = is_starting
        self._deadline_s = deadline_s
        self._context: Any = zmq.Context.instance()
        self._socket: Any = None
        self._sent: tuple[str, bytes] | None = None

    def telling_only_the_living(self, deadline_s: float) -> "Client":
        """This client, from now on with another deadline, and waking no server that was stopped."""
        self._deadline_s = deadline_s
        self._is_starting = False
        return self

    def request(self, request: Any) -> Any:
        """Ask, and wait for the answer.

        Raises:
            JobdError: what the server refused with; NoServer if there is none.
        """
        self.send(request)
        return self.receive()

    def send(self, request: Any) -> None:
        """Ask without waiting; `receive` gets the answer.

        Raises:
            NoServer: there is none, and none could be started.
        """
        self._sent = (VERB_OF[type(request)], codec.encode_request(request))
        if self._socket is not None and not self._is_standing():
            self.close()  # the server we knew has gone; another may be there
        if self._socket is None:
            # Where systemd listens in the server's place, to connect is to start it.
            may_connect = self._is_starting or is_server_alive()
            if not may_connect or not os.path.exists(paths.control_socket()):
                self._find_server(time.monotonic() + self._deadline_s)
            self._connect()
        self._socket.send(self._sent[1])

    def receive(self) -> Any:
        """The answer to what was sent.

        Raises:
            JobdError: what the server refused with; NoServer if it did not answer in time.
        """
        assert self._sent is not None
        verb, data = self._sent
        deadline_s = time.monotonic() + self._deadline_s
        while not self._socket.poll(0):
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                raise NoServer(
                    f"the server has not answered for {self._deadline_s:.0f} s ({paths.control_socket()})"
                )
            ready = dict(self._poller.poll(min(left_s, LOOK_AGAIN_S) * 1000))
            # What was answered before the connection ended has been delivered before its end is told.
            if ready and (self._is_standing() or self._socket.poll(0)):
                continue
            if not ready and is_listening():
                continue  # alive and busy: our request stands in its queue
            self._find_server(deadline_s)
            self.close()
            self._connect()
            self._socket.send(data)
        self._sent = None
        return codec.decode_reply(verb, self._socket.recv())

    def _is_standing(self) -> bool:
        """Whether the connection on which we asked stands, by the last of the monitor's words."""
        while self._monitor.poll(0):
            (number,) = struct.unpack_from("=H", self._monitor.recv_multipart()[0])
            self._stands = number == zmq.EVENT_HANDSHAKE_SUCCEEDED
        return bool(self._stands)

    def _connect(self) -> None:
        socket: Any = self._context.socket(zmq.REQ)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.MAXMSGSIZE, REPLY_BYTES_MAX)
        # A socket that reconnects by itself would wake a stopped server (jobd.socket) for nothing, and would lose what it had asked.
        # Not by -1 ("never"): that drops an answer which came just before the connection ended.
        socket.setsockopt(zmq.RECONNECT_IVL, NEVER_MS)
        endpoint = f"inproc://client-{next(_numbers)}"
        socket.monitor(endpoint, _STANDS_OR_NOT)
        self._monitor: Any = self._context.socket(zmq.PAIR)
        self._monitor.setsockopt(zmq.LINGER, 0)
        self._monitor.connect(endpoint)
        self._stands = True  # until the monitor says otherwise: it may be on its way
        self._poller: Any = zmq.Poller()
        self._poller.register(socket, zmq.POLLIN)
        self._poller.register(self._monitor, zmq.POLLIN)
        socket.connect(paths.ipc(paths.control_socket()))
        self._socket = socket

    def _find_server(self, deadline_s: float) -> None:
        """Wait for a server that is on its way up, or start one. That somebody listens is not enough: systemd does so for a dead one.

        Raises:
            NoServer: there is none.
        """
        import socket  # noqa: F401  # not between the two looks: a server that leaves meanwhile would be woken by the second

        started = False
        while not (is_server_alive() and is_listening()):
            if time.monotonic() >= deadline_s:
                raise NoServer(f"the server does not come up ({paths.log_file('jobd')})")
            if is_server_alive() or started:
                time.sleep(RESTART_PAUSE_S)
            else:
                from jobd.start import start_server

                start_server(only_if_allowed=True, is_starting=self._is_starting)
                started = True

    def close(self) -> None:
        """Let go of the connection."""
        if self._socket is not None:
            self._socket.disable_monitor()
            self._socket.close()
            self._monitor.close()
            self._socket = None


def is_listening() -> bool:
    """Whether somebody listens on the control socket: the server, or systemd in its place."""
    import socket as sockets  # 2 ms that most clients do not need

    with sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM) as probe:
        try:
            probe.connect(paths.control_socket())
        except OSError:
            return False
    return True


def is_server_alive() -> bool:
    """Whether a server holds the lock of the runtime folder (it may not listen yet, or no more)."""
    try:
        return locks.holder(paths.server_lock()) is not None
    except OSError:
        return False


class Events:
    """A subscription. It reconnects by itself, subscribes again by itself, and costs nothing while nothing happens."""

    def __init__(self, topic: bytes) -> None:
        """Subscribe to all topics that begin with `topic`."""
        context: Any = zmq.Context.instance()
        self.socket: Any = context.socket(zmq.SUB)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.RCVHWM, 100_000)
        self.socket.setsockopt(zmq.RECONNECT_IVL, 50)
        self.socket.setsockopt(zmq.RECONNECT_IVL_MAX, 1000)
        endpoint = f"inproc://events-{next(_numbers)}"
        self.socket.monitor(endpoint, _STANDS_OR_NOT)
        self.monitor: Any = context.socket(zmq.PAIR)
        self.monitor.setsockopt(zmq.LINGER, 0)
        self.monitor.connect(endpoint)
        self.socket.setsockopt(zmq.SUBSCRIBE, topic)
        self.socket.connect(paths.ipc(paths.events_socket()))
        self.is_connected = False

    def wait(self, timeout_s: float | None = None) -> "m.Event | bool | None":
        """The next event; True or False when the connection has come or gone; None if the time is over.

        Raises:
            WireError: what came is no event.
        """
        poller: Any = zmq.Poller()
        poller.register(self.socket, zmq.POLLIN)
        poller.register(self.monitor, zmq.POLLIN)
        ready = dict(poller.poll(None if timeout_s is None else min(max(0.0, timeout_s * 1000), 2**31 - 1)))
        if self.socket in ready:
            return self._receive()
        return self._said() if self.monitor in ready else None

    def turn(self) -> "bool | None":
        """Whether the connection stands, by the last of what was said of it since this was asked; None: nothing.

        Takes no event: one that comes between the caller's poll and this is the caller's to receive.
        """
        turn: bool | None = None
        while self.monitor.poll(0):
            turn = self._said()
        return turn

    def _said(self) -> bool:
        (number,) = struct.unpack_from("=H", self.monitor.recv_multipart()[0])
        self.is_connected = number == zmq.EVENT_HANDSHAKE_SUCCEEDED
        return self.is_connected

    def _receive(self) -> m.Event:
        frames = self.socket.recv_multipart()
        fields = codec.unpack(frames[-1])
        if type(fields) is not list:
            raise WireError("no event")
        event = codec.build(m.Event, fields)
        assert isinstance(event, m.Event)
        return event

    def close(self) -> None:
        """Unsubscribe."""
        self.socket.disable_monitor()
        self.socket.close()
        self.monitor.close()


def pages(client: Client, request: m.ListJobs) -> "list[m.JobRow]":
    """All pages of a list, joined."""
    rows: list[m.JobRow] = []
    while True:
        page = client.request(request)
        rows += page.rows
        if not page.cursor:
            return rows
        request = request._replace(cursor=page.cursor)


__all__ = ["Client", "Events", "JobdError", "NoServer", "is_listening", "is_server_alive", "pages"]
