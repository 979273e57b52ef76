"""The variables that tell jobs and tasks of their GPUs: those that a Slurm 22.05 with two GPUs sets."""

import pytest

from jobd.cli.batch_environment import environment_of
from jobd.slurm.environment import JobFacts, job_variables, step_gpus
from jobd.wire.blobs import unpack_environment

ALL = ("SLURM_STEP_GPUS", "CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL")


@pytest.mark.parametrize(
    ("option", "variable"),
    [
        ("gpus", b"SLURM_GPUS"),
        ("gpus-per-node", b"SLURM_GPUS_PER_NODE"),
        ("gpus-per-task", b"SLURM_GPUS_PER_TASK"),
        ("cpus-per-gpu", b"SLURM_CPUS_PER_GPU"),
        ("mem-per-gpu", b"SLURM_MEM_PER_GPU"),
        ("gres", b""),
    ],
)
def test_a_job_is_told_how_its_gpus_were_asked_for(option: str, variable: bytes) -> None:
    found = unpack_environment(environment_of({option: "2"}, {b"PATH": b"/bin"}))
    assert {name for name in found if b"GPU" in name} == ({variable} if variable else set())


def test_a_batch_job_is_told_which_devices_it_has() -> None:
    facts = JobFacts(job_id=1, name="n", user="u", uid=0, gid=0, nb_proc=1, node="n", gpus=(0, 1))
    found = {name: text for name, text in job_variables(facts).items() if "GPU" in name or name in ALL}
    shared = dict.fromkeys((*ALL[1:], "SLURM_JOB_GPUS"), "0,1")
    assert found == {**shared, "SLURM_GPUS_ON_NODE": "2"}


def test_a_tasks_gpus_are_its_jobs_or_its_share() -> None:
    assert step_gpus({}, 0) == {}
    assert step_gpus({b"SLURM_JOB_GPUS": b"0,1"}, 1) == {"SLURM_STEP_GPUS": "0,1"}
    assert step_gpus({b"SLURM_JOB_GPUS": b"0,1", b"SLURM_GPUS_PER_TASK": b"1"}, 1) == dict.fromkeys(ALL, "1")
