"""Killed at any moment, jobd-notify loses nothing; what may come twice is the same by its Message-ID."""

import os
import re
import resource
import signal
import threading
import time

import pytest

import jobd
from jobd.notify import config as configuration
from jobd.notify.follow import Follower
from jobd.notify.senders import Senders
from jobd.notify.store import Position, Store
from live.conftest import PATIENCE_S, House
from notify.conftest import Desk
from notify.post import Post, Silent

LABELS = {"mail_type": "END"}


def jobs_told(post: Post) -> list[int]:
    """The numbers of the jobs of all letters."""
    return sorted(
        int(found[1]) for subject in post.subjects if (found := re.search(r"Job_id=(\d+) ", subject))
    )


@pytest.mark.parametrize("is_taken", [False, True])
def test_killed_while_a_letter_is_handed_over_it_sends_it_again(
    client: jobd.Client, desk: Desk, post: Post, is_taken: bool
) -> None:
    desk.mail_to(post)
    desk.start()
    post.is_held_late = is_taken
    post.held = threading.Event()
    job = client.submit("true", labels=LABELS)
    assert post.is_holding.wait(PATIENCE_S)
    (left,) = desk.outbox()
    assert left[1] == "me@example.org"
    desk.kill()
    held, post.held = post.held, None
    held.set()
    desk.start()
    post.wait_count(1 + is_taken)
    desk.house.until(lambda: not desk.outbox())
    assert jobs_told(post) == [job.id] * (1 + is_taken)
    assert len(set(post.ids)) == 1  # by this the second is known for the same


def test_killed_again_and_again_it_tells_of_every_job(
    client: jobd.Client, desk: Desk, post: Post, house: House
) -> None:
    desk.mail_to(post)
    desk.start()
    jobs = []
    for number in range(8):
        jobs += client.submit_many(["true"] * 20, labels=LABELS)
        post.wait_count(15 * number + 1)
        desk.kill()
        if number == 4:
            os.kill(house.server_pid(), signal.SIGKILL)
            house.ok("Sserver", "2")
        desk.start()
    post.wait(lambda now: set(jobs_told(now)) == {job.id for job in jobs})
    desk.house.until(lambda: not desk.outbox())
    assert len(set(post.ids)) == len(jobs)
    assert len(post.ids) <= len(jobs) + 8  # at most the one that was under way at each kill


def test_what_waits_for_a_dead_mail_server_outlives_a_kill(
    client: jobd.Client, desk: Desk, post: Post
) -> None:
    post.stop()
    desk.mail_to(post)
    desk.start()
    jobs = client.submit_many(["true"] * 3, labels=LABELS)
    client.wait(jobs)
    desk.house.until(lambda: len(desk.outbox()) == 3)
    desk.kill()
    post.start()
    desk.start()
    post.wait_count(3)
    assert jobs_told(post) == [job.id for job in jobs]


def test_five_hundred_jobs_that_end_at_once_are_told_each_once(
    client: jobd.Client, desk: Desk, post: Post
) -> None:
    desk.mail_to(post)
    desk.start()
    jobs = client.submit_many(["true"] * 500, labels=LABELS)
    client.wait(jobs)
    post.wait_count(500)
    desk.house.until(lambda: not desk.outbox())
    assert jobs_told(post) == [job.id for job in jobs]
    assert post.connections < 100


def test_a_mail_server_that_hangs_holds_up_no_job_and_no_end(
    client: jobd.Client, desk: Desk, house: House
) -> None:
    with Silent() as wall:
        desk.configure(
            f'notify = ["smtp://127.0.0.1:{wall.port}?security=none"]\nretry = "1s"\ntimeout = "5s"\n'
        )
        desk.start()
        client.wait(client.submit_many(["true"] * 20, labels=LABELS))
        desk.house.until(lambda: len(desk.outbox()) == 20)
        desk.stop()


def test_two_at_a_time_are_refused(desk: Desk, post: Post, house: House) -> None:
    desk.mail_to(post)
    house.server(2)
    desk.start()
    done = house.run("jobctl", "notify")
    assert (
        done.returncode == 1
        and "another jobd-notify runs already" in done.stderr
        and done.stderr.count("\n") == 1
    )


def test_idle_it_never_wakes(client: jobd.Client, desk: Desk, post: Post) -> None:
    desk.mail_to(post)
    process = desk.start()
    client.submit("true", labels=LABELS)
    post.wait_count(1)
    desk.house.until(lambda: not desk.outbox())

    def switches() -> int:
        """How often its threads have gone to sleep; but for those of ZeroMQ, which keep the connections."""
        found = 0
        for task in os.listdir(f"/proc/{process.pid}/task"):
            with open(f"/proc/{process.pid}/task/{task}/status") as file:
                fields = dict(line.split(":", 1) for line in file)
            if not fields["Name"].strip().startswith("ZMQ"):
                found += int(fields["voluntary_ctxt_switches"])
        return found

    # Its last look for lost events comes a second after the last event.
    threading.Event().wait(2.5)
    before = switches()
    threading.Event().wait(2.0)
    assert switches() == before


