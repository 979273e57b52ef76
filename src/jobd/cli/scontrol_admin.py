"""What administers a cluster, under Slurm's name: nobody may do it here, and each keyword says so as Slurm says it to who has no rights.

Their words are looked at before, as Slurm looks at them. Source: src/scontrol/scontrol.c of Slurm 22.05, and what its scontrol says.
"""

import re
import sys
import time
from collections.abc import Callable, Sequence

from jobd.cli import dialect
from jobd.cli.main import printable, say
from jobd.cli.scontrol_refusals import USER

FAILED = 1
RIGHTS = "Permission denied"

_LEVELS = ("quiet", "fatal", "error", "info", "verbose", "debug", "debug2", "debug3", "debug4", "debug5")
_FLAGS = frozenset(
    "accrue agent backfill backfillmap burstbuffer cgroup cpufreq cpu_bind data dependency elasticsearch energy extsensors federation "
    "frontend gang gres heterojob hetjob jag jobcontainer license network nodefeatures no_conf_hash oversubscribe power priority profile "
    "protocol reservation route script selecttype steps switch time_cray traceJobs traceJobs triggers workq wiki".lower().split()
)


def key_of(word: str) -> tuple[str, str, str]:
    """A word, as name=value: the name in small letters, the sign, the value."""
    name, sign, text = word.partition("=")
    return name.lower(), sign, text


def fits(name: str, full: str, shortest: int) -> bool:
    """Whether a name is the beginning of a full one, and long enough."""
    return len(name) >= shortest and full.startswith(name)


def fail(*lines: str) -> int:
    """Say these lines; the exit code of a failure."""
    for line in lines:
        say(printable(line))
    return FAILED


def error(text: str) -> str:
    """A line of scontrol's own errors."""
    return dialect.error_line("scontrol", text)


def is_level(text: str) -> bool:
    """Whether it is a level of what is logged."""
    return text.lower() in _LEVELS or (text.isascii() and text.isdigit() and int(text[:9]) < len(_LEVELS))


# ---- daemons
def shutdown(called: str, words: Sequence[str]) -> int:
    """The daemons."""
    if len(words) > 1:
        return fail(f"too many arguments for keyword:{called}")
    if words and not any(fits(words[0].lower(), full, 5) for full in ("slurmctld", "controller")):
        return fail(f"invalid shutdown argument:{words[0]}")
    return fail(f"slurm_shutdown error: {USER}")


def abort(called: str, words: Sequence[str]) -> int:
    """The controller, with a core."""
    if len(words) > 1:
        say(f"too many arguments for keyword:{called}")
    return fail(f"slurm_shutdown error: {USER}")


def reconfigure(called: str, words: Sequence[str]) -> int:
    """Read the configuration anew."""
    if len(words) > 1:
        say(f"too many arguments for keyword:{called}")
    return fail(f"slurm_reconfigure error: {USER}")


def takeover(called: str, words: Sequence[str]) -> int:
    """By a second controller: there is none."""
    if len(words) > 1:
        return fail(f"{called}: too many arguments")
    if words:
        found = re.match(r"-?[0-9]{1,9}", words[0])
        return fail(f"takeover: invalid backup controller index ({int(found[0]) if found else 0})")
    return fail("slurm_takeover error: Unable to contact slurm controller (connect failure)")


def reboot(called: str, words: Sequence[str]) -> int:
    """Nodes."""
    rest = list(words)
    while rest:
        name, _, text = key_of(rest[0])
        if name == "asap":
            pass
        elif name == "nextstate":
            if text.lower() not in ("down", "resume"):
                return fail(f"Invalid state: {text}", "Valid states: DOWN, RESUME")
        elif name != "reason":
            break
        rest.pop(0)
    if not rest:
        return fail("Missing node list. Specify ALL|<NodeList>")
    if len(rest) > 1:
        return fail(f"too many arguments for keyword:{called}")
    return fail(error("RebootProgram isn't defined"), "scontrol_reboot_nodes error: Unspecified error")


def cancel_reboot(called: str, words: Sequence[str]) -> int:
    """Of nodes."""
    if not words:
        return fail(f"missing argument for keyword:{called}")
    if len(words) > 1:
        return fail(f"too many arguments for keyword:{called}")
    return fail(f"slurm_update error: {USER}")


# ---- what is written to logs
def setdebug(called: str, words: Sequence[str]) -> int:
    """How much."""
    if len(words) != 1:
        return fail(f"too {'many' if words else 'few'} arguments for keyword:{called}")
    if not is_level(words[0]):
        return fail(f"invalid debug level: {words[0]}")
    return fail(f"slurm_set_debug_level error: {RIGHTS}")


