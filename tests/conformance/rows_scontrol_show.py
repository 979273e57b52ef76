"""scontrol show and write: records, and what is said where there is nothing."""

from conformance.harness import Row, Scene

UNKNOWN = "Invalid job id specified"


def record(first: str, who: str, what: str, when: str, tres: str, rest: str) -> str:
    """The lines of a job that differ from one to the next, in their places."""
    return (
        f"{first}\n"
        "   UserId=<user>(<uid>) GroupId=<group>(<gid>) MCS_label=N/A\n"
        f"   {who} Nice=0 Account=<user> QOS=normal\n"
        f"   {what}\n"
        f"{when}"
        f"   {tres}\n"
        "   Socks/Node=* NtasksPerN:B:S:C=0:0:*:* CoreSpec=*\n"
        f"{rest}"
    )


SCENES = [
    Scene(
        "scontrol-nothing",
        setup="""
            true
        """,
        rows=[
            Row("no entity", "scontrol show", err="too few arguments for keyword:show\n", code=1),
            Row(
                "unknown entity",
                "scontrol show nosuch",
                err="invalid entity:nosuch for keyword:show \n",
                code=1,
            ),
            Row("unknown job", "scontrol show job 999999", err=f"slurm_load_jobs error: {UNKNOWN}\n", code=1),
            Row("no number", "scontrol show job abc", err=f"scontrol_print_job error: {UNKNOWN}\n", code=1),
            Row("a list", "scontrol show job 12,13", err=f"scontrol_print_job error: {UNKNOWN}\n", code=1),
            Row("two words", "scontrol show job 12 13", err="too many arguments for keyword:show\n", code=1),
            Row("no steps", "scontrol show step", "No job steps in the system\n"),
            Row("unknown node", "scontrol show node nosuch", "Node nosuch not found\n", code=1),
            Row(
                "unknown partition", "scontrol show partition nosuch", "Partition nosuch not found\n", code=1
            ),
            Row("no licenses", "scontrol show licenses", "No licenses configured in Slurm.\n"),
            Row("no reservations", "scontrol show reservation", "No reservations in the system\n"),
            Row("unknown keyword", "scontrol nosuchverb", err="invalid keyword: nosuchverb\n", code=1),
            Row("cut too short", "scontrol re 1", err="invalid keyword: re\n", code=1),
            Row("cut", "scontrol rel", err="too few arguments for keyword:rel\n", code=1),
            Row("update of nothing", "scontrol update", err="too few arguments for update keyword\n", code=1),
            Row("ping with a word", "scontrol ping x", err="too many arguments for keyword:ping\n", code=1),
            Row(
                "unknown option",
                "scontrol --nosuch show job",
                err="scontrol: unrecognized option '--nosuch'\nTry \"scontrol --help\" for more information\n",
                code=1,
            ),
            Row(
                "unknown letter",
                "scontrol -x",
                err="scontrol: invalid option -- 'x'\nTry \"scontrol --help\" for more information\n",
                code=1,
            ),
            Row("version", "scontrol -V; scontrol version", "slurm-wlm 22.05.8\nslurm-wlm 22.05.8\n"),
            Row("ping", "scontrol ping", "Slurmctld(primary) at <node> is UP\n"),
            Row("host names", "scontrol show hostnames 'n[1-3],m05'", "n1\nn2\nn3\nm05\n"),
            Row("a host name", "scontrol show hostname n1", "n1\n"),
            Row("host list", "scontrol show hostlist n1,n2,m7", "n[1-2],m7\n"),
            Row("host list in its order", "scontrol show hostlist n2,n1", "n[2,1]\n"),
            Row("sorted host list", "scontrol show hostlistsorted n3,n1,n2", "n[1-3]\n"),
            Row(
                "no hosts",
                "env -u SLURM_JOB_NODELIST -u SLURM_NODELIST scontrol show hostnames",
                err="scontrol: error: host list is empty\n",
            ),
            Row(
                "configuration",
                "scontrol show config | grep -E '^(ClusterName|MinJobAge|SLURM_VERSION|JobRequeue|PriorityType) '"
                " | sed 's/= 3600/= 300/'",
                "ClusterName             = mini\nJobRequeue              = 1\n"
                "MinJobAge               = 300 sec\nPriorityType            = priority/basic\n"
                "SLURM_VERSION           = 22.05.8\n",
            ),
            Row("its end", "scontrol show config | tail -2", "\nSlurmctld(primary) at <node> is UP\n"),
            Row(
                "partition",
                "scontrol show partition | sed -E '/DefaultTime|MaxNodes|^   Nodes/d'",
                "PartitionName=main\n"
                "   AllowGroups=ALL AllowAccounts=ALL AllowQos=ALL\n"
                "   AllocNodes=ALL Default=YES QoS=N/A\n"
                "   PriorityJobFactor=1 PriorityTier=1 RootOnly=NO ReqResv=NO OverSubscribe=NO\n"
                "   OverTimeLimit=NONE PreemptMode=OFF\n"
                "   State=UP TotalCPUs=4 TotalNodes=1 SelectTypeParameters=NONE\n"
                "   JobDefaults=(null)\n"
                "   DefMemPerNode=UNLIMITED MaxMemPerNode=UNLIMITED\n"
                "   TRES=cpu=4,mem=4000M,node=1,billing=4\n"
                "\n",
            ),
            Row("partitions in one line", "scontrol -o show partitions | wc -l", "1\n"),
            Row(
                "node",
                "scontrol show node | grep -E 'CPUAlloc|State=|Partitions|CfgTRES|AllocTRES|CapWatts' | sed 's/ CPULoad.*//'",
                "   CPUAlloc=0 CPUEfctv=4 CPUTot=4\n"
                "   State=IDLE ThreadsPerCore=1 TmpDisk=0 Weight=1 Owner=N/A MCS_label=N/A\n"
                "   Partitions=main \n"
                "   CfgTRES=cpu=4,mem=4000M,billing=4\n"
                "   AllocTRES=\n"
                "   CapWatts=n/a\n",
            ),
            Row(
                "from standard input",
                "printf 'show hostnames n1\\nnosuch\\nquit\\nping\\n' | scontrol",
                "scontrol: show hostnames n1\nn1\nscontrol: nosuch\nscontrol: quit\n",
                "invalid keyword: nosuch\n",
                1,
            ),
        ],
    ),
    Scene(
        "scontrol-jobs",
        setup=r"""
            hide='/AllocNode/d; s/Priority=[1-9][0-9]*/Priority=N/; s/LastSchedEval=.*//; /^   TRES=/s/mem=[0-9]+M,//'
            run=$(sbatch --parsable -J runjob -t 10 -c 2 --comment 'c d' --wrap 'sleep 300')
            held=$(sbatch --parsable -J held -H -t 60 --mem 100M -o %x-%j.out -e e.%j --wrap true)
            arr=$(sbatch --parsable -J arr -H -t 60 --mem 10M -a 0-9%2 --wrap 'sleep 300')
            dep=$(sbatch --parsable -J dep -t 5 -d afterany:$run --mem 10M --wrap true)
            beg=$(sbatch --parsable -J beg -t 5 -b now+1hour --mem 10M --wrap true)
            bad=$(sbatch --parsable -J bad -t 5 --no-requeue -o /dev/null --wrap 'exit 3')
            gone=$(sbatch --parsable -J gone -t 5 --wrap 'sleep 300')
            wait_state $run RUNNING; wait_state $gone RUNNING; scancel $gone; wait_end $bad $gone
            step=$(sbatch --parsable -J step -n 2 -t 5 --wrap 'srun -n 2 sleep 300')
            wait_state $step RUNNING
        """,
        rows=[
            Row(
                "running",
                'scontrol show job $run | sed -E "$hide"',
                record(
                    "JobId=<run> JobName=runjob",
                    "Priority=N",
                    "JobState=RUNNING Reason=None Dependency=(null)",
                    "   Requeue=1 Restarts=0 BatchFlag=1 Reboot=0 ExitCode=0:0\n"
                    "   RunTime=<span> TimeLimit=00:10:00 TimeMin=N/A\n"
                    "   SubmitTime=<time> EligibleTime=<time>\n"
                    "   AccrueTime=<time>\n"
                    "   StartTime=<time> EndTime=<time> Deadline=N/A\n"
                    "   SuspendTime=None SecsPreSuspend=0 \n"
                    "   ReqNodeList=(null) ExcNodeList=(null)\n"
                    "   NodeList=<node>\n"
                    "   BatchHost=<node>\n"
                    "   NumNodes=1 NumCPUs=2 NumTasks=1 CPUs/Task=2 ReqB:S:C:T=0:0:*:*\n",
                    "TRES=cpu=2,node=1,billing=2",
                    "   MinCPUsNode=2 MinMemoryNode=0 MinTmpDiskNode=0\n"
                    "   Features=(null) DelayBoot=<span>\n"
                    "   OverSubscribe=OK Contiguous=0 Licenses=(null) Network=(null)\n"
                    "   Command=(null)\n"
                    "   WorkDir=<dir>\n"
                    "   Comment=c d \n"
                    "   StdErr=<dir>/slurm-<run>.out\n"
                    "   StdIn=/dev/null\n"
                    "   StdOut=<dir>/slurm-<run>.out\n"
                    "   Power=\n"
                    "   \n"
                    "\n",
                ),
            ),
            Row(
                "partition of it",
                "scontrol show job $run | grep -o 'Partition=main AllocNode:Sid='",
                "Partition=main AllocNode:Sid=\n",
            ),
            Row(
                "held",
                "scontrol -o show job $held | sed -E 's/AllocNode:Sid=[^ ]*/AllocNode/; s/LastSchedEval=[^ ]* Scheduler=[^ ]*//'",
                "JobId=<held> JobName=held UserId=<user>(<uid>) GroupId=<group>(<gid>) MCS_label=N/A Priority=0 Nice=0 "
                "Account=<user> QOS=normal JobState=PENDING Reason=JobHeldUser Dependency=(null) Requeue=1 Restarts=0 "
                "BatchFlag=1 Reboot=0 ExitCode=0:0 RunTime=<span> TimeLimit=01:00:00 TimeMin=N/A SubmitTime=<time> "
                "EligibleTime=Unknown AccrueTime=Unknown StartTime=Unknown EndTime=Unknown Deadline=N/A SuspendTime=None "
                "SecsPreSuspend=0  Partition=main AllocNode ReqNodeList=(null) ExcNodeList=(null) NodeList= NumNodes=1 "
                "NumCPUs=1 NumTasks=1 CPUs/Task=1 ReqB:S:C:T=0:0:*:* TRES=cpu=1,mem=100M,node=1,billing=1 Socks/Node=* "
                "NtasksPerN:B:S:C=0:0:*:* CoreSpec=* MinCPUsNode=1 MinMemoryNode=100M MinTmpDiskNode=0 Features=(null) "
                "DelayBoot=<span> OverSubscribe=OK Contiguous=0 Licenses=(null) Network=(null) Command=(null) WorkDir=<dir> "
                "StdErr=<dir>/e.<held> StdIn=/dev/null StdOut=<dir>/held-<held>.out Power= \n",
            ),
            Row(
                "array",
                "scontrol show job $arr | sed -n '1,6p'",
                "JobId=<arr> ArrayJobId=<arr> ArrayTaskId=0-9%2 ArrayTaskThrottle=2 JobName=arr\n"
                "   UserId=<user>(<uid>) GroupId=<group>(<gid>) MCS_label=N/A\n"
                "   Priority=0 Nice=0 Account=<user> QOS=normal\n"
                "   JobState=PENDING Reason=JobHeldUser Dependency=(null)\n"
                "   Requeue=1 Restarts=0 BatchFlag=1 Reboot=0 ExitCode=0:0\n"
                "   RunTime=<span> TimeLimit=01:00:00 TimeMin=N/A\n",
            ),
            Row(
                "files of an array",
                "scontrol show job $arr | grep Std",
                "   StdErr=<dir>/slurm-<arr>_4294967294.out\n   StdIn=/dev/null\n   StdOut=<dir>/slurm-<arr>_4294967294.out\n",
            ),
            Row(
                "element that waits",
                "scontrol show job ${arr}_3 | grep -E 'JobId|StdOut'",
                "JobId=<arr> ArrayJobId=<arr> ArrayTaskId=3 ArrayTaskThrottle=2 JobName=arr\n   StdOut=<dir>/slurm-<arr>_3.out\n",
            ),
            Row("no such element", "scontrol show job ${arr}_77", "Job <arr>_77 not found\n", code=1),
            Row(
                "dependent",
                "scontrol show job $dep | sed -n '4p;7,9p'",
                "   JobState=PENDING Reason=Dependency Dependency=afterany:<run>(unfulfilled)\n"
                "   SubmitTime=<time> EligibleTime=Unknown\n   AccrueTime=Unknown\n"
                "   StartTime=Unknown EndTime=Unknown Deadline=N/A\n",
            ),
            Row(
                "begins later",
                "scontrol show job $beg | sed -n '4p;7,9p'",
                "   JobState=PENDING Reason=BeginTime Dependency=(null)\n"
                "   SubmitTime=<time> EligibleTime=<time>\n   AccrueTime=<time>\n"
                "   StartTime=<time> EndTime=<time> Deadline=N/A\n",
            ),
            Row(
                "failed",
                "scontrol show job $bad | sed -n '4,6p;9p'",
                "   JobState=FAILED Reason=NonZeroExitCode Dependency=(null)\n"
                "   Requeue=0 Restarts=0 BatchFlag=1 Reboot=0 ExitCode=3:0\n"
                "   RunTime=<span> TimeLimit=00:05:00 TimeMin=N/A\n"
                "   StartTime=<time> EndTime=<time> Deadline=N/A\n",
            ),
            Row(
                "cancelled",
                "scontrol show job $gone | sed -n '4,5p'",
                "   JobState=CANCELLED Reason=None Dependency=(null)\n"
                "   Requeue=1 Restarts=0 BatchFlag=1 Reboot=0 ExitCode=0:15\n",
            ),
            Row("by another word", "scontrol show jobid=$held | head -1", "JobId=<held> JobName=held\n"),
            Row(
                "all in lines",
                'scontrol -o show jobs | grep -cE "^JobId=($run|$held|$bad) JobName=.* Power="',
                "3\n",
            ),
            Row(
                "details",
                "scontrol -d show job $held | sed -n '5,7p' ; scontrol show -d job $run | grep -E 'JOB_GRES'",
                "   Requeue=1 Restarts=0 BatchFlag=1 Reboot=0 ExitCode=0:0\n   DerivedExitCode=0:0\n"
                "   RunTime=<span> TimeLimit=01:00:00 TimeMin=N/A\n   JOB_GRES=(null)\n",
            ),
            Row(
                "steps",
                "wait_step() { until scontrol show step $step.0 >/dev/null; do sleep 0.1; done; }; wait_step;"
                " scontrol show step $step | sed 's/Pid=[^ ]*/Pid/; s/UserId=[0-9]*/UserId/'",
                "StepId=<step>.batch UserId StartTime=<time> TimeLimit=UNLIMITED\n"
                "   State=RUNNING Partition=main NodeList=<node>\n"
                "   Nodes=1 CPUs=0 Tasks=1 Name=batch Network=(null)\n"
                "   TRES=(null)\n"
                "   ResvPorts=(null)\n"
                "   CPUFreqReq=Default\n"
                "   SrunHost:Pid\n"
                "\n"
                "StepId=<step>.0 UserId StartTime=<time> TimeLimit=UNLIMITED\n"
                "   State=RUNNING Partition=main NodeList=<node>\n"
                "   Nodes=1 CPUs=2 Tasks=2 Name=sleep Network=(null)\n"
                "   TRES=cpu=2,mem=0,node=1\n"
                "   ResvPorts=(null)\n"
                "   CPUFreqReq=Default Dist=Block\n"
                "   SrunHost:Pid\n"
                "\n",
            ),
            Row(
                "unknown step",
                "scontrol show step 999999.0",
                err=f"slurm_get_job_steps error: {UNKNOWN}\n",
                code=1,
            ),
            Row("no such step", "scontrol show step $step.7", "Job step <step>.7 not found\n", code=1),
            Row(
                "script",
                "scontrol write batch_script $run -",
                "#!/bin/sh\n# This script was created by sbatch --wrap.\n\nsleep 300\n",
            ),
            Row(
                "script into a file",
                "scontrol write batch_script $run; stat -c %A slurm-$run.sh; scontrol -Q write batch_script $run x.sh; cat x.sh | tail -1",
                "batch script for job <run> written to slurm-<run>.sh\n-rw-r--r--\nsleep 300\n",
            ),
            Row(
                "script of none",
                "scontrol write batch_script 999999",
                err=f"job script retrieval failed: {UNKNOWN}\n",
            ),
            Row("nothing to write", "scontrol write nosuch 1", err="invalid write argument:nosuch\n", code=1),
        ],
    ),
]
