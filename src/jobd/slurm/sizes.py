"""Sizes of memory as Slurm reads and prints them. Pure text.

Sources: sbatch(1), --mem: a number of megabytes, or with K, M, G, T behind it (and a B, as many write); squeue(1), %m; sacct(1),
--units: a size is shown in the largest unit in which it is whole.
"""

import re

from jobd.errors import UsageError
from jobd.limits import RESOURCE_MAX

KIB = 1 << 10
MIB = 1 << 20
FACTORS = {"": MIB, "K": KIB, "M": MIB, "G": 1 << 30, "T": 1 << 40, "P": 1 << 50}

_SIZE = r"(\d{1,18})(?:\.(\d{1,6}))?\s*([KMGTP]?)(?:I?B)?"


def parse_bytes(text: str) -> int:
    """Bytes of 4G, 4GB, 4GiB, 1.5G, 100M, 100 (megabytes), rounded up to whole megabytes as Slurm counts them.

    Raises:
        UsageError: it is no size, or beyond any machine.
    """
    found = re.fullmatch(_SIZE, text.strip(), re.IGNORECASE | re.ASCII)
    if found is None:
        raise UsageError(f"{text[:40]!r} is no size of memory (4G, 100M, 2T, or a number of megabytes)")
    factor = FACTORS[found[3].upper()]
    count = int(found[1]) * factor
    if found[2]:
        count += int(found[2]) * factor // 10 ** len(found[2])
    if count > RESOURCE_MAX:
        raise UsageError(f"{text[:40]!r} is more memory than any machine has")
    return -(-count // MIB) * MIB


def megabytes(count_bytes: int) -> int:
    """Whole megabytes, rounded up: what SLURM_MEM_PER_NODE has."""
    return -(-count_bytes // MIB)


def memory_text(count_bytes: int) -> str:
    """As squeue's %m and scontrol's MinMemoryNode: 100M, 1G, 1500M; 0 for none."""
    return _whole(megabytes(count_bytes), "MGTP")


def usage_text(count_bytes: int) -> str:
    """As sacct's MaxRSS: 1234K, 5M; 0 for none."""
    return _whole(-(-count_bytes // KIB), "KMGTP")


def short_text(count_bytes: float) -> str:
    """As seff prints it: 1.23 GB, 512.00 MB."""
    size = count_bytes / KIB
    for unit in "KMGT":
        if size < 1024 or unit == "T":
            return f"{size:.2f} {unit}B"
        size /= 1024
    raise AssertionError("no unit")


def _whole(count: int, units: str) -> str:
    if count == 0:
        return "0"
    index = 0
    while count % 1024 == 0 and index + 1 < len(units):
        count //= 1024
        index += 1
    return f"{count}{units[index]}"
