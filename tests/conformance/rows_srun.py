"""What srun says."""

from conformance.harness import Row, Scene

NUMBER = r"sed -E 's/[0-9]{5,}/N/'"  # of a job

SCENES = [
    Scene(
        "srun",
        setup="",
        rows=[
            Row("labels", "srun -n2 -l sh -c 'echo $SLURM_PROCID' | sort", "0: 0\n1: 1\n"),
            Row("labels of errors", "srun -n2 -l sh -c 'echo e >&2' 2>&1 | sort", "0: e\n1: e\n"),
            Row(
                "killed",
                f"set -o pipefail; srun sh -c 'kill -9 $$' 2>&1 | grep -v resources$ | {NUMBER}",
                "srun: error: <node>: task 0: Killed\nsrun: Force Terminated StepId=N.0\n",
                code=137,
            ),
            Row(
                "terminated",
                f"set -o pipefail; srun sh -c 'kill -TERM $$' 2>&1 | grep -v resources$ | {NUMBER}",
                "srun: error: <node>: task 0: Terminated\nsrun: Force Terminated StepId=N.0\n",
                code=143,
            ),
            Row("files of tasks", "srun -n2 -o 'o.%t' sh -c 'echo $SLURM_PROCID'; cat o.0 o.1", "0\n1\n"),
            Row(
                "it waits",
                "sbatch -Q --exclusive -o /dev/null --wrap 'while [ ! -e go ]; do sleep 0.1; done'; "
                'until [ -n "$(squeue -h -t R)" ]; do sleep 0.1; done; '
                f"srun -n2 sh -c 'true' 2>said & until grep -q queued said 2>/dev/null; do sleep 0.1; done; : > go; wait; grep -v revoked said | {NUMBER}",
                "srun: job N queued and waiting for resources\nsrun: job N has been allocated resources\n",
            ),
            Row(
                "a step too large",
                f"set -o pipefail; salloc -Q -n1 srun -n3 true 2>&1 | {NUMBER}",
                "srun: error: Unable to create step for job N: More processors requested than permitted\n",
                code=1,
            ),
            Row(
                "a step on two nodes",
                "salloc -Q srun -N2 true",
                err="srun: error: Only allocated 1 nodes asked for 2\n",
                code=1,
            ),
            Row(
                "srun -Q false",
                "srun -Q false",
                err=("srun: error: <node>: task 0: Exited with exit code 1\n"),
                code=1,
            ),
            Row(
                "srun -Q sh -c 'exit 7'",
                "srun -Q sh -c 'exit 7'",
                err=("srun: error: <node>: task 0: Exited with exit code 7\n"),
                code=7,
            ),
            Row(
                "srun -Q sh -c 'kill -SEGV $$'",
                "srun -Q sh -c 'kill -SEGV $$'",
                err=("srun: error: <node>: task 0: Segmentation fault\n"),
                code=139,
            ),
            Row(
                "tasks that end differently",
                "set -o pipefail; srun -Q -n3 sh -c 'exit $SLURM_PROCID' 2>&1 | sort",
                out=(
                    "srun: error: <node>: task 1: Exited with exit code 1\n"
                    "srun: error: <node>: task 2: Exited with exit code 2\n"
                ),
                code=2,
            ),
            # Two tasks may be told of in one line or in two, and which program's line comes first is a matter of who is quicker.
            Row(
                "both tasks fail",
                "set -o pipefail; srun -Q -n2 sh -c 'exit 3' 2>&1 | sed 's/tasks\\? [01-]*:/tasks N:/' | sort -u",
                out="srun: error: <node>: tasks N: Exited with exit code 3\n",
                code=3,
            ),
            Row(
                "no such command",
                'set -o pipefail; srun -Q nosuchcmd 2>&1 | sed "s/-$(hostname -s):/-HOST:/" | sort',
                out=(
                    "slurmstepd-HOST: error: execve(): nosuchcmd: No such file or directory\n"
                    "srun: error: <node>: task 0: Exited with exit code 2\n"
                ),
                code=2,
            ),
            Row(
                "a folder as command",
                'set -o pipefail; srun -Q /tmp 2>&1 | sed "s/-$(hostname -s):/-HOST:/" | sort',
                out=(
                    "slurmstepd-HOST: error: execve(): /tmp: Permission denied\n"
                    "srun: error: <node>: task 0: Exited with exit code 13\n"
                ),
                code=13,
            ),
            Row(
                "no such command, twice",
                'set -o pipefail; srun -Q -n2 nosuchcmd 2>&1 | sed "s/-$(hostname -s):/-HOST:/; s/tasks\\? [01-]*:/tasks N:/" | sort -u',
                out=(
                    "slurmstepd-HOST: error: execve(): nosuchcmd: No such file or directory\n"
                    "srun: error: <node>: tasks N: Exited with exit code 2\n"
                ),
                code=2,
            ),
            Row(
                "srun",
                "srun",
                err=("srun: fatal: No command given to execute.\n"),
                code=1,
            ),
            Row(
                "srun -n2",
                "srun -n2",
                err=("srun: fatal: No command given to execute.\n"),
                code=1,
            ),
            Row(
                "srun -p nope true",
                "srun -p nope true",
                err=(
                    "srun: error: invalid partition specified: nope\n"
                    "srun: error: Unable to allocate resources: Invalid partition name specified\n"
                ),
                code=1,
            ),
            Row(
                "srun -n 0 true",
                "srun -n 0 true",
                err=('srun: error: Invalid numeric value "0" for --ntasks.\n'),
                code=1,
            ),
            Row(
                "srun -n abc true",
                "srun -n abc true",
                err=('srun: error: Invalid numeric value "abc" for --ntasks.\n'),
                code=1,
            ),
            Row(
                "srun -N abc true",
                "srun -N abc true",
                err=('srun: error: "abc" is not a valid node count\n'),
                code=255,
            ),
            Row(
                "srun -c 0 true",
                "srun -c 0 true",
                err=('srun: error: Invalid numeric value "0" for --cpus-per-task.\n'),
                code=1,
            ),
            Row(
                "srun --mem=abc true",
                "srun --mem=abc true",
                err=("srun: error: Invalid --mem specification\n"),
                code=255,
            ),
            Row(
                "srun --time=abc true",
                "srun --time=abc true",
                err=("srun: error: Invalid --time specification\n"),
                code=255,
            ),
            Row(
                "srun --nosuch true",
                "srun --nosuch true",
                err=("srun: unrecognized option '--nosuch'\nTry \"srun --help\" for more information\n"),
                code=255,
            ),
            Row(
                "srun --no true",
                "srun --no true",
                err=(
                    "srun: option '--no' is ambiguous; possibilities: '--no-allocate' '--no-kill' '--nodefile' '--nodelist' '--nodes'\n"
                    'Try "srun --help" for more information\n'
                ),
                code=255,
            ),
            Row(
                "srun -J",
                "srun -J",
                err=("srun: option requires an argument -- 'J'\nTry \"srun --help\" for more information\n"),
                code=255,
            ),
            Row(
                "srun -w nonode true",
                "srun -w nonode true",
                err=("srun: error: Unable to allocate resources: Invalid node name specified\n"),
                code=1,
            ),
            Row(
                "srun --mem=900T true",
                "srun --mem=900T true",
                err=(
                    "srun: error: Memory specification can not be satisfied\n"
                    "srun: error: Unable to allocate resources: Requested node configuration is not available\n"
                ),
                code=1,
            ),
            Row(
                "srun -L nolic true",
                "srun -L nolic true",
                err=("srun: error: Unable to allocate resources: Invalid license specification\n"),
                code=1,
            ),
            Row(
                "srun -C nofeature true",
                "srun -C nofeature true",
                err=("srun: error: Unable to allocate resources: Invalid feature specification\n"),
                code=1,
            ),
            Row(
                "srun --gres=foo:1 true",
                "srun --gres=foo:1 true",
                err=("srun: error: Invalid generic resource (gres) specification\n"),
                code=1,
            ),
            Row(
                "srun -d foo:1 true",
                "srun -d foo:1 true",
                err=("srun: error: Unable to allocate resources: Job dependency problem\n"),
                code=1,
            ),
            Row(
                "srun --jobid=999999 true",
                "srun --jobid=999999 true",
                err=(
                    "srun: error: Unable to confirm allocation for job 999999: Invalid job id specified\n"
                    "srun: Check SLURM_JOB_ID environment variable. Expired or invalid job 999999\n"
                ),
                code=1,
            ),
            Row(
                "srun --jobid=abc true",
                "srun --jobid=abc true",
                err=('srun: error: Invalid numeric value "abc" for --jobid.\n'),
                code=1,
            ),
            Row(
                "srun --signal=FOO true",
                "srun --signal=FOO true",
                err=("srun: error: Invalid --signal specification\n"),
                code=255,
            ),
            Row(
                "srun --begin=xx true",
                "srun --begin=xx true",
                err=("Invalid time specification (pos=0): xx\nsrun: error: Invalid --begin specification\n"),
                code=255,
            ),
            Row(
                "srun -Q sh -c 'exit 3'",
                "srun -Q sh -c 'exit 3'",
                err=("srun: error: <node>: task 0: Exited with exit code 3\n"),
                code=3,
            ),
            Row(
                "srun --version",
                "srun --version",
                out="slurm-wlm 22.05.8\n",
            ),
            Row(
                "srun --wait=abc true",
                "srun --wait=abc true",
                err=('srun: error: Invalid numeric value "abc" for --wait.\n'),
                code=1,
            ),
            Row(
                "srun --open-mode=foo true",
                "srun --open-mode=foo true",
                err=("srun: error: Invalid --open-mode specification\n"),
                code=255,
            ),
            Row(
                "srun --kill-on-bad-exit=foo true",
                "srun --kill-on-bad-exit=foo true",
                err=('srun: error: Invalid numeric value "foo" for --kill-on-bad-exit.\n'),
                code=1,
            ),
            Row(
                "srun --exclusive=foo true",
                "srun --exclusive=foo true",
                err=("srun: error: Invalid --exclusive specification\n"),
                code=255,
            ),
            Row(
                "srun -Q --quit-on-interrupt -X -E true",
                "srun -Q --quit-on-interrupt -X -E true",
            ),
            Row(
                "srun --parsable true",
                "srun --parsable true",
                err=("srun: unrecognized option '--parsable'\nTry \"srun --help\" for more information\n"),
                code=255,
            ),
            Row(
                "srun --no-bind true",
                "srun --no-bind true",
                err=("srun: unrecognized option '--no-bind'\nTry \"srun --help\" for more information\n"),
                code=255,
            ),
            Row(
                "srun -Q -i none true",
                "srun -Q -i none true",
            ),
            Row(
                "srun -i /nosuch true",
                "srun -i /nosuch true",
                err=("srun: error: Could not open stdin file: No such file or directory\n"),
                code=1,
            ),
            Row(
                "srun -Q --overlap true",
                "srun -Q --overlap true",
            ),
            Row(
                "srun -Q --mpi=none true",
                "srun -Q --mpi=none true",
            ),
            Row(
                "srun -t 1 -Q true",
                "srun -t 1 -Q true",
            ),
        ],
    ),
]
