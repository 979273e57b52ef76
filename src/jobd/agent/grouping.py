"""Puts attempts into control groups: at their birth where their limits need it, else when they have lived for a while.

To enter a group costs 0.02 ms after another such move, but 15 ms after a pause, so what is short and has no limit is left without.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from jobd.agent.attempts import Attempt
from jobd.agent.cgroup import Groups
from jobd.agent.group import Group, unenforced
from jobd.agent.processes import children_of

log = logging.getLogger("jobd.agent")

ROUNDS_MAX = 10  # of taking in what was forked meanwhile


def is_needed_at_birth(groups: Groups | None, attempt: Attempt) -> bool:
    """Whether its memory is bound from its first byte on, which only one who is born inside cannot get around."""
    return groups is not None and attempt.memory_bytes > 0 and "memory" in groups.controllers


@contextmanager
def inside(groups: Groups | None, attempt: Attempt) -> Iterator[None]:
    """What is started now is born in the attempt's group, if it needs one. Without a process of its own it has none afterwards."""
    if groups is None or not is_needed_at_birth(groups, attempt):
        yield
        return
    group = _make(groups, attempt)
    if group is None:
        yield
        return
    try:
        group.enter()
    except OSError as error:
        log.warning("job %d: no group: %s", attempt.launch.job_id, error.strerror)
        group.remove()
        yield
        return
    try:
        yield
    finally:
        _leave(groups, group)
    if attempt.pid:
        attempt.group = attempt.meter.group = group
    else:
        group.remove()


def take_in(groups: Groups, attempt: Attempt, find: Callable[[], list[int]] | None = None) -> None:
    """Move an attempt that runs into a group: its end is sure then, and its use exact."""
    group = _make(groups, attempt)
    if group is None:
        return
    taken: set[int] = set()
    for _ in range(ROUNDS_MAX):
        new = [pid for pid in (find or (lambda: _tree(attempt.pid)))() if pid not in taken]
        if not new:
            break
        for pid in new:
            taken.add(pid)
            try:
                group.take_in(pid)
            except OSError as error:
                log.debug("process %d: %s", pid, error.strerror)  # it is gone
    attempt.group = attempt.meter.group = group
    if attempt.is_paused:
        group.freeze(True)


def note_unenforced(attempt: Attempt, processors: int) -> bool:
    """Note which of its limits nothing holds; whether that is news."""
    before = attempt.unenforced
    attempt.unenforced = attempt.notes + unenforced(
        attempt.group,
        memory_bytes=attempt.memory_bytes,
        cpus=attempt.cpus,
        nb_proc=attempt.launch.nb_proc,
        processors=processors,
    )
    return attempt.unenforced != before


def _leave(groups: Groups, group: Group) -> None:
    try:
        group.leave()
    except OSError as error:  # somebody has removed our leaf: the agent must not end with the job
        log.error("%s: cannot be left: %s", group.path, error.strerror)
        groups.prepare()


def _make(groups: Groups, attempt: Attempt) -> Group | None:
    launch = attempt.launch
    try:
        return groups.make(
            launch.job_id,
            launch.attempt,
            memory_bytes=attempt.memory_bytes,
            cpus=attempt.cpus,
            nb_proc=launch.nb_proc,
        )
    except OSError as error:
        log.warning("job %d: no group: %s", launch.job_id, error.strerror)
        return None


def _tree(pid: int) -> list[int]:
    """A process and its descendants, by the kernel's lists of children."""
    found: list[int] = []
    stack = [pid]
    while stack:
        one = stack.pop()
        found.append(one)
        stack += children_of(one)
    return found
