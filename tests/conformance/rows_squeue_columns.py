"""squeue: its columns, their widths, and the order of its lines."""

from conformance.harness import Row, Scene
from conformance.rows_squeue import HEADER, SETUP

SCENES = [
    Scene(
        "squeue-columns",
        setup=SETUP,
        rows=[
            Row(
                "widths",
                "squeue -h -j $run -o '%.3j|%3j|%.12j|%12j|%j|'",
                out="run|run|      run me|run me      |run me|\n",
            ),
            Row(
                "widths of times",
                "squeue -h -j $arr -o '%.5l|%5l|%.14l|%l'",
                out="1-00:00:00|1-00:|    1-00:00:00|1-00:00:00\n",
            ),
            Row(
                "header is cut",
                "squeue -o '%.3j|%3j|%.12l|%R' -n nosuch",
                out="NAM|NAM|  TIME_LIMIT|NODELIST(REASON)\n",
            ),
            Row(
                "unknown letter",
                "squeue -h -j $held -o '%i %? %-5j %j'",
                out="<held> %? %-5j held\n",
                err="squeue: error: Invalid job format specification: ?\n"
                "squeue: error: Invalid job format specification: -\n",
            ),
            Row("no letter", "squeue -j $held -o abc", out="abc\nabc\n"),
            Row("empty format", "squeue -j $held -o ''", out="\n\n"),
            Row("two per cent signs", "squeue -h -j $held -o '%%%j'", out="held\n"),
            Row(
                "letters of a waiting job",
                "squeue -h -j $held -o '%A|%B|%C|%c|%D|%d|%E|%f|%F|%h|%H|%i|%I|%j|%J|%k|%K|%l|%L|%M|%n|%N|%O|%P|%Q|%r|%R|%S|%e|%t|%T|%v|%W|%w|%x|%X|%y|%Y|%z|%Z|%p'",
                out="<held>|n/a|2|1|1|0|(null)|(null)|<held>|OK|*|<held>|*|held|*|(null)|N/A|1:30:00|1:30:00|<span>|||0|main|0|JobHeldUser|(JobHeldUser)|N/A|N/A|PD|PENDING|(null)|(null)|(null)||N/A|0|(null)|*:*:*|<dir>|0.00000000000000\n",
            ),
            Row(
                "letters of a running job",
                "squeue -h -j $run -o '%B|%C|%c|%E|%h|%k|%l|%m|%N|%R|%S|%e|%V|%W|%Y|%r|%s|'",
                out="<node>|2|1|(null)|OK|c d|10:00|200M|<node>|<node>|<time>|<time>|<time>|(null)|(null)|None||\n",
            ),
            Row(
                "dependency",
                "squeue -h -j $dep,$never -o '%j %E %r'",
                out="dep afterok:<run>(unfulfilled) Dependency\n"
                "never afterok:<bad>(failed) DependencyNeverSatisfied\n",
            ),
            Row("nice", "squeue -h -j $beg -o '%y %S %r %E'", out="5 <time> BeginTime (null)\n"),
            Row(
                "names of columns",
                "squeue -j $held -O JobArrayID,StateCompact,Reason",
                out="JOBID               ST                  REASON              \n"
                "<held>               PD                  JobHeldUser         \n",
            ),
            Row(
                "names with widths",
                "squeue -j $held -O jobid:8,NAME:.6,state:3,numcpus:0,name",
                out="JOBID     NAMESTACPUSNAME                \n<held>     heldPEN2held                \n",
            ),
            Row("suffix", "squeue -h -j $held -O 'name:6x,state:0'", out="held  xPENDING\n"),
            Row(
                "unknown name of a column",
                "squeue -j $held -O bogus,name:5",
                out="NAME \nheld \n",
                err="squeue: error: Invalid job format specification: bogus\n",
            ),
            Row(
                "blanks in names",
                "squeue -j $held -O 'name ,state:7'",
                out="STATE  \nPENDING\n",
                err="squeue: error: Invalid job format specification: name \n",
            ),
            Row(
                "most names",
                "squeue -h -j $held -O batchflag:3,batchhost:5,boardspernode:3,burstbuffer:8,cluster:8,contiguous:3,cores:3,corespec:4,cpus-per-task:3,cpus-per-tres:4,deadline:4,delayboot:5,dependency:8,derivedec:3,exit_code:3",
                out="1  n/a  0  (null)  mini    0  *  N/A 1  N/A N/A <span> (null)  0  0  \n",
            ),
            Row(
                "still more names",
                "squeue -h -j $run -O oversubscribe:4,preempttime:4,profile:8,qos:8,reboot:3,reqnodes:3,reqswitch:3,requeue:3,reservation:8,resizetime:5,restartcnt:3,sct:6,selectjobinfo:3,sockets:3,sperboard:3,statecompact:4,threads:3,timelimit:8,tres-per-node:5,wait4switch:6,wckey:8",
                out="OK  N/A NotSet  normal  0     0  1  (null)  N/A  0  *:*:*    *  0  R   *  10:00   N/A <span>  (null)  \n",
            ),
            Row(
                "headers",
                "squeue -n nosuch -O account,accruetime,allocnodes,allocsid,arrayjobid,arraytaskid,associd,delayboot,endtime,groupid,lastschedeval,minmemory,ntpersocket,pendingtime,prioritylong,schednodes,selectjobinfo,starttime,submittime,timeleft,timeused,tres-alloc,userid,workdir",
                out="ACCOUNT             ACCRUE_TIME         ALLOC_NODES         ALLOC_SID           ARRAY_JOB_ID        ARRAY_TASK_ID       ASSOC_ID            DELAY_BOOT          END_TIME            GROUP               LAST_SCHED_EVAL     MIN_MEMORY          NTASKS_PER_SOCKET   PENDING_TIME        PRIORITY            SCHEDNODES                              START_TIME          SUBMIT_TIME         TIME_LEFT           TIME                TRES_ALLOC          UID                 WORK_DIR            \n",
            ),
            Row(
                "both formats",
                "squeue -o %i -O jobid",
                err="squeue: error: -O (--Format) is incompatible with -o (--format)\n",
                code=1,
            ),
            Row("SQUEUE_FORMAT", "SQUEUE_FORMAT='%j %t' squeue -j $held", out="NAME ST\nheld PD\n"),
            Row(
                "SQUEUE_FORMAT2",
                "SQUEUE_FORMAT2='name:6,statecompact' squeue -h -j $held",
                out="held  PD                  \n",
            ),
            Row(
                "SQUEUE_FORMAT and --long",
                "SQUEUE_FORMAT='%j %t' squeue -h -l -j $held",
                out="             <held>      main     held <user> PENDING <span>   1:30:00      1 (JobHeldUser)\n",
            ),
            Row(
                "SLURM_TIME_FORMAT",
                "SLURM_TIME_FORMAT=%Y squeue -h -j $run -o '%V' | grep -cx \"$(date +%Y)\"",
                out="1\n",
            ),
            Row(
                "sort by number",
                "squeue -h -S i -o %i",
                out="<held>\n"
                "<arr>_[0-9%2]\n"
                "<odd>_[1,3,5-7,20,24,28,32,36,4\n"
                "<run>\n"
                "<rarr>_1\n"
                "<rarr>_[2-3%1]\n"
                "<dep>\n"
                "<never>\n"
                "<beg>\n"
                "<big>\n",
            ),
            Row(
                "sort backwards",
                "squeue -h -S -i -t PD -o %i",
                out="<big>\n"
                "<beg>\n"
                "<never>\n"
                "<dep>\n"
                "<rarr>_[2-3%1]\n"
                "<odd>_[1,3,5-7,20,24,28,32,36,4\n"
                "<arr>_[0-9%2]\n"
                "<held>\n",
            ),
            Row(
                "sort by several",
                "squeue -h -S t,-j -n held,arr,'run me' -o '%t %j'",
                out="PD held\nPD arr\nR run me\n",
            ),
            Row(
                "sort by limit",
                "squeue -h -j $held,$arr,$odd -S l -o '%j %l'",
                out="odd 30:00\nheld 1:30:00\narr 1-00:00:00\n",
            ),
            Row(
                "a letter that is not sorted by",
                "squeue -S i,?",
                out=HEADER,
                err="squeue: error: Invalid sort specification: ?\n",
                code=1,
            ),
            Row(
                "order",
                "squeue -h -t all -j $ok,$bad,$gone,$held,$arr,$odd,$run,$dep -o '%t %j'",
                out="CA gonejob\nCD okjob\nF badjob\nPD dep\nPD odd\nPD arr\nPD held\nR run me\n",
            ),
            Row(
                "steps",
                "squeue -s -j $run",
                out="         STEPID     NAME PARTITION     USER      TIME NODELIST\n"
                "        <run>.0      stp      main <user> <span> <node>\n"
                "    <run>.batch    batch      main <user> <span> <node>\n",
            ),
            Row(
                "steps of a list",
                "squeue -h -s $run.0 -o '%i %j %P %u %M %l %N %A'",
                out="<run>.0 stp main <user> <span> UNLIMITED <node> 1\n",
            ),
            Row(
                "steps by name",
                "squeue -s $run.0 -O stepid,stepname,stepstate,jobid,numtasks,nodes,cluster",
                out="STEPID              NAME                STATE               JOB_ID              TASKS               NODELIST            CLUSTER             \n"
                "<run>.0             stp                 RUNNING             <run>               1 <node> mini                \n",
            ),
            Row(
                "no step",
                "squeue -s 999999.0",
                out="         STEPID     NAME PARTITION     USER      TIME NODELIST\n",
            ),
            Row(
                "malformed step", "squeue -s abc", err="squeue: error: Invalid job_step id: abc.??\n", code=1
            ),
            Row(
                "a job is no step",
                "squeue -h -s $run",
                err="squeue: error: Invalid job_step id: <run>.??\n",
                code=1,
            ),
            Row(
                "letter of no step",
                "squeue -s $run.0 -o '%i %K'",
                out="STEPID %K\n<run>.0 %K\n",
                err="squeue: error: Invalid job step format specification: K\n",
            ),
            Row(
                "name of no step",
                "squeue -s $run.0 -O bogus",
                out="\n\n",
                err="squeue: error: Invalid job step format specification: bogus\n",
            ),
            Row(
                "json",
                'squeue --json | python3 -c \'import json, sys; d = json.load(sys.stdin); print(sorted(d)); print([(j["job_id"], j["job_state"], j["state_reason"], j["array_task_string"], j["partition"], j["time_limit"], j["cpus"]) for j in d["jobs"] if j["job_state"] in ("PENDING", "RUNNING") and j["name"] in ("held", "arr", "run me")])\'',
                out="['errors', 'jobs', 'meta']\n"
                "[(<held>, 'PENDING', 'JobHeldUser', '', 'main', 90, 2), (<arr>, 'PENDING', 'JobHeldUser', '0-9%2', 'main', 1440, 1), (<run>, 'RUNNING', 'None', '', 'main', 10, 2)]\n",
            ),
            Row(
                "json: the cluster",
                'squeue --json | python3 -c \'import json, sys; d = json.load(sys.stdin); print(d["meta"]["Slurm"], {j["cluster"] for j in d["jobs"]})\'',
                out="{'version': {'major': 22, 'micro': 8, 'minor': 5}, 'release': '22.05.8'} {'mini'}\n",
            ),
        ],
    ),
]
