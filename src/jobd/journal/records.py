"""Jobs and steps ⇄ rows of the journal. Exact: what was stored comes back equal, bytes that are no UTF-8 included.

What many jobs of one submission share (their `Batch`) is packed once and, read back, is one value again.
A field that is appended to a type of core/job.py with a default needs no change here as long as it is a plain value.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import msgpack

from jobd.core.job import (
    NO_HANDS,
    NO_PAUSE,
    NO_RESOURCES,
    Attempt,
    Batch,
    Completing,
    Finished,
    Hands,
    Job,
    Outcome,
    Pause,
    Phase,
    Resources,
    Retry,
    Running,
    Spec,
    Usage,
    Waiting,
    Warned,
)
from jobd.dependencies import Dependency, Term
from jobd.indexes import Indexes
from jobd.states import Cause, JobState, OnKill

INTEGER_MAX = (1 << 63) - 1  # SQLite's

WAITING, RUNNING, COMPLETING = range(3)
# The number of a finished job's phase is that of its state.
STATE_NUMBERS: dict[JobState, int] = {
    JobState.COMPLETED: 3,
    JobState.FAILED: 4,
    JobState.CANCELLED: 5,
    JobState.TIMEOUT: 6,
    JobState.OUT_OF_MEMORY: 7,
    JobState.NODE_FAIL: 8,
}

# Fields of a job that have no column: plain values, appended to `run` where they are not their defaults.
_FURTHER = Job._fields.index("tasks") + 1
_FURTHER_DEFAULTS = tuple(Job._field_defaults[name] for name in Job._fields[_FURTHER:])

INSERT = """INSERT INTO jobs (job_id, parent_id, root_id, array_id, array_index, token, name, submitted_at, tasks, spec,
 phase, attempt, started_at, ended_at, cause, exit_code, signal, cpu_s, memory_peak_bytes, run)
 VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"""
UPDATE = """UPDATE jobs SET phase=?, attempt=?, started_at=?, ended_at=?, cause=?, exit_code=?, signal=?, cpu_s=?,
 memory_peak_bytes=?, run=? WHERE job_id=?"""
UPDATE_TASKS = "UPDATE jobs SET array_index=?, tasks=? WHERE job_id=?"
UPDATE_SPEC = "UPDATE jobs SET name=?, spec=? WHERE job_id=?"
COLUMNS = """job_id, parent_id, root_id, array_id, array_index, token, submitted_at, tasks, spec, phase, attempt, started_at,
 ended_at, cause, exit_code, signal, cpu_s, memory_peak_bytes, run"""

INSERT_ATTEMPT = "INSERT OR REPLACE INTO attempts VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)"
INSERT_STEP = "INSERT OR REPLACE INTO steps VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)"


class Step(NamedTuple):
    """One step of a job: the fields of the wire's StepRow, and the token by which an Srun says it again."""

    job_id: int
    attempt: int
    step_id: int
    name: str
    command: list[str]
    ntasks: int
    started_at: float
    ended_at: float | None
    exit_code: int | None
    signal: int | None
    cpu_s: float
    memory_peak_bytes: int
    token: str = ""


# ---- writing
def inserted(job: Job) -> tuple[object, ...]:
    """The values of INSERT."""
    return (
        job.job_id,
        job.parent_id,
        job.root_id,
        job.array_id,
        job.array_index,
        job.spec.token,
        job.spec.name.encode("utf-8", "surrogateescape"),
        job.submitted_at,
        None if job.tasks is None else _pack(job.tasks.runs),
        _spec_bytes(job.spec),
        *_phase_values(job),
    )


def updated(job: Job) -> tuple[object, ...]:
    """The values of UPDATE: all that changes while a job is not asked to be another."""
    return (*_phase_values(job), job.job_id)


def updated_tasks(job: Job) -> tuple[object, ...]:
    """The values of UPDATE_TASKS: an array has lost an element, or has become its last."""
    return (job.array_index, None if job.tasks is None else _pack(job.tasks.runs), job.job_id)


def updated_spec(job: Job) -> tuple[object, ...]:
    """The values of UPDATE_SPEC."""
    return (job.spec.name.encode("utf-8", "surrogateescape"), _spec_bytes(job.spec), job.job_id)


