"""Sizes of memory: read and printed as Slurm does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobd.errors import UsageError
from jobd.slurm import sizes

MIB = 1 << 20


@pytest.mark.parametrize(
    ("text", "megabytes"),
    [("100", 100), ("100M", 100), ("100MB", 100), ("4G", 4096), ("4gb", 4096), ("4GiB", 4096), ("1.5G", 1536), ("2T", 2 << 20), ("1K", 1), ("1025K", 2), ("0", 0)],
)  # fmt: skip
def test_a_size_is_megabytes_or_has_its_unit(text: str, megabytes: int) -> None:
    assert sizes.parse_bytes(text) == megabytes * MIB


@pytest.mark.parametrize("text", ["", "abc", "4X", "-4G", "4 4", "G", "1..5G", "9" * 30, "999999999P", "٤"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        sizes.parse_bytes(text)


@given(st.integers(0, 1 << 30))
def test_a_printed_size_reads_back_as_itself(megabytes: int) -> None:
    assert sizes.parse_bytes(sizes.memory_text(megabytes * MIB)) == megabytes * MIB


def test_a_size_is_printed_in_the_largest_unit_in_which_it_is_whole() -> None:
    assert [sizes.memory_text(count * MIB) for count in (0, 100, 1024, 1500)] == ["0", "100M", "1G", "1500M"]
    assert [sizes.usage_text(count << 10) for count in (0, 1234, 5120)] == ["0", "1234K", "5M"]
    assert sizes.short_text(1.5 * (1 << 30)) == "1.50 GB"
    assert sizes.megabytes(MIB + 1) == 2
