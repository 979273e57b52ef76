"""jobctl web: serve the page until told to end. Its libraries come with an extra, so they are loaded only once all else is in order."""

import argparse
import os
import socket
import stat
import sys
from collections.abc import Sequence
from typing import Any

from jobd import manager
from jobd.errors import ConfigError, PathError, UsageError
from jobd.extras import require
from jobd.limits import SOCKET_PATH_BYTES_MAX
from jobd.parsing import Parser

DESCRIPTION = """Serve a page that shows the queue, each job with its output, the history and the machine: on this machine only (127.0.0.1, or a unix
socket). It is for reading, but for what web.toml allows. Its address, which --address prints, has a token in it; whoever has that may look."""


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = Parser(prog="jobctl web", description=DESCRIPTION, allow_abbrev=False)
    parser.add_argument("--port", type=int, metavar="N", help="the port on 127.0.0.1 (default: 8000)")
    parser.add_argument("--socket", metavar="PATH", help="a unix socket instead")
    parser.add_argument(
        "--allow",
        action="append",
        metavar="ACTION",
        help="let the page do this, in place of what web.toml says: cancel, hold, release, rerun, set-nb-proc, delete, all; may be"
        " given several times",
    )
    parser.add_argument(
        "--read-only", action="store_true", help="let the page do nothing, whatever web.toml says"
    )
    parser.add_argument(
        "--config", metavar="FILE", help="settings, in place of web.toml in the configuration folder"
    )
    parser.add_argument(
        "--qm", metavar="FILE", help="a QMserv.cfg, of which the section WEB_QMserver is read"
    )
    parser.add_argument("--address", action="store_true", help="print the address with its token, and leave")
    parser.add_argument(
        "--new-token", action="store_true", help="make a new token: who has the old one stays out"
    )
    return parser


def main(argv: Sequence[str]) -> int:
    """Serve; the exit code.

    Raises:
        JobdError: a setting is wrong, a library is missing, or the address is taken.
    """
    options = build_parser().parse_args(argv)
    require("web", "starlette", "uvicorn", "jinja2")
    config = _config(options)
    from jobd.web.security import token_of

    token = token_of(is_new=options.new_token)
    if options.address:
        print(address_of(config, token))
        return 0
    from jobd.web.serving import serve

    listener = _listen(config)

    def tell() -> None:
        manager.tell("READY=1")
        # Not the token where it would stay, as in the log of a unit.
        is_terminal = sys.stdout.isatty()
        print(f"jobctl web: {address_of(config, token if is_terminal else '')}", flush=True)
        if not is_terminal:
            print("jobctl web: jobctl web --address prints it with its token", flush=True)

    return serve(config, token, listener, tell)


def _config(options: argparse.Namespace) -> Any:
    from jobd.web import config

    path = options.config or config.config_file()
    table = config.from_qm(options.qm) if options.qm else {}
    if options.config and not os.path.exists(options.config):
        raise ConfigError(f"{options.config}: there is no such file")
    table |= config.load(path)
    if options.port is not None and not 1 <= options.port <= 65535:
        raise UsageError(f"--port is from 1 to 65535, not {options.port}")
    if options.port is not None:
        table["port"] = options.port
        table.pop("socket", None)
    if options.socket is not None:
        table["socket"] = os.path.abspath(options.socket)
    if options.allow is not None:
        table["allow"] = options.allow
    if options.read_only:
        table["allow"] = []
    return config.from_table(table, path)


def address_of(config: Any, token: str) -> str:
    """Where the page is, with the token if one is given."""
    query = f"?token={token}" if token else ""
    if config.socket:
        # A browser reaches it through ssh -L or a web server; the name is one that is always answered to.
        return f"{config.socket} (as http://localhost/{query})"
    host = f"[{config.host}]" if ":" in config.host else config.host
    return f"http://{host}:{config.port}/{query}"


def _listen(config: Any) -> socket.socket:
    """The socket, bound, so that an address that is taken is told in one line.

    Raises:
        PathError: it cannot be.
    """
    where = config.socket or f"{config.host}:{config.port}"
    try:
        if config.socket:
            return _listen_unix(config.socket)
        family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
        # Named as TCP, so that asyncio switches Nagle's pauses off: 40 ms for each answer otherwise.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # A browser that neither reads nor goes is let go by the kernel.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 120_000)
        listener.bind(("127.0.0.1" if config.host == "localhost" else config.host, config.port))
        listener.listen(128)
        return listener
    except OSError as error:
        raise PathError(f"cannot listen on {where}: {error.strerror or error}") from error


def _listen_unix(path: str) -> socket.socket:
    """A unix socket that only we can connect to. One that a dead page has left is taken over; of a living one it is told."""
    if len(os.fsencode(path)) > SOCKET_PATH_BYTES_MAX:
        raise PathError(f"socket path too long: {path} (at most {SOCKET_PATH_BYTES_MAX} bytes)")
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise PathError(f"{path}: there is something else, no socket")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(1.0)
            try:
                probe.connect(path)
            except ConnectionRefusedError:
                os.unlink(path)
            else:
                raise PathError(f"cannot listen on {path}: another page is there")
    except FileNotFoundError:
        pass
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(path)
    finally:
        os.umask(before)
    listener.listen(128)
    return listener
