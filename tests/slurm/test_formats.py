"""Slurm's %-format: what its users' scripts parse comes out to the letter."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobd.errors import UsageError
from jobd.slurm import formats
from jobd.slurm.columns import (
    JOB_COLUMNS,
    JOB_LETTERS,
    NODE_COLUMNS,
    NODE_LETTERS,
    STEP_COLUMNS,
    STEP_LETTERS,
)

VALUES = {
    "jobarrayid": "17",
    "name": "a-long-name",
    "statecompact": "R",
    "state": "RUNNING",
    "timeused": "0:21",
}


def shown(text: str) -> tuple[str, str]:
    fields = formats.parse(text)
    return formats.header(fields), formats.line(fields, VALUES.__getitem__)


def test_a_letter_without_a_width_is_not_padded() -> None:
    assert shown("%i %T") == ("JOBID STATE", "17 RUNNING")


def test_a_width_pads_to_the_right_and_a_dot_to_the_left() -> None:
    assert shown("[%6i][%.6i]") == ("[JOBID ][ JOBID]", "[17    ][    17]")


def test_a_value_and_a_column_name_are_cut_to_the_width() -> None:
    assert shown("%.8j|%3T|%1t") == ("    NAME|STA|S", "a-long-n|RUN|R")


def test_text_around_the_letters_stays() -> None:
    assert shown("job %i: %M!") == ("job JOBID: TIME!", "job 17: 0:21!")


def test_two_per_cent_signs_are_one() -> None:
    assert shown("%%%i%%%%") == ("%JOBID%%", "%17%%")


@pytest.mark.parametrize(
    "text", ["%!", "%", "%8", "%.", "%i %", "%5%", "%é", "%99999i", "%" + "9" * 5000 + "i"]
)
def test_what_is_no_format_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        formats.parse(text)
    assert "\n" not in str(caught.value)


@given(st.text(alphabet="%.0123456789ijtTM |\n", max_size=30))
def test_any_text_is_a_format_or_a_usage_error(text: str) -> None:
    try:
        fields = formats.parse(text)
    except UsageError:
        return
    formats.header(fields)
    formats.line(fields, VALUES.__getitem__)


@given(st.sampled_from("ijtTM"), st.integers(1, 40), st.booleans())
def test_a_column_is_as_wide_as_asked(letter: str, width: int, is_right: bool) -> None:
    head, line = shown(f"%{'.' if is_right else ''}{width}{letter}")
    assert len(head) == len(line) == width


# ---- by name
def named(text: str) -> tuple[str, str]:
    fields = formats.parse_names(text)
    return formats.header(fields), formats.line(fields, VALUES.__getitem__)


def test_a_name_without_a_width_is_twenty_wide() -> None:
    assert named("JobArrayID,StateCompact,Name") == (
        "JOBID               ST                  NAME                ",
        "17                  R                   a-long-name         ",
    )


def test_a_name_may_have_a_width_a_dot_and_text_behind_it() -> None:
    assert named("name:.6|,STATE:4,name:8 ") == ("  NAME|STATNAME     ", "a-long|RUNNa-long-n ")


def test_slurms_other_names_mean_the_same() -> None:
    assert [field.name for field in formats.parse_names("gres,Shared")] == ["tres-per-node", "oversubscribe"]


@pytest.mark.parametrize("text", ["", "nosuch", "name,", "name:99999", "na me", "%i"])
def test_a_name_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        formats.parse_names(text)


def test_all_letters_stand_between_bars() -> None:
    fields = formats.parse("%all")
    assert len(fields) == len(JOB_LETTERS) + 1
    assert formats.header(fields).startswith("ACCOUNT|JOBID|")


@pytest.mark.parametrize(
    ("letters", "columns"),
    [(JOB_LETTERS, JOB_COLUMNS), (NODE_LETTERS, NODE_COLUMNS), (STEP_LETTERS, STEP_COLUMNS)],
)
def test_every_letter_has_a_column(letters: dict[str, str], columns: dict[str, str]) -> None:
    assert set(letters.values()) <= set(columns)


# ---- as Slurm itself reads them
def test_what_is_no_letter_stands_in_the_line_as_it_was_written() -> None:
    fields, unknown = formats.read("a %i %? %-5j|%%%.3j%", JOB_LETTERS, JOB_COLUMNS)
    assert unknown == ["?", "-"]
    assert formats.header(fields) == "a JOBID %? %-5j|NAM"
    assert formats.line(fields, lambda name: name.upper()) == "a JOBARRAYID %? %-5j|NAM"


def test_a_name_that_is_none_is_left_out() -> None:
    fields, unknown = formats.read_names(
        "name:6x,bogus,NAME ,jobid:0,gres:.4", JOB_COLUMNS, {"gres": "tres-per-node"}
    )
    assert unknown == ["bogus", "NAME "]
    assert (
        formats.line(fields, lambda name: {"name": "held", "jobid": "12"}.get(name, "N/A")) == "held  x12 N/A"
    )


def test_what_is_not_cut_is_cut_in_the_header_and_to_the_left() -> None:
    fields = [field._replace(is_cut=False) for field in formats.read("%.3l|%3l", JOB_LETTERS, JOB_COLUMNS)[0]]
    assert formats.header(fields) == "TIM|TIM"
    assert formats.line(fields, lambda _: "10:00") == "10:00|10:"


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    try:
        fields, _ = formats.read(text, JOB_LETTERS, JOB_COLUMNS)
    except UsageError:
        return  # a width beyond all reason
    assert isinstance(formats.line(fields, lambda name: name), str)
