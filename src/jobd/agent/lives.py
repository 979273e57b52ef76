"""The attempts that live: watched, held to their limits, ended, and said to be over and gone.

Idle costs nothing: children tell their end by SIGCHLD, adopted processes by their pidfds, and everything else has its moment in the
deadlines. Only memory that no control group binds is looked at again and again.
"""

import logging
import os
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import zmq

from jobd.agent import control, farewell, grouping
from jobd.agent.attempts import Attempt
from jobd.agent.book import Book, Key
from jobd.agent.cgroup import Groups
from jobd.agent.deadlines import Deadlines, Due, Later
from jobd.agent.ending import Ending
from jobd.agent.looks import Looks, is_of
from jobd.agent.memory import MemoryWatch
from jobd.agent.reaping import Children, is_unreaped, status_of_stranger
from jobd.states import Cause, Scope
from jobd.wire import batch as b

log = logging.getLogger("jobd.agent")

TELL_AFTER_S = 0.02  # that it runs; what ends sooner has just been one message
GROUP_AFTER_S = 0.1  # to take an attempt into a group that needs none for its limits: that may cost 15 ms
WARN_AFTER_S = 1.0  # at least, after the start: before that no program has its handlers ready
STATUS_AGAIN_S = 0.02  # between two tries to learn how an adopted process ended, while nobody has reaped it
STATUS_TRIES_S = 5.0


