"""A site without a server: pictures are given by the test, and requests are made as a browser makes them."""

import time
from pathlib import Path
from typing import Any

import httpx
from starlette.testclient import TestClient

from jobd.api.board import Board, Picture
from jobd.web.app import build
from jobd.web.config import ACTIONS, Config
from jobd.web.site import Site
from jobd.wire import batch as b
from jobd.wire import messages as m
from jobd.wire.rows import JobRow

from .rows import batch_row, job_row

TOKEN = "a-token-of-the-tests-and-no-other-0123"
ROOT = "http://127.0.0.1:8000"
ALL = frozenset(ACTIONS)
NODE = b.Node(
    "vm", [0, 1, 2, 3], 4, 3, 1 << 34, 0, [], [], [], 1.0, 1.0, "Linux", "x86_64", 0.5, 1 << 33, "local", ["main"], [], "0"
)  # fmt: skip


def status(**changes: Any) -> m.Status:
    """The server's, of four procs."""
    values: dict[str, Any] = {
        "version": "0",
        "pid": 1,
        "server_id": "s",
        "started_at": 1.0,
        "nb_proc": 4,
        "nb_proc_max": 4,
        "used": 0,
        "running": 0,
        "suspended": 0,
        "waiting": 0,
        "agent_pid": None,
        "cpus": [0, 1, 2, 3],
        "last_seq": 1,
    }
    return m.Status(**values | changes)


def picture(*rows: JobRow, recent: tuple[JobRow, ...] = (), trouble: str = "", **changes: Any) -> Picture:
    """How things are, with counts that fit the rows."""
    states = [row.state for row in rows]
    counted = {
        "running": states.count("RUNNING"),
        "suspended": states.count("SUSPENDED"),
        "waiting": states.count("PENDING"),
        "used": min(4, sum(row.nb_proc for row in rows if row.state == "RUNNING")),
    }
    return Picture(1, time.time(), trouble, status(**counted | changes), NODE, rows, False, recent)


def running(job_id: int, *, output: Path | None = None, **changes: Any) -> JobRow:
    """A batch job that runs."""
    path = str(output) if output is not None else "/dev/null"
    values: dict[str, Any] = {
        "state": "RUNNING",
        "kind": "batch",
        "started_at": time.time() - 60,
        "batch": batch_row(stdout=path, stderr=path),
    }
    return job_row(job_id, **values | changes)


def ended(job_id: int, state: str = "COMPLETED", **changes: Any) -> JobRow:
    """A batch job that is over."""
    now = time.time()
    values = {"state": state, "started_at": now - 90, "ended_at": now - 30, "exit_code": 0, "kind": "batch"}
    return job_row(job_id, **{**values, "batch": batch_row(), **changes})


def site_of(config: Config | None = None, shown: Picture | None = None) -> Site:
    """A site that follows nobody."""
    site = Site(config or Config(), TOKEN, board=Board(lambda picture: None))
    if shown is not None:
        site.show(shown, [])
    return site


def browser_of(site: Site, *, is_in: bool = True, root: str = ROOT) -> TestClient:
    """A browser at that site, which has shown the token."""
    browser = TestClient(build(site), base_url=root, follow_redirects=False, raise_server_exceptions=False)
    if is_in:
        assert browser.get("/", params={"token": TOKEN}).status_code == 303
    return browser


def text_of(answer: httpx.Response) -> str:
    """The page, which must have come."""
    assert answer.status_code == 200, (answer.status_code, answer.text)
    return answer.text
