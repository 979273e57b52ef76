"""`scontrol update` of jobs under Slurm's name: words ⇄ changes, with Slurm's keys, as short as they may be cut.

Source: src/scontrol/update_job.c of Slurm 22.05.
"""

import re
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from jobd.cli import scontrol_amounts as amounts
from jobd.cli import scontrol_fields as fields
from jobd.cli import scontrol_refusals as refusals
from jobd.cli import scontrol_update
from jobd.cli import slurm_values as v
from jobd.cli.dialect import Said
from jobd.cli.main import printable
from jobd.cli.scontrol_fields import NOTHING, Change, Word, error_of
from jobd.cli.scontrol_refusals import DENIED
from jobd.cli.scontrol_slurm import do, id_of, split_ids
from jobd.client import Client
from jobd.errors import JobdError, NoServer, Refused
from jobd.states import Control
from jobd.wire import batch as b


class Wanted(NamedTuple):
    """What an update of jobs asks for."""

    jobs: str  # the list, as it was written
    name: str  # or of all jobs of this name
    user: str
    changes: tuple[Change, ...]


def parse(words: Sequence[str], now_s: float) -> Wanted:
    """What the words mean.

    Raises:
        Said: what Slurm says of words that mean nothing.
    """
    jobs = name = user = ""
    changes: list[Change] = []
    is_by_name = not any(re.match(r"job(id?)?(=|$)", word, re.IGNORECASE) for word in words)
    at = 0
    while at < len(words):
        whole = words[at]
        at += 1
        found = re.fullmatch(r"([^=+]*?)([+-]?=)(.*)|([^=]*)", whole, re.DOTALL)
        key, sign, text = ("", "", "")
        if found is not None:
            key, sign, text = found[1] or found[4] or "", found[2] or "", found[3] or ""
        key = key.lower()
        if _is(key, "jobid", 3):
            if not sign:
                text = words[at] if at < len(words) else ""
                at += 1
            jobs = text
        elif _is(key, "jobname", 4) and is_by_name and sign:
            name = text
        elif _is(key, "userid", 3) and sign:
            user = _user(text)
        else:
            changes.append(_change(key, Word(whole, sign, text, now_s), is_late=not is_by_name and not jobs))
    if not changes:
        raise NOTHING
    return Wanted(jobs, name, user, tuple(changes))


def _is(key: str, name: str, shortest: int) -> bool:
    return len(key) >= shortest and name.startswith(key)


def _user(text: str) -> str:
    import pwd

    try:
        return pwd.getpwnam(text).pw_name if not text.isdigit() else pwd.getpwuid(int(text)).pw_name
    except (KeyError, OverflowError, ValueError):
        raise Said(f"Invalid UserID: {text}", "Request aborted") from None


def _change(key: str, word: Word, *, is_late: bool) -> Change:
    known = [make for shortest, name, make in KEYS if _is(key, name, shortest)]
    if not known:
        if not word.sign:
            raise Said(f"Invalid input: {word.whole}", "Request aborted")
        raise Said(f"Update of this parameter is not supported: {word.whole}", "Request aborted")
    if known[0] is amounts.time_limit:
        is_step = word.sign != "=" or word.text[:1] in ("+", "-")
        if is_step and is_late:
            raise error_of("JobId must precede TimeLimit increment or decrement")
    elif word.sign in ("+=", "-="):
        raise error_of(f"Option {word.whole} does not accept [+|-]= syntax")
    if not word.sign and known[0] not in (amounts.nice, fields.reset_accrue):
        raise Said(f"Invalid input: {word.whole}", "Request aborted")
    if word.sign and known[0] is fields.reset_accrue:
        raise Said(f"Update of this parameter is not supported: {word.whole}", "Request aborted")
    return known[0](word)


