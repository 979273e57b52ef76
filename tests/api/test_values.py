"""Ends, names of jobs, calls and outcomes, failures, futures: what needs no server."""

import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import CancelledError, as_completed, wait
from pathlib import Path
from typing import Any

import pytest

import jobd
from cli.slurm_rows import BATCH, ROW
from jobd.api import jobs, payload
from jobd.api.failures import failure_of
from jobd.api.future import CallFuture
from jobd.api.job import job_id_of, job_ids_of
from jobd.errors import UsageError
from jobd.wire.batch import JobId
from jobd.wire.left import count_of

ELEMENT = ROW._replace(job_id=20, batch=BATCH._replace(array_id=12, array_index=3))
WAITING = ROW._replace(job_id=12, state="PENDING", batch=BATCH._replace(array_id=12, tasks="4-9:2"))


# ---- names and ends
def test_a_job_is_named_as_slurm_does() -> None:
    assert job_id_of("12_3") == JobId(12, [[3, 3, 1]])
    assert job_id_of("12_[1-4,7]") == JobId(12, [[1, 4, 1], [7, 7, 1]])
    assert job_ids_of(12) == job_ids_of("12") == job_ids_of([ROW._replace(job_id=12)]) == [JobId(12)]
    assert [jobs.text_of(job_id_of(text)) for text in ("12", "12_3", "12_[1-4]")] == [
        "12",
        "12_3",
        "12_[1-4]",
    ]


@pytest.mark.parametrize("job", ["", "x", "1.5", "12_", "12_[", "-1", 0, -4, True, 1.5, None, b"1"])
def test_what_is_no_job_is_refused(job: Any) -> None:
    with pytest.raises(UsageError):
        job_id_of(job)


def test_a_job_that_is_several_has_no_job_object() -> None:
    client = jobd.Client()
    assert client.job("12_3").array_index == 3 and client.job(12)[3] == client.job("12_3")
    for text in ("12_[1-4]", "12_[1,7]"):
        with pytest.raises(UsageError, match="more than one"):
            client.job(text)
    with pytest.raises(UsageError, match="no element"):
        client.job("12_3")[4]


def test_a_row_fits_the_array_that_it_is_of() -> None:
    assert (
        jobs.fits(JobId(12), ELEMENT)
        and jobs.fits(JobId(20), ELEMENT)
        and jobs.fits(job_id_of("12_3"), ELEMENT)
    )
    assert not jobs.fits(job_id_of("12_4"), ELEMENT) and not jobs.fits(job_id_of("20_3"), ELEMENT)
    assert jobs.fits(job_id_of("12_[5-6]"), WAITING) and not jobs.fits(job_id_of("12_5"), WAITING)
    assert (count_of(WAITING), count_of(ELEMENT)) == (3, 1)


def test_an_ends_code_is_what_a_shell_would_have() -> None:
    def code(**ends: Any) -> int:
        return jobs.end_of(ROW._replace(**ends)).code

    assert code(state="COMPLETED", exit_code=0) == 0
    assert code(state="FAILED", exit_code=3) == 3
    assert code(state="FAILED", signal=9) == 137
    assert code(state="CANCELLED") == code(state="TIMEOUT", exit_code=0) == 1


# ---- failures
@pytest.mark.parametrize(
    ("ends", "kind", "base"),
    [
        ({"state": "TIMEOUT", "signal": 15}, jobd.JobTimeout, TimeoutError),
        ({"state": "OUT_OF_MEMORY", "signal": 9}, jobd.JobOutOfMemory, MemoryError),
        ({"state": "CANCELLED"}, jobd.JobCancelled, jobd.JobFailed),
        ({"state": "FAILED", "signal": 11}, jobd.JobKilled, jobd.JobFailed),
        ({"state": "FAILED", "exit_code": 7}, jobd.JobFailed, jobd.errors.JobdError),
        ({"state": "FAILED", "cause": "lost"}, jobd.JobLost, jobd.JobFailed),
        ({"state": "NODE_FAIL"}, jobd.JobLost, jobd.JobFailed),
        ({"state": "COMPLETED", "exit_code": 0, "reason": "exit code 0"}, jobd.JobFailed, jobd.JobFailed),
    ],
)
def test_a_failure_has_a_class_for_its_cause_and_travels(
    ends: dict[str, Any], kind: type, base: type
) -> None:
    error = failure_of(ROW._replace(**ends), "first\nlast\n")
    assert type(error) is kind and isinstance(error, base)
    assert (error.job_id, error.state.value, error.output) == (3539, ends["state"], "first\nlast\n")
    assert "job 3539" in str(error) and "last" in str(error) and "exit code 0" not in str(error)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind and vars(again) == vars(error) and str(again) == str(error)


