"""What systemd hands us: its patience, and the socket that it opened for us (sd_listen_fds(3)). What we tell it: manager.py."""

import contextlib
import os
import socket

LISTEN_FD = 3  # SD_LISTEN_FDS_START


def watchdog_s() -> float | None:
    """Seconds between two signs of life that systemd wants to see: half of its patience (sd_watchdog_enabled(3))."""
    try:
        patience_s = int(os.environ["WATCHDOG_USEC"]) / 1e6
    except (KeyError, ValueError):
        return None
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    return patience_s / 2 if patience_s > 0 else None


def listen_fd(path: str) -> int | None:
    """The listening control socket, if systemd opened it for us and it still is the one that clients find at `path`.

    The caller holds the server's lock, so whoever else listens there can only be systemd. Where a server outside systemd has
    put its own socket in place, the one that we were given is out of everybody's reach, and None is returned.
    """
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or os.environ.get("LISTEN_FDS") != "1":
        return None
    try:
        # The agent must not keep it open: clients would connect to a server that is not there.
        os.set_inheritable(LISTEN_FD, False)
        # A client that is gone before it was accepted must not stop us.
        os.set_blocking(LISTEN_FD, False)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as probe:
            probe.setblocking(False)
            probe.connect(path)
    except BlockingIOError:
        return LISTEN_FD  # its queue is full, so somebody listens
    except OSError:
        return None
    return LISTEN_FD


def turn_away(descriptor: int) -> None:
    """Our last act before the lock is let go: end the connections that were made while we were leaving.

    Systemd would take them for a wish for a server: that of a Salloc which tells the end of its job to a server that it still sees.
    Who does want one starts it when its connection ends.
    """
    with contextlib.suppress(OSError), socket.socket(fileno=descriptor) as listening:
        listening.setblocking(False)
        while True:
            listening.accept()[0].close()
