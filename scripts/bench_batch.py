"""The rows of batch jobs: many at once against peers, one on an idle server, arrays and long lists of commands."""

import os
import select
import sqlite3
import statistics
import sys
import tempfile
import time
from typing import Any, NamedTuple

import bench_bulk
import zmq
from bench_peers import PATIENCE_S, TRUE, Server, cpu_s, memory_mb, program, server, spawn, until
from bench_rows import Row, Size, ms

from jobd.wire.batch import Accepted, BatchItem, BatchSpec, SubmitBatch
from jobd.wire.blobs import blob_of, pack_environment

SLEEPER = ["/bin/sleep", "100000"]  # holds the only proc, so that all others wait


# ---- batch jobs by hand ---------------------------------------------------------------------------------------
def work_folder(own: Server) -> str:
    """The folder in which its batch jobs run and leave their output."""
    folder = os.path.join(own.folder, "work")
    os.makedirs(folder, exist_ok=True)
    return folder


def request_of(own: Server, commands: list[list[str]], **asked: Any) -> SubmitBatch:
    """A submission as Sbatch would make it."""
    own_environment = pack_environment({os.fsencode(k): os.fsencode(v) for k, v in own.environment.items()})
    blob = blob_of(own_environment)
    spec = BatchSpec(1, "", work_folder(own), blob.key, **asked)
    return SubmitBatch(os.urandom(9).hex(), [spec], [BatchItem(words) for words in commands], [blob])


def submit(own: Server, commands: list[list[str]], **asked: Any) -> list[int]:
    """Queue them; their numbers."""
    accepted: Accepted = own.ask(request_of(own, commands, **asked))
    return accepted.job_ids


def until_empty(own: Server) -> None:
    """Until no job lives."""

    def is_empty() -> bool:
        status = own.status()
        return status.waiting == status.running == status.suspended == 0

    until(is_empty, "jobs are left")


class Ears:
    """A subscription to the events of all jobs."""

    def __init__(self, own: Server) -> None:
        self.socket = zmq.Context.instance().socket(zmq.SUB)
        for option, value in ((zmq.LINGER, 0), (zmq.RCVHWM, 0), (zmq.SUBSCRIBE, b"job.")):
            self.socket.setsockopt(option, value)
        self.socket.connect(f"ipc://{own.path('events.sock')}")
        time.sleep(0.5)  # a subscription is not acknowledged

    def next(self) -> tuple[int, str]:
        """(job, kind) of the next event."""
        if not self.socket.poll(PATIENCE_S * 1000):
            sys.exit("bench: nothing is heard of any job")
        _, job_id, kind = self.socket.recv_multipart()[0].decode().split(".")
        return int(job_id), kind

    def until(self, kind: str, count: int = 1) -> None:
        """Hear that many events of a kind."""
        while count:
            count -= self.next()[1] == kind

    def close(self) -> None:
        """Hear nothing more."""
        self.socket.close()


# ---- the rows -------------------------------------------------------------------------------------------------
class Bulk(NamedTuple):
    """One round of ours: seconds, and processor seconds of each side."""

    took_s: float
    sbatch_s: float
    server_s: float
    agent_s: float


