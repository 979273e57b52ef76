"""Thousands of short histories of a server to which everything happens. A failure names its seed: pytest tests/sim --sim-seed N."""

import os
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator

import pytest

from jobd.journal.journal import Journal
from jobd.states import Cause
from sim.simulator import Simulation

PARTS = 4  # that may run beside each other
HISTORIES_MIN = 100  # of a part, from which on it must have seen all that may happen

# What may become of an attempt or a job, and that seldom enough to be missed when the simulator loses it.
SEEN = {
    *(f"ended {cause.value}" for cause in Cause if cause is not Cause.REQUEUED),
    *(f"requeued {cause.value}" for cause in (Cause.SELF, Cause.REBOOT, Cause.REQUEUED)),
    *("submitted", "split", "started", "launched", "changed", "completed", "reopened"),
    *("suspended", "resumed", "paused", "unpaused", "limitsset"),
}


@pytest.fixture
def folder() -> Iterator[str]:
    """A folder in memory where there is one: the disk is not what is tested here."""
    made = tempfile.mkdtemp(prefix="jobd-sim-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    yield made
    shutil.rmtree(made)


@pytest.mark.parametrize("part", range(PARTS))
def test_whatever_happens_every_promise_is_kept(
    folder: str, request: pytest.FixtureRequest, part: int
) -> None:
    template = os.path.join(folder, "template")
    Journal(template).close()
    asked = request.config.getoption("--sim-seed")
    histories = request.config.getoption("--sim-histories") // PARTS
    first = random.SystemRandom().randrange(1 << 40)
    seeds = [asked] if asked is not None else [first + number for number in range(histories)]
    ticks = crashes = jobs = 0
    seen: Counter[str] = Counter()
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
        seen.update(simulation.ledger.seen)
    print(f"{len(seeds)} histories from seed {seeds[0]}: {ticks} ticks, {crashes} crashes, {jobs} jobs")
    if asked is None and histories >= HISTORIES_MIN:
        assert set(seen) >= SEEN, f"never seen: {SEEN - set(seen)}"
        assert crashes > histories / 20 and jobs > histories
