"""The exit code that is made of how jobs ended."""

import pytest

from jobd.cli import ends
from jobd.wire.messages import JobRow

ROW = JobRow(
    7, None, 7, "COMPLETED", "batch", 1, 4711, "n", ["n"], "/", "me", 0, None, 1.0, 2.0, 3.0, [], [], 0, None, "self", "", "None", "t"
)  # fmt: skip


@pytest.mark.parametrize(
    ("state", "exit_code", "number", "code"),
    [
        ("COMPLETED", 0, None, 0),
        ("FAILED", 7, None, 7),
        ("FAILED", None, 9, 137),
        ("FAILED", None, None, 1),
        ("CANCELLED", None, None, 1),
        ("CANCELLED", 0, None, 1),
        ("CANCELLED", None, 15, 143),
        ("TIMEOUT", 0, None, 1),
        ("TIMEOUT", None, 15, 143),
        ("OUT_OF_MEMORY", None, 9, 137),
        ("NODE_FAIL", None, None, 1),
    ],
)
def test_a_job_that_did_not_complete_never_counts_as_0(
    state: str, exit_code: int | None, number: int | None, code: int
) -> None:
    assert ends.code_of(ROW._replace(state=state, exit_code=exit_code, signal=number)) == code