def row_batch(size: Size) -> list[Row]:
    """Many no-op jobs in one request, against what runs as many."""
    ours: list[Bulk] = []
    with server(bench_bulk.SLOTS) as own:
        peers_folder = os.path.join(own.folder, "peers")
        os.mkdir(peers_folder)
        found = bench_bulk.bulks(peers_folder)
        peers = [peer for peer in found if isinstance(peer, bench_bulk.Bulk)]
        spans: dict[str, list[float]] = {peer.name: [] for peer in peers}
        own.run("Salloc", TRUE)  # everything has been loaded once
        for _ in range(size.batch_rounds):
            ours.append(_bulk(own, size.batch_jobs))
            for peer in peers:
                spans[peer.name].append(peer.run(size.batch_jobs))
        errors = own.errors()
        recorded = _recorded(own)
        file_s = _file_s(work_folder(own))
    jobs = size.batch_jobs * size.batch_rounds
    is_whole = recorded == jobs and not errors
    rates = [size.batch_jobs / bulk.took_s for bulk in ours]
    rate = max(rates)
    rows = [
        Row(
            "batch",
            f"{size.batch_jobs:,} × true in bulk, {bench_bulk.SLOTS} procs",
            f"{rate:.0f} jobs/s",
            "",
            None,
            "≥ 500 jobs/s",
            rate >= 500 and is_whole,
            f"best of {size.batch_rounds} rounds ({', '.join(f'{one:.0f}' for one in rates)}); processor time of a job: "
            f"server {_each_ms(ours, 'server_s', jobs)}, agent {_each_ms(ours, 'agent_s', jobs)}, "
            f"Sbatch {_each_ms(ours, 'sbatch_s', jobs)}; to make a file here takes {ms(file_s, 3)}"
            + ("" if recorded == jobs else f"; ONLY {recorded} of {jobs} are recorded as completed")
            + "".join(f"; LOG: {line}" for line in errors[:3]),
        )
    ]
    goals = {"xargs": 0.6, "task-spooler": 1.1, "HyperQueue": 1.5}
    for other in found:
        goal = goals[other.name]
        if isinstance(other, bench_bulk.Missing):
            rows.append(Row("batch", f"… / {other.name}", "", other.why, None, f"≥ {goal}", None))
            continue
        peer_rates = [size.batch_jobs / span for span in spans[other.name]]
        ratio = rate / max(peer_rates)
        by_turns = [one / another for one, another in zip(rates, peer_rates, strict=True)]
        rows.append(
            Row(
                "batch",
                f"… / {other.what}",
                f"{rate:.0f} jobs/s",
                f"{max(peer_rates):.0f} jobs/s",
                ratio,
                f"≥ {goal}",
                ratio >= goal,
                f"best of {size.batch_rounds} each; round by round {', '.join(f'{one:.2f}' for one in by_turns)}",
            )
        )
    return rows


def _bulk(own: Server, count: int) -> Bulk:
    """Sbatch --from of that many, until the last has ended and all have left their output file."""
    folder = tempfile.mkdtemp(dir=work_folder(own))
    path = os.path.join(own.folder, "commands")
    with open(path, "w") as file:
        file.write(f"{TRUE}\n" * count)
    before = cpu_s(own.pid), cpu_s(own.agent_pid)
    began_s = time.perf_counter()
    sbatch_s = _sbatch(own, ["--from", path, "--chdir", folder])
    until_empty(own)
    took_s = time.perf_counter() - began_s
    after = cpu_s(own.pid), cpu_s(own.agent_pid)
    made = len(os.listdir(folder))
    if made != count:
        sys.exit(f"bench: {made} output files of {count}")
    return Bulk(took_s, sbatch_s, after[0] - before[0], after[1] - before[1])


def _sbatch(own: Server, words: list[str]) -> float:
    """Run it; its processor seconds."""
    pid = spawn([program("Sbatch"), *words], own.environment)
    _, status, usage = os.wait4(pid, 0)
    if status:
        sys.exit(f"bench: Sbatch failed with {os.waitstatus_to_exitcode(status)}")
    return usage.ru_utime + usage.ru_stime


def _recorded(own: Server) -> int:
    """Batch jobs that the journal has as completed."""
    path = os.path.join(own.folder, "s", "jobd", "journal.sqlite")
    journal = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        # All but the one Salloc.
        return int(journal.execute("SELECT count(*) FROM jobs WHERE phase = 3").fetchone()[0]) - 1
    finally:
        journal.close()


def _file_s(folder: str) -> float:
    """Seconds that a new file takes, which each job needs, and xargs does not."""
    spans = []
    for number in range(200):
        began_s = time.perf_counter()
        os.close(os.open(os.path.join(folder, f"file{number}"), os.O_WRONLY | os.O_CREAT))
        spans.append(time.perf_counter() - began_s)
    return statistics.median(spans)


def _each_ms(bulks: list[Bulk], what: str, jobs: int) -> str:
    return ms(sum(getattr(bulk, what) for bulk in bulks) / jobs, 2)


