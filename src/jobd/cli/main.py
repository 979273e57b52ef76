"""Where every program starts and ends: arguments in, one line for each error, an exit code out. Never a traceback."""

import os
import sys
from collections.abc import Callable, Sequence

from jobd.errors import EXIT_REFUSED, JobdError


def run(program: str, main: Callable[[Sequence[str]], int], argv: Sequence[str] | None = None) -> int:
    """Run a program's main; what it raises becomes its line and code."""
    try:
        code = main(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
        return code
    except JobdError as error:
        return fail(program, str(error), error.exit_code)
    except KeyboardInterrupt:
        return die_by_interrupt()
    except BrokenPipeError:
        # Who read our output has gone (… | head): no error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return fail(program, f"{where}{error.strerror or error}", EXIT_REFUSED)


def fail(program: str, text: str, code: int) -> int:
    """Say one line on stderr; the exit code."""
    say(f"{program}: {text}")
    return code


def say(text: str) -> None:
    """A line on stderr, whatever has become of it."""
    try:
        sys.stderr.write(text.replace("\n", " ") + "\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        pass


def die_by_interrupt() -> int:
    """End as a program does that does not catch Ctrl-C."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGINT)
    return 130
