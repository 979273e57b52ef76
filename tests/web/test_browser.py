"""The page in a real browser: every action, two viewers, restarts under an open page, by keyboard, without scripts, on a phone."""

from collections.abc import Iterator

import pytest
from selenium.webdriver.common.keys import Keys

import jobd
from live.conftest import PATIENCE_S, House

from .browsing import Browser, Web, serving
from .past import with_past


@pytest.fixture
def web(client: jobd.Client, house: House) -> Iterator[Web]:
    """A page that may do everything."""
    with serving(house, "--allow", "all") as found:
        yield found


def press(browser: Browser, do: str) -> None:
    """Press a button of the page, and a second one where it asks whether that is meant."""
    browser.one(f'button[value="{do}"]').click()


def sure(browser: Browser) -> None:
    """Say yes."""
    browser.until_text("?", "#sure-title")
    browser.one("button.danger").click()


# ---- actions
def test_hold_release_and_cancel(client: jobd.Client, web: Web, browser: Browser) -> None:
    running = client.submit("sleep 1000", nb_proc=2, name="running")
    waiting = client.submit("sleep 1000", nb_proc=2, name="waiting")
    browser.go(web.address)
    browser.until_text("waiting", f"#j{waiting.id}")
    press(browser, f"hold {waiting.id}")
    browser.until_text("held", f"#j{waiting.id} .state")
    assert waiting.row().batch.is_held  # type: ignore[union-attr]
    press(browser, f"release {waiting.id}")
    browser.until_text("waiting", f"#j{waiting.id} .state")
    press(browser, f"cancel {running.id}")
    browser.until_text(f"{running.id}", "#sure-title")
    assert not running.is_over, "it was not asked for twice"
    sure(browser)
    assert running.wait(PATIENCE_S).state == "CANCELLED"
    browser.until_text("running", f"#j{waiting.id} .state")
    waiting.cancel()
    browser.until_text("cancelled", f"#j{waiting.id} .state")


def test_run_again_and_forget(client: jobd.Client, web: Web, browser: Browser) -> None:
    job = client.submit("exit 3", name="fails")
    job.wait(PATIENCE_S)
    browser.go(web.address)
    browser.go(web.page(f"/job/{job.id}"))
    browser.until_text("failed", "#job")
    attempts = job.row().batch.attempt  # type: ignore[union-attr]
    press(browser, f"rerun {job.id}")
    browser.until(
        lambda: (
            len(client.jobs(is_finished=True)) + len(client.jobs()) > 1 or job.row().batch.attempt > attempts
        ),
        "it ran again",
    )  # type: ignore[union-attr]
    browser.until(lambda: not client.jobs(), "it is over again")
    browser.go(web.page("/history"))
    before = len(client.jobs(is_finished=True))
    press(browser, f"delete {job.id}")
    sure(browser)
    browser.until(lambda: len(client.jobs(is_finished=True)) == before - 1, "it is forgotten")
    browser.until(lambda: not browser.all(f"#history #j{job.id}"), "and gone from the page")


def test_several_are_forgotten_at_once(client: jobd.Client, web: Web, browser: Browser) -> None:
    jobs = client.submit_many(["true"] * 5)
    client.wait(jobs, PATIENCE_S)
    browser.go(web.address)
    browser.go(web.page("/history"))
    for job in jobs[:3]:
        browser.one(f'input[name="job"][value="{job.id}"]').click()
    press(browser, "delete")
    sure(browser)
    browser.until(
        lambda: {row.job_id for row in client.jobs(is_finished=True)} == {jobs[3].id, jobs[4].id},
        "two are left",
    )


def test_the_number_of_procs_is_changed(client: jobd.Client, web: Web, browser: Browser) -> None:
    browser.go(web.address)
    browser.one("#procs summary").click()
    field = browser.one("#number")
    field.clear()
    field.send_keys("1", Keys.ENTER)
    browser.until(lambda: client.status().nb_proc == 1, "one proc")
    browser.until_text("1 proc from now on")


def test_a_page_for_reading_offers_nothing(client: jobd.Client, house: House, browser: Browser) -> None:
    job = client.submit("sleep 1000")
    with serving(house) as web:
        browser.go(web.address)
        for path in ("/", f"/job/{job.id}", "/history"):
            browser.go(web.page(path))
            assert not browser.all('button[name="do"]') and not browser.all('form[method="post"]')
        browser.go("about:blank")
    job.cancel()


