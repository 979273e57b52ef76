"""The page of a real server: what it shows of real jobs, what it does and refuses, what it says live."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import jobd
from live.conftest import House

from .past import with_past
from .webs import Visitor, listening, visiting


@pytest.fixture
def visitor(client: jobd.Client, house: House) -> Iterator[Visitor]:
    """Somebody who may do all."""
    with visiting(house, "--allow", "all") as made:
        yield made


@pytest.fixture
def reader(client: jobd.Client, house: House) -> Iterator[Visitor]:
    """Somebody who may only look."""
    with visiting(house) as made:
        yield made


# ---- looking
def test_the_overview_of_real_jobs(visitor: Visitor, client: jobd.Client) -> None:
    with listening(visitor, "/live/overview") as live:
        runs = client.submit("echo 'processing 3 / 12'; sleep 1000", nb_proc=2, name="simulate")
        waits = client.submit("true", nb_proc=2, name="collect", dependency=f"afterok:{runs.id}")
        live.until(lambda: "3 / 12" in live.parts.get("board", "") + live.parts.get(f"p{runs.id}", ""))
        live.until(lambda: f"waits for afterok:{runs.id}" in live.parts["board"])
        page = visitor.page("/")
        assert "simulate" in page and "3 / 12" in page and f"waits for afterok:{runs.id}" in page
        client.cancel([waits, runs])
        live.until(lambda: "The queue is empty" in live.parts["board"] and "cancelled" in live.parts["board"])


def test_the_first_line_keeps_up_with_how_far_jobs_are(
    visitor: Visitor, client: jobd.Client, house: House
) -> None:
    gate = house.pipe("gate")
    with listening(visitor, "/live/overview") as live:
        job = client.submit(f"echo begun; while read line; do echo $line; done < {gate}", name="tells")
        with gate.open("w", buffering=1) as goes_on:
            live.until(lambda: "tells" in live.parts.get("board", ""))
            assert "What runs is over" not in live.parts["board"]
            goes_on.write("90 / 100\n")
            live.until(lambda: "What runs is over" in live.parts.get("lead", "") + live.parts["board"])
            goes_on.write("99 / 100\n")
            live.until(lambda: "99 / 100" in live.parts.get(f"p{job.id}", ""))
            assert "What runs is over" in live.parts["lead"]


def test_who_waits_for_something_else_than_room_is_counted(visitor: Visitor, client: jobd.Client) -> None:
    runs = client.submit("sleep 1000", nb_proc=2)
    client.submit("true", hold=True)
    client.submit("true", dependency=f"afterok:{runs.id}")
    client.submit("true")
    status = client.status()
    assert (status.waiting, status.gated) == (1, 2)
    with listening(visitor, "/live/overview") as live:
        live.until(lambda: "<b>2</b> wait, <b>1</b> is held" in live.parts.get("board", ""))


def test_the_page_of_a_job_knows_how_long_such_ones_take(visitor: Visitor, client: jobd.Client) -> None:
    for _ in range(2):
        client.submit("true # or not", name="usually").wait()
    job = client.submit("sleep 1000", name="usually")
    with listening(visitor, f"/live/job/{job.id}") as live:
        live.until(lambda: "It has run for" in live.parts.get("job", ""))
        live.until(lambda: "it takes longer than usual" in live.parts["job"])
    assert "it takes longer than usual" in visitor.page(f"/job/{job.id}")


def test_tabs_and_wide_blanks_stay_what_they_are(visitor: Visitor, client: jobd.Client) -> None:
    said = "a\tb\u3000c\xa0d \u202ee <i>&"
    job = client.submit(script=f"#!/bin/sh\n# {said}\nprintf '%s' '{said}'\n")
    job.wait()
    page = visitor.page(f"/job/{job.id}")
    shown = said.replace("\u202e", "\ufffd").replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert f">{shown}</pre>" in page and f"# {shown}\n" in page
    with listening(visitor, f"/live/job/{job.id}") as live:
        live.until(lambda: live.output.get("stdout") == said.replace("\u202e", "\ufffd"))


def test_one_job_with_its_facts_its_script_and_its_output(
    visitor: Visitor, client: jobd.Client, house: House
) -> None:
    script = "#!/bin/sh\n# <the script>\necho out; echo err >&2; Srun -n 1 sh -c 'echo step'; exit 3\n"
    job = client.submit(
        script=script,
        nb_proc=2,
        name="<facts>",
        stderr="err.txt",
        labels={"comment": "look & see"},
        time="10",
    )
    assert job.wait().code == 3
    page = visitor.page(f"/job/{job.id}")
    for words in (
        "&lt;facts&gt;",
        "exit code 3",
        "&lt;the script&gt;",
        "look &amp; see",
        "10:00",
        str(house.work),
        "Steps",
        f"{job.id}.0",
    ):
        assert words in page, words
    assert re.search(r'data-output="stdout".*?<pre[^>]*>out\nstep\n</pre>', page, re.DOTALL)
    assert re.search(r'data-output="stderr".*?<pre[^>]*>err\n</pre>', page, re.DOTALL)
    assert visitor.page(f"/job/{job.id}/stdout.txt") == "out\nstep\n"
    visitor.page(f"/job/{job.id}/script.txt", 404)
    visitor.page(f"/job/{job.id}/..%2f..%2fetc%2fpasswd.txt", 404)


def test_an_array_and_its_elements(visitor: Visitor, client: jobd.Client) -> None:
    array = client.submit(
        "echo element $SLURM_ARRAY_TASK_ID; test $SLURM_ARRAY_TASK_ID != 1", array=range(3), name="many"
    )
    array.ends()
    page = visitor.page(f"/job/{array.id}")
    assert all(f"{array.id}_{index}" in page for index in range(3)) and page.count(">failed<") == 1
    links = re.findall(r'href="/job/([0-9_]+)"', page)
    assert len(set(links)) == 3
    for index, link in enumerate(links):
        assert f"element {index}" in visitor.page(f"/job/{link}")
    assert "element 2" in visitor.page(f"/job/{array.id}_2")
    visitor.page(f"/job/{array.id}_7", 404)


def test_a_tree_is_shown_with_its_parent(visitor: Visitor, client: jobd.Client, house: House) -> None:
    ready = house.pipe("ready")
    parent = client.submit(f"Salloc sh -c 'echo up > {ready}; sleep 1000'", nb_proc=2, name="parent")
    house.until_ready(ready)
    row = parent.row()
    (child,) = row.children
    page = visitor.page(f"/job/{child}")
    assert "Its tree" in page and f'href="/job/{parent.id}"' in page
    with listening(visitor, "/live/overview") as live:
        live.until(lambda: f"lends its 2 procs to job {child}" in live.parts.get("board", ""))
    client.cancel(parent)
    parent.wait()


def test_what_is_not_there_is_said(visitor: Visitor) -> None:
    assert "no job 999 is remembered" in visitor.page("/job/999", 404)
    for path in ("/job/x", "/job/1_[1-3]x", "/job/-1", "/job/%00"):
        visitor.page(path, 400)
    visitor.page("/job/1_[1-3]", 404)
    visitor.page("/job/" + "9" * 17, 404)
    visitor.page("/history?since=yesterday", 400)
    visitor.page("/history?cursor=nonsense", 400)


# ---- live
def test_two_viewers_see_what_a_job_writes_as_it_writes_it(
    visitor: Visitor, client: jobd.Client, house: House
) -> None:
    pipe = house.pipe("go")
    job = client.submit(f"echo begun; while read line; do echo $line; done < {pipe}", name="talks")
    with listening(visitor, f"/live/job/{job.id}") as one, listening(visitor, f"/live/job/{job.id}") as two:
        for live in (one, two):
            live.until(lambda live=live: live.output.get("stdout") == "begun\n")
        so_far = "begun\n"
        with pipe.open("w") as file:
            for line in ("1 / 3", "\x1b[31m2 / 3\x1b[0m <b>", "3 / 3"):
                print(line, file=file, flush=True)
                so_far += line.replace("\x1b[31m", "").replace("\x1b[0m", "") + "\n"
                for live in (one, two):
                    live.until(lambda live=live, so_far=so_far: live.output["stdout"] == so_far)
            one.until(lambda: "3 / 3" in one.parts["progress"])
        for live in (one, two):
            live.until(lambda live=live: "Completed" in live.parts.get("job", ""))
    page = visitor.page(f"/job/{job.id}")
    assert "2 / 3 &lt;b&gt;" in page


def test_a_job_that_waits_shows_its_output_when_it_starts(visitor: Visitor, client: jobd.Client) -> None:
    first = client.submit("sleep 1000", nb_proc=2)
    job = client.submit("echo begun", nb_proc=2)
    with listening(visitor, f"/live/job/{job.id}") as live:
        live.until(lambda: "2 of 2 procs missing" in live.parts.get("job", ""))
        assert "It has not started yet" in visitor.page(f"/job/{job.id}")
        client.cancel(first)
        live.until(lambda: live.output.get("stdout") == "begun\n")
        live.until(lambda: "Completed" in live.parts["job"])


def test_an_output_that_is_no_file_is_never_waited_for(
    visitor: Visitor, client: jobd.Client, house: House
) -> None:
    secret = house.root / "secret"
    secret.write_text("secret")
    for name, make, said in (
        ("pipe", os.mkfifo, "it is a named pipe"),
        ("link", lambda path: os.symlink(secret, path), "it is a link"),
        (
            "zero",
            lambda path: (
                os.mknod(path, 0o600 | 0o020000, os.makedev(1, 5)) if os.getuid() == 0 else os.mkfifo(path)
            ),
            "it is a ",
        ),
        ("gone", lambda path: None, "there is no such file"),
    ):
        job = client.submit("echo text; sleep 1000", stdout=f"{name}.out", name=name)
        with listening(visitor, f"/live/job/{job.id}") as live:
            live.until(lambda live=live: live.output.get("stdout") == "text\n")
            path = house.work / f"{name}.out"
            path.unlink()
            make(path)  # type: ignore[no-untyped-call]
            live.until(lambda live=live: any(live.troubles))
            page = visitor.page(f"/job/{job.id}")
            assert said in page and "secret</pre>" not in page
            visitor.page("/")
        client.cancel(job)


def test_a_flood_of_output_shows_its_end_and_no_more(visitor: Visitor, client: jobd.Client) -> None:
    job = client.submit("yes 'a line of a flood' | head -n 2000000; echo the end")
    with listening(visitor, f"/live/job/{job.id}") as live:
        live.until(lambda: live.output.get("stdout", "").endswith("the end\n"))
    page = visitor.page(f"/job/{job.id}")
    assert "the end" in page and "of which the end is shown" in page and len(page) < 100_000


def test_hostile_names_and_output_are_text(visitor: Visitor, client: jobd.Client) -> None:
    name = "</td><script>alert(1)</script>\x1b[31m\u202e"
    job = client.submit(
        ["printf", "%s", "</pre><script>alert(2)</script>\x1b]0;x\x07&"],
        name=name,
        labels={"comment": name},
    )
    job.wait()
    with listening(visitor, "/live/overview") as live:
        live.until(lambda: "alert(1)" in live.parts.get("board", ""))
        assert "<script" not in live.parts["board"]
    for path in ("/", f"/job/{job.id}", "/history"):
        page = visitor.page(path)
        assert "<script>alert" not in page and "&lt;script&gt;alert(1)" in page and "\u202e" not in page
    assert "&lt;/pre&gt;&lt;script&gt;alert(2)" in visitor.page(f"/job/{job.id}")


# ---- doing
def test_every_action_does_what_it_says(visitor: Visitor, client: jobd.Client) -> None:
    runs = client.submit("sleep 1000", nb_proc=2, name="runs")
    waits = client.submit("echo again", nb_proc=1, name="waits")
    assert visitor.act(f"hold {waits.id}")[0] == 303 and waits.row().batch.is_held  # type: ignore[union-attr]
    status, page = visitor.act(f"release {waits.id}")
    assert f"Job {waits.id} released" in page and not waits.row().batch.is_held  # type: ignore[union-attr]
    status, page = visitor.act(f"cancel {runs.id}")
    assert status == 200 and f"Cancel job {runs.id}?" in page and runs.row().state == "RUNNING"
    status, page = visitor.act(f"cancel {runs.id}", sure="1")
    assert status == 303 and f"Job {runs.id} cancelled" in page
    assert runs.wait().state == "CANCELLED" and waits.wait().is_ok
    status, page = visitor.act(f"rerun {waits.id}", at=f"/job/{waits.id}")
    found = re.search(r"queued again as job (\d+)", page)
    assert found is not None and client.job(int(found[1])).wait().is_ok
    assert "again" in visitor.page(f"/job/{found[1]}")
    status, page = visitor.act("set-nb-proc", number="1")
    assert "1 proc from now on" in page and client.status().nb_proc == 1
    status, page = visitor.act(f"delete {waits.id}", at="/history", sure="1")
    assert "1 job forgotten" in page
    visitor.page(f"/job/{waits.id}", 404)
    status, page = visitor.act("delete", at="/history", sure="1", job=str(runs.id))
    assert "1 job forgotten" in page


def test_every_action_says_what_it_cannot_do(visitor: Visitor, client: jobd.Client) -> None:
    runs = client.submit("sleep 1000", name="runs")
    over = client.submit("true")
    over.wait()
    said = {
        do: visitor.act(do, sure="1", number="1")[1]
        for do in (
            *(f"hold {number}" for number in (over.id, 999)),
            "release 999",
            *(f"rerun {number}" for number in (runs.id, 999)),
            *(f"delete {number}" for number in (runs.id, 999)),
            f"cancel {over.id}",
        )
    }
    for do, words in {
        f"hold {over.id}": "note bad",
        "hold 999": "no job 999",
        "release 999": "no job 999",
        f"rerun {runs.id}": f"job {runs.id} lives",
        "rerun 999": "no job 999",
        f"delete {runs.id}": "is not over yet",
        "delete 999": "not in the history",
        f"cancel {over.id}": "it was over already",
    }.items():
        assert words in said[do], (do, re.findall(r'<p class="note.*?</p>', said[do]))
    assert runs.row().state == "RUNNING" and client.status().nb_proc == 2


def test_a_form_that_is_sent_twice_runs_a_job_again_once(visitor: Visitor, client: jobd.Client) -> None:
    job = client.submit("true")
    job.wait()
    page = visitor.page("/")
    form = {"do": f"rerun {job.id}", "back": "/"}
    for name in ("csrf", "once"):
        form[name] = re.search(rf'name="{name}" value="([^"]*)"', page)[1]  # type: ignore[index]
    for _ in range(3):
        answer = visitor.http.post("/act", data=form, headers={"origin": visitor.web.root})
        assert answer.status_code == 303
    assert len(client.jobs(is_finished=True)) + len(client.jobs()) == 2
    visitor.act(f"rerun {job.id}")
    client.wait([row.job_id for row in client.jobs()])
    assert len(client.jobs(is_finished=True)) == 3


def test_who_may_only_look_can_do_nothing(reader: Visitor, client: jobd.Client) -> None:
    job = client.submit("sleep 1000")
    page = reader.page("/")
    assert '<form method="post"' not in page and 'form="act"' not in page and "csrf" not in page
    with listening(reader, "/live/overview") as live:
        live.until(lambda: f'href="/job/{job.id}"' in live.parts.get("board", ""))
        assert "<button" not in live.parts["board"]
    status, _ = reader.act(f"cancel {job.id}", sure="1")
    assert status == 403 and job.row().state == "RUNNING"


# ---- history
def test_the_history_is_read_a_page_at_a_time(house: House) -> None:
    with_past(house, 10_000)
    with visiting(house) as visitor:
        seen: list[str] = []
        path = "/history"
        for _ in range(5):
            page = visitor.page(path)
            rows = re.findall(r'<tr id="j(\d+)"', page)
            assert len(rows) == 100 and not set(rows) & set(seen) and len(page) < 200_000
            seen += rows
            found = re.search(r'rel="next" href="([^"]+)"', page)
            assert found is not None
            path = found[1].replace("&amp;", "&")
        failed = visitor.page("/history?state=FAILED")
        assert "No" not in failed or ">done<" not in failed
        assert "Nothing like that" in visitor.page("/history?name=no-such-name")
        assert "Nothing like that" in visitor.page("/history?until=2001-01-01")
        assert visitor.http.get("/history?job=12").headers["location"] == "/job/12"
        assert visitor.http.get("/history?job=a+name").headers["location"] == "/history?name=a+name"


# ---- a unix socket
def test_a_unix_socket_is_for_us_alone(client: jobd.Client, house: House) -> None:
    import httpx

    path = Path(house.root / "web.sock")
    process = house.spawn("jobctl", "web", "--socket", str(path))
    assert process.stdout is not None and str(path) in process.stdout.readline()
    assert path.stat().st_mode & 0o777 == 0o600
    address = house.ok("jobctl", "web", "--socket", str(path), "--address")
    token = re.search(r"token=([\w-]+)", address)
    assert token is not None
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://localhost") as http:
        assert http.get("/").status_code == 401
        assert http.get(f"/?token={token[1]}").status_code == 303
        assert http.get("/").status_code == 200
    refused = house.run("jobctl", "web", "--socket", str(path))
    assert refused.returncode == 1 and "another page is there" in refused.stderr
    process.kill()
    process.wait()
    again = house.spawn("jobctl", "web", "--socket", str(path))
    assert again.stdout is not None and str(path) in again.stdout.readline()
    again.terminate()
    assert again.wait() == 0 and not path.exists()
