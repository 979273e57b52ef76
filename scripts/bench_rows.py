"""What a row of scripts/bench is, and how much is measured for it. Values only."""

from typing import NamedTuple


class Row(NamedTuple):
    """One line of the table. `ratio` and `is_met` are None where there is nothing to compare or to reach."""

    row: str
    measure: str
    measured: str
    against: str
    ratio: float | None
    goal: str
    is_met: bool | None
    note: str = ""


class Size(NamedTuple):
    """How much is measured."""

    runs: int  # of one command
    flood: int  # Sallocs at once
    flood_rounds: int
    queue: int  # waiting jobs
    samples: int  # of submit and of start
    idle_s: float
    peer_jobs: int
    batch_jobs: int  # in bulk
    batch_rounds: int
    submissions: int  # of one batch job to an idle server
    array: int  # elements
    lines: int  # of Sbatch --from
    chain: int  # batch jobs that run from each queue in one turn
    chain_turns: int
    history: int  # finished jobs in the journal
    history_jobs: int  # that run with each journal in one turn
    history_turns: int
    submitit_array: int  # elements


FULL = Size(
    runs=50,
    flood=200,
    flood_rounds=5,
    queue=100_000,
    samples=500,
    idle_s=10.0,
    peer_jobs=50,
    batch_jobs=2000,
    batch_rounds=3,
    submissions=200,
    array=100_000,
    lines=10_000,
    chain=50,
    chain_turns=15,
    history=1_000_000,
    history_jobs=300,
    history_turns=9,
    submitit_array=200,
)
QUICK = Size(
    runs=15,
    flood=60,
    flood_rounds=2,
    queue=10_000,
    samples=200,
    idle_s=4.0,
    peer_jobs=15,
    batch_jobs=300,
    batch_rounds=2,
    submissions=30,
    array=100_000,
    lines=2_000,
    chain=25,
    chain_turns=4,
    history=50_000,
    history_jobs=100,
    history_turns=3,
    submitit_array=40,
)


def ms(seconds: float, digits: int = 1) -> str:
    """Milliseconds."""
    return f"{seconds * 1000:.{digits}f} ms"
