"""`scontrol show` under Slurm's name: its entities, and what it says where there is nothing. The records are those of Scontrol show."""

import re
import sys
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from jobd.cli import render, scontrol_hosts, scontrol_job, scontrol_show, selection, tres
from jobd.cli import slurm_values as v
from jobd.cli.listing import steps_of
from jobd.cli.main import say
from jobd.cli.scontrol_show import Look
from jobd.cli.scontrol_slurm import FAILED, NO_SERVER
from jobd.client import Client
from jobd.errors import NoServer, NoSuchJob
from jobd.slurm import blocks, hostlist
from jobd.slurm.patterns import NO_INDEX
from jobd.wire.batch import Node, StepRow
from jobd.wire.messages import JobRow

UNKNOWN = "Invalid job id specified"

_ID = re.compile(r"(\d{1,17})(?:_(\d{1,10}))?", re.ASCII)
_NEARLY = re.compile(r"\d+(_\d*|\+\d+)?", re.ASCII)  # a number too great, no element, a part of a job
_STEP = re.compile(r"(\d{1,17})(?:_(\d{1,10}))?(\.(\d*))?", re.ASCII)


class Entity(NamedTuple):
    """What there may be shown: how short its name may be cut, how its error begins, and the showing; the exit code."""

    shortest: int
    failing: str
    act: Callable[[str, Look], int]
    is_alone: bool = False  # nothing may be said of which one
    given: Callable[[str, Look], int] | None = (
        None  # what is done where it was said which one, even if that is ""
    )


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
    which = [value] if sign else list(words[1:])
    if which and found[0].is_alone:
        say("too many arguments for keyword:show")
        return FAILED
    act = found[0].given if which and found[0].given is not None else found[0].act
    try:
        return act("".join(which), look)
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
        say(f"{'slurm_load_jobs' if _NEARLY.fullmatch(word) else 'scontrol_print_job'} error: {UNKNOWN}")
        return FAILED
    client = look.connect()
    if word and not int(found[1]):
        return _missing(f"Job {word} not found")
    if not word:
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
def _all_steps(word: str, look: Look) -> int:
    client = look.connect()
    if not _show_steps(client, scontrol_show.find(client, []), None, look):
        print("No job steps in the system")
    return 0


def _steps(word: str, look: Look) -> int:
    found = _STEP.match(word)
    if found is None:
        return _missing("Job step 0.Invalid not found")
    which = None if found[3] is None else str(int(found[4] or "0"))
    job = word[: found.start(3)] if found[3] is not None else found[0]
    client = look.connect()
    try:
        rows = scontrol_show.find(client, selection.parse(job))
    except NoSuchJob:
        say(f"slurm_get_job_steps error: {UNKNOWN}")
        return FAILED
    if _show_steps(client, rows, which, look):
        return 0
    return _missing(f"Job step {job}.{'' if which is None or found[2] else which} not found")


def _show_steps(client: Client, rows: Sequence[JobRow], which: str | None, look: Look) -> bool:
    """Whether there was any."""
    rows = [row for row in rows if row.started_at is not None and row.ended_at is None]
    steps = steps_of(client, [row.job_id for row in rows]) if rows else {}
    is_shown = False
    for row in rows:
        if which is None and v.is_batch(row):
            _write(_batch_step(row), look)
            is_shown = True
        for step in steps.get(row.job_id, ()):
            if step.ended_at is None and which in (None, str(step.step_id)):
                _write(_step(step, row), look)
                is_shown = True
    return is_shown


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


def _node(word: str, look: Look) -> int:
    return _nodes(word, look) if word else 0


def _partitions(word: str, look: Look) -> int:
    node = scontrol_show.ask(look)
    names = [name for name in node.partitions if word in ("", name)]
    for name in names:
        lines = scontrol_show.partition_lines(name, node)
        _write([render.printable(line) for line in lines], look)
    return 0 if names else _missing(f"Partition {word} not found")


def config_of(node: Node) -> list[tuple[str, str]]:
    """What `show config` shows, by name."""
    return sorted([*scontrol_show.config_pairs(node), *_CONFIG], key=lambda pair: pair[0].lower())


def _partition(word: str, look: Look) -> int:
    return _partitions(word, look) if word else _missing("Partition  not found")


def _config(word: str, look: Look) -> int:
    node = scontrol_show.ask(look)
    print(f"Configuration data as of {v.format_time(time.time(), '')}")
    sys.stdout.write(blocks.settings([(key, render.printable(value)) for key, value in config_of(node)]))
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


