"""Ways out against a real mail server: encryption, login, refusals, hanging; what is not taken is kept, and holds up nobody."""

import http.server
import json
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from jobd.notify import config as configuration
from jobd.notify.config import Config
from jobd.notify.senders import Senders
from jobd.notify.services import shortened
from jobd.notify.store import Letter, Notice, Store
from live.conftest import PATIENCE_S
from notify.post import Dripping, Post, Rude, Silent

CA = trustme.CA()
CERTIFICATE = CA.issue_cert("localhost", "127.0.0.1")


class Office:
    """A store and its senders."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self.store = Store(str(folder / "notify"))
        self.senders: Senders | None = None
        self.count = 0

    def log(self, text: str) -> None:
        with self._changed:
            self.lines.append(text)
            self._changed.notify_all()

    def until_logged(self, *words: str) -> str:
        """Wait for a line with these words; the line."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._found(words), PATIENCE_S), self.lines
            return self._found(words)

    def _found(self, words: tuple[str, ...]) -> str:
        return next((line for line in self.lines if all(word in line for word in words)), "")

    def config(self, *urls: str, **more: Any) -> Config:
        """A configuration with these ways out."""
        mail = {"from": "jobd@example.org", "to": ["me@example.org"]} | more.pop("mail", {})
        return configuration.from_table({"notify": list(urls), "mail": mail, "retry": "1s", **more})

    def start(self, config: Config) -> None:
        self.senders = Senders(config, self.store, self.log)
        self.senders.start()

    def tell(self, *to: str, kind: str = "END") -> None:
        """A notice to these."""
        assert self.senders is not None
        self.count += 1
        key, subject = f"key/{self.count}", f"jobd Job_id={self.count} Name=x Ended, COMPLETED"
        notice = Notice(key, kind, subject, "Something is over.\n", time.time(), to)
        new = self.store.take([notice], self.senders.letters_of, None)
        self.senders.tell({transport for _, transport in new})

    def put(self, *to: str, at: float | None = None) -> None:
        """A notice to these into the outbox, of which nobody is told."""
        self.count += 1
        notice = Notice(
            f"key/{self.count}", "END", f"jobd {self.count}", "Something.\n", at or time.time(), to
        )
        self.store.take([notice], lambda notice: [("mail", address) for address in notice.to], None)

    def wake(self) -> None:
        """There is something new."""
        assert self.senders is not None
        self.senders.tell(["mail"])

    def letters(self) -> list[Letter]:
        """What waits."""
        with self.store._reading() as db:
            query = f"SELECT {', '.join(Letter._fields)} FROM outbox ORDER BY number"
            return [Letter(*row) for row in db.execute(query)]

    def until_empty(self) -> None:
        """Until nothing waits any more."""
        end_s = time.monotonic() + PATIENCE_S
        while self.store.transports():
            assert time.monotonic() < end_s, self.store.transports()
            threading.Event().wait(0.01)

    def close(self) -> None:
        if self.senders is not None:
            self.senders.end(PATIENCE_S)
        self.store.close()


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    made = Office(tmp_path)
    yield made
    made.close()


def server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CERTIFICATE.configure_cert(context)
    return context


def secrets(folder: Path, password: str = "secret", mode: int = 0o600) -> dict[str, str]:
    """The files of the table [mail]."""
    CA.cert_pem.write_to_path(str(folder / "ca.pem"))
    (folder / "password").write_text(f"{password}\n")
    (folder / "password").chmod(mode)
    return {"ca_file": str(folder / "ca.pem"), "password_file": str(folder / "password")}


def with_login(post: Post) -> dict[str, Any]:
    return {"authenticator": post.login, "auth_required": True}


# ---- encryption and login
def test_starttls_with_login(office: Office) -> None:
    post = Post(require_starttls=True, tls_context=server_context())
    post._options |= with_login(post)
    with post:
        office.start(office.config(f"smtp://me@localhost:{post.port}", mail=secrets(office.folder)))
        office.tell("you@example.org")
        post.wait_count(1)
    assert post.logins == [("me", "secret")] and post.receivers == ["you@example.org"]
    assert not office.lines


def test_tls_from_the_first_byte_with_login(office: Office) -> None:
    post = Post(ssl_context=server_context(), auth_require_tls=False)
    post._options |= with_login(post)
    with post:
        office.start(office.config(f"smtps://me@localhost:{post.port}", mail=secrets(office.folder)))
        office.tell("you@example.org")
        office.tell("you@example.org")
        post.wait_count(2)
    assert set(post.logins) == {("me", "secret")}


