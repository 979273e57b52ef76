"""What is told of which job, by a real server to a real mail server."""

import os
import signal

import jobd
from live.conftest import House
from notify.conftest import Desk
from notify.post import Post, body_of


def mailed(kinds: str, to: str = "") -> dict[str, str]:
    """The labels of Sbatch --mail-type --mail-user."""
    return {"mail_type": kinds, **({"mail_user": to} if to else {})}


def test_a_job_that_fails_is_told_with_all_there_is_to_know(
    client: jobd.Client, desk: Desk, post: Post
) -> None:
    desk.mail_to(post)
    desk.start()
    script = "echo begun; echo wörld; exit 3"
    job = client.submit(
        script, name="Fräse", memory="1G", time="10:00", labels=mailed("BEGIN,END,FAIL", "a@example.org")
    )
    began, failed = post.wait_count(2)
    assert str(began["Subject"]) == f"jobd Job_id={job.id} Name=Fräse Began, Queued time 00:00:00"
    assert (
        str(failed["Subject"])
        == f"jobd Job_id={job.id} Name=Fräse Failed, Run time 00:00:00, FAILED, ExitCode 3"
    )
    assert post.receivers == ["a@example.org"] * 2
    assert failed["From"].addresses[0].addr_spec == "jobd@example.org"
    assert failed["Auto-Submitted"] == "auto-generated"
    text = body_of(failed)
    assert f"Job {job.id} (Fräse) failed after 00:00:00: exit code 3." in text
    assert (
        f"Folder:       {os.getcwd()}\n" in text
        and f"Output:       {os.getcwd()}/slurm-{job.id}.out\n" in text
    )
    assert "1.00 GB asked for" in text and "00:00:00 of 00:10:00" in text and "1 processor asked for" in text
    assert "The last lines of the output:\n\n    begun\n    wörld\n" in text


def test_only_what_was_asked_for_is_told(client: jobd.Client, desk: Desk, post: Post) -> None:
    desk.mail_to(post)
    desk.start()
    ends = [
        client.submit(command, labels=mailed(kinds))
        for command, kinds in (
            ("true", "FAIL"),
            ("true", "BEGIN,NONE"),
            ("exit 1", "END"),
            ("true", "END"),
            ("true", ""),
        )
        if kinds
    ]
    client.submit("true")
    client.wait(ends)
    last = client.submit("true", labels=mailed("END"))
    post.wait(lambda now: any(f"Job_id={last.id} " in subject for subject in now.subjects))
    told = sorted(subject.split(",")[0] for subject in post.subjects)
    # What failed and wants only its end told is told as ended, as by Slurm.
    assert told == sorted(
        f"jobd Job_id={number} Name={name} Ended"
        for number, name in ((ends[2].id, "exit"), (ends[3].id, "true"), (last.id, "true"))
    )


def test_an_array_is_told_as_one_and_each_element_with_array_tasks(
    client: jobd.Client, desk: Desk, post: Post
) -> None:
    desk.mail_to(post)
    desk.start()
    script = 'echo "element $SLURM_ARRAY_TASK_ID"; exit $((SLURM_ARRAY_TASK_ID / 3))'
    array = client.submit(script, array="0-3", name="sweep", labels=mailed("ALL"))
    began, over = post.wait_count(2)
    assert str(began["Subject"]) == f"jobd Array Summary Job_id={array.id}_* ({array.id}) Name=sweep Began"
    assert (
        str(over["Subject"])
        == f"jobd Array Summary Job_id={array.id}_* ({array.id}) Name=sweep Failed, Mixed, ExitCode [0-1]"
    )
    assert "3 COMPLETED, 1 FAILED" in body_of(over) and "\nCode 1:       3\n" in body_of(over)
    assert "    element 3\n" in body_of(over)
    each = client.submit("true", array="1,5", name="each", labels=mailed("END,ARRAY_TASKS"))
    letters = post.wait_count(4)[2:]
    found = sorted(str(letter["Subject"]).split(" (")[0] for letter in letters)
    assert found == [f"jobd Array Task Job_id={each.id}_{index}" for index in (1, 5)]


