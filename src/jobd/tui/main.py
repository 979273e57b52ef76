"""jobctl top: the queue on the screen of a terminal, or once as text."""

import argparse
import os
import sys
import time
from collections.abc import Sequence

from jobd.errors import UsageError
from jobd.parsing import Parser

# Terminals that have no other screen, no colours, or no way to place text.
_PLAIN = ("", "dumb", "unknown", "vt52", "vt100", "vt102", "vt220", "ansi")
ONCE_ROWS_MAX = 2000


def build_parser() -> argparse.ArgumentParser:
    """The command line of jobctl top."""
    parser = Parser(
        prog="jobctl top",
        description="The queue on the screen of a terminal: what runs, what waits and why, when it will be over; output as it comes, "
        "what has been, and keys to cancel, hold, release and more. ? shows the keys.",
        epilog="Where there is no terminal, or one without screens (TERM=dumb, vt100), the same is printed once.",
        allow_abbrev=False,
    )
    parser.add_argument("--once", action="store_true", help="print it once and leave")
    parser.add_argument(
        "-f",
        "--filter",
        default="",
        metavar="TEXT",
        help="only jobs with these words in name, command or reason",
    )
    parser.add_argument(
        "-t",
        "--state",
        default="",
        metavar="STATE",
        help="only jobs in this state: runs, waits, held, suspended, ending",
    )
    parser.add_argument("--me", action="store_true", help="only my own jobs")
    parser.add_argument(
        "-j",
        "--job",
        type=_number,
        metavar="ID",
        help="begin with this job; with --once, all that is known of it",
    )
    return parser


def main(argv: Sequence[str]) -> int:
    """Do it; the exit code.

    Raises:
        JobdError: no server for --once, or the library is missing.
    """
    options = build_parser().parse_args(list(argv))
    from jobd.tui import facts

    user = _my_name()
    words = [*facts.WORDS.values(), "held"]
    if options.state and options.state not in words:
        raise UsageError(f"no state {options.state[:40]!r} ({', '.join(dict.fromkeys(words))})")
    chosen = facts.Filter(options.filter, options.state, user if options.me else "")
    has_screen = _has_screen()
    if options.once or not has_screen:
        if not options.once and sys.stdout.isatty():
            term = os.environ.get("TERM", "")
            print(
                f"jobctl top: this terminal (TERM={term[:40]}) can show no screens; once as text:",
                file=sys.stderr,
            )
        return _print_once(chosen, options.job)
    from jobd.extras import require

    require("tui", "textual")
    from jobd.tui import app

    return app.run(chosen, user=user, job_id=options.job)


def _print_once(chosen: "object", job_id: int | None) -> int:
    from jobd.tui import facts
    from jobd.tui.once import ask, plain, plain_job

    assert isinstance(chosen, facts.Filter)
    if job_id is None:
        picture, progress = ask(ONCE_ROWS_MAX)
        text = plain(picture, progress, chosen, width=_width(), now_s=time.time())
    else:
        text = plain_job(job_id, now_s=time.time())
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # a locale that cannot write every letter
    sys.stdout.write(text)
    return 0


def _has_screen() -> bool:
    if os.environ.get("TERM", "") in _PLAIN:
        return False
    try:
        return sys.stdin.isatty() and sys.stdout.isatty()
    except (AttributeError, ValueError):
        return False


def _width() -> int | None:
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or None
    except (OSError, ValueError):
        return None


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 17:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no number of a job")
    return int(text)


def _my_name() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