def test_a_certificate_of_somebody_else_is_refused_and_no_password_is_told(office: Office) -> None:
    post = Post(ssl_context=server_context(), auth_require_tls=False)
    post._options |= with_login(post)
    mail = secrets(office.folder)
    with post:
        office.start(
            office.config(f"smtps://me@localhost:{post.port}", mail={"password_file": mail["password_file"]})
        )
        office.tell("you@example.org")
        assert "certificate is not good" in office.until_logged("certificate")
    assert not post.logins and office.store.transports() == {"mail": 1}


def test_a_server_without_starttls_gets_nothing(office: Office, post: Post) -> None:
    office.start(office.config(f"smtp://localhost:{post.port}"))
    office.tell("you@example.org")
    assert "STARTTLS" in office.until_logged("tried again")
    assert not post.letters and office.store.transports() == {"mail": 1}


def test_a_refused_login_loses_nothing_and_a_mended_password_is_read(office: Office) -> None:
    post = Post(require_starttls=True, tls_context=server_context())
    post._options |= with_login(post)
    with post:
        office.start(office.config(f"smtp://me@localhost:{post.port}", mail=secrets(office.folder, "wrong")))
        office.tell("you@example.org")
        assert "the login of me was refused: 535" in office.until_logged("refused")
        secrets(office.folder)
        post.wait_count(1)
        office.until_logged("works again")


# ---- refusals
@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA"])
def test_what_is_refused_for_now_comes_later(office: Office, post: Post, stage: str) -> None:
    post.answers[stage].append("451 4.7.1 Greylisted")
    office.start(office.config(f"smtp://localhost:{post.port}?security=none"))
    office.tell("a@example.org")
    office.tell("b@example.org")
    post.wait_count(2)
    # The second did not wait for the first.
    assert post.receivers == ["b@example.org", "a@example.org"]
    assert "451" in office.until_logged("tried again")
    office.until_empty()


@pytest.mark.parametrize("stage", ["RCPT", "DATA"])
def test_what_is_refused_for_good_is_dropped_with_a_line(office: Office, post: Post, stage: str) -> None:
    post.answers[stage].append("550 5.1.1 No such user")
    office.start(office.config(f"smtp://localhost:{post.port}?security=none"))
    office.tell("a@example.org")
    office.tell("b@example.org")
    office.until_empty()
    assert post.receivers == ["b@example.org"]
    assert "'jobd Job_id=1 Name=x Ended' is dropped" in office.until_logged("550 5.1.1 No such user")


@pytest.mark.parametrize(
    ("stage", "answer"),
    [
        ("MAIL", "553 5.7.1 Sender address rejected: not owned by you"),
        ("RCPT", "530 5.7.0 Authentication required"),
        ("DATA", "535 5.7.8 Log in first"),
    ],
)
def test_what_is_refused_because_of_us_is_kept_until_we_are_mended(
    office: Office, post: Post, stage: str, answer: str
) -> None:
    post.answers[stage].extend([answer] * 2)
    config = office.config(f"smtp://localhost:{post.port}?security=none", retry="10m")
    office.start(config)
    office.tell("a@example.org")
    office.tell("b@example.org")
    # Once in half an hour at most: who asks more often may be locked out.
    assert answer in office.until_logged("tried again in 600 s")
    assert office.store.transports() == {"mail": 2} and post.connections == 1
    assert office.senders is not None
    office.senders.end(PATIENCE_S)
    post.answers[stage].clear()
    office.start(config)
    # A new start asks at once.
    post.wait_count(2)
    assert set(post.receivers) == {"a@example.org", "b@example.org"}


@pytest.mark.parametrize(
    "answer",
    ["552 5.2.2 Mailbox is full", "552 Quota exceeded", "550 5.4.5 Daily limit reached", "452 4.2.2 Full"],
)
def test_a_full_mailbox_is_not_asked_for_each_letter_and_gets_them_all_later(
    office: Office, post: Post, answer: str
) -> None:
    post.refused["full@example.org"] = answer
    for _ in range(30):
        office.put("full@example.org")
    office.put("good@example.org")
    office.start(office.config(f"smtp://localhost:{post.port}?security=none"))
    post.wait(lambda now: "good@example.org" in now.receivers)
    assert post.asked.count("full@example.org") == 1
    del post.refused["full@example.org"]
    post.wait_count(31)
    office.until_empty()
    assert [line for line in office.lines if "is tried again" in line and answer in line] == office.lines


