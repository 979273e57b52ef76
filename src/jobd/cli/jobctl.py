"""jobctl: everything that has no command of its own, and those that have one too."""

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import NamedTuple

from jobd import __version__, manager
from jobd.cli import jobctl_jobs, slurm_folder
from jobd.cli.main import Parser, run
from jobd.errors import JobdError
from jobd.wire import messages as m

PROGRAMS = ("spool", "notify", "web")  # those around the server that have a unit


class Verb(NamedTuple):
    """One verb: how it reads its arguments, what it does."""

    summary: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    act: Callable[[argparse.Namespace], int]


def build_parser(*, is_whole: bool = True) -> argparse.ArgumentParser:
    """The command line of jobctl; without `is_whole` the verbs that are commands of their own are only named."""
    parser = Parser(
        prog="jobctl",
        description="Steer the job server. Underscores in a verb are as good as hyphens: set_nb_proc.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"jobctl {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, verb in VERBS.items():
        child = verbs.add_parser(
            name,
            help=verb.summary,
            description=verb.summary[0].upper() + verb.summary[1:] + ".",
            allow_abbrev=False,
        )
        verb.add_arguments(child)
    for name, (module, summary) in WHOLE_COMMANDS.items():
        verbs.add_parser(
            name,
            help=summary,
            parents=[import_module(module).build_parser()] if is_whole else [],
            conflict_handler="resolve",
            add_help=False,
            allow_abbrev=False,
        )
    return parser


def program() -> None:
    """Entry point."""
    raise SystemExit(run("jobctl", main))


def main(argv: Sequence[str]) -> int:
    """Do it; the exit code."""
    arguments = list(argv)
    if arguments and not arguments[0].startswith("-"):
        arguments[0] = arguments[0].replace("_", "-")
        if arguments[0] in WHOLE_COMMANDS:
            module = import_module(WHOLE_COMMANDS[arguments[0]][0])
            try:
                code: int = module.main(arguments[1:])
            except JobdError as error:
                if arguments[0] in PROGRAMS:
                    manager.tell(f"STATUS={error}")  # why its unit does not start
                raise
            return code
    options = build_parser(is_whole=False).parse_args(arguments)
    return VERBS[options.verb].act(options)


# ---- limits
def _nb_proc(options: argparse.Namespace) -> int:
    return _limits(m.SetLimits(nb_proc=options.number))


def _nb_proc_max(options: argparse.Namespace) -> int:
    return _limits(m.SetLimits(nb_proc_max=options.number))


def _limits(request: m.SetLimits) -> int:
    from jobd.client import Client
    from jobd.units import format_ids, plural

    status: m.Status = Client().request(request)
    print(f"nb_proc {status.nb_proc}, nb_proc_max {status.nb_proc_max}")
    if request.nb_proc is not None and status.nb_proc > status.nb_proc_max:
        print(
            f"jobctl: one job may still ask for at most {plural(status.nb_proc_max, 'proc')} "
            f"(jobctl set-nb-proc-max {status.nb_proc})",
            file=sys.stderr,
        )
    if status.cancelled:
        jobs = plural(len(status.cancelled), "waiting job")
        print(f"cancelled {jobs} that no longer fit: {format_ids(status.cancelled)}")
    return 0


# ---- the server
def _up(options: argparse.Namespace) -> int:
    from jobd.cli import sserver

    sserver.start(None)
    return 0


def _down(options: argparse.Namespace) -> int:
    from jobd.cli import sserver

    return sserver.stop(is_killing=options.kill)


def _status(options: argparse.Namespace) -> int:
    from jobd.cli import sserver

    if not options.json:
        return sserver.show()
    import json

    from jobd.client import Client, is_server_alive
    from jobd.errors import EXIT_NO_SERVER

    if not is_server_alive():
        print("null")
        return EXIT_NO_SERVER
    status = Client(is_starting=False).request(m.Ask())._asdict()
    del status["cancelled"]
    print(json.dumps(status))
    return 0


def _config(options: argparse.Namespace) -> int:
    """Every setting as it is, with what it means; this is also the form of config.toml."""
    from jobd import paths
    from jobd.settings import SETTINGS, load, toml_of

    config = load(paths.config_file())
    print(f"# {paths.config_file()}")
    for key, setting in SETTINGS.items():
        print(f"\n# {setting.meaning}")
        print(f"{key} = {toml_of(getattr(config, key))}")
    return 0


# ---- putting things in place
def _install_units(options: argparse.Namespace) -> int:
    from jobd.cli import units

    code: int = units.install(
        is_enabling=options.enable, is_starting=options.now, is_removing=options.remove, also=options.also
    )
    return code


def _completion(options: argparse.Namespace) -> int:
    """The completion of every program for one shell: from the package once it is installed, else from beside it in the sources."""
    from pathlib import Path

    import jobd
    from jobd.errors import PathError

    package = Path(jobd.__file__).resolve().parent
    for folder in (package / "completions", package.parents[1] / "docs" / "completions"):
        paths = sorted((folder / options.shell).glob("[!.]*"))
        if paths:
            for path in paths:
                print(path.read_text())
            return 0
    raise PathError(f"this installation has no completions ({package / 'completions'} is missing)")


def _nothing(parser: argparse.ArgumentParser) -> None:
    pass


def _number(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("number", type=_natural, metavar="N", help="number of procs")


def _natural(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is no number of procs")
    return int(text)


def _kill_flag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kill", action="store_true", help="kill every job properly first")


def _json_flag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="as a JSON object")


def _units_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--enable",
        action="store_true",
        help="let the first client start the server, from now on and after each login",
    )
    parser.add_argument("--now", action="store_true", help="start the server now")
    parser.add_argument(
        "--also",
        action="append",
        default=[],
        choices=PROGRAMS,
        help="have that program run too, now and after each login; may be said again",
    )
    parser.add_argument("--remove", action="store_true", help="take the units away again")


def _shell(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="which shell")


VERBS: dict[str, Verb] = {
    "set-nb-proc": Verb("set how many procs the server hands out", _number, _nb_proc),
    "set-nb-proc-max": Verb("set how many procs one job may ask for", _number, _nb_proc_max),
    "up": Verb("start the server, with the numbers it last had", _nothing, _up),
    "down": Verb("stop the server; running jobs go on", _kill_flag, _down),
    "status": Verb("say how the server is", _json_flag, _status),
    **{
        name: Verb(summary, jobctl_jobs.adder(name), jobctl_jobs.actor(name))
        for name, summary in jobctl_jobs.SUMMARIES.items()
    },
    "config": Verb("show every setting, its value and its meaning", _nothing, _config),
    "install-units": Verb("put the systemd units in place", _units_flags, _install_units),
    "slurm-names": Verb(
        "make a folder of Slurm's own commands (sbatch, squeue, …), for tools written for Slurm",
        slurm_folder.add_arguments,
        slurm_folder.act,
    ),
    "completion": Verb("print the completions for a shell", _shell, _completion),
}

WHOLE_COMMANDS: dict[str, tuple[str, str]] = {
    "squeue": ("jobd.cli.squeue", "list the jobs, as Squeue does"),
    "sdelete": ("jobd.cli.sdelete", "kill jobs with their trees, as Sdelete does"),
    "sserver": ("jobd.cli.sserver", "start, size, show or stop the server, as Sserver does"),
    "salloc": ("jobd.cli.salloc", "run a command when enough procs are free, as Salloc does"),
    "sbatch": ("jobd.cli.sbatch", "queue batch jobs, as Sbatch does"),
    "srun": ("jobd.cli.srun", "run a command as a step or a job, as Srun does"),
    "scancel": ("jobd.cli.scancel", "end jobs or signal them, as Scancel does"),
    "scontrol": ("jobd.cli.scontrol", "show and change jobs, as Scontrol does"),
    "sacct": ("jobd.cli.sacct", "list what has been, as Sacct does"),
    "sinfo": ("jobd.cli.sinfo", "show the machine, as Sinfo does"),
    "seff": ("jobd.cli.seff", "say what a job made of what it had, as Seff does"),
    "spool": ("jobd.spool.main", "run each folder that is put into a folder as a job"),
    "notify": ("jobd.notify.main", "send mail and other notices about jobs"),
    "web": ("jobd.web.main", "serve a page that shows the queue"),
    "top": ("jobd.tui.main", "show the queue on the screen of a terminal, live"),
}
