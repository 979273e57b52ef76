"""The options of sbatch, srun and salloc as Slurm 22.05 has them: ours less what is our own, and those that do nothing here.

Only by Slurm's names: what Slurm does not know is an error there too, and what it takes is taken without a word.
"""

from collections.abc import Iterable, Sequence

from jobd.cli.getopt import NONE, OPTIONAL, REQUIRED, Given, Option

# Ours, or of a later Slurm.
_OTHERS = frozenset(
    {
        "retries", "retry-on", "retry-delay", "from", "no-bind", "container-id", "extra", "segment", "token", "tres-bind", "tres-per-task",
    }
)  # fmt: skip
_OTHERS_OF = {"r": frozenset({"get-user-env", "gid-map"}), "a": frozenset({"propagate"})}

_ALL, _RA = "sra", "ra"
_MORE = (
    (_ALL, "cluster", "", REQUIRED),
    (_ALL, "context", "", REQUIRED),
    (_ALL, "ntasks-per-tres", "", REQUIRED),
    (_ALL, "tasks-per-node", "", REQUIRED),
    (_RA, "cluster-constraint", "", REQUIRED),
    (_RA, "usage", "", NONE),
    ("r", "cpu_bind", "", REQUIRED),
    ("r", "debugger-test", "", NONE),
    ("r", "het-group", "", REQUIRED),
    ("r", "multi-prog", "", NONE),
    ("r", "no-allocate", "Z", NONE),
    ("r", "overlap", "", OPTIONAL),
    ("r", "pack-group", "", REQUIRED),
    ("r", "pty", "", NONE),
    ("r", "relative", "r", REQUIRED),
    ("r", "test-only", "", NONE),
    ("r", "whole", "", NONE),
    ("a", "container", "", REQUIRED),
    ("a", "immediate", "I", OPTIONAL),
    ("a", "kill-command", "K", OPTIONAL),
    ("a", "no-bell", "", NONE),
    ("a", "no-shell", "", NONE),
    ("a", "ntasks", "n", REQUIRED),
    ("a", "quiet", "Q", NONE),
    ("a", "verbose", "v", NONE),
)
_OTHER_NAMES = {
    "cluster": "clusters",
    "tasks-per-node": "ntasks-per-node",
    "cpu_bind": "cpu-bind",
    "ntasks-per-tres": "ntasks-per-gpu",
}

# In a directive these are read and forgotten.
FORGOTTEN = frozenset({"help", "usage", "version", "wrap", "quiet", "verbose"})


def of(program: str, ours: Sequence[Option]) -> list[Option]:
    """Slurm's options of a program (its letter in batch_options.py)."""
    more = {name: Option(name, short, kind) for programs, name, short, kind in _MORE if program in programs}
    others = _OTHERS | _OTHERS_OF.get(program, frozenset())
    return [*(o for o in ours if o.name not in others and o.name not in more), *more.values()]


def renamed(given: Iterable[Given]) -> list[Given]:
    """A command line with one name for each option.

    Raises:
        Wrong: it says the memory in two ways.
    """
    found = [
        Given(option._replace(name=_OTHER_NAMES.get(option.name, option.name)), text)
        for option, text in given
    ]
    if len({option.name for option, _ in found} & {"mem", "mem-per-cpu", "mem-per-gpu"}) > 1:
        from jobd.cli.submit_words import Wrong

        raise Wrong(fatal="--mem, --mem-per-cpu, and --mem-per-gpu are mutually exclusive.")
    return found


__all__ = ["FORGOTTEN", "of", "renamed"]
