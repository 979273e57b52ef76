"""Sbatch, as cli/sbatch.py behaves: it asks with a token, and again with the same one until it is answered."""

from typing import TYPE_CHECKING, Any

from jobd.daemon.inputs import Request
from jobd.daemon.peers import Peer
from jobd.errors import JobdError, JournalError
from jobd.wire import batch as b
from jobd.wire import codec
from jobd.wire.blobs import blob_of, pack_environment
from jobd.wire.rows import Counted
from sim.faults import promise
from sim.ledger import Asked
from sim.sallocs import TICKS, UID

if TYPE_CHECKING:
    from sim.simulator import Simulation

GIB = 1 << 30
SCRIPT = blob_of(b"#!/bin/sh\necho hello\n")
FIRST_PID = 200_000
ARRAYS = ([[0, 0, 1]], [[0, 3, 1]], [[1, 5, 2]], [[0, 1, 1], [4, 6, 1]], [[2, 9, 1]])


class FakeSbatch:
    """One Sbatch and what it submits: one job, several, or an array."""

    def __init__(self, sim: "Simulation", number: int) -> None:
        rng = sim.rng
        self.sim = sim
        self.token = f"batch{number}"
        self.pid = FIRST_PID + number
        inside = sim.commands()
        caller = rng.choice(inside) if inside and rng.random() < 0.3 else None
        sim.processes[self.pid] = (1 if caller is None else caller.command_pid, TICKS)
        environment = blob_of(pack_environment({b"N": str(rng.randrange(3)).encode()}))
        specs = [spec_of(sim, environment.key) for _ in range(rng.choice((1, 1, 1, 2)))]
        count = 1 if rng.random() < 0.75 else rng.randrange(2, 5)
        items = [
            b.BatchItem(["work", f"{number}.{item}"], rng.randrange(len(specs))) for item in range(count)
        ]
        is_child = caller is not None and rng.random() < 0.7
        self.submit = b.SubmitBatch(
            self.token,
            specs,
            items,
            [environment, SCRIPT],
            is_child,
            caller.job_id if is_child and caller is not None else None,
            sim.facts.server_id if is_child else "",
        )
        for place, item in enumerate(items):
            token = f"{self.token}/{place}" if place else self.token
            sim.ledger.asked[token] = Asked(item.command, specs[item.spec_index])
        self.is_alive = True
        self.is_asked = False
        self.connection = 0
        self.replies: list[tuple[int, bytes]] = []
        self.job_ids: list[int] | None = None
        self.further = rng.choice((0, 0, 0, 1))  # times that it is said again although it was answered

    def ask(self) -> None:
        """Send it, on a new connection."""
        self.connection += 1
        self.is_asked = True
        data = codec.encode_request(self.submit)
        self.sim.to_server.append(Request((self, self.connection), Peer(UID, self.pid), data))

    def take_reply(self) -> None:
        connection, data = self.replies.pop(0)
        if not self.is_alive or connection != self.connection or not self.is_asked:
            return
        self.is_asked = False
        try:
            accepted = codec.decode_reply("submit_batch", data)
        except JournalError:
            return  # the disk is full, and the server leaves: it is asked again
        except JobdError as error:
            promise(self.job_ids is None, f"what was accepted is refused when it is said again: {error}")
            self.die()
            return
        promise(self.job_ids in (None, accepted.job_ids), "one submission became two")
        promise(len(accepted.job_ids) == len(self.submit.items), "not all of a submission was accepted")
        self.job_ids = accepted.job_ids
        self.sim.accepted[self.token] = accepted.job_ids
        if self.further:
            self.further -= 1
        else:
            self.die()

    def die(self) -> None:
        self.is_alive = self.is_asked = False
        self.sim.processes.pop(self.pid, None)


