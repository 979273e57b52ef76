"""A Salloc's command: started as the caller would have started it, waited for, and its end told exactly.

* It is a child in our own process group, so the terminal's signals and job control reach it as they would without us.
* We are its subreaper: what it leaves behind becomes our child, so that "nothing is left" is something we can know.
* Signals are taken one by one with sigwaitinfo, which tells who sent them: those of the terminal reached the command too,
  those sent to us alone are meant to end the job, or are handed on.
"""

import os
import signal
import stat
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from jobd.cli.presence import SI_USER_MAX, End, Presence, has_children
from jobd.client import Client
from jobd.wire import messages as m

PR_SET_CHILD_SUBREAPER = 36

# Sent to us alone, these mean the end of the job …
ENDING = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)
# … and these are the command's business.
HANDED_ON = (
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGALRM,
    signal.SIGVTALRM,
    signal.SIGPROF,
    signal.SIGIO,
    signal.SIGPWR,
    signal.SIGWINCH,
    signal.SIGURG,
    *range(signal.SIGRTMIN, signal.SIGRTMAX + 1),
)
STOPPING = (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)

# Marks of the job around us that a job of our own has none of: by them the agent knows the processes of an attempt or a step.
OTHERS_MARKS = (b"JOBD_ATTEMPT", b"JOBD_STEP_ID", b"JOBD_STEP_TOKEN")

NOT_FOUND = 127  # as the shells have it
NOT_EXECUTABLE = 126


class Missing(NamedTuple):
    """Why a command cannot be run."""

    text: str
    exit_code: int


def missing(name: str) -> Missing | None:
    """Why a command will not run, known before it has waited for hours; None if it looks good."""
    if not name:
        return Missing("'': command not found", NOT_FOUND)
    if "/" in name:
        return _unfit(name, name)
    verdict: Missing | None = None
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        unfit = _unfit(os.path.join(folder or ".", name), name)
        if unfit is None:
            return None
        if unfit.exit_code == NOT_EXECUTABLE:
            verdict = unfit
    return verdict or Missing(f"{name}: command not found", NOT_FOUND)


def _unfit(path: str, name: str) -> Missing | None:
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        return Missing(f"{name}: {error.strerror}", NOT_FOUND)
    except ValueError:
        return Missing(f"{name!r}: no name of a command", NOT_FOUND)
    if stat.S_ISDIR(mode):
        return Missing(f"{name}: is a directory", NOT_EXECUTABLE)
    if not os.access(path, os.X_OK):
        return Missing(f"{name}: permission denied", NOT_EXECUTABLE)
    return None


def become_subreaper() -> None:
    """Orphans of the command become our children (prctl(2)); best effort."""
    import ctypes

    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def environment(grant: m.Grant) -> dict[bytes, bytes]:
    """The caller's environment and what a job finds in it."""
    variables = dict(os.environb)
    # Python may have set LC_CTYPE for itself (PEP 538); the command gets what the caller had.
    if variables.get(b"LC_CTYPE") == b"C.UTF-8":
        with open("/proc/self/environ", "rb") as file:
            if b"LC_CTYPE=C.UTF-8" not in file.read().split(b"\0"):
                del variables[b"LC_CTYPE"]
    for name in OTHERS_MARKS:
        variables.pop(name, None)
    count = str(grant.job.nb_proc).encode()
    outer = variables.get(b"JOBD_NB_PROC")
    for variable in grant.thread_variables:
        key = variable.encode()
        # One that has the value of the job around us was set by its Salloc, not by the caller.
        if key not in variables or (outer is not None and variables[key] == outer):
            variables[key] = count
    variables[b"JOBD_JOB_ID"] = str(grant.job.job_id).encode()
    variables[b"JOBD_SERVER"] = grant.server_id.encode()
    variables[b"JOBD_NB_PROC"] = variables[b"NB_PROC"] = count
    return variables


def cpus_of(grant: m.Grant) -> list[int]:
    """The processors that the job's processes are to be bound to; empty where they stay as they are."""
    if not grant.job.cpus and "JOBD_JOB_ID" in os.environ:
        return grant.all_cpus  # the job around us may be bound, which was not meant for us
    return grant.job.cpus


def spawn(
    words: list[str],
    variables: dict[bytes, bytes],
    mask: set[int | signal.Signals],
    actions: Sequence[tuple[object, ...]] = (),
    *,
    is_leader: bool = False,
) -> int:
    """Start a command, found by our PATH; its pid.

    Args:
        mask: the signals that it finds blocked.
        actions: what is done to its descriptors (os.posix_spawn).
        is_leader: it leads a session of its own.

    Raises:
        OSError: it cannot be started.
    """
    options: dict[str, Any] = {"setsigmask": mask, "setsigdef": _python_ignores(), "file_actions": actions}
    if is_leader:
        options["setsid"] = True
    try:
        return os.posix_spawnp(words[0], words, variables, **options)
    except OSError as error:
        if error.errno != 8:  # ENOEXEC: a script without #!, which every shell and execvp(3) give to sh
            raise
        import shutil

        path = shutil.which(words[0]) or words[0]
        return os.posix_spawn("/bin/sh", ["sh", path, *words[1:]], variables, **options)


