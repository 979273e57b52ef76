"""Thousands of jobs of every bad habit, while server and agent are killed at random: at the end the journal has one true end for each.

Each job writes down itself what becomes of it (chaos.c), and chaos.py says what the journal may say then. The choices are drawn from a seed: JOBD_CHAOS_SEED draws them again, JOBD_CHAOS_JOBS makes more of them.
"""

import os
import random
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from jobd import locks
from jobd.client import Events
from live.batches import can_tell_exits, configured, kill_hard, submit
from live.chaos import (
    AFTER,
    ARRAY_BASE,
    ARRAY_CODE,
    ARRAY_LIMIT,
    ARRAY_SIZE,
    UNKNOWN,
    Outage,
    Plan,
    Record,
    array_plans,
    complaint,
    plans,
    record,
)

JOBS = int(os.environ.get("JOBD_CHAOS_JOBS", "2000"))
NB_PROC = 8
KILLS_MIN = 25
HARD_STOP_S = 240.0  # on a machine that is very busy; on an idle one it takes a quarter of that
CHUNK = 50  # jobs in one Sbatch
SUBMITTERS = 2


class Chaos:
    """The house on fire: what is handed in, killed, cancelled and paused meanwhile."""

    def __init__(self, house: Any, rng: random.Random) -> None:
        self.house = house
        self.rng = rng
        self.plans = plans(rng, JOBS)
        self.ids: dict[int, int] = {}  # index → job
        self.met: set[int] = set()  # indexes of those that were cancelled, paused, requeued
        self.paused: list[int] = []  # jobs
        self.outages: list[Outage] = []
        self.kills: Counter[str] = Counter()
        self._down_since: list[float] = []
        self._chunks = [self.plans[start : start + CHUNK] for start in range(0, len(self.plans), CHUNK)]
        self._handing: list[tuple[subprocess.Popen[str], list[Plan]]] = []
        self._lock = str(house.runtime / "jobd/agent.lock")
        self._end_s = time.monotonic() + HARD_STOP_S

    def check_time(self, doing: str) -> None:
        """Fail, clearly, when it takes too long."""
        if time.monotonic() < self._end_s:
            return
        living = Counter((row["state"], row["name"], row["reason_code"]) for row in self.house.jobs())
        raise AssertionError(f"{HARD_STOP_S:.0f} s are over while {doing}; what lives: {living}")

    # ---- handing in
    def hand_in(self) -> bool:
        """Keep some Sbatch running, and take what they answer; whether more is to come."""
        for entry in list(self._handing):
            child, chunk = entry
            if child.poll() is None:
                continue
            said, errors = child.communicate()
            assert child.returncode == 0, f"Sbatch: {child.returncode} {errors}"
            numbers = [int(word) for word in said.split()]
            assert len(numbers) == len(chunk)
            self.ids.update(zip((plan.index for plan in chunk), numbers, strict=True))
            self._handing.remove(entry)
        while self._chunks and len(self._handing) < SUBMITTERS:
            chunk = self._chunks.pop(0)
            path = self.house.work / f"lines-{chunk[0].index}"
            path.write_text("\n".join(plan.line for plan in chunk))
            self._handing.append(
                (self.house.spawn("Sbatch", "--parsable", "--from", str(path), bufsize=1 << 20), chunk)
            )
        return bool(self._handing)

    def hand_in_array(self) -> tuple[int, int]:
        """An array, and a job that comes after it; their numbers."""
        place = ["-a", f"0-{ARRAY_SIZE - 1}%{ARRAY_LIMIT}", "-o", "out/array-%a"]
        array = submit(self.house, *place, "--", "./chaos", f"+{ARRAY_BASE}", "exit", str(ARRAY_CODE))
        dependent = ["-d", f"afterany:{array}", "-o", "out/after"]
        return array, submit(self.house, *dependent, "--", "./chaos", str(AFTER), "exit", "0")

    def take_array(self, rows: Iterable[dict[str, Any]], array: int, after: int) -> None:
        """The numbers of its elements are known now."""
        self.plans += array_plans()
        self.ids[AFTER] = after
        for row in rows:
            if row["batch"].array_id == array:
                self.ids[ARRAY_BASE + row["batch"].array_index] = row["job_id"]

    # ---- what is done to jobs
    def meddle(self) -> None:
        """Cancel one that was meant for it, or pause or requeue one, or let one go on."""
        chosen = [
            plan
            for plan in self.plans
            if "comment" in plan.options and plan.index in self.ids and plan.index not in self.met
        ]
        if self.paused and self.rng.random() < 0.5:
            self.resume(self.paused.pop())
        elif chosen:
            plan = self.rng.choice(chosen)
            job_id = self.ids[plan.index]
            self.met.add(plan.index)
            what = plan.options["comment"]
            if what == "cancel":
                self.house.ok("Scancel", str(job_id))
            elif what == "requeue":
                self.house.run("Scontrol", "requeue", str(job_id))  # refused if it waits
            elif self.house.run("Scontrol", "suspend", str(job_id)).returncode == 0:
                self.paused.append(job_id)

    def resume(self, job_id: int) -> None:
        """Let a paused job go on, unless its attempt was lost meanwhile, or was over before the agent heard of the pause."""
        done = self.house.run("Scontrol", "resume", str(job_id))
        assert done.returncode == 0 or self.house.job(job_id)["state"] in ("NODE_FAIL", "COMPLETED"), (
            done.stderr
        )

    # ---- kills
    def wait_a_little(self) -> None:
        """A random number of events, and a random moment after the last."""
        with self.house.environment():
            events = Events(b"")
        count = self.rng.choice((0, 1, 5, 20, 60))
        try:
            while count and events.wait(0.3) is not None:
                count -= 1
            events.wait(self.rng.random() * 0.05)
        finally:
            events.close()

    def blow(self) -> None:
        """Kill somebody, and bring the server back."""
        what = self.rng.choice(("server", "server", "agent", "agent", "agent", "both", "stop"))
        self.kills[what] += 1
        if what == "stop":
            self.house.ok("Sserver", "-1")
        pids = {
            "server": locks.holder(str(self.house.runtime / "jobd/jobd.lock")),
            "agent": locks.holder(self._lock),
        }
        for who in self.rng.sample(("server", "agent"), 2):
            pid = pids[who]
            if pid is not None and what in (who, "both"):
                if who == "agent":
                    self._down_since.append(time.time())
                kill_hard(pid)
        self.house.ok("Sserver", str(NB_PROC))
        if self.rng.random() < 0.7:
            self.see_agent()

    def see_agent(self) -> None:
        """Wait until an agent is up."""
        killed = self._down_since
        self.house.until(lambda: self.house.request_status()["agent_pid"] == locks.holder(self._lock) != None)  # noqa: E711
        self.outages += [Outage(at, time.time()) for at in killed]
        self._down_since = []

    def drain(self) -> None:
        """Let all that was handed in come to its end."""
        self.house.ok("Sserver", str(NB_PROC))
        self.see_agent()
        while self.paused:
            self.resume(self.paused.pop())
        while any("comment" in plan.options and plan.index not in self.met for plan in self.plans):
            self.meddle()
            self.check_time("the last are cancelled")
        while self.paused:
            self.resume(self.paused.pop())
        self.house.until(
            lambda: self.check_time("the jobs come to their ends") or not self.house.jobs(),
            timeout_s=HARD_STOP_S,
        )


