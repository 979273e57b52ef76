"""The place below which this agent may make control groups (cgroup v2), one for each attempt that needs one.

Rules, from cgroups(7) and the kernel's cgroup-v2.rst, each tried out:
* Only below the agent's own group, and only if that is the agent's to use. Never the root group, which is everybody's.
* A group with controllers for its children may have no process itself: so first all go to the leaf `supervisor`, then the
  controllers are switched on, one by one, and what is on is read back. The other way round makes a threaded domain, which takes no
  memory controller.
"""

import logging
import os
import re
from collections.abc import Callable

from jobd.agent import mounts
from jobd.agent.group import Group, Usage, read, try_to_write, unenforced, write

__all__ = ["Group", "Groups", "Usage", "attempt_of", "numbers_of", "unenforced"]

log = logging.getLogger("jobd.agent")

SUPERVISOR = "supervisor"
CONTROLLERS = ("cpu", "memory", "pids")
MOVES_MAX = 20  # rounds of moving all processes of our group away: each may fork meanwhile
_NAME = re.compile(r"job([0-9]{1,19})\.([0-9]{1,19})")


class Groups:
    """The place where this agent may make groups."""

    def __init__(
        self,
        path: str,
        *,
        mkdir: Callable[[str], None] = os.mkdir,
        rmdir: Callable[[str], None] = os.rmdir,
        processors: int | None = None,
    ) -> None:
        """
        Args:
            path: the folder of the agent's own group.
            mkdir, rmdir: make and remove a group; a test without cgroups imitates what the kernel does then.
            processors: how many there are; None to ask.
        """
        self.path = path
        self.processors = processors or len(os.sched_getaffinity(0))
        self.controllers: frozenset[str] = frozenset()
        self._rmdir = rmdir
        self._mkdir = mkdir

    @classmethod
    def find(cls) -> "Groups | None":
        """The agent's own group, made ready; None if it has none of its own.

        Its own is one into which it may write and which nobody else is in, or which systemd has delegated, or which is the root of a
        container's view. An agent that was started from inside an attempt is put where the last agent was.
        """
        path = mounts.own_group()
        if path is None:
            return None
        last = _place_of_last_agent(path)
        if last is not None:
            path = last
        elif not mounts.is_for_us(path):
            return None
        groups = cls(path)
        return groups if groups.prepare() else None

    def prepare(self) -> bool:
        """Make the leaf for the agent, empty our own group into it, switch on the controllers; whether groups can be made now.

        It may be done again.
        """
        leaf = f"{self.path}/{SUPERVISOR}"
        try:
            if not os.path.isdir(leaf):
                self._mkdir(leaf)
            write(f"{leaf}/cgroup.procs", "0")
            is_empty = self._move_all(leaf)
            offered = read(f"{self.path}/cgroup.controllers").split()
        except OSError as error:
            log.info("no cgroups below %s: %s", self.path, error.strerror)
            return False
        for controller in CONTROLLERS:
            if is_empty and controller in offered:
                try_to_write(f"{self.path}/cgroup.subtree_control", f"+{controller}")
        try:
            self.controllers = frozenset(read(f"{self.path}/cgroup.subtree_control").split())
        except OSError:
            self.controllers = frozenset()
        return True

    def make(self, job_id: int, attempt: int, *, memory_bytes: int, cpus: list[int], nb_proc: int) -> Group:
        """The group of an attempt, with its limits.

        Args:
            memory_bytes: 0 for no limit. It is in force after `leave`.
            cpus: the processors that it is bound to by affinity; [] if it is not, and then the time of nb_proc processors is its limit.

        Raises:
            OSError: it cannot be made, or is there and populated.
        """
        group = self._group(self._path_of(job_id, attempt))
        try:
            self._mkdir(group.path)
        except FileExistsError:
            # Of an attempt that had the same numbers in another journal.
            if group.is_populated or not group.remove():
                raise
            self._mkdir(group.path)
        group.set_limits(memory_bytes=memory_bytes, nb_proc=0 if cpus else nb_proc)
        return group

    def reopen(self, job_id: int, attempt: int, pid: int = 0) -> Group | None:
        """The group that an earlier agent made for an attempt; None if it is gone.

        Args:
            pid: of a process of it, whose group is looked at where the earlier agent had another place.
        """
        path = self._path_of(job_id, attempt)
        group = self._group(path) if os.path.isdir(path) else None
        if group is None and pid:
            mount, own = mounts.mount_point(), mounts.group_of(pid)
            parts = own.split("/") if own is not None else []
            if mount is not None and os.path.basename(path) in parts:
                place = mount.rstrip("/") + "/".join(parts[: parts.index(os.path.basename(path))])
                group = Groups(place)._group(f"{place}/{os.path.basename(path)}")
        if group is not None:
            group.learn_limits()
        return group

    def leftovers(self) -> list[Group]:
        """The groups of attempts that exist, whoever made them."""
        try:
            names = sorted(os.listdir(self.path))
        except OSError:
            return []
        return [self._group(f"{self.path}/{name}") for name in names if _NAME.fullmatch(name)]

    def _group(self, path: str) -> Group:
        supervisor = f"{self.path}/{SUPERVISOR}"
        return Group(path, supervisor=supervisor, processors=self.processors, rmdir=self._rmdir)

    def _path_of(self, job_id: int, attempt: int) -> str:
        return f"{self.path}/job{job_id}.{attempt}"

    def _move_all(self, leaf: str) -> bool:
        """Move all processes of our own group to a leaf; whether none is left."""
        for _ in range(MOVES_MAX):
            pids = read(f"{self.path}/cgroup.procs").split()
            if not pids:
                return True
            for pid in pids:
                try_to_write(f"{leaf}/cgroup.procs", pid)
        return False


def numbers_of(group: Group) -> tuple[int, int]:
    """(job, attempt) of a group, from its name."""
    found = _NAME.fullmatch(os.path.basename(group.path))
    assert found is not None
    return int(found[1]), int(found[2])


def _place_of_last_agent(path: str) -> str | None:
    """Where the groups of attempts are, if this agent was started from inside one, or stands in the last one's leaf."""
    parts = path.split("/")
    for number, part in enumerate(parts):
        if part == SUPERVISOR or _NAME.fullmatch(part):
            place = "/".join(parts[:number])
            is_ours = mounts.is_writable(place) and os.path.isdir(f"{place}/{SUPERVISOR}")
            return place if is_ours else None
    return None


def attempt_of(pid: int) -> tuple[int, int] | None:
    """(job, attempt) in whose group a process is; None if it is in none."""
    for part in (mounts.group_of(pid) or "").split("/"):
        found = _NAME.fullmatch(part)
        if found is not None:
            return int(found[1]), int(found[2])
    return None
