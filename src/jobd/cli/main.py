"""Where every program starts and ends: arguments in, one line for each error, an exit code out. Never a traceback."""

import os
import sys
from collections.abc import Callable, Sequence

from jobd.cli import dialect
from jobd.errors import EXIT_REFUSED, EXIT_USAGE, JobdError
from jobd.parsing import Parser as Parser  # for all programs
from jobd.parsing import printable as printable
from jobd.parsing import say as say


def run(program: str, main: Callable[[Sequence[str]], int], argv: Sequence[str] | None = None) -> int:
    """Run a program's main; what it raises becomes its line and code."""
    _fill_standard_streams()
    try:
        code = main(sys.argv[1:] if argv is None else argv)
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except JobdError as error:
        if (said := dialect.said(program, error)) is not None:
            for line in said.lines_of(program):
                say(line)
            return said.code
        code = dialect.error_code(program, error.exit_code, is_usage=error.exit_code == EXIT_USAGE)
        return fail(program, str(error), code)
    except KeyboardInterrupt:
        return die_by_interrupt()
    except BrokenPipeError:
        # Who read our output has gone (… | head): no error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return fail(program, f"{where}{error.strerror or error}", EXIT_REFUSED)
    except Exception as error:
        # A mistake of ours: a person gets one line; JOBD_DEBUG=1 gives us the trace.
        if os.environ.get("JOBD_DEBUG"):
            raise
        return fail(program, f"a mistake in the program: {type(error).__name__}: {error}", EXIT_REFUSED)


def _fill_standard_streams() -> None:
    """Where the caller closed 0, 1 or 2, our next sockets would take their numbers, and be written to. What fills them is closed on
    exec, so that a command finds them as the caller left them."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115


def fail(program: str, text: str, code: int) -> int:
    """Say one line on stderr; the exit code."""
    say(dialect.error_line(program, text))
    return code


def outlive_own_end() -> None:
    """A job that queues itself again is told to end at once, all of it; who asked for that must still be able to say that it is done."""
    if "JOBD_JOB_ID" in os.environ or "SLURM_JOB_ID" in os.environ:
        import signal

        signal.signal(signal.SIGTERM, signal.SIG_IGN)


def die_by_interrupt() -> int:
    """End as a program does that does not catch Ctrl-C."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGINT)
    return 130
