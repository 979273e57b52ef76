"""sstat, as Slurm's: what the running steps of a job use just now."""

import os
import re
import sys
from collections.abc import Sequence
from typing import NamedTuple

from jobd.cli import slurm_values as v
from jobd.cli.dialect import RELEASE, Said
from jobd.cli.getopt import REQUIRED, Option, Table
from jobd.cli.listing import Options, rows_of, steps_of
from jobd.cli.sacct_query import BATCH_STEP
from jobd.cli.sacct_words import steps_named
from jobd.client import Client
from jobd.errors import UsageError
from jobd.slurm import fields as field_names
from jobd.slurm.sizes import usage_text
from jobd.slurm.times import span_padded
from jobd.wire.batch import JobId
from jobd.wire.messages import JobRow

DEFAULT = (
    "jobid,maxvmsize,maxvmsizenode,maxvmsizetask,avevmsize,maxrss,maxrssnode,maxrsstask,averss,maxpages,maxpagesnode,maxpagestask,avepages,"
    "mincpu,mincpunode,mincputask,avecpu,ntasks,avecpufreq,reqcpufreqmin,reqcpufreqmax,reqcpufreqgov,consumedenergy,maxdiskread,"
    "maxdiskreadnode,maxdiskreadtask,avediskread,maxdiskwrite,maxdiskwritenode,maxdiskwritetask,avediskwrite,tresusageinave,tresusageinmax,"
    "tresusageinmaxnode,tresusageinmaxtask,tresusageinmin,tresusageinminnode,tresusageinmintask,tresusageintot,tresusageoutave,"
    "tresusageoutmax,tresusageoutmaxnode,tresusageoutmaxtask,tresusageoutmin,tresusageoutminnode,tresusageoutmintask,tresusageouttot"
)
PIDS = "jobid,nodelist,pids"
_TABLE = """
AveCPU 10 AveCPUFreq 10 AveDiskRead 12 AveDiskWrite 12 AvePages 10 AveRSS 10 AveVMSize 10 ConsumedEnergy 14 ConsumedEnergyRaw 17 JobID -12
MaxDiskRead 12 MaxDiskReadNode 15 MaxDiskReadTask 15 MaxDiskWrite 12 MaxDiskWriteNode 16 MaxDiskWriteTask 16 MaxPages 8 MaxPagesNode 12
MaxPagesTask 14 MaxRSS 10 MaxRSSNode 10 MaxRSSTask 10 MaxVMSize 10 MaxVMSizeNode 14 MaxVMSizeTask 14 MinCPU 10 MinCPUNode 10 MinCPUTask 10
Nodelist 20 NTasks 8 Pids 20 ReqCPUFreq 10 ReqCPUFreqMin 13 ReqCPUFreqMax 13 ReqCPUFreqGov 13 TRESUsageInAve 14 TRESUsageInMax 14
TRESUsageInMaxNode 18 TRESUsageInMaxTask 18 TRESUsageInMin 14 TRESUsageInMinNode 18 TRESUsageInMinTask 18 TRESUsageInTot 14
TRESUsageOutAve 15 TRESUsageOutMax 15 TRESUsageOutMaxNode 19 TRESUsageOutMaxTask 19 TRESUsageOutMin 15 TRESUsageOutMinNode 19
TRESUsageOutMinTask 19 TRESUsageOutTot 15
"""
WIDTHS = {name: int(width) for name, width in re.findall(r"(\w+) (-?\d+)", _TABLE)}

