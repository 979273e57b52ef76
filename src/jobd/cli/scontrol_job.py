"""`Scontrol show job` and `show step`: the lines of one job, from its row. No socket, no clock.

Source: scontrol(1), src/scontrol/info_job.c of Slurm 22.05, to the blank. The line Unenforced= is ours: limits that could not be made to bind.
"""

from jobd.cli import slurm_values as v
from jobd.cli import tres
from jobd.cli.render import printable
from jobd.cli.sacct_values import step_state
from jobd.slurm.sizes import megabytes, memory_text
from jobd.slurm.times import limit_padded, span_padded
from jobd.units import format_ids
from jobd.wire.batch import StepRow
from jobd.wire.messages import JobRow


def job_lines(row: JobRow, now_s: float, *, is_detailed: bool) -> list[str]:
    """The lines of a job, safe to print."""
    lines = [
        *_who(row),
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
        if batch.array_limit and batch.array_index is None:
            head += f"ArrayTaskThrottle={batch.array_limit} "
    is_held = batch is not None and batch.is_held
    return [
        f"{head}JobName={row.name}",
        f"UserId={row.user}({uid}) GroupId={group}({gid}) MCS_label=N/A",
        f"Priority={0 if is_held else row.priority} Nice={0 if batch is None else batch.nice} "
        f"Account={v.account(row)} QOS={v.qos(row)}",
        f"JobState={row.state} Reason={v.reason(row)} Dependency={v.dependency(row) or v.NULL}",
        f"Requeue={int(batch is not None and batch.is_requeueable)} Restarts={v.restarts(row)} "
        f"BatchFlag={int(v.is_batch(row))} Reboot=0 ExitCode={v.exit_pair(row)}",
    ]


def _when(row: JobRow, now_s: float) -> list[str]:
    paused_at = None if row.batch is None else row.batch.paused_at
    before_pause_s = 0.0
    if paused_at is not None and row.started_at is not None and row.batch is not None:
        before_pause_s = paused_at - row.started_at - row.batch.paused_s
    eligible = _time(v.eligible_at(row))
    return [
        f"RunTime={span_padded(v.elapsed_s(row, now_s))} TimeLimit={limit_padded(row.time_limit_s)} TimeMin=N/A",
        f"SubmitTime={_time(row.submitted_at)} EligibleTime={eligible}",
        f"AccrueTime={eligible}",
        f"StartTime={_time(v.start_at(row))} EndTime={_time(v.end_at(row, now_s))} Deadline=N/A",
        f"SuspendTime={v.format_time(paused_at, 'None')} SecsPreSuspend={int(before_pause_s)} "
        f"LastSchedEval={_time(row.started_at or row.submitted_at)} Scheduler=Main",
    ]


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
        f"NodeList={v.nodes(row)}",
    ]
    if row.started_at is not None:
        lines.append(f"BatchHost={v.nodes(row)}")
    return [
        *lines,
        f"NumNodes=1 NumCPUs={row.nb_proc} NumTasks={tasks} CPUs/Task={each} ReqB:S:C:T=0:0:*:*",
        f"TRES={tres.job_tres(row)}",
        f"Socks/Node=* NtasksPerN:B:S:C={per_node}:0:*:* CoreSpec=*",
    ]


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
        f"MinCPUsNode={each * per_node} {memory} MinTmpDiskNode=0",
        f"Features={v.label(row, 'features') or v.NULL} DelayBoot=00:00:00",
        f"OverSubscribe={sharing} Contiguous=0 Licenses={tres.licenses_text(row) or v.NULL} Network=(null)",
    ]


def _files(row: JobRow) -> list[str]:
    batch = row.batch
    lines = [f"Command={v.command_line(row) or v.NULL}"]
    if v.label(row, "submit_line"):
        lines.append(f"SubmitLine={v.label(row, 'submit_line')}")
    lines.append(f"WorkDir={row.cwd}")
    if v.label(row, "comment"):
        lines.append(f"Comment={v.label(row, 'comment')} ")
    if batch is not None and v.is_batch(row):
        lines += [f"StdErr={batch.stderr}", f"StdIn={batch.stdin}", f"StdOut={batch.stdout}"]
    lines.append("Power=")
    if tres.gres(row):
        lines.append(f"TresPerNode={tres.gres_text(row)}")
    if v.label(row, "mail_type"):
        user = v.label(row, "mail_user") or row.user
        lines.append(f"MailUser={user} MailType={v.label(row, 'mail_type')}")
    if batch is not None and batch.unenforced:
        lines.append(f"Unenforced={'; '.join(batch.unenforced)}")
    return [*lines, ""]


def step_lines(step: StepRow, row: JobRow) -> list[str]:
    """The lines of a step, safe to print."""
    uid = v.user_ids(row.user)[0]
    lines = [
        f"StepId={v.job_text(row)}.{step.step_id} UserId={uid} StartTime={_time(step.started_at)} TimeLimit=UNLIMITED",
        f"State={step_state(step, row)} Partition={v.partition(row)} NodeList={v.node_name()}",
        f"Nodes=1 CPUs={step.ntasks} Tasks={step.ntasks} Name={step.name} Network=(null)",
        f"TRES=cpu={step.ntasks},node=1",
    ]
    return [printable(line) for line in lines]
