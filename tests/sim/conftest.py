"""How long the simulator plays, and how one history is played again: --sim-seed N, or SIM_SEED=N; SIM_HISTORIES=N."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--sim-seed", type=int, default=None, help="play this one history of the simulator")
