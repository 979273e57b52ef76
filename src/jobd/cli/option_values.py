"""What chosen options ask for: texts → numbers, each with one clear line for what is wrong. Shared by Sbatch, Srun and Salloc.

The arithmetic of tasks, processors, GPUs and memory is Slurm's for one node: sbatch(1).
"""

import os
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from jobd.cli import dialect
from jobd.cli.batch_options import Chosen
from jobd.errors import JobdError, Refused, UsageError
from jobd.limits import LABEL_CHARS_MAX, NB_PROC_LIMIT, PRIORITY_LIMIT
from jobd.slurm import options as slurm
from jobd.slurm import sizes, times
from jobd.wire.rows import Counted

Value = TypeVar("Value")

# Kept with the job and shown; the label has the option's name with _ for -.
LABELS = (
    "partition", "account", "qos", "wckey", "comment", "mail-type", "mail-user", "reservation", "nodelist", "exclude", "hint", "nodes",
)  # fmt: skip
FEATURES = "constraint"  # whose label is `features`


class Asked(NamedTuple):
    """What a job asks for; None, 0 and "" where it does not."""

    nb_proc: int
    ntasks: int | None
    cpus_per_task: int | None
    ntasks_per_node: int | None
    memory_bytes: int
    memory_per_cpu_bytes: int
    gpus: int
    counted: list[Counted]
    is_exclusive: bool
    time_limit_s: int | None
    priority: int | None
    nice: int
    begin_at: float | None
    dependency: str
    labels: list[list[str]]


def value(chosen: Chosen, name: str, parse: Callable[[str], Value]) -> Value | None:
    """The value of an option, or None if it was not given.

    Raises:
        UsageError: it has none; the line names the option, and the directive or variable that gave it.
    """
    text = chosen.get(name)
    if text is None:
        return None
    try:
        return parse(text)
    except UsageError as error:
        if dialect.is_slurm:
            from jobd.cli import submit_words

            raise submit_words.bad_value(name, text) from error
        where = chosen.wheres.get(name, "")
        raise UsageError(f"{where + ': ' if where else ''}--{name}: {error}") from error


