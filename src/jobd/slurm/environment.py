"""The variables that a job and each task of its steps find, as Slurm sets them. Pure: facts in, names and values out.

Source: sbatch(1), "output environment variables", and what real clients read (tests hold the list). SLURM_TASK_PID is not among them: only
the process itself knows its number (the agent, or Srun for its tasks).
"""

from collections.abc import Mapping
from typing import NamedTuple

from jobd.slurm.sizes import megabytes


class JobFacts(NamedTuple):
    """What is known of a job when an attempt of it starts. None and 0 mean: was not asked for."""

    job_id: int
    name: str
    user: str
    uid: int
    gid: int
    nb_proc: int
    node: str
    partition: str = ""
    account: str = ""
    qos: str = ""
    cluster: str = "local"
    submit_dir: str = ""
    submit_host: str = ""
    ntasks: int | None = None
    cpus_per_task: int | None = None
    ntasks_per_node: int | None = None
    memory_bytes: int = 0
    memory_per_cpu_bytes: int = 0
    gpus_asked: int = 0  # of an allocation; a batch job's is in its captured environment
    gpus: tuple[int, ...] = ()  # the devices handed out
    array_id: int | None = None
    array_index: int | None = None
    array_count: int = 0  # of the whole array, as it was submitted
    array_min: int = 0
    array_max: int = 0
    array_step: int = 1
    restarts: int = 0  # attempts before this one
    started_at: float | None = None
    time_limit_s: int | None = None
    licenses: str = ""  # as asked: matlab:2
    reservation: str = ""
    dependency: str = ""
    umask: int | None = None


def job_variables(facts: JobFacts) -> dict[str, str]:
    """The SLURM_* variables of a batch job (and of Srun's or Salloc's own allocation, less ENVIRONMENT)."""
    job_id = str(facts.job_id)
    cpus = str(facts.nb_proc)
    variables = {
        "ENVIRONMENT": "BATCH",
        "SLURM_CLUSTER_NAME": facts.cluster,
        "SLURM_CPUS_ON_NODE": cpus,
        "SLURM_GTIDS": "0",
        "SLURM_JOBID": job_id,
        "SLURM_JOB_CPUS_PER_NODE": cpus,
        "SLURM_JOB_GID": str(facts.gid),
        "SLURM_JOB_ID": job_id,
        "SLURM_JOB_NAME": facts.name,
        "SLURM_JOB_NODELIST": facts.node,
        "SLURM_JOB_NUM_NODES": "1",
        "SLURM_JOB_UID": str(facts.uid),
        "SLURM_JOB_USER": facts.user,
        "SLURM_LOCALID": "0",
        "SLURM_NNODES": "1",
        "SLURM_NODEID": "0",
        "SLURM_NODELIST": facts.node,
        "SLURM_NODE_ALIASES": "(null)",
        "SLURM_PRIO_PROCESS": "0",
        "SLURM_PROCID": "0",
        "SLURM_SUBMIT_DIR": facts.submit_dir,
        "SLURM_SUBMIT_HOST": facts.submit_host or facts.node,
        "SLURM_TASKS_PER_NODE": str(_tasks(facts)),
        "SLURM_TOPOLOGY_ADDR": facts.node,
        "SLURM_TOPOLOGY_ADDR_PATTERN": "node",
        "SLURMD_NODENAME": facts.node,
    }
    for name, value in (
        ("SLURM_JOB_PARTITION", facts.partition),
        ("SLURM_JOB_ACCOUNT", facts.account),
        ("SLURM_JOB_QOS", facts.qos),
        ("SLURM_JOB_LICENSES", facts.licenses),
        ("SLURM_JOB_RESERVATION", facts.reservation),
        ("SLURM_JOB_DEPENDENCY", facts.dependency),
    ):
        if value:
            variables[name] = value
    variables |= _asked(facts) | _array(facts) | gpu_variables(facts.gpus)
    if facts.restarts > 0:
        variables["SLURM_RESTART_COUNT"] = str(facts.restarts)
    return variables


# Of a batch job's variables those that only its script has: a command of Salloc is on no node and is no task.
_OF_SCRIPTS = (
    "ENVIRONMENT", "SLURMD_NODENAME", "SLURM_CPUS_ON_NODE", "SLURM_GTIDS", "SLURM_JOB_GID", "SLURM_JOB_UID", "SLURM_JOB_USER",
    "SLURM_LOCALID", "SLURM_NODEID", "SLURM_PRIO_PROCESS", "SLURM_PROCID", "SLURM_TOPOLOGY_ADDR", "SLURM_TOPOLOGY_ADDR_PATTERN",
)  # fmt: skip


