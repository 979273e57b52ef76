"""What the machine has, as far as the configuration does not say otherwise."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from core.worlds import POLICY, empty, settle, submit_batch
from jobd.core.job import Resources
from jobd.core.resources import Capacity
from jobd.daemon.inputs import Facts
from jobd.daemon.machine import (
    Machine,
    boot_at,
    capacity_of,
    free_bytes,
    machine_of,
    memory_bytes,
    names_of,
    node_of,
)
from jobd.settings import SETTINGS, from_table
from jobd.wire import codec
from jobd.wire.batch import CountedUse, Node

FACTS = Facts("0.2", 1, 1000, "me", "here", "boot", 5.0, 1000, "node7")


class Nvml:
    """NVIDIA's library with some devices; None is one that does not answer."""

    def __init__(self, names: list[str | None], *, is_there: bool = True, can_count: bool = True) -> None:
        self.names, self.is_there, self.can_count = names, is_there, can_count
        self.is_open = False

    def nvmlInit_v2(self) -> int:
        self.is_open = self.is_there
        return 0 if self.is_there else 9

    def nvmlDeviceGetCount_v2(self, count: Any) -> int:
        assert self.is_open
        count._obj.value = len(self.names)
        return 0 if self.can_count else 999

    def nvmlDeviceGetHandleByIndex_v2(self, index: Any, handle: Any) -> int:
        handle._obj.value = index.value + 1
        return 0 if self.names[index.value] is not None else 15

    def nvmlDeviceGetName(self, handle: Any, name: Any, length: Any) -> int:
        text = (self.names[handle.value - 1] or "").encode()
        name.value = text[: length.value - 1]
        return 0

    def nvmlShutdown(self) -> int:
        self.is_open = False
        return 0


def test_gpus_have_their_names_and_one_that_does_not_answer_keeps_its_number() -> None:
    library = Nvml(["NVIDIA H100 80GB HBM3", None, "NVIDIA H100 80GB HBM3"])
    assert names_of(library) == ("NVIDIA H100 80GB HBM3", "gpu", "NVIDIA H100 80GB HBM3")
    assert not library.is_open


@pytest.mark.parametrize("library", [Nvml([]), Nvml(["x"], is_there=False), Nvml(["x"], can_count=False)])
def test_where_the_driver_knows_none_there_are_none(library: Nvml) -> None:
    assert names_of(library) == ()
    assert not library.is_open


def test_the_configuration_says_how_many_gpus_there_are() -> None:
    assert machine_of(from_table({"gpus": 0})).gpus == ()
    assert len(machine_of(from_table({"gpus": 3})).gpus) == 3


def test_memory_is_what_the_configuration_says_else_what_there_is() -> None:
    assert machine_of(from_table({"memory": "3G"})).memory_bytes == 3 << 30
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 0 < memory_bytes() <= there
    assert machine_of(from_table({"gpus": 0})).memory_bytes == memory_bytes()
    assert 0 < free_bytes() <= there and boot_at() > 1e9


def test_what_may_be_handed_out_is_what_is_there() -> None:
    config = from_table({"gres": {"fpga": 2}, "licenses": {"matlab": 1}})
    machine = Machine(1 << 30, ("a", "b"))
    assert capacity_of(machine, config) == Capacity(1 << 30, 2, (("fpga", 2), ("matlab", 1)))


@pytest.fixture
def node() -> Iterator[Node]:
    config = from_table({"gres": {"fpga": 2, "none": 0}, "accounts": ["lab"]})
    machine = Machine(1 << 30, ("a", "b"), 3.0, "Linux", "x86_64")
    world = empty(4, capacity=capacity_of(machine, config))
    submit_batch(world, nb_proc=2, resources=Resources(1 << 20, 1, (("fpga", 1),)))
    settle(world, policy=POLICY)
    yield node_of(world, machine, config, FACTS)


def test_a_node_shows_what_is_there_and_what_of_it_is_in_use(node: Node) -> None:
    assert (node.name, node.nb_proc, node.used, node.cpus) == ("node7", 4, 2, [0, 1, 2, 3])
    assert (node.memory_bytes, node.memory_used_bytes) == (1 << 30, 1 << 20)
    assert (node.gpus, node.gpus_used) == (["a", "b"], [0])
    assert node.counted == [CountedUse("fpga", 2, 1), CountedUse("none", 0, 0)]
    assert (node.boot_at, node.started_at, node.accounts, node.partitions) == (3.0, 5.0, ["lab"], ["main"])
    assert [key for key, _ in node.settings] == list(SETTINGS)
    assert dict(node.settings)["gres"] == '{ "fpga" = 2, "none" = 0 }'


def test_a_node_travels_as_it_is(node: Node) -> None:
    assert codec.decode_reply("ask_node", codec.encode_reply(node)) == node
