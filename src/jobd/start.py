"""Starting a server from a client: the user's systemd unit where there is one, else the daemon itself.

Loaded only by a client that found no server.
"""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

from jobd import paths
from jobd.errors import ConfigError, JobdError, NoServer

_PR_SET_CHILD_SUBREAPER = 36
_PR_GET_CHILD_SUBREAPER = 37
HINT = "start one with: Sserver N, or systemctl --user start jobd"


def start_server(*, nb_proc: int | None = None, only_if_allowed: bool = False, is_starting: bool = True) -> None:
    """Start a server and wait until it is ready. One that somebody else starts at the same instant is as good.

    Args:
        only_if_allowed: obey `autostart` of the configuration.

    Raises:
        NoServer: it may not or could not be started; the text has the reason.
    """
    if only_if_allowed and not (is_starting and is_autostart()):
        raise NoServer(f"no server runs ({HINT})")
    if nb_proc is None and has_unit():
        _start_unit()
        return
    if "JOBD_JOB_ID" in os.environ and only_if_allowed:
        # As our child it would be a part of the job, and would end with it.
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


def has_unit() -> bool:
    """Whether the user's systemd manager is there and knows jobd.service."""
    base = os.path.dirname(paths.runtime_dir())
    if not os.path.exists(os.path.join(base, "systemd", "private")):
        return False
    systemctl = shutil.which("systemctl")
    if systemctl is None:
        return False
    found = subprocess.run(
        [systemctl, "--user", "show", "--property=LoadState", "--value", "jobd.service"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return found.returncode == 0 and found.stdout.strip() == "loaded"


def _start_unit() -> None:
    done = subprocess.run(
        ["systemctl", "--user", "start", "jobd.service"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise NoServer(
            f"systemctl --user start jobd: {done.stderr.strip().splitlines()[0] if done.stderr.strip() else 'failed'}"
            " (journalctl --user-unit jobd tells more)"
        )


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
    if line != "ready" and "runs already" not in line:
        raise NoServer(line.removeprefix("jobd: ") or f"the server ended at once (see {paths.log_file('jobd')})")


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
