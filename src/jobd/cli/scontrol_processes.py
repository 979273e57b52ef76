"""What scontrol, under Slurm's name, tells of the processes of running jobs, and says to them: listpids, pidinfo, notify, wait_job.

The processes are found as the agent finds them: by the marks in their environment. Source: src/scontrol of Slurm 22.05, and what it says.
"""

import os
import re
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from jobd.cli import scontrol_refusals as refusals
from jobd.cli import slurm_values as v
from jobd.cli.error_numbers import text_of
from jobd.cli.main import printable, say
from jobd.cli.scontrol_slurm import FAILED, id_of
from jobd.client import Client
from jobd.errors import JobdError
from jobd.wire import batch as b
from jobd.wire import messages as m
from jobd.wire.messages import JobRow

HEAD = "PID      JOBID    STEPID   LOCALID GLOBALID"
NOT_FOUND = "Failed to locate job for requested pid"
YEAR_S = 365 * 86400  # what is left of a job without a time limit
WAIT_S = 1.0  # between two looks at a job that waits


class Process(NamedTuple):
    """A process of a job of ours."""

    pid: int
    job_id: int
    step: str  # batch, or the number of the step
    local: str = "-"  # the number of the task; - of what a task has started
    rank: str = "-"


def processes(server_id: str) -> Iterator[Process]:
    """All that belong to a batch job or a step of that server, as their environments tell."""
    for name in os.listdir("/proc"):
        found = _process(int(name), server_id) if name.isdigit() else None
        if found is not None:
            yield found


def _server_id() -> str:
    page: m.JobPage = Client().request(m.ListJobs(job_ids=[0], rows_max=1))
    return page.status.server_id


def _process(pid: int, server_id: str) -> Process | None:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            variables = dict(pair.partition(b"=")[::2] for pair in file.read().split(b"\0"))
        session = os.getsid(pid)
    except OSError:
        return None  # gone, or another's
    job_id = variables.get(b"JOBD_JOB_ID", b"")
    step_id = variables.get(b"JOBD_STEP_ID", b"")
    is_batch = b"JOBD_ATTEMPT" in variables and not step_id
    if variables.get(b"JOBD_SERVER") != server_id.encode():
        return None
    if not job_id.isdigit() or not (is_batch or step_id.isdigit()):
        return None
    own = Process(pid, int(job_id), step_id.decode() or "batch")
    is_task = variables.get(b"SLURM_TASK_PID") == str(pid).encode()
    if is_batch and session == pid:
        return own._replace(local="0", rank="0")
    if step_id and is_task:
        local, rank = (variables.get(name, b"0").decode() for name in (b"SLURM_LOCALID", b"SLURM_PROCID"))
        return own._replace(local=local, rank=rank)
    return own


def listpids(called: str, words: Sequence[str]) -> int:
    """The processes of all jobs, of a job or of a step, on this node."""
    if len(words) > 2:
        say(f"too many arguments for keyword:{called}")
        return FAILED
    word = words[0] if words else "*"
    node = words[1] if len(words) > 1 else "(null)"
    found = re.fullmatch(r"(\d{0,17})(?:\.(.*))?", word, re.DOTALL | re.ASCII)
    if word != "*" and found is None:
        say(f'"{printable(word)}" does not look like a jobid')
        return FAILED
    print(HEAD, flush=True)
    job_id = int(found[1] or 0) if found is not None else 0
    step = found[2] if found is not None else None
    if step is not None and not re.fullmatch(r"\d{1,17}", step, re.ASCII):
        say(f'"{printable(word)}" does not look like a stepid')
        return 0
    living = list(processes(_server_id()))
    chosen = [one for one in living if word == "*" or (one.job_id == job_id and step in (None, one.step))]
    tasks = sorted(
        chosen, key=lambda one: (one.job_id, one.step != "batch", one.step, one.local == "-", one.pid)
    )
    for one in tasks:
        print(f"{one.pid:<8} {one.job_id:<8} {one.step:<8} {one.local:<7} {one.rank:<8}")
    if chosen:
        return 0
    if word == "*":
        say("No job steps exist on this node.")
    elif step is not None:
        say(f"StepId={job_id}.{step} does not exist on node {printable(node)}.")
    elif not living:
        say(f"JobId={job_id} does not exist on node {printable(node)}.")
    else:
        say(f"There are no steps for job {job_id} on node {printable(node)}.")
    return FAILED