def test_an_array_that_is_cancelled_while_it_waits_is_told_with_all_its_elements(
    client: jobd.Client, desk: Desk, post: Post
) -> None:
    desk.mail_to(post)
    desk.start()
    array = client.submit("true", array="0-9", hold=True, labels=mailed("END"))
    client.cancel(array)
    (letter,) = post.wait_count(1)
    assert "10 CANCELLED" in body_of(letter) and "Ended, CANCELLED" in str(letter["Subject"])


def test_an_array_that_is_requeued_is_told_again(client: jobd.Client, desk: Desk, post: Post) -> None:
    desk.mail_to(post)
    desk.start()
    array = client.submit("true", array="0-1", labels=mailed("END"))
    post.wait_count(1)
    client.requeue(array)
    post.wait_count(2)
    assert len(set(post.ids)) == 2


def test_the_time_limit_and_shares_of_it_are_told(client: jobd.Client, desk: Desk, post: Post) -> None:
    desk.mail_to(post)
    desk.start()
    job = client.submit("sleep 1000", time=2, labels=mailed("TIME_LIMIT,TIME_LIMIT_50,TIME_LIMIT_90,FAIL"))
    half, most, limit, failed = (str(letter["Subject"]) for letter in post.wait_count(4))
    assert half == f"jobd Job_id={job.id} Name=sleep Reached 50% of time limit, Run time 00:00:01"
    assert most == f"jobd Job_id={job.id} Name=sleep Reached 90% of time limit, Run time 00:00:01"
    assert limit.startswith(f"jobd Job_id={job.id} Name=sleep Reached time limit, Run time 00:00:0")
    assert failed.startswith(f"jobd Job_id={job.id} Name=sleep Failed, ") and "TIMEOUT" in failed


def test_a_changed_limit_and_a_suspension_move_the_moment(
    client: jobd.Client, desk: Desk, post: Post, house: House
) -> None:
    desk.mail_to(post)
    desk.start()
    paused = client.submit("sleep 1000", time=4, labels=mailed("TIME_LIMIT_50"))
    house.until_state(paused.id, "RUNNING")
    client.suspend(paused)
    job = client.submit("sleep 1000", time="1:00:00", labels=mailed("TIME_LIMIT_50"))
    house.until_state(job.id, "RUNNING")
    client.update(job, time=6)
    post.wait_count(1)
    # It comes after three seconds, when the other would have had its own for long.
    assert f"Job_id={job.id} " in post.subjects[0]
    client.resume(paused)
    post.wait_count(2)
    assert f"Job_id={paused.id} " in post.subjects[1]
    client.cancel([paused, job])


def test_a_requeue_is_told_with_the_attempt_that_is_over(
    client: jobd.Client, desk: Desk, post: Post, house: House
) -> None:
    desk.mail_to(post)
    desk.start()
    job = client.submit("echo first; sleep 1000", labels=mailed("REQUEUE"))
    house.until_state(job.id, "RUNNING")
    client.requeue(job, is_held=True)
    (letter,) = post.wait_count(1)
    assert f"Job_id={job.id} Name=echo Requeued, Run time 00:00:" in str(letter["Subject"])
    client.cancel(job)


def test_a_dependency_that_can_never_be_met_is_told(client: jobd.Client, desk: Desk, post: Post) -> None:
    desk.mail_to(post)
    desk.start()
    first = client.submit("exit 1", hold=True)
    second = client.submit("true", dependency=f"afterok:{first.id}", labels=mailed("INVALID_DEPEND"))
    client.release(first)
    (letter,) = post.wait_count(1)
    assert str(letter["Subject"]) == f"jobd Job_id={second.id} Name=true Invalid dependency"
    client.cancel(second)


