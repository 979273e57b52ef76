"""sinfo as Slurm 22.05 has it: its options, variables, tables and messages.

Source: sinfo(1) and src/sinfo of Slurm 22.05, and what its sinfo prints.
"""

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Sequence

from jobd.cli import sinfo, tres
from jobd.cli.dialect import RELEASE, Said
from jobd.cli.getopt import REQUIRED, Option, Table
from jobd.cli.listing import Options, check_clusters, is_answered, parser_of
from jobd.cli.main import printable, say
from jobd.cli.sinfo import Value
from jobd.client import Client
from jobd.slurm import formats, hostlist, states
from jobd.slurm.columns import NODE_COLUMNS, NODE_LETTERS
from jobd.slurm.sizes import megabytes
from jobd.wire.batch import AskNode, Node

PROGRAM = "sinfo"
LONG_NODE_FORMAT = "%#N %.6D %#P %.11T %4c %.8z %.6m %.8d %.6w %.8f %20E"
LONG_REASON_FORMAT = "%20E %12U %19H %6t %N"
USAGE = """\
Usage: sinfo [-abdelNRrsTv] [-i seconds] [-t states] [-p partition] [-n nodes]
             [-S fields] [-o format] [-O Format] [--federation] [--local]
"""
STATES = (
    "unknown,down,idle,allocated,?,mixed,future,drain,drained,draining,no_respond,reserved,perfctrs,cloud,completing,powering_down,"
    "powered_down,power_down,powering_up,fail,maint,reboot,reboot^,unknown"
)
MORE_STATES = ("all", "drng", "comp", "resv", "err", "block", "planned")

TABLE = Table(
    (
        Option("all", "a", is_idle=True, help="hidden partitions too"),
        Option("clusters", "M", REQUIRED, "LIST", "of these clusters"),
        Option("dead", "d", help="nodes that do not answer"),
        Option("exact", "e", is_idle=True, help="nodes together only where they are the same"),
        Option("federation", is_idle=True, help="of the federation"),
        Option("Format", "O", REQUIRED, "NAMES", "the columns, by name"),
        Option("format", "o", REQUIRED, "FORMAT", "the columns, by letter"),
        Option("help", help="show this"),
        Option("hide", is_idle=True, help="no hidden partitions"),
        Option("iterate", "i", REQUIRED, "SECONDS", "again and again"),
        Option("json", help="as JSON"),
        Option("yaml", help="as YAML"),
        Option("list-reasons", "R", help="why nodes take no jobs"),
        Option("local", is_idle=True, help="of this cluster"),
        Option("long", "l", help="more columns"),
        Option("noconvert", is_idle=True, help="sizes in their own units"),
        Option("Node", "N", help="a line for each node"),
        Option("nodes", "n", REQUIRED, "LIST", "of these nodes"),
        Option("noheader", "h", help="no header"),
        Option("partition", "p", REQUIRED, "LIST", "of these partitions", "SINFO_PARTITION"),
        Option("reservation", "T", help="the reservations"),
        Option("responding", "r", is_idle=True, help="nodes that answer"),
        Option("summarize", "s", help="a line for each partition"),
        Option("sort", "S", REQUIRED, "LETTERS", is_idle=True, help="the order"),
        Option("states", "t", REQUIRED, "LIST", "of nodes in these states"),
        Option("usage", help="show the options"),
        Option("verbose", "v", help="say more"),
        Option("version", "V", help="show the version"),
    )
)


def _processors(node: Node) -> int:
    """How many it has, also while it hands out none."""
    return node.nb_proc or max(node.used, len(node.cpus))


def _cpus(node: Node) -> str:
    """Allocated, idle, other, total."""
    total = _processors(node)
    used, left = min(node.used, total), max(0, total - node.used)
    return f"{used}/{left}/0/{total}" if node.nb_proc else f"{used}/0/{left}/{total}"


