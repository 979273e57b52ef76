"""`Scontrol show`: jobs, steps, the machine, partitions, the configuration, licenses, lists of hosts."""

import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from jobd.cli import render, selection, tres
from jobd.cli import slurm_values as v
from jobd.cli.listing import MIN_JOB_AGE_S, my_name, once_each, rows_of, steps_of
from jobd.client import Client
from jobd.errors import NoSuchJob, Refused, UsageError
from jobd.slurm import blocks, hostlist, states
from jobd.slurm.sizes import megabytes
from jobd.wire.batch import AskNode, JobId, Node
from jobd.wire.messages import JobRow

SLURM_VERSION = "22.05.8"  # whose commands ours are made after


class Look(NamedTuple):
    """How it is shown."""

    is_one_line: bool = False
    is_detailed: bool = False
    connect: Callable[[], Client] = Client


def show(words: Sequence[str], look: Look) -> None:
    """Show an entity: a word for it, then which ones.

    Raises:
        UsageError: there is no such entity.
        Refused: there is none of that name or number.
    """
    if not words:
        raise UsageError(f"show what? (one of {', '.join(ENTITIES)})")
    first, sign, value = words[0].partition("=")
    named = first.lower().rstrip("s") if first.lower() != "hostnames" else "hostnames"
    fitting = [name for name in ENTITIES if name.startswith(named)] if named else []
    exact = [name for name in fitting if name.rstrip("s") == named.rstrip("s")]
    if not fitting:
        raise UsageError(f"invalid entity:{first[:40]} for keyword:show (one of {', '.join(ENTITIES)})")
    ENTITIES[(exact or fitting)[0]]([value] if sign else list(words[1:]), look)


def _write(lines: list[str], look: Look) -> None:
    sys.stdout.write(blocks.block(lines, is_one_line=look.is_one_line))


# ---- jobs
def _jobs(words: list[str], look: Look) -> None:
    from jobd.cli import scontrol_job

    jobs = selection.parse_all(words)
    rows = find(look.connect(), jobs)
    if not rows:
        print("No jobs in the system")
    now_s = time.time()
    for row in rows:
        _write(scontrol_job.job_lines(row, now_s, is_detailed=look.is_detailed), look)


def find(client: Client, jobs: Sequence[JobId]) -> list[JobRow]:
    """These jobs, living or remembered; without any, the living and those that ended of late.

    Raises:
        NoSuchJob: one of them never was, or is forgotten.
    """
    living = list(rows_of(client, jobs, is_finished=False))
    since_s = None if jobs else time.time() - MIN_JOB_AGE_S
    finished = rows_of(client, jobs, is_finished=True, since_s=since_s)
    if since_s is not None:
        finished = (row for row in finished if row.ended_at is not None and row.ended_at >= since_s)
    rows = sorted(once_each([*living, *finished]), key=v.order)
    for job in jobs:
        if not any(selection.fits(job, row) for row in rows):
            raise NoSuchJob(
                f"Invalid job id specified: {selection.text_of_id(job)} (Squeue lists the living, Sacct the finished)"
            )
    return rows


def _steps(words: list[str], look: Look) -> None:
    from jobd.cli import scontrol_job

    jobs = selection.parse_all(words)
    client = look.connect()
    rows = find(client, [job._replace(step_id=None) for job in jobs])
    rows = [row for row in rows if row.started_at is not None]
    steps = steps_of(client, [row.job_id for row in rows]) if rows else {}
    is_found = False
    for row in rows:
        for step in steps.get(row.job_id, ()):
            chosen = [job for job in jobs if job.step_id in (None, step.step_id) and selection.fits(job, row)]
            is_named = any(job.step_id is not None for job in chosen)
            if is_named or (step.ended_at is None and (chosen or not jobs)):
                is_found = True
                _write(scontrol_job.step_lines(step, row), look)
    if jobs and not is_found:
        raise Refused(f"Job step {words[0][:40]} not found")
    if not is_found:
        print("No job steps in the system")


