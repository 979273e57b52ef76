"""The line in a job's output that says why it was ended."""

import os
import re
from pathlib import Path

import pytest

from agent.hands import Hands
from jobd.agent.farewell import line_of
from jobd.states import Cause
from jobd.wire import batch as b
from jobd.wire import messages as m


@pytest.mark.parametrize(
    ("cause", "end"),
    [
        (Cause.DELETED, "CANCELLED AT 2026-01-31T08:00:00 ***"),
        (Cause.TIME_LIMIT, "CANCELLED AT 2026-01-31T08:00:00 DUE TO TIME LIMIT ***"),
        (Cause.REQUEUED, "CANCELLED AT 2026-01-31T08:00:00 DUE TO JOB REQUEUE ***"),
    ],
)
def test_it_is_slurms_line(cause: Cause, end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    at = time.mktime((2026, 1, 31, 8, 0, 0, 0, 0, -1))
    line = line_of(12, cause, at)
    assert re.fullmatch(r"slurmstepd: error: \*\*\* JOB 12 ON \S+ ", line[: -len(end) - 1]) and line.endswith(
        end + "\n"
    )


def test_of_memory_and_of_an_end_of_its_own() -> None:
    assert line_of(12, Cause.OUT_OF_MEMORY, 0.0).startswith(
        "slurmstepd: error: Detected 1 oom_kill event in StepId=12.batch."
    )
    assert line_of(12, Cause.SELF, 0.0) == ""


def cancelled(hands: Hands, cause: str, **fields: object) -> None:
    launch = hands.launch(1, ["/bin/sleep", "1000"], **fields)
    hands.until(lambda: hands.agent.batches.attempts)
    hands.hear(m.Kill(1, 5.0, 1, launch.token, cause))
    hands.until(lambda: any(isinstance(one, b.Left) for one in hands.link.said))


def test_it_is_appended_to_what_the_job_writes_as_errors(hands: Hands) -> None:
    errors = hands.folder / "errors"
    cancelled(hands, "deleted", stdout=str(hands.folder / "output"), stderr=str(errors))
    assert "*** JOB 1 ON" in errors.read_text() and (hands.folder / "output").read_text() == ""


def test_it_joins_the_output_where_the_errors_do(hands: Hands) -> None:
    cancelled(hands, "requeued", stdout=str(hands.folder / "output"), stderr="")
    assert "DUE TO JOB REQUEUE" in (hands.folder / "output").read_text()


def test_a_job_that_ended_by_itself_has_none(hands: Hands) -> None:
    cancelled(hands, "self", stdout=str(hands.folder / "output"), stderr="")
    assert (hands.folder / "output").read_text() == ""


def test_a_file_that_is_gone_or_is_no_file_goes_without(hands: Hands, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    cancelled(hands, "deleted", stdout=str(pipe), stderr="")
    with pytest.raises(BlockingIOError):
        os.read(reader, 1)
    os.close(reader)
