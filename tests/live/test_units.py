"""The programs around the server as units: installed with it, run where they are wanted, and never in its way."""

import os
import signal
from pathlib import Path

import pytest

from live.conftest import BIN, House
from live.test_systemd import SCRIPT, Bed
from live.test_systemd import bed as bed
from notify.post import Post

SHIPPED = sorted(path.name for path in (SCRIPT.parents[1] / "contrib" / "systemd").glob("jobd-*.service"))
NOTIFY = "jobd-notify.service"


def configure(root: Path, post: Post) -> None:
    (root / ".config/jobd").mkdir(parents=True, exist_ok=True)
    (root / ".config/jobd/notify.toml").write_text(
        f'notify = ["smtp://127.0.0.1:{post.port}?security=none"]\n[mail]\nfrom = "jobd@example.org"\nto = "me@example.org"\n'
    )


def test_all_units_are_placed_and_none_of_the_programs_runs_unasked(bed: Bed) -> None:
    said = bed.ok("jobctl", "install-units", "--enable", "--now")
    assert NOTIFY in SHIPPED
    for name in SHIPPED:
        assert f"wrote {bed.units}/{name}\n" in said
        program = name.removeprefix("jobd-").removesuffix(".service")
        assert f"\nExecStart={BIN}/jobctl {program}" in (bed.units / name).read_text()
        assert (bed.says("ActiveState", name), bed.says("UnitFileState", name)) == ("inactive", "disabled")


def test_notices_run_as_a_unit_and_outlive_the_server(bed: Bed) -> None:
    with Post() as post:
        configure(bed.root, post)
        said = bed.ok("jobctl", "install-units", "--enable", "--also", "notify")
        assert f"enabled {NOTIFY}: it runs, now and after each login\n" in said
        assert (bed.says("ActiveState", NOTIFY), bed.says("UnitFileState", NOTIFY)) == ("active", "enabled")
        assert bed.says("ActiveState") == "inactive"  # it has woken no server
        bed.ok("Sbatch", "--mail-type=END", "--wrap", "true")
        post.wait_count(1)
        pid = bed.says("MainPID", NOTIFY)
        bed.systemctl("restart", "jobd")
        bed.ok("Sbatch", "--mail-type=END", "--wrap", "true")
        post.wait_count(2)
        assert bed.says("MainPID", NOTIFY) == pid
        os.kill(int(pid), signal.SIGKILL)
        bed.ok("Sbatch", "--wait", "--mail-type=END", "--wrap", "true")
        post.wait_count(3)
        assert len(set(post.ids)) == 3 and bed.says("NRestarts", NOTIFY) == "1"
        bed.systemctl("stop", NOTIFY)
        assert bed.says("Result", NOTIFY) == "success"
        assert bed.ok("jobctl", "install-units", "--remove").count(NOTIFY) == 1
        assert [path for path in bed.units.rglob("*") if not path.is_dir()] == []
        assert bed.says("LoadState", NOTIFY) == "not-found"


def test_an_error_in_its_configuration_is_said_and_not_tried_again(bed: Bed) -> None:
    (bed.root / ".config/jobd").mkdir(parents=True)
    (bed.root / ".config/jobd/notify.toml").write_text("notfy = []\n")
    done = bed.run("jobctl", "install-units", "--also", "notify")
    assert done.returncode == 1
    assert done.stderr.startswith(
        f"jobctl: {NOTIFY} is enabled but does not start: {bed.root}/.config/jobd/notify.toml: no "
    )
    assert "'notfy'" in done.stderr and done.stderr.count("\n") == 1
    assert (bed.says("ActiveState", NOTIFY), bed.says("NRestarts", NOTIFY)) == ("failed", "0")


def test_a_masked_program_is_left_alone(bed: Bed) -> None:
    bed.systemctl("mask", NOTIFY)
    assert f"{bed.units}/{NOTIFY} is masked, and left alone\n" in bed.ok("jobctl", "install-units")


def test_without_a_manager_it_is_enabled_for_the_next_login(house: House) -> None:
    said = house.ok("jobctl", "install-units", "--also", "notify")
    units = house.root / ".config/systemd/user"
    assert f"enabled {NOTIFY}: it runs after the next login" in said
    assert (units / "default.target.wants" / NOTIFY).is_symlink()
    assert not (units / "sockets.target.wants/jobd.socket").exists()
    house.ok("jobctl", "install-units", "--remove")
    assert [path for path in units.rglob("*") if not path.is_dir()] == []


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--remove", "--also", "web"), "jobctl: --remove goes with neither --enable nor --now nor --also\n"),
        (("--also", "mail"), "jobctl: argument --also: invalid choice: 'mail'"),
    ],
)
def test_what_makes_no_sense_is_one_line(house: House, words: tuple[str, ...], line: str) -> None:
    done = house.run("jobctl", "install-units", *words)
    assert done.returncode == 2 and done.stderr.startswith(line) and done.stderr.count("\n") == 1