# ---- the machine
def ask(look: Look) -> Node:
    """What the server knows of its machine."""
    node: Node = look.connect().request(AskNode())
    return node


def _nodes(words: list[str], look: Look) -> None:
    node = ask(look)
    for name in [name for word in words for name in hostlist.expand(word)]:
        if name not in (node.name, "localhost"):
            raise Refused(f"Node {name[:60]} not found (there is {node.name})")
    _write([render.printable(line) for line in node_lines(node, time.time())], look)


def node_lines(node: Node, now_s: float) -> list[str]:
    """The lines of the machine."""
    gres = ",".join(f"{name}:{count}" for name, count, _ in tres.node_gres(node))
    state = states.node_state(node.used, node.nb_proc)
    busy = now_s if node.used else node.started_at
    return [
        f"NodeName={node.name} Arch={node.arch} CoresPerSocket={len(node.cpus)} ",
        f"CPUAlloc={node.used} CPUEfctv={node.nb_proc} CPUTot={node.nb_proc} CPULoad={node.load:.2f}",
        "AvailableFeatures=(null)",
        "ActiveFeatures=(null)",
        f"Gres={gres or v.NULL}",
        f"NodeAddr=127.0.0.1 NodeHostName={node.name} Version={node.version}",
        f"OS={node.os} ",
        f"RealMemory={megabytes(node.memory_bytes)} AllocMem={megabytes(node.memory_used_bytes)} "
        f"FreeMem={megabytes(node.memory_free_bytes)} Sockets=1 Boards=1",
        f"State={state.control} ThreadsPerCore=1 TmpDisk=0 Weight=1 Owner=N/A MCS_label=N/A",
        f"Partitions={','.join(node.partitions)} ",
        f"BootTime={v.format_time(node.boot_at, 'None')} SlurmdStartTime={v.format_time(node.started_at, 'None')}",
        f"LastBusyTime={v.format_time(busy, 'Unknown')}",
        f"CfgTRES={tres.node_tres(node, is_used=False)}",
        f"AllocTRES={tres.node_tres(node, is_used=True)}",
        "CapWatts=n/a",
        "CurrentWatts=0 AveWatts=0",
        "ExtSensorsJoules=n/s ExtSensorsWatts=0 ExtSensorsTemp=n/s",
    ]


def _partitions(words: list[str], look: Look) -> None:
    node = ask(look)
    for word in words:
        if word not in node.partitions:
            raise Refused(f"Partition {word[:60]} not found (there is {', '.join(node.partitions)})")
    for name in words or node.partitions:
        _write([render.printable(line) for line in partition_lines(name, node)], look)


def partition_lines(name: str, node: Node) -> list[str]:
    """The lines of a partition: names that all mean this machine."""
    is_default = name == node.partitions[0]
    return [
        f"PartitionName={name}",
        "AllowGroups=ALL AllowAccounts=ALL AllowQos=ALL",
        f"AllocNodes=ALL Default={'YES' if is_default else 'NO'} QoS=N/A",
        "DefaultTime=NONE DisableRootJobs=NO ExclusiveUser=NO GraceTime=0 Hidden=NO",
        "MaxNodes=1 MaxTime=UNLIMITED MinNodes=0 LLN=NO MaxCPUsPerNode=UNLIMITED",
        f"Nodes={node.name}",
        "PriorityJobFactor=1 PriorityTier=1 RootOnly=NO ReqResv=NO OverSubscribe=NO",
        "OverTimeLimit=NONE PreemptMode=OFF",
        f"State={'UP' if node.nb_proc else 'DOWN'} TotalCPUs={node.nb_proc} TotalNodes=1 SelectTypeParameters=NONE",
        "JobDefaults=(null)",
        "DefMemPerNode=UNLIMITED MaxMemPerNode=UNLIMITED",
        f"TRES={tres.node_tres(node, is_used=False, is_with_node=True)}",
    ]


