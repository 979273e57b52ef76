"""The fields of a job that `scontrol update` changes under Slurm's name: each change is a function of the job as it stands.

Source: src/scontrol/update_job.c of Slurm 22.05, and what its scontrol says of waiting and of running jobs. What has no effect on one machine
is kept and shown.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from jobd.cli import slurm_values as v
from jobd.cli.dialect import Said, error_line
from jobd.cli.scontrol_refusals import DENIED, NODE_NAME, NODES, STARTED
from jobd.errors import Refused
from jobd.wire.messages import JobRow

# What of b.Update a change sets. Of `labels` there are pairs; `hold` is no field but whether to hold (True).
Fields = dict[str, Any]
Change = Callable[[JobRow], Fields]

NICE_STEP = 100  # of a Nice without a number
NICE_MAX = 2147483645
PRIORITY_MAX = (1 << 30) - 1  # the server's; Slurm's own is above it
SWITCH_WAIT_MAX_S = 300
GRES = "Invalid generic resource (gres) specification"
TRES = "Invalid Trackable RESource (TRES) specification"
FEATURE = "Invalid feature specification"
PARTITION = "Invalid partition name specified"
RESERVATION = "Requested reservation is invalid"
LICENSES = "Invalid license specification"
TASKS = "Task count specification invalid"
NODE_COUNT = "Node count specification invalid"
UNSUPPORTED = "Requested operation not supported on this system"
NOT_RUNNING = "Job is not running"
TIME_MIN = "Invalid time-min specification (exceeds job's time or other limits)"
UNSPECIFIED = "Unspecified error"

ENTITIES = (
    "No valid entity in update command",
    'Input line must include "NodeName", "PartitionName", "Reservation", "JobId", or "SlurmctldDebug"',
)
NOTHING = Said("No changes specified")

_MAILS_OF_ALL = "INVALID_DEPEND,BEGIN,END,FAIL,REQUEUE,STAGE_OUT"
_MAILS = frozenset(
    [
        *_MAILS_OF_ALL.split(","),
        "TIME_LIMIT",
        "TIME_LIMIT_90",
        "TIME_LIMIT_80",
        "TIME_LIMIT_50",
        "ARRAY_TASKS",
    ]
)


class Word(NamedTuple):
    """A word of the command, read."""

    whole: str
    sign: str  # "", "=", "+=", "-="
    text: str
    now_s: float


def error_of(*texts: str) -> Said:
    """What is wrong, in lines of scontrol's own errors."""
    return Said(*(error_line("scontrol", text) for text in texts))


def number_of(called: str, text: str, low: int = 0, high: int = 1 << 20) -> int:
    """A plain number within its bounds."""
    if not (text.isascii() and text.isdigit() and len(text) < 18 and low <= int(text) <= high):
        raise error_of(f"Invalid {called} value: {text}")
    return int(text)


def is_waiting(row: JobRow) -> bool:
    """Whether it has not been started."""
    return row.state == "PENDING"


def need_waiting(row: JobRow) -> None:
    """Refuse what only a waiting job may be given."""
    if not is_waiting(row):
        raise Refused(STARTED)


def kept(label: str, *, refused: str = "") -> Callable[[Word], Change]:
    """What is kept and shown, of a waiting job only; what there is none of is refused with that text."""

    def make(word: Word) -> Change:
        def change(row: JobRow) -> Fields:
            need_waiting(row)
            if refused and word.text:
                raise Refused(refused)
            return {"labels": [[label, word.text]]}

        return change

    return make


def said_of(label: str) -> Callable[[Word], Change]:
    """What is kept and shown of any job."""
    return lambda word: lambda row: {"labels": [[label, word.text]]}


def refusing(text: str, *, is_for_all: bool = False, called: str = "") -> Callable[[Word], Change]:
    """What may not be changed here, or what there is none of.

    Args:
        called: its name, where it must be a number.
    """

    def make(word: Word) -> Change:
        if called:
            number_of(called, word.text)

        def change(row: JobRow) -> Fields:
            if not is_for_all:
                need_waiting(row)
            raise Refused(text)

        return change

    return make


def choice(called: str) -> Callable[[Word], Change]:
    """YES and NO: whether a job shares its node is for the operator to say."""

    def make(word: Word) -> Change:
        if word.text.lower() not in ("yes", "no", "1", "0"):
            raise error_of(f"Invalid {called} value: {word.text}")
        return refusing(DENIED)(word)

    return make


