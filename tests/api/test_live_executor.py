"""jobd.Executor against a real server."""

import os
import signal
import sys
import time
from concurrent.futures import CancelledError, as_completed, wait
from pathlib import Path
from typing import Any

import pytest

import jobd
from jobd.errors import NotEnough, UsageError
from live.conftest import PATIENCE_S, House

# Most calls are of the standard library, which is pickled by name; lambdas go by value. Functions of this module could not be imported there.
STORM_CALLS = 1000
STORM_S = 5.0  # a second where nothing else is busy; tests run beside each other


def until_running(future: Any, client: jobd.Client) -> None:
    """Return when its job runs."""
    with client.events(0, timeout_s=PATIENCE_S) as events:
        for event in events:
            if event.kind == "started" and event.job is not None and event.job.job_id == future.job_id:
                return
    raise AssertionError("it does not start")


def test_results_and_exceptions_come_back(client: jobd.Client) -> None:
    with jobd.Executor(client) as executor:
        good = executor.submit(divmod, 17, 5)
        bad = executor.submit(divmod, 1, 0)
        keywords = executor.submit(lambda *, name, nb_proc: (name, nb_proc), name="x", nb_proc=99)
        assert good.result(PATIENCE_S) == (3, 2) and keywords.result(PATIENCE_S) == ("x", 99)
        with pytest.raises(ZeroDivisionError) as caught:
            bad.result(PATIENCE_S)
        assert "divmod" not in str(caught.value) and "Traceback" in str(caught.value.__cause__)
        assert good.job is not None and good.job.row().name == "divmod" and good.job.exit_code == 0
        assert bad.job is not None and bad.job.state is jobd.JobState.FAILED


def test_a_call_gets_the_procs_and_the_name_of_its_view(client: jobd.Client) -> None:
    with jobd.Executor(client, env={"A": "all"}) as executor:
        view = executor.options(nb_proc=2, name="wide")
        future = view.submit(lambda: (os.environ["NB_PROC"], os.environ["A"], len(os.sched_getaffinity(0))))
        count, mine, cpus = future.result(PATIENCE_S)
        assert (count, mine) == ("2", "all") and cpus <= max(2, os.cpu_count() or 2)
        assert future.job is not None and future.job.row().name == "wide" and future.job.row().nb_proc == 2


def test_what_it_prints_is_in_its_output(client: jobd.Client) -> None:
    with jobd.Executor(client) as executor:
        future = executor.submit(print, "hello", "there")
        future.result(PATIENCE_S)
        assert executor.output(future) == "hello there\n"
        folder = executor.submit(os.getcwd).result(PATIENCE_S)
        assert folder == os.getcwd()


def test_the_folder_goes_when_all_is_over(client: jobd.Client, house: House) -> None:
    calls = house.root / ".local/state/jobd/calls"
    with jobd.Executor(client) as executor:
        executor.submit(int, "3").result(PATIENCE_S)
        assert len(list(calls.iterdir())) == 1
    assert list(calls.iterdir()) == []
    kept = house.work / "kept"
    with jobd.Executor(client, folder=kept) as executor:
        future = executor.submit(print, "stays")
        future.result(PATIENCE_S)
    assert [path.name for path in kept.iterdir()] == [f"{future.job_id}.out"]


def test_what_fails_on_its_way_is_told_apart(client: jobd.Client) -> None:
    with jobd.Executor(client) as executor:
        left = executor.submit(os._exit, 7)
        killed = executor.submit(lambda: os.kill(os.getpid(), signal.SIGSEGV))
        slow = executor.options(time=1).submit(lambda: print("begins") or time.sleep(100))
        silent = executor.submit(os._exit, 0)
        outside = executor.submit(time.sleep, 100)
        with pytest.raises(jobd.JobFailed, match="exit code 7") as caught:
            left.result(PATIENCE_S)
        assert (caught.value.code, caught.value.state) == (7, jobd.JobState.FAILED)
        with pytest.raises(jobd.JobKilled) as caught:
            killed.result(PATIENCE_S)
        assert caught.value.signal == signal.SIGSEGV
        with pytest.raises(TimeoutError) as timed:
            slow.result(PATIENCE_S)
        assert isinstance(timed.value, jobd.JobTimeout) and timed.value.output.startswith("begins\n")
        with pytest.raises(jobd.JobFailed, match="without a result"):
            silent.result(PATIENCE_S)
        until_running(outside, client)
        assert outside.job is not None and outside.job.cancel()
        with pytest.raises(jobd.JobCancelled):
            outside.result(PATIENCE_S)


def test_too_much_memory_is_a_memory_error(client: jobd.Client) -> None:
    with jobd.Executor(client, memory="100M") as executor:
        future = executor.submit(lambda: len(b"x" * (400 << 20)) + time.sleep(20))  # type: ignore[func-returns-value]
        with pytest.raises(MemoryError) as caught:
            future.result(PATIENCE_S)
        assert isinstance(caught.value, jobd.JobOutOfMemory)


def test_calls_are_cancelled_while_they_wait_and_while_they_run(client: jobd.Client) -> None:
    with jobd.Executor(client) as executor:
        running = executor.submit(time.sleep, 100)
        waiting = executor.options(hold=True).submit(time.sleep, 100)
        while running.job_id is None or waiting.job_id is None:
            client.status()
        until_running(running, client)
        jobs = [running.job, waiting.job]
        assert running.cancel() and waiting.cancel() and running.cancelled()
        with pytest.raises(CancelledError):
            waiting.result(PATIENCE_S)
        assert len(wait([running, waiting], PATIENCE_S).done) == 2
        states = [end.state for end in client.wait([job for job in jobs if job is not None], PATIENCE_S)]
        assert states == [jobd.JobState.CANCELLED] * 2


