"""jobctl spool that halts (SIGSTOP to itself) just before its N-th look at anything below its folder. python halting.py N ARGUMENT…"""

import os
import signal
import sys
from typing import Any

LOOKS = {"os.listdir", "os.scandir", "open"}


def main() -> int:
    """Run, with one halt."""
    from jobd.spool import main as spool

    left, arguments = int(sys.argv[1]), sys.argv[2:]
    root = os.path.realpath(arguments[0]) + "/"

    def hook(event: str, args: tuple[Any, ...]) -> None:
        nonlocal left
        if event in LOOKS and isinstance(args[0], str) and args[0].startswith(root):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGSTOP)

    sys.addaudithook(hook)
    return spool.main(arguments)


if __name__ == "__main__":
    sys.exit(main())
