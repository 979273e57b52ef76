"""The real jobd-agent under a server of ours, killed with -9 again and again: no job runs twice, none is forgotten, none lies."""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

from jobd.wire import batch as b
from jobd.wire import codec
from jobd.wire import messages as m
from jobd.wire.blobs import blob_of, pack_environment
from jobd.wire.verbs import FROM_AGENT, TO_AGENT

PATIENCE_S = 60.0
ENVIRONMENT = blob_of(pack_environment({b"PATH": b"/usr/local/bin:/usr/bin:/bin"}))
JOBS = 60
DEATHS = 6


class Bench:
    """A server of one agent: what it was told, and the agent's process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server_id = "bench" + os.urandom(8).hex()
        self.environment = {
            "XDG_RUNTIME_DIR": str(folder / "r"),
            "XDG_STATE_HOME": str(folder / "s"),
            "HOME": str(folder),
            "PATH": os.environ["PATH"],
        }
        for name in ("r/jobd", "s/jobd", "w"):
            (folder / name).mkdir(parents=True, mode=0o700)
        self.context: Any = zmq.Context()
        self.socket: Any = self.context.socket(zmq.ROUTER)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.bind(f"ipc://{folder}/r/jobd/agents.sock")
        self.agent: bytes | None = None
        self.process: subprocess.Popen[bytes] | None = None
        self.said: list[Any] = []
        self.lefts: dict[int, b.Left] = {}
        self.launches: dict[int, b.Launch] = {}

    def start(self) -> None:
        self.agent = None
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "jobd.agent.main"],
                env=self.environment,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def say(self, *messages: Any) -> None:
        if self.agent is not None:
            self.socket.send_multipart([self.agent, *(codec.encode_named(TO_AGENT, one) for one in messages)])

    def launch(self, job_id: int, text: str, **fields: Any) -> None:
        launch = b.Launch(
            job_id=job_id,
            attempt=1,
            token=f"t{job_id}",
            server_id=self.server_id,
            argv=["/bin/sh", "-c", text],
            script="",
            environment=ENVIRONMENT.key,
            variables=[],
            cwd=str(self.folder / "w"),
            umask=0o022,
            stdin="",
            stdout=f"{job_id}.out",
            stderr="",
            is_appending=False,
            cpus=[],
            all_cpus=[],
            nb_proc=1,
            memory_bytes=0,
            time_limit_s=None,
            warn_signal=0,
            warn_before_s=0,
            is_warning_batch_only=False,
            grace_s=0.2,
            is_leaving=False,
            started_at=time.time(),
        )
        self.launches[job_id] = launch._replace(**fields)
        self.say(self.launches[job_id])

    def hear(self, timeout_ms: float) -> None:
        """What has come, within that time; it is answered as the server answers it."""
        if not self.socket.poll(timeout_ms):
            return
        agent, *frames = self.socket.recv_multipart()
        for frame in frames:
            message = codec.decode_named(FROM_AGENT, frame)
            self.said.append(message)
            if isinstance(message, m.Hello) and self.process is not None and message.pid == self.process.pid:
                self.agent = agent
                running = [one for one in self.launches.values() if one.job_id not in self.lefts]
                self.say(m.Watch(self.server_id, []), ENVIRONMENT, *running)
            elif isinstance(message, b.Left):
                known = self.lefts.setdefault(message.job_id, message)
                assert known == message, "an end was told in two ways"
                self.say(b.ForgetAttempt(message.job_id, message.attempt, message.token))

    def until(self, is_so: Callable[[], Any]) -> None:
        end_s = time.monotonic() + PATIENCE_S
        while not is_so():
            assert time.monotonic() < end_s, f"{self.missing()} {(self.folder / 'log').read_text()}"
            self.hear(20)

    def missing(self) -> list[int]:
        """Jobs whose end was not told."""
        return sorted(set(self.launches) - set(self.lefts))

    def marked(self) -> list[int]:
        mark = f"JOBD_SERVER={self.server_id}".encode()
        found = []
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                if mark in Path(f"/proc/{name}/environ").read_bytes().split(b"\0"):
                    found.append(int(name))
            except OSError:
                continue
        return found

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=PATIENCE_S)
        self.socket.close()
        self.context.term()


@pytest.fixture
def bench() -> Iterator[Bench]:
    folder = Path(tempfile.mkdtemp(prefix="agent-"))  # short: sockets have short names
    made = Bench(folder)
    made.start()
    made.until(lambda: made.agent)
    yield made
    made.close()
    assert not made.marked()
    shutil.rmtree(folder)


def test_jobs_are_launched_and_their_ends_are_told(bench: Bench) -> None:
    bench.launch(1, "echo hello; exit 3")
    bench.until(lambda: 1 in bench.lefts)
    assert bench.lefts[1].exit_code == 3
    assert (bench.folder / "w" / "1.out").read_text() == "hello\n"


def test_a_job_sees_no_descriptor_and_no_variable_of_the_agent(bench: Bench) -> None:
    bench.launch(1, "ls /proc/self/fd; env | cut -d= -f1 | sort; ulimit -Sn")
    bench.until(lambda: 1 in bench.lefts)
    lines = (bench.folder / "w" / "1.out").read_text().split()
    assert lines[:4] == ["0", "1", "2", "3"]
    assert lines[4:-1] == ["JOBD_ATTEMPT", "JOBD_JOB_ID", "JOBD_SERVER", "PATH", "PWD"]


def test_term_to_the_agent_ends_its_jobs_and_says_so(bench: Bench) -> None:
    bench.launch(1, "sleep 600")
    bench.until(lambda: [one for one in bench.said if isinstance(one, b.Launched)])
    assert bench.process is not None
    bench.process.terminate()
    bench.until(lambda: 1 in bench.lefts)
    assert bench.lefts[1].cause == "scope"
    assert bench.process.wait(timeout=PATIENCE_S) == 0


def test_an_agent_leaves_its_jobs_to_the_next_one_that_asks(bench: Bench) -> None:
    """As after a logout that has removed the runtime folder: the lock there is another file."""
    bench.launch(1, "echo x >> runs; while ! [ -e go ]; do sleep 0.01; done; exit 7")
    bench.until(lambda: [one for one in bench.said if isinstance(one, b.Launched)])
    (bench.folder / "r" / "jobd" / "agent.lock").unlink()
    first = bench.process
    assert first is not None
    hellos = len([one for one in bench.said if isinstance(one, m.Hello)])
    bench.start()
    assert first.wait(timeout=PATIENCE_S) == 0
    bench.until(lambda: len([one for one in bench.said if isinstance(one, m.Hello)]) > hellos)
    (bench.folder / "w" / "go").touch()
    bench.until(lambda: 1 in bench.lefts)
    assert bench.lefts[1].exit_code in (7, None)
    assert (bench.folder / "w" / "runs").read_text() == "x\n"


def kinds(number: int) -> tuple[str, int | None, int | None]:
    """(command, exit code, signal) of a job that writes down its own start and end."""
    begin, end = f"echo b >> {number}.log; ", f"; echo e >> {number}.log; "
    return [
        (f"{begin}true{end}exit 0", 0, None),
        (f"{begin}sleep 0.{random.randrange(1, 6)}{end}exit 5", 5, None),
        (f"{begin}sleep 0.1{end}kill -9 $$", None, signal.SIGKILL),
        (f"{begin}setsid sleep 600 & sleep 0.{random.randrange(1, 4)}{end}exit 1", 1, None),
        (f"{begin}(trap '' TERM; setsid sh -c 'trap \"\" TERM; sleep 600' &) {end}exit 2", 2, None),
    ][number % 5]


def test_an_agent_that_dies_again_and_again_loses_no_job_and_runs_none_twice(bench: Bench) -> None:
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    random.seed(seed)
    expected = {}
    deaths = set(random.sample(range(JOBS), DEATHS))
    for number in range(JOBS):
        text, *end = kinds(number)
        expected[number] = tuple(end)
        bench.launch(number, text)
        bench.hear(random.choice([0, 0, 1, 5, 20]))
        if number in deaths:
            bench.kill()
            bench.start()
            if random.random() < 0.5:
                bench.until(lambda: bench.agent)
    bench.until(lambda: len(bench.lefts) == JOBS)
    exact = 0
    for number, left in bench.lefts.items():
        log = bench.folder / "w" / f"{number}.log"
        lines = log.read_text().split() if log.exists() else []
        assert lines.count("b") <= 1, f"job {number} ran {lines.count('b')} times"
        if left.cause == "self":
            exact += 1
            assert (left.exit_code, left.signal) == expected[number]
            assert lines == ["b", "e"]
        elif left.cause == "lost":
            assert (left.exit_code, left.signal) == (None, None)
        else:
            assert left.cause == "start unknown", left
            assert not lines or left.text
    # How many outlive their agent, and of how many of them nobody learns the code, is a matter of who reaps them, and how fast.
    assert exact > JOBS // 4
