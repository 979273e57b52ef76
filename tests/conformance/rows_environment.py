"""What jobs and the tasks of steps find in their environment: the names of all variables of Slurm's, and the values of most.

Two are not compared, since they say where Slurm's controller is: SLURM_CONF and SLURM_WORKING_CLUSTER. Two are ports of srun's, which has none here.
"""

from conformance.harness import Row, Scene

SETUP = r"""
    cat > shown <<'END'
env | grep -E '^(SLURM|ENVIRONMENT|CUDA|ROCR|GPU_DEVICE|SBATCH|SRUN)' \
    | grep -vE '^(SLURM_CONF|SLURM_WORKING_CLUSTER|SLURM_SRUN_COMM_PORT|SLURM_STEP_LAUNCHER_PORT|SLURM_TASK_PID)=' \
    | sed -E "s/^(SLURM_(ARRAY_)?JOB_?ID)=[0-9]+/\1=N/; s/^(SLURM_JOB_[UG]ID)=.*/\1=N/; s/=$(hostname -s)$/=HOST/; s,=$PWD$,=HERE," | sort
END
    # They run beside each other: sbatch -W looks only after 2 s, and then after 8.
    _batch() { _ids="${_ids-} $(sbatch --parsable "$@")"; }
    job() { _batch -o "out-$1" "${@:2}" --wrap ". ./shown"; }
    job plain
    job sized -n2 -c2 --mem=100
    job memory -n2 --mem-per-cpu=50
    job node --ntasks-per-node=2 -J 'two words' -t 5
    job array-%a -a 3-7:4
    job whole --exclusive
    job closed --export=NONE
    job chosen --export=ALL,FOO=1 --open-mode=append -O --threads-per-core=1 -d singleton
    _batch -o out-step -n2 --wrap "srun -Q sh -c '. ./shown' | sort | uniq"
    _batch -o out-alone -c2 --mem=200 --wrap "srun -Q -J mine sh -c '. ./shown'"
    _batch -o out-pid -n2 --wrap '[ $$ = $SLURM_TASK_PID ]; echo $?; srun -Q sh -c "[ \$\$ = \$SLURM_TASK_PID ]; echo \$?"'
    wait_end $_ids
    srun -Q sh -c '. ./shown' > out-srun
    srun -Q -n2 -c2 --mem=100 -J named sh -c '. ./shown' | sort | uniq > out-sized-srun
    salloc -Q sh -c '. ./shown' > out-salloc
    salloc -Q -n2 -c2 --mem=100 -J named sh -c '. ./shown' > out-sized-salloc
    salloc -Q -n2 srun -Q sh -c '. ./shown' | sort | uniq > out-salloc-srun
"""

