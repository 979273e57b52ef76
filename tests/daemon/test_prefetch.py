"""What the agent may begin by itself: what it is sent, how that is taken back, and that nobody is told what is not so."""

from typing import Any

import pytest

from core.worlds import at
from daemon.houses import (
    ENVIRONMENT,
    HELLO,
    SCRIPT,
    UID,
    House,
    agent,
    batch,
    batch_id_range,
    left,
    left_of,
    over,
    rows,
    said,
    submission,
    target,
)
from jobd.core.job import Running
from jobd.daemon.inputs import AgentSaid, Request
from jobd.daemon.peers import Peer
from jobd.daemon.prefetch import AHEAD, ANSWER_S, Prefetched
from jobd.errors import JobdError, JournalError
from jobd.wire import batch as b
from jobd.wire import codec
from jobd.wire import messages as m
from jobd.wire.verbs import VERB_OF

CANCEL, HOLD = b.Cancel(target(5)), b.Control(target(5), "hold")


def prefetching(house: House, waiting: int = 3, **more: Any) -> list[int]:
    """Two jobs run, others wait, and the agent has those; the jobs. All jobs are short."""
    house.server.prefetched = Prefetched(short_s=1e9, average_s=0.0)
    house.tick(HELLO)
    return batch_id_range(house, "a", 2 + waiting, **more)


def sent(house: House) -> list[int]:
    """The jobs of the Prefetches that were not asked for yet."""
    return [message.launch.job_id for message in said(house, b.Prefetch)]


def token_of(number: int, token: str = "a") -> str:
    """That of the number-th job of a submission."""
    return token if number == 1 else f"{token}/{number - 1}"


def began(house: House, job_id: int, cpus: list[int], attempt: int = 1, token: str = "") -> AgentSaid:
    """That a job has begun, by the agent."""
    token = token or token_of(job_id)
    return agent(b.Began(job_id, attempt, token, cpus, at(house.seconds).wall_s))


def state(house: House, job_id: int) -> str:
    return rows(house)[job_id].state


