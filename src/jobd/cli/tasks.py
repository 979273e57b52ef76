"""The tasks of a step: K copies of a command, started, signalled and reaped. They are our children, in our process group.

We are the subreaper of all that they start, so that whatever descends from us is of the step, and "nothing is left" can be known.
"""

import os
import signal
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from jobd import indexes, task_pid
from jobd.cli import command
from jobd.cli.presence import End

_TASK_PID, _UNKNOWN = task_pid.NAME.encode(), task_pid.UNKNOWN.encode()


class Place(NamedTuple):
    """Where a task runs."""

    variables: dict[bytes, bytes]
    cpus: Sequence[int]  # [] leaves it as we are
    actions: Sequence[tuple[Any, ...]] = ()  # what is done to its descriptors (os.posix_spawn)
    is_leader: bool = False  # of a session of its own


class Tasks:
    """All tasks of one step."""

    def __init__(self) -> None:
        self._living: dict[int, int] = {}  # pid → number of the task
        self._stopped: set[int] = set()
        self.ends: dict[int, End] = {}  # by the number of the task
        self.spared: set[int] = set()  # children of ours that are no task's: our keeper

    @property
    def is_over(self) -> bool:
        """Whether no task lives."""
        return not self._living

    @property
    def pids(self) -> list[int]:
        """The living ones."""
        return list(self._living)

    @property
    def numbers(self) -> list[int]:
        """Those of the living ones."""
        return list(self._living.values())

    @property
    def are_stopped(self) -> bool:
        """Whether all that live are stopped."""
        return bool(self._living) and self._stopped >= self._living.keys()

    def spawn(
        self, number: int, words: list[str], place: Place, mask: set[int | signal.Signals]
    ) -> OSError | None:
        """Start a task; why it could not be, else None. A task that could not be started has ended, with the error's number as its
        code (slurmstepd of Slurm does the same)."""
        before = os.sched_getaffinity(0) if place.cpus else None
        try:
            if before is not None:
                # The task inherits it; set from outside, what it starts at once would escape.
                os.sched_setaffinity(0, place.cpus)
            if place.variables.get(_TASK_PID) == _UNKNOWN and command.missing(words[0]) is None:
                words = task_pid.told(words, place.variables)
            pid = command.spawn(words, place.variables, mask, place.actions, is_leader=place.is_leader)
        except OSError as error:
            self.ends[number] = End(error.errno or 1, None)
            return error
        finally:
            if before is not None:
                os.sched_setaffinity(0, before)
        self._living[pid] = number
        return None

    def reap(self, on_stop: Callable[[int, int], None] = lambda pid, number: None) -> list[int]:
        """Look at all children that have changed; the numbers of the tasks that have ended.

        Args:
            on_stop: is told (pid, signal) of a task that was stopped.
        """
        over = []
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
            except ChildProcessError:
                break
            if pid == 0:
                break
            if pid not in self._living:
                self.spared.discard(pid)
                continue  # an orphan that became ours
            if os.WIFSTOPPED(status):
                self._stopped.add(pid)
                on_stop(pid, os.WSTOPSIG(status))
                continue
            number = self._living.pop(pid)
            self._stopped.discard(pid)
            self.ends[number] = (
                End(None, os.WTERMSIG(status))
                if os.WIFSIGNALED(status)
                else End(os.WEXITSTATUS(status), None)
            )
            over.append(number)
        return over

    def signal(self, number: int) -> None:
        """Send a signal to each living task itself."""
        for pid in self._living:
            send(pid, number)

    def go_on(self) -> None:
        """Continue all that are stopped."""
        self._stopped.clear()
        self.signal(signal.SIGCONT)

    def signal_all(self, number: int) -> bool:
        """Send a signal to all that descends from us, tasks and what they have started; whether there was anything."""
        pids = [pid for pid in descendants(os.getpid()) if pid not in self.spared]
        for pid in pids:
            send(pid, number)
        return bool(pids)

    def has_children(self) -> bool:
        """Reap what is over; whether anything is left that descends from us."""
        self.reap()
        return bool(set(children_of(os.getpid())) - self.spared)


def worst(ends: Iterable[End]) -> End:
    """The end with the highest code, signals counted as 128 + number (srun(1), "return value")."""
    return max(ends, key=code_of, default=End(0, None))


def code_of(end: End) -> int:
    """The exit code that a shell would have of it."""
    return 128 + end.signal if end.signal is not None else end.exit_code or 0


def described(ends: dict[int, End], over: Iterable[int], host: str) -> list[str]:
    """A line for each way in which some of these tasks have failed, as srun writes it: vm: tasks 0-2: Exited with exit code 1."""
    same: dict[End, list[int]] = {}
    for number in sorted(over):
        if code_of(ends[number]):
            same.setdefault(ends[number], []).append(number)
    lines = []
    for end, numbers in same.items():
        noun = "task" if len(numbers) == 1 else "tasks"
        how = f"Exited with exit code {end.exit_code}"
        if end.signal is not None:
            how = signal.strsignal(end.signal) or f"Signal {end.signal}"
        lines.append(f"{host}: {noun} {indexes.of(numbers).text}: {how}")
    return lines


def send(pid: int, number: int) -> None:
    """Send a signal, if there is somebody to get it."""
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        pass


def descendants(pid: int) -> list[int]:
    """All that descends from a process, nearest first, fresh from the kernel."""
    found: list[int] = []
    stack = children_of(pid)
    while stack:
        child = stack.pop(0)
        found.append(child)
        stack += children_of(child)
    return found


def children_of(pid: int) -> list[int]:
    """The children of a process (proc(5), /proc/PID/task/TID/children), zombies included; none where it cannot be asked."""
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                found += map(int, file.read().split())
    except (OSError, ValueError):
        pass
    return found


__all__ = ["Place", "Tasks", "children_of", "code_of", "descendants", "described", "send", "worst"]
