"""A folder → a job. The token is the folder's, so the same folder asked for again is the same job."""

import logging
import os
import time
from typing import Any, NamedTuple

from jobd.api import options
from jobd.api.client import Client
from jobd.cli import batch_script, sbatch
from jobd.cli.batch_environment import caller_variables
from jobd.cli.batch_options import Chosen, chosen_of
from jobd.cli.batch_spec import Surroundings
from jobd.cli.submit_line import line_of
from jobd.errors import Refused
from jobd.limits import NAME_CHARS_MAX
from jobd.spool.files import PASSING, BadFile, printable, text_of
from jobd.spool.info import LOG, Wanted
from jobd.spool.launch import launcher
from jobd.spool.places import Places
from jobd.spool.taking import say_limited
from jobd.wire.batch import BatchItem, SubmitBatch
from jobd.wire.messages import Ask
from jobd.wire.rows import JobRow

# What systemd tells the spool of itself is no business of a job.
_OWN_VARIABLES = (
    "NOTIFY_SOCKET",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "SYSTEMD_EXEC_PID",
    "MANAGERPID",
    "MANAGERPIDFDID",
    "MEMORY_PRESSURE_WATCH",
    "MEMORY_PRESSURE_WRITE",
    "LISTEN_FDS",
)


log = logging.getLogger("jobd.spool")


class Folder(NamedTuple):
    """A folder that is to become a job."""

    token: str
    name: str
    wanted: Wanted
    nb_proc: int  # what it gets
    is_held: bool


def submit(client: Client, places: Places, folder: Folder, *, is_mailing: bool, max_nb_proc: int) -> int:
    """Queue its job; the number.

    Args:
        max_nb_proc: of a script with #SBATCH lines, whose wish is known only when they are read; 0: no limit.

    Raises:
        JobdError: there is no server, or it refused.
        OSError: not now.
    """
    if folder.wanted.directives:
        request = _request_of_script(client, places, folder, max_nb_proc)
    else:
        request = _request(places, folder, is_mailing=is_mailing)
    return int(client.connection.request(request).job_ids[0])


def _request(places: Places, folder: Folder, *, is_mailing: bool) -> SubmitBatch:
    wanted = folder.wanted
    labels: dict[str, str] = {}
    if wanted.info:
        labels["comment"] = wanted.info
    if wanted.size:
        labels["size"] = wanted.size
    if wanted.e_mail and is_mailing:
        labels |= {"mail_type": "END,FAIL", "mail_user": wanted.e_mail}
    link = places.link_of(folder.token)
    asked: dict[str, Any] = {
        "nb_proc": folder.nb_proc,
        "name": _job_name(folder.name),
        "cwd": link,
        "stdout": _plain(os.path.join(link, LOG)),
        "append": True,
        "requeue": False,
        "hold": folder.is_held,
        "labels": labels,
        "env": dict.fromkeys(_OWN_VARIABLES),
    }
    if wanted.priority is not None:
        asked["priority"] = wanted.priority
    built = options.build(asked, script=f"#!/bin/sh{_launcher(places)}".encode("utf-8", "surrogateescape"))
    item = BatchItem([_job_name(folder.name), *_words(folder)])
    return SubmitBatch(folder.token, [built.spec], [item], built.blobs)


def row_of(client: Client, job_id: int, token: str) -> JobRow | None:
    """The job of that number, if it is that of the token."""
    for row in rows_of(client, [job_id]):
        if row.token == token:
            return row
    return None


def rows_of(client: Client, job_ids: list[int]) -> list[JobRow]:
    """These jobs, living or finished; who is not known is left out."""
    return client.jobs(job_ids) if job_ids else []


def numbers_of(client: Client, tokens: set[str], since_s: float) -> dict[str, int]:
    """The numbers of the jobs of these tokens, by token; who is not known is left out.

    Args:
        since_s: none of them has ended before.

    Raises:
        JobdError: there is no server.
    """
    rows = [*client.jobs(), *client.jobs(is_finished=True, since=since_s)]
    return {row.token: row.job_id for row in rows if row.token in tokens}


