"""Who is measured by scripts/bench: a jobd server of its own, and its peers. Nothing is judged here.

Every server and every peer keeps its files in a folder of its own, and ends with it.
"""

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import zmq

from jobd.wire import codec
from jobd.wire import messages as m
from jobd.wire.verbs import VERB_OF

PYTHON = sys.executable
TRUE = "/bin/true"
# What any Python program must pay that talks over ZeroMQ and MessagePack, reads options and runs a command.
FLOOR = [
    PYTHON,
    "-c",
    'import zmq, msgpack, argparse, os; os.waitpid(os.posix_spawn("/bin/true",["true"],{}),0)',
]
AT_ONCE = 50  # unread answers of one connection; the server keeps 100
PATIENCE_S = 120.0  # for anything that is waited for; beyond it the run fails

# What a developer sets for himself, and what a job sets: neither is what a user's Salloc finds.
NOT_INHERITED = ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PYTHONPROFILEIMPORTTIME", "PYTHONDEVMODE")


def environment() -> dict[str, str]:
    """Ours, without what would falsify."""
    return {
        key: value
        for key, value in os.environ.items()
        if key not in NOT_INHERITED and not key.startswith("JOBD_")
    }


# ---- processes ------------------------------------------------------------------------------------------------
def program(name: str) -> str:
    """The command of that name beside the interpreter."""
    return os.path.join(os.path.dirname(PYTHON), name)


def spawn(words: list[str], environment: dict[str, str], *, stdin: int = -1, stdout: int = -1) -> int:
    """Start a command; input and output are nothing where no descriptor is given."""
    actions: list[Any] = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
        if stdin < 0
        else (os.POSIX_SPAWN_DUP2, stdin, 0),
        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)
        if stdout < 0
        else (os.POSIX_SPAWN_DUP2, stdout, 1),
    ]
    return os.posix_spawn(words[0], words, environment, file_actions=actions)


def reap(pid: int) -> None:
    """Wait for a child that must succeed."""
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code:
        sys.exit(f"bench: a command failed with {code}")


def timed(words: list[str], environment: dict[str, str]) -> float:
    """Seconds from the start of a command to its end."""
    began_s = time.perf_counter()
    reap(spawn(words, environment))
    return time.perf_counter() - began_s


def wakeups(pid: int) -> int:
    """How often all threads of a process were put on or off a processor so far (proc(5), context switches)."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/status") as file:
            total += sum(int(line.split()[1]) for line in file if "ctxt_switches" in line)
    return total


def cpu_s(pid: int) -> float:
    """Processor time of all living threads of a process so far."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat") as file:
            total += int(file.read().split()[0])
    return total / 1e9


def memory_mb(pid: int) -> tuple[float, float]:
    """(RSS, PSS) of a process in MB of 10^6 bytes; PSS counts shared pages by their share."""
    found = {}
    with open(f"/proc/{pid}/smaps_rollup") as file:
        for line in file:
            words = line.split()
            if words[0] in ("Rss:", "Pss:"):
                found[words[0]] = int(words[1]) * 1024 / 1e6
    return found["Rss:"], found["Pss:"]


def until(is_so: Callable[[], bool], what: str) -> None:
    """Look until it is so."""
    end_s = time.monotonic() + PATIENCE_S
    while not is_so():
        if time.monotonic() > end_s:
            sys.exit(f"bench: {what}: not after {PATIENCE_S:.0f} s")
        time.sleep(0.02)


