"""A house with a spool: the real server, the real jobctl spool, real folders."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from live.conftest import PATIENCE_S, House
from live.conftest import house as house

JOBCTL = os.path.join(os.path.dirname(sys.executable), "jobctl")


class Spool:
    """jobctl spool in a house."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.root = house.root / "q"
        self.queue, self.running = self.root / "QM_qJobs", self.root / "QM_Jobs"
        self.done, self.lost = self.root / "QM_dJobs", self.root / "QM_lost+found"
        self.log = house.root / "spool.log"
        self.process: subprocess.Popen[str] | None = None
        self._numbers = 0

    # ---- the program
    def start(self, *options: str, is_waiting: bool = True, **more: Any) -> subprocess.Popen[str]:
        """Start it, and wait until it has looked at everything."""
        before = self.text().count("INFO watching")
        command = [JOBCTL, "spool", *(options if "--qm" in options else (str(self.root), *options))]
        with open(self.log, "a") as log:
            self.process = self.house.spawn(*command, stderr=log, stdout=log, **more)
        if is_waiting:
            self.until(lambda: self.text().count("INFO watching") > before or self.process.poll() is not None)
            assert self.process.poll() is None, self.text()
        return self.process

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it; its exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)

    def text(self) -> str:
        """What it has logged."""
        return self.log.read_text() if self.log.exists() else ""

    # ---- folders
    def make(self, script: str = "true", files: dict[str, str] | None = None, **keys: object) -> Path:
        """A folder of a job, not yet in the queue."""
        self._numbers += 1
        folder = self.house.root / "making" / str(self._numbers)
        folder.mkdir(parents=True)
        lines = [f"{key} : {value}" for key, value in {**keys, "script": script}.items()]
        (folder / "proc_config.cfg").write_text("[QMOptions]\n" + "\n".join(lines) + "\n")
        for name, text in (files or {}).items():
            (folder / name).write_text(text)
        return folder

    def put(
        self, name: str, script: str = "true", files: dict[str, str] | None = None, **keys: object
    ) -> Path:
        """Move a folder into the queue, whole."""
        folder = self.make(script, files, **keys)
        os.rename(folder, self.queue / name)
        return self.queue / name

    def prepare(self) -> None:
        """The folders, before there is a spool."""
        for folder in (self.queue, self.running, self.done, self.lost):
            folder.mkdir(parents=True, exist_ok=True)

    # ---- looking
    def until(self, is_so: Callable[[], Any]) -> Any:
        """Wait until it is so."""
        try:
            return self.house.until(is_so)
        except AssertionError as error:
            places = {
                folder.name: self.names(folder) for folder in (self.queue, self.running, self.done, self.lost)
            }
            raise AssertionError(f"{error}; {places}; {self.text()[-3000:]}") from error

    def found(self, folder: Path, name: str) -> list[Path]:
        """The folders TIME-NAME there."""
        if not folder.is_dir():
            return []
        return sorted(path for path in folder.iterdir() if path.name[20:].split(".")[0] == name.split(".")[0])

    def until_done(self, name: str, count: int = 1) -> Path:
        """Wait until a folder of that name is done; where it is."""
        self.until(lambda: len(self.found(self.done, name)) >= count)
        return self.found(self.done, name)[-1]

    def until_lost(self, name: str) -> tuple[Path, str]:
        """Wait until a folder of that name is in lost+found; where it is, and its process.log."""
        # Where the folder itself may not be written to, another is made around it: first that, then its log, then the folder moves in.
        self.until(lambda: any(size_of(path / "process.log") for path in self.found(self.lost, name)[-1:]))
        path = self.found(self.lost, name)[-1]
        return path, (path / "process.log").read_text()

    def status(self, folder: Path) -> dict[str, Any]:
        """Its status.json."""
        found: dict[str, Any] = json.loads((folder / "status.json").read_text())
        return found

    def names(self, folder: Path) -> list[str]:
        """What is in there, but hidden."""
        return sorted(name for name in os.listdir(folder) if not name.startswith("."))


def size_of(path: Path) -> int:
    """Of a file that may not be there."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


@pytest.fixture
def spool(house: House) -> Iterator[Spool]:
    """A server with two procs, and a spool that is not started yet."""
    house.server(2)
    made = Spool(house)
    yield made
    if made.process is not None and made.process.poll() is None:
        assert made.stop() == 0, made.text()
    text = made.text()
    assert "Traceback" not in text and "mistake in the program" not in text, text
    for path in (house.root / "mounted",):
        if os.path.ismount(path):
            subprocess.run(["umount", str(path)], check=False)
    shutil.rmtree(house.root / "making", ignore_errors=True)
