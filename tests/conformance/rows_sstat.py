"""sstat: what the steps that run use."""

from conformance.harness import Row, Scene

SCENES = [
    Scene(
        "sstat",
        setup="""
            done=$(sbatch --parsable -o /dev/null --wrap true)
            both=$(sbatch --parsable -n 2 -o /dev/null --wrap 'srun -n 2 sh -c "touch both.\\$SLURM_PROCID; sleep 600"')
            plain=$(sbatch --parsable -o /dev/null --wrap 'touch plain.0; sleep 600')
            wait_end $done
            wait_file both.0; wait_file both.1; wait_file plain.0
            block=$(sbatch --parsable -H -o /dev/null --wrap 'sleep 600')
        """,
        rows=[
            Row(
                "a step",
                "sstat -j $both.0 -o jobid,ntasks,nodelist",
                (
                    "JobID          NTasks             Nodelist \n"
                    "------------ -------- -------------------- \n"
                    "<both>.0             2 <node> \n"
                ),
            ),
            Row(
                "the first step",
                "sstat -j $both -o jobid,ntasks",
                ("JobID          NTasks \n------------ -------- \n<both>.0             2 \n"),
            ),
            Row(
                "the script",
                "sstat -j $both.batch --format=JobID,NTasks",
                ("JobID          NTasks \n------------ -------- \n<both>.batch         1 \n"),
            ),
            Row(
                "all steps",
                "sstat -a -j $both -o jobid,ntasks",
                (
                    "JobID          NTasks \n"
                    "------------ -------- \n"
                    "<both>.batch         1 \n"
                    "<both>.0             2 \n"
                ),
            ),
            Row(
                "no steps but the script",
                "sstat -j $plain -o jobid,ntasks",
                ("JobID          NTasks \n------------ -------- \n"),
            ),
            Row("words without an option", "sstat -n $both.0 -o jobid", "<both>.0      \n"),
            Row(
                "bars",
                "sstat -p -j $both.0 -o jobid,ntasks; sstat -P -j $both.0 -o jobid,ntasks",
                ("JobID|NTasks|\n<both>.0|2|\nJobID|NTasks\n<both>.0|2\n"),
            ),
            Row(
                "the default header",
                "sstat -j $plain",
                (
                    "JobID         MaxVMSize  MaxVMSizeNode  MaxVMSizeTask  AveVMSize     MaxRSS MaxRSSNode MaxRSSTask     AveRSS MaxPages MaxPagesNode   MaxPagesTask   AvePages     MinCPU MinCPUNode MinCPUTask     AveCPU   NTasks AveCPUFreq ReqCPUFreqMin ReqCPUFreqMax ReqCPUFreqGov ConsumedEnergy  MaxDiskRead MaxDiskReadNode MaxDiskReadTask  AveDiskRead MaxDiskWrite MaxDiskWriteNode MaxDiskWriteTask AveDiskWrite TRESUsageInAve TRESUsageInMax TRESUsageInMaxNode TRESUsageInMaxTask TRESUsageInMin TRESUsageInMinNode TRESUsageInMinTask TRESUsageInTot TRESUsageOutAve TRESUsageOutMax TRESUsageOutMaxNode TRESUsageOutMaxTask TRESUsageOutMin TRESUsageOutMinNode TRESUsageOutMinTask TRESUsageOutTot \n"
                    "------------ ---------- -------------- -------------- ---------- ---------- ---------- ---------- ---------- -------- ------------ -------------- ---------- ---------- ---------- ---------- ---------- -------- ---------- ------------- ------------- ------------- -------------- ------------ --------------- --------------- ------------ ------------ ---------------- ---------------- ------------ -------------- -------------- ------------------ ------------------ -------------- ------------------ ------------------ -------------- --------------- --------------- ------------------- ------------------- --------------- ------------------- ------------------- --------------- \n"
                ),
            ),
            Row(
                "widths",
                "sstat -j $both.0 -o 'jobid%20,ntasks%3,nodelist%-12'",
                (
                    "               JobID NTa Nodelist     \n"
                    "-------------------- --- ------------ \n"
                    "             <both>.0   2 <node> \n"
                ),
            ),
            Row("the CPU time", "sstat -n -j $plain.batch -o avecpu%20 | tr -d ' '", "<span>\n"),
            Row(
                "the names of all fields",
                "sstat -e",
                (
                    "AveCPU              AveCPUFreq          AveDiskRead         AveDiskWrite       \n"
                    "AvePages            AveRSS              AveVMSize           ConsumedEnergy     \n"
                    "ConsumedEnergyRaw   JobID               MaxDiskRead         MaxDiskReadNode    \n"
                    "MaxDiskReadTask     MaxDiskWrite        MaxDiskWriteNode    MaxDiskWriteTask   \n"
                    "MaxPages            MaxPagesNode        MaxPagesTask        MaxRSS             \n"
                    "MaxRSSNode          MaxRSSTask          MaxVMSize           MaxVMSizeNode      \n"
                    "MaxVMSizeTask       MinCPU              MinCPUNode          MinCPUTask         \n"
                    "Nodelist            NTasks              Pids                ReqCPUFreq         \n"
                    "ReqCPUFreqMin       ReqCPUFreqMax       ReqCPUFreqGov       TRESUsageInAve     \n"
                    "TRESUsageInMax      TRESUsageInMaxNode  TRESUsageInMaxTask  TRESUsageInMin     \n"
                    "TRESUsageInMinNode  TRESUsageInMinTask  TRESUsageInTot      TRESUsageOutAve    \n"
                    "TRESUsageOutMax     TRESUsageOutMaxNode TRESUsageOutMaxTask TRESUsageOutMin    \n"
                    "TRESUsageOutMinNode TRESUsageOutMinTask TRESUsageOutTot    \n"
                ),
            ),
            Row(
                "a field that is none",
                "sstat -j $both -o bogus",
                err='sstat: error: Invalid field requested: "bogus"\n',
                code=1,
            ),
            Row(
                "not a step",
                "sstat -j $plain.3 -o jobid",
                ("JobID        \n------------ \n"),
                err="sstat: error: StepId=<plain>.3 not found running.\n",
            ),
            Row(
                "one that has ended",
                "sstat -j $done -o jobid",
                ("JobID        \n------------ \n"),
                err="sstat: error: No steps running for job <done>\n",
            ),
            Row(
                "one that waits",
                "sstat -n -j $block -o jobid",
                err="sstat: error: No steps running for job <block>\n",
            ),
            Row(
                "no such job",
                "sstat -n -j 999999 -o jobid",
                err="sstat: error: couldn't get steps for job 999999\n",
            ),
            Row("no number", "sstat -j abc", err="sstat: fatal: Bad job/step specified: abc\n", code=1),
            Row("no step", "sstat -j $plain.foo", err="sstat: fatal: Bad step specified: <plain>\n", code=1),
            Row("no job", "sstat", err="sstat: error: You didn't give me any jobs to stat.\n", code=1),
            Row(
                "an empty list",
                "sstat -j ''",
                err="sstat: error: You didn't give me any jobs to stat.\n",
                code=1,
            ),
            Row(
                "an option that is none",
                "sstat --nosuch",
                err="sstat: unrecognized option '--nosuch'\n",
                code=1,
            ),
            Row("a letter that is none", "sstat -Z", err="sstat: invalid option -- 'Z'\n", code=1),
            Row(
                "a letter without its value",
                "sstat -j",
                err="sstat: option requires an argument -- 'j'\n",
                code=1,
            ),
            Row("the version", "sstat -V", "slurm-wlm 22.05.8\n"),
            Row(
                "usage",
                "sstat --usage",
                ("Usage: sstat [options] -j <job(.stepid)>\n\tUse --help for help\n"),
            ),
        ],
    ),
]
