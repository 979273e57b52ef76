"""What the machine has besides procs, what of it is in use, and which processors and GPUs a job gets. Reads the world only."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from jobd.core.job import NO_RESOURCES, Job, Resources, Running

if TYPE_CHECKING:
    from jobd.core.world import World


class Capacity(NamedTuple):
    """What may be handed out."""

    memory_bytes: int = 0  # 0: not known, and then memory is not counted
    gpus: int = 0
    counted: tuple[tuple[str, int], ...] = ()  # gres and licenses, as configured

    def count(self, name: str) -> int:
        """How many there are of a gres or a license; 0 for one that is not configured."""
        for key, value in self.counted:
            if key == name:
                return value
        return 0

    def lacks(self, resources: Resources) -> str:
        """What there is less of, even on an empty machine, than is asked for: in words, "" for nothing."""
        if 0 < self.memory_bytes < resources.memory_bytes:
            return (
                f"{_gib(resources.memory_bytes)} of memory asked for, and there are {_gib(self.memory_bytes)}"
            )
        if resources.gpus > self.gpus:
            return f"{resources.gpus} GPUs asked for, and there are {self.gpus}"
        for name, count in resources.counted:
            if count > self.count(name):
                return f"{count} of {name!r} asked for, and there are {self.count(name)} (see config.toml)"
        return ""


NO_CAPACITY = Capacity()


class Room:
    """What is in use, for one who reckons ahead: `take` and `give` change this reckoning and nothing else."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.used = world.used
        self.memory_bytes = world.memory_used_bytes
        self.gpus = world.gpus_used
        self.counted = dict(world.counted_used)

    def fits(self, nb_proc: int, resources: Resources) -> bool:
        """Whether a job that asks for this could start beside what is in use."""
        if self.used + needed_of(self._world, nb_proc, resources) > self._world.nb_proc:
            return False
        return resources == NO_RESOURCES or not self.missing(resources)

    def missing(self, resources: Resources) -> str:
        """Which resource is missing, in words; "" if only procs may be."""
        capacity = self._world.capacity
        if capacity.memory_bytes and resources.memory_bytes:
            over = self.memory_bytes + resources.memory_bytes - capacity.memory_bytes
            if over > 0:
                return f"{_gib(over)} of {_gib(resources.memory_bytes)} of memory"
        if resources.gpus and self.gpus + resources.gpus > capacity.gpus:
            return f"{self.gpus + resources.gpus - capacity.gpus} of {_plural(resources.gpus, 'GPU')}"
        for name, count in resources.counted:
            over = self.counted.get(name, 0) + count - capacity.count(name)
            if over > 0:
                return f"{over} of {count} {name}"
        return ""

    def take(self, held: int, resources: Resources) -> None:
        """It starts."""
        self._add(held, resources, 1)

    def give(self, held: int, resources: Resources) -> None:
        """It is over."""
        self._add(held, resources, -1)

    def _add(self, held: int, resources: Resources, sign: int) -> None:
        self.used += sign * held
        if resources == NO_RESOURCES:
            return
        self.memory_bytes += sign * resources.memory_bytes
        self.gpus += sign * resources.gpus
        for name, count in resources.counted:
            self.counted[name] = self.counted.get(name, 0) + sign * count


def tally(counts: dict[int, int], numbers: tuple[int, ...], step: int) -> None:
    """Count the users of these processors or GPUs up or down; no zeros are kept."""
    for number in numbers:
        left = counts.get(number, 0) + step
        if left:
            counts[number] = left
        else:
            del counts[number]


def needed_of(world: "World", nb_proc: int, resources: Resources) -> int:
    """The procs that a job counts as when it starts: one that runs alone, as being exclusive or asking for more, as all."""
    if resources.is_exclusive:
        return world.nb_proc
    return min(nb_proc, world.nb_proc)


def chosen_cpus(world: "World", job: Job, busy: set[int]) -> tuple[int, ...]:
    """Processors of its own for a job that is about to start; () if it is not to be bound.

    Those that its suspended ancestors have lent come first (their caches are warm, and a tree stays on its own
    processors), then those that nobody has, then those lent by others. `busy` are taken.

    Nobody is bound while nb_proc is larger than the number of processors (then not everybody could have his own), nor is a
    job that asks for more processors than there are, nor one that has the machine for itself (--exclusive).
    """
    count = job.spec.nb_proc
    if not job.spec.is_bound or count > len(world.cpus) or world.nb_proc > len(world.cpus):
        return ()
    if job.spec.resources.is_exclusive:
        return ()
    ancestral: set[int] = set()
    for phase in _lenders(world, job):
        ancestral.update(phase.cpus)
    if isinstance(job.phase, Running):
        ancestral.update(job.phase.cpus)  # one that runs and is bound anew keeps what it has
    return _chosen(world.cpus, count, busy, ancestral, world.lent, world.busy)


def chosen_gpus(world: "World", job: Job, busy: set[int]) -> tuple[int, ...]:
    """The indexes of the GPUs for a job that is about to start: those lent by its ancestors first. `busy` are taken."""
    count = job.spec.resources.gpus
    if not count:
        return ()
    ancestral: set[int] = set()
    for phase in _lenders(world, job):
        ancestral.update(phase.gpus)
    return _chosen(range(world.capacity.gpus), count, busy, ancestral, world.gpus_lent, world.gpus_busy)


def _lenders(world: "World", job: Job) -> Iterable[Running]:
    ancestor = world.jobs.get(job.parent_id) if job.parent_id is not None else None
    while ancestor is not None:
        if isinstance(ancestor.phase, Running):
            yield ancestor.phase
        ancestor = world.jobs.get(ancestor.parent_id) if ancestor.parent_id is not None else None


def _chosen(
    all_of_them: Iterable[int],
    count: int,
    busy: set[int],
    ancestral: set[int],
    lent: dict[int, int],
    sharers: dict[int, int],
) -> tuple[int, ...]:
    free = [number for number in all_of_them if number not in busy]
    free.sort(key=lambda number: (number not in ancestral, number in lent, number))
    if len(free) < count:
        # Resumed parents and jobs bound under other limits can overlap: then the least used ones are shared.
        rest = [number for number in all_of_them if number in busy]
        rest.sort(key=lambda number: (sharers.get(number, 0), number))
        free += rest
    return tuple(sorted(free[:count]))


def _gib(count_bytes: int) -> str:
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count_bytes >= size:
            return f"{count_bytes / size:.1f}".removesuffix(".0") + f" {unit}"
    return f"{count_bytes} bytes"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