# ---- the rest
def _says(text: str) -> Callable[[str, Look], int]:
    """What there is none of."""

    def act(word: str, look: Look) -> int:
        if text:
            print(text)
        return 0

    return act


def _lacks(named: str) -> Callable[[str, Look], int]:
    return lambda word, look: _missing(named.format(word))


def _complains(*lines: str, code: int = 0) -> Callable[[str, Look], int]:
    def act(word: str, look: Look) -> int:
        for line in lines:
            say(line.format(render.printable(word)))
        return code

    return act


def _licenses(word: str, look: Look) -> int:
    known = [name for name, _, _ in tres.node_licenses(scontrol_show.ask(look))]
    if not known or word in ("", *known):
        scontrol_show.ENTITIES["licenses"]([word] if word in known else [], look)
        return 0
    return _missing(f"License name {word} not found")


def _aliases(word: str, look: Look) -> int:
    print(v.node_name())
    return 0


def _associations(word: str, look: Look) -> int:
    """What limits there are, by user, account and qos: there are none, and nobody is cached."""
    key, sign, value = word.partition("=")
    key = key.lower()
    if word and (not sign or key not in ("flags", "users", "accounts", "qos")):
        if word and not sign:
            say(f"No value given for option {render.printable(word)}")
            return 0
        say(f"invalid entity: {render.printable(word)} for keyword:show assoc_mgr")
        return FAILED
    kinds = ["users", "associations", "QOS"]
    if key == "flags":
        asked = value.lower().split(",")
        for flag in asked:
            if flag not in ("users", "assoc", "qos"):
                flags = "Assoc, QOS, and/or Users"
                say(f"invalid flag '{render.printable(flag)}', valid options are '{flags}'")
                return 0
        kinds = [kind for kind, flag in zip(kinds, ("users", "assoc", "qos"), strict=True) if flag in asked]
    print("Current Association Manager state\n")
    for kind in kinds:
        print(f"No {kind} currently cached in Slurm.\n")
    return 0


_REFUSED = (
    "scontrol: error: slurm_slurmd_info: Connection refused",
    "slurm_load_slurmd_status: Connection refused",
)
_FOLD = scontrol_hosts.hosts(scontrol_show.ENTITIES["hostlist"])
_SORT = scontrol_hosts.hosts(scontrol_show.ENTITIES["hostlistsorted"])
_NO_NODE = _lacks("Node {} not found")

ENTITIES: dict[str, Entity] = {
    "jobs": Entity(1, "slurm_load_jobs", _jobs),
    "jobid": Entity(1, "slurm_load_jobs", _jobs),
    "steps": Entity(2, "slurm_get_job_steps", _all_steps, given=_steps),
    "nodes": Entity(1, "slurm_load_node", _nodes, given=_node),
    "partitions": Entity(2, "slurm_load_partitions", _partitions, given=_partition),
    "partitionname": Entity(9, "slurm_load_partitions", _partitions, given=_partition),
    "config": Entity(1, "slurm_load_ctl_conf", _config),
    "hostnames": Entity(
        5, "", scontrol_hosts.own_hosts, given=scontrol_hosts.hosts(scontrol_show.ENTITIES["hostnames"])
    ),
    "hostlist": Entity(5, "", scontrol_hosts.no_hosts, given=_FOLD),
    "hostlistsorted": Entity(9, "", scontrol_hosts.no_hosts, given=_SORT),
    "licenses": Entity(2, "slurm_load_license", _licenses),
    "reservations": Entity(
        1, "", _says("No reservations in the system"), given=_lacks("Reservation {} not found")
    ),
    "reservationname": Entity(
        1, "", _says("No reservations in the system"), given=_lacks("Reservation {} not found")
    ),
    "topology": Entity(
        1,
        "",
        _complains("scontrol: error: No topology information available"),
        given=_complains("scontrol: error: Topology information contains no switch or node named {}"),
    ),
    "daemons": Entity(1, "", _says("slurmctld slurmd"), is_alone=True),
    "aliases": Entity(1, "", _aliases, given=_says("")),
    "assoc_mgr": Entity(2, "", _associations),
    "bbstat": Entity(2, "", _says("")),
    "burstbuffer": Entity(2, "", _says("")),
    "dwstat": Entity(2, "", _says("")),
    "federation": Entity(1, "", _says("")),
    "frontend": Entity(2, "", _says("No nodes in the system"), given=_NO_NODE),
    "slurmd": Entity(2, "", _complains(*_REFUSED, code=FAILED)),
}
