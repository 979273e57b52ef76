"""Sinfo: the lists of the transcripts of Slurm 22.05, from a machine made up here."""

import pytest

from cli.slurm_rows import NODE
from jobd.cli import sinfo
from jobd.cli.listing import Options
from jobd.errors import UsageError
from jobd.slurm.columns import NODE_COLUMNS
from jobd.wire.batch import Node


def shown(*argv: str, node: Node = NODE) -> str:
    return sinfo.text_of(node, Options(sinfo.TABLE, argv))


def test_the_default_list_is_slurms() -> None:
    assert shown() == (
        "PARTITION AVAIL  TIMELIMIT  NODES  STATE NODELIST\n"
        "main*        up   infinite      1    mix vm\n"
        "gpu          up   infinite      1    mix vm\n"
    )


def test_the_list_by_nodes_is_slurms() -> None:
    assert shown("-N") == (
        "NODELIST   NODES PARTITION STATE \n"
        "vm             1     main* mix   \n"
        "vm             1       gpu mix   \n"
    )


def test_the_summary_is_slurms() -> None:
    assert shown("-s") == (
        "PARTITION AVAIL  TIMELIMIT   NODES(A/I/O/T) NODELIST\n"
        "main*        up   infinite          1/0/0/1 vm\n"
        "gpu          up   infinite          1/0/0/1 vm\n"
    )


def test_letters_have_slurms_values() -> None:
    assert shown("-o", "%P %G %l %p %c %m %C %D %T") == (
        "PARTITION GRES TIMELIMIT PRIO_TIER CPUS MEMORY CPUS(A/I/O/T) NODES STATE\n"
        "main* gpu:2 infinite 1 8 16000 3/5/0/8 1 mixed\n"
        "gpu gpu:2 infinite 1 8 16000 3/5/0/8 1 mixed\n"
    )
    assert shown("-h", "-o", "%P") == "main*\ngpu\n"
    assert (
        shown("-h", "-O", "PartitionName:6,CPUsState:8,StateLong:5")
        == "main  3/5/0/8 mixed\ngpu   3/5/0/8 mixed\n"
    )


def test_what_is_the_same_for_all_partitions_is_shown_once() -> None:
    assert shown("-h", "-o", "%n %t") == "vm mix\n"


@pytest.mark.parametrize(
    ("used", "nb_proc", "state"), [(0, 8, "idle"), (8, 8, "alloc"), (0, 0, "drain"), (1, 0, "drng")]
)
def test_the_state_is_the_machines(used: int, nb_proc: int, state: str) -> None:
    node = NODE._replace(used=used, nb_proc=nb_proc)
    assert shown("-h", "-o", "%t", node=node) == f"{state}\n"


@pytest.mark.parametrize(
    ("argv", "lines"),
    [
        (("-p", "gpu"), 1),
        (("-p", "nope"), 0),
        (("-t", "idle"), 0),
        (("-t", "mix,idle"), 2),
        (("-n", "vm"), 2),
        (("-n", "other"), 0),
        (("-R",), 0),
        (("-d",), 0),
    ],
)
def test_lines_are_those_that_are_meant(argv: tuple[str, ...], lines: int) -> None:
    assert shown(*argv).count("\n") == 1 + lines


def test_a_drained_machine_says_why() -> None:
    assert shown("-h", "-R", node=NODE._replace(nb_proc=0, used=0)).startswith("nb_proc is 0")


def test_every_column_has_a_value() -> None:
    for name in NODE_COLUMNS:
        assert isinstance(sinfo.VALUES[name](NODE, "main"), str)


@pytest.mark.parametrize(
    "argv", [["-o", "%!"], ["-O", "nosuch"], ["--nosuch"], ["word"], ["-o", "%P", "-O", "Nodes"], ["-i", "0"]]
)
def test_wrong_usage_is_refused(argv: list[str]) -> None:
    with pytest.raises(UsageError):
        sinfo.main(argv)
