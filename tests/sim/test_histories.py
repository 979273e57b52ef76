"""Thousands of short histories of a server to which everything happens. A failure names its seed: pytest tests/sim --sim-seed N."""

import os
import random
import shutil
import tempfile
from collections.abc import Iterator

import pytest

from jobd.journal.journal import Journal
from sim.simulator import Simulation

HISTORIES = int(os.environ.get("SIM_HISTORIES", "1000"))


@pytest.fixture
def folder() -> Iterator[str]:
    """A folder in memory where there is one: the disk is not what is tested here."""
    made = tempfile.mkdtemp(prefix="jobd-sim-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    yield made
    shutil.rmtree(made)


def test_whatever_happens_every_promise_is_kept(folder: str, request: pytest.FixtureRequest) -> None:
    template = os.path.join(folder, "template")
    Journal(template).close()
    asked = request.config.getoption("--sim-seed", default=None)
    if asked is None and "SIM_SEED" in os.environ:
        asked = int(os.environ["SIM_SEED"])
    first = random.SystemRandom().randrange(1 << 40)
    seeds = [asked] if asked is not None else [first + number for number in range(HISTORIES)]
    ticks = crashes = jobs = 0
    for seed in seeds:
        simulation = Simulation(seed, folder, template)
        try:
            simulation.run()
        except BaseException:
            print(f"\nseed {seed}: pytest tests/sim --sim-seed {seed}\n" + "\n".join(simulation.log[-60:]))
            raise
        os.unlink(simulation.path)
        ticks += simulation.ticks
        crashes += simulation.crashes
        jobs += len(simulation.ledger.jobs)
    print(f"{len(seeds)} histories from seed {seeds[0]}: {ticks} ticks, {crashes} crashes, {jobs} jobs")
    assert asked is not None or HISTORIES < 100 or (crashes > HISTORIES / 20 and jobs > HISTORIES)
