"""sacct: the lists of jobs that have ended, run or wait, their layouts and steps."""

from conformance.harness import Row, Scene

SCENES = [
    Scene(
        "sacct-lists",
        setup="""
            ok=$(sbatch --parsable -J okjob -t 5 --mem 200 -o /dev/null --wrap true)
            bad=$(sbatch --parsable -J badjob -o /dev/null --wrap 'exit 7')
            kill=$(sbatch --parsable -J killjob -o /dev/null --wrap 'kill -9 $$')
            steps=$(sbatch --parsable -J averyverylongname -n 2 -o /dev/null --wrap 'srun -n 1 sh -c "exit 5"; srun -n 2 true')
            run=$(sbatch --parsable -J runjob -o /dev/null --wrap 'sleep 600')
            wait_end $ok $bad $kill $steps
            can=$(sbatch --parsable -J canjob -o /dev/null --wrap 'touch can; sleep 600')
            wait_file can
            scancel $can
            wait_end $can
            held=$(sbatch --parsable -J heldjob -H -o /dev/null --wrap true)
            wait_state $run RUNNING
            until sacct -nX -j $run -o state | grep -q RUNNING; do sleep 0.2; done
            until sacct -nX -j $held -o state | grep -q PENDING; do sleep 0.2; done
        """,
        rows=[
            Row(
                "the default list",
                "sacct -j $ok,$bad",
                (
                    "JobID           JobName  Partition    Account  AllocCPUS      State ExitCode \n"
                    "------------ ---------- ---------- ---------- ---------- ---------- -------- \n"
                    "<ok>             okjob       main <user> 1  COMPLETED      0:0 \n"
                    "<ok>.batch       batch <user> 1  COMPLETED      0:0 \n"
                    "<bad>            badjob       main <user> 1     FAILED      7:0 \n"
                    "<bad>.batch       batch <user> 1     FAILED      7:0 \n"
                ),
            ),
            Row(
                "no header",
                "sacct -n -j $ok",
                (
                    "<ok>             okjob       main <user> 1  COMPLETED      0:0 \n"
                    "<ok>.batch       batch <user> 1  COMPLETED      0:0 \n"
                ),
            ),
            Row(
                "only the jobs",
                "sacct -X -n -j $ok,$bad",
                (
                    "<ok>             okjob       main <user> 1  COMPLETED      0:0 \n"
                    "<bad>            badjob       main <user> 1     FAILED      7:0 \n"
                ),
            ),
            Row(
                "a signal",
                "sacct -n -j $kill",
                (
                    "<kill>           killjob       main <user> 1     FAILED      0:9 \n"
                    "<kill>.batch       batch <user> 1  CANCELLED      0:9 \n"
                ),
            ),
            Row(
                "steps, and a name that is too long",
                "sacct -n -j $steps",
                (
                    "<steps>        averyvery+       main <user> 2  COMPLETED      0:0 \n"
                    "<steps>.batch       batch <user> 2  COMPLETED      0:0 \n"
                    "<steps>.0              sh <user> 2     FAILED      5:0 \n"
                    "<steps>.1            true <user> 2  COMPLETED      0:0 \n"
                ),
            ),
            Row(
                "cancelled",
                "sacct -n -j $can -o jobid,state,exitcode",
                ("<can>        CANCELLED+      0:0 \n<can>.batch   CANCELLED     0:15 \n"),
            ),
            Row(
                "cancelled, with room",
                "sacct -n -j $can -o jobid,state%20,exitcode",
                (
                    "<can>              CANCELLED by 0      0:0 \n"
                    "<can>.batch             CANCELLED     0:15 \n"
                ),
            ),
            Row(
                "cancelled, parsable",
                "sacct -n -P -j $can -o jobid,state,exitcode",
                ("<can>|CANCELLED by 0|0:0\n<can>.batch|CANCELLED|0:15\n"),
            ),
            Row(
                "the codes of the steps",
                "sacct -n -P -j $steps -o JobID,JobName,State,ExitCode,DerivedExitCode,NTasks,AllocCPUS",
                (
                    "<steps>|averyverylongname|COMPLETED|0:0|5:0||2\n"
                    "<steps>.batch|batch|COMPLETED|0:0||1|2\n"
                    "<steps>.0|sh|FAILED|5:0||1|2\n"
                    "<steps>.1|true|COMPLETED|0:0||2|2\n"
                ),
            ),
            Row(
                "brief",
                "sacct -b -j $bad",
                (
                    "JobID             State ExitCode \n"
                    "------------ ---------- -------- \n"
                    "<bad>            FAILED      7:0 \n"
                    "<bad>.batch      FAILED      7:0 \n"
                ),
            ),
            Row(
                "brief after the fields",
                "sacct -b -o jobname -n -j $bad",
                (
                    "    badjob <bad>            FAILED      7:0 \n"
                    "     batch <bad>.batch      FAILED      7:0 \n"
                ),
            ),
            Row(
                "bars behind",
                "sacct -p -j $bad -o jobid,state",
                ("JobID|State|\n<bad>|FAILED|\n<bad>.batch|FAILED|\n"),
            ),
            Row(
                "bars between",
                "sacct -P -j $bad -o JobID,JobIDRaw,State,ExitCode",
                (
                    "JobID|JobIDRaw|State|ExitCode\n"
                    "<bad>|<bad>|FAILED|7:0\n"
                    "<bad>.batch|<bad>.batch|FAILED|7:0\n"
                ),
            ),
            Row("the last way counts", "sacct -P -p -n -X -j $bad -o jobid,state", "<bad>|FAILED|\n"),
            Row(
                "another delimiter",
                "sacct -P --delimiter ' :: ' -j $bad -o jobid,state",
                ("JobID :: State\n<bad> :: FAILED\n<bad>.batch :: FAILED\n"),
            ),
            Row("an empty delimiter", "sacct -P --delimiter= -nX -j $bad -o jobname,state", "badjobFAILED\n"),
            Row(
                "a delimiter without -P",
                "sacct --delimiter=, -nX -j $bad -o jobname,state",
                "    badjob     FAILED \n",
            ),
            Row(
                "widths",
                "sacct -j $run -o 'jobname%4,state%-20,jobid%20,partition%2'",
                (
                    "JobN State                               JobID Pa \n"
                    "---- -------------------- -------------------- -- \n"
                    "run+ RUNNING                             <run> m+ \n"
                    "bat+ RUNNING                       <run>.batch    \n"
                ),
            ),
            Row("no width", "sacct -n -X -j $bad -o jobname%,state%0,exitcode", "       7:0 \n"),
            Row(
                "names in any case and by their beginning",
                "sacct -nX -j $bad -o JOBNAM,sTate,exit",
                "    badjob     FAILED      7:0 \n",
            ),
            Row("blanks in a list", "sacct -nX -j $bad -o 'jobname, state'", "    badjob     FAILED \n"),
            Row("no field", "sacct -nX -j $bad -o ''", "\n"),
            Row(
                "two words as a field",
                "sacct -j $bad -o 'jobid state'",
                err='sacct: error: Invalid field requested: "jobid state"\n',
                code=1,
            ),
            Row(
                "SACCT_FORMAT",
                "SACCT_FORMAT=jobname,state sacct -X -j $bad",
                ("   JobName      State \n---------- ---------- \n    badjob     FAILED \n"),
            ),
            Row(
                "a list with one that is none",
                "sacct -j $ok,abc",
                err="sacct: fatal: Bad job/step specified: abc\n",
                code=1,
            ),
            Row(
                "no index",
                "sacct -j ${ok}_x",
                err="sacct: fatal: Bad job array element specified: <ok>\n",
                code=1,
            ),
            Row(
                "indexes in brackets",
                'sacct -j "${ok}_[1-2]"',
                err="sacct: fatal: Bad job array element specified: <ok>\n",
                code=1,
            ),
            Row("no step", "sacct -j $ok.foo", err="sacct: fatal: Bad step specified: <ok>\n", code=1),
            Row(
                "what follows a number is not read",
                "sacct -nX -j ${ok}x",
                "<ok>             okjob       main <user> 1  COMPLETED      0:0 \n",
            ),
            Row("an index of no array", "sacct -nX -j ${ok}_0"),
            Row(
                "numbers twice, and twice the option",
                "sacct -nX -j $bad,$bad -j $ok",
                (
                    "<ok>             okjob       main <user> 1  COMPLETED      0:0 \n"
                    "<bad>            badjob       main <user> 1     FAILED      7:0 \n"
                ),
            ),
            Row(
                "a prefix of an option",
                "sacct -nX --job $ok",
                "<ok>             okjob       main <user> 1  COMPLETED      0:0 \n",
            ),
            Row(
                "a step", "sacct -n -j $steps.0", "<steps>.0              sh <user> 2     FAILED      5:0 \n"
            ),
            Row(
                "a script",
                "sacct -n -j $steps.batch",
                "<steps>.batch       batch <user> 2  COMPLETED      0:0 \n",
            ),
            Row("no extern", "sacct -n -j $steps.extern"),
            Row("no such step", "sacct -n -j $steps.7"),
        ],
    ),
]
