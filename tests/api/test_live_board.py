"""The picture of the queue: it follows what happens, costs a page, and survives the server."""

import os
import signal
import threading
from collections.abc import Callable, Iterator

import pytest

import jobd
from jobd.api.board import Board, Picture
from jobd.wire import messages as m
from live.conftest import PATIENCE_S, House


class Seen:
    """Pictures and events as they come."""

    def __init__(self, **options: int) -> None:
        self._changed = threading.Condition()
        self.pictures: list[Picture] = []
        self.events: list[m.Event] = []
        self.board = Board(self._on_picture, on_events=self.events.extend, **options)
        self.board.start()

    def _on_picture(self, picture: Picture) -> None:
        with self._changed:
            self.pictures.append(picture)
            self._changed.notify_all()

    def wait(self, is_so: Callable[[Picture], object]) -> Picture:
        """The newest picture, when it is so."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.pictures and is_so(self.pictures[-1]), PATIENCE_S), (
                self.pictures[-1:]
            )
            return self.pictures[-1]


@pytest.fixture
def seen(client: jobd.Client) -> Iterator[Seen]:
    made = Seen()
    yield made
    made.board.close()


def test_it_shows_what_runs_waits_and_has_ended(client: jobd.Client, seen: Seen) -> None:
    seen.wait(lambda picture: not picture.trouble)
    first = client.submit("sleep 1000", nb_proc=2)
    second = client.submit("exit 3")
    picture = seen.wait(lambda now: [row.state for row in now.rows] == ["RUNNING", "PENDING"])
    assert [row.job_id for row in picture.rows] == [first.id, second.id] and not picture.is_cut
    assert picture.status is not None and picture.status.used == 2
    assert picture.node is not None and picture.node.nb_proc == 2
    client.cancel(first)
    picture = seen.wait(lambda now: not now.rows)
    assert [row.job_id for row in picture.recent] == [second.id, first.id]
    numbers = [one.number for one in seen.pictures]
    assert numbers == sorted(set(numbers))
    kinds = [(one.kind, one.job.job_id) for one in seen.events if one.job is not None]
    assert kinds.index(("submitted", first.id)) < kinds.index(("ended", first.id))


def test_of_a_long_queue_it_has_the_first_rows(client: jobd.Client) -> None:
    client.submit("sleep 1000", nb_proc=2)
    client.submit_many(["true"] * 50)
    short = Seen(rows_max=10)
    picture = short.wait(lambda now: now.status)
    assert len(picture.rows) == 10 and picture.is_cut
    assert picture.status is not None and picture.status.waiting == 50
    short.board.close()
    client.cancel([row.job_id for row in client.jobs()])


def test_it_sees_the_agent_come_back_though_nothing_else_happens(client: jobd.Client, seen: Seen) -> None:
    status = seen.wait(lambda now: now.status and now.status.agent_pid and not now.trouble).status
    assert status is not None and status.agent_pid is not None
    os.kill(status.agent_pid, signal.SIGKILL)
    while True:  # until the picture shows that this one is gone
        number = seen.board.picture.number
        seen.board.look()
        shown = seen.wait(lambda now, number=number: now.number > number).status  # type: ignore[misc]
        if shown is not None and shown.agent_pid != status.agent_pid:
            break
    seen.wait(lambda now: now.status and now.status.agent_pid not in (None, status.agent_pid))


def test_it_says_that_the_server_has_gone_and_goes_on_when_it_is_back(house: House) -> None:
    with house.environment():
        early = Seen()
        early.wait(lambda now: now.trouble == "there is no server")
        house.server(2)
        early.wait(lambda now: not now.trouble)
        with jobd.Client() as client:
            job = client.submit("exit 0", cwd=str(house.work))
            early.wait(lambda now: [row.job_id for row in now.recent] == [job.id])
        os.kill(house.server_pid(), signal.SIGKILL)
        gone = early.wait(lambda now: now.trouble)
        assert [row.job_id for row in gone.recent] == [job.id]
        house.server(2)
        early.wait(lambda now: not now.trouble)
        early.board.look()
        early.wait(lambda now: now.number > gone.number + 1)
        early.board.close()


def test_what_has_ended_does_not_run_in_the_same_picture(client: jobd.Client) -> None:
    """The rows and the last ends are two answers, and what ends between them stands in both."""
    busy = Seen(rows_max=1000, recent_max=1000)
    jobs = [client.submit("true") for _ in range(60)]
    client.wait(jobs)
    busy.wait(lambda now: len(now.recent) == 60 and not now.rows)
    busy.board.close()
    for picture in busy.pictures:
        assert not {row.job_id for row in picture.rows} & {row.job_id for row in picture.recent}


def test_a_server_that_hangs_is_not_said_to_be_away_and_is_not_waited_for(house: House) -> None:
    pid = house.server(2)
    with house.environment():
        seen = Seen()
        seen.wait(lambda now: not now.trouble)
        os.kill(pid, signal.SIGSTOP)
        try:
            seen.board.look()
            seen.wait(lambda now: "has not answered" in now.trouble)
            seen.board.look()
            count = len(seen.pictures)
            seen.board.close(0.1)  # its thread waits for the server; nothing is told any more
        finally:
            os.kill(pid, signal.SIGCONT)
        seen.board.close()
        assert len(seen.pictures) == count