TABLE = Table(
    (
        Option("allsteps", "a", help="all steps of a job, its script too"),
        Option("helpformat", "e", help="the names of all fields"),
        Option("help", "h", help="show this and leave"),
        Option("jobs", "j", REQUIRED, "LIST", "these jobs or steps"),
        Option("noheader", "n", help="without the line of names"),
        Option("noconvert", help="sizes in bytes"),
        Option("format", "o", REQUIRED, "FIELDS", "these fields"),
        Option("fields", "", REQUIRED, "FIELDS", "the same as --format"),
        Option("pidformat", "i", help="the processes of each step"),
        Option("parsable", "p", help="with | behind each value"),
        Option("parsable2", "P", help="with | between the values"),
        Option("usage", help="show how it is called and leave"),
        Option("verbose", "v", help="say more"),
        Option("version", "V", help="show the version and leave"),
    )
)
USAGE = "Usage: sstat [options] -j <job(.stepid)>\n\tUse --help for help"


class Use(NamedTuple):
    """What a step uses: as measured now, else as far as the server knows."""

    job: str
    ntasks: int
    cpu_s: float = 0.0
    memory_bytes: int = 0
    virtual_bytes: int = 0
    pids: tuple[int, ...] = ()


def main(argv: Sequence[str]) -> int:
    """Do it; the exit code."""
    options = Options(TABLE, argv)
    if options.has("version"):
        print(RELEASE)
        return 0
    if options.has("usage"):
        print(USAGE)
        return 0
    if options.has("help"):
        from jobd.cli.slurm_help import text_of

        print(text_of("sstat"), end="")
        return 0
    if options.has("helpformat"):
        sys.stdout.write(field_names.help_text(tuple(WIDTHS)))
        return 0
    words = [
        word for text in (*(options.all("jobs") or ()), *options.words) for word in text.split(",") if word
    ]
    jobs = _jobs(words)
    if not jobs:
        raise Said("sstat: error: You didn't give me any jobs to stat.")
    layout = _layout(options, argv)
    if not options.has("noheader"):
        sys.stdout.write(layout.header())
    client = Client()
    names = [field.name for field in layout.fields]
    for job in jobs:
        for use in _uses(client, job, is_all=options.has("allsteps")):
            values = _values(use, is_raw=options.has("noconvert"))
            sys.stdout.write(layout.line([values.get(name, "") for name in names]))
    return 0


def _jobs(words: Sequence[str]) -> list[JobId]:
    """The jobs and steps; an index of an array is read, and means the array's own number."""
    found: list[JobId] = []
    for job in steps_named(words, "sstat"):
        plain = job._replace(runs=[])
        if plain not in found:
            found.append(plain)
    return found


def _layout(options: Options, argv: Sequence[str]) -> field_names.Layout:
    text = ",".join(options.all("format", "fields") or (DEFAULT,))
    if options.has("pidformat"):
        text = PIDS
    try:
        fields = field_names.parse_exactly(text, WIDTHS, everything="")
    except UsageError as error:
        raise Said(f"sstat: error: {error}") from None
    # A width that is none is the field's own here.
    fields = [
        field if field.width else field_names.parse_exactly(field.name, WIDTHS, "")[0] for field in fields
    ]
    given = TABLE.parse(argv, is_mixed=True).given
    ways = [one.option.name for one in given if one.option.name in ("parsable", "parsable2")]
    return field_names.Layout(fields, "|", ways[-1] == "parsable") if ways else field_names.Layout(fields)


# ---- what is used
def _uses(client: Client, job: JobId, *, is_all: bool) -> list[Use]:
    """The running steps that are meant; what is wrong with a job is said, and the next one follows."""
    rows = [
        row for row in rows_of(client, [JobId(job.job_id)], is_finished=False) if row.job_id == job.job_id
    ]
    if not rows and not any(rows_of(client, [JobId(job.job_id)], is_finished=True)):
        _complain(f"couldn't get steps for job {job.job_id}")
        return []
    row = rows[0] if rows else None
    is_running = row is not None and row.started_at is not None
    uses: dict[int, Use] = {}
    if row is not None and is_running:
        if v.is_batch(row):
            uses[BATCH_STEP] = _use_of_script(row)
        for step in steps_of(client, [row.job_id]).get(row.job_id, ()):
            if step.ended_at is None:
                text = f"{row.job_id}.{step.step_id}"
                uses[step.step_id] = Use(text, step.ntasks, step.cpu_s, step.memory_peak_bytes)
    if job.step_id is not None:
        if job.step_id in uses:
            return [uses[job.step_id]]
        name = "batch" if job.step_id == BATCH_STEP else "extern" if job.step_id < 0 else job.step_id
        _complain(f"StepId={job.job_id}.{name} not found running.")
        return []
    if not uses:
        _complain(f"No steps running for job {job.job_id}")
    if is_all:
        return list(uses.values())
    numbered = sorted(step_id for step_id in uses if step_id >= 0)
    return [uses[numbered[0]]] if numbered else []