def test_a_rule_tells_of_jobs_that_say_nothing(client: jobd.Client, desk: Desk, post: Post) -> None:
    desk.mail_to(
        post,
        '[[default]]\nnames = ["quiet*"]\non = ["NONE"]\n[[default]]\non = ["FAIL"]\nafter = "1s"\nto = "boss@example.org"\n',
    )
    desk.start()
    client.wait([client.submit("exit 1"), client.submit("sleep 1.1; exit 1", name="quiet-one")])
    client.submit("sleep 1.1; exit 1", name="long")
    (letter,) = post.wait_count(1)
    assert "Name=long Failed" in str(letter["Subject"]) and post.receivers == ["boss@example.org"]


def test_a_job_queued_by_sbatch_is_told_to_whom_it_names(house: House, desk: Desk, post: Post) -> None:
    house.server(2)
    desk.mail_to(post)
    desk.start()
    done = house.run(
        "Sbatch", "--mail-type=END", "--mail-user=x@example.org,y@example.org", "--wrap", "echo hi"
    )
    assert done.stderr == ""
    post.wait_count(2)
    assert sorted(post.receivers) == ["x@example.org", "y@example.org"]
    assert len(set(post.ids)) == 2
    house.ok("Sbatch", "--mail-type=end", "--wrap", "echo hi")
    post.wait_count(3)
    assert post.receivers[2] == "me@example.org"
    assert "Submitted as: Sbatch --mail-type=end --wrap" in body_of(post.letters[2])
    done = house.run("Sbatch", "--mail-type=ENDE", "--wrap", "true")
    assert done.returncode == 2 and "--mail-type: no 'ENDE'" in done.stderr and done.stderr.count("\n") == 1


def test_jobs_in_the_foreground_are_told_of_too(house: House, desk: Desk, post: Post) -> None:
    house.server(2)
    desk.mail_to(post)
    desk.start()
    assert house.run("Salloc", "--mail-type=FAIL", "--mail-user=x@example.org", "false").returncode == 1
    post.wait_count(1)
    assert post.receivers == ["x@example.org"] and "Name=false Failed" in str(post.letters[0]["Subject"])
    assert "Submitted as: Salloc --mail-type=FAIL --mail-user=x@example.org false" in body_of(post.letters[0])
    house.ok("Srun", "--mail-type=END", "-J", "step", "true")
    post.wait_count(2)
    assert "Name=step Ended" in str(post.letters[1]["Subject"])
    done = house.run("Salloc", "--mail-type=ENDE", "true")
    assert done.returncode == 2 and "--mail-type: no 'ENDE'" in done.stderr and done.stderr.count("\n") == 1


def test_a_salloc_is_told_too(house: House, desk: Desk, post: Post) -> None:
    house.server(2)
    desk.mail_to(post)
    desk.start()
    done = house.run(
        "Salloc", "-n1", "--mail-type=BEGIN,FAIL", "--mail-user=x@example.org", "sh", "-c", "exit 3"
    )
    assert done.returncode == 3
    began, failed = post.wait_count(2)
    assert str(began["Subject"]).endswith(" Name=sh Began, Queued time 00:00:00")
    assert str(failed["Subject"]).endswith(" Name=sh Failed, Run time 00:00:00, FAILED, ExitCode 3")
    assert post.receivers == ["x@example.org"] * 2
    assert "\nSubmitted as: Salloc -n1 --mail-type=BEGIN,FAIL " in body_of(failed)


def test_stopped_for_a_while_it_tells_all_when_it_goes_on(
    client: jobd.Client, desk: Desk, post: Post
) -> None:
    desk.mail_to(post)
    process = desk.start()
    process.send_signal(signal.SIGSTOP)
    jobs = client.submit_many(["true"] * 1500, labels=mailed("END"), hold=True)
    client.cancel(jobs)
    client.wait(jobs)
    process.send_signal(signal.SIGCONT)
    post.wait_count(len(jobs))
    desk.house.until(lambda: not desk.outbox())
    assert len(set(post.ids)) == len(post.ids) == len(jobs)


