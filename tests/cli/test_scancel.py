"""What Scancel's options and words mean. No server."""

import os
import pwd
import signal

import pytest

from jobd.cli import scancel
from jobd.errors import UsageError
from jobd.wire.batch import JobId, Target


def read(*argv: str) -> scancel.Asked:
    parsed = scancel.TABLE.parse(argv, is_mixed=True)
    asked = scancel.read(parsed.given, parsed.words)
    assert asked is not None
    return asked


def test_options_and_numbers_mix() -> None:
    asked = read("12", "-v", "13_2", "--quiet", "14")
    assert asked.target == Target([JobId(12), JobId(13, [[2, 2, 1]]), JobId(14)])
    assert asked.is_verbose and asked.is_quiet and asked.signal == 0


def test_no_condition_is_no_job() -> None:
    parsed = scancel.TABLE.parse(["-v", "-s", "USR1"], is_mixed=True)
    assert scancel.read(parsed.given, parsed.words) is None


def test_conditions_are_lists() -> None:
    asked = read("-n", "a,b", "--name=c", "-t", "pd,RUNNING", "-p", "main", "-A", "acc", "--qos=q")
    assert asked.target == Target([], ["a", "b", "c"], ["PENDING", "RUNNING"], [], ["main"], ["acc"], ["q"])


def test_me_and_my_number_are_my_name() -> None:
    name = pwd.getpwuid(os.getuid()).pw_name
    assert (
        read("--me").target.users
        == read("-u", str(os.getuid())).target.users
        == read("-u", name).target.users
        == [name]
    )


@pytest.mark.parametrize("state", ["COMPLETED", "x", "CG"])
def test_only_what_can_be_ended_is_a_state(state: str) -> None:
    with pytest.raises(UsageError, match="Invalid job state"):
        read("-t", state)


@pytest.mark.parametrize(
    ("argv", "number", "scope"),
    [
        ((), 0, ""),
        (("-s", "USR2"), signal.SIGUSR2, ""),
        (("--signal=SIGUSR1", "-b"), signal.SIGUSR1, "batch"),
        (("-s10", "--full"), 10, "all"),
        (("-s", "KILL"), 0, ""),
        (("-s", "KILL", "-f"), 9, "all"),
        (("-b",), 0, ""),
    ],
)
def test_a_signal_goes_where_it_is_meant(argv: tuple[str, ...], number: int, scope: str) -> None:
    asked = read("12", *argv)
    assert (asked.signal, asked.scope) == (number, scope)


def test_a_step_is_signalled_and_a_batch_step_is_the_script() -> None:
    asked = read("12.0", "-s", "KILL")
    assert (asked.target.jobs, asked.signal) == ([JobId(12, [], 0)], 9)
    assert read("12.batch", "-s", "USR1").scope == "batch"
    with pytest.raises(UsageError, match="does not go with"):
        read("12.batch", "13", "-s", "USR1")


@pytest.mark.parametrize("argv", [("abc",), ("12", "-s", "BOGUS"), ("-x",), ("12", "--signal")])
def test_nonsense_is_refused_in_one_line(argv: tuple[str, ...]) -> None:
    with pytest.raises(UsageError) as error:
        read(*argv)
    assert "\n" not in str(error.value)
