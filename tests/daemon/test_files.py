"""Names of output files: the short way for plain patterns says what the whole of slurm/patterns.py says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.worlds import batch, spec
from jobd.core.job import Job, Waiting
from jobd.daemon.files import files_of
from jobd.slurm.patterns import Values, expand

PATTERNS = st.lists(
    st.sampled_from(
        ["%j", "%A", "%a", "%x", "%u", "%N", "%4j", "%%", "%", "\\", "j", "/", "out-", "é", "\udce9", "%%j"]
    ),
    min_size=1,
    max_size=5,
).map("".join)


def job(pattern: str = "", *, cwd: str = "/work", stdin: str = "", stderr: str = "", **more: object) -> Job:
    wanted = spec(name="na/me", batch=batch()._replace(stdin=stdin, stdout=pattern, stderr=stderr))
    return Job(12, None, 12, 0.0, wanted._replace(cwd=cwd), Waiting(), **more)  # type: ignore[arg-type]


@given(
    PATTERNS,
    st.sampled_from(["/", "/work", "/wo%rk", "/a/%j"]),
    st.sampled_from([(None, None), (9, None), (9, 3)]),
)
def test_every_pattern_means_what_slurm_means_by_it(
    pattern: str, cwd: str, array: tuple[int | None, int | None]
) -> None:
    array_id, index = array
    values = Values(12, array_id, index, "na/me", "me", "node7.example")
    name = expand(pattern, values)
    expected = name if name.startswith("/") else f"{cwd.rstrip('/')}/{name}"
    found = files_of(job(pattern, cwd=cwd, array_id=array_id, array_index=index), "node7.example")
    assert found == ("", expected, "")


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        ((None, None), "/work/slurm-12.out"),
        ((9, 3), "/work/slurm-9_3.out"),
        ((12, None), "/work/slurm-12_4294967294.out"),
    ],
)
def test_without_a_name_it_is_slurms(array: tuple[int | None, int | None], expected: str) -> None:
    assert files_of(job(array_id=array[0], array_index=array[1]), "n")[1] == expected


def test_each_file_has_its_own_pattern() -> None:
    assert files_of(job("o%j", stdin="i%a", stderr="/tmp/e.%A", array_id=9, array_index=3), "n") == (
        "/work/i3",
        "/work/o12",
        "/tmp/e.9",
    )