def test_hostile_names_and_output_stay_what_they_are(client: jobd.Client, desk: Desk, post: Post) -> None:
    desk.mail_to(post)
    desk.start()
    name = "x\r\nBcc: victim@example.org\r\n\r\nbody\x1b[31m"
    output = "printf '\\033[31mred\\033[0m\\n10%%\\r20%%\\r30%%\\n\\0nul\\nFrom x\\n.\\nQUIT\\n\\377\\n'"
    client.submit(output, name=name, labels=mailed("END", "a@example.org\r\nBcc: victim@example.org"))
    client.submit("true", labels=mailed("END", "-X/tmp/log")).wait()
    client.submit("mkfifo pipe", name="fifo").wait()
    client.submit("true", stdout="slurm-ok.out", labels=mailed("END")).wait()
    post.wait(lambda now: any("Name=true" in subject for subject in now.subjects))
    letter = post.letters[0]
    assert letter["Bcc"] is None and "\\r\\nBcc: victim@example.org" in str(letter["Subject"])
    assert set(post.receivers) <= {
        "a@example.org",
        "victim@example.org",
        "me@example.org",
    }  # as named, each a mail of its own
    text = body_of(letter)
    assert "    red\n    30%\n" in text and "\x1b" not in text and "\0" not in text
    assert "    From x\n    .\n    QUIT\n" in text
    assert "is no address for mail" in desk.until_logged("no mail")


def test_an_output_that_is_no_file_holds_up_nothing(client: jobd.Client, desk: Desk, post: Post) -> None:
    desk.mail_to(post)
    os.mkfifo("pipe")
    job = client.submit("true", labels=mailed("END"), stdout="/dev/null", stderr="/dev/zero")
    job.wait()
    desk.start()
    client.submit("sleep 1000 &", stdout="pipe", labels=mailed("END"))
    reader = os.open("pipe", os.O_RDONLY | os.O_NONBLOCK)
    post.wait_count(1)
    os.close(reader)


def test_what_ended_while_it_was_away_is_told(
    client: jobd.Client, desk: Desk, post: Post, house: House
) -> None:
    desk.mail_to(post)
    desk.start()
    desk.stop()
    ends = [client.submit("true", labels=mailed("END")) for _ in range(3)]
    client.wait(ends)
    desk.start()
    post.wait_count(3)
    assert len(set(post.ids)) == 3


def test_events_that_are_no_longer_kept_are_made_up_for(house: House, desk: Desk, post: Post) -> None:
    (desk.folder / "config.toml").write_text("events_kept = 100\n")
    house.server(2)
    desk.mail_to(post)
    desk.start()
    with house.environment():
        client = jobd.Client()
        first = client.submit("true", labels=mailed("END"))
        post.wait_count(1)
        desk.stop()
        second = client.submit("true", array="0-2", labels=mailed("END"))
        third = client.submit("exit 1", labels=mailed("FAIL"))
        running = client.submit("sleep 1000", labels=mailed("BEGIN"))
        client.wait([first, second, third])
        many = client.submit_many(["true"] * 2500, hold=True)
        for priority in range(1, 6):
            client.update(many, priority=priority)
        client.cancel(many)
        client.close()
    desk.start()
    desk.until_logged("events were missed")
    post.wait_count(4)
    assert sorted(
        subject.split(" ")[-1] if "Began" in subject else subject.split(",")[0][-5:]
        for subject in post.subjects
    )
    told = " ".join(post.subjects)
    assert (
        f"Job_id={second.id}_* " in told
        and f"Job_id={third.id} " in told
        and f"Job_id={running.id} Name=sleep Began" in told
    )
    assert post.subjects.count(post.subjects[0]) == 1 and len(set(post.ids)) == 4
    house.ok("Scancel", str(running.id))


