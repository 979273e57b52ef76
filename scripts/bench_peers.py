"""The peers of scripts/bench: other ways to run no-op jobs one after the other on one slot, in folders of their own."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from typing import NamedTuple

TRUE = "/bin/true"


class Peer(NamedTuple):
    """One way; `run` does that many jobs and returns when the last is over."""

    name: str
    what: str
    program: str
    run: Callable[[int], object]


def peers(folder: str) -> list[Peer]:
    """All of them, installed or not. What they keep, they keep in `folder`."""
    environment = {
        **os.environ,
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
            env=environment,
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
        Peer("plain", "no server at all: a command spawned", TRUE, plain),
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
