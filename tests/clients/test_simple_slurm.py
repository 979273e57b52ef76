"""simple-slurm, end to end: scripts on sbatch's input, arrays, dependencies, srun, its squeue and scancel."""

import datetime
import subprocess

import pytest
from simple_slurm import Slurm

from clients.conftest import Client, call, until, until_state


def content(client: Client, name: str) -> str:
    """What a job has written."""
    return (client.folder / name).read_text()


def test_sbatch(client: Client, capfd: pytest.CaptureFixture[str]) -> None:
    slurm = Slurm(
        job_name="plain",
        output=f"out-%x-{Slurm.JOB_ID}",
        cpus_per_task=2,
        time=datetime.timedelta(minutes=3),
        mem="200M",
        requeue=True,
        mail_type=["FAIL", "TIME_LIMIT"],
        mail_user="nobody@example.org",
    )
    slurm.add_cmd("word=seen")
    job = slurm.sbatch(
        f"echo $word {Slurm.SLURM_JOB_NAME} {Slurm.SLURM_CPUS_PER_TASK}; squeue -h -j {Slurm.SLURM_JOB_ID} -o '%l %m %C'"
    )
    assert capfd.readouterr().out == f"Submitted batch job {job}\n\n"
    until_state(job, "COMPLETED")
    assert content(client, f"out-plain-{job}") == "seen plain 2\n3:00 200M 2\n"


def test_the_number_alone(client: Client, capfd: pytest.CaptureFixture[str]) -> None:
    slurm = Slurm(parsable=True, output="/dev/null")
    job = slurm.sbatch("true")
    assert capfd.readouterr().out == f"{job}\n"
    until_state(job, "COMPLETED")


def test_a_file(client: Client) -> None:
    slurm = Slurm("--output", "out", "-n", 1)
    slurm.set_shell("/bin/bash")
    job = slurm.sbatch("echo $0 ${BASH_VERSION:+bash}", convert=False, job_file="job.sh")
    until_state(job, "COMPLETED")
    assert content(client, "out").endswith("slurm_script bash\n")


def test_an_array(client: Client) -> None:
    slurm = Slurm(array=range(3, 12, 4), output=f"{Slurm.JOB_ARRAY_MASTER_ID}_{Slurm.JOB_ARRAY_ID}.out")
    job = slurm.sbatch(f"echo {Slurm.SLURM_ARRAY_TASK_ID} of {Slurm.SLURM_ARRAY_TASK_COUNT}")
    for index in (3, 7, 11):
        until_state(f"{job}_{index}", "COMPLETED")
        assert content(client, f"{job}_{index}.out") == f"{index} of 3\n"


def test_dependencies(client: Client) -> None:
    first = Slurm(output="first").sbatch("sleep 0.5; exit 3")
    never = Slurm(output="never", dependency={"afterok": first}, kill_on_invalid_dep="yes").sbatch("true")
    last = Slurm(output="last", dependency={"after": first, "afternotok": first}).sbatch("echo after it")
    until_state(last, "COMPLETED")
    assert content(client, "last") == "after it\n"
    until_state(first, "FAILED")
    until_state(never, "CANCELLED")


def test_srun(client: Client, capfd: pytest.CaptureFixture[str]) -> None:
    slurm = Slurm(ntasks=2, job_name="front")
    assert slurm.srun("printenv SLURM_NTASKS") == 0
    assert capfd.readouterr().out == "2\n2\n"
    with pytest.raises(subprocess.CalledProcessError) as caught:
        Slurm(ntasks=1).srun("sh -c 'exit 7'")
    assert caught.value.returncode == 7


def test_squeue(client: Client) -> None:
    running = Slurm(job_name="sleeper", output="/dev/null", time="0:05:00").sbatch("sleep 1000")
    held = Slurm(job_name="held", output="/dev/null", hold=True, mem="100M").sbatch("true")
    until_state(running, "RUNNING")
    queue = Slurm().squeue
    queue.update_squeue()
    assert queue.jobs.keys() == {running, held}
    assert queue.jobs[running]["ST"] == "R"
    waiting = queue.get_filtered_jobs("held")
    del waiting[held]["TIME_LEFT"]
    assert waiting == {
        held: {
            "JOBID": str(held),
            "NAME": "held",
            "ST": "PD",
            "TIME": "0:00",
            "NODES": "1",
            "CPUS": "1",
            "MIN_MEMORY": "100M",
            "TRES_PER_NODE": "N/A",
            "NODELIST(REASON)": "(JobHeldUser)",
        }
    }


def test_scancel(client: Client) -> None:
    def begin(script: str) -> int:
        job = Slurm(output="/dev/null").sbatch(f"{script}; touch begun{len(jobs)}; sleep 1000 & wait; wait")
        jobs.append(job)
        until((client.folder / f"begun{len(jobs) - 1}").exists)
        return int(job)

    jobs: list[int] = []
    cancel = Slurm().scancel
    cancel.cancel_job(begin("true"))
    until_state(jobs[0], "CANCELLED")
    cancel.cancel_job(jobs[0])  # once more: nothing is said
    cancel.signal_job(begin("true"))
    begin("true")
    cancel.cancel_all()
    until_state(jobs[2], "CANCELLED")
    assert until(lambda: call("squeue", "-h", "--me") == "")


def test_what_is_refused(client: Client, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(AssertionError):
        Slurm(partition="nosuch").sbatch("true")
    assert capfd.readouterr().err == (
        "sbatch: error: invalid partition specified: nosuch\n"
        "sbatch: error: Batch job submission failed: Invalid partition name specified\n"
    )
