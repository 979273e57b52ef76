"""A house with a real mail server, which can be told to misbehave."""

import contextlib
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import jobd
from live.conftest import PATIENCE_S, House
from live.conftest import house as house
from notify.post import Post


class Desk:
    """jobctl notify in a house."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.folder = house.root / ".config/jobd"
        self.folder.mkdir(parents=True)
        self.log = house.root / "notify.log"
        self.process: subprocess.Popen[str] | None = None

    def configure(self, text: str) -> None:
        """Write notify.toml."""
        (self.folder / "notify.toml").write_text(text)
        (self.folder / "notify.toml").chmod(0o600)

    def mail_to(self, post: Post, more: str = "", query: str = "?security=none") -> None:
        """Send mail there."""
        top, _, tables = more.partition("[")
        tables = f"[{tables}" if tables else ""
        mail = "" if "[mail]" in tables else '[mail]\nfrom = "jobd@example.org"\nto = "me@example.org"\n'
        self.configure(
            f'notify = ["smtp://127.0.0.1:{post.port}{query}"]\nretry = "1s"\n{top}\n{mail}{tables}'
        )

    def start(self) -> subprocess.Popen[str]:
        """Start it, and return when it follows the events."""
        seen = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("a") as log:
            self.process = self.house.spawn("jobctl", "notify", stderr=log)
        self.house.until(lambda: "follows the events" in self.log.read_text()[seen:] or self._is_over())
        return self.process

    def _is_over(self) -> bool:
        assert self.process is not None and self.process.poll() is None, self.log.read_text()
        return False

    def kill(self) -> None:
        """End it as nothing can be caught."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(PATIENCE_S)

    def stop(self) -> None:
        """End it properly."""
        assert self.process is not None
        self.process.terminate()
        assert self.process.wait(PATIENCE_S) == 0, self.log.read_text()

    def until_logged(self, words: str) -> str:
        """Wait for a line; the line."""

        def found() -> str | None:
            match = re.search(f".*{words}.*", self.log.read_text())
            return match[0] if match else None

        line: str = self.house.until(found)
        return line

    def outbox(self) -> list[tuple[str, str]]:
        """(key, receiver) of what waits."""
        import sqlite3

        with contextlib.closing(
            sqlite3.connect(self.house.root / ".local/state/jobd/notify/notify.sqlite")
        ) as db:
            return list(db.execute("SELECT key, receiver FROM outbox ORDER BY number"))


@pytest.fixture
def client(house: House) -> Iterator[jobd.Client]:
    """A client of a server with two procs, in our own process."""
    house.server(2)
    folder = os.getcwd()
    with house.environment():
        os.environ["HOUSE"] = house.mark
        os.chdir(house.work)
        try:
            with jobd.Client() as made:
                yield made
        finally:
            os.chdir(folder)


@pytest.fixture
def desk(house: House) -> Iterator[Desk]:
    """jobctl notify, not started yet."""
    made = Desk(house)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.process.terminate()
        made.process.wait(PATIENCE_S)
    assert not made.log.exists() or "Traceback" not in made.log.read_text(), made.log.read_text()


@pytest.fixture
def post() -> Iterator[Post]:
    """A mail server without encryption."""
    with Post() as made:
        yield made


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """Where a fake program may be put."""
    return tmp_path / "program"