SCENES = [
    Scene(
        "environment",
        setup=SETUP,
        rows=[
            Row(
                "plain",
                "cat out-plain",
                "ENVIRONMENT=BATCH\n"
                "SLURMD_NODENAME=HOST\n"
                "SLURM_CLUSTER_NAME=mini\n"
                "SLURM_CPUS_ON_NODE=1\n"
                "SLURM_GTIDS=0\n"
                "SLURM_JOBID=N\n"
                "SLURM_JOB_ACCOUNT=<user>\n"
                "SLURM_JOB_CPUS_PER_NODE=1\n"
                "SLURM_JOB_GID=N\n"
                "SLURM_JOB_ID=N\n"
                "SLURM_JOB_NAME=wrap\n"
                "SLURM_JOB_NODELIST=HOST\n"
                "SLURM_JOB_NUM_NODES=1\n"
                "SLURM_JOB_PARTITION=main\n"
                "SLURM_JOB_QOS=normal\n"
                "SLURM_JOB_UID=N\n"
                "SLURM_JOB_USER=<user>\n"
                "SLURM_LOCALID=0\n"
                "SLURM_NNODES=1\n"
                "SLURM_NODEID=0\n"
                "SLURM_NODELIST=HOST\n"
                "SLURM_NODE_ALIASES=(null)\n"
                "SLURM_PRIO_PROCESS=0\n"
                "SLURM_PROCID=0\n"
                "SLURM_SUBMIT_DIR=HERE\n"
                "SLURM_SUBMIT_HOST=HOST\n"
                "SLURM_TASKS_PER_NODE=1\n"
                "SLURM_TOPOLOGY_ADDR=HOST\n"
                "SLURM_TOPOLOGY_ADDR_PATTERN=node\n",
            ),
            Row(
                "sized",
                "diff out-plain out-sized | grep '^[<>]'",
                "< SLURM_CPUS_ON_NODE=1\n"
                "> SLURM_CPUS_ON_NODE=4\n"
                "> SLURM_CPUS_PER_TASK=2\n"
                "< SLURM_JOB_CPUS_PER_NODE=1\n"
                "> SLURM_JOB_CPUS_PER_NODE=4\n"
                "> SLURM_MEM_PER_NODE=100\n"
                "> SLURM_NPROCS=2\n"
                "> SLURM_NTASKS=2\n"
                "< SLURM_TASKS_PER_NODE=1\n"
                "> SLURM_TASKS_PER_NODE=2\n",
            ),
            Row(
                "memory",
                "diff out-plain out-memory | grep '^[<>]'",
                "< SLURM_CPUS_ON_NODE=1\n"
                "> SLURM_CPUS_ON_NODE=2\n"
                "< SLURM_JOB_CPUS_PER_NODE=1\n"
                "> SLURM_JOB_CPUS_PER_NODE=2\n"
                "> SLURM_MEM_PER_CPU=50\n"
                "> SLURM_NPROCS=2\n"
                "> SLURM_NTASKS=2\n"
                "< SLURM_TASKS_PER_NODE=1\n"
                "> SLURM_TASKS_PER_NODE=2\n",
            ),
            Row(
                "node",
                "diff out-plain out-node | grep '^[<>]'",
                "< SLURM_CPUS_ON_NODE=1\n"
                "> SLURM_CPUS_ON_NODE=2\n"
                "< SLURM_JOB_CPUS_PER_NODE=1\n"
                "> SLURM_JOB_CPUS_PER_NODE=2\n"
                "< SLURM_JOB_NAME=wrap\n"
                "> SLURM_JOB_NAME=two words\n"
                "> SLURM_NPROCS=2\n"
                "> SLURM_NTASKS=2\n"
                "> SLURM_NTASKS_PER_NODE=2\n"
                "< SLURM_TASKS_PER_NODE=1\n"
                "> SLURM_TASKS_PER_NODE=2\n",
            ),
            Row(
                "array",
                "diff out-plain out-array-3 | grep '^[<>]'",
                "> SLURM_ARRAY_JOB_ID=N\n"
                "> SLURM_ARRAY_TASK_COUNT=2\n"
                "> SLURM_ARRAY_TASK_ID=3\n"
                "> SLURM_ARRAY_TASK_MAX=7\n"
                "> SLURM_ARRAY_TASK_MIN=3\n"
                "> SLURM_ARRAY_TASK_STEP=4\n",
            ),
            Row(
                "whole",
                "diff out-plain out-whole | grep '^[<>]'",
                "< SLURM_CPUS_ON_NODE=1\n"
                "> SLURM_CPUS_ON_NODE=4\n"
                "< SLURM_JOB_CPUS_PER_NODE=1\n"
                "> SLURM_JOB_CPUS_PER_NODE=4\n"
                "< SLURM_TASKS_PER_NODE=1\n"
                "> SLURM_TASKS_PER_NODE=4\n",
            ),
            Row(
                "closed",
                "diff out-plain out-closed | grep '^[<>]'",
                "> SLURM_EXPORT_ENV=NONE\n> SLURM_GET_USER_ENV=1\n",
            ),
            Row(
                "chosen",
                "diff out-plain out-chosen | grep '^[<>]'",
                "> SLURM_EXPORT_ENV=ALL,FOO=1\n"
                "> SLURM_GET_USER_ENV=1\n"
                "> SLURM_JOB_DEPENDENCY=singleton\n"
                "> SLURM_OPEN_MODE=a\n"
                "> SLURM_OVERCOMMIT=1\n"
                "> SLURM_THREADS_PER_CORE=1\n",
            ),
            Row(
                "step",
                "cat out-step",
                "ENVIRONMENT=BATCH\n"
                "SLURMD_NODENAME=HOST\n"
                "SLURM_CLUSTER_NAME=mini\n"
                "SLURM_CPUS_ON_NODE=2\n"
                "SLURM_DISTRIBUTION=block\n"
                "SLURM_GTIDS=0,1\n"
                "SLURM_JOBID=N\n"
                "SLURM_JOB_ACCOUNT=<user>\n"
                "SLURM_JOB_CPUS_PER_NODE=2\n"
                "SLURM_JOB_CPUS_PER_NODE_PACK_GROUP_0=2\n"
                "SLURM_JOB_GID=N\n"
                "SLURM_JOB_ID=N\n"
                "SLURM_JOB_NAME=wrap\n"
                "SLURM_JOB_NODELIST=HOST\n"
                "SLURM_JOB_NUM_NODES=1\n"
                "SLURM_JOB_PARTITION=main\n"
                "SLURM_JOB_QOS=normal\n"
                "SLURM_JOB_UID=N\n"
                "SLURM_JOB_USER=<user>\n"
                "SLURM_LAUNCH_NODE_IPADDR=127.0.0.1\n"
                "SLURM_LOCALID=0\n"
                "SLURM_LOCALID=1\n"
                "SLURM_NNODES=1\n"
                "SLURM_NODEID=0\n"
                "SLURM_NODELIST=HOST\n"
                "SLURM_NODE_ALIASES=(null)\n"
                "SLURM_NPROCS=2\n"
                "SLURM_NTASKS=2\n"
                "SLURM_PRIO_PROCESS=0\n"
                "SLURM_PROCID=0\n"
                "SLURM_PROCID=1\n"
                "SLURM_SRUN_COMM_HOST=127.0.0.1\n"
                "SLURM_STEPID=0\n"
                "SLURM_STEP_ID=0\n"
                "SLURM_STEP_NODELIST=HOST\n"
                "SLURM_STEP_NUM_NODES=1\n"
                "SLURM_STEP_NUM_TASKS=2\n"
                "SLURM_STEP_TASKS_PER_NODE=2\n"
                "SLURM_SUBMIT_DIR=HERE\n"
                "SLURM_SUBMIT_HOST=HOST\n"
                "SLURM_TASKS_PER_NODE=2\n"
                "SLURM_TOPOLOGY_ADDR=HOST\n"
                "SLURM_TOPOLOGY_ADDR_PATTERN=node\n"
                "SLURM_UMASK=0022\n"
                "SRUN_DEBUG=2\n",
            ),
            Row(
                "alone",
                "diff out-step out-alone | grep '^[<>]'",
                "< SLURM_DISTRIBUTION=block\n"
                "< SLURM_GTIDS=0,1\n"
                "> SLURM_CPUS_PER_TASK=2\n"
                "> SLURM_DISTRIBUTION=cyclic\n"
                "> SLURM_GTIDS=0\n"
                "< SLURM_JOB_NAME=wrap\n"
                "> SLURM_JOB_NAME=mine\n"
                "< SLURM_LOCALID=1\n"
                "> SLURM_MEM_PER_NODE=200\n"
                "< SLURM_NPROCS=2\n"
                "< SLURM_NTASKS=2\n"
                "> SLURM_NPROCS=1\n"
                "> SLURM_NTASKS=1\n"
                "< SLURM_PROCID=1\n"
                "< SLURM_STEP_NUM_TASKS=2\n"
                "< SLURM_STEP_TASKS_PER_NODE=2\n"
                "> SLURM_STEP_NUM_TASKS=1\n"
                "> SLURM_STEP_TASKS_PER_NODE=1\n"
                "< SLURM_TASKS_PER_NODE=2\n"
                "> SLURM_TASKS_PER_NODE=1\n",
            ),
            Row(
                "srun",
                "cat out-srun",
                "SLURMD_NODENAME=HOST\n"
                "SLURM_CLUSTER_NAME=mini\n"
                "SLURM_CPUS_ON_NODE=1\n"
                "SLURM_GTIDS=0\n"
                "SLURM_JOBID=N\n"
                "SLURM_JOB_ACCOUNT=<user>\n"
                "SLURM_JOB_CPUS_PER_NODE=1\n"
                "SLURM_JOB_GID=N\n"
                "SLURM_JOB_ID=N\n"
                "SLURM_JOB_NAME=sh\n"
                "SLURM_JOB_NODELIST=HOST\n"
                "SLURM_JOB_NUM_NODES=1\n"
                "SLURM_JOB_PARTITION=main\n"
                "SLURM_JOB_QOS=normal\n"
                "SLURM_JOB_UID=N\n"
                "SLURM_JOB_USER=<user>\n"
                "SLURM_LAUNCH_NODE_IPADDR=127.0.0.1\n"
                "SLURM_LOCALID=0\n"
                "SLURM_NNODES=1\n"
                "SLURM_NODEID=0\n"
                "SLURM_NODELIST=HOST\n"
                "SLURM_NPROCS=1\n"
                "SLURM_NTASKS=1\n"
                "SLURM_PRIO_PROCESS=0\n"
                "SLURM_PROCID=0\n"
                "SLURM_SRUN_COMM_HOST=127.0.0.1\n"
                "SLURM_STEPID=0\n"
                "SLURM_STEP_ID=0\n"
                "SLURM_STEP_NODELIST=HOST\n"
                "SLURM_STEP_NUM_NODES=1\n"
                "SLURM_STEP_NUM_TASKS=1\n"
                "SLURM_STEP_TASKS_PER_NODE=1\n"
                "SLURM_SUBMIT_DIR=HERE\n"
                "SLURM_SUBMIT_HOST=HOST\n"
                "SLURM_TASKS_PER_NODE=1\n"
                "SLURM_TOPOLOGY_ADDR=HOST\n"
                "SLURM_TOPOLOGY_ADDR_PATTERN=node\n"
                "SLURM_UMASK=0022\n"
                "SRUN_DEBUG=2\n",
            ),
            Row(
                "sized-srun",
                "diff out-srun out-sized-srun | grep '^[<>]'",
                "< SLURM_CPUS_ON_NODE=1\n"
                "< SLURM_GTIDS=0\n"
                "> SLURM_CPUS_ON_NODE=4\n"
                "> SLURM_CPUS_PER_TASK=2\n"
                "> SLURM_DISTRIBUTION=block\n"
                "> SLURM_GTIDS=0,1\n"
                "< SLURM_JOB_CPUS_PER_NODE=1\n"
                "> SLURM_JOB_CPUS_PER_NODE=4\n"
                "< SLURM_JOB_NAME=sh\n"
                "> SLURM_JOB_NAME=named\n"
                "> SLURM_LOCALID=1\n"
                "< SLURM_NPROCS=1\n"
                "< SLURM_NTASKS=1\n"
                "> SLURM_NPROCS=2\n"
                "> SLURM_NTASKS=2\n"
                "> SLURM_PROCID=1\n"
                "< SLURM_STEP_NUM_TASKS=1\n"
                "< SLURM_STEP_TASKS_PER_NODE=1\n"
                "> SLURM_STEP_NUM_TASKS=2\n"
                "> SLURM_STEP_TASKS_PER_NODE=2\n"
                "< SLURM_TASKS_PER_NODE=1\n"
                "> SLURM_TASKS_PER_NODE=2\n",
            ),
            Row(
                "salloc",
                "cat out-salloc",
                "SLURM_CLUSTER_NAME=mini\n"
                "SLURM_JOBID=N\n"
                "SLURM_JOB_ACCOUNT=<user>\n"
                "SLURM_JOB_CPUS_PER_NODE=1\n"
                "SLURM_JOB_ID=N\n"
                "SLURM_JOB_NAME=interactive\n"
                "SLURM_JOB_NODELIST=HOST\n"
                "SLURM_JOB_NUM_NODES=1\n"
                "SLURM_JOB_PARTITION=main\n"
                "SLURM_JOB_QOS=normal\n"
                "SLURM_NNODES=1\n"
                "SLURM_NODELIST=HOST\n"
                "SLURM_NODE_ALIASES=(null)\n"
                "SLURM_SUBMIT_DIR=HERE\n"
                "SLURM_SUBMIT_HOST=HOST\n"
                "SLURM_TASKS_PER_NODE=1\n",
            ),
            Row(
                "sized-salloc",
                "diff out-salloc out-sized-salloc | grep '^[<>]'",
                "> SLURM_CPUS_PER_TASK=2\n"
                "< SLURM_JOB_CPUS_PER_NODE=1\n"
                "> SLURM_JOB_CPUS_PER_NODE=4\n"
                "< SLURM_JOB_NAME=interactive\n"
                "> SLURM_JOB_NAME=named\n"
                "> SLURM_MEM_PER_NODE=100\n"
                "> SLURM_NPROCS=2\n"
                "> SLURM_NTASKS=2\n"
                "< SLURM_TASKS_PER_NODE=1\n"
                "> SLURM_TASKS_PER_NODE=2\n",
            ),
            Row("pid", "cat out-pid", "0\n0\n0\n"),
            Row(
                "salloc-srun",
                "diff out-step out-salloc-srun | grep '^[<>]'",
                "< ENVIRONMENT=BATCH\n< SLURM_JOB_NAME=wrap\n> SLURM_JOB_NAME=interactive\n",
            ),
        ],
    ),
]
