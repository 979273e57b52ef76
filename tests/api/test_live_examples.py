"""The examples run as they stand, and print what they promise."""

import sys
from pathlib import Path

import pytest

from live.conftest import House

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PRINTS = {
    "submit_and_wait": ["COMPLETED, exit code 0", "has 1 procs for me"],
    "sweep": ["array: 10 of 10 completed", "sh ended with 3", "wide ended with 0"],
    "dependencies": ["job 3: COMPLETED", "left\nright\n"],
    "events": ["submitted: PENDING\n", "ended: COMPLETED\n", "meanwhile: submitted started"],
    "executor": [
        "[0, 1, 4, 9]",
        "[5.0, 5.5, 6.0, 6.5, 7.0, 7.5]",
        "raised there, caught here: division by zero",
        "too long: TIMEOUT",
        "cancelled: True",
    ],
}


@pytest.mark.parametrize("name", sorted(PRINTS))
def test_an_example_runs_and_prints_what_it_promises(name: str, house: House) -> None:
    house.server(2)
    printed = house.ok(sys.executable, str(EXAMPLES / f"{name}.py"))
    for text in PRINTS[name]:
        assert text in printed, printed


def test_every_example_is_run_and_documented() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(PRINTS)
    page = (EXAMPLES.parent / "docs" / "api.md").read_text()
    for name in PRINTS:
        assert f"examples/{name}.py" in page
