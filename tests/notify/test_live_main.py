"""jobctl notify --check and --test, and what is said where it cannot run."""

import pytest

from live.conftest import House
from notify.conftest import Desk
from notify.post import Post, Silent


def test_check_says_where_notices_go(house: House, desk: Desk, post: Post) -> None:
    desk.mail_to(post, '[[default]]\non = ["FAIL"]\nafter = "10m"\nnames = ["x*"]\n')
    assert house.ok("jobctl", "notify", "--check") == (
        f"{desk.folder}/notify.toml: fine\n"
        f"notices go to: mail by 127.0.0.1:{post.port} (no encryption)\n"
        "mail for jobs without --mail-user: me@example.org\n"
        "jobs named x* without --mail-type that ran for 600 s or more: FAIL\n"
        "jobd-notify does not run\n"
    )
    assert post.connections == 0


def test_check_says_what_waits(house: House, desk: Desk, post: Post) -> None:
    house.server(2)
    post.stop()
    desk.mail_to(post)
    process = desk.start()
    for _ in range(3):
        house.ok("Sbatch", "--mail-type=END", "--wrap", "true")
    house.until(lambda: len(desk.outbox()) == 3)
    said = house.ok("jobctl", "notify", "--check")
    assert (
        f"\njobd-notify runs (pid {process.pid})\nwaiting to be sent by mail: 3, the oldest since 20" in said
    )
    desk.stop()
    said = house.ok("jobctl", "notify", "--check")
    assert "\njobd-notify does not run\nwaiting to be sent by mail: 3, the oldest since 20" in said


def test_check_says_what_is_wrong(house: House, desk: Desk) -> None:
    desk.configure('notify = ["sendmail:///nowhere"]\n')
    for words in (("--check",), ("--test", "a@b.org"), ()):
        done = house.run("jobctl", "notify", *words)
        assert done.returncode == 2 and done.stdout == ""
        assert done.stderr == f"jobctl: {desk.folder}/notify.toml: notify: '/nowhere' is no program\n"


def test_without_any_way_out_it_says_so(house: House, desk: Desk) -> None:
    desk.configure("notify = []\n")
    for words in (("--check",), ()):
        done = house.run("jobctl", "notify", *words)
        assert (
            done.returncode == 2
            and "no way out: there is no local sendmail" in done.stderr
            and done.stderr.count("\n") == 1
        )


def test_a_service_that_apprise_does_not_know_is_said(house: House, desk: Desk) -> None:
    desk.configure('notify = ["telepathy://me:secret@there"]\n')
    done = house.run("jobctl", "notify", "--check")
    assert (
        done.returncode == 2
        and done.stderr.startswith("jobctl: telepathy://…: ")
        and "secret" not in done.stderr
    )
    assert done.stderr.count("\n") == 1


def test_no_secret_of_a_service_is_shown(house: House, desk: Desk) -> None:
    desk.configure(
        'notify = ["slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#jobs", "json://me:secret@localhost/x?+key=word"]\n'
    )
    said = house.ok("jobctl", "notify", "--check")
    assert "slack://" in said and "json://" in said
    for secret in ("TIiajkdnlazkcOXrIdevi7FQ", "A1BRTD4JD", "secret", "word"):
        assert secret not in said


@pytest.mark.parametrize("where", ["you@example.org", "smtp://127.0.0.1:{port}?security=none"])
def test_a_test_is_sent_at_once(house: House, desk: Desk, post: Post, where: str) -> None:
    desk.mail_to(post)
    receiver = where if "@" in where else "me@example.org"
    said = house.ok("jobctl", "notify", "--test", where.format(port=post.port))
    assert said == f"sent to {receiver}: mail by 127.0.0.1:{post.port} (no encryption)\n"
    assert post.receivers == [receiver] and post.subjects == ["jobd: a test"]


def test_a_test_that_fails_says_why(house: House, desk: Desk, post: Post) -> None:
    desk.mail_to(post)
    post.refused["bad@example.org"] = "550 5.1.1 unknown"
    done = house.run("jobctl", "notify", "--test", "bad@example.org")
    assert done.returncode == 1 and done.stderr.endswith(": bad@example.org: 550 5.1.1 unknown\n")
    done = house.run("jobctl", "notify", "--test", "no address")
    assert done.returncode == 2 and "'no address' is no address for mail" in done.stderr
    with Silent(b"554 go away\r\n") as wall:
        done = house.run("jobctl", "notify", "--test", f"smtp://127.0.0.1:{wall.port}?security=none")
    assert done.returncode == 1 and "554 go away" in done.stderr and done.stderr.count("\n") == 1
    done = house.run("jobctl", "notify", "--test", "json://127.0.0.1:1/")
    assert done.returncode == 1 and done.stderr.count("\n") == 1


def test_both_at_once_make_no_sense(house: House) -> None:
    done = house.run("jobctl", "notify", "--check", "--test", "x")
    assert (done.returncode, done.stderr) == (2, "jobctl: --test and --check: one of the two\n")
