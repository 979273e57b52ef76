"""squeue --json: the document of Slurm 22.05 (its OpenAPI plugin v0.0.38), key for key."""

import json
import sys
from collections.abc import Callable

from jobd import __version__
from jobd.cli import slurm_values as v
from jobd.cli import tres
from jobd.client import Client
from jobd.slurm.sizes import megabytes
from jobd.wire.batch import AskNode, Node
from jobd.wire.messages import JobRow

NO_STRING = (
    "admin_comment batch_features burst_buffer burst_buffer_state cluster_features container federation_origin federation_siblings_active "
    "federation_siblings_viable het_job_id_set mcs_label memory_per_tres cpus_per_tres prefer state_description system_comment tres_bind "
    "tres_freq tres_per_job tres_per_socket tres_per_task"
)
NO_NUMBER = (
    "association_id deadline delay_boot derived_exit_code het_job_id het_job_offset max_cpus max_nodes minimum_tmp_disk_per_node preempt_time "
    "pre_sus_time resize_time sockets_per_board tasks_per_board time_minimum"
)
NO_VALUE = (
    "core_spec thread_spec cores_per_socket cpu_frequency_minimum cpu_frequency_maximum cpu_frequency_governor tasks_per_core "
    "tasks_per_socket profile shared sockets_per_node threads_per_core"
)
PLUGIN = {"type": "openapi/v0.0.38", "name": "Slurm OpenAPI v0.0.38"}


def meta() -> dict[str, object]:
    """What made the document."""
    version = {"major": 22, "micro": 8, "minor": 5}
    return {"plugin": PLUGIN, "Slurm": {"version": version, "release": "22.05.8"}, "jobd": __version__}


def show(client: Client, found: Callable[[Client], list[JobRow]], *, is_yaml: bool = False) -> None:
    """Print the document; jobs come by number."""
    node: Node = client.request(AskNode())
    rows = sorted(found(client), key=lambda row: row.job_id)
    document = {"meta": meta(), "errors": [], "jobs": [job(row, node.cluster) for row in rows]}
    if is_yaml:
        from jobd.cli import yaml_lines

        sys.stdout.write(yaml_lines.text_of(document))
        return
    json.dump(document, sys.stdout, indent=2)
    sys.stdout.write("\n")


def _seconds(at_s: float | None) -> int:
    return int(at_s or 0)


def job(row: JobRow, cluster: str) -> dict[str, object]:
    """A job, with the keys of Slurm's in the order of the alphabet."""
    batch = row.batch
    index = None if batch is None else batch.array_index
    is_array = batch is not None and batch.array_id is not None
    uid, gid, group = v.user_ids(row.user)
    has_started = row.started_at is not None
    per_cpu = 0 if batch is None else batch.memory_per_cpu_bytes
    memory = 0 if batch is None or per_cpu else batch.memory_bytes
    start_s = v.start_at(row)
    end_s = v.end_at(row, 0.0)
    code, _, signal = v.exit_pair(row).partition(":")
    told: dict[str, object] = {
        **dict.fromkeys(NO_STRING.split(), ""),
        **dict.fromkeys(NO_NUMBER.split(), 0),
        **dict.fromkeys(NO_VALUE.split()),
        "account": v.account(row),
        "accrue_time": _seconds(v.eligible_at(row)),
        "array_job_id": v.array_id(row) if is_array else 0,
        "array_max_tasks": 0 if batch is None else batch.array_limit,
        "array_task_id": index,
        "array_task_string": v.array_tasks(row),
        "batch_flag": v.is_batch(row),
        "batch_host": v.nodes(row),
        "billable_tres": float(row.nb_proc) if has_started else None,
        "cluster": cluster,
        "command": v.command_line(row),
        "comment": v.label(row, "comment"),
        "contiguous": False,
        "cpus": row.nb_proc,
        "cpus_per_task": None if batch is None else batch.cpus_per_task,
        "current_working_directory": row.cwd,
        "dependency": v.dependency(row),
        "eligible_time": _seconds(v.eligible_at(row)),
        "end_time": _seconds(end_s),
        "excluded_nodes": v.label(row, "exclude"),
        "exit_code": int(code) * 256 + int(signal or 0),
        "features": v.label(row, "features"),
        "flags": [],
        "gres_detail": [],
        "group_id": int(gid) if gid.isdigit() else gid,
        "group_name": group,
        "job_id": row.job_id,
        "job_state": row.state,
        "last_sched_evaluation": _seconds(row.started_at or row.submitted_at),
        "licenses": tres.licenses_text(row),
        "memory_per_cpu": megabytes(per_cpu) or None,
        "memory_per_node": megabytes(memory) or None,
        "minimum_cpus_per_node": (batch.cpus_per_task if batch is not None else None) or 1,
        "name": row.name,
        "nice": (batch.nice if batch is not None else 0) or None,
        "node_count": 1,
        "nodes": v.nodes(row),
        "partition": v.partition(row),
        "priority": v.priority_number(row),
        "qos": v.qos(row),
        "reboot": False,
        "required_nodes": v.label(row, "nodelist"),
        "requeue": batch is not None and batch.is_requeueable,
        "restart_cnt": v.restarts(row),
        "resv_name": v.label(row, "reservation"),
        "show_flags": ["SHOW_ALL", "SHOW_DETAIL", "SHOW_LOCAL"],
        "standard_error": "" if batch is None else batch.stderr,
        "standard_input": "" if batch is None else batch.stdin,
        "standard_output": "" if batch is None else batch.stdout,
        "start_time": _seconds(row.ended_at if start_s is None else start_s),
        "state_reason": v.reason(row),
        "submit_time": _seconds(row.submitted_at),
        "suspend_time": _seconds(None if batch is None else batch.paused_at),
        "tasks": (batch.ntasks if batch is not None else None) or 1,
        "tasks_per_node": (batch.ntasks_per_node if batch is not None else None) or 0,
        "time_limit": None if row.time_limit_s is None else -(-row.time_limit_s // 60),
        "tres_alloc_str": tres.job_tres(row) if has_started else "",
        "tres_per_node": tres.gres_text(row),
        "tres_req_str": tres.job_tres(row),
        "user_id": int(uid) if uid.isdigit() else uid,
        "user_name": row.user,
        "wckey": v.label(row, "wckey"),
    }
    if has_started and row.ended_at is None:
        cores = {str(number): {"cores": {"0": "allocated"}} for number in row.cpus}
        where = {"sockets": cores, "nodename": v.nodes(row), "memory_allocated": megabytes(memory)}
        told["job_resources"] = {
            "nodes": v.nodes(row),
            "allocated_cores": row.nb_proc,
            "allocated_hosts": 1,
            "allocated_nodes": [where],
        }
    return {name: told[name] for name in sorted(told)}


__all__ = ["job", "meta", "show"]
