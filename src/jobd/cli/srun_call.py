"""One call of Srun, wherever it runs: what is said, the step's record, and what its tasks find. srun_step.py and srun_job.py do the rest."""

import os
import sys
from collections.abc import Callable, Sequence

from jobd.cli import allocation, command, dialect, step_places
from jobd.cli.batch_options import Chosen
from jobd.cli.main import say
from jobd.cli.presence import End
from jobd.cli.srun_options import StepOptions
from jobd.cli.step import Plan, Step
from jobd.cli.step_places import Around, Size
from jobd.cli.step_streams import Streams, Wanted
from jobd.cli.tasks import Place, code_of
from jobd.client import Client, is_server_alive
from jobd.errors import JobdError, NoServer, Refused
from jobd.limits import NAME_CHARS_MAX
from jobd.slurm import patterns
from jobd.wire import batch as b
from jobd.wire import messages as m

PROGRAM = "Srun"
RECORD_S = 3.0  # for the server's answer about a step, which runs also without it
UNRECORDED = 1_000_000  # numbers of steps without a record begin here


class Call:
    """What was asked for, and what is common to a step and a job."""

    def __init__(
        self, chosen: Chosen, options: StepOptions, words: Sequence[str], submit_line: str = ""
    ) -> None:
        self.chosen = chosen
        self.options = options
        self.words = list(words)
        self.submit_line = submit_line
        is_terminal = sys.stderr is not None and sys.stderr.isatty()
        self.is_talking = (is_terminal or options.is_verbose or dialect.is_slurm) and not options.is_quiet
        self.program = dialect.name(PROGRAM)
        self.host = os.environ.get("SLURMD_NODENAME", "") or os.uname().nodename
        self.token = os.urandom(9).hex()

    @property
    def name(self) -> str:
        """Of the step, and of a job of our own."""
        words = self.words
        return (self.chosen.get("job-name") or os.path.basename(words[0]) or words[0])[:NAME_CHARS_MAX]

    def say(self, text: str) -> None:
        """Say it to a person: where there is one, or one asked for it."""
        if self.is_talking:
            say(f"{self.program}: {text}")

    def say_if_verbose(self, text: str) -> None:
        """Say it if that was asked for."""
        if self.options.is_verbose and not self.options.is_quiet and not dialect.is_slurm:
            say(f"{self.program}: {text}")

    def complain(self, text: str) -> None:
        """Say what went wrong."""
        say(f"{self.program}: error: {text}")

    # ---- the record
    def begin(self, client: Client, row: m.JobRow | None, server_id: str, size: Size) -> Around:
        """Begin the step's record; the step runs without one if it cannot be had."""
        step_id = UNRECORDED + os.getpid()
        if row is not None:
            begin = b.StepBegin(
                row.job_id, self.token, self.name, allocation.recorded(self.words), size.ntasks
            )
            try:
                number: b.StepNumber = client.telling_only_the_living(RECORD_S).request(begin)
                step_id = number.step_id
            except NoServer as error:
                self.complain(f"{error}; the step runs without a record")
            except Refused as error:
                raise Refused(f"Unable to create step for job {row.job_id}: {error}") from error
        umask = os.umask(0o022)
        os.umask(umask)
        return Around(row, server_id, step_id, self.token, self.host, os.getuid(), os.getgid(), umask)

    def record_end(self, client: Client, around: Around, end: End) -> None:
        """The step is over: end its record, if it has one and there is somebody to be told."""
        if around.job is None or around.step_id >= UNRECORDED or not is_server_alive():
            return
        import resource

        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        request = b.StepEnd(
            around.job.job_id,
            self.token,
            end.exit_code,
            end.signal,
            usage.ru_utime + usage.ru_stime,
            usage.ru_maxrss * 1024,
        )
        try:
            client.telling_only_the_living(RECORD_S).request(request)
        except JobdError as error:
            self.say_if_verbose(f"the server was not told of the step's end: {error}")

    def wanted(self, ntasks: int) -> Wanted:
        """What the tasks' descriptors are to be."""
        return self.options.wanted(self.chosen, ntasks)

    def expander(self, around: Around) -> Callable[[str, int], str]:
        """What makes a file's name of a pattern and the number of a task."""
        row = around.job
        array = row.batch if row is not None else None
        user = os.environ.get("USER", "") if row is None else row.user
        number = row.job_id if row is not None else allocation.claimed_job_id() or 0

        def expand(pattern: str, task: int) -> str:
            values = patterns.Values(
                number,
                array.array_id if array is not None else None,
                array.array_index if array is not None else None,
                row.name if row is not None else os.environ.get("SLURM_JOB_NAME", ""),
                user,
                self.host,
                str(around.step_id),
                task,
            )
            return os.path.abspath(patterns.expand(pattern, values))

        return expand

    def places(
        self, around: Around, size: Size, cpus: list[int], outer: dict[bytes, bytes], streams: Streams
    ) -> list[Place]:
        """Where each task runs.

        Args:
            cpus: the step's processors; [] leaves the tasks on ours.
            outer: the variables that we were called with, and those of a job of our own.
        """
        kept = step_places.exported(_as_called(outer), self.options.export)
        if self.options.export.is_all:
            kept[b"SRUN_DEBUG"] = b"2" if self.options.is_quiet else b"4" if self.options.is_verbose else b"3"
        shares = step_places.shares(cpus, size.ntasks, size.cpus_per_task)
        if not self.options.is_bound or self.options.is_overlapping:
            shares = [cpus] * size.ntasks
        count = max(1, size.cpus_per_task or size.need // size.ntasks)
        return [
            Place(
                step_places.task_variables(
                    kept,
                    around,
                    size,
                    rank,
                    count,
                    is_labelled=self.wanted(size.ntasks).is_labelled,
                    own_name=self.chosen.get("job-name", ""),
                ),
                shares[rank],
                streams.actions(rank),
                streams.is_leader(rank),
            )
            for rank in range(size.ntasks)
        ]

    def plan(self, around: Around, warned_limit_s: int | None = None) -> Plan:
        """What the step runs and how it ends.

        Args:
            warned_limit_s: the time limit of a job of our own, which the server keeps.
        """
        options = self.options
        number = around.job.job_id if around.job is not None else allocation.claimed_job_id() or 0
        limit_s = options.time_limit_s
        return Plan(
            self.words,
            self.program,
            self.host,
            f"{number}.{around.step_id}",
            options.is_quiet,
            options.is_killed_on_bad_exit,
            options.wait_s,
            limit_s,
            options.warn.signal if options.warn is not None else 0,
            options.warn.before_s if options.warn is not None else 0,
            warned_limit_s if warned_limit_s is not None else limit_s,
        )

    def code(self, step: Step, end: End) -> int:
        """Our exit code; no return where Ctrl-C has ended it."""
        if end.signal is not None and end.signal == step.interrupted_by:
            command.die_by(end.signal)  # a shell must see that, or its loop goes on
        return code_of(end)


def _as_called(variables: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """The variables without what Python has set for itself (PEP 538)."""
    if variables.get(b"LC_CTYPE") == b"C.UTF-8":
        with open("/proc/self/environ", "rb") as file:
            if b"LC_CTYPE=C.UTF-8" not in file.read().split(b"\0"):
                return {name: text for name, text in variables.items() if name != b"LC_CTYPE"}
    return variables


__all__ = ["PROGRAM", "RECORD_S", "Call"]
