"""Thousands of jobs of every bad habit, while server and agent are killed at random: at the end the journal has one true end for each.

Each job writes down itself what becomes of it (chaos.c). What the journal may say is then listed for each kind of job; whatever else it
says is a mistake. The choices are drawn from a seed: JOBD_CHAOS_SEED draws them again, JOBD_CHAOS_JOBS makes more of them.
"""

import json
import os
import random
import shutil
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from jobd import locks
from jobd.agent.processes import exit_status
from jobd.client import Events
from live.batches import configured, kill_hard

JOBS = int(os.environ.get("JOBD_CHAOS_JOBS", "2000"))
NB_PROC = 8
KILLS_MIN = 25
HARD_STOP_S = 240.0  # on a machine that is very busy; on an idle one it takes a quarter of that
CHUNK = 50  # jobs in one Sbatch
SUBMITTERS = 2

UNKNOWN = ("lost", "start unknown")  # causes that only the death of an agent can have


class Plan(NamedTuple):
    """One job as it is handed in."""

    index: int
    kind: str
    number: int
    options: dict[str, Any]

    @property
    def line(self) -> str:
        """For Sbatch --from."""
        command = ["./chaos", str(self.index), self.kind, str(self.number)]
        return json.dumps(
            {"command": command, "name": self.kind, "output": f"out/{self.index}", **self.options}
        )


class Record(NamedTuple):
    """What a job wrote down."""

    began: list[tuple[int, int]]  # (attempt, job_id)
    ends: list[tuple[int, float]]  # (code, negative for a signal; when)


class Outage(NamedTuple):
    """A time without an agent: from its kill until another one has been seen to be up."""

    killed_at: float
    up_at: float


