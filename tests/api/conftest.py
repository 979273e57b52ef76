"""The house of the live tests, and a client in it."""

import os
from collections.abc import Iterator

import pytest

import jobd
from live.conftest import House
from live.conftest import house as house


@pytest.fixture
def client(house: House) -> Iterator[jobd.Client]:
    """A client of a server with two procs. What is submitted bears the mark of the house, so that what is left behind is found."""
    house.server(2)
    folder = os.getcwd()
    with house.environment():
        os.environ["HOUSE"] = house.mark
        os.chdir(house.work)
        try:
            with jobd.Client() as made:
                yield made
        finally:
            os.chdir(folder)
