"""The programs: name → (module, summary). To add one: a row here, a module with `build_parser` and `main`, a line under
[project.scripts] in pyproject.toml; then scripts/docs makes its manual page and completions.
"""

PROGRAMS: dict[str, tuple[str, str]] = {
    "Salloc": ("jobd.cli.salloc", "run a command when enough procs are free"),
    "Sbatch": ("jobd.cli.sbatch", "queue a batch job, which outlives everything"),
    "Srun": ("jobd.cli.srun", "run a command as a step of a job, or as a job of its own"),
    "Sserver": ("jobd.cli.sserver", "start, size, show or stop the server"),
    "Squeue": ("jobd.cli.squeue", "list the jobs"),
    "Sdelete": ("jobd.cli.sdelete", "kill jobs with their trees"),
    "Scancel": ("jobd.cli.scancel", "end or signal jobs"),
    "Scontrol": ("jobd.cli.scontrol", "show jobs in full, change, hold, requeue and suspend them"),
    "Sacct": ("jobd.cli.sacct", "list the jobs that were, and are"),
    "Sinfo": ("jobd.cli.sinfo", "show the machine and what of it is in use"),
    "Seff": ("jobd.cli.seff", "compare what a job asked for with what it used"),
    "jobctl": ("jobd.cli.jobctl", "everything else"),
}

DAEMONS: dict[str, tuple[str, str]] = {
    "jobd": ("jobd.daemon.main", "the job server"),
    "jobd-agent": ("jobd.agent.main", "watches and ends jobs for the server"),
}
