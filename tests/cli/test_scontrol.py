"""Scontrol: records as the transcripts of Slurm 22.05 have them, and what its words mean."""

import os
import subprocess
import sys
from typing import Any

import pytest

from cli.slurm_rows import MIB, NODE, ROW, STEP, SUBMITTED_AT, FakeClient, finished, pending, row
from jobd.cli import scontrol, scontrol_job, scontrol_show, scontrol_update
from jobd.cli import slurm_values as v
from jobd.cli.listing import Options
from jobd.errors import JobdError, NoSuchJob, Refused, UsageError
from jobd.slurm import blocks
from jobd.wire import batch as b
from jobd.wire.messages import Counted, JobRow

NOW_S = SUBMITTED_AT + 3


def record(one: JobRow, *, is_one_line: bool = False, is_detailed: bool = False) -> str:
    lines = scontrol_job.job_lines(one, NOW_S, is_detailed=is_detailed)
    return blocks.block(lines, is_one_line=is_one_line).replace(v.node_name(), "vm")


# ---- jobs
RUNNING = row(
    {"ntasks": 1, "cpus_per_task": 2, "memory_bytes": 200 * MIB, "labels": [["comment", "c d"]]},
    nb_proc=2,
    time_limit_s=600,
)


def test_a_running_job_is_shown_as_slurm_shows_it() -> None:
    assert record(RUNNING) == (
        "JobId=3539 JobName=run me\n"
        "   UserId=root(0) GroupId=root(0) MCS_label=N/A\n"
        "   Priority=7 Nice=0 Account=root QOS=normal\n"
        "   JobState=RUNNING Reason=None Dependency=(null)\n"
        "   Requeue=1 Restarts=0 BatchFlag=1 Reboot=0 ExitCode=0:0\n"
        "   RunTime=00:00:03 TimeLimit=00:10:00 TimeMin=N/A\n"
        "   SubmitTime=2026-11-20T10:05:11 EligibleTime=2026-11-20T10:05:11\n"
        "   AccrueTime=2026-11-20T10:05:11\n"
        "   StartTime=2026-11-20T10:05:11 EndTime=2026-11-20T10:15:11 Deadline=N/A\n"
        "   SuspendTime=None SecsPreSuspend=0 LastSchedEval=2026-11-20T10:05:11 Scheduler=Main\n"
        "   Partition=main AllocNode:Sid=vm:0\n"
        "   ReqNodeList=(null) ExcNodeList=(null)\n"
        "   NodeList=vm\n"
        "   BatchHost=vm\n"
        "   NumNodes=1 NumCPUs=2 NumTasks=1 CPUs/Task=2 ReqB:S:C:T=0:0:*:*\n"
        "   TRES=cpu=2,mem=200M,node=1,billing=2\n"
        "   Socks/Node=* NtasksPerN:B:S:C=0:0:*:* CoreSpec=*\n"
        "   MinCPUsNode=2 MinMemoryNode=200M MinTmpDiskNode=0\n"
        "   Features=(null) DelayBoot=00:00:00\n"
        "   OverSubscribe=OK Contiguous=0 Licenses=(null) Network=(null)\n"
        "   Command=(null)\n"
        "   WorkDir=/home/user/jobs\n"
        "   Comment=c d \n"
        "   StdErr=/home/user/jobs/slurm-3539.out\n"
        "   StdIn=/dev/null\n"
        "   StdOut=/home/user/jobs/slurm-3539.out\n"
        "   Power=\n"
        "   \n"
        "\n"
    )


