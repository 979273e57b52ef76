"""The jobs of the chaos test, and what the journal may say of each, given what it wrote down itself.

What is allowed is listed for each kind of job; whatever else the journal says is a mistake.
"""

import json
import random
from pathlib import Path
from typing import Any, NamedTuple

UNKNOWN = ("lost", "start unknown")  # causes that only the death of an agent can have
ENDED_BY_AGENT = ("out of memory", "time limit")
ARRAY_BASE = 1_000_000  # the index of the array's element 0
ARRAY_SIZE = 100
ARRAY_LIMIT = 3
ARRAY_CODE = 4
AFTER = 2_000_000  # the index of the job that waits for the whole array


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


class End(NamedTuple):
    """An end in the journal, and what the job itself said of it."""

    cause: str
    state: str
    code: int | None  # negative for a signal
    own: int | None


class Outage(NamedTuple):
    """A time without an agent: from its kill until another one has been seen to be up."""

    killed_at: float
    up_at: float


def plans(rng: random.Random, count: int) -> list[Plan]:
    """So many short jobs, and some of each hard kind, in a random order.

    The comment says what is to be done to it meanwhile: cancel, pause, requeue.
    """
    kinds: list[tuple[str, int, dict[str, Any]]] = []
    kinds += [("exit", rng.choice((0, 0, 0, 1, 7, 100, 255)), {}) for _ in range(count)]
    kinds += [("signal", rng.choice((1, 6, 9, 11, 15)), {}) for _ in range(count // 20)]
    kinds += [("fork", rng.randrange(0, 4), {}) for _ in range(count // 40)]
    kinds += [("deaf-fork", rng.randrange(0, 4), {}) for _ in range(count // 100)]
    kinds += [("write", rng.randrange(1, 1000), {}) for _ in range(count // 50)]
    kinds += [("retry", 3, {"retries": 3, "retry_on": "3"}) for _ in range(count // 50)]
    kinds += [("nap", rng.randrange(100, 3000), {}) for _ in range(40)]
    kinds += [("deaf", 0, {"time": "0:01"}) for _ in range(8)]
    kinds += [("sleep", 0, {"time": "0:01"}) for _ in range(8)]
    kinds += [("sleep", 0, {"comment": "cancel"}) for _ in range(12)]
    kinds += [("deaf", 0, {"comment": "cancel"}) for _ in range(4)]
    kinds += [("nap", 400, {"comment": "pause"}) for _ in range(6)]
    kinds += [("nap", 700, {"comment": "requeue"}) for _ in range(8)]
    kinds += [("eat", 400, {"mem": "40M"}) for _ in range(4)]
    rng.shuffle(kinds)
    return [Plan(index, *kind) for index, kind in enumerate(kinds)]


def array_plans() -> list[Plan]:
    """The elements of the array, and the job after it."""
    elements = [Plan(ARRAY_BASE + element, "exit", ARRAY_CODE, {}) for element in range(ARRAY_SIZE)]
    return [*elements, Plan(AFTER, "exit", 0, {})]


def record(work: Path, index: int) -> Record:
    """What a job wrote down."""
    found = Record([], [])
    path = work / f"records/{index}"
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
    if plan.options.get("comment") == "cancel":
        if (row["state"], cause) != ("CANCELLED", "deleted") or said.ends or begun not in ([], [1]):
            return "cancelled, and yet not"
        # A signal ended it, unless it never began, or no agent was there to see.
        is_unseen = not begun or overlapping(row, outages)
        return "" if code in (-15, -9) or (code is None and is_unseen) else "a cancelled one ended otherwise"
    if plan.options.get("comment") == "requeue":
        # Earlier attempts were ended at any moment, before they began too.
        if begun != sorted(begun) or begun[-1:] != [attempt]:
            return "the last attempt that is counted has not run"
    elif begun != list(range(1, attempt + 1)):
        return "not every attempt that is counted has run"
    elif [end for end, _ in said.ends[:-1]] != [3] * (attempt - 1 if plan.kind == "retry" else 0):
        return "an attempt ended otherwise than by its own hand"
    own = said.ends[-1][0] if said.ends else None
    wanted = true_end(plan)
    if cause in ENDED_BY_AGENT and code is None and overlapping(row, outages):
        wanted = wanted._replace(
            code=None
        )  # the agent noted why it ends it, and was killed before it saw how that ended
    return "" if End(cause, row["state"], code, own) == wanted else f"another end than {wanted}"


def true_end(plan: Plan) -> End:
    """The end of a job that an agent saw."""
    if plan.kind == "eat":
        return End("out of memory", "OUT_OF_MEMORY", -9, None)
    if "time" in plan.options:
        # After its TERM the deaf one gets a KILL.
        return End("time limit", "TIMEOUT", -9 if plan.kind == "deaf" else -15, None)
    own = {"exit": plan.number, "fork": plan.number, "deaf-fork": plan.number, "signal": -plan.number}.get(
        plan.kind, plan.number % 100 if plan.kind == "nap" else 0
    )
    return End("self", "COMPLETED" if own == 0 else "FAILED", own, own)


def unknown_complaint(row: dict[str, Any], said: Record, outages: list[Outage], *, is_exact: bool) -> str:
    """An end that nobody saw: only if an agent was killed while the attempt ran, and it ended before the next was up."""
    if row["state"] != "NODE_FAIL" or (row["exit_code"], row["signal"]) != (None, None):
        return "an unknown end is told as known"
    during = overlapping(row, outages)
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


def overlapping(row: dict[str, Any], outages: list[Outage]) -> list[Outage]:
    """The outages of the agent while the last attempt ran."""
    return [one for one in outages if row["started_at"] <= one.up_at and one.killed_at <= row["ended_at"]]
