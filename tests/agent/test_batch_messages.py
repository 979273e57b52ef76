"""What server and agent say to each other about attempts may be lost, doubled, or come late; an attempt starts once all the same."""

import signal

from agent.hands import ENVIRONMENT, Hands
from jobd.states import Cause
from jobd.wire import batch as b
from jobd.wire import messages as m
from jobd.wire.blobs import blob_of, pack_environment

COUNT = "echo x >> runs; read x < go"


def test_a_launch_said_twice_starts_once_and_is_answered_with_what_is_known(hands: Hands) -> None:
    go = hands.gate("go")
    launch = hands.shell(1, COUNT)
    first = hands.launched(1)
    hands.hear(launch)
    assert hands.all_of(b.Launched, 1) == [first, first]
    go("")
    left = hands.left(1)
    hands.hear(launch)
    assert hands.all_of(b.Left, 1) == [left, left]
    assert (hands.folder / "runs").read_text() == "x\n"


def test_a_launch_that_comes_after_its_end_was_committed_starts_nothing(hands: Hands) -> None:
    launch = hands.shell(1, "echo x >> runs")
    hands.left(1)
    hands.hear(b.ForgetAttempt(1, 1, launch.token), launch)
    assert hands.left(1).cause == "lost"
    assert (hands.folder / "runs").read_text() == "x\n"
    hands.start()
    hands.hear(ENVIRONMENT, launch)
    assert (hands.folder / "runs").read_text() == "x\n"


def test_another_attempt_of_a_job_is_another_run(hands: Hands) -> None:
    hands.sh(1, "echo $JOBD_ATTEMPT >> runs")
    hands.sh(1, "echo $JOBD_ATTEMPT >> runs", attempt=2)
    assert (hands.folder / "runs").read_text() == "1\n2\n"


def test_what_is_missing_is_wanted_and_the_launch_waits_for_it(hands: Hands) -> None:
    script = blob_of(b"#!/bin/sh\necho it runs\n")
    environment = blob_of(pack_environment({b"PATH": b"/bin:/usr/bin", b"X": b"y"}))
    launch = hands.make(1, ["s"], script=script.key, environment=environment.key)
    hands.hear(launch)
    assert hands.link.said[-1] == b.Want([environment.key, script.key])
    hands.hear(launch)
    assert hands.link.said[-1] == b.Want([environment.key, script.key])
    hands.hear(environment)
    assert not hands.book.entries
    hands.hear(script)
    assert hands.left(1).exit_code == 0
    assert hands.output(1) == "it runs\n"


def test_a_blob_that_is_not_what_its_name_says_is_not_used(hands: Hands) -> None:
    script = blob_of(b"#!/bin/sh\necho right\n")
    launch = hands.make(1, ["s"], script=script.key)
    hands.hear(ENVIRONMENT, launch, b.Blob(script.key, b"#!/bin/sh\necho wrong\n"))
    assert not hands.all_of(b.Launched, 1) and not hands.all_of(b.Left, 1)
    hands.hear(script)
    hands.left(1)
    assert hands.output(1) == "right\n"


def test_the_key_of_a_script_is_no_path(hands: Hands) -> None:
    hands.hear(ENVIRONMENT, hands.make(1, ["s"], script="../../x"))
    assert hands.link.said[-1] == b.Want(["../../x"])


def test_a_job_that_waits_for_a_blob_can_be_killed_and_changed(hands: Hands) -> None:
    script = blob_of(b"#!/bin/sh\nsleep 600\n")
    hands.hear(ENVIRONMENT, hands.make(1, ["s"], script=script.key), hands.make(2, ["s"], script=script.key))
    hands.hear(b.Change(2, 1, [], 0, 1, 0.0, False), m.Kill(1, 5.0, 1))
    assert hands.left(1).cause == "start unknown"
    hands.hear(script)
    assert hands.left(2).cause == "time limit"
    assert not hands.all_of(b.Launched, 1)


def test_a_kill_of_what_is_not_known_is_answered_with_its_end(hands: Hands) -> None:
    hands.hear(m.Kill(7, 5.0, 3))
    left = hands.left(7, 3)
    assert (left.cause, left.exit_code, left.signal, left.pid) == ("start unknown", None, None, 0)
    hands.hear(b.ForgetAttempt(7, 3, ""))
    assert not hands.agent.batches.attempts


