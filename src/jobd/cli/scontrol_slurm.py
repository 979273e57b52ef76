"""scontrol under Slurm's name: its keywords, its messages, its exit codes. What is shown and done is what Scontrol shows and does.

Source: scontrol(1) and src/scontrol of Slurm 22.05.8, and what its scontrol says.
"""

import re
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

from jobd.cli import dialect, scontrol, scontrol_refusals, selection
from jobd.cli.getopt import REQUIRED, Option, Table
from jobd.cli.listing import Options, check_clusters, cluster_name
from jobd.cli.main import outlive_own_end, printable, say
from jobd.client import Client
from jobd.errors import JobdError, NoServer
from jobd.states import Control
from jobd.wire import batch as b

FAILED = 1
NO_ERROR = "No error"
NO_SERVER = "Unable to contact slurm controller (connect failure)"

_ID = re.compile(r"\d{1,17}(_(\d{1,10}|\[[^\]]*\]|\*))?")
_BETWEEN = re.compile(r",(?![^\[]*\])")
_JOB = re.compile(r"job(id?|name?)?(=|$)", re.IGNORECASE)

TABLE = Table(
    [
        Option("cluster", "M", REQUIRED, "NAME", is_idle=True, help="on this cluster: there is one"),
        *scontrol.TABLE.options,
        Option("usage"),
    ]
)


class Keyword(NamedTuple):
    """A keyword: how short it may be cut, how many words follow it, and what it does; the exit code."""

    shortest: int
    words_min: int
    words_max: int
    act: Callable[[Sequence[str], Options], int]
    is_named_first: bool = False  # "… arguments for update keyword", not "for keyword:update"


def main(argv: Sequence[str]) -> int:
    """Do it; the exit code."""
    options = Options(TABLE, argv)
    if options.has("help", "usage"):
        return _help((), options)
    if options.has("version"):
        return _version((), options)
    for asked in (options.all("cluster", "clusters") or ())[-1:]:
        names = asked.split(",")
        client = Client()
        if "all" not in names and cluster_name(client) not in names:
            check_clusters("scontrol", asked, client)
    user = options.last("uid")
    if user is not None and not _is_user(user):
        say(dialect.error_line("scontrol", f'--uid="{printable(user)}" invalid'))
        return 0
    if options.words:
        return obey(options.words, options)
    return _read(options)


def _is_user(text: str) -> bool:
    import pwd

    try:
        pwd.getpwuid(int(text)) if text.isascii() and text.isdigit() else pwd.getpwnam(text)
    except (KeyError, OverflowError, ValueError):
        return False
    return True


def obey(words: Sequence[str], options: Options) -> int:
    """One command; the exit code."""
    called = words[0]
    name = called.lower()
    found = [
        keyword
        for known, keyword in KEYWORDS.items()
        if known.startswith(name) and len(name) >= keyword.shortest
    ]
    rest = words[1:]
    if not found:
        act = _elsewhere(name)
        if act is not None:
            return act(called, rest)
        say(f"invalid keyword: {called}")
        return FAILED
    keyword = found[0]
    where = f"{called} keyword" if keyword.is_named_first else f"keyword:{called}"
    if len(rest) < keyword.words_min:
        say(f"too few arguments for {where}")
        return FAILED
    if len(rest) > keyword.words_max:
        if keyword in (KEYWORDS["help"], KEYWORDS["version"]):
            keyword.act((), options)  # and then it complains
            sys.stdout.flush()
        say(f"too many arguments for {where}")
        return FAILED
    return keyword.act(rest, options)


def _read(options: Options) -> int:
    """Commands from standard input, until there are no more or one of them says so; 1 if one of them failed."""
    import shlex

    code = 0
    is_terminal = sys.stdin.isatty()
    while True:
        sys.stdout.write("scontrol: ")
        sys.stdout.flush()
        line = sys.stdin.readline()
        if not line:
            print()
            return code
        if not is_terminal:
            print(line, end="" if line.endswith("\n") else "\n")
        try:
            words = shlex.split(line)
        except ValueError:
            words = line.split()
        if words and words[0].lower() in ("exit", "quit"):
            return code
        if words:
            code = max(code, obey(words, options))
            sys.stdout.flush()