def test_a_letter_that_is_too_long_is_dropped(office: Office, post: Post) -> None:
    post.answers["MAIL"].append("552 5.3.4 Message too big")
    office.start(office.config(f"smtp://localhost:{post.port}?security=none"))
    office.tell("a@example.org")
    assert "552 5.3.4" in office.until_logged("is dropped")
    office.until_empty()


def test_a_password_in_other_letters_is_told_as_it_is(office: Office) -> None:
    post = Post(require_starttls=True, tls_context=server_context(), auth_require_tls=True)
    post._options |= with_login(post)
    post.password = "gehеim-ü€"
    with post:
        mail = secrets(office.folder, post.password)
        office.start(office.config(f"smtp://me@localhost:{post.port}", mail=mail))
        office.tell("you@example.org")
        post.wait_count(1)
    assert post.logins == [("me", post.password)]


def test_where_all_addresses_are_wrong_the_owner_hears_of_it(office: Office, post: Post) -> None:
    office.start(office.config(f"smtp://localhost:{post.port}?security=none"))
    office.tell("jürgen@example.org", "not an address")
    office.tell("jürgen@example.org", "good@example.org")
    post.wait_count(2)
    office.until_empty()
    assert post.receivers == ["me@example.org", "good@example.org"]
    assert "jürgen@example.org" in office.until_logged("no mail: ")


def test_one_of_two_receivers_is_refused_and_the_other_gets_it(office: Office, post: Post) -> None:
    post.refused["bad@example.org"] = "550 no"
    office.start(office.config(f"smtp://localhost:{post.port}?security=none"))
    office.tell("bad@example.org", "good@example.org")
    office.until_empty()
    assert post.receivers == ["good@example.org"] and "bad@example.org" in office.until_logged("dropped")


def test_a_server_that_is_closing_is_tried_again(office: Office, post: Post) -> None:
    post.answers["RCPT"].append("421 shutting down")
    office.start(office.config(f"smtp://localhost:{post.port}?security=none"))
    office.tell("a@example.org")
    post.wait_count(1)
    office.until_logged("421")
    assert post.connections == 2


def test_a_refusal_at_the_door_keeps_everything(office: Office, tmp_path: Path) -> None:
    with Silent(b"554 no service here\r\n") as wall:
        office.start(office.config(f"smtp://localhost:{wall.port}?security=none"))
        office.tell("a@example.org")
        office.tell("b@example.org")
        assert "554 no service here" in office.until_logged("tried again in 1 s")
        wall.wait(2)
    assert office.store.transports() == {"mail": 2}


# ---- silence
@pytest.mark.parametrize("words", [b"", b"220 hello\r\n"])
def test_a_connection_that_hangs_is_ended(office: Office, words: bytes) -> None:
    with Silent(words) as wall:
        office.start(office.config(f"smtp://localhost:{wall.port}?security=none", timeout="1s"))
        office.tell("a@example.org")
        assert "does not answer in time" in office.until_logged("tried again")
        wall.wait(2)
    assert office.store.transports() == {"mail": 1}


def test_a_server_that_drips_is_ended_too(office: Office) -> None:
    post = Post()
    with Silent() as wall:
        stop = threading.Event()

        def drip() -> None:
            wall.wait(1)
            while not stop.wait(0.3):
                try:
                    wall._open[0].sendall(b"2")
                except OSError:
                    return

        thread = threading.Thread(target=drip)
        thread.start()
        office.start(office.config(f"smtp://localhost:{wall.port}?security=none", timeout="1s"))
        began_s = time.monotonic()
        office.tell("a@example.org")
        office.until_logged("tried again")
        assert time.monotonic() - began_s < 30
        stop.set()
        thread.join()
    assert not post.letters


@pytest.mark.parametrize("is_starttls", [True, False])
def test_a_server_that_drips_while_it_encrypts_is_ended_too(office: Office, is_starttls: bool) -> None:
    with Dripping(is_starttls) as wall:
        scheme = "smtp" if is_starttls else "smtps"
        office.start(office.config(f"{scheme}://localhost:{wall.port}", timeout="1s"))
        began_s = time.monotonic()
        office.tell("a@example.org")
        office.until_logged("tried again")
        assert time.monotonic() - began_s < 30
    assert wall.dripped > 0