VALUES: dict[str, Value] = {
    **sinfo.VALUES,
    "available": lambda node, _: "up",
    "cluster": lambda node, _: "N/A",
    "cores": lambda node, _: "1",
    "cpus": lambda node, _: str(_processors(node)),
    "cpusstate": lambda node, _: _cpus(node),
    "reason": lambda node, _: "none" if node.nb_proc else "nb_proc_is_0",
    # As Slurm has a node of which only the number of processors is told.
    "socketcorethread": lambda node, _: f"{_processors(node)}:1:1",
    "sockets": lambda node, _: str(_processors(node)),
    "size": lambda node, _: "1-infinite",
    "version": lambda node, _: RELEASE.split()[-1],
}
# What is shown of a partition none of whose nodes are meant.
NOTHING = {
    "allocmem": "0",
    "cores": "0",
    "cpus": "0",
    "cpusload": "0.00",
    "cpusstate": "0/0/0/0",
    "freemem": "0",
    "memory": "0",
    "nodeaddr": "",
    "nodeai": "0/0",
    "nodeaiot": "0/0/0/0",
    "nodehost": "",
    "nodelist": "",
    "nodes": "0",
    "socketcorethread": "0:0:0",
    "sockets": "0",
    "statecompact": "n/a",
    "statecomplete": "n/a",
    "statelong": "n/a",
    "threads": "0",
    "version": "N/A",
    "weight": "0",
}
_NAMED = ("partition", "partitionname")


def build_parser() -> argparse.ArgumentParser:
    """The command line, for its help."""
    return parser_of(PROGRAM, TABLE, "Show the partitions and their nodes.")


def main(argv: Sequence[str]) -> int:
    """Do it; the exit code."""
    options = Options(TABLE, argv)
    if is_answered(options, build_parser, USAGE):
        return 0
    if options.has("long") and options.has("format", "Format"):
        raise Said(
            f"{PROGRAM}: fatal: Options -o(--format) and -l(--long) are mutually exclusive. Please remove one and retry."
        )
    every_s = _seconds(options.last("iterate"))
    wanted = _states(options.last("states"))
    if options.has("reservation"):
        print("No reservations in the system")
        return 0
    cluster = ""
    if (named := options.last("clusters")) is not None:
        cluster = check_clusters(PROGRAM, named, Client())
    has_said = False
    while True:
        node: Node = Client().request(AskNode())
        if options.has("yaml"):
            from jobd.cli import yaml_lines

            sys.stdout.write(yaml_lines.text_of(_document(node)))
            return 0
        if options.has("json"):
            print(json.dumps(_document(node), indent=2))
            return 0
        if not options.has("noheader") and (every_s or options.has("long", "verbose")):
            print(time.ctime())
        if cluster and not options.has("noheader"):
            print(f"CLUSTER: {cluster}")
        sys.stdout.write(_text(node, options, wanted, cluster, is_silent=has_said))
        if every_s is None:
            return 0
        has_said = True
        print(flush=True)
        time.sleep(every_s)


