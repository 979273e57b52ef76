"""The variables of jobs and tasks: all that Slurm's users rely on, and those that were not asked for are not there."""

import re

from jobd.slurm.environment import (
    JOB_VARIABLES,
    JobFacts,
    allocation_variables,
    job_variables,
    task_variables,
)

BARE = JobFacts(job_id=12, name="fit", user="me", uid=1000, gid=100, nb_proc=4, node="vm")

ALWAYS = """
SLURM_JOB_ID SLURM_JOBID SLURM_JOB_NAME SLURM_JOB_NODELIST SLURM_NODELIST SLURM_JOB_NUM_NODES SLURM_NNODES SLURM_JOB_PARTITION
SLURM_JOB_CPUS_PER_NODE SLURM_CPUS_ON_NODE SLURM_TASKS_PER_NODE SLURM_PROCID SLURM_LOCALID SLURM_NODEID SLURM_SUBMIT_DIR
SLURM_SUBMIT_HOST SLURM_CLUSTER_NAME SLURMD_NODENAME SLURM_JOB_USER SLURM_JOB_UID SLURM_JOB_GID SLURM_JOB_ACCOUNT SLURM_JOB_QOS SLURM_GTIDS
ENVIRONMENT
"""
IF_ASKED = """
SLURM_NTASKS SLURM_NPROCS SLURM_CPUS_PER_TASK SLURM_NTASKS_PER_NODE SLURM_MEM_PER_NODE SLURM_MEM_PER_CPU SLURM_ARRAY_JOB_ID
SLURM_ARRAY_TASK_ID SLURM_ARRAY_TASK_COUNT SLURM_ARRAY_TASK_MIN SLURM_ARRAY_TASK_MAX SLURM_ARRAY_TASK_STEP SLURM_RESTART_COUNT SLURM_GPUS
SLURM_JOB_GPUS SLURM_GPUS_ON_NODE CUDA_VISIBLE_DEVICES ROCR_VISIBLE_DEVICES GPU_DEVICE_ORDINAL
"""
IN_TASKS = """
SLURM_NTASKS SLURM_NPROCS SLURM_PROCID SLURM_LOCALID SLURM_STEP_ID SLURM_STEPID SLURM_STEP_NUM_TASKS SLURM_STEP_NODELIST
SLURM_STEP_TASKS_PER_NODE SLURM_LAUNCH_NODE_IPADDR SLURM_UMASK
"""


def test_every_batch_job_finds_what_slurm_always_sets() -> None:
    variables = job_variables(BARE._replace(partition="main", account="me", qos="normal"))
    assert set(ALWAYS.split()) <= set(variables)
    assert variables["SLURM_JOB_ID"] == variables["SLURM_JOBID"] == "12"
    assert variables["SLURM_JOB_CPUS_PER_NODE"] == variables["SLURM_CPUS_ON_NODE"] == "4"
    assert variables["ENVIRONMENT"] == "BATCH"


def test_what_was_not_asked_for_is_not_set() -> None:
    assert not set(IF_ASKED.split()) & set(job_variables(BARE))


def test_tasks_and_processors_that_were_asked_for_are_told() -> None:
    variables = job_variables(BARE._replace(ntasks=2, cpus_per_task=2))
    assert variables["SLURM_NTASKS"] == variables["SLURM_NPROCS"] == variables["SLURM_TASKS_PER_NODE"] == "2"
    assert variables["SLURM_CPUS_PER_TASK"] == "2"
    assert job_variables(BARE._replace(ntasks_per_node=4))["SLURM_NTASKS"] == "4"


def test_memory_is_told_in_megabytes_the_way_it_was_asked_for() -> None:
    whole = job_variables(BARE._replace(memory_bytes=4 << 30))
    assert whole["SLURM_MEM_PER_NODE"] == "4096"
    assert "SLURM_MEM_PER_CPU" not in whole
    each = job_variables(BARE._replace(memory_bytes=4 << 30, memory_per_cpu_bytes=1 << 30))
    assert each["SLURM_MEM_PER_CPU"] == "1024"
    assert "SLURM_MEM_PER_NODE" not in each


def test_an_element_knows_its_array() -> None:
    variables = job_variables(
        BARE._replace(
            job_id=15, array_id=12, array_index=0, array_count=5, array_min=0, array_max=8, array_step=2
        )
    )
    found = {name: text for name, text in variables.items() if "ARRAY" in name}
    assert found == {
        "SLURM_ARRAY_JOB_ID": "12",
        "SLURM_ARRAY_TASK_ID": "0",
        "SLURM_ARRAY_TASK_COUNT": "5",
        "SLURM_ARRAY_TASK_MIN": "0",
        "SLURM_ARRAY_TASK_MAX": "8",
        "SLURM_ARRAY_TASK_STEP": "2",
    }


def test_the_devices_handed_out_are_told_to_every_kind_of_program() -> None:
    variables = job_variables(BARE._replace(gpus_asked=2, gpus=(1, 3)))
    for name in ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL", "SLURM_JOB_GPUS"):
        assert variables[name] == "1,3"
    assert variables["SLURM_GPUS_ON_NODE"] == variables["SLURM_GPUS"] == "2"


def test_a_second_attempt_knows_that_it_is_one() -> None:
    assert job_variables(BARE._replace(restarts=1))["SLURM_RESTART_COUNT"] == "1"


def test_the_command_of_an_allocation_is_no_task_and_on_no_node() -> None:
    variables = allocation_variables(BARE)
    assert variables["SLURM_JOB_ID"] == "12"
    assert not {"ENVIRONMENT", "SLURMD_NODENAME", "SLURM_PROCID", "SLURM_CPUS_ON_NODE"} & set(variables)


def test_every_task_knows_its_place() -> None:
    variables = task_variables(step_id=0, rank=2, ntasks=3, node="vm", umask=0o22)
    assert set(IN_TASKS.split()) <= set(variables)
    assert variables["SLURM_PROCID"] == variables["SLURM_LOCALID"] == "2"
    assert variables["SLURM_GTIDS"] == "0,1,2"
    assert variables["SLURM_UMASK"] == "0022"


def test_all_that_is_set_for_a_job_is_known_as_such() -> None:
    assert set(ALWAYS.split()) | set(IF_ASKED.split()) | set(IN_TASKS.split()) <= JOB_VARIABLES
    assert all(re.fullmatch(r"[A-Z_]+0?", name) for name in JOB_VARIABLES)
