"""Slurm's own commands: one program, told by the name it was called by, and the folder of those names (jobctl slurm-names).

Each is the command of ours with the capital letter, speaking Slurm's words (dialect.py): its default tables, messages and exit codes.
"""

import argparse
import os
import shutil
import sys
from importlib import import_module
from pathlib import Path

from jobd import paths
from jobd.cli import dialect
from jobd.cli.main import run, say
from jobd.errors import PathError, UsageError

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
        raise SystemExit(2)
    module, own = COMMANDS[called]
    dialect.speak_slurm()
    code = run(own, import_module(module).main)
    sys.stdout.flush()
    os._exit(code)  # without the interpreter's farewell, which takes longer than the rest


# ---- the folder
def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line of jobctl slurm-names."""
    parser.add_argument(
        "folder", nargs="?", metavar="DIR", help="the folder to put them into; it is made if it is missing"
    )
    parser.add_argument(
        "--env",
        action="store_true",
        help='print what puts a private folder of them on PATH: eval "$(jobctl slurm-names --env)"',
    )
    parser.add_argument(
        "--force", action="store_true", help="also where a real Slurm would be hidden by them"
    )
    parser.add_argument("--remove", action="store_true", help="take them away from DIR again")


def act(options: argparse.Namespace) -> int:
    """jobctl slurm-names; the exit code."""
    if bool(options.folder) == options.env:
        raise UsageError("slurm-names DIR, or slurm-names --env")
    if options.env and options.remove:
        raise UsageError("--env and --remove: one of the two")
    folder = Path(options.folder) if options.folder else Path(paths.slurm_names_dir())
    if options.remove:
        return _remove(folder)
    real = _real_slurm()
    if real and not options.force:
        raise PathError(
            f"{real} is a real Slurm's: these names would hide it (--force makes them all the same)"
        )
    _make(folder)
    if options.env:
        import shlex

        print(f'export PATH={shlex.quote(str(folder))}:"$PATH"')
    return 0


def _make(folder: Path) -> None:
    target = _target()
    folder.mkdir(parents=True, exist_ok=True)
    for name in COMMANDS:
        path = folder / name
        if path.is_symlink() and _is_ours(path):
            if os.readlink(path) == str(target):
                continue
            path.unlink()
        elif path.is_symlink() or path.exists():
            raise PathError(f"{path} is there already, and is none of ours")
        path.symlink_to(target)


def _remove(folder: Path) -> int:
    found = [folder / name for name in COMMANDS if _is_ours(folder / name)]
    if not found:
        raise PathError(f"{folder}: none of our names is there")
    for path in found:
        path.unlink()
    return 0


def _is_ours(path: Path) -> bool:
    return path.is_symlink() and os.path.basename(os.readlink(path)) == PROGRAM


def _target() -> Path:
    """The installed program that all the names are links to.

    Raises:
        PathError: this installation has none.
    """
    beside = Path(sys.argv[0]).resolve().parent / PROGRAM
    for path in (beside, Path(sys.executable).parent / PROGRAM, Path(shutil.which(PROGRAM) or "/nowhere")):
        if path.is_file():
            return path
    raise PathError(f"this installation has no {PROGRAM} (install jobd again)")


def _real_slurm() -> str:
    """The first sbatch on PATH that is none of ours; "" if there is none."""
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        path = Path(folder or ".", "sbatch")
        if os.access(path, os.X_OK) and not _is_ours(path):
            return str(path)
    return ""
