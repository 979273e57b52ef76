"""jobctl notify: mail and other notices about jobs. A client of the server and a process of its own: whatever becomes of it, jobs run on.

docs/notify.md is for its users.
"""

import argparse
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from jobd import __version__, manager
from jobd.errors import ConfigError, JobdError, Refused, UsageError
from jobd.parsing import Parser

if TYPE_CHECKING:
    from jobd.notify.config import Config

PATIENCE_S = 20.0  # at the end, for the letter that is under way


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = Parser(
        prog="jobctl notify",
        description="Send mail and other notices about jobs, as they ask for it with --mail-type and --mail-user, and as notify.toml says. "
        "Without an option it runs until it is ended; jobd-notify.service has it run always.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--test", metavar="ADDRESS|URL", help="send a notice there now, and say whether it was taken"
    )
    parser.add_argument(
        "--check", action="store_true", help="say whether notify.toml is right, and where notices go"
    )
    parser.add_argument(
        "--config", metavar="FILE", help="read FILE instead of notify.toml in the folder of the configuration"
    )
    parser.add_argument("--version", action="version", version=f"jobctl notify {__version__}")
    return parser


def main(argv: Sequence[str]) -> int:
    """Do it; the exit code.

    Raises:
        JobdError: the configuration cannot be used, or a test failed.
    """
    options = build_parser().parse_args(argv)
    if options.test is not None and options.check:
        raise UsageError("--test and --check: one of the two")
    from jobd.notify import config as configuration

    config = configuration.load(options.config)
    configuration.check_files(config)
    if options.check:
        return _check(config)
    if options.test is not None:
        return _test(config, options.test)
    return _serve(config)


def log(text: str) -> None:
    """A line for systemd's journal, or a terminal."""
    from jobd.notify.message import one_line

    try:
        sys.stderr.write(f"jobd-notify: {one_line(text, 1000)}\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        pass


def _check(config: "Config") -> int:
    from jobd.notify import senders, store, words
    from jobd.notify.config import SMTP

    is_there = os.path.exists(config.path)
    print(f"{config.path}: {'fine' if is_there else 'there is none; this is what holds without it'}")
    found = senders.transports_of(config)
    for transport in found:
        print(f"notices go to: {transport.text}")
    if config.mail is not None:
        to = senders.receivers_of(config, (), log)
        hint = (
            ""
            if all("@" in one for one in to) or config.mail.kind != SMTP
            else " (set mail.to or mail.domain?)"
        )
        print(f"mail for jobs without --mail-user: {', '.join(to)}{hint}")
    for rule in config.rules:
        names = f" named {', '.join(rule.names)}" if rule.names else ""
        ran = f" that ran for {rule.min_run_s:.0f} s or more" if rule.min_run_s else ""
        print(f"jobs{names} without --mail-type{ran}: {', '.join(sorted(rule.kinds)) or 'nothing'}")
    pid = store.running_pid()
    print("jobd-notify does not run" if pid is None else f"jobd-notify runs (pid {pid})")
    for waits in store.waiting():
        kind = waits.transport.partition(":")[0]
        print(f"waiting to be sent by {kind}: {waits.count}, the oldest since {words.time_text(waits.since)}")
    if not found:
        raise ConfigError(
            f"no way out: there is no local sendmail, and {config.path} has no notify = […] (docs/notify.md)"
        )
    return 0


def _test(config: "Config", where: str) -> int:
    from jobd.notify import senders
    from jobd.notify.config import SENDMAIL, SMTP, mail_server
    from jobd.notify.message import checked_address, own_user
    from jobd.notify.sendmail import Sendmail
    from jobd.notify.services import Service
    from jobd.notify.smtp import Smtp
    from jobd.notify.store import Letter
    from jobd.notify.transport import Never, NotNow, Transport, Trouble

    receivers = [""]
    transport: Transport
    is_mail_url = where.partition(":")[0].lower() in ("smtp", "smtps", SENDMAIL) and ":" in where
    if "://" in where and not is_mail_url:
        transport = Service(where)
    else:
        server = mail_server(where) if is_mail_url else config.mail
        if server is None:
            raise ConfigError(
                f"no way for mail: there is no local sendmail, and {config.path} names no mail server (docs/notify.md)"
            )
        if server.user and not config.password_file:
            raise ConfigError(f"{config.path}: mail: {server.user}@{server.host} needs a password_file")
        transport = (Smtp if server.kind == SMTP else Sendmail)(config, server)
        receivers = senders.receivers_of(config, () if is_mail_url else (checked_address(where),), log)
    now_s = time.time()
    body = f"This is a test by {own_user()}. Notices of jobd arrive here.\n"
    try:
        for receiver in receivers:
            key = f"test/{os.urandom(8).hex()}"
            transport.send(
                Letter(0, key, transport.name, receiver, "jobd: a test", body, "TEST", now_s, 0, 0.0)
            )
            print(f"sent{f' to {receiver}' if receiver else ''}: {transport.text}")
    except (Never, NotNow, Trouble) as error:
        raise Refused(f"{transport.text}: {error}") from None
    finally:
        transport.rest()
    return 0


def _at_signal(act: Callable[[], None]) -> None:
    """Do that at TERM, INT or HUP, in a thread of its own.

    A handler of Python's runs only when the main thread comes back from its poll; a signal that comes just before that poll would wait for
    the next event.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, frame: None)
    signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)

    def wait() -> None:
        while reader.recv(1):
            act()
        writer.close()  # never, but it has to be kept till then

    threading.Thread(target=wait, name="signals", daemon=True).start()


def _serve(config: "Config") -> int:
    from jobd.notify.follow import Follower
    from jobd.notify.senders import Senders
    from jobd.notify.store import Store

    store = Store()
    if store.put_aside:
        log(f"what was remembered is damaged, and put aside as {store.put_aside}: what waited there is lost")
    try:
        senders = Senders(config, store, log)
        follower = Follower(config, store, senders, log)
        _at_signal(follower.end)
        senders.on_damage(follower.end)
        log(f"runs; notices go to: {', '.join(senders.texts)}")
        senders.start()
        try:
            follower.run(ready=lambda: manager.tell("READY=1"))
        finally:
            manager.tell("STOPPING=1")
            senders.end(PATIENCE_S)
        if store.is_damaged:  # the next start begins a new file
            raise JobdError(f"{store.path} is damaged")
    finally:
        store.close()
    return 0


__all__ = ["JobdError", "build_parser", "main"]