# ---- jobs
def _names_of(word: str, *, is_by_name: bool) -> tuple[str, str]:
    """The list of numbers, or the name, that a word stands for."""
    key, sign, text = word.partition("=")
    if sign and key.lower() in ("jobid", "job"):
        return text, ""
    if sign and is_by_name and key.lower() in ("jobname", "name"):
        return "", text
    return word, ""


def _controlling(
    action: Control, *, is_held_after: bool = False, is_by_name: bool = False
) -> Callable[[Sequence[str], Options], int]:
    def act(words: Sequence[str], options: Options) -> int:
        code = 0
        if action is Control.REQUEUE and words[0].lower().startswith("incomplete"):
            words = words[1:]
        client = Client()
        if action is Control.REQUEUE:
            outlive_own_end()
        for word in words:
            listed, named = _names_of(word, is_by_name=is_by_name)
            last = ""
            if named:
                do(client, b.Control(b.Target(names=[named]), action.value, is_held_after))
                continue
            for one in split_ids(listed):
                said = _act_on(client, one, action, is_held_after)
                if said is None:
                    last = NO_ERROR if last else ""
                    continue
                code = FAILED
                _complain(said.line(one), options)
                last = last if said.is_element else said.text
            if last and is_by_name:
                _complain(f"slurm_suspend error: {last}", options)
        return code

    return act


def split_ids(text: str) -> list[str]:
    """The jobs of a comma list, each with its elements."""
    return [one for one in _BETWEEN.split(text) if one]


def id_of(text: str) -> b.JobId | None:
    """The job, the element or the elements of that name; None for what is none."""
    if not _ID.fullmatch(text):
        return None
    try:
        return selection.parse(text)[0]
    except JobdError:
        return None


def _act_on(
    client: Client, text: str, action: Control, is_held_after: bool
) -> scontrol_refusals.Refused | None:
    """Do it to the job, the element or the array; what Slurm would say against it."""
    job = id_of(text)
    if job is None:
        return scontrol_refusals.Refused(scontrol_refusals.UNKNOWN)
    refused = do(client, b.Control(b.Target(jobs=[job]), action.value, is_held_after))
    if not refused:
        return None
    return scontrol_refusals.of_control(client, job, refused[0], action)


def do(client: Client, request: b.Control | b.Update) -> list[b.Refusal]:
    """Ask for it until all of it is done; what was refused."""
    for _ in range(scontrol.PARTS_MAX):
        done: b.Affected = client.request(request)
        if not done.is_more or not done.job_ids:
            return done.refused
    return []


def _complain(line: str, options: Options) -> None:
    if not options.has("quiet"):
        say(line)


def _update(words: Sequence[str], options: Options) -> int:
    """Of jobs; of anything else only its operator may change something."""
    if any(_JOB.match(word) for word in words):
        from jobd.cli import scontrol_update_slurm

        return scontrol_update_slurm.update(words, lambda line: _complain(line, options))
    from jobd.cli import scontrol_entities

    return scontrol_entities.update(words)


# ---- the rest
def _show(words: Sequence[str], options: Options) -> int:
    from jobd.cli import scontrol_show, scontrol_show_slurm

    look = scontrol_show.Look(options.has("oneliner"), options.has("details"))
    return scontrol_show_slurm.show(words, look)


def _top(words: Sequence[str], options: Options) -> int:
    code = 0
    for word in words:
        for one in split_ids(_names_of(word, is_by_name=False)[0]):
            client = Client()
            job = id_of(one)
            said = scontrol_refusals.Refused(scontrol_refusals.UNKNOWN) if job is None else None
            if job is not None:
                said = scontrol_refusals.of_top(client, job)
            if said is None:
                code = max(code, scontrol.VERBS["top"].act([one], options))
            else:
                code = FAILED
                _complain(said.line(one), options)
    return code