# (how short it may be cut, the key, what it does): the first that fits.
KEYS: tuple[tuple[int, str, Callable[[Word], Change]], ...] = (
    (3, "admincomment", fields.said_of("admin_comment")),
    (10, "arraytaskthrottle", amounts.throttle),
    (1, "account", fields.account),
    (1, "burstbuffer", fields.refusing(fields.UNSUPPORTED, is_for_all=True)),
    (8, "clusters", fields.refusing(fields.UNSPECIFIED, is_for_all=True)),
    (8, "clusterfeatures", fields.refusing(fields.UNSPECIFIED, is_for_all=True)),
    (3, "comment", fields.said_of("comment")),
    (3, "contiguous", fields.choice("Contiguous")),
    (4, "corespec", fields.refusing(DENIED, called="CoreSpec")),
    (9, "cpuspertask", amounts.cpus_of_task),
    (9, "cpuspertres", fields.tres),
    (3, "deadline", amounts.deadline),
    (5, "delayboot", amounts.delay_boot),
    (1, "dependency", fields.dependency),
    (2, "eligibletime", amounts.begin_time),
    (2, "endtime", amounts.end_time),
    (3, "excnodelist", fields.excluded),
    (1, "features", fields.features),
    (2, "gres", fields.gres),
    (4, "jobname", fields.name),
    (1, "licenses", fields.none_of(fields.LICENSES)),
    (5, "mailtype", fields.mail_type),
    (5, "mailuser", fields.mail_user),
    (9, "mempertres", fields.tres),
    (4, "mincpusnode", amounts.procs_of_node),
    (10, "minmemorycpu", amounts.memory_of_cpu),
    (10, "minmemorynode", amounts.memory),
    (5, "mintmpdisknode", amounts.disk),
    (2, "name", fields.name),
    (2, "nice", amounts.nice),
    (8, "nodelist", fields.node_list),
    (6, "numcpus", amounts.procs),
    (7, "numnodes", amounts.nodes),
    (8, "numtasks", amounts.tasks),
    (2, "oversubscribe", fields.choice("OverSubscribe")),
    (2, "partition", fields.partition),
    (2, "priority", amounts.priority),
    (2, "qos", fields.qos),
    (4, "reqcores", fields.idle("ReqCores")),
    (8, "reqnodelist", fields.node_list),
    (8, "reqnodes", amounts.nodes),
    (8, "reqprocs", amounts.procs),
    (4, "reqsockets", fields.idle("ReqSockets")),
    (4, "reqthreads", fields.idle("ReqThreads")),
    (4, "requeue", fields.requeue),
    (5, "resetaccruetime", fields.reset_accrue),
    (3, "reservationname", fields.none_of(fields.RESERVATION)),
    (2, "shared", fields.choice("OverSubscribe")),
    (5, "sitefactor", fields.refusing(DENIED, is_for_all=True)),
    (2, "starttime", amounts.begin_time),
    (6, "stdout", fields.stdout),
    (5, "switches", amounts.switches),
    (2, "taskspernode", amounts.tasks_of_node),
    (4, "threadspec", fields.refusing(DENIED, called="ThreadSpec")),
    (5, "timelimit", amounts.time_limit),
    (5, "timemin", amounts.time_min),
    (4, "tresperjob", fields.tres),
    (7, "trespernode", fields.tres),
    (8, "trespersocket", fields.tres),
    (8, "trespertask", fields.tres),
    (5, "wait-for-switch", amounts.switch_wait),
    (1, "wckey", fields.kept("wckey")),
    (2, "workdir", fields.folder),
)


# ---- asking
def update(words: Sequence[str], complain: Callable[[str], None]) -> int:
    """Change the jobs that the words name; the exit code.

    Raises:
        Said: words that mean nothing.
    """
    wanted = parse(words, time.time())
    client = Client()
    listed = split_ids(wanted.jobs)
    if not wanted.jobs and wanted.name:
        listed = [str(number) for number in scontrol_update.named(wanted.name, client)]
        if not listed:
            of = f"user ID {v.user_ids(wanted.user)[0]} and " if wanted.user else ""
            raise error_of(f"No jobs with {of}name '{printable(wanted.name)}'")
    elif any(id_of(one) is None for one in listed):
        complain(refusals.Refused(refusals.UNKNOWN).line(wanted.jobs))
        return 1
    code = 0
    for one in listed:
        refused = _update_one(client, wanted.changes, one)
        if refused is not None:
            code = 1
            complain(refused.line(one))
    return code


def _update_one(client: Client, changes: Sequence[Change], text: str) -> refusals.Refused | None:
    """Change one job, element or array; what Slurm says against it."""
    job = id_of(text)
    if job is None:
        return refusals.Refused(refusals.UNKNOWN)
    row = refusals.row_of(client, job)
    if row is None:
        return refusals.unknown(job)
    if row.ended_at is not None:
        return refusals.said(refusals.FINISHED, row, job)
    found: dict[str, Any] = {}
    labels: dict[str, str] = {}
    for change in changes:
        try:
            asked = change(row)
        except Refused as error:
            return refusals.said(str(error), row, job)
        labels |= dict(asked.pop("labels", ()))
        found |= asked
    target = b.Target(jobs=[job])
    if found.pop("hold", False):
        do(client, b.Control(target, Control.HOLD.value, True))
    if labels:
        found["labels"] = [list(pair) for pair in labels.items()]
    if not found:
        return None
    request = b.Update(target)._replace(**found)
    refused = _ask(client, request, text)
    if refused and refused[0].text.startswith("no qos "):  # Slurm takes any name where no limits are enforced
        rest = request._replace(labels=[pair for pair in request.labels if pair[0] != "qos"])
        refused = _ask(client, rest, text) if rest != b.Update(target) else []
    return refusals.of_update(client, job, refused[0], request) if refused else None


def _ask(client: Client, request: b.Update, text: str) -> list[b.Refusal]:
    try:
        return do(client, request)
    except NoServer:
        raise
    except JobdError as error:
        return [b.Refusal(text, error.name, str(error))]


__all__ = ["KEYS", "Wanted", "parse", "update"]
