"""Scontrol's records."""

from jobd.slurm import blocks


def test_a_record_has_its_lines_indented_and_an_empty_one_behind() -> None:
    assert blocks.block(["A=1 B=2", "C=3"], is_one_line=False) == "A=1 B=2\n   C=3\n\n"


def test_a_record_in_one_line() -> None:
    assert blocks.block(["A=1 B=2", "C=3", ""], is_one_line=True) == "A=1 B=2 C=3 \n"


def test_settings_are_aligned() -> None:
    assert blocks.settings([("MinJobAge", "300 sec"), ("ClusterName", "compat")]) == (
        "MinJobAge               = 300 sec\nClusterName             = compat\n"
    )
