"""read_script: the script of a batch job, as it was copied at its submission."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from jobd.daemon.peers import Peer
from jobd.errors import NoSuchJob, Refused
from jobd.wire.batch import ReadScript, Script

if TYPE_CHECKING:
    from jobd.daemon.loop import Server


def handle(server: "Server", peer: Peer, request: ReadScript) -> Callable[[], Script]:
    """Of a living or a finished job."""

    def answer() -> Script:
        job = server.world.jobs.get(request.job_id)
        if job is None:
            job = next(iter(server.journal.finished_of([request.job_id])), None)
        if job is None:
            raise NoSuchJob(f"no job {request.job_id}")
        if job.spec.batch is None:
            raise Refused(f"job {request.job_id} is no batch job, and has no script")
        data = server.journal.blob(job.spec.batch.script) if job.spec.batch.script else b""
        if data is None:
            raise Refused(f"the script of job {request.job_id} is not kept any more")
        return Script(data)

    return answer
