"""sacct: which jobs it shows, and arrays, signals and what waits."""

from conformance.harness import Row, Scene

SCENES = [
    Scene(
        "sacct-choice",
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
                "two steps",
                "sacct -n -j $steps.0,$steps.1 -o jobid,jobname",
                ("<steps>.0              sh \n<steps>.1            true \n"),
            ),
            Row("a step without steps", "sacct -nX -j $steps.0 -o jobid", "<steps>        \n"),
            Row(
                "by name",
                "sacct -nX --name okjob,badjob",
                (
                    "<ok>             okjob       main <user> 1  COMPLETED      0:0 \n"
                    "<bad>            badjob       main <user> 1     FAILED      7:0 \n"
                ),
            ),
            Row("by no name", "sacct -nX --name nosuch"),
            Row(
                "by a name and a state",
                "sacct -nX --name okjob,badjob -s F -S now-1hour -E now",
                "<bad>            badjob       main <user> 1     FAILED      7:0 \n",
            ),
            Row(
                "failed ones",
                "sacct -nX -s failed -S now-1hour -E now -o jobid,state",
                ("<bad>            FAILED \n<kill>            FAILED \n"),
            ),
            Row(
                "several states",
                "sacct -nX -s CA,CD -S now-1hour -E now -o jobname%20,state",
                (
                    "               okjob  COMPLETED \n"
                    "   averyverylongname  COMPLETED \n"
                    "              canjob CANCELLED+ \n"
                ),
            ),
            Row("running now", "sacct -nX -s R -o jobname,state", "    runjob    RUNNING \n"),
            Row("failed now", "sacct -nX -s F"),
            Row("a state of a number", "sacct -nX -s CD -j $ok,$bad -o jobname", "     okjob \n"),
            Row("no states", "sacct -nX -s '' --name badjob -o jobname", "    badjob \n"),
            Row("held ones are not eligible", "sacct -nX --name heldjob"),
            Row(
                "held ones by number",
                "sacct -j $held -o jobname,state,start,end,eligible,nodelist,allocnodes",
                (
                    "   JobName      State               Start                 End            Eligible        NodeList AllocNodes \n"
                    "---------- ---------- ------------------- ------------------- ------------------- --------------- ---------- \n"
                    "   heldjob    PENDING             Unknown             Unknown             Unknown   None assigned          0 \n"
                ),
            ),
            Row("users", "sacct -nX -u $USER --name badjob -o jobname,user", "    badjob <user> \n"),
            Row("a user by number", "sacct -nX -u $(id -u) --name badjob -o jobname", "    badjob \n"),
            Row("all users", "sacct -a -nX --name badjob -o jobname", "    badjob \n"),
            Row(
                "a cluster", "sacct -nX -M mini --name badjob -o jobname,cluster", "    badjob       mini \n"
            ),
            Row("a node", "sacct -nX -N $(hostname -s) --name badjob -o jobname", "    badjob \n"),
            Row(
                "a partition",
                "sacct -nX -r main --partition main --name badjob -o jobname,partition",
                "    badjob       main \n",
            ),
            Row("an account", "sacct -nX -A $USER --name badjob -o jobname", "    badjob \n"),
            Row("processors", "sacct -nX -I 2-3 -o jobname%20", "   averyverylongname \n"),
            Row("a limit", "sacct -nX -k 5 -o jobname", "     okjob \n"),
            Row(
                "sizes",
                "sacct -nX -j $ok -o reqmem,timelimit,timelimitraw,ncpus,nnodes,reqnodes,qos",
                "      200M   00:05:00          5          1        1        1     normal \n",
            ),
            Row(
                "sizes in a unit",
                "sacct -nX -j $ok --units=K -o reqmem,reqtres%40; sacct -nX -j $ok --units=g -o reqmem",
                ("   204800K       billing=1,cpu=1,mem=204800K,node=1 \n     0.20G \n"),
            ),
            Row("sizes as they are", "sacct -nX -j $ok --units=K --noconvert -o reqmem", "   204800K \n"),
            Row(
                "what was asked for",
                "sacct -nX -j $bad -o reqmem,reqtres%40",
                "     4000M         billing=1,cpu=1,mem=4000M,node=1 \n",
            ),
            Row("the window's beginning", "sacct -nX -S now-1hour --name badjob -o jobname", "    badjob \n"),
            Row(
                "words for times",
                "for t in midnight today now-2days 'now - 2 weeks' 1/1/20 0101 uts1700000000 2020-02-30; do sacct -nX -S \"$t\" --name badjob -o jobname; done",
                (
                    "    badjob \n"
                    "    badjob \n"
                    "    badjob \n"
                    "    badjob \n"
                    "    badjob \n"
                    "    badjob \n"
                    "    badjob \n"
                    "    badjob \n"
                ),
            ),
            Row("a window before a number", "sacct -nX -j $ok -E 2020-01-01"),
            Row("times", "sacct -nX -j $bad -o submit,eligible,start,end", "<time> <time> <time> <time> \n"),
            Row(
                "times as hours",
                "SLURM_TIME_FORMAT=%H-%M-%S sacct -nX -j $bad -o start | tr 0-9 n",
                "           nn-nn-nn \n",
            ),
            Row(
                "a running one",
                "sacct -nP -j $run -o jobid,state,exitcode,end",
                ("<run>|RUNNING|0:0|Unknown\n<run>.batch|RUNNING|0:0|Unknown\n"),
            ),
            Row(
                "words",
                "sacct -j $ok foo bar",
                err=("sacct: error: Unknown arguments:\nsacct: error:  foo\nsacct: error:  bar\n"),
                code=1,
            ),
            Row(
                "json",
                'sacct --json -j $bad -X | python3 -c \'import json, sys; d = json.load(sys.stdin); print(sorted(d), sorted(d["jobs"][0]), d["jobs"][0]["state"])\'',
                "['errors', 'jobs', 'meta'] ['account', 'allocation_nodes', 'array', 'association', 'cluster', 'comment', 'constraints', 'container', 'derived_exit_code', 'exit_code', 'flags', 'group', 'het', 'job_id', 'kill_request_user', 'mcs', 'name', 'nodes', 'partition', 'priority', 'qos', 'required', 'reservation', 'state', 'steps', 'time', 'tres', 'user', 'wckey', 'working_directory'] {'current': 'FAILED', 'reason': 'None'}\n",
            ),
            Row(
                "json of steps",
                'sacct --json -j $steps | python3 -c \'import json, sys; s = json.load(sys.stdin)["jobs"][0]["steps"]; print(sorted(s[0]), [(x["step"]["id"], x["state"]) for x in s])\'',
                "['CPU', 'exit_code', 'kill_request_user', 'nodes', 'pid', 'state', 'statistics', 'step', 'task', 'tasks', 'time', 'tres'] [('batch', 'COMPLETED'), (0, 'FAILED'), (1, 'COMPLETED')]\n",
            ),
        ],
    ),
    Scene(
        "sacct-arrays",
        setup="""
            arr=$(sbatch --parsable -J arr -a 0-1 -o /dev/null --wrap 'exit $SLURM_ARRAY_TASK_ID')
            plain=$(sbatch --parsable -J plain -o /dev/null --wrap true)
            wait_end $arr $plain
            block=$(sbatch --parsable -J block -n 4 -o /dev/null --wrap 'sleep 600')
            wait_state $block RUNNING
            wait=$(sbatch --parsable -J wait -a 4-9:2%2 -o /dev/null --wrap true)
            dep=$(sbatch --parsable -J dep -d afterok:$block -o /dev/null --wrap true)
            late=$(sbatch --parsable -J late --begin now+1hour -o /dev/null --wrap true)
            gone=$(sbatch --parsable -J gone -o /dev/null --wrap true)
            until sacct -nX -j $gone -o state | grep -q PENDING; do sleep 0.2; done
            scancel $gone
            wait_end $gone
            for id in $wait $dep $late; do until sacct -nX -j $id -o state | grep -q PENDING; do sleep 0.2; done; done
        """,
        rows=[
            Row(
                "elements",
                "sacct -n -j $arr -o jobid,jobname,state,exitcode",
                (
                    "<arr>_0             arr  COMPLETED      0:0 \n"
                    "<arr>_0.bat+      batch  COMPLETED      0:0 \n"
                    "<arr>_1             arr     FAILED      1:0 \n"
                    "<arr>_1.bat+      batch     FAILED      1:0 \n"
                ),
            ),
            Row("elements, by index", "sacct -nX -j ${arr}_1 -o jobid,state", "<arr>_1          FAILED \n"),
            Row("no such element", "sacct -nX -j ${arr}_7 -o jobid,state"),
            Row(
                "what waits",
                "sacct -j $wait -o jobid%20,state,nodelist,alloccpus,start,end",
                (
                    "               JobID      State        NodeList  AllocCPUS               Start                 End \n"
                    "-------------------- ---------- --------------- ---------- ------------------- ------------------- \n"
                    "     <wait>_[4,6,8%2]    PENDING   None assigned          1             Unknown             Unknown \n"
                ),
            ),
            Row(
                "what waits, raw",
                "sacct -nP -j $wait -o jobid,jobidraw,jobname",
                "<wait>_[4,6,8%2]|<wait>|wait\n",
            ),
            Row(
                "several names",
                "sacct -nX -S now-1hour --name arr,plain,wait,block -o jobname,state | sort",
                (
                    "       arr     FAILED \n"
                    "       arr  COMPLETED \n"
                    "      wait    PENDING \n"
                    "     block    RUNNING \n"
                    "     plain  COMPLETED \n"
                ),
            ),
            Row(
                "reasons",
                "sacct -nX -j $wait,$plain,$block -o jobname,state,reason",
                (
                    "     plain  COMPLETED                   None \n"
                    "     block    RUNNING                   None \n"
                    "      wait    PENDING                   None \n"
                ),
            ),
            Row("pending now", "sacct -nX -s PD -o jobname,state", "      wait    PENDING \n"),
            Row(
                "cancelled before it began",
                "sacct -n -j $gone -o jobname,state%15,exitcode,start,nodelist,elapsed,allocnodes,reserved",
                "      gone  CANCELLED by 0      0:0                None   None assigned <span>          0    INVALID \n",
            ),
            Row(
                "not yet eligible",
                "sacct -nX -j $late -o jobname,reserved,start",
                "      late    INVALID             Unknown \n",
            ),
            Row(
                "resources",
                "sacct -nPX -j $block -o alloctres,alloccpus,reqcpus,nodelist; sacct -nPX -j $wait -o alloctres,alloccpus,reqcpus,nodelist",
                ("billing=4,cpu=4,node=1|4|4|<node>\n|1|1|None assigned\n"),
            ),
        ],
    ),
    Scene(
        "sacct-signals",
        setup="""
            slow=$(sbatch --parsable -J slow -o /dev/null --wrap 'srun sh -c "touch slow; exec sleep 600"')
            deaf=$(sbatch --parsable -J deaf -o /dev/null --wrap 'trap "" TERM; touch deaf; while :; do sleep 0.2; done')
            term=$(sbatch --parsable -J term -o /dev/null --wrap 'srun sh -c "kill -TERM \\$\\$"; srun sh -c "kill -9 \\$\\$"; exit 0')
            wait_file slow
            wait_file deaf
            scancel $slow $deaf
            wait_end $slow $deaf $term
            until sacct -n -j $deaf.batch -o exitcode | grep -q 0:9; do sleep 0.2; done
        """,
        rows=[
            Row(
                "steps of a cancelled one",
                "sacct -n -j $slow -o jobid,jobname,state%20,exitcode",
                (
                    "<slow>              slow       CANCELLED by 0      0:0 \n"
                    "<slow>.batch       batch            CANCELLED     0:15 \n"
                    "<slow>.0              sh            CANCELLED     0:15 \n"
                ),
            ),
            Row(
                "one that does not hear",
                "sacct -n -j $deaf -o jobid,state%20,exitcode",
                (
                    "<deaf>              CANCELLED by 0      0:0 \n"
                    "<deaf>.batch             CANCELLED      0:9 \n"
                ),
            ),
            Row(
                "steps that a signal ended",
                "sacct -n -j $term -o jobid,state%20,exitcode,derivedexitcode",
                (
                    "<term>                   COMPLETED      0:0            0:15 \n"
                    "<term>.batch             COMPLETED      0:0                 \n"
                    "<term>.0                 CANCELLED     0:15                 \n"
                    "<term>.1                 CANCELLED      0:9                 \n"
                ),
            ),
        ],
    ),
]
