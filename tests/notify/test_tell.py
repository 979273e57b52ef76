"""Which notices events make, with a server that answers from a list."""

from typing import Any

import pytest

from jobd.errors import NoServer
from jobd.notify import kinds
from jobd.notify.config import from_table
from jobd.notify.tell import Teller
from jobd.wire import messages as m
from jobd.wire.rows import JobRow
from notify.rows import labels, row

STATUS = m.Status("", 0, "j", 0.0, 2, 2, 0, 0, 0, 0, None, [], 0)


class Server:
    """The finished jobs; none lives."""

    def __init__(self, *rows: JobRow) -> None:
        self.rows = list(rows)
        self.asked: list[Any] = []
        self.goes_after = 10**9

    def ask(self, request: Any) -> Any:
        self.asked.append(request)
        if len(self.asked) > self.goes_after:
            raise NoServer("gone")
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
