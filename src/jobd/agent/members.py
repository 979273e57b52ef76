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

import os
from collections.abc import Container

from jobd.agent.cgroup import Group
from jobd.agent.processes import Process, children_of, is_thread, look_up, newest_pid, snapshot
from jobd.agent.tree import Mark, Table

YOUNG_S = 0.2  # in so short a time the numbers of processes cannot all have been given out once around
NEW_PIDS_MAX = 200  # numbers to look up one by one; beyond, a look at the whole table is cheaper
ROUNDS_MAX = 10  # of looks at numbers that were given out during the last look


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


def strays_of(table: Table, agent: int, known: Container[int]) -> list[int]:
    """Children of the agent that are nobody's main process and that no marker gives to an attempt: orphans it has adopted.

    Args:
        agent: its pid.
        known: pids of main processes of attempts.
    """
    return [pid for pid in table.children.get(agent, ()) if pid not in known and pid not in table.marks]


def has_left_orphans(main: int, known: Container[int], *, age_s: float) -> bool:
    """Whether processes of an attempt may live on whose main process, a child of ours, was just reaped. Cheap for short attempts.

    What outlives its parent becomes a child of the agent, the subreaper; and it got its number after the main process got its own.
    So only numbers given out since need to be looked up. It may say yes for what another attempt has left.

    Args:
        main: pid of the main process.
        known: pids of main processes of living attempts.
        age_s: how long ago it was started.
    """
    agent = os.getpid()
    first = main + 1
    for _ in range(ROUNDS_MAX):
        last = newest_pid()
        if first > last + 1 or last - first >= NEW_PIDS_MAX or age_s > YOUNG_S:
            return _has_orphans(agent, known)  # the numbers have begun anew, or there were many
        if first == last + 1:
            return False
        for pid in range(first, last + 1):
            if pid not in known and _is_orphan(look_up(pid), agent):
                return True
        first = last + 1
    return True


def _has_orphans(agent: int, known: Container[int]) -> bool:
    children = children_of(agent)
    if not children:  # or the kernel does not list them
        children = [process.pid for process in snapshot().values() if process.parent == agent]
    return any(pid not in known and _is_orphan(look_up(pid), agent) for pid in children)


def _is_orphan(process: Process | None, agent: int) -> bool:
    return (
        process is not None
        and process.parent == agent
        and not process.is_zombie
        and process.pid != agent
        and not is_thread(process.pid)
    )


def _is_own_session(table: Table, main: int, start_ticks: int) -> bool:
    """Whether the session with that number is still the attempt's: its number is not given out anew while a process is in it."""
    leader = table.processes.get(main)
    return leader is None or leader.start_ticks == start_ticks