class Lives:
    """All attempts of this agent, until they are forgotten."""

    def __init__(
        self,
        *,
        say: Callable[[Any], None],
        poller: Any,
        book: Book,
        groups: Groups | None,
        children: Children,
        looks: Looks,
        has_left: Callable[[Attempt], None],
    ) -> None:
        """
        Args:
            say: to the server, if it is there.
            has_left: called when nothing of an attempt lives any more.
        """
        self._say = say
        self._poller = poller
        self._book = book
        self._groups = groups
        self._children = children
        self._looks = looks
        self._processors = len(os.sched_getaffinity(0))
        self._has_left = has_left
        self.attempts: dict[Key, Attempt] = {}
        self._living: set[Key] = set()
        self.idle_since_s = time.monotonic()  # when the last one left
        self._deadlines = Deadlines()
        self._memory = MemoryWatch()
        self._untold = Later(TELL_AFTER_S)
        self._ungrouped = Later(GROUP_AFTER_S)
        self._ending: set[Attempt] = set()
        self._mains: dict[int, Attempt] = {}  # pidfds of adopted main processes
        self._signalled: dict[int, Attempt] = {}  # pidfds of members that were told to end
        self._events: dict[int, Attempt] = {}  # of control groups

    # ---- coming
    def started(self, attempt: Attempt) -> None:
        """A child of ours runs."""
        self._add(attempt)
        self._children.add(attempt.pid, attempt.key, attempt.launch.server_id)
        self._untold.add(attempt)
        if self._groups is not None and attempt.group is None:
            self._ungrouped.add(attempt)
        self._watch(attempt)

    def adopted(self, attempt: Attempt) -> None:
        """The main process of an earlier agent's attempt lives; `attempt.pidfd` is open."""
        assert attempt.pidfd is not None
        self._add(attempt)
        self._children.adopt(attempt.pid, attempt.key, attempt.launch.server_id)
        self._mains[attempt.pidfd] = attempt
        self._poller.register(attempt.pidfd, zmq.POLLIN)
        self._watch(attempt)
        if attempt.cause is not Cause.SELF:  # its ending was under way
            self.end(attempt, 0.0 if attempt.cause is Cause.OUT_OF_MEMORY else attempt.launch.grace_s)

    def remains(self, attempt: Attempt) -> None:
        """Its main process is over, and what it may have left is to be ended. Also for what is no attempt of ours."""
        self._add(attempt)
        attempt.is_main_over = True
        if attempt.launch.is_leaving:
            self._finish(attempt)
        else:
            self._over(attempt)
            self.end(attempt, attempt.launch.grace_s)

    def has_ended(self, attempt: Attempt) -> None:
        """Nothing of it lives, or ever did; where `attempt.left` is set an earlier agent has said so."""
        self._add(attempt)
        if attempt.left is None:
            self._finish(attempt)

    def _add(self, attempt: Attempt) -> None:
        self.attempts[attempt.key] = attempt
        if attempt.left is None:
            self._living.add(attempt.key)

    @property
    def is_any_living(self) -> bool:
        """Whether something may live."""
        return bool(self._living)

    # ---- what the server wants of a living one
    def repeat(self, attempt: Attempt) -> None:
        """Say what is known of it."""
        if attempt.is_silent:
            return
        if attempt.launch.is_prefetched:
            self._say(attempt.began_message())
        if attempt.left is not None:
            self._say(attempt.left)
            return
        if attempt.pid:
            self._tell(attempt)
        if attempt.over is not None:
            self._say(attempt.over)

    def end(self, attempt: Attempt, grace_s: float) -> None:
        """End all its processes. Said twice, the first grace counts, but for one of 0: that is KILL at once."""
        if attempt.ending is not None and grace_s == 0.0:
            attempt.ending.kill_at_once(time.monotonic())
            self._plan_look(attempt)
        if attempt.ending is not None or attempt.left is not None:
            return
        now_s = time.monotonic()
        attempt.ending = Ending(now_s, grace_s, group=attempt.group)
        attempt.is_paused = False
        self._ending.add(attempt)
        self._deadlines.clear(attempt.key, Due.LIMIT, Due.WARNING)
        self._deadlines.set(attempt.key, Due.LOOK, now_s)
        self._follow(attempt)

    def end_for(self, attempt: Attempt, cause: Cause, grace_s: float, text: str = "") -> None:
        """End it on our own authority, and say so."""
        if attempt.left is not None:
            return
        if attempt.ending is None and not attempt.is_main_over:
            attempt.cause, attempt.text = cause, text
            farewell.write(attempt.launch, cause)
            self._over(attempt)
        self.end(attempt, grace_s)

    def signal(self, attempt: Attempt, number: int, scope: Scope, step_id: int | None = None) -> None:
        """Send a signal to its processes, or to those of one step."""
        members = self._looks.members_now(attempt)
        main = (attempt.pid, attempt.start_ticks)
        control.send_signal(members, main=main, number=number, scope=scope, step_id=step_id)

    def change(self, attempt: Attempt, change: b.Change) -> None:
        """Other limits; stand still, or go on."""
        if attempt.ending is None:
            control.change(attempt, change, self._looks)
            self._watch(attempt)

    # ---- what the kernel says
    @property
    def is_any_ending(self) -> bool:
        """Whether what others leave behind is waited for."""
        return bool(self._ending)

    def children_changed(self, which: int = -1) -> None:
        """SIGCHLD, or the end of one: reap."""
        for reaped in self._children.reap(which):
            attempt = self.attempts.get(reaped.key) if reaped.key is not None else None
            if attempt is not None:
                attempt.meter.reaped(reaped.used)
            if not reaped.is_main:
                # It may have been of any that is being ended, and have left others.
                for other in self._ending if attempt is None else {attempt} & self._ending:
                    assert other.ending is not None
                    other.ending.stir(time.monotonic())
                    self._plan_look(other)
            elif attempt is not None:
                self._main_ended(attempt, reaped.status)

    def descriptor_ready(self, descriptor: int) -> bool:
        """A pidfd, or the events of a control group; False if it is none of ours."""
        now_s = time.monotonic()
        if main := self._mains.pop(descriptor, None):
            self._poller.unregister(descriptor)
            self._learn_status(main, now_s + STATUS_TRIES_S)
        elif member_of := self._signalled.pop(descriptor, None):
            self._poller.unregister(descriptor)
            assert member_of.ending is not None
            member_of.ending.forget(descriptor, now_s)
            self._plan_look(member_of)
        elif (attempt := self._events.get(descriptor)) and attempt.ending is not None:
            attempt.ending.hurry(now_s)
            self._plan_look(attempt)
        else:
            return False
        return True

    def _learn_status(self, attempt: Attempt, until_s: float) -> None:
        """How an adopted main process ended: known to its pidfd when its new parent has reaped it."""
        status = status_of_stranger(attempt.pid, attempt.start_ticks, attempt.pidfd)
        now_s = time.monotonic()
        if status is None and is_unreaped(attempt.pid, attempt.start_ticks) and now_s < until_s:
            attempt.status_until_s = until_s
            self._deadlines.set(attempt.key, Due.STATUS, now_s + STATUS_AGAIN_S)
            return
        assert attempt.pidfd is not None
        os.close(attempt.pidfd)
        attempt.pidfd = None
        self._main_ended(attempt, status)

    # ---- ends
    def _main_ended(self, attempt: Attempt, status: int | None) -> None:
        attempt.main_ended(status)
        if attempt.group is not None and attempt.cause is Cause.SELF and attempt.group.was_oom():
            attempt.cause, attempt.text = Cause.OUT_OF_MEMORY, "the kernel ended it for want of memory"
        if attempt.ending is not None:
            if attempt.ending.is_over:
                self._finish(attempt)
            else:
                self._book.over(attempt.over_message())  # how it ended, should we die before the rest has
                attempt.ending.look_at_s = time.monotonic()
                self._plan_look(attempt)
        elif attempt.launch.is_leaving or not self._has_rest(attempt):
            self._finish(attempt)
        else:
            self._over(attempt)
            self.end(attempt, attempt.launch.grace_s)

    def _has_rest(self, attempt: Attempt) -> bool:
        """Whether something may live on whose main process is over."""
        is_populated = attempt.group is not None and attempt.group.is_populated
        # What an adopted one leaves behind are no children of ours: only a look tells.
        return is_populated or attempt.is_adopted or self._children.left_by(attempt.key, self._living)

    def _over(self, attempt: Attempt) -> None:
        attempt.over = attempt.over_message()
        if attempt.is_silent:
            return
        if attempt.pid and not attempt.is_told:
            self._tell(attempt)
        self._book.over(attempt.over)
        self._say(attempt.over)

    def _finish(self, attempt: Attempt) -> None:
        """Nothing of it lives."""
        self._living.discard(attempt.key)
        self.idle_since_s = time.monotonic()
        self._deadlines.clear(attempt.key)
        attempt.meter.saw_memory(self._memory.remove(attempt.key))
        used = attempt.meter.usage()
        self._let_go(attempt)
        attempt.left = attempt.left_message(time.time(), used.cpu_s, used.memory_peak_bytes)
        if attempt.pid:
            self._children.drop(attempt.pid, attempt.key)
        if not attempt.is_silent:
            self._book.left(attempt.left)
            self._say(attempt.left)
        self._has_left(attempt)

    def _let_go(self, attempt: Attempt) -> None:
        if attempt.ending is not None:
            for descriptor in attempt.ending.pidfds:
                del self._signalled[descriptor]
                self._poller.unregister(descriptor)
            attempt.ending.close()
            attempt.ending = None
            self._ending.discard(attempt)
        if attempt.group is not None:
            for descriptor in [one for one, other in self._events.items() if other is attempt]:
                del self._events[descriptor]
                self._poller.unregister(descriptor)
            attempt.group.remove()
            attempt.group = attempt.meter.group = None

    def _look(self, attempt: Attempt, now_s: float) -> None:
        ending = attempt.ending
        assert ending is not None
        before = set(ending.pidfds)
        ending.look(
            lambda: self._looks.members(attempt),
            now_s,
            spared=self._looks.spared(),
            is_hunted=lambda pid: is_of(pid, attempt),
        )
        for descriptor in set(ending.pidfds) - before:
            self._signalled[descriptor] = attempt
            self._poller.register(descriptor, zmq.POLLIN)
        if not ending.is_over:
            self._plan_look(attempt)
        elif attempt.is_main_over:
            self._finish(attempt)  # else its main process is about to be reaped

    def _plan_look(self, attempt: Attempt) -> None:
        ending = attempt.ending
        if ending is not None and not ending.is_over:
            self._deadlines.set(attempt.key, Due.LOOK, ending.look_at_s)

    def _follow(self, attempt: Attempt) -> None:
        if attempt.group is None:
            return
        try:
            descriptor = attempt.group.events_fd
        except OSError:
            return  # it was removed under us: the looks will tell
        self._events[descriptor] = attempt
        self._poller.register(descriptor, zmq.POLLPRI)

    # ---- what is due
    @property
    def next_s(self) -> float | None:
        """When something is due, monotonic; None: nothing."""
        due = (self._deadlines.next_s, self._memory.look_at_s, self._untold.next_s, self._ungrouped.next_s)
        return min((at_s for at_s in due if at_s is not None), default=None)

    def step(self) -> None:
        """Do what is due. One look at the process table serves all attempts that are looked at now."""
        self._looks.new_turn()
        now_s = time.monotonic()
        for attempt in filter(lambda one: not one.is_told, self._untold.take(now_s)):
            self._tell(attempt)
        for attempt in self._ungrouped.take(now_s):
            self._take_into_group(attempt)
        for key, due in self._deadlines.take(now_s):
            attempt = self.attempts[key]
            if due is Due.LOOK:
                self._look(attempt, now_s)
            elif due is Due.STATUS:
                self._learn_status(attempt, attempt.status_until_s)
            elif due is Due.LIMIT:
                self.end_for(attempt, Cause.TIME_LIMIT, attempt.launch.grace_s)
            else:
                self._warn(attempt)
        if self._memory.look_at_s is not None and self._memory.look_at_s <= now_s:
            for over in self._memory.look(now_s):
                text = f"it used {over.used_bytes >> 20} MB of memory, of {over.limit_bytes >> 20} MB"
                self.end_for(self.attempts[over.key], Cause.OUT_OF_MEMORY, 0.0, text)
                self.attempts[over.key].meter.saw_memory(self._memory.remove(over.key))

    def _watch(self, attempt: Attempt) -> None:
        """Hold it to its limits."""
        self._set_deadlines(attempt)
        self._watch_memory(attempt)
        self._note_unenforced(attempt)

    def _set_deadlines(self, attempt: Attempt) -> None:
        limit_at_s = attempt.limit_at_s
        self._deadlines.clear(attempt.key, Due.LIMIT, Due.WARNING)
        if limit_at_s is None:
            return
        self._deadlines.set(attempt.key, Due.LIMIT, limit_at_s)
        launch = attempt.launch
        if launch.warn_signal and not attempt.is_warned:
            warn_at_s = max(limit_at_s - launch.warn_before_s, attempt.began_s + WARN_AFTER_S)
            self._deadlines.set(attempt.key, Due.WARNING, warn_at_s)

    def _warn(self, attempt: Attempt) -> None:
        """The signal of sbatch --signal, to the steps, or with B: to the batch script alone (sbatch(1))."""
        attempt.is_warned = True
        self._book.warned(attempt.key)
        scope = Scope.BATCH if attempt.launch.is_warning_batch_only else Scope.STEPS
        self.signal(attempt, attempt.launch.warn_signal, scope)

    def _watch_memory(self, attempt: Attempt) -> None:
        is_bound = attempt.group is not None and attempt.group.holds_memory
        if attempt.memory_bytes and not is_bound:
            find = partial(self._looks.pids, attempt)
            self._memory.add(attempt.key, attempt.memory_bytes, find, time.monotonic())
        else:
            attempt.meter.saw_memory(self._memory.remove(attempt.key))

    def _take_into_group(self, attempt: Attempt) -> None:
        if attempt.is_main_over or attempt.ending is not None or attempt.group is not None:
            return
        assert self._groups is not None
        grouping.take_in(self._groups, attempt)
        self._note_unenforced(attempt)

    def _note_unenforced(self, attempt: Attempt) -> None:
        if grouping.note_unenforced(attempt, self._processors) and attempt.is_told:
            self._tell(attempt)

    def _tell(self, attempt: Attempt) -> None:
        attempt.is_told = True
        self._say(attempt.launched_message())
