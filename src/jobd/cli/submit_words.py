"""What sbatch, srun and salloc of Slurm say of a wrong command line, and of what they are refused: each error of ours in their words.

Source: src/common/slurm_opt.c, proc_args.c and slurm_errno.c of Slurm 22.05. Used by Slurm's names alone (dialect.py).
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from jobd.cli.dialect import EXIT_OPTIONS, Said, error_line
from jobd.cli.dialect import name as name_of
from jobd.cli.main import say
from jobd.errors import JobdError, NoServer, NoSuchJob, NotEnough, Stopping, TooManyJobs, TooManyProcs

if TYPE_CHECKING:
    from jobd.wire.batch import Node

FAILED = {
    "sbatch": "Batch job submission failed: ",
    "srun": "Unable to allocate resources: ",
    "salloc": "Job submit/allocate failed: ",
}

NODES = "Requested node configuration is not available"
NODE_NAME = "Invalid node name specified"
FEATURE = "Invalid feature specification"
RESERVATION = "Requested reservation is invalid"
DEPENDENCY = "Job dependency problem"
LICENSES = "Invalid license specification"
ARRAY = "Invalid job array specification"
GRES = "Invalid generic resource (gres) specification"
NO_SERVER = "Unable to contact slurm controller (connect failure)"
TOO_MANY = "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)"

# Options with a plain number, which is named where it is none, with code 1.
_NUMBERS = frozenset(
    {
        "cores-per-socket", "cpus-per-gpu", "cpus-per-task", "jobid", "kill-on-bad-exit", "mincpus", "ntasks", "ntasks-per-core",
        "ntasks-per-gpu", "ntasks-per-node", "ntasks-per-socket", "sockets-per-node", "threads", "threads-per-core", "wait",
    }
)  # fmt: skip
_TIMES = frozenset({"begin", "deadline"})
_GRES = frozenset({"gpus", "gpus-per-node", "gpus-per-socket", "gpus-per-task", "gres"})
_FAILING = {"array": ARRAY, "dependency": DEPENDENCY, "licenses": LICENSES}


class Wrong(Said):
    """What is wrong, before it is known which of the programs says it."""

    def __init__(
        self, *errors: str, failed: str = "", fatal: str = "", plain: Sequence[str] = (), code: int = 1
    ) -> None:
        """
        Args:
            errors: lines that come with `sbatch: error: ` before them.
            failed: why a submission failed: the last such line, with the words of the program.
            fatal: a line with `sbatch: fatal: ` before it.
            plain: lines before all of them, as they are.
        """
        super().__init__(*plain, *errors, *filter(None, (failed, fatal)), code=code)
        self._errors, self._failed, self._fatal, self._plain = errors, failed, fatal, plain

    def lines_of(self, program: str) -> Sequence[str]:
        """All lines, as that program says them."""
        lines = [*self._plain, *(error_line(program, text) for text in self._errors)]
        if self._failed:
            lines.append(error_line(program, f"{FAILED.get(program.lower(), '')}{self._failed}"))
        if self._fatal:
            lines.append(f"{name_of(program)}: fatal: {self._fatal}")
        return lines


def bad_value(name: str, text: str) -> Wrong:
    """An option's value that is none."""
    if name in _NUMBERS:
        return Wrong(f'Invalid numeric value "{text}" for --{name}.')
    if name == "nodes":
        if text == "0":
            return Wrong(failed="Node count specification invalid")
        return Wrong(f'"{text}" is not a valid node count', code=EXIT_OPTIONS)
    if name in _GRES:
        return Wrong(GRES)
    if name in _FAILING:
        return Wrong(failed=_FAILING[name])
    plain = (f"Invalid time specification (pos=0): {text}",) if name in _TIMES else ()
    return Wrong(f"Invalid --{name} specification", plain=plain, code=EXIT_OPTIONS)


def say_defined(program: str, chosen: Mapping[str, str]) -> None:
    """The options that were given, as -v shows them."""
    rule = f"{'-' * 20} {'-' * 20}"
    shown = [f"{name:<20}: {text or 'set'}" for name, text in sorted(chosen.items()) if name != "verbose"]
    for line in ("defined options", rule, *shown, f"{'verbose':<20}: 1", rule, "end of defined options"):
        say(f"{program}: {line}")


def own_labels(asked: Sequence[Sequence[str]], node: "Node", user: str) -> dict[str, str]:
    """Partition, account, qos and cluster of a job of salloc's or srun's own, as the server gives them to batch jobs."""
    labels = {pair[0]: pair[1] for pair in asked}
    return {
        "partition": labels.get("partition", "").split(",")[0] or node.partitions[0],
        "account": labels.get("account") or (node.accounts[0] if node.accounts else user),
        "qos": labels.get("qos") or node.qos[0],
        "cluster": node.cluster,
    }


def check_node(chosen: Mapping[str, str], host: str) -> None:
    """Names of nodes, features and reservations: Slurm has none but its own.

    Raises:
        Wrong: one is not there.
    """
    own = {host, host.partition(".")[0], "localhost"}
    for name in ("nodelist", "exclude"):
        if set(filter(None, chosen.get(name, "").split(","))) - own:
            raise Wrong(failed=NODE_NAME)
    if chosen.get("constraint"):
        raise Wrong(failed=FEATURE)
    if chosen.get("reservation"):
        raise Wrong(failed=RESERVATION)


def refusal(error: JobdError, chosen: Mapping[str, str]) -> JobdError:
    """What a server of ours refuses, in Slurm's words; where it has none the error itself."""
    text = str(error)
    match error:
        case Said():
            return error
        case TooManyProcs():
            lines = ("CPU count per node can not be satisfied",) if "mincpus" in chosen else ()
            return Wrong(*lines, failed=NODES)
        case NotEnough():
            return _lacking(text, chosen)
        case NoSuchJob() if DEPENDENCY in text:
            return Wrong(failed=DEPENDENCY)
        case TooManyJobs():
            return Wrong(failed=TOO_MANY)
        case NoServer() | Stopping():
            return Wrong(failed=NO_SERVER)
    for begin, of in (
        ("no partition ", _partition),
        ("no account ", lambda _: Wrong(failed="Invalid account or account/partition combination specified")),
        ("no qos ", lambda _: Wrong(failed="Invalid qos specification")),
        ("array index ", lambda _: Wrong(failed=ARRAY)),
        ("dependency ", lambda _: Wrong(failed=DEPENDENCY)),
    ):
        if text.startswith(begin):
            return of(text)
    return error


def _partition(text: str) -> Wrong:
    """no partition 'nope' (there are: main)"""
    name = text.partition("'")[2].partition("'")[0]
    return Wrong(f"invalid partition specified: {name}", failed="Invalid partition name specified")


def _lacking(text: str, chosen: Mapping[str, str]) -> Wrong:
    if " of memory asked for" in text:
        return Wrong("Memory specification can not be satisfied", failed=NODES)
    name = text.partition("'")[2].partition("'")[0]
    licenses = chosen.get("licenses", "").replace("=", ":").split(",")
    if name and name in (part.partition(":")[0] for part in licenses):
        return Wrong(failed=LICENSES)
    return Wrong(GRES)


__all__ = ["Wrong", "bad_value", "refusal"]
