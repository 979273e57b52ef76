"""jobctl top in a real terminal, with a real server and real jobs. What is waited for is what the terminal shows."""

import os
import re
import signal
from pathlib import Path

import pytest

import jobd
from live.conftest import House

from .conftest import Pane

WAITING = "until [ -e {path} ]; do read -t 0.05 x < /dev/zero || true; done"


def start(pane: Pane, *arguments: str, before: str = "") -> str:
    """Run it; what it shows first."""
    pane.type(f"clear; {before}jobctl top {' '.join(arguments)}\n")
    return pane.until_seen("procs ", "running,", "LAST ENDED", "quit")


def end(pane: Pane) -> None:
    """Leave it."""
    pane.keys("q")
    pane.until(lambda text: text.rstrip().endswith("prompt:"))


def test_it_shows_the_queue_and_leaves_the_terminal_as_it_was(client: jobd.Client, pane: Pane) -> None:
    pane.type("stty -g > before\n")
    runs = client.submit("echo starting; sleep 1000", name="first", nb_proc=2, time="1:00:00")
    client.submit("true", name="second")
    bad = client.submit("exit 7", name="broken", nb_proc=1, priority=5)
    text = start(pane)
    lines = text.splitlines()
    assert len(lines) <= 24 and all(len(line) <= 80 for line in lines)
    assert "procs 2/2 [############]" in lines[0]
    assert "1 running, 0 suspended, 2 waiting" in lines[1]
    assert re.search(rf">{runs.id} +runs +2 .*<\d\d:\d\d|>{runs.id} +runs +2 .*<... \d\d:\d\d", text)
    assert re.search(r" \d +waits +1 .* broken .*1 of 1 proc", text)
    assert pane.format("#{alternate_on}") == "1"
    client.cancel(runs)
    client.wait([bad])
    pane.until(lambda text: re.search(r"failed .* broken +exit code 7", text))
    end(pane)
    assert pane.format("#{alternate_on} #{cursor_flag} #{mouse_any_flag} #{mouse_all_flag}") == "0 1 0 0"
    pane.type("stty -g > after; echo $?.\n")
    pane.until_seen("0.")
    assert Path("before").read_text() == Path("after").read_text()


def test_a_tree_is_indented_and_its_root_says_for_whom_it_waits(
    house: House, client: jobd.Client, pane: Pane
) -> None:
    outer = house.spawn("Salloc", "-n", "2", "sh", "-c", "Salloc -J inner sleep 1000; true")
    text = start(pane)
    text = pane.until(lambda text: "\\_ " in text and "suspended" in text)
    root, child = [line for line in text.splitlines() if re.match(r"[> ]\d+ ", line)][:2]
    assert re.search(r"suspended .*waits for \d", root if "suspended" in root else child)
    assert "\\_ " in (child if "suspended" in root else root)
    # Asked for the tree, it ends all of it.
    pane.keys("c")
    pane.until_seen("It is one of a tree of 2 jobs", "t  yes, with its whole tree")
    pane.keys("t")
    pane.until_seen("cancelled 2 jobs", "0 running, 0 suspended")
    assert outer.wait(60) != 0
    end(pane)


def test_it_filters_by_text_state_and_user(client: jobd.Client, pane: Pane) -> None:
    client.submit("sleep 1000", name="apple", nb_proc=2)
    client.submit("true", name="pear")
    client.submit("true", name="plum", hold=True)
    start(pane)
    pane.until_seen("apple", "pear", "plum")
    pane.keys("/")
    pane.until_seen("Only jobs with these words")
    pane.type("PEA\n")
    text = pane.until_seen('only "PEA": 1')
    assert " apple " not in text and " plum " not in text
    pane.keys("Escape")
    pane.until_seen("apple", "pear", "plum")
    for word, here in (("runs", "apple"), ("waits", "pear"), ("held", "plum")):
        pane.keys("s")
        pane.until(
            lambda text: (
                f"only state: {word}: 1" in text  # noqa: B023
                and [name for name in ("apple", "pear", "plum") if re.search(rf" {name}\s", text)] == [here]  # noqa: B023
            )
        )
    pane.keys("Escape")  # what comes at once after it would be alt and that key
    pane.until(lambda text: "only" not in text)
    pane.keys("m")
    pane.until_seen("only mine: 3", "apple", "pear", "plum")
    end(pane)


