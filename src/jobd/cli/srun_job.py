"""Srun outside any job: a job of its own, in the foreground.

ask and wait (allocation.py) ─▶ StepBegin ─▶ tasks (step.py) ─▶ tell the end (presence.py)
"""

import os
import time

from jobd.cli import allocation, command, option_values
from jobd.cli.main import say
from jobd.cli.option_values import Asked
from jobd.cli.presence import End, Presence
from jobd.cli.srun_call import PROGRAM, Call
from jobd.cli.step import Step
from jobd.cli.step_places import Size
from jobd.cli.step_streams import Streams
from jobd.cli.tasks import Tasks
from jobd.client import Client
from jobd.errors import EXIT_REFUSED, JobdError
from jobd.wire import messages as m


def run_outside(call: Call) -> int:
    """Run a job of our own; its code."""
    found = command.missing(call.words[0])
    if found is not None:
        return _missing(call, found)
    asked = _asked(call)
    size = Size(asked.ntasks or asked.ntasks_per_node or 1, asked.cpus_per_task, asked.nb_proc)
    wanted = call.wanted(size.ntasks)
    waiting = allocation.Allocation(
        PROGRAM,
        _submission(call, asked),
        is_talking=call.is_talking,
        is_verbose=call.options.is_verbose and not call.options.is_quiet,
    )
    grant = waiting.granted()
    around = call.begin(waiting.client, grant.job, grant.server_id, size)
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
    say(f"slurmstepd: error: execve(): {call.words[0]}: {os.strerror(code)}")
    call.complain(f"{call.host}: task 0: Exited with exit code {code}")
    return code


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
        [*asked.labels, ["submit_host", os.uname().nodename]],
        asked.ntasks,
        asked.cpus_per_task,
        asked.begin_at,
        asked.dependency,
    )


__all__ = ["run_outside"]
