"""Every path that jobd uses, and the check that a folder is ours alone.

The folders follow the XDG base directory specification. Where its variables are unset (cron, su), the runtime
folder is /run/user/UID if that is there and ours, else a folder below the state folder. Never /tmp: a
folder that others can write to could hold somebody else's socket.
"""

import os
import stat

from jobd.errors import PathError
from jobd.limits import SOCKET_PATH_BYTES_MAX


def runtime_dir() -> str:
    """The folder of sockets and locks; not necessarily there yet."""
    base = os.environ.get("XDG_RUNTIME_DIR", "")
    if os.path.isabs(base):
        return os.path.join(base, "jobd")
    base = f"/run/user/{os.getuid()}"
    try:
        if os.stat(base).st_uid == os.getuid():
            return os.path.join(base, "jobd")
    except OSError:
        pass
    return os.path.join(state_dir(), "run")


def state_dir() -> str:
    """The folder of the journal and the log; it must outlive a reboot."""
    return os.path.join(_home("XDG_STATE_HOME", ".local/state"), "jobd")


def config_file() -> str:
    """The configuration; it need not exist."""
    return os.path.join(_home("XDG_CONFIG_HOME", ".config"), "jobd", "config.toml")


def unit_dir() -> str:
    """Where the user's own systemd units live (systemd.unit(5))."""
    return os.path.join(_home("XDG_CONFIG_HOME", ".config"), "systemd", "user")


def slurm_names_dir() -> str:
    """The private folder of Slurm's names (jobctl slurm-names --env)."""
    return os.path.join(_home("XDG_DATA_HOME", ".local/share"), "jobd", "slurm-names")


def control_socket() -> str:
    """The socket that answers requests."""
    return os.path.join(runtime_dir(), "control.sock")


def events_socket() -> str:
    """The socket that publishes events."""
    return os.path.join(runtime_dir(), "events.sock")


def agents_socket() -> str:
    """The socket to which agents connect."""
    return os.path.join(runtime_dir(), "agents.sock")


def server_lock() -> str:
    """Locked by the one living server of a runtime folder."""
    return os.path.join(runtime_dir(), "jobd.lock")


def agent_lock() -> str:
    """Locked by the one living agent of a runtime folder."""
    return os.path.join(runtime_dir(), "agent.lock")


def notes_dir() -> str:
    """Where each running Salloc keeps its note (wire/notes.py)."""
    return os.path.join(runtime_dir(), "notes")


def journal_file() -> str:
    """The SQLite file with all that is remembered."""
    return os.path.join(state_dir(), "journal.sqlite")


def launch_book() -> str:
    """What the agent remembers of the batch jobs that it runs; it outlives a logout, which removes the runtime folder."""
    return os.path.join(state_dir(), "launches")


def launch_book_lock() -> str:
    """Locked by the one agent that writes the launch book."""
    return os.path.join(state_dir(), "launches.lock")


def spool_dir() -> str:
    """The scripts of batch jobs that run."""
    return os.path.join(state_dir(), "spool")


def log_file(program: str) -> str:
    """Where a daemon without systemd's journal logs."""
    return os.path.join(state_dir(), f"{program}.log")


def ipc(path: str) -> str:
    """The ZeroMQ endpoint of a socket file.

    Raises:
        PathError: the path is longer than a unix socket may have.
    """
    if len(os.fsencode(path)) > SOCKET_PATH_BYTES_MAX:
        raise PathError(
            f"socket path too long ({len(os.fsencode(path))} bytes, at most {SOCKET_PATH_BYTES_MAX}): "
            f"{path} (set XDG_RUNTIME_DIR to a shorter folder)"
        )
    return f"ipc://{path}"


def make_private(folder: str) -> str:
    """Make `folder` (0700) if it is missing, and check that it is a folder of ours that others cannot write to.

    Raises:
        PathError: it cannot be made or is not ours alone.
    """
    try:
        os.makedirs(os.path.dirname(folder), mode=0o700, exist_ok=True)
        try:
            os.mkdir(folder, 0o700)
        except FileExistsError:
            pass
        check_private(folder)
        mode = os.stat(os.path.dirname(folder)).st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            # Who may rename our folder away may put another in its place.
            raise PathError(
                f"everybody can write to {os.path.dirname(folder)} (chmod o-w {os.path.dirname(folder)})"
            )
    except OSError as error:
        raise PathError(f"cannot make {folder}: {error.strerror}") from error
    return folder


def check_private(folder: str) -> None:
    """Check that `folder` is a folder, ours, and not writable by others; its mode is narrowed to 0700.

    Raises:
        PathError: it is not.
        OSError: it is not there.
    """
    status = os.lstat(folder)
    if not stat.S_ISDIR(status.st_mode):
        raise PathError(f"not a folder: {folder} (a link or file is not trusted there)")
    if status.st_uid != os.getuid():
        raise PathError(f"not ours: {folder} belongs to uid {status.st_uid}, we are {os.getuid()}")
    if status.st_mode & 0o022:
        raise PathError(f"others can write to {folder} (chmod 700 {folder})")
    if stat.S_IMODE(status.st_mode) != 0o700:
        os.chmod(folder, 0o700)


def _home(variable: str, default: str) -> str:
    base = os.environ.get(variable, "")
    if os.path.isabs(base):
        return base
    home = os.environ.get("HOME", "")
    if not os.path.isabs(home):
        import pwd  # only where HOME is unset

        home = pwd.getpwuid(os.getuid()).pw_dir
    return os.path.join(home, default)
