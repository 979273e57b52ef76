"""What salloc says."""

from conformance.harness import Row, Scene

NUMBER = r"sed -E 's/[0-9]{5,}/N/'"  # of a job

SCENES = [
    Scene(
        "salloc",
        setup="",
        rows=[
            Row(
                "granted and given back",
                rf"set -o pipefail; salloc -n1 sh -c 'exit 4' 2>&1 | grep -v 'revoked\|resources$' | {NUMBER}",
                "salloc: Granted job allocation N\nsalloc: Relinquishing job allocation N\n",
                code=4,
            ),
            Row("the command's output alone", "salloc -D /tmp pwd 2>/dev/null", "/tmp\n"),
            Row(
                "no such command",
                rf"set -o pipefail; salloc nosuchcmd 2>&1 | grep -v 'revoked\|resources$' | {NUMBER}",
                'salloc: Granted job allocation N\nsalloc: error: _fork_command: Unable to find command "nosuchcmd"\n'
                "salloc: Relinquishing job allocation N\n",
                code=1,
            ),
            Row("a step in it", "salloc -Q -n2 srun -l sh -c 'echo $SLURM_PROCID' | sort", "0: 0\n1: 1\n"),
            Row(
                "the code of a step",
                "salloc -Q srun sh -c 'exit 5'",
                err="srun: error: <node>: task 0: Exited with exit code 5\n",
                code=5,
            ),
            Row(
                "a shell, where no command is given",
                "echo 'echo $SLURM_JOB_NAME' | SHELL=/bin/sh salloc -Q -J named",
                "named\n",
            ),
            Row(
                "it waits",
                "sbatch -Q --exclusive -o /dev/null --wrap 'while [ ! -e go ]; do sleep 0.1; done'; "
                'until [ -n "$(squeue -h -t R)" ]; do sleep 0.1; done; '
                f"salloc -n2 true 2>said & until grep -q queued said 2>/dev/null; do sleep 0.1; done; : > go; wait; grep -v revoked said | {NUMBER}",
                "salloc: Pending job allocation N\nsalloc: job N queued and waiting for resources\n"
                "salloc: job N has been allocated resources\nsalloc: Granted job allocation N\n"
                "salloc: Relinquishing job allocation N\n",
            ),
            Row(
                "as they were called",
                "salloc -Q -n1 --comment='a b' -J called true; srun -n1 -J called true; "
                'until [ "$(sacct -X -n --name=called -o State | grep -c COMPLETED)" = 2 ]; do sleep 0.1; done; '
                "sacct -X -n -P --name=called -o SubmitLine,Partition",
                "salloc -Q -n1 --comment=a b -J called true|main\nsrun -n1 -J called true|main\n",
            ),
            Row(
                "salloc -Q true",
                "salloc -Q true",
            ),
            Row(
                "salloc -p nope true",
                "salloc -p nope true",
                err=(
                    "salloc: error: invalid partition specified: nope\n"
                    "salloc: error: Job submit/allocate failed: Invalid partition name specified\n"
                ),
                code=1,
            ),
            Row(
                "salloc -n 0 true",
                "salloc -n 0 true",
                err=('salloc: error: Invalid numeric value "0" for --ntasks.\n'),
                code=1,
            ),
            Row(
                "salloc -n abc true",
                "salloc -n abc true",
                err=('salloc: error: Invalid numeric value "abc" for --ntasks.\n'),
                code=1,
            ),
            Row(
                "salloc -N abc true",
                "salloc -N abc true",
                err=('salloc: error: "abc" is not a valid node count\n'),
                code=255,
            ),
            Row(
                "salloc --nosuch true",
                "salloc --nosuch true",
                err=("salloc: unrecognized option '--nosuch'\nTry \"salloc --help\" for more information\n"),
                code=255,
            ),
            Row(
                "salloc -Z true",
                "salloc -Z true",
                err=("salloc: invalid option -- 'Z'\nTry \"salloc --help\" for more information\n"),
                code=255,
            ),
            Row(
                "salloc -J",
                "salloc -J",
                err=(
                    "salloc: option requires an argument -- 'J'\nTry \"salloc --help\" for more information\n"
                ),
                code=255,
            ),
            Row(
                "salloc --time=abc true",
                "salloc --time=abc true",
                err=("salloc: error: Invalid --time specification\n"),
                code=255,
            ),
            Row(
                "salloc --mem=abc true",
                "salloc --mem=abc true",
                err=("salloc: error: Invalid --mem specification\n"),
                code=255,
            ),
            Row(
                "salloc -w nonode true",
                "salloc -w nonode true",
                err=("salloc: error: Job submit/allocate failed: Invalid node name specified\n"),
                code=1,
            ),
            Row(
                "salloc --gres=foo:1 true",
                "salloc --gres=foo:1 true",
                err=("salloc: error: Invalid generic resource (gres) specification\n"),
                code=1,
            ),
            Row(
                "salloc -C nofeature true",
                "salloc -C nofeature true",
                err=("salloc: error: Job submit/allocate failed: Invalid feature specification\n"),
                code=1,
            ),
            Row(
                "salloc -d foo:1 true",
                "salloc -d foo:1 true",
                err=("salloc: error: Job submit/allocate failed: Job dependency problem\n"),
                code=1,
            ),
            Row(
                "salloc -L nolic true",
                "salloc -L nolic true",
                err=("salloc: error: Job submit/allocate failed: Invalid license specification\n"),
                code=1,
            ),
            Row(
                "salloc -D /nosuch pwd",
                "salloc -D /nosuch pwd",
                err=("salloc: error: chdir(/nosuch): No such file or directory\n"),
                code=1,
            ),
            Row(
                "salloc --version",
                "salloc --version",
                out="slurm-wlm 22.05.8\n",
            ),
            Row(
                "salloc --begin=xx true",
                "salloc --begin=xx true",
                err=(
                    "Invalid time specification (pos=0): xx\nsalloc: error: Invalid --begin specification\n"
                ),
                code=255,
            ),
            Row(
                "salloc --signal=FOO true",
                "salloc --signal=FOO true",
                err=("salloc: error: Invalid --signal specification\n"),
                code=255,
            ),
            Row(
                "salloc --wrap x",
                "salloc --wrap x",
                err=("salloc: unrecognized option '--wrap'\nTry \"salloc --help\" for more information\n"),
                code=255,
            ),
            Row(
                "salloc --no-bind true",
                "salloc --no-bind true",
                err=("salloc: unrecognized option '--no-bind'\nTry \"salloc --help\" for more information\n"),
                code=255,
            ),
        ],
    ),
]
