"""Members of a job: which processes belong to it, wherever they have gone. Reads only.

A Salloc's command cannot be put into a cgroup of ours (it may live in a login session's), so its members are found by
* descent: from the command, and from the Salloc, which is the subreaper of all that its command leaves behind, and
* the marker: JOBD_JOB_ID and JOBD_SERVER in the environment, which sessions and double forks inherit.
Either alone can be escaped (a killed Salloc reaps no more; env -i drops the marker), both only together.
"""

import time
from functools import cached_property
from typing import NamedTuple

from jobd.agent.processes import Process, read_environment, snapshot

# In the middle of an execve(2) a process has no environment for a moment. So one without is looked at again, this often:
EMPTY_LOOKS = 3
EMPTY_PAUSE_S = 0.001


class Mark(NamedTuple):
    """What the environment of a process tells of its job."""

    job_id: int
    attempt: int  # 0: started by a Salloc


class Table:
    """One look at the process table. It serves all jobs that are looked for at that moment."""

    def __init__(self, server_id: str, bare: set[tuple[int, int]] | None = None) -> None:
        """
        Args:
            bare: (pid, start) of processes that are known to have no environment at all, kept from one look to the next.
        """
        self._server = f"JOBD_SERVER={server_id}".encode()
        self._bare = bare if bare is not None else set()
        self.processes: dict[int, Process] = snapshot()

    @cached_property
    def children(self) -> dict[int, list[int]]:
        """pid → pids of its children."""
        children: dict[int, list[int]] = {}
        for process in self.processes.values():
            children.setdefault(process.parent, []).append(process.pid)
        return children

    @cached_property
    def sessions(self) -> dict[int, list[int]]:
        """Session → pids of its processes."""
        sessions: dict[int, list[int]] = {}
        for process in self.processes.values():
            sessions.setdefault(process.session, []).append(process.pid)
        return sessions

    @cached_property
    def marks(self) -> dict[int, Mark]:
        """pid → the job of our server that its environment names."""
        marks: dict[int, Mark] = {}
        empty = [pid for pid, process in self.processes.items() if self._look_at(process, marks)]
        for _ in range(EMPTY_LOOKS):
            if not empty:
                break
            time.sleep(EMPTY_PAUSE_S)
            empty = [pid for pid in empty if self._look_at(self.processes[pid], marks)]
        living = {(process.pid, process.start_ticks) for process in self.processes.values()}
        self._bare &= living
        self._bare |= {(pid, self.processes[pid].start_ticks) for pid in empty}
        return marks

    def _look_at(self, process: Process, marks: dict[int, Mark]) -> bool:
        """Note its mark; whether it must be looked at again."""
        variables = read_environment(process.pid)
        if not variables:
            is_bare = (process.pid, process.start_ticks) in self._bare
            return variables is not None and not process.is_kernel and not is_bare
        if self._server in variables:
            mark = _mark_of(variables)
            if mark is not None:
                marks[process.pid] = mark
        return False

    @cached_property
    def marked(self) -> dict[int, list[int]]:
        """Job → pids of processes that carry its number, whoever started them."""
        marked: dict[int, list[int]] = {}
        for pid, mark in self.marks.items():
            marked.setdefault(mark.job_id, []).append(pid)
        return marked

    @cached_property
    def attempts(self) -> dict[Mark, list[int]]:
        """Attempt of a batch job → pids of processes that carry both its numbers."""
        attempts: dict[Mark, list[int]] = {}
        for pid, mark in self.marks.items():
            if mark.attempt:
                attempts.setdefault(mark, []).append(pid)
        return attempts

    def is_living(self, pid: int, start_ticks: int) -> bool:
        """Whether exactly that process lives."""
        process = self.processes.get(pid)
        return process is not None and process.start_ticks == start_ticks


def mark_of(pid: int, server_id: str) -> Mark | None:
    """The job of that server that the environment of one process names, at this moment."""
    variables = read_environment(pid)
    if not variables or f"JOBD_SERVER={server_id}".encode() not in variables:
        return None
    return _mark_of(variables)


def _mark_of(variables: frozenset[bytes]) -> Mark | None:
    job_id, attempt = 0, 0
    for variable in variables:
        name, _, value = variable.partition(b"=")
        if name in (b"JOBD_JOB_ID", b"JOBD_ATTEMPT") and value.isdigit() and len(value) < 20:
            if name == b"JOBD_JOB_ID":
                job_id = int(value)
            else:
                attempt = int(value)
    return Mark(job_id, attempt) if job_id else None


def members(
    table: Table,
    *,
    job_id: int,
    roots: list[tuple[int, int]],
    salloc: tuple[int, int] | None,
    spared: frozenset[int],
) -> list[Process]:
    """The living processes of a job, without its Salloc.

    Args:
        roots: (pid, start) of processes known to be of the job: its command.
        salloc: (pid, start) of its Salloc; None for a program of many jobs, whose children are its own affair.
        spared: pids that are never a job's: the agent and the server, which a client inside a job may have started.
    """
    processes = table.processes
    found: set[int] = set()
    stack = [pid for pid, start_ticks in roots if table.is_living(pid, start_ticks)]
    if salloc is not None and table.is_living(*salloc):
        stack.extend(table.children.get(salloc[0], ()))
    stack.extend(table.marked.get(job_id, ()))
    while stack:
        pid = stack.pop()
        if pid in found or pid in spared or (salloc is not None and pid == salloc[0]):
            continue
        found.add(pid)
        stack.extend(table.children.get(pid, ()))
    return [processes[pid] for pid in sorted(found) if pid in processes]
