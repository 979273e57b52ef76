"""Time line, use of the machine and the charts of a job, in a real browser: drawn, live, by keyboard, on a phone, without scripts."""

import os
from collections.abc import Iterator

import pytest
from selenium.webdriver.common.keys import Keys

import jobd
from live.conftest import PATIENCE_S, House

from .browsing import Browser, Web, serving

BUSY = "import time; keep = b'x' * 50_000_000; t = time.time()\nwhile time.time() - t < 300: pass"


@pytest.fixture
def web(client: jobd.Client, house: House) -> Iterator[Web]:
    """A page for reading."""
    with serving(house) as found:
        yield found


def chart(kind: str) -> str:
    return f'[data-chart="{kind}"]'


def count(browser: Browser, kind: str, name: str) -> int:
    return max((int(one.get_attribute(f"data-{name}") or 0) for one in browser.all(chart(kind))), default=0)


def test_the_charts_of_a_job_grow_while_it_runs(client: jobd.Client, web: Web, browser: Browser) -> None:
    browser.go(web.address)
    job = client.submit(["python3", "-c", BUSY], name="busy")
    browser.go(web.page(f"/job/{job.id}"))
    browser.until(lambda: count(browser, "job", "points") >= 2, "two points")
    assert len(browser.all(f"{chart('job')} canvas")) == 2
    assert "asked for" in browser.text(f"{chart('job')} .u-legend")
    before = count(browser, "job", "points")
    browser.until(lambda: count(browser, "job", "points") > before, "a new point without a reload")
    browser.all(f"{chart('job')} summary")[0].click()
    rows = browser.all(f"{chart('job')} .chart-table tbody tr")
    assert rows and "MB" in rows[0].text
    # By keyboard: the chart takes the focus and reads its values.
    box = browser.all(f"{chart('job')} .chart-box")[0]
    box.send_keys(Keys.END)
    browser.until_text("used", f"{chart('job')} .chart-readout")
    last = browser.text(f"{chart('job')} .chart-readout")
    box.send_keys(Keys.ARROW_LEFT)
    browser.until(lambda: browser.text(f"{chart('job')} .chart-readout") != last, "another value")
    job.cancel()
    job.wait(PATIENCE_S)
    # It is kept.
    browser.until_text("cancelled", "#job")
    browser.driver.refresh()
    browser.until(lambda: count(browser, "job", "points") >= 2, "the points of a job that is over")


def test_the_time_line_shows_each_job_on_its_processors(
    client: jobd.Client, web: Web, browser: Browser
) -> None:
    browser.go(web.address)
    jobs = [client.submit("sleep 1000", name=f"sleeper-{number}") for number in range(2)]
    browser.go(web.page("/timeline"))
    browser.until(lambda: count(browser, "timeline", "bars") == 2 or zoom(browser), "two bars")
    labels = [link.get_attribute("aria-label") for link in browser.all(".timeline svg a")]
    assert {label.split(":")[0] for label in labels} == {f"job {job.id} {job.row().name}" for job in jobs}
    assert {f"processor {number}" in " ".join(labels) for number in (0, 1)} == {True}
    # By keyboard from one job to the other, and into it.
    browser.run("document.querySelector('.timeline svg a[tabindex=\"0\"]').focus()")
    here = browser.run("return document.activeElement.getAttribute('aria-label')")
    assert browser.text(".timeline [data-part=readout]") == here
    browser.driver.switch_to.active_element.send_keys(Keys.ARROW_DOWN)
    there = browser.run("return document.activeElement.getAttribute('aria-label')")
    if there == here:
        browser.driver.switch_to.active_element.send_keys(Keys.ARROW_UP)
        there = browser.run("return document.activeElement.getAttribute('aria-label')")
    assert there != here
    browser.driver.switch_to.active_element.send_keys(Keys.ENTER)
    browser.until(lambda: "/job/" in browser.driver.current_url, "the job's page")
    # A third job shows without a reload.
    browser.go(web.page("/timeline"))
    browser.until(lambda: count(browser, "timeline", "bars") == 2 or zoom(browser), "two bars")
    jobs[0].cancel()
    third = client.submit("sleep 1000", name="third")
    browser.until(lambda: f"job {third.id} third" in labels_of(browser) or zoom(browser), "the third")
    assert client.cancel([third, jobs[1]])


def labels_of(browser: Browser) -> str:
    return str(
        browser.run(
            "return [...document.querySelectorAll('.timeline svg a')].map(a => a.getAttribute('aria-label')).join('\\n')"
        )
    )


def zoom(browser: Browser) -> bool:
    """Look closer, as long as it goes: jobs that began just now are short."""
    browser.run("document.querySelector('.timeline [data-act=in]').click()")
    return False


