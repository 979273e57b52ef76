"""Killed at any moment, jobd-notify loses nothing; what may come twice is the same by its Message-ID."""

import os
import re
import resource
import signal
import threading

import pytest

import jobd
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
