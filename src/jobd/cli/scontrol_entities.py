"""scontrol create, delete and update of what is no job, under Slurm's name: words are looked at, and then refused (scontrol_admin.py)."""

import re
import time
from collections.abc import Sequence

from jobd.cli.main import printable, say
from jobd.cli.scontrol_admin import RIGHTS, error, fail, fits, is_level, key_of
from jobd.cli.scontrol_fields import ENTITIES, NOTHING
from jobd.cli.scontrol_refusals import USER
from jobd.errors import UsageError

_NODE_KEYS = frozenset(
    [
        "activefeatures",
        "availablefeatures",
        "comment",
        "cpubind",
        "extra",
        "features",
        "gres",
        "nodeaddr",
        "nodehostname",
        "reason",
        "resumeafter",
        "state",
        "weight",
    ]
)
_PARTITION_KEYS = frozenset(
    [
        "allocnodes",
        "allowaccounts",
        "allowgroups",
        "allowqos",
        "alternate",
        "cpubind",
        "default",
        "defaulttime",
        "defmempercpu",
        "defmempernode",
        "denyaccounts",
        "denyqos",
        "disablerootjobs",
        "exclusiveuser",
        "gracetime",
        "hidden",
        "jobdefaults",
        "lln",
        "maxcpuspernode",
        "maxmempercpu",
        "maxmempernode",
        "maxnodes",
        "maxtime",
        "minnodes",
        "nodes",
        "overtimelimit",
        "oversubscribe",
        "preemptmode",
        "priority",
        "priorityjobfactor",
        "prioritytier",
        "qos",
        "reqresv",
        "rootonly",
        "shared",
        "state",
        "tresbillingweights",
    ]
)
_RESERVATION_KEYS = frozenset(
    [
        "accounts",
        "burstbuffer",
        "corecnt",
        "duration",
        "endtime",
        "features",
        "flags",
        "groups",
        "licenses",
        "maxstartdelay",
        "nodecnt",
        "nodes",
        "partitionname",
        "skip",
        "starttime",
        "tres",
        "tresperjob",
        "trespernode",
        "users",
        "user",
        "watts",
    ]
)


# ---- create, delete, update
def create(called: str, words: Sequence[str]) -> int:
    """A reservation, a partition, nodes."""
    if not words:
        return fail(f"too few arguments for {called} keyword")
    names = [key_of(word)[0] for word in words]
    if any(fits(name, "reservationname", 3) or name == "reservation" for name in names):
        return _create_reservation(words)
    if any(fits(name, "nodename", 4) for name in names):
        return fail(f"Error creating the node(s): {USER}")
    if any(fits(name, "partitionname", 3) for name in names):
        wrong = _wrong_of_partition(words)
        return fail(*wrong) if wrong else fail(f"Error creating the partition: {USER}")
    return fail(error(f"Invalid creation entity: {words[0]}"))


def _create_reservation(words: Sequence[str]) -> int:
    end = "  No reservation created."
    given: dict[str, str] = {}
    for at, word in enumerate(words):
        name, sign, text = key_of(word)
        if fits(name, "reservationname", 3):
            continue
        if not sign:
            said = f"Misformatted parameter '{word}', most options have a parameter after '='.{end}"
            return fail(error(said))
        full = [key for key in _RESERVATION_KEYS if key.startswith(name)] if name else []
        if not full:
            return fail(error(f"Unknown parameter {word}.{end}"))
        given[sorted(full)[0]] = text
        if full == ["starttime"] and not _is_time(text):
            say(f"Invalid time specification (pos=0): {printable(text)}")
            return fail(error(f"Invalid start time {words[at]}.{end}"))
    checks = (
        (("starttime",), "A start time must be given."),
        (("endtime", "duration"), "An end time or duration must be given."),
        (
            ("corecnt", "nodes", "nodecnt", "burstbuffer", "licenses", "watts"),
            "CoreCnt, Nodes, NodeCnt, BurstBuffer, Licenses or Watts must be specified.",
        ),
        (("user", "users", "groups", "accounts"), "Either Users/Groups and/or Accounts must be specified."),
    )
    for keys, said in checks:
        if not any(key in given for key in keys):
            return fail(error(said + end))
    return fail(f"Error creating the reservation: {USER}")