def test_a_full_disk_loses_nothing_and_doubles_nothing(client: jobd.Client, desk: Desk, post: Post) -> None:
    desk.mail_to(post)
    process = desk.start()
    client.submit("true", labels=LABELS)
    post.wait_count(1)
    desk.house.until(lambda: not desk.outbox())
    # No file may grow: the nearest that one process alone can have to a full disk.
    post.held = threading.Event()
    second = client.submit("true", labels=LABELS)
    assert post.is_holding.wait(PATIENCE_S)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1024, resource.RLIM_INFINITY))
    held, post.held = post.held, None
    held.set()
    third = client.submit("true", labels=LABELS)
    third.wait()
    desk.until_logged("cannot write")
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    post.wait_count(3)
    desk.house.until(lambda: not desk.outbox())
    assert jobs_told(post)[1:] == [second.id, third.id] and len(post.ids) == 3


def test_a_damaged_memory_is_put_aside_and_what_ended_meanwhile_is_told(
    client: jobd.Client, desk: Desk, post: Post
) -> None:
    desk.mail_to(post)
    desk.start()
    client.submit("true", labels=LABELS)
    post.wait_count(1)
    desk.house.until(lambda: not desk.outbox())
    desk.stop()
    path = desk.house.root / ".local/state/jobd/notify/notify.sqlite"
    path.write_bytes(path.read_bytes()[:4096] + os.urandom(20_000))
    job = client.submit("true", labels=LABELS)
    job.wait()
    desk.start()
    assert f"put aside as {path}.damaged-" in desk.until_logged("is damaged")
    post.wait(lambda now: job.id in jobs_told(now))
    assert len(set(post.ids)) == 2


class InHere:
    """jobd-notify in our own process, so that its disk can be made full; a context manager."""

    def __init__(self, post: Post) -> None:
        mail = {"from": "jobd@example.org", "to": "me@example.org"}
        url = f"smtp://127.0.0.1:{post.port}?security=none"
        config = configuration.from_table({"notify": [url], "mail": mail, "retry": "1s"})
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self.store = Store()
        self._senders = Senders(config, self.store, self._log)
        self.follower = Follower(config, self.store, self._senders, self._log)
        self.thread = threading.Thread(target=self.follower.run)

    def _log(self, text: str) -> None:
        with self._changed:
            self.lines.append(text)
            self._changed.notify_all()

    def until_logged(self, words: str, count: int = 1) -> None:
        """Wait for so many lines with these words."""
        with self._changed:
            assert self._changed.wait_for(
                lambda: sum(words in line for line in self.lines) >= count, PATIENCE_S
            ), self.lines[:20]

    def fill_disk(self, is_full: bool = True) -> None:
        """Whatever is written fails from now on."""
        with self.store._lock:
            self.store._db.execute(f"PRAGMA query_only={is_full:d}")

    def start(self) -> None:
        """Begin to follow and to send."""
        self._senders.start()
        self.thread.start()

    def __enter__(self) -> "InHere":
        return self

    def __exit__(self, *error: object) -> None:
        self.follower.end()
        self.thread.join(PATIENCE_S)
        self._senders.end(PATIENCE_S)
        self.store.close()
        assert not self.thread.is_alive()


def test_a_disk_that_is_full_at_its_start_ends_nothing(client: jobd.Client, post: Post) -> None:
    with InHere(post) as here:
        status = client.status()
        here.store.take((), lambda notice: (), Position(status.server_id, status.last_seq, time.time()))
        here.fill_disk()
        here.start()
        job = client.submit("true", labels=LABELS)
        # At the look at what lives, of which nothing can be forgotten, and at the end of the job.
        here.until_logged("cannot write", 3)
        here.fill_disk(False)
        post.wait_count(1)
        assert jobs_told(post) == [job.id]
        assert len(here.lines) < 20, here.lines[:20]  # each tries again after a pause


def test_stopped_while_the_disk_was_full_it_forgets_nothing(client: jobd.Client, post: Post) -> None:
    with InHere(post) as here:
        here.start()
        here.until_logged("follows the events")
        here.fill_disk()
        job = client.submit("true", labels=LABELS)
        here.until_logged("notify.sqlite: attempt to write a readonly database; tried again in 1 s")
        with here.store._lock:  # there is room again in the moment of its end
            here.follower.end()
            here.fill_disk(False)
    assert not post.letters
    with InHere(post) as here:
        here.start()
        post.wait_count(1)
    assert jobs_told(post) == [job.id]