def test_output_is_seen_as_it_comes_paused_and_scrolled(
    house: House, client: jobd.Client, pane: Pane
) -> None:
    go = house.pipe("go")
    job = client.submit(
        "seq -f 'line %g' 100; echo wrong >&2; exec 3<> go; while read word <&3; do echo \"processing $word\"; done",
        name="talker",
        stderr="errors.txt",
    )
    start(pane)
    pane.keys("Enter")
    pane.until_seen(f"job {job.id}", "talker", "runs", "following", "line 100")

    def say(word: str) -> None:
        with open(go, "w") as file:
            file.write(word + "\n")

    say("3 / 12")
    pane.until_seen("processing 3 / 12", "3/12 25%")
    pane.keys("PageUp")
    pane.until_seen("paused", "line 80")
    say("6 / 12")
    pane.until_seen("6/12 50%")
    assert "processing 6 / 12" not in pane.text()
    pane.keys("Home")
    pane.until(lambda text: re.search(r"^line 1$", text, re.MULTILINE))
    pane.keys("f")
    pane.until_seen("following", "processing 6 / 12")
    pane.keys("2")
    pane.until(lambda text: re.search(r"^wrong$", text, re.MULTILINE))
    pane.keys("3")
    pane.until_seen("seq -f")
    pane.keys("4")
    pane.until_seen("state  runs (RUNNING)")
    pane.keys("End")
    pane.until_seen("errors.txt")
    pane.keys("c")
    pane.until_seen("Cancel job")
    pane.keys("y")
    pane.until_seen("cancelled 1 job")
    client.wait([job])
    pane.until_seen("cancelled  exit code")
    pane.keys("q")
    pane.until(lambda text: re.search(r"cancelled .* talker", text))
    end(pane)


def test_jobs_are_held_released_moved_and_run_again(client: jobd.Client, pane: Pane) -> None:
    first = client.submit("sleep 1000", name="blocker", nb_proc=2)
    second = client.submit("true", name="other")
    third = client.submit("true", name="urgent")
    start(pane, "-f", "other")
    pane.until_seen("other", "waits")
    pane.keys("h")
    pane.until_seen(f"job {second.id} is held", " held ")
    pane.keys("r")
    pane.until_seen(f"job {second.id} may start", " waits ")
    pane.keys("Escape")
    pane.until_seen("blocker", "other", "urgent")
    pane.keys("End")
    pane.until(lambda text: re.search(rf">{third.id} ", text))
    pane.keys("p")
    pane.until_seen(f"Priority of job {third.id}")
    pane.keys("BSpace")
    pane.type("12x\n")
    pane.until_seen("'12x' is no number")
    pane.keys("BSpace", "Enter")
    text = pane.until_seen(f"job {third.id} has priority 12")
    text = pane.until(lambda text: text.find("urgent") < text.find(" other "))
    assert re.search(rf">{third.id} ", text)  # the cursor stays on its job
    # The blocker is queued again, at its end in the queue's order, and what waited runs.
    pane.keys("Home", "R")
    pane.until_seen(f"End job {first.id} (blocker) and queue it again?")
    pane.keys("y")
    pane.until_seen(f"job {first.id} is queued again")
    client.wait([second, third])
    pane.keys("f")
    pane.until_seen("finished jobs", "urgent", "other")
    pane.keys("a")
    pane.until(lambda text: re.search(r"queued again as job \d+", text))
    pane.keys("q", "c")
    pane.until_seen("Cancel job")
    pane.keys("n")
    pane.until(lambda text: "Cancel job" not in text)
    end(pane)
    client.cancel(first)


def test_marked_jobs_are_cancelled_at_once(client: jobd.Client, pane: Pane) -> None:
    jobs = [client.submit("sleep 1000", name=f"one-{number}", hold=True) for number in range(4)]
    start(pane)
    pane.until_seen("one-3", "4 held")
    pane.keys("Space", "Space", "Space")
    pane.until_seen("3 marked", f">{jobs[3].id} ")
    pane.keys("r")
    pane.until_seen("3 jobs may start", "2 running")
    assert "marked" not in pane.text()
    pane.keys("/")
    pane.until_seen("Only jobs with these words")
    pane.type("one-\n")
    pane.until_seen('only "one-": 4')
    pane.keys("*")
    pane.until_seen("4 marked")
    pane.keys("c")
    pane.until_seen("Cancel 4 jobs (1->4)?", "yes, cancel these 4")
    pane.keys("y")
    pane.until_seen("cancelled 4 jobs: 1->4", "0 running, 0 suspended, 0 waiting")
    client.wait(jobs)
    end(pane)


def test_the_number_of_procs_is_changed(client: jobd.Client, pane: Pane) -> None:
    job = client.submit("sleep 1000", name="wide", nb_proc=2)
    start(pane)
    pane.keys("P")
    pane.until_seen("nb_proc of the server")
    pane.keys("BSpace")
    pane.type("0\n")
    pane.until_seen("nb_proc is 0", "procs 2/0")
    assert client.status().nb_proc == 0
    end(pane)
    client.cancel(job)


