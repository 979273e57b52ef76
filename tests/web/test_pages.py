"""The pages of pictures: what runs, what waits and why, when it is over; hostile names; sizes; no server. Without a real server."""

import re
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest

from jobd.api.board import Picture
from jobd.web import drawn, looks
from jobd.web.actions import own_path, read
from jobd.web.config import Config
from jobd.web.drawn import job_address

from .rows import batch_row, job_row
from .sites import ALL, ROOT, browser_of, ended, picture, running, site_of, status, text_of

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "a\nb\x00c\x1b[31m\u202e\u2066",
    "\udcff\udc80",
    "&lt;b&gt; &amp;",
    "漢字 🎉 ñ",
    "x" * 256,
    "]]><!--",
]


class Strict(HTMLParser):
    """A page as a parser sees it: its tags, and its text."""

    VOID = frozenset({"meta", "link", "input", "br", "img", "hr"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.feed(page)
        self.close()
        assert not self.open and not self.wrong, (self.open, self.wrong)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def overview(shown: Picture, config: Config | None = None) -> Strict:
    return Strict(text_of(browser_of(site_of(config, shown)).get("/")))


# ---- what it says
def test_it_says_what_runs_what_waits_why_and_until_when(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text("processing 15 / 60\n")
    waits = job_row(
        3,
        reason="2 of 3 procs missing, in use by job 1",
        batch=batch_row(expected_start_at=time.time() + 300),
    )
    page = overview(
        picture(
            running(1, nb_proc=2, output=out),
            waits,
            recent=(ended(7), ended(8, "FAILED", exit_code=3, reason="exit code 3")),
        )
    )
    assert "1 job runs, 1 waits. 2 of 4 procs are in use. What runs is over in 3 min ." in page.text
    assert (
        "15 / 60" in page.text
        and ("progress", {"max": "60", "value": "15", "aria-label": "progress of job 1"}) in page.tags
    )
    assert "starts at the latest in 5 min needs 3 procs, 1 is free" in page.text
    assert "done" in page.text and "failed" in page.text and "exit code 3" in page.text


def test_a_tree_stands_together() -> None:
    parent = job_row(2, state="SUSPENDED", started_at=time.time(), children=[9], nb_proc=2)
    rows = (running(1), parent, job_row(5, reason="waits"), running(9, parent_id=2, root_id=2))
    assert [(line.row.job_id, line.depth) for line in looks.as_tree(rows)] == [(1, 0), (2, 0), (9, 1), (5, 0)]
    assert "lends its 2 procs to job 9" in overview(picture(*rows)).text


def test_held_jobs_are_told_apart_from_those_that_wait() -> None:
    held, waits = job_row(1, batch=batch_row(is_held=True)), job_row(2, reason="waits for afterok:9")
    page = overview(picture(held, waits, waiting=0))  # the server counts neither: they do not wait for room
    assert "Nothing runs, 1 job waits, 1 is held." in page.text
    assert "Nothing runs, 1 is held." in re.sub(" {2,}", " ", overview(picture(held, waiting=0)).text)


def test_a_job_that_ends_between_two_answers_is_shown_once() -> None:
    page = overview(picture(running(1), recent=(ended(1),)))
    assert [attrs.get("id") for tag, attrs in page.tags if tag == "tr"].count("j1") == 1


def test_an_empty_machine_says_so() -> None:
    page = overview(picture())
    assert "Nothing runs and nothing waits." in page.text and "The queue is empty." in page.text


def test_nb_proc_0_is_said() -> None:
    assert "nb_proc is 0: nothing starts." in overview(picture(nb_proc=0)).text


def test_without_a_server_it_says_so_and_shows_what_it_last_knew() -> None:
    page = overview(picture(running(1, name="known"), trouble="the server has gone; waiting for it"))
    assert "The server is away" in page.text and "known" in page.text and "comes back by itself" in page.text
    page = Strict(text_of(browser_of(site_of()).get("/")))
    assert "Waiting for the server" in page.text


def test_the_bar_has_each_job_as_wide_as_what_it_has() -> None:
    shown = picture(running(1, nb_proc=3), running(2), job_row(3, nb_proc=4))
    assert [(one.row.job_id, one.begin, one.width) for one in looks.shares(shown.rows, 4)] == [
        (1, 0, 3),
        (2, 3, 1),
    ]
    page = overview(shown)
    widths = [attrs.get("width") for tag, attrs in page.tags if tag == "svg" and attrs.get("x")]
    assert widths == ["75.0000%", "25.0000%"]


# ---- hostile names
@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_a_name_wherever_it_stands(name: str) -> None:
    labels = [["comment", name], ["partition", name], ["submit_line", name]]
    batch = batch_row(labels=labels, stdout="/dev/null", dependency=name, unenforced=[name])
    rows = (
        running(1, name=name, batch=batch, cwd=name, command=[name]),
        job_row(2, name=name, reason=name, user=name, batch=batch),
    )
    shown = picture(*rows, recent=(ended(3, "FAILED", name=name, reason=name),))
    page = overview(shown, Config(allow=ALL))
    known = {
        "html",
        "head",
        "meta",
        "title",
        "link",
        "script",
        "noscript",
        "body",
        "a",
        "header",
        "svg",
        "rect",
        "nav",
        "form",
        "label",
    }
    known |= {
        "input",
        "div",
        "button",
        "p",
        "main",
        "h1",
        "h2",
        "section",
        "span",
        "b",
        "text",
        "g",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
    }
    known |= {
        "td",
        "i",
        "time",
        "progress",
        "details",
        "summary",
        "dialog",
        "dl",
        "dt",
        "dd",
        "kbd",
        "footer",
        "strong",
        "code",
        "meter",
    }
    assert {tag for tag, _ in page.tags} <= known
    for tag, attrs in page.tags:
        assert not any(key.startswith("on") or key == "style" for key in attrs), (tag, attrs)
        assert tag != "script" or str(attrs.get("src", "")).startswith("/static/")
        assert not str(attrs.get("href", "/")).lower().startswith("javascript")
    assert looks.clean(name)[:70].split("\n")[0].strip() in page.text or "  " in name or len(name) > 80
    assert "49" not in page.text or "{{" in page.text


def test_nothing_invisible_gets_into_a_page() -> None:
    text = text_of(browser_of(site_of(None, picture(running(1, name="a\x1b\u202e\x00\udcffb")))).get("/"))
    assert "a\\x1b\\u202e\\x00\\xffb" in text and "\u202e" not in text


# ---- sizes
@pytest.mark.parametrize("char", ["<", "'", "\U000e0001", "\U0001f600", "\u202e", "a"])
def test_the_page_of_a_full_list_is_small_whatever_the_names(char: str) -> None:
    worst = char * 256
    rows = [running(number, name=worst, reason=worst * 4) for number in range(1, 101)]
    rows += [
        job_row(number, name=worst, reason=worst * 10, batch=batch_row(labels=[["comment", worst]]))
        for number in range(101, 201)
    ]
    shown = picture(
        *rows,
        nb_proc=100,
        used=100,
        recent=tuple(ended(n, "FAILED", name=worst, reason=worst) for n in range(300, 320)),
    )
    page = browser_of(site_of(Config(allow=ALL), shown)).get("/")
    assert page.status_code == 200 and len(page.content) <= 300_000
    if char == "a":
        assert "These are the first" not in page.text
    else:
        # What has no room is told.
        assert (
            re.search(r"These are the first \d+\. \d+ more wait behind them", page.text)
            or 'id="j200"' in page.text
        )


def test_the_page_of_a_usual_queue_shows_all_its_rows() -> None:
    rows = [
        job_row(number, name="sim-17", reason="4 of 4 procs missing, in use by job 3")
        for number in range(200)
    ]
    page = browser_of(site_of(Config(allow=ALL), picture(*rows))).get("/")
    assert len(page.content) < 200_000 and page.text.count('<tr id="j') == 200


def test_procs_in_use_are_never_drawn_as_free() -> None:
    rows = [running(number, name="'" * 99) for number in range(1, 200)]
    bar = str(drawn.procs_bar(rows, status(nb_proc=512, used=500)))
    assert len(bar) < 100_000 and 'class="others"' in bar
    few = str(drawn.procs_bar(rows[:2], status(nb_proc=4, used=2)))
    assert 'class="others"' not in few


def test_all_that_wait_are_counted_where_the_list_is_cut() -> None:
    rows = [job_row(number) for number in range(20)]
    shown = picture(*rows, waiting=5000, gated=700)._replace(is_cut=True)
    page = overview(shown)
    assert (
        "5700 jobs wait" in page.text and "These are the first 20. 5680 more wait behind them." in page.text
    )


def test_a_page_is_drawn_quickly() -> None:
    rows = [job_row(number, reason="4 of 4 procs missing, in use by job 3") for number in range(200)]
    browser = browser_of(site_of(Config(allow=ALL), picture(*rows)))
    browser.get("/")
    began = time.process_time()
    browser.get("/")
    assert time.process_time() - began < 2  # some 20 ms; a limit for a machine that is busy


# ---- what the page offers
def buttons(page: Strict) -> set[str]:
    return {str(attrs["value"]) for tag, attrs in page.tags if tag == "button" and attrs.get("name") == "do"}


def test_by_default_there_is_nothing_to_press() -> None:
    shown = picture(running(1), job_row(2, batch=batch_row()), recent=(ended(3),))
    page = overview(shown)
    assert buttons(page) == set() and "for reading only" in page.text
    assert not any(tag == "form" and attrs.get("method") == "post" for tag, attrs in page.tags)


def test_each_job_offers_what_can_be_done_to_it() -> None:
    shown = picture(
        running(1),
        job_row(2, batch=batch_row()),
        job_row(4, batch=batch_row(is_held=True)),
        recent=(ended(3), ended(5, kind="salloc", batch=None)),
    )
    assert buttons(overview(shown, Config(allow=ALL))) == {
        "cancel 1", "cancel 2", "hold 2", "cancel 4", "release 4", "rerun 3", "set-nb-proc",
    }  # fmt: skip
    assert buttons(overview(shown, Config(allow=frozenset({"hold"})))) == {"hold 2"}


def test_the_address_of_an_element_is_its_own() -> None:
    element = batch_row(array_id=12, array_index=3)
    assert job_address(job_row(15, batch=element)) == "15"
    assert job_address(job_row(12, batch=element)) == "12_3"
    assert looks.job_text(job_row(15, batch=element)) == "12_3"
    assert (
        looks.job_text(job_row(12, batch=batch_row(array_id=12, tasks="0-9", array_limit=2))) == "12_[0-9%2]"
    )


# ---- forms
def test_forms_are_read_strictly() -> None:
    assert read({"do": ["cancel 12 13_[1-3]"]}).jobs == [(12, [], None), (13, [[1, 3, 1]], None)]
    # A button of one row, with boxes of others ticked: that job alone.
    assert read({"do": ["rerun 12"], "job": ["13", "14"]}).jobs == [(12, [], None)]
    assert read({"do": ["delete"], "job": ["13", "14", "13"]}).jobs == [(13, [], None), (14, [], None)]
    assert read({"do": ["set-nb-proc"], "number": [" 4 "]}).number == 4


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"do": ["kill 1"]},
        {"do": ["cancel"]},
        {"do": ["cancel x"]},
        {"do": ["cancel 1 2 -3"]},
        {"do": ["set-nb-proc"]},
    ]
    + [{"do": ["set-nb-proc"], "number": [text]} for text in ("-1", "x", "1.5", "99999999999", "٣")]
    + [{"do": ["delete"], "job": [str(number) for number in range(1001)]}],
)
def test_a_form_that_makes_no_sense_is_refused(form: dict[str, list[str]]) -> None:
    from jobd.errors import UsageError

    with pytest.raises(UsageError):
        read(form)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("/job/12", "/job/12"),
        ("/history?name=a&note=x", "/history?name=a"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("http://evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("/a\r\nset-cookie: x", "/"),
        ("", "/"),
        ("/" + "x" * 2000, "/"),
    ],
)
def test_the_way_back_is_a_path_of_ours(text: str, path: str) -> None:
    assert own_path(text) == path


