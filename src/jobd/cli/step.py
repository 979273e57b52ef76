"""One step from its first task to its last: tasks placed and started, watched, and ended when somebody wants it or a limit says so.

The same for a step of a job around us and for a job of our own; who is told what is srun.py's affair. Signals are taken one by one with
sigtimedwait, as in command.py, so there is no handler and no race.
"""

import signal
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from jobd import indexes
from jobd.cli import command, dialect
from jobd.cli.main import say
from jobd.cli.presence import SI_USER_MAX, End
from jobd.cli.step_streams import Streams
from jobd.cli.tasks import Place, Tasks, described, worst

GRACE_S = 5.0  # between SIGTERM and SIGKILL, of a step that is ended
LEFTOVERS_S = 2.0  # the same, for what its tasks have left behind
TWICE_S = 1.0  # two Ctrl-C within this time end a step whose tasks have other plans (srun(1))


class Plan(NamedTuple):
    """What a step runs and by which rules it ends."""

    words: list[str]
    program: str  # whose words we say
    host: str
    name: str  # 12.0
    is_quiet: bool = False
    is_killed_on_bad_exit: bool = False
    wait_s: int = 0  # after the first task's end the others are ended; 0: they are waited for
    time_limit_s: int | None = None
    warn_signal: int = 0
    warn_before_s: int = 60
    warned_limit_s: int | None = None  # the limit before which is warned


