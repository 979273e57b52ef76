"""What sbatch says, and what it takes without a word."""

from conformance.harness import Row, Scene

NUMBER = r"sed -E 's/[0-9]{5,}/N/'"  # of a job

SCENES = [
    Scene(
        "sbatch",
        setup="""
            printf '#!/bin/sh\\ntrue\\n' > ok.sh
            printf 'true\\n' > noshebang.sh
            : > empty.sh
            printf '\\n\\n ' > blank.sh
            printf '#!/bin/sh\\r\\ntrue\\r\\n' > dos.sh
            printf '#!/bin/sh\\ntr\\0ue\\n' > nul.sh
            printf '#!/bin/sh\\n#SBATCH --nosuch=1\\ntrue\\n' > unk.sh
            printf '#!/bin/sh\\n#SBATCH --time\\ntrue\\n' > noarg.sh
            printf '#!/bin/sh\\n#SBATCH word\\ntrue\\n' > word.sh
            printf '#!/bin/sh\\n#SBATCH -J "abc\\ntrue\\n' > quote.sh
            printf '#!/bin/sh\\n#SBATCH --time=abc\\ntrue\\n' > badtime.sh
            printf '#!/bin/sh\\n#SBATCH -Z\\ntrue\\n' > badshort.sh
            printf '#!/bin/sh\\n#SBATCH -J\\ntrue\\n' > badshort2.sh
            printf '#!/bin/sh\\n#SBATCH --parsable --test-only\\t-o /dev/null # remark\\ntrue\\n' > directives.sh
            printf '#!/bin/sh\\n# SBATCH -J no\\n##SBATCH -J no\\n\\n#SBATCH -Jgood -t 7 --comment="a b"\\n#SBATCH --output=/dev/null\\ntrue\\n#SBATCH -J late\\n' > names.sh
        """,
        rows=[
            Row(
                "it is submitted",
                f"sbatch -o /dev/null ok.sh | {NUMBER}",
                "Submitted batch job N\n",
            ),
            Row("the number alone", f"sbatch -o /dev/null --parsable ok.sh | {NUMBER}", "N\n"),
            Row(
                "the number and the cluster",
                f"sbatch -o /dev/null --parsable -M mini ok.sh | {NUMBER}",
                "N;mini\n",
            ),
            Row(
                "on a cluster",
                f"sbatch -o /dev/null -M mini ok.sh | {NUMBER}",
                "Submitted batch job N on cluster mini\n",
            ),
            Row(
                "waited for",
                f"set -o pipefail; sbatch -W -o /dev/null --wrap 'exit 6' | {NUMBER}",
                "Submitted batch job N\n",
                code=6,
            ),
            Row(
                "waited for, killed",
                f"set -o pipefail; sbatch -W -o /dev/null --wrap 'kill -9 $$' | {NUMBER}",
                "Submitted batch job N\n",
                code=1,
            ),
            Row(
                "a test",
                f"sbatch --test-only -n2 -c2 ok.sh 2>&1 | {NUMBER}",
                "sbatch: Job N to start at <time> using 4 processors on nodes <node> in partition main\n",
            ),
            Row(
                "a directive may be --test-only",
                f"sbatch directives.sh 2>&1 | {NUMBER}",
                "sbatch: Job N to start at <time> using 1 processors on nodes <node> in partition main\n",
            ),
            Row(
                "directives, and what is none",
                "id=$(sbatch -H --parsable names.sh); squeue -h -j $id -o '%j|%l|%k'; scancel $id",
                "good|7:00|a b\n",
            ),
            Row(
                "the script on standard input",
                "id=$(sbatch -H -o /dev/null --parsable < ok.sh); squeue -h -j $id -o '%j'; scancel $id",
                "sbatch\n",
            ),
            Row(
                "what does nothing here is taken without a word",
                "sbatch -Q -o /dev/null --wckey=x --requeue -s --contiguous -k --spread-job --switches=1 --use-min-nodes --acctg-freq=1"
                " --mail-type=END,FAIL --mail-user=a@b --nice=5 --priority=TOP -t 0 --get-user-env --wrap true",
            ),
            Row("a test, quietly", "sbatch -Q --test-only ok.sh"),
            Row(
                "no array", f"sbatch --array= -o /dev/null --wrap true | {NUMBER}", "Submitted batch job N\n"
            ),
            Row(
                "a limit of 0",
                f"sbatch --array=1%0 -o /dev/null --wrap true | {NUMBER}",
                "Submitted batch job N\n",
            ),
            Row(
                "sbatch nosuch.sh",
                "sbatch nosuch.sh",
                err=("sbatch: error: Unable to open file nosuch.sh\n"),
                code=1,
            ),
            Row(
                "sbatch ./no/such.sh",
                "sbatch ./no/such.sh",
                err=("sbatch: error: Unable to open file ./no/such.sh\n"),
                code=1,
            ),
            Row(
                "sbatch /tmp",
                "sbatch /tmp",
                err=("sbatch: error: Batch script is empty!\n"),
                code=1,
            ),
            Row(
                "sbatch --nosuchoption --wrap true",
                "sbatch --nosuchoption --wrap true",
                err=(
                    "sbatch: unrecognized option '--nosuchoption'\n"
                    'Try "sbatch --help" for more information\n'
                ),
                code=255,
            ),
            Row(
                "sbatch -Z --wrap true",
                "sbatch -Z --wrap true",
                err=("sbatch: invalid option -- 'Z'\nTry \"sbatch --help\" for more information\n"),
                code=255,
            ),
            Row(
                "sbatch --time=abc --wrap true",
                "sbatch --time=abc --wrap true",
                err=("sbatch: error: Invalid --time specification\n"),
                code=255,
            ),
            Row(
                "sbatch --mem=abc --wrap true",
                "sbatch --mem=abc --wrap true",
                err=("sbatch: error: Invalid --mem specification\n"),
                code=255,
            ),
            Row(
                "sbatch --mem-per-cpu=abc --wrap true",
                "sbatch --mem-per-cpu=abc --wrap true",
                err=("sbatch: error: Invalid --mem-per-cpu specification\n"),
                code=255,
            ),
            Row(
                "sbatch --mem= --wrap true",
                "sbatch --mem= --wrap true",
                err=("sbatch: error: Invalid --mem specification\n"),
                code=255,
            ),
            Row(
                "sbatch -p nope --wrap true",
                "sbatch -p nope --wrap true",
                err=(
                    "sbatch: error: invalid partition specified: nope\n"
                    "sbatch: error: Batch job submission failed: Invalid partition name specified\n"
                ),
                code=1,
            ),
            Row(
                "sbatch --array=5-2 --wrap true",
                "sbatch --array=5-2 --wrap true",
                err=("sbatch: error: Batch job submission failed: Invalid job array specification\n"),
                code=1,
            ),
            Row(
                "sbatch --array=abc --wrap true",
                "sbatch --array=abc --wrap true",
                err=("sbatch: error: Batch job submission failed: Invalid job array specification\n"),
                code=1,
            ),
            Row(
                "sbatch --array=0-5000000 --wrap true",
                "sbatch --array=0-5000000 --wrap true",
                err=("sbatch: error: Batch job submission failed: Invalid job array specification\n"),
                code=1,
            ),
            Row(
                "sbatch --array=1-3:0 -o /dev/null --wrap true",
                "sbatch --array=1-3:0 -o /dev/null --wrap true",
                err=("sbatch: error: Batch job submission failed: Invalid job array specification\n"),
                code=1,
            ),
            Row(
                "sbatch -d foo:1 --wrap true",
                "sbatch -d foo:1 --wrap true",
                err=("sbatch: error: Batch job submission failed: Job dependency problem\n"),
                code=1,
            ),
            Row(
                "sbatch -d afterok:abc --wrap true",
                "sbatch -d afterok:abc --wrap true",
                err=("sbatch: error: Batch job submission failed: Job dependency problem\n"),
                code=1,
            ),
            Row(
                "sbatch -d afterok: --wrap true",
                "sbatch -d afterok: --wrap true",
                err=("sbatch: error: Batch job submission failed: Job dependency problem\n"),
                code=1,
            ),
            Row(
                "sbatch --wrap true ok.sh",
                "sbatch --wrap true ok.sh",
                err=("sbatch: error: Script arguments not permitted with --wrap option\n"),
                code=1,
            ),
            Row(
                "sbatch noshebang.sh",
                "sbatch noshebang.sh",
                err=(
                    "sbatch: error: This does not look like a batch script.  The first\n"
                    "sbatch: error: line must start with #! followed by the path to an interpreter.\n"
                    "sbatch: error: For instance: #!/bin/sh\n"
                ),
                code=1,
            ),
            Row(
                "sbatch empty.sh",
                "sbatch empty.sh",
                err=("sbatch: error: Batch script is empty!\n"),
                code=1,
            ),
            Row(
                "sbatch blank.sh",
                "sbatch blank.sh",
                err=("sbatch: error: Batch script contains only whitespace!\n"),
                code=1,
            ),
            Row(
                "sbatch dos.sh",
                "sbatch dos.sh",
                err=(
                    "sbatch: error: Batch script contains DOS line breaks (\\r\\n)\n"
                    "sbatch: error: instead of expected UNIX line breaks (\\n).\n"
                ),
                code=1,
            ),
            Row(
                "sbatch nul.sh",
                "sbatch nul.sh",
                err=(
                    "sbatch: error: The Slurm controller does not allow scripts that\n"
                    "sbatch: error: contain a NULL character '\\0'.\n"
                ),
                code=1,
            ),
            Row(
                "sbatch unk.sh",
                "sbatch unk.sh",
                err=(
                    "sbatch: unrecognized option '--nosuch=1'\nTry \"sbatch --help\" for more information\n"
                ),
                code=255,
            ),
            Row(
                "sbatch noarg.sh",
                "sbatch noarg.sh",
                err=(
                    "sbatch: option '--time' requires an argument\n"
                    'Try "sbatch --help" for more information\n'
                ),
                code=255,
            ),
            Row(
                "sbatch word.sh",
                "sbatch word.sh",
                err=("sbatch: error: Invalid directive found in batch script: word\n"),
                code=255,
            ),
            Row(
                "sbatch quote.sh",
                "sbatch quote.sh",
                err=('sbatch: fatal: quote.sh: line 2: Unmatched `"` in [ "abc]\n'),
                code=1,
            ),
            Row(
                "sbatch badtime.sh",
                "sbatch badtime.sh",
                err=("sbatch: error: Invalid --time specification\n"),
                code=255,
            ),
            Row(
                "sbatch badshort.sh",
                "sbatch badshort.sh",
                err=("sbatch: invalid option -- 'Z'\nTry \"sbatch --help\" for more information\n"),
                code=255,
            ),
            Row(
                "sbatch badshort2.sh",
                "sbatch badshort2.sh",
                err=(
                    "sbatch: option requires an argument -- 'J'\nTry \"sbatch --help\" for more information\n"
                ),
                code=255,
            ),
            Row(
                "sbatch < empty.sh",
                "sbatch < empty.sh",
                err=("sbatch: error: Batch script is empty!\n"),
                code=1,
            ),
            Row(
                "sbatch --begin=xx --wrap true",
                "sbatch --begin=xx --wrap true",
                err=(
                    "Invalid time specification (pos=0): xx\nsbatch: error: Invalid --begin specification\n"
                ),
                code=255,
            ),
            Row(
                "sbatch --signal=NOSIG@10 --wrap true",
                "sbatch --signal=NOSIG@10 --wrap true",
                err=("sbatch: error: Invalid --signal specification\n"),
                code=255,
            ),
            Row(
                "sbatch --signal=B:USR1@99999 --wrap true",
                "sbatch --signal=B:USR1@99999 --wrap true",
                err=("sbatch: error: Invalid --signal specification\n"),
                code=255,
            ),
            Row(
                "sbatch -n 0 --wrap true",
                "sbatch -n 0 --wrap true",
                err=('sbatch: error: Invalid numeric value "0" for --ntasks.\n'),
                code=1,
            ),
            Row(
                "sbatch -n abc --wrap true",
                "sbatch -n abc --wrap true",
                err=('sbatch: error: Invalid numeric value "abc" for --ntasks.\n'),
                code=1,
            ),
            Row(
                "sbatch -c 0 --wrap true",
                "sbatch -c 0 --wrap true",
                err=('sbatch: error: Invalid numeric value "0" for --cpus-per-task.\n'),
                code=1,
            ),
            Row(
                "sbatch -N abc --wrap true",
                "sbatch -N abc --wrap true",
                err=('sbatch: error: "abc" is not a valid node count\n'),
                code=255,
            ),
            Row(
                "sbatch -N 0 --wrap true",
                "sbatch -N 0 --wrap true",
                err=("sbatch: error: Batch job submission failed: Node count specification invalid\n"),
                code=1,
            ),
            Row(
                "sbatch -n4 --ntasks-per-node=2 --wrap true",
                "sbatch -n4 --ntasks-per-node=2 --wrap true",
                err=(
                    "sbatch: error: Batch job submission failed: Requested node configuration is not available\n"
                ),
                code=1,
            ),
            Row(
                "sbatch --mem=900T --wrap true",
                "sbatch --mem=900T --wrap true",
                err=(
                    "sbatch: error: Memory specification can not be satisfied\n"
                    "sbatch: error: Batch job submission failed: Requested node configuration is not available\n"
                ),
                code=1,
            ),
            Row(
                "sbatch --mem=5000 --wrap true",
                "sbatch --mem=5000 --wrap true",
                err=(
                    "sbatch: error: Memory specification can not be satisfied\n"
                    "sbatch: error: Batch job submission failed: Requested node configuration is not available\n"
                ),
                code=1,
            ),
            Row(
                "sbatch --mincpus=5 --wrap true",
                "sbatch --mincpus=5 --wrap true",
                err=(
                    "sbatch: error: CPU count per node can not be satisfied\n"
                    "sbatch: error: Batch job submission failed: Requested node configuration is not available\n"
                ),
                code=1,
            ),
            Row(
                "sbatch -w nonode --wrap true",
                "sbatch -w nonode --wrap true",
                err=("sbatch: error: Batch job submission failed: Invalid node name specified\n"),
                code=1,
            ),
            Row(
                "sbatch -x nonode -o /dev/null --wrap true",
                "sbatch -x nonode -o /dev/null --wrap true",
                err=("sbatch: error: Batch job submission failed: Invalid node name specified\n"),
                code=1,
            ),
            Row(
                "sbatch --gres=foo:1 --wrap true",
                "sbatch --gres=foo:1 --wrap true",
                err=("sbatch: error: Invalid generic resource (gres) specification\n"),
                code=1,
            ),
            Row(
                "sbatch --gres=gpu:1 --wrap true",
                "sbatch --gres=gpu:1 --wrap true",
                err=("sbatch: error: Invalid generic resource (gres) specification\n"),
                code=1,
            ),
            Row(
                "sbatch -G 1 --wrap true",
                "sbatch -G 1 --wrap true",
                err=("sbatch: error: Invalid generic resource (gres) specification\n"),
                code=1,
            ),
            Row(
                "sbatch -L nolic:1 --wrap true",
                "sbatch -L nolic:1 --wrap true",
                err=("sbatch: error: Batch job submission failed: Invalid license specification\n"),
                code=1,
            ),
            Row(
                "sbatch -C nofeature --wrap true",
                "sbatch -C nofeature --wrap true",
                err=("sbatch: error: Batch job submission failed: Invalid feature specification\n"),
                code=1,
            ),
            Row(
                "sbatch --reservation=nores --wrap true",
                "sbatch --reservation=nores --wrap true",
                err=("sbatch: error: Batch job submission failed: Requested reservation is invalid\n"),
                code=1,
            ),
            Row(
                "sbatch --export",
                "sbatch --export",
                err=(
                    "sbatch: option '--export' requires an argument\n"
                    'Try "sbatch --help" for more information\n'
                ),
                code=255,
            ),
            Row(
                "sbatch -J",
                "sbatch -J",
                err=(
                    "sbatch: option requires an argument -- 'J'\nTry \"sbatch --help\" for more information\n"
                ),
                code=255,
            ),
            Row(
                "sbatch --no ok.sh",
                "sbatch --no ok.sh",
                err=(
                    "sbatch: option '--no' is ambiguous; possibilities: '--no-kill' '--no-requeue' '--nodefile' '--nodelist' '--nodes'\n"
                    'Try "sbatch --help" for more information\n'
                ),
                code=255,
            ),
            Row(
                "sbatch --hold=1 ok.sh",
                "sbatch --hold=1 ok.sh",
                err=(
                    "sbatch: option '--hold' doesn't allow an argument\n"
                    'Try "sbatch --help" for more information\n'
                ),
                code=255,
            ),
            Row(
                "sbatch --kill-on-invalid-dep=maybe --wrap true",
                "sbatch --kill-on-invalid-dep=maybe --wrap true",
                err=("sbatch: error: Invalid --kill-on-invalid-dep specification\n"),
                code=255,
            ),
            Row(
                "sbatch --open-mode=foo --wrap true",
                "sbatch --open-mode=foo --wrap true",
                err=("sbatch: error: Invalid --open-mode specification\n"),
                code=255,
            ),
            Row(
                "sbatch --mail-type=FOO --wrap true",
                "sbatch --mail-type=FOO --wrap true",
                err=("sbatch: error: Invalid --mail-type specification\n"),
                code=255,
            ),
            Row(
                "sbatch --deadline=xx --wrap true",
                "sbatch --deadline=xx --wrap true",
                err=(
                    "Invalid time specification (pos=0): xx\n"
                    "sbatch: error: Invalid --deadline specification\n"
                ),
                code=255,
            ),
            Row(
                "sbatch --ntasks-per-node=0 --wrap true",
                "sbatch --ntasks-per-node=0 --wrap true",
                err=('sbatch: error: Invalid numeric value "0" for --ntasks-per-node.\n'),
                code=1,
            ),
            Row(
                "sbatch --exclusive=foo --wrap true",
                "sbatch --exclusive=foo --wrap true",
                err=("sbatch: error: Invalid --exclusive specification\n"),
                code=255,
            ),
            Row(
                "sbatch --hint=foo --wrap true",
                "sbatch --hint=foo --wrap true",
                err=('sbatch: error: unrecognized --hint argument "foo", see --hint=help\n'),
                code=1,
            ),
            Row(
                "sbatch --distribution=foo --wrap true",
                "sbatch --distribution=foo --wrap true",
                err=("sbatch: error: Invalid --distribution specification\n"),
                code=255,
            ),
            Row(
                "sbatch --profile=foo --wrap true",
                "sbatch --profile=foo --wrap true",
                err=("sbatch: error: invalid --profile=foo option\n"),
                code=255,
            ),
            Row(
                "sbatch --threads-per-core=x --wrap true",
                "sbatch --threads-per-core=x --wrap true",
                err=('sbatch: error: Invalid numeric value "x" for --threads-per-core.\n'),
                code=1,
            ),
            Row(
                "sbatch --tmp=abc --wrap true",
                "sbatch --tmp=abc --wrap true",
                err=("sbatch: error: Invalid --tmp specification\n"),
                code=255,
            ),
            Row(
                "sbatch --export-file=nofile --wrap true",
                "sbatch --export-file=nofile --wrap true",
                err=("sbatch: error: Could not open user environment file nofile\n"),
                code=1,
            ),
            Row(
                "sbatch --mem=100 --mem-per-cpu=10 -o /dev/null --wrap true",
                "sbatch --mem=100 --mem-per-cpu=10 -o /dev/null --wrap true",
                err=("sbatch: fatal: --mem, --mem-per-cpu, and --mem-per-gpu are mutually exclusive.\n"),
                code=1,
            ),
            Row(
                "sbatch --retries=1 --wrap true",
                "sbatch --retries=1 --wrap true",
                err=(
                    "sbatch: unrecognized option '--retries=1'\nTry \"sbatch --help\" for more information\n"
                ),
                code=255,
            ),
            Row(
                "sbatch --no-bind --wrap true",
                "sbatch --no-bind --wrap true",
                err=("sbatch: unrecognized option '--no-bind'\nTry \"sbatch --help\" for more information\n"),
                code=255,
            ),
            Row(
                "sbatch -o /dev/null -M nope ok.sh",
                "sbatch -o /dev/null -M nope ok.sh",
                err=(
                    "sbatch: error: No cluster 'nope' known by database.\n"
                    "sbatch: error: 'nope' can't be reached now, or it is an invalid entry for --cluster.  Use 'sacctmgr list clusters' to see available clusters.\n"
                ),
                code=1,
            ),
            Row(
                "sbatch --uid=nosuchuser --wrap true",
                "sbatch --uid=nosuchuser --wrap true",
                err=("sbatch: error: Invalid --uid specification\n"),
                code=255,
            ),
            Row(
                "SBATCH_TIMELIMIT=abc sbatch --wrap true",
                "SBATCH_TIMELIMIT=abc sbatch --wrap true",
                err=("sbatch: error: Invalid --time specification\n"),
                code=255,
            ),
            Row(
                "SBATCH_PARTITION=nope sbatch --wrap true",
                "SBATCH_PARTITION=nope sbatch --wrap true",
                err=(
                    "sbatch: error: invalid partition specified: nope\n"
                    "sbatch: error: Batch job submission failed: Invalid partition name specified\n"
                ),
                code=1,
            ),
            Row(
                "sbatch --version",
                "sbatch --version",
                out="slurm-wlm 22.05.8\n",
            ),
            Row(
                "sbatch -Q -o /dev/null ok.sh",
                "sbatch -Q -o /dev/null ok.sh",
            ),
            Row(
                "sbatch -W -Q -o /dev/null --wrap 'exit 3'",
                "sbatch -W -Q -o /dev/null --wrap 'exit 3'",
                code=3,
            ),
        ],
    ),
]