def test_what_is_not_allowed_is_refused_by_its_name() -> None:
    browser = browser_of(
        site_of(Config(allow=frozenset({"hold"})), picture(running(1), job_row(2, batch=batch_row())))
    )
    csrf = re.search(r'name="csrf" value="([a-z2-7]+)"', browser.get("/").text)
    assert csrf is not None
    for action in ("cancel 1", "release 2", "rerun 3", "set-nb-proc", "delete 3"):
        form = {"do": action, "csrf": csrf[1], "number": "3", "sure": "1"}
        answer = browser.post("/act", data=form, headers={"origin": ROOT})
        assert answer.status_code == 403 and "web.toml" in answer.text, action


def test_what_ends_something_is_asked_for_once_more() -> None:
    browser = browser_of(site_of(Config(allow=ALL), picture(running(1))))
    csrf = re.search(r'name="csrf" value="([a-z2-7]+)"', browser.get("/").text)
    assert csrf is not None
    answer = browser.post(
        "/act", data={"do": "cancel 1", "csrf": csrf[1], "back": "/job/1"}, headers={"origin": ROOT}
    )
    page = Strict(text_of(answer))
    assert (
        "Cancel job 1?" in page.text
        and ("input", {"type": "hidden", "name": "sure", "value": "1"}) in page.tags
    )


# ---- without scripts
def test_without_scripts_a_page_comes_again_by_itself() -> None:
    text = browser_of(site_of(Config(refresh_s=7), picture())).get("/").text
    assert '<noscript><meta http-equiv="refresh" content="7"></noscript>' in text
    assert "<noscript>" not in browser_of(site_of(Config(refresh_s=0), picture())).get("/").text


def test_what_is_not_there_is_said() -> None:
    answer = browser_of(site_of(shown=picture())).get("/nothing")
    assert answer.status_code == 404 and "There is no such page." in answer.text