def row_submission(size: Size) -> list[Row]:
    """One batch job on an idle server, from the request to the event that it has started, and until it does something."""
    with server(2) as own:
        ears = Ears(own)
        fifo = os.path.join(own.folder, "fifo")
        os.mkfifo(fifo)
        reader = os.open(fifo, os.O_RDWR)  # so that no opening waits
        started, alive = [], []
        for _ in range(size.submissions + 3):
            spans = _one_submission(own, ears, fifo, reader)
            started.append(spans[0])
            alive.append(spans[1])
        os.close(reader)
        ears.close()
    started, alive = started[3:], alive[3:]
    median_s = statistics.median(started)
    return [
        Row(
            "submission",
            "submission to start, idle server",
            ms(median_s, 2),
            "",
            None,
            "≤ 5 ms",
            median_s <= 0.005,
            f"median of {len(started)}, request sent until the event is heard; fastest {ms(min(started), 2)}, "
            f"95 % within {ms(sorted(started)[len(started) * 95 // 100], 2)}; until a shell that is the job has opened a file: "
            f"{ms(statistics.median(alive), 2)}",
        )
    ]


def _one_submission(own: Server, ears: Ears, fifo: str, reader: int) -> tuple[float, float]:
    request = request_of(own, [["/bin/sh", "-c", 'echo >"$0"', fifo]])
    began_s = time.perf_counter()
    own.ask(request)
    ears.until("started")
    started_s = time.perf_counter() - began_s
    if not select.select([reader], [], [], PATIENCE_S)[0]:
        sys.exit("bench: a job did nothing")
    alive_s = time.perf_counter() - began_s
    os.read(reader, 16)
    ears.until("ended")
    return started_s, alive_s


def row_array(size: Size) -> list[Row]:
    """A big array: one request, one row."""
    with server(1) as own:
        submit(own, [SLEEPER])
        until(lambda: own.status().running == 1, "no job runs")
        empty_mb = memory_mb(own.pid)[0]
        spans, server_s = [], []
        words = ["--array", f"0-{size.array - 1}", "--chdir", work_folder(own), "--wrap", "true"]
        for _ in range(3):
            before_s, began_s = cpu_s(own.pid), time.perf_counter()
            _sbatch(own, words)
            spans.append(time.perf_counter() - began_s)
            server_s.append(cpu_s(own.pid) - before_s)
        rss, pss = memory_mb(own.pid)
        agent_mb = memory_mb(own.agent_pid)[0]
        waiting = own.status().waiting
    median_s = statistics.median(spans)
    return [
        Row(
            "array",
            f"Sbatch --array=0-{size.array - 1}",
            f"{median_s:.3f} s",
            "",
            None,
            "≤ 1 s",
            median_s <= 1.0,
            f"median of 3, from spawn to reaping, one request; server {ms(statistics.median(server_s), 2)} of processor time",
        ),
        Row(
            "array",
            f"server memory, 3 arrays of {size.array:,} waiting",
            f"{rss:.0f} MB",
            f"one job {empty_mb:.0f} MB",
            rss / empty_mb,
            "≤ 250 MB",
            rss <= 250 and waiting >= 3,
            f"RSS (PSS {pss:.0f} MB); agent {agent_mb:.0f} MB; an array is one waiting job until its elements start",
        ),
    ]


def row_from(size: Size) -> list[Row]:
    """Sbatch --from of many different lines."""
    with server(1) as own:
        submit(own, [SLEEPER])
        path = os.path.join(own.folder, "commands")
        with open(path, "w") as file:
            file.writelines(f"/usr/bin/python3 train.py --seed {number}\n" for number in range(size.lines))
        spans, sbatch_s, server_s = [], [], []
        for _ in range(3):
            before_s, began_s = cpu_s(own.pid), time.perf_counter()
            sbatch_s.append(_sbatch(own, ["--from", path, "--chdir", work_folder(own)]))
            spans.append(time.perf_counter() - began_s)
            server_s.append(cpu_s(own.pid) - before_s)
        waiting = own.status().waiting
    rate = size.lines / statistics.median(spans)
    is_whole = waiting >= 3 * size.lines
    return [
        Row(
            "from",
            f"Sbatch --from of {size.lines:,} lines",
            f"{rate:.0f} lines/s",
            "",
            None,
            "≥ 10,000 lines/s",
            rate >= 10_000 and is_whole,
            f"median of 3, best {size.lines / min(spans):.0f}; processor time of a line: Sbatch "
            f"{statistics.median(sbatch_s) / size.lines * 1e6:.0f} µs, server "
            f"{statistics.median(server_s) / size.lines * 1e6:.0f} µs"
            + ("" if is_whole else f"; ONLY {waiting} WAIT"),
        )
    ]