def is_of(row: JobRow, places: Places) -> bool:
    """Whether the job is of the spool of these folders."""
    return row.cwd == places.link_of(row.token)


def _launcher(places: Places) -> str:
    return launcher(places.queue, places.running, places.links)


def _words(folder: Folder) -> list[str]:
    return [folder.wanted.script, folder.token]


def _job_name(name: str) -> str:
    return printable(name)[:NAME_CHARS_MAX] or "job"


def _plain(path: str) -> str:
    """A name of an output file in which no letter stands for something else."""
    return path.replace("%", "%%")


def _request_of_script(client: Client, places: Places, folder: Folder, max_nb_proc: int) -> SubmitBatch:
    """The request that Sbatch would make of a script which has the lines of theirs, and below them the launcher.

    Raises:
        Refused, UsageError: the lines make no sense, or ask for what a folder cannot be.
        OSError: not now.
    """
    wanted, link = folder.wanted, places.link_of(folder.token)
    asked = [f"--token={folder.token}", f"--chdir={link}", "--open-mode=append"]
    asked += [f"--output={_plain(os.path.join(link, LOG))}"]
    head = wanted.directives.split("\n", 1)[1]
    text = f"#!/bin/sh\n{head}{_launcher(places)}".encode("utf-8", "surrogateescape")
    name = os.path.basename(wanted.file)
    script = batch_script.Script(batch_script.checked(text), os.path.join(link, name), name, name)
    chosen, request = _read(client, places, asked, script, _words(folder))
    (spec,) = request.specs
    if request.is_test:
        raise Refused("--test-only queues nothing")
    if 0 < max_nb_proc < spec.nb_proc:
        try:
            say_limited(os.path.realpath(link), folder.name, max_nb_proc, spec.nb_proc)
        except BadFile as error:
            raise Refused(str(error)) from error
        memory_bytes = spec.memory_per_cpu_bytes * max_nb_proc or spec.memory_bytes
        spec = spec._replace(nb_proc=max_nb_proc, memory_bytes=memory_bytes)
    if "requeue" not in chosen:
        spec = spec._replace(is_requeueable=False)
    # --wait is for a terminal: nobody waits here, so it is no child of a job that the spool itself may be in.
    return SubmitBatch(
        folder.token, [spec._replace(is_held=spec.is_held or folder.is_held)], request.items, request.blobs
    )


def _read(
    client: Client, places: Places, asked: list[str], script: batch_script.Script, arguments: list[str]
) -> tuple[Chosen, SubmitBatch]:
    """What Sbatch makes of it: the options that hold in the end, and the request."""
    own = {os.fsencode(name) for name in _OWN_VARIABLES}
    around = Surroundings(
        {name: text for name, text in caller_variables().items() if name not in own},
        os.path.dirname(script.path),
        options.own_umask(),
        os.uname().nodename.partition(".")[0],
        time.time(),
        lambda: int(client.connection.request(Ask()).nb_proc),
        line_of(["Sbatch", script.path]),
    )
    try:
        line = chosen_of(sbatch.table().parse(asked).given)
        meant = Chosen(batch_script.options_of(script, sbatch.table()), sbatch.by_variables(around))
        if "array" in meant:
            raise Refused("a folder is one job, not an array")
        if "export-file" in meant:
            _check_file(places, meant["export-file"])
        return sbatch.of_script(line, script, arguments, around)
    except OSError as error:
        if error.errno in PASSING:
            raise
        raise Refused(text_of(error)) from error  # of the file that the lines name
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        # Whatever somebody manages to write there, the spool goes on; the trace is for the log.
        log.exception("a mistake in the program")
        raise Refused(f"its #SBATCH lines cannot be read ({type(error).__name__})") from error


def _check_file(places: Places, path: str) -> None:
    """Whether we may read a file of variables: a number would be a descriptor of ours, a pipe is waited for, and to close our lock is to lose it.

    Raises:
        Refused: no.
    """
    if not os.path.isabs(path) or not os.path.isfile(path) or os.path.samefile(path, places.lock):
        raise Refused(f"--export-file={path}: the whole path of a file is needed")
