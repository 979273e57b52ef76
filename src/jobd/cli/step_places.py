"""What each task of a step finds: variables, and its share of the processors. Values in, values out; nothing is asked or done here."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from jobd import task_pid
from jobd.cli import dialect
from jobd.cli.step_keeper import MARK
from jobd.errors import Refused
from jobd.slurm import environment
from jobd.slurm.options import Export
from jobd.wire.messages import JobRow
from jobd.wire.rows import labels_of

_THREADS = (
    b"_NUM_THREADS",
    b"GOMAXPROCS",
)  # the ends of the names of those that are set to the number of procs


class Size(NamedTuple):
    """How much of its job a step takes."""

    ntasks: int
    cpus_per_task: int | None  # None: each task has its share of all
    need: int  # processors


def size_of(
    *,
    ntasks: int | None,
    cpus_per_task: int | None,
    nb_proc: int,
    has_said_size: bool,
    is_exact: bool,
    is_overcommitting: bool,
) -> Size:
    """The size of a step of a job with `nb_proc` processors.

    One that says nothing of its size has the whole job; one that does has what it says, and others run beside it.

    Raises:
        Refused: it needs more than the job has.
    """
    tasks = ntasks or 1
    if is_overcommitting:
        return Size(tasks, None, min(tasks * (cpus_per_task or 1), nb_proc))
    if not has_said_size and not is_exact:
        return Size(tasks, None, nb_proc)
    need = tasks * (cpus_per_task or 1)
    if need > nb_proc:
        raise Refused(
            f"Unable to create step: More processors requested than permitted ({need} of the job's {nb_proc}; --overcommit shares them)"
        )
    return Size(tasks, cpus_per_task or 1, need)


def shares(cpus: Sequence[int], ntasks: int, cpus_per_task: int | None) -> list[list[int]]:
    """The processors of each task: as many as it asks for, else an even share. Where there are too few, all have all."""
    if len(cpus) < ntasks * (cpus_per_task or 1):
        return [list(cpus)] * ntasks
    if cpus_per_task is not None:
        return [list(cpus[n * cpus_per_task : (n + 1) * cpus_per_task]) for n in range(ntasks)]
    bounds = [n * len(cpus) // ntasks for n in range(ntasks + 1)]
    return [list(cpus[low:high]) for low, high in pairwise(bounds)]


def exported(variables: Mapping[bytes, bytes], export: Export) -> dict[bytes, bytes]:
    """What of the caller's variables goes along (srun(1), --export); those of the job always do."""
    named = {name.encode() for name in export.names}
    kept = {
        name: text
        for name, text in variables.items()
        if export.is_all or name in named or name.startswith((b"SLURM_", b"SLURMD_", b"JOBD_"))
    }
    return kept | {name.encode(): text.encode() for name, text in export.values}


class Around(NamedTuple):
    """What the variables of all tasks of a step have in common."""

    job: JobRow | None  # None: the server is away
    server_id: str
    step_id: int
    token: str
    host: str
    uid: int
    gid: int
    umask: int
    labels: Mapping[str, str] = {}  # of a job of our own: partition, account, qos; and the cluster


def job_facts(row: JobRow, around: Around) -> environment.JobFacts:
    """What is known of the job, for its variables."""
    batch = row.batch
    labels = {**around.labels, **labels_of(row)}
    facts = environment.JobFacts(
        row.job_id,
        row.name,
        row.user,
        around.uid,
        around.gid,
        row.nb_proc,
        around.host,
        labels.get("partition", ""),
        labels.get("account", ""),
        labels.get("qos", ""),
        around.labels.get("cluster", "local"),
        submit_dir=row.cwd,
        submit_host=labels.get("submit_host", ""),
        started_at=row.started_at,
        time_limit_s=row.time_limit_s,
        umask=around.umask,
    )
    if batch is None:
        return facts
    return facts._replace(
        ntasks=batch.ntasks,
        cpus_per_task=batch.cpus_per_task,
        ntasks_per_node=batch.ntasks_per_node,
        memory_bytes=batch.memory_bytes,
        memory_per_cpu_bytes=batch.memory_per_cpu_bytes,
        gpus_asked=batch.gpus,
        gpus=tuple(batch.gpu_indexes),
    )


def task_variables(
    outer: Mapping[bytes, bytes],
    around: Around,
    size: Size,
    rank: int,
    share: int,
    *,
    is_labelled: bool = False,
    own_name: str = "",
) -> dict[bytes, bytes]:
    """The variables of one task.

    Args:
        outer: those of ours that go along.
        share: the processors that the task has.
    """
    found: dict[str, str] = {}
    row = around.job
    outer = dict(outer)
    if row is not None:
        if outer.get(b"SLURM_JOB_ID") != str(row.job_id).encode():
            # Ours are another job's, or none's: they were not set for this one.
            found |= environment.job_variables(job_facts(row, around))
            # srun tells of its own job what is its task's, and not these.
            for word in ("ENVIRONMENT", "SLURM_NODE_ALIASES", "SLURM_MEM_PER_NODE", "SLURM_MEM_PER_CPU"):
                found.pop(word, None)
        found["SLURM_JOB_UID"] = str(around.uid)
        found["SLURM_JOB_GID"] = str(around.gid)
        found["SLURM_JOB_USER"] = row.user
        found["SLURM_TOPOLOGY_ADDR"] = around.host
        found["SLURM_TOPOLOGY_ADDR_PATTERN"] = "node"
        found["JOBD_JOB_ID"] = str(row.job_id)
        if around.server_id:
            found["JOBD_SERVER"] = around.server_id
        outer.pop(b"JOBD_ATTEMPT", None)  # of the job around us, which may be another
        if row.batch is not None and row.batch.attempt and row.kind not in ("salloc", "srun"):
            found["JOBD_ATTEMPT"] = str(row.batch.attempt)
    found |= environment.task_variables(
        step_id=around.step_id,
        rank=rank,
        ntasks=size.ntasks,
        node=around.host,
        cpus_per_task=size.cpus_per_task
        if size.cpus_per_task != 1 or b"SLURM_CPUS_PER_TASK" in outer
        else None,
        nb_proc=size.need,
        umask=around.umask,
        job_id=row.job_id if row is not None else None,
        job_cpus=row.nb_proc if row is not None and b"SLURM_JOB_ID" in outer else None,
        label=is_labelled,
        job_name=own_name,
    )
    if b"SLURM_DISTRIBUTION" in outer and size.ntasks > 1:
        del found["SLURM_DISTRIBUTION"]  # as the job was told
    devices = {name.encode(): text.encode() for name, text in found.items() if "GPU" in name}
    found |= environment.step_gpus({**outer, **devices}, rank)
    found |= {
        "JOBD_STEP_ID": str(around.step_id),
        MARK: around.token,
        "JOBD_NB_PROC": str(share),
        "NB_PROC": str(share),
    }
    before = outer.get(b"JOBD_NB_PROC")
    for name in outer:
        # One that has the value of the job was set for it, not by the caller.
        if name.endswith(_THREADS) and before is not None and outer[name] == before:
            found[name.decode()] = str(share)
    if dialect.is_slurm:
        found[task_pid.NAME] = task_pid.UNKNOWN
    return {
        **outer,
        **{name.encode(): text.encode("utf-8", "surrogateescape") for name, text in found.items()},
    }


__all__ = ["Around", "Size", "exported", "job_facts", "shares", "size_of", "task_variables"]
