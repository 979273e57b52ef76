"""scontrol: what it does to jobs, and what it says where it does not."""

from conformance.harness import Row, Scene

UNKNOWN = "Invalid job id specified"
SUSPEND = "slurm_suspend error: Invalid job id specified\n"

SCENES = [
    Scene(
        "scontrol-control",
        setup="""
            run=$(sbatch --parsable -J runjob -t 10 -o /dev/null --wrap 'sleep 300')
            hold=$(sbatch --parsable -J holdjob -H -t 10 -o /dev/null --wrap 'sleep 300')
            two=$(sbatch --parsable -J two -t 10 -b now+1hour -o /dev/null --wrap 'sleep 300')
            norq=$(sbatch --parsable -J norq -t 10 --no-requeue -o /dev/null --wrap 'sleep 300')
            fin=$(sbatch --parsable -J fin -t 10 --no-requeue -o /dev/null --wrap true)
            again=$(sbatch --parsable -J again -t 10 -o /dev/null --wrap 'exit 3')
            inner=$(sbatch --parsable -J inner -t 10 -o /dev/null --wrap '[ "$SLURM_RESTART_COUNT" ] || { scontrol requeue $SLURM_JOB_ID; sleep 60; }; sleep 60')
            arr=$(sbatch --parsable -J arr -H -b now+1hour -t 10 -a 0-3 -o /dev/null --wrap 'sleep 300')
            wait_state $run RUNNING; wait_state $norq RUNNING; wait_end $fin $again
        """,
        rows=[
            Row("hold no job", "scontrol hold", err="too few arguments for keyword:hold\n", code=1),
            Row("hold unknown", "scontrol hold 999999", err=f"{UNKNOWN} for job 999999\n{SUSPEND}", code=1),
            Row(
                "release unknown",
                "scontrol release 999999",
                err=f"{UNKNOWN} for job 999999\n{SUSPEND}",
                code=1,
            ),
            Row("requeue unknown", "scontrol requeue 999999", err=f"{UNKNOWN} for job 999999\n", code=1),
            Row(
                "suspend unknown",
                "scontrol suspend 999999",
                err="Unexpected message received for job 999999\n",
                code=1,
            ),
            Row("requeue no number", "scontrol requeue abc", err=f"{UNKNOWN} for job abc\n", code=1),
            Row("suspend no number", "scontrol suspend abc", err=f"{UNKNOWN} for job abc\n", code=1),
            Row("hold an unknown name", "scontrol hold name=nosuch"),
            Row(
                "hold several",
                "scontrol hold 999998,$two && squeue -h -j $two -o '%T'",
                "",
                f"{UNKNOWN} for job 999998\nslurm_suspend error: No error\n",
                1,
            ),
            Row(
                "is held",
                "scontrol show job $two | grep -oE 'Priority=0|Reason=JobHeld'",
                "Priority=0\nReason=JobHeld\n",
            ),
            Row(
                "release by name",
                "scontrol release jobname=two; scontrol show job $two | grep -c Priority=0",
                "0\n",
                code=1,
            ),
            Row(
                "hold what runs",
                "scontrol hold $run; scontrol show job $run | grep -oE 'Priority=0|Reason=JobHeld|RUNNING'",
                "Priority=0\nRUNNING\nReason=JobHeld\n",
            ),
            Row(
                "release what runs",
                "scontrol release $run; scontrol show job $run | grep -oE 'Reason=[A-Za-z]*'",
                "Reason=None\n",
            ),
            Row(
                "hold what is over",
                "scontrol hold $fin",
                err="Job has already finished for job <fin>\nslurm_suspend error: Job has already finished\n",
                code=1,
            ),
            Row(
                "suspend what is over",
                "scontrol suspend $fin",
                err="Job/step already completing or completed for job <fin>\n",
                code=1,
            ),
            Row(
                "requeue what may not",
                "scontrol requeue $fin",
                err="Requested operation is presently disabled for job <fin>\n",
                code=1,
            ),
            Row(
                "requeue what waits",
                "scontrol requeue $hold",
                err="Job is pending execution for job <hold>\n",
                code=1,
            ),
            Row(
                "suspend what waits",
                "scontrol suspend jobid=$hold",
                err="Job is pending execution for job <hold>\n",
                code=1,
            ),
            Row(
                "resume what waits",
                "scontrol resume $hold",
                err="Job is pending execution for job <hold>\n",
                code=1,
            ),
            Row(
                "resume what runs", "scontrol resume $run", err="Job is not suspended for job <run>\n", code=1
            ),
            Row(
                "no requeue",
                "scontrol requeue $norq",
                err="Requested operation is presently disabled for job <norq>\n",
                code=1,
            ),
            Row("quietly", "scontrol -Q requeue $norq", code=1),
            Row("no such element", "scontrol hold ${arr}_77", err=f"<arr>_77: {UNKNOWN}\n", code=1),
            Row(
                "requeue an array that waits",
                "scontrol requeue $arr",
                err="<arr>_0-3: Job is pending execution\n",
                code=1,
            ),
            Row(
                "release elements",
                "scontrol release ${arr}_[1-2]; scontrol hold ${arr}_1,${arr}_2; squeue -r -h -j $arr -o '%K %T' | sort",
                "0 PENDING\n1 PENDING\n2 PENDING\n3 PENDING\n",
            ),
            Row(
                "suspend and resume",
                "scontrol suspend $run; scontrol suspend $run; scontrol show job $run | grep -oE 'JobState=.* Reason=None';"
                " scontrol resume $run; squeue -h -j $run -o %T",
                "JobState=SUSPENDED Reason=None\nRUNNING\n",
            ),
            Row(
                "requeue what is over",
                "scontrol requeue $again; scontrol show job $again | grep -oE 'JobId=.* JobName=again|Restarts=1'",
                "JobId=<again> JobName=again\nRestarts=1\n",
            ),
            Row(
                "requeued from inside",
                "until scontrol show job $inner | grep -o Restarts=1; do sleep 0.1; done",
                "Restarts=1\n",
            ),
            Row("top", "scontrol top 999999", err=f"{UNKNOWN} for job 999999\n", code=1),
            Row(
                "top of what is held",
                "scontrol top $hold",
                err="Job is in held state, pending scheduler release for job <hold>\n",
                code=1,
            ),
            Row(
                "requeue and hold",
                "scontrol requeuehold $run; wait_state $run PENDING; scontrol show job $run | grep -oE 'Restarts=1|Priority=0|PENDING'",
                "Priority=0\nPENDING\nRestarts=1\n",
            ),
        ],
    ),
    Scene(
        "scontrol-update",
        setup="""
            job=$(sbatch --parsable -J job -H -t 60 --mem 100M -o /dev/null --wrap 'sleep 300')
            run=$(sbatch --parsable -J runjob -t 10 -o /dev/null --wrap 'sleep 300')
            fin=$(sbatch --parsable -J fin -t 10 -o /dev/null --wrap true)
            arr=$(sbatch --parsable -J arr -H -t 10 -a 0-9%2 -o /dev/null --wrap 'sleep 300')
            wait_state $run RUNNING; wait_end $fin
        """,
        rows=[
            Row("unknown", "scontrol update jobid=999999 nice=1", err=f"{UNKNOWN} for job 999999\n", code=1),
            Row("no number", "scontrol update jobid=abc nice=1", err=f"{UNKNOWN} for job abc\n", code=1),
            Row("no changes", "scontrol update jobid=$job", err="No changes specified\n", code=1),
            Row(
                "no job",
                "scontrol update priority=1",
                err="No valid entity in update command\n"
                'Input line must include "NodeName", "PartitionName", "Reservation", "JobId", or "SlurmctldDebug"\n',
                code=1,
            ),
            Row(
                "no value",
                "scontrol update jobid=$job foo",
                err="Invalid input: foo\nRequest aborted\n",
                code=1,
            ),
            Row(
                "unknown key",
                "scontrol update jobid=$job nosuch=1",
                err="Update of this parameter is not supported: nosuch=1\nRequest aborted\n",
                code=1,
            ),
            Row(
                "time limit",
                "scontrol update jobid=$job timelimit=xx",
                err="scontrol: error: Invalid TimeLimit value\n",
                code=1,
            ),
            Row(
                "no time limit",
                "scontrol update jobid=$job timelimit=",
                err="scontrol: error: Invalid TimeLimit value\n",
                code=1,
            ),
            Row(
                "priority",
                "scontrol update jobid=$job priority=x",
                err="scontrol: error: Invalid Priority value: x\n",
                code=1,
            ),
            Row(
                "requeue",
                "scontrol update jobid=$job requeue=x",
                err="scontrol: error: Invalid Requeue value: x\n",
                code=1,
            ),
            Row(
                "processors",
                "scontrol update jobid=$job numcpus=x",
                err='scontrol: error: Invalid numeric value "x" for NumCPUs.\nscontrol: error: Invalid NumCPUs value: x\n',
                code=1,
            ),
            Row(
                "tasks",
                "scontrol update jobid=$job numtasks=x",
                err="scontrol: error: Invalid NumTasks value: x\n",
                code=1,
            ),
            Row(
                "memory",
                "scontrol update jobid=$job minmemorynode=x",
                err="scontrol: error: Invalid MinMemoryNode value: x\n",
                code=1,
            ),
            Row(
                "start",
                "scontrol update jobid=$job starttime=xx",
                err="Invalid time specification (pos=0): xx\nNo changes specified\n",
                code=1,
            ),
            Row(
                "more before the job",
                "scontrol update timelimit+=5 jobid=$job",
                err="scontrol: error: JobId must precede TimeLimit increment or decrement\n",
                code=1,
            ),
            Row(
                "dependency",
                "scontrol update jobid=$job dependency=xx",
                err="Job dependency problem for job <job>\n",
                code=1,
            ),
            Row(
                "partition",
                "scontrol update jobid=$job partition=nosuch",
                err="Invalid partition name specified for job <job>\n",
                code=1,
            ),
            Row(
                "unknown name",
                "scontrol update jobname=nosuch nice=1",
                err="scontrol: error: No jobs with name 'nosuch'\n",
                code=1,
            ),
            Row(
                "unknown element",
                "scontrol update jobid=${arr}_77 nice=1",
                err=f"<arr>_77: {UNKNOWN}\n",
                code=1,
            ),
            Row(
                "what is over",
                "scontrol update jobid=$fin name=x",
                err="Job has already finished for job <fin>\n",
                code=1,
            ),
            Row(
                "what has begun",
                "scontrol update jobid=$run dependency=afterok:$job",
                err="Job is no longer pending execution for job <run>\n",
                code=1,
            ),
            Row(
                "limit of what runs",
                "scontrol update jobid=$run timelimit=20; squeue -h -j $run -o %l",
                "20:00\n",
            ),
            Row(
                "less than nothing",
                "scontrol update jobid=$job timelimit=-90",
                err="scontrol: error: TimeLimit decrement larger than current time limit (90 > 60)\n",
                code=1,
            ),
            Row(
                "limits",
                "for t in =30 =+5 +=1:00 -=1 =1-0; do scontrol update jobid=$job timelimit$t; squeue -h -j $job -o %l; done",
                "30:00\n35:00\n36:00\n35:00\n1-00:00:00\n",
            ),
            Row("name", "scontrol update jobid=$job name=new; squeue -h -j $job -o %j", "new\n"),
            Row("comment", "scontrol update JobId=$job Comment='a b'; squeue -h -j $job -o %k", "a b\n"),
            Row(
                "times",
                "scontrol update jobid=$job starttime=2035-01-01T00:00:00; scontrol show job $job | grep -cE 'StartTime=2035|EligibleTime=2035'",
                "2\n",
            ),
            Row(
                "dependencies",
                "scontrol update jobid=$job dependency=afterok:$run; squeue -h -j $job -o %E; scontrol update jobid=$job dependency=; squeue -h -j $job -o %E",
                "afterok:<run>(unfulfilled)\n(null)\n",
            ),
            Row(
                "requeueing",
                "scontrol update jobid=$job requeue=0; scontrol -o show job $job | grep -o ' Requeue=.'",
                " Requeue=0\n",
            ),
            Row(
                "throttle",
                "scontrol update jobid=$arr arraytaskthrottle=3; scontrol show job $arr | head -1; scontrol update jobid=$arr arraytaskthrottle=0;"
                " scontrol show job $arr | head -1",
                "JobId=<arr> ArrayJobId=<arr> ArrayTaskId=0-9%3 ArrayTaskThrottle=3 JobName=arr\n"
                "JobId=<arr> ArrayJobId=<arr> ArrayTaskId=0-9 JobName=arr\n",
            ),
            Row("nice", "scontrol update jobid=$job nice=7; squeue -h -j $job -o %y", "7\n"),
            Row(
                "memory of a node",
                "scontrol update jobid=$job minmemorynode=200; squeue -h -j $job -o %m",
                "200M\n",
            ),
            Row("two processors", "scontrol update jobid=$job numcpus=2; squeue -h -j $job -o %C", "2\n"),
            Row(
                "several",
                "scontrol update jobid=999999,$job nice=9; squeue -h -j $job -o %y",
                "9\n",
                f"{UNKNOWN} for job 999999\n",
            ),
            Row(
                "priority zero holds", "scontrol update jobid=$arr priority=0; squeue -h -j $arr -o %Q", "0\n"
            ),
            Row(
                "too many processors",
                "scontrol update jobid=$job numcpus=100",
                err="Requested partition configuration not available now for job <job>\n",
                code=1,
            ),
        ],
    ),
]
