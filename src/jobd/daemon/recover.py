"""From a journal to a running server's state: what lives, the limits, and what a reboot has ended."""

import logging

from jobd.core.events import Ended, Event
from jobd.core.job import Now, Outcome
from jobd.core.reports import with_resumed
from jobd.core.tree import below
from jobd.core.world import World
from jobd.journal.journal import Journal, restore
from jobd.states import Cause

log = logging.getLogger("jobd")


def recovered(journal: Journal, cpus: tuple[int, ...], now: Now) -> World:
    """The world as the journal has it. A first start gives out as many procs as there are processors."""
    nb_proc, nb_proc_max = journal.meta("nb_proc"), journal.meta("nb_proc_max")
    world = World(
        nb_proc=len(cpus) if nb_proc is None else int(nb_proc),  # type: ignore[call-overload]
        nb_proc_max=len(cpus) if nb_proc_max is None else int(nb_proc_max),  # type: ignore[call-overload]
        cpus=cpus,
    )
    restore(world, journal, now)
    return world


def ended_by_reboot(world: World, journal: Journal, boot_id: str, now: Now) -> list[Event]:
    """The ends of jobs whose Sallocs ran before the machine was booted: none of their processes can live."""
    before = journal.meta("boot_id")
    if before is None or before == boot_id or not world.jobs:
        return []
    log.warning("the machine was rebooted: %d jobs ended with it", len(world.jobs))
    events: list[Event] = []
    seen: set[int] = set()
    for job_id in sorted(world.jobs):
        for other in (*below(world, job_id), job_id):
            if other not in seen:
                seen.add(other)
                events.append(Ended(other, now.wall_s, Outcome(Cause.REBOOT)))
    return with_resumed(world, events)