def _seconds(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or int(text[:9]) == 0:
        raise Said(f"{PROGRAM}: error: Error: invalid entry for --iterate={text}")
    return int(text[:9])


def _states(text: str | None) -> list[str] | None:
    """The states that are asked for; None for all."""
    if text is None:
        return None
    words = [word for word in re.split("[,&]", text.lower()) if word]
    for word in words:
        if not any(name.startswith(word) for name in (*STATES.split(","), *MORE_STATES)):
            raise Said(
                f'{PROGRAM}: error: Bad state string: "{word}"',
                f"{PROGRAM}: error: valid states: {STATES}",
            )
    return words


def _layout(options: Options) -> str:
    """The format by letters."""
    given = options.last("format")
    if given is not None:
        return given
    is_long = options.has("long")
    if options.has("summarize"):
        return sinfo.SUMMARY_FORMAT
    if options.has("Node"):
        return LONG_NODE_FORMAT if is_long else sinfo.NODE_FORMAT
    if options.has("list-reasons"):
        return LONG_REASON_FORMAT if is_long else sinfo.REASON_FORMAT
    return os.environ.get("SINFO_FORMAT") or (sinfo.LONG_FORMAT if is_long else sinfo.DEFAULT_FORMAT)


def _fields(options: Options, partition_width: int, node_width: int, *, is_silent: bool) -> formats.Format:
    named = options.last("Format")
    if named is not None:
        fields, unknown = formats.read_names(named, NODE_COLUMNS)
        lines = [f"{PROGRAM}: error: Invalid job format specification: {name}" for name in unknown]
    else:
        text = _layout(options)
        if not options.has("format") and text != os.environ.get("SINFO_FORMAT"):
            # A # is as wide as the longest name; in the list by nodes names of partitions stand to the right.
            dot = "." if options.has("Node") else ""
            text = text.replace("%#P", f"%{dot}{partition_width}P").replace("%#N", f"%{node_width}N")
        fields, unknown = formats.read(text, NODE_LETTERS, NODE_COLUMNS)
        lines = [f"Invalid node format specification: {name}" for name in unknown]
    for line in [] if is_silent else lines:
        say(line)
    return fields


def _text(node: Node, options: Options, wanted: list[str] | None, cluster: str, *, is_silent: bool) -> str:
    """The list, with its header."""
    chosen = options.last("partition")
    chosen = os.environ.get("SINFO_PARTITION") if chosen is None else chosen
    names = [name for name in node.partitions if chosen is None or name in chosen.split(",")]
    state = states.node_state(node.used, node.nb_proc)
    is_meant = _is_meant(node, state, options, wanted)
    width = max([sinfo.PARTITION_WIDTH, *(len(VALUES["partition"](node, name)) for name in names)])
    fields = _fields(options, width, max(sinfo.NODE_WIDTH, len(node.name)), is_silent=is_silent)
    columns = {field.name for field in fields}
    has_names = not columns.isdisjoint(_NAMED)
    if options.has("list-reasons") and state not in ("drained", "draining"):
        is_meant, has_names = False, False
    if not is_meant and (options.has("Node") or not has_names):
        names = []
    values = {"cluster": cluster} if cluster else {}

    def value(field: formats.Field, name: str) -> str:
        if not field.name:
            return field.laid_out("")
        if not is_meant and field.name in NOTHING:
            return field.laid_out(NOTHING[field.name])
        text = printable(values[field.name] if field.name in values else VALUES[field.name](node, name))
        if field.name == "partition" and 0 < field.width < len(text) and text.endswith("*"):
            text = f"{text[: field.width - 1]}*"  # which is the default is told however narrow it is
        return field.laid_out(text)

    lines = [] if options.has("noheader") else [formats.header(fields)]
    # What is the same for every partition is shown once, as Slurm puts such lines together.
    for name in names if has_names else names[:1]:
        lines.append("".join([value(field, name) for field in fields]))
    return "".join(line + "\n" for line in lines)


def _is_meant(node: Node, state: states.NodeState, options: Options, wanted: list[str] | None) -> bool:
    if options.has("dead"):
        return False
    if wanted is not None and not any(
        word == "all" or str(state).startswith(word) or state.compact == word for word in wanted
    ):
        return False
    nodes = options.last("nodes")
    if nodes is None:
        return True
    return not {node.name, "localhost"}.isdisjoint(hostlist.expand(nodes))


def _document(node: Node) -> dict[str, object]:
    from jobd.cli.queue_json import meta

    state = states.node_state(node.used, node.nb_proc)
    memory, used_memory = megabytes(node.memory_bytes), megabytes(node.memory_used_bytes)
    gres = {name: (count, used) for name, count, used in tres.node_gres(node)}
    one = {
        "active_features": "",
        "address": "127.0.0.1",
        "alloc_cpus": node.used,
        "alloc_memory": used_memory,
        "architecture": node.arch,
        "boards": 1,
        "boot_time": int(node.boot_at),
        "comment": "",
        "cores": len(node.cpus),
        "cpu_load": int(node.load * 100),
        "cpus": node.nb_proc,
        "extra": "",
        "features": "",
        "free_memory": megabytes(node.memory_free_bytes),
        "gres": ",".join(f"{name}:{count}" for name, (count, _) in gres.items()),
        "gres_used": ",".join(f"{name}:{used}" for name, (_, used) in gres.items()),
        "hostname": node.name,
        "idle_cpus": max(0, node.nb_proc - node.used),
        "name": node.name,
        "operating_system": node.os,
        "partitions": node.partitions,
        "real_memory": memory,
        "reason": "" if node.nb_proc else VALUES["reason"](node, ""),
        "slurmd_start_time": int(node.started_at),
        "slurmd_version": RELEASE.split()[-1],
        "sockets": 1,
        "state": str(state) if node.nb_proc else "idle",
        "state_flags": [] if node.nb_proc else ["DRAIN"],
        "temporary_disk": 0,
        "threads": 1,
        "tres": f"cpu={node.nb_proc},mem={memory}M,billing={node.nb_proc}",
        "weight": 1,
    }
    return {"meta": meta(), "errors": [], "nodes": [one]}


__all__ = ["build_parser", "main"]