def test_a_farewell_that_nobody_answers_holds_up_nothing_for_long(office: Office) -> None:
    with Rude() as wall:
        office.start(office.config(f"smtp://localhost:{wall.port}?security=none", timeout="60s"))
        began_s = time.monotonic()
        office.tell("a@example.org")
        assert wall.quit.wait(PATIENCE_S), office.lines
        office.tell("b@example.org")
        wall.wait(2)
        assert time.monotonic() - began_s < 30


def test_what_waited_for_a_dead_server_goes_at_once_when_it_is_back(office: Office, post: Post) -> None:
    post.stop()
    office.start(office.config(f"smtp://localhost:{post.port}?security=none"))
    office.tell("a@example.org")
    office.until_logged("refused", "tried again in 1 s")
    office.put("b@example.org")
    office.until_logged("refused", "tried again in 8 s")
    for letter in office.letters():
        if letter.receiver == "b@example.org":
            office.store.postpone(letter, time.time() + 1000)
    post.start()
    post.wait_count(2)
    office.until_empty()


def test_something_new_makes_a_dead_server_be_tried_again(
    office: Office, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobd.notify.senders.PROMPT_S", 0.0)
    post.stop()
    office.start(office.config(f"smtp://localhost:{post.port}?security=none", retry="10m"))
    office.tell("a@example.org")
    # However long the first pause: after five minutes a server that is back is found.
    office.until_logged("refused", "tried again in 300 s")
    post.start()
    office.tell("b@example.org")
    post.wait_count(1)
    assert post.receivers == ["b@example.org"]


@pytest.mark.parametrize("due_in_s", [1500.0, 1e8])
def test_what_waits_is_tried_at_once_after_a_start_and_when_the_clock_was_set_back(
    office: Office, post: Post, due_in_s: float
) -> None:
    office.put("a@example.org")
    (letter,) = office.letters()
    office.store.postpone(letter, time.time() + due_in_s)
    office.start(office.config(f"smtp://localhost:{post.port}?security=none"))
    post.wait_count(1)
    # And so it is of what was written while it ran: a clock that was wrong by years.
    office.put("b@example.org")
    (letter,) = [one for one in office.letters() if one.receiver == "b@example.org"]
    office.store.postpone(letter, time.time() + 1e8)
    office.wake()
    post.wait_count(2)


def test_what_was_taken_while_the_disk_was_full_is_not_sent_again(office: Office, post: Post) -> None:
    post.answers["DATA"].append("451 later")
    office.start(office.config(f"smtp://localhost:{post.port}?security=none"))
    office.tell("a@example.org")
    office.until_logged("451 later")
    post.held = threading.Event()
    assert post.is_holding.wait(PATIENCE_S)
    with office.store._lock:
        office.put("b@example.org")  # is due before the other
        office.store._db.execute("PRAGMA query_only=1")
    post.held.set()
    office.until_logged("cannot write")
    with office.store._lock:
        office.store._db.execute("PRAGMA query_only=0")
    office.until_empty()
    assert sorted(post.receivers) == ["a@example.org", "b@example.org"]


def test_what_has_waited_for_long_gets_its_chance_after_a_start(office: Office) -> None:
    with Silent(b"421 not yet\r\n", is_closing=True) as wall:
        office.put("a@example.org", at=time.time() - 10 * 86400)
        office.start(office.config(f"smtp://localhost:{wall.port}?security=none"))
        wall.wait(2)
    assert office.store.transports() == {"mail": 1}


def test_a_dead_server_is_tried_with_growing_pauses_until_it_is_back(office: Office, post: Post) -> None:
    post.stop()
    office.start(office.config(f"smtp://localhost:{post.port}?security=none"))
    for _ in range(3):
        office.tell("a@example.org")
    office.until_logged("refused", "tried again in 1 s")
    office.until_logged("refused", "tried again in 2 s")
    post.start()
    post.wait_count(3)
    office.until_logged("works again")
    assert len(set(post.ids)) == 3


def test_the_server_goes_in_the_middle_of_a_run(office: Office, post: Post) -> None:
    office.start(office.config(f"smtp://localhost:{post.port}?security=none"))
    for number in range(40):
        office.tell(f"n{number}@example.org")
        if number == 20:
            post.wait_count(5)
            post.stop()
            office.until_logged("tried again")
            post.start()
    post.wait_count(40)
    office.until_empty()
    # What it took and could not say any more comes twice, and is the same by its number.
    assert len(set(post.ids)) == 40 and len(post.ids) <= 41


def test_what_is_too_old_is_given_up_with_a_line(office: Office) -> None:
    with Silent(b"554 no\r\n") as wall:
        office.start(office.config(f"smtp://localhost:{wall.port}?security=none", keep="1s"))
        office.tell("a@example.org")
        office.until_logged("given up", "554 no")
    office.until_empty()


def test_one_connection_takes_a_run_of_letters_and_is_closed_after_it(office: Office, post: Post) -> None:
    post.held = threading.Event()
    office.start(office.config(f"smtp://localhost:{post.port}?security=none"))
    for number in range(50):
        office.tell(f"n{number}@example.org")
    post.held.set()
    post.wait_count(50)
    assert post.connections == 1


def test_a_dead_way_out_holds_up_no_other(office: Office, post: Post) -> None:
    with Silent() as wall:
        url = f"json://127.0.0.1:{wall.port}/?cto=2&rto=2"
        office.start(office.config(f"smtp://localhost:{post.port}?security=none", url))
        for number in range(10):
            office.tell(f"n{number}@example.org")
        post.wait_count(10)
        office.until_logged("json://", "tried again")
    (left,) = office.store.transports().items()
    assert left[0].startswith("json:") and left[1] == 10


def test_stopping_waits_for_the_letter_under_way(office: Office, post: Post) -> None:
    post.held = threading.Event()
    office.start(office.config(f"smtp://localhost:{post.port}?security=none"))
    office.tell("a@example.org")
    assert post.is_holding.wait(PATIENCE_S)
    threading.Timer(0.2, post.held.set).start()
    assert office.senders is not None
    office.senders.end(PATIENCE_S)
    assert post.receivers == ["a@example.org"] and not office.store.transports()


def test_a_service_that_is_no_longer_configured_is_dropped_with_a_line(office: Office, post: Post) -> None:
    with Silent() as wall:
        office.start(office.config(f"json://127.0.0.1:{wall.port}/?cto=1&rto=1"))
        office.tell()
        office.until_logged("tried again")
        assert office.senders is not None
        office.senders.end(PATIENCE_S)
    office.start(office.config(f"smtp://localhost:{post.port}?security=none"))
    assert "1 notice is dropped: json:" in office.until_logged("no longer in")


# ---- sendmail
@pytest.mark.parametrize(
    ("code", "line"),
    # 68: no name can be looked up (msmtp on a train); 77: its login is refused; 64, 78: it is called or configured wrongly.
    [(75, "is tried again"), (67, "is dropped: "), (65, "is dropped: ")]
    + [(code, "tried again in 1 s") for code in (64, 68, 69, 70, 77, 78, 1, 127)],
)
def test_the_codes_of_sendmail_are_understood(office: Office, script: Path, code: int, line: str) -> None:
    script.write_text(
        f'#!/bin/sh\nif [ -e {script}.once ]; then cat >{script}.mail; echo "$@" >{script}.args; exit 0; fi\n'
        f"cat >/dev/null; touch {script}.once; echo trouble >&2; exit {code}\n"
    )
    script.chmod(0o755)
    office.start(office.config(f"sendmail://{script}"))
    office.tell("a@example.org")
    assert "trouble" in office.until_logged(line)
    office.until_empty()
    if code not in (65, 67):
        assert Path(f"{script}.args").read_text() == "-i -- a@example.org\n"
        mail = Path(f"{script}.mail").read_bytes()
        assert b"\r" not in mail and b"\nTo: a@example.org\n" in mail


def test_a_letter_that_nobody_can_send_holds_up_no_other(office: Office, script: Path) -> None:
    # As msmtp, which has one code for a receiver that is refused and for a server that is not there.
    script.write_text(
        f'#!/bin/sh\ncat >/dev/null; [ "$3" != bad@example.org ] || exit 69; echo "$3" >>{script}.sent\n'
    )
    script.chmod(0o755)
    office.start(office.config(f"sendmail://{script}"))
    for to in ("bad@example.org", "a@example.org", "b@example.org"):
        office.tell(to)
    office.until_logged("works again")
    end_s = time.monotonic() + PATIENCE_S
    while office.store.transports() != {"mail": 1}:
        assert time.monotonic() < end_s
        threading.Event().wait(0.01)
    assert Path(f"{script}.sent").read_text() == "a@example.org\nb@example.org\n"


def test_a_sendmail_that_hangs_is_ended(office: Office, script: Path) -> None:
    script.write_text("#!/bin/sh\nexec sleep 1000\n")
    script.chmod(0o755)
    office.start(office.config(f"sendmail://{script}", timeout="1s"))
    office.tell("a@example.org")
    office.until_logged("does not come to an end")


def test_a_user_of_this_machine_needs_no_host(office: Office, script: Path) -> None:
    script.write_text(f'#!/bin/sh\ncat >/dev/null; echo "$@" >{script}.args\n')
    script.chmod(0o755)
    office.start(office.config(f"sendmail://{script}"))
    office.tell("somebody")
    office.until_empty()
    assert Path(f"{script}.args").read_text() == "-i -- somebody\n"


# ---- by apprise
class Chat:
    """A web server that takes what services are told; a context manager."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        chat = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                chat.taken.append(json.loads(body))
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *words: object) -> None:
                pass

        self._server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> "Chat":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def test_a_service_of_apprise_gets_what_mail_gets(office: Office) -> None:
    with Chat() as chat:
        office.start(office.config(f"json://127.0.0.1:{chat.port}"))
        office.tell("a@example.org", "b@example.org", kind="FAIL")
        office.until_empty()
    assert [(one["title"], one["type"]) for one in chat.taken] == [
        ("jobd Job_id=1 Name=x Ended, COMPLETED", "failure")
    ]
    assert chat.taken[0]["message"].strip() == "Something is over."


def test_a_service_is_sent_no_more_than_it_takes(office: Office) -> None:
    lines = [f"line {number}" for number in range(5000)]
    with Chat() as chat:
        office.start(office.config(f"json://127.0.0.1:{chat.port}"))
        assert office.senders is not None
        notice = Notice("k", "END", "jobd Job_id=1", "\n".join(["Job 1 is done.", *lines]), time.time(), ())
        office.store.take([notice], office.senders.letters_of, None)
        office.senders.tell(office.store.transports())
        office.until_empty()
    (one,) = chat.taken
    shown = one["message"].split("\n")
    assert shown[:2] == ["Job 1 is done.", "…"] and shown[-1] == "line 4999"
    assert 32_000 < len(one["message"]) <= 32_768


def test_many_notices_are_one_message_of_a_chat_and_each_a_mail(office: Office, post: Post) -> None:
    with Chat() as chat:
        mail = f"smtp://localhost:{post.port}?security=none"
        config = office.config(mail, f"json://127.0.0.1:{chat.port}")
        office.senders = Senders(config, office.store, office.log)
        for number in range(250):
            office.tell("a@example.org", kind="FAIL" if number == 70 else "END")
        office.senders.start()
        post.wait_count(250)
        office.until_empty()
    assert len(chat.taken) == 3
    assert [one["title"] for one in chat.taken] == [
        "jobd: 100 notices, 1 of them of failures",
        "jobd: 100 notices",
        "jobd: 50 notices",
    ]
    assert [one["type"] for one in chat.taken] == ["failure", "success", "success"]
    lines = [line for one in chat.taken for line in one["message"].strip().split("\n")]
    assert lines[0] == "Job_id=71 Name=x Ended, COMPLETED" and len(set(lines)) == 250


def test_few_notices_are_messages_of_their_own(office: Office) -> None:
    with Chat() as chat:
        office.senders = Senders(office.config(f"json://127.0.0.1:{chat.port}"), office.store, office.log)
        for _ in range(4):
            office.tell()
        office.senders.start()
        office.until_empty()
    assert len(chat.taken) == 4


@pytest.mark.parametrize("room", [5, 20, 40, 100, 10_000])
def test_a_text_that_is_cut_fits(room: int) -> None:
    text = "\n".join(["Job 1 (name) is done.", *(f"line {number}" for number in range(50))])
    shown = shortened(text, room)
    assert len(shown) <= room and (shown == text) == (room > len(text))


def test_what_waits_for_a_service_goes_by_its_new_address(office: Office) -> None:
    with Silent() as wall:
        office.start(office.config(f"json://me:old@127.0.0.1:{wall.port}/?cto=1&rto=1"))
        office.tell()
        office.until_logged("tried again")
        assert office.senders is not None
        office.senders.end(PATIENCE_S)
    with Chat() as chat:
        office.start(office.config(f"json://me:new@127.0.0.1:{chat.port}"))
        office.until_empty()
    assert len(chat.taken) == 1 and "goes by json://" in office.until_logged("what waits for json:")
