"""Slurm's names from end to end: a shell that has them on PATH, and jobs that call them."""

import subprocess
from pathlib import Path

import pytest

from live.conftest import BIN, House


@pytest.fixture
def named(house: House) -> House:
    """A house with the names on PATH, before those of a Slurm that may be here."""
    folder = house.root / "names"
    house.ok("jobctl", "slurm-names", "--force", str(folder))
    house.env["PATH"] = f"{folder}:{house.env['PATH']}"
    return house


def sh(house: House, text: str) -> subprocess.CompletedProcess[str]:
    return house.run("sh", "-c", text)


def test_a_private_folder_of_names_for_one_shell(house: House) -> None:
    house.server()
    done = sh(
        house,
        'eval "$(jobctl slurm-names --env --force)"; sbatch -W -J one --wrap "exit 3"; echo $?; sacct -X -n -P -o JobName,State',
    )
    assert (done.stdout, done.stderr) == ("Submitted batch job 1\n3\none|FAILED\n", "")
    assert (house.root / ".local/share/jobd/slurm-names/sbatch").is_symlink()


def test_the_first_of_them_starts_a_server(named: House) -> None:
    done = sh(named, "sbatch --parsable --wrap true && squeue -h -t all -o %i -j 1")
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n1\n", "")


def test_a_job_finds_the_names_too(named: House) -> None:
    named.server()
    text = "squeue -h -j $SLURM_JOB_ID -o '%i %T %j' && scontrol show job $SLURM_JOB_ID | head -n 1 && srun echo step"
    sh(named, f'sbatch -W -J inner -o out --wrap "{text}"'.replace("$", "\\$"))
    assert (named.work / "out").read_text() == "1 RUNNING inner\nJobId=1 JobName=inner\nstep\n"


def test_names_taken_away_leave_the_jobs(named: House) -> None:
    named.server()
    job = int(sh(named, "sbatch -H --parsable --wrap true").stdout)
    named.ok("jobctl", "slurm-names", "--remove", str(named.root / "names"))
    assert list((named.root / "names").iterdir()) == []
    row = named.job(job)
    assert row is not None and row["state"] == "PENDING"


@pytest.mark.parametrize("command", ["squeue -t all", "sacct", "sbatch -H --wrap true", "squeue -j 999999"])
def test_output_that_cannot_be_written(named: House, command: str) -> None:
    named.server()
    sh(named, "sbatch -H --wrap true")
    full = sh(named, f"{command} >/dev/full")
    assert full.returncode == 1 and full.stderr and "Traceback" not in full.stderr, full
    gone = named.run("bash", "-c", f"{command} | true; exit ${{PIPESTATUS[0]}}")
    assert "Traceback" not in gone.stderr and "Exception" not in gone.stderr, gone


def test_they_are_the_installed_program(named: House) -> None:
    assert Path(named.root / "names/sbatch").resolve() == Path(BIN, "jobd-slurm").resolve()