def inserted_attempt(attempt: Attempt) -> tuple[object, ...]:
    """The values of INSERT_ATTEMPT."""
    return (attempt.job.job_id, *_phase_values(attempt.job), attempt.requeued_at, attempt.is_asked)


def inserted_step(step: tuple[Any, ...]) -> tuple[object, ...]:
    """The values of INSERT_STEP."""
    full = Step(*step)
    return (
        *full[:3],
        full.name.encode("utf-8", "surrogateescape"),
        _pack(full.command),
        *full[5:11],
        min(full.memory_peak_bytes, INTEGER_MAX),
        full.token,
    )


def _pack(value: object) -> bytes:
    return msgpack.packb(value, unicode_errors="surrogateescape")  # type: ignore[no-any-return]


def _unpack(data: bytes) -> Any:
    return msgpack.unpackb(data, unicode_errors="surrogateescape")


def _phase_values(job: Job) -> tuple[object, ...]:
    """phase, attempt, started_at, ended_at, cause, exit_code, signal, cpu_s, memory_peak_bytes, run."""
    phase, attempt, further = job.phase, job.attempt, job[_FURTHER:]
    if isinstance(phase, Waiting):
        run = None if further == _FURTHER_DEFAULTS else _run_bytes((), 0, (), NO_HANDS, NO_PAUSE, further)
        return (WAITING, attempt, None, None, None, None, None, None, None, run)
    if isinstance(phase, Running):
        run = _run_bytes(phase.cpus, phase.held, phase.gpus, phase.hands, phase.pause, further)
        return (RUNNING, attempt, phase.started_at, None, None, None, None, None, None, run)
    cause, code, signal = phase.outcome
    if isinstance(phase, Completing):
        run = _run_bytes(phase.cpus, phase.held, phase.gpus, phase.hands, phase.pause, further)
        return (COMPLETING, attempt, phase.started_at, None, cause.value, code, signal, None, None, run)
    usage = phase.usage
    return (
        STATE_NUMBERS[phase.outcome.state],
        attempt,
        phase.started_at,
        phase.ended_at,
        cause.value,
        code,
        signal,
        usage.cpu_s,
        min(usage.memory_peak_bytes, INTEGER_MAX),  # the agent's word, and the server must not fall over it
        _run_bytes(phase.cpus, 0, phase.gpus, phase.hands, phase.pause, further),
    )


def _run_bytes(
    cpus: tuple[int, ...],
    held: int,
    gpus: tuple[int, ...],
    hands: Hands,
    pause: Pause,
    further: tuple[object, ...],
) -> bytes | None:
    if hands is NO_HANDS and pause is NO_PAUSE and further == _FURTHER_DEFAULTS:
        return _pack((cpus, held, gpus)) if cpus or held or gpus else None
    return _pack((cpus, held, gpus, hands, pause, *further))


# The environment, labels and file names of a submission are one Batch for all its jobs.
_packed_batches: dict[int, tuple[Batch, bytes]] = {}
_PACKED_BATCHES_MAX = 256


def _batch_bytes(batch: Batch) -> bytes:
    known = _packed_batches.get(id(batch))
    if known is not None and known[0] is batch:
        return known[1]
    if len(_packed_batches) >= _PACKED_BATCHES_MAX:
        _packed_batches.clear()
    packed = _pack(batch)
    _packed_batches[id(batch)] = (batch, packed)  # it holds the batch, so that no other gets its id
    return packed


def _spec_bytes(spec: Spec) -> bytes:
    """All but the token, which has a column. Rows of older servers end before the resources, or before the labels."""
    resources, batch, labels = spec[13:]
    fields = (
        *spec[1:13],
        None if resources == NO_RESOURCES else resources,
        None if batch is None else _batch_bytes(batch),
    )
    return _pack((*fields, _pack(labels)) if labels else fields)


# ---- reading
def job_of(row: tuple[Any, ...]) -> Job:
    """The job of a row of COLUMNS."""
    job_id, parent_id, root_id, array_id, array_index, token, submitted_at, tasks, blob, *values = row
    phase, further = _phase_of(values)
    return Job(
        job_id,
        parent_id,
        root_id,
        submitted_at,
        _spec_of(token, blob),
        phase,
        values[1],
        array_id,
        array_index,
        None if tasks is None else Indexes(tuple(map(tuple, _unpack(tasks)))),
        *further,
    )


