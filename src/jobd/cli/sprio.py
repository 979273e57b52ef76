"""sprio, as Slurm's: what it says where no plugin weighs priorities, as none does here."""

import sys
from collections.abc import Sequence

from jobd.cli.dialect import RELEASE, Said
from jobd.cli.getopt import OPTIONAL, REQUIRED, Option, Table
from jobd.cli.listing import Options, check_clusters

USAGE = (
    "Usage: sprio [-j jid[s]] [-u user_name[s]] [-o format] [-p partitions]\n"
    "   [--federation] [--local] [--sibling] [--usage] [-hlnvVw]"
)
NO_PLUGIN = (
    "You are not running a supported priority plugin",
    "(priority/basic).",
    "Only 'priority/multifactor' is supported.",
)

TABLE = Table(
    (
        Option("federation", help="jobs of the federation, which is this cluster"),
        Option("jobs", "j", OPTIONAL, "LIST", "these jobs"),
        Option("local", help="jobs of this cluster"),
        Option("long", "l", help="all weights"),
        Option("clusters", "M", REQUIRED, "LIST", "jobs of these clusters"),
        Option("cluster", "", REQUIRED, "LIST", "the same as --clusters"),
        Option("noheader", "h", help="without the line of names"),
        Option("norm", "n", help="as fractions"),
        Option("format", "o", REQUIRED, "FORMAT", "what is shown"),
        Option("partition", "p", REQUIRED, "LIST", "of these partitions"),
        Option("sort", "S", REQUIRED, "FIELDS", "in this order"),
        Option("user", "u", REQUIRED, "LIST", "of these users"),
        Option("verbose", "v", help="say more"),
        Option("version", "V", help="show the version and leave"),
        Option("weights", "w", help="the weights themselves"),
        Option("help", help="show this and leave"),
        Option("sibling", help="jobs of siblings"),
        Option("usage", help="show how it is called and leave"),
    )
)


def main(argv: Sequence[str]) -> int:
    """Do it; the exit code."""
    options = Options(TABLE, argv)
    if options.has("version"):
        print(RELEASE)
        return 0
    if options.has("usage"):
        print(USAGE)
        return 0
    if options.has("help"):
        from jobd.cli.slurm_help import text_of

        print(text_of("sprio"), end="")
        return 0
    words, jobs = options.words, options.last("jobs")
    if jobs == "" and words:
        jobs, *words = words  # the value of -j may stand apart, or be missing
    if words:
        print(USAGE)
        raise Said(f"sprio: error: Unrecognized option: {words[0]}")
    for word in (jobs or "").split(","):
        if word and not word.isdigit():
            raise Said(f"sprio: error: Invalid job id: {word}")
    _say_unknown_users(options)
    clusters = options.all("clusters", "cluster")
    if clusters:
        from jobd.client import Client

        check_clusters("sprio", clusters[-1], Client())
    raise Said(*NO_PLUGIN)


def _say_unknown_users(options: Options) -> None:
    import pwd

    for word in ",".join(options.all("user") or ()).split(","):
        try:
            if word and not word.isdigit():
                pwd.getpwnam(word)
        except KeyError:
            sys.stderr.write(f"sprio: error: Invalid user: {word}\n\n")
