"""Rows → text, on rows made up here."""

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobd.cli import letters, render
from jobd.slurm import formats
from jobd.wire.messages import JobRow, Status

ROW = JobRow(
    job_id=7,
    parent_id=None,
    root_id=7,
    state="RUNNING",
    kind="salloc",
    nb_proc=2,
    pid=4711,
    name="make",
    command=["/usr/bin/make", "-C", "/home/me/src", "all"],
    cwd="/home/me",
    user="me",
    priority=0,
    time_limit_s=None,
    submitted_at=1000.0,
    started_at=1010.0,
    ended_at=None,
    cpus=[0, 1, 2, 5],
    children=[],
    exit_code=None,
    signal=None,
    cause=None,
    reason="",
    reason_code="None",
    token="abc",
)
STATUS = Status("1", 1, "id", 0.0, 4, 8, 3, 1, 0, 0, None, [], 1)


def row(**changes: Any) -> JobRow:
    return ROW._replace(**changes)


# ---- the plain list
def test_the_first_line_says_what_is_used() -> None:
    assert render.summary(STATUS) == "3 used out of 4 (with an exceptional max of 8)"


def test_a_row_has_the_columns_of_the_header() -> None:
    text = render.Table(render.SHORT, width=None).text([render.short_cells(ROW)], has_header=True)
    header, line = text.splitlines()
    assert header.split() == ["JOBID", "PARENT", "STATUS", "NB_PROC", "PID", "SHORT_COMMAND"]
    assert line.split(maxsplit=5) == ["7", "-", "R", "2", "4711", "make -C src all"]
    assert line.index("make") == header.index("SHORT_COMMAND")


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"state": "PENDING"}, "W"),
        ({}, "R"),
        ({"state": "SUSPENDED", "children": [4, 5]}, "S[4,5]"),
        ({"state": "SUSPENDED", "children": [9, 4, 5, 6, 7]}, "S[4->7,9]"),
        ({"state": "COMPLETING"}, "R"),
        ({"state": "COMPLETED"}, "COMPLETED"),
        ({"state": "SUSPENDED"}, "S"),
    ],
)
def test_the_status_is_r_w_or_the_children_it_waits_for(changes: dict[str, Any], status: str) -> None:
    assert render.status_of(row(**changes)) == status


def test_columns_grow_from_page_to_page_and_stay_aligned_within_one() -> None:
    table = render.Table(render.SHORT, width=None)
    table.text([render.short_cells(ROW)], has_header=True)
    rows = [row(job_id=123456789), row(state="SUSPENDED", children=[1, 3, 5, 7]), ROW]
    lines = table.text([render.short_cells(one) for one in rows], has_header=False).splitlines()
    assert len({line.index("make") for line in lines}) == 1


def test_lines_are_cut_on_a_terminal_and_never_on_a_pipe() -> None:
    cells = [render.short_cells(row(command=["x" * 500]))]
    assert all(
        len(line) <= 60
        for line in render.Table(render.SHORT, width=60).text(cells, has_header=True).splitlines()
    )
    assert "x" * 500 in render.Table(render.SHORT, width=None).text(cells, has_header=True)


def test_a_wide_character_takes_two_cells() -> None:
    assert render.cut("日本語", 5) == "日本"
    assert render.cut("e\u0301tat", 3) == "e\u0301ta"


# ---- the short command
@pytest.mark.parametrize(
    ("words", "short"),
    [
        (["/usr/bin/python3", "/home/me/run.py", "--fast"], "python3 run.py --fast"),
        (["./x", "../y/z"], "x z"),
        (["ls", "/"], "ls /"),
        (["ls", "/tmp/"], "ls /tmp/"),
        (["sed", "s/a/b/"], "sed s/a/b/"),
        (["cc", "--prefix=/usr/local", "A=/b/c"], "cc --prefix=local A=c"),
        (["/bin/sh", "-c", "cd /a/b; /bin/ls -l"], "sh -c 'cd b; ls -l'"),
        (["echo", "", "a b", "it's"], "echo '' 'a b' 'it'\\''s'"),
        (["echo", "a\nb"], "echo 'a\\nb'"),
    ],
)
def test_each_word_loses_its_directory(words: list[str], short: str) -> None:
    assert render.short_command(row(command=words)) == short


