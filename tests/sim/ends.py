"""How a history ends: all settles, all comes to its end, and then the journal is held against what really was."""

from typing import TYPE_CHECKING

from jobd.core.job import Job, Running
from jobd.core.queue import Gate
from jobd.states import Cause
from jobd.wire import batch as b
from jobd.wire import codec
from jobd.wire import messages as m
from sim.faults import Violation, promise
from sim.sallocs import NB_PROC_MAX, FakeSalloc

if TYPE_CHECKING:
    from sim.simulator import Simulation

SETTLING_ROUNDS = 30  # of half a second: longer than a grace
ROUNDS_MAX = 600  # of the drain, each a second long
BUSY_ROUND_S, IDLE_ROUND_S = 1.0, 10.0


def settle(sim: "Simulation") -> None:
    """No more faults: server and agent come to know the same, and with nothing new nothing happens."""
    sim.say("settle")
    sim.rates = dict.fromkeys(sim.rates, 0.0)
    sim.agent_breaths = None
    if sim.server is not None:
        sim.server.journal.strike = ""  # type: ignore[attr-defined]
        sim.server.comm.words_left = None  # type: ignore[attr-defined]
    quiet = 0
    for _ in range(SETTLING_ROUNDS):
        if sim.server is None:
            sim.start_server()
            continue
        sim.seconds += 0.5
        before = sim.events_seen
        sim.move_messages(1.1)
        sim.tick()
        if sim.server is None or before != sim.events_seen or not _is_silent(sim):
            quiet = 0
            continue
        quiet += 1
        if quiet == 3:
            check_agreement(sim)
            return


def _is_silent(sim: "Simulation") -> bool:
    return not (sim.to_server or sim.from_agent or sim.to_agent)


def check_agreement(sim: "Simulation") -> None:
    """All is said: the agent does what the server decided, and nothing else."""
    assert sim.server is not None
    agent, world = sim.agent, sim.server.world
    if agent is None or not agent.is_connected or agent.is_ending_all:
        return
    hands = agent.hands
    promise(not hands.parked, f"attempts wait for blobs that nobody sends: {list(hands.parked)}")
    for key, attempt in hands.attempts.items():
        job = world.jobs.get(key[0])
        promise(attempt.left is None, f"attempt {key} is over, and was not forgotten")
        is_wanted = job is not None and job.is_holding and job.attempt == key[1]
        if not is_wanted and key in sim.prefetched and attempt.kill_at_s is not None:
            continue  # it had begun, unheard, when a next server was told to end the job
        promise(is_wanted, f"attempt {key} is nobody's")
        assert job is not None
        phase = job.phase
        if not isinstance(phase, Running):
            promise(attempt.kill_at_s is not None, f"attempt {key} is not being ended")
            continue
        told = (tuple(attempt.cpus), attempt.memory_bytes, attempt.time_limit_s, attempt.is_paused)
        is_paused = phase.pause.since_at is not None
        wanted = (phase.cpus, job.spec.resources.memory_bytes, job.spec.time_limit_s, is_paused)
        promise(told == wanted, f"attempt {key} is held to {told}, and should be to {wanted}")
        promise(abs(attempt.paused_s - phase.pause.total_s) < 0.001, f"attempt {key}: its pauses")
        promise(
            not attempt.is_told or phase.hands.pid == attempt.pid,
            f"attempt {key} is not known by its process",
        )
    for job in world.jobs.values():
        if job.is_batch and job.is_holding:
            promise((job.job_id, job.attempt) in hands.attempts, f"job {job.job_id} runs nowhere")


# ---- to the end
def drain(sim: "Simulation") -> None:
    """Everything comes to its end."""
    sim.say("drain")
    for _ in range(ROUNDS_MAX):
        if sim.server is None:
            sim.start_server()
            continue
        _help(sim)
        sim.seconds += BUSY_ROUND_S if sim.server.world.holding else IDLE_ROUND_S
        for one in sim.commands():
            if any(child.is_alive for child in one.children):
                continue
            if isinstance(one, FakeSalloc):
                one.command_ends(one.natural_end)
            else:
                one.main_ends(one.natural_end)
        sim.move_messages(1.1)
        sim.tick()
        is_over = sim.server is not None and not sim.server.world.jobs
        is_alone = not any(one.is_alive for one in (*sim.sallocs, *sim.sbatches))
        agent = sim.agent
        is_idle = agent is None or not (agent.watches or agent.hands.attempts or agent.hands.parked)
        if _is_silent(sim) and is_over and is_alone and is_idle:
            return
    living = {} if sim.server is None else sim.server.world.jobs
    gates = {} if sim.server is None else sim.server.world.gates
    states = [
        (one.job_id, one.state, one.is_command_alive, one.leftovers) for one in sim.sallocs if one.is_alive
    ]
    attempts = [] if sim.agent is None else list(sim.agent.hands.attempts)
    raise Violation(
        f"it does not come to an end: jobs {living}, gates {gates}, Sallocs {states}, attempts {attempts}"
    )


