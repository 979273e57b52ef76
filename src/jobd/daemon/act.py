"""What is said to the agent when a tick is committed: what follows from its events, or, to a new agent, everything.

All of it may be said twice: the agent takes note once. Processes are touched by the agent alone.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from jobd.core import events as e
from jobd.core.job import Completing, Job, Running
from jobd.daemon.launch import change_of, launch_of
from jobd.wire import messages as m

if TYPE_CHECKING:
    from jobd.daemon.loop import Server

WATCHES_A_MESSAGE_MAX = 5000


def act(server: "Server") -> None:
    """Tell the agent."""
    link, pending = server.link, server.pending
    if link.agent is None:
        return
    if pending.is_agent_new:
        _tell_everything(server)
    else:
        _tell_of_events(server)
    for said in server.changes.events:
        if isinstance(said.event, e.Ended) and said.job is not None and not said.job.is_batch:
            link.say(m.Forget(said.event.job_id))
    for job_id in pending.forgets:
        link.say(m.Forget(job_id))
    for message in (*pending.forgotten, *pending.signals):
        link.say(message)
    for key in pending.wanted:
        link.say_blob(key, server.journal.blob, is_wanted=True)
    for job_id in pending.changed:
        _change(server, server.world.jobs.get(job_id))
    server.prefetched.look(server)
    link.flush()


def _tell_of_events(server: "Server") -> None:
    watched: list[Job] = []
    started: dict[int, None] = {}  # in their order
    changed: dict[int, None] = {}
    killed: dict[int, None] = {}
    for _, event, job in server.changes.events:
        kind = type(event)
        if kind is e.Started:
            started[event.job_id] = None  # type: ignore[union-attr]
        elif kind is e.Completed:
            killed[event.job_id] = None  # type: ignore[union-attr]
        elif kind in (e.Changed, e.Paused, e.Unpaused):
            changed[event.job_id] = None  # type: ignore[union-attr]
        elif kind is e.Submitted and job is not None and not job.is_batch:
            watched.append(job)
    _watch(server, watched)
    jobs = server.world.jobs
    for job_id in started:
        job = jobs.get(job_id)
        if job is not None and (job_id, job.attempt) not in server.prefetched.began:
            _launch(server, job)
    for job_id in changed:
        if job_id not in started:
            _change(server, jobs.get(job_id))
    for job_id in killed:
        _kill(server, jobs.get(job_id))


def _tell_everything(server: "Server") -> None:
    """To an agent that has just come: all that it should know. What it knows already it ignores."""
    jobs = [job for job in server.world.jobs.values() if not job.is_batch]
    if not jobs:  # it is to know whose agent it is all the same
        server.link.say(m.Watch(server.facts.server_id, [], server.config.leftovers == "leave"))
    _watch(server, jobs)
    for job in list(server.world.holding.values()):
        if isinstance(job.phase, Completing):
            _kill(server, job)
        else:
            _launch(server, job)
            _change(server, job)


def _watch(server: "Server", jobs: Iterable[Job]) -> None:
    watched = [m.Watched(job.job_id, job.spec.pid, job.spec.start_ticks, job.spec.token) for job in jobs]
    for start in range(0, len(watched), WATCHES_A_MESSAGE_MAX):
        page = watched[start : start + WATCHES_A_MESSAGE_MAX]
        server.link.say(m.Watch(server.facts.server_id, page, server.config.leftovers == "leave"))


def _launch(server: "Server", job: Job) -> None:
    if job.spec.batch is None or not isinstance(job.phase, Running):
        return
    server.link.say_blobs_of(job, server.journal.blob)
    server.link.say(launch_of(job, server.world, server.config, server.facts))


def _change(server: "Server", job: Job | None) -> None:
    if job is not None and isinstance(job.phase, Running):
        server.link.say(change_of(job))


def _kill(server: "Server", job: Job | None) -> None:
    if job is not None and isinstance(job.phase, Completing):
        attempt = job.attempt if job.is_batch else 0
        cause = job.phase.outcome.cause.value
        server.link.say(m.Kill(job.job_id, server.config.kill_grace_s, attempt, job.spec.token, cause))
