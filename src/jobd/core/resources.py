"""Which processors a job is bound to. Reads the world only."""

from jobd.core.job import Job, Running
from jobd.core.world import World


def chosen_cpus(world: World, job: Job, busy: set[int]) -> tuple[int, ...]:
    """Processors of its own for a job that is about to start; () if it is not to be bound.

    Those that its suspended ancestors have lent come first (their caches are warm, and a tree stays on its own
    processors), then those that nobody has, then those lent by others. `busy` are taken.

    Nobody is bound while nb_proc is larger than the number of processors (then not everybody could have his own), nor is a
    job that asks for more processors than there are.
    """
    count = job.spec.nb_proc
    if not job.spec.is_bound or count > len(world.cpus) or world.nb_proc > len(world.cpus):
        return ()
    ancestral: set[int] = set()
    ancestor = world.jobs.get(job.parent_id) if job.parent_id is not None else None
    while ancestor is not None:
        if isinstance(ancestor.phase, Running):
            ancestral.update(ancestor.phase.cpus)
        ancestor = world.jobs.get(ancestor.parent_id) if ancestor.parent_id is not None else None
    free = [cpu for cpu in world.cpus if cpu not in busy]
    free.sort(key=lambda cpu: (cpu not in ancestral, cpu in world.lent, cpu))
    if len(free) < count:
        # Resumed parents and jobs bound under other limits can overlap: then the least used ones are shared.
        rest = [cpu for cpu in world.cpus if cpu in busy]
        rest.sort(key=lambda cpu: (world.busy.get(cpu, 0), cpu))
        free += rest
    return tuple(sorted(free[:count]))
