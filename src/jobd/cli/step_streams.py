"""Which descriptors each task of a step gets, by what was asked for (srun(1): --input, --output, --error, --label, --pty).

all (default)   ours; output of several tasks comes together by whole lines, input goes to all
none            nothing
N               ours, for task N alone
FILE            a file, %t in its name being the task; missing parent folders are made
"""

import os
import stat
from collections.abc import Callable
from typing import Any, NamedTuple

from jobd.cli import dialect
from jobd.cli.pseudo_terminal import PseudoTerminal
from jobd.cli.task_streams import Outlet, Pump
from jobd.errors import PathError

DRAIN_S = 2.0  # for the last of the output, once no task lives
ALL, NONE = "all", "none"


class Wanted(NamedTuple):
    """What was asked for."""

    ntasks: int
    stdin: str = ALL
    stdout: str = ALL
    stderr: str = ""  # "": with stdout if that is a file, else ours
    is_appending: bool = False
    is_labelled: bool = False
    is_unbuffered: bool = False
    is_pty: bool = False


class Streams:
    """The descriptors of all tasks of a step."""

    def __init__(self, wanted: Wanted, expand: Callable[[str, int], str]) -> None:
        """
        Args:
            expand: makes a file's name of a pattern and the number of a task.

        Raises:
            PathError: a file cannot be opened.
            OSError: there is no terminal to be had, or the like.
        """
        self._wanted = wanted
        self._expand = expand
        self._pump = Pump()
        self._outlets: dict[str, Outlet] = {}
        self._children: list[int] = []  # ends that only the tasks are to hold
        self._terminal = PseudoTerminal() if wanted.is_pty else None
        numbers = range(wanted.ntasks)
        self._actions: list[list[tuple[Any, ...]]] = [[] for _ in numbers]
        if self._terminal is not None:
            self._actions[0] += self._terminal.actions
            for number in numbers[1:]:
                self._actions[number] += [
                    _opened(descriptor, os.devnull, os.O_RDWR) for descriptor in (0, 1, 2)
                ]
            return
        self._lay_input()
        self._lay_output(1, wanted.stdout or ALL)
        errors = wanted.stderr
        if not errors:
            errors = wanted.stdout if _is_file(wanted.stdout) else ALL
        self._lay_output(2, errors)

    def actions(self, number: int) -> list[tuple[Any, ...]]:
        """What is done to the descriptors of a task (os.posix_spawn)."""
        return self._actions[number]

    def is_leader(self, number: int) -> bool:
        """Whether a task has a session and a terminal of its own."""
        return self._terminal is not None and number == 0

    def begin(self) -> None:
        """All tasks have been started: let what flows flow. All signals must be blocked."""
        for descriptor in self._children:
            os.close(descriptor)
        self._children.clear()
        if self._terminal is not None:
            self._terminal.join(self._pump, Outlet(1))
        self._pump.start()

    def resize(self) -> bool:
        """Our window has another size; whether that is our affair and no task's."""
        if self._terminal is None:
            return False
        self._terminal.resize()
        return True

    def finish(self) -> None:
        """No task lives: carry the last of their output, and make our terminal as it was."""
        self._pump.finish(DRAIN_S)
        if self._terminal is not None:
            self._terminal.restore()

    # ---- input
    def _lay_input(self) -> None:
        asked = self._wanted.stdin or ALL
        numbers = range(self._wanted.ntasks)
        if asked == ALL:
            if self._wanted.ntasks > 1 and not _is_nothing(0):
                self._broadcast()
            return
        for number in numbers:
            if asked == NONE or (asked.isdigit() and int(asked) != number):
                self._actions[number].append(_opened(0, os.devnull, os.O_RDONLY))
            elif not asked.isdigit():
                path = self._expand(asked, number)
                try:
                    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                except OSError as error:
                    raise PathError(f"Could not open stdin file{_of(path)}: {error.strerror}") from error
                self._give(number, descriptor, 0)

    def _broadcast(self) -> None:
        sinks = []
        for number in range(self._wanted.ntasks):
            reader, writer = os.pipe()
            self._give(number, reader, 0)
            sinks.append(writer)
        self._pump.carry_in(0, sinks)

    # ---- output
    def _lay_output(self, target: int, asked: str) -> None:
        """Descriptor `target` (1 or 2) of every task."""
        wanted = self._wanted
        names: list[str | None] = []
        for number in range(wanted.ntasks):
            if asked == NONE or (asked.isdigit() and int(asked) != number):
                names.append(None)
            elif asked == ALL or asked.isdigit():
                names.append("")
            else:
                names.append(self._expand(asked, number))
        for number, name in enumerate(names):
            if name is None:
                self._actions[number].append(_opened(target, os.devnull, os.O_WRONLY))
                continue
            is_shared = wanted.is_labelled or names.count(name) > 1
            outlet = self._outlet(name, target)
            if is_shared:
                reader, writer = os.pipe()
                label = f"{number:{len(str(wanted.ntasks - 1))}}: ".encode() if wanted.is_labelled else b""
                self._pump.carry_out(reader, outlet, label=label, is_unbuffered=wanted.is_unbuffered)
                self._give(number, writer, target)
            elif name:
                self._actions[number].append((os.POSIX_SPAWN_DUP2, outlet.descriptor, target))

    def _outlet(self, name: str, target: int) -> Outlet:
        """Our own descriptor, or a file, opened once whoever writes to it."""
        key = name or str(target)
        if key not in self._outlets:
            self._outlets[key] = Outlet(self._open(name)) if name else Outlet(target)
        return self._outlets[key]

    def _open(self, path: str) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        if not self._wanted.is_appending:
            flags |= os.O_TRUNC
        try:
            try:
                return os.open(path, flags, 0o666)
            except FileNotFoundError:
                # Tools name a folder that they make only once they know the number of the job.
                os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
                return os.open(path, flags, 0o666)
        except OSError as error:
            raise PathError(f"Could not open stdout file{_of(path)}: {error.strerror}") from error

    def _give(self, number: int, descriptor: int, target: int) -> None:
        """A descriptor that only this task is to hold."""
        self._children.append(descriptor)
        self._actions[number].append((os.POSIX_SPAWN_DUP2, descriptor, target))


def _opened(descriptor: int, path: str, flags: int) -> tuple[Any, ...]:
    return (os.POSIX_SPAWN_OPEN, descriptor, path, flags, 0)


def _is_file(asked: str) -> bool:
    return asked not in ("", ALL, NONE) and not asked.isdigit()


def _is_nothing(descriptor: int) -> bool:
    """Whether it is /dev/null, which all tasks may share."""
    status = os.fstat(descriptor)
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == os.makedev(1, 3)


def _of(path: str) -> str:
    """The file, which srun of Slurm does not name."""
    return "" if dialect.is_slurm else f" {path}"


__all__ = ["Streams", "Wanted"]
