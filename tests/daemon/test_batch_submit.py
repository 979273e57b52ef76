"""Submissions of batch jobs: what is queued, what is refused and named, and that the same token is the same jobs."""

import pytest

from core.worlds import at
from daemon.houses import (
    ENVIRONMENT,
    SCRIPT,
    House,
    batch,
    batch_id_range,
    batch_spec,
    left,
    over,
    rows,
    submission,
)
from jobd.errors import (
    NoSuchJob,
    NotEnough,
    Refused,
    Stopping,
    TooManyJobs,
    TooManyProcs,
    UsageError,
    WireError,
)
from jobd.wire import batch as b
from jobd.wire import messages as m
from jobd.wire.blobs import blob_of


def test_a_batch_job_is_queued_and_started_like_any_other(house: House) -> None:
    (accepted,) = house.tick(batch(name="sim", nb_proc=2))
    assert accepted.job_ids == [1] and accepted.server_id == "here"
    row = rows(house)[1]
    assert (row.state, row.kind, row.name, row.parent_id, row.cpus) == (
        "RUNNING",
        "batch",
        "sim",
        None,
        [0, 1],
    )
    assert row.command == ["work.sh", "0"] and row.batch is not None and row.batch.has_script


def test_many_items_are_queued_at_once_and_in_their_order(house: House) -> None:
    assert batch_id_range(house, "a", 5) == [1, 2, 3, 4, 5]
    assert [row.command[1] for row in rows(house).values()] == ["0", "1", "2", "3", "4"]


def test_an_item_may_have_a_name_and_a_spec_of_its_own(house: House) -> None:
    specs = [batch_spec(), batch_spec(2, name="", script="")]
    items = [b.BatchItem(["/bin/x"], 1), b.BatchItem(["y"], 0, "own"), b.BatchItem(["z"], 0)]
    house.tick(b.SubmitBatch("a", specs, items, [ENVIRONMENT, SCRIPT]))
    assert [(row.name, row.nb_proc) for row in rows(house).values()] == [("x", 2), ("own", 1), ("work", 1)]


@pytest.mark.parametrize("is_restarted", [False, True])
def test_the_same_token_is_the_same_jobs(house: House, is_restarted: bool) -> None:
    first, again = house.tick(batch("a", 3), batch("a", 3))
    assert first.job_ids == again.job_ids == [1, 2, 3]
    if is_restarted:
        house.journal.close()
        house.start()
    assert batch_id_range(house, "a", 3) == [1, 2, 3]
    assert len(house.world.jobs) == 3


def test_the_same_token_is_the_same_jobs_also_when_they_are_over(house: House) -> None:
    house.tick(m.SetLimits(0, 2))
    batch_id_range(house, "a", 2)
    house.tick(m.Delete([1, 2]))
    assert not house.world.jobs
    assert batch_id_range(house, "a", 2) == [1, 2] and not house.world.jobs


def test_jobs_that_come_and_go_in_one_tick_are_queued_once(house: House) -> None:
    house.tick(m.SetLimits(0, 2))
    first, _, again = house.tick(batch("a", 2), m.Delete([1, 2]), batch("a", 2))
    assert first.job_ids == again.job_ids == [1, 2] and not house.world.jobs


def test_a_token_of_a_salloc_is_taken(house: House) -> None:
    salloc, jobs = house.tick(submission("a"), batch("a", 2))
    assert salloc.job.job_id == 1 and jobs.job_ids == [1] and list(house.world.jobs) == [1]


def test_a_token_of_batch_jobs_is_no_sallocs(house: House) -> None:
    batch_id_range(house)
    (answer,) = house.tick(submission("a"))
    assert isinstance(answer, UsageError) and len(house.world.jobs) == 1


@pytest.mark.parametrize("is_there", [False, True])
def test_a_token_of_batch_jobs_of_this_tick_is_no_sallocs(house: House, is_there: bool) -> None:
    more = [] if is_there else [m.Delete([1, 2])]
    house.tick(m.SetLimits(0, 2))
    *_, answer = house.tick(batch("a", 2), *more, submission("a"))
    assert isinstance(answer, UsageError) and len(house.world.jobs) == (2 if is_there else 0)


@pytest.mark.parametrize("is_restarted", [False, True])
def test_a_salloc_whose_job_is_forgotten_is_told_so(house: House, is_restarted: bool) -> None:
    """It was stopped for long. Its token stays, so that its job is not queued a second time."""
    house.tick(m.SetLimits(0, 2))
    house.tick(submission("a"))
    house.tick(m.Delete([1]))
    assert house.tick(b.Clean(at(5000.0).wall_s)) == [b.Cleaned(1)]
    if is_restarted:
        house.journal.close()
        house.start()
    (answer,) = house.tick(submission("a"))
    assert isinstance(answer, NoSuchJob) and not house.world.jobs
    (other,) = house.tick(submission("b"))
    assert other.job.job_id == 2


