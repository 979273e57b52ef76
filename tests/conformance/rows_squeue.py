"""squeue: which jobs it shows, and what it says of a command line that it does not like. Its columns are in rows_squeue_columns.py."""

from conformance.harness import Row, Scene

SETUP = """
            ok=$(sbatch --parsable -t 60 -J okjob -o /dev/null --wrap true)
            bad=$(sbatch --parsable -t 60 -J badjob -o /dev/null --wrap 'exit 7')
            wait_state $ok COMPLETED; wait_state $bad FAILED
            gone=$(sbatch --parsable -H -t 60 -J gonejob -o /dev/null --wrap true)
            scancel $gone; wait_state $gone CANCELLED
            held=$(sbatch --parsable -H -t 90 -J held -n 2 -o /dev/null --wrap true)
            arr=$(sbatch --parsable -H -t 1-0 -a 0-9%2 -J arr -o /dev/null --wrap true)
            odd=$(sbatch --parsable -H -t 30 -a 1,3,5-7,20-40:4 -J odd -o /dev/null --wrap true)
            run=$(sbatch --parsable -J 'run me' -n 2 -t 10 --mem=200 --comment 'c d' -o /dev/null \\
                --wrap 'srun --overlap -n1 -J stp sh -c "touch began; exec sleep 1000"')
            wait_file began; wait_state $run RUNNING
            rarr=$(sbatch --parsable -a 1-3%1 -t 5 -J rarr -o /dev/null --wrap 'exec sleep 1000')
            wait_state ${rarr}_1 RUNNING
            dep=$(sbatch --parsable -t 60 -J dep -d afterok:$run -o /dev/null --wrap true)
            never=$(sbatch --parsable -t 60 -J never -d afterok:$bad -o /dev/null --wrap true)
            beg=$(sbatch --parsable -t 60 -J beg -b now+1hour --nice=5 -o /dev/null --wrap true)
            big=$(sbatch --parsable -t 60 -J averylongname -n 4 -o /dev/null --wrap true)
            until [ "$(squeue -h -j $never,$big -o %r)" = 'DependencyNeverSatisfied
Resources' ]; do sleep 0.1; done
        """
HEADER = "             JOBID PARTITION     NAME     USER ST       TIME  NODES NODELIST(REASON)\n"
USAGE = """\
Usage: squeue [-A account] [--clusters names] [-i seconds] [--job jobid]
              [-n name] [-o format] [-p partitions] [--qos qos]
              [--reservation reservation] [--sort fields] [--start]
              [--step step_id] [-t states] [-u user_name] [--usage]
              [-L licenses] [-w nodes] [--federation] [--local] [--sibling]
\t      [-ahjlrsv]
"""


def no_state(name: str) -> str:
    """What squeue says of a state that is none."""
    valid = (
        "PENDING,RUNNING,SUSPENDED,COMPLETED,CANCELLED,FAILED,TIMEOUT,NODE_FAIL,PREEMPTED,BOOT_FAIL,DEADLINE,OUT_OF_MEMORY,COMPLETING,"
        "CONFIGURING,RESIZING,RESV_DEL_HOLD,REQUEUED,REQUEUE_FED,REQUEUE_HOLD,REVOKED,SIGNALING,SPECIAL_EXIT,STAGE_OUT,STOPPED"
    )
    return f"squeue: error: Invalid job state specified: {name}\nsqueue: error: Valid job states include: {valid}\n\n"