def spec_of(sim: "Simulation", environment: str) -> b.BatchSpec:
    """Any wishes."""
    rng = sim.rng
    is_array = rng.random() < 0.3
    spec = b.BatchSpec(
        nb_proc=rng.choice((1, 1, 1, 1, 2, 2, 3, 5)),
        name=rng.choice(("one", "two", "three", "four")),
        cwd="/work",
        environment=environment,
        script=rng.choice(("", SCRIPT.key)),
        priority=rng.choice((None, None, None, 5, -5)),
        nice=rng.choice((0, 0, 0, 2)),
        time_limit_s=rng.choice((None, None, None, 3, 12)),
        on_kill=rng.choice(("", "", "below")),
        memory_bytes=rng.choice((0, 0, 0, 2 * GIB, 5 * GIB)),
        gpus=rng.choice((0, 0, 0, 0, 1, 2)),
        counted=[Counted("seat", rng.choice((1, 2)))] if rng.random() < 0.15 else [],
        is_exclusive=rng.random() < 0.04,
        is_requeueable=rng.choice((None, True, False)),
        retry_count=rng.choice((0, 0, 0, 1, 2)),
        retry_codes=rng.choice(([], [[1, 100]], [[139, 139]])),
        retry_delay_s=rng.choice((0, 0, 5)),
        is_killed_on_invalid=rng.random() < 0.4,
        array=rng.choice(ARRAYS) if is_array else [],
        array_limit=rng.choice((0, 0, 1, 2)) if is_array else 0,
        is_held=rng.random() < 0.08,
        begin_at=sim.now().wall_s + rng.choice((-5.0, 2.0, 20.0)) if rng.random() < 0.12 else None,
        dependency=dependency_of(sim) if rng.random() < 0.4 else "",
    )
    if not sim.is_plain:
        return spec
    return spec._replace(
        nb_proc=1, memory_bytes=0, gpus=0, counted=[], is_exclusive=False,
        dependency=spec.dependency if rng.random() < 0.2 else "",
        array=spec.array if rng.random() < 0.3 else [],
    )  # fmt: skip


def dependency_of(sim: "Simulation", below: int | None = None) -> str:
    """Any dependency on jobs that were heard of; with `below` only on older ones, so that nobody waits for himself."""
    rng = sim.rng
    known = [job_id for job_id in sim.ledger.jobs if below is None or job_id < below][-12:]
    words = []
    for _ in range(rng.choice((1, 1, 2, 3))):
        if rng.random() < 0.15 or not known:
            words.append("singleton")
            continue
        job_id = rng.choice(known) if rng.random() < 0.97 else 999
        kind = rng.choice(("after", "afterany", "afterok", "afterok", "afternotok", "aftercorr"))
        word = f"{kind}:{job_id}"
        if job_id in sim.ledger.elements and kind != "aftercorr" and rng.random() < 0.3:
            word += f"_{rng.choice(sorted(sim.ledger.elements[job_id]))}"
        if kind == "after" and rng.random() < 0.3:
            word += "+1"
        words.append(word)
    return rng.choice((",", ",", "?")).join(words)


CONTROLS = (
    ("hold", "waiting"),
    ("release", "waiting"),
    ("requeue", "running"),
    ("requeue", "running"),
    ("requeue", "over"),
    ("requeue", "over"),
    ("suspend", "running"),
    ("suspend", "running"),
    ("suspend", "running"),
    ("resume", "running"),
    ("resume", "running"),
)


# ---- what else people want --------------------------------------------------------------------------------------
def target_of(sim: "Simulation", state: str = "") -> b.Target:
    """Any jobs: most often one that lives, and is in this state."""
    rng = sim.rng
    draw = rng.random()
    if draw < 0.06:
        return b.Target(names=[rng.choice(("one", "two", "three"))])
    if draw < 0.10:
        return b.Target(states=[rng.choice(("PENDING", "RUNNING", "SUSPENDED", "COMPLETING"))])
    living = [
        job_id
        for job_id, known in (sim.ledger.jobs if state == "over" else sim.ledger.living).items()
        if known.is_batch and known.state in (state or known.state)
    ]
    named = []
    for _ in range(rng.choice((1, 1, 1, 2))):
        job_id = rng.choice(living) if living and rng.random() < 0.9 else rng.randrange(1, 40)
        known = sim.ledger.jobs.get(job_id)
        if known is not None and known.array_id is not None and rng.random() < 0.5:
            first = rng.randrange(0, 6)
            named.append(b.JobId(known.array_id, [[first, first + rng.choice((0, 0, 1, 2)), 1]]))
        else:
            named.append(b.JobId(job_id))
    return b.Target(named)