def _config(words: list[str], look: Look) -> None:
    node = ask(look)
    print(f"Configuration data as of {v.format_time(time.time(), '')}")
    sys.stdout.write(blocks.settings([(key, render.printable(value)) for key, value in config_pairs(node)]))
    print("\nSettings of jobd (config.toml)")
    sys.stdout.write(blocks.settings([(key, render.printable(value)) for key, value in node.settings]))


def config_pairs(node: Node) -> list[tuple[str, str]]:
    """What Slurm's tools look for in its configuration, by name."""
    ours = {pair[0]: pair[-1] for pair in node.settings}
    wait_s = float(ours.get("kill_grace_s", "5"))
    age_s = float(ours.get("min_job_age_s", str(MIN_JOB_AGE_S)))
    array_max = int(float(ours.get("array_max", "1000000")))
    return [
        ("AccountingStorageType", "accounting_storage/jobd"),
        ("BOOT_TIME", v.format_time(node.started_at, "Unknown")),
        ("ClusterName", node.cluster),
        ("JOBD_VERSION", node.version),
        ("JobRequeue", "0" if ours.get("requeue", "true").lower() == "false" else "1"),
        ("KillWait", f"{wait_s:.0f} sec"),
        ("MaxArraySize", str(array_max + 1)),
        ("MaxJobCount", ours.get("jobs_max", "1000000")),
        ("MinJobAge", f"{age_s:.0f} sec"),
        ("SchedulerType", "sched/jobd"),
        ("SelectType", "select/jobd"),
        ("SLURM_VERSION", SLURM_VERSION),
        ("SlurmctldHost[0]", f"{node.name}(127.0.0.1)"),
        ("SlurmUser", f"{render.printable(my_name())}({os.getuid()})"),
    ]


def _licenses(words: list[str], look: Look) -> None:
    known = tres.node_licenses(ask(look))
    for word in words:
        if word not in [name for name, _, _ in known]:
            raise Refused(f"License {word[:60]} not found")
    for name, count, used in known:
        if not words or name in words:
            lines = [
                f"LicenseName={name}",
                f" Total={count} Used={used} Free={count - used} Reserved=0 Remote=no",
            ]
            sys.stdout.write(blocks.block(lines, is_one_line=look.is_one_line).replace("\n\n", "\n"))
    if not known:
        print("No licenses configured in Slurm.")


# ---- hosts
def own_hosts() -> str:
    """The list of hosts of the job that this runs in; "" outside of any."""
    return os.environ.get("SLURM_JOB_NODELIST") or os.environ.get("SLURM_NODELIST", "")


def _hosts(words: list[str]) -> list[str]:
    text = ",".join(words) if words else own_hosts()
    names = hostlist.expand(text)
    if not names:
        raise Refused("host list is empty")
    return names


def _hostnames(words: list[str], look: Look) -> None:
    for name in _hosts(words):
        print(render.printable(name))


def _hostlist(words: list[str], look: Look) -> None:
    print(render.printable(hostlist.fold(_hosts(from_file(words)))))


def _hostlistsorted(words: list[str], look: Look) -> None:
    print(render.printable(hostlist.fold(sorted(_hosts(from_file(words)), key=_natural_order))))


def from_file(words: list[str]) -> list[str]:
    """The words, or those in the file that is named by its path."""
    if len(words) == 1 and words[0].startswith("/"):
        with open(words[0], encoding="utf-8", errors="surrogateescape") as file:
            return file.read().split()
    return words


def _natural_order(name: str) -> tuple[str, int, str]:
    stem = name.rstrip("0123456789")
    digits = name[len(stem) :]
    return stem, int(digits or "0"), name


ENTITIES: dict[str, Callable[[list[str], Look], None]] = {
    "job": _jobs,
    "step": _steps,
    "node": _nodes,
    "partition": _partitions,
    "config": _config,
    "hostnames": _hostnames,
    "hostlist": _hostlist,
    "hostlistsorted": _hostlistsorted,
    "licenses": _licenses,
}
