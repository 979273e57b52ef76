"""sacct: what it says of itself, and what it refuses."""

from conformance.harness import Row, Scene

SCENES = [
    Scene(
        "sacct-words",
        setup="""
            ok=70001
            bad=70002
        """,
        rows=[
            Row(
                "a field that is none",
                "sacct --format=Bogus",
                err='sacct: error: Invalid field requested: "Bogus"\n',
                code=1,
            ),
            Row(
                "a wrong SACCT_FORMAT",
                "SACCT_FORMAT=bogus sacct -X -j $bad",
                err='sacct: error: Invalid field requested: "bogus"\n',
                code=1,
            ),
            Row(
                "fields and all fields",
                "sacct -l -o jobid -j $bad",
                err="sacct: fatal: Options -o(--format) and -l(--long) are mutually exclusive. Please remove one and retry.\n",
                code=1,
            ),
            Row(
                "the names of all fields",
                "sacct --helpformat",
                (
                    "Account             AdminComment        AllocCPUS           AllocNodes         \n"
                    "AllocTRES           AssocID             AveCPU              AveCPUFreq         \n"
                    "AveDiskRead         AveDiskWrite        AvePages            AveRSS             \n"
                    "AveVMSize           BlockID             Cluster             Comment            \n"
                    "Constraints         ConsumedEnergy      ConsumedEnergyRaw   Container          \n"
                    "CPUTime             CPUTimeRAW          DBIndex             DerivedExitCode    \n"
                    "Elapsed             ElapsedRaw          Eligible            End                \n"
                    "ExitCode            Flags               GID                 Group              \n"
                    "JobID               JobIDRaw            JobName             Layout             \n"
                    "MaxDiskRead         MaxDiskReadNode     MaxDiskReadTask     MaxDiskWrite       \n"
                    "MaxDiskWriteNode    MaxDiskWriteTask    MaxPages            MaxPagesNode       \n"
                    "MaxPagesTask        MaxRSS              MaxRSSNode          MaxRSSTask         \n"
                    "MaxVMSize           MaxVMSizeNode       MaxVMSizeTask       McsLabel           \n"
                    "MinCPU              MinCPUNode          MinCPUTask          NCPUS              \n"
                    "NNodes              NodeList            NTasks              Partition          \n"
                    "Priority            QOS                 QOSRAW              Reason             \n"
                    "ReqCPUFreq          ReqCPUFreqGov       ReqCPUFreqMax       ReqCPUFreqMin      \n"
                    "ReqCPUS             ReqMem              ReqNodes            ReqTRES            \n"
                    "Reservation         ReservationId       Reserved            ResvCPU            \n"
                    "ResvCPURAW          Start               State               Submit             \n"
                    "SubmitLine          Suspended           SystemComment       SystemCPU          \n"
                    "Timelimit           TimelimitRaw        TotalCPU            TRESUsageInAve     \n"
                    "TRESUsageInMax      TRESUsageInMaxNode  TRESUsageInMaxTask  TRESUsageInMin     \n"
                    "TRESUsageInMinNode  TRESUsageInMinTask  TRESUsageInTot      TRESUsageOutAve    \n"
                    "TRESUsageOutMax     TRESUsageOutMaxNode TRESUsageOutMaxTask TRESUsageOutMin    \n"
                    "TRESUsageOutMinNode TRESUsageOutMinTask TRESUsageOutTot     UID                \n"
                    "User                UserCPU             WCKey               WCKeyID            \n"
                    "WorkDir            \n"
                ),
            ),
            Row(
                "the long list's header",
                "sacct -l -j 999999",
                (
                    "JobID        JobIDRaw        JobName  Partition  MaxVMSize  MaxVMSizeNode  MaxVMSizeTask  AveVMSize     MaxRSS MaxRSSNode MaxRSSTask     AveRSS MaxPages MaxPagesNode   MaxPagesTask   AvePages     MinCPU MinCPUNode MinCPUTask     AveCPU   NTasks  AllocCPUS    Elapsed      State ExitCode AveCPUFreq ReqCPUFreqMin ReqCPUFreqMax ReqCPUFreqGov     ReqMem ConsumedEnergy  MaxDiskRead MaxDiskReadNode MaxDiskReadTask    AveDiskRead MaxDiskWrite MaxDiskWriteNode MaxDiskWriteTask   AveDiskWrite    ReqTRES  AllocTRES TRESUsageInAve TRESUsageInMax TRESUsageInMaxNode TRESUsageInMaxTask TRESUsageInMin TRESUsageInMinNode TRESUsageInMinTask TRESUsageInTot TRESUsageOutMax TRESUsageOutMaxNode TRESUsageOutMaxTask TRESUsageOutAve TRESUsageOutTot \n"
                    "------------ ------------ ---------- ---------- ---------- -------------- -------------- ---------- ---------- ---------- ---------- ---------- -------- ------------ -------------- ---------- ---------- ---------- ---------- ---------- -------- ---------- ---------- ---------- -------- ---------- ------------- ------------- ------------- ---------- -------------- ------------ --------------- --------------- -------------- ------------ ---------------- ---------------- -------------- ---------- ---------- -------------- -------------- ------------------ ------------------ -------------- ------------------ ------------------ -------------- --------------- ------------------- ------------------- --------------- --------------- \n"
                ),
            ),
            Row(
                "all fields' header",
                "sacct -o all -P -j 999999",
                "Account|AdminComment|AllocCPUS|AllocNodes|AllocTRES|AssocID|AveCPU|AveCPUFreq|AveDiskRead|AveDiskWrite|AvePages|AveRSS|AveVMSize|BlockID|Cluster|Comment|Constraints|ConsumedEnergy|ConsumedEnergyRaw|Container|CPUTime|CPUTimeRAW|DBIndex|DerivedExitCode|Elapsed|ElapsedRaw|Eligible|End|ExitCode|Flags|GID|Group|JobID|JobIDRaw|JobName|Layout|MaxDiskRead|MaxDiskReadNode|MaxDiskReadTask|MaxDiskWrite|MaxDiskWriteNode|MaxDiskWriteTask|MaxPages|MaxPagesNode|MaxPagesTask|MaxRSS|MaxRSSNode|MaxRSSTask|MaxVMSize|MaxVMSizeNode|MaxVMSizeTask|McsLabel|MinCPU|MinCPUNode|MinCPUTask|NCPUS|NNodes|NodeList|NTasks|Partition|Priority|QOS|QOSRAW|Reason|ReqCPUFreq|ReqCPUFreqGov|ReqCPUFreqMax|ReqCPUFreqMin|ReqCPUS|ReqMem|ReqNodes|ReqTRES|Reservation|ReservationId|Reserved|ResvCPU|ResvCPURAW|Start|State|Submit|SubmitLine|Suspended|SystemComment|SystemCPU|Timelimit|TimelimitRaw|TotalCPU|TRESUsageInAve|TRESUsageInMax|TRESUsageInMaxNode|TRESUsageInMaxTask|TRESUsageInMin|TRESUsageInMinNode|TRESUsageInMinTask|TRESUsageInTot|TRESUsageOutAve|TRESUsageOutMax|TRESUsageOutMaxNode|TRESUsageOutMaxTask|TRESUsageOutMin|TRESUsageOutMinNode|TRESUsageOutMinTask|TRESUsageOutTot|UID|User|UserCPU|WCKey|WCKeyID|WorkDir\n",
            ),
            Row(
                "all fields' widths",
                "sacct -o all -j 999999 | tail -1",
                "---------- --------------- ---------- ---------- ---------- ------- ---------- ---------- -------------- -------------- ---------- ---------- ---------- ---------------- ---------- -------------- ------------------- -------------- ----------------- ------------------- ---------- ---------- ---------- --------------- ---------- ---------- ------------------- ------------------- -------- ------------------- ------ --------- ------------ ------------ ---------- --------- ------------ --------------- --------------- ------------ ---------------- ---------------- -------- ------------ -------------- ---------- ---------- ---------- ---------- -------------- -------------- ------------ ---------- ---------- ---------- ---------- -------- --------------- -------- ---------- ---------- ---------- ------ ---------------------- ---------- ------------- ------------- ------------- -------- ---------- -------- ---------- -------------------- -------- ---------- ---------- ---------- ------------------- ---------- ------------------- -------------------- ---------- --------------- ---------- ---------- ---------- ---------- -------------- -------------- ------------------ ------------------ -------------- ------------------ ------------------ -------------- --------------- --------------- ------------------- ------------------- --------------- ------------------- ------------------- --------------- ------ --------- ---------- ---------- ---------- -------------------- \n",
            ),
            Row(
                "no such job",
                "sacct -j 999999",
                (
                    "JobID           JobName  Partition    Account  AllocCPUS      State ExitCode \n"
                    "------------ ---------- ---------- ---------- ---------- ---------- -------- \n"
                ),
            ),
            Row("no number", "sacct -j abc", err="sacct: fatal: Bad job/step specified: abc\n", code=1),
            Row(
                "no state",
                "sacct -s bogus",
                err="sacct: fatal: unrecognized job state value 'bogus'\n",
                code=1,
            ),
            Row(
                "a state that is no end",
                "sacct -s CG",
                err="sacct: fatal: job state CG is not supported / accounted\n",
                code=1,
            ),
            Row(
                "no such user",
                "sacct -u nosuchuser",
                err="sacct: error: Invalid user id: nosuchuser\n",
                code=1,
            ),
            Row("no user", "sacct -u ''", code=1),
            Row(
                "no such group",
                "sacct -g nosuchgroup",
                err="sacct: error: Invalid group id: nosuchgroup\n",
                code=1,
            ),
            Row(
                "snakemake's call without a shell",
                "sacct -nu $USER -o Account%256 '|' tail -1",
                err="sacct: invalid option -- '1'\n",
                code=1,
            ),
            Row(
                "another cluster",
                "sacct -M nosuch",
                (
                    "JobID           JobName  Partition    Account  AllocCPUS      State ExitCode \n"
                    "------------ ---------- ---------- ---------- ---------- ---------- -------- \n"
                ),
            ),
            Row("another node", "sacct -nX -N nosuch"),
            Row("another partition", "sacct -nX -r nosuch"),
            Row(
                "no processors",
                "sacct -I foo",
                err='sacct: error: Invalid numeric value "foo" for requested cpu range.\n',
                code=1,
            ),
            Row(
                "no nodes",
                "sacct -i x",
                err='sacct: error: Invalid numeric value "x" for requested node range.\n',
                code=1,
            ),
            Row("no limit", "sacct -k foo", err="sacct: fatal: Invalid time limit specification\n", code=1),
            Row(
                "no unit",
                "sacct --units=X",
                err=(
                    "sacct: error: Invalid unit type 'X'. Possible options are 'KMGTP'\n"
                    "sacct: fatal: Invalid unit type\n"
                ),
                code=1,
            ),
            Row("the window's end", "sacct -nX -E 2020-01-01 -S 2019-12-31"),
            Row(
                "a window that begins after its end",
                "sacct -S now+1hour",
                err="sacct: error: Start time (<time>) requested is after end time (<time>).\n",
                code=1,
            ),
            Row(
                "a window that begins after its end, both told",
                "sacct -S 2021-01-01 -E 2020-01-01",
                err="sacct: error: Start time (<time>) requested is after end time (<time>).\n",
                code=1,
            ),
            Row("no time", "sacct -S foo", err="Invalid time specification (pos=0): foo\n", code=1),
            Row("no hour", "sacct -S 25:00", err="Invalid time specification (pos=0): 25:00\n", code=1),
            Row(
                "no month",
                "sacct -E 2026-13-01",
                err="Invalid time specification (pos=5): 2026-13-01\n",
                code=1,
            ),
            Row(
                "half a time",
                "sacct -S 2026-11-21T17",
                err="Invalid time specification (pos=11): 2026-11-21T17\n",
                code=1,
            ),
            Row(
                "a unit that is none",
                "sacct -S now-2months",
                err="Invalid time specification (pos=4): now-2months\n",
                code=1,
            ),
            Row(
                "an hour that is none",
                "sacct -S 17:00PM",
                err="Invalid time specification (pos=5): 17:00PM\n",
                code=1,
            ),
            Row(
                "words that are none",
                'for t in yesterday elevenses 4PM 1700000000 noon-1; do sacct -S "$t"; done',
                err=(
                    "Invalid time specification (pos=0): yesterday\n"
                    "Invalid time specification (pos=0): elevenses\n"
                    "Invalid time specification (pos=1): 4PM\n"
                    "Invalid time specification (pos=0): 1700000000\n"
                    "Invalid time specification (pos=6): noon-1\n"
                ),
                code=1,
            ),
            Row(
                "an option that is none",
                "sacct --nosuch",
                err="sacct: unrecognized option '--nosuch'\n",
                code=1,
            ),
            Row(
                "an option that is none, with a value",
                "sacct --nosuch=3",
                err="sacct: unrecognized option '--nosuch=3'\n",
                code=1,
            ),
            Row("a letter that is none", "sacct -Z", err="sacct: invalid option -- 'Z'\n", code=1),
            Row(
                "a letter without its value",
                "sacct -j",
                err="sacct: option requires an argument -- 'j'\n",
                code=1,
            ),
            Row(
                "a name without its value",
                "sacct --jobs",
                err="sacct: option '--jobs' requires an argument\n",
                code=1,
            ),
            Row(
                "a flag with a value",
                "sacct --noheader=3",
                err="sacct: option '--noheader' doesn't allow an argument\n",
                code=1,
            ),
            Row("the version", "sacct -V; sacct --version", ("slurm-wlm 22.05.8\nslurm-wlm 22.05.8\n")),
            Row("usage", "sacct --usage", ("Usage: sacct [options]\n\tUse --help for help\n")),
            Row(
                "whole-hetjob",
                "sacct --whole-hetjob=foo",
                err='sacct: error: Invalid --whole-hetjob value "foo". Valid values: [yes|no].\n',
                code=1,
            ),
        ],
    ),
]
