"""`Scontrol show job` and `show step`: the lines of one job, from its row. No socket, no clock.

Source: scontrol(1), src/scontrol/info_job.c of Slurm 22.05, to the blank. The line Unenforced= is ours: limits that could not be made to bind.
Under Slurm's name it is left out, and what Slurm alone has is there.
"""

import signal

from jobd.cli import dialect, tres
from jobd.cli import slurm_values as v
from jobd.cli.render import printable
from jobd.cli.sacct_values import step_state
from jobd.cli.slurm_view import REQUEUED_HELD
from jobd.slurm.sizes import megabytes, memory_text
from jobd.slurm.times import limit_padded, span_padded
from jobd.units import format_ids
from jobd.wire.batch import StepRow
from jobd.wire.messages import JobRow

PRIORITY_FIRST = 4294901760  # of Slurm's first job, where priorities only tell which came first


def job_lines(row: JobRow, now_s: float, *, is_detailed: bool) -> list[str]:
    """The lines of a job, safe to print."""
    lines = [
        *_who(row),
        *(("DerivedExitCode=0:0",) if is_detailed and dialect.is_slurm else ()),
        *_when(row, now_s),
        *_what(row),
        *(_details(row) if is_detailed else ()),
        *_limits(row),
        *_files(row),
    ]
    return [printable(line) for line in lines]


def _time(at_s: float | None) -> str:
    return v.format_time(at_s, "Unknown")


def _who(row: JobRow) -> list[str]:
    batch = row.batch
    uid, gid, group = v.user_ids(row.user)
    head = f"JobId={row.job_id} "
    if batch is not None and batch.array_id is not None:
        task = v.array_tasks(row) if batch.array_index is None else str(batch.array_index)
        head += f"ArrayJobId={batch.array_id} ArrayTaskId={task or 'N/A'} "
        if batch.array_limit and (batch.array_index is None or dialect.is_slurm):
            head += f"ArrayTaskThrottle={batch.array_limit} "
    is_held = batch is not None and batch.is_held
    return [
        f"{head}JobName={row.name}",
        f"UserId={row.user}({uid}) GroupId={group}({gid}) MCS_label=N/A",
        f"Priority={0 if is_held else _priority(row)} Nice={0 if batch is None else batch.nice} "
        f"Account={v.account(row)} QOS={v.qos(row)}",
        f"JobState={row.state} Reason={_reason(row)} Dependency={v.dependency(row) or v.NULL}",
        f"Requeue={int(batch is not None and batch.is_requeueable)} Restarts={v.restarts(row)} "
        f"BatchFlag={int(v.is_batch(row))} Reboot=0 ExitCode={_exit_pair(row)}",
    ]


def _priority(row: JobRow) -> int:
    """Slurm's priorities are great numbers that fall, and 0 is that of a held job."""
    if not dialect.is_slurm or row.priority > 0:
        return row.priority
    return max(1, PRIORITY_FIRST - row.job_id + row.priority)


def _reason(row: JobRow) -> str:
    """Why it waits; under Slurm's name a running job tells that it was held too."""
    if row.reason_code == REQUEUED_HELD:
        return REQUEUED_HELD.replace(" ", "_")
    is_held = row.batch is not None and row.batch.is_held and row.ended_at is None
    return "JobHeldUser" if dialect.is_slurm and is_held else v.reason(row)


def _exit_pair(row: JobRow) -> str:
    """The code and the signal; scontrol, and no other program of Slurm, tells the signal that ended a job by somebody's wish, or by time."""
    is_ended = row.state in ("CANCELLED", "TIMEOUT") and row.started_at is not None and v.is_batch(row)
    if dialect.is_slurm and is_ended:
        return f"0:{row.signal or signal.SIGTERM.value}"
    return v.exit_pair(row)


def _when(row: JobRow, now_s: float) -> list[str]:
    paused_at = None if row.batch is None else row.batch.paused_at
    before_pause_s = 0.0
    if paused_at is not None and row.started_at is not None and row.batch is not None:
        before_pause_s = paused_at - row.started_at - row.batch.paused_s
    eligible = _time(_eligible_at(row))
    return [
        f"RunTime={span_padded(v.elapsed_s(row, now_s))} TimeLimit={limit_padded(row.time_limit_s)} TimeMin={_limit(row, 'time_min', 'N/A')}",
        f"SubmitTime={_time(row.submitted_at)} EligibleTime={eligible}",
        f"AccrueTime={eligible}",
        f"StartTime={_time(v.start_at(row))} EndTime={_time(_end_at(row, now_s))} Deadline={v.label(row, 'deadline') or 'N/A'}",
        f"SuspendTime={v.format_time(paused_at, 'None')} SecsPreSuspend={int(before_pause_s)} "
        f"LastSchedEval={_time(row.started_at or row.submitted_at)} Scheduler=Main",
    ]


def _limit(row: JobRow, name: str, missing: str) -> str:
    """A limit that is kept as seconds."""
    text = v.label(row, name)
    return limit_padded(int(text)) if text.isdigit() else missing


def _eligible_at(row: JobRow) -> float | None:
    """Since when it may start; Slurm tells it of a held job too, if that begins at some time."""
    is_timed = dialect.is_slurm and row.state == "PENDING" and row.batch is not None
    return (row.batch.begin_at if is_timed and row.batch is not None else None) or v.eligible_at(row)


def _end_at(row: JobRow, now_s: float) -> float | None:
    """When it ended or must end; in Slurm also when a job must end that is expected to start."""
    start_at = v.start_at(row)
    if dialect.is_slurm and row.state == "PENDING" and start_at is not None and row.time_limit_s is not None:
        return start_at + row.time_limit_s
    return v.end_at(row, now_s)


