"""Keeps one agent alive: finds it, or starts it, and starts another when it dies.

Where the user's systemd manager can be reached the agent gets a delegated scope of its own (jobd-agent.scope), so that
stopping or killing jobd.service leaves it and its jobs alone. Elsewhere it is a daemon in a session of its own.
"""

import logging
import os
import shutil
import sys

from jobd import locks, paths
from jobd.wire.messages import Hello

log = logging.getLogger("jobd.keeper")

PAUSE_FIRST_S = 0.05
PAUSE_MAX_S = 10.0  # between two starts of an agent that keeps dying

# What belongs to the server, or to the job from inside which it happened to be started, and not to the agent.
_NOT_INHERITED = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


class Keeper:
    """The agent's pidfd for the poller, and when to start the next one."""

    def __init__(self) -> None:
        self.pidfd: int | None = None
        self.start_at_s: float | None = 0.0  # monotonic; None: nothing to start
        self._pause_s = PAUSE_FIRST_S
        self._child: int | None = None
        self._scope_failed = False
        self._was_scope = False

    def start_if_due(self, mono_s: float) -> None:
        """Start an agent if it is time and none lives."""
        if self.start_at_s is None or mono_s < self.start_at_s:
            return
        self.start_at_s = None
        pid = locks.holder(paths.agent_lock())
        if pid is not None:  # it will say hello; if it dies first, we see it
            self._follow(pid)
            if self.pidfd is not None:
                return
        self._start()

    def hear_hello(self, hello: Hello) -> None:
        """An agent has come: follow it."""
        self._pause_s = PAUSE_FIRST_S
        self._follow(hello.pid)

    def hear_death(self, mono_s: float) -> None:
        """The agent that was followed is gone: reap it if it was ours, and plan the next."""
        if self.pidfd is not None:
            os.close(self.pidfd)
            self.pidfd = None
        if self._child is not None:
            try:
                _, status = os.waitpid(self._child, os.WNOHANG)
            except ChildProcessError:
                status = 0
            if self._was_scope and status not in (0, 9, 15):
                log.warning("no scope could be had (systemd-run: status %s): a plain daemon instead", status)
                self._scope_failed = True
            self._child = None
        self.start_at_s = mono_s + self._pause_s
        self._pause_s = min(PAUSE_MAX_S, self._pause_s * 2)

    def _follow(self, pid: int) -> None:
        if self.pidfd is not None:
            os.close(self.pidfd)
            self.pidfd = None
        try:
            self.pidfd = os.pidfd_open(pid)
        except OSError:
            self.pidfd = None

    def _start(self) -> None:
        command = [sys.executable, "-m", "jobd.agent.main"]
        systemd_run = shutil.which("systemd-run")
        base = os.path.dirname(paths.runtime_dir())
        self._was_scope = (
            systemd_run is not None
            and not self._scope_failed
            and os.path.exists(os.path.join(base, "systemd", "private"))
        )
        if self._was_scope:
            assert systemd_run is not None
            command = [
                systemd_run,
                "--user",
                "--scope",
                "--quiet",
                "--collect",
                "--unit=jobd-agent",
                "--description=jobd: watches and ends jobs; survives the server",
                "--property=Delegate=yes",
                "--",
                *command,
            ]
        environment = {
            key: value
            for key, value in os.environ.items()
            if key not in _NOT_INHERITED and not key.startswith("JOBD_")
        }
        log_path = paths.log_file("jobd-agent")
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ]
        self._child = os.posix_spawn(
            command[0], command, environment, file_actions=actions, setsid=True
        )
        self._follow(self._child)