def test_a_held_job_in_one_line_is_slurms() -> None:
    held = pending(3540, "JobHeldUser", {"is_held": True}, name="held")
    assert record(held, is_one_line=True).startswith(
        "JobId=3540 JobName=held UserId=root(0) GroupId=root(0) MCS_label=N/A Priority=0 Nice=0 Account=root QOS=normal "
        "JobState=PENDING Reason=JobHeldUser Dependency=(null) Requeue=1 Restarts=0 BatchFlag=1 Reboot=0 ExitCode=0:0 "
        "RunTime=00:00:00 TimeLimit=01:00:00 TimeMin=N/A SubmitTime=2026-11-20T10:05:11 EligibleTime=Unknown "
        "AccrueTime=Unknown StartTime=Unknown EndTime=Unknown Deadline=N/A "
    )
    assert record(held, is_one_line=True).endswith(" Power= \n")
    assert "BatchHost" not in record(held)


def test_an_array_says_which_elements_wait_and_an_element_which_it_is() -> None:
    array = pending(3538, "JobHeldUser", {"array_id": 3538, "tasks": "0-9", "array_limit": 2}, name="arr")
    assert record(array).startswith(
        "JobId=3538 ArrayJobId=3538 ArrayTaskId=0-9%2 ArrayTaskThrottle=2 JobName=arr\n"
    )
    element = row({"array_id": 3538, "array_index": 3, "array_limit": 2}, job_id=3601)
    assert record(element).startswith("JobId=3601 ArrayJobId=3538 ArrayTaskId=3 JobName=run me\n")


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (finished(1, "FAILED", exit_code=3, reason_code="NonZeroExitCode"), "JobState=FAILED Reason=NonZeroExitCode"),
        (finished(1, "FAILED", exit_code=3), "ExitCode=3:0"),
        (row({"attempt": 3}), "Restarts=2"),
        (pending(1, "BeginTime", {"attempt": 1}), "Restarts=1"),
        (row({"is_requeueable": False}), "Requeue=0"),
        (row({"unenforced": ["memory: no cgroup", "cpu"]}), "Unenforced=memory: no cgroup; cpu"),
        (row({"paused_at": SUBMITTED_AT + 1}), "SuspendTime=2026-11-20T10:05:12 SecsPreSuspend=1"),
        (row({"memory_per_cpu_bytes": 100 * MIB}), "MinMemoryCPU=100M"),
        (row({"gpus": 2}), "TRES=cpu=1,mem=256M,node=1,billing=1,gres/gpu=2"),
        (row({"gpus": 2}), "TresPerNode=gres:gpu:2"),
        (row({"counted": [Counted("m", 1)], "labels": [["licenses", "m:1"]]}), "Licenses=m:1"),
        (row({"labels": [["mail_type", "END"]]}), "MailUser=root MailType=END"),
        (pending(1, "Dependency", {"dependency": "afterok:12"}), "Dependency=afterok:12(unfulfilled)"),
        (row(time_limit_s=None), "TimeLimit=UNLIMITED"),
        (row(time_limit_s=90000), "TimeLimit=1-01:00:00"),
        (row(kind="salloc", command=["make", "all"]), "BatchFlag=0"),
        (row(kind="salloc", command=["make", "all"]), "Command=make all"),
    ],
)  # fmt: skip
def test_what_a_job_is_stands_in_its_record(one: JobRow, words: str) -> None:
    assert f" {words}" in record(one, is_one_line=True)


def test_details_tell_the_processors_and_gpus() -> None:
    text = record(row({"gpus": 2, "gpu_indexes": [0, 1]}, cpus=[0, 1, 2, 5]), is_detailed=True)
    assert "   JOB_GRES=gpu:2\n     Nodes=vm CPU_IDs=0-2,5 Mem=256 GRES=gpu:2(IDX:0,1)\n" in text


def test_nothing_in_a_record_can_steer_a_terminal() -> None:
    text = record(row(name="a\x1b[31m\nJobId=1", command=["\x07"]), is_one_line=True)
    assert "\x1b" not in text
    assert text.count("\n") == 1


def test_a_step_is_shown() -> None:
    assert scontrol_job.step_lines(STEP, ROW)[0] == (
        "StepId=3539.0 UserId=0 StartTime=2026-11-20T10:05:11 TimeLimit=UNLIMITED"
    )


