"""Any job and any step, for the tests of the journal: every field of every type that a job is made of."""

from hypothesis import strategies as st

from jobd.core.job import (
    Batch,
    Completing,
    Finished,
    Hands,
    Job,
    Outcome,
    Pause,
    Resources,
    Retry,
    Running,
    Spec,
    Usage,
    Waiting,
    Warned,
)
from jobd.dependencies import KINDS, Dependency, Term
from jobd.indexes import Indexes
from jobd.journal.records import Step
from jobd.states import Cause, OnKill

TEXT = st.text(st.characters(codec="utf-8"), max_size=20) | st.just("caf\udce9")
NUMBER = st.integers(0, 2**40)
TIMES = st.floats(0, 1e10, allow_nan=False)
OUTCOMES = st.builds(
    Outcome, st.sampled_from(Cause), st.none() | st.integers(0, 255), st.none() | st.integers(1, 64)
)
NUMBERS = st.lists(st.integers(0, 1000), max_size=8).map(tuple)
TEXTS = st.lists(TEXT, max_size=3).map(tuple)
HANDS = st.builds(Hands, NUMBER, NUMBER, TEXTS)
PAUSES = st.builds(Pause, st.none() | TIMES, TIMES)
USAGES = st.builds(Usage, TIMES, st.integers(0, 2**63 - 1))
PHASES = st.one_of(
    st.builds(Waiting),
    st.builds(Running, TIMES, NUMBERS, st.integers(1, 1000), NUMBERS, HANDS, PAUSES),
    st.builds(Completing, TIMES, NUMBERS, st.integers(1, 1000), OUTCOMES, NUMBERS, HANDS, PAUSES),
    st.builds(Finished, st.none() | TIMES, TIMES, OUTCOMES, USAGES, HANDS, PAUSES, NUMBERS, NUMBERS),
)
PAIRS = st.lists(st.tuples(TEXT, TEXT), max_size=3).map(tuple)
RESOURCES = st.builds(
    Resources, NUMBER, NUMBER, st.lists(st.tuples(TEXT, NUMBER), max_size=3).map(tuple), st.booleans()
)
RETRIES = st.builds(
    Retry, NUMBER, st.lists(st.tuples(NUMBER, NUMBER), max_size=3).map(tuple), st.integers(0, 9)
)
WARNED = st.builds(Warned, st.integers(1, 64), NUMBER, st.booleans())
TERMS = st.builds(Term, st.sampled_from(KINDS), NUMBER, st.none() | NUMBER, NUMBER)
DEPENDENCIES = st.builds(Dependency, st.lists(TERMS, max_size=3).map(tuple), st.booleans())
KEYS = st.sampled_from(["", "0a" * 16, "1b" * 16, "2c" * 16])
BATCHES = st.builds(
    Batch,
    script=KEYS,
    environment=KEYS,
    umask=st.integers(0, 0o777),
    stdin=TEXT,
    stdout=TEXT,
    stderr=TEXT,
    is_appending=st.booleans(),
    ntasks=st.none() | NUMBER,
    cpus_per_task=st.none() | NUMBER,
    ntasks_per_node=st.none() | NUMBER,
    memory_per_cpu_bytes=NUMBER,
    nice=st.integers(-100, 100),
    is_requeueable=st.booleans(),
    retry=RETRIES,
    warned=st.none() | WARNED,
    is_killed_on_invalid=st.booleans(),
    array_limit=NUMBER,
    labels=PAIRS,
    is_held=st.booleans(),
    begin_at=st.none() | TIMES,
    dependency=DEPENDENCIES,
)
INDEXES = st.lists(
    st.tuples(st.integers(0, 99), st.integers(100, 999), st.integers(1, 9)), min_size=1, max_size=3
).map(lambda runs: Indexes(tuple(runs)))


@st.composite
def specs(draw: st.DrawFn, token: str = "t") -> Spec:
    """Any spec of that token."""
    return Spec(
        token,
        draw(st.sampled_from(["salloc", "srun", "sbatch"])),
        draw(st.integers(1, 2**20)),
        tuple(draw(st.lists(TEXT, min_size=1, max_size=4))),
        draw(TEXT),
        draw(TEXT),
        draw(TEXT),
        draw(st.integers(-(2**30), 2**30)),
        draw(st.none() | st.integers(1, 2**30)),
        draw(st.booleans()),
        draw(st.sampled_from(OnKill)),
        draw(NUMBER),
        draw(NUMBER),
        draw(RESOURCES),
        draw(st.none() | BATCHES),
        draw(PAIRS),
    )


@st.composite
def jobs(draw: st.DrawFn) -> Job:
    """Any job; its token is its own."""
    number = draw(st.integers(1, 2**40))
    return Job(
        number,
        draw(st.none() | st.integers(1, 2**40)),
        draw(NUMBER),
        draw(TIMES),
        draw(specs(f"t{number}")),
        draw(PHASES),
        draw(NUMBER),
        draw(st.none() | st.just(number)),
        draw(st.none() | NUMBER),
        draw(st.none() | INDEXES),
        draw(st.none() | TIMES),
    )


@st.composite
def steps(draw: st.DrawFn) -> Step:
    """Any step of one of a few jobs."""
    return Step(
        draw(st.integers(1, 5)),
        draw(st.integers(1, 3)),
        draw(st.integers(0, 5)),
        draw(TEXT),
        list(draw(TEXTS)),
        draw(NUMBER),
        draw(TIMES),
        draw(st.none() | TIMES),
        draw(st.none() | st.integers(0, 255)),
        draw(st.none() | st.integers(1, 64)),
        draw(TIMES),
        draw(st.integers(0, 2**63 - 1)),
        draw(st.sampled_from(["", "a1", "b2"])),
    )
