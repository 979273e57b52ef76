"""Inside which job a client was called."""

from typing import TYPE_CHECKING

from jobd.daemon.peers import Identity

if TYPE_CHECKING:
    from jobd.daemon.loop import Server


def parent_id_of(
    server: "Server", ancestors: list[Identity], *, claimed_job_id: int | None, claimed_server_id: str
) -> int | None:
    """The living job inside which the client was called.

    The kernel's word on ancestors goes first. Where it is hidden (a process whose parents are gone) the caller's JOBD_JOB_ID
    counts, if it was set by this server and that job still lives.
    """
    world = server.world
    for ancestor in ancestors:
        for job_id in sorted(world.by_process.get((ancestor.pid, ancestor.start_ticks), ())):
            if world.jobs[job_id].is_holding:
                return job_id
    if claimed_job_id is not None and claimed_server_id == server.facts.server_id:
        job = world.jobs.get(claimed_job_id)
        if job is not None and job.is_holding:
            return claimed_job_id
    return None
