"""jobctl install-units: put the units of the server, and of the programs around it, where the user's systemd finds them, or take them away.

A unit that we wrote carries a digest of itself, so that one the user has edited is known from one of an older jobd: the first is
kept as a copy and named, the second is replaced. Everything works without a manager too, but then nothing is started.
"""

import hashlib
import os
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from jobd import locks, paths
from jobd.errors import JobdError, PathError, UsageError
from jobd.start import has_manager, start_unit, systemctl

SERVICE = "jobd.service"
SOCKET = "jobd.socket"
UNITS = (SERVICE, SOCKET)
PROGRAMS = (
    "spool",
    "notify",
    "web",
)  # those around the server: jobd-NAME.service runs jobctl NAME, if it is wanted
WANTS = ("sockets.target.wants", "default.target.wants")  # where enabling puts links

MARK = "# Written by jobctl install-units, digest "
DIGEST_CHARS = 16
DEFAULT_EXEC = re.compile(
    r"^ExecStart=%h/\.local/bin/(jobd|jobctl)(?= |$)", re.MULTILINE
)  # what is filled in
LINGER_DIR = "/var/lib/systemd/linger"


def install(*, is_enabling: bool, is_starting: bool, is_removing: bool, also: Sequence[str] = ()) -> int:
    """Do it, and say in a line each what was done; the exit code.

    Args:
        also: which of PROGRAMS are to run, from now on and after each login.
        is_enabling: let the first client start the server, from now on and after each login.
        is_starting: start the server as a unit now; one that runs otherwise hands over to it.
        is_removing: take the units away.

    Raises:
        JobdError: what cannot be done, in one line. Files that were put in place stay.
    """
    if is_removing:
        if is_enabling or is_starting or also:
            raise UsageError(
                "--remove goes with neither --enable nor --now" + (" nor --also" if also else "")
            )
        _remove()
        return 0
    wanted = [unit_of(name) for name in dict.fromkeys(also)]
    for name in wanted:
        if name not in _units():
            raise UsageError(f"this installation has no {name}")
    changed = _place()
    has_systemctl = shutil.which("systemctl") is not None
    if has_manager():
        _systemctl("daemon-reload")
        if is_enabling:
            _systemctl("enable", SOCKET)
        if is_enabling or is_starting:
            _start(is_enabling=is_enabling, is_starting=is_starting)
        elif set(UNITS) & set(changed) and _is_active(SERVICE):
            print("the running server keeps what it was started with until: systemctl --user restart jobd")
        for name in wanted:
            _run_always(name, has_changed=name in changed)
        for name in changed:
            if name not in (*UNITS, *wanted) and _is_active(name):
                print(f"{name} keeps what it was started with until: systemctl --user restart {name}")
    elif (is_enabling or wanted) and has_systemctl:
        _systemctl("enable", *([SOCKET] if is_enabling else []), *wanted, is_offline=True)
        if is_enabling:
            print(f"enabled {SOCKET}: after the next login the first client starts the server")
        for name in wanted:
            print(f"enabled {name}: it runs after the next login")
    elif is_enabling or wanted:
        raise JobdError("the units are in place but not enabled: systemctl is not on PATH (no systemd here?)")
    if not has_manager():
        if is_starting:
            raise JobdError(
                f"the units are in place but not started: no systemd user manager runs in {_manager_dir()} (Sserver N starts a server without one)"
            )
        print(f"no systemd user manager runs in {_manager_dir()}: the units count after the next login")
    _tell_about_linger()
    return 0


# ---- files
def unit_of(program: str) -> str:
    """The unit that runs one of PROGRAMS."""
    return f"jobd-{program}.service"


def _units() -> list[str]:
    """The units that this installation has."""
    shipped = _shipped()
    return [*UNITS, *(name for name in map(unit_of, PROGRAMS) if (shipped / name).is_file())]