class Asker:
    """Requests whose answers may come in a later tick."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.verbs: dict[str, str] = {}

    def ask(self, name: str, request: Any, pid: int = 50) -> Any:
        """Ask under that name; the answer, if it comes at once."""
        self.verbs[name] = VERB_OF[type(request)]
        self.house.ear.replies.clear()
        data = codec.encode_request(request)
        self.house.server.tick([Request(name, Peer(UID, pid), data)], at(self.house.seconds))
        return self.answers().get(name)

    def after(self, *messages: AgentSaid) -> dict[str, Any]:
        """What is answered when the agent has said that."""
        self.house.ear.replies.clear()
        self.house.server.tick(messages, at(self.house.seconds))
        return self.answers()

    def answers(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, data in self.house.ear.replies:
            assert name not in found
            try:
                found[name] = codec.decode_reply(self.verbs[name], data)
            except JobdError as error:
                found[name] = error
        return found


def recalled(house: House) -> AgentSaid:
    """The answer to the last Recall."""
    return agent(b.Recalled(said(house, b.Recall)[-1].number))


# ---- sending
def test_what_is_next_is_sent_after_its_blobs_as_it_will_be_launched(house: House) -> None:
    prefetching(house, 1, time_limit_s=60)
    kinds = [type(message).__name__ for message in house.ear.told]
    assert kinds == ["Watch", "Blob", "Blob", "Launch", "Launch", "Prefetch"]
    prefetch = said(house, b.Prefetch)[0].launch
    house.server.prefetched.lost()
    house.ear.told.clear()
    house.tick(left(house, 1))
    (launch,) = said(house, b.Launch)
    assert (prefetch.job_id, prefetch.attempt, prefetch.cpus) == (3, 1, [])
    variables = [
        dict(zip(one.variables[::2], one.variables[1::2], strict=True)) for one in (prefetch, launch)
    ]
    assert variables[0] == variables[1]
    assert prefetch._replace(cpus=[0], started_at=launch.started_at, variables=[]) == launch._replace(
        variables=[]
    )


def test_it_is_sent_once_and_no_more_than_may_end_meanwhile(house: House) -> None:
    prefetching(house, 3 * AHEAD)
    assert sent(house) == list(range(3, 3 + 2 * AHEAD))
    house.tick()
    assert sent(house) == []
    house.tick(left(house, 1), began(house, 3, [0]))
    assert sent(house) == [3 + 2 * AHEAD]


def test_it_begins_when_jobs_have_been_short_and_ends_when_they_are_long(house: House) -> None:
    house.tick(HELLO)
    batch_id_range(house, "a", 100)
    job_id = 0
    while not house.server.prefetched._sent:
        job_id += 1
        assert job_id < 40
        house.tick(left(house, job_id))
    assert sent(house)[0] == job_id + 3
    house.seconds += 50.0
    house.tick(left(house, job_id + 1))
    (recall,) = said(house, b.Recall)
    assert [job_id + 4, 1] in recall.attempts and sent(house) == []


def test_each_start_is_committed_first_where_a_power_cut_is_to_change_nothing(tmp_path: Any) -> None:
    house = House(str(tmp_path / "full"), journal_sync="full")
    prefetching(house)
    assert sent(house) == []
    house.journal.close()


def test_what_comes_before_others_is_sent_before_them(house: House) -> None:
    prefetching(house)
    assert sent(house) == [3, 4, 5]
    batch_id_range(house, "b", priority=7)
    assert said(house, b.Recall) == [b.Recall([[3, 1], [4, 1], [5, 1]], 1)]
    assert sent(house) == [6, 3, 4, 5]
    house.tick(agent(b.Recalled(1)), left(house, 1), began(house, 6, [0], token="b"))
    assert sent(house) == [] and said(house, b.Recall) == [] and state(house, 6) == "RUNNING"


def test_what_the_planner_starts_meanwhile_is_launched(house: House) -> None:
    prefetching(house)
    house.ear.told.clear()
    house.tick(left(house, 1))  # an agent that had no place for it
    assert [launch.job_id for launch in said(house, b.Launch)] == [3]
    house.tick(began(house, 3, [0]))  # and one that had
    assert said(house, b.Launch) == said(house, m.Kill) == [] and state(house, 3) == "RUNNING"
    assert [change.cpus for change in said(house, b.Change)] == [[0]]  # as it is


# ---- beginning
def test_one_that_has_begun_runs_and_is_not_launched(house: House) -> None:
    prefetching(house)
    house.ear.told.clear()
    house.ear.published.clear()
    house.tick(left(house, 2), began(house, 3, [1]))
    assert said(house, b.Launch) == said(house, b.Change) == said(house, b.Recall) == []
    phase = house.world.jobs[3].phase
    assert isinstance(phase, Running) and phase.cpus == (1,)
    assert [(event.kind, event.job.job_id) for _, event in house.ear.published if event.job] == [
        ("ended", 2),
        ("started", 3),
    ]


def test_one_may_begin_and_end_within_one_message(house: House) -> None:
    prefetching(house)
    messages = [left(house, 1)]
    for job_id in (3, 4, 5):
        messages += [began(house, job_id, [0]), agent(left_of(job_id, 1, token_of(job_id), job_id))]
    house.tick(*messages)
    assert [over(house, job_id).exit_code for job_id in (1, 3, 4, 5)] == [0, 3, 4, 5]
    assert {message.job_id for message in said(house, b.ForgetAttempt)} == {1, 3, 4, 5}
    assert state(house, 2) == "RUNNING" and said(house, m.Kill) == []


def test_what_is_said_twice_or_late_changes_nothing(house: House) -> None:
    prefetching(house)
    begun = began(house, 3, [0])
    house.tick(left(house, 1), begun, begun)
    house.tick(begun)
    assert state(house, 3) == "RUNNING"
    end = left(house, 3)
    house.tick(end, begun, end)
    assert over(house, 3).state == "COMPLETED"


@pytest.mark.parametrize(
    ("job_id", "attempt", "token"), [(3, 1, "other"), (3, 2, "a/2"), (77, 1, "a"), (1, 2, "a")]
)
def test_what_is_not_to_run_is_killed(house: House, job_id: int, attempt: int, token: str) -> None:
    prefetching(house)
    house.tick(began(house, job_id, [0], attempt, token))
    assert said(house, m.Kill) == [m.Kill(job_id, 5.0, attempt, token)]
    assert state(house, 3) == "PENDING"


def test_one_that_is_tried_again_is_another_attempt(house: House) -> None:
    prefetching(house, 1, retry_count=0)
    (retried,) = batch_id_range(house, "b", retry_count=1)
    assert sent(house) == [3, retried]
    house.tick(left(house, 1), began(house, 3, [0]), left(house, 2), began(house, retried, [1], token="b"))
    house.tick(left(house, retried, 1))
    (again,) = [one for one in said(house, b.Launch) if one.job_id == retried and one.attempt == 2]
    assert again.cpus == [1]


def test_of_one_that_has_failed_within_a_tick_the_next_attempt_is_sent(house: House) -> None:
    prefetching(house, 0)
    (retried,) = batch_id_range(house, "b", retry_count=1)
    assert [one.launch.attempt for one in said(house, b.Prefetch)] == [1]
    others = batch_id_range(house, "c", 2, priority=5)
    house.ear.told.clear()
    # It takes a place that others get in the same tick: then it waits again, and is next.
    house.tick(left(house, 1), began(house, retried, [0], token="b"), agent(left_of(retried, 1, "b", 1)))
    assert [one.job_id for one in said(house, b.Launch)] == others[:1]
    house.tick(left(house, 2))
    assert [one.launch.attempt for one in said(house, b.Prefetch)] == [2]


def test_processors_that_another_has_by_now_are_changed(house: House) -> None:
    prefetching(house)
    house.tick(left(house, 1), began(house, 3, [1]))
    (change,) = said(house, b.Change)
    assert (change.job_id, change.attempt, change.cpus) == (3, 1, [0])


# ---- servers and agents that come and go
def test_what_began_for_the_last_server_runs_for_the_next_one(house: House) -> None:
    prefetching(house)
    house.start()
    assert state(house, 3) == "PENDING"
    house.tick(HELLO, left(house, 1), began(house, 3, [0]))
    assert state(house, 3) == "RUNNING" and said(house, m.Kill) == []
    (change,) = said(house, b.Change)[-1:]  # it may have been changed meanwhile, and its agent does not know
    assert (change.job_id, change.cpus) == (3, [0])


def test_what_was_cancelled_before_the_agent_came_back_is_killed(house: House) -> None:
    prefetching(house)
    house.start()
    house.tick(b.Cancel(target(3)))
    assert over(house, 3).state == "CANCELLED"
    house.tick(HELLO, began(house, 3, [0]))
    assert said(house, m.Kill) == [m.Kill(3, 5.0, 1, token_of(3))]
    house.tick(agent(left_of(3, 1, token_of(3))))
    assert said(house, b.ForgetAttempt) == [b.ForgetAttempt(3, 1, token_of(3))]
    assert over(house, 3).state == "CANCELLED"


def test_a_new_agent_is_sent_all_again_and_one_that_is_gone_nothing(house: House) -> None:
    prefetching(house)
    assert sent(house) == [3, 4, 5]
    house.tick(HELLO)
    assert sent(house) == [3, 4, 5]
    house.server.agent_is_gone()
    assert Asker(house).ask("cancel", CANCEL).job_ids == [5]
    house.tick(HELLO)
    assert sent(house) == [3, 4]


def test_an_agent_of_another_release_is_sent_nothing_and_waited_for_by_nobody(house: House) -> None:
    house.server.prefetched = Prefetched(short_s=1e9, average_s=0.0)
    house.tick(agent(m.Hello(9, 9, "boot", "0.0.9")))
    batch_id_range(house, "a", 5)
    assert sent(house) == [] and Asker(house).ask("cancel", CANCEL).job_ids == [5]


# ---- taking back
@pytest.mark.parametrize(
    "request_",
    [
        CANCEL,
        HOLD,
        b.Control(target(1), "requeue"),
        b.Control(target(1), "suspend"),
        b.Update(target(5), time_limit_s=9),
        submission("salloc"),
        m.Delete([5]),
        m.SetLimits(1),
        m.Stop(),
        batch("child")._replace(is_child=True),
    ],
    ids=lambda request: type(request).__name__,
)
def test_what_changes_what_may_run_is_done_when_all_is_taken_back(house: House, request_: Any) -> None:
    prefetching(house)
    asker = Asker(house)
    before = dict(house.world.jobs)
    assert asker.ask("first", request_) is None and house.world.jobs == before
    (recall,) = said(house, b.Recall)
    assert recall.attempts == []
    house.tick()
    assert said(house, b.Recall) == [] and house.server.wake_at_s == house.server.now.mono_s + ANSWER_S
    assert not house.server.is_done
    answers = asker.after(agent(b.Recalled(recall.number)))
    assert list(answers) == ["first"] and not isinstance(answers["first"], JobdError)
    assert house.server.is_done is isinstance(request_, m.Stop)


def test_what_changes_nothing_is_done_at_once_also_while_others_wait(house: House) -> None:
    prefetching(house)
    asker = Asker(house)
    for number in range(2):
        for name, request in (
            ("status", m.Ask()),
            ("list", m.ListJobs()),
            ("batch", batch(f"b{number}")),
        ):
            assert asker.ask(f"{name}{number}", request) is not None
        asker.ask(f"cancel{number}", CANCEL)
    assert len(said(house, b.Recall)) == 1
    answers = asker.after(agent(b.Recalled(1)))
    assert list(answers) == ["cancel0", "cancel1"]


def test_what_began_before_it_could_be_taken_back_is_cancelled_as_one_that_runs(house: House) -> None:
    prefetching(house)
    asker = Asker(house)
    asker.ask("hold", b.Control(target(3), "hold"))
    asker.ask("cancel", b.Cancel(target(3)))
    answers = asker.after(left(house, 1), began(house, 3, [0]), recalled(house))
    assert answers["hold"].job_ids == [] and len(answers["hold"].refused) == 1
    assert answers["cancel"].job_ids == [3]
    assert said(house, m.Kill)[0][:3] == (3, 5.0, 1) and state(house, 3) == "COMPLETING"


def test_after_it_what_is_left_is_sent_again(house: House) -> None:
    prefetching(house)
    asker = Asker(house)
    asker.ask("hold", b.Control(target(4), "hold"))
    assert sent(house) == [3, 4, 5]
    asker.after(recalled(house))
    assert sent(house) == [3, 5]


def test_only_the_answer_to_the_last_recall_counts(house: House) -> None:
    prefetching(house)
    batch_id_range(house, "b", priority=7)  # one Recall
    asker = Asker(house)
    asker.ask("cancel", CANCEL)
    for number in (-1, 0, 1, 1, 3, 1 << 40):
        assert asker.after(agent(b.Recalled(number))) == {}
    assert set(asker.after(agent(b.Recalled(2)))) == {"cancel"}
    assert asker.after(agent(b.Recalled(2)), agent(b.Recalled(1))) == {}


def test_what_some_were_taken_back_for_is_waited_for_too(house: House) -> None:
    prefetching(house, 1)
    batch_id_range(house, "b", nb_proc=2, priority=7)  # now nothing is known
    assert said(house, b.Recall) == [b.Recall([[3, 1]], 1)] and sent(house) == [3]
    asker = Asker(house)
    assert asker.ask("cancel", b.Cancel(target(3))) is None
    assert asker.after(agent(b.Recalled(1))) == {}
    assert asker.after(agent(b.Recalled(2)))["cancel"].job_ids == [3]


def test_an_agent_that_does_not_answer_holds_up_others_once(house: House) -> None:
    prefetching(house)
    asker = Asker(house)
    asker.ask("cancel", CANCEL)
    house.seconds += ANSWER_S - 0.1
    assert asker.after() == {}
    house.seconds += 0.2
    assert asker.after()["cancel"].job_ids == [5]
    sent(house)
    house.tick()
    assert sent(house) == [] and house.server.wake_at_s is None
    assert asker.ask("hold", b.Control(target(4), "hold")).job_ids == [4]
    asker.after(recalled(house))  # it goes on at last
    assert sent(house) == [3]


@pytest.mark.parametrize("is_back", [False, True])
def test_an_agent_that_dies_holds_up_nobody(house: House, is_back: bool) -> None:
    prefetching(house)
    asker = Asker(house)
    asker.ask("cancel", CANCEL)
    if is_back:
        answers = asker.after(HELLO)
    else:
        house.server.agent_is_gone()
        assert house.server.wake_at_s == 0.0
        answers = asker.after()
    assert answers["cancel"].job_ids == [5] and house.server.wake_at_s is None


def test_a_journal_that_takes_nothing_is_told_to_those_who_wait(house: House) -> None:
    prefetching(house)
    asker = Asker(house)
    asker.ask("cancel", CANCEL)

    def full(**_: Any) -> None:
        raise JournalError("disk full")

    house.journal.commit = full  # type: ignore[method-assign]
    with pytest.raises(JournalError):
        asker.ask("batch", batch("b"))
    assert {name: type(answer) for name, answer in asker.answers().items()} == {
        "batch": JournalError,
        "cancel": JournalError,
    }


def test_a_server_that_is_told_to_stop_answers_those_who_wait(house: House) -> None:
    prefetching(house)
    asker = Asker(house)
    asker.ask("cancel", CANCEL)
    house.server.stop_asked = True  # SIGTERM
    house.tick()
    assert not house.server.is_done
    assert asker.after(recalled(house))["cancel"].job_ids == [5]
    assert house.server.is_done and sent(house) == [3, 4, 5]  # those of the beginning


def test_a_server_that_stops_takes_all_back(house: House) -> None:
    prefetching(house)
    house.server.stop_asked = True
    house.tick()
    assert said(house, b.Recall) == [b.Recall([[3, 1], [4, 1], [5, 1]], 1)]


def test_blobs_that_are_not_kept_end_what_is_launched_and_not_what_waits(house: House) -> None:
    prefetching(house, 1)
    house.journal._writer.execute("DELETE FROM blobs WHERE key = ?", (SCRIPT.key,))
    house.tick(agent(b.Want([SCRIPT.key, ENVIRONMENT.key])))
    assert state(house, 3) == "PENDING" and state(house, 1) == "COMPLETING"
