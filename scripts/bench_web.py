"""The rows on the page: first byte and size of the overview, an event until it is at 20 viewers, and what an idle page costs.

    python scripts/bench_web.py [--history N] [--queue N] [--read-s S] [--json FILE]

It makes a server of its own with many finished and many waiting jobs, and serves the page for it.
"""

import argparse
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import threading
import time
from typing import Any

import httpx
from bench_batch import submit, until_empty
from bench_history import fill
from bench_peers import PATIENCE_S, TRUE, Server, cpu_s, memory_mb, program, server, wakeups

from jobd.limits import ITEMS_MAX
from jobd.wire import messages as m

VIEWERS = 20
EVENTS = 30
PAGES = 40
IDLE_S = 20.0


class Page:
    """`jobctl web` of a server."""

    def __init__(self, own: Server) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.own = own
        words = [program("jobctl"), "web", "--port", str(port)]
        began_s = time.perf_counter()
        self.process = subprocess.Popen(
            words, env=own.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.process.stdout.readline()
        address = subprocess.run(
            [*words, "--address"], env=own.environment, capture_output=True, text=True, check=True
        ).stdout.strip()
        self.root = f"http://127.0.0.1:{port}"
        self.http = httpx.Client(base_url=self.root, timeout=PATIENCE_S)
        assert self.http.get(address).status_code == 303
        self.first_s = time.perf_counter() - began_s

    def get(self, path: str) -> tuple[float, int]:
        """(seconds until the first byte, bytes) of a page, on a connection that stands."""
        began_s = time.perf_counter()
        with self.http.stream("GET", path) as answer:
            chunks = answer.iter_bytes()
            first = next(chunks)
            took_s = time.perf_counter() - began_s
            size = len(first) + sum(map(len, chunks))
            if answer.status_code != 200:
                sys.exit(f"bench: {path}: {answer.status_code}")
        return took_s, size

    def stop(self) -> None:
        """End it."""
        self.http.close()
        self.process.terminate()
        if self.process.wait(PATIENCE_S):
            sys.exit("bench: the page ended badly")


class Viewer(threading.Thread):
    """One who looks at the overview: when it was sent which part."""

    def __init__(self, page: Page) -> None:
        super().__init__(daemon=True)
        self.http = httpx.Client(base_url=page.root, cookies=page.http.cookies, timeout=None)
        self.seen: dict[str, float] = {}
        self.is_there = threading.Event()
        self.start()

    def run(self) -> None:
        """Read until the page ends."""
        try:
            with self.http.stream("GET", "/live/overview") as answer:
                for line in answer.iter_lines():
                    if line.startswith("data: "):
                        self.is_there.set()
                        for name in re.findall(r"bench-event-[0-9]+", line):
                            self.seen.setdefault(name, time.perf_counter())
        except httpx.HTTPError:
            pass


def measured(page: Page, paths: list[str]) -> dict[str, dict[str, float]]:
    """First bytes (median, slowest) and sizes of pages."""
    found = {}
    for path in paths:
        gets = [page.get(path) for _ in range(PAGES)]
        times = [took_s * 1000 for took_s, _ in gets]
        found[path] = {"median_ms": statistics.median(times), "max_ms": max(times), "bytes": gets[-1][1]}
    return found


def event_to_viewers(own: Server, page: Page) -> dict[str, float]:
    """From the moment that a job is handed to the server until its row has come to each of 20 viewers."""
    viewers = [Viewer(page) for _ in range(VIEWERS)]
    for viewer in viewers:
        if not viewer.is_there.wait(PATIENCE_S):
            sys.exit("bench: a viewer sees nothing")
    slowest, middles = [], []
    for number in range(EVENTS):
        name = f"bench-event-{number}"
        began_s = time.perf_counter()
        # At the head of the queue, since the page shows its first rows.
        words = m.Submit(f"view{number}", 1, [TRUE], name, "/", priority=1 << 20)
        own.ask(words)
        end_s = time.monotonic() + PATIENCE_S
        while not all(name in viewer.seen for viewer in viewers):
            if time.monotonic() > end_s:
                sys.exit(f"bench: {name} has not come to all")
            time.sleep(0.002)
        times = [(viewer.seen[name] - began_s) * 1000 for viewer in viewers]
        slowest.append(max(times))
        middles.append(statistics.median(times))
        time.sleep(0.3)
    return {
        "median_ms": statistics.median(middles),
        "slowest_viewer_median_ms": statistics.median(slowest),
        "slowest_ms": max(slowest),
    }


def main() -> None:
    """Measure, print, and write what was measured where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--history", type=int, default=1_000_000)
    parser.add_argument("--queue", type=int, default=10_000)
    parser.add_argument(
        "--read-s", type=float, default=600.0, help="seconds that the reading of the history may take"
    )
    parser.add_argument("--json")
    options = parser.parse_args()
    found: dict[str, Any] = {"history": options.history, "queue": options.queue}
    with server(2) as own:
        submit(own, [[TRUE]])
        until_empty(own)
        page = Page(own)  # with nothing to do
        time.sleep(3.0)
        before = wakeups(page.process.pid), cpu_s(page.process.pid)
        time.sleep(IDLE_S)
        after = wakeups(page.process.pid), cpu_s(page.process.pid)
        found["idle"] = {
            "wakeups_per_s": (after[0] - before[0]) / IDLE_S,
            "cpu_ms_per_s": (after[1] - before[1]) / IDLE_S * 1000,
        }
        page.stop()
        own.end("-1")
        fill(os.path.join(own.folder, "s", "jobd", "journal.sqlite"), options.history)
        shutil.rmtree(os.path.join(own.folder, "s", "jobd", "web"))  # as at a first start
        own.run("Sserver", "2")
        own.start()
        own.agent_pid = own.status().agent_pid
        own.ask(m.SetLimits(0, None))
        for begin in range(0, options.queue, ITEMS_MAX):
            submit(own, [[TRUE]] * min(ITEMS_MAX, options.queue - begin))
        page = Page(own)
        found["start_to_first_page_s"] = page.first_s
        # The history is being read meanwhile.
        found["while_reading"] = measured(page, ["/"])
        server_before, page_before, began_s = cpu_s(own.pid), cpu_s(page.process.pid), time.monotonic()
        filling = 0.0
        while filling is not None and time.monotonic() - began_s < options.read_s:
            time.sleep(1.0)
            filling = page.http.get("/data/usage?span=week").json()["filling"]
        found["reading"] = {
            "took_s": time.monotonic() - began_s,
            "jobs": page.http.get("/data/usage?span=week").json()["means"]["jobs"],
            "is_whole": filling is None,
            "server_cpu_s": cpu_s(own.pid) - server_before,
            "page_cpu_s": cpu_s(page.process.pid) - page_before,
        }
        found["pages"] = measured(
            page, ["/", "/history", "/timeline?span=day", "/usage?span=week", "/data/timeline?span=week"]
        )
        found["event"] = event_to_viewers(own, page)
        found["memory_mb"] = memory_mb(page.process.pid)[0]
        page.stop()
    print(json.dumps(found, indent=2))
    if options.json:
        with open(options.json, "w") as file:
            json.dump(found, file, indent=2)


if __name__ == "__main__":
    main()