def idle(called: str) -> Callable[[Word], Change]:
    """A number without a meaning here."""

    def make(word: Word) -> Change:
        number_of(called, word.text)

        def change(row: JobRow) -> Fields:
            need_waiting(row)
            return {}

        return change

    return make


# ---- the fields
def stdout(word: Word) -> Change:
    """The file of its output, and of its errors where they have none."""

    def change(row: JobRow) -> Fields:
        need_waiting(row)
        return {"stdout": word.text} if word.text else {}

    return change


def folder(word: Word) -> Change:
    """Where it runs; the one that it has is no change."""

    def change(row: JobRow) -> Fields:
        if word.text == row.cwd:
            return {}
        need_waiting(row)
        if not word.text.startswith("/"):
            raise Refused(f"WorkDir={word.text}: it must begin with /")
        return {"cwd": word.text}

    return change


def features(word: Word) -> Change:
    """There are none."""
    return kept("features", refused=FEATURE)(word)


def partition(word: Word) -> Change:
    """One of the configuration."""

    def change(row: JobRow) -> Fields:
        if word.text == v.partition(row):
            return {}
        need_waiting(row)
        if not word.text or "," in word.text:
            raise Refused(PARTITION)
        return {"labels": [["partition", word.text]]}

    return change


def account(word: Word) -> Change:
    """Kept and shown."""

    def change(row: JobRow) -> Fields:
        need_waiting(row)
        return {"labels": [["account", word.text]]} if word.text else {}

    return change


def qos(word: Word) -> Change:
    """One that there is not is taken and changes nothing, as where no limits are enforced."""
    return lambda row: {"labels": [["qos", word.text]]} if word.text not in ("", v.qos(row)) else {}


def mail_type(word: Word) -> Change:
    """Kept and shown, all of them by name."""
    names = word.text.upper().split(",")
    if not set(names) <= {*_MAILS, "ALL", "NONE"}:
        raise Said(f"Invalid MailType: {word.text}")
    text = _MAILS_OF_ALL if "ALL" in names else ",".join(name for name in names if name != "NONE")
    return lambda row: {"labels": [["mail_type", text], ["mail_user", v.label(row, "mail_user") or row.user]]}


def mail_user(word: Word) -> Change:
    """Kept and shown."""
    return lambda row: {"labels": [["mail_user", word.text or row.user]]}


def node_list(word: Word) -> Change:
    """There is one node."""

    def change(row: JobRow) -> Fields:
        if word.text not in ("", v.node_name()) or (not word.text and not is_waiting(row)):
            raise Refused(NODE_NAME)
        return kept("nodelist")(word)(row)

    return change


def excluded(word: Word) -> Change:
    """There is one node."""

    def change(row: JobRow) -> Fields:
        need_waiting(row)
        if word.text:
            raise Refused(NODES if word.text == v.node_name() else NODE_NAME)
        return {"labels": [["exclude", ""]]}

    return change


def reset_accrue(word: Word) -> Change:
    """What has no value, and nothing to do here."""

    def change(row: JobRow) -> Fields:
        need_waiting(row)
        return {}

    return change


def dependency(word: Word) -> Change:
    """What it waits for."""

    def change(row: JobRow) -> Fields:
        need_waiting(row)
        return {"dependency": word.text}

    return change


def name(word: Word) -> Change:
    """What it is called."""
    return lambda row: {"name": word.text} if word.text else {}


def none_of(refusal: str) -> Callable[[Word], Change]:
    """What there is none of: nothing may be said of it."""

    def make(word: Word) -> Change:
        def change(row: JobRow) -> Fields:
            if word.text:
                raise Refused(refusal)
            return {}

        return change

    return make


def gres(word: Word) -> Change:
    """What it was given cannot be changed."""
    if word.text.lower() == "help":
        print("Valid gres options are:")
        raise NOTHING
    return refusing(GRES if word.text else TRES)(word)


def tres(word: Word) -> Change:
    """What it was given cannot be changed."""
    return refusing(TRES)(word) if word.text else reset_accrue(word)


def requeue(word: Word) -> Change:
    """Whether it may be queued again."""
    count = number_of("Requeue", word.text)
    return lambda row: {"is_requeueable": count != 0}
