"""submit: queue a Salloc, or an Srun outside of jobs: what its caller runs itself when it has its procs."""

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

from jobd.core import reports
from jobd.core.job import Spec
from jobd.daemon.parents import parent_id_of
from jobd.daemon.peers import Identity, Peer, identify
from jobd.daemon.specs import labels_of, resources_of
from jobd.errors import NoSuchJob, Refused, Stopping, UsageError
from jobd.limits import (
    COMMAND_CHARS_MAX,
    NAME_CHARS_MAX,
    NB_PROC_LIMIT,
    PATH_CHARS_MAX,
    PRIORITY_LIMIT,
    TIME_LIMIT_S_MAX,
    TOKEN_CHARS_MAX,
)
from jobd.states import OnKill
from jobd.wire.messages import Grant, Submit

if TYPE_CHECKING:
    from jobd.daemon.loop import Server


KINDS = ("salloc", "srun")


def handle(server: "Server", peer: Peer, request: Submit) -> Callable[[], Grant]:
    """Queue it, once for each token.

    Raises:
        JobdError: it makes no sense, asks for too much, or comes from inside a job that is being ended.
    """
    _check(request)
    # Whether or not the client knows that it repeats itself: a token is recorded only once, and a second job of the same
    # one could not be committed.
    job = server.of_token(request.token)
    if job is None:
        if request.token in server.changes.submissions:
            raise UsageError("this token is that of batch jobs")
        if server.journal.jobs_of_submission(request.token):
            raise NoSuchJob("this job is over, and forgotten (jobctl clean)")
        if server.kill_asked:
            raise Stopping("the server is stopping and takes no more jobs")
        identity, ancestors = identify(peer, server.lookup)
        parent_id = parent_id_of(
            server,
            ancestors,
            claimed_job_id=request.claimed_job_id,
            claimed_server_id=request.claimed_server_id,
        )
        events = reports.submitted(
            server.world,
            _spec(server, request, identity, parent_id),
            parent_id=parent_id,
            jobs_max=server.config.jobs_max,
            now=server.now,
        )
        job_id = server.world.next_job_id
        server.admit(events)
    elif job.is_batch:
        raise UsageError("this token is that of batch jobs")
    else:
        job_id = job.job_id

    def grant() -> Grant:
        latest = server.latest(job_id) or job
        assert latest is not None
        config = server.config
        return Grant(
            server.row(latest),
            server.facts.server_id,
            config.thread_variables,
            config.leftovers,
            list(server.world.cpus),
        )

    return grant


@lru_cache(maxsize=4096)
def _shared(labels: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """The same labels for all who have them: most jobs have the usual ones."""
    return labels


def _check(request: Submit) -> None:
    is_plain = request.token.isascii() and request.token.isalnum()  # a note is ASCII, and split at blanks
    if not is_plain or len(request.token) > TOKEN_CHARS_MAX:
        raise UsageError("a submission needs a token of letters and digits")
    if not 1 <= request.nb_proc <= NB_PROC_LIMIT:
        raise UsageError(f"{request.nb_proc} procs: at least 1 and at most {NB_PROC_LIMIT}")
    if not request.command or sum(map(len, request.command)) > COMMAND_CHARS_MAX:
        raise UsageError(f"a command of 1 to {COMMAND_CHARS_MAX} characters is needed")
    if len(request.name) > NAME_CHARS_MAX or len(request.cwd) > PATH_CHARS_MAX:
        raise UsageError("a name or a folder is too long")
    if request.priority is not None and abs(request.priority) > PRIORITY_LIMIT:
        raise UsageError(f"priority {request.priority}: from -{PRIORITY_LIMIT} to {PRIORITY_LIMIT}")
    if request.time_limit_s is not None and not 1 <= request.time_limit_s <= TIME_LIMIT_S_MAX:
        raise UsageError(f"time limit {request.time_limit_s} s: from 1 s to ten years")
    if request.on_kill not in ("", OnKill.TREE.value, OnKill.BELOW.value):
        raise UsageError(f"on-kill {request.on_kill[:40]!r}: tree or below")
    if request.kind not in KINDS:
        raise UsageError(f"kind {request.kind[:40]!r}: {' or '.join(KINDS)}")
    if request.begin_at is not None or request.dependency:
        raise Refused("a begin time or a dependency is for batch jobs (Sbatch)")


def _spec(server: "Server", request: Submit, identity: Identity, parent_id: int | None) -> Spec:
    parent = server.world.jobs[parent_id] if parent_id is not None else None
    priority = request.priority
    if priority is None:
        priority = parent.spec.priority if parent is not None else 0
    on_kill = OnKill(request.on_kill) if request.on_kill else server.config.on_kill
    if "\0" in request.name or "\0" in request.cwd:
        raise Refused("a name or a folder has a zero byte")
    return Spec(
        request.token,
        request.kind,
        request.nb_proc,
        tuple(request.command),
        request.name,
        request.cwd,
        server.facts.user,
        priority,
        request.time_limit_s,
        request.is_bound,
        on_kill,
        identity.pid,
        identity.start_ticks,
        resources_of(request.memory_bytes, request.gpus, request.counted, request.is_exclusive),
        labels=_shared(labels_of(request.labels, server.config, server.facts.user, request.counted)),
    )