# ---- the machine
def test_the_machine_is_shown_as_slurm_shows_a_node() -> None:
    lines = scontrol_show.node_lines(NODE, NOW_S)
    assert lines[:2] == [
        "NodeName=vm Arch=x86_64 CoresPerSocket=8 ",
        "CPUAlloc=3 CPUEfctv=8 CPUTot=8 CPULoad=1.95",
    ]
    assert "Gres=gpu:2" in lines
    assert "RealMemory=16000 AllocMem=210 FreeMem=21756 Sockets=1 Boards=1" in lines
    assert "State=MIXED ThreadsPerCore=1 TmpDisk=0 Weight=1 Owner=N/A MCS_label=N/A" in lines
    assert "Partitions=main,gpu " in lines
    assert "CfgTRES=cpu=8,mem=16000M,billing=8,gres/gpu=2" in lines
    assert "AllocTRES=cpu=3,mem=210M,gres/gpu=1" in lines


def test_a_partition_is_the_machine_under_a_name() -> None:
    main, gpu = (scontrol_show.partition_lines(name, NODE) for name in ("main", "gpu"))
    assert main[0] == "PartitionName=main"
    assert "AllocNodes=ALL Default=YES QoS=N/A" in main
    assert "AllocNodes=ALL Default=NO QoS=N/A" in gpu
    assert "State=UP TotalCPUs=8 TotalNodes=1 SelectTypeParameters=NONE" in main
    assert "TRES=cpu=8,mem=16000M,node=1,billing=8,gres/gpu=2" in main


def shown(*words: str, rows: list[JobRow] | None = None) -> None:
    client = FakeClient([ROW] if rows is None else rows, [STEP])
    scontrol_show.show(list(words), scontrol_show.Look(connect=lambda: client))  # type: ignore[arg-type,return-value]


def test_the_configuration_has_what_tools_look_for(capsys: pytest.CaptureFixture[str]) -> None:
    shown("config")
    text = capsys.readouterr().out
    for line in (
        "ClusterName             = compat\n",
        "KillWait                = 5 sec\n",
        "MinJobAge               = 300 sec\n",
        "SlurmctldHost[0]        = vm(127.0.0.1)\n",
        "SLURM_VERSION           = 22.05.8\n",
    ):
        assert line in text


def test_licenses_are_what_the_configuration_names(capsys: pytest.CaptureFixture[str]) -> None:
    shown("lic")
    assert capsys.readouterr().out == ("LicenseName=matlab\n    Total=4 Used=1 Free=3 Reserved=0 Remote=no\n")


@pytest.mark.parametrize(
    ("words", "first"),
    [
        (("job", "3539"), "JobId=3539"),
        (("job=3539",), "JobId=3539"),
        (("jobs",), "JobId=3539"),
        (("JOB",), "JobId=3539"),
        (("jobid", "3539"), ""),
        (("nodes",), "NodeName=vm"),
        (("node=vm",), "NodeName=vm"),
        (("partitions",), "PartitionName=main"),
        (("part", "gpu"), "PartitionName=gpu"),
        (("step", "3539.0"), "StepId=3539.0"),
        (("hostnames", "n[1-2],m05"), "n1\nn2\nm05\n"),
        (("hostname", "n1"), "n1\n"),
        (("hostlist", "n1,n2"), "n[1-2]\n"),
        (("hostlistsorted", "tux2,tux1,tux2"), "tux[1-2,2]\n"),
    ],
)
def test_entities_may_be_cut_short_or_in_the_plural(
    words: tuple[str, ...], first: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if not first:
        with pytest.raises(UsageError):
            shown(*words)
        return
    shown(*words)
    assert capsys.readouterr().out.startswith(first)


def test_the_host_list_of_a_job_is_the_default_and_needs_no_server() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from jobd.cli.scontrol import program; program()", "show", "hostnames"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SLURM_JOB_NODELIST": "n[1-2]", "XDG_RUNTIME_DIR": "/nonexistent"},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "n1\nn2\n", "")


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("nosuch",), UsageError),
        ((), UsageError),
        (("job", "99999999"), NoSuchJob),
        (("job", "abc"), UsageError),
        (("node", "other"), Refused),
        (("partition", "other"), Refused),
        (("step", "3539.7"), Refused),
        (("hostnames", "n["), UsageError),
        (("hostlist", ","), Refused),
    ],
)
def test_what_is_not_there_is_refused(words: tuple[str, ...], error: type[JobdError]) -> None:
    with pytest.raises(error):
        shown(*words)


