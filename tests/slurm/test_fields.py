"""Sacct's fields: the tables of the transcripts come out to the letter."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobd.errors import UsageError
from jobd.slurm import fields
from jobd.slurm.fields import Layout


def test_the_default_header_is_slurms() -> None:
    assert Layout(fields.parse(fields.DEFAULT)).header() == (
        "JobID           JobName  Partition    Account  AllocCPUS      State ExitCode \n"
        "------------ ---------- ---------- ---------- ---------- ---------- -------- \n"
    )


def test_a_line_is_slurms() -> None:
    layout = Layout(fields.parse(fields.DEFAULT))
    assert layout.line(["3543", "f", "main", "root", "1", "FAILED", "3:0"]) == (
        "3543                  f       main       root          1     FAILED      3:0 \n"
    )
    assert layout.line(["3543.batch", "batch", "", "root", "1", "FAILED", "3:0"]) == (
        "3543.batch        batch                  root          1     FAILED      3:0 \n"
    )


def test_what_is_too_long_ends_in_a_plus() -> None:
    layout = Layout(fields.parse("jobid,state"))
    assert layout.line(["3539", "CANCELLED by 0"]) == "3539         CANCELLED+ \n"


def test_a_width_is_given_behind_a_per_cent_sign() -> None:
    layout = Layout(fields.parse("jobid,state%20"))
    assert layout.line(["3539", "CANCELLED by 0"]) == "3539               CANCELLED by 0 \n"
    assert Layout(fields.parse("nodelist%-6")).line(["vm"]) == "vm     \n"


def test_parsable_lines_have_bars_behind_or_between() -> None:
    chosen = fields.parse("JobID,State")
    assert Layout(chosen, "|").line(["1", "FAILED"]) == "1|FAILED\n"
    assert Layout(chosen, "|", True).line(["1", "FAILED"]) == "1|FAILED|\n"
    assert Layout(chosen, ";;").header() == "JobID;;State\n"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("jobid", ["JobID"]),
        ("JOBIDRAW,Elapsed,elapsedraw", ["JobIDRaw", "Elapsed", "ElapsedRaw"]),
        ("state,,", ["State"]),
        ("tresusageinmaxn", ["TRESUsageInMaxNode"]),
        ("JobIdRaw, State", ["JobIDRaw", "State"]),
        ("ncpus,cputime", ["NCPUS", "CPUTime"]),
    ],
)
def test_a_name_goes_in_any_case_and_by_its_beginning(text: str, names: list[str]) -> None:
    assert [field.name for field in fields.parse(text)] == names


def test_all_is_every_field() -> None:
    assert [field.name for field in fields.parse("all")] == list(fields.WIDTHS)


@pytest.mark.parametrize("text", ["Bogus", "", ",", "state%0", "state%99999", "state%x", "a b"])
def test_what_is_no_field_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        fields.parse(text)


def test_the_refusal_is_slurms() -> None:
    with pytest.raises(UsageError, match='Invalid field requested: "Bogus"'):
        fields.parse("Bogus")


def test_the_lists_of_the_options_are_fields() -> None:
    for text in (fields.DEFAULT, fields.BRIEF, fields.LONG):
        assert len(fields.parse(text)) == text.count(",") + 1


def test_the_help_has_four_names_a_line() -> None:
    lines = fields.help_text().splitlines()
    assert lines[0] == "Account             AdminComment        AllocCPUS           AllocNodes         "
    assert "MaxVMSize           MaxVMSizeNode       MaxVMSizeTask       McsLabel           " in lines
    assert lines[-1] == "WorkDir            "
    assert [name for line in lines for name in line.split()] == list(fields.WIDTHS)


@given(st.sampled_from(list(fields.WIDTHS)), st.integers(1, 60), st.text(max_size=80), st.booleans())
def test_a_cell_is_as_wide_as_asked(name: str, width: int, value: str, is_left: bool) -> None:
    (field,) = fields.parse(f"{name}%{'-' if is_left else ''}{width}")
    assert len(field.laid_out(value)) == width


# ---- Slurm's own reading
@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("jobid%5,state%-20", "JobID State                \n"),
        ("jobid%,state", "      State \n"),
        ("jobid%0,state%0", "  \n"),
        ("jobid%5x", "JobID \n"),
        ("j", "JobID        \n"),
        ("", "\n"),
        (",,jobid,,", "JobID        \n"),
        ("jobid, state", "JobID             State \n"),
    ],
)
def test_a_list_is_read_as_slurm_reads_it(text: str, header: str) -> None:
    assert Layout(fields.parse_exactly(text)).header().splitlines(keepends=True)[0] == header


@pytest.mark.parametrize("text", ["Bogus", "jobid state", "jobid,Bogus"])
def test_what_slurm_does_not_know_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="Invalid field requested: "):
        fields.parse_exactly(text)


def test_the_beginning_of_all_is_all() -> None:
    assert [field.name for field in fields.parse_exactly("a")] == list(fields.WIDTHS)


def test_an_empty_delimiter_is_one() -> None:
    assert Layout(fields.parse("JobID,State"), "").line(["1", "FAILED"]) == "1FAILED\n"
