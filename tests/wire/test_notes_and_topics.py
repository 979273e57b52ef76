"""Notes that survive their writers, and topics that reach the right one only."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobd.wire import notes
from jobd.wire.notes import Note
from jobd.wire.topics import job_topic, server_topic, subscribed_job_id

TOKENS = st.text("0123456789abcdef", min_size=1, max_size=40)
PIDS = st.integers(1, 2**40)
NOTES = st.one_of(
    st.tuples(TOKENS, PIDS, PIDS).map(lambda fields: Note(*fields)),
    st.builds(lambda t, p, s, code: Note(t, p, s, True, code, None), TOKENS, PIDS, PIDS, st.integers(0, 255)),
    st.builds(
        lambda t, p, s, number: Note(t, p, s, True, None, number), TOKENS, PIDS, PIDS, st.integers(1, 64)
    ),
)


@given(NOTES)
def test_a_note_reads_as_it_was_written(note: Note) -> None:
    assert notes.decode(notes.encode(note)) == note


@given(NOTES, st.data())
def test_a_torn_note_is_none_or_says_less_but_nothing_wrong(note: Note, data) -> None:
    text = notes.encode(note)
    found = notes.decode(text[: data.draw(st.integers(0, len(text) - 2))])
    if found is not None:  # cut within its last number: renaming a whole file is what rules this out
        assert (found.token, found.pid, found.start_ticks) == note[:3]


@given(st.text())
def test_any_text_is_a_note_or_none(text: str) -> None:
    notes.decode(text)


def test_a_note_is_put_in_place_whole_read_and_taken_away(tmp_path: Path) -> None:
    note = Note("abc", 12, 34)
    notes.write(str(tmp_path), 7, note)
    notes.write(str(tmp_path), 7, note._replace(is_over=True, exit_code=3))
    assert notes.read(str(tmp_path), 7) == Note("abc", 12, 34, True, 3, None)
    assert os.listdir(tmp_path) == ["7"] and os.stat(tmp_path / "7").st_mode & 0o777 == 0o600
    notes.remove(str(tmp_path), 7)
    notes.remove(str(tmp_path), 7)
    assert notes.read(str(tmp_path), 7) is None


def test_a_broken_note_is_as_good_as_none(tmp_path: Path) -> None:
    for data in (
        b"",
        b"\xff\xfe\0",
        b"a b c d",
        b"t 1 2 exit:",
        b"t 1 2 exit:1:2",
        b"t 1 2 left:3",
        b"x" * 10_000,
    ):
        (tmp_path / "7").write_bytes(data)
        assert notes.read(str(tmp_path), 7) is None


def test_a_note_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        notes.write(str(tmp_path / "none"), 7, Note("abc", 12, 34))


@given(st.integers(1, 10**18 - 1))
def test_a_subscription_to_one_job_names_it(job_id: int) -> None:
    assert subscribed_job_id(job_topic(job_id)) == job_id
    assert job_topic(job_id, "started").startswith(job_topic(job_id))


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_nobody_hears_of_the_jobs_of_others(one: int, other: int) -> None:
    if one != other:
        assert not job_topic(other, "ended").startswith(job_topic(one))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"job.",
        b"job..",
        b"job.x.",
        b"job.1",
        b"job.-1.",
        b"job.1.2.",
        server_topic(""),
        b"job." + b"9" * 19 + b".",
    ],
)
def test_other_subscriptions_name_none(data: bytes) -> None:
    assert subscribed_job_id(data) is None


@given(st.binary(max_size=40))
def test_any_bytes_may_be_subscribed_to(data: bytes) -> None:
    found = subscribed_job_id(data)
    assert found is None or 0 <= found < 2**63