def test_an_array_is_found_with_its_elements_and_an_element_alone() -> None:
    array = pending(12, "Priority", {"array_id": 12, "tasks": "2-9"})
    one = finished(20, "COMPLETED", batch={"array_id": 12, "array_index": 0})
    client = FakeClient([array, one])

    def found(text: str) -> list[str]:
        return [v.job_text(each) for each in scontrol_show.find(client, scontrol.selection.parse(text))]  # type: ignore[arg-type]

    assert found("12") == ["12_[2-9]", "12_0"]
    assert found("12_0") == ["12_0"]
    with pytest.raises(NoSuchJob):
        found("12_1")


# ---- changing
def update(*words: str) -> scontrol_update.Wanted:
    return scontrol_update.parse(words, NOW_S)


@pytest.mark.parametrize(
    ("word", "changes"),
    [
        ("Priority=5", {"priority": 5}),
        ("PRIORITY=-5", {"priority": -5}),
        ("Nice=10", {"nice": 10}),
        ("nice", {"nice": 100}),
        ("TimeLimit=30", {"time_limit_s": 1800}),
        ("timelimit=1-00:00:00", {"time_limit_s": 86400}),
        ("timelimit=UNLIMITED", {"time_limit_s": 0}),
        ("TimeLimit=+30", {"time_limit_add_s": 1800}),
        ("TimeLimit+=30", {"time_limit_add_s": 1800}),
        ("TimeLimit-=0:10", {"time_limit_add_s": -10}),
        ("TimeLimit=-5", {"time_limit_add_s": -300}),
        ("MinMemoryNode=2G", {"memory_bytes": 2048 * MIB}),
        ("MinMemoryNode=100", {"memory_bytes": 100 * MIB}),
        ("NumCPUs=4", {"nb_proc": 4}),
        ("NumCPUs=4-8", {"nb_proc": 4}),
        ("Dependency=afterok:12", {"dependency": "afterok:12"}),
        ("Dependency=", {"dependency": ""}),
        ("StartTime=now+1hour", {"begin_at": float(int(NOW_S)) + 3600}),
        ("Requeue=0", {"is_requeueable": False}),
        ("ArrayTaskThrottle=3", {"array_limit": 3}),
        ("JobName=x", {"name": "x"}),
        ("Name=x y", {"name": "x y"}),
        ("Comment=a=b", {"labels": [["comment", "a=b"]]}),
        ("Partition=gpu", {"labels": [["partition", "gpu"]]}),
        ("QOS=", {"labels": [["qos", ""]]}),
    ],
)
def test_each_key_changes_its_field(word: str, changes: dict[str, Any]) -> None:
    assert update("JobId=12", word).update == b.Update(b.Target())._replace(**changes)


def test_jobs_are_named_by_number_or_name() -> None:
    assert update("jobid=12,13_[1-2]", "Nice").target == b.Target(
        jobs=[b.JobId(12), b.JobId(13, [[1, 2, 1]])]
    )
    assert update("JobName=a", "Nice").target == b.Target(names=["a"])
    both = update("JobId=12", "JobName=a")
    assert (both.target, both.update.name) == (b.Target(jobs=[b.JobId(12)]), "a")


