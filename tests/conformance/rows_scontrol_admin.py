"""scontrol: what it says to who may not administer the cluster, what it tells of processes, and what there is none of."""

from conformance.harness import Row, Scene

USER = "Invalid user id"
RIGHTS = "Permission denied"
HEAD = "PID      JOBID    STEPID   LOCALID GLOBALID\n"
UNKNOWN = "Invalid job id specified"
STARTED = "Job is no longer pending execution for job <run>\n"
ENTITIES = (
    "No valid entity in update command\n"
    'Input line must include "NodeName", "PartitionName", "Reservation", "JobId", or "SlurmctldDebug"\n'
)
# On a cluster this is said by somebody who may submit jobs and no more.
AS_USER = (
    'set --; [ -z "$SLURM_CONF" ] || [ "$(id -u)" != 0 ] || set -- setpriv --reuid 65534 --regid 65534 --clear-groups;'
    ' "$@" scontrol '
)


def refused(words: str, err: str, out: str = "", code: int = 1) -> Row:
    """A row of a user without rights."""
    return Row(words, f"{AS_USER}{words}", out, err + "\n" if err else "", code)


def field(change: str, shown: str, found: str, job: str = "job") -> Row:
    """A row of a change, and what of the record is shown after it."""
    command = f"scontrol update jobid=${job} {change}; scontrol show job ${job} | grep -oE '{shown}'"
    return Row(f"{job} {change}", command, found)


def refusal(change: str, err: str, job: str = "job") -> Row:
    """A row of a change that cannot be."""
    return Row(f"{job} {change}", f"scontrol update jobid=${job} {change}", err=err, code=1)


