"""Slurm's words of what is wrong with a submission, and its options: just those that Slurm 22.05 has."""

from collections.abc import Iterator

import pytest

from jobd.cli import dialect, submit_words
from jobd.cli.batch_options import SALLOC, SBATCH, SRUN, chosen_of, table_for
from jobd.errors import BadOption, NoServer, NoSuchJob, NotEnough, Refused, TooManyProcs


@pytest.fixture
def slurm() -> Iterator[None]:
    """By Slurm's names."""
    dialect.speak_slurm()
    yield
    dialect.speak_slurm(False)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TooManyProcs("9 procs"), ["sbatch: error: Batch job submission failed: Requested node configuration is not available"]),
        (NotEnough("9 GiB of memory asked for, and there are 1 GiB"), [
            "sbatch: error: Memory specification can not be satisfied",
            "sbatch: error: Batch job submission failed: Requested node configuration is not available",
        ]),
        (NotEnough("1 of 'matlab' asked for, and there are 0 (see config.toml)"), [
            "sbatch: error: Batch job submission failed: Invalid license specification",
        ]),
        (NotEnough("2 GPUs asked for, and there are 0"), ["sbatch: error: Invalid generic resource (gres) specification"]),
        (Refused("no partition 'x' (there are: main)"), [
            "sbatch: error: invalid partition specified: x",
            "sbatch: error: Batch job submission failed: Invalid partition name specified",
        ]),
        (NoSuchJob("Job dependency problem: no job 7"), ["sbatch: error: Batch job submission failed: Job dependency problem"]),
        (NoServer("no server runs"), [
            "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)",
        ]),
    ],
)  # fmt: skip
def test_a_refusal_is_said_as_slurm_says_it(slurm: None, error: Refused, expected: list[str]) -> None:
    said = submit_words.refusal(error, {"licenses": "matlab:1"})
    assert isinstance(said, dialect.Said)
    assert list(said.lines_of("Sbatch")) == expected


def test_each_program_has_its_own_words_for_a_refusal(slurm: None) -> None:
    wrong = submit_words.Wrong(failed="Invalid node name specified")
    assert list(wrong.lines_of("Srun")) == [
        "srun: error: Unable to allocate resources: Invalid node name specified"
    ]
    assert list(wrong.lines_of("salloc")) == [
        "salloc: error: Job submit/allocate failed: Invalid node name specified"
    ]


@pytest.mark.parametrize(
    ("name", "code", "line"),
    [
        ("time", 255, "Invalid --time specification"),
        ("ntasks", 1, 'Invalid numeric value "x" for --ntasks.'),
        ("nodes", 255, '"x" is not a valid node count'),
    ],
)
def test_a_bad_value_is_named_as_slurm_names_it(slurm: None, name: str, code: int, line: str) -> None:
    wrong = submit_words.bad_value(name, "x")
    assert (wrong.code, list(wrong.lines_of("sbatch"))) == (code, [f"sbatch: error: {line}"])


@pytest.mark.parametrize("name", ["retries", "from", "no-bind"])
def test_what_is_our_own_is_no_option_of_slurm(slurm: None, name: str) -> None:
    with pytest.raises(BadOption):
        table_for(SBATCH).named(name)


def test_other_names_mean_the_same_option(slurm: None) -> None:
    chosen = chosen_of(table_for(SRUN).parse(["--tasks-per-node=2", "--cpu_bind=none", "true"]).given)
    assert dict(chosen) == {"ntasks-per-node": "2", "cpu-bind": "none"}
    assert chosen_of(table_for(SALLOC).parse(["-n", "2"]).given)["ntasks"] == "2"


def test_memory_is_said_in_one_way(slurm: None) -> None:
    with pytest.raises(submit_words.Wrong) as raised:
        chosen_of(table_for(SBATCH).parse(["--mem=1", "--mem-per-cpu=1"]).given)
    (line,) = raised.value.lines_of("Sbatch")
    assert line == "sbatch: fatal: --mem, --mem-per-cpu, and --mem-per-gpu are mutually exclusive."
