"""salloc: Slurm's options and words around the command that Salloc runs. Without a command the user's shell is run.

What differs from Salloc is said here: the texts, the variables, and that a missing command is found out late.
"""

import os
import signal
import sys
import time
from collections.abc import Sequence

from jobd import __version__
from jobd.cli import allocation, command, dialect, option_values, submit_words
from jobd.cli.batch_options import SALLOC, Chosen, chosen_by_variables, chosen_of, table_for
from jobd.cli.main import say
from jobd.cli.option_values import Asked
from jobd.cli.step_places import Around, job_facts
from jobd.cli.submit_line import line_of
from jobd.client import Client
from jobd.errors import JobdError, Refused
from jobd.limits import NAME_CHARS_MAX
from jobd.slurm import options as slurm
from jobd.slurm.environment import allocation_variables, without_job
from jobd.wire import messages as m
from jobd.wire.batch import AskNode, Node

PROGRAM = "salloc"
NAME = "interactive"  # of a job that was given none


def main(argv: Sequence[str]) -> int:
    """Ask, wait, run; the exit code.

    Raises:
        JobdError: wrong usage, or refused.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    table = table_for(SALLOC)
    parsed = table.parse(argv)
    line = chosen_of(parsed.given)
    if "help" in line or "usage" in line:
        from jobd.cli import slurm_help

        print(
            slurm_help.text_of(PROGRAM) if "help" in line else f"Usage: {slurm_help.USAGE[PROGRAM]}\n", end=""
        )
        return 0
    if "version" in line:
        print(dialect.version("Salloc", __version__))
        return 0
    chosen = Chosen(chosen_by_variables(table, dict(os.environ), "SALLOC_"), line)
    if "verbose" in chosen:
        submit_words.say_defined(PROGRAM, chosen)
    words = parsed.words or _shell(chosen)
    if folder := chosen.get("chdir"):
        try:
            os.chdir(folder)
        except OSError as error:
            raise Refused(f"chdir({folder}): {error.strerror}") from error
    try:
        asked = _asked(chosen)
        waiting = _Waiting(chosen, _submission(chosen, asked, words, line_of([PROGRAM, *argv])))
        grant = waiting.granted()
    except JobdError as error:
        raise submit_words.refusal(error, chosen) from error
    return _run(words, grant, waiting, asked)


class _Waiting(allocation.Allocation):
    """The wait, in Slurm's words."""

    def __init__(self, chosen: Chosen, submit: m.Submit) -> None:
        super().__init__(PROGRAM, submit, is_talking="quiet" not in chosen, is_verbose=False)

    def info(self, text: str) -> None:
        """Say it, unless we are to be quiet."""
        self._say(text)

    def say_waiting(self, row: m.JobRow) -> None:
        self._say(f"Pending job allocation {row.job_id}")
        self._say(f"job {row.job_id} queued and waiting for resources")

    def say_granted(self, row: m.JobRow, *, has_waited: bool) -> None:
        if has_waited:
            self._say(f"job {row.job_id} has been allocated resources")
        self._say(f"Granted job allocation {row.job_id}")

    def say_refused(self, row: m.JobRow) -> None:
        self._say(f"Job allocation {row.job_id} has been revoked.")


def _shell(chosen: Chosen) -> list[str]:
    if "no-shell" in chosen:
        raise Refused("--no-shell: an allocation without a command cannot be had here (sbatch)")
    return [os.environ.get("SHELL") or "/bin/sh"]


def _asked(chosen: Chosen) -> Asked:
    option_values.check_self(chosen)
    option_values.value(
        chosen, "signal", lambda text: slurm.parse_signal(text, option_values.signal_numbers())
    )
    if "hold" in chosen:
        raise Refused("--hold: an allocation that waits for its release cannot be had here (sbatch)")
    return option_values.asked(
        chosen,
        host=os.uname().nodename,
        now_s=time.time(),
        procs=lambda: int(Client().request(m.Ask()).nb_proc),
    )


def _submission(chosen: Chosen, asked: Asked, words: list[str], submit_line: str) -> m.Submit:
    priority = asked.priority
    if asked.nice:
        priority = (priority or 0) - asked.nice
    return m.Submit(
        os.urandom(9).hex(),
        asked.nb_proc,
        allocation.recorded(words),
        (chosen.get("job-name") or NAME)[:NAME_CHARS_MAX],
        allocation.cwd(),
        priority,
        asked.time_limit_s,
        claimed_job_id=allocation.claimed_job_id(),
        claimed_server_id=allocation.claimed_server_id(),
        memory_bytes=asked.memory_bytes,
        gpus=asked.gpus,
        counted=asked.counted,
        is_exclusive=asked.is_exclusive,
        labels=[*asked.labels, ["submit_host", os.uname().nodename], ["submit_line", submit_line]],
        ntasks=asked.ntasks,
        cpus_per_task=asked.cpus_per_task,
        begin_at=asked.begin_at,
        dependency=asked.dependency,
    )


def _run(words: list[str], grant: m.Grant, waiting: _Waiting, asked: Asked) -> int:
    """Run it; the command's code, 0 where a signal has ended it, as salloc has it."""
    job_id = grant.job.job_id
    found = command.missing(words[0])
    if found is not None:
        say(dialect.error_line(PROGRAM, f'_fork_command: Unable to find command "{words[0]}"'))
        words = ["false"]
    _set_variables(grant, asked, waiting.client.request(AskNode()))
    end = command.run_to_end(words, grant, waiting.client, say=waiting.say_if_verbose)
    waiting.info(f"Relinquishing job allocation {job_id}")
    sys.stderr.flush()
    if end.signal in (signal.SIGINT, signal.SIGQUIT):
        command.die_by(end.signal)
    return end.exit_code or 0


def _set_variables(grant: m.Grant, asked: Asked, node: Node) -> None:
    """Slurm's variables of the allocation, in our own environment, which the command gets."""
    host = os.uname().nodename.partition(".")[0]
    around = Around(grant.job, grant.server_id, 0, "", host, os.getuid(), os.getgid(), 0)
    around = around._replace(labels=submit_words.own_labels(asked.labels, node, grant.job.user))
    facts = job_facts(grant.job, around)._replace(
        ntasks=asked.ntasks,
        cpus_per_task=asked.cpus_per_task,
        ntasks_per_node=asked.ntasks_per_node,
        memory_bytes=asked.memory_bytes,
        memory_per_cpu_bytes=asked.memory_per_cpu_bytes,
        gpus_asked=asked.gpus,
        submit_dir=allocation.cwd(),
        submit_host=host,
    )
    outer = dict(os.environb)
    for name in outer.keys() - without_job(outer).keys():
        if not name.startswith((b"JOBD_", b"NB_PROC")):
            del os.environb[name]
    os.environ.update(allocation_variables(facts))


__all__ = ["main"]