SCENES = [
    Scene(
        "scontrol-rights",
        setup="",
        rows=[
            refused("create", "too few arguments for create keyword"),
            refused("create foo=1", "scontrol: error: Invalid creation entity: foo=1"),
            refused("create partitionname=x", f"Error creating the partition: {USER}"),
            refused("create partitionname=x foo", "scontrol: error: Invalid input: foo  Request aborted"),
            refused("create nodename=n2", f"Error creating the node(s): {USER}"),
            refused(
                "create reservation",
                "scontrol: error: A start time must be given.  No reservation created.",
            ),
            refused(
                "create reservation starttime=now duration=5 nodes=ALL users=nobody",
                f"Error creating the reservation: {USER}",
            ),
            refused("delete", "too few arguments for delete keyword"),
            refused("delete foo=1", "Invalid deletion entity: foo=1"),
            refused("delete partition=x", f"delete_partition partition=x: {USER}"),
            refused("delete reservation r", f"delete_reservation reservation: {USER}"),
            refused(
                "delete node",
                "scontrol: error: Proper format is 'delete <ENTITY>=<ID>' or 'delete <ENTITY> <ID>'",
            ),
            refused("update foo", ENTITIES.rstrip()),
            refused("update name=x nice=1", ENTITIES.rstrip()),
            refused("update nodename=vm state=drain reason=x", f"slurm_update error: {USER}"),
            refused("update nodename=vm", "No changes specified"),
            refused("update nodename=vm foo=x", "Update of this parameter is not supported: foo=x\nRequest aborted"),
            refused("update partitionname=main state=down", f"slurm_update error: {USER}"),
            refused("update partitionname=main", "scontrol: error: No changes specified"),
            refused("update reservation=r", f"Error updating the reservation: {USER}\nslurm_update error: {USER}"),
            refused("update slurmctlddebug=3", f"slurm_update error: {RIGHTS}"),
            refused("update stepid=999999.0 timelimit=1", f"slurm_update error: {UNKNOWN}"),
            refused("update stepid=x timelimit=1", "Invalid StepID parameter: stepid=x\nRequest aborted"),
            refused("reboot", "Missing node list. Specify ALL|<NodeList>"),
            refused(
                "reboot asap vm",
                "scontrol: error: RebootProgram isn't defined\nscontrol_reboot_nodes error: Unspecified error",
            ),
            refused("reboot nextstate=x vm", "Invalid state: x\nValid states: DOWN, RESUME"),
            refused("cancel_reboot vm", f"slurm_update error: {USER}"),
            refused("shutdown", f"slurm_shutdown error: {USER}"),
            refused("shutdown foo", "invalid shutdown argument:foo"),
            refused("reconfigure", f"slurm_reconfigure error: {USER}"),
            refused("takeover 1", "takeover: invalid backup controller index (1)"),
            refused("setdebug info", f"slurm_set_debug_level error: {RIGHTS}"),
            refused("setdebug xx", "invalid debug level: xx"),
            refused("setdebugflags +backfill", f"slurm_set_debug_flags error: {RIGHTS}"),
            refused("setdebugflags backfill", "invalid debug flag: backfill\nUsage: setdebugflags [+|-]NAME"),
            refused("schedloglevel 1", f"slurm_set_schedlog_level error: {RIGHTS}"),
            refused("fsdampeningfactor 1", f"slurm_set_fs_dampeningfactor error: {RIGHTS}"),
            refused("token", "Error fetching token"),
            refused("token foo=x", "Invalid option: `foo=x`"),
            refused("write foo", "invalid write argument:foo"),
            refused("bbstat", "invalid keyword: bbstat"),
            refused("verbose x", "too many arguments for verbose keyword"),
            refused("details x", "too many arguments for keyword:details"),
            refused("all x", "", code=0),
        ],
    ),
    Scene(
        "scontrol-none",
        setup="",
        rows=[
            Row("error numbers", "for n in 0 2 2017 2084 8000; do scontrol errnumstr $n; done",
                "No error\nNo such file or directory\nInvalid job id specified\nJob has already finished\n"
                "Time limit specification required, but not provided\n"),
            Row("unknown error number", "scontrol errnumstr 999999", "Unknown error 999999\n"),
            Row("no error number", "scontrol errnumstr abc", err="numeric arguments required for keyword:errnumstr\n", code=1),
            Row("completing", "scontrol completing"),
            Row("no processes", "scontrol listpids", HEAD, "No job steps exist on this node.\n", 1),
            Row("no job", "scontrol listpids abc", err='"abc" does not look like a jobid\n', code=1),
            Row("no process", "scontrol pidinfo 1", err="Failed to locate job for requested pid\n", code=1),
            Row("nobody to wait for", "scontrol wait_job abc", err="Invalid job_id abc", code=1),
            Row("nobody to notify", "scontrol notify abc hi", err="Invalid job_id abcjob notify failure: No error\n", code=1),
            Row("reservations", "scontrol show reservation; scontrol show res x",
                "No reservations in the system\nReservation x not found\n", code=1),
            Row("licenses", "scontrol show lic; scontrol show lic x",
                "No licenses configured in Slurm.\nNo licenses configured in Slurm.\n"),
            Row("nothing", "for e in bbstat dwstat burstbuffer federation; do scontrol show $e; done"),
            Row("front ends", "scontrol show frontend; scontrol show frontend x", "No nodes in the system\nNode x not found\n", code=1),
            Row("topology", "scontrol show topology; scontrol show topology x",
                err="scontrol: error: No topology information available\n"
                    "scontrol: error: Topology information contains no switch or node named x\n"),
            Row("daemons", "scontrol show daemons; scontrol show daemons x", "slurmctld slurmd\n",
                "too many arguments for keyword:show\n", 1),
            Row("steps", "scontrol show step abc", "Job step 0.Invalid not found\n", code=1),
            Row("job zero", "scontrol show job 0", "Job 0 not found\n", code=1),
            Row("no partition", "scontrol show partition ''", "Partition  not found\n", code=1),
            Row("powercap", "scontrol show powercap", err="invalid entity:powercap for keyword:show \n", code=1),
            Row("unknown cluster", "scontrol -M foo ping",
                err="scontrol: error: No cluster 'foo' known by database.\n"
                    "scontrol: error: 'foo' can't be reached now, or it is an invalid entry for --cluster.  "
                    "Use 'sacctmgr list clusters' to see available clusters.\n", code=1),
            Row("unknown user", "scontrol --uid=nosuch ping", err='scontrol: error: --uid="nosuch" invalid\n'),
            Row("hosts", "scontrol show hostlist a2,a1,a3; scontrol show hostlistsorted a2,a1,a3; scontrol show hostnames 'a[1-2],b'",
                "a[2,1,3]\na[1-3]\na1\na2\nb\n"),
            Row("no file of hosts", "scontrol show hostlist /nonexistent", err="Can not open /nonexistent\n", code=1),
            Row("yaml", "for p in squeue sinfo sacct; do $p --yaml | head -4; done",
                3 * "%YAML 1.1\n--- !!map\n!!str meta: !!map\n  !!str plugin: !!map\n"),
            Row("usage", "for p in sbatch srun salloc squeue scancel sacct scontrol sinfo sstat sprio sacctmgr; do"
                " $p --help >/dev/null && $p --usage >/dev/null || echo $p; done"),
            Row("an ambiguous option", "squeue --a", err="squeue: option '--a' is ambiguous; possibilities: "
                "'--accounts' '--all' '--array' '--array-unique'\nTry \"squeue --help\" for more information\n", code=1),
            Row("another", "sbatch --cl", err="sbatch: option '--cl' is ambiguous; possibilities: '--cluster-constraint' '--cluster' "
                "'--clusters'\nTry \"sbatch --help\" for more information\n", code=255),
        ],
    ),
    Scene(
        "scontrol-fields",
        setup="""
            job=$(sbatch --parsable -J job -H -t 60 --mem 100M -o /dev/null --wrap 'sleep 300')
            run=$(sbatch --parsable -J runjob -t 60 --mem 100M -o out -e err --wrap 'sleep 300')
            fin=$(sbatch --parsable -J fin -t 10 --mem 100M -o /dev/null --wrap true)
            wait_state $run RUNNING; wait_end $fin
        """,
        rows=[
            Row("processes", "scontrol listpids $run | awk '{print $2, $3, $4, $5}'",
                "JOBID STEPID LOCALID GLOBALID\n<run> batch 0 0\n<run> batch - -\n"),
            Row("no such step", "scontrol listpids $run.7 | wc -l", "1\n", "StepId=<run>.7 does not exist on node (null).\n"),
            Row("no steps", "scontrol listpids $fin", HEAD, "There are no steps for job <fin> on node (null).\n", 1),
            Row("notify", "scontrol notify $run hello there; until [ -s err ]; do sleep 0.1; done; sed 's/-[^:]*:/:/' err",
                "slurmstepd: error: hello there\n"),
            Row("priority of what is held", "scontrol update jobid=$job priority=5",
                err="Job is in held state, pending scheduler release for job <job>\n", code=1),
            Row("notify what waits", "scontrol notify $job hi", err="job notify failure: Requested operation is presently disabled\n", code=1),
            Row("notify what is over", "scontrol notify $fin hi", err="job notify failure: Job/step already completing or completed\n", code=1),
            Row("wait", "scontrol wait_job $run", err="scontrol: Nodes are ready for job <run>\n"),
            Row("wait for what is over", "scontrol wait_job $fin", err="scontrol: Job <fin> no longer running\n", code=1),
            field("stdout=/tmp/x.out", "StdOut=.*", "StdOut=/tmp/x.out\n"),
            field("workdir=/tmp", "WorkDir=.*", "WorkDir=/tmp\n"),
            field("cpuspertask=2", "CPUs/Task=.", "CPUs/Task=2\n"),
            field("cpuspertask=1 numtasks=2", "NumTasks=.", "NumTasks=2\n"),
            field("tasks=2", "NtasksPerN:B:S:C=.", "NtasksPerN:B:S:C=2\n"),
            field("minmemorycpu=50", "MinMemoryCPU=[0-9]*M", "MinMemoryCPU=50M\n"),
            field("mintmpdisk=10", "MinTmpDiskNode=.*", "MinTmpDiskNode=10M\n"),
            field("deadline=2035-01-01", "Deadline=.*", "Deadline=<time>\n"),
            field("timemin=3", "TimeMin=.*", "TimeMin=00:03:00\n"),
            field("delayboot=5", "DelayBoot=.*", "DelayBoot=00:05:00\n"),
            field("admincomment=foo", "AdminComment=foo", "AdminComment=foo\n"),
            field("com=bar", " Comment=bar", " Comment=bar\n"),
            field("switches=1@2", "Switches=.*", "Switches=1@00:02:00\n"),
            field("wait-for-switch=10", "Switches=.*", "Switches=1@<span>\n"),
            field("mailtype=all", "MailType=.*", "MailType=INVALID_DEPEND,BEGIN,END,FAIL,REQUEUE,STAGE_OUT\n"),
            field("mailuser=foo", "MailUser=[a-z]*", "MailUser=foo\n"),
            field("reqnodelist=$(hostname -s)", "ReqNodeList=[^ ]*", "ReqNodeList=<node>\n"),
            field("nodelist=", "ReqNodeList=[^ ]*", "ReqNodeList=(null)\n"),
            field("numnodes=1", "NumNodes=1", "NumNodes=1\n"),
            field("mailtype=end", "MailType=.*", "MailType=END\n", "run"),
            field("endtime=now+30minutes", "TimeLimit=00:3", "TimeLimit=00:3\n", "run"),
            field("comment=foo", "Comment=foo", "Comment=foo\n", "run"),
            Row("a job and a word", "scontrol update job $job nice=3; squeue -h -j $job -o %y", "3\n"),
            Row("no count of nodes", "scontrol update jobid=$job numnodes=x",
                err='scontrol: error: Invalid numeric value "x" for requested node count.\n'),
            *(
                refusal(change, err.replace("JOB", "<job>"))
                for change, err in (
                    ("stderr=x", "Update of this parameter is not supported: stderr=x\nRequest aborted\n"),
                    ("gres=foo:1", "Invalid generic resource (gres) specification for job JOB\n"),
                    ("features=foo", "Invalid feature specification for job JOB\n"),
                    ("mailtype=foo", "Invalid MailType: foo\n"),
                    ("numtasks=0", "Task count specification invalid for job JOB\n"),
                    ("numnodes=0", "Node count specification invalid for job JOB\n"),
                    ("reqcores=x", "scontrol: error: Invalid ReqCores value: x\n"),
                    ("minmemorynode=1G", "scontrol: error: Invalid MinMemoryNode value: 1G\n"),
                    ("deadline=x", "Invalid time specification (pos=0): x\nNo changes specified\n"),
                    ("deadline=now-1hour", "Invalid time specified for job JOB\n"),
                    ("endtime=now+1hour", "Job is not running for job JOB\n"),
                    ("timemin=x", "scontrol: error: Invalid TimeMin value\n"),
                    ("timemin=10000", "Invalid time-min specification (exceeds job's time or other limits) for job JOB\n"),
                    ("nodelist=nosuch", "Invalid node name specified for job JOB\n"),
                    ("excnodelist=nosuch", "Invalid node name specified for job JOB\n"),
                    ("licenses=foo", "Invalid license specification for job JOB\n"),
                    ("reservation=foo", "Requested reservation is invalid for job JOB\n"),
                    ("burstbuffer=x", "Requested operation not supported on this system for job JOB\n"),
                    ("clusters=x", "Unspecified error for job JOB\n"),
                    ("nice+=5", "scontrol: error: Option nice+=5 does not accept [+|-]= syntax\n"),
                    ("userid=nosuch nice=1", "Invalid UserID: nosuch\nRequest aborted\n"),
                    ("nice=99999999999", "scontrol: error: Nice value out of range (+/- 2147483645). Value ignored\n"),
                )
            ),
            *(
                refusal(change, STARTED, "run")
                for change in (
                    "stdout=x", "workdir=/", "gres=foo:1", "features=foo", "partition=nosuch", "account=foo", "numtasks=2", "numnodes=1-1",
                    "cpuspertask=2", "mincpusnode=2", "minmemorynode=50", "minmemorycpu=5", "mintmpdisknode=1", "starttime=now",
                    "excnodelist=nosuch", "dependency=singleton", "wckey=x", "tasks=2", "reqcores=1",
                )
            ),
        ],
    ),
]  # fmt: skip