def setdebugflags(called: str, words: Sequence[str]) -> int:
    """Of what."""
    if len(words) != 1:
        return fail(f"too {'many' if words else 'few'} arguments for keyword:{called}")
    if words[0][:1] not in ("+", "-"):
        return fail(f"invalid debug flag: {words[0]}", "Usage: setdebugflags [+|-]NAME")
    for flag in words[0][1:].split(","):
        if flag.lower() not in _FLAGS:
            return fail(error(f"Invalid DebugFlag: {flag}"), f"invalid debug flag: {words[0]}")
    return fail(f"slurm_set_debug_flags error: {RIGHTS}")


def schedloglevel(called: str, words: Sequence[str]) -> int:
    """Of the scheduler."""
    if len(words) != 1:
        return fail(f"too {'many' if words else 'few'} arguments for keyword:{called}")
    if words[0].lower() not in ("0", "1", "enable", "disable"):
        return fail(f"invalid schedlog level: {words[0]}")
    return fail(f"slurm_set_schedlog_level error: {RIGHTS}")


def dampening(called: str, words: Sequence[str]) -> int:
    """Of fair shares; a number that is none is no failure."""
    if len(words) != 1:
        return fail(f"too {'many' if words else 'few'} arguments for keyword:{called}")
    found = re.match(r"[0-9]{1,9}", words[0])
    if found is None or int(found[0]) == 0:
        say(f"invalid dampening factor: {printable(words[0])}")
        return 0
    return fail(f"slurm_set_fs_dampeningfactor error: {RIGHTS}")


# ---- the rest
def token(called: str, words: Sequence[str]) -> int:
    """Of a cluster that has them."""
    for word in words:
        name, sign, _ = key_of(word)
        if not sign or name not in ("lifespan", "username"):
            return fail(f"Invalid option: `{word}`")
    return fail("Error fetching token")


def errnumstr(called: str, words: Sequence[str]) -> int:
    """What an error number means."""
    from jobd.cli.error_numbers import text_of

    if len(words) != 1:
        return fail(f"one arguments required for keyword:{called}")
    if not re.fullmatch(r"[0-9]+", words[0], re.ASCII):
        return fail(f"numeric arguments required for keyword:{called}")
    number = int(words[0][-40:]) & 0xFFFFFFFF
    print(text_of(number - (1 << 32) if number >> 31 else number))
    return 0


def cluster(called: str, words: Sequence[str]) -> int:
    """Of several; there is one."""
    if words:
        from jobd.cli.listing import check_clusters
        from jobd.client import Client

        check_clusters("scontrol", words[0], Client())
    return 0


def write_config(path: str) -> int:
    """Slurm's own configuration file, of which there is none: what would be in it is shown by `show config`."""
    from jobd.cli import scontrol_show, scontrol_show_slurm

    where = f"{path or 'slurm.conf'}.{time.strftime('%Y-%m-%dT%H:%M:%S')}"
    node = scontrol_show.ask(scontrol_show.Look())
    try:
        with open(where, "w", encoding="utf-8", errors="surrogateescape") as file:
            for key, value in scontrol_show_slurm.config_of(node):
                file.write(f"{key}={value}\n")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        say(f"Could not create file {printable(where)}: {reason}")
        return 0
    sys.stdout.write(f"Slurm config saved to {printable(where)}\n")
    return 0


def _of_entities(name: str) -> Callable[[str, Sequence[str]], int]:
    def act(called: str, words: Sequence[str]) -> int:
        from jobd.cli import scontrol_entities

        found: Callable[[str, Sequence[str]], int] = getattr(scontrol_entities, name)
        return found(called, words)

    return act


# Keyword → how short it may be cut, and what it does: given the word by which it was called, and those behind it.
KEYWORDS: dict[str, tuple[int, Callable[[str, Sequence[str]], int]]] = {
    "abort": (5, abort),
    "cancel_reboot": (3, cancel_reboot),
    "cluster": (2, cluster),
    "create": (2, _of_entities("create")),
    "delete": (3, _of_entities("delete")),
    "errnumstr": (2, errnumstr),
    "fsdampeningfactor": (3, dampening),
    "reboot": (3, reboot),
    "reconfigure": (3, reconfigure),
    "schedloglevel": (3, schedloglevel),
    "setdebug": (2, setdebug),
    "setdebugflags": (9, setdebugflags),
    "shutdown": (8, shutdown),
    "takeover": (8, takeover),
    "token": (3, token),
}
