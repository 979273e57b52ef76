"""The options of Srun: those it shares with Sbatch (batch_options.py), and its own. Texts → values; nothing is asked or done here.

Source: srun(1) of Slurm 22.05, its input environment variables included: the command line goes before SLURM_* variables.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from jobd.cli import dialect
from jobd.cli.batch_options import SRUN, Chosen, chosen_by_variables, chosen_of, table_for
from jobd.cli.getopt import NONE, OPTIONAL, REQUIRED, Option, Parsed, Table
from jobd.cli.option_values import check_self, is_appending, signal_numbers, value
from jobd.cli.step_streams import ALL, Wanted
from jobd.errors import UsageError
from jobd.slurm import options as slurm
from jobd.slurm import times

TASKS_MAX = 4096  # more copies than any machine runs; each has up to six descriptors

OWN = (
    Option("label", "l", help="put the number of the task before each line", variable="LABELIO"),
    Option("unbuffered", "u", help="do not wait for whole lines", variable="UNBUFFEREDIO"),
    Option("pty", "", OPTIONAL, "TASK", help="give the first task a terminal of its own"),
    Option("kill-on-bad-exit", "K", OPTIONAL, "0|1", help="end the step when a task fails", variable="KILL_BAD_EXIT"),
    Option("wait", "W", REQUIRED, "SECONDS", help="end the step so long after its first task has ended; 0: never", variable="WAIT"),
    Option("jobid", "", REQUIRED, "ID", help="a step of that job, from wherever this is called"),
    Option("overlap", "", help="share processors with the other steps of the job", variable="OVERLAP"),
    Option("exact", "", help="just the processors that are asked for, not the whole job's", variable="EXACT"),
    Option("exclusive", "", OPTIONAL, "user", help="inside a job as --exact; outside: nobody else runs meanwhile", variable="EXCLUSIVE"),
    Option("cpu-bind", "", REQUIRED, "KIND", help="none: do not bind each task to its share of the processors", variable="CPU_BIND"),
    Option("no-bind", "", help="do not bind the job to processors of its own"),
    *(
        Option(name, short, argument, "VALUE", "no effect here", is_idle=True)
        for name, short, argument in (
            ("accel-bind", "", REQUIRED), ("bcast", "", OPTIONAL), ("bcast-exclude", "", REQUIRED), ("compress", "", OPTIONAL),
            ("disable-status", "X", NONE), ("epilog", "", REQUIRED), ("gid-map", "", REQUIRED), ("immediate", "I", OPTIONAL),
            ("interactive", "", NONE), ("mpi", "", REQUIRED), ("msg-timeout", "", REQUIRED), ("preserve-env", "E", NONE),
            ("prolog", "", REQUIRED), ("quit-on-interrupt", "", NONE), ("resv-ports", "", OPTIONAL), ("send-libs", "", OPTIONAL),
            ("slurmd-debug", "", REQUIRED), ("task-epilog", "", REQUIRED), ("task-prolog", "", REQUIRED), ("threads", "T", REQUIRED),
            ("x11", "", OPTIONAL),
        )
    ),
)  # fmt: skip

# Of the variables of a job only these are its steps' too; the others have done their work when the job was allocated.
_STEP_VARIABLES = frozenset(
    {
        "label", "unbuffered", "kill-on-bad-exit", "wait", "overlap", "exact", "exclusive", "cpu-bind", "open-mode", "overcommit",
        "cpus-per-task", "ntasks", "ntasks-per-node",
    }
)  # fmt: skip
# Where srun's variables have other names than sbatch's.
_VARIABLES = {
    "SRUN_CPUS_PER_TASK": "cpus-per-task",
    "SLURM_STDINMODE": "input",
    "SLURM_STDOUTMODE": "output",
    "SLURM_STDERRMODE": "error",
    "SLURM_EXPORT_ENV": "export",
    "SLURM_WORKING_DIR": "chdir",
    "SLURM_NPROCS": "ntasks",
}
_STEP_NAMED = frozenset(
    {"SRUN_CPUS_PER_TASK", "SLURM_STDINMODE", "SLURM_STDOUTMODE", "SLURM_STDERRMODE", "SLURM_EXPORT_ENV"}
)
_OTHERS = frozenset(
    {"output", "error", "input", "export", "chdir"}
)  # whose SLURM_ variable is none of srun's

TABLE = table_for(SRUN, OWN)  # for help, manual and completion


def table() -> Table:
    """The options of the command line, as the program was called."""
    return table_for(SRUN, OWN) if dialect.is_slurm else TABLE


class StepOptions(NamedTuple):
    """What the options say of a step, as far as it can be told without knowing the job."""

    ntasks: int | None  # as said, or as a variable says
    cpus_per_task: int | None
    has_said_size: bool  # whether the command line says how many tasks or processors
    is_exact: bool
    is_overlapping: bool
    is_overcommitting: bool
    is_bound: bool
    export: slurm.Export
    chdir: str
    is_killed_on_bad_exit: bool
    wait_s: int
    time_limit_s: int | None
    warn: slurm.WarnSignal | None
    is_quiet: bool
    is_verbose: bool

    def wanted(self, chosen: Chosen, ntasks: int) -> Wanted:
        """What its tasks' descriptors are to be."""
        return Wanted(
            ntasks,
            chosen.get("input", ALL),
            chosen.get("output", ALL),
            chosen.get("error", ""),
            bool(value(chosen, "open-mode", is_appending)),
            _is_on(chosen, "label"),
            _is_on(chosen, "unbuffered"),
            "pty" in chosen and chosen["pty"] in ("", "0"),
        )


