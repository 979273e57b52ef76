"""What a batch job is given of its submitter's environment: captured here, packed as a blob, and laid under the job's own variables.

Source: sbatch(1), --export. What the job around a submission was given for itself (its number, its processors, its array index) is no
variable of the new job, so it does not go along; Slurm hands it on, and scripts fall over it.
"""

import os
from collections.abc import Mapping

from jobd import task_pid
from jobd.cli import dialect
from jobd.cli.batch_options import Chosen
from jobd.cli.option_values import is_appending, value
from jobd.errors import Refused, UsageError
from jobd.limits import ENVIRONMENT_BYTES_MAX
from jobd.slurm.environment import without_job as without_job
from jobd.slurm.options import Export, parse_export
from jobd.wire.blobs import pack_environment, unpack_environment

Variables = dict[bytes, bytes]

LOGIN_PATH = "/usr/local/bin:/usr/bin:/bin"


def caller_variables() -> Variables:
    """Our environment as our caller made it."""
    variables = dict(os.environb)
    # Python may have set LC_CTYPE for itself (PEP 538).
    if variables.get(b"LC_CTYPE") == b"C.UTF-8":
        with open("/proc/self/environ", "rb") as file:
            if b"LC_CTYPE=C.UTF-8" not in file.read().split(b"\0"):
                del variables[b"LC_CTYPE"]
    return variables


def environment_of(chosen: Chosen, variables: Variables) -> bytes:
    """The packed environment that --export and --export-file ask for.

    Raises:
        UsageError: they make no sense, or it is larger than a program may have.
        OSError: the file of --export-file cannot be read.
    """
    export = value(chosen, "export", parse_export) or Export(True, False, (), ())
    own = without_job(variables)
    path = chosen.get("export-file")
    wanted = exported(export, own) if path is None else {**_slurm(own), **_login(), **_read(path)}
    if (appending := value(chosen, "open-mode", is_appending)) is not None:
        wanted[b"SLURM_OPEN_MODE"] = b"a" if appending else b"t"  # its steps do as the script does
    for name, variable in _GPUS.items():
        if text := chosen.get(name):
            wanted[variable] = os.fsencode(text)
    if dialect.is_slurm:
        wanted |= _said(chosen)
        wanted[os.fsencode(task_pid.NAME)] = os.fsencode(task_pid.UNKNOWN)
    data = pack_environment(wanted)
    if len(data) > ENVIRONMENT_BYTES_MAX:
        raise UsageError(
            f"an environment of {len(data)} bytes: at most {ENVIRONMENT_BYTES_MAX} (--export=NONE sends none)"
        )
    return data


def _said(chosen: Chosen) -> Variables:
    """What sbatch tells the job, and its steps, of its own options."""
    found = {}
    for name, variable in _TOLD.items():
        if text := chosen.get(name):
            found[variable] = text
    if "overcommit" in chosen:
        found["SLURM_OVERCOMMIT"] = "1"
    if chosen.get("hint", "help") in ("compute_bound", "nomultithread"):
        found["SLURM_THREADS_PER_CORE"] = "1"
    export = chosen.get("export", "ALL")
    if export != "ALL":
        found["SLURM_EXPORT_ENV"] = export
    if export != "ALL" or "get-user-env" in chosen:
        found["SLURM_GET_USER_ENV"] = "1"
    return {os.fsencode(name): os.fsencode(text) for name, text in found.items()}


_GPUS = {
    "cpus-per-gpu": b"SLURM_CPUS_PER_GPU",
    "gpu-bind": b"SLURM_GPU_BIND",
    "gpu-freq": b"SLURM_GPU_FREQ",
    "gpus": b"SLURM_GPUS",
    "gpus-per-node": b"SLURM_GPUS_PER_NODE",
    "gpus-per-socket": b"SLURM_GPUS_PER_SOCKET",
    "gpus-per-task": b"SLURM_GPUS_PER_TASK",
    "mem-per-gpu": b"SLURM_MEM_PER_GPU",
}
_TOLD = {
    "acctg-freq": "SLURM_ACCTG_FREQ",
    "dependency": "SLURM_JOB_DEPENDENCY",
    "distribution": "SLURM_DISTRIBUTION",
    "hint": "SLURM_HINT",
    "threads-per-core": "SLURM_THREADS_PER_CORE",
}


def exported(export: Export, variables: Mapping[bytes, bytes]) -> Variables:
    """What goes along: all, or those of SLURM_* with what was named, over what a login would give."""
    wanted = dict(variables) if export.is_all else _slurm(variables)
    if not export.is_all and not export.is_nil:
        wanted = {**_login(), **wanted}
    for name in export.names:
        key = os.fsencode(name)
        if key in variables:
            wanted[key] = variables[key]
    for name, text in export.values:
        wanted[os.fsencode(name)] = os.fsencode(text)
    return wanted


def _slurm(variables: Mapping[bytes, bytes]) -> Variables:
    return {key: text for key, text in variables.items() if key.startswith((b"SLURM_", b"SPANK_"))}


def _login() -> Variables:
    """What a login sets before any file of the user is read (login(1))."""
    import pwd

    wanted = {"PATH": LOGIN_PATH}
    try:
        entry = pwd.getpwuid(os.getuid())
    except KeyError:
        pass  # a user without an entry has nothing more
    else:
        wanted |= {"HOME": entry.pw_dir, "SHELL": entry.pw_shell or "/bin/sh"}
        wanted |= {"USER": entry.pw_name, "LOGNAME": entry.pw_name}
    return {os.fsencode(name): os.fsencode(text) for name, text in wanted.items()}


def _read(path: str) -> Variables:
    """The variables of a file (or an open descriptor, by its number)."""
    try:
        with open(int(path) if path.isascii() and path.isdigit() else path, "rb", closefd=True) as file:
            data = file.read(ENVIRONMENT_BYTES_MAX + 1)
    except OSError as error:
        if dialect.is_slurm:
            raise Refused(f"Could not open user environment file {path}") from error
        raise
    return unpack_environment(data)
