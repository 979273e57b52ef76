"""Server and agent about batch jobs: what a launch says, and that late, doubled and lost messages and restarts change nothing."""

from typing import Any

import pytest

from core.worlds import at
from daemon.houses import (
    ENVIRONMENT,
    HELLO,
    SCRIPT,
    House,
    agent,
    batch,
    batch_id_range,
    left,
    left_of,
    over,
    rows,
    said,
    target,
)
from jobd.daemon.inputs import AgentSaid
from jobd.errors import JournalError
from jobd.wire import batch as b
from jobd.wire import codec
from jobd.wire import messages as m


def launch(house: House) -> b.Launch:
    (found,) = said(house, b.Launch)
    assert isinstance(found, b.Launch)
    return found


def variables_of(launch: b.Launch) -> dict[str, str]:
    return dict(zip(launch.variables[::2], launch.variables[1::2], strict=True))


def started(house: House, **more: Any) -> b.Launch:
    """Queue one job with an agent there; how it is launched."""
    house.tick(HELLO)
    batch_id_range(house, **more)
    return launch(house)


# ---- what a launch says
def test_a_launch_comes_after_its_blobs_and_says_all(house: House) -> None:
    house.tick(HELLO)
    house.tick(
        batch(name="sim", stdout="out/%x-%j.txt", stderr="/tmp/%J.err", umask=0o077, is_appending=True)
    )
    watch, environment, script, found = house.ear.told
    assert watch == m.Watch("here", [])  # whose agent it is
    assert (environment, script) == (ENVIRONMENT, SCRIPT)
    assert isinstance(found, b.Launch)
    assert (found.job_id, found.attempt, found.token, found.server_id) == (1, 1, "a", "here")
    assert (found.argv, found.script, found.environment) == (["work.sh", "0"], SCRIPT.key, ENVIRONMENT.key)
    assert (found.cwd, found.umask, found.is_appending) == ("/home/me", 0o077, True)
    assert (found.stdin, found.stdout, found.stderr) == ("", "/home/me/out/sim-1.txt", "/tmp/1.err")
    assert (found.cpus, found.all_cpus, found.nb_proc) == ([0], [0, 1], 1)
    assert (found.grace_s, found.is_leaving, found.started_at) == (5.0, False, house.server.now.wall_s)


def test_a_launch_has_the_variables_of_a_job(house: House) -> None:
    variables = variables_of(started(house, nb_proc=2, ntasks=2, cpus_per_task=1, name="sim"))
    assert {name: variables.get(name) for name in ("SLURM_JOB_ID", "SLURM_JOB_NAME", "SLURM_NTASKS")} == {
        "SLURM_JOB_ID": "1",
        "SLURM_JOB_NAME": "sim",
        "SLURM_NTASKS": "2",
    }
    assert variables["JOBD_JOB_ID"] == "1" and variables["JOBD_ATTEMPT"] == "1"
    assert variables["JOBD_SERVER"] == "here" and variables["JOBD_NB_PROC"] == variables["NB_PROC"] == "2"
    assert variables["?OMP_NUM_THREADS"] == "2" and "OMP_NUM_THREADS" not in variables


def test_an_element_is_told_of_its_array(house: House) -> None:
    house.tick(HELLO)
    batch_id_range(house, array=[[1, 7, 3]])
    first, second = said(house, b.Launch)
    assert (first.stdout, second.stdout) == ("/home/me/slurm-1_1.out", "/home/me/slurm-1_4.out")
    variables = variables_of(second)
    assert [variables[f"SLURM_ARRAY_{name}"] for name in ("JOB_ID", "TASK_ID", "TASK_COUNT")] == [
        "1",
        "4",
        "3",
    ]
    assert [variables[f"SLURM_ARRAY_TASK_{name}"] for name in ("MIN", "MAX", "STEP")] == ["1", "7", "3"]


def test_a_launch_has_the_limits(house: House) -> None:
    found = started(house, time_limit_s=60, memory_bytes=1 << 20, warn_signal=10, warn_before_s=5)
    assert (found.time_limit_s, found.memory_bytes) == (60, 1 << 20)
    assert (found.warn_signal, found.warn_before_s, found.is_warning_batch_only) == (10, 5, False)
    assert house.server.wake_at_s is None  # the agent holds them


def test_a_blob_is_sent_once_to_each_agent_and_again_when_it_wants_it(house: House) -> None:
    house.tick(HELLO)
    batch_id_range(house)
    assert said(house, b.Blob) == [ENVIRONMENT, SCRIPT]
    batch_id_range(house, "b")
    assert said(house, b.Blob) == []
    house.tick(agent(b.Want([SCRIPT.key, "0" * 32])))  # the second is of no job
    assert house.ear.told[-1] == SCRIPT
    house.ear.told.clear()
    house.tick(HELLO)
    assert said(house, b.Blob) == [ENVIRONMENT, SCRIPT] and len(said(house, b.Launch)) == 2


def test_all_that_is_said_in_a_tick_is_one_message(house: House) -> None:
    sent: list[int] = []
    house.tick(HELLO)
    tell = house.ear.tell_agent
    house.ear.tell_agent = lambda who, messages: (sent.append(len(messages)), tell(who, messages))[1]  # type: ignore[method-assign]
    batch_id_range(house, "a", 2)
    assert sent == [4]


