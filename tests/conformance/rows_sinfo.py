"""sinfo: the partitions and the node, idle and busy."""

from conformance.harness import Row, Scene

SCENES = [
    Scene(
        "sinfo",
        setup="""
            :
        """,
        rows=[
            Row(
                "default table",
                "sinfo",
                out="PARTITION AVAIL  TIMELIMIT  NODES  STATE NODELIST\n"
                "main*        up   infinite      1   idle <node>\n",
            ),
            Row(
                "summary",
                "sinfo -s",
                out="PARTITION AVAIL  TIMELIMIT   NODES(A/I/O/T) NODELIST\n"
                "main*        up   infinite          0/1/0/1 <node>\n",
            ),
            Row("nodes", "sinfo -N", out="NODELIST   NODES PARTITION STATE \n<node> 1     main* idle  \n"),
            Row(
                "long",
                "sinfo -l | sed 1d",
                out="PARTITION AVAIL  TIMELIMIT   JOB_SIZE ROOT OVERSUBS     GROUPS  NODES       STATE NODELIST\n"
                "main*        up   infinite 1-infinite   no       NO        all      1        idle <node>\n",
            ),
            Row(
                "long nodes",
                "sinfo -Nl | sed 1d",
                out="NODELIST   NODES PARTITION       STATE CPUS    S:C:T MEMORY TMP_DISK WEIGHT AVAIL_FE REASON              \n"
                "<node> 1     main*        idle 4       4:1:1   4000        0      1   (null) none                \n",
            ),
            Row(
                "long summary",
                "sinfo -ls | sed 1d",
                out="PARTITION AVAIL  TIMELIMIT   NODES(A/I/O/T) NODELIST\n"
                "main*        up   infinite          0/1/0/1 <node>\n",
            ),
            Row(
                "the date of --long",
                "sinfo -l | head -1 | grep -cE '^[A-Z][a-z]{2} [A-Z][a-z]{2} [ 0-9]{2} [0-9:]{8} [0-9]{4}$'",
                out="1\n",
            ),
            Row("reasons", "sinfo -R", out="REASON               USER      TIMESTAMP           NODELIST\n"),
            Row(
                "long reasons",
                "sinfo -lR | sed 1d",
                out="REASON               USER         TIMESTAMP           STATE  NODELIST\n",
            ),
            Row("no header", "sinfo -h", out="main*        up   infinite      1   idle <node>\n"),
            Row("no header of nodes", "sinfo -hN", out="<node> 1     main* idle  \n"),
            Row("partition names", "sinfo -h -o %P; sinfo -ho %R", out="main*\nmain\n"),
            Row(
                "unknown partition",
                "sinfo -p nope",
                out="PARTITION AVAIL  TIMELIMIT  NODES  STATE NODELIST\n",
            ),
            Row(
                "known partition",
                "sinfo -h -p main,nope",
                out="main*        up   infinite      1   idle <node>\n",
            ),
            Row(
                "unknown node",
                "sinfo -n nope",
                out="PARTITION AVAIL  TIMELIMIT  NODES  STATE NODELIST\n"
                "main*        up   infinite      0    n/a \n",
            ),
            Row("unknown node, by nodes", "sinfo -N -n nope", out="NODELIST   NODES PARTITION STATE \n"),
            Row(
                "unknown node, summary",
                "sinfo -s -n nope",
                out="PARTITION AVAIL  TIMELIMIT   NODES(A/I/O/T) NODELIST\n"
                "main*        up   infinite          0/0/0/0 \n",
            ),
            Row("unknown node without partitions", "sinfo -n nope -o '%N %t'", out="NODELIST STATE\n"),
            Row(
                "columns of no node",
                "sinfo -h -n nope -o '%P|%C|%c|%m|%F|%A|%N|%n|%t|%T|%E|%z|%X|%O|%e|%d|%w|%a|%l|%v|%f'",
                out="main*|0/0/0/0|0|0|0/0/0/0|0/0|||n/a|n/a|none|0:0:0|0|0.00|0|0|0|up|infinite|N/A|(null)\n",
            ),
            Row(
                "dead nodes",
                "sinfo -d",
                out="PARTITION AVAIL  TIMELIMIT  NODES  STATE NODELIST\n"
                "main*        up   infinite      0    n/a \n",
            ),
            Row("responding nodes", "sinfo -h -r", out="main*        up   infinite      1   idle <node>\n"),
            Row(
                "states",
                "sinfo -h -t idle -o '%D %t %T'; sinfo -h -t alloc; sinfo -h -t IDLE,mix -o %t; sinfo -h -t all -o %t",
                out="1 idle idle\nmain*        up   infinite      0    n/a \nidle\nidle\n",
            ),
            Row("beginning of a state", "sinfo -h -t idl -o %t", out="idle\n"),
            Row(
                "unknown state",
                "sinfo -t bogus",
                err='sinfo: error: Bad state string: "bogus"\n'
                "sinfo: error: valid states: unknown,down,idle,allocated,?,mixed,future,drain,drained,draining,no_respond,reserved,perfctrs,cloud,completing,powering_down,powered_down,power_down,powering_up,fail,maint,reboot,reboot^,unknown\n",
                code=1,
            ),
            Row(
                "unknown state among others",
                "sinfo -t idle,bogus",
                err='sinfo: error: Bad state string: "bogus"\n'
                "sinfo: error: valid states: unknown,down,idle,allocated,?,mixed,future,drain,drained,draining,no_respond,reserved,perfctrs,cloud,completing,powering_down,powered_down,power_down,powering_up,fail,maint,reboot,reboot^,unknown\n",
                code=1,
            ),
            Row(
                "letters",
                "sinfo -o '%a|%A|%b|%B|%c|%C|%d|%D|%E|%f|%F|%g|%G|%h|%H|%I|%l|%m|%M|%n|%N|%o|%p|%P|%r|%R|%s|%S|%t|%T|%V|%v|%w|%X|%Y|%z|%Z'",
                out="AVAIL|NODES(A/I)|ACTIVE_FEATURES|MAX_CPUS_PER_NODE|CPUS|CPUS(A/I/O/T)|TMP_DISK|NODES|REASON|AVAIL_FEATURES|NODES(A/I/O/T)|GROUPS|GRES|OVERSUBSCRIBE|TIMESTAMP|PRIO_JOB_FACTOR|TIMELIMIT|MEMORY|PREEMPT_MODE|HOSTNAMES|NODELIST|NODE_ADDR|PRIO_TIER|PARTITION|ROOT|PARTITION|JOB_SIZE|ALLOCNODES|STATE|STATE|CLUSTER|VERSION|WEIGHT|SOCKETS|CORES|S:C:T|THREADS\n"
                "up|0/1|(null)|UNLIMITED|4|0/4/0/4|0|1|none|(null)|0/1/0/1|all|(null)|NO|Unknown|1|infinite|4000|OFF|<node>|<node>|127.0.0.1|1|main*|no|main|1-infinite|all|idle|idle|N/A|22.05.8|1|4|1|4:1:1|1\n",
            ),
            Row(
                "widths",
                "sinfo -o '%.5a|%5a|%.3P|%3P|%10t|%.10t|'",
                out="AVAIL|AVAIL|PAR|PAR|STATE     |     STATE|\n"
                "   up|up   |ma*|ma*|idle      |      idle|\n",
            ),
            Row(
                "unknown letter",
                "sinfo -o '%a %? %P'",
                out="AVAIL %? PARTITION\nup %? main*\n",
                err="Invalid node format specification: ?\n",
            ),
            Row("no letter", "sinfo -o abc", out="abc\nabc\n"),
            Row("empty format", "sinfo -o ''", out="\n\n"),
            Row(
                "names of columns",
                "sinfo -O partition,nodes,statelong",
                out="PARTITION           NODES               STATE               \n"
                "main*               1                   idle                \n",
            ),
            Row(
                "names with widths",
                "sinfo -O Partition:5,nodes:.5,CPUS:3,allocmem:0",
                out="PARTINODESCPUALLOCMEM\nmain*    14  0\n",
            ),
            Row(
                "unknown name of a column",
                "sinfo -O partition:6,bogus,nodes:3",
                out="PARTITNOD\nmain* 1  \n",
                err="sinfo: error: Invalid job format specification: bogus\n",
            ),
            Row(
                "many names",
                "sinfo -O allocnodes:6,available:6,comment:8,cores:3,cpus:4,cpusstate:10,disk:4,extra:8,features:8,features_act:8,gres:8,gresused:8,groups:5",
                out="ALLOCNAVAIL COMMENT CORCPUSCPUS(A/I/OTMP_EXTRA   AVAIL_FEACTIVE_FGRES    GRES_USEGROUP\n"
                "all   up    (null)  1  4   0/4/0/4   0   (null)  (null)  (null)  (null)  (null)  all  \n",
            ),
            Row(
                "more names",
                "sinfo -O maxcpuspernode:10,memory:5,nodeai:5,nodeaiot:8,nodehost:0,oversubscribe:4,partitionname:5,preemptmode:4,priorityjobfactor:3,prioritytier:3,reason:5,root:3,size:11,socketcorethread:6,sockets:3,statecompact:5,threads:3,time:9,version:8,weight:3",
                out="MAX_CPUS_PMEMORNODESNODES(A/HOSTNAMESOVERPARTIPREEPRIPRIREASOROOJOB_SIZE   S:C:T SOCSTATETHRTIMELIMITVERSION WEI\n"
                "UNLIMITED 4000 0/1  0/1/0/1 vmNO  main OFF 1  1  none no 1-infinite 4:1:1 4  idle 1  infinite 22.05.8 1  \n",
            ),
            Row("both formats", "sinfo -o %P -O nodes", out="NODES               \n1                   \n"),
            Row(
                "a format and --long",
                "sinfo -l -o %P",
                err="sinfo: fatal: Options -o(--format) and -l(--long) are mutually exclusive. Please remove one and retry.\n",
                code=1,
            ),
            Row(
                "SINFO_FORMAT",
                "SINFO_FORMAT='%P %D' sinfo; SINFO_FORMAT='%P %D' sinfo -h -s; SINFO_FORMAT='%P %D' sinfo -h -N; SINFO_FORMAT='%P %D' sinfo -h -o %t",
                out="PARTITION NODES\n"
                "main* 1\n"
                "main*        up   infinite          0/1/0/1 <node>\n"
                "<node> 1     main* idle  \n"
                "idle\n",
            ),
            Row("SINFO_PARTITION", "SINFO_PARTITION=nope sinfo -h"),
            Row(
                "unknown cluster",
                "sinfo -M nope",
                err="sinfo: error: No cluster 'nope' known by database.\n"
                "sinfo: error: 'nope' can't be reached now, or it is an invalid entry for --cluster.  Use 'sacctmgr list clusters' to see available clusters.\n",
                code=1,
            ),
            Row(
                "its cluster",
                "sinfo -M mini -o '%V %P'",
                out="CLUSTER: mini\nCLUSTER PARTITION\nmini main*\n",
            ),
            Row("reservations", "sinfo -T", out="No reservations in the system\n"),
            Row("word", "sinfo extra -h", out="main*        up   infinite      1   idle <node>\n"),
            Row(
                "iterate zero",
                "sinfo -i 0",
                err="sinfo: error: Error: invalid entry for --iterate=0\n",
                code=1,
            ),
            Row(
                "iterate word",
                "sinfo -i abc",
                err="sinfo: error: Error: invalid entry for --iterate=abc\n",
                code=1,
            ),
            Row(
                "usage",
                "sinfo --usage",
                out="Usage: sinfo [-abdelNRrsTv] [-i seconds] [-t states] [-p partition] [-n nodes]\n"
                "             [-S fields] [-o format] [-O Format] [--federation] [--local]\n",
            ),
            Row("version", "sinfo -V; sinfo --version", out="slurm-wlm 22.05.8\nslurm-wlm 22.05.8\n"),
            Row(
                "unknown option",
                "sinfo --nosuch",
                err="sinfo: unrecognized option '--nosuch'\nTry \"sinfo --help\" for more information\n",
                code=1,
            ),
            Row(
                "unknown letter of an option",
                "sinfo -Q",
                err="sinfo: invalid option -- 'Q'\nTry \"sinfo --help\" for more information\n",
                code=1,
            ),
            Row(
                "missing value",
                "sinfo -p",
                err="sinfo: option requires an argument -- 'p'\nTry \"sinfo --help\" for more information\n",
                code=1,
            ),
            Row(
                "missing value of a beginning",
                "sinfo --st",
                err="sinfo: option '--states' requires an argument\n"
                'Try "sinfo --help" for more information\n',
                code=1,
            ),
            Row(
                "json",
                'sinfo --json | python3 -c \'import json, sys; d = json.load(sys.stdin); print(sorted(d), [(n["partitions"], n["state"], n["cpus"], n["real_memory"], n["alloc_cpus"]) for n in d["nodes"]])\'',
                out="['errors', 'meta', 'nodes'] [(['main'], 'idle', 4, 4000, 0)]\n",
            ),
        ],
    ),
    Scene(
        "sinfo-busy",
        setup="""
            run=$(sbatch --parsable -n 3 -t 10 -J busy -o /dev/null --wrap 'exec sleep 1000')
            wait_state $run RUNNING
        """,
        rows=[
            Row(
                "mixed",
                "sinfo; sinfo -N; sinfo -s",
                out="PARTITION AVAIL  TIMELIMIT  NODES  STATE NODELIST\n"
                "main*        up   infinite      1    mix <node>\n"
                "NODELIST   NODES PARTITION STATE \n"
                "<node> 1     main* mix   \n"
                "PARTITION AVAIL  TIMELIMIT   NODES(A/I/O/T) NODELIST\n"
                "main*        up   infinite          1/0/0/1 <node>\n",
            ),
            Row("long words", "sinfo -h -o '%T %t %C %F %A'", out="mixed mix 3/1/0/4 1/0/0/1 1/0\n"),
            Row(
                "mixed is not idle",
                "sinfo -h -t idle; sinfo -h -t mix",
                out="main*        up   infinite      0    n/a \n"
                "main*        up   infinite      1    mix <node>\n",
            ),
            Row(
                "allocated",
                "more=$(sbatch --parsable -n 1 -t 10 -o /dev/null --wrap 'exec sleep 1000'); wait_state $more RUNNING; sinfo -h; sinfo -h -o '%T %C %F'",
                out="main*        up   infinite      1  alloc <node>\nallocated 4/0/0/4 1/0/0/1\n",
            ),
        ],
    ),
]
