"""A server with a fake Comm, asked tick by tick, and short words for what clients and the agent say to it."""

from typing import Any

from core.worlds import at, check
from jobd.daemon.inputs import AgentSaid, Facts, Request, Subscribed
from jobd.daemon.loop import Server
from jobd.daemon.peers import Peer
from jobd.daemon.recover import recovered
from jobd.errors import JobdError
from jobd.journal.journal import Journal
from jobd.settings import from_table
from jobd.wire import batch as b
from jobd.wire import codec
from jobd.wire import messages as m
from jobd.wire.blobs import blob_of, pack_environment
from jobd.wire.verbs import FROM_AGENT, TO_AGENT, VERB_OF

UID = 1000


class Ear:
    """A Comm that remembers."""

    def __init__(self) -> None:
        self.replies: list[tuple[Any, bytes]] = []
        self.told: list[Any] = []
        self.published: list[tuple[bytes, m.Event]] = []

    def reply(self, reply_to: Any, data: bytes) -> None:
        self.replies.append((reply_to, data))

    def tell_agent(self, agent: bytes, messages: list[bytes]) -> None:
        self.told += [codec.decode_named(TO_AGENT, data) for data in messages]

    def publish(self, topic: bytes, data: bytes) -> None:
        self.published.append((topic, codec.build(m.Event, codec.unpack(data))))

    def agent_said_hello(self, hello: m.Hello) -> None:
        pass


class House:
    """A server with its ear, and short words for its ticks."""

    def __init__(self, path: str, **config: Any) -> None:
        self.path, self.config, self.ear, self.seconds = path, config, Ear(), 0.0
        self.is_checked = (
            True  # each tick; off where a world is so large that the check is what takes the time
        )
        self.start()

    def start(self) -> None:
        self.journal = Journal(self.path, synchronous="OFF")
        self.server = Server(
            world=recovered(self.journal, (0, 1), at(self.seconds)),
            journal=self.journal,
            config=from_table(self.config),
            facts=Facts("0", 1, UID, "me", "here", "boot", 0.0),
            comm=self.ear,
            lookup=lambda pid: (1 if pid < 100 else pid // 100, 5),
        )

    @property
    def world(self):
        return self.server.world

    def tick(self, *requests: Any, pid: int = 50, uid: int = UID) -> list[Any]:
        """All in one tick; the answers, an error as such."""
        self.ear.replies.clear()
        items = [
            item
            if isinstance(item, AgentSaid | Subscribed)
            else Request(number, Peer(uid, pid), codec.encode_request(item))
            for number, item in enumerate(requests)
        ]
        self.server.tick(items, at(self.seconds))
        if self.is_checked:
            check(self.world)
        answers = []
        for number, data in self.ear.replies:
            try:
                answers.append(codec.decode_reply(VERB_OF[type(requests[number])], data))
            except JobdError as error:
                answers.append(error)
        return answers

    def submit(self, token: str = "a", nb_proc: int = 1, *, pid: int = 50, **more: Any) -> m.JobRow:
        (grant,) = self.tick(submission(token, nb_proc, **more), pid=pid)
        return grant.job


def submission(token: str = "a", nb_proc: int = 1, **more: Any) -> m.Submit:
    return m.Submit(token, nb_proc, ["sleep", "1"], "sleep", "/", **more)


def agent(message: Any) -> AgentSaid:
    return AgentSaid(b"local", codec.encode_named(FROM_AGENT, message))


HELLO = agent(m.Hello(9, 9, "boot", "0"))

# ---- batch jobs
ENVIRONMENT = blob_of(pack_environment({b"PATH": b"/bin", b"HOME": b"/home/me"}))
SCRIPT = blob_of(b"#!/bin/sh\necho hello\n")


def batch_spec(nb_proc: int = 1, **more: Any) -> b.BatchSpec:
    """What is asked for, with a script unless it says otherwise."""
    asked: dict[str, Any] = {
        "name": "work",
        "cwd": "/home/me",
        "environment": ENVIRONMENT.key,
        "script": SCRIPT.key,
    }
    return b.BatchSpec(nb_proc, **{**asked, **more})


def batch(token: str = "a", count: int = 1, nb_proc: int = 1, **more: Any) -> b.SubmitBatch:
    """A submission of so many jobs that ask for the same."""
    items = [b.BatchItem(["work.sh", str(number)]) for number in range(count)]
    return b.SubmitBatch(token, [batch_spec(nb_proc, **more)], items, [ENVIRONMENT, SCRIPT])


def target(*job_ids: int | str, **more: Any) -> b.Target:
    """12, "12_3", "12_[1-4]"."""
    jobs = []
    for word in job_ids:
        number, _, rest = str(word).partition("_")
        runs = []
        for part in rest.strip("[]").split(",") if rest else []:
            first, _, last = part.partition("-")
            runs.append([int(first), int(last or first), 1])
        jobs.append(b.JobId(int(number), runs))
    return b.Target(jobs, **more)


def batch_id_range(house: House, token: str = "a", count: int = 1, **more: Any) -> list[int]:
    """Queue them; their numbers."""
    (accepted,) = house.tick(batch(token, count, **more))
    return list(accepted.job_ids)


def left(
    house: House, job_id: int, code: int | None = 0, signal: int | None = None, **more: Any
) -> AgentSaid:
    """What the agent says when the present attempt of a living job is over."""
    job = house.world.jobs[job_id]
    return agent(left_of(job.job_id, job.attempt, job.spec.token, code, signal, **more))


def left_of(
    job_id: int, attempt: int, token: str, code: int | None = 0, signal: int | None = None, **more: Any
) -> b.Left:
    """The same for any attempt."""
    told = {"cause": "self", "ended_at": at(1000.0).wall_s, "cpu_s": 0.5, "memory_peak_bytes": 4096}
    return b.Left(job_id, attempt, token, code, signal, **{**told, **more})


def said(house: House, kind: type) -> list[Any]:
    """What the agent was told of this kind, and not asked for yet."""
    found = [message for message in house.ear.told if type(message) is kind]
    house.ear.told[:] = [message for message in house.ear.told if type(message) is not kind]
    return found


def rows(house: House, **more: Any) -> dict[int, m.JobRow]:
    """All jobs of a page, by number."""
    (page,) = house.tick(m.ListJobs(**more))
    return {row.job_id: row for row in page.rows}


def over(house: House, job_id: int) -> m.JobRow:
    """The row of a finished job."""
    return rows(house, job_ids=[job_id], is_finished=True)[job_id]
