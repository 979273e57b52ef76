"""Whose words the programs speak: our own, or Slurm's own to the letter, when they were called by Slurm's names (slurm_names.py).

Said once, before anything else, and looked at by whatever says something that Slurm says otherwise.
"""

from collections.abc import Sequence

from jobd.errors import BadOption, JobdError, NoServer

RELEASE = "slurm-wlm 22.05.8"  # whose words these are

is_slurm = False

SUBMITTING = ("sbatch", "srun", "salloc")
EXIT_OPTIONS = 255  # of those three, where the command line is wrong
# What each says first where nobody answers; ours is a second line, since it tells what to do.
NO_SERVER = {
    "squeue": "slurm_load_jobs error: ",
    "scancel": "slurm_load_jobs error: ",
    "scontrol": "slurm_load_jobs error: ",
    "sinfo": "slurm_load_partitions: ",
    "sbatch": "sbatch: error: Batch job submission failed: ",
    "srun": "srun: error: Unable to allocate resources: ",
    "salloc": "salloc: error: Job submit/allocate failed: ",
}
WITHOUT_HINT = ("sacct", "sstat")  # they do not say where help is


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


def version(program: str, own: str) -> str:
    """What --version says."""
    return RELEASE if is_slurm else f"{program} {own}"


def own_name(program: str, text: str) -> str:
    """A help text with the name by which the program was called."""
    return text.replace(program, name(program)).replace("usage:", "Usage:", 1) if is_slurm else text


class Said(JobdError):
    """What Slurm says, line for line as it says it, and its exit code."""

    def __init__(self, *lines: str, code: int = 1) -> None:
        super().__init__("; ".join(lines))
        self.lines = lines
        self.code = code

    def lines_of(self, program: str) -> Sequence[str]:
        """All lines, as that program says them."""
        return self.lines


def said(program: str, error: JobdError) -> Said | None:
    """The lines of an error for which Slurm has lines of its own; else None."""
    if isinstance(error, BadOption) and is_slurm:
        own = name(program)
        code = error_code(program, error.exit_code, is_usage=True)
        hint = () if own in WITHOUT_HINT else (f'Try "{own} --help" for more information',)
        return Said(f"{own}: {error.slurm}", *hint, code=code)
    if isinstance(error, NoServer) and is_slurm:
        own = name(program)
        where = NO_SERVER.get(own, f"{own}: error: ")
        return Said(f"{where}Unable to contact slurm controller (connect failure)", f"{own}: error: {error}")
    return error if isinstance(error, Said) else None


def own_words(program: str, argv: Sequence[str]) -> list[str]:
    """A command line with the program's name before it, as it was called."""
    return [name(program), *argv]