def pidinfo(called: str, words: Sequence[str]) -> int:
    """The job of a process."""
    if not words:
        say(f"missing argument for keyword:{called}")
        return FAILED
    if len(words) > 1:
        say(f"too many arguments for keyword:{called}")
        return FAILED
    pid = int(words[0]) if re.fullmatch(r"\d{1,9}", words[0], re.ASCII) else 0
    process = _process(pid, _server_id()) if pid else None
    row = refusals.row_of(Client(), b.JobId(process.job_id)) if process is not None else None
    if row is None or row.started_at is None:
        say(NOT_FOUND)
        return FAILED
    now_s = time.time()
    end_at = v.end_at(row, now_s) if row.time_limit_s is not None else None
    end_at = end_at if end_at is not None else now_s + YEAR_S
    print(f"Slurm JobId={row.job_id} ends at {time.strftime('%a %b %d %H:%M:%S %Y', time.localtime(end_at))}")
    print(f"Job remaining time is {max(0, round(end_at - now_s))} seconds")
    return 0


def notify(called: str, words: Sequence[str]) -> int:
    """A line into what a batch job says of errors."""
    if len(words) < 2:
        say(f"too few arguments for keyword:{called}")
        return FAILED
    found = re.match(r"\d{1,17}(_\d{1,10})?", words[0], re.ASCII)
    if found is None or int(found[0].partition("_")[0]) == 0:
        # Its line has no end, and the next one follows it.
        say(f"Invalid job_id {printable(words[0])}job notify failure: {text_of(0)}")
        return FAILED
    row = _row(found[0])
    if row is None:
        return _not_notified(refusals.UNKNOWN)
    if row.ended_at is not None:
        return _not_notified(refusals.COMPLETING)
    if row.state == "PENDING":
        return _not_notified(refusals.DISABLED)
    path = "" if row.batch is None else row.batch.stderr or row.batch.stdout
    if v.is_batch(row) and path:
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK)
            with open(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
                file.write(f"slurmstepd-{v.node_name()}: error: {' '.join(words[1:])}\n")
        except (OSError, ValueError):
            pass  # a job that nobody hears is no failure of Slurm's either
    return 0


def _not_notified(text: str) -> int:
    say(f"job notify failure: {text}")
    return FAILED


def _row(text: str) -> JobRow | None:
    job = id_of(text)
    return None if job is None else refusals.row_of(Client(), job)


def wait_job(called: str, words: Sequence[str]) -> int:
    """Until its node is ready, which it is once the job runs."""
    if len(words) != 1:
        say(f"too {'many' if words else 'few'} arguments for keyword:{called}")
        return FAILED
    found = re.match(r"\d{1,17}(_\d{1,10})?", words[0], re.ASCII)
    number = int(found[0].partition("_")[0]) if found is not None else 0
    if found is None or not number:
        import sys

        sys.stderr.write(f"Invalid job_id {printable(words[0])}")
        sys.stderr.flush()
        return FAILED
    is_known = False
    while True:
        try:
            row = _row(found[0])
        except JobdError:
            say(f"scontrol: Problem running job {number}")
            return FAILED
        if row is None and not is_known:
            say(f"scontrol: Problem running job {number}")
            return FAILED
        if row is None or row.ended_at is not None:
            say(f"scontrol: Job {number if row is None else row.job_id} no longer running")
            return FAILED
        if row.state != "PENDING":
            say(f"scontrol: Nodes are ready for job {row.job_id}")
            return 0
        is_known = True
        time.sleep(WAIT_S)
