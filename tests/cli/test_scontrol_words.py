"""scontrol under Slurm's name, with any words: it says something, or does it, and never breaks."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cli.slurm_rows import ROW, pending, row
from jobd import task_pid
from jobd.cli import dialect, scontrol_admin, scontrol_entities, scontrol_update_slurm
from jobd.cli.error_numbers import text_of
from jobd.cli.scontrol_processes import Process
from jobd.errors import JobdError
from jobd.wire import batch as b

KEYS = sorted(
    {name for _, name, _ in scontrol_update_slurm.KEYS} | {"jobid", "jobname", "userid", "nosuch", ""}
)
ENTITIES = ["nodename", "partitionname", "reservation", "stepid", "slurmctlddebug", "frontendname", "state"]
VALUES = st.one_of(
    st.sampled_from(
        ["", "0", "1", "-1", "1-2", "2-1", "1@2", "x", "12_3", "12_[0-", "12_[3-1]", "now", "now+1hour", "2035-01-01", "UNLIMITED", "+5",
         "-5", "1:2:3", "1-0", "END,FAIL", "gpu:1", "afterok:1", "99999999999999999999", "٣", "\0", "root", "65534", "-", "=", "+="]
    ),
    st.text(max_size=8),
)  # fmt: skip
SIGNS = st.sampled_from(["=", "+=", "-=", ""])
WORDS = st.builds(
    lambda key, cut, sign, text: f"{key[: len(key) - cut]}{sign}{text}",
    st.sampled_from([*KEYS, *ENTITIES]),
    st.integers(0, 4),
    SIGNS,
    VALUES,
)
NO_SURPRISE = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(autouse=True)
def slurm() -> Iterator[None]:
    dialect.speak_slurm()
    yield
    dialect.speak_slurm(False)


@NO_SURPRISE
@given(words=st.lists(WORDS, max_size=4))
def test_any_update_is_refused_or_becomes_a_request(words: list[str]) -> None:
    try:
        wanted = scontrol_update_slurm.parse(words, 1_800_000_000.0)
    except JobdError:
        return
    for one in (pending(1, "Resources"), row({}), ROW):
        for change in wanted.changes:
            try:
                fields: dict[str, Any] = change(one)
            except JobdError:
                continue
            fields.pop("hold", None)
            assert all(isinstance(text, str) for pair in fields.get("labels", []) for text in pair)
            assert b.Update(b.Target())._replace(**fields)


@NO_SURPRISE
@given(
    name=st.sampled_from([*sorted(set(scontrol_admin.KEYWORDS) - {"cluster"})]),
    words=st.lists(st.one_of(WORDS, VALUES), max_size=4),
)
def test_any_words_of_who_may_not_administer_are_answered(name: str, words: list[str]) -> None:
    try:
        code = scontrol_admin.KEYWORDS[name][1](name, words)
    except JobdError:
        return
    assert code == 1 or name in ("errnumstr", "fsdampeningfactor")


@NO_SURPRISE
@given(words=st.lists(WORDS, min_size=1, max_size=4))
def test_an_update_of_no_job_fails(words: list[str]) -> None:
    try:
        assert scontrol_entities.update(words) == 1
    except JobdError:
        pass


def test_error_numbers_have_slurms_texts() -> None:
    assert text_of(2017) == "Invalid job id specified"
    assert text_of(2097) == "Unknown error 2097"
    assert all(text_of(number) for number in itertools.chain(range(-5, 200), range(990, 10_000, 7)))


def test_a_shell_tells_a_process_its_number() -> None:
    told = task_pid.told(["/x/script", "a b"], ["PATH", "HOME"])
    assert told == ["/bin/sh", "-c", 'SLURM_TASK_PID=$$ exec "$@"', "/bin/sh", "/x/script", "a b"]
    assert task_pid.told(["x"], [b"BASH_FUNC_f%%"])[0] == "/bin/bash"


def test_what_a_task_has_started_has_no_number_of_its_own() -> None:
    assert Process(7, 1, "batch")[3:] == ("-", "-")