# ---- live
def test_two_viewers_see_what_one_does(client: jobd.Client, web: Web, browser: Browser) -> None:
    blocker = client.submit("sleep 1000", nb_proc=2)
    job = client.submit("sleep 1000", nb_proc=2, name="seen-by-two")
    browser.go(web.address)
    first = browser.driver.current_window_handle
    browser.driver.switch_to.new_window("window")
    browser.command("Emulation.setFocusEmulationEnabled", enabled=True)
    second = browser.driver.current_window_handle
    browser.go(web.page(f"/job/{job.id}"))
    browser.driver.switch_to.window(first)
    press(browser, f"hold {job.id}")
    browser.until_text("held", f"#j{job.id} .state")
    browser.driver.switch_to.window(second)
    browser.until_text("held", "#job")
    press(browser, f"release {job.id}")
    browser.driver.switch_to.window(first)
    browser.until_text("waiting", f"#j{job.id} .state")
    client.cancel([blocker, job])


def test_output_and_progress_come_while_it_runs(
    client: jobd.Client, web: Web, house: House, browser: Browser
) -> None:
    gate = house.pipe("gate")
    job = client.submit('while read line; do echo "processing $line / 10"; done < gate', name="steps")
    browser.go(web.address)
    with open(gate, "w", buffering=1) as steps:
        steps.write("1\n")
        browser.until_text("1 / 10", f"#p{job.id}")
        steps.write("7\n")
        browser.until_text("7 / 10", f"#p{job.id}")
        browser.go(web.page(f"/job/{job.id}"))
        browser.until_text("processing 7 / 10", "#outputs pre")
        steps.write("8\n")
        browser.until_text("processing 8 / 10", "#outputs pre")
    browser.until_text("done", "#job")
    assert job.wait(PATIENCE_S).is_ok


def test_the_server_is_restarted_under_an_open_page(
    client: jobd.Client, web: Web, house: House, browser: Browser
) -> None:
    job = client.submit("sleep 1000", name="lives-on")
    browser.go(web.address)
    browser.until_text("running", f"#j{job.id} .state")
    house.ok("Sserver", "-1")
    browser.until_text("The server is away", "#status")
    assert browser.all(f"#j{job.id}"), "what was known is still shown"
    house.server(2)
    browser.until(lambda: "away" not in browser.text("#status"), "it is back")
    with jobd.Client() as again:
        again.cancel(job.id)
    browser.until_text("cancelled", f"#j{job.id} .state")


def test_the_page_itself_is_restarted_under_an_open_page(
    client: jobd.Client, web: Web, browser: Browser
) -> None:
    browser.go(web.address)
    browser.until_text("Nothing runs", "#board")
    web.again()
    job = client.submit("sleep 1000", name="after-the-restart")
    browser.until_text("after-the-restart", f"#j{job.id}")
    press(browser, f"cancel {job.id}")
    sure(browser)
    assert job.wait(PATIENCE_S).state == "CANCELLED"
    # While it was away the browser could not reach it, and says so.
    assert all("ERR_" in text for text in browser.complaints())


# ---- how it is looked at
def test_by_keyboard_alone(client: jobd.Client, web: Web, browser: Browser) -> None:
    jobs = [client.submit("sleep 1000", name=f"key-{number}") for number in range(2)]
    browser.go(web.address)
    browser.until_text("running", f"#j{jobs[1].id} .state")

    def keys(*pressed: str) -> None:
        for key in pressed:
            browser.driver.switch_to.active_element.send_keys(key)

    keys("j", "j")
    assert browser.run("return document.activeElement.closest('tr').id") == f"j{jobs[1].id}"
    keys("k", Keys.ENTER)
    browser.until_text("key-0", "#job-title")
    keys("g", "h")
    browser.until(lambda: "/history" in browser.driver.current_url, "the history")
    keys("/")
    browser.driver.switch_to.active_element.send_keys(str(jobs[1].id), Keys.ENTER)
    browser.until_text("key-1", "#job-title")
    # The button is reached with Tab, and pressed.
    for _ in range(40):
        keys(Keys.TAB)
        if browser.run("return document.activeElement.value || ''") == f"cancel {jobs[1].id}":
            break
    keys(Keys.ENTER)
    browser.until_text("?", "#sure-title")
    # A key that is pressed for too long ends nothing.
    assert browser.run("return document.activeElement.innerText") == "No, go back"
    browser.driver.switch_to.active_element.send_keys(Keys.SHIFT, Keys.TAB)
    assert browser.run("return document.activeElement.className") == "danger"
    keys(Keys.ENTER)
    assert jobs[1].wait(PATIENCE_S).state == "CANCELLED"
    jobs[0].cancel()


