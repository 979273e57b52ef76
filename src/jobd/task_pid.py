"""SLURM_TASK_PID, the number of the process itself: only who runs already knows it, so a shell sets it in the process's place and under its number.

It costs one start of a shell, and is there only where a program of Slurm's name asked for it: by the value UNKNOWN.
"""

import os
import re
from collections.abc import Iterable, Sequence

NAME = "SLURM_TASK_PID"
UNKNOWN = "?"

_PLAIN = re.compile(rb"[A-Za-z_][A-Za-z0-9_]*")


def told(arguments: Sequence[str], names: Iterable[str | bytes]) -> list[str]:
    """What is run in place of a command, so that it learns its number.

    Args:
        names: of its variables. dash loses those that are no names of its own, such as bash's functions; bash, which is slower, keeps them.
    """
    is_plain = all(_PLAIN.fullmatch(name if isinstance(name, bytes) else os.fsencode(name)) for name in names)
    shell = "/bin/sh" if is_plain else "/bin/bash"
    return [shell, "-c", f'{NAME}=$$ exec "$@"', shell, *arguments]