def compile_job(folder: Path) -> None:
    """The program of the jobs."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.fail("no C compiler (gcc)")
    source = Path(__file__).with_name("chaos.c")
    subprocess.run([compiler, "-O1", "-o", folder / "chaos", source], check=True)
    (folder / "records").mkdir()


def description(house: Any, pid: int) -> str:
    """What a process is that should not be there, and its job."""
    try:
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError as error:
        return f"{pid}: {error}"
    marks = dict(one.decode().split("=", 1) for one in variables if one.startswith(b"JOBD_"))
    row = house.job(int(marks["JOBD_JOB_ID"])) if "JOBD_JOB_ID" in marks else None
    return f"{stat} {marks} {row}"


def ends_told(house: Any) -> Counter[int]:
    """How often the events tell the end of each job."""
    from jobd.wire import messages as m

    told: Counter[int] = Counter()
    with house.client() as client:
        after_seq = 0
        while events := client.request(m.ListEvents(after_seq, 2000)).events:
            told.update(event.job.job_id for event in events if event.kind == "ended")
            after_seq = events[-1].seq
    return told


@pytest.mark.timeout(HARD_STOP_S + 60)
def test_each_job_has_one_true_end_whoever_is_killed(house: Any) -> None:
    seed = int(os.environ.get("JOBD_CHAOS_SEED") or random.randrange(1 << 30))
    print(f"JOBD_CHAOS_SEED={seed}")
    compile_job(house.work)
    configured(house, "kill_grace_s = 0.3\nevents_kept = 100_000\n")
    house.server(NB_PROC)
    chaos = Chaos(house, random.Random(seed))
    began_s = time.monotonic()
    array, after = chaos.hand_in_array()
    while chaos.hand_in() or sum(chaos.kills.values()) < KILLS_MIN:
        chaos.wait_a_little()
        chaos.meddle()
        chaos.blow()
        chaos.check_time("jobs are handed in")
    burnt_s = time.monotonic() - began_s
    chaos.drain()

    # Nothing but server and agent is left: nothing that a job left behind, wherever it ran to.
    left = set(house.processes()) - {house.server_pid(), house.request_status()["agent_pid"]}
    assert not left, f"{[description(house, pid) for pid in left]}"

    finished = house.jobs(is_finished=True)
    rows = {row["job_id"]: row for row in finished}
    chaos.take_array(rows.values(), array, after)
    assert len(finished) == len(rows) == len(chaos.plans) == len(set(chaos.ids.values()))
    told = ends_told(house)
    # One that was requeued when it was over already has one end more.
    again = {chaos.ids[plan.index] for plan in chaos.plans if plan.options.get("comment") == "requeue"}
    assert set(told) == set(rows) and all(count == 1 for job, count in told.items() if job not in again)
    ends = Counter((row["state"], row["cause"]) for row in finished)
    print(f"{len(rows)} jobs, {dict(chaos.kills)} in {burnt_s:.0f} s, {dict(ends)}, {chaos.outages}")
    is_exact = can_tell_exits()
    wrong = []
    for plan in chaos.plans:
        row, said = rows[chaos.ids[plan.index]], record(house.work, plan.index)
        if text := complaint(plan, row, said, chaos.outages, is_exact=is_exact):
            wrong.append(f"{text}: {plan} {said} {row}")
        if plan.kind == "write" and row["state"] == "COMPLETED":
            assert (house.work / f"out/{plan.index}").stat().st_size == plan.number * 1024
    assert not wrong, "\n".join(wrong)
    assert sum(row["cause"] in UNKNOWN for row in finished) <= NB_PROC * len(chaos.outages)
    elements = [row for row in finished if row["batch"].array_id == array]
    assert rows[after]["started_at"] >= max(row["ended_at"] for row in elements)

    # It stays so.
    kill_hard(house.server_pid())
    house.ok("Sserver", str(NB_PROC))
    assert house.jobs(is_finished=True) == finished and house.jobs() == []


# ---- the judge
OUTAGE = Outage(100.0, 101.0)


def judged(
    kind: str = "exit", state: str = "FAILED", cause: str = "self", code: int | None = 7, **other: Any
) -> str:
    """What the judge says of a job that began at 99 and ended at 102, by default with 7 as it should."""
    comment = {"comment": "cancel"} if kind == "sleep" else {}
    row = {
        "job_id": 1,
        "state": state,
        "cause": cause,
        "exit_code": code if code is None or code >= 0 else None,
        "signal": -code if code is not None and code < 0 else None,
        "started_at": 99.0,
        "ended_at": 102.0,
        "batch": SimpleNamespace(attempt=other.get("attempt", 1)),
    }
    said = Record(other.get("began", [(1, 1)]), other.get("ends", [(7, 100.5)]))
    outages = other.get("outages", [OUTAGE])
    return complaint(Plan(0, kind, 7, comment), row, said, outages, is_exact=True)


LOST = {"state": "NODE_FAIL", "cause": "lost", "code": None}
CANCELLED = {"kind": "sleep", "state": "CANCELLED", "cause": "deleted"}


@pytest.mark.parametrize(
    "told",
    [
        {},
        LOST,
        LOST | {"cause": "start unknown", "began": [], "ends": []},
        CANCELLED | {"code": -15, "ends": []},
        CANCELLED | {"code": None, "ends": [], "began": [], "attempt": 0},
    ],
)
def test_the_judge_takes_what_is_true(told: dict[str, Any]) -> None:
    assert judged(**told) == ""


@pytest.mark.parametrize(
    "told",
    [
        {"code": 6},
        {"code": -7},
        {"code": None},
        {"state": "COMPLETED", "code": 0},
        {"began": [(1, 2)]},
        {"began": [(1, 1), (1, 1)]},
        {"began": [(1, 1), (2, 1)]},
        {"began": []},
        {"ends": []},
        {"ends": [(7, 100.0), (7, 100.5)]},
        LOST | {"code": 7},
        LOST | {"outages": []},
        LOST | {"ends": []},
        LOST | {"ends": [(7, 101.5)]},
        LOST | {"began": []},
        LOST | {"state": "FAILED"},
        CANCELLED | {"code": 0, "ends": []},
        CANCELLED | {"code": None, "ends": [], "outages": []},
        CANCELLED | {"state": "FAILED", "code": -15, "ends": []},
    ],
)
def test_the_judge_finds_what_is_not(told: dict[str, Any]) -> None:
    assert judged(**told) != ""
