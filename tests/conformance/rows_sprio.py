"""sprio, where no plugin weighs priorities: what it refuses."""

from conformance.harness import Row, Scene

SCENES = [
    Scene(
        "sprio",
        setup="""
            true
        """,
        rows=[
            Row(
                "plain",
                "sprio",
                err=(
                    "You are not running a supported priority plugin\n"
                    "(priority/basic).\n"
                    "Only 'priority/multifactor' is supported.\n"
                ),
                code=1,
            ),
            Row(
                "a job",
                "sprio -j 5",
                err=(
                    "You are not running a supported priority plugin\n"
                    "(priority/basic).\n"
                    "Only 'priority/multifactor' is supported.\n"
                ),
                code=1,
            ),
            Row(
                "a list",
                "sprio -l",
                err=(
                    "You are not running a supported priority plugin\n"
                    "(priority/basic).\n"
                    "Only 'priority/multifactor' is supported.\n"
                ),
                code=1,
            ),
            Row(
                "no header",
                "sprio -h -o %i",
                err=(
                    "You are not running a supported priority plugin\n"
                    "(priority/basic).\n"
                    "Only 'priority/multifactor' is supported.\n"
                ),
                code=1,
            ),
            Row(
                "a user",
                "sprio -u $USER",
                err=(
                    "You are not running a supported priority plugin\n"
                    "(priority/basic).\n"
                    "Only 'priority/multifactor' is supported.\n"
                ),
                code=1,
            ),
            Row(
                "no such user",
                "sprio -u nosuchuser",
                err=(
                    "sprio: error: Invalid user: nosuchuser\n"
                    "\n"
                    "You are not running a supported priority plugin\n"
                    "(priority/basic).\n"
                    "Only 'priority/multifactor' is supported.\n"
                ),
                code=1,
            ),
            Row("no number", "sprio -j abc", err="sprio: error: Invalid job id: abc\n", code=1),
            Row(
                "a word",
                "sprio foo",
                (
                    "Usage: sprio [-j jid[s]] [-u user_name[s]] [-o format] [-p partitions]\n"
                    "   [--federation] [--local] [--sibling] [--usage] [-hlnvVw]\n"
                ),
                err="sprio: error: Unrecognized option: foo\n",
                code=1,
            ),
            Row(
                "usage",
                "sprio --usage",
                (
                    "Usage: sprio [-j jid[s]] [-u user_name[s]] [-o format] [-p partitions]\n"
                    "   [--federation] [--local] [--sibling] [--usage] [-hlnvVw]\n"
                ),
            ),
            Row("the version", "sprio -V", "slurm-wlm 22.05.8\n"),
            Row(
                "a cluster",
                "sprio -M mini",
                err=(
                    "You are not running a supported priority plugin\n"
                    "(priority/basic).\n"
                    "Only 'priority/multifactor' is supported.\n"
                ),
                code=1,
            ),
            Row(
                "another cluster",
                "sprio -M nosuch",
                err=(
                    "sprio: error: No cluster 'nosuch' known by database.\n"
                    "sprio: error: 'nosuch' can't be reached now, or it is an invalid entry for --cluster.  Use 'sacctmgr list clusters' to see available clusters.\n"
                ),
                code=1,
            ),
            Row(
                "an option that is none",
                "sprio --nosuch",
                err=("sprio: unrecognized option '--nosuch'\nTry \"sprio --help\" for more information\n"),
                code=1,
            ),
            Row(
                "a letter that is none",
                "sprio -Z",
                err=("sprio: invalid option -- 'Z'\nTry \"sprio --help\" for more information\n"),
                code=1,
            ),
            Row(
                "a letter without its value",
                "sprio -j",
                err=(
                    "You are not running a supported priority plugin\n"
                    "(priority/basic).\n"
                    "Only 'priority/multifactor' is supported.\n"
                ),
                code=1,
            ),
        ],
    ),
]