def _help(sim: "Simulation") -> None:
    """People do what only they can: let go what they held, resume what they suspended, cancel what can never run."""
    assert sim.server is not None
    world = sim.server.world
    if sim.to_server:
        return
    if world.nb_proc != 4 or world.nb_proc_max != NB_PROC_MAX:
        sim.ask(m.SetLimits(4, NB_PROC_MAX))
    held = [
        job for job in world.jobs.values() if job.is_waiting and job.spec.batch and job.spec.batch.is_held
    ]
    if held:
        sim.ask(b.Control(_target(held), "release"))
    if world.paused:
        sim.ask(b.Control(_target([world.jobs[job_id] for job_id in sorted(world.paused)]), "resume"))
    never = [world.jobs[job_id] for job_id, gate in world.gates.items() if gate is Gate.NEVER]
    for job in never:
        known = sim.ledger.jobs[job.job_id]
        promise(sim.ledger.can_never_be(known), f"job {job.job_id} waits for ever, and need not")
    if never:
        sim.ask(b.Cancel(_target(never)))


def _target(jobs: list[Job]) -> b.Target:
    return b.Target([b.JobId(job.job_id) for job in jobs])


# ---- the journal
def check_the_end(sim: "Simulation") -> None:
    """The journal tells what was, and nothing is left."""
    assert sim.server is not None
    journal, world = sim.server.journal, sim.server.world
    promise(world.used == 0 and not world.jobs and not world.holding, "something is left")
    promise(not world.arrays and not world.dependents.named and not world.gates, "something is left")
    promise(not any((world.in_use.memory_bytes, world.in_use.gpus, world.in_use.counted)), "in use for ever")
    bodies = [codec.unpack(body) for body in journal.events_after(0, 1_000_000)]
    promise([body[0] for body in bodies] == list(range(1, len(bodies) + 1)), "gaps between the events")
    seen: dict[int, list[str]] = {}
    for _, _, kind, row, *_ in bodies:
        if row is not None:
            seen.setdefault(row[0], []).append(kind)
    promise(sorted(seen) == list(range(1, len(seen) + 1)), "gaps between the jobs")
    sim.ledger.check_the_end()
    rows = {job.job_id: job for job in journal.finished(before=None, rows_max=1_000_000)}
    _check_rows(sim, rows, seen)
    for job_id, kinds in seen.items():
        promise(kinds[0] in ("submitted", "split") and kinds[-1] == "ended", f"job {job_id}: {kinds}")
        known = sim.ledger.jobs[job_id]
        for kind, count_max in (("submitted", 1), ("ended", 1 + known.reopenings)):
            promise(kinds.count(kind) <= count_max, f"job {job_id} was {kind} {kinds.count(kind)} times")
        promise(kinds.count("started") == known.attempt, f"job {job_id}: {kinds}")
    for token, job_ids in sim.accepted.items():
        promise(set(job_ids) <= set(seen), f"submission {token} was accepted as {job_ids}, and is lost")
    for salloc in sim.sallocs:
        _check_salloc(sim, salloc, rows)
    _check_steps(sim)


def _check_rows(sim: "Simulation", rows: dict[int, Job], seen: dict[int, list[str]]) -> None:
    """Each job is remembered, unless somebody asked to forget those of its time."""
    promise(set(rows) <= set(seen), "jobs from nowhere")
    for job_id in set(seen) - set(rows):
        known = sim.ledger.jobs[job_id]
        key = (job_id, None) if known.array_index is None else (known.array_id or 0, known.array_index)
        part = sim.ledger.parts.get(key)
        ended_at = part.ended_at if part is not None else sim.ledger.array_ends.get(job_id)
        promise(
            ended_at is not None and ended_at < sim.ledger.cleaned_before, f"job {job_id} is not remembered"
        )


def _check_salloc(sim: "Simulation", salloc: FakeSalloc, rows: dict[int, Job]) -> None:
    if salloc.job_id is None:
        return
    job = rows.get(salloc.job_id)
    if job is None:
        return
    outcome = job.phase.outcome  # type: ignore[union-attr]
    promise(job.phase.ended_at >= job.submitted_at, "an end before the beginning")  # type: ignore[union-attr]
    if salloc.runs:
        promise(job.phase.started_at is not None, f"job {job.job_id} ran and was never started")  # type: ignore[union-attr]
    known = (outcome.exit_code, outcome.signal)
    expected = salloc.end if salloc.end is not None else (None, None)
    if salloc.was_rebooted and known == (None, None):
        return
    promise(known == expected, f"job {job.job_id} ended with {expected}, the journal says {known}")
    if salloc.was_killed_hard:
        promise(outcome.cause is not Cause.SELF, f"job {job.job_id} was killed, and nobody is told so")


def _check_steps(sim: "Simulation") -> None:
    """Steps are numbered without gaps, each token once, and none outlives its job."""
    assert sim.server is not None
    by_attempt: dict[tuple[int, int], list[int]] = {}
    tokens: set[tuple[int, int, str]] = set()
    for step in sim.server.journal.steps_of(sim.ledger.jobs):
        by_attempt.setdefault((step.job_id, step.attempt), []).append(step.step_id)
        promise((step.job_id, step.attempt, step.token) not in tokens, f"step {step.token} was begun twice")
        tokens.add((step.job_id, step.attempt, step.token))
        promise(step.ended_at is not None, f"step {step.job_id}.{step.step_id} has no end")
    for key, numbers in by_attempt.items():
        promise(numbers == list(range(len(numbers))), f"the steps of {key} are {numbers}")
