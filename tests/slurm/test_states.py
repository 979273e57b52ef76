"""Slurm's names of states."""

import pytest

from jobd.errors import UsageError
from jobd.slurm import states


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("PD", {"PENDING"}),
        ("pending", {"PENDING"}),
        ("r", {"RUNNING", "COMPLETING"}),
        ("OOM", {"OUT_OF_MEMORY"}),
        ("ca", {"CANCELLED"}),
        ("requeued", {"REQUEUED"}),
        ("CF", set()),
    ],
)
def test_a_state_goes_by_its_long_and_its_short_name(word: str, meant: set[str]) -> None:
    assert states.named(word) == meant


def test_all_is_every_state() -> None:
    assert states.named("all") == states.LIVING | states.FINAL


def test_every_state_that_slurm_has_is_understood() -> None:
    for word in states.VALID.split(","):
        states.named(word)


def test_no_other_is() -> None:
    with pytest.raises(UsageError):
        states.named("bogus")


@pytest.mark.parametrize(
    ("used", "nb_proc", "compact", "control"),
    [
        (0, 8, "idle", "IDLE"),
        (3, 8, "mix", "MIXED"),
        (8, 8, "alloc", "ALLOCATED"),
        (9, 8, "alloc", "ALLOCATED"),
        (0, 0, "drain", "IDLE+DRAIN"),
        (2, 0, "drng", "MIXED+DRAIN"),
    ],
)
def test_the_machine_is_idle_mixed_allocated_or_drained(
    used: int, nb_proc: int, compact: str, control: str
) -> None:
    state = states.node_state(used, nb_proc)
    assert (state.compact, state.control) == (compact, control)


def test_a_state_as_slurm_has_it_is_one_state() -> None:
    assert states.as_slurm_has_it("pd") == states.as_slurm_has_it("PENDING") == {"PENDING"}
    assert states.as_slurm_has_it("R") == {"RUNNING"}
    assert states.as_slurm_has_it("CG") == {"COMPLETING"}
    assert states.as_slurm_has_it("PR") == frozenset()
    for word in ("W", "all", "bogus", "pend", " PD", ""):
        assert states.as_slurm_has_it(word) is None
