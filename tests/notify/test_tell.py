"""Which notices events make, with a server that answers from a list."""

from typing import Any

import pytest

from jobd.errors import JournalError, NoServer
from jobd.notify import kinds
from jobd.notify.config import from_table
from jobd.notify.tell import Teller
from jobd.wire import messages as m
from jobd.wire.batch import AttemptPage, AttemptRow, ListAttempts
from jobd.wire.rows import JobRow
from notify.rows import labels, row

STATUS = m.Status("", 0, "j", 0.0, 2, 2, 0, 0, 0, 0, None, [], 0)


class Server:
    """The finished jobs; none lives."""

    def __init__(self, *rows: JobRow) -> None:
        self.rows = list(rows)
        self.asked: list[Any] = []
        self.goes_after = 10**9
        self.attempts: list[AttemptRow] = []

    def ask(self, request: Any) -> Any:
        self.asked.append(request)
        if len(self.asked) > self.goes_after:
            raise NoServer("gone")
        if isinstance(request, ListAttempts):
            return AttemptPage(self.attempts)
        assert isinstance(request, m.ListJobs)
        return m.JobPage(self.rows if request.is_finished else [], "", STATUS)


def element(index: int, **fields: Any) -> JobRow:
    return row(
        {"array_id": 5, "array_index": index, **labels(mail_type="END,FAIL")}, job_id=6 + index, **fields
    )


def teller_of(server: Server, lines: list[str] | None = None) -> Teller:
    log: list[str] = [] if lines is None else lines
    return Teller(
        from_table({"notify": [], "default": {"on": ["FAIL"], "after": "1m"}}), server.ask, log.append
    )


def ended(*rows: JobRow) -> list[m.Event]:
    return [m.Event(number, 1110.0, "ended", one) for number, one in enumerate(rows, 1)]


def test_a_row_that_no_text_can_be_made_of_ends_none_of_the_others() -> None:
    lines: list[str] = []
    bad = row(labels(mail_type="END"), started_at=float("-inf"))
    good = row(labels(mail_type="END"), job_id=9)
    found = teller_of(Server(), lines).notices_of(ended(bad, good))
    assert [notice.subject.split(",")[0] for notice in found] == ["jobd Job_id=9 Name=x Ended"]
    assert len(lines) == 1 and lines[0].startswith("event 1 cannot be told: OverflowError")


def test_an_array_is_looked_at_once_however_many_of_its_ends_come_late() -> None:
    rows = [element(index, ended_at=1100.0 + index) for index in range(4)]
    server = Server(*rows)
    teller = teller_of(server)
    found = [notice for one in rows for notice in teller.notices_of(ended(one))]
    assert [notice.subject for notice in found] == [
        "jobd Array Summary Job_id=5_* (5) Name=x Ended, COMPLETED, ExitCode [0-0]"
    ]
    assert len(server.asked) == 2


def test_a_server_that_goes_in_between_makes_nothing_forgotten() -> None:
    rows = [element(0), row({"array_id": 50, "array_index": 0, **labels(mail_type="END")}, job_id=51)]
    server = Server(*rows)
    server.goes_after = 3
    teller = teller_of(server)
    with pytest.raises(NoServer):
        teller.notices_of(ended(*rows))
    server.goes_after = 10**9
    assert len(teller.notices_of(ended(*rows))) == 2


def test_the_same_end_has_the_same_key_whichever_way_it_is_learnt() -> None:
    one = row(labels(mail_type="END"))
    teller = teller_of(Server())
    (first,) = teller.notices_of(ended(one))
    found = kinds.wish_of(one, ())
    assert found is not None
    (second,) = teller.of_end(one, found, 5000.0)
    assert first.key == second.key
    (third,) = teller.notices_of(ended(one._replace(ended_at=1111.0)))
    assert third.key != first.key


