"""In which order Slurm's programs name the long options that an ambiguous one may stand for: that of their own tables.

Source: what the programs of Slurm 22.05.8 say. Options that share no letter with another are left out.
"""

ORDERS = {
    "sbatch": (
        "account acctg-freq array batch begin bb bbf cluster-constraint chdir cluster clusters comment container context "
        "contiguous constraint core-spec cores-per-socket cpu-freq cpus-per-gpu cpus-per-task deadline delay-boot dependency "
        "distribution error exclude exclusive export export-file extra-node-info get-user-env gid gpu-bind gpu-freq gpus "
        "gpus-per-node gpus-per-socket gpus-per-task gres gres-flags help hint hold ignore-pbs input mail-type mail-user "
        "mcs-label mem mem-bind mem-per-cpu mem-per-gpu mincpus network nice no-kill no-requeue nodefile nodelist nodes "
        "ntasks ntasks-per-core ntasks-per-gpu ntasks-per-node ntasks-per-socket ntasks-per-tres open-mode output overcommit "
        "oversubscribe parsable partition power prefer priority profile propagate qos quiet reboot requeue reservation signal "
        "sockets-per-node spread-job switches tasks-per-node test-only thread-spec threads-per-core time time-min tmp uid "
        "use-min-nodes usage verbose version wait wait-all-nodes wckey wrap "
    ),
    "srun": (
        "accel-bind account acctg-freq bcast bcast-exclude begin bb bbf cluster-constraint chdir cluster clusters comment "
        "compress container context contiguous constraint core-spec cores-per-socket cpu-bind cpu_bind cpu-freq cpus-per-gpu "
        "cpus-per-task deadline debugger-test delay-boot dependency disable-status distribution epilog error exact exclude "
        "exclusive export extra-node-info gid gpu-bind gpu-freq gpus gpus-per-node gpus-per-socket gpus-per-task gres "
        "gres-flags help het-group hint hold immediate input interactive jobid job-name label licenses mail-type mail-user "
        "mcs-label mem mem-bind mem-per-cpu mem-per-gpu mincpus mpi msg-timeout multi-prog network nice no-allocate no-kill "
        "nodefile nodelist nodes ntasks ntasks-per-core ntasks-per-gpu ntasks-per-node ntasks-per-socket ntasks-per-tres "
        "open-mode output overcommit overlap oversubscribe pack-group partition power prefer preserve-env priority profile "
        "prolog propagate pty qos quiet quit-on-interrupt reboot relative reservation resv-ports send-libs signal "
        "slurmd-debug sockets-per-node spread-job switches threads task-epilog task-prolog tasks-per-node test-only "
        "thread-spec threads-per-core time time-min tmp uid unbuffered use-min-nodes usage verbose version wait wckey whole "
    ),
    "salloc": (
        "account acctg-freq begin bell bb bbf cluster-constraint chdir cluster clusters comment container context contiguous "
        "constraint core-spec cores-per-socket cpu-freq cpus-per-gpu cpus-per-task deadline delay-boot dependency "
        "distribution exclude exclusive extra-node-info get-user-env gid gpu-bind gpu-freq gpus gpus-per-node gpus-per-socket "
        "gpus-per-task gres gres-flags help hint hold mail-type mail-user mcs-label mem mem-bind mem-per-cpu mem-per-gpu "
        "mincpus network nice no-bell no-kill no-shell nodefile nodelist nodes ntasks ntasks-per-core ntasks-per-gpu "
        "ntasks-per-node ntasks-per-socket ntasks-per-tres overcommit oversubscribe partition power prefer priority profile "
        "qos quiet reboot reservation signal sockets-per-node spread-job switches tasks-per-node thread-spec threads-per-core "
        "time time-min tmp uid use-min-nodes usage verbose version wait-all-nodes wckey "
    ),
    "squeue": (
        "accounts all array array-unique format federation help hide jobs json local long licenses name noconvert node nodes "
        "nodelist noheader partitions priority sib sort start steps states usage user users verbose version "
    ),
    "scancel": (
        "ctld cluster clusters help hurry name nodelist qos quiet sibling signal state usage user verbose version "
    ),
    "sacct": (
        "allusers accounts allocations allclusters associations brief batch-script completion constraints cluster clusters "
        "delimiter duplicates endtime env-vars federation file flags fields format helpformat help jobs json local long name "
        "nnodes ncpus nodelist noconvert noheader parsable parsable2 partition state starttime timelimit-min timelimit-max "
        "truncate units uid use-local-uid usage user verbose version wckeys whole-hetjob "
    ),
    "scontrol": ("federation future help hide uid usage verbose version "),
    "sinfo": (
        "federation format help hide local long list-reasons nodes noconvert noheader responding reservation summarize sort "
        "states verbose version "
    ),
    "sstat": ("helpformat help noheader noconvert pidformat parsable parsable2 verbose version "),
    "sprio": ("format federation long local noheader norm sort sib sibling user usage verbose version "),
    "sacctmgr": ("parsable parsable2 verbose version "),
}


def in_order(program: str, names: list[str], prefix: str) -> list[str]:
    """All names that begin so, ours and Slurm's."""
    known = [name for name in ORDERS.get(program, "").split() if name.startswith(prefix)]
    return known or sorted(names)
