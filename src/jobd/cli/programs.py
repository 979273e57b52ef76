"""The programs: name → (module, summary). To add one: a row here, a module with `build_parser` and `main`, a line under
[project.scripts] in pyproject.toml; then scripts/docs makes its manual page and completions.
"""

PROGRAMS: dict[str, tuple[str, str]] = {
    "Salloc": ("jobd.cli.salloc", "run a command when enough procs are free"),
    "Sserver": ("jobd.cli.sserver", "start, size, show or stop the server"),
    "Squeue": ("jobd.cli.squeue", "list the jobs"),
    "Sdelete": ("jobd.cli.sdelete", "kill jobs with their trees"),
    "jobctl": ("jobd.cli.jobctl", "everything else"),
}

DAEMONS: dict[str, tuple[str, str]] = {
    "jobd": ("jobd.daemon.main", "the job server"),
    "jobd-agent": ("jobd.agent.main", "watches and ends jobs for the server"),
}
