"""Output as it is shown: safe, the end of it, and its progress; one follower for many viewers."""

import asyncio
import itertools
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobd.api.tail import Watcher
from jobd.progress import Progress
from jobd.web.output import Follower, Progresses, Text, collapsed, outputs_of, paths_of, progress_now, shown
from jobd.web.reading import Readers

from .rows import batch_row, job_row
from .sites import running

READERS = Readers()


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"plain\ttext\n", "plain\ttext\n"),
        (b"\x1b[1;31mred\x1b[0m", "red"),
        (b"\x1b]0;title\x07after \x1b]8;;http://x\x1b\\link", "after link"),
        (b"\x1b[?25lno cursor\x1b7\x1b(B", "no cursor"),
        (b"a\x00b\x08c\x7f", "a\u2400b\u2408c\u2421"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        ("a\u202eb\u2066c\x9b".encode(), "a\ufffdb\ufffdc\ufffd"),
        ("grüße 漢字 🎉".encode(), "grüße 漢字 🎉"),
        (b"1 / 3\r2 / 3\r3 / 3\ndone\r\n", "3 / 3\ndone\n"),
        (b"<script>alert(1)</script>", "<script>alert(1)</script>"),
    ],
)
def test_bytes_become_text_that_is_safe_to_show(data: bytes, text: str) -> None:
    assert shown(data) == text


def test_the_first_line_of_a_part_is_left_out_where_it_may_be_half_a_one() -> None:
    assert shown(b"half\nwhole\n", is_cut=True) == "whole\n"
    assert shown(b"one endless line", is_cut=True) == "one endless line"
    assert shown(b"half\n", is_cut=True) == "half\n"


@given(st.binary(max_size=60), st.lists(st.integers(0, 60), max_size=4))
def test_it_does_not_matter_in_which_pieces_the_bytes_come(data: bytes, cuts: list[int]) -> None:
    whole, parts = Text(), Text()
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    # What is not complete is held back, so both get the same end.
    end = b"\x1b[0m.\n"
    text = "".join(parts.feed(data[a:b]) for a, b in itertools.pairwise(places))
    assert text + parts.feed(end) == whole.feed(data + end)


def test_a_sequence_that_never_ends_is_not_held_for_ever() -> None:
    text = Text()
    assert "a" * 100 in text.feed(b"\x1b]" + b"a" * 5000) + text.feed(b"a" * 5000)
    assert len(text._held) <= 200


def test_a_text_without_returns_is_left_alone() -> None:
    assert collapsed("a\nb") == "a\nb" and collapsed("a\r\nb\rc") == "a\nc"


# ---- which files
def test_only_the_jobs_own_two_files_are_meant() -> None:
    row = running(1, batch=batch_row(stdout="/a/out", stderr="/a/err"))
    assert paths_of(row) == {"stdout": "/a/out", "stderr": "/a/err"}
    assert paths_of(running(1, batch=batch_row(stdout="/a/out", stderr="/a/out"))) == {"stdout": "/a/out"}
    assert paths_of(running(1, batch=batch_row(stdout="/dev/null", stderr="/dev/null"))) == {}
    assert paths_of(running(1, batch=batch_row(stdout="/a/out"), started_at=None)) == {}
    assert paths_of(job_row(1, state="RUNNING", kind="salloc", started_at=1.0)) == {}


def test_outputs_of_a_job_are_bounded_and_say_what_is_wrong(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_bytes(b"line\n" * 1000)
    (one,) = outputs_of(running(1, output=out), 50, READERS)
    assert one.is_cut and one.size == 5000 and one.text == "line\n" * 9 and one.name == "stdout"
    out.unlink()
    (one,) = outputs_of(running(1, output=out), 50, READERS)
    assert one.trouble == "there is no such file" and one.text == ""


# ---- followed
def test_each_viewer_gets_what_it_has_not_seen(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"one\n")
    follower = Follower(str(path), 100, READERS, Watcher(), lambda: None)
    assert follower.read() and not follower.read()
    first, seen = follower.since(None)
    assert first.text == "one\n" and first.is_new
    with path.open("ab") as file:
        file.write(b"two\n")
    assert follower.read()
    more, seen = follower.since(seen)
    late, _ = follower.since(None)
    assert (more.text, more.is_new) == ("two\n", False) and (late.text, late.is_new) == ("one\ntwo\n", True)
    assert follower.since(seen)[0].text == ""
    path.write_bytes(b"anew")
    assert follower.read()
    anew, _ = follower.since(seen)
    assert anew.text == "anew" and anew.is_new
    path.unlink()
    assert follower.read() and follower.since(seen)[0].trouble == "there is no such file"
    assert not follower.read()
    follower.close()


def test_it_keeps_the_end_alone_however_much_comes(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.touch()
    follower = Follower(str(path), 100, READERS, Watcher(), lambda: None)
    follower.read()
    _, seen = follower.since(None)
    with path.open("ab", buffering=0) as file:
        for number in range(500):
            file.write(b"line %04d\n" % number)
            follower.read()
            assert len(follower._kept) <= 200
    chunk, _ = follower.since(seen)
    assert chunk.is_new and chunk.is_cut and chunk.text.endswith("line 0499\n") and len(chunk.text) <= 200
    follower.close()


# ---- progress
def test_the_progress_of_running_jobs_is_read_when_they_have_written(tmp_path: Path) -> None:
    paths = [tmp_path / f"out{number}" for number in range(3)]
    for path in paths:
        path.write_text("processing 1 / 4\n")
    rows = [running(number, output=path) for number, path in enumerate(paths, 1)]
    called: list[int] = []
    found = Progresses(READERS, Watcher(), lambda: called.append(1))
    found.follow(rows)
    assert found.has_changed and found.read() == {1: (1, 4), 2: (1, 4), 3: (1, 4)}
    assert not found.has_changed
    with paths[1].open("a") as file:
        file.write("processing 2 / 4")
    found._watcher.read()  # type: ignore[union-attr]
    assert called and found.read() == {2: Progress(2, 4)} and found.of[2].share == 0.5
    found.follow(rows[:1])
    assert set(found.of) == {1}
    found.close()


def test_a_number_that_comes_in_two_pieces_is_one(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_text("step 1")
    watcher = Watcher()
    found = Progresses(READERS, watcher, lambda: None)
    found.follow([running(1, output=path)])
    assert found.read() == {}
    with path.open("a") as file:
        file.write("0 / 20\n")
    watcher.read()
    assert found.read() == {1: (10, 20)}
    found.close()


def test_progress_is_looked_for_at_the_end_alone(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_text("1 / 4\n" + "x" * 10_000)
    assert asyncio.run(progress_now([running(1, output=path)], READERS)) == {}
    path.write_text("x" * 100_000_0 + "\n3 / 4\n")
    began = time.monotonic()
    assert asyncio.run(progress_now([running(1, output=path)], READERS)) == {1: (3, 4)}
    assert time.monotonic() - began < 1
