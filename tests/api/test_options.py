"""Keywords → BatchSpec."""

import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from jobd.api import options
from jobd.api.options import build, own_umask, script_bytes
from jobd.errors import Refused, UsageError
from jobd.wire.batch import BatchSpec
from jobd.wire.blobs import key_of, unpack_environment
from jobd.wire.rows import Counted


def spec(**given: Any) -> BatchSpec:
    return build(given).spec


def variables(**given: Any) -> dict[bytes, bytes]:
    return unpack_environment(build(given).blobs[0].data)


def test_without_options_a_job_asks_for_one_proc_and_our_surroundings() -> None:
    built = build({})
    assert built.spec.nb_proc == 1
    assert built.spec.cwd == os.getcwd()
    assert built.spec.environment == built.blobs[0].key == key_of(built.blobs[0].data)
    assert built.spec.time_limit_s is None and built.spec.memory_bytes == 0
    assert built.spec.umask == own_umask()


@pytest.mark.parametrize(
    ("given", "seconds"),
    [(90, 90), (0.5, 1), ("90", 5400), ("1:00:00", 3600), (timedelta(minutes=2), 120), (None, None), ("UNLIMITED", None)],
)  # fmt: skip
def test_a_time_limit_is_seconds_or_slurms_text(given: Any, seconds: int | None) -> None:
    assert spec(time=given).time_limit_s == seconds


def test_memory_is_bytes_or_slurms_text() -> None:
    assert spec(memory=12345).memory_bytes == 12345
    assert spec(memory="4G").memory_bytes == 4 << 30
    assert spec(memory=None).memory_bytes == 0


def test_counted_resources_are_tables_or_text() -> None:
    wanted = [Counted("m", 1), Counted("nvme", 2)]
    assert spec(gres={"nvme": 2}, licenses={"m": 1}).counted == wanted
    assert spec(gres="nvme:2", licenses="m").counted == wanted
    assert spec(gres="gpu:2,nvme:1").gpus == 2


def test_a_range_is_one_run_however_long() -> None:
    assert spec(array=range(0, 100_001, 10)).array == [[0, 100_000, 10]]
    assert spec(array=range(9, -1, -3)).array == [[0, 9, 3]]
    assert spec(array=[3, 1, 2, 9]).array == [[1, 3, 1], [9, 9, 1]]
    assert spec(array="0-9%4").array_limit == 4
    assert spec(array=range(5), array_limit=2).array_limit == 2


def test_jobs_alone_as_a_dependency_must_complete() -> None:
    assert spec(dependency=12).dependency == "afterok:12"
    assert spec(dependency=[12, 13]).dependency == "afterok:12,afterok:13"
    assert spec(dependency="afterany:4?afterok:5").dependency == "afterany:4?afterok:5"


def test_a_begin_is_any_kind_of_time() -> None:
    moment = datetime(2030, 1, 31, 8)
    assert spec(begin=moment).begin_at == moment.timestamp()
    assert spec(begin="2030-01-31T08:00").begin_at == moment.timestamp()
    assert spec(begin=1e9).begin_at == 1e9
    in_an_hour = spec(begin=timedelta(hours=1)).begin_at
    assert in_an_hour is not None and in_an_hour > spec(begin=timedelta(0)).begin_at  # type: ignore[operator]


def test_env_is_laid_over_ours_and_none_takes_away() -> None:
    inherited = variables()
    assert variables(env={"NEW": "1"}) == {**inherited, b"NEW": b"1"}
    assert b"PATH" in inherited and b"PATH" not in variables(env={"PATH": None})
    assert variables(env={"A": "b"}, inherit_env=False) == {b"A": b"b"}


def test_retries_and_warnings_are_read_as_sbatch_reads_them() -> None:
    found = spec(retries=3, retry_on=[75, 76], retry_delay="5m", warn="B:USR1@30")
    assert (found.retry_count, found.retry_codes, found.retry_delay_s) == (3, [[75, 75], [76, 76]], 300)
    assert (found.warn_signal, found.warn_before_s, found.is_warning_batch_only) == (10, 30, True)
    assert spec(retries=1, retry_on="1-3").retry_codes == [[1, 3]]


@pytest.mark.parametrize(
    "given",
    [
        {"nb_procs": 2}, {"nb_proc": True}, {"nb_proc": "2"}, {"nb_proc": 1.5}, {"time": 0}, {"time": -1}, {"time": "soon"},
        {"time": float("nan")}, {"time": float("inf")}, {"time": 1e12}, {"memory": "much"}, {"memory": -1}, {"memory": 1.5}, {"gres": {"gpu": 1}},
        {"gres": {"nvme": "2"}}, {"array": []}, {"array": [-1]}, {"array": ["1"]}, {"array": [1, "1"]}, {"array": range(0)},
        {"array": range(-3, 3)}, {"array": "x"}, {"array_limit": 2}, {"dependency": []}, {"dependency": "after"}, {"dependency": [1.5]},
        {"begin": "whenever"}, {"env": {"A=": "b"}}, {"env": {"A": 1}}, {"env": {"": "b"}}, {"env": {"A": "\0"}}, {"retry_on": [1]},
        {"retry_delay": 3}, {"retries": 1, "retry_on": [0]}, {"retries": 1, "retry_on": ["x"]}, {"warn": "NOPE@3"}, {"name": 3}, {"labels": "x"},
    ],
)  # fmt: skip
def test_nonsense_is_refused_in_one_line(given: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        build(given)
    assert "\n" not in str(caught.value) and str(caught.value)


def test_every_option_has_its_kinds() -> None:
    assert set(options._KINDS) == set(options.JobOptions.__annotations__)


def test_a_script_is_text_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "run.sh"
    file.write_text("#!/bin/sh\ntrue\n")
    assert script_bytes(file) == script_bytes(str(file)) == script_bytes("#!/bin/sh\ntrue\n")
    assert build({}, script=b"#!/bin/sh\n").spec.script == key_of(b"#!/bin/sh\n")


def test_a_script_whose_directives_would_not_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="only Sbatch"):
        script_bytes("#!/bin/sh\n#SBATCH --mem=4G\ntrue\n")
    with pytest.raises(UsageError, match="begins with #!"):
        script_bytes(b"true\n")
    with pytest.raises(Refused, match="No such file"):
        script_bytes(tmp_path / "none.sh")
