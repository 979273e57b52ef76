"""Whatever bytes arrive on a socket, the server answers with an error or drops them, and goes on."""

import os
import random
import socket
from typing import Any

import msgpack
import zmq

from jobd.wire import codec
from jobd.wire import messages as m

SOCKETS = ("control.sock", "events.sock", "agents.sock")


def works(house: Any) -> None:
    """The server is there, knows its job, and runs another."""
    assert house.ok("Salloc", "echo", "in") == "in\n"
    assert "Traceback" not in (house.root / ".local/state/jobd/jobd.log").read_text()


def test_raw_bytes_on_every_socket_are_dropped(house: Any) -> None:
    house.server(2)
    pid = house.server_pid()
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    rng = random.Random(seed)
    greeting = bytes.fromhex("ff00000000000000017f03014e554c4c") + bytes(48)
    kept = []
    for name in SOCKETS:
        for round_ in range(60):
            raw = socket.socket(socket.AF_UNIX)
            raw.connect(str(house.runtime / "jobd" / name))
            data = rng.randbytes(rng.choice([0, 1, 10, 64, 100, 5000]))
            try:
                raw.sendall(data if round_ % 2 else greeting + data)
            except OSError:
                pass  # the server has had enough of it
            if round_ % 5:
                raw.close()
            else:
                kept.append(raw)  # a connection that just stays, half open
    works(house)
    for raw in kept:
        raw.close()
    assert house.server_pid() == pid


def test_odd_messages_get_an_error_or_nothing_and_no_harm(house: Any) -> None:
    house.server(2)
    pid = house.server_pid()
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    rng = random.Random(seed)
    context = zmq.Context()
    control = context.socket(zmq.DEALER)
    control.linger = 0
    control.connect(f"ipc://{house.runtime}/jobd/control.sock")
    # No submission among them: one that is still good would make this very process the Salloc of a job, to be ended with it.
    good = [
        codec.encode_request(request)
        for request in (m.Ask(), m.ListJobs(), m.ListEvents(0), m.Delete([1]), m.Ended(1, "t", 0, None, True))
    ]
    odd = [
        b"",
        b"\xc1",
        b"\x93\x01\xa6status\x90",
        msgpack.packb([1, "nope", []]),
        msgpack.packb([99, "status", []]),
    ]
    odd += [
        msgpack.packb([1, verb, [[]] * 12]) for verb in ("submit", "ended", "delete", "list_jobs", "stop")
    ]
    odd += [b"\x91" * 5000, b"\xdd\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\xdf\x7f\xff\xff\xff"]
    for _ in range(300):
        data = bytearray(rng.choice(good))
        for _ in range(rng.randrange(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        if b"stop" not in data:
            odd.append(bytes(data))
    for data in odd:
        control.send_multipart([b"", data])
        assert control.poll(60_000), data
        _, reply = control.recv_multipart()
        assert codec.unpack(reply)[1] in ("ok", "error")
    # Frames that no REQ sends cannot be answered, and are dropped.
    for frames in ([b"x"], [b"", b"a", b"b"], [b"x", b"y"], [b""] * 20):
        control.send_multipart(frames)
    control.send_multipart([b"", codec.encode_request(m.Ask())])
    assert codec.unpack(control.recv_multipart()[1])[1] == "ok"
    agents = context.socket(zmq.DEALER)
    agents.linger = 0
    agents.setsockopt(zmq.ROUTING_ID, b"someone")
    agents.connect(f"ipc://{house.runtime}/jobd/agents.sock")
    for data in odd:
        agents.send(data)
        agents.send_multipart([b"", data])
    events = context.socket(zmq.SUB)
    events.linger = 0
    events.connect(f"ipc://{house.runtime}/jobd/events.sock")
    for topic in (b"", b"job.", b"job.x.", b"job.99999999999999999999.", b"job.1.", os.urandom(100)):
        events.subscribe(topic)
    xsub = context.socket(zmq.XSUB)
    xsub.linger = 0
    xsub.connect(f"ipc://{house.runtime}/jobd/events.sock")
    for _ in range(100):
        xsub.send(rng.randbytes(rng.randrange(1, 500)))
    works(house)
    context.destroy(linger=0)
    assert house.server_pid() == pid


def test_a_message_that_is_too_long_is_dropped(house: Any) -> None:
    house.server(2)
    context = zmq.Context()
    control = context.socket(zmq.DEALER)
    control.linger = 0
    control.connect(f"ipc://{house.runtime}/jobd/control.sock")
    control.send_multipart([b"", bytes(8 << 20)])
    works(house)
    context.destroy(linger=0)


def test_a_client_that_never_reads_its_answers_holds_up_nobody(house: Any) -> None:
    house.server(2)
    context = zmq.Context()
    control = context.socket(zmq.DEALER)
    control.linger = 0
    control.rcvhwm = 1
    control.connect(f"ipc://{house.runtime}/jobd/control.sock")
    for _ in range(500):
        control.send_multipart([b"", codec.encode_request(m.ListEvents(0, 1000))])
    works(house)
    context.destroy(linger=0)


def test_the_sockets_are_ours_alone(house: Any) -> None:
    house.server(2)
    for name in SOCKETS:
        assert (house.runtime / "jobd" / name).stat().st_mode & 0o777 == 0o600
    assert (house.runtime / "jobd").stat().st_mode & 0o777 == 0o700
    assert (house.root / ".local/state/jobd").stat().st_mode & 0o777 == 0o700
    assert (house.root / ".local/state/jobd/journal.sqlite").stat().st_mode & 0o777 == 0o600
