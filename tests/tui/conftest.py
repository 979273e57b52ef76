"""The house of the live tests, a client in it, and a real terminal: tmux with a socket of its own."""

import os
import select
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

import jobd
from live.conftest import PATIENCE_S, House
from live.conftest import house as house


class Pane:
    """One terminal of tmux. What is waited for is what it shows; whenever something is written to it, it is looked at."""

    def __init__(self, house: House, *, width: int = 80, height: int = 24) -> None:
        self._house = house
        self._socket = str(house.root / "tmux")
        self._written = house.pipe("written")
        self._tmux(
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            str(width),
            "-y",
            str(height),
            "PS1='prompt: ' exec sh",
        )
        self._reader = os.open(self._written, os.O_RDONLY | os.O_NONBLOCK)
        self._tmux("pipe-pane", f"exec cat > {self._written}")
        self._tmux("set-option", "-g", "remain-on-exit", "on")

    def begin(self) -> None:
        """Wait for the shell."""
        self.until(lambda text: text.rstrip().endswith("prompt:"))

    def _tmux(self, *arguments: str) -> str:
        return self._house.ok("tmux", "-S", self._socket, *arguments)

    # ---- the person
    def keys(self, *names: str) -> None:
        """Press keys, by tmux's names."""
        self._tmux("send-keys", *names)

    def type(self, text: str) -> None:
        """Type this."""
        for index, line in enumerate(text.split("\n")):
            if index:
                self._tmux("send-keys", "Enter")
            if line:
                self._tmux("send-keys", "-l", line)

    def click(self, x: int, y: int) -> None:
        """Press the mouse at a place, as a terminal with mouse reporting says it; from 0."""
        for end in "Mm":
            self._tmux("send-keys", "-l", f"\x1b[<0;{x + 1};{y + 1}{end}")

    def click_until_seen(self, x: int, y: int, part: str) -> None:
        """Press there until it is seen: keys at the foot are made anew when they change, and a press in that moment is none."""
        for _ in range(20):
            self.click(x, y)
            try:
                self.until(lambda text: part in text, 2.0)
                return
            except AssertionError:
                continue
        self.until_seen(part)

    def resize(self, width: int, height: int) -> None:
        """Another size."""
        self._tmux("resize-window", "-x", str(width), "-y", str(height))

    # ---- what is seen
    def text(self, *, is_styled: bool = False) -> str:
        """What it shows, without the blanks at the ends of lines."""
        shown = self._tmux("capture-pane", "-p", *(["-e"] if is_styled else []))
        return "\n".join(line.rstrip() for line in shown.splitlines())

    def until(self, is_so: Callable[[str], object], patience_s: float = PATIENCE_S) -> str:
        """Wait until it shows that."""
        end_s = time.monotonic() + patience_s
        while True:
            text = self.text()
            if is_so(text):
                return text
            assert time.monotonic() < end_s, f"it does not show that:\n{text}"
            if select.select([self._reader], [], [], 1.0)[0]:
                os.read(self._reader, 1 << 16)

    def until_seen(self, *parts: str) -> str:
        """Wait until all of these are seen."""
        return self.until(lambda text: all(part in text for part in parts))

    def format(self, what: str) -> str:
        """What tmux knows of it: "#{alternate_on}"."""
        return self._tmux("display-message", "-p", what).strip()

    def pid_of_front(self) -> int:
        """The process that the shell has in front."""
        shell = int(self.format("#{pane_pid}"))
        with open(f"/proc/{shell}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[5])

    def kill(self) -> None:
        """Take the terminal away from what runs in it."""
        self._tmux("kill-pane")

    def close(self) -> None:
        """End it with all that runs in it."""
        subprocess.run(["tmux", "-S", self._socket, "kill-server"], check=False, capture_output=True)
        os.close(self._reader)


@pytest.fixture
def client(house: House) -> Iterator[jobd.Client]:
    """A client of a server with two procs, in the house's folder and environment."""
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
def pane(house: House) -> Iterator[Pane]:
    """A terminal of 80 by 24."""
    made = Pane(house)
    try:
        made.begin()
        yield made
    finally:
        made.close()