# ---- the life of an attempt
def test_a_short_job_is_one_message_and_two_events(house: House) -> None:
    started(house)
    house.ear.published.clear()
    house.tick(left(house, 1, 0, ended_at=at(3.0).wall_s))
    row = over(house, 1)
    assert (row.state, row.exit_code, row.batch.cpu_s, row.batch.memory_peak_bytes) == (
        "COMPLETED",
        0,
        0.5,
        4096,
    )  # type: ignore[union-attr]
    assert [event.kind for _, event in house.ear.published] == ["ended"]
    assert said(house, b.ForgetAttempt) == [b.ForgetAttempt(1, 1, "a")]


def test_a_long_job_is_launched_over_and_left(house: House) -> None:
    started(house)
    house.tick(agent(b.Launched(1, 1, "a", 4242, 77, ["memory"], 0.0)))
    row = rows(house)[1]
    assert row.pid == 4242 and row.batch is not None and row.batch.unenforced == ["memory"]
    house.tick(agent(b.Over(1, 1, "a", 3, None, "self")))
    assert rows(house)[1].state == "COMPLETING" and 1 in house.world.holding
    house.tick(left(house, 1, 3))
    assert (over(house, 1).state, over(house, 1).exit_code) == ("FAILED", 3)


@pytest.mark.parametrize(
    ("cause", "code", "signal", "state"),
    [
        ("self", 0, None, "COMPLETED"),
        ("self", 1, None, "FAILED"),
        ("self", None, 9, "FAILED"),
        ("self", None, None, "NODE_FAIL"),
        ("time limit", None, 15, "TIMEOUT"),
        ("out of memory", None, 9, "OUT_OF_MEMORY"),
        ("launch", None, None, "FAILED"),
        ("lost", None, None, "NODE_FAIL"),
        ("start unknown", None, None, "NODE_FAIL"),
        ("of a newer agent", 1, None, "NODE_FAIL"),
    ],
)
def test_every_end_has_its_state(house: House, cause: str, code: Any, signal: Any, state: str) -> None:
    started(house)
    house.tick(left(house, 1, code, signal, cause=cause))
    row = over(house, 1)
    assert (row.state, row.exit_code, row.signal) == (state, code, signal)


@pytest.mark.parametrize("wild", [float("inf"), float("-inf"), -1.0, 1e300])
def test_numbers_that_cannot_be_are_not_believed(house: House, wild: float) -> None:
    started(house)
    house.tick(left(house, 1, 999, 999, ended_at=wild, cpu_s=wild, memory_peak_bytes=-5, pid=-1))
    row = over(house, 1)
    assert row.state == "NODE_FAIL" and row.ended_at == row.started_at
    assert row.batch is not None and 0 <= row.batch.cpu_s < 2e18 and row.batch.memory_peak_bytes == 0


def test_what_comes_twice_late_or_for_another_journal_means_nothing_and_is_forgotten(house: House) -> None:
    started(house)
    house.tick(
        agent(left_of(1, 2, "a")),
        agent(left_of(1, 1, "other")),
        agent(left_of(9, 1, "a")),
        agent(b.Over(1, 2, "a", 0, None, "self")),
        agent(b.Launched(1, 2, "a", 5, 5, [], 0.0)),
        agent(b.Launched(1, 1, "other", 5, 5, [], 0.0)),
    )
    assert rows(house)[1].state == "RUNNING" and rows(house)[1].pid == 0
    assert len(said(house, b.ForgetAttempt)) == 3
    end = left(house, 1, 4)
    house.tick(end, end)
    house.tick(end)
    assert over(house, 1).exit_code == 4
    assert said(house, b.ForgetAttempt) == [b.ForgetAttempt(1, 1, "a")] * 3


def test_a_salloc_is_not_ended_by_what_is_said_of_an_attempt(house: House) -> None:
    house.submit()
    house.tick(agent(left_of(1, 1, "a")), agent(b.Over(1, 1, "a", 0, None, "self")))
    assert rows(house)[1].state == "RUNNING"
    batch_id_range(house, "b")
    house.tick(agent(m.Gone(2, True, 0, None)), agent(m.Lost(2, 9)))
    assert rows(house)[2].state == "RUNNING"


def test_children_of_a_batch_job_are_known_by_its_process_and_end_with_it(house: House) -> None:
    started(house)
    house.tick(agent(b.Launched(1, 1, "a", 50, 5, [], 0.0)))
    child = house.submit("c", pid=5000)
    assert child.parent_id == 1 and rows(house)[1].state == "SUSPENDED"
    house.tick(agent(b.Over(1, 1, "a", 0, None, "self")))
    assert {number: row.state for number, row in rows(house).items()} == {1: "COMPLETING", 2: "COMPLETING"}
    assert m.Kill(2, 5.0, 0, "c", "parent ended") in said(house, m.Kill)