@pytest.mark.parametrize(
    "words",
    [
        ("JobId=12", "nosuch=1"),
        ("JobId=12", "timelimit=xx"),
        ("JobId=12", "TimeLimit+=UNLIMITED"),
        ("JobId=12", "Priority=x"),
        ("JobId=12", "NumCPUs=0"),
        ("JobId=12", "Requeue=2"),
        ("JobId=12", "MinMemoryNode=x"),
        ("JobId=12", "StartTime=someday"),
        ("JobId=x", "Nice=1"),
        ("JobId=12",),
        ("Nice=1",),
        ("NodeName=vm", "State=DOWN"),
        ("JobId=12", "=1"),
        ("JobId=12", "1"),
    ],
)
def test_what_cannot_be_changed_is_refused_in_one_line(words: tuple[str, ...]) -> None:
    with pytest.raises(UsageError) as caught:
        update(*words)
    assert "\n" not in str(caught.value)


def requests(*words: str, rows: list[JobRow] | None = None) -> list[b.Update | b.Control]:
    client = FakeClient([ROW] if rows is None else rows)
    return list(scontrol_update.requests(update(*words), client))  # type: ignore[arg-type]


def test_what_depends_on_the_job_is_asked_for_each() -> None:
    rows = [row({"cpus_per_task": 2}, nb_proc=4), row({"array_id": 1, "array_index": 0}, job_id=5, nb_proc=3)]
    assert requests("JobName=run me", "NumTasks=3", rows=rows) == [
        b.Update(b.Target(jobs=[b.JobId(3539)]), nb_proc=6),
        b.Update(b.Target(jobs=[b.JobId(5)]), nb_proc=3),
    ]
    assert requests("JobId=3539", "MinMemoryCPU=1G", rows=rows)[0] == b.Update(
        b.Target(jobs=[b.JobId(3539)]), memory_bytes=4096 * MIB
    )
    with pytest.raises(NoSuchJob):
        requests("JobId=99", "NumTasks=3")


def test_priority_zero_holds_and_another_releases_what_is_held() -> None:
    target = b.Target(jobs=[b.JobId(3539)])
    assert requests("JobId=3539", "Priority=0") == [b.Control(target, "hold")]
    assert requests("JobId=3539", "Priority=9") == [b.Update(target, priority=9)]
    assert requests("JobId=3539", "Priority=9", rows=[row({"is_held": True})]) == [
        b.Update(target, priority=9),
        b.Control(target, "release"),
    ]


# ---- verbs
def test_the_jobs_of_a_verb_are_words_lists_or_a_name() -> None:
    assert scontrol.target_of(["12,13", "12_3"]).jobs == [b.JobId(12), b.JobId(13), b.JobId(12, [[3, 3, 1]])]
    assert scontrol.target_of(["jobid=12"]).jobs == [b.JobId(12)]
    assert scontrol.target_of(["jobname=x", "name=y"]).names == ["x", "y"]


@pytest.mark.parametrize("words", [[], ["x"], ["jobname="], ["nosuch=1"]])
def test_a_verb_without_jobs_is_refused(words: list[str]) -> None:
    with pytest.raises(UsageError):
        scontrol.target_of(words)


class Parts(FakeClient):
    """Does a long list in three parts, and refuses one job."""

    def receive(self) -> b.Affected:
        number = len(self.asked)
        refused = [b.Refusal("9", "NoSuchJob", "no job 9"), b.Refusal("8", "Refused", "it runs")]
        return b.Affected([number], refused if number == 3 else [], number < 3)


def test_a_long_list_is_done_to_its_end_and_what_was_refused_is_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    client = Parts()
    request = b.Control(b.Target(names=["x"]), "hold")
    code = scontrol.affect(client, request, Options(scontrol.TABLE, []))  # type: ignore[arg-type]
    assert (code, client.asked) == (1, [request] * 3)
    assert capsys.readouterr().err == "Scontrol: no job 9\nScontrol: job 8: it runs\n"


@pytest.mark.parametrize(
    "argv", [[], ["nosuchverb"], ["re", "1"], ["hold"], ["write", "x"], ["--nosuch"], ["update"]]
)
def test_wrong_usage_is_refused(argv: list[str]) -> None:
    with pytest.raises(UsageError):
        scontrol.main(argv)