def _complain(text: str) -> None:
    sys.stdout.flush()
    sys.stderr.write(f"sstat: error: {text}\n")


def _use_of_script(row: JobRow) -> Use:
    """The script with all that it has started: one look at the processes."""
    use = Use(f"{row.job_id}.batch", 1)
    if row.batch is not None:
        use = use._replace(cpu_s=row.batch.cpu_s, memory_bytes=row.batch.memory_peak_bytes)
    pids = _tree_of(row.pid)
    ticks, pages, size_bytes = 0, 0, 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                words = file.read().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += int(words[11]) + int(words[12])
        size_bytes += int(words[20])
        pages += int(words[21])
    if not pids:
        return use
    return use._replace(
        cpu_s=max(use.cpu_s, ticks / os.sysconf("SC_CLK_TCK")),
        memory_bytes=max(use.memory_bytes, pages * os.sysconf("SC_PAGE_SIZE")),
        virtual_bytes=size_bytes,
        pids=tuple(pids),
    )


def _tree_of(root: int) -> list[int]:
    """A process and its descendants; none where it has gone."""
    if root <= 0 or not os.path.isdir(f"/proc/{root}"):
        return []
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        try:
            for thread in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as file:
                    waiting += map(int, file.read().split())
        except OSError:
            continue
    return found


def _values(use: Use, *, is_raw: bool) -> dict[str, str]:
    node = v.node_name()
    each_s = span_padded(use.cpu_s / max(1, use.ntasks))
    memory, virtual = (
        str(size) if is_raw else usage_text(size) for size in (use.memory_bytes, use.virtual_bytes)
    )
    usage = f"cpu={span_padded(use.cpu_s)},mem={memory},vmem={virtual}"
    where, task = f"cpu={node},mem={node},vmem={node}", "cpu=0,mem=0,vmem=0"
    return {
        "JobID": use.job,
        "NTasks": str(use.ntasks),
        "Nodelist": node,
        "Pids": ",".join(map(str, use.pids)),
        "AveCPU": each_s,
        "MinCPU": each_s,
        "AveCPUFreq": "0",
        "ConsumedEnergy": "0",
        **dict.fromkeys(("AveRSS", "MaxRSS"), memory),
        **dict.fromkeys(("AveVMSize", "MaxVMSize"), virtual),
        **dict.fromkeys(
            ("AvePages", "MaxPages", "AveDiskRead", "MaxDiskRead", "AveDiskWrite", "MaxDiskWrite"), "0"
        ),
        **{
            f"{name}Node": node
            for name in ("MaxRSS", "MaxVMSize", "MinCPU", "MaxPages", "MaxDiskRead", "MaxDiskWrite")
        },
        **{
            f"{name}Task": "0"
            for name in ("MaxRSS", "MaxVMSize", "MinCPU", "MaxPages", "MaxDiskRead", "MaxDiskWrite")
        },
        **{f"ReqCPUFreq{end}": "0" for end in ("", "Min", "Max", "Gov")},
        **{f"TRESUsageIn{what}": usage for what in ("Ave", "Max", "Min", "Tot")},
        **{f"TRESUsageIn{what}Node": where for what in ("Max", "Min")},
        **{f"TRESUsageIn{what}Task": task for what in ("Max", "Min")},
    }
