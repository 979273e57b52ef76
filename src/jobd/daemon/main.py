"""jobd: the server. Reads the configuration, takes the locks, opens journal and sockets, and ticks until told to stop."""

import argparse
import gc
import logging
import logging.handlers
import os
import secrets
import select
import signal
import socket
import sys
import time
from typing import Any

import zmq

from jobd import __version__, locks, manager, paths
from jobd.core.job import Now
from jobd.core.reports import limits_set
from jobd.daemon import systemd
from jobd.daemon.housekeeping import Housekeeping
from jobd.daemon.inputs import Facts
from jobd.daemon.keeper import Keeper
from jobd.daemon.loop import Server
from jobd.daemon.machine import capacity_of, machine_of
from jobd.daemon.recover import ended_by_reboot, recovered
from jobd.daemon.sockets import Sockets
from jobd.errors import JobdError, JournalError
from jobd.journal.journal import Journal
from jobd.limits import NB_PROC_LIMIT
from jobd.settings import load

log = logging.getLogger("jobd")

LOG_BYTES_MAX = 4 << 20
LOGS_KEPT = 3
GC_THRESHOLD = 200_000  # new containers between two collections
HANDOVER_S = 10.0  # for a server that nobody can reach any more to end
NOFILE_MIN = 256  # with fewer, libzmq ends the process when some clients come at once
NOFILE_WANTED = 65536  # a connection for each waiting Salloc, two while it starts