# ---- calls and outcomes
class Awkward(Exception):
    """Can be pickled, and not be made again."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} {two}")


def test_a_call_arrives_as_it_was_sent() -> None:
    offset = 3
    saved = list(sys.path)
    function, arguments, keywords = payload.unpack_call(
        payload.pack_call(lambda x, y: x + y + offset, (1,), {"y": 2})
    )
    assert function(*arguments, **keywords) == 6 and sys.path == saved


def test_a_call_that_cannot_be_sent_is_refused() -> None:
    with pytest.raises(UsageError, match="cannot be sent"):
        payload.pack_call(print, (threading.Lock(),), {})


def test_what_was_returned_or_raised_comes_back() -> None:
    assert payload.unpack_outcome(payload.pack_return({"a": [1]})) == ({"a": [1]}, None)
    try:
        raise KeyError("gone")
    except KeyError as raised:
        value, error = payload.unpack_outcome(payload.pack_raised(raised))
    assert value is None and isinstance(error, KeyError) and error.args == ("gone",)
    assert "test_values.py" in str(error.__cause__)


def test_an_exception_that_cannot_be_sent_comes_back_as_its_text() -> None:
    _, error = payload.unpack_outcome(payload.pack_raised(Awkward(1, 2)))
    assert isinstance(error, jobd.RemoteError) and "Awkward" in str(error)


@pytest.mark.parametrize("data", [b"", b"=", b"!junk", b"??", b"x"])
def test_an_outcome_that_is_none_is_an_error_and_no_crash(data: bytes) -> None:
    assert isinstance(payload.unpack_outcome(data)[1], jobd.RemoteError)


def test_a_pack_goes_with_the_last_of_its_calls(tmp_path: Path) -> None:
    path = str(tmp_path / "calls")
    pack = payload.Pack(path, [b"one", b"three"])
    assert pack.spans == [(0, 3), (3, 5)] and Path(path).read_bytes() == b"onethree"
    pack.drop()
    assert os.path.exists(path)
    pack.drop()
    assert not os.path.exists(path)


def run_call(tmp_path: Path, data: bytes) -> "tuple[subprocess.CompletedProcess[str], Any]":
    outcome = tmp_path / "outcome"
    pack = payload.Pack(str(tmp_path / "calls"), [b"before", data])
    offset, size = pack.spans[1]
    command = [sys.executable, "-P", "-m", "jobd.api.call", pack.path, str(offset), str(size), str(outcome)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done, payload.unpack_outcome(outcome.read_bytes()) if outcome.exists() else None


def test_a_call_runs_in_a_process_of_its_own_and_leaves_its_outcome(tmp_path: Path) -> None:
    done, outcome = run_call(tmp_path, payload.pack_call(lambda: print("hello") or os.getpid(), (), {}))
    assert done.returncode == 0 and done.stdout == "hello\n"
    assert outcome[1] is None and outcome[0] != os.getpid()


def test_a_call_that_leaves_the_program_has_raised(tmp_path: Path) -> None:
    done, (_, error) = run_call(tmp_path, payload.pack_call(sys.exit, (5,), {}))
    assert done.returncode == 1 and isinstance(error, SystemExit) and error.code == 5


def test_a_result_that_cannot_be_sent_is_an_error_of_the_call(tmp_path: Path) -> None:
    done, (_, error) = run_call(tmp_path, payload.pack_call(threading.Lock, (), {}))
    assert done.returncode == 1 and isinstance(error, TypeError)


def test_a_call_that_is_gone_says_so_in_one_line(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "jobd.api.call",
        str(tmp_path / "none"),
        "0",
        "1",
        str(tmp_path / "outcome"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "gone" in done.stderr
    done = subprocess.run(command[:3], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stderr.startswith("usage:")


# ---- futures
def test_a_future_can_be_cancelled_while_it_runs_and_tells_once() -> None:
    told: list[str] = []
    future: CallFuture[int] = CallFuture()
    future.tell_cancelled = lambda: told.append("server")
    future.add_done_callback(lambda _: told.append("callback"))
    future.is_started = True
    assert future.running() and not future.done()
    assert future.cancel() and future.cancel()
    assert future.cancelled() and not future.running() and told == ["callback", "server"]
    future.settle(3, None)  # comes too late
    with pytest.raises(CancelledError):
        future.result(0)


def test_a_future_that_is_over_cannot_be_cancelled() -> None:
    future: CallFuture[int] = CallFuture()
    future.settle(3, None)
    assert not future.cancel() and future.result(0) == 3


def test_those_who_wait_hear_of_results_errors_and_cancellations() -> None:
    futures: list[CallFuture[int]] = [CallFuture() for _ in range(3)]
    each = as_completed(futures, timeout=10)
    futures[2].settle(1, None)
    assert next(each) is futures[2]
    futures[0].settle(None, ValueError())
    assert next(each) is futures[0]
    futures[1].cancel()
    assert next(each) is futures[1]
    assert wait(futures, timeout=0).not_done == set()
