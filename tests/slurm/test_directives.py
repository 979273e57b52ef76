"""#SBATCH lines: read as Slurm reads them, to the letter."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobd.errors import UsageError
from jobd.slurm.directives import read, split


def words(text: str) -> list[list[str]]:
    return [directive.words for directive in read("#!/bin/sh\n" + text)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("#SBATCH --time=1:00", ["--time=1:00"]),
        ("#SBATCH -n 4 -c2 --mem 4G", ["-n", "4", "-c2", "--mem", "4G"]),
        ("#SBATCH\t--exclude\tvm", ["--exclude", "vm"]),
        ("#SBATCH --job-name            v", ["--job-name", "v"]),
        ("#SBATCH -J 'a b'\"c d\"", ["-J", "a bc d"]),
        ("#SBATCH -J a\\ b", ["-J", "a", "b"]),  # of blanks only quotes make no end
        ('#SBATCH -J "a\\ b"', ["-J", "a b"]),
        ("#SBATCH -J \"a\\\"b\"", ["-J", 'a"b']),
        ("#SBATCH -J ''", ["-J", ""]),
        ("#SBATCH -n 1 # how many", ["-n", "1"]),
        ("#SBATCH -J 'a # b'", ["-J", "a # b"]),
        ("#SBATCH-n 1", ["-n", "1"]),
        ("#SBATCH --parsable  ", ["--parsable"]),
    ],
)  # fmt: skip
def test_a_line_is_split_as_slurm_splits_it(line: str, expected: list[str]) -> None:
    assert words(line + "\n") == [expected]


@pytest.mark.parametrize(
    "line",
    [
        "##SBATCH -n 1",
        "# SBATCH -n 1",
        " #SBATCH -n 1",
        "#SBATCH",
        "#SBATCHER -n 1",
        "#sbatch -n 1",
        "#SBATCH # x",
    ],
)
def test_what_is_no_directive_is_a_comment(line: str) -> None:
    assert words(line + "\n") == []


def test_reading_stops_at_the_first_command() -> None:
    assert words("#SBATCH -n 1\n\n  # x\n\t\n#SBATCH -n 2\necho\n#SBATCH -n 3\n") == [
        ["-n", "1"],
        ["-n", "2"],
    ]


def test_a_directive_knows_its_line() -> None:
    assert [directive.line for directive in read("#!/bin/sh\n\n#SBATCH -n 1\n#\n#SBATCH -n 2")] == [3, 5]


def test_a_quote_without_an_end_is_refused_with_its_line() -> None:
    with pytest.raises(UsageError, match="line 3"):
        read("#!/bin/sh\n#\n#SBATCH -J 'a\n")


@given(st.lists(st.text(alphabet=st.characters(exclude_characters="'\\\n"), min_size=1)))
def test_a_quoted_word_comes_out_as_it_went_in(quoted: list[str]) -> None:
    assert split(" ".join(f"'{word}'" for word in quoted), 1) == quoted


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read(text)
    except UsageError:
        pass