def test_requeues_and_dependencies_that_were_missed_are_made_up_for(
    house: House, desk: Desk, post: Post
) -> None:
    (desk.folder / "config.toml").write_text("events_kept = 100\n")
    house.server(2)
    desk.mail_to(post)
    desk.start()
    with house.environment():
        client = jobd.Client()
        job = client.submit("exec sleep 1000", labels=mailed("REQUEUE"))
        house.until_state(job.id, "RUNNING")
        client.requeue(job)
        post.wait_count(1)  # this one was heard
        desk.stop()
        house.until_state(job.id, "RUNNING")
        client.requeue(job)
        house.until_state(job.id, "RUNNING")
        client.requeue(job, is_held=True)
        first = client.submit("exit 1")
        stuck = client.submit("true", dependency=f"afterok:{first.id}", labels=mailed("INVALID_DEPEND"))
        client.wait([first])
        long = client.submit("sleep 1000", time=30, labels=mailed("TIME_LIMIT_50"))
        house.until_state(long.id, "RUNNING")
        many = client.submit_many(["true"] * 2500, hold=True)
        for priority in range(1, 6):
            client.update(many, priority=priority)
        client.cancel(many)
        client.close()
    desk.start()
    desk.until_logged("events were missed")
    post.wait_count(5)
    told = [
        subject.split(" Name=")[0] + subject.partition("Name=")[2].partition(" ")[2]
        for subject in post.subjects
    ]
    assert sorted(one.partition(", ")[0] for one in told[1:]) == sorted(
        [f"jobd Job_id={job.id}Requeued"] * 2
        + [f"jobd Job_id={stuck.id}Invalid dependency", f"jobd Job_id={long.id}Reached 50% of time limit"]
    )
    assert len(set(post.ids)) == 5
    again = " ".join(body_of(letter).split("\n")[0] for letter in post.letters)
    assert "after attempt 1 " in again and "after attempt 2 " in again and "after attempt 3 " in again
    house.ok("Scancel", str(job.id), str(stuck.id), str(long.id))


def test_an_array_that_is_queued_again_is_told_once(
    client: jobd.Client, desk: Desk, post: Post, house: House
) -> None:
    desk.mail_to(post)
    desk.start()
    array = client.submit("sleep 1000", array="0-1", name="sweep", labels=mailed("REQUEUE"))
    house.until(lambda: sum(job["state"] == "RUNNING" for job in house.jobs()) == 2)
    client.requeue(array, is_held=True)
    house.until(lambda: all(job["state"] == "PENDING" for job in house.jobs()))
    client.cancel(array)
    last = client.submit("true", labels=mailed("END"))
    post.wait(lambda now: any(f"Job_id={last.id} " in subject for subject in now.subjects))
    assert post.subjects[0] == f"jobd Array Summary Job_id={array.id}_* ({array.id}) Name=sweep Requeued"
    assert len(post.letters) == 2 and "is queued again, after attempt 1 " in body_of(post.letters[0])


def test_a_new_journal_is_followed_too(house: House, desk: Desk, post: Post) -> None:
    house.server(2)
    desk.mail_to(post)
    desk.start()
    house.ok("Sbatch", "--mail-type=END", "--wrap", "true")
    post.wait_count(1)
    house.ok("Sserver", "-2")
    for path in (house.root / ".local/state/jobd").glob("journal.sqlite*"):
        path.unlink()
    house.server(2)
    house.ok("Sbatch", "--mail-type=END", "--wrap", "true")
    post.wait_count(2)
    assert len(set(post.ids)) == 2


def test_it_may_be_started_before_the_server(house: House, desk: Desk, post: Post) -> None:
    desk.mail_to(post)
    desk.start()
    assert "from its start" in desk.until_logged("follows the events")
    house.server(2)
    house.ok("Sbatch", "--mail-type=END", "--wrap", "true")
    post.wait_count(1)


def test_a_restart_of_the_server_is_not_noticed(
    house: House, desk: Desk, post: Post, client: jobd.Client
) -> None:
    desk.mail_to(post)
    desk.start()
    job = client.submit("sleep 1.5", time=60, labels=mailed("END"))
    house.until_state(job.id, "RUNNING")
    os.kill(house.server_pid(), 9)
    job.wait()
    post.wait_count(1)
    house.ok("Sserver", "2")