def run_command(words: list[str], grant: m.Grant, client: Client, *, say: Callable[[str], None]) -> int:
    """Run it to its end, tell the server, and end the same way: the exit code, or no return at all."""
    end = run_to_end(words, grant, client, say=say)
    if end.signal is not None:
        die_by(end.signal)
    assert end.exit_code is not None
    return end.exit_code


def run_to_end(words: list[str], grant: m.Grant, client: Client, *, say: Callable[[str], None]) -> End:
    """Run it to its end, and tell the server; how it ended."""
    return _Running(grant, client, say).run(words)


class _Running:
    def __init__(self, grant: m.Grant, client: Client, say: Callable[[str], None]) -> None:
        self._grant = grant
        self._job = grant.job
        self._say = say
        self._presence = Presence(grant, client, say)
        self._interrupted_by: int | None = None  # Ctrl-C or Ctrl-\\ at the terminal

    def run(self, words: list[str]) -> End:
        taken = [number for number in (*ENDING, *HANDED_ON) if signal.getsignal(number) is not signal.SIG_IGN]
        old_mask = signal.pthread_sigmask(signal.SIG_BLOCK, [*taken, *STOPPING, signal.SIGCHLD])
        signal.signal(
            signal.SIGCHLD, signal.SIG_DFL
        )  # a caller that ignored it would leave us nothing to wait for
        self._bind()
        try:
            pid = spawn(words, environment(self._grant), old_mask)
        except OSError as error:
            code = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
            self._presence.tell(End(code, None), is_gone=True)
            from jobd.cli.main import fail

            return End(fail("Salloc", f"{words[0]}: {error.strerror}", code), None)
        self._presence.began(pid)
        self._say(f"job {self._job.job_id} runs {words[0]} (pid {pid})")
        end = self._watch(pid, [*taken, *STOPPING, signal.SIGCHLD])
        if (
            end.signal == signal.SIGTERM
            and self._interrupted_by is not None
            and self._presence.killed_by is None
        ):
            # Ctrl-C killed another job of the tree first, and the tree's end overtook the command's own. What ended it is Ctrl-C
            # all the same, and a shell must see that, or its loop goes on.
            end = End(None, self._interrupted_by)
        self._presence.over(end, taken, has_children)
        return end

    def _bind(self) -> None:
        cpus = cpus_of(self._grant)
        if cpus:
            try:
                os.sched_setaffinity(0, cpus)
            except OSError as error:
                self._say(f"not bound to processors {cpus}: {error.strerror}")

    # ---- while it runs
    def _watch(self, pid: int, taken: list[int]) -> End:
        """Until the command is over: pass on what is its business, and stop and go on as it does."""
        while True:
            end = self._reap(pid)
            if end is not None:
                return end
            info = signal.sigwaitinfo(taken)
            if info.si_signo == signal.SIGCHLD:
                continue
            if info.si_signo in STOPPING and info.si_code > SI_USER_MAX:
                continue  # Ctrl-Z: the command got it too, and if it stops, so do we
            if info.si_signo in ENDING and info.si_code > SI_USER_MAX:
                # Ctrl-C and Ctrl-\ reached the command too, and it is for it to act. Of a hang-up the kernel tells the leader of
                # the session alone, which may be us.
                if info.si_signo == signal.SIGHUP:
                    _send(pid, signal.SIGHUP)
                else:
                    self._interrupted_by = info.si_signo
                continue
            _send(pid, info.si_signo if info.si_signo not in ENDING else signal.SIGTERM)
            if info.si_signo in ENDING and self._presence.killed_by is None:
                self._presence.killed_by = info.si_signo
                _send(pid, signal.SIGCONT)
                self._presence.tell_killed()

    def _reap(self, pid: int) -> End | None:
        """Look at all children that have changed; the end of the command if it is over."""
        end = None
        while True:
            try:
                reaped, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
            except ChildProcessError:
                return end
            if reaped == 0:
                return end
            if reaped != pid:
                continue  # an orphan that became ours
            if os.WIFSTOPPED(status):
                if stop_as(os.WSTOPSIG(status)):
                    _send(pid, signal.SIGCONT)
            elif os.WIFSIGNALED(status):
                end = End(None, os.WTERMSIG(status))
            else:
                end = End(os.WEXITSTATUS(status), None)


def stop_as(number: int) -> bool:
    """What we run has stopped by that signal (Ctrl-Z): stop as it did, so that the shell sees it. Whether it is to go on with us now."""
    if number in STOPPING:
        # Ctrl-Z reached us too and is pending; sent first and let in then, the two are one.
        os.kill(os.getpid(), number)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
        signal.pthread_sigmask(signal.SIG_BLOCK, [number])
        return True
    if is_in_foreground():
        # A shell's suspend: whoever has the terminal must see that it is free.
        os.kill(os.getpid(), signal.SIGSTOP)
        return True
    return False  # somebody stopped the command alone, and will continue it alone: nobody would continue us


def is_in_foreground() -> bool:
    """Whether our process group has the terminal."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        pass


def _python_ignores() -> list[int]:
    """Signals that Python ignores and its caller did not."""
    return [signal.SIGPIPE, signal.SIGXFSZ]


def die_by(number: int) -> None:
    """End by the same signal, without a core file of our own."""
    sys.stderr.flush()
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
    os.kill(os.getpid(), number)
    os._exit(128 + number)  # a signal that does not end us, which cannot be: as the shells count
