"""A started batch job → what the agent needs to run this attempt: all expanded, so that the agent asks nobody.

The same job and attempt give the same Launch, however often it is said.
"""

import re
from functools import lru_cache

from jobd import indexes
from jobd.core.events import Started
from jobd.core.job import Job, Running
from jobd.core.life import apply
from jobd.core.world import World
from jobd.daemon.files import files_of
from jobd.daemon.inputs import Facts
from jobd.dependencies import text_of
from jobd.errors import UsageError
from jobd.indexes import Indexes
from jobd.settings import Config
from jobd.slurm.environment import JobFacts, job_variables
from jobd.wire.batch import Change, Launch


def launch_of(job: Job, world: World, config: Config, facts: Facts) -> Launch:
    """How to run the attempt that has been started. The job must be a running batch job."""
    spec, phase = job.spec, job.phase
    batch = spec.batch
    assert batch is not None and isinstance(phase, Running)
    stdin, stdout, stderr = files_of(job, facts.node)
    warned = batch.warned
    return Launch(
        job_id=job.job_id,
        attempt=job.attempt,
        token=spec.token,
        server_id=facts.server_id,
        argv=list(spec.command),
        script=batch.script,
        environment=batch.environment,
        variables=variables_of(job, config, facts),
        cwd=spec.cwd,
        umask=batch.umask,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        is_appending=batch.is_appending,
        cpus=list(phase.cpus),
        all_cpus=list(world.cpus),
        nb_proc=spec.nb_proc,
        memory_bytes=spec.resources.memory_bytes,
        time_limit_s=spec.time_limit_s,
        warn_signal=warned.signal if warned is not None else 0,
        warn_before_s=warned.before_s if warned is not None else 0,
        is_warning_batch_only=warned.is_batch_only if warned is not None else False,
        grace_s=config.kill_grace_s,
        is_leaving=config.leftovers == "leave",
        started_at=phase.started_at,
    )


def prefetched_launch_of(job: Job, world: World, config: Config, facts: Facts) -> Launch:
    """How to run the next attempt of a waiting job, wherever and whenever it begins: that the agent fills in."""
    begun = apply(job, Started(job.job_id, facts.started_at, (), job.spec.nb_proc, False))
    return launch_of(begun, world, config, facts)


def change_of(job: Job) -> Change:
    """What binds the running attempt now. Of a job that no agent runs the attempt is 0."""
    phase, spec = job.phase, job.spec
    assert isinstance(phase, Running)
    return Change(
        job.job_id,
        job.attempt if job.is_batch else 0,
        list(phase.cpus),
        spec.resources.memory_bytes,
        spec.time_limit_s,
        phase.pause.total_s,
        phase.pause.since_at is not None,
    )


def variables_of(job: Job, config: Config, facts: Facts) -> list[str]:
    """What is set over the captured environment; `?NAME` only where that has none."""
    count = str(job.spec.nb_proc)
    variables = _slurm_variables(job, config, facts)
    variables["JOBD_JOB_ID"] = str(job.job_id)
    variables["JOBD_SERVER"] = facts.server_id
    variables["JOBD_ATTEMPT"] = str(job.attempt)
    variables["JOBD_NB_PROC"] = variables["NB_PROC"] = count
    if isinstance(job.phase, Running) and job.phase.gpus:
        variables["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # as NVML numbers them, and we do (machine.py)
    for name in config.thread_variables:
        variables[f"?{name}"] = count
    return [text for variable in variables.items() for text in variable]


def _slurm_variables(job: Job, config: Config, facts: Facts) -> dict[str, str]:
    spec, phase = job.spec, job.phase
    batch = spec.batch
    assert batch is not None and isinstance(phase, Running)
    resources = spec.resources
    whole = _whole_array(batch.label("array")) if job.array_index is not None else None
    labels = dict(batch.labels)
    return job_variables(
        JobFacts(
            job_id=job.job_id,
            name=spec.name,
            user=spec.user,
            uid=facts.uid,
            gid=facts.gid,
            nb_proc=spec.nb_proc,
            node=facts.node,
            partition=labels.get("partition", ""),
            account=labels.get("account", ""),
            qos=labels.get("qos", ""),
            cluster=config.cluster,
            submit_dir=labels.get("submit_dir") or spec.cwd,
            submit_host=labels.get("submit_host", ""),
            ntasks=batch.ntasks,
            cpus_per_task=batch.cpus_per_task,
            ntasks_per_node=batch.ntasks_per_node,
            memory_bytes=resources.memory_bytes,
            memory_per_cpu_bytes=batch.memory_per_cpu_bytes,
            gpus=phase.gpus,
            array_id=job.array_id,
            array_index=job.array_index,
            array_count=whole.count if whole is not None else 0,
            array_min=whole.first if whole is not None else 0,
            array_max=whole.last if whole is not None else 0,
            array_step=_step(labels.get("array_step") or labels.get("array", "").partition(":")[2]),
            restarts=max(0, job.attempt - 1),
            started_at=phase.started_at,
            time_limit_s=spec.time_limit_s,
            licenses=labels.get("licenses", ""),
            reservation=labels.get("reservation", ""),
            dependency=text_of(batch.dependency) if batch.dependency.terms else "",
            umask=batch.umask,
        )
    )


def _step(text: str) -> int:
    """The step that was said with the indexes of an array; 1, as in Slurm, where none was."""
    found = re.match(r"[0-9]{1,10}(?=$|[%,])", text)
    return int(found[0]) if found else 1


@lru_cache(maxsize=256)
def _whole_array(text: str) -> Indexes | None:
    """The array as it was submitted, from its label: elements that were split off are not in the job any more."""
    try:
        return indexes.parse(text.partition("%")[0], index_max=1 << 40) if text else None
    except UsageError:
        return None
