"""Members of a job: which processes belong to it, wherever they have gone. Reads only.

A Salloc's command cannot be put into a cgroup of ours (it may live in a login session's), so its members are found by
* descent: from the command, and from the Salloc, which is the subreaper of all that its command leaves behind, and
* the marker: JOBD_JOB_ID and JOBD_SERVER in the environment, which sessions and double forks inherit.
Either alone can be escaped (a killed Salloc reaps no more; env -i drops the marker), both only together.
"""

from jobd.agent.processes import Process, environment_has


def members(
    table: dict[int, Process],
    *,
    job_id: int,
    server_id: str,
    roots: list[tuple[int, int]],
    salloc: tuple[int, int],
    spared: frozenset[int],
) -> list[Process]:
    """The living processes of a job, without its Salloc.

    Args:
        table: all living processes.
        roots: (pid, start) of processes known to be of the job: its command.
        spared: pids that are never a job's: the agent and the server, which a client inside a job may have started.
    """
    marker = (f"JOBD_JOB_ID={job_id}".encode(), f"JOBD_SERVER={server_id}".encode())
    children: dict[int, list[int]] = {}
    for process in table.values():
        children.setdefault(process.parent, []).append(process.pid)
    found: set[int] = set()
    stack: list[int] = []
    for pid, start_ticks in roots:
        process_or_none = table.get(pid)
        if process_or_none is not None and process_or_none.start_ticks == start_ticks:
            stack.append(pid)
    salloc_process = table.get(salloc[0])
    if salloc_process is not None and salloc_process.start_ticks == salloc[1]:
        stack.extend(children.get(salloc[0], ()))
    stack.extend(pid for pid in table if environment_has(pid, marker))
    while stack:
        pid = stack.pop()
        if pid in found or pid in spared or pid == salloc[0]:
            continue
        found.add(pid)
        stack.extend(children.get(pid, ()))
    return [table[pid] for pid in sorted(found) if pid in table]
