"""jobd.Client against a real server."""

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import jobd
from jobd.errors import NoServer, NoSuchJob, NotEnough, Refused, TooManyProcs, UsageError
from live.conftest import PATIENCE_S, House

NOWHERE: Any = {"stdout": "/dev/null"}


def test_a_job_runs_and_tells_its_end_and_its_output(client: jobd.Client) -> None:
    job = client.submit("echo out; echo err >&2; exit 3", name="three", env={"A": "b"}, stderr="errors-%j")
    end = job.wait(PATIENCE_S)
    assert (end.state, end.exit_code, end.code, end.is_ok) == (jobd.JobState.FAILED, 3, 3, False)
    assert (job.state, job.exit_code, job.signal, job.is_over) == (jobd.JobState.FAILED, 3, None, True)
    assert (job.output(), job.output(is_error=True), job.output(tail_bytes=2)) == ("out\n", "err\n", "t\n")
    assert job.row().name == "three" and job.output_path == f"{os.getcwd()}/slurm-{job.id}.out"
    assert job.wait() == end and client.wait(job) == [end]


def test_a_script_is_copied_when_it_is_submitted(client: jobd.Client, house: House) -> None:
    file = house.work / "run.sh"
    file.write_text("#!/bin/sh\necho $1 $A\n")
    job = client.submit(["x"], script=file, hold=True, env={"A": "b"})
    file.write_text("#!/bin/sh\necho changed\n")
    assert job.state is jobd.JobState.PENDING and job.output() == ""
    job.release()
    job.wait(PATIENCE_S)
    assert job.output() == "x b\n" and job.row().name == "run.sh"


def test_many_jobs_are_waited_for_in_their_order(client: jobd.Client) -> None:
    jobs = client.submit_many([f"exit {number % 3}" for number in range(90)], **NOWHERE)
    ends = client.wait(jobs, PATIENCE_S)
    assert [end.job_id for end in ends] == [job.id for job in jobs]
    assert [end.code for end in ends] == [number % 3 for number in range(90)]
    some = client.jobs(jobs[:5], states=["FAILED"])
    assert [row.exit_code for row in some] == [1, 2, 1]
    assert len(client.jobs(is_finished=True, limit=7)) == 7


def test_an_array_is_one_job_with_elements(client: jobd.Client) -> None:
    array = client.submit(
        "echo $SLURM_ARRAY_TASK_ID; exit $SLURM_ARRAY_TASK_ID", array=range(4), array_limit=1
    )
    assert [(end.array_index, end.code) for end in array.ends(PATIENCE_S)] == [(0, 0), (1, 1), (2, 2), (3, 3)]
    assert array.wait().code == 3 and array.is_over and array.output() == "0\n1\n2\n3\n"
    assert array[2].wait(PATIENCE_S).code == 2 and array[2].output() == "2\n"
    assert client.job(f"{array.id}_1").exit_code == 1


def test_elements_of_an_array_are_cancelled_and_waited_for_by_name(client: jobd.Client) -> None:
    array = client.submit("sleep 100", array=range(50), **NOWHERE)
    array[40].cancel()
    assert array[40].wait(PATIENCE_S).state is jobd.JobState.CANCELLED
    assert len(client.cancel(f"{array.id}_[45-49]")) == 5
    assert array.cancel()
    ends = array.ends(PATIENCE_S)
    assert all(end.state is jobd.JobState.CANCELLED for end in ends) and not array.cancel()


def test_a_job_waits_for_others_and_never_runs_if_they_fail(client: jobd.Client) -> None:
    first = client.submit("true", hold=True, **NOWHERE)
    after = client.submit("true", dependency=[first], **NOWHERE)
    assert "afterok" in after.row().batch.dependency  # type: ignore[union-attr]
    bad = client.submit("false", **NOWHERE)
    never = client.submit("true", dependency=bad, kill_on_invalid_dependency=True, **NOWHERE)
    first.release()
    assert after.wait(PATIENCE_S).is_ok
    assert never.wait(PATIENCE_S).state is jobd.JobState.CANCELLED


def test_jobs_are_controlled_and_changed(client: jobd.Client) -> None:
    job = client.submit("sleep 100", hold=True, time=3600, **NOWHERE)
    job.update(time="2:00:00", name="new", priority=3, labels={"comment": "x"})
    row = job.row()
    assert (row.time_limit_s, row.name, row.priority) == (7200, "new", 3)
    client.update(job, time="UNLIMITED")
    assert job.row().time_limit_s is None
    job.release()
    with client.events(0, timeout_s=PATIENCE_S) as events:
        next(
            event for event in events if event.kind == "started" and event.job and event.job.job_id == job.id
        )
    job.suspend()
    assert job.state is jobd.JobState.SUSPENDED
    job.resume()
    assert job.state is jobd.JobState.RUNNING
    with client.events(0, timeout_s=PATIENCE_S) as events:
        next(
            event for event in events if event.kind == "launched" and event.job and event.job.job_id == job.id
        )
    job.send("KILL")
    end = job.wait(PATIENCE_S)
    assert (end.signal, end.code) == (9, 137)