def test_a_failed_job_is_tried_again_as_often_as_it_wants(house: House) -> None:
    started(house, retry_count=1, retry_codes=[[3, 4]])
    house.tick(left(house, 1, 3))
    again = launch(house)
    assert again.attempt == 2 and variables_of(again)["SLURM_RESTART_COUNT"] == "1"
    assert said(house, b.ForgetAttempt) == [b.ForgetAttempt(1, 1, "a")]
    house.tick(agent(left_of(1, 1, "a", 3)))  # once more, since the Forget was lost
    assert rows(house)[1].state == "RUNNING"
    house.tick(left(house, 1, 3))
    assert (over(house, 1).state, over(house, 1).batch.attempt) == ("FAILED", 2)  # type: ignore[union-attr]


def test_the_end_of_the_agents_scope_ends_what_runs(house: House) -> None:
    started(house)
    batch_id_range(house, "b", nb_proc=2)
    house.tick(agent(m.ScopeEnding()))
    house.tick(left(house, 1, None, 15, cause="scope"))
    assert over(house, 1).state == "NODE_FAIL"


# ---- restarts
def restarted(house: House) -> None:
    house.journal.close()
    house.start()
    house.ear.told.clear()


def test_an_agent_that_comes_is_told_of_all_that_run_and_are_ending(house: House) -> None:
    batch_id_range(house, "a", 2)
    batch_id_range(house, "b")
    house.tick(b.Cancel(target(1)))
    house.tick(HELLO)
    assert [found.job_id for found in said(house, b.Launch)] == [2]
    assert said(house, m.Kill) == [m.Kill(1, 5.0, 1, "a", "deleted")]


STORY = ("submit", "hello", "launched", "over", "left")


@pytest.mark.parametrize("where", range(len(STORY) + 1))
@pytest.mark.parametrize("is_doubled", [False, True])
def test_a_restart_between_any_two_messages_changes_nothing(
    house: House, where: int, is_doubled: bool
) -> None:
    words = {
        "submit": batch(),
        "hello": HELLO,
        "launched": agent(b.Launched(1, 1, "a", 50, 5, [], 0.0)),
        "over": agent(b.Over(1, 1, "a", None, 11, "self")),
        "left": agent(left_of(1, 1, "a", None, 11)),
    }
    launches = []
    for number, word in enumerate(STORY):
        if number == where:
            restarted(house)
            house.tick(HELLO)
            launches += said(house, b.Launch)
        for _ in range(1 + is_doubled):
            house.tick(words[word])
        launches += said(house, b.Launch)
    if where == len(STORY):
        restarted(house)
        house.tick(HELLO)
    assert launches and all(found == launches[0] for found in launches)
    row = over(house, 1)
    assert (row.state, row.signal, row.batch.attempt) == ("FAILED", 11, 1)  # type: ignore[union-attr]
    (page,) = house.tick(m.ListEvents(0))
    kinds = [event.kind for event in page.events]
    assert kinds.count("started") == kinds.count("ended") == 1
    assert [event.seq for event in page.events] == list(range(1, len(kinds) + 1))


def test_nothing_is_launched_or_forgotten_that_is_not_committed(house: House) -> None:
    started(house)

    def full(**_: Any) -> None:
        raise JournalError("disk full")

    house.journal.commit = full  # type: ignore[method-assign]
    house.ear.told.clear()
    with pytest.raises(JournalError):
        house.tick(left(house, 1), batch("b"), HELLO)
    assert house.ear.told == []
    restarted(house)
    assert rows(house)[1].state == "RUNNING"


def test_nonsense_of_an_agent_about_batch_jobs_is_dropped(house: House) -> None:
    started(house)
    for fields in ([], [1], [1, 1, "a", "x"], [1, 1, "a", 0, None, "self", float("nan"), 0.0, 0]):
        house.tick(AgentSaid(b"local", codec.pack([codec.PROTOCOL, "left", fields])))
    assert rows(house)[1].state == "RUNNING"


@pytest.mark.parametrize("is_told_before", [False, True])
def test_why_it_could_not_be_started_is_told_and_remembered(house: House, is_told_before: bool) -> None:
    started(house)
    if is_told_before:
        house.tick(agent(b.Over(1, 1, "a", None, None, "launch", "/nosuch: No such file or directory")))
    house.tick(left(house, 1, None, None, cause="launch", text="/nosuch: No such file or directory"))
    for _ in range(2):
        row = over(house, 1)
        assert (row.state, row.reason_code) == ("FAILED", "JobLaunchFailure")
        assert row.reason == "/nosuch: No such file or directory"
        restarted(house)


def test_a_launch_without_its_blob_ends_as_a_failure_to_start(house: House) -> None:
    started(house)
    house.journal._writer.execute("DELETE FROM blobs WHERE key = ?", (SCRIPT.key,))
    house.tick(agent(b.Want([SCRIPT.key, ENVIRONMENT.key])))
    assert said(house, b.Blob)[-1] == ENVIRONMENT and said(house, m.Kill) == [
        m.Kill(1, 5.0, 1, "a", "launch")
    ]
    house.tick(agent(left_of(1, 1, "", None, None, cause="start unknown")))
    assert over(house, 1).state == "FAILED" and "not kept any more" in over(house, 1).reason
