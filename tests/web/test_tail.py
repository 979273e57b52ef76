"""The end of a file that grows, and what never is read: links, pipes, devices."""

import os
import select
import socket
import sys
import threading
from pathlib import Path

import pytest

from jobd.api.tail import Tail, Watcher, read_end


def test_it_reads_the_end_and_then_what_comes(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"x" * 100)
    tail = Tail(str(path), 10)
    piece = tail.read()
    assert piece is not None and (piece.data, piece.begin, piece.is_new) == (b"x" * 10, 90, True)
    assert tail.read() is None and tail.trouble == ""
    with path.open("ab") as file:
        file.write(b"more")
    piece = tail.read()
    assert piece is not None and (piece.data, piece.begin, piece.is_new) == (b"more", 100, False)
    with path.open("ab") as file:
        file.write(b"y" * 50)
    piece = tail.read()
    assert piece is not None and piece.data == b"y" * 10 and piece.is_new and tail.size == 154
    tail.close()


def test_a_file_that_begins_anew_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"first attempt")
    tail = Tail(str(path), 100)
    tail.read()
    path.write_bytes(b"second")
    piece = tail.read()
    assert piece is not None and piece.data == b"second" and piece.is_new
    path.unlink()
    assert tail.read() is None and tail.trouble == "there is no such file"
    path.write_bytes(b"third")
    piece = tail.read()
    assert piece is not None and piece.data == b"third" and piece.is_new and not tail.trouble
    tail.close()


def test_an_empty_file_is_a_piece_too(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.touch()
    tail = Tail(str(path), 100)
    piece = tail.read()
    assert piece is not None and piece.data == b"" and piece.is_new
    assert tail.read() is None
    tail.close()


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "pipe")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "socket"))
    said = {
        name: read_end(str(tmp_path / name), 100)
        for name in ("link", "pipe", "socket", ".", "none", "no\0ne")
    } | {"/dev/zero": read_end("/dev/zero", 100)}
    listener.close()
    assert {name: trouble for name, (_, _, trouble) in said.items()} == {
        "link": "it is a link, which is not followed",
        "pipe": "it is a named pipe, no file",
        "socket": "it is a socket, no file",
        ".": "it is a folder, no file",
        "none": "there is no such file",
        "no\0ne": "its name is none",
        "/dev/zero": "it is a device, no file",
    }
    assert all(data == b"" for data, _, _ in said.values())


def test_a_file_that_becomes_a_pipe_or_a_link_is_read_no_more(tmp_path: Path) -> None:
    path = tmp_path / "out"
    for make in (lambda: os.mkfifo(path), lambda: path.symlink_to("/etc/passwd")):
        path.write_bytes(b"text")
        tail = Tail(str(path), 100)
        assert tail.read() is not None
        path.unlink()
        make()
        assert tail.read() is None and tail.trouble
        path.unlink()
        tail.close()


def test_a_file_of_the_kernel_that_has_no_size_is_empty() -> None:
    data, size, trouble = read_end("/proc/self/environ", 100)
    assert (data, size, trouble) == (b"", 0, "")


def test_a_hole_of_a_terabyte_costs_what_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    data, size, _ = read_end(str(path), 1000)
    assert data == bytes(1000) and size == 1 << 40


# ---- watching
class Seen:
    def __init__(self) -> None:
        self.watcher = Watcher()
        self.count = 0

    def on_change(self) -> None:
        self.count += 1

    def wait(self) -> int:
        assert select.select([self.watcher.fileno()], [], [], 10)[0]
        self.watcher.read()
        return self.count


@pytest.fixture
def seen() -> Seen:
    return Seen()


def test_it_tells_of_growth_and_is_silent_else(tmp_path: Path, seen: Seen) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"a")
    tail = Tail(str(path), 100, seen.watcher, seen.on_change)
    tail.read()
    assert select.select([seen.watcher.fileno()], [], [], 0)[0] == []
    with path.open("ab") as file:
        file.write(b"b")
        file.flush()
        file.write(b"c")
    assert seen.wait() == 1
    piece = tail.read()
    assert piece is not None and piece.data == b"bc"
    path.unlink()
    assert seen.wait() == 2 and tail.read() is None and tail.trouble
    tail.close()
    path.write_bytes(b"x")
    seen.watcher.read()
    assert seen.count == 2
    seen.watcher.close()


def test_two_readers_of_one_file_are_both_told(tmp_path: Path, seen: Seen) -> None:
    path = tmp_path / "out"
    path.touch()
    tails = [Tail(str(path), 100, seen.watcher, seen.on_change) for _ in range(2)]
    for tail in tails:
        tail.read()
    path.write_bytes(b"x")
    assert seen.wait() == 2
    tails[0].close()
    tails[1].read()
    path.write_bytes(b"xy")
    assert seen.wait() == 3
    tails[1].close()
    seen.watcher.close()


def test_hundreds_of_files_need_one_instance(tmp_path: Path, seen: Seen) -> None:
    tails = []
    for number in range(300):
        path = tmp_path / f"out{number}"
        path.touch()
        tails.append(Tail(str(path), 100, seen.watcher, seen.on_change))
        tails[-1].read()
        assert not tails[-1].trouble
    for number in range(300):
        (tmp_path / f"out{number}").write_bytes(b"x")
    assert seen.wait() == 300
    for tail in tails:
        tail.close()
    seen.watcher.close()


def test_a_file_may_be_watched_and_left_by_many_threads(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.touch()
    descriptor = os.open(path, os.O_RDONLY)
    watcher = Watcher()
    heard: set[int] = set()

    def come_and_go(number: int) -> None:
        for _ in range(300):
            watcher.remove(watcher.add(descriptor, lambda: None))
        watcher.add(descriptor, lambda: heard.add(number))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=come_and_go, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    path.write_text("news")
    watcher.read()
    assert heard == set(range(8))
    watcher.close()
    os.close(descriptor)
