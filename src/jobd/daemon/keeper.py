"""Keeps one agent alive: finds it, or starts it, and starts another when it dies.

Where the user's systemd manager can be reached the agent gets a delegated scope of its own (jobd-agent.scope), so that
stopping or killing jobd.service leaves it and its jobs alone. Elsewhere it is a daemon in a session of its own.

At any time an agent is followed by its pidfd, or the time of the next start is set, or both (started, and no hello yet).
"""

import logging
import os
import shutil
import signal
import sys

from jobd import locks, paths
from jobd.wire.messages import Hello

log = logging.getLogger("jobd.keeper")

PAUSE_FIRST_S = 0.05
PAUSE_MAX_S = 10.0  # between two starts of an agent that keeps dying
HELLO_S = 30.0  # for an agent to come up; systemd-run may hang with its manager
SCOPE_STOP_S = 60.0  # for the agent to end all jobs, beyond their grace, before systemd kills it

SCOPE = "jobd-agent"
# The last scope keeps the name while it is on its way out. The pauses between these add up to 1.6 s.
TRIES_OF_SCOPE = 6

# What belongs to the server, or to the job from inside which it happened to be started, and not to the agent.
_NOT_INHERITED = frozenset(
    {
        "NOTIFY_SOCKET",
        "WATCHDOG_USEC",
        "WATCHDOG_PID",
        "LISTEN_PID",
        "LISTEN_FDS",
        "LISTEN_FDNAMES",
        "INVOCATION_ID",
        "JOURNAL_STREAM",
        "MANAGERPID",
        "SYSTEMD_EXEC_PID",
    }
)


class Keeper:
    """The agent's pidfd for the poller, and when to start the next one."""

    def __init__(self, *, grace_s: float = 5.0) -> None:
        """
        Args:
            grace_s: between SIGTERM and SIGKILL of a job; systemd has to wait for longer than that.
        """
        self.pidfd: int | None = None
        self.start_at_s: float | None = 0.0  # monotonic; None: nothing to start
        self._grace_s = grace_s
        self._pause_s = PAUSE_FIRST_S
        self._child: int | None = None
        self._is_heard = False  # the followed one has said hello
        self._tries = 0  # since the last hello
        self._can_have_scope = True

    def start_if_due(self, mono_s: float) -> None:
        """Start an agent if it is time and none lives."""
        if self.start_at_s is None or mono_s < self.start_at_s:
            return
        if self._child is not None:
            log.warning("the agent (pid %d) has not come up for %.0f s and is killed", self._child, HELLO_S)
            os.kill(self._child, signal.SIGKILL)  # not reaped yet, so the number is still its own
            self.start_at_s = mono_s + HELLO_S  # its death plans the next, sooner
            if self.pidfd is None:
                os.waitpid(self._child, 0)
                self.hear_death(mono_s)
            return
        pid = _living_agent()
        if pid is not None and self._follow(pid):
            self.start_at_s = None  # it will say hello; if it dies first, we see it
            return
        self._start(mono_s)

    def hear_hello(self, hello: Hello) -> None:
        """An agent has come: follow it."""
        self._pause_s = PAUSE_FIRST_S
        self._tries = 0
        if self._child != hello.pid:
            self._reap()
        # One that has died since is missed at once, not when its connection is.
        self.start_at_s = None if self._follow(hello.pid) else 0.0
        self._is_heard = self.start_at_s is None

    def hear_death(self, mono_s: float) -> None:
        """The agent that was followed is gone: reap it if it was ours, and plan the next."""
        if self.pidfd is not None:
            os.close(self.pidfd)
            self.pidfd = None
        status = self._reap()
        if not self._is_heard and status not in (None, 0) and _living_agent() is None:
            log.warning("no agent came up (status %s; %s has more)", status, paths.log_file("jobd-agent"))
        self._is_heard = False
        self._plan_next(mono_s)

    def _plan_next(self, mono_s: float) -> None:
        self.start_at_s = mono_s + self._pause_s
        self._pause_s = min(PAUSE_MAX_S, self._pause_s * 2)

    def _reap(self) -> int | None:
        """The exit code of our child, negative for a signal; None if there is none or it lives."""
        if self._child is None:
            return None
        try:
            pid, status = os.waitpid(self._child, os.WNOHANG)
        except ChildProcessError:
            pid, status = self._child, 0
        if pid == 0:
            return None
        self._child = None
        return os.waitstatus_to_exitcode(status)

    def _follow(self, pid: int) -> bool:
        if self.pidfd is not None:
            os.close(self.pidfd)
        try:
            self.pidfd = os.pidfd_open(pid)
        except OSError:
            self.pidfd = None
        return self.pidfd is not None

    def _start(self, mono_s: float) -> None:
        command = [*self._scope(), sys.executable, "-m", "jobd.agent.main"]
        environment = {
            key: value
            for key, value in os.environ.items()
            if key not in _NOT_INHERITED and not key.startswith("JOBD_")
        }
        if len(command) > 3:
            # Where the variable is unset (cron, su) systemd-run would not find the manager that we found.
            environment["XDG_RUNTIME_DIR"] = _manager_dir()
        log_path = paths.log_file("jobd-agent")
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ]
        self._tries += 1
        self._is_heard = False
        try:
            self._child = os.posix_spawn(command[0], command, environment, file_actions=actions, setsid=True)
        except OSError as error:  # no memory, no process, a full disk: that passes
            log.error("no agent can be started: %s", error.strerror)
            self._plan_next(mono_s)
            return
        self._follow(self._child)
        self.start_at_s = mono_s + HELLO_S

    def _scope(self) -> list[str]:
        """The command that puts the agent into a scope; nothing where none can be had."""
        systemd_run = shutil.which("systemd-run")
        has_manager = os.path.exists(os.path.join(_manager_dir(), "systemd", "private"))
        if systemd_run is None or not has_manager or not self._can_have_scope:
            return []
        name = SCOPE
        if self._tries > TRIES_OF_SCOPE:
            log.warning("no scope can be had: the agent is a plain daemon, and ends with jobd.service")
            self._can_have_scope = False
            return []
        if self._tries == TRIES_OF_SCOPE:
            name = f"{SCOPE}-{os.getpid()}"
            log.warning("%s.scope cannot be had: trying %s.scope", SCOPE, name)
            self._pause_s = PAUSE_FIRST_S
        return [
            systemd_run,
            "--user",
            "--scope",
            "--quiet",
            "--collect",
            f"--unit={name}",
            "--description=jobd: watches and ends jobs; survives the server",
            "--property=Delegate=yes",
            "--property=TasksMax=infinity",
            f"--property=TimeoutStopSec={self._grace_s + SCOPE_STOP_S:.0f}",
            "--",
        ]


def _manager_dir() -> str:
    """The folder in which a systemd user manager of this runtime folder would have its socket."""
    return os.path.dirname(paths.runtime_dir())


def _living_agent() -> int | None:
    try:
        return locks.holder(paths.agent_lock())
    except OSError:
        return None