def allocation_variables(facts: JobFacts) -> dict[str, str]:
    """The SLURM_* variables of a command that salloc runs."""
    variables = job_variables(facts)
    for name in _OF_SCRIPTS:
        variables.pop(name, None)
    return variables


def _tasks(facts: JobFacts) -> int:
    if facts.ntasks is not None:
        return facts.ntasks
    return facts.ntasks_per_node or max(1, facts.nb_proc // (facts.cpus_per_task or 1))


def _asked(facts: JobFacts) -> dict[str, str]:
    """What exists only where it was asked for: scripts test for it."""
    variables = {}
    ntasks = facts.ntasks if facts.ntasks is not None else facts.ntasks_per_node
    if ntasks is not None:
        variables["SLURM_NTASKS"] = variables["SLURM_NPROCS"] = str(ntasks)
    if facts.cpus_per_task is not None:
        variables["SLURM_CPUS_PER_TASK"] = str(facts.cpus_per_task)
    if facts.ntasks_per_node is not None:
        variables["SLURM_NTASKS_PER_NODE"] = str(facts.ntasks_per_node)
    if facts.memory_per_cpu_bytes:
        variables["SLURM_MEM_PER_CPU"] = str(megabytes(facts.memory_per_cpu_bytes))
    elif facts.memory_bytes:
        variables["SLURM_MEM_PER_NODE"] = str(megabytes(facts.memory_bytes))
    if facts.gpus_asked:
        variables["SLURM_GPUS"] = str(facts.gpus_asked)
    return variables


def _array(facts: JobFacts) -> dict[str, str]:
    if facts.array_id is None or facts.array_index is None:
        return {}
    return {
        "SLURM_ARRAY_JOB_ID": str(facts.array_id),
        "SLURM_ARRAY_TASK_ID": str(facts.array_index),
        "SLURM_ARRAY_TASK_COUNT": str(facts.array_count),
        "SLURM_ARRAY_TASK_MIN": str(facts.array_min),
        "SLURM_ARRAY_TASK_MAX": str(facts.array_max),
        "SLURM_ARRAY_TASK_STEP": str(facts.array_step),
    }


def gpu_variables(gpus: tuple[int, ...]) -> dict[str, str]:
    """Those that tell programs which devices are theirs; none where none was handed out."""
    if not gpus:
        return {}
    devices = ",".join(map(str, gpus))
    return {
        "SLURM_JOB_GPUS": devices,
        "SLURM_GPUS_ON_NODE": str(len(gpus)),
        "CUDA_VISIBLE_DEVICES": devices,
        # Else CUDA counts from the fastest device, and our numbers, which are NVML's, would mean others.
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "ROCR_VISIBLE_DEVICES": devices,
        "GPU_DEVICE_ORDINAL": devices,
    }


def step_gpus(outer: Mapping[bytes, bytes], rank: int) -> dict[str, str]:
    """A task's GPUs: those of its job, or its share of them where the job was asked for with --gpus-per-task."""
    devices = outer.get(b"SLURM_JOB_GPUS", b"").decode("ascii", "replace")
    if not devices:
        return {}
    per_task = outer.get(b"SLURM_GPUS_PER_TASK", b"").rpartition(b":")[2]
    if per_task.isdigit():
        own = devices.split(",")[rank * int(per_task) : (rank + 1) * int(per_task)]
        if own:
            shared = ",".join(own)
            names = ("SLURM_STEP_GPUS", "CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL")
            return dict.fromkeys(names, shared)
    return {"SLURM_STEP_GPUS": devices}


def task_variables(
    *,
    step_id: int,
    rank: int,
    ntasks: int,
    node: str,
    cpus_per_task: int | None = None,
    nb_proc: int | None = None,
    umask: int | None = None,
    job_id: int | None = None,
    job_cpus: int | None = None,
    label: bool = False,
    job_name: str = "",
) -> dict[str, str]:
    """What a task of an Srun step finds besides its job's variables.

    Args:
        job_cpus: the processors of the job around the step; None for an Srun's own job.
        job_name: where the step was given a name of its own, which srun tells as the job's.
    """
    variables = {
        "SLURM_GTIDS": ",".join(map(str, range(ntasks))),
        "SLURM_LAUNCH_NODE_IPADDR": "127.0.0.1",
        "SLURM_LOCALID": str(rank),
        "SLURM_NODEID": "0",
        "SLURM_NPROCS": str(ntasks),
        "SLURM_NTASKS": str(ntasks),
        "SLURM_PRIO_PROCESS": "0",
        "SLURM_PROCID": str(rank),
        "SLURM_SRUN_COMM_HOST": "127.0.0.1",
        "SLURM_STEPID": str(step_id),
        "SLURM_STEP_ID": str(step_id),
        "SLURM_STEP_NODELIST": node,
        "SLURM_STEP_NUM_NODES": "1",
        "SLURM_STEP_NUM_TASKS": str(ntasks),
        "SLURM_STEP_TASKS_PER_NODE": str(ntasks),
        "SLURM_TASKS_PER_NODE": str(ntasks),
        "SLURMD_NODENAME": node,
    }
    if ntasks > 1:
        variables["SLURM_DISTRIBUTION"] = "block"
    elif job_cpus is not None:
        variables["SLURM_DISTRIBUTION"] = "cyclic"
    if job_cpus is not None:
        variables["SLURM_JOB_CPUS_PER_NODE_PACK_GROUP_0"] = str(job_cpus)
    if label:
        variables["SLURM_LABELIO"] = "1"
    if job_name:
        variables["SLURM_JOB_NAME"] = job_name
    if job_id is not None:
        variables["SLURM_JOB_ID"] = variables["SLURM_JOBID"] = str(job_id)
    if cpus_per_task is not None:
        variables["SLURM_CPUS_PER_TASK"] = str(cpus_per_task)
    if nb_proc is not None:
        variables["SLURM_CPUS_ON_NODE"] = str(nb_proc)
    if umask is not None:
        variables["SLURM_UMASK"] = f"{umask:04o}"
    return variables


_EVERYTHING = JobFacts(
    job_id=1, name="n", user="u", uid=0, gid=0, nb_proc=1, node="n", partition="p", account="a", qos="q",
    ntasks=1, cpus_per_task=1, ntasks_per_node=1, memory_bytes=1, gpus_asked=1, gpus=(0,), array_id=1, array_index=1,
    restarts=1, started_at=0.0, time_limit_s=1, licenses="l", reservation="r", dependency="d", umask=0,
)  # fmt: skip

# What was set for the job around a submission and says nothing of the new job. Its CUDA_VISIBLE_DEVICES and the like are among them:
# they name devices that are another's by the time the new job runs.
JOB_VARIABLES = frozenset(
    {
        *job_variables(_EVERYTHING),
        *task_variables(
            step_id=0, rank=0, ntasks=1, node="n", cpus_per_task=1, nb_proc=1, umask=0, job_id=1, job_cpus=1
        ),
        "SLURM_MEM_PER_CPU",
        "SLURM_OPEN_MODE",
        # What sbatch was told, and hands on to the job's steps (cli/batch_environment.py).
        "SLURM_ACCTG_FREQ",
        "SLURM_EXPORT_ENV",
        "SLURM_GET_USER_ENV",
        "SLURM_HINT",
        "SLURM_LABELIO",
        "SLURM_OVERCOMMIT",
        "SLURM_PROFILE",
        "SLURM_THREADS_PER_CORE",
        "SRUN_DEBUG",
        "SLURM_TASK_PID",
        "SLURM_CPUS_PER_GPU",
        "SLURM_GPUS_PER_NODE",
        "SLURM_GPUS_PER_SOCKET",
        "SLURM_GPUS_PER_TASK",
        "SLURM_GPU_BIND",
        "SLURM_GPU_FREQ",
        "SLURM_MEM_PER_GPU",
        "SLURM_STEP_GPUS",
    }
)

# ---- what a job hands on
# Of the job around us; the new job gets its own.
OF_JOBD = (
    b"JOBD_JOB_ID",
    b"JOBD_SERVER",
    b"JOBD_ATTEMPT",
    b"JOBD_STEP_ID",
    b"JOBD_NB_PROC",
    b"NB_PROC",
    b"JOBD_TOKEN",
)
DEVICES = (b"CUDA_VISIBLE_DEVICES", b"CUDA_DEVICE_ORDER", b"ROCR_VISIBLE_DEVICES", b"GPU_DEVICE_ORDINAL")


def without_job(variables: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """The variables, less those that a job around us was given for itself."""
    kept = dict(variables)
    if b"JOBD_JOB_ID" not in kept and b"SLURM_JOB_ID" not in kept:
        return kept
    count = kept.get(b"JOBD_NB_PROC")
    devices = kept.get(b"SLURM_JOB_GPUS")
    for name in JOB_VARIABLES:
        key = name.encode()
        if key not in DEVICES:
            kept.pop(key, None)
    if devices is not None and kept.get(b"CUDA_VISIBLE_DEVICES") == devices:
        for key in DEVICES:
            kept.pop(key, None)
    if count is not None:
        # OMP_NUM_THREADS, GOMAXPROCS and their like, where they have the number that the job around us was given.
        for key in [key for key in kept if key.endswith((b"_THREADS", b"PROCS")) and kept[key] == count]:
            del kept[key]
    for key in OF_JOBD:
        kept.pop(key, None)
    return kept
