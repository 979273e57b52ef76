"""Members of a job: which processes belong to it, wherever they have gone. Reads only.

A Salloc's command cannot be put into a cgroup of ours (it may live in a login session's), so its members are found by
* descent: from the command, and from the Salloc, which is the subreaper of all that its command leaves behind, and
* the marker: JOBD_JOB_ID and JOBD_SERVER in the environment, which sessions and double forks inherit.
Either alone can be escaped (a killed Salloc reaps no more; env -i drops the marker), both only together.
"""

from functools import cached_property

from jobd.agent.processes import Process, read_environment, snapshot


class Table:
    """One look at the process table. It serves all jobs that are looked for at that moment."""

    def __init__(self, server_id: str) -> None:
        self._server = f"JOBD_SERVER={server_id}".encode()
        self.processes: dict[int, Process] = snapshot()

    @cached_property
    def children(self) -> dict[int, list[int]]:
        """pid → pids of its children."""
        children: dict[int, list[int]] = {}
        for process in self.processes.values():
            children.setdefault(process.parent, []).append(process.pid)
        return children

    @cached_property
    def marked(self) -> dict[bytes, list[int]]:
        """JOBD_JOB_ID=… → pids of processes that were started with it by a Salloc of our server."""
        marked: dict[bytes, list[int]] = {}
        for pid in self.processes:
            variables = read_environment(pid)
            if self._server in variables:
                for variable in variables:
                    if variable.startswith(b"JOBD_JOB_ID="):
                        marked.setdefault(variable, []).append(pid)
        return marked


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
    stack = [pid for pid, start_ticks in roots if _is(processes.get(pid), start_ticks)]
    if salloc is not None and _is(processes.get(salloc[0]), salloc[1]):
        stack.extend(table.children.get(salloc[0], ()))
    stack.extend(table.marked.get(f"JOBD_JOB_ID={job_id}".encode(), ()))
    while stack:
        pid = stack.pop()
        if pid in found or pid in spared or (salloc is not None and pid == salloc[0]):
            continue
        found.add(pid)
        stack.extend(table.children.get(pid, ()))
    return [processes[pid] for pid in sorted(found) if pid in processes]


def _is(process: Process | None, start_ticks: int) -> bool:
    return process is not None and process.start_ticks == start_ticks
