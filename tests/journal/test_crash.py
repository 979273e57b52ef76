"""After any commit the rows alone make the world again: arrays half split, pauses, retries, dependencies and gates included."""

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.worlds import admit, at, check, empty, image, settle, submit, submit_batch
from jobd.core import attempts, changes
from jobd.core.events import Changed, Event, Split, Submitted
from jobd.core.job import Finished, Hands, Job, Outcome, Retry, Usage
from jobd.core.resources import Capacity
from jobd.core.world import World
from jobd.errors import Refused
from jobd.journal.journal import Journal, restore
from jobd.states import Cause

CAPACITY = Capacity(1 << 30, 2, (("fpga", 1),))
OUTCOMES = [
    Outcome(Cause.SELF, 0),
    Outcome(Cause.SELF, 3),
    Outcome(Cause.SELF, None, 9),
    Outcome(Cause.TIME_LIMIT, None, 15),
    Outcome(Cause.LOST),
]


class Tick:
    """What the events of one tick mean for the rows, as the server's loop finds it."""

    def __init__(self) -> None:
        self.new: dict[int, Job] = {}
        self.changed: dict[int, Job] = {}
        self.specs: set[int] = set()

    def add(self, events: list[Event], before: dict[int, Job], after: World, ended: dict[int, Job]) -> None:
        for event in events:
            if isinstance(event, Submitted):
                self.new[event.job.job_id] = event.job
            elif isinstance(event, Split) and event.element.job_id != event.array_id:
                self.new[event.element.job_id] = event.element
            elif isinstance(event, Changed):
                self.specs.add(event.job_id)
        for job_id in self.new:
            self.new[job_id] = after.jobs.get(job_id) or ended[job_id]
        for job_id, job in before.items():
            latest = after.jobs.get(job_id) or ended[job_id]
            if latest != job:
                self.changed[job_id] = latest


class Watched(World):
    """A world that remembers what it admitted, and the jobs that ended."""

    def __init__(self) -> None:
        super().__init__(nb_proc=3, nb_proc_max=5, cpus=(0, 1, 2), capacity=CAPACITY)
        self.admitted: list[Event] = []
        self.ended: dict[int, Job] = {}

    def admit(self, event, now):  # type: ignore[no-untyped-def]
        job = super().admit(event, now)
        self.admitted.append(event)
        if job is not None and isinstance(job.phase, Finished):
            self.ended[job.job_id] = job
        return job


def happen(draw, world: Watched, now) -> None:  # type: ignore[no-untyped-def]
    """One thing that somebody does or reports."""
    batch = [job for job in world.jobs.values() if job.is_batch]
    what = draw(
        st.sampled_from(["plain", "array", "after", "retry", "salloc", "launch", "over", "left", "control"])
    )
    if what == "plain" or not batch:
        begin_at = draw(st.sampled_from([None, now.wall_s + 2, now.wall_s - 1]))
        submit_batch(
            world,
            now=now,
            begin_at=begin_at,
            is_held=draw(st.booleans()),
            time_limit_s=draw(st.sampled_from([None, 100])),
        )
    elif what == "array":
        submit_batch(world, array="0-4", array_limit=draw(st.integers(0, 2)), now=now)
    elif what == "after":
        on = draw(st.sampled_from(batch)).job_id
        kind = draw(st.sampled_from(["after", "afterok", "afterany", "afternotok"]))
        submit_batch(world, f"{kind}:{on}", is_killed_on_invalid=draw(st.booleans()), now=now)
    elif what == "retry":
        submit_batch(world, retry=Retry(2, ((3, 3),), draw(st.sampled_from([0, 2]))), now=now)
    elif what == "salloc":
        submit(world, draw(st.integers(1, 3)), now=now)
    else:
        happen_to(draw, world, draw(st.sampled_from(batch)), what, now)


def happen_to(draw, world: Watched, job: Job, what: str, now) -> None:  # type: ignore[no-untyped-def]
    """One thing that happens to this job."""
    number, attempt = job.job_id, job.attempt
    if what == "launch":
        hands = Hands(1000 + number, 7, ("memory: not limited",) if draw(st.booleans()) else ())
        admit(world, attempts.launched(world, number, attempt, hands, now), now)
    elif what == "over":
        admit(world, attempts.over(world, number, attempt, draw(st.sampled_from(OUTCOMES)), now), now)
    elif what == "left":
        outcome = draw(st.sampled_from(OUTCOMES))
        admit(world, attempts.left(world, number, attempt, outcome, Usage(1.5, 77), now.wall_s, now), now)
    else:
        act = draw(
            st.sampled_from(
                [changes.held, changes.released, changes.paused, changes.unpaused, changes.requeued]
            )
        )
        more = {"is_held_after": draw(st.booleans())} if act is changes.requeued else {}
        try:
            admit(world, act(world, number, now=now, **more), now)  # type: ignore[operator]
        except Refused:
            pass  # not in this state


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_crash_after_any_commit_brings_back_the_same_batch_world(tmp_path: Path, data) -> None:
    path = str(tmp_path / "any")
    for suffix in ("", "-wal", "-shm"):
        Path(path + suffix).unlink(missing_ok=True)
    journal = Journal(path, synchronous="OFF")
    world = Watched()
    finished: dict[int, Job] = {}
    for tick in range(data.draw(st.integers(1, 10))):
        now = at(tick)
        before = dict(world.jobs)
        world.admitted, world.ended = [], {}
        for _ in range(data.draw(st.integers(0, 4))):
            happen(data.draw, world, now)
        settle(world, now)
        rows = Tick()
        rows.add(world.admitted, before, world, world.ended)
        finished.update(world.ended)
        journal.commit(
            new_jobs=rows.new.values(),
            changed_jobs=rows.changed.values(),
            new_specs=[rows.changed[job_id] for job_id in rows.specs if job_id in rows.changed],
            meta={"passes": list(world.passes), "next_job_id": world.next_job_id},
        )
        reopened = Journal(path)
        found = empty(3, 5, capacity=CAPACITY)
        found.ripen(now)
        restore(found, reopened, now)
        found.ripen(now)
        check(found)
        assert {**image(found), "deadlines": None} == {**image(world), "deadlines": None}
        assert (found.gates, list(found.gated)) == (world.gates, list(world.gated))
        assert found.in_use == world.in_use and found.paused == world.paused
        assert {job.job_id: job for job in reopened.finished_of(finished)} == finished
        reopened.close()
    journal.close()