def test_the_time_line_is_zoomed_by_buttons_and_has_an_address(
    client: jobd.Client, web: Web, browser: Browser
) -> None:
    client.wait(client.submit_many(["true"] * 20), PATIENCE_S)
    browser.go(web.address)
    browser.go(web.page("/timeline?span=day"))
    browser.until(lambda: count(browser, "timeline", "short") == 20, "a shade of 20 jobs")
    browser.one('.timeline [data-act="earlier"]').click()
    browser.until(lambda: "from=" in browser.driver.current_url, "an address of its own")
    browser.until(lambda: count(browser, "timeline", "short") == 0, "nothing was half a day ago")
    address = browser.driver.current_url
    browser.go(address)
    assert browser.driver.current_url == address
    browser.one('.timeline [data-act="later"]').click()
    browser.until(lambda: count(browser, "timeline", "short") == 20, "back again")


@pytest.mark.parametrize("span", ["hour", "day", "week"])
def test_use_of_the_machine_is_drawn_and_is_live(
    client: jobd.Client, web: Web, browser: Browser, span: str
) -> None:
    browser.go(web.address)
    browser.go(web.page(f"/usage?span={span}"))
    browser.until_text("0 jobs ended", f"{chart('usage')} [data-part=means]")
    assert len(browser.all(f"{chart('usage')} canvas")) == 3
    client.wait(client.submit_many(["true"] * 7), PATIENCE_S)
    browser.until_text("7 jobs ended", f"{chart('usage')} [data-part=means]")
    browser.all(f"{chart('usage')} .chart-box")[2].send_keys(Keys.END)
    browser.until_text("ended", ".chart-readout")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_charts_follow_light_and_dark_and_fit_a_phone(
    client: jobd.Client, web: Web, browser: Browser, scheme: str
) -> None:
    job = client.submit("sleep 1000", name="n" * 200)
    browser.scheme(scheme)
    browser.phone()
    browser.go(web.address)
    for path, kind in (("/timeline", "timeline"), ("/usage", "usage"), (f"/job/{job.id}", "job")):
        browser.go(web.page(path))
        browser.until(
            lambda kind=kind: browser.all(chart(kind))[0].get_attribute("data-is-drawn") == "1", kind
        )
        assert browser.width_over() <= 0, path
    browser.go(web.page("/usage"))
    back = browser.run("return getComputedStyle(document.documentElement).backgroundColor")
    light = sum(int(part) for part in back[back.index("(") + 1 : -1].split(",")[:3]) / 3
    assert (light > 128) == (scheme == "light"), back
    job.cancel()


def test_without_scripts_the_numbers_are_tables(client: jobd.Client, web: Web, browser: Browser) -> None:
    client.wait(client.submit_many(["true"] * 3), PATIENCE_S)
    os.mkfifo("gate")
    job = client.submit("read line < gate", name="waits-for-gate")
    browser.go(web.address)
    browser.go(web.page("/usage"))
    browser.until_text("3 jobs ended", f"{chart('usage')} [data-part=means]")
    browser.go("about:blank")
    browser.scripts(False)
    browser.go(web.page("/usage"))
    assert "3 jobs ended" in browser.driver.page_source and "<canvas" not in browser.driver.page_source
    assert browser.driver.page_source.count("<tr>") > 10
    job.cancel()


def test_data_is_refused_to_strangers_and_nonsense_is_one_line(
    client: jobd.Client, web: Web, browser: Browser
) -> None:
    import httpx

    with httpx.Client(base_url=web.root) as stranger:
        for path in ("/data/usage", "/data/timeline", "/data/job/1", "/timeline", "/usage"):
            assert stranger.get(path).status_code == 401, path
        assert stranger.get(web.address, follow_redirects=True).status_code == 200
        for path in (
            "/data/usage?span=year",
            "/data/timeline?from=1",
            "/data/timeline?from=x&to=y",
            "/data/timeline?from=nan&to=nan",
            "/data/timeline?from=1e308&to=-1",
            "/timeline?from=inf&to=inf",
            "/usage?span=%00",
        ):
            answer = stranger.get(path)
            assert answer.status_code == 400 and len(answer.text) < 5000, (path, answer.text)
        assert stranger.get("/data/job/999").status_code == 404
        assert stranger.get("/data/job/99999999999999999999999").status_code in (400, 404)


def test_without_scripts_the_tables_are_open_and_nothing_is_empty(
    client: jobd.Client, web: Web, browser: Browser
) -> None:
    client.submit("sleep 1000", name="long")
    browser.go(web.address)
    browser.go(web.page("/timeline"))
    browser.until(lambda: count(browser, "timeline", "bars") == 1, "a bar")
    for path in ("/usage", "/timeline"):
        browser.go(web.page(path))
        assert not browser.run("return document.querySelector('details.chart-table').open"), (
            "the drawing is enough"
        )
    browser.go("about:blank")
    browser.scripts(False)
    for path, words in (("/usage", "really used"), ("/timeline", "The longest of these jobs")):
        browser.go(web.page(path))
        shown = browser.one("details.chart-table").text
        assert words in shown
        assert not [one for one in browser.all(".chart svg, .chart button, .chart h2") if one.is_displayed()]
