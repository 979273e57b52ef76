"""What goes away and comes back: the server under an open page, the page itself, its address; and that nothing wakes meanwhile."""

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import jobd
from live.conftest import PATIENCE_S, House

from .webs import Visitor, listening, visiting


@pytest.fixture
def visitor(house: House) -> Iterator[Visitor]:
    """A page that began before there was a server."""
    with house.environment():
        os.environ["HOUSE"] = house.mark
        with visiting(house, "--allow", "all") as made:
            yield made


def submitted(house: House, command: str, **options: object) -> jobd.Job:
    return jobd.Client().submit(command, cwd=str(house.work), **options)  # type: ignore[arg-type]


def test_the_page_waits_for_the_first_server(visitor: Visitor, house: House) -> None:
    assert "there is no server" in visitor.page("/")
    assert visitor.http.get("/job/1").status_code == 503 and visitor.http.get("/history").status_code == 503
    status, page = visitor.act("hold 1")
    assert status == 303 and "no server" in page
    with listening(visitor, "/live/overview") as live:
        live.until(lambda: "there is no server" in live.parts.get("status", ""))
        house.server(2)
        live.until(lambda: "is away" not in live.parts["status"] and "<b>2</b> procs" in live.parts["status"])
    assert house.server_pid()  # it was not the page that started it


def test_a_server_that_is_killed_under_open_pages_comes_back_on_them(visitor: Visitor, house: House) -> None:
    house.server(2)
    job = submitted(house, "echo begun; sleep 1000", name="outlives")
    with (
        listening(visitor, "/live/overview") as overview,
        listening(visitor, f"/live/job/{job.id}") as one,
        listening(visitor, "/live/overview") as other,
    ):
        for live in (overview, other):
            live.until(lambda live=live: "outlives" in live.parts.get("board", ""))
        one.until(lambda: one.output.get("stdout") == "begun\n")
        for _ in range(2):
            os.kill(house.server_pid(), signal.SIGKILL)
            for live in (overview, one, other):
                live.until(lambda live=live: "The server is away" in live.parts["status"])
            assert "outlives" in visitor.page("/") and "The server is away" in visitor.page("/")
            house.server(2)
            for live in (overview, one, other):
                live.until(lambda live=live: "The server is away" not in live.parts["status"])
        jobd.Client().cancel(job)
        one.until(lambda: ">cancelled<" in one.parts["job"])
        for live in (overview, other):
            live.until(lambda live=live: "The queue is empty" in live.parts["board"])


def test_a_page_that_is_killed_is_there_again_and_still_knows_us(house: House) -> None:
    house.server(2)
    with visiting(house, "--allow", "all") as visitor:
        with listening(visitor, "/live/overview") as live:
            live.until(lambda: "board" in live.parts)
            visitor.web.process.kill()
            live.until(lambda: live.is_over)
        visitor.web.process.wait(PATIENCE_S)
        visitor.web.again()
        visitor.page("/")
        with listening(visitor, "/live/overview") as live:
            live.until(lambda: "board" in live.parts)
        status, page = visitor.act("set-nb-proc", number="1")
        assert status == 303 and "1 proc from now on" in page


def test_a_new_token_ends_all_sessions(house: House) -> None:
    house.server(2)
    with visiting(house) as visitor:
        visitor.page("/")
        fresh = house.ok("jobctl", "web", "--port", str(visitor.web.port), "--new-token", "--address").strip()
        visitor.web.again()
        assert visitor.http.get("/").status_code == 401
        assert visitor.http.get(visitor.web.address).status_code == 403
        assert visitor.http.get(fresh).status_code == 303
        visitor.page("/")


def test_it_ends_at_once_though_somebody_looks(house: House) -> None:
    house.server(2)
    with visiting(house) as visitor, listening(visitor, "/live/overview") as live:
        live.until(lambda: "board" in live.parts)
        began = time.monotonic()
        assert visitor.web.stop() == 0
        assert time.monotonic() - began < 4
        live.until(lambda: live.is_over)


def test_a_server_that_hangs_keeps_nobody_from_what_is_known(house: House) -> None:
    house.server(2)
    with visiting(house) as visitor, contextlib.ExitStack() as stack:
        with house.environment():
            os.environ["HOUSE"] = house.mark
            submitted(house, "sleep 1000", name="known")
        with listening(visitor, "/live/overview") as live:
            live.until(lambda: "known" in live.parts.get("board", ""))
        server = house.server_pid()
        os.kill(server, signal.SIGSTOP)
        stack.callback(os.kill, server, signal.SIGCONT)
        asking = [threading.Thread(target=visitor.http.get, args=("/job/1",)) for _ in range(12)]
        for thread in asking:
            thread.start()
        for _ in range(3):
            began_s = time.monotonic()
            assert "known" in visitor.page("/")
            assert time.monotonic() - began_s < 4  # a server is waited for 5 s
        for thread in asking:
            thread.join(PATIENCE_S)


