"""Lists of hosts, as scontrol under Slurm's name folds and unfolds them."""

import sys
from collections.abc import Callable

from jobd.cli import render, scontrol_show
from jobd.cli.main import say
from jobd.cli.scontrol_show import Look
from jobd.cli.scontrol_slurm import FAILED
from jobd.errors import UsageError
from jobd.slurm import hostlist


def hosts(show_names: Callable[[list[str], Look], None]) -> Callable[[str, Look], int]:
    """Of the list that was given, or of the one in a file."""

    def act(word: str, look: Look) -> int:
        try:
            names = scontrol_show.from_file([word])
        except OSError:
            say(f"Can not open {render.printable(word)}")
            return FAILED
        try:
            if hostlist.expand(",".join(names)):
                show_names(names, look)
        except UsageError:
            say(f"Invalid hostlist: {render.printable(','.join(names))}")
        return 0

    return act


def own_hosts(word: str, look: Look) -> int:
    """Of the job around us."""
    if not scontrol_show.own_hosts():
        say("scontrol: error: host list is empty")
        return 0
    scontrol_show.ENTITIES["hostnames"]([], look)
    return 0


def no_hosts(word: str, look: Look) -> int:
    """What is said where a list is missing."""
    from jobd.cli import slurm_help

    sys.stdout.write(slurm_help.text_of("scontrol"))
    sys.stdout.flush()
    say("invalid encode argument")
    return FAILED
