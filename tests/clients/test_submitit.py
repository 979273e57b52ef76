"""submitit, end to end: results, arrays, exceptions, cancelling, output, tasks, checkpoints."""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import submitit
from submitit.core import core, utils

from clients.conftest import REQUEUE_S, Client, until, until_state


@pytest.fixture
def executor(client: Client, monkeypatch: pytest.MonkeyPatch) -> submitit.AutoExecutor:
    """As its users make it; a folder for each job."""
    monkeypatch.setattr(core.Job, "_results_timeout_s", 1)  # that the result of a dead job is waited for
    submitit.SlurmJob.watcher.clear()  # it keeps what it heard of numbers, and both worlds begin with the same
    made = submitit.AutoExecutor(client.folder / "log" / "%j", cluster="slurm")
    made.update_parameters(timeout_min=5, slurm_job_name="client")
    return made


def state(job: submitit.Job[Any]) -> str:
    """As sacct says it, asked for now."""
    return str(job.get_info(mode="force").get("State", ""))


def result(job: submitit.Job[Any]) -> Any:
    """Its result, with the patience of these tests; not with submitit's own, which looks once a second."""
    until(lambda: job.paths.result_pickle.exists() or state(job).startswith(("FAILED", "CANCELLED")))
    return job.result()


def test_one_job(executor: submitit.AutoExecutor) -> None:
    def add(a: int, b: int) -> int:
        print("the sum", flush=True)
        print("its noise", file=sys.stderr, flush=True)
        return a + b

    job = executor.submit(add, 5, 7)
    assert result(job) == 12
    assert job.done()
    assert until(lambda: state(job) == "COMPLETED")
    assert "the sum\n" in job.stdout()
    assert "its noise\n" in job.stderr()
    assert job.paths.folder.name == job.job_id


def test_what_a_job_knows_of_itself(executor: submitit.AutoExecutor) -> None:
    def look() -> dict[str, Any]:
        environment = submitit.JobEnvironment()
        names = (
            "job_id",
            "num_tasks",
            "num_nodes",
            "node",
            "global_rank",
            "local_rank",
            "hostnames",
            "hostname",
        )
        return {name: getattr(environment, name) for name in names} | {
            "cpus": int(os.environ["SLURM_CPUS_PER_TASK"]),
            "comment": os.popen("squeue -h -j $SLURM_JOB_ID -o '%k|%m|%l|%C|%j|%T'").read(),
            "set_up": os.environ["SET_UP"],
        }

    executor.update_parameters(
        cpus_per_task=2, mem_gb=1, slurm_comment="a remark", slurm_setup=["export SET_UP=yes"]
    )
    job = executor.submit(look)
    seen = result(job)
    host = seen["hostname"]
    assert seen.pop("hostnames") in ([host], ["n1"])  # a node of the private cluster is called otherwise
    assert seen == {
        "job_id": job.job_id,
        "num_tasks": 1,
        "num_nodes": 1,
        "node": 0,
        "global_rank": 0,
        "local_rank": 0,
        "hostname": host,
        "cpus": 2,
        "comment": "a remark|1G|5:00|2|client|RUNNING\n",
        "set_up": "yes",
    }


def test_an_array(executor: submitit.AutoExecutor) -> None:
    jobs = executor.map_array(lambda x, y: x * y, range(10), range(10, 20))
    assert [result(job) for job in jobs] == [x * (x + 10) for x in range(10)]
    first = jobs[0].job_id.split("_")[0]
    assert [job.job_id for job in jobs] == [f"{first}_{index}" for index in range(10)]
    assert until(lambda: [state(job) for job in jobs] == ["COMPLETED"] * 10)
    assert {job.paths.stdout.exists() for job in jobs} == {True}


def test_an_array_that_may_run_two_at_once(executor: submitit.AutoExecutor) -> None:
    def span(_: int) -> tuple[float, float]:
        began = time.time()
        time.sleep(0.3)
        return began, time.time()

    executor.update_parameters(slurm_array_parallelism=2)
    spans = [result(job) for job in executor.map_array(span, range(5))]
    for began, _ in spans:
        assert sum(start <= began < end for start, end in spans) <= 2


def test_a_batch_of_different_calls(executor: submitit.AutoExecutor) -> None:
    with executor.batch():
        jobs = [executor.submit(pow, 2, 10), executor.submit(str.upper, "abc")]
    assert [result(job) for job in jobs] == [1024, "ABC"]


def test_an_exception_travels_back(executor: submitit.AutoExecutor) -> None:
    def fail(what: str) -> None:
        raise ValueError(f"no {what} today")

    job = executor.submit(fail, "bread")
    with pytest.raises(utils.FailedJobError) as caught:
        result(job)
    assert "ValueError: no bread today" in str(caught.value)
    assert until(lambda: state(job) == "FAILED")
    assert isinstance(job.exception(), utils.FailedJobError)


def test_cancel(executor: submitit.AutoExecutor, client: Client) -> None:
    begun = client.folder / "begun"

    def hang() -> None:
        begun.touch()
        while True:  # submitit bears the SIGTERM
            signal.pause()

    running = executor.submit(hang)
    until(begun.exists)
    executor.update_parameters(slurm_additional_parameters={"begin": "now+3600"})
    waiting = executor.submit(hang)
    assert until(lambda: state(waiting) == "PENDING")
    assert not running.done(force_check=True)
    for job in (running, waiting):
        job.cancel()
        assert until(lambda job=job: state(job).startswith("CANCELLED by "))
        assert job.done(force_check=True)
        with pytest.raises(utils.UncompletedJobError):
            job.result()


