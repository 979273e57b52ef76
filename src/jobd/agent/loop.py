"""The agent's loop: one poll over the server's messages and the pidfds of what it watches. Living processes are never polled.

Sallocs are here; batch jobs are in batch.py and lives.py. It outlives the server. What it has to say it says at once, and again at each connection, until the server says Forget.
On its own authority it ends the processes of a Salloc that vanished: nobody else is left to do that.
"""

import logging
import os
import signal
import time
from typing import Any

import zmq

from jobd import __version__, locks, paths
from jobd.agent import control, recover
from jobd.agent.batch import Batches
from jobd.agent.blobs import Spool
from jobd.agent.book import Book, Key
from jobd.agent.cgroup import Groups
from jobd.agent.kill import KillingOfJob
from jobd.agent.outbox import Outbox
from jobd.agent.processes import Process, boot_id, look_up
from jobd.agent.spawn import Spawner
from jobd.agent.tree import members
from jobd.agent.watch import Client, Watch
from jobd.errors import JobdError
from jobd.states import Scope
from jobd.wire import batch as b
from jobd.wire import codec, notes
from jobd.wire import messages as m
from jobd.wire.verbs import TO_AGENT

log = logging.getLogger("jobd.agent")

GRACE_DEFAULT_S = 5.0  # until a server has told its own
LEAVE_AFTER_S = 1.0  # without a server and with nothing to watch; the next server starts another
LEAVE_UNKNOWN_AFTER_S = 60.0  # … but with something to tell that nobody else knows
PROMPT_S = 0.05  # since the last turn
REST_MAX_MS = 86_400_000  # poll(2) counts in an int, which is 25 days
SALLOC_EXIT_S = 5.0  # for a Salloc to leave after its job's last process