def test_labels_that_every_job_has_are_filled_from_the_configuration(house: House) -> None:
    batch_id_range(house, labels=[["comment", "for you"], ["partition", "main"]])
    assert rows(house)[1].batch.labels == [  # type: ignore[union-attr]
        ["account", "me"],
        ["comment", "for you"],
        ["partition", "main"],
        ["qos", "normal"],
    ]


WRONG = [
    ({"nb_proc": 0}, UsageError, "procs 0"),
    ({"nb_proc": 3}, TooManyProcs, "nb_proc_max is 2"),
    ({"name": "x" * 300}, UsageError, "name"),
    ({"name": "a\0b"}, UsageError, "zero byte"),
    ({"cwd": "here"}, UsageError, "must begin with /"),
    ({"cwd": "/" + "x" * 5000}, UsageError, "at most 4096"),
    ({"stdout": "a\0"}, UsageError, "zero byte"),
    ({"environment": ""}, UsageError, "environment"),
    ({"environment": "0" * 32}, UsageError, "environment of the job was not sent"),
    ({"script": "0" * 32}, UsageError, "script of the job was not sent"),
    ({"umask": 0o1777}, UsageError, "umask"),
    ({"priority": 2**31}, UsageError, "priority"),
    ({"nice": -(2**31)}, UsageError, "nice"),
    ({"time_limit_s": 0}, UsageError, "time limit"),
    ({"on_kill": "all"}, UsageError, "tree or below"),
    ({"ntasks": 0}, UsageError, "ntasks 0"),
    ({"memory_bytes": -1}, UsageError, "memory"),
    ({"gpus": 1}, NotEnough, "GPU"),
    ({"counted": [b.Counted("matlab", 3)]}, NotEnough, "matlab"),
    ({"counted": [b.Counted("matlab", 1), b.Counted("matlab", 1)]}, UsageError, "twice"),
    ({"counted": [b.Counted("nosuch", 1)]}, NotEnough, "nosuch"),
    ({"retry_count": -1}, UsageError, "retries"),
    ({"retry_codes": [[3, 1]]}, UsageError, "exit codes"),
    ({"retry_codes": [[0, 256]]}, UsageError, "exit codes"),
    ({"warn_signal": 65}, UsageError, "signal"),
    ({"array": [[0, 3]]}, UsageError, "array indexes"),
    ({"array": [[0, 3, 2]]}, UsageError, "array indexes"),
    ({"array": [[0, 3, 1], [3, 4, 1]]}, UsageError, "overlap"),
    ({"array": [[0, 1_000_001, 1]]}, UsageError, "array_max"),
    ({"begin_at": -1.0}, UsageError, "begin"),
    ({"begin_at": float("inf")}, UsageError, "begin"),
    ({"dependency": "afterok"}, UsageError, "afterok"),
    ({"dependency": "afterok:99"}, NoSuchJob, "99"),
    ({"labels": [["partition", "fast"]]}, Refused, "no partition 'fast' (there are: main)"),
    ({"labels": [["qos", "high"]]}, Refused, "no qos 'high'"),
    ({"labels": [["A b", "x"]]}, UsageError, "label"),
    ({"labels": [["comment", "x" * 5000]]}, UsageError, "comment"),
]


@pytest.mark.parametrize(("wrong", "error", "words"), WRONG, ids=[repr(row[0])[:40] for row in WRONG])
def test_what_makes_no_sense_is_refused_and_named(tmp_path, wrong, error, words) -> None:
    house = House(str(tmp_path / "journal"), licenses={"matlab": 2}, gpus=0)
    (answer,) = house.tick(batch(**wrong))
    assert type(answer) is error and words in str(answer) and "\n" not in str(answer)
    assert not house.world.jobs and house.world.next_job_id == 1
    house.journal.close()


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"token": ""}, UsageError, "token"),
        ({"token": "a/1"}, UsageError, "token"),
        ({"items": []}, UsageError, "from 1 to"),
        ({"items": [b.BatchItem(["x"], 1)]}, UsageError, "spec that is not there"),
        ({"items": [b.BatchItem(["x"], -1)]}, UsageError, "spec that is not there"),
        ({"items": [b.BatchItem([])]}, UsageError, "command"),
        ({"items": [b.BatchItem([""])]}, UsageError, "command"),
        ({"items": [b.BatchItem(["a\0b"])]}, UsageError, "zero byte"),
        ({"items": [b.BatchItem(["a", "b" * 140_000])]}, WireError, "characters"),
        ({"items": [b.BatchItem(["x"], 0, "n" * 300)]}, UsageError, "name"),
        ({"blobs": [b.Blob("0" * 32, b"x"), ENVIRONMENT, SCRIPT]}, WireError, "not the hash"),
        ({"blobs": []}, UsageError, "was not sent"),
    ],
)
def test_a_submission_that_makes_no_sense_is_refused_and_named(house: House, change, error, words) -> None:
    (answer,) = house.tick(batch()._replace(**change))
    assert type(answer) is error and words in str(answer), answer
    assert not house.world.jobs


def test_one_bad_item_among_many_queues_none(house: House) -> None:
    items = [b.BatchItem(["x"])] * 5 + [b.BatchItem([])]
    (answer,) = house.tick(batch()._replace(items=items))
    assert isinstance(answer, UsageError) and not house.world.jobs


