"""`scontrol show` under Slurm's name: its entities, and what it says where there is nothing. The records are those of Scontrol show."""

import re
import sys
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from jobd.cli import render, scontrol_job, scontrol_show, selection
from jobd.cli import slurm_values as v
from jobd.cli.listing import steps_of
from jobd.cli.main import say
from jobd.cli.scontrol_show import Look
from jobd.cli.scontrol_slurm import FAILED, NO_SERVER
from jobd.client import Client
from jobd.errors import NoServer, NoSuchJob
from jobd.slurm import blocks, hostlist
from jobd.slurm.patterns import NO_INDEX
from jobd.wire.batch import StepRow
from jobd.wire.messages import JobRow

UNKNOWN = "Invalid job id specified"

_ID = re.compile(r"(\d{1,17})(?:_(\d{1,10}))?")
_STEP = re.compile(r"(\d{1,17})(?:_(\d{1,10}))?(?:\.(.*))?")


class Entity(NamedTuple):
    """What there may be shown: how short its name may be cut, how its error begins, and the showing; the exit code."""

    shortest: int
    failing: str
    act: Callable[[str, Look], int]


def show(words: Sequence[str], look: Look) -> int:
    """Show an entity: a word for it, then which one; the exit code."""
    first, sign, value = words[0].partition("=")
    name = first.lower()
    found = [
        entity
        for known, entity in ENTITIES.items()
        if known.startswith(name) and len(name) >= entity.shortest
    ]
    if not found:
        say(f"invalid entity:{words[0]} for keyword:show ")
        return FAILED
    try:
        return found[0].act(value if sign else "".join(words[1:2]), look)
    except NoServer:
        say(f"{found[0].failing} error: {NO_SERVER}")
        return FAILED


def _missing(text: str) -> int:
    """What Slurm says on its standard output, of all places."""
    print(render.printable(text))
    return FAILED


def _write(lines: Sequence[str], look: Look) -> None:
    sys.stdout.write(blocks.block(lines, is_one_line=look.is_one_line))


# ---- jobs
def _jobs(word: str, look: Look) -> int:
    found = _ID.fullmatch(word or "0")
    if found is None:
        say(f"scontrol_print_job error: {UNKNOWN}")
        return FAILED
    client = look.connect()
    if not int(found[1]):
        rows = scontrol_show.find(client, [])
        if not rows:
            print("No jobs in the system")
    else:
        wanted = selection.parse(word)
        try:
            rows = scontrol_show.find(client, wanted)
        except NoSuchJob:
            if found[2] is not None and _is_known(client, int(found[1])):
                return _missing(f"Job {word} not found")
            say(f"slurm_load_jobs error: {UNKNOWN}")
            return FAILED
        if found[2] is not None:
            rows = [_element(row, int(found[2])) for row in rows]
    now_s = time.time()
    for row in rows:
        _write(scontrol_job.job_lines(row, now_s, is_detailed=look.is_detailed), look)
    return 0


def _is_known(client: Client, job_id: int) -> bool:
    try:
        return bool(scontrol_show.find(client, selection.parse(str(job_id))))
    except NoSuchJob:
        return False


def _element(row: JobRow, index: int) -> JobRow:
    """A waiting array, as one of its elements."""
    if row.batch is None or row.batch.array_index is not None:
        return row
    batch = row.batch._replace(
        array_index=index,
        stdout=row.batch.stdout.replace(str(NO_INDEX), str(index)),
        stderr=row.batch.stderr.replace(str(NO_INDEX), str(index)),
    )
    return row._replace(batch=batch)


# ---- steps
def _steps(word: str, look: Look) -> int:
    found = _STEP.fullmatch(word)
    client = look.connect()
    wanted = selection.parse(word.partition(".")[0]) if found is not None else []
    try:
        rows = scontrol_show.find(client, wanted)
    except NoSuchJob:
        say(f"slurm_get_job_steps error: {UNKNOWN}")
        return FAILED
    rows = [row for row in rows if row.started_at is not None and row.ended_at is None]
    steps = steps_of(client, [row.job_id for row in rows]) if rows else {}
    which = None if found is None else found[3]
    is_shown = False
    for row in rows:
        if which is None and v.is_batch(row):
            _write(_batch_step(row), look)
            is_shown = True
        for step in steps.get(row.job_id, ()):
            if step.ended_at is None and which in (None, str(step.step_id)):
                _write(_step(step, row), look)
                is_shown = True
    if not is_shown and word:
        return _missing(f"Job step {word if '.' in word else word + '.'} not found")
    if not is_shown:
        print("No job steps in the system")
    return 0


def _batch_step(row: JobRow) -> list[str]:
    uid = v.user_ids(row.user)[0]
    lines = [
        f"StepId={v.job_text(row)}.batch UserId={uid} StartTime={v.format_time(row.started_at, 'Unknown')} "
        "TimeLimit=UNLIMITED",
        f"State={row.state} Partition={v.partition(row)} NodeList={v.node_name()}",
        "Nodes=1 CPUs=0 Tasks=1 Name=batch Network=(null)",
        "TRES=(null)",
        "ResvPorts=(null)",
        "CPUFreqReq=Default",
        "SrunHost:Pid=(null):0",
    ]
    return [render.printable(line) for line in lines]


def _step(step: StepRow, row: JobRow) -> list[str]:
    return [
        *scontrol_job.step_lines(step, row),
        "ResvPorts=(null)",
        f"CPUFreqReq=Default Dist={'Block' if step.ntasks > 1 else 'Cyclic'}",
        f"SrunHost:Pid={v.node_name()}:0",
    ]


