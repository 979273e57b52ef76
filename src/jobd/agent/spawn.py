"""Starts the process of a batch job: its folder, umask, processors, files and environment, by posix_spawn.

posix_spawn, since a fork of a grown Python costs ten times as much. What it cannot set for the child the agent sets for itself
around the spawn, and its processors for the thread that spawns (hand.py); nothing else happens meanwhile, so nobody sees that.
"""

import contextlib
import errno
import logging
import os
import resource
import signal
import time
from typing import NamedTuple

from jobd import task_pid
from jobd.agent.hand import Hand
from jobd.agent.lanes import Lanes
from jobd.agent.postponed import is_passing
from jobd.agent.processes import look_up
from jobd.agent.streams import StreamError, Streams, open_streams
from jobd.states import Cause
from jobd.wire.batch import Launch

log = logging.getLogger("jobd.agent")

UMASK = 0o077  # the agent's own
PATH_DEFAULT = "/usr/local/bin:/usr/bin:/bin"  # where the captured environment has none
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
NOT_FOUND = 127  # exit codes as shells have them
NOT_EXECUTABLE = 126
# What Python and the agent ignore or handle; a job starts with all of it as usual.
_DEFAULT_SIGNALS = [
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGPIPE,
    signal.SIGCHLD,
    signal.SIGXFSZ,
    signal.SIGUSR1,
    signal.SIGUSR2,
]
_NOT_EXECUTABLE_ERRORS = (errno.EACCES, errno.EPERM, errno.EISDIR, errno.ELIBBAD, errno.E2BIG, errno.ETXTBSY)


class Spawned(NamedTuple):
    """It runs."""

    pid: int
    start_ticks: int
    unenforced: list[str]


class NotSpawned(NamedTuple):
    """It does not, and this is its end."""

    cause: Cause  # LAUNCH; or SELF where the code is a shell's for a command that cannot be run
    exit_code: int | None
    text: str
    is_passing: bool = False  # it may be that it can be started later


class Spawner:
    """What is the same for all spawns: /dev/null, the agent's own processors and limits."""

    def __init__(self, *, nofile_soft: int, lanes: Lanes | None = None) -> None:
        """
        Args:
            nofile_soft: the soft limit of open files with which the agent was started; programs expect a small one.
            lanes: follow what is started; None: nobody does.
        """
        self.lanes = lanes or Lanes(lambda _: None, most=0)
        self._null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        self._own_cpus = os.sched_getaffinity(0)
        self._hand = Hand()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._own_nofile = (soft, hard)
        self._nofile = (min(nofile_soft, soft), hard)

    def close(self) -> None:
        """Let go of /dev/null."""
        self._hand.close()
        self.lanes.close()
        os.close(self._null)

    def spawn(self, launch: Launch, environment: dict[str, str], script: str) -> Spawned | NotSpawned:
        """Start it.

        Args:
            environment: as it was captured; it stays as it is.
            script: path of the script, "" for a command.
        """
        unenforced: list[str] = []
        streams: Streams | None = None
        cpus = set(launch.cpus or launch.all_cpus) or self._own_cpus
        os.umask(launch.umask & 0o777)
        try:
            try:
                os.chdir(launch.cwd or "/")
            except (OSError, ValueError) as error:
                return _failure(f"cannot enter {launch.cwd}: {_text(error)}")
            try:
                streams = open_streams(
                    launch.stdin,
                    launch.stdout,
                    launch.stderr,
                    is_appending=launch.is_appending,
                    null=self._null,
                )
            except StreamError as error:
                return NotSpawned(Cause.LAUNCH, None, str(error), error.is_passing)
            hand = self.lanes.free() or self._hand
            try:
                hand.bind(cpus)
            except OSError as error:
                unenforced.append(f"processors: {_text(error)}")
                with contextlib.suppress(OSError):  # those of our start may be out of reach by now, too
                    hand.bind(os.sched_getaffinity(os.getpid()))
            if self._nofile != self._own_nofile:
                resource.setrlimit(resource.RLIMIT_NOFILE, self._nofile)
            variables = with_variables(environment, launch)
            before = _ticks()
            done: int | NotSpawned = hand.do(lambda: _run(launch, variables, script, streams))
            after = _ticks()
        finally:
            if self._nofile != self._own_nofile:
                resource.setrlimit(resource.RLIMIT_NOFILE, self._own_nofile)
            if streams is not None:
                streams.close(self._null)
            os.chdir("/")  # a folder that somebody is in cannot be unmounted
            os.umask(UMASK)
        if isinstance(done, NotSpawned):
            return done
        return Spawned(done, before if before == after else _start_ticks(done), unenforced)


