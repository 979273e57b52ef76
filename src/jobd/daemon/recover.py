"""From a journal to a running server's state: what lives, the limits, and what a reboot has ended."""

import logging

from jobd.core import attempts
from jobd.core.events import Ended, Event
from jobd.core.job import Now
from jobd.core.resources import NO_CAPACITY, Capacity
from jobd.core.world import World
from jobd.journal.journal import Journal, restore

log = logging.getLogger("jobd")


def recovered(journal: Journal, cpus: tuple[int, ...], now: Now, capacity: Capacity = NO_CAPACITY) -> World:
    """The world as the journal has it. A first start gives out as many procs as there are processors.

    Args:
        capacity: what the machine has now besides procs: a job that asks for more than that waits, and says so.
    """
    nb_proc, nb_proc_max = journal.meta("nb_proc"), journal.meta("nb_proc_max")
    world = World(
        nb_proc=len(cpus) if nb_proc is None else int(nb_proc),  # type: ignore[call-overload]
        nb_proc_max=len(cpus) if nb_proc_max is None else int(nb_proc_max),  # type: ignore[call-overload]
        cpus=cpus,
        capacity=capacity,
    )
    restore(world, journal, now)
    return world


def ended_by_reboot(world: World, journal: Journal, boot_id: str, now: Now) -> list[Event]:
    """What a boot since the last commit means: no process of a job can live.

    Sallocs and Sruns have ended; batch jobs that ran wait again if they may, and those that waited wait on.
    """
    before = journal.meta("boot_id")
    if before is None or before == boot_id or not world.jobs:
        return []
    events = attempts.rebooted(world, now)
    ended = sum(isinstance(event, Ended) for event in events)
    log.warning("the machine was rebooted: %d jobs ended with it, %d live", ended, len(world.jobs) - ended)
    return events
