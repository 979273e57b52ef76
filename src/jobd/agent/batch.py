"""Batch jobs in the agent's hands: what the server says of them, and how they are started. lives.py has what comes after.

Rules: an attempt is started at most once, and not before the launch book says so. What has ended is said again at each connection until the
server forgets it. What the server says may come doubled or late: then what is known is answered.
"""

import logging
import time
from collections.abc import Callable
from typing import Any

from jobd.agent import farewell, grouping
from jobd.agent.attempts import Attempt, began_message
from jobd.agent.blobs import Blobs, Spool
from jobd.agent.book import Book, Key
from jobd.agent.cgroup import Groups
from jobd.agent.lives import Lives
from jobd.agent.looks import Looks
from jobd.agent.postponed import Postponed, is_passing
from jobd.agent.processes import newest_pid
from jobd.agent.reaping import Children
from jobd.agent.spawn import NotSpawned, Spawner
from jobd.errors import JobdError
from jobd.states import Cause, Scope
from jobd.wire import batch as b
from jobd.wire import messages as m

log = logging.getLogger("jobd.agent")

PREFETCHED_MIN = 6  # with fewer the server is to hear at once that one has begun


class Batches:
    """The batch side of the agent."""

    def __init__(
        self,
        *,
        say: Callable[[Any], None],
        poller: Any,
        book: Book,
        spool: Spool,
        spawner: Spawner,
        groups: Groups | None,
        spared: Callable[[], frozenset[int]],
    ) -> None:
        """
        Args:
            say: to the server, if it is there.
            spared: pids that are never a job's: the agent and the server.
        """
        self._say = say
        self.book = book
        self.spool = spool
        self.groups = groups
        self._spawner = spawner
        self._blobs = Blobs()
        self.children = Children()
        self.looks = Looks(self.children, spared)
        self.lives = Lives(
            say=say,
            poller=poller,
            book=book,
            groups=groups,
            children=self.children,
            looks=self.looks,
            has_left=self._has_left,
        )
        self.attempts = self.lives.attempts
        self.server_id = ""
        self.is_ending_all = False
        self._wanted: set[str] = set()  # blobs that were asked for and have not come
        self._changes: dict[Key, b.Change] = {}  # of parked launches, for when they are started
        self._prefetched: dict[Key, b.Launch] = {}  # in the order in which they begin
        self._vacant: list[Attempt] = []  # have left in this turn
        # Wait for blobs, for the end of one with the same numbers, or until there is room for them.
        self.parked: dict[Key, b.Launch] = {}
        self._postponed = Postponed()  # those of them for which there was no room

    # ---- what the server says
    def hear(self, message: Any) -> None:
        """A message of the server about batch jobs."""
        if isinstance(message, b.Launch):
            self._launch(message)
        elif isinstance(message, b.Prefetch):
            self._prefetch(message.launch)
        elif isinstance(message, b.Recall):
            self._recall(message)
        elif isinstance(message, b.ForgetAttempt):
            self._forget((message.job_id, message.attempt), message.token)
        elif isinstance(message, b.Blob):
            self._hear_blob(message)
        elif isinstance(message, m.Kill):
            self._kill(message)
        elif isinstance(message, b.Change | b.Signal):
            attempt = self.attempts.get((message.job_id, message.attempt))
            if attempt is None or attempt.is_silent or not attempt.is_living:
                self._change_parked(message)
            elif isinstance(message, b.Change):
                self.book.changed(message)
                self.lives.change(attempt, message)
            elif message.scope in _SCOPES:
                self.lives.signal(attempt, message.number, Scope(message.scope), message.step_id)

    def disconnected(self) -> None:
        """The server is away, or about to be: it is for the next one to say what begins."""
        self._prefetched.clear()
        for key in [key for key, launch in self.parked.items() if launch.is_prefetched]:
            self._drop_parked(key)  # our word that it has begun may be lost

    def connected(self) -> None:
        """The server is (again) there: say everything."""
        self._prefetched.clear()
        self._wanted.clear()  # it sends all that it launches, and what was asked for may be lost
        for attempt in self.attempts.values():
            self.lives.repeat(attempt)

    def _hear_blob(self, blob: b.Blob) -> None:
        try:
            self._blobs.put(blob)
        except JobdError as error:
            log.warning("server: %s", error)
            return
        self._wanted.discard(blob.key)
        for key, launch in list(self.parked.items()):
            if key in self.attempts or key in self._postponed:
                continue
            if missing := self._missing(launch):
                self._want(missing)  # one that was here may have made room for this one
            else:
                self._launch(launch)

    def _want(self, keys: list[str]) -> None:
        """Ask for blobs, for each once."""
        new = [key for key in keys if key not in self._wanted]
        if new:
            self._wanted.update(new)
            self._say(b.Want(new))

    # ---- what begins when another leaves
    def _prefetch(self, launch: b.Launch) -> None:
        key = (launch.job_id, launch.attempt)
        if key not in self.attempts and key not in self.parked and key not in self.book.forgotten:
            self._prefetched[key] = launch  # without its blobs it waits for a Launch, which asks for them

    def _recall(self, recall: b.Recall) -> None:
        for job_id, attempt in recall.attempts:
            self._prefetched.pop((job_id, attempt), None)
        if not recall.attempts:
            self._prefetched.clear()
        self._say(b.Recalled(recall.number))

    @property
    def next_s(self) -> float | None:
        """When something is due, monotonic; None: nothing."""
        due = (self.lives.next_s, self._postponed.at_s)
        return min((at_s for at_s in due if at_s is not None), default=None)

    @property
    def is_well_provided(self) -> bool:
        """Whether some more may leave before the server has to say what begins next.

        Or whether the next is about to begin: who hears of the end first would start it too.
        """
        return len(self._prefetched) >= PREFETCHED_MIN or bool(self._vacant and self._prefetched)

    def fill(self) -> None:
        """Start what was prefetched in the places of those that have left in this turn."""
        self._try_again()
        lanes, theirs = self._spawner.lanes, []
        while self._vacant:  # one that cannot be started leaves at once
            vacant, self._vacant = self._vacant, []
            for left in vacant:
                if not self._prefetched or self.is_ending_all:
                    break
                if lanes.is_followed(left.pid):
                    theirs.append(left)  # who follows it is on its way here
                    continue
                key, launch = next(iter(self._prefetched.items()))
                is_alike = launch.nb_proc == left.launch.nb_proc and launch.server_id == left.launch.server_id
                if is_alike and not self._missing(launch):
                    del self._prefetched[key]
                    begun = launch._replace(cpus=left.cpus, started_at=time.time(), is_prefetched=True)
                    self._say(began_message(begun))
                    self._start(begun)
        self._vacant = theirs

    def _launch(self, launch: b.Launch) -> None:
        key = (launch.job_id, launch.attempt)
        self._prefetched.pop(key, None)
        known = self.attempts.get(key)
        if known is not None and known.launch.token == launch.token and not known.is_silent:
            self.lives.repeat(known)
        elif self.is_ending_all:
            pass  # what is new belongs to the next agent, which the server starts when this one has left
        elif self.book.forgotten.get(key) == launch.token:
            log.warning("job %d: its attempt %d is launched again, though its end was committed", *key)
            self._say(Attempt(launch, 0.0).never_started(Cause.LOST, "it has ended before"))
        elif known is not None:
            self.parked[key] = launch
            if known.is_living:
                self.lives.end(known, 0.0)  # of another journal: it is nobody's job
            else:
                self._forget(key, known.launch.token)
        elif missing := self._missing(launch):
            self.parked[key] = launch
            self._want(missing)
        else:
            self._drop_parked(key)
            self._start(launch)
            if key not in self.parked and (change := self._changes.pop(key, None)) is not None:
                self.hear(change)

    def _missing(self, launch: b.Launch) -> list[str]:
        return self._blobs.missing((launch.environment, launch.script))

    def _kill(self, message: m.Kill) -> None:
        key = (message.job_id, message.attempt)
        attempt = self.attempts.get(key)
        self._prefetched.pop(key, None)
        parked = self._drop_parked(key)
        self._changes.pop(key, None)
        if attempt is not None and not attempt.is_silent:
            if attempt.left is not None:
                self._say(attempt.left)
            else:
                if attempt.ending is None and not attempt.is_main_over:
                    farewell.write(attempt.launch, _CAUSES.get(message.cause, Cause.SELF))
                self.lives.end(attempt, message.grace_s)
        elif parked is not None:
            self._say(Attempt(parked, 0.0).never_started(Cause.UNSTARTED, "it was not started"))
        elif self.book.forgotten.get(key, "") == message.token != "":
            pass  # it has left, and that is committed
        elif not self.is_ending_all:
            # It is not in the book, so it was never started. Had the book been lost, its marker would tell.
            self.end_stranger(key, self.server_id, grace_s=message.grace_s, is_silent=False)

    def _change_parked(self, message: b.Change | b.Signal) -> None:
        key = (message.job_id, message.attempt)
        if isinstance(message, b.Change) and key in self.parked:
            self._changes[key] = message

    def _forget(self, key: Key, token: str) -> None:
        attempt = self.attempts.get(key)
        if attempt is None or attempt.is_living or attempt.launch.token not in ("", token):
            return
        del self.attempts[key]
        self.book.forget(key, token)
        self._unpark(key)

    def _unpark(self, key: Key) -> None:
        launch = self.parked.get(key)
        if launch is not None:
            self._launch(launch)

    def _drop_parked(self, key: Key) -> b.Launch | None:
        self._postponed.drop(key)
        return self.parked.pop(key, None)

    # ---- starting
    def _try_again(self) -> None:
        """Start those for which there was no room, until there is none again."""
        for key in self._postponed.take(time.monotonic()):
            launch = self._drop_parked(key)
            if launch is not None:
                self._launch(launch)
            if self._postponed.at_s is not None:
                break

    def _start(self, launch: b.Launch) -> None:
        attempt = Attempt(launch, time.monotonic())
        try:
            self.book.begin(launch, attempt.began_s, newest_pid())
        except OSError as error:
            text = f"launch book: {error.strerror}"
            self._not_started(attempt, NotSpawned(Cause.LAUNCH, None, text, is_passing(error)))
            return
        script = ""
        if launch.script:
            try:
                script = self.spool.take(launch.script, self._blobs)
            except (OSError, JobdError) as error:
                is_later = isinstance(error, OSError) and is_passing(error)
                text = f"its script: {error}"
                self._not_started(attempt, NotSpawned(Cause.LAUNCH, None, text, is_later))
                return
            attempt.has_script = True
        environment = self._blobs.environment(launch.environment)
        with grouping.inside(self.groups, attempt):
            done = self._spawner.spawn(launch, environment, script)
            attempt.pid = 0 if isinstance(done, NotSpawned) else done.pid
        if isinstance(done, NotSpawned):
            self._not_started(attempt, done)
            return
        self._postponed.started(attempt.key)
        attempt.start_ticks = done.start_ticks
        attempt.started_at = time.time()
        attempt.notes = done.unenforced
        self.book.spawned(attempt.key, attempt.pid, attempt.start_ticks, attempt.notes)
        self.lives.started(attempt)

    def _not_started(self, attempt: Attempt, why: NotSpawned) -> None:
        if why.is_passing:
            self._postpone(attempt, why.text)
            return
        attempt.cause, attempt.exit_code, attempt.text, _ = why
        self.lives.has_ended(attempt)

    def _postpone(self, attempt: Attempt, text: str) -> None:
        if attempt.has_script:
            self.spool.give_back(attempt.launch.script)
        self.book.withdraw(attempt.key)
        self.parked[attempt.key] = attempt.launch
        if self._postponed.add(attempt.key, time.monotonic()):
            log.warning("job %d: %s; it is tried again", attempt.launch.job_id, text)

    # ---- ending
    def end_stranger(self, key: Key, server_id: str, *, grace_s: float, is_silent: bool) -> None:
        """End what carries the marker of an attempt that is not known.

        Args:
            is_silent: nobody asked for it, so nothing is said of it.
        """
        attempt = Attempt(_unknown(key, server_id, grace_s), time.monotonic())
        attempt.cause, attempt.is_silent = Cause.UNSTARTED, is_silent
        attempt.text = "the agent does not know of it"
        self.lives.remains(attempt)

    def end_all(self) -> None:
        """The scope of the agent is being stopped: end every attempt properly."""
        self.is_ending_all = True
        for key in list(self.parked):
            self._drop_parked(key)
        self._prefetched.clear()
        for attempt in list(self.attempts.values()):
            if attempt.is_living:
                self.lives.end_for(attempt, Cause.SCOPE, attempt.launch.grace_s)

    def _has_left(self, attempt: Attempt) -> None:
        if self._prefetched and attempt.launch.token and not attempt.is_silent:
            self._vacant.append(attempt)
        self._postponed.hurry(time.monotonic())
        if attempt.has_script:
            self.spool.give_back(attempt.launch.script)
            attempt.has_script = False
        if attempt.is_silent:
            del self.attempts[attempt.key]
            self._unpark(attempt.key)
        elif attempt.key in self.parked:
            self._forget(attempt.key, attempt.launch.token)  # another journal has the number now


_CAUSES = {cause.value: cause for cause in Cause}
_SCOPES = {scope.value for scope in Scope}


def _unknown(key: Key, server_id: str, grace_s: float) -> b.Launch:
    """A launch that says no more than who is meant."""
    job_id, attempt = key
    return b.Launch(
        job_id=job_id,
        attempt=attempt,
        token="",
        server_id=server_id,
        argv=[],
        script="",
        environment="",
        variables=[],
        cwd="",
        umask=0,
        stdin="",
        stdout="",
        stderr="",
        is_appending=False,
        cpus=[],
        all_cpus=[],
        nb_proc=1,
        memory_bytes=0,
        time_limit_s=None,
        warn_signal=0,
        warn_before_s=0,
        is_warning_batch_only=False,
        grace_s=grace_s,
        is_leaving=False,
        started_at=0.0,
    )
