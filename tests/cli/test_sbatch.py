"""Sbatch's command line, script and variables → the request that the server gets; no server."""

import os
import shlex
from pathlib import Path

import pytest

from jobd.cli import sbatch
from jobd.cli.batch_environment import exported, without_job
from jobd.cli.batch_options import Chosen, chosen_of
from jobd.cli.batch_spec import Surroundings
from jobd.errors import JobdError, Refused, UsageError
from jobd.slurm.options import parse_export
from jobd.wire import codec
from jobd.wire.batch import BatchSpec, SubmitBatch
from jobd.wire.blobs import unpack_environment
from jobd.wire.rows import Counted

GIB = 1 << 30


def around(
    cwd: str = "/home/me", variables: dict[bytes, bytes] | None = None, procs: int = 8
) -> Surroundings:
    return Surroundings(
        variables or {b"PATH": b"/bin"}, cwd, 0o027, "vm", 1_000_000.0, lambda: procs, "Sbatch x"
    )


def submitted(*argv: str, place: Surroundings | None = None) -> tuple[Chosen, SubmitBatch]:
    parsed = sbatch.TABLE.parse(argv)
    return sbatch.submission(chosen_of(parsed.given), parsed, place or around())


def spec_of(line: str = "", **options: Surroundings) -> BatchSpec:
    _, request = submitted(*shlex.split(line), "--wrap", "true", **options)
    (spec,) = request.specs
    return spec


@pytest.fixture
def script(tmp_path: Path) -> "type[_Scripts]":
    _Scripts.folder = tmp_path
    return _Scripts


class _Scripts:
    """Scripts in the folder of a test."""

    folder: Path

    @classmethod
    def made(cls, *directives: str, head: str = "#!/bin/sh\n") -> str:
        path = cls.folder / "job.sh"
        path.write_text(head + "".join(f"#SBATCH {line}\n" for line in directives) + "echo hi\n")
        return str(path)


# ---- what is run
def test_a_wrapped_line_becomes_the_script_that_slurm_makes_of_it() -> None:
    _, request = submitted("--wrap", "echo a b")
    assert request.blobs[1].data == b"#!/bin/sh\n# This script was created by sbatch --wrap.\n\necho a b\n"
    assert request.specs[0].script == request.blobs[1].key
    assert request.specs[0].name == "wrap"


def test_a_script_is_read_as_it_is_and_called_with_its_arguments(script: type[_Scripts]) -> None:
    path = script.made("-n 2")
    _, request = submitted("-J", "x", path, "-n", "9")
    assert request.items[0].command == [path, "-n", "9"]
    assert request.blobs[1].data == Path(path).read_bytes()
    assert (request.specs[0].name, request.specs[0].ntasks) == ("x", 2)


def test_a_job_is_named_after_its_script_or_command(script: type[_Scripts]) -> None:
    assert submitted(script.made())[1].specs[0].name == "job.sh"
    assert submitted("--", "/usr/bin/make", "-j4")[1].specs[0].name == "make"


def test_after_two_dashes_a_command_is_run_itself(script: type[_Scripts]) -> None:
    _, request = submitted("-n2", "--", script.made("-n 5"), "a b")
    assert (request.specs[0].script, request.specs[0].ntasks) == ("", 2)
    assert request.items[0].command == [str(script.folder / "job.sh"), "a b"]
    assert len(request.blobs) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "empty"),
        (b" \n", "whitespace"),
        (b"echo\n", "does not look like a batch script"),
        (b"#!/bin/sh\r\necho\r\n", "DOS line breaks"),
        (b"#!/bin/sh\n\0", "NULL character"),
        (b"#!/bin/sh\n" + b"#" * (4 << 20), "larger than"),
    ],
)
def test_what_is_no_script_is_refused_in_slurms_words(tmp_path: Path, text: bytes, words: str) -> None:
    path = tmp_path / "job.sh"
    path.write_bytes(text)
    with pytest.raises(Refused, match=words):
        submitted(str(path))


def test_a_script_that_is_not_there_is_refused(tmp_path: Path) -> None:
    for name in (f"{tmp_path}/none.sh", "surely-not-in-path.sh", str(tmp_path)):
        with pytest.raises(Refused, match="Unable to"):
            submitted(name)


