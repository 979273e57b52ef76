"""A server to ask, on a journal of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.houses import House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """Two processors, an empty queue, no agent yet."""
    made = House(str(tmp_path / "journal"))
    yield made
    made.journal.close()
