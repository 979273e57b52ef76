"""Files on a disk that does not answer: a read that hangs holds up itself and nothing else."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobd.web import reading
from jobd.web.output import Progresses, outputs_of, progress_now
from jobd.web.reading import HANGS, THREADS_MAX, Readers, Source

from .sites import browser_of, picture, running, site_of

PATIENCE_S = 30.0


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "READ_S", 0.1)


@pytest.fixture
def readers() -> Iterator[Readers]:
    made = Readers()
    yield made
    made.close()


@contextlib.contextmanager
def hanging(readers: Readers, path: Path, threads: int = 1) -> Iterator[None]:
    """Threads of the readers stand still at that file, as at one of a network folder whose machine is away."""
    goes_on, stand, left = threading.Event(), threading.Semaphore(0), threading.Semaphore(0)

    def stand_still() -> None:
        with readers.at(str(path)):
            stand.release()
            goes_on.wait(PATIENCE_S)
        left.release()

    for _ in range(threads):
        readers.later(stand_still)
    for _ in range(threads):
        assert stand.acquire(timeout=PATIENCE_S)
    while not readers.hangs(str(path)):
        goes_on.wait(0.01)
    try:
        yield
    finally:
        goes_on.set()
        for _ in range(threads):
            assert left.acquire(timeout=PATIENCE_S)


def folders(tmp_path: Path) -> tuple[Path, Path]:
    """An output in a folder that will hang, and one in another."""
    found = []
    for name in ("away", "here"):
        (tmp_path / name).mkdir()
        found.append(tmp_path / name / "out")
        found[-1].write_text("processing 1 / 4\n")
    return found[0], found[1]


def test_only_the_folder_that_hangs_is_left_alone(readers: Readers, tmp_path: Path) -> None:
    away, here = folders(tmp_path)
    rows = [running(1, output=away), running(2, output=here)]
    with hanging(readers, away):
        assert outputs_of(rows[0], 100, readers)[0].trouble == HANGS
        (shown,) = outputs_of(rows[1], 100, readers)
        assert shown.text == "processing 1 / 4\n" and shown.trouble == ""
        assert asyncio.run(progress_now(rows, readers)) == {2: (1, 4)}
        found = Progresses(readers)
        found.follow(rows)
        assert found.read() == {2: (1, 4)} and found.is_behind
    found.again()
    assert found.read() == {1: (1, 4)} and not found.is_behind
    found.close()


def test_nobody_waits_long_though_all_threads_hang(readers: Readers, tmp_path: Path) -> None:
    away, here = folders(tmp_path)
    with hanging(readers, away, THREADS_MAX):
        began_s = time.monotonic()
        with pytest.raises(TimeoutError):
            asyncio.run(readers.call(here.read_text))
        assert time.monotonic() - began_s < 5
    assert asyncio.run(readers.call(here.read_text)) == "processing 1 / 4\n"


def test_a_file_is_let_go_when_its_folder_answers_again(readers: Readers, tmp_path: Path) -> None:
    away, _ = folders(tmp_path)
    source = Source(str(away), 100, readers)
    piece = source.read()
    assert piece is not None and piece.data == b"processing 1 / 4\n"
    done = threading.Event()
    with hanging(readers, away):
        source.close()
        assert source.read() is None and source.trouble == HANGS and source._tail._fd >= 0
        readers.later(done.set, str(away))
        assert not done.is_set()
    assert done.wait(PATIENCE_S)
    end_s = time.monotonic() + PATIENCE_S
    while source._tail._fd >= 0:  # another thread is at it
        assert time.monotonic() < end_s


def test_the_threads_end_when_they_are_told_to() -> None:
    readers = Readers()
    thread = asyncio.run(readers.call(threading.current_thread))
    assert thread.daemon and thread.is_alive()
    readers.close()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


# ---- pages
def test_the_pages_come_though_the_disk_of_a_job_is_away(tmp_path: Path) -> None:
    away, here = folders(tmp_path)
    site = site_of(shown=picture(running(1, name="far", output=away), running(2, name="near", output=here)))
    with browser_of(site) as browser, hanging(site.readers, away, 2):
        for _ in range(3):
            began_s = time.monotonic()
            page = browser.get("/")
            assert page.status_code == 200 and "far" in page.text and "1 / 4" in page.text
            assert time.monotonic() - began_s < 3
