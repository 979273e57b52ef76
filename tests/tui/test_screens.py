"""The screens under textual's own driver, with pictures as the board makes them. There is no server here: what asks one says so."""

import asyncio
import os
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from textual.pilot import Pilot
from textual.widgets import Static

from jobd.api.board import Picture
from jobd.tui import facts
from jobd.tui.app import Top
from jobd.tui.dialogs import Entry, Help, Question
from jobd.tui.history_screen import HistoryScreen
from jobd.tui.job_screen import JobScreen
from jobd.tui.queue_screen import QueueScreen
from jobd.tui.table import JobTable
from jobd.tui.view import LINES_MAX, TextView
from jobd.wire import messages as m

from . import rows as rows_module
from .rows import ended, picture, row

SIZE = (80, 24)
Act = Callable[[Top, Pilot[int]], Awaitable[None]]


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders in which there is no server; and what began a minute ago did so a minute before the test, not before all tests."""
    monkeypatch.setattr(rows_module, "NOW_S", time.time())
    for name in list(os.environ):
        if name.startswith(("XDG_", "JOBD_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


def play(act: Act, shown: Picture | None = None, *, size: tuple[int, int] = SIZE, **options: Any) -> None:
    """Run the program, show it a picture, and act."""

    async def run() -> None:
        top = Top(options.pop("chosen", facts.Filter()), user="ann", is_following=False, **options)
        async with top.run_test(size=size) as pilot:
            if shown is not None:
                top.show(shown)
                if size == SIZE and "job_id" not in options:
                    await see(top, pilot, "? help", "quit")
            await act(top, pilot)
            top.exit()

    asyncio.run(run())


def lines_of(top: Top) -> list[str]:
    """What the screen shows."""
    width, height = top.size
    found = []
    for y in range(height):
        strips = top.screen._compositor.render_strips()
        found.append("".join(segment.text for segment in strips[y]) if y < len(strips) else "")
    assert all(cell_len(line) <= width for line in found)
    return [line.rstrip() for line in found]


def text_of(top: Top) -> str:
    return "\n".join(lines_of(top))


async def see(top: Top, pilot: Pilot[int], *parts: str) -> None:
    """Wait until all of these are seen."""
    async with asyncio.timeout(30):
        while not all(part in text_of(top) for part in parts):
            await pilot.pause(0.01)


async def match(top: Top, pilot: Pilot[int], pattern: str) -> None:
    """Wait until that is seen: a first frame may come before the columns have their width."""
    async with asyncio.timeout(30):
        while not re.search(pattern, text_of(top), re.MULTILINE):
            await pilot.pause(0.01)


def queue() -> Picture:
    return picture(
        row(1, "RUNNING", name="first", nb_proc=2),
        row(3, "SUSPENDED", name="make", children=[5]),
        row(5, "RUNNING", name="cc", parent_id=3, root_id=3),
        row(6, name="later", user="bob"),
        row(7, name="kept", batch={"is_held": True}),
        recent=(row(2, "FAILED", name="broken", reason="exit code 3"),),
    )


# ---- the queue
def test_the_queue_is_shown() -> None:
    async def act(top: Top, pilot: Pilot[int]) -> None:
        await see(top, pilot, ">1", "broken")
        text = text_of(top)
        lines = text.splitlines()
        assert lines[0].startswith("procs 3/4 [#########...]  memory 1.5G/16G  GPUs 1/2")
        assert lines[1].startswith("2 running, 1 suspended, 7 waiting, 1 held  server since ")
        await match(top, pilot, r"^>1 +runs +2 +\d:\d\d .*first")
        assert "\\_ cc" in text and "waits for 5" in text and "held" in text
        assert " 2 failed " in text and "broken" in text and "exit code 3" in text
        assert lines[-1].startswith("? help q quit")

    play(act, queue())


def test_an_empty_queue_says_so() -> None:
    async def act(top: Top, pilot: Pilot[int]) -> None:
        await see(top, pilot, "no job runs or waits")
        for key in ("down", "end", "enter", "c", "h", "r", "R", "a", "pagedown", "home", "p"):
            await pilot.press(key)
        await pilot.pause()
        await see(top, pilot, "there is no job here")
        assert isinstance(top.screen, QueueScreen)

    play(act, picture())


def test_before_there_is_a_server_and_when_it_has_gone() -> None:
    async def act(top: Top, pilot: Pilot[int]) -> None:
        await see(top, pilot, "asking the server")
        top.show(Picture(1, rows_module.NOW_S, trouble="there is no server"))
        await pilot.pause()
        await see(top, pilot, "there is no server")
        top.show(queue())
        await pilot.pause()
        assert "there is no server" not in text_of(top)
        top.show(queue()._replace(trouble="the server has gone; waiting for it"))
        await pilot.pause()
        await see(top, pilot, "the server has gone", "what stands here is old")
        await see(top, pilot, "first")

    play(act)


def test_the_cursor_stays_on_its_job() -> None:
    async def act(top: Top, pilot: Pilot[int]) -> None:
        await pilot.press("down", "down", "down", "j", "k")
        assert top.screen.query_one(JobTable).selected.job_id == 6  # type: ignore[union-attr]
        top.show(picture(row(9, "RUNNING"), row(8, "RUNNING"), row(6)))
        await pilot.pause()
        assert top.screen.query_one(JobTable).selected.job_id == 6  # type: ignore[union-attr]
        top.show(picture(row(9, "RUNNING")))
        await pilot.pause()
        assert top.screen.query_one(JobTable).selected.job_id == 9  # type: ignore[union-attr]
        top.show(picture())
        await pilot.pause()
        assert top.screen.query_one(JobTable).selected is None

    play(act, queue())


def test_filters() -> None:
    async def act(top: Top, pilot: Pilot[int]) -> None:
        await pilot.press("slash", *"LATer", "enter")
        await pilot.pause()
        await see(top, pilot, 'only "LATer": 1')
        assert " first " not in text_of(top)
        await pilot.press("escape", "s")
        await pilot.pause()
        await see(top, pilot, "only state: runs: 2")
        await pilot.press("s", "m")
        await pilot.pause()
        await see(top, pilot, "only state: waits, mine: 0", "no job fits")
        await pilot.press("escape")
        await pilot.pause()
        assert "only" not in lines_of(top)[1]
        # What was typed and left changes nothing.
        await pilot.press("slash", "x", "escape")
        await pilot.pause()
        assert isinstance(top.screen, QueueScreen) and "only" not in lines_of(top)[1]

    play(act, queue())


def test_a_filter_from_the_command_line() -> None:
    async def act(top: Top, pilot: Pilot[int]) -> None:
        await see(top, pilot, "only state: held: 1")

    play(act, queue(), chosen=facts.Filter(state="held"))


@pytest.mark.parametrize("size", [(20, 5), (40, 10), (80, 24), (200, 60), (1, 1)])
def test_it_fits_into_any_size(size: tuple[int, int]) -> None:
    async def act(top: Top, pilot: Pilot[int]) -> None:
        assert len(lines_of(top)) == size[1]
        await pilot.press("down", "end", "question_mark", "escape", "enter", "4", "tab")
        await pilot.pause()
        lines_of(top)
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert isinstance(top.screen, JobScreen)

    play(act, queue(), size=size)


def test_hostile_names_keep_the_layout() -> None:
    evil = "\x1b]2;t\x07[bold]x[/bold]\u202e宽宽e\u0301\u0301\u0301\ufe0f\n" + "y" * 5000

    async def act(top: Top, pilot: Pilot[int]) -> None:
        lines = lines_of(top)
        assert all(cell_len(line) <= 80 for line in lines)
        assert "\\x1b]2;t" in "\n".join(lines) and lines[-1].startswith("? help")
        await pilot.press("c")
        await pilot.pause()
        await see(top, pilot, "\\x1b]2;t\\x07[bold]x")
        assert isinstance(top.screen, Question)
        await pilot.press("n", "enter", "4")
        await pilot.pause()
        await see(top, pilot, "name  \\x1b]2;t\\x07[bold]x[/bold]\\u202e宽宽")

    shown = row(1, "RUNNING", name=evil, command=[evil], reason=evil, cwd=evil, user=evil)
    play(act, picture(shown, recent=(row(2, "FAILED", name=evil, reason=evil),)))


def test_the_help_names_every_key_that_is_bound() -> None:
    async def act(top: Top, pilot: Pilot[int]) -> None:
        await pilot.press("question_mark")
        await pilot.pause()
        assert isinstance(top.screen, Help)
        text = text_of(top)
        for part in (
            "choose a job",
            "cancel it",
            "hold it",
            "requeue",
            "again",
            "priority",
            "nb_proc",
            "leave",
        ):
            assert part in text
        await pilot.press("q")
        await pilot.pause()
        assert isinstance(top.screen, QueueScreen)

    play(act, queue(), size=(80, 30))


@pytest.mark.parametrize(("width", "columns"), [(40, "JOB STATE NAME"), (60, "JOB STATE PROCS END NAME")])
def test_a_narrow_terminal_keeps_what_matters(width: int, columns: str) -> None:
    async def act(top: Top, pilot: Pilot[int]) -> None:
        await see(top, pilot, "broken") if width > 50 else await see(top, pilot, "3 of 4 procs")
        heading = lines_of(top)[2].split()
        assert heading[:-1] == columns.split() and heading[-1].startswith("PROGRESS")
        assert "3 of 4 procs mis" in text_of(top)

    waiting = row(2, name="broken", reason="3 of 4 procs missing, in use by job 1")
    running = row(1, "RUNNING", name="a" * 30, time_limit_s=200_000, started_at=rows_module.NOW_S - 100_000)
    play(act, picture(running, waiting), size=(width, 20))


def test_columns_are_as_wide_as_what_stands_in_them() -> None:
    def rows(name: str, job_id: int) -> Picture:
        return picture(row(job_id, "RUNNING", name=name, started_at=rows_module.NOW_S - 300_000))

    async def act(top: Top, pilot: Pilot[int]) -> None:
        await see(top, pilot, ">7 ", "short")
        await match(top, pilot, r"^>7   runs  +1 3-11:20:\d\d +short")
        top.show(rows("a-name-that-is-much-longer-than-others", 1234567))
        await pilot.pause()
        await see(top, pilot, ">1234567 runs", "3-11:20:")
        await match(top, pilot, r" a-name-that-i[a-z-]*…\s")

    play(act, rows("short", 7))


def test_jobs_are_marked_and_done_to_at_once() -> None:
    async def act(top: Top, pilot: Pilot[int]) -> None:
        await pilot.press("space", "down", "space")
        await pilot.pause()
        await see(top, pilot, "*1", "2 marked")
        await pilot.press("c")
        await pilot.pause()
        await see(top, pilot, "Cancel 2 jobs (1,", "yes, cancel these 2")
        await pilot.press("n", "escape")
        await pilot.pause()
        assert "marked" not in text_of(top) and isinstance(top.screen, QueueScreen)
        # What a filter hides is not meant any more.
        await pilot.press("asterisk", "slash", *"later", "enter")
        await pilot.pause()
        await see(top, pilot, 'only "later": 1', "1 marked")
        await pilot.press("escape")
        await pilot.pause()
        await see(top, pilot, 'only "later": 1')
        assert "marked" not in text_of(top)
        # And what has ended is not either.
        await pilot.press("space")
        top.show(picture(row(1, "RUNNING")))
        await pilot.press("escape")
        await pilot.pause()
        assert "marked" not in text_of(top)

    play(act, queue())


def test_the_keys_of_vi_and_less_lead_to_both_ends() -> None:
    async def act(top: Top, pilot: Pilot[int]) -> None:
        table = top.screen.query_one(JobTable)
        for key, place in (("G", 99), ("g", 0), ("ctrl+f", 10), ("ctrl+b", 0), ("ctrl+d", 5), ("ctrl+u", 0)):
            await pilot.press(key)
            await pilot.pause()
            assert table.selected is not None
            here = table.selected.job_id - 1
            assert here == place if place in (0, 99) else 2 <= here <= 23, key

    play(act, picture(*(row(number) for number in range(1, 101))))


def test_a_help_that_is_longer_than_the_screen_is_scrolled() -> None:
    async def act(top: Top, pilot: Pilot[int]) -> None:
        await pilot.press("question_mark")
        await see(top, pilot, "choose a job", "escape leaves")
        assert "ctrl+z" not in text_of(top)
        await pilot.press("G")
        await see(top, pilot, "ctrl+z", "escape leaves")
        await pilot.press("g")
        await see(top, pilot, "choose a job")

    play(act, queue(), size=(80, 12))


def test_what_was_said_goes_with_the_next_key() -> None:
    async def act(top: Top, pilot: Pilot[int]) -> None:
        await pilot.press("c")
        await see(top, pilot, "there is no job here")
        await pilot.press("s")
        await pilot.pause()
        assert "there is no job here" not in text_of(top)

    play(act, picture())


def test_when_all_will_be_over_is_said_where_it_is_known() -> None:
    async def act(top: Top, pilot: Pilot[int]) -> None:
        await see(top, pilot, "all over by ")
        top.show(picture(row(1, "RUNNING", time_limit_s=600), row(2)))
        await pilot.pause()
        assert "all over" not in text_of(top)

    play(act, picture(row(1, "RUNNING", time_limit_s=600)))


# ---- doing things; there is nobody to do them
@pytest.mark.parametrize(
    "keys", [["c", "y"], ["h"], ["r"], ["R", "y"], ["p", "5", "enter"], ["P", "2", "enter"]]
)
def test_what_cannot_be_done_is_said(keys: list[str]) -> None:
    async def act(top: Top, pilot: Pilot[int]) -> None:
        await pilot.press(*keys)
        async with asyncio.timeout(30):
            while "no server" not in text_of(top):
                await pilot.pause()
        assert isinstance(top.screen, QueueScreen)

    play(act, queue())


@pytest.mark.parametrize("key", ["n", "q", "escape"])
def test_no_is_no(key: str) -> None:
    async def act(top: Top, pilot: Pilot[int]) -> None:
        await pilot.press("c")
        await pilot.pause()
        await see(top, pilot, "Cancel job 1 (first)?")
        assert isinstance(top.screen, Question)
        await pilot.press("x", key)  # any other key is no answer
        await pilot.pause()
        assert isinstance(top.screen, QueueScreen) and "no server" not in text_of(top)

    play(act, queue())


@pytest.mark.parametrize("typed", ["x", "", "99999999999999", "1.5", "--1"])
def test_a_number_that_is_none_is_asked_for_again(typed: str) -> None:
    async def act(top: Top, pilot: Pilot[int]) -> None:
        await pilot.press("P", "backspace", *typed, "enter")
        await pilot.pause()
        assert isinstance(top.screen, Entry)
        await see(top, pilot, "is no number")
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(top.screen, QueueScreen)

    play(act, queue())


def test_a_job_that_is_over_is_not_ended_again() -> None:
    async def act(top: Top, pilot: Pilot[int]) -> None:
        top.open_job(2, queue().recent[0])
        await pilot.pause()
        await pilot.press("c")
        await pilot.pause()
        await see(top, pilot, "job 2 is over")

    play(act, queue())


# ---- one job
def test_output_is_followed_paused_and_bounded(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_text("begin\nprocessing 3 / 12\n")
    job = row(1, "RUNNING", batch={"stdout": str(path), "stderr": str(path)})

    async def until(top: Top, pilot: Pilot[int], is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not is_so():
                await pilot.pause(0.01)

    async def act(top: Top, pilot: Pilot[int]) -> None:
        await see(top, pilot, "3/12 25%")
        await pilot.press("enter")
        await until(top, pilot, lambda: "processing 3 / 12" in text_of(top))
        await see(top, pilot, "following")

        def write(text: str) -> None:
            with path.open("a") as file:
                file.write(text)

        write("half a li")
        await until(top, pilot, lambda: "half a li" in text_of(top))
        write("ne\rover\nprocessing 6 / 12\n")
        await until(top, pilot, lambda: "processing 6 / 12" in text_of(top) and "6/12 50%" in text_of(top))
        await see(top, pilot, "over")
        assert "half" not in text_of(top)
        await pilot.press("up")
        write("more\n")
        await pilot.pause(0.3)
        await see(top, pilot, "paused")
        assert "more" not in text_of(top)
        await pilot.press("f")
        await until(top, pilot, lambda: "more" in text_of(top))
        # Far more than is kept, at once: the end is seen, and what was left out is said.
        write("x\n" * 600_000 + "the end\n")
        await until(top, pilot, lambda: "the end" in text_of(top))
        view = top.screen.query_one("#output", TextView)
        assert len(view.text.splitlines()) <= LINES_MAX
        # It begins anew, as one that was queued again does.
        path.write_text("anew\n")
        await until(top, pilot, lambda: "anew" in text_of(top) and "the end" not in text_of(top))
        path.unlink()
        await until(top, pilot, lambda: "there is no such file" in text_of(top))
        await pilot.press("2")
        await pilot.pause()
        await see(top, pilot, "Its errors are with its output.")

    play(act, picture(job))


def test_words_are_found_in_output(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_text(
        "".join(f"line {number}{' Error' if number in (20, 300) else ''}\n" for number in range(500))
    )
    job = row(1, "RUNNING", batch={"stdout": str(path), "stderr": str(path)})

    async def act(top: Top, pilot: Pilot[int]) -> None:
        await see(top, pilot, "line 499")
        await pilot.press("n")
        await see(top, pilot, "nothing is looked for")
        await pilot.press("slash", *"ERROR", "enter")
        await see(top, pilot, "line 300 Error", "paused")
        await pilot.press("n")
        await see(top, pilot, "'error' is not below", "line 300 Error")
        await pilot.press("N")
        await see(top, pilot, "line 20 Error")
        await pilot.press("slash", *"nowhere", "enter")
        await see(top, pilot, "is not here", "line 20 Error")
        await pilot.press("g")
        await see(top, pilot, "line 0")
        await pilot.press("G")
        await see(top, pilot, "line 499", "following")

    play(act, picture(job), job_id=1)


def test_letters_that_come_in_halves_are_whole(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes("宽".encode()[:2])
    job = row(1, "RUNNING", batch={"stdout": str(path), "stderr": str(path)})

    async def act(top: Top, pilot: Pilot[int]) -> None:
        await pilot.press("enter")
        await pilot.pause()
        with path.open("ab") as file:
            file.write("宽".encode()[2:] + b" wide\n")
        async with asyncio.timeout(30):
            while "宽 wide" not in text_of(top):
                await pilot.pause(0.01)

    play(act, picture(job))


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    job = row(1, "RUNNING", batch={"stdout": str(tmp_path / "pipe"), "stderr": "/dev/zero"})

    async def act(top: Top, pilot: Pilot[int]) -> None:
        await pilot.press("enter")
        await pilot.pause()
        await see(top, pilot, "it is a named pipe, no file")
        await pilot.press("2")
        await pilot.pause()
        await see(top, pilot, "it is a device, no file")

    play(act, picture(job))


def test_a_job_that_ends_while_it_is_looked_at() -> None:
    async def act(top: Top, pilot: Pilot[int]) -> None:
        await pilot.press("enter")
        await pilot.pause()
        await see(top, pilot, " job 1  first")
        top.show(
            picture(),
            [m.Event(7, rows_module.NOW_S, "ended", row(1, "FAILED", name="first", reason="exit code 3"))],
        )
        await pilot.pause()
        await see(top, pilot, "failed  exit code 3")
        await pilot.press("q")
        await pilot.pause()
        assert isinstance(top.screen, QueueScreen)

    play(act, queue())


@pytest.mark.parametrize("which", ["job", "history"])
def test_what_comes_in_before_a_screen_has_its_parts_waits(which: str) -> None:
    async def act(top: Top, pilot: Pilot[int]) -> None:
        if which == "job":
            top.open_job(1, queue().rows[0])
        else:
            top.open_history()
        assert not isinstance(top.screen, QueueScreen)
        top._ticked()
        top.show(queue(), [ended(1)])
        await see(top, pilot, "first" if which == "job" else "finished jobs")

    play(act, queue())


def test_a_job_that_nobody_knows() -> None:
    async def act(top: Top, pilot: Pilot[int]) -> None:
        await pilot.pause()
        assert isinstance(top.screen, JobScreen)
        for key in ("c", "h", "tab", "4", "f"):
            await pilot.press(key)
        await pilot.press("q")
        await pilot.pause()
        assert isinstance(top.screen, QueueScreen)

    play(act, queue(), job_id=999)


# ---- the history
def test_the_history_says_that_there_is_no_server_and_goes_on_with_what_ends() -> None:
    async def act(top: Top, pilot: Pilot[int]) -> None:
        await pilot.press("f")
        async with asyncio.timeout(30):
            while "no server" not in text_of(top):
                await pilot.pause()
        assert isinstance(top.screen, HistoryScreen)
        top.show(queue(), [ended(11), ended(12, "FAILED")])
        await pilot.pause()
        text = text_of(top)
        assert text.index("name-12") < text.index("name-11")
        await pilot.press("s", "s")
        await pilot.pause()
        await see(top, pilot, "only state: failed")
        await pilot.press("escape")  # first all again, then back
        await pilot.pause()
        assert isinstance(top.screen, HistoryScreen) and "only" not in lines_of(top)[0]
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(top.screen, QueueScreen)

    play(act, queue())


# ---- keys and idling
def test_keys_that_come_in_one_piece_are_taken_one_after_the_other() -> None:
    """As over a slow line: the words go into the question that the first key brings, and what follows it goes where that leads."""

    async def act(top: Top, pilot: Pilot[int]) -> None:
        driver = top._driver
        assert driver is not None
        from textual import events

        for key, letter in (
            ("slash", "/"),
            ("l", "l"),
            ("x", "x"),
            ("backspace", None),
            ("a", "a"),
            ("enter", None),
            ("s", "s"),
        ):
            driver.send_message(events.Key(key, letter))
        async with asyncio.timeout(30):
            while 'only "la", state: runs' not in text_of(top):
                await pilot.pause()

    play(act, queue())


def test_nothing_ticks_while_nothing_runs() -> None:
    async def act(top: Top, pilot: Pilot[int]) -> None:
        assert top._tick is not None
        assert top._tick._active.is_set()
        top.show(picture(row(6)))
        await pilot.pause()
        assert not top._tick._active.is_set()
        top.show(queue()._replace(trouble="the server has gone"))
        await pilot.pause()
        assert not top._tick._active.is_set()

    play(act, queue())


def test_no_part_is_made_of_markup() -> None:
    async def act(top: Top, pilot: Pilot[int]) -> None:
        screen = top.screen
        assert isinstance(screen, QueueScreen)
        screen.note("[red]not a colour[/red] \x1b[2J")
        await pilot.pause()
        await see(top, pilot, "[red]not a colour[/red] \\x1b[2J")
        assert screen.query_one("#note", Static)

    play(act, queue())
