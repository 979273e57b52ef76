"""The names of a batch job's files, expanded. The same for what is shown and for what the agent opens."""

import re
from functools import lru_cache

from jobd.core.job import Job
from jobd.slurm.patterns import DEFAULT, DEFAULT_ARRAY, Values, expand

# Patterns made of plain text and these alone, as nearly all are, are expanded by joining what was cut once.
_PLAIN = re.compile(r"%([jAa])")


def files_of(job: Job, node: str) -> tuple[str, str, str]:
    """Standard input, output and error as absolute paths; "" for no input, and for an error that joins the output.

    Source: sbatch(1), --output: relative names are below the job's folder.
    """
    spec = job.spec
    batch = spec.batch
    assert batch is not None
    stdout = batch.stdout
    if not stdout:
        stdout = DEFAULT if job.array_id is None else DEFAULT_ARRAY
    return (
        _path(batch.stdin, job, node) if batch.stdin else "",
        _path(stdout, job, node),
        _path(batch.stderr, job, node) if batch.stderr else "",
    )


def _path(pattern: str, job: Job, node: str) -> str:
    spec = job.spec
    parts = _parts(pattern, spec.cwd)
    if parts is None:
        values = Values(job.job_id, job.array_id, job.array_index, spec.name, spec.user, node)
        return _below(spec.cwd, expand(pattern, values))
    if len(parts) == 1:
        return parts[0]
    if len(parts) == 3 and parts[1] == "j":
        return f"{parts[0]}{job.job_id}{parts[2]}"
    if job.array_index is None:
        values = Values(job.job_id, job.array_id, None, spec.name, spec.user, node)
        return _below(spec.cwd, expand(pattern, values))
    letters = {"j": str(job.job_id), "A": str(job.array_id), "a": str(job.array_index)}
    return "".join(letters[part] if index % 2 else part for index, part in enumerate(parts))


@lru_cache(maxsize=1024)
def _parts(pattern: str, cwd: str) -> tuple[str, ...] | None:
    """Text, letter, text, …, the folder included; None for a pattern that needs the whole of patterns.py."""
    parts = _PLAIN.split(pattern)
    if "\\" in pattern or any("%" in text for text in parts[::2]):
        return None
    parts[0] = _below(cwd, parts[0]) if len(parts) > 1 or parts[0] else cwd
    return tuple(parts)


def _below(cwd: str, name: str) -> str:
    if name.startswith("/"):
        return name
    return f"{cwd}{name}" if cwd.endswith("/") else f"{cwd}/{name}"