def _is_time(text: str) -> bool:
    from jobd.cli.slurm_values import local_zone
    from jobd.slurm.times import parse_time

    try:
        parse_time(text, now_s=time.time(), zone=local_zone())
    except UsageError:
        return False
    return True


def _wrong_of_partition(words: Sequence[str]) -> tuple[str, ...]:
    for word in words:
        name, sign, _ = key_of(word)
        if not sign:
            return (error(f"Invalid input: {word}  Request aborted"),)
        if not fits(name, "partitionname", 3) and not any(key.startswith(name) for key in _PARTITION_KEYS):
            return error(f"Update of this parameter is not supported: {word}"), "", error("Request aborted")
    return ()


def delete(called: str, words: Sequence[str]) -> int:
    """A reservation, a partition, nodes."""
    if not words:
        return fail(f"too few arguments for {called} keyword")
    name, sign, _ = key_of(words[0])
    if len(words) > 2 or (not sign and len(words) < 2):
        return fail(error("Proper format is 'delete <ENTITY>=<ID>' or 'delete <ENTITY> <ID>'"))
    for full, shortest, verb in (
        ("partitionname", 3, "delete_partition"),
        ("reservationname", 3, "delete_reservation"),
        ("nodename", 3, "delete_node"),
    ):
        if fits(name, full, shortest):
            return fail(f"{verb} {words[0]}: {USER}")
    return fail(f"Invalid deletion entity: {words[0]}")


def update(words: Sequence[str]) -> int:
    """Of what is no job."""
    for word in words:
        name, _, text = key_of(word)
        if fits(name, "stepid", 4):
            return _update_step(words, word, text)
        if fits(name, "reservationname", 3):
            return fail(f"Error updating the reservation: {USER}", f"slurm_update error: {USER}")
        if fits(name, "nodename", 3):
            return _update_node(words)
        if fits(name, "partitionname", 3):
            return _update_partition(words)
        if fits(name, "frontendname", 3):
            return _update_frontend(words)
        if fits(name, "slurmctlddebug", 3):
            if not is_level(text):
                return fail(f"invalid debug level: {text}", "slurm_update error: No error")
            return fail(f"slurm_update error: {RIGHTS}")
    return fail(*ENTITIES)


def _update_step(words: Sequence[str], first: str, text: str) -> int:
    if not re.match(r"[0-9]", text):
        return fail(f"Invalid StepID parameter: {first}", "Request aborted")
    rest = [word for word in words if word != first]
    for word in rest:
        name, _, limit = key_of(word)
        if not fits(name, "timelimit", 5):
            return fail(f"Update of this parameter is not supported: {word}", "Request aborted")
        if not re.fullmatch(r"[0-9:-]+|infinite|unlimited", limit, re.IGNORECASE):
            return fail(error("Invalid TimeLimit value"))
    if not rest:
        raise NOTHING
    return fail("slurm_update error: Invalid job id specified")


def _update_node(words: Sequence[str]) -> int:
    rest = [word for word in words if not fits(key_of(word)[0], "nodename", 3)]
    for word in rest:
        name, sign, _ = key_of(word)
        if not sign:
            return fail(error(f"Invalid input: {word}  Request aborted"), "slurm_update error: No error")
        if not any(key.startswith(name) for key in _NODE_KEYS):
            return fail(f"Update of this parameter is not supported: {word}", "Request aborted")
    if not rest:
        raise NOTHING
    return fail(f"slurm_update error: {USER}")


def _update_partition(words: Sequence[str]) -> int:
    wrong = _wrong_of_partition(words)
    if wrong:
        return fail(*wrong, "slurm_update error: No error")
    if len(words) < 2:
        return fail(error(NOTHING.lines[0]))
    return fail(f"slurm_update error: {USER}")


def _update_frontend(words: Sequence[str]) -> int:
    given = {key_of(word)[0] for word in words[1:]}
    if not given:
        raise NOTHING
    if "state" in given and "reason" not in given:
        said = "You must specify a reason when DOWNING or DRAINING a frontend node"
        return fail(said, "Request aborted")
    return fail(f"slurm_update error: {USER}")
