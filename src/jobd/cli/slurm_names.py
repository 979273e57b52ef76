"""Slurm's own commands: one program, told by the name it was called by (slurm_folder.py makes those names).

Each is the command of ours with the capital letter, speaking Slurm's words (dialect.py): its default tables, messages and exit codes.
"""

import gc
import os
import sys
from importlib import import_module

from jobd.cli import dialect
from jobd.cli.main import run, say
from jobd.errors import EXIT_REFUSED, EXIT_USAGE

PROGRAM = "jobd-slurm"

# name → (module with a `main`, our own name)
COMMANDS: dict[str, tuple[str, str]] = {
    "sbatch": ("jobd.cli.sbatch", "Sbatch"),
    "srun": ("jobd.cli.srun", "Srun"),
    "salloc": ("jobd.cli.salloc", "Salloc"),
    "squeue": ("jobd.cli.squeue", "Squeue"),
    "scancel": ("jobd.cli.scancel", "Scancel"),
    "sacct": ("jobd.cli.sacct", "Sacct"),
    "sinfo": ("jobd.cli.sinfo", "Sinfo"),
    "scontrol": ("jobd.cli.scontrol", "Scontrol"),
    "seff": ("jobd.cli.seff", "Seff"),
    "sstat": ("jobd.cli.sstat", "sstat"),
    "sprio": ("jobd.cli.sprio", "sprio"),
    "sacctmgr": ("jobd.cli.sacctmgr", "sacctmgr"),
}


def program() -> None:
    """Entry point of all the names."""
    called = os.path.basename(sys.argv[0])
    if called not in COMMANDS:
        say(
            f"{called}: called by a name that is none of Slurm's: {', '.join(COMMANDS)} (jobctl slurm-names DIR makes them)"
        )
        raise SystemExit(EXIT_USAGE)
    module, own = COMMANDS[called]
    dialect.speak_slurm()
    gc.disable()  # while modules are imported there is only more and more to look through, for a tenth of the whole start
    main = import_module(module).main
    gc.freeze()
    gc.enable()
    code = run(own, main)
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        code = code or EXIT_REFUSED  # `run` has said what there is to say
    os._exit(code)  # without the interpreter's farewell, which takes longer than the rest
