"""The values of Slurm's options."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobd.errors import UsageError
from jobd.slurm import options
from jobd.slurm.options import Export, Gres, WarnSignal

NUMBERS = {"USR1": 10, "USR2": 12, "TERM": 15}


@pytest.mark.parametrize(("text", "count"), [("1", 1), ("+2", 2), ("4k", 4096), (" 3 ", 3)])
def test_a_count_is_a_number_from_one_on(text: str, count: int) -> None:
    assert options.parse_count(text) == count


@pytest.mark.parametrize("text", ["0", "-1", "", "x", "1.5", "9" * 30, "1G", "²"])
def test_what_is_no_count_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        options.parse_count(text)


@pytest.mark.parametrize(
    ("text", "nodes"),
    [("1", (1, 1)), ("2-4", (2, 4)), ("1-4", (1, 4)), ("0-1", (0, 1)), ("1k", (1024, 1024))],
)
def test_nodes_are_a_number_or_a_range(text: str, nodes: tuple[int, int]) -> None:
    assert options.parse_nodes(text) == nodes


@pytest.mark.parametrize("text", ["0", "4-2", "x", "", "1-", "-1"])
def test_what_is_no_number_of_nodes_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        options.parse_nodes(text)


@pytest.mark.parametrize(
    ("text", "runs", "limit"),
    [
        ("0-9", ((0, 9, 1),), 0),
        ("1-9:2%4", ((1, 9, 2),), 4),
        ("1,3,5", ((1, 1, 1), (3, 3, 1), (5, 5, 1)), 0),
        ("[0-3]%1", ((0, 3, 1),), 1),
        ("0-99999", ((0, 99999, 1),), 0),
    ],
)
def test_an_array_is_runs_of_indexes_and_a_limit(text: str, runs: object, limit: int) -> None:
    array = options.parse_array(text)
    assert (array.indexes.runs, array.limit) == (runs, limit)


@pytest.mark.parametrize("text", ["", "5-2", "x", "1-2-3", "1%", "1%0", "1%x", "-1", "9999999999"])
def test_what_is_no_array_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        options.parse_array(text)


@pytest.mark.parametrize(
    ("text", "signal"),
    [
        ("USR1", WarnSignal(10, 60, False)),
        ("USR2@90", WarnSignal(12, 90, False)),
        ("B:SIGTERM@30", WarnSignal(15, 30, True)),
        ("b:usr1", WarnSignal(10, 60, True)),
        ("R:12@5", WarnSignal(12, 5, False)),
    ],
)
def test_a_signal_has_a_time_and_a_goal(text: str, signal: WarnSignal) -> None:
    assert options.parse_signal(text, NUMBERS) == signal


@pytest.mark.parametrize("text", ["", "NOSIG@10", "USR1@", "USR1@99999", "X:USR1", "0", "65", "USR1@x"])
def test_what_is_no_signal_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        options.parse_signal(text, NUMBERS)


@pytest.mark.parametrize(
    ("text", "gres"),
    [
        ("gpu:2", Gres(2, "", ())),
        ("gpu", Gres(1, "", ())),
        ("gpu:a100:4", Gres(4, "a100", ())),
        ("nvme:2,gpu:1,fpga", Gres(1, "", (("fpga", 1), ("nvme", 2)))),
        ("nvme=2,nvme:1", Gres(0, "", (("nvme", 3),))),
        ("gres/nvme:2k", Gres(0, "", (("nvme", 2048),))),
        ("none", Gres(0, "", ())),
        ("nvme:0", Gres(0, "", ())),
    ],
)
def test_gres_are_gpus_and_counted_things(text: str, gres: Gres) -> None:
    assert options.parse_gres(text) == gres


@pytest.mark.parametrize("text", ["gpu:x:y:2", ":2", "a b:1", "nvme:1:2:3", "nvme:-1"])
def test_what_is_no_gres_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        options.parse_gres(text)


def test_licenses_are_names_and_counts() -> None:
    assert options.parse_licenses("matlab:2,foo@srv,bar=3") == (("bar", 3), ("foo@srv", 1), ("matlab", 2))
    for text in ("a:0", ":1", "a:x"):
        with pytest.raises(UsageError):
            options.parse_licenses(text)


def test_gpus_of_several_kinds_add_up() -> None:
    assert [options.parse_gpus(text) for text in ("2", "a100:2", "a100:1,v100:1")] == [2, 2, 2]
    for text in ("", "x", "a100:", "a b:1"):
        with pytest.raises(UsageError):
            options.parse_gpus(text)


def test_codes_are_ranges_within_a_byte() -> None:
    assert options.parse_codes("1-3,75") == ((1, 3), (75, 75))
    for text in ("", "0", "256", "3-1", "x", "1-"):
        with pytest.raises(UsageError):
            options.parse_codes(text)


@pytest.mark.parametrize(
    ("text", "export"),
    [
        ("ALL", Export(True, False, (), ())),
        ("none", Export(False, False, (), ())),
        ("NIL", Export(False, True, (), ())),
        ("ALL,A=1", Export(True, False, (), (("A", "1"),))),
        ("PATH,A=b=c", Export(False, False, ("PATH",), (("A", "b=c"),))),
        ("A='x,y',B=", Export(False, False, (), (("A", "x,y"), ("B", "")))),
    ],
)
def test_export_is_all_none_or_a_list(text: str, export: Export) -> None:
    assert options.parse_export(text) == export


@pytest.mark.parametrize("text", ["A='x", "a b", "=1"])
def test_what_is_no_list_of_variables_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        options.parse_export(text)


@given(st.text(max_size=30))
def test_any_text_is_a_value_or_refused_in_one_line(text: str) -> None:
    for parse in (
        options.parse_count, options.parse_nodes, options.parse_array, options.parse_gres, options.parse_licenses, options.parse_gpus,
        options.parse_codes, options.parse_export, lambda text: options.parse_signal(text, NUMBERS),
        lambda text: options.parse_integer(text, bound=9),
    ):  # fmt: skip
        try:
            parse(text)
        except UsageError as error:
            assert len(str(error)) < 400