# ---- the machine
def _nodes(word: str, look: Look) -> int:
    node = scontrol_show.ask(look)
    lines = [render.printable(line) for line in scontrol_show.node_lines(node, time.time())]
    code = 0
    for name in hostlist.expand(word) if word else [node.name]:
        if name in (node.name, "localhost"):
            _write(lines, look)
        else:
            code = _missing(f"Node {name} not found")
    return code


def _partitions(word: str, look: Look) -> int:
    node = scontrol_show.ask(look)
    names = [name for name in node.partitions if word in ("", name)]
    for name in names:
        lines = scontrol_show.partition_lines(name, node)
        _write([render.printable(line) for line in lines], look)
    return 0 if names else _missing(f"Partition {word} not found")


def _config(word: str, look: Look) -> int:
    node = scontrol_show.ask(look)
    print(f"Configuration data as of {v.format_time(time.time(), '')}")
    pairs = sorted([*scontrol_show.config_pairs(node), *_CONFIG], key=lambda pair: pair[0].lower())
    sys.stdout.write(blocks.settings([(key, render.printable(value)) for key, value in pairs]))
    print(f"\nSlurmctld(primary) at {node.name} is UP")
    return 0


# Of Slurm's own configuration what is so here, for tools that look for it.
_CONFIG = (
    ("AccountingStorageEnforce", "none"),
    ("AccountingStorageTRES", "cpu,mem,energy,node,billing,fs/disk,vmem,pages"),
    ("BatchStartTimeout", "10 sec"),
    ("CompleteWait", "0 sec"),
    ("DefMemPerNode", "UNLIMITED"),
    ("EnforcePartLimits", "NO"),
    ("Epilog", v.NULL),
    ("FirstJobId", "1"),
    ("InactiveLimit", "0 sec"),
    ("JobAcctGatherFrequency", "30"),
    ("JobFileAppend", "0"),
    ("KillOnBadExit", "0"),
    ("MaxJobId", "67043328"),
    ("MaxMemPerNode", "UNLIMITED"),
    ("MaxNodeCount", "1"),
    ("MaxStepCount", "40000"),
    ("MaxTasksPerNode", "512"),
    ("MpiDefault", "none"),
    ("OverTimeLimit", "0 min"),
    ("PreemptMode", "OFF"),
    ("PreemptType", "preempt/none"),
    ("PriorityType", "priority/basic"),
    ("PrivateData", "none"),
    ("Prolog", v.NULL),
    ("PropagateResourceLimits", "ALL"),
    ("RequeueExit", v.NULL),
    ("RequeueExitHold", v.NULL),
    ("ReturnToService", "2"),
    ("SchedulerParameters", v.NULL),
    ("SelectTypeParameters", "CR_CORE_MEMORY"),
    ("SuspendTime", "INFINITE"),
    ("TmpFS", "/tmp"),
    ("TrackWCKey", "No"),
    ("UsePam", "No"),
    ("WaitTime", "0 sec"),
)


# ---- hosts
def _hosts(show_names: Callable[[list[str], Look], None]) -> Callable[[str, Look], int]:
    def act(word: str, look: Look) -> int:
        names = scontrol_show.from_file([word] if word else [])
        if not hostlist.expand(",".join(names) or scontrol_show.own_hosts()):
            say("scontrol: error: host list is empty")
            return 0
        show_names(names, look)
        return 0

    return act


def _says(text: str, *, named: str = "") -> Callable[[str, Look], int]:
    """What there is none of."""

    def act(word: str, look: Look) -> int:
        if word and named:
            return _missing(named.format(word))
        if text:
            print(text)
        return 0

    return act


def _licenses(word: str, look: Look) -> int:
    scontrol_show.ENTITIES["licenses"]([word] if word else [], look)
    return 0


def _aliases(word: str, look: Look) -> int:
    print(v.node_name())
    return 0


def _topology(word: str, look: Look) -> int:
    say("scontrol: error: No topology information available")
    return 0


ENTITIES: dict[str, Entity] = {
    "jobs": Entity(1, "slurm_load_jobs", _jobs),
    "jobid": Entity(1, "slurm_load_jobs", _jobs),
    "steps": Entity(2, "slurm_get_job_steps", _steps),
    "nodes": Entity(1, "slurm_load_node", _nodes),
    "partitions": Entity(2, "slurm_load_partitions", _partitions),
    "partitionname": Entity(9, "slurm_load_partitions", _partitions),
    "config": Entity(1, "slurm_load_ctl_conf", _config),
    "hostnames": Entity(5, "", _hosts(scontrol_show.ENTITIES["hostnames"])),
    "hostlist": Entity(5, "", _hosts(scontrol_show.ENTITIES["hostlist"])),
    "hostlistsorted": Entity(9, "", _hosts(scontrol_show.ENTITIES["hostlistsorted"])),
    "licenses": Entity(2, "slurm_load_license", _licenses),
    "reservations": Entity(1, "", _says("No reservations in the system", named="Reservation {} not found")),
    "topology": Entity(1, "", _topology),
    "daemons": Entity(1, "", _says("slurmctld slurmd")),
    "aliases": Entity(2, "", _aliases),
    "burstbuffer": Entity(2, "", _says("")),
    "federation": Entity(2, "", _says("")),
    "frontend": Entity(2, "", _says("No nodes in the system")),
}
