"""The stream of events at the moments at which an event could be lost. Each order of things is made, none is waited for."""

from typing import Any

import pytest
import zmq

import jobd
from jobd import stream as streams
from jobd.client import Events
from jobd.errors import NoSuchJob
from jobd.stream import EventStream
from jobd.wire.topics import job_topic
from live.conftest import PATIENCE_S, House

NOWHERE: Any = {"stdout": "/dev/null"}


class ConnectionFirst:
    """The looks of a stream, the first of which falls between the connection and the answer to the subscription."""

    def __init__(self, events: Events, poller: Any) -> None:
        self._events = events
        self._poller = poller
        self._is_first = True

    def poll(self, timeout_ms: int | None) -> list[tuple[Any, int]]:
        """What is ready."""
        if not self._is_first:
            found: list[tuple[Any, int]] = self._poller.poll(timeout_ms)
            return found
        self._is_first = False
        until_answered(self._events)
        return [(self._events.monitor, zmq.POLLIN)]


def until_answered(events: Events) -> None:
    """Return when both the connection and the answer are there to be read."""
    assert events.monitor.poll(PATIENCE_S * 1000) and events.socket.poll(PATIENCE_S * 1000)


def run_some(client: jobd.Client) -> list[int]:
    """Run a few jobs; the numbers of all events until now."""
    client.wait(client.submit_many([["true"]] * 3, **NOWHERE), PATIENCE_S)
    return list(range(1, client.status().last_seq + 1))


def test_the_turn_of_a_connection_takes_no_event(client: jobd.Client) -> None:
    client.status()
    events = Events(job_topic(10**17))
    try:
        until_answered(events)
        assert events.turn() is True and events.turn() is None
        assert events.socket.poll(0)
    finally:
        events.close()


def test_an_answer_that_comes_right_after_the_connection_is_heard(
    client: jobd.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = run_some(client)
    monkeypatch.setattr(streams, "QUIET_S", 10 * PATIENCE_S)  # it must not need to ask without the answer
    with EventStream(client.status(), 0) as stream:
        stream._poller = ConnectionFirst(stream._events, stream._poller)  # type: ignore[assignment]
        assert [event.seq for event in stream.wait(PATIENCE_S)] == numbers


def test_an_answer_that_is_lost_is_not_waited_for(
    client: jobd.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = run_some(client)
    monkeypatch.setattr(streams, "QUIET_S", 0.0)
    with EventStream(client.status(), 0) as stream:
        until_answered(stream._events)
        stream._events.socket.recv_multipart()
        assert [event.seq for event in stream.wait(PATIENCE_S)] == numbers


def test_an_event_that_is_lost_is_asked_for(client: jobd.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """It shows as a gap before the next."""
    monkeypatch.setattr(streams, "QUIET_S", 0.0)
    client.status()
    with EventStream(client.status(), 0) as stream:
        heard = [event.seq for event in stream.wait(PATIENCE_S)]
        client.wait(client.submit("true", **NOWHERE), PATIENCE_S)
        assert stream._events.socket.poll(PATIENCE_S * 1000)
        stream._events.socket.recv_multipart()
        while heard[-1] < client.status().last_seq:
            heard += [event.seq for event in stream.wait(PATIENCE_S)]
    assert heard == list(range(1, len(heard) + 1))


def test_a_wait_for_what_is_lost_with_the_journal_ends(client: jobd.Client, house: House) -> None:
    done = client.submit("true", **NOWHERE)
    client.wait(done, PATIENCE_S)
    held = client.submit("true", array="0-3", hold=True, **NOWHERE)
    ends = client.as_completed([done, held], PATIENCE_S)
    assert next(ends).job_id == done.id
    house.ok("Sserver", "-1")
    for path in house.root.glob(".local/state/jobd/journal.sqlite*"):
        path.unlink()
    house.ok("Sserver", "2")
    with pytest.raises(NoSuchJob, match=f"no job {held.id}"):
        next(ends)
