"""The agent of a test, and the check that nothing of it is left."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.hands import Hands


@pytest.fixture
def hands(tmp_path: Path) -> Iterator[Hands]:
    """An agent in this process, without control groups."""
    os.environ["XDG_RUNTIME_DIR"] = str(tmp_path)
    made = Hands(tmp_path)
    yield made
    made.close()
    assert not made.marked()
