"""Jobs that would like to take over the page: their names, outputs and comments are text, whatever is in them."""

from collections.abc import Iterator

import pytest

import jobd
from live.conftest import PATIENCE_S, House

from .browsing import Browser, Web, serving

SCRIPT = "<script>window.taken = 1</script>"
NAMES = [
    SCRIPT,
    "<img src=x onerror='window.taken=1'>",
    "\"'><svg onload=window.taken=1>",
    "</title></textarea></style><script>window.taken=1</script>",
    "javascript:window.taken=1",
    "{{ 7*7 }}{% for x in y %}",
    "\x1b[31mred\x1b]0;title\x07",
    "\u202egnp.exe\u202c",
    "a\u200bb\ufeff\u2066c",
    "n" * 250,
    "𝕬 ünï 名前 🎉",
]


@pytest.fixture
def web(client: jobd.Client, house: House) -> Iterator[Web]:
    with serving(house, "--allow", "all") as found:
        yield found


def untouched(browser: Browser) -> None:
    """No script of a job ran, nothing asked, nothing turned round."""
    assert browser.run("return window.taken === undefined && window.frames.length === 0"), (
        "a job's script ran"
    )
    assert (
        browser.run(
            "return document.querySelectorAll('main script:not([src]), main img, main iframe, main object').length"
        )
        == 0
    )
    for sign in ("\u202e", "\u2066", "\x1b", "\u200b"):
        assert sign not in browser.run("return document.body.innerText"), repr(sign)
    assert browser.width_over() <= 0


def test_names_are_text_on_every_page(client: jobd.Client, web: Web, browser: Browser) -> None:
    jobs = client.submit_many([{"command": "true", "name": name} for name in NAMES])
    client.wait(jobs, PATIENCE_S)
    living = client.submit_many([{"command": "sleep 1000", "name": name, "nb_proc": 2} for name in NAMES])
    browser.go(web.address)
    for path in ("/", "/history", "/timeline", "/usage"):
        browser.go(web.page(path))
        untouched(browser)
    browser.until(lambda: browser.all("[data-chart=usage][data-is-drawn]"), "drawn")
    for job in (*jobs, *living[:2]):
        browser.go(web.page(f"/job/{job.id}"))
        browser.until_text(str(job.id), "#job-title")
        untouched(browser)
    # And when they come by the live stream.
    browser.go(web.page("/"))
    client.cancel(living)
    fresh = client.submit_many([{"command": "sleep 1000", "name": name} for name in NAMES])
    browser.until(lambda: browser.all(f"#j{fresh[-1].id}"), "the fresh ones")
    assert SCRIPT in browser.text("body")
    untouched(browser)
    client.cancel(fresh)


def test_output_is_text(client: jobd.Client, web: Web, house: House, browser: Browser) -> None:
    hostile = house.work / "hostile"
    hostile.write_bytes(
        SCRIPT.encode()
        + b"\n</pre><img src=x onerror=window.taken=1>\n"
        + "\u202eturned\n".encode()
        + b"\x1b]0;title\x07\x1b[2J\x1b[31mred\x1b[0m\x00\x01\x7f\xff\xfe\n"
        + b"data: x\n\nevent: parts\ndata: {}\n\n"
        + b"progress 99999999999999999999 / 3\n"
        + b"y" * 1_000_000
        + b"\nthe end\n"
    )
    gate = house.pipe("gate")
    job = client.submit("cat hostile; read line < gate; cat hostile; read line < gate", name="shouts")
    browser.go(web.address)
    browser.go(web.page(f"/job/{job.id}"))
    browser.until_text("the end", "#outputs pre")
    untouched(browser)
    with open(gate, "w") as again:
        again.write("go\n")
    browser.until(lambda: browser.text("#outputs pre").count("the end") >= 1, "the same once more, live")
    untouched(browser)
    job.cancel()
    job.wait(PATIENCE_S)
    browser.go(web.page("/"))
    untouched(browser)
