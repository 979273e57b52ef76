"""Sinfo: the machine as Slurm's users know a cluster: partitions (names that all mean it), its state, what of it is free."""

import argparse
import sys
import time
from collections.abc import Callable, Sequence

from jobd.cli import dialect, tres
from jobd.cli import slurm_values as v
from jobd.cli.getopt import REQUIRED, Option, Table
from jobd.cli.listing import HELP, Options, is_answered, parser_of
from jobd.cli.main import printable, run
from jobd.client import Client
from jobd.errors import UsageError
from jobd.slurm import formats, hostlist, states
from jobd.slurm.columns import NODE_COLUMNS, NODE_LETTERS
from jobd.slurm.sizes import megabytes
from jobd.wire.batch import AskNode, Node

# sinfo(1), --format; a # is as wide as the longest name
DEFAULT_FORMAT = "%#P %.5a %.10l %.6D %.6t %N"
SUMMARY_FORMAT = "%#P %.5a %.10l %.16F %N"
LONG_FORMAT = "%#P %.5a %.10l %.10s %.4r %.8h %.10g %.6D %.11T %N"
NODE_FORMAT = "%#N %.6D %#P %6t"
LONG_NODE_FORMAT = "%#N %.6D %#P %.11T %.4c %.8z %.6m %.8d %.6w %.8f %20E"
REASON_FORMAT = "%20E %9u %19H %N"
PARTITION_WIDTH = 9  # of the header PARTITION
NODE_WIDTH = 9  # of the least that Slurm gives to NODELIST

TABLE = Table(
    (
        Option("summarize", "s", help="a line for each partition, with nodes allocated/idle/other/total"),
        Option("Node", "N", help="a line for each node"),
        Option("long", "l", help="more of it"),
        Option("list-reasons", "R", help="why the machine takes no jobs"),
        Option("noheader", "h", help="without the line of names"),
        Option("format", "o", REQUIRED, "FORMAT", "Slurm's: %%[.][width]letter, as in '%%P %%t %%C'"),
        Option("Format", "O", REQUIRED, "NAMES", "Slurm's: name[:[.][width]], as in Partition,CPUsState"),
        Option("partition", "p", REQUIRED, "LIST", "of these partitions"),
        Option("nodes", "n", REQUIRED, "LIST", "of these nodes"),
        Option("states", "t", REQUIRED, "LIST", "of nodes in these states: idle, mix, alloc, drain"),
        Option("iterate", "i", REQUIRED, "SECONDS", "again and again, this long apart"),
        Option("json", help="as one JSON document"),
        Option("all", "a", is_idle=True, help="hidden partitions too: there are none"),
        Option("hide", is_idle=True, help="no hidden partitions: there are none"),
        Option("dead", "d", help="nodes that do not answer: there is none"),
        Option("responding", "r", is_idle=True, help="nodes that answer: this one does"),
        Option("exact", "e", is_idle=True, help="no nodes together: there is one"),
        Option("sort", "S", REQUIRED, "LETTERS", is_idle=True, help="partitions are shown as configured"),
        Option("clusters", "M", REQUIRED, "LIST", is_idle=True, help="of these clusters: there is one"),
        Option("local", is_idle=True, help="of this cluster"),
        Option("federation", is_idle=True, help="of all clusters: there is one"),
        Option("noconvert", is_idle=True, help="sizes are in megabytes anyway"),
        Option("reservation", "T", is_idle=True, help="reservations: there are none"),
        Option("verbose", "v", is_idle=True, help="nothing more to tell"),
        *HELP,
    )
)


def build_parser() -> argparse.ArgumentParser:
    """The command line of Sinfo."""
    return parser_of(
        "Sinfo",
        TABLE,
        "Show the machine: its partitions, its state (idle, mix, alloc; drain where nb_proc is 0), and with a format any of its sizes.",
    )


def program() -> None:
    """Entry point."""
    raise SystemExit(run("Sinfo", main))


def main(argv: Sequence[str]) -> int:
    """Do it; the exit code."""
    if dialect.is_slurm:
        from jobd.cli import info_slurm

        return info_slurm.main(argv)
    options = Options(TABLE, argv)
    if is_answered(options, build_parser):
        return 0
    options.refuse_words()
    if options.has("format") and options.has("Format"):
        raise UsageError("-O (--Format) is incompatible with -o (--format)")
    parsed_fields(options, "", 0, 0)  # what is no format is refused before the server is asked
    every_s = options.natural("iterate")
    if every_s == 0:
        raise UsageError("--iterate 0: at least 1 second")
    while True:
        node: Node = Client().request(AskNode())
        if every_s is not None or (options.has("long") and not options.has("format", "Format")):
            print(time.strftime("%a %b %d %H:%M:%S %Y", time.localtime()))
        sys.stdout.write(text_of(node, options))
        if every_s is None:
            return 0
        print(flush=True)
        time.sleep(every_s)


def format_of(options: Options) -> str:
    """The format that the options mean."""
    given = options.last("format")
    if given is not None:
        return given
    if options.has("list-reasons"):
        return REASON_FORMAT
    if options.has("summarize"):
        return SUMMARY_FORMAT
    if options.has("Node"):
        return LONG_NODE_FORMAT if options.has("long") else NODE_FORMAT
    return LONG_FORMAT if options.has("long") else DEFAULT_FORMAT