def test_idle_connections_keep_nobody_out(house: House) -> None:
    house.server(2)
    with visiting(house) as visitor, contextlib.ExitStack() as stack:
        address = ("127.0.0.1", visitor.web.port)
        for _ in range(320):
            stack.enter_context(socket.create_connection(address, PATIENCE_S)).sendall(b"GET / HT")
        with listening(visitor, "/live/overview") as live:
            live.until(lambda: "board" in live.parts)
            newcomer(visitor)
            for _ in range(320):
                stack.enter_context(socket.create_connection(address, PATIENCE_S)).sendall(b"GET / HT")
            newcomer(visitor)
            # And all at once, before it has looked at any.
            visitor.web.process.send_signal(signal.SIGSTOP)
            for _ in range(320):
                stack.enter_context(socket.create_connection(address, PATIENCE_S)).sendall(b"GET / HT")
            last = stack.enter_context(socket.create_connection(address, PATIENCE_S))
            last.sendall(b"GET /nothing HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            visitor.web.process.send_signal(signal.SIGCONT)
            assert b" 503 " not in last.recv(1000).split(b"\r\n")[0]
            newcomer(visitor)
            assert not live.is_over


def newcomer(visitor: Visitor) -> None:
    """A page over a connection of its own: one that was kept may be closed in the moment in which it is used."""
    answer = httpx.get(visitor.web.root, cookies=visitor.http.cookies, timeout=PATIENCE_S)
    assert answer.status_code == 200 and "</html>" in answer.text


def test_nonsense_does_not_fill_the_log(house: House) -> None:
    with visiting(house) as visitor:
        for text in (b"\x16\x03\x01\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"FOO\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", visitor.web.port), PATIENCE_S) as one:
                one.sendall(text)
                assert b"400 Bad Request" in one.recv(1000)
        process = visitor.web.process
        process.terminate()
        assert process.stdout is not None
        assert process.stdout.read().count("\n") == 1  # that it prints no token; where it is was read before


def test_an_address_that_is_taken_is_said(house: House) -> None:
    with visiting(house) as visitor:
        refused = house.run("jobctl", "web", "--port", str(visitor.web.port))
        assert refused.returncode == 1 and refused.stderr.count("\n") == 1
        assert f"cannot listen on 127.0.0.1:{visitor.web.port}: Address already in use" in refused.stderr
        (house.root / "a file").write_text("")
        refused = house.run("jobctl", "web", "--socket", str(house.root / "a file"))
        assert refused.returncode == 1 and "no socket" in refused.stderr


def test_it_listens_on_this_machine_alone(house: House) -> None:
    with visiting(house) as visitor:
        port = f"{visitor.web.port:04X}"
        lines = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
        listening_on = [
            line.split()[1] for line in lines.splitlines() if f":{port} " in line and " 0A " in line
        ]
        assert listening_on == [f"0100007F:{port}"]


def test_the_token_is_not_written_where_it_would_stay(house: House) -> None:
    config = house.root / "web.toml"
    config.write_text("debug = true\n")
    with visiting(house, "--config", str(config)) as visitor:
        token = visitor.web.address.partition("token=")[2]
        process = visitor.web.process
        visitor.http.get("/history?x=1&token=wrong&y=2")
        process.terminate()
        assert process.stdout is not None
        log = process.stdout.read()
    assert "GET /?token=… HTTP/1.1" in log and token not in log
    assert token and Path(house.root / ".local/state/jobd/web.token").read_text().strip() == token
    terminal = house.terminal("jobctl", "web", "--port", str(visitor.web.port))
    terminal.expect_exact(token)
    terminal.sendintr()
    terminal.wait()
    assert terminal.exitstatus == 0


def test_nothing_wakes_while_nothing_happens(house: House) -> None:
    house.server(2)
    with visiting(house) as visitor:
        with listening(visitor, "/live/overview") as live:
            live.until(lambda: "board" in live.parts)
        visitor.close()
        counts = [_settled(visitor.web.process.pid) for _ in range(2)]
        assert counts[0] == counts[1]


def _settled(pid: int) -> int:
    """How often its threads have slept and been woken, after a time in which they do so if they do at all."""
    process = os.pidfd_open(pid)
    try:
        import select

        # The process does not end: this is a wait for as long as a clock that ticks would tick.
        select.select([process], [], [], 3.0)
    finally:
        os.close(process)
    count = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        for line in (task / "status").read_text().splitlines():
            if "voluntary_ctxt_switches" in line and not line.startswith("non"):
                count += int(line.split()[1])
    return count


def test_a_browser_that_says_nothing_or_half_a_thing_stops_nobody(house: House) -> None:
    house.server(2)
    with visiting(house) as visitor:
        held = []
        for text in (
            b"",
            b"GET / HTTP/1.1\r\nHost: ",
            b"POST /act HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n",
        ) * 10:
            connection = socket.create_connection(("127.0.0.1", visitor.web.port))
            connection.sendall(text)
            held.append(connection)
        visitor.page("/")
        for text in (
            b"\x00\xff\r\n\r\n",
            b"GET / HTTP/9.9\r\n\r\n",
            b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 50_000,
        ):
            answer = b""
            with socket.create_connection(("127.0.0.1", visitor.web.port)) as connection:
                # Of what is too long the rest may not be taken any more.
                with contextlib.suppress(ConnectionError):
                    connection.sendall(text)
                with contextlib.suppress(ConnectionError):
                    answer = connection.recv(4096)
            assert answer.startswith(b"HTTP/1.1 4") or not answer
        visitor.page("/")
        for connection in held:
            connection.close()
