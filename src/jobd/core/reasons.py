"""Why a job waits, in words that a person understands, with Slurm's word for it. Reads the world only."""

from collections.abc import Mapping
from itertools import islice
from types import MappingProxyType
from typing import NamedTuple

from jobd.core.job import Job, Now
from jobd.core.queue import Gate
from jobd.core.resources import Room, needed_of
from jobd.core.schedule import Policy, is_shielded
from jobd.core.world import World
from jobd.dependencies import Dependency, term_text
from jobd.units import format_elapsed, plural

HOLDERS_NAMED_MAX = 3  # of those who have the procs; more only lengthens the line
TERMS_NAMED_MAX = 3  # of a dependency
FIRSTS_LOOKED_AT_MAX = 1000  # waiting jobs among which the first of each partition is looked for
PARTITION_USUAL = "main"  # of a job that names none


class Holders(NamedTuple):
    """Who has the procs, and for whom they are kept: the same for every waiting job, so found once a list."""

    text: str
    shielded_id: int | None
    room: Room | None = None
    wall_s: float = 0.0
    first_of: Mapping[str, int] = MappingProxyType({})  # partition → the first that waits for room in it


def holders(world: World, now: Now, policy: Policy) -> Holders:
    """What all reasons share. Costs by the number of running jobs and of shapes."""
    running = [
        job
        for job in world.holding.values()
        if not world.is_suspended(job.job_id) and job.job_id not in world.paused
    ]
    named = sorted(running, key=lambda job: (-world.cost(job), job.job_id))
    parts = [f"job {job.shown_id} ({job.spec.name}: {world.cost(job)})" for job in named[:HOLDERS_NAMED_MAX]]
    if len(named) > HOLDERS_NAMED_MAX:
        parts.append(f"{len(named) - HOLDERS_NAMED_MAX} more")
    passes = list(world.passes)
    room = Room(world)
    blocked = sorted(
        keys[0]
        for shape, keys in world.shapes.items()
        if not room.fits(shape[0], shape[2]) and not world.capacity.lacks(shape[2])
    )
    shielded = next((k[2] for k in blocked if is_shielded(world.jobs[k[2]], passes, now, policy)), None)
    first_of: dict[str, int] = {}
    for key in islice(world.waiting, FIRSTS_LOOKED_AT_MAX):
        first_of.setdefault(_partition(world.jobs[key[2]]), key[2])
    return Holders(", ".join(parts), shielded, room, now.wall_s, first_of)


def _partition(job: Job) -> str:
    return job.spec.label("partition") or PARTITION_USUAL


def is_behind_another(world: World, job: Job, shared: Holders) -> bool:
    """Whether it waits for room, and another does so before it in its partition: Slurm calls that Priority, whatever is missing."""
    if job.job_id in world.gates:
        return False
    return shared.first_of.get(_partition(job), job.job_id) != job.job_id


def reason(world: World, job: Job, shared: Holders) -> tuple[str, str]:
    """(Slurm's word, a line for a person) of a waiting job."""
    gate = world.gates.get(job.job_id)
    if gate is not None:
        return _gated(world, job, gate, shared)
    if world.nb_proc == 0:
        return "PartitionDown", "nb_proc is 0, so nothing starts (jobctl set-nb-proc N)"
    resources = job.spec.resources
    if lack := world.capacity.lacks(resources):
        return "PartitionConfig", f"can never start here: {lack}"
    ahead = int(world.waiting.index(job.key))
    need = needed_of(world, job.spec.nb_proc, resources)
    missing = world.used + need - world.nb_proc
    behind = f"; {plural(ahead, 'job')} ahead" if ahead else ""
    if missing > 0:
        if resources.is_exclusive:
            return "Resources", f"exclusive, runs alone: waits for {shared.text} to end{behind}"
        if job.spec.nb_proc > world.nb_proc:
            return "Resources", f"exceptional, runs alone: waits for {shared.text} to end{behind}"
        return (
            "Resources",
            f"{missing} of {plural(need, 'proc')} missing, in use by {shared.text}{behind}",
        )
    if shared.room is not None and (other := shared.room.missing(resources)):
        return "Resources", f"{other} missing{behind}"
    if shared.shielded_id is not None and shared.shielded_id != job.job_id:
        return "Priority", f"procs are kept free for job {world.jobs[shared.shielded_id].shown_id}{behind}"
    return "Priority", f"its turn comes after {plural(ahead, 'job')}" if ahead else "about to start"


def _gated(world: World, job: Job, gate: Gate, shared: Holders) -> tuple[str, str]:
    if gate is Gate.ENDING:
        children = len(world.children.get(job.job_id, ()))
        return "Resources", f"waits for the end of {plural(children, 'job')} called in its last attempt"
    batch = job.spec.batch
    assert batch is not None
    if gate is Gate.HELD:
        return "JobHeldUser", f"held (Scontrol release {job.shown_id})"
    if gate is Gate.NEVER:
        return "DependencyNeverSatisfied", f"can never start: {_terms(batch.dependency)} cannot be met"
    if gate is Gate.DEPENDENCY:
        return "Dependency", f"waits for {_terms(batch.dependency)}"
    if gate is Gate.LIMIT:
        assert job.array_id is not None
        running = world.arrays[job.array_id].running
        limit = world.arrays[job.array_id].limit
        return "JobArrayTaskLimit", f"{running} of its array run, and {limit} may at once"
    assert gate is Gate.BEGIN and batch.begin_at is not None
    return "BeginTime", f"begins in {format_elapsed(batch.begin_at - shared.wall_s)}"


def _terms(dependency: Dependency) -> str:
    """The terms that are left, the first that says why alone where it can never be met."""
    shown = dependency.terms[: 1 if dependency.is_never else TERMS_NAMED_MAX]
    word = " or " if dependency.is_any else ", "
    more = len(dependency.terms) - len(shown)
    text = word.join(term_text(term) for term in shown)
    return f"{text} and {more} more" if more and not dependency.is_never else text