@pytest.mark.parametrize(
    ("found", "count"),
    [
        (row(state="FAILED", exit_code=1), 1),
        (row(state="FAILED", exit_code=1, ended_at=1060.0), 0),
        (row(state="FAILED", exit_code=1, kind="salloc"), 0),
        (row(), 0),
        (row(labels(mail_type="NONE"), state="FAILED", exit_code=1), 0),
    ],
)
def test_a_rule_is_for_long_jobs_only_where_it_says_so(found: JobRow, count: int) -> None:
    assert len(teller_of(Server()).notices_of(ended(found))) == count


# ---- requeues
def attempt(number: int, at: float, **batch: Any) -> AttemptRow:
    shown = row(
        {"attempt": number, **batch},
        state="FAILED",
        exit_code=number,
        reason=f"exit code {number}",
        ended_at=at,
    )
    return AttemptRow(shown, at, False)


def requeued(of: AttemptRow, **asked: str) -> m.Event:
    """The event at its end: the job waits again."""
    batch = of.job.batch
    assert batch is not None
    waits = row(
        {**batch._asdict(), "requeued_at": of.requeued_at, **labels(**asked)},
        job_id=of.job.job_id, state="PENDING", started_at=None, ended_at=None,
    )  # fmt: skip
    return m.Event(1, of.requeued_at, "requeued", waits)


def test_each_requeue_tells_of_its_own_attempt_however_late_it_is_told() -> None:
    server = Server()
    server.attempts = [attempt(number, 1100.0 + number) for number in (1, 2, 3)]
    found = teller_of(server).notices_of([requeued(one, mail_type="REQUEUE") for one in server.attempts])
    assert [notice.body.split(": ")[1].split("\n")[0] for notice in found] == [
        "exit code 1.",
        "exit code 2.",
        "exit code 3.",
    ]
    assert len({notice.key for notice in found}) == 3


def test_an_array_of_which_all_are_queued_again_is_told_once_for_each_attempt() -> None:
    server = Server()
    teller = teller_of(server)

    def keys(number: int, asked: str) -> set[str]:
        found = set()
        for index in range(5):
            server.attempts = [attempt(number, 1100.0 + index, array_id=5, array_index=index)]
            found |= {
                notice.key for notice in teller.notices_of([requeued(server.attempts[0], mail_type=asked)])
            }
        return found

    assert (len(keys(1, "REQUEUE")), len(keys(1, "REQUEUE") | keys(2, "REQUEUE"))) == (1, 2)
    assert len(keys(1, "REQUEUE,ARRAY_TASKS")) == 5


def test_what_was_missed_has_the_key_that_it_would_have_had() -> None:
    server = Server()
    server.attempts = [attempt(number, 1100.0 + number) for number in (1, 2)]
    teller = teller_of(server)
    heard = teller.notices_of([requeued(one, mail_type="REQUEUE") for one in server.attempts])
    over = requeued(server.attempts[1], mail_type="REQUEUE").job
    assert over is not None
    wish = kinds.wish_of(over, ())
    assert wish is not None
    assert [one.key for one in teller.of_missed(over, wish, 1000.0)] == [one.key for one in heard]
    assert [one.key for one in teller.of_missed(over, wish, 1101.5)] == [heard[1].key]


@pytest.mark.parametrize(
    ("found", "tone"),
    [
        (row(labels(mail_type="END")), "END"),
        (row(labels(mail_type="END"), state="FAILED", exit_code=1), "FAIL"),
        (row(labels(mail_type="END"), state="CANCELLED"), "CANCELLED"),
    ],
)
def test_an_end_is_shown_as_what_it_was(found: JobRow, tone: str) -> None:
    (notice,) = teller_of(Server()).notices_of(ended(found))
    assert notice.kind == tone and " Ended, " in notice.subject


def test_a_history_that_cannot_be_read_now_makes_nothing_forgotten() -> None:
    server = Server(element(0))
    teller = teller_of(server)
    answer = server.ask
    teller._ask = lambda request: (_ for _ in ()).throw(JournalError("the disk is full"))
    with pytest.raises(JournalError):
        teller.notices_of(ended(element(0)))
    teller._ask = answer
    assert len(teller.notices_of(ended(element(0)))) == 1