def update_of(sim: "Simulation") -> b.Update:
    """Any change. What may or may not come to be of it is noted for the ledger."""
    rng = sim.rng
    target = target_of(sim)
    change = b.Update(target)
    kind = rng.randrange(11)
    ages = [
        sim.ledger.jobs[named.job_id].age if named.job_id in sim.ledger.jobs else 1 for named in target.jobs
    ]
    if kind == 0 and ages:
        change = change._replace(dependency=rng.choice(("", dependency_of(sim, min(ages)))))
    elif kind == 1:
        change = change._replace(begin_at=sim.now().wall_s + rng.choice((-5.0, 3.0, 15.0)))
    elif kind == 2:
        change = change._replace(name=rng.choice(("one", "two")))
    elif kind == 3:
        change = change._replace(priority=rng.choice((0, 5, 9)))
    elif kind == 4:
        change = change._replace(nice=rng.choice((0, 5)))
    elif kind == 5:
        change = change._replace(time_limit_s=rng.choice((0, 2, 20)))
    elif kind == 6:
        change = change._replace(memory_bytes=rng.choice((0, GIB, 7 * GIB, 20 * GIB)))
    elif kind == 7:
        change = change._replace(nb_proc=rng.choice((1, 2, 4, 9)))
    elif kind == 8:
        change = change._replace(is_requeueable=rng.random() < 0.5)
    elif kind == 9:
        change = change._replace(array_limit=rng.choice((0, 1, 3)))
    else:
        change = change._replace(time_limit_add_s=rng.choice((-1, 10)), labels=[["comment", "new"]])
    for known in list(sim.ledger.jobs.values()):
        asked = sim.ledger.asked.get(known.token)
        if asked is None:
            continue
        if change.dependency is not None:
            from jobd import dependencies

            asked.dependencies.append(dependencies.parse(change.dependency))
        if change.begin_at is not None:
            asked.begins.append(change.begin_at)
    return change


def request_of(sim: "Simulation") -> Any:
    """Anything that somebody may ask about batch jobs."""
    rng = sim.rng
    draw = rng.random()
    known = list(sim.ledger.jobs) or [1]
    if draw < 0.2:
        is_signal = rng.random() < 0.1
        return b.Cancel(target_of(sim), signal=10 if is_signal else 0)
    if draw < 0.55:
        action, state = rng.choice(CONTROLS)
        return b.Control(target_of(sim, state), action, action == "requeue" and rng.random() < 0.3)
    if draw < 0.78:
        return update_of(sim)
    if draw < 0.83:
        over = [one.job_id for one in sim.ledger.jobs.values() if one.state == "over"]
        return b.Rerun([rng.choice(over or [1])], f"rerun{rng.randrange(3)}")
    if draw < 0.87:
        before_at = sim.now().wall_s - rng.choice((0.0, 5.0, 30.0))
        sim.ledger.cleaned_before = max(sim.ledger.cleaned_before, before_at)
        return b.Clean(before_at, rng.choice(([], [rng.choice(known)])))
    if draw < 0.90:
        environment = blob_of(pack_environment({b"N": b"9"}))
        asked = b.SubmitBatch(
            "test", [spec_of(sim, environment.key)], [b.BatchItem(["x"])], [environment, SCRIPT]
        )
        return asked._replace(is_test=True)
    if draw < 0.93:
        return b.ReadScript(rng.choice(known))
    if draw < 0.96:
        return b.ListSteps(known)
    return b.AskNode()