def test_shutdown_cancels_what_does_not_run_yet(client: jobd.Client) -> None:
    executor = jobd.Executor(client)
    held = [executor.options(hold=True).submit(int, "1") for _ in range(3)]
    done = executor.submit(int, "5")
    assert done.result(PATIENCE_S) == 5
    executor.shutdown(cancel_futures=True)
    assert all(future.cancelled() for future in held)
    assert client.jobs() == []
    with pytest.raises(RuntimeError):
        executor.submit(int, "1")


def test_map_keeps_the_order_in_chunks_or_not(client: jobd.Client) -> None:
    with jobd.Executor(client) as executor:
        assert list(executor.map(pow, range(5), [2] * 5)) == [0, 1, 4, 9, 16]
        before = client.status().last_seq
        assert list(executor.map(pow, range(100), [2] * 100, chunksize=40)) == [n * n for n in range(100)]
        after = client.status().last_seq
        submitted = 0
        with client.events(before, timeout_s=PATIENCE_S) as events:
            for event in events:
                submitted += event.kind == "submitted"
                if event.seq >= after:
                    break
        assert submitted == 3
        with pytest.raises(UsageError):
            executor.map(int, "1", chunksize=0)


def test_a_module_beside_the_script_is_found(client: jobd.Client, house: House) -> None:
    folder = house.work / "scripts"
    folder.mkdir()
    (folder / "beside.py").write_text("def twice(x):\n    return 2 * x\n")
    (folder / "main.py").write_text(
        "import beside, jobd\n"
        "with jobd.Executor() as executor:\n"
        "    print(executor.submit(beside.twice, 21).result(60))\n"
    )
    assert house.ok(sys.executable, str(folder / "main.py")) == "42\n"


def test_a_big_payload_goes_there_and_back(client: jobd.Client) -> None:
    data = os.urandom(20 << 20)
    with jobd.Executor(client) as executor:
        assert executor.submit(lambda: data[::-1]).result(PATIENCE_S) == data[::-1]


def test_what_the_server_refuses_is_the_outcome_of_the_call(client: jobd.Client) -> None:
    with jobd.Executor(client) as executor:
        good = executor.submit(int, "1")
        bad = executor.options(memory="900T").submit(int, "1")
        with pytest.raises(NotEnough):
            bad.result(PATIENCE_S)
        assert good.result(PATIENCE_S) == 1 and bad.job is None


def test_options_that_make_no_sense_are_refused_at_once(client: jobd.Client) -> None:
    with jobd.Executor(client) as executor, pytest.raises(UsageError):
        executor.options(array="0-9")
    with pytest.raises(UsageError):
        jobd.Executor(client, nb_procs=2)  # type: ignore[call-arg]


def test_a_call_that_failed_is_tried_again_if_that_is_asked_for(client: jobd.Client, house: House) -> None:
    mark = str(house.work / "mark")

    def second_time() -> int:
        if not os.path.exists(mark):
            open(mark, "w").close()
            raise OSError("first time")
        return 2

    with jobd.Executor(client, retries=1) as executor:
        assert executor.submit(second_time).result(PATIENCE_S) == 2


def test_calls_outlive_a_server_that_is_killed(client: jobd.Client) -> None:
    with jobd.Executor(client) as executor:
        futures = [executor.submit(lambda n=n: time.sleep(0.2) or n) for n in range(10)]
        for _ in range(3):
            os.kill(client.status().pid, signal.SIGKILL)
            assert executor.submit(int, "7").result(PATIENCE_S) == 7  # starts another server
        assert sorted(future.result(PATIENCE_S) for future in as_completed(futures, PATIENCE_S)) == list(
            range(10)
        )


def test_a_storm_of_calls_is_handed_over_quickly(client: jobd.Client) -> None:
    with jobd.Executor(client, hold=True) as executor:
        begin_s = time.monotonic()
        futures = [executor.submit(pow, number, 2) for number in range(STORM_CALLS)]
        executor._calls.flush(PATIENCE_S)
        assert time.monotonic() - begin_s < STORM_S
        assert client.status().waiting == 0 and len(client.jobs()) == STORM_CALLS
        for future in futures:
            future.cancel()
    assert client.jobs() == []


def test_what_was_submitted_is_handed_over_at_the_interpreters_end(client: jobd.Client, house: House) -> None:
    code = "import jobd, os; jobd.Executor().submit(print, 'ran', file=None)"
    assert house.run(sys.executable, "-c", code).returncode == 0
    (row,) = client.jobs() or client.jobs(is_finished=True)
    assert client.wait(row, PATIENCE_S)[0].is_ok and client.output(row) == "ran\n"


def test_an_executor_in_a_job_makes_children_of_it(client: jobd.Client, house: House) -> None:
    inner = Path(house.work / "inner.py")
    inner.write_text(
        "import jobd\n"
        "with jobd.Executor(nb_proc=2) as executor:\n"
        "    print(sum(executor.map(pow, [1, 2, 3], [2, 2, 2])))\n"
    )
    # It has all procs itself, and would wait for ever for those of its calls if they were no children.
    outer = client.submit([sys.executable, str(inner)], nb_proc=2)
    assert outer.wait(PATIENCE_S).is_ok, outer.output()
    assert outer.output() == "14\n"
