"""What a job asks for and has, as Slurm's lists of trackable resources (TRES) have it: cpu=2,mem=200M,node=1. No socket, no clock."""

import re

from jobd.cli.slurm_values import label
from jobd.slurm.sizes import memory_text
from jobd.wire.batch import Node
from jobd.wire.messages import Counted, JobRow

LICENSES_LABEL = "licenses"  # as asked for; what is counted and not named here is a gres

_NAME = re.compile(r"""["']?([^"'{},:= ]+)["']?\s*[:=]""")  # of an entry in the text of a table


def licenses(row: JobRow) -> list[Counted]:
    """The licenses that a job asks for."""
    names = _license_names(row)
    return [] if row.batch is None else [one for one in row.batch.counted if one.name in names]


def gres(row: JobRow) -> list[Counted]:
    """The generic resources, GPUs first."""
    batch = row.batch
    if batch is None:
        return []
    names = _license_names(row)
    gpus = [Counted("gpu", batch.gpus)] if batch.gpus else []
    return gpus + [one for one in batch.counted if one.name not in names]


def _license_names(row: JobRow) -> set[str]:
    return {part.partition(":")[0].strip() for part in label(row, LICENSES_LABEL).split(",")}


def gres_text(row: JobRow) -> str:
    """gres:gpu:2,gres:disk:1; "" for none (squeue(1), %b)."""
    return ",".join(f"gres:{one.name}:{one.count}" for one in gres(row))


def licenses_text(row: JobRow) -> str:
    """matlab:2; "" for none."""
    return ",".join(f"{one.name}:{one.count}" for one in licenses(row))


def job_tres(row: JobRow) -> str:
    """As squeue and scontrol write it: cpu=2,mem=200M,node=1,billing=2,gres/gpu=1."""
    return ",".join(f"{name}={text}" for name, text in _pairs(row))


def sorted_tres(row: JobRow) -> str:
    """As sacct writes it: the same by name."""
    return ",".join(f"{name}={text}" for name, text in sorted(_pairs(row)))


def _pairs(row: JobRow) -> list[tuple[str, str]]:
    pairs = [("cpu", str(row.nb_proc))]
    if row.batch is not None and row.batch.memory_bytes:
        pairs.append(("mem", memory_text(row.batch.memory_bytes)))
    pairs += [("node", "1"), ("billing", str(row.nb_proc))]
    pairs += [(f"gres/{one.name}", str(one.count)) for one in gres(row)]
    return pairs + [(f"license/{one.name}", str(one.count)) for one in licenses(row)]


# ---- the machine
def node_gres(node: Node) -> list[tuple[str, int, int]]:
    """(name, how many there are, how many are in use) of the machine's GPUs and generic resources."""
    gpus = [("gpu", len(node.gpus), len(node.gpus_used))] if node.gpus else []
    return gpus + [(one.name, one.count, one.used) for one in node.counted if one.name not in _licensed(node)]


def node_licenses(node: Node) -> list[tuple[str, int, int]]:
    """(name, how many there are, how many are in use) of the licenses."""
    return [(one.name, one.count, one.used) for one in node.counted if one.name in _licensed(node)]


def _licensed(node: Node) -> set[str]:
    """The names in the configuration's table of licenses, as its text has them: {"matlab": 2}."""
    text = next((value for key, value in node.settings if key == "licenses"), "")
    return set(_NAME.findall(text))


def node_tres(node: Node, *, is_used: bool, is_with_node: bool = False) -> str:
    """cpu=8,mem=16000M,billing=8,gres/gpu=2: what there is, or what of it is in use."""
    cpus = node.used if is_used else node.nb_proc
    memory_bytes = node.memory_used_bytes if is_used else node.memory_bytes
    pairs = [("cpu", str(cpus))] if cpus or not is_used else []
    if memory_bytes:
        pairs.append(("mem", memory_text(memory_bytes)))
    if is_with_node:
        pairs.append(("node", "1"))
    if not is_used:
        pairs.append(("billing", str(cpus)))
    for name, count, used in node_gres(node):
        shown = used if is_used else count
        if shown:
            pairs.append((f"gres/{name}", str(shown)))
    return ",".join(f"{name}={text}" for name, text in pairs)
