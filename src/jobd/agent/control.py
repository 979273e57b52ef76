"""What is done to the processes of an attempt while it runs: signals, stopping and continuing, other processors."""

import os
import signal
from collections.abc import Callable

from jobd.agent.attempts import Attempt
from jobd.agent.group import Group
from jobd.agent.looks import Looks
from jobd.agent.processes import Process, open_pidfd, read_environment
from jobd.states import Scope
from jobd.wire.batch import Change

ROUNDS_MAX = 10  # of looks, until one finds nothing new: what runs may fork meanwhile
_STEP = b"JOBD_STEP_ID="


def change(attempt: Attempt, wanted: Change, looks: Looks) -> None:
    """Put other limits in force, but that of time; let it stand still, or go on."""
    cpus, memory_bytes, was_paused = attempt.cpus, attempt.memory_bytes, attempt.is_paused
    attempt.take_change(wanted)

    def members() -> list[Process]:
        return looks.members_now(attempt)

    if cpus != wanted.cpus:
        text = pin(members, set(wanted.cpus or attempt.launch.all_cpus) or os.sched_getaffinity(0))
        attempt.notes = [text] if text else []
    if attempt.group is not None and (cpus != wanted.cpus or memory_bytes != wanted.memory_bytes):
        nb_proc = 0 if wanted.cpus else attempt.launch.nb_proc
        attempt.group.set_limits(memory_bytes=wanted.memory_bytes, nb_proc=nb_proc)
    if wanted.is_paused and not was_paused:
        stop(members, attempt.group)
    elif was_paused and not wanted.is_paused:
        go_on(members, attempt.group)


def send_signal(
    members: list[Process], *, main: tuple[int, int], number: int, scope: Scope, step_id: int | None = None
) -> None:
    """Send a signal to the processes of an attempt (scancel(1): --signal, --batch, --full).

    Args:
        step_id: with Scope.STEPS, the one step that is meant; None for all.
    """
    for process in members:
        is_main = (process.pid, process.start_ticks) == main
        if scope is Scope.BATCH and not is_main:
            continue
        if scope is Scope.STEPS and (is_main or not is_of_step(process.pid, step_id)):
            continue
        send_to(process, number)


def stop(find: Callable[[], list[Process]], group: Group | None) -> None:
    """Let everything stand still: by the freezer of its group, and by SIGSTOP outside of one."""
    if group is not None:
        group.freeze(True)
    stopped: set[tuple[int, int]] = set()
    for _ in range(ROUNDS_MAX):
        frozen = set(group.pids()) if group is not None else set()
        new = [process for process in find() if process.pid not in frozen]
        new = [process for process in new if (process.pid, process.start_ticks) not in stopped]
        if not new:
            return
        for process in new:
            stopped.add((process.pid, process.start_ticks))
            send_to(process, signal.SIGSTOP)


def go_on(find: Callable[[], list[Process]], group: Group | None) -> None:
    """Let everything go on."""
    if group is not None:
        group.freeze(False)
    for process in find():
        send_to(process, signal.SIGCONT)


def pin(find: Callable[[], list[Process]], cpus: set[int]) -> str:
    """Bind all threads of all processes to these processors; what is wrong, or ""."""
    done: set[int] = set()
    text = ""
    for _ in range(ROUNDS_MAX):
        new = [thread for process in find() for thread in _threads(process.pid) if thread not in done]
        if not new:
            return text
        for thread in new:
            done.add(thread)
            try:
                os.sched_setaffinity(thread, cpus)
            except ProcessLookupError:
                continue
            except OSError as error:
                text = f"processors: {error.strerror}"
    return text


def send_to(process: Process, number: int) -> None:
    """A signal to exactly that process, if it lives and is ours."""
    pidfd = open_pidfd(process.pid, process.start_ticks)
    if pidfd is None:
        return
    try:
        signal.pidfd_send_signal(pidfd, number)
    except (ProcessLookupError, PermissionError):
        pass
    finally:
        os.close(pidfd)


def is_of_step(pid: int, step_id: int | None) -> bool:
    """Whether a process is of that step, or, for None, of any."""
    wanted = None if step_id is None else _STEP + str(step_id).encode()
    for variable in read_environment(pid) or ():
        if variable.startswith(_STEP):
            return wanted in (None, variable)
    return False


def _threads(pid: int) -> list[int]:
    try:
        return [int(name) for name in os.listdir(f"/proc/{pid}/task")]
    except OSError:
        return []
