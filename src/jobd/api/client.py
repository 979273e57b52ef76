"""jobd.Client: queue, watch and control jobs from Python. docs/api.md is for its users.

Rules of the room: what a user calls takes and gives plain values; errors are those of jobd.errors; spans are seconds, sizes bytes, times
seconds since the epoch. Waiting sleeps on the server's events, and a restart of the server is lived through.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Unpack

from jobd.api import jobs as words
from jobd.api import options as values
from jobd.api import targets
from jobd.api.connection import Connection
from jobd.api.job import Job, JobLike, job_id_of, job_ids_of
from jobd.api.jobs import End, by_index, end_of
from jobd.api.options import Begin, Dependency, JobOptions, Limit
from jobd.api.output import output_of
from jobd.api.submission import Command, requests_of
from jobd.client import DEADLINE_S
from jobd.errors import UsageError
from jobd.limits import PAGE_ROWS_MAX
from jobd.states import Control, JobState, Scope
from jobd.stream import EventStream
from jobd.waits import ends_of, pages, rows_of, unknown
from jobd.wire import messages as m
from jobd.wire.batch import AskNode, Cancel, JobId, Node, Update
from jobd.wire.batch import Control as ControlRequest
from jobd.wire.rows import JobRow


class Client:
    """The server of this user's runtime folder. A context manager; also good without.

    Threads may share one: requests go one at a time, waits and events have connections of their own. In a forked child it goes on with a
    connection of its own.
    """

    def __init__(self, *, is_starting: bool = True, deadline_s: float = DEADLINE_S) -> None:
        """Nothing is asked yet.

        Args:
            is_starting: a request starts the server if there is none (and the configuration allows it).
            deadline_s: how long a request may take in all, a restart of the server included.
        """
        self.connection = Connection(is_starting=is_starting, deadline_s=deadline_s)

    # ---- queueing
    def submit(
        self,
        command: Command = (),
        *,
        script: "str | bytes | os.PathLike[str] | None" = None,
        is_child: bool = False,
        **options: Unpack[JobOptions],
    ) -> Job:
        """Queue a job; with `array` a job for each index. When this returns it is on disk.

        Args:
            command: a list of words, run as it is; or a line for /bin/sh.
            script: the text of a script (it begins with #!), or the name of its file, which is copied now; `command` has its arguments.
            is_child: a child of the job around us, whose procs are free while it lives. What waits inside a job needs this.

        Raises:
            JobdError: it makes no sense, or the server refused it.
        """
        item: dict[str, Any] = (
            {"command": command} if script is None else {"command": command, "script": script}
        )
        (request,) = requests_of([item], options, is_child=is_child)
        accepted = self.connection.request(request)
        return Job(self, JobId(accepted.job_ids[0]))

    def submit_many(
        self,
        commands: Iterable[Command | Mapping[str, Any]],
        *,
        is_child: bool = False,
        **options: Unpack[JobOptions],
    ) -> list[Job]:
        """Queue many jobs, 50,000 in each request; a request is queued whole or not at all.

        Args:
            commands: each as for `submit`, or {"command": …} with options of its own over those of all.

        Raises:
            JobdError: one makes no sense (then nothing is queued), or the server refused a request (then earlier ones stand).
        """
        found: list[Job] = []
        for request in list(requests_of(commands, options, is_child=is_child)):
            accepted = self.connection.request(request)
            found += [Job(self, JobId(job_id)) for job_id in accepted.job_ids]
        return found

    # ---- looking
    def job(self, job: JobLike) -> Job:
        """The job of a number or of "12_3". Whether it exists is asked when something is wanted of it.

        Raises:
            UsageError: it names no job, or several.
        """
        found = job_id_of(job)
        if len(found.runs) > 1 or any(first != last for first, last, _ in found.runs):
            raise UsageError(f"{words.text_of(found)} is more than one job")
        return Job(self, found)

    def jobs(
        self,
        jobs: Iterable[JobLike] | None = None,
        *,
        states: Iterable[str] = (),
        names: Iterable[str] = (),
        is_finished: bool = False,
        since: float | None = None,
        limit: int | None = None,
    ) -> list[JobRow]:
        """The living jobs: running, suspended, then waiting in the order in which they will start. A waiting array is one row.

        Args:
            jobs: only these, living or finished, elements of arrays included, by number.
            is_finished: the finished ones instead, newest first.
            since: of the finished, those that ended at or after this time.
            limit: at most so many.

        Raises:
            JobdError: a state is none, or there is no server.
        """
        chosen = [JobState(state).value for state in _known_states(states)]
        if jobs is not None:
            rows = rows_of(self.connection.request, [job_id_of(job) for job in jobs])
            named = set(names)
            rows = [
                row
                for row in rows
                if (not chosen or row.state in chosen) and (not named or row.name in named)
            ]
            return rows[:limit]
        request = m.ListJobs(
            states=chosen,
            names=list(names),
            is_finished=is_finished,
            since_s=since,
            rows_max=min(limit or PAGE_ROWS_MAX, PAGE_ROWS_MAX),
        )
        rows = []
        for row in pages(self.connection.request, request):
            if limit is not None and len(rows) >= limit:
                break
            rows.append(row)
        return rows

    def output(self, job: JobLike, *, is_error: bool = False, tail_bytes: int | None = None) -> str:
        """What a job has written so far ("" before it starts); of an array, its elements' one after the other.

        Args:
            is_error: what it wrote as errors, where that is a file of its own.
            tail_bytes: only the last so many bytes of each file.

        Raises:
            NoSuchJob: it is not known.
            Refused: it has no output file, or that is gone.
        """
        rows = sorted(self.rows_of(job_id_of(job)), key=by_index)
        return "".join(output_of(row, is_error=is_error, tail_bytes=tail_bytes) for row in rows)

    def node(self) -> Node:
        """The machine: what there is, and what is in use."""
        found: Node = self.connection.request(AskNode())
        return found

    def status(self) -> m.Status:
        """The server: procs, how many jobs run and wait, the number of the last event."""
        found: m.Status = self.connection.request(m.Ask())
        return found

    def rows_of(self, job: JobId) -> list[JobRow]:
        """The rows of a job, or of the elements of an array.

        Raises:
            NoSuchJob: there are none.
        """
        rows = rows_of(self.connection.request, [job])
        if not rows:
            raise unknown(job)
        return rows

    # ---- waiting
    def wait(self, jobs: JobLike | Iterable[JobLike], timeout_s: float | None = None) -> list[End]:
        """Sleep until all of these are over; their ends in the order of the jobs, of an array those of its elements by index.

        Raises:
            NoSuchJob: one is not known.
            TimeoutError: the time is over.
        """
        wanted = job_ids_of(jobs)
        ends = list(map(end_of, ends_of(self.connection.request, wanted, timeout_s)))
        if len(ends) == 1:
            return ends
        by_number: dict[int, list[End]] = {}
        for end in ends:
            batch = end.row.batch
            key = batch.array_id if batch is not None and batch.array_id is not None else end.job_id
            by_number.setdefault(key, []).append(end)
            if key != end.job_id:
                by_number.setdefault(end.job_id, []).append(end)
        found: dict[int, End] = {}
        for job in wanted:
            of_job = [end for end in by_number.get(job.job_id, []) if words.fits(job, end.row)]
            for end in sorted(of_job, key=lambda end: by_index(end.row)):
                found.setdefault(end.job_id, end)
        return list(found.values())

    def as_completed(
        self, jobs: JobLike | Iterable[JobLike], timeout_s: float | None = None
    ) -> Iterator[End]:
        """Each end as it comes.

        Raises:
            NoSuchJob: one is not known.
            TimeoutError: the time is over.
        """
        return map(end_of, ends_of(self.connection.request, job_ids_of(jobs), timeout_s))

    def events(self, after_seq: int | None = None, *, timeout_s: float | None = None) -> EventStream:
        """All events from now on, or those after a number, without gaps: an iterator, and a context manager.

        What can no longer be told comes as an event of kind "missed".

        Args:
            timeout_s: the iteration ends after so long without events.

        Raises:
            NoServer: there is none now. If it goes later, it is waited for.
        """
        return EventStream(self.status(), after_seq, timeout_s)

    # ---- control
    def cancel(
        self, jobs: JobLike | Iterable[JobLike], *, signal: int | str = 0, scope: str = ""
    ) -> list[int]:
        """End jobs with all their processes (TERM, grace, KILL), or with `signal` send it to running ones.

        Args:
            signal: a number or a name.
            scope: of a signal: "steps", "batch" or "all" (the default).

        Returns:
            The numbers of all that end by it. What was over already is no error.
        """
        number = targets.signal_number(signal)
        where = scope or (Scope.ALL.value if number else "")
        return targets.each_part(
            self.connection,
            job_ids_of(jobs),
            lambda target: Cancel(target, number, where),
            is_over_fine=not number,
        )

    def signal(
        self, jobs: JobLike | Iterable[JobLike], signal: int | str, *, scope: str = "all"
    ) -> list[int]:
        """Send a signal to the processes of running jobs; `cancel` has the words.

        Raises:
            Refused: one does not run.
        """
        if not targets.signal_number(signal):
            raise UsageError("signal 0 is none")
        return self.cancel(jobs, signal=signal, scope=scope)

    def hold(self, jobs: JobLike | Iterable[JobLike]) -> list[int]:
        """Keep waiting jobs from starting."""
        return self._control(jobs, Control.HOLD)

    def release(self, jobs: JobLike | Iterable[JobLike]) -> list[int]:
        """Let held jobs start."""
        return self._control(jobs, Control.RELEASE)

    def requeue(self, jobs: JobLike | Iterable[JobLike], *, is_held: bool = False) -> list[int]:
        """End running jobs and queue them again, with `is_held` held."""
        return self._control(jobs, Control.REQUEUE, is_held=is_held)

    def suspend(self, jobs: JobLike | Iterable[JobLike]) -> list[int]:
        """Stop the processes of running jobs; their procs are free meanwhile."""
        return self._control(jobs, Control.SUSPEND)

    def resume(self, jobs: JobLike | Iterable[JobLike]) -> list[int]:
        """Let suspended jobs go on."""
        return self._control(jobs, Control.RESUME)

    def _control(
        self, jobs: JobLike | Iterable[JobLike], action: Control, *, is_held: bool = False
    ) -> list[int]:
        return targets.each_part(
            self.connection,
            job_ids_of(jobs),
            lambda target: ControlRequest(target, action.value, is_held),
        )

    def update(
        self,
        jobs: JobLike | Iterable[JobLike],
        *,
        name: str | None = None,
        priority: int | None = None,
        nice: int | None = None,
        time: Limit | None = None,
        memory: int | str | None = None,
        nb_proc: int | None = None,
        dependency: Dependency | None = None,
        begin: Begin | None = None,
        requeue: bool | None = None,
        array_limit: int | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> list[int]:
        """Change what jobs ask for; None leaves it. `time="UNLIMITED"`, `memory=0` and `dependency=""` take it away.

        Raises:
            Refused: a job cannot be changed so (any more). The others are.
        """
        given = {key: value for key, value in locals().items() if value is not None and key in _UPDATES}
        values.check(given)
        request = Update(
            targets.NONE,
            name=name,
            priority=priority,
            nice=nice,
            time_limit_s=None if time is None else values.limit_s_of(time) or 0,
            memory_bytes=None if memory is None else values.bytes_of(memory),
            nb_proc=nb_proc,
            dependency=None if dependency is None else values.dependency_of(dependency),
            begin_at=None if begin is None else values.begin_of(begin),
            is_requeueable=requeue,
            array_limit=array_limit,
            labels=[[key, value] for key, value in (labels or {}).items()],
        )
        return targets.each_part(
            self.connection, job_ids_of(jobs), lambda target: request._replace(target=target)
        )

    # ---- the end
    def close(self) -> None:
        """Let go of the connection. A later call makes another."""
        self.connection.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


_UPDATES = frozenset(
    {
        *("name", "priority", "nice", "time", "memory", "nb_proc"),
        *("dependency", "begin", "requeue", "array_limit", "labels"),
    }
)


def _known_states(states: Iterable[str]) -> Sequence[str]:
    found = [states] if isinstance(states, str) else list(states)
    known = {state.value for state in JobState}
    for state in found:
        if state not in known:
            raise UsageError(f"no state {str(state)[:40]!r} ({', '.join(sorted(known))})")
    return found


__all__ = ["Client", "Job", "JobLike"]
