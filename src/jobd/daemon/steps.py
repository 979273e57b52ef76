"""The steps that Sruns begin inside jobs: their numbers, and their ends. They decide nothing about the job.

A step is known by the token of its Srun, so what is said again is the same step. One that still lives when its job's attempt is over
is closed with it.
"""

from typing import TYPE_CHECKING

from jobd.core.events import Ended, Event, Requeued
from jobd.core.job import Job
from jobd.core.world import World
from jobd.errors import UsageError
from jobd.journal.journal import Journal
from jobd.journal.records import Step
from jobd.wire.batch import StepBegin, StepEnd

if TYPE_CHECKING:
    from jobd.daemon.loop import Server

STEPS_MAX = 1_000_000  # of one attempt


class Steps:
    """Those of the jobs that hold procs, living or over."""

    def __init__(self, journal: Journal, world: World) -> None:
        self._journal = journal
        self._by_token: dict[int, dict[str, Step]] = {}  # job → token → step, of its present attempt
        self._next: dict[int, int] = {}
        for step in journal.steps_of(world.holding):
            job = world.jobs[step.job_id]
            if step.attempt == job.attempt:
                self._keep(step)

    def begin(self, server: "Server", job: Job, request: StepBegin) -> int:
        """The number of a step that begins, or that this token has begun already.

        Raises:
            UsageError: too many.
        """
        known = self._by_token.get(job.job_id, {}).get(request.token)
        if known is not None:
            return known.step_id
        number = self._next.get(job.job_id)
        if number is None:
            number = self._journal.step_count(job.job_id, job.attempt)
        if number >= STEPS_MAX:
            raise UsageError(f"job {job.job_id} has had {STEPS_MAX} steps: no more are taken")
        step = Step(
            job.job_id,
            job.attempt,
            number,
            request.name,
            list(request.command),
            request.ntasks,
            server.now.wall_s,
            None,
            None,
            None,
            0.0,
            0,
            request.token,
        )
        self._change(server, step)
        return number

    def end(self, server: "Server", request: StepEnd) -> None:
        """A step is over. One that is over already stays as it is."""
        step = self._by_token.get(request.job_id, {}).get(request.token)
        if step is None or step.ended_at is not None:
            return
        self._change(
            server,
            step._replace(
                ended_at=max(step.started_at, server.now.wall_s),
                exit_code=request.exit_code,
                signal=request.signal,
                cpu_s=request.cpu_s,
                memory_peak_bytes=request.memory_peak_bytes,
            ),
        )

    def job_changed(self, server: "Server", event: Event, job: Job) -> None:
        """Close what still lives of an attempt that is over."""
        if not self._by_token or not isinstance(event, Ended | Requeued):
            return
        for step in self._by_token.get(job.job_id, {}).values():
            if step.ended_at is None:
                self._change(server, step._replace(ended_at=max(step.started_at, event.at)))
        self._by_token.pop(job.job_id, None)
        self._next.pop(job.job_id, None)

    def _change(self, server: "Server", step: Step) -> None:
        self._keep(step)
        server.changes.steps[step.job_id, step.attempt, step.step_id] = step

    def _keep(self, step: Step) -> None:
        if step.job_id in self._by_token:
            self._by_token[step.job_id][step.token] = step
        else:
            self._by_token[step.job_id] = {step.token: step}
        self._next[step.job_id] = max(self._next.get(step.job_id, 0), step.step_id + 1)
