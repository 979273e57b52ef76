"""jobctl slurm-names, called in its own process, and what the program does that has all the names; no server."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from jobd.cli.slurm_names import COMMANDS, PROGRAM

BIN = Path(sys.executable).parent
SYSTEM = "/usr/bin:/bin"


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """An environment without a real Slurm: our programs, and a few of the system's."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sh", "env"):
        (tools / name).symlink_to(shutil.which(name, path=SYSTEM) or "")
    (tmp_path / "home").mkdir()
    return {
        "PATH": f"{BIN}:{tools}",
        "HOME": str(tmp_path / "home"),
        "XDG_RUNTIME_DIR": str(tmp_path),
        "LANG": "C.UTF-8",
    }


def run(env: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which(command[0], path=env["PATH"])
    assert program is not None, command
    return subprocess.run(
        [program, *command[1:]], env=env, capture_output=True, text=True, timeout=60, check=False
    )


def names(env: dict[str, str], *arguments: str) -> str:
    """jobctl slurm-names, which must succeed; its output."""
    done = run(env, "jobctl", "slurm-names", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def refusal(env: dict[str, str], *arguments: str, code: int = 1) -> str:
    """What jobctl slurm-names says, which must refuse."""
    done = run(env, "jobctl", "slurm-names", *arguments)
    assert (done.returncode, done.stdout) == (code, ""), done
    return done.stderr


def a_real_slurm(env: dict[str, str], folder: Path, name: str = "sbatch") -> Path:
    """A program of that name that is none of ours, at the end of PATH."""
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text("#!/bin/sh\necho the real one\n")
    program.chmod(0o755)
    env["PATH"] += f":{folder}"
    return program


def test_dir_gets_a_link_for_each_name(env: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "made/for it"
    assert names(env, str(folder)) == ""
    assert sorted(path.name for path in folder.iterdir()) == sorted(COMMANDS)
    assert {os.readlink(path) for path in folder.iterdir()} == {str(BIN / PROGRAM)}
    assert names(env, str(folder)) == ""  # once more changes nothing


def test_links_of_another_installation_are_made_ours(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "n").mkdir()
    (tmp_path / "n/squeue").symlink_to("/nowhere/bin/jobd-slurm")
    names(env, str(tmp_path / "n"))
    assert os.readlink(tmp_path / "n/squeue") == str(BIN / PROGRAM)


def test_a_relative_dir_and_a_jobctl_that_is_a_link(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "tools/jobctl").symlink_to(BIN / "jobctl")
    done = subprocess.run(
        [str(tmp_path / "tools/jobctl"), "slurm-names", "here"], env=env, cwd=tmp_path, timeout=60, check=True
    )
    assert done.returncode == 0
    assert os.readlink(tmp_path / "here/sacct") == str(BIN / PROGRAM)


@pytest.mark.parametrize("what", ["file", "link", "broken link"])
def test_what_is_somebody_elses_is_left_alone(env: dict[str, str], tmp_path: Path, what: str) -> None:
    folder = tmp_path / "n"
    folder.mkdir()
    path = folder / "sinfo"
    if what == "file":
        path.write_text("mine")
    else:
        path.symlink_to("/bin/sh" if what == "link" else "/nowhere/sinfo")
    said = refusal(env, str(folder), "--force")
    assert said == f"jobctl: {path} is there already, and is none of ours\n"
    assert [entry.name for entry in folder.iterdir()] == ["sinfo"]  # all or none


def test_a_dir_that_cannot_be_made(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert refusal(env, str(tmp_path / "file")) == f"jobctl: {tmp_path / 'file'}: File exists\n"


@pytest.mark.parametrize("name", ["sbatch", "sinfo"])
def test_a_real_slurm_is_not_hidden(env: dict[str, str], tmp_path: Path, name: str) -> None:
    real = a_real_slurm(env, tmp_path / "slurm", name)
    for arguments in ([str(tmp_path / "n")], ["--env"]):
        said = refusal(env, *arguments)
        assert (
            said
            == f"jobctl: {real} is a real Slurm's: these names would hide it (--force makes them all the same)\n"
        )
    assert not (tmp_path / "n").exists()
    names(env, str(tmp_path / "n"), "--force")
    assert (tmp_path / "n" / name).is_symlink()


def test_our_own_names_on_path_are_no_real_slurm(env: dict[str, str], tmp_path: Path) -> None:
    names(env, str(tmp_path / "n"))
    env["PATH"] = f"{tmp_path / 'n'}:{env['PATH']}"
    names(env, str(tmp_path / "n"))
    names(env, str(tmp_path / "other"))


def test_remove_takes_ours_and_nothing_else(env: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "n"
    names(env, str(folder))
    (folder / "mine").write_text("")
    (folder / "sprio").unlink()
    (folder / "sprio").write_text("mine too")
    assert names(env, "--remove", str(folder)) == ""
    assert sorted(path.name for path in folder.iterdir()) == ["mine", "sprio"]
    assert refusal(env, "--remove", str(folder)) == f"jobctl: {folder}: none of our names is there\n"


def test_env_is_for_eval_in_any_sh(env: dict[str, str], tmp_path: Path) -> None:
    env["XDG_DATA_HOME"] = str(tmp_path / "with 'quotes' and $blanks")
    done = run(env, "sh", "-c", 'eval "$(jobctl slurm-names --env)"; command -v squeue; squeue --version')
    folder = Path(env["XDG_DATA_HOME"], "jobd/slurm-names")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == str(folder / "squeue")
    assert len(done.stdout.splitlines()) == 2
    # In the same shell once more: the names on PATH are ours.
    again = run(
        env,
        "sh",
        "-c",
        'eval "$(jobctl slurm-names --env)" && eval "$(jobctl slurm-names --env)" && command -v sacct',
    )
    assert (again.returncode, again.stdout) == (0, f"{folder / 'sacct'}\n")


@pytest.mark.parametrize("arguments", [[], ["--env", "DIR"], ["--env", "--remove"], ["--remove"]])
def test_dir_or_env(env: dict[str, str], arguments: list[str]) -> None:
    assert refusal(env, *arguments, code=2).startswith("jobctl: ")


def test_another_name_is_none_of_slurms(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "tools/sfoo").symlink_to(BIN / PROGRAM)
    for name in ("sfoo", PROGRAM):
        done = run(env, name, "--version")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"{name}: called by a name that is none of Slurm's: sbatch, ")


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - {"seff"}))  # Slurm's seff knows no --help
def test_each_name_answers_for_help(env: dict[str, str], tmp_path: Path, name: str) -> None:
    names(env, str(tmp_path / "n"))
    env["PATH"] = f"{tmp_path / 'n'}:{env['PATH']}"
    done = run(env, name, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


def test_our_own_names_speak_our_own_words(env: dict[str, str], tmp_path: Path) -> None:
    names(env, str(tmp_path / "n"))
    env["PATH"] = f"{tmp_path / 'n'}:{env['PATH']}"
    ours, slurms = run(env, "Sbatch", "--nosuch"), run(env, "sbatch", "--nosuch")
    assert ours.returncode == 2 and ours.stderr.startswith("Sbatch: ")
    assert slurms.returncode == 255 and slurms.stderr.startswith("sbatch: ")