def _place() -> list[str]:
    """Write the units; those that have changed."""
    folder = Path(paths.unit_dir())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [name for name in _units() if _place_one(folder / name, _text_of(name))]
    except OSError as error:
        raise PathError(f"{error.filename or folder}: {error.strerror}") from error


def _place_one(path: Path, text: str) -> bool:
    if _is_masked(path) and path.name not in UNITS:
        print(f"{path} is masked, and left alone")
        return False
    if _is_masked(path):
        raise PathError(f"{path} is masked (systemctl --user unmask {path.name})")
    new = _signed(text)
    old = _read(path)
    if old == new:
        print(f"{path} is up to date")
        return False
    if old is not None and not _is_ours(old):
        print(f"{path} was edited; your version is kept as {_set_aside(path)}")
    _write(path, new)
    print(f"wrote {path}")
    return True


def _read(path: Path) -> str | None:
    try:
        return path.read_text(errors="surrogateescape")
    except FileNotFoundError:
        return None


def _write(path: Path, text: str) -> None:
    """Put a file in place, whole or not at all; a link is replaced, not followed."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        temporary.write_text(text)
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def _set_aside(path: Path) -> Path:
    """Move a file out of the way, to a name that was free."""
    kept = path.with_name(f"{path.name}.bak")
    number = 1
    while os.path.lexists(kept):
        number += 1
        kept = path.with_name(f"{path.name}.bak{number}")
    path.rename(kept)
    return kept


def _is_masked(path: Path) -> bool:
    return path.is_symlink() and os.readlink(path) == os.devnull


def _signed(text: str) -> str:
    return f"{MARK}{_digest(text)}\n{text}"


def _is_ours(text: str) -> bool:
    """Whether this is just as some version of us wrote it."""
    first, _, rest = text.partition("\n")
    return first.startswith(MARK) and first.removeprefix(MARK) == _digest(rest)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:DIGEST_CHARS]


def _text_of(name: str) -> str:
    """A unit as shipped, with the path of this jobd filled in."""
    text = (_shipped() / name).read_text()
    if name == SOCKET:
        return text
    found = DEFAULT_EXEC.search(text)
    assert found is not None, name
    command = " ".join(_quoted(word) for word in _command(found[1]))
    return f"{text[: found.start()]}ExecStart={command}{text[found.end() :]}"


def _shipped() -> Path:
    """The folder of the units: in the package once it is installed, else beside it in the sources."""
    import jobd

    package = Path(os.path.dirname(os.path.abspath(jobd.__file__)))
    for folder in (package / "units", package.parents[1] / "contrib" / "systemd"):
        if (folder / SERVICE).is_file():
            return folder
    raise PathError(f"this installation has no units ({package / 'units'} is missing)")


def _command(name: str) -> list[str]:
    """How systemd is to start our jobd or jobctl: the program beside ours, which stays the same over an upgrade."""
    import sysconfig

    for folder in (os.path.dirname(os.path.abspath(sys.argv[0])), sysconfig.get_path("scripts")):
        program = os.path.join(folder, name)
        if os.access(program, os.X_OK) and os.path.isfile(program):
            return [program]
    if name == "jobctl":
        return [sys.executable, "-c", "from jobd.cli.jobctl import program; program()"]
    return [sys.executable, "-m", "jobd.daemon.main"]


def _quoted(word: str) -> str:
    """A word of a command line as systemd reads it (systemd.service(5), COMMAND LINES; systemd.unit(5), SPECIFIERS)."""
    word = word.replace("\\", "\\\\").replace("%", "%%").replace("$", "$$").replace('"', '\\"')
    return f'"{word}"' if any(char in word for char in " \t'\\;") else word


# ---- systemd
def _start(*, is_enabling: bool, is_starting: bool) -> None:
    """Start the socket, the server, or both. A server that runs already hands over to the unit: its jobs run on."""
    is_unit = _is_active(SERVICE)
    runs = locks.holder(paths.server_lock()) is not None
    needs_socket = is_enabling and not _is_active(SOCKET)
    # systemd refuses to listen for a unit that runs, and would take the socket file away from a server that is no unit.
    is_handing_over = runs and (needs_socket or (is_starting and not is_unit))
    if is_handing_over:
        _stop_server(is_unit=is_unit)
    try:
        if needs_socket:
            _systemctl("start", SOCKET)
        if is_enabling:
            print(f"enabled {SOCKET}: the first client starts the server, now and after each login")
    finally:
        if is_starting or is_handing_over:
            start_unit()
    if is_handing_over:
        print("the server that ran was stopped and started again as a unit; its jobs ran on")
    elif is_starting:
        print("the server runs already" if runs else "the server runs")


def _run_always(name: str, *, has_changed: bool) -> None:
    """Have one of the programs around the server run, now and after each login."""
    _systemctl("enable", name)
    try:
        _systemctl("restart" if has_changed else "start", name)
    except JobdError as error:
        reason = systemctl("show", "--property=StatusText", "--value", name).stdout.strip()
        raise JobdError(
            f"{name} is enabled but does not start{f': {reason}' if reason else ''} (journalctl --user-unit {name} may tell more)"
        ) from error
    print(f"enabled {name}: it runs, now and after each login")


def _stop_server(*, is_unit: bool) -> None:
    if is_unit:
        _systemctl("stop", SERVICE)
        return
    import select
    import signal

    pid = locks.holder(paths.server_lock())
    try:
        pidfd = None if pid is None else os.pidfd_open(pid)
    except ProcessLookupError:
        return
    if pidfd is not None:
        signal.pidfd_send_signal(pidfd, signal.SIGTERM)
        if not select.select([pidfd], [], [], 30)[0]:
            raise JobdError(f"the running server (pid {pid}) does not stop (Sserver -1)")
        os.close(pidfd)


def _remove() -> None:
    """Stop the server, disable and remove the units; jobs and their agent are left alone."""
    folder = Path(paths.unit_dir())
    known = [*UNITS, *map(unit_of, PROGRAMS)]
    there = [name for name in known if os.path.lexists(folder / name)]
    if not there:
        print(f"no units of jobd in {folder}")
        return
    if has_manager():
        programs = [name for name in there if name not in UNITS]
        if programs:
            _systemctl("stop", *programs)
            _systemctl("disable", *programs)
        # The socket first, or it would start the server again.
        _systemctl("stop", SOCKET, SERVICE)
        _systemctl("disable", SOCKET, SERVICE)
    try:
        for name in there:
            path = folder / name
            text = None if path.is_symlink() else _read(path)
            if text is not None and not _is_ours(text):
                print(f"{path} was edited; your version is kept as {_set_aside(path)}")
            else:
                path.unlink()
                print(f"removed {path}")
            for wants in WANTS:
                (folder / wants / name).unlink(missing_ok=True)
    except OSError as error:
        raise PathError(f"{error.filename or folder}: {error.strerror}") from error
    if has_manager():
        _systemctl("daemon-reload")
        # A unit that failed is remembered by name.
        systemctl("reset-failed", *there)


def _is_active(unit: str) -> bool:
    state = systemctl("show", "--property=ActiveState", "--value", unit).stdout.strip()
    return state in ("active", "activating", "reloading")


def _systemctl(*arguments: str, is_offline: bool = False) -> None:
    done = systemctl(*arguments, is_offline=is_offline)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["failed"]
        raise JobdError(f"systemctl --user {' '.join(arguments)}: {lines[0]}")


def _manager_dir() -> str:
    return os.path.dirname(paths.runtime_dir())


def _tell_about_linger() -> None:
    import pwd

    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = str(os.getuid())
    if os.path.isdir(os.path.dirname(LINGER_DIR)) and not os.path.exists(os.path.join(LINGER_DIR, user)):
        print(
            "note: some 10 s after your last logout systemd ends the server and all jobs, unless you may linger: "
            f"loginctl enable-linger {user} (needs polkit or root)"
        )