def test_a_full_queue_takes_none_of_a_submission(tmp_path) -> None:
    house = House(str(tmp_path / "journal"), jobs_max=3)
    (answer,) = house.tick(batch("a", 4))
    assert isinstance(answer, TooManyJobs) and not house.world.jobs
    assert batch_id_range(house, "b", 3) == [1, 2, 3]
    house.journal.close()


def test_a_blob_that_is_kept_need_not_be_sent_again(house: House) -> None:
    batch_id_range(house)
    (accepted,) = house.tick(batch("b")._replace(blobs=[]))
    assert accepted.job_ids == [2]


def test_only_blobs_that_a_job_names_are_kept(house: House) -> None:
    stray = blob_of(b"stray")
    request = batch()
    house.tick(request._replace(blobs=[*request.blobs, stray]))
    assert house.journal.has_blobs([stray.key, SCRIPT.key, ENVIRONMENT.key]) == {SCRIPT.key, ENVIRONMENT.key}


def test_a_test_checks_and_queues_nothing(house: House) -> None:
    (accepted,) = house.tick(batch()._replace(is_test=True))
    assert (
        accepted.job_ids == [house.server.world.next_job_id]
        and accepted.expected_start_at == house.server.now.wall_s
    )
    assert not house.world.jobs and not house.journal.has_blobs([SCRIPT.key])
    (refused,) = house.tick(batch(nb_proc=9)._replace(is_test=True))
    assert isinstance(refused, TooManyProcs)


def test_a_server_that_ends_all_jobs_takes_no_batch_jobs(house: House) -> None:
    batch_id_range(house)
    _, refused = house.tick(m.Stop(True), batch("b"))
    assert isinstance(refused, Stopping)


def test_a_batch_job_is_nobodys_child_unless_it_asks_to_be(house: House) -> None:
    house.submit(pid=50)
    house.tick(batch("b"), pid=5000)
    house.tick(batch("c")._replace(is_child=True), pid=5000)
    assert {number: row.parent_id for number, row in rows(house).items()} == {1: None, 2: None, 3: 1}


def test_priority_and_nice_are_added_up(house: House) -> None:
    house.tick(m.SetLimits(0, 2))
    batch_id_range(house, "a", priority=10, nice=3)
    row = rows(house)[1]
    assert (row.priority, row.batch.nice) == (7, 3)  # type: ignore[union-attr]


# ---- arrays
def test_an_array_waits_as_one_and_starts_element_by_element(house: House) -> None:
    assert batch_id_range(house, array=[[0, 4, 1]]) == [1]
    found = rows(house)
    assert {number: (row.state, row.batch.array_index) for number, row in found.items()} == {  # type: ignore[union-attr]
        2: ("RUNNING", 0),
        3: ("RUNNING", 1),
        1: ("PENDING", None),
    }
    assert found[1].batch.tasks == "2-4" and ["array", "0-4"] in found[1].batch.labels  # type: ignore[union-attr]


def test_a_hundred_thousand_elements_are_one_row(house: House) -> None:
    house.tick(m.SetLimits(0, 2))
    batch_id_range(house, array=[[0, 99_999, 1]], array_limit=8)
    assert len(house.world.jobs) == 1 and rows(house)[1].batch.tasks == "0-99999"  # type: ignore[union-attr]


def test_an_array_keeps_to_its_limit(house: House) -> None:
    batch_id_range(house, array=[[0, 4, 1]], array_limit=1)
    assert [row.state for row in rows(house).values()] == ["RUNNING", "PENDING"]


# ---- again
def test_a_finished_job_can_be_run_again_as_a_new_one(house: House) -> None:
    batch_id_range(house, dependency="", name="sim")
    house.tick(left(house, 1, 3))
    (accepted, again) = house.tick(b.Rerun([1], "r"), b.Rerun([1], "r"))
    assert accepted.job_ids == again.job_ids == [2]
    assert (rows(house)[2].name, rows(house)[2].state) == ("sim", "RUNNING")
    assert over(house, 1).exit_code == 3


def test_what_lives_is_unknown_or_is_no_batch_job_is_not_run_again(house: House) -> None:
    house.submit()
    house.tick(m.Ended(1, "a", 0, None, True))
    batch_id_range(house, "b")
    answers = house.tick(b.Rerun([2]), b.Rerun([7]), b.Rerun([1]), b.Rerun([]))
    assert [type(answer) for answer in answers] == [Refused, NoSuchJob, Refused, UsageError]


def test_an_array_is_run_again_with_all_its_elements(house: House) -> None:
    batch_id_range(house, array=[[0, 2, 1]])
    house.tick(left(house, 2), left(house, 3))
    house.tick(left(house, 1))
    assert not house.world.jobs
    (accepted,) = house.tick(b.Rerun([1]))
    assert accepted.job_ids == [4]
    assert rows(house)[4].batch.tasks == "2" and len(house.world.jobs) == 3  # type: ignore[union-attr]
