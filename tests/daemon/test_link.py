"""What the agent is sent and what is published: each once, in order, and only if somebody is there."""

from jobd.daemon.link import FRAMES_MAX, KEYS_KEPT_MAX, Link
from jobd.daemon.subscriptions import Subscriptions
from jobd.wire import codec
from jobd.wire import messages as m
from jobd.wire.batch import Blob
from jobd.wire.verbs import TO_AGENT


class Wire:
    """A Comm of which only one word matters."""

    def __init__(self) -> None:
        self.sent: list[list[object]] = []

    def tell_agent(self, agent: bytes, messages: list[bytes]) -> None:
        self.sent.append([codec.decode_named(TO_AGENT, data) for data in messages])


def made() -> tuple[Link, Wire]:
    wire = Wire()
    link = Link(wire)  # type: ignore[arg-type]
    link.said_hello(b"a", 7)
    return link, wire


def test_what_is_said_in_a_tick_goes_out_as_one_in_its_order() -> None:
    link, wire = made()
    for number in range(3):
        link.say(m.Forget(number))
    link.flush()
    link.flush()
    assert wire.sent == [[m.Forget(0), m.Forget(1), m.Forget(2)]]


def test_very_much_goes_out_in_parts() -> None:
    link, wire = made()
    for number in range(FRAMES_MAX + 1):
        link.say(m.Forget(number))
    link.flush()
    assert [len(part) for part in wire.sent] == [FRAMES_MAX, 1]


def test_without_an_agent_nothing_is_kept() -> None:
    link, wire = made()
    link.is_gone()
    link.say(m.Forget(1))
    link.say_blob("k", lambda key: b"x")
    link.said_hello(b"b", 8)
    link.flush()
    assert wire.sent == [] and link.pid == 8


def test_a_blob_is_read_and_sent_once_a_hello() -> None:
    link, wire = made()
    read: list[str] = []

    def look(key: str) -> bytes | None:
        read.append(key)
        return None if key == "nosuch" else key.encode()

    for key in ("k", "k", "nosuch", ""):
        link.say_blob(key, look)
    link.say_blob("k", look, is_wanted=True)
    link.flush()
    assert wire.sent == [[Blob("k", b"k")] * 2] and read == ["k", "nosuch", "k"]
    link.said_hello(b"a", 7)
    link.say_blob("k", look)
    link.flush()
    assert wire.sent[1:] == [[Blob("k", b"k")]]


def test_only_so_many_blobs_are_remembered_as_sent() -> None:
    link, wire = made()
    for number in range(KEYS_KEPT_MAX + 1):
        link.say_blob(f"k{number}", lambda key: b"x")
    link.flush()
    wire.sent.clear()
    link.say_blob(f"k{KEYS_KEPT_MAX}", lambda key: b"x")
    link.say_blob("k0", lambda key: b"x")
    link.flush()
    assert wire.sent == [[Blob("k0", b"x")]]


def test_a_topic_is_wanted_while_somebody_subscribes_to_a_part_of_it() -> None:
    known = Subscriptions()
    assert not known.wants(b"job.1.started")
    known.add(b"job.1.")
    known.add(b"job.1.")
    assert known.wants(b"job.1.started") and not known.wants(b"job.12.started") and not known.wants(b"job.")
    known.add(b"")
    assert known.wants(b"server.limits")
    known.remove(b"")
    known.remove(b"job.1.")
    known.remove(b"job.1.")
    assert not known.wants(b"job.1.started") and not known.wants(b"server.limits")