def build_parser() -> argparse.ArgumentParser:
    """The command line of jobd."""
    parser = argparse.ArgumentParser(
        prog="jobd",
        description="The job server. Usually started by systemctl --user start jobd, by Sserver N, or by the first Salloc.",
    )
    parser.add_argument("--nb-proc", type=int, metavar="N", help="set nb_proc and nb_proc_max to N")
    parser.add_argument(
        "--ready-fd", type=int, metavar="FD", help="write a line to FD when ready, or why not"
    )
    parser.add_argument("--version", action="version", version=f"jobd {__version__}")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the server until it is told to stop; the exit code."""
    options = build_parser().parse_args(argv)
    if options.nb_proc is not None and not 0 <= options.nb_proc <= NB_PROC_LIMIT:
        return _failed(options.ready_fd, f"--nb-proc {options.nb_proc}: from 0 to {NB_PROC_LIMIT}", 2)
    try:
        with _locked():
            return run(options.nb_proc, options.ready_fd)
    except JobdError as error:
        return _failed(options.ready_fd, str(error), error.exit_code)
    except OSError as error:
        return _failed(options.ready_fd, f"{error.filename or 'jobd'}: {error.strerror}", 1)
    except zmq.ZMQError as error:
        return _failed(options.ready_fd, f"cannot bind the sockets in {paths.runtime_dir()}: {error}", 1)


class _locked:
    """Holds the locks of the runtime and the state folder: one server each, whatever starts at the same instant."""

    def __enter__(self) -> None:
        os.umask(0o077)
        self._held = []
        for folder, path in (
            (paths.runtime_dir(), paths.server_lock()),
            (paths.state_dir(), os.path.join(paths.state_dir(), "jobd.lock")),
        ):
            paths.make_private(folder)
            descriptor = locks.take(path)
            if descriptor is None and _end_unreachable(path):
                descriptor = locks.take(path)
            if descriptor is None:
                raise JobdError(f"a server runs already (pid {locks.holder(path)}, {path})")
            self._held.append(descriptor)
        paths.make_private(paths.notes_dir())

    def __exit__(self, *_: object) -> None:
        for descriptor in self._held:
            os.close(descriptor)


def _end_unreachable(path: str) -> bool:
    """End the server that holds this lock, if its runtime folder was removed under it (as at a logout without lingering).

    No client can reach it any more, and jobs do not notice. True if it has ended.
    """
    pid = locks.holder(path)
    try:
        pidfd = os.pidfd_open(pid or 0)
    except OSError:
        return pid is None
    try:
        lost = f"/{os.path.basename(paths.server_lock())} (deleted)"
        is_lost = any(os.readlink(entry).endswith(lost) for entry in os.scandir(f"/proc/{pid}/fd"))
        if not is_lost or locks.holder(path) != pid:
            return False
        signal.pidfd_send_signal(pidfd, signal.SIGTERM)
        return bool(select.select([pidfd], [], [], HANDOVER_S)[0])
    except OSError:
        return locks.holder(path) is None
    finally:
        os.close(pidfd)


def run(nb_proc: int | None, ready_fd: int | None) -> int:
    """Serve. The caller holds the locks.

    Raises:
        JobdError: it cannot start.
    """
    _set_up_log()
    gc.set_threshold(
        GC_THRESHOLD
    )  # our values are tuples without cycles; the default looks through all of them over and over
    config = load(paths.config_file())
    _raise_nofile()
    journal = Journal(paths.journal_file(), synchronous=config.journal_sync, events_kept=config.events_kept)
    now = _now()
    machine = machine_of(config)
    cpus = tuple(sorted(os.sched_getaffinity(0)))
    world = recovered(journal, cpus, now, capacity_of(machine, config))
    server_id = journal.meta("server_id") or secrets.token_hex(6)
    boot_id = _boot_id()
    listening = systemd.listen_fd(paths.control_socket())
    kept = None if listening is None else os.dup(listening)  # ZeroMQ closes the other one
    sockets = Sockets(listening)
    facts = Facts(
        __version__,
        os.getpid(),
        os.getuid(),
        _user(),
        str(server_id),
        boot_id,
        now.wall_s,
        os.getgid(),
        socket.gethostname().partition(".")[0],
    )
    server = Server(world=world, journal=journal, config=config, facts=facts, comm=sockets, machine=machine)
    server.now = now
    server.admit(ended_by_reboot(world, journal, boot_id, now))
    if nb_proc is not None:
        server.admit(limits_set(world, nb_proc, max(1, nb_proc), now))
    # The new boot is remembered together with what it ended: else what this tick starts could be taken for what it ended.
    server.tick([], now, meta={"server_id": server_id, "boot_id": boot_id})
    log.info("jobd %s, pid %d: %d procs", __version__, os.getpid(), world.nb_proc)
    try:
        _serve(server, sockets, ready_fd)
    except JournalError as error:
        log.critical("%s: the server stops; what was acknowledged is safe", error)
        return 1
    finally:
        manager.tell("STOPPING=1")
        server.say_bye()
        sockets.close()
        journal.close()
        log.info("stopped")
        if kept is not None:
            systemd.turn_away(kept)
    return 0


def _serve(server: Server, sockets: Sockets, ready_fd: int | None) -> None:
    gc.freeze()  # what was imported stays
    poller: Any = zmq.Poller()
    for socket_ in (sockets.control, sockets.events, sockets.agents):
        poller.register(socket_, zmq.POLLIN)
    signals = _signal_socket()
    poller.register(signals, zmq.POLLIN)
    keeper = Keeper(grace_s=server.config.kill_grace_s)
    housekeeping = Housekeeping(server.config.history_days)
    followed: int | None = None
    watchdog_s = systemd.watchdog_s()
    sign_of_life_s = 0.0
    server.tick([], _now())
    is_ready = False
    while not server.is_done:
        mono_s = time.monotonic()
        keeper.start_if_due(mono_s)
        if keeper.pidfd != followed:
            if followed is not None:
                poller.unregister(followed)
            followed = keeper.pidfd
            if followed is not None:
                poller.register(followed, zmq.POLLIN)
        if not is_ready:
            is_ready = True
            _tell_ready(ready_fd)
        if watchdog_s is not None and mono_s >= sign_of_life_s:
            manager.tell("WATCHDOG=1")
            sign_of_life_s = mono_s + watchdog_s
        wake_s = [at for at in (server.wake_at_s, keeper.start_at_s, housekeeping.at_s) if at is not None]
        if watchdog_s is not None:
            wake_s.append(sign_of_life_s)
        timeout_ms = max(0.0, (min(wake_s) - mono_s) * 1000 + 1)
        ready = dict(poller.poll(timeout_ms))
        if signals.fileno() in ready and _was_told_to_stop(signals):
            server.stop_asked = True
        inputs = sockets.gather(ready)
        server.tick(inputs, _now())
        housekeeping.do_if_due(server.journal, server.now)
        if sockets.hello is not None:
            keeper.hear_hello(sockets.hello)
            sockets.hello = None
        elif followed is not None and followed in ready:
            poller.unregister(followed)
            followed = None
            keeper.hear_death(time.monotonic())
            server.agent_is_gone()


def _signal_socket() -> socket.socket:
    """A socket that is readable after SIGTERM, SIGINT or SIGHUP."""
    reader, writer = socket.socketpair()
    reader.setblocking(False)
    writer.setblocking(False)
    signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    _signal_socket.writer = writer  # type: ignore[attr-defined]  # keeps it open
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    return reader


def _was_told_to_stop(signals: socket.socket) -> bool:
    try:
        numbers = signals.recv(64)
    except BlockingIOError:
        return False
    # HUP comes when the terminal goes from which the server happened to be started: no reason to stop.
    return signal.SIGTERM in numbers or signal.SIGINT in numbers


def _tell_ready(ready_fd: int | None) -> None:
    manager.tell(f"READY=1\nSTATUS=pid {os.getpid()}")
    if ready_fd is not None:
        try:
            os.write(ready_fd, b"ready\n")
            os.close(ready_fd)
        except OSError:
            pass


def _failed(ready_fd: int | None, text: str, code: int) -> int:
    line = f"jobd: {text}\n"
    manager.tell(f"STATUS={text}")  # start.py shows it to whoever wanted the server
    if ready_fd is not None:
        try:
            os.write(ready_fd, line.encode())
        except OSError:
            pass
    sys.stderr.write(line)
    return code


def _set_up_log() -> None:
    handler: logging.Handler
    if _is_journal(sys.stderr.fileno()) or sys.stderr.isatty():
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    else:
        handler = logging.handlers.RotatingFileHandler(
            paths.log_file("jobd"), maxBytes=LOG_BYTES_MAX, backupCount=LOGS_KEPT
        )
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def _is_journal(descriptor: int) -> bool:
    """Whether that is systemd's journal. The variable alone says little: whole desktops inherit it (systemd.exec(5))."""
    status = os.fstat(descriptor)
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def _raise_nofile() -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = NOFILE_WANTED if hard == resource.RLIM_INFINITY else min(hard, NOFILE_WANTED)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    if soft != resource.RLIM_INFINITY and soft < NOFILE_MIN:
        raise JobdError(f"at most {soft} open files are allowed (ulimit -n), and {NOFILE_MIN} are needed")


def _now() -> Now:
    return Now(time.time(), time.monotonic())


def _boot_id() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def _user() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


if __name__ == "__main__":
    sys.exit(main())
