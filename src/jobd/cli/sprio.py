"""sprio, as Slurm's."""

from collections.abc import Sequence


def main(argv: Sequence[str]) -> int:
    """Do it; the exit code."""
    return 0
