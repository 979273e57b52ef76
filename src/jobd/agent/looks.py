"""Looks for the processes of attempts. One look at the process table serves all that are looked for in one turn of the loop."""

import os
from collections.abc import Callable

from jobd.agent.attempts import Attempt
from jobd.agent.members import find
from jobd.agent.processes import Process, read_environment
from jobd.agent.reaping import Children, mark_of
from jobd.agent.tree import Table


class Looks:
    """The process table as it is in this turn."""

    def __init__(self, children: Children, spared: Callable[[], frozenset[int]]) -> None:
        """
        Args:
            spared: pids that are never a job's: the agent and the server.
        """
        self._children = children
        self.spared = spared
        self._tables: dict[str, Table] = {}
        self._bare: set[tuple[int, int]] = set()

    def new_turn(self) -> None:
        """What was seen is of the past."""
        self._tables.clear()

    def table(self, server_id: str) -> Table:
        """The table of this turn, with the marks of one server's jobs."""
        if server_id not in self._tables:
            self._tables[server_id] = Table(server_id, self._bare)
        return self._tables[server_id]

    def members(self, attempt: Attempt) -> list[Process]:
        """The living processes of an attempt."""
        launch = attempt.launch
        return find(
            self.table(launch.server_id),
            job_id=launch.job_id,
            attempt=launch.attempt,
            roots=attempt.roots,
            group=attempt.group,
            spared=self.spared(),
            strays=self._children.roots_of(attempt.key),
        )

    def pids(self, attempt: Attempt) -> list[int]:
        """The numbers of these."""
        return [process.pid for process in self.members(attempt)]

    def members_now(self, attempt: Attempt) -> list[Process]:
        """The same, by a look of its own: what was seen before is too old to act on."""
        self.new_turn()
        return self.members(attempt)


def is_of(pid: int, attempt: Attempt) -> bool:
    """Whether a process is of an attempt, told from itself alone."""
    try:
        if attempt.roots and os.getsid(pid) == attempt.pid:
            return True
    except ProcessLookupError:
        return False
    variables = read_environment(pid) or frozenset()
    server = f"JOBD_SERVER={attempt.launch.server_id}".encode()
    return server in variables and mark_of(variables) == attempt.key