SCENES = [
    Scene(
        "squeue",
        setup=SETUP,
        rows=[
            Row(
                "default table",
                "squeue",
                out=HEADER
                + "     <rarr>_[2-3%1]      main     rarr <user> PD <span>      1 (JobArrayTaskLimit)\n"
                "             <dep>      main      dep <user> PD <span>      1 (Dependency)\n"
                "             <never>      main    never <user> PD <span>      1 (DependencyNeverSatisfied)\n"
                "             <big>      main averylon <user> PD <span>      1 (Resources)\n"
                "             <beg>      main      beg <user> PD <span>      1 (BeginTime)\n"
                "<odd>_[1,3,5-7,20,      main      odd <user> PD <span>      1 (JobHeldUser)\n"
                "     <arr>_[0-9%2]      main      arr <user> PD <span>      1 (JobHeldUser)\n"
                "             <held>      main     held <user> PD <span>      1 (JobHeldUser)\n"
                "             <run>      main   run me <user> R <span>      1 <node>\n"
                "           <rarr>_1      main     rarr <user> R <span>      1 <node>\n",
            ),
            Row(
                "long",
                "squeue -l | sed 1d",
                out="             JOBID PARTITION     NAME     USER    STATE       TIME TIME_LIMI  NODES NODELIST(REASON)\n"
                "     <rarr>_[2-3%1]      main     rarr <user> PENDING <span>      5:00      1 (JobArrayTaskLimit)\n"
                "             <dep>      main      dep <user> PENDING <span>   1:00:00      1 (Dependency)\n"
                "             <never>      main    never <user> PENDING <span>   1:00:00      1 (DependencyNeverSatisfied)\n"
                "             <big>      main averylon <user> PENDING <span>   1:00:00      1 (Resources)\n"
                "             <beg>      main      beg <user> PENDING <span>   1:00:00      1 (BeginTime)\n"
                "<odd>_[1,3,5-7,20,      main      odd <user> PENDING <span>     30:00      1 (JobHeldUser)\n"
                "     <arr>_[0-9%2]      main      arr <user> PENDING <span> 1-00:00:00      1 (JobHeldUser)\n"
                "             <held>      main     held <user> PENDING <span>   1:30:00      1 (JobHeldUser)\n"
                "             <run>      main   run me <user> RUNNING <span>     10:00      1 <node>\n"
                "           <rarr>_1      main     rarr <user> RUNNING <span>      5:00      1 <node>\n",
            ),
            Row(
                "the date of --long",
                "squeue -l | head -1 | grep -cE '^[A-Z][a-z]{2} [A-Z][a-z]{2} [ 0-9]{2} [0-9:]{8} [0-9]{4}$'",
                out="1\n",
            ),
            Row(
                "no header",
                "squeue -h -j $held",
                out="             <held>      main     held <user> PD <span>      1 (JobHeldUser)\n",
            ),
            Row(
                "elements",
                "squeue -r -j $rarr -o '%i %t %K %F'",
                out="JOBID ST ARRAY_TASK_ID ARRAY_JOB_ID\n"
                "<rarr>_2 PD 2 <rarr>\n"
                "<rarr>_3 PD 3 <rarr>\n"
                "<rarr>_1 R 1 <rarr>\n",
            ),
            Row(
                "start: header",
                "squeue --start -n nosuch",
                out="             JOBID PARTITION     NAME     USER ST          START_TIME  NODES SCHEDNODES           NODELIST(REASON)\n",
            ),
            Row(
                "all states",
                "squeue -h -t all -j $ok,$bad,$gone,$held,$run -o '%i|%t|%T|%R|%N|%D|%C'",
                out="<gone>|CA|CANCELLED|||1|1\n"
                "<ok>|CD|COMPLETED|<node>|<node>|1|1\n"
                "<bad>|F|FAILED|(NonZeroExitCode)|<node>|1|1\n"
                "<held>|PD|PENDING|(JobHeldUser)||1|2\n"
                "<run>|R|RUNNING|<node>|<node>|1|2\n",
            ),
            Row("finished ones are not in the list", "squeue -j $ok,$bad", out=HEADER),
            Row(
                "finished",
                "squeue -t CD,f -j $ok,$bad -o '%i %j %T %r'",
                out="JOBID NAME STATE REASON\n"
                "<ok> okjob COMPLETED None\n"
                "<bad> badjob FAILED NonZeroExitCode\n",
            ),
            Row(
                "states in any case",
                "squeue -h -t running,Pending -n held,'run me' -o '%i %T'",
                out="<held> PENDING\n<run> RUNNING\n",
            ),
            Row("no states", "squeue -t ''", out=HEADER),
            Row("unknown state", "squeue -t bogus", err=no_state("bogus"), code=1),
            Row("all is no state among others", "squeue -t PD,all", err=no_state("all"), code=1),
            Row(
                "unknown user",
                "squeue -u nosuchuser",
                out=HEADER,
                err="squeue: error: Invalid user: nosuchuser\n\n",
            ),
            Row(
                "a known and an unknown user",
                "squeue -h -n held -u $USER,nosuchuser -o %i",
                out="<held>\n",
                err="squeue: error: Invalid user: nosuchuser\n\n",
            ),
            Row("me", "squeue --me -h -n held -o '%u'", out="<user>\n"),
            Row("unknown partition", "squeue -p nope", out=HEADER),
            Row("unknown name", "squeue -n nope", out=HEADER),
            Row("qos", "squeue -h -q nope"),
            Row("unknown node", "squeue -w nope", err="squeue: error: Invalid node name nope\n", code=1),
            Row("on this node", "squeue -h -w $(hostname -s) -o '%i %t'", out="<run> R\n<rarr>_1 R\n"),
            Row("licenses", "squeue -h -L nope"),
            Row(
                "unknown cluster",
                "squeue -M nope",
                err="squeue: error: No cluster 'nope' known by database.\n"
                "squeue: error: 'nope' can't be reached now, or it is an invalid entry for --cluster.  Use 'sacctmgr list clusters' to see available clusters.\n",
                code=1,
            ),
            Row("its cluster", "squeue -M mini -j $held -o %i", out="CLUSTER: mini\nJOBID\n<held>\n"),
            Row(
                "unknown id",
                "squeue -j 999999",
                err="slurm_load_jobs error: Invalid job id specified\n",
                code=1,
            ),
            Row("unknown ids", "squeue -j 999999,999998", out=HEADER),
            Row("the same unknown id twice", "squeue -h -j 999999,999999"),
            Row("a known and an unknown id", "squeue -h -j $held,999999 -o %i", out="<held>\n"),
            Row("malformed id", "squeue -j abc", err="squeue: error: Invalid job id: abc\n", code=1),
            Row(
                "malformed id among others",
                "squeue -j $held,abc",
                err="squeue: error: Invalid job id: abc\n",
                code=1,
            ),
            Row("id zero", "squeue -j 0", err="squeue: error: Invalid job id: 0\n", code=1),
            Row(
                "an option for an id",
                "squeue -j -1",
                err="squeue: invalid option -- '1'\nTry \"squeue --help\" for more information\n",
                code=1,
            ),
            Row("no ids", "squeue -h -j '' -n held -o %i"),
            Row("ids behind an option", "squeue -h --job $held --format %i", out="<held>\n"),
            Row("short id", "squeue -hj$held -o%i", out="<held>\n"),
            Row("step of a job", "squeue -h -j $run.0 -o %i", out="<run>\n"),
            Row("element", "squeue -h -j ${arr}_1 -o '%i %A %t'", out="<arr>_1 <arr> PD\n"),
            Row("elements of a list", "squeue -h -j ${arr}_1,${arr}_2 -o %i", out="<arr>_[1-2]\n"),
            Row("array", "squeue -h -j $arr -o '%i|%K|%F|%A'", out="<arr>_[0-9%2]|0-9%2|<arr>|<arr>\n"),
            Row(
                "odd array",
                "squeue -h -j $odd -o '%i|%K'",
                out="<odd>_[1,3,5-7,20,24,28,32,36,4|1,3,5-7,20,24,28,32,36,40\n",
            ),
            Row(
                "odd array, cut",
                "squeue -h -j $odd -o '%.18i|%12i|'",
                out="<odd>_[1,3,5-7,20,|<odd>_[1,3,5|\n",
            ),
            Row("SLURM_BITSTR_LEN", "SLURM_BITSTR_LEN=8 squeue -h -j $odd -o %i", out="<odd>_[1,3,...]\n"),
            Row(
                "array in parts",
                "squeue -h -j $rarr -o '%i %K %t %r'",
                out="<rarr>_[2-3%1] 2-3%1 PD JobArrayTaskLimit\n<rarr>_1 1 R None\n",
            ),
            Row(
                "variables that choose",
                "SQUEUE_NAMES=held squeue -h -o %i; SQUEUE_STATES=R SQUEUE_SORT=-i squeue -h -o %i; SQUEUE_PARTITION=nope squeue -h; SQUEUE_ARRAY=1 squeue -h -j $rarr -o %i",
                out="<held>\n<rarr>_1\n<run>\n<rarr>_2\n<rarr>_3\n<rarr>_1\n",
            ),
            Row("SQUEUE_STATES that is none", "SQUEUE_STATES=bogus squeue", err=no_state("bogus"), code=1),
            Row("word", "squeue extra", out=USAGE, err="squeue: error: Unrecognized option: extra\n", code=1),
            Row("usage", "squeue --usage", out=USAGE),
            Row("version", "squeue -V; squeue --version", out="slurm-wlm 22.05.8\nslurm-wlm 22.05.8\n"),
            Row(
                "unknown option",
                "squeue --nosuch",
                err="squeue: unrecognized option '--nosuch'\nTry \"squeue --help\" for more information\n",
                code=1,
            ),
            Row(
                "unknown letter of an option",
                "squeue -Z",
                err="squeue: invalid option -- 'Z'\nTry \"squeue --help\" for more information\n",
                code=1,
            ),
            Row(
                "missing value",
                "squeue -t",
                err="squeue: option requires an argument -- 't'\n"
                'Try "squeue --help" for more information\n',
                code=1,
            ),
            Row(
                "value too many",
                "squeue --me=1",
                err="squeue: option '--me' doesn't allow an argument\n"
                'Try "squeue --help" for more information\n',
                code=1,
            ),
            Row("iterate zero", "squeue -i 0", err="squeue: error: --iterate=0\n\n", code=1),
        ],
    ),
]
