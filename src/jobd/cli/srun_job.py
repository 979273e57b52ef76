"""Srun outside any job: a job of its own, in the foreground.

ask and wait (allocation.py) ─▶ StepBegin ─▶ tasks (step.py) ─▶ tell the end (presence.py)
"""

import os
import time

from jobd.cli import allocation, command, dialect, option_values
from jobd.cli.main import say
from jobd.cli.option_values import Asked
from jobd.cli.presence import End, Presence
from jobd.cli.srun_call import Call
from jobd.cli.step import Step, stepd
from jobd.cli.step_places import Size
from jobd.cli.step_streams import Streams
from jobd.cli.tasks import Tasks, described
from jobd.client import Client
from jobd.errors import EXIT_REFUSED, JobdError
from jobd.wire import messages as m
from jobd.wire.batch import AskNode, Node


def run_outside(call: Call) -> int:
    """Run a job of our own; its code."""
    found = command.missing(call.words[0])
    if found is not None:
        return _missing(call, found)
    asked = _asked(call)
    size = Size(asked.ntasks or asked.ntasks_per_node or 1, asked.cpus_per_task, asked.nb_proc)
    wanted = call.wanted(size.ntasks)
    waiting = (_Waiting if dialect.is_slurm else allocation.Allocation)(
        call.program,
        _submission(call, asked),
        is_talking=call.is_talking,
        is_verbose=call.options.is_verbose and not call.options.is_quiet and not dialect.is_slurm,
    )
    try:
        grant = waiting.granted()
    except JobdError as error:
        if dialect.is_slurm:
            from jobd.cli import submit_words

            raise submit_words.refusal(error, call.chosen) from error
        raise
    around = call.begin(waiting.client, grant.job, grant.server_id, size)
    if dialect.is_slurm:
        from jobd.cli.submit_words import own_labels

        node: Node = waiting.client.request(AskNode())
        around = around._replace(labels=own_labels(asked.labels, node, grant.job.user))
    call.options = call.options._replace(time_limit_s=None)  # the server ends it
    presence = Presence(grant, waiting.client, call.say_if_verbose)
    try:
        streams = Streams(wanted, call.expander(around))
    except (JobdError, OSError):
        presence.tell(End(EXIT_REFUSED, None), is_gone=True)
        raise
    tasks = Tasks()

    def killed(number: int) -> None:
        presence.killed_by = number
        presence.tell_killed()

    step = Step(call.plan(around, asked.time_limit_s), tasks, streams, killed)
    outer = command.environment(grant)
    end = step.run(call.places(around, size, command.cpus_of(grant), outer, streams), presence.began)
    call.record_end(waiting.client, around, end)
    presence.over(end, step.taken, tasks.has_children)
    streams.finish()
    return call.code(step, end)


def _missing(call: Call, found: command.Missing) -> int:
    """What slurmstepd and srun would say, known before it has waited for hours."""
    code = 2 if found.exit_code == command.NOT_FOUND else 13
    asked = _asked(call)
    ends = dict.fromkeys(range(asked.ntasks or asked.ntasks_per_node or 1), End(code, None))
    for _ in ends:
        say(f"{stepd(call.host)}: error: execve(): {call.words[0]}: {os.strerror(code)}")
    for line in described(ends, list(ends), call.host):
        call.complain(line)
    return code


class _Waiting(allocation.Allocation):
    """The wait, in Slurm's words."""

    def say_waiting(self, row: m.JobRow) -> None:
        self._say(f"job {row.job_id} queued and waiting for resources")

    def say_granted(self, row: m.JobRow, *, has_waited: bool) -> None:
        if has_waited:
            self._say(f"job {row.job_id} has been allocated resources")

    def say_refused(self, row: m.JobRow) -> None:
        self._say(f"Job allocation {row.job_id} has been revoked")
        self._say(f"Force Terminated JobId={row.job_id}")


def _asked(call: Call) -> Asked:
    return option_values.asked(
        call.chosen,
        host=os.uname().nodename,
        now_s=time.time(),
        procs=lambda: int(Client().request(m.Ask()).nb_proc),
    )


def _submission(call: Call, asked: Asked) -> m.Submit:
    priority = asked.priority
    if asked.nice:
        priority = (priority or 0) - asked.nice
    return m.Submit(
        call.token,
        asked.nb_proc,
        allocation.recorded(call.words),
        call.name,
        allocation.cwd(),
        priority,
        asked.time_limit_s,
        "no-bind" not in call.chosen,
        "",
        None,
        "",
        False,
        "srun",
        asked.memory_bytes,
        asked.gpus,
        asked.counted,
        asked.is_exclusive,
        [*asked.labels, ["submit_host", os.uname().nodename], ["submit_line", call.submit_line]],
        asked.ntasks,
        asked.cpus_per_task,
        asked.begin_at,
        asked.dependency,
    )


__all__ = ["run_outside"]