def plans(rng: random.Random) -> list[Plan]:
    """Many short jobs, and some of each hard kind, in a random order."""
    kinds: list[tuple[str, int, dict[str, Any]]] = []
    kinds += [("exit", rng.choice((0, 0, 0, 1, 7, 100, 255)), {}) for _ in range(JOBS)]
    kinds += [("signal", rng.choice((1, 6, 9, 11, 15)), {}) for _ in range(JOBS // 20)]
    kinds += [("fork", rng.randrange(0, 4), {}) for _ in range(JOBS // 40)]
    kinds += [("deaf-fork", rng.randrange(0, 4), {}) for _ in range(JOBS // 100)]
    kinds += [("write", rng.randrange(1, 1000), {}) for _ in range(JOBS // 50)]
    kinds += [("retry", 3, {"retries": 3, "retry_on": "3"}) for _ in range(JOBS // 50)]
    kinds += [("nap", rng.randrange(100, 3000), {}) for _ in range(40)]
    kinds += [("deaf", 0, {"time": "0:01"}) for _ in range(8)]
    kinds += [("sleep", 0, {"time": "0:01"}) for _ in range(8)]
    kinds += [("sleep", 0, {"comment": "cancel"}) for _ in range(12)]
    kinds += [("deaf", 0, {"comment": "cancel"}) for _ in range(4)]
    kinds += [("nap", 400, {"comment": "pause"}) for _ in range(6)]
    kinds += [("eat", 400, {"mem": "40M"}) for _ in range(4)]
    rng.shuffle(kinds)
    return [Plan(index, *kind) for index, kind in enumerate(kinds)]


class Chaos:
    """The house on fire: what is handed in, killed, cancelled and paused meanwhile."""

    def __init__(self, house: Any, rng: random.Random) -> None:
        self.house = house
        self.rng = rng
        self.plans = plans(rng)
        self.ids: dict[int, int] = {}  # index → job
        self.cancelled: set[int] = set()  # indexes
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

    # ---- what is done to jobs
    def meddle(self) -> None:
        """Cancel one that was meant for it, or pause one, or let one go on."""
        chosen = [
            plan
            for plan in self.plans
            if "comment" in plan.options and plan.index in self.ids and plan.index not in self.cancelled
        ]
        if self.paused and self.rng.random() < 0.5:
            self.resume(self.paused.pop())
        elif chosen:
            plan = self.rng.choice(chosen)
            job_id = self.ids[plan.index]
            self.cancelled.add(plan.index)
            if plan.options["comment"] == "cancel":
                self.house.ok("Scancel", str(job_id))
            elif self.house.run("Scontrol", "suspend", str(job_id)).returncode == 0:
                self.paused.append(job_id)

    def resume(self, job_id: int) -> None:
        """Let a paused job go on, unless its attempt was lost meanwhile."""
        done = self.house.run("Scontrol", "resume", str(job_id))
        assert done.returncode == 0 or self.house.job(job_id)["state"] == "NODE_FAIL", done.stderr

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
        while any("comment" in plan.options and plan.index not in self.cancelled for plan in self.plans):
            self.meddle()
            self.check_time("the last are cancelled")
        while self.paused:
            self.resume(self.paused.pop())
        self.house.until(
            lambda: self.check_time("the jobs come to their ends") or not self.house.jobs(),
            timeout_s=HARD_STOP_S,
        )


def record(house: Any, index: int) -> Record:
    """What a job wrote down."""
    found = Record([], [])
    path = house.work / f"records/{index}"
    for line in path.read_text().splitlines() if path.exists() else []:
        word, first, second, at_us = line.split()
        if word == "began":
            found.began.append((int(first), int(second)))
        elif word == "ends":
            found.ends.append((int(first), int(at_us) / 1e6))
    return found


# ---- the judgement
def complaint(
    plan: Plan,
    row: dict[str, Any],
    said: Record,
    outages: list[Outage],
    *,
    is_exact: bool,
    is_cancelled: bool,
) -> str:
    """What is wrong with the end that the journal has; "" if it is true.

    Args:
        is_exact: this kernel tells how a process ended that is no child.
    """
    code, cause, attempt = row["exit_code"], row["cause"], row["batch"].attempt
    if row["signal"] is not None:
        code = -row["signal"]
    begun = [number for number, _ in said.began]
    if any(job_id != row["job_id"] for _, job_id in said.began):
        return "it ran under another number"
    if len(set(begun)) != len(begun):
        return "an attempt was started twice"
    if cause in UNKNOWN:
        return unknown_complaint(row, said, outages, is_exact=is_exact)
    if cause == "deleted" and is_cancelled and plan.kind != "nap":
        if row["state"] != "CANCELLED" or said.ends or begun not in ([], [1]):
            return "cancelled, and yet not"
        return (
            ""
            if code in ((None,) if attempt == 0 else (None, -15, -9))
            else "a strange end of a cancelled one"
        )
    if begun != list(range(1, attempt + 1)):
        return "not every attempt that is counted has run"
    if [end for end, _ in said.ends[:-1]] != [3] * (attempt - 1 if plan.kind == "retry" else 0):
        return "an attempt ended otherwise than by its own hand"
    own = said.ends[-1][0] if said.ends else None
    return "" if (cause, row["state"], code, own) in allowed(plan) else "another end than its own"


def allowed(plan: Plan) -> list[tuple[str, str, int | None, int | None]]:
    """(cause, state, code, what it wrote down) of a job whose end was seen."""
    if plan.kind == "eat":
        return [("out of memory", "OUT_OF_MEMORY", -9, None)]
    if "time" in plan.options:
        # After its TERM the deaf one gets a KILL.
        return [("time limit", "TIMEOUT", -9 if plan.kind == "deaf" else -15, None)]
    own = {"exit": plan.number, "fork": plan.number, "deaf-fork": plan.number, "signal": -plan.number}.get(
        plan.kind, plan.number % 100 if plan.kind == "nap" else 0
    )
    return [("self", "COMPLETED" if own == 0 else "FAILED", own, own)]


def unknown_complaint(row: dict[str, Any], said: Record, outages: list[Outage], *, is_exact: bool) -> str:
    """An end that nobody saw: only if an agent was killed while the attempt ran, and it ended before the next was up."""
    if row["state"] != "NODE_FAIL" or (row["exit_code"], row["signal"]) != (None, None):
        return "an unknown end is told as known"
    during = [one for one in outages if row["started_at"] <= one.up_at and one.killed_at <= row["ended_at"]]
    if not during:
        return "its end was not seen, and yet no agent was killed meanwhile"
    last = [number for number, _ in said.began].count(row["batch"].attempt)
    if row["cause"] == "start unknown":
        return ""  # whether it began is just what nobody knows
    if last != 1:
        return "it is said to have run, and has not"
    if not said.ends:
        return "it had not ended by itself"
    if is_exact and not any(said.ends[-1][1] <= one.up_at for one in during):
        return "it ended when an agent was there to see it"
    return ""


def can_tell_exits() -> bool:
    """Whether this kernel tells the exit code of a stranger (PIDFD_GET_INFO, Linux 6.15)."""
    pid = os.posix_spawn("/bin/true", ["true"], {})
    pidfd = os.pidfd_open(pid)
    os.waitpid(pid, 0)
    status = exit_status(pidfd)
    os.close(pidfd)
    return status is not None


def compile_job(folder: Path) -> None:
    """The program of the jobs."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.fail("no C compiler (gcc)")
    source = Path(__file__).with_name("chaos.c")
    subprocess.run([compiler, "-O1", "-o", folder / "chaos", source], check=True)
    (folder / "records").mkdir()


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
    while chaos.hand_in() or sum(chaos.kills.values()) < KILLS_MIN:
        chaos.wait_a_little()
        chaos.meddle()
        chaos.blow()
        chaos.check_time("jobs are handed in")
    burnt_s = time.monotonic() - began_s
    chaos.drain()

    # Nothing but server and agent is left: nothing that a job left behind, wherever it ran to.
    rest = {house.server_pid(), house.request_status()["agent_pid"]}
    assert set(house.processes()) == rest
    said = {plan.index: record(house, plan.index) for plan in chaos.plans}

    finished = house.jobs(is_finished=True)
    rows = {row["job_id"]: row for row in finished}
    assert len(finished) == len(rows) == len(chaos.plans) == len(set(chaos.ids.values()))
    assert ends_told(house) == Counter(rows.keys())
    wrong = []
    is_exact = can_tell_exits()
    for plan in chaos.plans:
        row = rows[chaos.ids[plan.index]]
        text = complaint(
            plan,
            row,
            said[plan.index],
            chaos.outages,
            is_exact=is_exact,
            is_cancelled=plan.index in chaos.cancelled,
        )
        if text:
            wrong.append(f"{text}: {plan} {said[plan.index]} {row}")
        out = house.work / f"out/{plan.index}"
        if plan.kind == "write" and row["state"] == "COMPLETED":
            assert out.stat().st_size == plan.number * 1024
    ends = Counter((row["state"], row["cause"]) for row in finished)
    print(f"{len(rows)} jobs, {dict(chaos.kills)} in {burnt_s:.0f} s, {dict(ends)}, {chaos.outages}")
    assert not wrong, "\n".join(wrong)
    assert sum(row["cause"] in UNKNOWN for row in finished) <= NB_PROC * len(chaos.outages)

    # It stays so.
    kill_hard(house.server_pid())
    house.ok("Sserver", str(NB_PROC))
    assert house.jobs(is_finished=True) == finished and house.jobs() == []