def test_a_kill_of_what_has_ended_says_its_end_again(hands: Hands) -> None:
    left = hands.sh(1, "exit 4")
    hands.hear(m.Kill(1, 5.0, 1))
    assert hands.all_of(b.Left, 1) == [left, left]


def test_an_end_is_said_at_each_connection_until_it_is_forgotten(hands: Hands) -> None:
    left = hands.sh(1, "exit 4")
    hands.agent.disconnected()
    hands.agent.connected()
    hands.agent.flush()
    assert hands.all_of(b.Left, 1) == [left, left]
    hands.hear(b.ForgetAttempt(1, 1, "of another journal"))
    hands.agent.connected()
    hands.agent.flush()
    assert hands.all_of(b.Left, 1) == [left] * 3
    hands.hear(b.ForgetAttempt(1, 1, left.token), b.ForgetAttempt(1, 1, left.token))
    hands.agent.connected()
    hands.agent.flush()
    assert hands.all_of(b.Left, 1) == [left] * 3


def test_what_lives_is_not_forgotten(hands: Hands) -> None:
    go = hands.gate("go")
    launch = hands.shell(1, COUNT)
    hands.launched(1)
    hands.hear(b.ForgetAttempt(1, 1, launch.token))
    go("")
    assert hands.left(1).exit_code == 0


def test_at_a_connection_all_is_said_that_is_known(hands: Hands) -> None:
    hands.gate("go")
    hands.shell(1, COUNT)
    launched = hands.launched(1)
    hands.shell(2, "trap '' TERM; sleep 600 & echo ready > r; mv r ready; exit 3", grace_s=600.0)
    hands.until(lambda: hands.all_of(b.Over, 2))
    hands.sh(3, "exit 3")
    hands.agent.disconnected()
    hands.link.said.clear()
    hands.agent.connected()
    hands.agent.flush()
    assert isinstance(hands.link.said[0], m.Hello)
    assert hands.all_of(b.Launched, 1) == [launched]
    assert [one.exit_code for one in hands.all_of(b.Over, 2)] == [3]
    assert [one.exit_code for one in hands.all_of(b.Left, 3)] == [3]
    hands.agent.batches.lives.end_for(hands.agent.batches.attempts[2, 1], Cause.SCOPE, 0.0)
    hands.left(2)


def test_a_job_of_another_journal_gives_way_to_the_one_that_has_its_number_now(hands: Hands) -> None:
    hands.shell(1, "trap '' TERM; echo ready > r; mv r ready; sleep 600")
    hands.wait_for_file("ready")
    hands.launch(1, ["true"], token="new")
    hands.until(lambda: any(one.token == "new" for one in hands.all_of(b.Left, 1)))
    ends = {one.token: one for one in hands.all_of(b.Left, 1)}
    assert ends["new"].exit_code == 0
    assert ends["token-1"].signal == signal.SIGKILL


def test_a_job_of_another_journal_that_has_ended_gives_way_at_once(hands: Hands) -> None:
    hands.sh(1, "exit 1")
    hands.launch(1, ["true"], token="new")
    hands.until(lambda: any(one.token == "new" for one in hands.all_of(b.Left, 1)))


def test_what_is_said_of_unknown_jobs_changes_nothing(hands: Hands) -> None:
    hands.hear(
        b.Change(5, 1, [0], 0, 1, 0.0, True),
        b.Signal(5, 1, 9, "all"),
        b.Signal(5, 0, 9, "all"),
        b.ForgetAttempt(5, 1, ""),
        m.Kill(5, 1.0, 0),
    )
    assert not hands.agent.batches.attempts


def test_many_ends_of_one_turn_are_one_message(hands: Hands) -> None:
    hands.hear(ENVIRONMENT)
    hands.agent.flush()
    before = hands.link.messages
    for job_id in range(1, 21):
        hands.agent.batches.hear(hands.make(job_id, ["no-such-command"]))
    hands.agent.flush()
    assert hands.link.messages == before + 1
    assert len([one for one in hands.link.said if isinstance(one, b.Left)]) == 20