def read(
    argv: Sequence[str], variables: Mapping[str, str], *, is_inside: bool
) -> tuple[Chosen, Chosen, Parsed]:
    """All that is chosen, what the command line alone chooses, and the words behind it.

    Args:
        is_inside: it will be a step of a job around us, which has obeyed most of the variables already.

    Raises:
        UsageError: an option that is none.
    """
    parsed = table().parse(argv)
    said = chosen_of(parsed.given)
    return Chosen(_by_variables(variables, is_inside=is_inside), said), said, parsed


def _by_variables(variables: Mapping[str, str], *, is_inside: bool) -> Chosen:
    found = chosen_by_variables(table(), dict(variables), "SLURM_")
    chosen = Chosen()
    for name, text in found.items():
        is_off = not text and variables[found.wheres[name]] == "0"  # a flag, said not to be
        if name not in _OTHERS and not is_off and (not is_inside or name in _STEP_VARIABLES):
            chosen.choose(name, text, found.wheres[name])
    for variable, name in _VARIABLES.items():
        text = variables.get(variable, "")
        if (
            text
            and (not is_inside or variable in _STEP_NAMED)
            and not (variable == "SLURM_NPROCS" and name in chosen)
        ):
            chosen.choose(name, text, variable)
    return chosen


def step_options(chosen: Chosen, said: Chosen) -> StepOptions:
    """What the options say of a step.

    Raises:
        UsageError: one makes no sense.
    """
    check_self(chosen)
    if "hold" in chosen:
        raise UsageError("--hold: Srun itself would wait for its release (Sbatch --hold)")

    def count(text: str) -> int:
        return slurm.parse_count(text, most=TASKS_MAX)

    ntasks = value(chosen, "ntasks", count)
    per_node = value(chosen, "ntasks-per-node", count)
    if "ntasks-per-node" in said and "ntasks" not in said:
        ntasks = per_node
    return StepOptions(
        ntasks if ntasks is not None else per_node,
        value(chosen, "cpus-per-task", slurm.parse_count),
        not said.keys().isdisjoint({"ntasks", "ntasks-per-node", "cpus-per-task"}),
        "exact" in chosen or "exclusive" in chosen,
        "overlap" in chosen,
        "overcommit" in chosen,
        not {"none", "no"} & set(chosen.get("cpu-bind", "").lower().split(",")),
        value(chosen, "export", slurm.parse_export) or slurm.Export(True, False, (), ()),
        chosen.get("chdir", ""),
        _is_on(chosen, "kill-on-bad-exit"),
        value(chosen, "wait", lambda text: slurm.parse_count(text, least=0)) or 0,
        value(chosen, "time", times.parse_limit_s),
        value(chosen, "signal", lambda text: slurm.parse_signal(text, signal_numbers())),
        "quiet" in chosen,
        "verbose" in chosen,
    )


def _is_on(chosen: Chosen, name: str) -> bool:
    """Whether a flag is given, and not as 0."""
    return name in chosen and chosen[name] != "0"


__all__ = ["TABLE", "StepOptions", "read", "step_options"]