@pytest.mark.parametrize("argv", [("--wrap", "x", "job.sh"), ("--wrap", "x", "--", "ls"), ("--", "")])
def test_two_sources_or_an_empty_one_are_wrong_usage(argv: tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        submitted(*argv)


# ---- who comes first
def test_the_command_line_comes_before_variables_and_those_before_the_script(script: type[_Scripts]) -> None:
    path = script.made("-t 1 -c 2 -p one")
    place = around(variables={b"SBATCH_TIMELIMIT": b"2", b"SBATCH_PARTITION": b"two"})
    spec = submitted("-t", "3", path, place=place)[1].specs[0]
    assert (spec.time_limit_s, spec.cpus_per_task) == (180, 2)
    assert ["partition", "two"] in spec.labels


def test_a_memory_option_replaces_its_rivals(script: type[_Scripts]) -> None:
    path = script.made("--mem-per-cpu=1G", "--requeue")
    spec = submitted("--mem=4G", "--no-requeue", path)[1].specs[0]
    assert (spec.memory_bytes, spec.memory_per_cpu_bytes, spec.is_requeueable) == (4 * GIB, 0, False)


@pytest.mark.parametrize("directive", ["--nosuch=1", "foo", "--wrap=x", "-t abc", "-J 'a", "--from=x"])
def test_a_bad_directive_is_refused_with_its_line(script: type[_Scripts], directive: str) -> None:
    with pytest.raises(UsageError, match=r"job\.sh.*line 2"):
        submitted(script.made(directive))


def test_a_bad_variable_is_refused_by_its_name() -> None:
    with pytest.raises(UsageError, match="SBATCH_TIMELIMIT"):
        spec_of(place=around(variables={b"SBATCH_TIMELIMIT": b"x"}))


def test_parsable_works_as_a_directive(script: type[_Scripts]) -> None:
    assert "parsable" in submitted(script.made("--parsable"))[0]


# ---- what is asked for
@pytest.mark.parametrize(
    ("line", "nb_proc"),
    [
        ("", 1), ("-n 3", 3), ("-c 4", 4), ("-n 3 -c 4", 12), ("--ntasks-per-node=5", 5), ("-n 2 --ntasks-per-node=5", 2), ("-N1 -n 2", 2),
        ("--exclusive", 8), ("--exclusive -n 16", 16), ("-n 4 -O", 1), ("--gpus=2 --cpus-per-gpu=3", 6), ("--mincpus=3", 3),
        ("--gpus=2 --ntasks-per-gpu=2", 4), ("-N 1-4", 1),
    ],
)  # fmt: skip
def test_procs_are_tasks_times_processors(line: str, nb_proc: int) -> None:
    assert spec_of(line).nb_proc == nb_proc


@pytest.mark.parametrize(
    ("line", "memory", "per_cpu"),
    [
        ("--mem=4G", 4 * GIB, 0), ("--mem=0", 0, 0), ("--mem-per-cpu=1G -c 3", 3 * GIB, GIB), ("--mem-per-gpu=1G -G 2", 2 * GIB, 0), ("", 0, 0),
    ],
)  # fmt: skip
def test_memory_is_the_whole_jobs(line: str, memory: int, per_cpu: int) -> None:
    spec = spec_of(line)
    assert (spec.memory_bytes, spec.memory_per_cpu_bytes) == (memory, per_cpu)


@pytest.mark.parametrize(
    ("line", "gpus"),
    [
        ("-G 2", 2), ("--gres=gpu:3", 3), ("--gpus-per-node=a100:2", 2), ("-n 3 --gpus-per-task=2", 6), ("-n 4 --ntasks-per-gpu=2", 2), ("", 0),
        ("-G 1 --gres=gpu:3", 1),
    ],
)  # fmt: skip
def test_gpus_are_counted_however_they_are_asked_for(line: str, gpus: int) -> None:
    assert spec_of(line).gpus == gpus


def test_gres_and_licenses_are_counted_by_name() -> None:
    assert spec_of("--gres=nvme:2,gpu:1 -L matlab:3").counted == [Counted("matlab", 3), Counted("nvme", 2)]


def test_an_array_keeps_its_runs_its_limit_and_its_text() -> None:
    spec = spec_of("-a 0-9:3,20%2")
    assert (spec.array, spec.array_limit) == ([[0, 9, 3], [20, 20, 1]], 2)
    assert ["array", "0-9:3,20%2"] in spec.labels


def test_a_limit_that_nothing_reaches_is_none() -> None:
    assert spec_of("-a 0-9%10").array_limit == 0


def test_what_waits_for_what_is_told() -> None:
    spec = spec_of("-H -d afterok:3:4 --kill-on-invalid-dep=yes --begin=now+60")
    assert (spec.is_held, spec.dependency, spec.is_killed_on_invalid) == (True, "afterok:3,afterok:4", True)
    assert spec.begin_at == 1_000_060.0


def test_a_begin_that_has_passed_is_none() -> None:
    assert spec_of("--begin=now-60").begin_at is None


def test_retries_are_told() -> None:
    spec = spec_of("--retries=3 --retry-on=1-3,75 --retry-delay=5m")
    assert (spec.retry_count, spec.retry_codes, spec.retry_delay_s) == (3, [[1, 3], [75, 75]], 300)


def test_a_warning_signal_is_told() -> None:
    spec = spec_of("--signal=B:USR2@30")
    assert (spec.warn_signal, spec.warn_before_s, spec.is_warning_batch_only) == (12, 30, True)


@pytest.mark.parametrize(("line", "nice"), [("", 0), ("--nice", 100), ("--nice=-5", -5)])
def test_nice_without_a_number_is_slurms_hundred(line: str, nice: int) -> None:
    assert spec_of(line).nice == nice


def test_files_keep_their_patterns_and_the_folder_is_absolute() -> None:
    spec = spec_of("-o out/%x-%j -e err -i in --open-mode=append -D sub")
    assert (spec.stdout, spec.stderr, spec.stdin, spec.is_appending) == ("out/%x-%j", "err", "in", True)
    assert spec.cwd == "/home/me/sub"
    assert spec_of("-D /tmp/").cwd == "/tmp"
    assert spec_of("-i /dev/null").stdin == ""


def test_what_is_only_kept_is_a_label() -> None:
    labels = dict(
        map(tuple, spec_of("-A a -p p -q q --comment 'c d' --wckey w -C fast --mail-type=END").labels)
    )  # type: ignore[arg-type]
    assert labels == {
        "account": "a", "partition": "p", "qos": "q", "comment": "c d", "wckey": "w", "features": "fast", "mail_type": "END",
        "submit_host": "vm", "submit_line": "Sbatch x",
    }  # fmt: skip


def test_what_has_no_effect_is_named_once_and_what_has_is_not() -> None:
    chosen, _ = submitted("-C", "x", "-C", "y", "--hint=z", "-A", "a", "--wrap", "w")
    assert chosen.idle == ["constraint", "hint"]


@pytest.mark.parametrize(
    "line",
    [
        "-n 0", "-c x", "-N 0", "--mem=abc", "-t abc", "-a 5-2", "-d foo:1", "--begin=xx", "--signal=NOSIG", "--gres=a:b:c:1", "--open-mode=x", "-o ''",
        "--retries=-1", "--retry-on=3", "--uid=nosuchuser", "--kill-on-invalid-dep=maybe", "--priority=x", "-n 99999 -c 99999", "--export=\\'A",
        "--begin=9999-01-01 --time=-9",
    ],
)  # fmt: skip
def test_nonsense_is_wrong_usage_in_one_line(line: str) -> None:
    with pytest.raises(UsageError) as caught:
        spec_of(line)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("line", ["-N 2", "-N 2-4", "-w other", "-x vm", "-n 4 --ntasks-per-node=2"])
def test_more_than_this_machine_is_refused_in_slurms_words(line: str) -> None:
    with pytest.raises(Refused, match="Batch job submission failed"):
        spec_of(line)


def test_this_machine_by_its_name_is_no_reason_to_refuse() -> None:
    assert spec_of("-w vm -x other").nb_proc == 1


def test_the_request_survives_the_wire() -> None:
    _, request = submitted("-n2", "--gres=nvme:1", "-a", "0-3", "--", "echo", "\udcff")
    assert codec.decode_request(codec.encode_request(request)) == ("submit_batch", request)


# ---- the environment
def environment(line: str, variables: dict[bytes, bytes]) -> dict[bytes, bytes]:
    _, request = submitted(*shlex.split(line), "--wrap", "x", place=around(variables=variables))
    assert request.specs[0].environment == request.blobs[0].key
    return unpack_environment(request.blobs[0].data)


def test_the_environment_goes_along_whole() -> None:
    variables = {b"A": b"1", b"B": b"x=\n\xff"}
    assert environment("", variables) == variables
    assert environment("--export=ALL,C=3,A=2", variables) == {**variables, b"A": b"2", b"C": b"3"}


def test_none_leaves_what_a_login_gives_and_what_is_slurms() -> None:
    found = environment("--export=NONE", {b"A": b"1", b"SLURM_CONF": b"/x", b"PATH": b"/mine"})
    assert found[b"SLURM_CONF"] == b"/x"
    assert b"A" not in found
    assert found[b"PATH"] == b"/usr/local/bin:/usr/bin:/bin"
    assert environment("--export=NIL", {b"A": b"1", b"SLURM_CONF": b"/x"}) == {b"SLURM_CONF": b"/x"}


def test_a_list_takes_what_it_names() -> None:
    found = exported(parse_export("A,B=2,MISSING"), {b"A": b"1", b"C": b"3"})
    assert (found[b"A"], found[b"B"]) == (b"1", b"2")
    assert not {b"C", b"MISSING"} & set(found)


def test_a_file_of_variables_is_read(tmp_path: Path) -> None:
    path = tmp_path / "environment"
    path.write_bytes(b"A=1\0B=x\ny\0")
    found = environment(f"--export-file={path}", {b"C": b"3"})
    assert (found[b"A"], found[b"B"]) == (b"1", b"x\ny")
    assert b"C" not in found


def test_what_was_set_for_the_job_around_us_stays_behind() -> None:
    inner = {
        b"JOBD_JOB_ID": b"3", b"JOBD_SERVER": b"s", b"JOBD_NB_PROC": b"4", b"NB_PROC": b"4", b"OMP_NUM_THREADS": b"4", b"MKL_NUM_THREADS": b"2", b"GOMAXPROCS": b"4",
        b"SLURM_JOB_ID": b"3", b"SLURM_ARRAY_TASK_ID": b"7", b"SLURM_NTASKS": b"2", b"SLURM_CONF": b"/x", b"SLURM_JOB_GPUS": b"0",
        b"CUDA_VISIBLE_DEVICES": b"0", b"JOBD_DEBUG": b"1",
    }  # fmt: skip
    assert without_job(inner) == {b"MKL_NUM_THREADS": b"2", b"SLURM_CONF": b"/x", b"JOBD_DEBUG": b"1"}


def test_outside_a_job_everything_stays() -> None:
    outer = {b"SLURM_NTASKS": b"2", b"OMP_NUM_THREADS": b"4", b"CUDA_VISIBLE_DEVICES": b"1"}
    assert without_job(outer) == outer
    chosen_device = {**outer, b"SLURM_JOB_ID": b"1", b"SLURM_JOB_GPUS": b"0,1"}
    assert without_job(chosen_device)[b"CUDA_VISIBLE_DEVICES"] == b"1"


def test_an_environment_that_no_program_can_have_is_refused() -> None:
    with pytest.raises(UsageError, match="at most"):
        environment("", {b"A": b"x" * (3 << 20)})


# ---- the program
def test_the_parser_for_the_manual_has_every_option() -> None:
    parser = sbatch.build_parser()
    known = {name for action in parser._actions for name in action.option_strings}
    assert {f"--{option.name}" for option in sbatch.TABLE.options} <= known
    assert {f"-{option.short}" for option in sbatch.TABLE.options if option.short} <= known


def test_no_name_and_no_letter_stands_twice_in_the_table() -> None:
    names = [option.name for option in sbatch.TABLE.options]
    shorts = [option.short for option in sbatch.TABLE.options if option.short]
    assert len(set(names)) == len(names)
    assert len(set(shorts)) == len(shorts)


@pytest.mark.parametrize("line", ["--nosuch", "--time", "--ex=1", "--parsable=1", "-Z"])
def test_an_unknown_option_says_where_help_is(line: str) -> None:
    with pytest.raises(UsageError, match="Sbatch --help"):
        sbatch.main(["--wrap", "x", line])


def test_help_and_version_ask_no_server(capsys: pytest.CaptureFixture[str]) -> None:
    assert sbatch.main(["--help"]) == 0
    assert "--ntasks" in capsys.readouterr().out
    assert sbatch.main(["-V"]) == 0
    assert capsys.readouterr().out.startswith("Sbatch ")


def test_a_folder_that_is_gone_is_refused(tmp_path: Path) -> None:
    before = os.getcwd()
    gone = tmp_path / "gone"
    gone.mkdir()
    os.chdir(gone)
    gone.rmdir()
    try:
        with pytest.raises(JobdError, match="current folder"):
            sbatch.main(["--wrap", "x"])
    finally:
        os.chdir(before)