@given(st.lists(st.text(alphabet="ab/.=' \"", max_size=12), min_size=1, max_size=4))
def test_a_word_never_vanishes(words: list[str]) -> None:
    short = render.short_command(row(command=words))
    assert all(short.count(char) >= sum(word.endswith(char) for word in words) for char in "ab")


# ---- hostile text
TEXT = st.text(
    alphabet=st.one_of(
        st.characters(codec="utf-8"),
        st.sampled_from("\x00\x07\x08\n\r\t\x1b\x7f\x85\x9b\u200f\u2028\u202e\u2066\udc80\udc9b\udcff"),
    ),
    max_size=40,
)


@given(name=TEXT, words=st.lists(TEXT, min_size=1, max_size=4), reason=TEXT, user=TEXT, state=TEXT)
def test_no_text_of_a_job_can_steer_a_terminal(
    name: str, words: list[str], reason: str, user: str, state: str
) -> None:
    hostile = row(
        name=name, command=words, reason=reason, user=user, state=state, cwd=name, reason_code=reason
    )
    line = letters.line_maker(formats.parse("%i %j %u %t %T %o %Z %r %R %a %k"))
    lines = [
        *render.short_cells(hostile),
        *render.long_cells(hostile, 2000.0),
        line(hostile, 2000.0),
    ]
    for shown in lines:
        assert not [char for char in shown if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")]


def test_bytes_that_are_no_text_are_shown_as_bytes() -> None:
    assert render.printable("a\udcffb\x1b[31m") == "a\\xffb\\x1b[31m"


# ---- the long list
def test_the_long_list_tells_times_limits_and_the_end() -> None:
    over = row(state="FAILED", ended_at=1070.0, exit_code=3, reason="exit code 3", time_limit_s=3600)
    cells = dict(zip([name for name, _, _ in render.LONG], render.long_cells(over, 9e9), strict=True))
    assert cells["ELAPSED"] == "1:00"
    assert cells["LIMIT"] == "1:00:00"
    assert cells["EXIT"] == "3"
    assert cells["REASON"] == "exit code 3"
    assert cells["STATUS"] == "FAILED"
    assert cells["CPUS"] == "0-2,5"


def test_what_never_ran_has_no_times() -> None:
    cells = dict(
        zip(
            [name for name, _, _ in render.LONG],
            render.long_cells(row(state="PENDING", started_at=None), 0.0),
            strict=True,
        )
    )
    assert (cells["STARTED"], cells["ELAPSED"], cells["LIMIT"], cells["EXIT"]) == ("-", "-", "UNLIMITED", "-")


# ---- trees
def test_children_stand_below_their_parents() -> None:
    rows = [
        row(job_id=9, parent_id=4),
        row(job_id=2),
        row(job_id=4, parent_id=2),
        row(job_id=3),
        row(job_id=5, parent_id=2),
        row(job_id=8, parent_id=6),
    ]
    shown = [(one.job_id, len(indent)) for one, indent in render.as_tree(rows)]
    assert shown == [(2, 0), (4, 3), (9, 5), (5, 3), (3, 0), (8, 0)]


@given(
    st.lists(st.tuples(st.integers(1, 12), st.none() | st.integers(1, 12)), unique_by=lambda pair: pair[0])
)
def test_a_tree_shows_every_job_once_whatever_the_parents(pairs: list[tuple[int, int | None]]) -> None:
    rows = [row(job_id=job_id, parent_id=parent_id) for job_id, parent_id in pairs]
    assert sorted(one.job_id for one, _ in render.as_tree(rows)) == sorted(one.job_id for one in rows)