def test_cancel_of_an_element(executor: submitit.AutoExecutor, client: Client) -> None:
    def work(index: int) -> int:
        (Path(os.environ["SLURM_SUBMIT_DIR"]) / f"begun{index}").touch()
        while index == 1:
            signal.pause()
        return index

    jobs = executor.map_array(work, range(3))
    until((client.folder / "begun1").exists)
    jobs[1].cancel()
    assert until(lambda: state(jobs[1]).startswith("CANCELLED by "))
    assert [result(jobs[0]), result(jobs[2])] == [0, 2]


def test_a_job_that_dies_without_a_word(executor: submitit.AutoExecutor) -> None:
    job = executor.submit(os._exit, 3)
    assert until(lambda: state(job) == "FAILED")
    with pytest.raises(utils.UncompletedJobError) as caught:
        job.result()
    assert "has not produced any output" in str(caught.value)


def test_tasks(executor: submitit.AutoExecutor) -> None:
    def rank() -> tuple[int, int]:
        environment = submitit.JobEnvironment()
        print(f"task {environment.global_rank}", flush=True)
        return environment.global_rank, environment.num_tasks

    executor.update_parameters(tasks_per_node=3)
    job = executor.submit(rank)
    until(lambda: state(job) in ("COMPLETED", "FAILED"))
    assert job.results() == [(0, 3), (1, 3), (2, 3)]
    assert ["task 2\n" in job.task(2).stdout(), "task 2\n" in job.task(1).stdout()] == [True, False]


def test_without_srun(executor: submitit.AutoExecutor) -> None:
    executor.update_parameters(slurm_use_srun=False)
    assert result(executor.submit(divmod, 17, 5)) == (3, 2)


def test_a_job_after_another(executor: submitit.AutoExecutor) -> None:
    first = executor.submit(time.sleep, 0.5)
    executor.update_parameters(slurm_additional_parameters={"dependency": f"afterok:{first.job_id}"})
    second = executor.submit(first.paths.result_pickle.exists)
    assert result(second) is True


def test_what_the_cluster_refuses(executor: submitit.AutoExecutor) -> None:
    executor.update_parameters(slurm_partition="nosuch")
    with pytest.raises(utils.FailedJobError) as caught:
        executor.submit(abs, -1)
    assert "sbatch: error: invalid partition specified: nosuch\n" in str(caught.value)


def interruptible(folder: Path) -> Any:
    """A call that hangs until it is put back once, and then tells what it was given; for the unit `none` it does not hang."""

    class Work:
        def __init__(self) -> None:
            self.seen = 0

        def __call__(self, unit: str) -> tuple[int, str, str]:
            if unit != "none":
                (folder / f"begun{self.seen}").touch()
            while not self.seen and unit != "none":
                time.sleep(0.05)
            return self.seen, unit, os.environ.get("SLURM_RESTART_COUNT", "")

        def checkpoint(self, unit: str) -> utils.DelayedSubmission:
            self.seen += 1
            return utils.DelayedSubmission(self, unit)

    return Work()


def requeued(job: submitit.Job[Any]) -> Any:
    """Wait until it has been put back and has run again to its end; its result."""
    until(job.paths.result_pickle.exists, REQUEUE_S)
    return job.result()


def test_preempted_and_continued(executor: submitit.AutoExecutor, client: Client) -> None:
    executor.update_parameters(timeout_min=60)  # with less, submitit takes each signal for that of the limit
    job = executor.submit(interruptible(client.folder), "km")
    until((client.folder / "begun0").exists)
    job._interrupt()
    assert requeued(job) == (1, "km", "1")
    assert until(lambda: state(job) == "COMPLETED")
    said = f"{job.stdout()}{job.stderr()}"
    assert "Bypassing signal SIGTERM" in said
    assert "this job is preempted" in said


def test_an_element_preempted_and_continued(executor: submitit.AutoExecutor, client: Client) -> None:
    job, other = executor.map_array(interruptible(client.folder), ["km", "none"])
    assert result(other) == (0, "none", "")
    until((client.folder / "begun0").exists)
    job._interrupt()
    assert requeued(job) == (1, "km", "1")
    assert until(lambda: state(job) == "COMPLETED")


def test_the_time_limit_and_continued(executor: submitit.AutoExecutor, client: Client) -> None:
    executor.update_parameters(timeout_min=1, slurm_signal_delay_s=50)
    job = executor.submit(interruptible(client.folder), "km")
    until((client.folder / "begun0").exists)
    until_state(job.job_id, "RUNNING")
    assert requeued(job) == (1, "km", "1")
    assert "this job is timed-out" in job.stderr()


def test_the_time_limit_without_a_checkpoint(executor: submitit.AutoExecutor) -> None:
    executor.update_parameters(timeout_min=1, slurm_signal_delay_s=50)

    def hang() -> None:
        while True:  # SIGCONT comes first
            signal.pause()

    job = executor.submit(hang)
    until(job.paths.result_pickle.exists)
    with pytest.raises(utils.FailedJobError) as caught:
        job.result()
    assert "Job not requeued because: timed-out and not checkpointable." in str(caught.value)