def tasks_of(row: JobRow) -> tuple[int, int]:
    """(tasks, processors for each): as asked, else a task for each proc."""
    batch = row.batch
    each = (batch.cpus_per_task if batch is not None else None) or 1
    asked = batch.ntasks if batch is not None else None
    most = max(1, row.nb_proc // each)
    return min(asked or most, most), each


def _what(row: JobRow) -> list[str]:
    tasks, each = tasks_of(row)
    per_node = (row.batch.ntasks_per_node if row.batch is not None else None) or 0
    lines = [
        f"Partition={v.partition(row)} "
        f"AllocNode:Sid={v.label(row, 'submit_host') or v.node_name()}:{0 if v.is_batch(row) else row.pid}",
        f"ReqNodeList={v.label(row, 'nodelist') or v.NULL} ExcNodeList={v.label(row, 'exclude') or v.NULL}",
        f"NodeList={v.nodes(row)}{_planned(row)}",
    ]
    if row.started_at is not None:
        lines.append(f"BatchHost={v.nodes(row)}")
    return [
        *lines,
        f"NumNodes=1 NumCPUs={row.nb_proc} NumTasks={tasks} CPUs/Task={each} ReqB:S:C:T=0:0:*:*",
        f"TRES={tres.job_tres(row)}",
        f"Socks/Node=* NtasksPerN:B:S:C={per_node}:0:*:* CoreSpec=*",
    ]


def _planned(row: JobRow) -> str:
    """The node on which a waiting job is expected to start."""
    is_planned = row.state == "PENDING" and row.batch is not None and row.batch.expected_start_at
    return f" SchedNodeList={v.node_name()}" if dialect.is_slurm and is_planned else ""


def _details(row: JobRow) -> list[str]:
    """What --details adds: which processors and GPUs it was given."""
    if row.started_at is None:
        return []
    batch = row.batch
    gpus = [] if batch is None else batch.gpu_indexes
    given = f"gpu:{len(gpus)}(IDX:{_ranges(gpus)})" if gpus else ""
    memory = 0 if batch is None else megabytes(batch.memory_bytes)
    return [
        f"JOB_GRES={f'gpu:{len(gpus)}' if gpus else v.NULL}",
        f"  Nodes={v.node_name()} CPU_IDs={_ranges(row.cpus)} Mem={memory} GRES={given}",
    ]


def _ranges(numbers: list[int]) -> str:
    return format_ids(numbers).replace("->", "-")


def _limits(row: JobRow) -> list[str]:
    batch = row.batch
    _, each = tasks_of(row)
    memory = f"MinMemoryNode={memory_text(0 if batch is None else batch.memory_bytes)}"
    if batch is not None and batch.memory_per_cpu_bytes:
        memory = f"MinMemoryCPU={memory_text(batch.memory_per_cpu_bytes)}"
    per_node = (batch.ntasks_per_node if batch is not None else None) or 1
    sharing = "NO" if batch is not None and batch.is_exclusive else "OK"
    return [
        f"MinCPUsNode={each * per_node} {memory} MinTmpDiskNode={v.label(row, 'min_tmp_disk') or 0}",
        f"Features={v.label(row, 'features') or v.NULL} DelayBoot={_limit(row, 'delay_boot', '00:00:00')}",
        f"OverSubscribe={sharing} Contiguous=0 Licenses={tres.licenses_text(row) or v.NULL} Network=(null)",
    ]


def _files(row: JobRow) -> list[str]:
    batch = row.batch
    lines = [f"Command={v.command_line(row) or v.NULL}"]
    if v.label(row, "submit_line") and not dialect.is_slurm:
        lines.append(f"SubmitLine={v.label(row, 'submit_line')}")
    lines.append(f"WorkDir={row.cwd}")
    if v.label(row, "admin_comment"):
        lines.append(f"AdminComment={v.label(row, 'admin_comment')} ")
    if v.label(row, "comment"):
        lines.append(f"Comment={v.label(row, 'comment')} ")
    if batch is not None and v.is_batch(row):
        lines += [f"StdErr={batch.stderr}", f"StdIn={batch.stdin}", f"StdOut={batch.stdout}"]
    if v.label(row, "switches"):
        count, _, wait = v.label(row, "switches").partition("@")
        lines.append(f"Switches={count}@{span_padded(int(wait)) if wait.isdigit() else '00:00:00'}")
    lines.append("Power=")
    if tres.gres(row):
        lines.append(f"TresPerNode={tres.gres_text(row)}")
    if v.label(row, "mail_type"):
        user = v.label(row, "mail_user") or row.user
        lines.append(f"MailUser={user} MailType={v.label(row, 'mail_type')}")
    if batch is not None and batch.unenforced and not dialect.is_slurm:
        lines.append(f"Unenforced={'; '.join(batch.unenforced)}")
    return [*lines, ""]


def step_lines(step: StepRow, row: JobRow) -> list[str]:
    """The lines of a step, safe to print."""
    uid = v.user_ids(row.user)[0]
    lines = [
        f"StepId={v.job_text(row)}.{step.step_id} UserId={uid} StartTime={_time(step.started_at)} TimeLimit=UNLIMITED",
        f"State={step_state(step, row)} Partition={v.partition(row)} NodeList={v.node_name()}",
        f"Nodes=1 CPUs={step.ntasks} Tasks={step.ntasks} Name={step.name} Network=(null)",
        f"TRES=cpu={step.ntasks},{_step_memory(row)}node=1",
    ]
    return [printable(line) for line in lines]


def _step_memory(row: JobRow) -> str:
    """Slurm counts a step's memory, and says so where it counts none."""
    if not dialect.is_slurm:
        return ""
    return f"mem={memory_text(row.batch.memory_bytes if row.batch is not None else 0)},"