def asked(chosen: Chosen, *, host: str, now_s: float, procs: Callable[[], int] = lambda: 1) -> Asked:
    """What these options ask for.

    Args:
        host: the name of this machine, the only node there is.
        now_s: the time, for --begin.
        procs: how many the server hands out; asked only for --exclusive, which gets them all.

    Raises:
        UsageError: one makes no sense.
        Refused: more than one node, or another.
    """
    _check_nodes(chosen, host)
    if dialect.is_slurm:
        from jobd.cli import slurm_checks

        slurm_checks.check(chosen, now_s)
    elif "mail-type" in chosen:
        value(chosen, "mail-type", check_mail_types)
    gpus = _gpus(chosen)
    ntasks = value(chosen, "ntasks", slurm.parse_count)
    per_node = value(chosen, "ntasks-per-node", slurm.parse_count)
    per_gpu = value(chosen, "ntasks-per-gpu", slurm.parse_count)
    if ntasks is not None and per_node is not None and ntasks > per_node:
        raise _unavailable(
            f"--ntasks={ntasks} with --ntasks-per-node={per_node} needs {-(-ntasks // per_node)} nodes"
        )
    if ntasks is None and per_gpu is not None and gpus:
        ntasks = per_gpu * gpus
    elif ntasks is not None and per_gpu is not None and not gpus:
        gpus = -(-ntasks // per_gpu)
    tasks = ntasks if ntasks is not None else per_node or 1
    if (each := value(chosen, "gpus-per-task", slurm.parse_gpus)) is not None:
        gpus = gpus or tasks * each
    cpus_per_task = value(chosen, "cpus-per-task", slurm.parse_count)
    nb_proc = 1 if "overcommit" in chosen else tasks * (cpus_per_task or 1)
    if cpus_per_task is None and (each := value(chosen, "cpus-per-gpu", slurm.parse_count)) is not None:
        nb_proc = max(nb_proc, each * gpus)
    nb_proc = max(nb_proc, value(chosen, "mincpus", slurm.parse_count) or 1)
    is_exclusive = "exclusive" in chosen
    if is_exclusive:
        nb_proc = max(nb_proc, procs())
    if nb_proc > NB_PROC_LIMIT:
        raise UsageError(f"{nb_proc} procs: at most {NB_PROC_LIMIT}")
    memory_bytes, per_cpu_bytes = _memory(chosen, nb_proc, gpus)
    begin_at = value(chosen, "begin", lambda text: begin_of(text, now_s))
    return Asked(
        nb_proc,
        ntasks,
        cpus_per_task,
        per_node,
        memory_bytes,
        per_cpu_bytes,
        gpus,
        _counted(chosen),
        is_exclusive,
        value(chosen, "time", times.parse_limit_s),
        value(chosen, "priority", _priority),
        value(chosen, "nice", _nice) or 0,
        # A time that has passed is no reason to wait.
        begin_at if begin_at is not None and begin_at > now_s else None,
        value(chosen, "dependency", _dependency) or "",
        labels(chosen),
    )


def _check_nodes(chosen: Chosen, host: str) -> None:
    if dialect.is_slurm:
        from jobd.cli import submit_words

        submit_words.check_node(chosen, host)
    least, _ = value(chosen, "nodes", slurm.parse_nodes) or (1, 1)
    if least > 1:
        raise _unavailable(f"--nodes={chosen['nodes']}: there is one node here")
    own = {host, host.partition(".")[0], "localhost"}
    for name in filter(None, chosen.get("nodelist", "").split(",")):
        if name not in own:
            raise Refused(
                f"Batch job submission failed: Invalid node name specified ({name[:60]!r}; here is {host})"
            )
    if own & set(chosen.get("exclude", "").split(",")):
        raise _unavailable(f"--exclude={chosen['exclude'][:60]}: it is the only node here")


def _unavailable(why: str) -> JobdError:
    if dialect.is_slurm:
        from jobd.cli import submit_words

        return submit_words.Wrong(failed=submit_words.NODES)
    return Refused(f"Batch job submission failed: Requested node configuration is not available ({why})")


def _gpus(chosen: Chosen) -> int:
    """Those asked for as a number: --gpus before those of the node before --gres."""
    for name in ("gpus", "gpus-per-node", "gpus-per-socket"):
        count = value(chosen, name, slurm.parse_gpus)
        if count is not None:
            return count
    gres = value(chosen, "gres", slurm.parse_gres)
    return gres.gpus if gres is not None else 0


def _counted(chosen: Chosen) -> list[Counted]:
    total: dict[str, int] = {}
    gres = value(chosen, "gres", slurm.parse_gres)
    licenses = value(chosen, "licenses", slurm.parse_licenses)
    for name, count in (*(gres.counted if gres else ()), *(licenses or ())):
        total[name] = total.get(name, 0) + count
    return [Counted(name, total[name]) for name in sorted(total)]


def _memory(chosen: Chosen, nb_proc: int, gpus: int) -> tuple[int, int]:
    """(bytes of the job, bytes for each processor if it was asked for so)."""
    per_cpu = value(chosen, "mem-per-cpu", sizes.parse_bytes)
    if per_cpu is not None:
        return per_cpu * nb_proc, per_cpu
    per_gpu = value(chosen, "mem-per-gpu", sizes.parse_bytes)
    if per_gpu is not None:
        return per_gpu * max(1, gpus), 0
    return value(chosen, "mem", sizes.parse_bytes) or 0, 0


def begin_of(text: str, now_s: float) -> float:
    """The value of --begin, in this machine's local time.

    Raises:
        UsageError: it is no time, or one that the calendar of this machine does not reach.
    """
    from jobd.cli.slurm_values import local_zone

    try:
        return times.parse_time(text, now_s=now_s, zone=local_zone())
    except (OverflowError, ValueError, OSError) as error:
        raise UsageError(f"{text[:40]!r} is out of the range of time") from error


def _priority(text: str) -> int:
    if dialect.is_slurm and not text.lstrip("-").isdigit():
        return PRIORITY_LIMIT if text.upper() == "TOP" else 0  # as Slurm: no error
    return slurm.parse_integer(text, bound=PRIORITY_LIMIT)


def _nice(text: str) -> int:
    if dialect.is_slurm and text and not text.lstrip("+-").isdigit():
        return 0  # as Slurm: no error
    return slurm.parse_integer(text, bound=slurm.NICE_MAX) if text else slurm.NICE_DEFAULT


def _dependency(text: str) -> str:
    from jobd import dependencies  # few jobs have one

    return dependencies.text_of(dependencies.parse(text))


def check_mail_types(text: str) -> None:
    """The value of --mail-type.

    Raises:
        UsageError: there is no such occasion.
    """
    from jobd.cli.slurm_checks import MAILS

    for word in text.upper().split(","):
        if word not in MAILS:
            raise UsageError(f"no {word[:40]!r} (there are: {', '.join(sorted(MAILS))})")


def labels(chosen: Chosen) -> list[list[str]]:
    """What is only kept and shown, by name.

    Raises:
        UsageError: one is too long.
    """
    found = [[name.replace("-", "_"), chosen[name]] for name in LABELS if chosen.get(name)]
    if chosen.get(FEATURES):
        found.append(["features", chosen[FEATURES]])
    for name, text in found:
        if len(text) > LABEL_CHARS_MAX:
            raise UsageError(f"--{name.replace('_', '-')}: at most {LABEL_CHARS_MAX} characters")
    return found


def yes_or_no(text: str) -> bool:
    """The value of --kill-on-invalid-dep.

    Raises:
        UsageError: it is neither.
    """
    if text.lower() not in ("yes", "no"):
        raise UsageError(f"{text[:40]!r} is neither yes nor no")
    return text.lower() == "yes"


def is_appending(text: str) -> bool:
    """The value of --open-mode: append or truncate, or their first letters.

    Raises:
        UsageError: it is neither.
    """
    for word in ("append", "truncate"):
        if text and word.startswith(text.lower()):
            return word == "append"
    raise UsageError(f"{text[:40]!r} is neither append nor truncate")


def check_self(chosen: Chosen) -> None:
    """See to it that --uid and --gid, which we have no right to obey, ask for nothing that is not so.

    Raises:
        UsageError: they ask for somebody else.
    """
    for name, own in (("uid", _own_names), ("gid", _own_groups)):
        text = chosen.get(name)
        if text is not None and text not in own():
            if dialect.is_slurm:
                from jobd.cli import submit_words

                raise submit_words.bad_value(name, text)
            raise UsageError(f"--{name}={text[:40]}: jobs are yours, and run as yourself")


def _own_names() -> set[str]:
    import pwd

    uid = os.getuid()
    try:
        return {str(uid), pwd.getpwuid(uid).pw_name}
    except KeyError:
        return {str(uid)}


def _own_groups() -> set[str]:
    import grp

    names = {str(gid) for gid in (os.getgid(), *os.getgroups())}
    for gid in (os.getgid(), *os.getgroups()):
        try:
            names.add(grp.getgrgid(gid).gr_name)
        except KeyError:
            continue
    return names


def signal_numbers() -> dict[str, int]:
    """The numbers of this machine's signals, by name without SIG."""
    import signal

    return {member.name.removeprefix("SIG"): int(member) for member in signal.Signals}
