"""Commands → requests."""

from pathlib import Path
from typing import Any

import pytest

from jobd.api.submission import PART_BYTES_MAX, name_of, requests_of, words_of
from jobd.errors import UsageError
from jobd.limits import ITEMS_MAX
from jobd.wire.batch import SubmitBatch


def requests(commands: list[Any], **common: Any) -> list[SubmitBatch]:
    return list(requests_of(commands, common, is_child=False))


def test_a_list_is_run_itself_and_a_line_by_a_shell() -> None:
    assert words_of(["make", Path("/x")]) == ["make", "/x"]
    assert words_of("make | tee log") == ["/bin/sh", "-c", "make | tee log"]
    assert (name_of(["/usr/bin/make", "-j"]), name_of("/bin/echo a")) == ("make", "echo")


@pytest.mark.parametrize(
    "command", ["", "  ", [], [""], ["a\0b"], [1], 3, None, ["x" * 200_000], ["x"] * 2000]
)
def test_what_cannot_be_run_is_refused(command: Any) -> None:
    with pytest.raises(UsageError):
        requests([command])


def test_commands_without_options_of_their_own_share_a_spec() -> None:
    (request,) = requests([["a"], ["b"], {"command": ["c"], "nb_proc": 2}, {"command": ["d"], "nb_proc": 2}])
    assert [item.spec_index for item in request.items] == [0, 0, 1, 1]
    assert [spec.nb_proc for spec in request.specs] == [1, 2]
    assert len(request.blobs) == 1  # one environment


def test_options_that_only_look_alike_are_told_apart() -> None:
    (request,) = requests(
        [{"command": ["a"], "nice": 1, "exclusive": True}, {"command": ["a"], "nice": 1, "exclusive": False}]
    )
    assert [spec.is_exclusive for spec in request.specs] == [True, False]
    with pytest.raises(UsageError):
        requests([{"command": ["a"], "nice": 1}, {"command": ["a"], "nice": True}])


def test_options_that_cannot_be_compared_have_specs_of_their_own() -> None:
    (request,) = requests([{"command": ["a"], "env": {"X": "1"}}, {"command": ["a"], "env": {"X": "2"}}])
    assert [item.spec_index for item in request.items] == [0, 1] and len(request.blobs) == 2


def test_own_options_come_before_those_of_all() -> None:
    (request,) = requests([["a"], {"command": ["b"], "name": "mine", "time": 5}], time=9, name="ours")
    assert [(spec.name, spec.time_limit_s) for spec in request.specs] == [("ours", 9), ("mine", 5)]
    assert [item.name for item in request.items] == ["", ""]


def test_a_job_without_a_name_has_its_programs() -> None:
    (request,) = requests([["/bin/true"], {"script": "#!/bin/sh\n", "command": ["x"]}])
    assert [item.name for item in request.items] == ["true", "script"]
    assert request.items[1].command == ["script", "x"] and request.specs[1].script


def test_a_request_is_no_larger_than_the_server_takes() -> None:
    assert [len(request.items) for request in requests([["true"]] * (ITEMS_MAX + 1))] == [ITEMS_MAX, 1]
    parts = requests([["x" * 100_000]] * 200)
    assert len(parts) == 2 and sum(len(part.items) for part in parts) == 200
    assert all(sum(len(item.command[0]) for item in part.items) <= PART_BYTES_MAX for part in parts)
    assert len({part.token for part in parts}) == 2


def test_a_child_needs_a_job_around_it() -> None:
    with pytest.raises(UsageError, match="no job around"):
        list(requests_of([["true"]], {}, is_child=True))
