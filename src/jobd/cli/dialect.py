"""Whose words the programs speak: our own, or Slurm's own to the letter, when they were called by Slurm's names (slurm_names.py).

Said once, before anything else, and looked at by whatever says something that Slurm says otherwise.
"""

from collections.abc import Sequence

is_slurm = False

SUBMITTING = ("sbatch", "srun", "salloc")
EXIT_OPTIONS = 255  # of those three, where the command line is wrong


def speak_slurm(is_so: bool = True) -> None:
    """From now on."""
    global is_slurm
    is_slurm = is_so


def name(program: str) -> str:
    """What a program calls itself: Sbatch, or sbatch."""
    return program.lower() if is_slurm else program


def error_line(program: str, text: str) -> str:
    """A line that says what is wrong."""
    return f"{name(program)}: error: {text}" if is_slurm else f"{program}: {text}"


def error_code(program: str, code: int, *, is_usage: bool) -> int:
    """The exit code for it: Slurm's are 1, but 255 where sbatch, srun and salloc do not understand their command line."""
    if not is_slurm:
        return code
    return EXIT_OPTIONS if is_usage and program.lower() in SUBMITTING else 1


def own_words(program: str, argv: Sequence[str]) -> list[str]:
    """A command line with the program's name before it, as it was called."""
    return [name(program), *argv]
