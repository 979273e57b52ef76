"""jobd-agent: the hands of the server. Started by the server; outlives it.

SIGTERM ends every job properly and then the agent (that is how systemctl --user stop jobd-agent.scope works). SIGUSR1 makes it leave
at once and leave its jobs running, for the next agent, which takes them over from the launch book.
"""

import argparse
import contextlib
import gc
import logging
import os
import signal
import socket
import struct
import sys
import time
from typing import Any

import zmq

from jobd import __version__, locks, paths
from jobd.agent.blobs import Spool
from jobd.agent.book import Book
from jobd.agent.cgroup import Groups
from jobd.agent.loop import Agent
from jobd.agent.processes import boot_id
from jobd.agent.reaping import become_subreaper
from jobd.agent.spawn import Spawner, keep_descriptors
from jobd.agent.turns import Turns
from jobd.errors import EXIT_REFUSED, JobdError
from jobd.limits import AGENT_BYTES_MAX

log = logging.getLogger("jobd.agent")

GC_THRESHOLD = 50_000  # new containers between two collections
HEARD_MAX = 100  # messages, of up to 1000 frames each, before jobs that have ended are looked after again
BOOK_AGAIN_S = 0.05
ASK_AGAIN_S = 1.0
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
        paths.make_private(paths.state_dir())
        lock = locks.take(paths.agent_lock())
        if lock is None:
            raise JobdError(f"an agent runs already (pid {locks.holder(paths.agent_lock())})")
        os.chdir("/")  # a folder that somebody is in cannot be unmounted
        for descriptor in (0, 1, 2):
            _make_sure(descriptor)
        keep_descriptors()
        signals = _Signals()
        nofile_soft = _raise_nofile()
        become_subreaper()
        book_lock = _take_book(signals)
        if book_lock is not None:
            _serve(lock, signals, nofile_soft)
    except JobdError as error:
        sys.stderr.write(f"jobd-agent: {error}\n")
        return error.exit_code
    except OSError as error:
        sys.stderr.write(f"jobd-agent: {error.filename or 'the agent'}: {error.strerror}\n")
        return EXIT_REFUSED
    return 0


def _take_book(signals: "_Signals") -> int | None:
    """The lock of the launch book; None if we are to leave.

    An agent whose runtime folder was removed at a logout still has it, and its jobs; it is asked to leave them to us.
    """
    path = paths.launch_book_lock()
    asked_at_s = -ASK_AGAIN_S
    while not (signals.is_ending or signals.is_handing_over):
        lock = locks.take(path)
        if lock is not None:
            return lock
        holder = locks.holder(path)
        if holder and time.monotonic() >= asked_at_s + ASK_AGAIN_S:
            asked_at_s = time.monotonic()
            log.info("agent %d has the launch book and is asked to leave it to us", holder)
            try:
                os.kill(holder, signal.SIGUSR1)
            except (ProcessLookupError, PermissionError):
                pass
        time.sleep(BOOK_AGAIN_S)
    return None


def _serve(lock: int, signals: "_Signals", nofile_soft: int) -> None:
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
    poller: Any = zmq.Poller()
    for item in (link, monitor, signals.reader):
        poller.register(item, zmq.POLLIN)
    turns = Turns(signals.wake)
    turns.agent = agent = Agent(
        link,
        poller,
        book=Book(paths.launch_book(), boot_id()),
        spool=Spool(paths.spool_dir()),
        spawner=Spawner(nofile_soft=nofile_soft, lanes=turns.lanes),
        groups=Groups.find(),
    )
    # What was imported stays; and what messages are made of is without cycles, so there is little to be found.
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
    link.connect(paths.ipc(paths.agents_socket()))
    log.info("jobd-agent %s, pid %d", __version__, os.getpid())
    while not agent.may_leave and not signals.is_handing_over:
        ready = dict(turns.rest(poller.poll))
        # First what the kernel says: a message may let a descriptor go that is ready, and give its number to another process.
        for key in ready:
            if key == signals.reader.fileno():
                signals.reader.recv(4096)
                agent.children_changed()
            elif isinstance(key, int):
                agent.pidfd_ready(key)
        if signals.is_ending:
            agent.end_all()
        if monitor in ready:
            (number,) = struct.unpack_from("=H", monitor.recv_multipart()[0])
            if number == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                if not locks.is_in_place(paths.agent_lock(), lock):
                    log.info("the runtime folder is a new one, and the server has another agent")
                    break
                while _hear(link, agent):
                    pass  # what the last connection has brought: who is there now says nothing before our Hello
                agent.connected()
            else:
                agent.disconnected()
        if link in ready:
            _hear(link, agent)
        agent.step()
        agent.flush()
    log.info("left")
    link.disable_monitor()
    monitor.close(linger=0)
    link.close()
    context.term()


def _hear(link: Any, agent: Agent) -> bool:
    """Messages of the server; each frame is one. Whether there may be more of them."""
    for _ in range(HEARD_MAX):
        try:
            frames = link.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return False
        for frame in frames:
            agent.hear(frame)
    return True


class _Signals:
    """What signals ask for, and a socket that is readable after one. INT and HUP are for terminals, and the agent has none."""

    def __init__(self) -> None:
        self.reader, self._writer = socket.socketpair()
        self.reader.setblocking(False)
        self._writer.setblocking(False)
        self.is_ending = False
        self.is_handing_over = False
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._end)
        signal.signal(signal.SIGUSR1, self._hand_over)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)

    def wake(self) -> None:
        """Make the socket readable, from another thread."""
        with contextlib.suppress(BlockingIOError):  # it is
            self._writer.send(b"\0")

    def _end(self, *_: object) -> None:
        self.is_ending = True

    def _hand_over(self, *_: object) -> None:
        self.is_handing_over = True


def _make_sure(descriptor: int) -> None:
    """Standard descriptors are open, so that no file of a job gets their numbers."""
    try:
        os.fstat(descriptor)
    except OSError:
        os.open(os.devnull, os.O_RDWR)


def _raise_nofile() -> int:
    """A pidfd for each watched Salloc: as many as we may. The soft limit as it was, which is the jobs'."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return soft


if __name__ == "__main__":
    sys.exit(main())
