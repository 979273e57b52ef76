"""jobctl spool: a folder whose folders are jobs."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from jobd.errors import UsageError
from jobd.extras import require
from jobd.parsing import Parser

DESCRIPTION = (
    "Run each folder that is put into DIR/QM_qJobs as a job: it moves to QM_Jobs, its script runs inside with its output in process.log, and then "
    "it is found in QM_dJobs. What is no job goes to QM_lost+found with the reason. What a folder asks for stands in its info file (xml or cfg, as "
    "QM has them), or in the #SBATCH lines of its only script."
)
EPILOG = "Settings are read from spool.toml beside config.toml, then from the QMserv.cfg of --qm, then from here; the last one wins."


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = Parser(prog="jobctl spool", description=DESCRIPTION, epilog=EPILOG, allow_abbrev=False)
    parser.add_argument(
        "folder", nargs="?", metavar="DIR", help="the folder of QM_qJobs and the others; made if missing"
    )
    parser.add_argument("--qm", metavar="FILE", help="read a QMserv.cfg as it is")
    parser.add_argument(
        "--quiet-s",
        type=float,
        metavar="S",
        help="what is being copied is complete after S seconds without a change (2)",
    )
    parser.add_argument("--max-nb-proc", type=int, metavar="N", help="a job that asks for more gets N")
    parser.add_argument("--job-file", metavar="NAME", help="the name of the info file in each folder")
    parser.add_argument(
        "--launch-type", choices=("blocking", "non-blocking"), help="blocking: one folder at a time"
    )
    parser.add_argument("--no-mail", action="store_true", help="leave e_mail of the info files alone")
    parser.add_argument("--debug", action="store_true", help="say more")
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the spool; the exit code.

    Raises:
        JobdError: it cannot begin.
    """
    parser = build_parser()
    parser.error = _refuse  # type: ignore[method-assign]
    given = parser.parse_args(argv)
    require("spool", "watchdog", "defusedxml")
    import logging

    from jobd.spool.loop import Loop

    settings = settings_of(given)
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.DEBUG if settings.debug else logging.INFO,
        format="%(levelname)s %(message)s"
        if "JOURNAL_STREAM" in os.environ
        else "%(asctime)s %(levelname)s %(message)s",
    )
    logging.getLogger("watchdog").setLevel(logging.WARNING)
    return Loop(settings).run()


def settings_of(given: argparse.Namespace) -> Any:
    """The settings of all sources.

    Raises:
        ConfigError: one cannot be used.
        UsageError: no folder is named.
    """
    from jobd.spool import settings as words

    path = words.config_file()
    values = words.load(path)
    if given.qm:
        values |= words.of_qm(given.qm)
    for key in ("folder", "quiet_s", "max_nb_proc", "job_file", "launch_type"):
        if (value := getattr(given, key)) is not None:
            values[key] = value
    if given.no_mail:
        values["mail"] = False
    if given.debug:
        values["debug"] = True
    if not values.get("folder"):
        raise UsageError(
            f"jobctl spool DIR: which folder? (or the setting folder in {path}, or --qm QMserv.cfg)"
        )
    values["folder"] = os.path.abspath(os.path.expanduser(values["folder"]))
    return words.Settings(**values).check("jobctl spool")


def _refuse(message: str) -> NoReturn:
    raise UsageError(f"{message} (jobctl spool --help)")