class Agent:
    """The state of the agent. `link` is the DEALER to the server."""

    def __init__(
        self,
        link: Any,
        poller: Any,
        *,
        book: Book,
        spool: Spool,
        spawner: Spawner,
        groups: Groups | None = None,
    ) -> None:
        """Take over what the book knows of."""
        self._poller = poller
        self._watches: dict[int, Watch] = {}
        self._clients: dict[tuple[int, int], Client] = {}
        self._by_pidfd: dict[int, Client] = {}
        self._killed: dict[int, Watch] = {}  # those whose killing is under way or done
        self._members_pidfds: dict[int, Watch] = {}
        self._server_id = ""
        self._is_leaving = False
        self._grace_s = GRACE_DEFAULT_S
        self._outbox = Outbox(link)
        self._turn_s = 0.0
        self._orphans_at_s: float | None = None
        self._suspects: set[Key] = set()
        self._has_looked_for_orphans = False
        self.is_connected = False
        self.was_told_bye = False
        self.is_ending_all = False
        self._idle_since_s = time.monotonic()
        self.batches = Batches(
            say=self._say,
            poller=poller,
            book=book,
            spool=spool,
            spawner=spawner,
            groups=groups,
            spared=self._spared,
        )
        recover.recover(self.batches)

    # ---- what the server says
    def connected(self) -> None:
        """The connection stands: say who we are, and all that was not heard."""
        self.is_connected, self.was_told_bye = True, False
        own = look_up(os.getpid())
        assert own is not None
        self._outbox.clear()
        self._say(m.Hello(own.pid, own.start_ticks, boot_id(), __version__))
        for watch in self._watches.values():
            if watch.gone is not None:
                self._say(watch.gone)
        self.batches.connected()

    def disconnected(self) -> None:
        """The server is away."""
        self.is_connected = False
        self._idle_since_s = time.monotonic()
        self.batches.disconnected()

    def hear(self, data: bytes) -> None:
        """A message of the server."""
        try:
            message = codec.decode_named(TO_AGENT, data)
        except JobdError as error:
            log.warning("server: %s", error)
            return
        if isinstance(message, m.Watch):
            self._server_id, self._is_leaving = message.server_id, message.is_leaving
            self.batches.server_id = message.server_id
            if not self._has_looked_for_orphans:
                self._has_looked_for_orphans = True
                self._orphans_at_s = time.monotonic() + recover.ORPHANS_AFTER_S
            if self.is_ending_all:
                return  # what is new belongs to the next agent, which the server starts when this one has left
            for watched in message.jobs:
                self._watch(watched)
        elif isinstance(message, m.Kill) and not message.attempt:
            self._grace_s = message.grace_s
            watch = self._watches.get(message.job_id)
            if watch is not None and watch.gone is None:
                self._kill(watch)
        elif isinstance(message, m.Forget):
            self._forget(message.job_id)
        elif isinstance(message, m.Bye):
            self.was_told_bye = True
            self.batches.disconnected()
        elif isinstance(message, b.Signal) and not message.attempt:
            self._signal(message)
        elif isinstance(message, b.Prefetch) and not self.is_connected:
            pass  # of a server that is gone, and which nobody takes back
        else:
            self.batches.hear(message)

    def _signal(self, message: b.Signal) -> None:
        """To the processes of a Salloc's job; it has no batch script, so all of it is steps."""
        watch = self._watches.get(message.job_id)
        if watch is None or watch.gone is not None:
            return
        self.batches.looks.new_turn()
        roots = watch.roots()
        for process in self._members(watch):
            if message.scope == Scope.BATCH and (process.pid, process.start_ticks) not in roots:
                continue
            if message.step_id is None or control.is_of_step(process.pid, message.step_id):
                control.send_to(process, message.number)

    def _watch(self, watched: m.Watched) -> None:
        known = self._watches.get(watched.job_id)
        if known is not None:
            if known.token == watched.token:
                if known.gone is not None:
                    self._say(known.gone)
                return
            self._drop(known)  # the same number in another journal
        identity = (watched.pid, watched.start_ticks)
        client = self._clients.get(identity)
        if client is None:
            client = self._clients[identity] = Client(*identity)
            if client.pidfd is not None:
                self._by_pidfd[client.pidfd] = client
                self._poller.register(client.pidfd, zmq.POLLIN)
        watch = self._watches[watched.job_id] = Watch(watched, client)
        client.jobs.add(watch.job_id)
        if client.is_gone:
            self._client_gone(watch)

    def _forget(self, job_id: int) -> None:
        watch = self._watches.get(job_id)
        if watch is not None:
            self._drop(watch)
        notes.remove(paths.notes_dir(), job_id)

    def _drop(self, watch: Watch) -> None:
        client = watch.client
        client.jobs.discard(watch.job_id)
        if not client.jobs:
            if client.pidfd is not None:
                del self._by_pidfd[client.pidfd]
                self._poller.unregister(client.pidfd)
                client.let_go()
            del self._clients[client.pid, client.start_ticks]
        if watch.killing is not None:
            for pidfd in watch.killing.pidfds:
                del self._members_pidfds[pidfd]
                self._poller.unregister(pidfd)
            watch.killing.close()
        self._killed.pop(watch.job_id, None)
        del self._watches[watch.job_id]
        self._idle_since_s = time.monotonic()

    # ---- what the kernel says
    def children_changed(self) -> None:
        """SIGCHLD, or another signal: reap what has ended."""
        self.batches.lives.children_changed()
        self._fill_early()

    def child_ended(self, pid: int) -> bool:
        """The same for one that a lane has followed, which is here; False: it is for the loop to say what is next."""
        self.batches.looks.new_turn()
        self.batches.lives.children_changed(pid)
        return self._fill_early()

    def is_wanted(self, until_s: float) -> bool:
        """Whether the loop has something to do before that time, after the turn of a lane."""
        due = (self._outbox_s, self.batches.next_s)
        return self.batches.lives.is_any_ending or any(at_s is not None and at_s < until_s for at_s in due)

    def _fill_early(self) -> bool:
        """Before the server is heard, whose words are for later ones: unless we stood still, and it may have taken them back."""
        is_prompt = time.monotonic() - self._turn_s < PROMPT_S
        if is_prompt:
            self.batches.fill()
        return is_prompt

    def pidfd_ready(self, pidfd: int) -> None:
        """A followed process has ended, or a control group has changed."""
        if self.batches.lives.descriptor_ready(pidfd):
            return
        client = self._by_pidfd.pop(pidfd, None)
        if client is not None:
            self._poller.unregister(pidfd)
            client.let_go()
            for job_id in sorted(client.jobs):
                self._client_gone(self._watches[job_id])
            return
        watch = self._members_pidfds.pop(pidfd, None)
        if watch is not None and watch.killing is not None:
            self._poller.unregister(pidfd)
            watch.killing.forget(pidfd, time.monotonic())

    def _client_gone(self, watch: Watch) -> None:
        is_known = watch.outcome().is_known
        if is_known and self._is_leaving and watch.killing is None:
            watch.gone = m.Gone(watch.job_id, *watch.outcome(), watch.token)
            self._say(watch.gone)
            return
        if not is_known:
            self._say(m.Lost(watch.job_id, watch.client.signal, watch.token))
        # What it may have left behind is ended in any case; most often the first two looks find nothing. Looks from before its end
        # do not count: it may have started its command after them.
        if watch.killing is not None and watch.killing.is_over:
            watch.killing = None
        self._kill(watch)

    # ---- killing
    def _kill(self, watch: Watch) -> None:
        if watch.killing is None:
            watch.killing = KillingOfJob(time.monotonic(), self._grace_s)
            self._killed[watch.job_id] = watch
            if watch.is_alone and watch.note() is None:
                # It has not started its command yet, or is about to: told now, it will not, or end it at once.
                _send(watch.client.pidfd, signal.SIGTERM)

    def end_all(self) -> None:
        """SIGTERM: end every job properly, and leave."""
        if not self.is_ending_all:
            self.is_ending_all = True
            self._say(m.ScopeEnding())
            for watch in self._watches.values():
                if watch.gone is None:
                    self._kill(watch)
            self.batches.end_all()

    def step(self) -> None:
        """Do what is due. One look at the process table serves all jobs that are being killed."""
        self.batches.lives.step()
        self.batches.fill()
        self._turn_s = time.monotonic()
        now_s = time.monotonic()
        for watch in list(self._killed.values()):
            killing = watch.killing
            assert killing is not None
            if not killing.is_over and now_s >= killing.look_at_s:
                before = set(killing.pidfds)
                client = watch.client
                killing.look(
                    lambda watch=watch: self._members(watch),  # type: ignore[misc]
                    now_s,
                    subreaper=client.pid if watch.is_alone and not client.is_gone else None,
                )
                for pidfd in set(killing.pidfds) - before:
                    self._members_pidfds[pidfd] = watch
                    self._poller.register(pidfd, zmq.POLLIN)
            if killing.is_over and watch.gone is None:
                self._after_killing(watch, now_s)
        if self._orphans_at_s is not None and now_s >= self._orphans_at_s:
            watched = set(self._watches)
            self._suspects = recover.find_orphans(
                self.batches, watched, self._suspects, is_leaving=self._is_leaving
            )
            self._orphans_at_s = now_s + recover.ORPHANS_AFTER_S if self._suspects else None

    def _after_killing(self, watch: Watch, now_s: float) -> None:
        client = watch.client
        if client.is_gone:
            watch.gone = m.Gone(watch.job_id, *watch.outcome(), watch.token)
            self._idle_since_s = now_s
            self._say(watch.gone)
        elif not watch.is_alone:
            pass  # a program with several jobs tells the end of each itself
        elif watch.note() is None:
            # It has no command, or is just about to start one, and TERM did not end it: stopped, or deaf. What it may have started
            # by now is looked for when it is gone.
            _send(client.pidfd, signal.SIGKILL)
            watch.client_end_at_s = now_s + SALLOC_EXIT_S
        elif watch.client_end_at_s is None:
            watch.client_end_at_s = now_s + SALLOC_EXIT_S
            _send(client.pidfd, signal.SIGCONT)
        elif now_s >= watch.client_end_at_s:
            log.warning("job %d: its Salloc (pid %d) outlived it and is killed", watch.job_id, client.pid)
            _send(client.pidfd, signal.SIGKILL)
            watch.client_end_at_s = now_s + SALLOC_EXIT_S

    def _members(self, watch: Watch) -> list[Process]:
        client = watch.client
        return members(
            self.batches.looks.table(self._server_id),
            job_id=watch.job_id,
            roots=watch.roots(),
            salloc=(client.pid, client.start_ticks) if watch.is_alone else None,
            spared=self._spared(),
        )

    def _spared(self) -> frozenset[int]:
        spared = {os.getpid()}
        try:
            spared.add(locks.holder(paths.server_lock()) or 0)
        except OSError:
            pass
        return frozenset(spared)

    # ---- when to wake, when to leave
    def timeout_ms(self) -> float | None:
        """How long the poll may sleep; None for as long as nothing happens."""
        due: list[float] = []
        for watch in self._killed.values():
            assert watch.killing is not None
            if not watch.killing.is_over:
                due.append(watch.killing.look_at_s)
            elif watch.client_end_at_s is not None and watch.gone is None:
                due.append(watch.client_end_at_s)
        others = (self._leave_at_s(), self._orphans_at_s, self.batches.next_s, self._outbox_s)
        due += [at_s for at_s in others if at_s is not None]
        return None if not due else max(0.0, min((min(due) - time.monotonic()) * 1000 + 1, REST_MAX_MS))

    @property
    def may_leave(self) -> bool:
        """Whether nobody needs this agent any more."""
        if self.is_ending_all:
            is_anything_left = any(watch.gone is None for watch in self._watches.values())
            return not is_anything_left and not self.batches.lives.is_any_living
        leave_at_s = self._leave_at_s()
        return leave_at_s is not None and time.monotonic() >= leave_at_s

    def _leave_at_s(self) -> float | None:
        """When to leave if nothing happens; None for never: a server is there, or something lives that is to be watched.

        With a note, or in the launch book, an end is safe on disk, so that the next agent can tell it; one that only we know is kept
        for a while.
        """
        if (self.is_connected and not self.was_told_bye) or self.batches.lives.is_any_living:
            return None
        is_known = True
        for watch in self._watches.values():
            if watch.gone is None:
                return None
            is_known = is_known and watch.gone.is_known
        if is_known and self.was_told_bye:
            return 0.0
        idle_since_s = max(self._idle_since_s, self.batches.lives.idle_since_s)
        return idle_since_s + (LEAVE_AFTER_S if is_known else LEAVE_UNKNOWN_AFTER_S)

    # ---- small things
    def _say(self, message: Any) -> None:
        if self.is_connected:
            self._outbox.add(message)

    @property
    def _outbox_s(self) -> float | None:
        return self._outbox.due_s(is_patient=self.batches.is_well_provided)

    def flush(self) -> None:
        """Send what was said."""
        self._outbox.flush(is_patient=self.batches.is_well_provided)


def _send(pidfd: int | None, number: int) -> None:
    if pidfd is None:
        return
    try:
        signal.pidfd_send_signal(pidfd, number)
    except (ProcessLookupError, PermissionError):
        pass
