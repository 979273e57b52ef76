"""A folder → a job. The token is the folder's, so the same folder asked for again is the same job."""

import os
import select
import subprocess
import sys
import tempfile
import time
from typing import Any, NamedTuple

import jobd
from jobd.api import options
from jobd.api.client import Client
from jobd.errors import EXIT_NO_SERVER, JobdError, JournalError, NoServer, NoSuchJob, Refused, Stopping
from jobd.limits import NAME_CHARS_MAX
from jobd.slurm import directives
from jobd.spool import marks
from jobd.spool.files import printable
from jobd.spool.info import LOG, Wanted
from jobd.spool.launch import launcher
from jobd.spool.places import SCRATCH, Places
from jobd.wire.batch import BatchItem, SubmitBatch
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
SBATCH_S = 60.0
# The same jobd, also where it is not installed.
_SBATCH = f"""
import sys
sys.path.insert(0, {os.path.dirname(os.path.dirname(os.path.abspath(jobd.__file__)))!r})
from jobd.cli.sbatch import program
program()
"""


class Folder(NamedTuple):
    """A folder that is to become a job."""

    token: str
    name: str
    wanted: Wanted
    nb_proc: int  # what it gets
    is_held: bool
    was_let_go: bool = False  # whoever holds its job now has his reasons


def submit(client: Client, places: Places, folder: Folder, *, is_mailing: bool, max_nb_proc: int) -> int:
    """Queue its job; the number.

    Args:
        max_nb_proc: of a script with #SBATCH lines, whose wish is known only when they are read; 0: no limit.

    Raises:
        JobdError: there is no server, or it refused.
        OSError: not now.
    """
    if folder.wanted.directives:
        return _submit_script(client, places, folder, max_nb_proc)
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
    accepted = client.connection.request(SubmitBatch(folder.token, [built.spec], [item], built.blobs))
    return int(accepted.job_ids[0])


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


def _number_of(scratch: str, arguments: list[str]) -> int:
    """Have Sbatch queue it; the number.

    Where the lines say --wait it goes on to wait for the end, which is no business of ours: when it has said the number, the job is on disk. It
    has a session of its own, so that what ends us, as a Ctrl-C, is not taken for its refusal.

    Raises:
        Refused, NoServer: it said so.
        OSError: not now.
    """
    with (
        open(os.path.join(scratch, "errors"), "w+b") as errors,
        subprocess.Popen(
            [sys.executable, "-c", _SBATCH, *arguments],
            env={name: text for name, text in os.environ.items() if name not in _OWN_VARIABLES},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        ) as sbatch,
    ):
        assert sbatch.stdout is not None
        said, end_s = b"", time.monotonic() + SBATCH_S
        while b"\n" not in said:
            is_ready = select.select([sbatch.stdout], [], [], max(0.0, end_s - time.monotonic()))[0]
            part = os.read(sbatch.stdout.fileno(), 4096) if is_ready else b""
            if not part:
                break
            said += part
        number = said.partition(b"\n")[0].strip()
        if number.isdigit() or not is_ready:
            sbatch.kill()
        code = sbatch.wait()
        errors.seek(0)
        lines = errors.read().decode("utf-8", "replace").strip().splitlines()
    if number.isdigit():
        return int(number)
    if code < 0:
        raise NoServer("Sbatch has not answered" if not is_ready else f"Sbatch was ended by signal {-code}")
    text = (lines[-1] if lines else f"Sbatch queued nothing (it ended with {code})").removeprefix("Sbatch: ")
    raise NoServer(text) if code == EXIT_NO_SERVER else Refused(text)


def _launcher(places: Places) -> str:
    return launcher(places.queue, places.running, places.links)


def _words(folder: Folder) -> list[str]:
    return [folder.wanted.script, folder.token]


def _job_name(name: str) -> str:
    return printable(name)[:NAME_CHARS_MAX] or "job"


def _plain(path: str) -> str:
    """A name of an output file in which no letter stands for something else."""
    return path.replace("%", "%%")


def _submit_script(client: Client, places: Places, folder: Folder, max_nb_proc: int) -> int:
    """By Sbatch itself, so that the lines are read as Sbatch reads them: its script is theirs, and below them the launcher.

    It is held until what it asks for is seen to be allowed.
    """
    wanted, link = folder.wanted, places.link_of(folder.token)
    said = {word for _, words in directives.read(wanted.directives) for word in words}
    asked = ["--parsable", f"--token={folder.token}", "--hold", f"--chdir={link}", "--open-mode=append"]
    asked += [f"--output={_plain(os.path.join(link, LOG))}"]
    if "--requeue" not in said:
        asked.append("--no-requeue")
    head = wanted.directives.split("\n", 1)[1]
    with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=places.links) as scratch:
        path = os.path.join(scratch, os.path.basename(wanted.file))
        with open(path, "wb") as file:
            file.write(f"#!/bin/sh\n{head}{_launcher(places)}".encode("utf-8", "surrogateescape"))
        job_id = _number_of(scratch, [*asked, path, *_words(folder)])
    row = row_of(client, job_id, folder.token)
    if row is None or row.batch is None or not row.batch.is_held or folder.was_let_go:
        return job_id  # it was there already
    try:
        if row.batch.array_id is not None:
            raise Refused("a folder is one job, not an array")
        if 0 < max_nb_proc < row.nb_proc:
            client.update(job_id, nb_proc=max_nb_proc)
        if not folder.is_held and said.isdisjoint({"--hold", "-H"}):
            client.release(job_id)
    except NoSuchJob:
        return job_id  # somebody was quicker, and it is over
    except (NoServer, Stopping, JournalError):
        raise  # it stays held, and is looked at again
    except JobdError:
        client.cancel(job_id)
        raise
    marks.add(os.path.realpath(link), marks.LET_GO)
    return job_id
