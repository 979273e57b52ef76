"""Starting a server from a client: the user's systemd unit where there is one, else the daemon itself.

Loaded only by a client that found no server.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator

from jobd import locks, paths
from jobd.errors import ConfigError, JobdError, NoServer

UNIT = "jobd.service"
STARTS_MAX = 20  # for a unit that systemd takes for running though its server has just ended …
START_PAUSE_S = 0.05  # … and between two
_PR_SET_CHILD_SUBREAPER = 36
_PR_GET_CHILD_SUBREAPER = 37
HINT = "start one with: Sserver N, or systemctl --user start jobd"


def start_server(
    *, nb_proc: int | None = None, only_if_allowed: bool = False, is_starting: bool = True
) -> None:
    """Start a server and wait until it is ready. One that somebody else starts at the same instant is as good.

    Args:
        only_if_allowed: obey `autostart` of the configuration.

    Raises:
        NoServer: it may not or could not be started; the text has the reason.
    """
    if only_if_allowed and not (is_starting and is_autostart()):
        raise NoServer(f"no server runs ({HINT})")
    if nb_proc is None and has_unit():
        start_unit()
        return
    if "JOBD_JOB_ID" in os.environ:
        # As a process of the job it would keep the job's Salloc from ending, and would be ended with it.
        raise NoServer(f"no server runs, and from inside a job none is started ({HINT})")
    _start_daemon(nb_proc)


def is_autostart() -> bool:
    """Whether the configuration lets clients start a server (which is the default)."""
    import tomllib

    try:
        with open(paths.config_file(), "rb") as file:
            return tomllib.load(file).get("autostart", True) is not False
    except FileNotFoundError:
        return True
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{paths.config_file()}: {error}") from error


def has_manager() -> bool:
    """Whether the user's systemd manager seems to be there: its socket is."""
    return shutil.which("systemctl") is not None and os.path.exists(
        os.path.join(_manager_dir(), "systemd", "private")
    )


def has_unit() -> bool:
    """Whether the user's systemd manager is there and knows jobd.service."""
    return (
        has_manager()
        and systemctl("show", "--property=LoadState", "--value", UNIT).stdout.strip() == "loaded"
    )


def systemctl(*arguments: str, is_offline: bool = False) -> "subprocess.CompletedProcess[str]":
    """Run `systemctl --user`; what it says is in its output, for the caller to judge.

    Args:
        is_offline: work on the unit files without a manager (enable and disable can).

    Raises:
        NoServer: systemctl cannot be run.
    """
    environment = dict(os.environ)
    if has_manager():
        # Where the variable is unset (cron, su) systemctl would not find the manager that we found.
        environment["XDG_RUNTIME_DIR"] = _manager_dir()
    if is_offline:
        environment["SYSTEMD_OFFLINE"] = "1"
    try:
        return subprocess.run(
            ["systemctl", "--user", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            env=environment,
            check=False,
        )
    except OSError as error:
        raise NoServer(f"systemctl cannot be run: {error.strerror}") from error


def start_unit() -> None:
    """Start jobd.service and return when the server is ready.

    Raises:
        NoServer: it does not start; the text has the server's own reason where it gave one.
    """
    for _ in range(STARTS_MAX):
        done = systemctl("start", UNIT)
        if done.returncode != 0 and _unit_says("Result") == "start-limit-hit":
            # The limit is for crashes. This start is one that somebody asked for.
            systemctl("reset-failed", UNIT)
            done = systemctl("start", UNIT)
        if done.returncode != 0:
            lines = done.stderr.strip().splitlines()
            reason = _unit_says("StatusText") or (lines[0] if lines else "failed")
            raise NoServer(
                f"jobd.service does not start: {reason} (journalctl --user-unit jobd may tell more)"
            )
        if locks.holder(paths.server_lock()) is not None:
            return
        # systemd had not noticed yet that the last server ended, and thought that there was nothing to do.
        time.sleep(START_PAUSE_S)
    raise NoServer(f"jobd.service runs, but not in {paths.runtime_dir()} (systemctl --user status jobd)")


def _unit_says(name: str) -> str:
    return systemctl("show", f"--property={name}", "--value", UNIT).stdout.strip()


def _manager_dir() -> str:
    """The folder in which the user's systemd manager has its socket, if it runs."""
    return os.path.dirname(paths.runtime_dir())


def _start_daemon(nb_proc: int | None) -> None:
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    # Through a shell that ends at once, so that the server is nobody's child: a Salloc that starts it would else wait for its end.
    command = ["/bin/sh", "-c", '"$@" &', "sh"]
    command += [sys.executable, "-m", "jobd.daemon.main", "--ready-fd", str(writer)]
    if nb_proc is not None:
        command += ["--nb-proc", str(nb_proc)]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("JOBD_")}
    try:
        paths.make_private(paths.state_dir())
        with _no_subreaper():
            subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=environment,
                cwd="/",
                pass_fds=(writer,),
                start_new_session=True,
                check=False,
            )
    except (OSError, JobdError) as error:
        raise NoServer(f"the server cannot be started: {error}") from error
    finally:
        os.close(writer)
    with os.fdopen(reader, encoding="utf-8", errors="replace") as file:
        line = file.readline().strip()  # the end of the pipe if it dies
    # One that somebody else has started just now is as good, if it is of this runtime folder.
    is_ours = "runs already" in line and paths.server_lock() in line
    if line != "ready" and not is_ours and paths.config_file() in line:
        raise ConfigError(line.removeprefix("jobd: "))
    if line != "ready" and not is_ours:
        raise NoServer(
            line.removeprefix("jobd: ") or f"the server ended at once (see {paths.log_file('jobd')})"
        )


@contextlib.contextmanager
def _no_subreaper() -> Iterator[None]:
    """A Salloc adopts the orphans among its descendants; the server must not be one of them (prctl(2))."""
    import ctypes

    prctl = ctypes.CDLL(None).prctl
    was = ctypes.c_int(0)
    prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(was), 0, 0, 0)
    prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
    try:
        yield
    finally:
        prctl(_PR_SET_CHILD_SUBREAPER, was.value, 0, 0, 0)
