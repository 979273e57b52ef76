"""Options that do nothing here: their values are looked at all the same where Slurm looks at them, and refused as Slurm refuses them."""

from collections.abc import Callable
from typing import Any

from jobd.cli.batch_options import Chosen
from jobd.cli.dialect import EXIT_OPTIONS
from jobd.cli.option_values import begin_of, value
from jobd.cli.submit_words import Wrong
from jobd.errors import UsageError
from jobd.slurm import options as slurm
from jobd.slurm import sizes, times

_COUNTS = (
    "cores-per-socket",
    "ntasks-per-core",
    "ntasks-per-socket",
    "sockets-per-node",
    "threads",
    "threads-per-core",
)
MAILS = frozenset(
    [
        "ALL",
        "ARRAY_TASKS",
        "BEGIN",
        "END",
        "FAIL",
        "INVALID_DEPEND",
        "NONE",
        "REQUEUE",
        "STAGE_OUT",
        "TIME_LIMIT",
        "TIME_LIMIT_50",
        "TIME_LIMIT_80",
        "TIME_LIMIT_90",
    ]
)
_EXCLUSIVE = frozenset({"", "exclusive", "user", "mcs"})
_HINTS = frozenset({"compute_bound", "memory_bound", "multithread", "nomultithread", "help"})
_PROFILES = frozenset({"all", "none", "energy", "task", "lustre", "network"})
_LAYOUTS = frozenset({"*", "block", "cyclic", "fcyclic", "plane", "arbitrary", "unknown"})
_LAYOUT_FLAGS = frozenset({"pack", "nopack"})


def check(chosen: Chosen, now_s: float) -> None:
    """
    Raises:
        Wrong: Slurm would not take one of them.
    """
    checks: list[tuple[str, Callable[[str], Any]]] = [
        *((name, slurm.parse_count) for name in _COUNTS),
        ("deadline", lambda text: begin_of(text, now_s)),
        ("time-min", times.parse_limit_s),
        ("tmp", sizes.parse_bytes),
        ("mail-type", lambda text: _each_of(text.upper(), MAILS)),
        ("exclusive", lambda text: _each_of(text.lower(), _EXCLUSIVE)),
        ("distribution", _distribution),
    ]
    for name, parse in checks:
        value(chosen, name, parse)
    hint = chosen.get("hint")
    if hint is not None and hint not in _HINTS:
        raise Wrong(f'unrecognized --hint argument "{hint}", see --hint=help')
    profile = chosen.get("profile")
    if profile is not None and not set(profile.lower().split(",")) <= _PROFILES:
        raise Wrong(f"invalid --profile={profile} option", code=EXIT_OPTIONS)


def _each_of(text: str, known: frozenset[str]) -> None:
    if not set(text.split(",")) <= known:
        raise UsageError(text)


def _distribution(text: str) -> None:
    layouts, _, flags = text.lower().partition(",")
    _each_of(layouts.partition("=")[0].replace(":", ","), _LAYOUTS)
    if flags:
        _each_of(flags, _LAYOUT_FLAGS)


__all__ = ["check"]