def attempt_of(job: Job, row: tuple[Any, ...]) -> Attempt:
    """The attempt of a row of `attempts`, for a job as it is now: what it asks for is what it asks for now."""
    _, *values, requeued_at, is_asked = row
    phase, further = _phase_of(values)
    over = Job._make((*job[:_FURTHER], *further, *_FURTHER_DEFAULTS[len(further) :]))
    return Attempt(over._replace(phase=phase, attempt=values[1]), requeued_at, bool(is_asked))


def step_of(row: tuple[Any, ...]) -> Step:
    """The step of a row of `steps`."""
    step = Step(*row)
    name: bytes = row[3]
    return step._replace(name=name.decode("utf-8", "surrogateescape"), command=_unpack(row[4]))


def blob_keys(spec: bytes) -> tuple[str, ...]:
    """The blobs that the job of this `spec` column names."""
    fields = _unpack(spec)
    batch = _batch_of(fields[13]) if len(fields) > 13 and fields[13] is not None else None
    return () if batch is None else keys_of(batch)


def keys_of(batch: Batch) -> tuple[str, ...]:
    """The blobs that it names."""
    return tuple(key for key in (batch.script, batch.environment) if key)


def _phase_of(values: list[Any]) -> tuple[Phase, list[Any]]:
    number, _, started_at, ended_at, cause, code, signal, cpu_s, memory_peak_bytes, run = values
    cpus, held, gpus, hands, pause, further = _run_of(run)
    if number == WAITING:
        return Waiting(), further
    if number == RUNNING:
        return Running(started_at, cpus, held, gpus, hands, pause), further
    outcome = Outcome(Cause(cause), code, signal)
    if number == COMPLETING:
        return Completing(started_at, cpus, held, outcome, gpus, hands, pause), further
    usage = Usage() if cpu_s is None else Usage(cpu_s, memory_peak_bytes)
    return Finished(started_at, ended_at, outcome, usage, hands, pause, cpus, gpus), further


def _run_of(
    run: bytes | None,
) -> tuple[tuple[int, ...], int, tuple[int, ...], Hands, Pause, list[Any]]:
    if run is None:
        return (), 0, (), NO_HANDS, NO_PAUSE, []
    cpus, held, gpus, *rest = _unpack(run)
    if not rest:
        return tuple(cpus), held, tuple(gpus), NO_HANDS, NO_PAUSE, []
    (pid, start_ticks, unenforced, *more), pause, *further = rest
    hands = Hands(pid, start_ticks, tuple(unenforced), *more)
    return tuple(cpus), held, tuple(gpus), hands, Pause(*pause), further


def _spec_of(token: str, blob: bytes) -> Spec:
    fields = _unpack(blob)
    kind, nb_proc, command, name, cwd, user, priority, time_limit_s, is_bound, on_kill, *rest = fields
    pid, start_ticks = rest[:2]
    resources, batch = rest[2:4] or (None, None)  # a row of version 1 has neither
    return Spec(
        token,
        _shared(kind),
        nb_proc,
        tuple(command),
        _shared(name),
        _shared(cwd),
        _shared(user),
        priority,
        time_limit_s,
        is_bound,
        OnKill(on_kill),
        pid,
        start_ticks,
        NO_RESOURCES if resources is None else _resources_of(resources),
        None if batch is None else _batch_of(batch),
        _labels_of(rest[4]) if len(rest) > 4 else (),
    )


@lru_cache(maxsize=4096)
def _shared(text: str) -> str:
    """The same text for all who have it: 100,000 jobs of one folder keep its name once."""
    return text


@lru_cache(maxsize=4096)
def _labels_of(data: bytes) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in _unpack(data))


def _resources_of(fields: list[Any]) -> Resources:
    memory_bytes, gpus, counted, *more = fields
    return Resources(memory_bytes, gpus, tuple((name, count) for name, count in counted), *more)


@lru_cache(maxsize=4096)
def _batch_of(data: bytes) -> Batch:
    batch = Batch(*_unpack(data)[: len(Batch._fields)])
    count, codes, *more = batch.retry
    terms, *others = batch.dependency
    return batch._replace(
        retry=Retry(count, tuple((low, high) for low, high in codes), *more),
        warned=None if batch.warned is None else Warned(*batch.warned),
        labels=tuple((name, value) for name, value in batch.labels),
        dependency=Dependency(tuple(Term(*term) for term in terms), *others),
    )
