"""Why a job waits, in words that a person understands, with Slurm's word for it. Reads the world only."""

from typing import NamedTuple

from jobd.core.job import Job, Now
from jobd.core.schedule import Policy, is_shielded, needed
from jobd.core.world import World
from jobd.units import plural

HOLDERS_NAMED_MAX = 3  # of those who have the procs; more only lengthens the line


class Holders(NamedTuple):
    """Who has the procs, and for whom they are kept: the same for every waiting job, so found once a list."""

    text: str
    shielded_id: int | None


def holders(world: World, now: Now, policy: Policy) -> Holders:
    """What all reasons share. Costs by the number of running jobs and of shapes."""
    running = [job for job in world.holding.values() if not world.is_suspended(job.job_id)]
    named = sorted(running, key=lambda job: (-world.cost(job), job.job_id))
    parts = [f"job {job.job_id} ({job.spec.name}: {world.cost(job)})" for job in named[:HOLDERS_NAMED_MAX]]
    if len(named) > HOLDERS_NAMED_MAX:
        parts.append(f"{len(named) - HOLDERS_NAMED_MAX} more")
    passes = list(world.passes)
    blocked = sorted(
        keys[0]
        for shape, keys in world.shapes.items()
        if world.used + needed(world, shape[0]) > world.nb_proc
    )
    shielded = next((k[2] for k in blocked if is_shielded(world.jobs[k[2]], passes, now, policy)), None)
    return Holders(", ".join(parts), shielded)


def reason(world: World, job: Job, shared: Holders) -> tuple[str, str]:
    """(Slurm's word, a line for a person) of a waiting job."""
    if world.nb_proc == 0:
        return "PartitionDown", "nb_proc is 0, so nothing starts (jobctl set-nb-proc N)"
    ahead = int(world.waiting.index(job.key))
    need = needed(world, job.spec.nb_proc)
    missing = world.used + need - world.nb_proc
    behind = f"; {plural(ahead, 'job')} ahead" if ahead else ""
    if missing > 0:
        if job.spec.nb_proc > world.nb_proc:
            return "Resources", f"exceptional, runs alone: waits for {shared.text} to end{behind}"
        return (
            "Resources",
            f"{missing} of {plural(need, 'proc')} missing, in use by {shared.text}{behind}",
        )
    if shared.shielded_id is not None and shared.shielded_id != job.job_id:
        return "Priority", f"procs are kept free for job {shared.shielded_id}{behind}"
    return "Priority", f"its turn comes after {plural(ahead, 'job')}" if ahead else "about to start"
