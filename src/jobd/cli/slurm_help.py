"""--help and --usage under Slurm's names: all options of Slurm's program, in our own words, and which of them do nothing here."""

import textwrap

from jobd.cli.getopt import NONE, OPTIONAL, Option

WIDTH = 100
COLUMN = 30

USAGE = {
    "salloc": "salloc [OPTION]… [COMMAND [ARGUMENT]…]",
    "scontrol": "scontrol [OPTION]… [KEYWORD [WORD]…]",
    "sprio": "sprio [OPTION]…",
    "sstat": "sstat [OPTION]… -j JOB[.STEP]",
    "sacctmgr": "sacctmgr [OPTION]… show|list ENTITY [FIELD=VALUE]…",
}

# Keywords of scontrol: what follows them, what they do.
KEYWORDS = (
    ("show ENTITY [WHICH]", "aliases, assoc_mgr, config, daemons, hostlist, hostlistsorted, hostnames, job, licenses, node, partition, step"),
    ("update FIELD=VALUE…", "change a job: JobId=N or JobName=NAME, and what is to be different"),
    ("hold, uhold, holdu JOB…", "keep waiting jobs from starting"),
    ("release JOB…", "let them start"),
    ("requeue, requeuehold JOB…", "end running jobs and queue them again, the second held"),
    ("suspend, resume JOB…", "stop running jobs, let them go on"),
    ("top JOB", "before all other waiting jobs"),
    ("notify JOB TEXT…", "a line into what a batch job says of errors"),
    ("wait_job JOB", "until it runs"),
    ("listpids [JOB[.STEP]]", "the processes of jobs"),
    ("pidinfo PID", "the job of a process"),
    ("write batch_script JOB [FILE]", "the script of a job into a file, - for standard output"),
    ("write config [FILE]", "what show config shows into a file"),
    ("completing", "jobs that are being ended: nothing is shown"),
    ("errnumstr NUMBER", "what an error number means"),
    ("ping, version, help", "whether the server runs, whose release this speaks, and this"),
    ("all, details, hide, oneliner, quiet, verbose", "in a session: no effect here, the options have it"),
    ("cluster [NAME]", "there is one"),
    ("exit, quit", "leave a session"),
    ("abort, cancel_reboot, create, delete, fsdampeningfactor, reboot, reconfigure, schedloglevel, setdebug, setdebugflags, shutdown, takeover, token",
     "administer a cluster: refused, as to everybody but its operator; so is update of anything but jobs"),
)  # fmt: skip
ENTITIES = "bbstat, burstbuffer, dwstat, federation, frontend, reservation, slurmd and topology may be shown too: there is none of them."


def text_of(program: str) -> str:
    """The help of one of the programs that have no help of ours."""
    lines = [f"Usage: {USAGE[program]}", "", "Options:"]
    lines += [line for option in _options(program) for line in _line(_spelled(option), _help(option))]
    if program == "scontrol":
        lines += ["", "Keywords, which may be cut short (without one, they are read from standard input):"]
        lines += [line for words, text in KEYWORDS for line in _line(words, text)]
        lines += ["", *textwrap.wrap(ENTITIES, WIDTH)]
    return "\n".join(lines) + "\n"


def _options(program: str) -> list[Option]:
    from importlib import import_module

    if program == "salloc":
        from jobd.cli.batch_options import SALLOC, table_for

        given = table_for(SALLOC).options
    elif program == "scontrol":
        from jobd.cli.scontrol_slurm import TABLE

        given = TABLE.options
    else:
        given = import_module(f"jobd.cli.{program}").TABLE.options
    names = [option.name for option in given]
    found = [*given, *(option for option in _COMMON if option.name not in names)]
    return [option._replace(help=option.help or _TEXTS.get(option.name, "")) for option in found]


# Of options that are of Slurm alone.
_TEXTS = {
    "cluster": "the same as --clusters",
    "context": "no effect here",
    "immediate": "no effect here",
    "kill-command": "no effect here",
    "no-bell": "no effect here: no bell rings",
    "no-shell": "refused: an allocation without a command",
    "ntasks": "so many processors, or times --cpus-per-task",
    "ntasks-per-tres": "the same as --ntasks-per-gpu",
    "quiet": "say nothing but errors",
    "tasks-per-node": "the same as --ntasks-per-node",
    "usage": "show how it is called and leave",
    "help": "show this and leave",
    "verbose": "say what was asked for",
    "version": "show the version and leave",
}


_COMMON = (
    Option("help", help="show this and leave"),
    Option("usage", help="show how it is called and leave"),
    Option("version", "V", help="show the version and leave"),
)


def _spelled(option: Option) -> str:
    short = f"-{option.short}, " if option.short else "    "
    value = "" if option.argument == NONE else f"={option.metavar or 'VALUE'}"
    return f"{short}--{option.name}{f'[{value}]' if option.argument == OPTIONAL else value}"


def _help(option: Option) -> str:
    return (
        f"no effect here: {option.help}"
        if option.is_idle and option.help
        else option.help or "no effect here"
    )


def _line(words: str, text: str) -> list[str]:
    found = textwrap.wrap(text, WIDTH - COLUMN - 2) or [""]
    head = textwrap.wrap(words, WIDTH - 2)
    lines = [f"  {part}" for part in head[:-1]]
    if len(head[-1]) >= COLUMN:
        lines.append(f"  {head[-1]}")
        return [*lines, *(" " * (COLUMN + 2) + part for part in found)]
    return [*lines, f"  {head[-1]:<{COLUMN}}{found[0]}", *(" " * (COLUMN + 2) + part for part in found[1:])]


__all__ = ["text_of"]
