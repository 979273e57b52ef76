"""Members of an attempt of a batch job: which processes belong to it, wherever they have gone. Reads only.

They are found by
* its cgroup, where it has one,
* descent: from its main process, and from all else that is found,
* its session, which is its main process's and which no later process can take over while one of its own lives,
* the marker: JOBD_JOB_ID, JOBD_ATTEMPT and JOBD_SERVER in the environment, which own sessions and double forks inherit.
What escapes all of that (env -i and a session of its own and a double fork, without a cgroup) is a child of the agent, who is the
subreaper: it is a member if there is no other attempt that it could be of.

A Salloc inside a batch job is a member of it, and so is by descent what it has started. The server ends children before their parent.
"""

from jobd.agent.cgroup import Group
from jobd.agent.processes import Process, look_up
from jobd.agent.tree import Mark, Table


def find(
    table: Table,
    *,
    job_id: int,
    attempt: int,
    roots: list[tuple[int, int]],
    group: Group | None,
    spared: frozenset[int],
    strays: list[int] | None = None,
) -> list[Process]:
    """The living processes of an attempt.

    Args:
        roots: (pid, start) of processes known to be of it. The first is its main process, living or not; none at all if that ended
            while no agent was there, since its session's number may be somebody else's by now.
        spared: pids that are never a job's: the agent and the server.
        strays: further processes that are its own, such as children of the agent while no other attempt lives.
    """
    processes = table.processes
    found: set[int] = set()
    stack = [pid for pid, start_ticks in roots if table.is_living(pid, start_ticks)]
    stack += strays or []
    stack += table.attempts.get(Mark(job_id, attempt), ())
    if roots and _is_own_session(table, *roots[0]):
        stack += table.sessions.get(roots[0][0], ())
    if group is not None:
        # Some may be younger than the table.
        stack += group.pids()
    while stack:
        pid = stack.pop()
        if pid in found or pid in spared:
            continue
        found.add(pid)
        stack.extend(table.children.get(pid, ()))
    members = []
    for pid in sorted(found):
        process = processes.get(pid) or look_up(pid)
        if process is not None and not process.is_zombie:
            members.append(process)
    return members


def _is_own_session(table: Table, main: int, start_ticks: int) -> bool:
    """Whether the session with that number is still the attempt's: its number is not given out anew while a process is in it."""
    leader = table.processes.get(main)
    return leader is None or leader.start_ticks == start_ticks