def test_what_the_server_refuses_is_raised_as_its_class(client: jobd.Client) -> None:
    over = client.submit("true", **NOWHERE)
    over.wait(PATIENCE_S)
    for kind, call in (
        (TooManyProcs, lambda: client.submit("true", nb_proc=10_000)),
        (NotEnough, lambda: client.submit("true", memory="900T")),
        (NotEnough, lambda: client.submit("true", gres={"unicorn": 1})),
        (NoSuchJob, lambda: client.submit("true", dependency=987654)),
        (NoSuchJob, lambda: client.wait([over, 987654])),
        (NoSuchJob, lambda: client.job(987654).row()),
        (NoSuchJob, lambda: client.hold(over)),
        (Refused, lambda: client.submit("true", labels={"partition": "none"})),
        (Refused, lambda: client.signal(client.submit("true", hold=True, **NOWHERE), "TERM")),
        (UsageError, lambda: client.cancel("x")),
        (UsageError, lambda: client.submit("true", labels={"BAD NAME": "x"})),
        (UsageError, lambda: client.update(over)),
        (UsageError, lambda: client.jobs(states=["ASLEEP"])),
    ):
        with pytest.raises(kind) as caught:
            call()
        assert "\n" not in str(caught.value)
    assert client.cancel(over) == []


def test_a_wait_ends_with_its_time(client: jobd.Client) -> None:
    job = client.submit("sleep 100", **NOWHERE)
    array = client.submit("sleep 100", array="0-9", **NOWHERE)
    for jobs in ([job], [job, array]):
        with pytest.raises(TimeoutError):
            client.wait(jobs, 0.05)


def test_waits_and_events_outlive_a_server_that_is_killed(client: jobd.Client, house: House) -> None:
    job = client.submit("sleep 1", **NOWHERE)
    array = client.submit("true", array=range(5), dependency=job, **NOWHERE)
    found: dict[str, Any] = {}
    seqs: list[int] = []

    def follow() -> None:
        with client.events(0, timeout_s=PATIENCE_S) as events:
            for event in events:
                seqs.append(event.seq)
                if event.kind == "ended" and event.job is not None and event.job.name == "last":
                    return

    threads = [
        threading.Thread(target=lambda: found.update(one=job.wait(PATIENCE_S))),
        threading.Thread(target=lambda: found.update(all=client.wait([job, array], PATIENCE_S))),
        threading.Thread(target=follow),
    ]
    for thread in threads:
        thread.start()
    for _ in range(3):
        os.kill(client.status().pid, signal.SIGKILL)
        client.submit("true", **NOWHERE)  # starts another
    client.wait([job, array], PATIENCE_S)
    client.submit("true", name="last", **NOWHERE)
    for thread in threads:
        thread.join(PATIENCE_S)
    assert found["one"].is_ok and [end.is_ok for end in found["all"]] == [True] * 6
    assert seqs == list(range(1, len(seqs) + 1)) and len(seqs) > 20


def test_events_go_on_where_another_stream_stopped(client: jobd.Client) -> None:
    client.wait(client.submit_many([["true"]] * 5, **NOWHERE), PATIENCE_S)
    with client.events(0, timeout_s=PATIENCE_S) as events:
        seqs = [next(iter(events)).seq for _ in range(3)]
        last_seq = events.last_seq
    with client.events(last_seq, timeout_s=PATIENCE_S) as events:
        while seqs[-1] < client.status().last_seq:
            seqs.append(next(iter(events)).seq)
    assert seqs == list(range(1, len(seqs) + 1))
    with pytest.raises(UsageError):
        client.events(-1)


def test_threads_share_a_client_and_a_forked_child_has_its_own(client: jobd.Client) -> None:
    ends: list[jobd.End] = []
    threads = [
        threading.Thread(target=lambda: ends.append(client.submit("true", **NOWHERE).wait(PATIENCE_S)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert len({end.job_id for end in ends if end.is_ok}) == 8
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if client.submit("true", **NOWHERE).wait(PATIENCE_S).is_ok else 1
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert client.submit("true", **NOWHERE).wait(PATIENCE_S).is_ok


def test_the_machine_is_told(client: jobd.Client) -> None:
    node = client.node()
    assert node.nb_proc == 2 and node.memory_bytes > 0 and node.partitions
    assert client.status().nb_proc == 2


def test_without_a_server_it_is_said(house: House) -> None:
    with house.environment(), pytest.raises(NoServer):
        jobd.Client(is_starting=False).status()


def test_a_job_inside_a_job_is_its_child_if_that_is_asked_for(client: jobd.Client, house: House) -> None:
    inner = Path(house.work / "inner.py")
    inner.write_text(
        "import jobd\n"
        "with jobd.Client() as client:\n"
        "    print(client.submit('true', nb_proc=2, is_child=True, stdout='/dev/null').wait(30).row.parent_id)\n"
    )
    # Both procs are the outer job's; the inner one gets them since its parent counts as suspended meanwhile.
    outer = client.submit([sys.executable, str(inner)], nb_proc=2)
    assert outer.wait(PATIENCE_S).is_ok, outer.output()
    assert outer.output() == f"{outer.id}\n"
