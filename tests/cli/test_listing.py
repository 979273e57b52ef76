"""What the listing commands share: their command lines, help, and asking page by page."""

from importlib import import_module

import pytest

from cli.slurm_rows import STEP, FakeClient, row
from jobd.cli import listing
from jobd.cli.listing import Options
from jobd.errors import UsageError
from jobd.limits import IDS_MAX, PAGE_ROWS_MAX

COMMANDS = ("squeue", "sacct", "scontrol", "sinfo", "seff")


@pytest.mark.parametrize("name", COMMANDS)
def test_help_names_every_option(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    module = import_module(f"jobd.cli.{name}")
    assert module.main(["--help"]) == 0
    text = capsys.readouterr().out
    for option in module.TABLE.options:
        assert f"--{option.name}" in text


@pytest.mark.parametrize("name", COMMANDS)
def test_the_version_is_one_line(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert import_module(f"jobd.cli.{name}").main(["-V"]) == 0
    assert capsys.readouterr().out.count("\n") == 1


@pytest.mark.parametrize("name", COMMANDS)
def test_a_parser_is_made_for_the_manual(name: str) -> None:
    parser = import_module(f"jobd.cli.{name}").build_parser()
    assert parser.prog == name.capitalize()
    assert parser.format_help()


def options(*argv: str) -> Options:
    return Options(import_module("jobd.cli.squeue").TABLE, argv)


def test_lists_are_given_with_commas_or_again() -> None:
    assert options("-n", "a,b", "--name=c").words_of("name") == ["a", "b", "c"]
    assert options().words_of("name") is None
    with pytest.raises(UsageError):
        options("-n", ",").words_of("name")


def test_the_last_of_several_values_counts() -> None:
    assert options("-o", "%i", "-o", "%j").last("format") == "%j"
    assert options("-S", "-p,i").last("sort") == "-p,i"


@pytest.mark.parametrize("text", ["x", "-1", "", "9" * 20, "²"])
def test_a_number_is_one_from_0_on(text: str) -> None:
    with pytest.raises(UsageError):
        options(f"--limit={text}").natural("limit")


def test_steps_are_asked_for_a_page_of_jobs_at_a_time() -> None:
    client = FakeClient([], [STEP])
    ids = [*range(PAGE_ROWS_MAX), STEP.job_id]
    assert listing.steps_of(client, ids) == {STEP.job_id: [STEP]}  # type: ignore[arg-type]
    assert [len(asked.job_ids) for asked in client.asked] == [PAGE_ROWS_MAX, 1]


def test_each_job_is_shown_once() -> None:
    assert [one.job_id for one in listing.once_each([row(job_id=1), row(job_id=2), row(job_id=1)])] == [1, 2]


def test_more_numbers_than_the_server_takes_are_refused() -> None:
    with pytest.raises(UsageError):
        listing.request_of(range(IDS_MAX + 1), None)
