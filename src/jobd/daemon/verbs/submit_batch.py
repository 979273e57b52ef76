"""submit_batch: queue batch jobs and arrays, all or none. The same token is the same jobs, however long they have been over."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from jobd.core import reports
from jobd.core.job import Spec
from jobd.core.resources import Room
from jobd.core.waits import Past
from jobd.daemon.parents import parent_id_of
from jobd.daemon.past import past_of
from jobd.daemon.peers import Peer, identify
from jobd.daemon.specs import Template, command_of, template
from jobd.errors import Stopping, TooManyJobs, UsageError
from jobd.limits import (
    ENVIRONMENT_BYTES_MAX,
    ITEMS_MAX,
    SCRIPT_BYTES_MAX,
    SPECS_MAX,
    TOKEN_CHARS_MAX,
)
from jobd.wire.batch import Accepted, BatchSpec, SubmitBatch
from jobd.wire.blobs import checked

if TYPE_CHECKING:
    from jobd.daemon.loop import Server


class _Plan(NamedTuple):
    """What is to be queued: all of it has been found good."""

    templates: list[Template]
    pasts: list[Mapping[tuple[int, int | None], Past]]
    commands: list[tuple[str, ...]]
    parent_id: int | None
    blobs: dict[str, bytes]


def handle(server: "Server", peer: Peer, request: SubmitBatch) -> Callable[[], Accepted]:
    """Queue them, once for each token.

    Raises:
        JobdError: one of them makes no sense or asks for too much; then none is queued.
    """
    check_token(request.token)
    server_id = server.facts.server_id
    known = of_submission(server, request.token)
    if known and not request.is_test:
        return lambda: Accepted(known, server_id=server_id)
    if server.kill_asked:
        raise Stopping("the server is stopping and takes no more jobs")
    plan = _planned(server, peer, request)
    if request.is_test:
        at = _expected_start_at(server, plan)
        return lambda: Accepted([server.world.next_job_id], expected_start_at=at, server_id=server_id)
    job_ids = _queue(server, request, plan)
    return lambda: Accepted(job_ids, server_id=server_id)


def check_token(token: str) -> None:
    """
    Raises:
        UsageError: no token.
    """
    if not (token.isascii() and token.isalnum()) or len(token) > TOKEN_CHARS_MAX:
        raise UsageError("a submission needs a token of letters and digits")


def of_submission(server: "Server", token: str) -> list[int]:
    """The jobs of a submission that came before, in this tick or long ago; [] for a new one."""
    known = server.changes.submissions.get(token)
    if known is not None:
        return known
    job = server.of_token(token)
    return server.journal.jobs_of_submission(token) or ([] if job is None else [job.job_id])


# ---- looking at it
def _planned(server: "Server", peer: Peer, request: SubmitBatch) -> _Plan:
    """All that is to be queued, checked."""
    items, specs = request.items, request.specs
    if not 1 <= len(items) <= ITEMS_MAX or len(specs) > SPECS_MAX:
        raise UsageError(f"from 1 to {ITEMS_MAX} jobs, and at most {SPECS_MAX} different ones, at a time")
    used = {item.spec_index for item in items}
    if not all(0 <= index < len(specs) for index in used):
        raise UsageError("a job names a spec that is not there")
    if len(server.world.jobs) + len(items) > server.config.jobs_max:
        raise TooManyJobs(
            f"{len(server.world.jobs)} jobs live already, and jobs_max is {server.config.jobs_max} (see config.toml)"
        )
    parent_id = None
    if request.is_child:
        _, ancestors = identify(peer, server.lookup)
        parent_id = parent_id_of(
            server,
            ancestors,
            claimed_job_id=request.claimed_job_id,
            claimed_server_id=request.claimed_server_id,
        )
    priority = server.world.jobs[parent_id].spec.priority if parent_id is not None else 0
    blobs = {checked(blob).key: blob.data for blob in request.blobs}
    keys = _keys(server, [specs[index] for index in sorted(used)], blobs)
    templates: list[Template] = []
    pasts: list[Mapping[tuple[int, int | None], Past]] = []
    for index, asked in enumerate(specs):
        if index not in used:
            templates.append(_UNUSED)
            pasts.append({})
            continue
        found = template(asked, server.config, user=server.facts.user, priority=priority, keys=keys)
        batch = found.spec.batch
        assert batch is not None
        past = past_of(server, batch.dependency, found.tasks) if batch.dependency.terms else {}
        # The events are not admitted: this only asks whether the job might be queued.
        reports.submitted(
            server.world,
            found.spec,
            parent_id=parent_id,
            jobs_max=server.config.jobs_max,
            now=server.now,
            tasks=found.tasks,
            past=past,
        )
        templates.append(found)
        pasts.append(past)
    commands = [command_of(item) for item in items]
    named = {key for index in used for key in (specs[index].script, specs[index].environment)}
    kept = {key: data for key, data in blobs.items() if key in named}
    return _Plan(templates, pasts, commands, parent_id, kept)


def _keys(server: "Server", used: list[BatchSpec], blobs: dict[str, bytes]) -> set[str]:
    """The blobs that are there: sent with the request, or kept from one before."""
    for asked in used:
        for key, size_max, what in (
            (asked.script, SCRIPT_BYTES_MAX, "script"),
            (asked.environment, ENVIRONMENT_BYTES_MAX, "environment"),
        ):
            if len(blobs.get(key, b"")) > size_max:
                raise UsageError(f"a {what} of {len(blobs[key])} bytes: at most {size_max}")
    asked_for = {key for asked in used for key in (asked.script, asked.environment) if key}
    missing = asked_for - blobs.keys() - server.changes.blobs.keys()
    return asked_for - missing | (server.journal.has_blobs(missing) if missing else set())


def _expected_start_at(server: "Server", plan: _Plan) -> float | None:
    """When the first job would start, where that is plain: now, if nobody waits and it fits."""
    world = server.world
    spec = next(found.spec for found in plan.templates if found is not _UNUSED)
    assert spec.batch is not None
    begin_at = spec.batch.begin_at
    if world.waiting or spec.batch.is_held or spec.batch.dependency.terms:
        return None
    if not Room(world).fits(spec.nb_proc, spec.resources):
        return None
    return server.now.wall_s if begin_at is None else max(begin_at, server.now.wall_s)


# ---- doing it
def _queue(server: "Server", request: SubmitBatch, plan: _Plan) -> list[int]:
    """Admit all items; their numbers. Nothing in here may be refused any more."""
    server.changes.blobs.update(plan.blobs)
    world = server.world
    token, jobs_max, now, parent_id = request.token, server.config.jobs_max, server.now, plan.parent_id
    job_ids: list[int] = []
    for number, (item, command) in enumerate(zip(request.items, plan.commands, strict=True)):
        spec, tasks = plan.templates[item.spec_index]
        own: Spec = spec._replace(
            token=f"{token}/{number}" if number else token,
            command=command,
            name=item.name or spec.name or command[0].rpartition("/")[2][:_NAME_CHARS],
        )
        job_ids.append(world.next_job_id)
        server.admit(
            reports.submitted(
                world,
                own,
                parent_id=parent_id,
                jobs_max=jobs_max,
                now=now,
                tasks=tasks,
                past=plan.pasts[item.spec_index],
            )
        )
    server.changes.submissions[token] = job_ids
    return job_ids


_NAME_CHARS = 255  # of a command that gives a job its name
_UNUSED = Template(spec=None, tasks=None)  # type: ignore[arg-type]  # of a spec that no item names
