"""Seff's report on one job: what it asked for and what it used, and one sentence of advice. Pure text.

The text is that of Slurm's contribs/seff; the last line is ours. `slurm_report` is that of 22.05 to the letter.
"""

from typing import NamedTuple

from jobd.slurm.sizes import short_text
from jobd.slurm.times import span_padded

# Below these shares of what was asked for it is worth saying so; short jobs say nothing about anything.
CPU_LOW = 0.5
MEMORY_LOW = 0.4
MEMORY_HIGH = 0.9
TIME_LOW = 0.25
SHORT_S = 10.0
ROOM = 1.25  # what is advised is so much above what was used


class Facts(NamedTuple):
    """What is known of a job."""

    job: str  # its number
    array_job: str  # 12_3, or "" for a job of no array
    cluster: str
    user: str
    group: str
    state: str
    exit_code: int
    nb_proc: int
    cpu_s: float
    elapsed_s: float
    time_limit_s: int | None
    memory_used_bytes: int
    memory_bytes: int  # asked for; 0 for none
    is_measured: bool  # whether its CPU time and memory were recorded
    is_over: bool
    has_started: bool
    is_memory_by_cpu: bool = False  # whether it was asked for by the processor


def report(facts: Facts) -> list[str]:
    """The lines of the report."""
    lines = [f"Job ID: {facts.job}"]
    if facts.array_job:
        lines.append(f"Array Job ID: {facts.array_job}")
    lines += [f"Cluster: {facts.cluster}", f"User/Group: {facts.user}/{facts.group}"]
    ending = f" (exit code {facts.exit_code})" if facts.is_over else ""
    lines.append(f"State: {facts.state}{ending}")
    if facts.nb_proc == 1:
        lines.append("Cores: 1")
    else:
        lines += ["Nodes: 1", f"Cores per node: {facts.nb_proc}"]
    if not facts.has_started:
        return [*lines, f"Efficiency not available for jobs in the {facts.state} state."]
    if not facts.is_measured:
        return [*lines, f"Job Wall-clock time: {span_padded(facts.elapsed_s)}", f"Advice: {advice(facts)}"]
    return [*lines, *_usage(facts), f"Advice: {advice(facts)}"]


def slurm_report(facts: Facts) -> list[str]:
    """The lines of the report, as the script of Slurm 22.05 has them."""
    is_open = facts.state in ("PENDING", "RUNNING")
    lines = report(facts._replace(is_over=not is_open, has_started=False))[:-1]
    if facts.state == "PENDING":
        return [*lines, "Efficiency not available for jobs in the PENDING state."]
    walltime_s = int(facts.elapsed_s) * facts.nb_proc
    cpu_s = int(facts.cpu_s + 0.5)
    used, asked = facts.memory_used_bytes, _size(facts.memory_bytes)
    each = _size(facts.memory_bytes / facts.nb_proc) + "/core" if facts.is_memory_by_cpu else asked + "/node"
    # Where nothing of it was measured, the script does not know how many tasks that was of.
    lines += [
        f"CPU Utilized: {span_padded(cpu_s)}",
        f"CPU Efficiency: {_percent(cpu_s, walltime_s)} of {span_padded(walltime_s)} core-walltime",
        f"Job Wall-clock time: {span_padded(facts.elapsed_s)}",
        f"Memory Utilized: {_size(used)}" + ("" if used else " (estimated maximum)"),
        f"Memory Efficiency: {_percent(used, facts.memory_bytes)} of {asked}"
        + ("" if used else f" ({each})"),
    ]
    if facts.state == "RUNNING":
        lines.append("WARNING: Efficiency statistics may be misleading for RUNNING jobs.")
    return lines


def _size(count_bytes: float) -> str:
    return short_text(count_bytes) if count_bytes else "0.00 MB"


def _usage(facts: Facts) -> list[str]:
    walltime_s = facts.elapsed_s * facts.nb_proc
    used, asked = facts.memory_used_bytes, facts.memory_bytes
    is_known = used > 0  # what has run has used some
    if not asked:
        share = "no memory was asked for (--mem)"
    elif not is_known:
        share = f"not known ({short_text(asked)} asked for)"
    else:
        share = f"{_percent(used, asked)} of {short_text(asked)} ({short_text(asked)}/node)"
    return [
        f"CPU Utilized: {span_padded(facts.cpu_s)}",
        f"CPU Efficiency: {_percent(facts.cpu_s, walltime_s)} of {span_padded(walltime_s)} core-walltime",
        f"Job Wall-clock time: {span_padded(facts.elapsed_s)}",
        f"Memory Utilized: {short_text(used) if is_known else 'not measured' if facts.is_over else 'not known yet'}",
        f"Memory Efficiency: {share}",
    ]


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole if whole > 0 else 0:.2f}%"


def advice(facts: Facts) -> str:
    """One sentence on what to ask for next time; the most that is to be gained is said."""
    if not facts.is_measured:
        return "what a Salloc or Srun uses is not recorded, only that of batch jobs."
    if not facts.is_over:
        return "it is still running, and what it uses is known when it is over."
    if facts.state == "OUT_OF_MEMORY":
        more = short_text(max(facts.memory_bytes, facts.memory_used_bytes) * 1.5)
        return f"it ran out of memory, so ask for more: --mem of about {more}."
    if facts.state == "TIMEOUT":
        return f"it reached its time limit of {span_padded(facts.time_limit_s or 0)}, so ask for more with --time."
    if facts.elapsed_s < SHORT_S:
        return "it was too short to say anything about what it needs."
    return _of_procs(facts) or _of_memory(facts) or _of_time(facts) or "what it asked for fits what it used."


def _of_procs(facts: Facts) -> str:
    used = facts.cpu_s / facts.elapsed_s
    share = used / facts.nb_proc
    if facts.nb_proc > 1 and share < CPU_LOW:
        wanted = max(1, min(facts.nb_proc - 1, -int(-used * ROOM // 1)))
        procs = "1 proc" if wanted == 1 else f"{wanted} procs"
        return f"it kept {used:.1f} of its {facts.nb_proc} procs busy, so {procs} would do."
    if facts.nb_proc == 1 and share < CPU_LOW:
        return f"its proc was idle for {100 * (1 - share):.0f}% of the time: it waited for something else."
    return ""


def _of_memory(facts: Facts) -> str:
    if not facts.memory_bytes:
        return ""
    share = facts.memory_used_bytes / facts.memory_bytes
    used = short_text(facts.memory_used_bytes)
    if share > MEMORY_HIGH:
        return f"it used {100 * share:.0f}% of its memory, so ask for some more than {short_text(facts.memory_bytes)}."
    if share < MEMORY_LOW:
        return f"it used {used} of its memory, so --mem of about {short_text(facts.memory_used_bytes * ROOM)} would do."
    return ""


def _of_time(facts: Facts) -> str:
    if facts.time_limit_s is None or facts.elapsed_s >= TIME_LOW * facts.time_limit_s:
        return ""
    return (
        f"it ran for {span_padded(facts.elapsed_s)} of {span_padded(facts.time_limit_s)}, so a shorter --time would let it "
        "start sooner."
    )
