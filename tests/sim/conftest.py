"""How long the simulator plays, and how one history is played again: --sim-seed N (SIM_SEED=N), --sim-histories N (SIM_HISTORIES=N)."""

import os

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    seed = os.environ.get("SIM_SEED")
    parser.addoption(
        "--sim-seed",
        type=int,
        default=None if seed is None else int(seed),
        help="play this one history of the simulator",
    )
    parser.addoption(
        "--sim-histories",
        type=int,
        default=int(os.environ.get("SIM_HISTORIES", "1000")),
        help="how many histories the simulator plays",
    )
