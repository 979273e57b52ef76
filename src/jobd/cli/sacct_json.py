"""sacct --json: the document of Slurm 22.05 (its OpenAPI plugin dbv0.0.38), key for key."""

import json
import signal
import sys

from jobd.cli import queue_json, tres
from jobd.cli import slurm_values as v
from jobd.cli.sacct_exactly import memory_bytes_of
from jobd.cli.sacct_query import slurm_eligible_at
from jobd.cli.sacct_records import Record
from jobd.cli.sacct_values import Context, Entry, cpu_s, elapsed_s, entries_of, values_of
from jobd.client import Client
from jobd.slurm.sizes import megabytes
from jobd.wire.batch import AskNode, StepRow
from jobd.wire.messages import JobRow

PLUGIN = {"type": "openapi/dbv0.0.38", "name": "Slurm OpenAPI DB v0.0.38"}
TRES_IDS = {"cpu": 1, "mem": 2, "energy": 3, "node": 4, "billing": 5}

Document = dict[str, object]


def show(
    client: Client,
    records: list[Record],
    steps: dict[int, list[StepRow]],
    *,
    now_s: float,
    is_yaml: bool = False,
) -> None:
    """Print the document."""
    node = client.request(AskNode())
    context = Context(now_s, node.cluster, memory_bytes=node.memory_bytes, is_document=True)
    jobs = [job(record, record.steps_of(steps), context) for record in records]
    document = {"meta": {**queue_json.meta(), "plugin": PLUGIN}, "errors": [], "jobs": jobs}
    if is_yaml:
        from jobd.cli import yaml_lines

        sys.stdout.write(yaml_lines.text_of(document))
        return
    json.dump(document, sys.stdout, indent=2)


def job(record: Record, steps: tuple[StepRow, ...], context: Context) -> Document:
    """A job with its steps."""
    row = record.row
    entry, *others = entries_of(record.parts, steps, is_with_steps=True)
    entry = entry._replace(row=row)
    state, exit_code, derived, reason, nodes, group = values_of(
        ["State", "ExitCode", "DerivedExitCode", "Reason", "NodeList", "Group"], entry, context
    )
    batch = row.batch
    array_id = None if batch is None else batch.array_id
    partition, account = v.partition(row), v.account(row)
    return {
        "account": account,
        "comment": {"administrator": None, "job": v.label(row, "comment") or None, "system": None},
        "allocation_nodes": 0 if row.started_at is None else 1,
        "array": {
            "job_id": array_id or 0,
            "limits": {"max": {"running": {"tasks": 0 if batch is None else batch.array_limit}}},
            "task": v.array_tasks(row) or None,
            "task_id": None if batch is None else batch.array_index,
        },
        "association": {"account": account, "cluster": context.cluster, "partition": None, "user": row.user},
        "cluster": context.cluster,
        "constraints": v.label(row, "features"),
        "container": None,
        "derived_exit_code": _exit(derived),
        "time": {
            "elapsed": int(elapsed_s(entry, context)),
            "eligible": int(slurm_eligible_at(row) or 0),
            "end": int(row.ended_at or 0),
            "start": int(row.started_at or 0),
            "submission": int(row.submitted_at),
            "suspended": int(v.paused_s(row, context.now_s)),
            "system": _seconds(0),
            "limit": -(-row.time_limit_s // 60) if row.time_limit_s is not None else None,
            "total": _seconds(cpu_s(entry)),
            "user": _seconds(cpu_s(entry)),
        },
        "exit_code": _exit(exit_code),
        "flags": [],
        "group": group,
        "het": {"job_id": 0, "job_offset": None},
        "job_id": row.job_id,
        "name": row.name,
        "mcs": {"label": ""},
        "nodes": nodes,
        "partition": partition,
        "priority": v.priority_number(row),
        "qos": v.qos(row),
        "required": {
            "CPUs": row.nb_proc,
            "memory": megabytes(batch.memory_bytes) if batch is not None else 0,
        },
        "kill_request_user": row.user if " by " in state else None,
        "reservation": {"id": 0, "name": 0},
        "state": {"current": state.partition(" ")[0], "reason": reason},
        "steps": [_step(one, context) for one in others],
        "tres": {
            "allocated": [] if row.started_at is None else _tres(row, 0),
            "requested": _tres(row, memory_bytes_of(row, context)),
        },
        "user": row.user,
        "wckey": {"wckey": v.label(row, "wckey"), "flags": []},
        "working_directory": row.cwd,
    }


def _step(entry: Entry, context: Context) -> Document:
    row, step = entry.row, entry.step
    state, exit_code, name, tasks = values_of(["State", "ExitCode", "JobName", "NTasks"], entry, context)
    start_s, end_s = (row.started_at, row.ended_at) if step is None else (step.started_at, step.ended_at)
    no_usage: Document = {"max": [], "min": [], "average": [], "total": []}
    memory = row.batch.memory_bytes if row.batch is not None else 0
    return {
        "nodes": {"list": [v.node_name()], "count": 1, "range": v.node_name()},
        "tres": {
            "requested": no_usage,
            "consumed": no_usage,
            "allocated": [
                _counted("cpu", row.nb_proc),
                _counted("mem", megabytes(memory)),
                _counted("node", 1),
            ],
        },
        "time": {
            "elapsed": int(elapsed_s(entry, context)),
            "end": int(end_s or 0),
            "start": int(start_s or 0),
            "suspended": 0,
            "system": _seconds(0),
            "total": _seconds(cpu_s(entry)),
            "user": _seconds(cpu_s(entry)),
        },
        "exit_code": _exit(exit_code),
        "tasks": {"count": int(tasks)},
        "pid": None,
        "CPU": {"requested_frequency": {"min": 0, "max": 0}, "governor": []},
        "kill_request_user": None,
        "state": state,
        "statistics": {"CPU": {"actual_frequency": 0}, "energy": {"consumed": 0}},
        "step": {
            "job_id": row.job_id,
            "het": {"component": None},
            "id": "batch" if step is None else step.step_id,
            "name": name,
        },
        "task": {"distribution": "Unknown"},
    }


def _exit(pair: str) -> Document:
    code, _, number = pair.partition(":")
    if number != "0":
        name = signal.strsignal(int(number)) if int(number) < signal.NSIG else None
        what = {"signal_id": int(number), "name": name or f"Unknown signal {number}"}
        return {"status": "SIGNALED", "return_code": None, "signal": what}
    return {"status": "SUCCESS" if code == "0" else "ERROR", "return_code": int(code)}


def _seconds(seconds: float) -> Document:
    return {"seconds": int(seconds), "microseconds": int(seconds % 1 * 1e6)}


def _counted(kind: str, count: int, name: str | None = None) -> Document:
    return {"type": kind, "name": name, "id": TRES_IDS.get(kind, 0), "count": count}


def _tres(row: JobRow, memory_bytes: int) -> list[Document]:
    """What it has or asks for, in the order of Slurm's numbers."""
    memory_bytes = memory_bytes or (row.batch.memory_bytes if row.batch is not None else 0)
    found = [_counted("cpu", row.nb_proc), _counted("node", 1), _counted("billing", row.nb_proc)]
    if memory_bytes:
        found.insert(1, _counted("mem", megabytes(memory_bytes)))
    found += [_counted("gres", one.count, one.name) for one in tres.gres(row)]
    return found + [_counted("license", one.count, one.name) for one in tres.licenses(row)]