def _write(words: Sequence[str], options: Options) -> int:
    """The script of a job, into a file. Slurm's scontrol ends with 0 even where there is none."""
    if words[0].lower() == "config" and len(words) <= 2:
        from jobd.cli import scontrol_admin

        return scontrol_admin.write_config("".join(words[1:]))
    if words[0].lower() == "config":
        say("too many arguments for keyword:write")
        return FAILED
    if not "batch_script".startswith(words[0].lower()) or len(words[0]) < 5:
        say(f"invalid write argument:{words[0]}")
        return FAILED
    if len(words) < 2:
        return 0
    from jobd.cli import scontrol_show

    try:
        client = Client()
        rows = scontrol_show.find(client, selection.parse(words[1]))
        script: b.Script = client.request(b.ReadScript(rows[0].job_id))
    except NoServer:
        say(f"job script retrieval failed: {NO_SERVER}")
        return 0
    except JobdError:
        say(f"job script retrieval failed: {scontrol_refusals.UNKNOWN}")
        return 0
    if not script.data:
        say(f"job script retrieval failed: {scontrol_refusals.NO_SCRIPT}")
        return 0
    path = words[2] if len(words) == 3 else f"slurm-{words[1]}.sh"
    if path == "-":
        sys.stdout.flush()
        sys.stdout.buffer.write(script.data)
        return 0
    try:
        with open(path, "wb") as file:
            file.write(script.data)
    except OSError as error:
        say(f"failed to open file `{path}`: {error.strerror}")
        return 0
    if not options.has("quiet"):
        print(f"batch script for job {words[1]} written to {printable(path)}")
    return 0


def _version(words: Sequence[str], options: Options) -> int:
    from jobd.cli.scontrol_show import SLURM_VERSION

    print(f"slurm-wlm {SLURM_VERSION}")
    return 0


def _help(words: Sequence[str], options: Options) -> int:
    from jobd.cli import slurm_help

    sys.stdout.write(slurm_help.text_of("scontrol"))
    return 0


def _ping(words: Sequence[str], options: Options) -> int:
    return scontrol.VERBS["ping"].act(words, options)


def _nothing(words: Sequence[str], options: Options) -> int:
    return 0


_MANY = 1 << 20

KEYWORDS: dict[str, Keyword] = {
    "show": Keyword(3, 1, 2, _show),
    "update": Keyword(1, 1, _MANY, _update, is_named_first=True),
    "hold": Keyword(4, 1, _MANY, _controlling(Control.HOLD, is_held_after=True, is_by_name=True)),
    "holdu": Keyword(5, 1, _MANY, _controlling(Control.HOLD, is_held_after=True, is_by_name=True)),
    "uhold": Keyword(5, 1, _MANY, _controlling(Control.HOLD, is_held_after=True, is_by_name=True)),
    "release": Keyword(3, 1, _MANY, _controlling(Control.RELEASE, is_by_name=True)),
    "requeue": Keyword(3, 1, _MANY, _controlling(Control.REQUEUE)),
    "requeuehold": Keyword(11, 1, _MANY, _controlling(Control.REQUEUE, is_held_after=True)),
    "suspend": Keyword(2, 1, _MANY, _controlling(Control.SUSPEND)),
    "resume": Keyword(3, 1, _MANY, _controlling(Control.RESUME)),
    "top": Keyword(3, 1, 1, _top),
    "write": Keyword(5, 1, 3, _write),
    "ping": Keyword(3, 0, 0, _ping),
    "version": Keyword(4, 0, 0, _version, is_named_first=True),
    "help": Keyword(2, 0, 0, _help),
    # What there is nothing to be done for here.
    "all": Keyword(2, 0, _MANY, _nothing),
    "completing": Keyword(2, 0, 0, _nothing),
    "details": Keyword(1, 0, 0, _nothing),
    "exit": Keyword(2, 0, 0, _nothing),
    "hide": Keyword(2, 0, _MANY, _nothing),
    "oneliner": Keyword(1, 0, 0, _nothing),
    "quiet": Keyword(4, 0, 0, _nothing),
    "quit": Keyword(4, 0, 0, _nothing),
    "verbose": Keyword(4, 0, 0, _nothing, is_named_first=True),
}
_PROCESSES = {"listpids": 1, "notify": 1, "pidinfo": 3, "wait_job": 2}  # how short these may be cut


def _elsewhere(name: str) -> Callable[[str, Sequence[str]], int] | None:
    """What is asked for rarely, and looks at its own words."""
    from jobd.cli import scontrol_admin, scontrol_processes

    for known, shortest in _PROCESSES.items():
        if known.startswith(name) and len(name) >= shortest:
            act: Callable[[str, Sequence[str]], int] = getattr(scontrol_processes, known)
            return act
    for known, (shortest, administer) in scontrol_admin.KEYWORDS.items():
        if known.startswith(name) and len(name) >= shortest:
            return administer
    return None
