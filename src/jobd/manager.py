"""A word to systemd, if it has started us (sd_notify(3))."""

import os
import socket


def tell(text: str) -> None:
    """Tell the service manager, if there is one: READY=1, STATUS=…, STOPPING=1."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.sendto(text.encode(errors="replace"), address)
    except OSError:
        pass  # a manager that went away needs no news
