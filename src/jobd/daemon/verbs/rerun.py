"""rerun: queue finished batch jobs again, as new jobs that ask for the same.

The number of an array means its finished elements. Elements that are named become an array of just these, so that each finds its index again.
"""

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING

from jobd import indexes
from jobd.core import arrays, reports
from jobd.core.job import Batch, Job, Spec
from jobd.daemon import targets
from jobd.daemon.peers import Peer
from jobd.daemon.specs import array_label, runs_of
from jobd.daemon.verbs.submit_batch import check_token, of_submission
from jobd.dependencies import NO_DEPENDENCY
from jobd.errors import NoSuchJob, Refused, Stopping, TooManyJobs, UsageError
from jobd.indexes import Indexes
from jobd.limits import IDS_MAX
from jobd.wire.batch import Accepted, JobId, Rerun

if TYPE_CHECKING:
    from jobd.daemon.loop import Server


def handle(server: "Server", peer: Peer, request: Rerun) -> Callable[[], Accepted]:
    """Queue all of them, or, if one cannot be, none.

    Raises:
        NoSuchJob: one is not known (any more).
        Refused: one lives, is no batch job, or asks for what is not there.
    """
    named = [*map(JobId, dict.fromkeys(request.job_ids)), *request.elements]
    if not 1 <= len(named) <= IDS_MAX:
        raise UsageError(f"from 1 to {IDS_MAX} jobs at a time")
    token = request.token or secrets.token_hex(16)
    check_token(token)
    server_id = server.facts.server_id
    known = of_submission(server, token)
    if known:
        return lambda: Accepted(known, server_id=server_id)
    if server.kill_asked:
        raise Stopping("the server is stopping and takes no more jobs")
    wanted = [_again(server, one) for one in named]
    if len(server.world.jobs) + len(wanted) > server.config.jobs_max:
        raise TooManyJobs(f"jobs_max is {server.config.jobs_max} (see config.toml)")
    for spec, _ in wanted:
        reports.check_fits(server.world, spec)
    job_ids: list[int] = []
    for number, (spec, tasks) in enumerate(wanted):
        own = spec._replace(token=f"{token}/{number}" if number else token)
        job_ids.append(server.world.next_job_id)
        server.admit(
            reports.submitted(
                server.world,
                own,
                parent_id=None,
                jobs_max=server.config.jobs_max,
                now=server.now,
                tasks=tasks,
            )
        )
    server.changes.submissions[token] = job_ids
    return lambda: Accepted(job_ids, server_id=server_id)


def _again(server: "Server", named: JobId) -> tuple[Spec, Indexes | None]:
    """What is to be asked for again."""
    job_id = named.job_id
    chosen = runs_of(named.runs, targets.INDEX_LIMIT) if named.runs else None
    if _is_living(server, job_id, chosen):
        raise Refused(f"job {targets.text_of(named)} lives (Scontrol requeue starts it anew)")
    if server.changes.job(job_id) is not None:
        raise Refused(f"job {job_id} has just ended; ask again")
    jobs = server.journal.finished_of([job_id], is_with_arrays=True)
    tasks = _tasks(job_id, jobs, chosen)
    if not jobs or (chosen is not None and tasks is None):
        raise NoSuchJob(f"no job {targets.text_of(named)} is remembered (Sacct lists those that are)")
    spec = jobs[0].spec
    batch = spec.batch
    if batch is None:
        raise Refused(f"job {job_id} was a {spec.kind}, and its command is not ours to run")
    keys = {key for key in (batch.script, batch.environment) if key}
    if keys - server.journal.has_blobs(keys):
        raise Refused(f"the script or the environment of job {job_id} is not kept any more")
    return spec._replace(batch=_free(batch, tasks)), tasks


def _is_living(server: "Server", job_id: int, chosen: Indexes | None) -> bool:
    world = server.world
    if chosen is None:
        return job_id in world.jobs or bool(arrays.elements(world, job_id))
    for number in arrays.elements(world, job_id):
        job = world.jobs[number]
        if job.array_index is not None and chosen.has(job.array_index):
            return True
        if job.tasks is not None and any(map(chosen.has, job.tasks.each())):
            return True
    return False


def _tasks(job_id: int, jobs: list[Job], chosen: Indexes | None) -> Indexes | None:
    """Of an array the indexes of all its elements or the chosen ones, those that never left it included; None for a job of no array."""
    found: set[int] = set()
    for job in jobs:
        if job_id not in (job.array_id, job.job_id):
            continue
        if job.array_index is not None:
            found.add(job.array_index)
        if job.tasks is not None:
            found.update(job.tasks.each())
    if chosen is not None:
        found = set(filter(chosen.has, found))
    return indexes.of(found) if found else None


def _free(batch: Batch, tasks: Indexes | None) -> Batch:
    """What it asked for, without what made it wait."""
    labels = dict(batch.labels)
    labels.pop("array", None)
    if tasks is not None:
        labels["array"] = array_label(tasks, batch.array_limit)
    return batch._replace(
        is_held=False,
        begin_at=None,
        dependency=NO_DEPENDENCY,
        labels=tuple(sorted(labels.items())),
    )