def test_without_scripts_it_reads_and_acts(client: jobd.Client, web: Web, browser: Browser) -> None:
    running = client.submit("echo hello; sleep 1000", nb_proc=2)
    job = client.submit("sleep 1000", nb_proc=2, name="plain")
    browser.go(web.address)
    browser.go("about:blank")
    browser.scripts(False)
    browser.go(web.page("/"))
    assert 'http-equiv="refresh"' in browser.driver.page_source
    press(browser, f"hold {job.id}")
    browser.until(lambda: job.row().batch.is_held, "held")  # type: ignore[union-attr]
    browser.go(web.page(f"/job/{running.id}"))
    assert "hello" in browser.driver.page_source
    press(browser, f"cancel {running.id}")
    browser.one("button.danger").click()
    assert running.wait(PATIENCE_S).state == "CANCELLED"
    browser.go(web.page("/history"))
    assert f'id="j{running.id}"' in browser.driver.page_source
    job.cancel()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 360, 768, 1280])
def test_nothing_is_wider_than_the_screen(
    client: jobd.Client, web: Web, house: House, browser: Browser, scheme: str, width: int
) -> None:
    line = "echo " + "x" * 3000 + "; echo processing 3 / 10; sleep 1000"
    job = client.submit(line, name="wide-" + "w" * 200)
    client.submit("sleep 1000", nb_proc=2, name="waits")
    done = client.submit_many(["true"])
    browser.scheme(scheme)
    browser.phone(width)
    browser.go(web.address)
    browser.until_text("3 / 10", f"#p{job.id}")
    for path in ("/", f"/job/{job.id}", "/history", "/timeline", "/usage"):
        browser.go(web.page(path))
        assert browser.width_over() <= 0, (path, width)
    client.cancel([job, *client.jobs(), *done])


# ---- many
def test_a_hundred_thousand_jobs_in_the_history(house: House, browser: Browser) -> None:
    with_past(house, 100_000)
    with serving(house, "--allow", "all") as web:
        browser.go(web.address)
        browser.until_text("done", "#recent")
        browser.go(web.page("/history"))
        assert len(browser.all("#history tbody tr")) == 100
        first = browser.text("#history tbody tr:first-child .id")
        browser.one('a[rel="next"]').click()
        browser.until(
            lambda: browser.text("#history tbody tr:first-child .id") not in ("", first), "older ones"
        )
        browser.go(web.page("/timeline?span=day"))
        browser.until(
            lambda: int(browser.all('[data-chart="timeline"]')[0].get_attribute("data-short") or 0) > 1000,
            "shades",
        )
        assert len(browser.all(".timeline svg rect")) < 5000
        browser.go(web.page("/usage?span=day"))
        browser.until_text("jobs ended", "[data-part=means]")
        browser.go("about:blank")  # before the page's program ends


def test_one_viewer_too_many_is_told_so(client: jobd.Client, house: House, browser: Browser) -> None:
    config = house.root / "few.toml"
    config.write_text("viewers_max = 1\n")
    with serving(house, "--config", str(config)) as few:
        browser.go(few.address)
        browser.until(
            lambda: browser.run("return document.documentElement.dataset.isLive") == "1", "it is live"
        )
        first = browser.driver.current_window_handle
        browser.driver.switch_to.new_window("window")
        browser.go(few.page("/"))
        browser.until_text("Too many pages look already", "#link")
        browser.driver.close()
        browser.driver.switch_to.window(first)
        browser.until(
            lambda: browser.run("return document.documentElement.dataset.isLive") == "1", "it is live still"
        )
        browser.complaints()  # of the 503