def keep_descriptors() -> None:
    """No job inherits what the agent was started with: files and sockets of a terminal, a server, a test."""
    for name in os.listdir("/proc/self/fd"):
        try:
            if int(name) > 2:
                os.set_inheritable(int(name), False)
        except OSError:
            continue  # that of the list itself


def with_variables(environment: dict[str, str], launch: Launch) -> dict[str, str]:
    """The environment of the job: what was captured, the server's variables over it, the marker over all.

    A name that begins with `?` counts only where the captured environment has not set it.
    """
    variables = dict(environment)
    texts = iter(launch.variables)
    for name, value in zip(texts, texts, strict=False):
        if name.startswith("?"):
            variables.setdefault(name[1:], value)
        else:
            variables[name] = value
    variables["JOBD_JOB_ID"] = str(launch.job_id)
    variables["JOBD_ATTEMPT"] = str(launch.attempt)
    variables["JOBD_SERVER"] = launch.server_id
    variables.pop("JOBD_STEP_ID", None)  # that of an Srun from inside which it was submitted
    return variables


def _run(launch: Launch, environment: dict[str, str], script: str, streams: Streams) -> int | NotSpawned:
    """The pid. The shell's way of failing, and of running a script without #!."""
    arguments = [script, *launch.argv[1:]] if script else list(launch.argv)
    if not arguments or not arguments[0]:
        return _failure("there is no command")
    path = script or _find(arguments[0], environment.get("PATH", PATH_DEFAULT))
    if not path:
        return _shell_failure(streams.stderr, NOT_FOUND, arguments[0], "command not found")
    try:
        try:
            return _posix_spawn(path, arguments, environment, streams)
        except OSError as error:
            if error.errno != errno.ENOEXEC:
                raise
            return _posix_spawn("/bin/sh", ["/bin/sh", path, *arguments[1:]], environment, streams)
    except ValueError as error:  # a zero byte, a name with `=`
        return _failure(f"the command or its environment cannot be passed on: {error}")
    except OSError as error:
        if error.errno == errno.ENOENT:
            what = "no such file" if not os.path.exists(path) else "its interpreter (#!) is not there"
            return _shell_failure(streams.stderr, NOT_FOUND, arguments[0], what)
        if error.errno in _NOT_EXECUTABLE_ERRORS:
            return _shell_failure(streams.stderr, NOT_EXECUTABLE, arguments[0], _text(error))
        text = f"cannot start {arguments[0]}: {_text(error)}"
        return NotSpawned(Cause.LAUNCH, None, text, is_passing(error))


def _posix_spawn(path: str, arguments: list[str], environment: dict[str, str], streams: Streams) -> int:
    if environment.get(task_pid.NAME) == task_pid.UNKNOWN:
        arguments = task_pid.told([path, *arguments[1:]], environment)
        path = arguments[0]
    if streams.fifo:
        # The shell waits for the other end, in the job's place and under its pid.
        arguments = ["/bin/sh", "-c", 'exec "$@" <"$0"', streams.fifo, path, *arguments[1:]]
        path = "/bin/sh"
    return os.posix_spawn(
        path,
        arguments,
        environment,
        file_actions=[
            (os.POSIX_SPAWN_DUP2, streams.stdin, 0),
            (os.POSIX_SPAWN_DUP2, streams.stdout, 1),
            (os.POSIX_SPAWN_DUP2, streams.stderr, 2),
        ],
        setsid=True,
        setsigmask=[],
        setsigdef=_DEFAULT_SIGNALS,
    )


def _find(name: str, search: str) -> str:
    """The program of that name, as execvp(3) finds it, but in the PATH of the job; "" if there is none.

    One that is there and may not be executed is found last, so that this can be said.
    """
    if "/" in name:
        return name
    seen = ""
    for folder in search.split(":"):
        path = os.path.join(folder or ".", name)
        if os.access(path, os.X_OK) and not os.path.isdir(path):
            return path
        if not seen and os.path.isfile(path):
            seen = path
    return seen


def _ticks() -> int:
    """Now, as the kernel notes the start of a process (proc(5), starttime): clock ticks since boot."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) * _TICKS_PER_S // 1_000_000_000


def _start_ticks(pid: int) -> int:
    process = look_up(pid)  # a zombie at worst: nobody but us reaps it
    return process.start_ticks if process is not None else 0


def _failure(text: str) -> NotSpawned:
    return NotSpawned(Cause.LAUNCH, None, text)


def _shell_failure(stderr: int, code: int, name: str, what: str) -> NotSpawned:
    try:
        os.write(stderr, os.fsencode(f"jobd: {name}: {what}\n"))
    except OSError as error:
        log.info("%s: %s; and its output takes nothing: %s", name, what, error.strerror)
    return NotSpawned(Cause.SELF, code, f"{name}: {what}")


def _text(error: OSError | ValueError) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
