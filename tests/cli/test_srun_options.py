"""What Srun's options and variables mean, how big a step is, and what its tasks find. No server, no process."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobd.cli import srun_options
from jobd.cli.srun_options import StepOptions
from jobd.cli.step_places import Around, Size, exported, shares, size_of, task_variables
from jobd.cli.step_streams import Wanted
from jobd.errors import Refused, UsageError
from jobd.slurm.options import Export
from jobd.wire.messages import JobRow

ROW = JobRow(
    12, None, 12, "RUNNING", "salloc", 4, 4711, "n", ["n"], "/w", "me", 0, None, 1.0, 2.0, None, [0, 1, 2, 3], [], None, None, None, "",
    "None", "t",
)  # fmt: skip
AROUND = Around(ROW, "srv", 3, "tok", "vm", 1000, 1000, 0o022)


def options(*argv: str, inside: bool = True, **variables: str) -> StepOptions:
    chosen, said, _ = srun_options.read(argv, variables, is_inside=inside)
    return srun_options.step_options(chosen, said)


def wanted(*argv: str, inside: bool = True, **variables: str) -> Wanted:
    chosen, said, _ = srun_options.read(argv, variables, is_inside=inside)
    return srun_options.step_options(chosen, said).wanted(chosen, 2)


def test_options_stop_at_the_command() -> None:
    _, _, parsed = srun_options.read(["-n2", "-l", "make", "-n", "--help"], {}, is_inside=True)
    assert parsed.words == ["make", "-n", "--help"]


def test_what_slurms_users_type_is_understood() -> None:
    argv = "-n 4 -N1 -c2 --mem=4G --gres gpu:0 -J name -t 10 -p main -l -u -o %t.out -e %t.err -i none -D /tmp --export=ALL --exact --overlap"
    argv += " --overcommit --cpu-bind=q --mpi=none --oversubscribe --ntasks-per-node=4 -W 5 -K -Q --kill-on-bad-exit=1 cmd"
    chosen, said, parsed = srun_options.read(argv.split(), {}, is_inside=True)
    found = srun_options.step_options(chosen, said)
    assert parsed.words == ["cmd"]
    assert (found.ntasks, found.cpus_per_task, found.wait_s, found.time_limit_s) == (4, 2, 5, 600)
    assert found.is_exact and found.is_overlapping and found.is_overcommitting and found.is_killed_on_bad_exit
    assert found.wanted(chosen, 4) == Wanted(4, "none", "%t.out", "%t.err", False, True, True, False)


@pytest.mark.parametrize(
    "argv",
    [
        ("-n", "0"),
        ("-n", "x"),
        ("-n", "99999"),
        ("-c", "0"),
        ("-W", "x"),
        ("-t", "x"),
        ("--open-mode=x",),
        ("-H",),
    ],
)
def test_nonsense_is_a_usage_error_that_names_the_option(argv: tuple[str, ...]) -> None:
    chosen, said, _ = srun_options.read([*argv, "cmd"], {}, is_inside=False)
    with pytest.raises(UsageError, match="--"):
        srun_options.step_options(chosen, said).wanted(chosen, 1)


def test_the_command_line_goes_before_variables() -> None:
    assert options("cmd", SLURM_NTASKS="4").ntasks == 4
    assert options("-n2", "cmd", SLURM_NTASKS="4").ntasks == 2
    assert options("cmd", SLURM_CPUS_PER_TASK="2", SRUN_CPUS_PER_TASK="3").cpus_per_task == 3
    assert wanted("cmd", SLURM_LABELIO="1").is_labelled
    assert not wanted("cmd", SLURM_LABELIO="0").is_labelled
    assert wanted("cmd", SLURM_STDOUTMODE="x.out").stdout == "x.out"


def test_a_step_takes_nothing_from_the_variables_of_its_job_but_its_size() -> None:
    variables = {
        "SLURM_JOB_NAME": "job",
        "SLURM_TIMELIMIT": "5",
        "SLURM_OUTPUT": "o",
        "SLURM_WORKING_DIR": "/",
        "SLURM_PARTITION": "p",
    }
    chosen, _, _ = srun_options.read(["cmd"], variables, is_inside=True)
    assert not chosen
    chosen, _, _ = srun_options.read(["cmd"], variables, is_inside=False)
    assert dict(chosen) == {"job-name": "job", "time": "5", "chdir": "/", "partition": "p"}


def test_only_the_command_line_says_the_size_of_a_step() -> None:
    assert not options("cmd", SLURM_NTASKS="4").has_said_size
    assert options("-c2", "cmd").has_said_size


# ---- size
def size(
    ntasks: int | None, cpus: int | None, *, said: bool = True, exact: bool = False, over: bool = False
) -> Size:
    return size_of(
        ntasks=ntasks,
        cpus_per_task=cpus,
        nb_proc=4,
        has_said_size=said,
        is_exact=exact,
        is_overcommitting=over,
    )


def test_a_step_that_says_nothing_has_the_whole_job() -> None:
    assert size(None, None, said=False) == Size(1, None, 4)
    assert size(2, None, said=False) == Size(2, None, 4)


def test_a_step_that_says_its_size_has_just_that() -> None:
    assert size(2, None) == Size(2, 1, 2)
    assert size(None, 3) == Size(1, 3, 3)
    assert size(None, None, said=False, exact=True) == Size(1, 1, 1)


def test_a_step_larger_than_its_job_is_refused_unless_it_overcommits() -> None:
    with pytest.raises(Refused, match="More processors requested than permitted"):
        size(5, None)
    assert size(5, None, over=True) == Size(5, None, 4)


@given(
    st.lists(st.integers(0, 99), unique=True, max_size=20), st.integers(1, 12), st.none() | st.integers(1, 4)
)
def test_shares_are_of_the_job_and_overlap_only_where_there_are_too_few(
    cpus: list[int], ntasks: int, cpus_per_task: int | None
) -> None:
    parts = shares(cpus, ntasks, cpus_per_task)
    assert len(parts) == ntasks
    assert all(set(part) <= set(cpus) for part in parts)
    if len(cpus) >= ntasks * (cpus_per_task or 1):
        together = [cpu for part in parts for cpu in part]
        assert len(together) == len(set(together))
        assert all(len(part) >= (cpus_per_task or 1) for part in parts)
        assert cpus_per_task is not None or len(together) == len(cpus)


# ---- variables
def test_a_task_finds_its_rank_and_its_job() -> None:
    found = task_variables({}, AROUND, Size(2, 2, 4), 1, 2)
    wanted_variables = {
        b"SLURM_PROCID": b"1",
        b"SLURM_LOCALID": b"1",
        b"SLURM_NTASKS": b"2",
        b"SLURM_STEP_ID": b"3",
        b"SLURM_JOB_ID": b"12",
        b"SLURM_CPUS_PER_TASK": b"2",
        b"JOBD_JOB_ID": b"12",
        b"JOBD_SERVER": b"srv",
        b"JOBD_STEP_ID": b"3",
        b"JOBD_NB_PROC": b"2",
        b"SLURM_SUBMIT_DIR": b"/w",
    }
    assert wanted_variables.items() <= found.items()
    assert b"ENVIRONMENT" not in found


def test_the_jobs_own_variables_stay_as_they_are() -> None:
    found = task_variables(
        {b"SLURM_JOB_ID": b"12", b"SLURM_SUBMIT_DIR": b"/mine"}, AROUND, Size(1, None, 4), 0, 4
    )
    assert found[b"SLURM_SUBMIT_DIR"] == b"/mine"


def test_the_attempt_of_another_job_marks_no_task() -> None:
    assert b"JOBD_ATTEMPT" not in task_variables({b"JOBD_ATTEMPT": b"2"}, AROUND, Size(1, None, 4), 0, 4)


def test_thread_counts_that_were_the_jobs_become_the_tasks() -> None:
    outer = {
        b"JOBD_NB_PROC": b"4",
        b"OMP_NUM_THREADS": b"4",
        b"MKL_NUM_THREADS": b"1",
        b"GOMAXPROCS": b"4",
        b"X": b"4",
    }
    found = task_variables(outer, AROUND, Size(2, 2, 4), 0, 2)
    assert [found[name] for name in (b"OMP_NUM_THREADS", b"MKL_NUM_THREADS", b"GOMAXPROCS", b"X")] == [
        b"2", b"1", b"2", b"4",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("export", "names"),
    [
        (Export(True, False, (), ()), {b"A", b"B", b"SLURM_X", b"JOBD_Y"}),
        (Export(False, False, (), ()), {b"SLURM_X", b"JOBD_Y"}),
        (Export(False, False, ("A",), (("C", "1"),)), {b"A", b"C", b"SLURM_X", b"JOBD_Y"}),
    ],
)
def test_export_says_what_goes_along_and_the_jobs_variables_always_do(
    export: Export, names: set[bytes]
) -> None:
    outer = dict.fromkeys((b"A", b"B", b"SLURM_X", b"JOBD_Y"), b"v")
    assert set(exported(outer, export)) == names