# ---- a server of our own --------------------------------------------------------------------------------------
class Server:
    """A server in folders of its own, with one connection to it. Ends with `stop`."""

    def __init__(self, nb_proc: int) -> None:
        self.folder = tempfile.mkdtemp(prefix="jb")  # short: the path of a socket holds 107 bytes
        self.environment = environment()
        for key, name in (("XDG_RUNTIME_DIR", "r"), ("XDG_STATE_HOME", "s"), ("XDG_CONFIG_HOME", "c")):
            self.environment[key] = os.path.join(self.folder, name)
            os.mkdir(self.environment[key], 0o700)
        self.nb_proc = nb_proc
        self.submitted = 0
        self._running = 0
        self._asks: Any = None
        self._hears: Any = None
        try:
            self.start()
        except BaseException:
            shutil.rmtree(self.folder)
            raise
        self.agent_pid: int = self.status().agent_pid

    def path(self, name: str) -> str:
        """A file of the runtime folder."""
        return os.path.join(self.folder, "r", "jobd", name)

    def start(self) -> None:
        """Start it, also after `Sserver -1`."""
        self.run("Sserver", str(self.nb_proc))
        self._connect()
        until(lambda: self.status().agent_pid is not None, "the agent has not come")
        self.pid: int = self.status().pid

    def _connect(self) -> None:
        self.disconnect()
        self._asks = zmq.Context.instance().socket(zmq.DEALER)
        self._asks.setsockopt(zmq.LINGER, 0)
        self._asks.setsockopt(zmq.SNDHWM, 0)
        self._asks.setsockopt(zmq.RCVHWM, 0)
        self._asks.connect(f"ipc://{self.path('control.sock')}")

    def disconnect(self) -> None:
        """Close our connections, which would try to come back to a stopped server."""
        for socket in (self._asks, self._hears):
            if socket is not None:
                socket.close()
        self._asks = self._hears = None

    def run(self, *words: str) -> str:
        """Run one of the commands against it; what it printed."""
        done = subprocess.run(
            [program(words[0]), *words[1:]],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)}: {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    # ---- its sockets
    def ask(self, request: Any) -> Any:
        """A request and its reply."""
        self._asks.send_multipart([b"", codec.encode_request(request)])
        return codec.decode_reply(VERB_OF[type(request)], self._received())

    def _received(self) -> bytes:
        if not self._asks.poll(PATIENCE_S * 1000):
            sys.exit(f"bench: the server does not answer (see {self.folder})")
        return bytes(self._asks.recv_multipart()[-1])

    def status(self) -> m.Status:
        """How it is."""
        status: m.Status = self.ask(m.Ask())
        return status

    def fill(self, count: int) -> None:
        """Submit jobs as Sallocs would, many at a time. The first one runs, if nothing does."""
        data = [self._next_request() for _ in range(count)]
        sent = 0
        for received in range(count):
            while sent < count and sent < received + AT_ONCE:
                self._asks.send_multipart([b"", data[sent]])
                sent += 1
            if codec.unpack(self._received())[1] != "ok":
                sys.exit("bench: a submission was refused")

    def submit_s(self) -> float:
        """Seconds that one submission takes, from the request to its reply."""
        data = self._next_request()
        began_s = time.perf_counter()
        self._asks.send_multipart([b"", data])
        reply = self._received()
        took_s = time.perf_counter() - began_s
        if codec.unpack(reply)[1] != "ok":
            sys.exit("bench: a submission was refused")
        return took_s

    def _next_request(self) -> bytes:
        self.submitted += 1
        number = self.submitted
        command = ["/usr/bin/python3", "train.py", "--seed", str(number)]
        request = m.Submit(f"bench{number}", 1, command, "python3", "/home/somebody/experiment")
        return codec.encode_request(request)

    def hear_starts(self) -> None:
        """Subscribe to the starts of jobs. Each of our jobs has the number in which it was submitted."""
        self._running = self.ask(m.ListJobs(rows_max=1, states=["RUNNING"])).rows[0].job_id
        self._hears = zmq.Context.instance().socket(zmq.SUB)
        self._hears.setsockopt(zmq.LINGER, 0)
        self._hears.setsockopt(zmq.SUBSCRIBE, b"job.")
        self._hears.connect(f"ipc://{self.path('events.sock')}")
        time.sleep(0.5)  # a subscription is not acknowledged

    def next_start_s(self) -> float:
        """Seconds from the report that the running job has ended until the next one's start is published."""
        request = m.Ended(self._running, f"bench{self._running}", 0, None, True)
        data = codec.encode_request(request)
        began_s = time.perf_counter()
        self._asks.send_multipart([b"", data])
        topic = b""
        while not topic.endswith(b".started"):
            if not self._hears.poll(PATIENCE_S * 1000):
                sys.exit("bench: no job started")
            topic = self._hears.recv_multipart()[0]
        took_s = time.perf_counter() - began_s
        self._received()
        self._running = int(topic.split(b".")[1])
        return took_s

    # ---- its end
    def errors(self) -> list[str]:
        """Lines of its log, and of its agent's, that are no mere information."""
        lines = []
        for name in ("jobd.log", "jobd-agent.log"):
            with (
                contextlib.suppress(FileNotFoundError),
                open(os.path.join(self.folder, "s", "jobd", name)) as file,
            ):
                lines += [line.strip() for line in file if " INFO " not in line]
        return lines

    def end(self, word: str) -> None:
        """Sserver -1 or -2, and wait until the server is gone."""
        pidfd = os.pidfd_open(self.pid)
        self.disconnect()
        try:
            self.run("Sserver", word)
        except RuntimeError:
            # A server that has gone may have taken its answer with it; one that has not is an error.
            if not select.select([pidfd], [], [], 10.0)[0]:
                raise
        finally:
            os.close(pidfd)

    def stop(self) -> None:
        """End all its jobs and itself, by pid if it must be."""
        pidfds = []
        for pid in (self.pid, self.agent_pid):
            with contextlib.suppress(ProcessLookupError):
                pidfds.append(os.pidfd_open(pid))
        problem = "it was told to stop"
        try:
            if self._asks is not None:
                # Our own jobs say that we are their Salloc: told to kill one that runs, the agent would end us.
                self.ask(m.SetLimits(0, None))
                for row in self.ask(m.ListJobs(states=["RUNNING"])).rows:
                    if row.pid == os.getpid():
                        self.ask(m.Ended(row.job_id, row.token, 0, None, True))
            self.end("-2")
        except (RuntimeError, ProcessLookupError, subprocess.TimeoutExpired) as error:
            problem = str(error)
        for pidfd in pidfds:
            if not select.select([pidfd], [], [], 10.0)[0]:
                sys.stderr.write(f"bench: a daemon had to be killed ({problem})\n")
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            os.close(pidfd)
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def server(nb_proc: int) -> Iterator[Server]:
    """A server for one row."""
    made = Server(nb_proc)
    try:
        yield made
    finally:
        made.stop()


# ---- the peers -------------------------------------------------------------------------------------------------
class Peer(NamedTuple):
    """One way; `run` does that many jobs and returns when the last is over."""

    name: str
    what: str
    program: str
    run: Callable[[int], object]


def peers(folder: str) -> list[Peer]:
    """All of them, installed or not. What they keep, they keep in `folder`."""
    own = {
        **environment(),
        "HOME": folder,
        "NQDIR": os.path.join(folder, "nq"),
        "TS_SOCKET": os.path.join(folder, "ts"),
        "TMPDIR": folder,
    }
    for name in ("", "nq", ".parallel"):
        os.makedirs(os.path.join(folder, name), exist_ok=True)
    with open(os.path.join(folder, ".parallel", "will-cite"), "w"):
        pass

    def call(*words: str, stdin: str | None = None) -> None:
        subprocess.run(
            words,
            env=own,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            stdout=subprocess.DEVNULL,
            text=True,
            check=True,
        )

    def tsp_each(count: int) -> None:
        for _ in range(count):
            call("tsp", "-nf", TRUE)
        call("tsp", "-K")

    def tsp_queue(count: int) -> None:
        for _ in range(count):
            call("tsp", "-n", TRUE)
        call("tsp", "-w")
        call("tsp", "-K")

    def nq_queue(count: int) -> None:
        for _ in range(count):
            call("nq", "-c", TRUE)
        call("nq", "-w")

    def nq_each(count: int) -> None:
        for _ in range(count):
            call("nq", "-c", TRUE)
            call("nq", "-w")

    def sem_each(count: int) -> None:
        for _ in range(count):
            call("sem", "--fg", "--id", "bench", TRUE)

    def parallel(count: int) -> None:
        call("parallel", "-j1", TRUE, stdin="\n".join(map(str, range(count))) + "\n")

    def xargs(count: int) -> None:
        call("xargs", "-n1", TRUE, stdin="\n".join(map(str, range(count))) + "\n")

    def floor(count: int) -> None:
        for _ in range(count):
            call(*FLOOR)

    def plain(count: int) -> None:
        for _ in range(count):
            call(TRUE)

    return [
        Peer("tsp -f", "task-spooler: tsp -f, one after the other", "tsp", tsp_each),
        Peer("tsp", "task-spooler: all queued, tsp -w", "tsp", tsp_queue),
        Peer("nq -w", "nq: nq and nq -w, one after the other", "nq", nq_each),
        Peer("nq", "nq: all queued, nq -w", "nq", nq_queue),
        Peer("sem", "GNU sem --fg, one after the other", "sem", sem_each),
        Peer("parallel", "GNU parallel -j1", "parallel", parallel),
        Peer("xargs", "xargs -n1", "xargs", xargs),
        Peer("floor", "the floor's interpreter, no server at all", PYTHON, floor),
        Peer("plain", "a command spawned, no server at all", TRUE, plain),
    ]


def measured(all_peers: list[Peer], *, jobs: int, rounds: int) -> dict[str, list[float]]:
    """Seconds of each round for each that is installed; they take turns."""
    spans: dict[str, list[float]] = {peer.name: [] for peer in all_peers if shutil.which(peer.program)}
    for _ in range(rounds):
        for peer in all_peers:
            if peer.name in spans:
                began_s = time.perf_counter()
                peer.run(jobs)
                spans[peer.name].append(time.perf_counter() - began_s)
    return spans
