"""jobd-agent: the hands of the server. Started by the server; outlives it.

SIGTERM ends every job properly and then the agent (that is how systemctl --user stop jobd-agent.scope works).
"""

import argparse
import logging
import os
import signal
import socket
import struct
import sys
from typing import Any

import zmq

from jobd import __version__, locks, paths
from jobd.agent.loop import Agent
from jobd.errors import JobdError
from jobd.limits import AGENT_BYTES_MAX

log = logging.getLogger("jobd.agent")

RECONNECT_MS = 50  # after the server went; doubled up to
RECONNECT_MAX_MS = 250  # no more, since jobs are not killed meanwhile


def build_parser() -> argparse.ArgumentParser:
    """The command line of jobd-agent."""
    parser = argparse.ArgumentParser(
        prog="jobd-agent",
        description="Watches the Sallocs of this machine and ends jobs for the server. jobd starts it; nobody else needs to.",
    )
    parser.add_argument("--version", action="version", version=f"jobd-agent {__version__}")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run until nobody needs the agent; the exit code."""
    build_parser().parse_args(argv)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    os.umask(0o077)
    try:
        paths.make_private(paths.runtime_dir())
        paths.make_private(paths.notes_dir())
        lock = locks.take(paths.agent_lock())
        if lock is None:
            raise JobdError(f"an agent runs already (pid {locks.holder(paths.agent_lock())})")
        _raise_nofile()
        _serve(lock)
    except JobdError as error:
        sys.stderr.write(f"jobd-agent: {error}\n")
        return error.exit_code
    return 0


def _serve(lock: int) -> None:
    context = zmq.Context()
    link: Any = context.socket(zmq.DEALER)
    link.setsockopt(zmq.MAXMSGSIZE, AGENT_BYTES_MAX)
    link.setsockopt(zmq.SNDHWM, 0)
    link.setsockopt(zmq.RCVHWM, 0)
    link.setsockopt(zmq.LINGER, 1000)
    link.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
    link.setsockopt(zmq.RECONNECT_IVL_MAX, RECONNECT_MAX_MS)
    events = zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED
    link.monitor("inproc://link", events)
    monitor: Any = context.socket(zmq.PAIR)
    monitor.connect("inproc://link")
    signals = _signal_socket()
    poller: Any = zmq.Poller()
    for item in (link, monitor, signals):
        poller.register(item, zmq.POLLIN)
    agent = Agent(link, poller)
    link.connect(paths.ipc(paths.agents_socket()))
    log.info("jobd-agent %s, pid %d", __version__, os.getpid())
    while not agent.may_leave:
        ready = dict(poller.poll(agent.timeout_ms()))
        # First what the kernel says: a message may let a descriptor go that is ready, and give its number to another process.
        for key in ready:
            if isinstance(key, int):
                if key == signals.fileno():
                    signals.recv(64)
                    agent.end_all()
                else:
                    agent.pidfd_ready(key)
        if monitor in ready:
            (number,) = struct.unpack_from("=H", monitor.recv_multipart()[0])
            if number == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                if not locks.is_in_place(paths.agent_lock(), lock):
                    log.info("the runtime folder is a new one, and the server has another agent")
                    break
                agent.connected()
            else:
                agent.disconnected()
        if link in ready:
            for _ in range(1000):
                try:
                    agent.hear(link.recv(zmq.NOBLOCK))
                except zmq.Again:
                    break
        agent.step()
    log.info("left")
    link.disable_monitor()
    monitor.close(linger=0)
    link.close()
    context.term()


def _signal_socket() -> socket.socket:
    """A socket that is readable after SIGTERM. INT and HUP are for terminals, and the agent has none."""
    reader, writer = socket.socketpair()
    reader.setblocking(False)
    writer.setblocking(False)
    signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    _signal_socket.writer = writer  # type: ignore[attr-defined]  # keeps it open
    signal.signal(signal.SIGTERM, lambda *_: None)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    return reader


def _raise_nofile() -> None:
    """A pidfd for each watched Salloc: as many as we may."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    sys.exit(main())
