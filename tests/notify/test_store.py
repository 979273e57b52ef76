"""What is remembered: each notice once, together with the position."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jobd.errors import JobdError
from jobd.notify.store import Notice, Position, Store


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    made = Store()
    yield made
    made.close()


def notice(key: str, living: int | None = None, at: float = 1e10) -> Notice:
    return Notice(key, "END", f"about {key}", "text", at, (), living)


def both(one: Notice) -> list[tuple[str, str]]:
    return [("mail", "a@b"), ("chat", "")]


def test_a_notice_is_taken_once_and_goes_to_each(store: Store) -> None:
    assert store.position() is None
    assert store.take([notice("1"), notice("2")], both, Position("j", 5, 1.0)) == [
        ("1", "mail"), ("1", "chat"), ("2", "mail"), ("2", "chat"),
    ]  # fmt: skip
    assert store.take([notice("1")], both, Position("j", 6, 2.0)) == []
    assert store.position() == Position("j", 6, 2.0)
    assert store.transports() == {"mail": 2, "chat": 2}
    letter = store.next_letter("mail")
    assert letter is not None and (letter.key, letter.receiver, letter.subject, letter.tries) == (
        "1",
        "a@b",
        "about 1",
        0,
    )
    store.postpone(letter, 3e10)
    later = store.next_letter("mail")
    assert later is not None and later.key == "2"
    store.sent(later)
    last = store.next_letter("mail")
    assert last is not None and (last.key, last.tries, last.due_at) == ("1", 1, 3e10)
    assert store.drop("chat") == 2 and store.next_letter("chat") is None


def test_nothing_of_what_fails_half_way_stays(store: Store) -> None:
    def fails(one: Notice) -> list[tuple[str, str]]:
        if one.key == "2":
            raise sqlite3.OperationalError("disk is full")
        return [("mail", "a@b")]

    with pytest.raises(JobdError, match="disk is full"):
        store.take([notice("1"), notice("2")], fails, Position("j", 5, 1.0))
    assert store.position() is None and store.transports() == {}
    assert store.take([notice("1")], both, None)


def test_what_is_long_ago_or_of_jobs_that_are_gone_is_forgotten(store: Store) -> None:
    store.take([notice("old", at=1.0), notice("new"), notice("lives", 7), notice("gone", 8)], both, None)
    assert store.told_living() == [7, 8]
    store.clean({7})
    again = {
        key for key, _ in store.take([notice(key) for key in ("old", "new", "lives", "gone")], both, None)
    }
    assert again == set()  # still in the outbox
    with sqlite3.connect(store.path) as db:
        assert {key for (key,) in db.execute("SELECT key FROM told")} == {"old", "new", "lives", "gone"}


def test_it_outlives_us_and_is_ours_alone(store: Store) -> None:
    store.take([notice("1")], both, Position("j", 5, 1.0))
    store.close()
    again = Store()
    assert again.position() == Position("j", 5, 1.0) and again.transports() == {"mail": 1, "chat": 1}
    assert os.stat(again.folder).st_mode & 0o777 == 0o700
    again.close()


def test_a_file_of_a_newer_jobd_is_refused(store: Store) -> None:
    store.close()
    with sqlite3.connect(store.path) as db:
        db.execute("PRAGMA user_version=99")
    with pytest.raises(JobdError, match="newer jobd"):
        Store()


def emptied(data: bytes) -> bytes:
    """All pages but the first overwritten."""
    return data[:4096] + b"\xa5" * (len(data) - 4096)


@pytest.mark.parametrize(
    "harm", [emptied, lambda data: b"nonsense" * 1000, lambda data: data[: len(data) // 2]]
)
def test_a_damaged_file_is_kept_under_another_name(store: Store, harm: Callable[[bytes], bytes]) -> None:
    store.take([notice(str(number)) for number in range(100)], both, Position("j", 5, 1.0))
    store.close()
    path = Path(store.path)
    harmed = harm(path.read_bytes())
    path.write_bytes(harmed)
    os.utime(path, (1e9, 1e9))
    again = Store()
    assert (
        again.put_aside.startswith(f"{store.path}.damaged-") and Path(again.put_aside).read_bytes() == harmed
    )
    # From when on the ends of jobs are to be asked for: of no journal that there is.
    assert again.position() == Position("", 0, 1e9) and again.transports() == {}
    assert again.take([notice("1")], both, None)
    again.close()


def test_what_cannot_be_written_leaves_nothing_half_done(store: Store) -> None:
    store.take([notice("1", 7)], both, None)
    letter = store.next_letter("mail")
    assert letter is not None
    # As a full disk: whatever is written fails.
    store._db.execute("PRAGMA query_only=1")
    for act in (
        lambda: store.clean(()),
        lambda: store.sent(letter),
        lambda: store.postpone(letter, 5.0),
        lambda: store.hurry("mail"),
        lambda: store.take([notice("2")], both, None),
    ):
        with pytest.raises(JobdError, match="cannot write"):
            act()
    store._db.execute("PRAGMA query_only=0")
    store.clean(())
    store.sent(letter)
    assert store.transports() == {"chat": 1} and store.take([notice("2")], both, None)


def test_a_receiver_who_takes_nothing_is_left_alone_with_all_letters(store: Store) -> None:
    def to(one: Notice) -> list[tuple[str, str]]:
        return [("mail", "full@b" if int(one.key) % 2 else "good@b")]

    store.take([notice(str(number)) for number in range(1, 7)], to, None)
    first = store.next_letter("mail")
    assert first is not None and first.receiver == "full@b"
    store.postpone_receiver(first, lambda tries: 1000.0 * tries)
    for _ in range(3):
        letter = store.next_letter("mail")
        assert letter is not None and letter.receiver == "good@b"
        store.sent(letter)
    left = store.next_letter("mail")
    assert left is not None and left.due_at > 1e9
    store.hurry("mail", "other@b")
    assert store.next_letter("mail") == left
    store.hurry("mail", "full@b")
    again = store.next_letter("mail")
    assert again is not None and (again.number, again.tries, again.due_at) == (first.number, 1, 0.0)