def parsed_fields(options: Options, text: str, partition_width: int, node_width: int) -> formats.Format:
    """The columns of the list.

    Raises:
        UsageError: a format that is none.
    """
    named = options.last("Format")
    if named is not None:
        return formats.parse_names(named, NODE_COLUMNS)
    text = text or format_of(options)
    # A # is as wide as the longest name; in the list by nodes names of partitions stand to the right, as in Slurm.
    dot = "." if options.has("Node") else ""
    text = text.replace("%#P", f"%{dot}{partition_width}P").replace("%#N", f"%{node_width}N")
    return formats.parse(text, NODE_LETTERS, NODE_COLUMNS)


def text_of(node: Node, options: Options) -> str:
    """The list, with its header."""
    state = states.node_state(node.used, node.nb_proc)
    chosen = options.chosen("partition")
    names = [name for name in node.partitions if chosen is None or name in chosen]
    if options.has("dead") or not _is_meant(node, state, options):
        names = []
    if options.has("list-reasons") and state not in ("drained", "draining"):
        names = []
    if options.has("json"):
        import json

        return (
            json.dumps(
                {**node._asdict(), "state": str(state), "counted": [one._asdict() for one in node.counted]}
            )
            + "\n"
        )
    partition_width = max([PARTITION_WIDTH, *(len(_partition(name, node)) for name in names)])
    node_width = max(NODE_WIDTH, len(node.name))
    fields = parsed_fields(options, "", partition_width, node_width)
    is_once = "partition" not in {field.name for field in fields} and "partitionname" not in {
        field.name for field in fields
    }
    lines = [] if options.has("noheader") else [formats.header(fields)]
    # What is the same for every partition is shown once, as Slurm puts such lines together.
    for name in names[:1] if is_once else names:
        lines.append(formats.line(fields, lambda column: printable(VALUES[column](node, name))))  # noqa: B023
    return "".join(line + "\n" for line in lines)


def _is_meant(node: Node, state: states.NodeState, options: Options) -> bool:
    wanted = options.words_of("states")
    known = {str(state), state.compact, "all"}
    if wanted is not None and not any(word.lower() in known for word in wanted):
        return False
    nodes = options.last("nodes")
    return nodes is None or node.name in hostlist.expand(nodes) or "localhost" in hostlist.expand(nodes)


def _partition(name: str, node: Node) -> str:
    return f"{name}*" if name == node.partitions[0] else name


def _counts(node: Node) -> tuple[int, int]:
    """(nodes allocated, nodes idle): of one node."""
    state = states.node_state(node.used, node.nb_proc)
    return int(state in ("mixed", "allocated")), int(state == "idle")


def _gres(node: Node, *, is_used: bool) -> str:
    parts = [f"{name}:{used if is_used else count}" for name, count, used in tres.node_gres(node)]
    return ",".join(parts) or v.NULL


def _reason(node: Node) -> str:
    return "none" if node.nb_proc else "nb_proc is 0"


def _aiot(node: Node) -> str:
    allocated, idle = _counts(node)
    return f"{allocated}/{idle}/{1 - allocated - idle}/1"


def _cpus(node: Node) -> str:
    idle = max(0, node.nb_proc - node.used)
    return f"{node.used}/{idle}/0/{max(node.nb_proc, node.used)}"


Value = Callable[[Node, str], str]

VALUES: dict[str, Value] = {
    **{name: (lambda node, name: v.NULL) for name in NODE_COLUMNS},
    "allocmem": lambda node, _: str(megabytes(node.memory_used_bytes)),
    "allocnodes": lambda node, _: "all",
    "available": lambda node, _: "up" if node.nb_proc else "down",
    "cluster": lambda node, _: node.cluster,
    "cores": lambda node, _: str(len(node.cpus)),
    "cpus": lambda node, _: str(node.nb_proc),
    "cpusload": lambda node, _: f"{node.load:.2f}",
    "cpusstate": lambda node, _: _cpus(node),
    "defaulttime": lambda node, _: "n/a",
    "disk": lambda node, _: "0",
    "freemem": lambda node, _: str(megabytes(node.memory_free_bytes)),
    "gres": lambda node, _: _gres(node, is_used=False),
    "gresused": lambda node, _: _gres(node, is_used=True),
    "groups": lambda node, _: "all",
    "maxcpuspernode": lambda node, _: "UNLIMITED",
    "memory": lambda node, _: str(megabytes(node.memory_bytes)),
    "nodeaddr": lambda node, _: "127.0.0.1",
    "nodeai": lambda node, _: "/".join(map(str, _counts(node))),
    "nodeaiot": lambda node, _: _aiot(node),
    "nodehost": lambda node, _: node.name,
    "nodelist": lambda node, _: node.name,
    "nodes": lambda node, _: "1",
    "oversubscribe": lambda node, _: "NO",
    "partition": lambda node, name: _partition(name, node),
    "partitionname": lambda node, name: name,
    "port": lambda node, _: "0",
    "preemptmode": lambda node, _: "OFF",
    "priorityjobfactor": lambda node, _: "1",
    "prioritytier": lambda node, _: "1",
    "reason": lambda node, _: _reason(node),
    "root": lambda node, _: "no",
    "size": lambda node, _: "1",
    "socketcorethread": lambda node, _: f"1:{len(node.cpus)}:1",
    "sockets": lambda node, _: "1",
    "statecompact": lambda node, _: states.node_state(node.used, node.nb_proc).compact,
    "statecomplete": lambda node, _: str(states.node_state(node.used, node.nb_proc)),
    "statelong": lambda node, _: str(states.node_state(node.used, node.nb_proc)),
    "threads": lambda node, _: "1",
    "time": lambda node, _: "infinite",
    "timestamp": lambda node, _: "Unknown",
    "user": lambda node, _: "Unknown",
    "userlong": lambda node, _: "Unknown",
    "version": lambda node, _: node.version,
    "weight": lambda node, _: "1",
}
