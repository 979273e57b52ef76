"""What the agent may start by itself when an attempt leaves (core/prefetch.py), and how the server takes that back.

The journal knows nothing of it: until the agent says Began the job waits like any other, and a Began that is heard only by the next
server means the same. What would change a waiting job, or what may run, is done only when the agent has said that nothing begins any more
(Recalled): so nobody is told that a job is held, changed or cancelled which is just being started.
"""

from itertools import takewhile
from typing import TYPE_CHECKING, Any

from jobd.core.events import Ended
from jobd.core.job import Finished
from jobd.core.prefetch import next_up
from jobd.daemon.inputs import Request
from jobd.daemon.launch import prefetched_launch_of
from jobd.wire import batch as b

if TYPE_CHECKING:
    from jobd.daemon.loop import Server

SHORT_S = 0.1  # jobs that last longer on average gain too little
AVERAGE_OF = 8  # jobs, about
AHEAD = 32  # jobs for each one that runs: what may end while a message travels
AHEAD_MAX = 128
ANSWER_S = 5.0  # for an agent to answer a Recall; one that is stopped must not hold up everything

# What changes neither a waiting job nor what may run.
_FREE = {
    "submit_batch", "ended", "status", "list_jobs", "list_events", "rerun", "read_script", "clean",
    "step_begin", "step_end", "list_steps", "list_attempts", "ask_node",
}  # fmt: skip


class Prefetched:
    """What the present agent was sent and has not begun, and the requests that wait until it is taken back."""

    def __init__(
        self, *, short_s: float = SHORT_S, average_s: float = 10 * SHORT_S, answer_s: float = ANSWER_S
    ) -> None:
        """
        Args:
            short_s: the average length of jobs up to which it is done.
            average_s: how long jobs are taken to last before any has ended.
            answer_s: for how long a Recall is waited for.
        """
        self.answer_s = answer_s
        self.short_s = short_s
        # (job, attempt), in this tick: the agent need not be told to start them.
        self.began: set[tuple[int, int]] = set()
        self._average_s = average_s
        self._sent: dict[int, int] = {}  # job → attempt, in their order
        self._number = self._answered = 0  # Recalls
        self._is_recalling = False  # all, and the requests wait for the answer
        self._waiting: list[Request] = []
        self._answer_by_s = 0.0
        self._is_able = False  # the agent: it knows these messages, and answers

    # ---- taking back
    def must_wait(self, server: "Server", verb: str, request: Any, item: Request) -> bool:
        """Whether this request waits until the agent has given back what it has; it is kept here."""
        if not self._sent and self._answered == self._number:
            return False
        if verb in _FREE and not getattr(request, "is_child", False):
            return False
        self._waiting.append(item)
        if not self._is_recalling:
            self._is_recalling = True
            self._answer_by_s = server.now.mono_s + self.answer_s
            self._recall(server, [])
        return True

    def recalled(self, number: int) -> None:
        """The agent has answered, and so all that it was sent before has begun or never will."""
        if number == self._number:
            self._is_able = True
        if not self._answered < number <= self._number:
            return
        self._answered = number
        if self._is_recalling and number == self._number:
            self._is_recalling = False
            self._sent.clear()

    def _recall(self, server: "Server", attempts: list[list[int]]) -> None:
        self._number += 1
        server.link.say(b.Recall(attempts, self._number))

    def is_sent(self, job_id: int, attempt: int) -> bool:
        """Whether the present agent was sent that attempt, just as it is to run."""
        return self._sent.get(job_id) == attempt

    def said_hello(self, *, is_of_our_release: bool) -> None:
        """The agent is there (again), and has nothing. One of another release may not know what a Prefetch is."""
        self.lost()
        self._is_able = is_of_our_release

    def lost(self) -> None:
        """The agent is gone, or says nothing: until one is heard it is sent nothing more."""
        self._is_able = self._is_recalling = False
        self._answered = self._number
        self._sent.clear()

    def released(self, server: "Server") -> list[Request]:
        """The requests that waited and need to no more."""
        if self._is_recalling and server.now.mono_s >= self._answer_by_s:
            self.lost()
        if self._is_recalling or not self._waiting:
            return []
        return self.unanswered()

    def unanswered(self) -> list[Request]:
        """Take out the requests that wait."""
        waiting, self._waiting = self._waiting, []
        return waiting

    @property
    def is_any_waiting(self) -> bool:
        """Whether a request waits."""
        return bool(self._waiting)

    @property
    def wake_at_s(self) -> float | None:
        """When to look again, monotonic."""
        if self._is_recalling:
            return self._answer_by_s
        return 0.0 if self._waiting else None

    # ---- sending
    @property
    def _is_short(self) -> bool:
        return self.short_s > 0 and self._average_s <= self.short_s

    def look(self, server: "Server") -> None:
        """After a tick: learn how long jobs last, and see that the agent has just what may begin next."""
        for _, event, job in server.changes.events:
            if type(event) is Ended and job is not None and job.is_batch and isinstance(job.phase, Finished):
                started_at = job.phase.started_at
                if started_at is not None:
                    self._average_s += (job.phase.ended_at - started_at - self._average_s) / AVERAGE_OF
        if not self._sent and (not self._is_short or server.config.journal_sync == "full"):
            return  # who wants to find each start after a power cut does not let one be told after it has begun
        jobs = server.world.jobs
        for job_id, attempt in list(self._sent.items()):
            job = jobs.get(job_id)
            if job is None or not job.is_waiting or job.attempt + 1 != attempt:
                del self._sent[job_id]
        if self._is_recalling or not self._is_able or server.link.agent is None:
            return
        wanted = {}
        if self._is_short and not server.kill_asked and not server.stop_asked:
            count = min(AHEAD_MAX, AHEAD * len(server.world.holding))
            wanted = {job.job_id: job for job in next_up(server.world, count)}
        in_order = self._in_order(list(wanted))
        back = [[job_id, attempt] for job_id, attempt in self._sent.items() if job_id not in in_order]
        if back:
            self._recall(server, back)
            for job_id, _ in back:
                del self._sent[job_id]
        for job_id, job in wanted.items():
            if job_id not in self._sent:
                self._sent[job_id] = job.attempt + 1
                server.link.say_blobs_of(job, server.journal.blob)
                server.link.say(
                    b.Prefetch(prefetched_launch_of(job, server.world, server.config, server.facts))
                )

    def _in_order(self, wanted: list[int]) -> set[int]:
        """What the agent has of these and may keep: it begins them as it got them, so nothing that is sent now may go before."""
        wanted_set = set(wanted)
        kept = [job_id for job_id in self._sent if job_id in wanted_set]
        same = takewhile(lambda pair: pair[0] == pair[1], zip(kept, wanted, strict=False))
        return {job_id for job_id, _ in same}
