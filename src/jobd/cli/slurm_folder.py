"""jobctl slurm-names: a folder of Slurm's names, each a link to the one program that is all of them (slurm_names.py)."""

import argparse
import os
import shlex
import shutil
import sys
from pathlib import Path

from jobd import paths
from jobd.cli.slurm_names import COMMANDS, PROGRAM
from jobd.errors import PathError, UsageError


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
    folder = Path(os.path.abspath(options.folder or paths.slurm_names_dir()))
    if options.remove:
        return _remove(folder)
    real = _real_slurm()
    if real and not options.force:
        raise PathError(
            f"{real} is a real Slurm's: these names would hide it (--force makes them all the same)"
        )
    _make(folder)
    if options.env:
        print(f'export PATH={shlex.quote(str(folder))}:"$PATH"')
    return 0


def _make(folder: Path) -> None:
    """Make them all, or none where one of them is somebody else's."""
    target = _target()
    folder.mkdir(parents=True, exist_ok=True)
    for name in COMMANDS:
        path = folder / name
        if os.path.lexists(path) and not _is_ours(path):
            raise PathError(f"{path} is there already, and is none of ours")
    for name in COMMANDS:
        path = folder / name
        if _is_ours(path):
            if os.readlink(path) == str(target):
                continue
            path.unlink()
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
    """A program on PATH that has one of the names and is none of ours; "" if there is none."""
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        for name in COMMANDS:
            path = Path(folder or ".", name)
            if path.is_file() and os.access(path, os.X_OK) and not _is_ours(path):
                return str(path)
    return ""
