"""What systemd is told: sd_notify(3), one datagram each. Without NOTIFY_SOCKET nothing is said."""

import os
import socket


def notify(text: str) -> None:
    """Tell the service manager, if there is one."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        try:
            sock.sendto(text.encode(), address)
        except OSError:
            pass  # a manager that went away needs no news


def watchdog_s() -> float | None:
    """Seconds between two signs of life that systemd wants to see: half of its patience (sd_watchdog_enabled(3))."""
    try:
        patience_s = int(os.environ["WATCHDOG_USEC"]) / 1e6
    except (KeyError, ValueError):
        return None
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    return patience_s / 2 if patience_s > 0 else None


def listen_fd() -> int | None:
    """The listening control socket, if systemd opened it for us (sd_listen_fds(3))."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or os.environ.get("LISTEN_FDS") != "1":
        return None
    return 3