class Step:
    """The tasks of one step, and what is due."""

    def __init__(
        self,
        plan: Plan,
        tasks: Tasks,
        streams: Streams,
        on_killed: Callable[[int], None] = lambda number: None,
    ) -> None:
        """
        Args:
            on_killed: is told of a signal that somebody sent to end us, once.
        """
        self._plan = plan
        self._tasks = tasks
        self._streams = streams
        self._on_killed = on_killed
        self._is_killed = False
        self._is_ending = False
        self._is_timed_out = False
        self._due: dict[str, float] = {}  # what is to be done when, by name
        self._interrupted_s = -TWICE_S
        self.interrupted_by: int | None = None  # Ctrl-C or Ctrl-\\ at the terminal
        self.taken = [
            n for n in (*command.ENDING, *command.HANDED_ON) if signal.getsignal(n) is not signal.SIG_IGN
        ]
        self._waited: list[int] = [*self.taken, *command.STOPPING, signal.SIGCHLD]

    def run(self, places: list[Place], on_start: Callable[[int], None] = lambda pid: None) -> End:
        """Start all tasks and return when none lives; how the worst of them ended.

        Args:
            on_start: is told the pid of the first that runs.
        """
        old_mask = signal.pthread_sigmask(signal.SIG_BLOCK, self._waited)
        # A caller that ignored it would leave us nothing to wait for.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number, place in enumerate(places):
            error = self._tasks.spawn(number, self._plan.words, place, old_mask)
            if error is not None:
                say(f"{stepd(self._plan.host)}: error: execve(): {self._plan.words[0]}: {error.strerror}")
            elif len(self._tasks.pids) == 1:
                on_start(self._tasks.pids[0])
        self._streams.begin()
        self._begin_deadlines()
        self._hear_ends(list(self._tasks.ends))
        self._watch()
        return worst(self._tasks.ends.values())

    def end_leftovers(self) -> None:
        """End what the tasks have left behind."""
        kill_at_s = time.monotonic() + LEFTOVERS_S
        if self._tasks.has_children():
            self._tasks.signal_all(signal.SIGTERM)
            self._tasks.signal_all(signal.SIGCONT)
        while self._tasks.has_children():
            left_s = kill_at_s - time.monotonic()
            if left_s <= 0:
                self._tasks.signal_all(signal.SIGKILL)
                left_s = 0.02  # what was forked meanwhile is found at the next look
            signal.sigtimedwait([signal.SIGCHLD], left_s)

    # ---- while it runs
    def _watch(self) -> None:
        while True:
            over = self._tasks.reap(self._on_stop)
            self._hear_ends(over)
            if self._tasks.is_over:
                self._hear_late_interrupt()
                return
            info = self._next_signal()
            if info is None:
                self._do_what_is_due()
            elif info.si_signo != signal.SIGCHLD:
                self._act(info)

    def _hear_late_interrupt(self) -> None:
        """A Ctrl-C that ended the last task reached us too, and may not have been taken yet."""
        for number in (signal.SIGINT, signal.SIGQUIT):
            info = signal.sigtimedwait([number], 0) if number in self.taken else None
            if info is not None and info.si_code > SI_USER_MAX:
                self.interrupted_by = number

    def _next_signal(self) -> Any:
        """The next signal; None when something is due."""
        if not self._due:
            return signal.sigwaitinfo(self._waited)
        left_s = min(self._due.values()) - time.monotonic()
        return signal.sigtimedwait(self._waited, max(0.0, left_s))

    def _act(self, info: Any) -> None:
        number = info.si_signo
        is_from_terminal = info.si_code > SI_USER_MAX
        if number in command.STOPPING and is_from_terminal:
            return  # Ctrl-Z: the tasks got it too, and when all have stopped, so do we
        if number == signal.SIGWINCH and self._streams.resize():
            return
        if number in command.ENDING and is_from_terminal:
            if number == signal.SIGHUP:
                # Of a hang-up the kernel tells the leader of the session alone, which may be us.
                self._tasks.signal(number)
            else:
                self._interrupted(number)
            return
        if number not in command.ENDING:
            self._tasks.signal(number)
            return
        if not self._is_killed:
            self._is_killed = True
            self._on_killed(number)
        self.end()

    def _interrupted(self, number: int) -> None:
        """Ctrl-C and Ctrl-\\ reached the tasks too, and it is for them to act; twice within a second is a word to us."""
        now_s = time.monotonic()
        if now_s - self._interrupted_s < TWICE_S:
            self._say(f"forcing termination of step {self._plan.name}")
            self.end()
        self._interrupted_s = now_s
        self.interrupted_by = number

    def _on_stop(self, pid: int, number: int) -> None:
        if self._tasks.are_stopped and command.stop_as(number):
            self._tasks.go_on()

    def end(self) -> None:
        """End it: TERM to all that is of it, KILL after a grace."""
        if self._is_ending:
            return
        self._is_ending = True
        self._tasks.signal_all(signal.SIGTERM)
        self._tasks.go_on()
        self._due["kill"] = time.monotonic() + GRACE_S

    # ---- what is due
    def _begin_deadlines(self) -> None:
        plan, now_s = self._plan, time.monotonic()
        if plan.time_limit_s is not None:
            self._due["limit"] = now_s + plan.time_limit_s
        if plan.warn_signal and plan.warned_limit_s is not None:
            self._due["warn"] = now_s + max(0, plan.warned_limit_s - plan.warn_before_s)

    def _do_what_is_due(self) -> None:
        now_s = time.monotonic()
        for name in [name for name, at_s in self._due.items() if at_s <= now_s]:
            del self._due[name]
            match name:
                case "kill":
                    self._tasks.signal_all(signal.SIGKILL)
                    self._due["kill"] = now_s + 0.2  # what was forked meanwhile
                case "warn":
                    self._tasks.signal(self._plan.warn_signal)
                case "limit":
                    self._complain(
                        f"*** STEP {self._plan.name} ON {self._plan.host} CANCELLED DUE TO TIME LIMIT ***"
                    )
                    self.end()
                case "wait":
                    if dialect.is_slurm:
                        self._say_waited()
                    else:
                        self._complain("Timed out waiting for job step to complete")
                    self.end()

    def _hear_ends(self, over: list[int]) -> None:
        """Some tasks are over: say how the bad ones ended, and begin what their end begins."""
        if not over:
            return
        bad = described(self._tasks.ends, over, self._plan.host)
        for line in bad:
            self._complain(line)
        if dialect.is_slurm and self._tasks.is_over and self._was_killed(over):
            self._say(f"Force Terminated StepId={self._plan.name}")
        if bad and self._plan.is_killed_on_bad_exit and not self._tasks.is_over:
            self._say_terminating()
            self.end()
        if self._plan.wait_s and len(self._tasks.ends) == len(over):
            self._due["wait"] = time.monotonic() + self._plan.wait_s

    def _was_killed(self, over: list[int]) -> bool:
        killing = (signal.SIGKILL, signal.SIGTERM)
        return not self._is_timed_out and any(self._tasks.ends[number].signal in killing for number in over)

    def _say_terminating(self) -> None:
        if not dialect.is_slurm:
            self._say(f"Terminating StepId={self._plan.name}")
            return
        from jobd.cli.slurm_values import local_zone
        from jobd.slurm.times import stamp

        self._say(f"launch/slurm: _step_signal: Terminating StepId={self._plan.name}")
        at = stamp(time.time(), local_zone())
        say(
            f"{stepd(self._plan.host)}: error: *** STEP {self._plan.name} ON {self._plan.host} CANCELLED AT {at} ***"
        )

    def _say_waited(self) -> None:
        """Slurm's lines of a step whose first task has ended long ago."""
        self._say(f"First task exited {self._plan.wait_s}s ago")
        for numbers, state in ((self._tasks.numbers, "running"), (self._tasks.ends, "exited")):
            noun = "task" if len(numbers) == 1 else "tasks"
            self._say(f"StepId={self._plan.name} {noun} {indexes.of(sorted(numbers)).text}: {state}")
        self._say_terminating()
        self._say("Job step aborted: Waiting up to 5 seconds for job step to finish.")
        self._is_timed_out = True

    def _say(self, text: str) -> None:
        if not self._plan.is_quiet:
            say(f"{self._plan.program}: {text}")

    def _complain(self, text: str) -> None:
        say(f"{self._plan.program}: error: {text}")


def stepd(host: str) -> str:
    """Who starts the tasks, by the name that it has in messages."""
    return f"slurmstepd-{host}" if dialect.is_slurm else "slurmstepd"


__all__ = ["Plan", "Step", "stepd"]
