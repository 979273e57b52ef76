#!/usr/bin/env python3
"""Measure jobctl spool: folder to script, many folders at once, and what it does when nothing happens. Against its goals.

    scripts/bench_spool.py [--quick] [--json]

A server and a spool of its own run in folders of their own, and no process is left behind.
"""

import argparse
import contextlib
import importlib.util
import json
import os
import select
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
if importlib.util.find_spec("jobd") is None:
    beside = os.path.join(ROOT, ".venv", "bin", "python")
    if os.path.exists(beside) and sys.prefix != os.path.join(ROOT, ".venv"):
        os.execv(beside, [beside, *sys.argv])
    sys.exit("bench: jobd is not installed here (python -m venv .venv && .venv/bin/pip install -e .)")

from bench_peers import Server, cpu_s, memory_mb, program, server, until, wakeups  # noqa: E402
from bench_rows import Row  # noqa: E402

GOAL_S = 0.1
SETTLE_S = 2.5  # more than the quiet time, and than the stream's last look
PART = 100
HANG_S = 300.0


class Spool:
    """A spool of its own."""

    def __init__(self, own: Server) -> None:
        self.root = os.path.join(own.folder, "q")
        self.queue, self.done = (os.path.join(self.root, name) for name in ("QM_qJobs", "QM_dJobs"))
        self.making = os.path.join(own.folder, "making")
        os.mkdir(self.making)
        self.log = os.path.join(own.folder, "spool.log")
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                [program("jobctl"), "spool", self.root],
                env=own.environment,
                stdin=subprocess.DEVNULL,
                stderr=log,
            )
        until(lambda: "watching" in self.text(), "the spool has not begun")

    def text(self) -> str:
        """Its log."""
        with open(self.log) as file:
            return file.read()

    def make(self, name: str, script: str, *, is_script: bool = False) -> str:
        """A folder of a job, outside of the queue: by an info file, or by the #SBATCH lines of its script."""
        folder = os.path.join(self.making, name)
        os.mkdir(folder)
        if is_script:
            with open(os.path.join(folder, "job.sh"), "w") as file:
                file.write(f"#!/bin/sh\n#SBATCH --ntasks=1 --time=5\n#SBATCH --job-name={name}\n{script}\n")
            return folder
        with open(os.path.join(folder, "proc_config.cfg"), "w") as file:
            file.write(f"[QMOptions]\nnb_proc : 1\nscript : {script}\n")
        return folder

    def stop(self) -> None:
        """End it."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            sys.exit("bench: the spool had to be killed")


@contextlib.contextmanager
def spool(nb_proc: int) -> Iterator[tuple[Server, Spool]]:
    """A server with a spool."""
    with server(nb_proc) as own:
        made = Spool(own)
        try:
            yield own, made
        finally:
            made.stop()


def row_latency(count: int, *, is_script: bool = False) -> Row:
    """Folder moved in → its script runs, nothing else going on."""
    found = []
    with spool(2) as (_, made):
        fifo = os.path.join(made.making, "fifo")
        os.mkfifo(fifo)
        reader = os.open(fifo, os.O_RDWR)
        for number in range(count):
            folder = made.make(f"job{number}", f"echo > {fifo}", is_script=is_script)
            began_s = time.perf_counter()
            os.rename(folder, os.path.join(made.queue, f"job{number}"))
            if not select.select([reader], [], [], HANG_S)[0]:
                sys.exit("bench: a script did not run")
            found.append(time.perf_counter() - began_s)
            os.read(reader, 10)
            until(lambda number=number: len(os.listdir(made.done)) > number, "a folder is not done")
        os.close(reader)
    median_s = statistics.median(found)
    return Row(
        "spool",
        f"folder {'with #SBATCH lines ' if is_script else ''}moved in → script running, median of {count}",
        f"{median_s * 1000:.0f} ms",
        "QM: 3 s",
        3 / median_s,
        f"≤ {GOAL_S * 1000:.0f} ms",
        median_s <= GOAL_S,
        f"from {min(found) * 1000:.0f} to {max(found) * 1000:.0f} ms",
    )


def row_many(count: int, *, is_script: bool = False) -> Row:
    """Many folders at once: all done, each once; what one costs at the beginning and at the end."""
    with spool(2) as (_, made):
        folders = [
            made.make(f"job{number}", "echo ran >> runs", is_script=is_script) for number in range(count)
        ]
        began_s, before_s = time.time(), cpu_s(made.process.pid)
        for folder in folders:
            os.rename(folder, os.path.join(made.queue, os.path.basename(folder)))
        until(lambda: len(os.listdir(made.done)) >= count, "the folders are not done")
        used_s = cpu_s(made.process.pid) - before_s
        paths = [os.path.join(made.done, name) for name in os.listdir(made.done)]
        moved = sorted(os.stat(path).st_ctime for path in paths)
        names = {os.path.basename(path)[20:] for path in paths}
        is_once = len(names) == count
        for path in paths:
            with open(os.path.join(path, "runs")) as file:
                is_once &= file.read() == "ran\n"
    part = min(PART, count // 4)
    first_s, last_s = moved[part - 1] - moved[0], moved[-1] - moved[-part]
    return Row(
        "spool",
        f"{count} folders{' with #SBATCH lines' if is_script else ''} at once: a folder of the last {part}",
        f"{last_s / part * 1000:.1f} ms",
        f"of the first {part}: {first_s / part * 1000:.1f} ms",
        first_s / last_s,
        "all once, cost unchanged",
        is_once and last_s <= 1.5 * first_s,
        f"{moved[-1] - began_s:.1f} s in all; the spool used {used_s / count * 1000:.1f} ms of processor for each",
    )


def row_idle(idle_s: float) -> Row:
    """Nothing happens."""
    with spool(2) as (_, made):
        os.rename(made.make("one", "true"), os.path.join(made.queue, "one"))
        until(lambda: len(os.listdir(made.done)) == 1, "a folder is not done")
        time.sleep(SETTLE_S)
        before = wakeups(made.process.pid)
        time.sleep(idle_s)
        woken = wakeups(made.process.pid) - before
        rss = memory_mb(made.process.pid)[0]
    measure = f"wake-ups of an idle spool in {idle_s:.0f} s"
    return Row("spool", measure, str(woken), "", None, "0", woken == 0, f"all threads; RSS {rss:.0f} MB")


def rows(*, is_quick: bool) -> list[Row]:
    """All rows."""
    return [
        row_latency(10 if is_quick else 50),
        row_latency(10 if is_quick else 50, is_script=True),
        row_many(200 if is_quick else 1000),
        row_many(200 if is_quick else 1000, is_script=True),
        row_idle(3.0 if is_quick else 10.0),
    ]


def main() -> int:
    """Measure; 1 if a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="less of everything")
    parser.add_argument("--json", action="store_true", help="one JSON object for each row")
    given = parser.parse_args()
    is_met = True
    for row in rows(is_quick=given.quick):
        is_met &= row.is_met is not False
        if given.json:
            print(json.dumps(row._asdict()), flush=True)
        else:
            verdict = "" if row.is_met is None else "  met" if row.is_met else "  MISSED"
            against = f" ({row.against})" if row.against else ""
            print(f"{row.measure}: {row.measured}{against}, goal {row.goal}{verdict}; {row.note}", flush=True)
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(main())
