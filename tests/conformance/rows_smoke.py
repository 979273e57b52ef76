"""A little of everything: that the two worlds stand, and that rows are compared as they should be."""

from conformance.harness import Row, Scene

SCENES = [
    Scene(
        "smoke",
        setup="""
            ok=$(sbatch --parsable -J okjob -o /dev/null --wrap true)
            bad=$(sbatch --parsable -J badjob -o 'out-%j' --wrap 'echo said; exit 7')
            held=$(sbatch --parsable -H -J held -t 10 -o /dev/null --wrap true)
            wait_state $ok COMPLETED; wait_state $bad FAILED; wait_state $held PENDING
        """,
        rows=[
            Row(
                "states",
                "squeue -h -t all -j $ok,$bad -o '%i|%T|%j' | sort",
                "<ok>|COMPLETED|okjob\n<bad>|FAILED|badjob\n",
            ),
            Row(
                "the default table",
                "squeue -j $held",
                "             JOBID PARTITION     NAME     USER ST       TIME  NODES NODELIST(REASON)\n"
                "             <held>      main     held <user> PD <span>      1 (JobHeldUser)\n",
            ),
            Row(
                "unknown id",
                "squeue -j 999999",
                err="slurm_load_jobs error: Invalid job id specified\n",
                code=1,
            ),
            Row(
                "accounts",
                "wait_record $bad; sacct -X -n -P -j $bad -o JobID,State,ExitCode,Partition,Cluster",
                "<bad>|FAILED|7:0|main|mini\n",
            ),
            Row("output", "cat out-$bad", "said\n"),
            Row("limit", "squeue -h -j $held -o '%l|%M|%u|%N|%Z'", "10:00|<span>|<user>||<dir>\n"),
            Row(
                "cancel",
                "scancel $held; wait_state $held CANCELLED; squeue -h -t all -j $held -o %T",
                "CANCELLED\n",
            ),
            Row(
                "no script", "sbatch nosuch.sh", err="sbatch: error: Unable to open file nosuch.sh\n", code=1
            ),
        ],
    ),
]