def test_the_server_goes_and_comes_back(house: House, client: jobd.Client, pane: Pane) -> None:
    job = client.submit("sleep 1000", name="lasting")
    start(pane)
    pane.until_seen("lasting")
    pid = house.server_pid()
    os.kill(pid, signal.SIGKILL)
    pane.until_seen("the server has gone", "lasting", "what stands here is old")
    pane.keys("h")
    pane.until(lambda text: "no server" in text or "server runs" in text)
    house.server(2)
    text = pane.until_seen("1 running, 0 suspended, 0 waiting")
    assert "gone" not in text
    client.cancel(job)
    pane.until_seen("0 running, 0 suspended, 0 waiting")
    end(pane)


def test_it_waits_for_a_server_that_is_not_there_yet(house: House, pane: Pane) -> None:
    pane.type("jobctl top\n")
    pane.until_seen("there is no server")
    house.server(3)
    pane.until_seen("procs 0/3", "no job runs or waits")
    end(pane)


def test_hostile_names_and_output_leave_the_screen_whole(
    house: House, client: jobd.Client, pane: Pane
) -> None:
    title = pane.format("#{pane_title}")
    name = "\x1b]2;owned\x07[red]\u202e宽宽e\u0301\u0301\u0301\u0301👩‍👩‍👧"
    evil = house.work / "evil.sh"
    evil.write_text(
        "#!/bin/sh\nseq 9999999 | head -c 200000; head -c 200000 /dev/zero | tr '\\0' 'x'; echo\n"
        "printf '\\033]2;owned\\007\\033[2J\\033[H[bold]bracket[/bold]\\n\\302\\233x\\377\\n'\n"
        "printf 'old\\rnew\\n\\033[31mred\\033[0m\\n'; echo the end; sleep 1000\n"
    )
    job = client.submit((), script=str(evil), name=name)
    start(pane)
    lines = pane.until_seen("\\x1b]2;owned\\x07[r").splitlines()
    assert lines[0].startswith("procs ") and lines[23].startswith("? help")
    pane.keys("Enter")
    text = pane.until_seen("the end", "? help")
    assert "\\x1b]2;owned\\x07\\x1b[2J\\x1b[H[bold]bracket[/bold]\n\\x9bx\ufffd\nnew\nred\nthe end" in text
    pane.keys("Home")
    lines = pane.until_seen("(what is before: ", "? help").splitlines()
    assert lines[0].startswith(" job 1") and "? help" in lines[23]
    assert pane.format("#{pane_title}") == title
    pane.keys("q")
    end(pane)
    client.cancel(job)


def test_the_mouse_chooses_opens_and_presses_keys(client: jobd.Client, pane: Pane) -> None:
    client.submit("sleep 1000", name="one", nb_proc=2)
    second = client.submit("true", name="two")
    text = start(pane)
    text = pane.until_seen("two")
    y = next(number for number, line in enumerate(text.splitlines()) if " two " in line)
    pane.click(5, y)
    pane.until(lambda text: re.search(rf">{second.id} ", text))
    pane.click(5, y)
    pane.click(5, y)
    text = pane.until_seen("It has not started.")
    pane.until_seen("4 facts")
    x = pane.text().splitlines()[3].index("4 facts")
    pane.click(x, 3)
    pane.until_seen("state  waits (PENDING)")
    pane.click_until_seen(pane.text().splitlines()[23].index("q back"), 23, "LAST ENDED")
    end(pane)
    client.cancel([row.job_id for row in client.jobs()])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_it_and_the_terminal_is_as_it_was(
    client: jobd.Client, pane: Pane, number: signal.Signals
) -> None:
    start(pane)
    os.kill(pane.pid_of_front(), number)
    pane.until(lambda text: text.rstrip().endswith("prompt:"))
    assert pane.format("#{alternate_on} #{cursor_flag} #{mouse_any_flag}") == "0 1 0"
    pane.type("echo $((2 + 40))\n")
    pane.until_seen("42")


def test_it_is_stopped_and_goes_on(client: jobd.Client, pane: Pane) -> None:
    start(pane)
    pane.keys("C-z")
    pane.until(lambda text: text.rstrip().endswith("prompt:"))
    assert pane.format("#{alternate_on}") == "0"
    client.submit("true", name="meanwhile").wait()
    pane.type("fg\n")
    pane.until_seen("LAST ENDED", "meanwhile")
    pane.keys("C-c")
    pane.until(lambda text: text.rstrip().endswith("prompt:"))


def test_it_fits_into_other_sizes(client: jobd.Client, pane: Pane) -> None:
    job = client.submit("sleep 1000", name="small")
    start(pane)
    pane.until_seen("small")
    pane.resize(40, 10)
    text = pane.until(
        lambda text: "LAST ENDED" not in text and len(text.splitlines()) <= 10 and "procs" in text
    )
    pane.resize(150, 40)
    text = pane.until_seen("LAST ENDED", "small", "quit")
    assert all(len(line) <= 150 for line in text.splitlines())
    end(pane)
    client.cancel(job)


