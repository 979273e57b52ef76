"""What bears a name in the queue → a folder that is marked as a job's, or the reason why not."""

import logging
import os
import stat

from jobd.spool import marks
from jobd.spool.entry import Entry
from jobd.spool.files import BadFile, append, printable
from jobd.spool.info import LOG, head_of, wanted_of
from jobd.spool.places import Places, inode_of
from jobd.spool.settings import BLOCKING, Settings

log = logging.getLogger("jobd.spool")


def say_limited(folder: str, name: str, nb_proc: int, asked: int) -> None:
    """Say that it gets fewer processors than it asked for.

    Raises:
        OSError: not now.
        BadFile: its log is no plain file.
    """
    text = f"Number of processors limited to {nb_proc}: {asked} were asked for"
    log.warning("%s: %s", printable(name), text)
    append(folder, LOG, f"{text}\n")


def taken(places: Places, settings: Settings, path: str) -> Entry:
    """Read what it asks for, mark it, and let a link follow it. When this returns it is the folder of that token.

    Raises:
        NoInfo: nothing in it says what it asks for.
        BadFile: it is no job.
        OSError: not now, or it may not be written to.
    """
    name = os.path.basename(path)
    mode = os.lstat(path).st_mode
    if stat.S_ISLNK(mode):
        raise BadFile("it is a link: put the folder itself here")
    if not stat.S_ISDIR(mode):
        if not stat.S_ISREG(mode) or not head_of(places.queue, name):
            raise BadFile("it is no folder, and no script with #SBATCH lines")
        places.wrap(path)
    wanted = wanted_of(path, settings.job_file)
    log_path = os.path.join(path, LOG)
    if os.path.lexists(log_path) and not stat.S_ISREG(os.lstat(log_path).st_mode):
        raise BadFile(f"{LOG} is no plain file")
    if wanted.directives:
        script = os.path.join(path, wanted.file)
        os.chmod(script, os.stat(script).st_mode | stat.S_IXUSR)
    entry = Entry(marks.new_token(), name, wanted)
    entry.nb_proc = wanted.nb_proc
    most = settings.max_nb_proc
    if 0 < most < wanted.nb_proc:
        entry.nb_proc = most
        say_limited(path, name, most, wanted.nb_proc)
    facts = {
        "script": wanted.script,
        "info": wanted.info,
        "nb_proc_given": entry.nb_proc,
        "is_held": settings.launch_type == BLOCKING,
    }
    if not wanted.directives:
        facts["nb_proc"] = wanted.nb_proc
    marks.write(path, entry.token, name, facts)
    entry.inode = inode_of(path)
    places.turn(entry.token, path)
    return entry
