"""Command lines: read as getopt_long reads them."""

import argparse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobd.cli.getopt import NONE, OPTIONAL, REQUIRED, Option, Table, fill_parser
from jobd.errors import UsageError

TABLE = Table(
    [
        Option("time", "t", REQUIRED, "LIMIT", "a limit"),
        Option("time-min", "", REQUIRED, is_idle=True),
        Option("verbose", "v", NONE),
        Option("wait", "W", NONE),
        Option("nice", "", OPTIONAL),
        Option("no-kill", "k", OPTIONAL),
        Option("jobs", "j", REQUIRED),
    ]
)


def read(*argv: str, is_mixed: bool = False) -> tuple[list[tuple[str, str]], list[str]]:
    parsed = TABLE.parse(argv, is_mixed=is_mixed)
    return [(option.name, text) for option, text in parsed.given], parsed.words


@pytest.mark.parametrize("argv", [["--time=5"], ["--time", "5"], ["-t5"], ["-t", "5"]])
def test_a_value_may_stand_in_four_ways(argv: list[str]) -> None:
    assert read(*argv, "x") == ([("time", "5")], ["x"])


def test_flags_may_stand_together_and_the_last_may_have_a_value() -> None:
    assert read("-vWt5") == ([("verbose", ""), ("wait", ""), ("time", "5")], [])


def test_an_optional_value_is_never_the_next_word() -> None:
    assert read("--nice", "5") == ([("nice", "")], ["5"])
    assert read("--nice=5", "-koff", "-k", "x") == (
        [("nice", "5"), ("no-kill", "off"), ("no-kill", "")],
        ["x"],
    )


def test_the_beginning_of_a_name_is_enough_if_it_is_one_names_only() -> None:
    assert read("--job=1", "--verb") == ([("jobs", "1"), ("verbose", "")], [])
    assert read("--time=5", "--time-m", "1")[0] == [("time", "5"), ("time-min", "1")]
    with pytest.raises(UsageError, match="ambiguous"):
        read("--tim", "5")


def test_options_end_at_the_first_word_or_at_two_dashes() -> None:
    assert read("-v", "a.sh", "-t", "5") == ([("verbose", "")], ["a.sh", "-t", "5"])
    assert read("-v", "--", "-t", "5") == ([("verbose", "")], ["-t", "5"])
    assert TABLE.parse(["--", "x"]).is_dashed
    assert not TABLE.parse(["x", "--", "y"]).is_dashed


def test_a_dash_alone_is_a_word() -> None:
    assert read("-v", "-") == ([("verbose", "")], ["-"])


def test_mixed_options_may_stand_behind_words() -> None:
    assert read("12", "-v", "13", "--", "-v", is_mixed=True) == ([("verbose", "")], ["12", "13", "-v"])


@pytest.mark.parametrize("argv", [["--nosuch"], ["-z"], ["--time"], ["-t"], ["--wait=1"], ["-vz"], ["--=x"]])
def test_what_is_no_option_is_refused_in_one_line(argv: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        read(*argv)
    assert "\n" not in str(caught.value)


def test_a_value_may_be_empty_or_begin_with_a_dash() -> None:
    assert read("--time=", "-t", "-5")[0] == [("time", ""), ("time", "-5")]


def test_the_table_makes_a_parser_with_all_its_options() -> None:
    parser = argparse.ArgumentParser(prog="x")
    fill_parser(parser, TABLE)
    options = parser.parse_args(["-t", "5", "-vW", "--nice=3", "--time-min", "1"])
    assert (options.time, options.verbose, options.wait, options.nice, options.time_min) == (
        "5",
        True,
        True,
        "3",
        "1",
    )


@given(st.lists(st.text(alphabet="-tvWkj=x5", max_size=6)))
def test_any_words_are_read_or_refused(argv: list[str]) -> None:
    try:
        read(*argv)
    except UsageError:
        pass