def test_without_colours_nothing_is_lost(client: jobd.Client, pane: Pane) -> None:
    job = client.submit("sleep 1000", name="plain")
    start(pane, before="NO_COLOR=1 ")
    pane.until_seen(">1 ", "runs", "plain")
    styled = pane.text(is_styled=True)
    assert not re.search(r"\x1b\[(?:\d+;)*(?:3[0-7]|4[0-7]|9[0-7]|38|48)[;m]", styled)
    end(pane)
    client.cancel(job)


@pytest.mark.parametrize("term", ["dumb", "vt100"])
def test_a_terminal_without_screens_gets_text(client: jobd.Client, pane: Pane, term: str) -> None:
    job = client.submit("sleep 1000", name="plain")
    pane.type(f"clear; TERM={term} jobctl top\n")
    text = pane.until_seen("can show no screens", "plain", "runs", "1 running")
    assert pane.format("#{alternate_on}") == "0" and "procs 1/2" in text
    client.cancel(job)


def test_a_long_queue_is_quick_and_is_paged(client: jobd.Client, pane: Pane) -> None:
    client.submit("sleep 1000", name="blocker", nb_proc=2)
    client.submit_many([{"command": "true", "name": f"job-{number}"} for number in range(10_000)])
    start(pane)
    pane.until_seen("10000 waiting", "job-0")
    pane.keys("End")
    pane.until_seen(" job-198 ")
    pane.keys("End")
    pane.until(lambda text: re.search(r"job-[2-9]\d{2}", text) or re.search(r"job-1\d{3}", text))
    pane.keys("/")
    pane.until_seen("Only jobs")
    pane.type("job-9876\n")
    pane.until_seen('only "job-9876": 1', " job-9876 ")
    end(pane)
    rows = client.jobs()
    client.cancel([row.job_id for row in rows])


def test_it_sleeps_while_nothing_happens(client: jobd.Client, pane: Pane) -> None:
    """The kernel counts how often its threads were switched in: no more than the looking itself costs, which is nothing."""
    client.submit("true", name="held", hold=True)
    start(pane)
    pane.until_seen("held")
    pid = pane.pid_of_front()

    def switches() -> int:
        total = 0
        for task in Path(f"/proc/{pid}/task").iterdir():
            for line in (task / "status").read_text().splitlines():
                if line.startswith("voluntary_ctxt_switches"):
                    total += int(line.split()[1])
        return total

    _settled(switches)
    before = switches()
    signal.sigtimedwait([signal.SIGUSR2], 3.0)  # the time in which nothing may happen is the measure itself
    assert switches() - before <= 2
    pane.keys("Enter")
    pane.until_seen("It has not started.")
    _settled(switches)
    before = switches()
    signal.sigtimedwait([signal.SIGUSR2], 3.0)
    assert switches() - before <= 2
    pane.keys("q")
    end(pane)


def _settled(count: object) -> None:
    """Until a whole second has brought nothing more; at most some of them."""
    assert callable(count)
    for _ in range(20):
        before = count()
        signal.sigtimedwait([signal.SIGUSR2], 1.0)
        if count() == before:
            return
    raise AssertionError("it never sleeps")


def test_once_prints_it_and_leaves(house: House, client: jobd.Client) -> None:
    job = client.submit("echo 'step 4 / 8'; sleep 1000", name="[bold]piped\x1b[2J")
    client.submit("exit 3", name="wrong").wait()
    house.until(lambda: "4 / 8" in client.output(job))
    text = house.ok("jobctl", "top")  # on a pipe it is the same as with --once
    assert "procs 1/2" in text and "1 running" in text
    assert "[bold]piped\\x1b[2J" in text and "4/8 50%" in text and "exit code 3" in text
    assert "wrong" not in house.ok("jobctl", "top", "--once", "-f", "piped")
    text = house.ok("jobctl", "top", "--once", "-j", str(job.id))
    assert "name  [bold]piped\\x1b[2J" in text and "progress  [###" in text and "4/8 50%" in text
    done = house.run("jobctl", "top", "--once", "-j", "777")
    assert done.returncode == 1 and "no job 777" in done.stderr and done.stderr.count("\n") == 1
    done = house.run("jobctl", "top", "-t", "nonsense")
    assert done.returncode == 2 and "no state 'nonsense'" in done.stderr and done.stderr.count("\n") == 1
    client.cancel(job)
    house.ok("Sserver", "-2")
    done = house.run("jobctl", "top", "--once")
    assert done.returncode == 3 and done.stderr.count("\n") == 1
