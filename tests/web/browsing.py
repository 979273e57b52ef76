"""A real browser, and a real page of a private server. The browser is one for all tests of a worker; a test leaves nothing behind in it."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException, WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from live.conftest import PATIENCE_S, House

CHROMIUM, DRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"
FLAGS = (
    "--headless=new",
    "--no-sandbox",  # the tests may run as root, where Chromium has none
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-sync",
    "--mute-audio",
    "--window-size=1280,900",
)


class Browser:
    """A browser, and what a test says to it."""

    def __init__(self) -> None:
        self.profile = tempfile.mkdtemp(prefix="jobd-browser-")
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for flag in (*FLAGS, f"--user-data-dir={self.profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(DRIVER))
        self.driver.set_page_load_timeout(PATIENCE_S)
        # As if somebody sat before it: else no page has the focus, and none is told of it.
        self.command("Emulation.setFocusEmulationEnabled", enabled=True)
        self.driver.set_script_timeout(PATIENCE_S)

    def close(self) -> list[str]:
        """End it; what is left of its processes."""
        pid = self.driver.service.process.pid
        self.driver.quit()
        left: list[str] = []
        end_s = time.monotonic() + 10
        while time.monotonic() < end_s:
            left = self._processes()
            if not left:
                break
            with contextlib.suppress(OSError):
                descriptor = os.pidfd_open(int(left[0].partition(":")[0]))
                import select

                select.select([descriptor], [], [], 1.0)
                os.close(descriptor)
        for line in left:
            with contextlib.suppress(OSError):
                os.kill(int(line.partition(":")[0]), signal.SIGKILL)
        assert not os.path.exists(f"/proc/{pid}"), "chromedriver lives"
        shutil.rmtree(self.profile, ignore_errors=True)
        return left

    def _processes(self) -> list[str]:
        found = []
        for name in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                words = Path(f"/proc/{name}/cmdline").read_bytes()
                if (
                    self.profile.encode() in words
                    and b"State:\tZ" not in Path(f"/proc/{name}/status").read_bytes()
                ):
                    found.append(f"{name}: {words[:80]!r}")
        return found

    # ---- going somewhere
    def go(self, address: str) -> None:
        """Load a page."""
        self.driver.get(address)

    def command(self, name: str, **values: Any) -> Any:
        """A command of the browser's own protocol."""
        return self.driver.execute_cdp_cmd(name, values)

    def run(self, script: str, *arguments: Any) -> Any:
        """The value of a script in the page."""
        return self.driver.execute_script(script, *arguments)

    # ---- looking
    def all(self, selector: str) -> list[WebElement]:
        """What fits, now."""
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        """The first that fits, as soon as there is one that is shown."""
        return self.until(
            lambda: next((one for one in self.all(selector) if one.is_displayed()), None), selector
        )

    def text(self, selector: str = "body") -> str:
        """What is written there, now; "" for nothing."""
        return str(
            self.run(
                "return [...document.querySelectorAll(arguments[0])].map(e => e.innerText).join('\\n')",
                selector,
            )
        )

    def until(self, is_so: Callable[[], Any], what: str = "") -> Any:
        """Wait until something is so; its value. Between two looks the page goes on."""

        def value(driver: Any) -> Any:
            with contextlib.suppress(StaleElementReferenceException):
                return is_so()
            return None

        try:
            return WebDriverWait(self.driver, PATIENCE_S, poll_frequency=0.05).until(value)
        except WebDriverException as error:
            raise AssertionError(f"it did not come to be: {what}\n{self.text()[:3000]}") from error

    def until_text(self, text: str, selector: str = "body") -> None:
        """Wait until that is written there."""
        self.until(lambda: text in self.text(selector), f"{text!r} in {selector}")

    def width_over(self) -> int:
        """By how many pixels the page is wider than the window."""
        return int(
            self.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
        )

    # ---- how it is
    def phone(self, width: int = 360, height: int = 740) -> None:
        """Be a phone until the end of the test."""
        self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=2, mobile=True
        )

    def scheme(self, name: str) -> None:
        """dark or light, until the end of the test."""
        self.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def scripts(self, are_on: bool) -> None:
        """Whether pages that are loaded from now on may run scripts."""
        self.command("Emulation.setScriptExecutionDisabled", value=not are_on)

    def complaints(self) -> list[str]:
        """Errors and refusals that the page has caused since this was last asked."""
        return [
            entry["message"]
            for entry in self.driver.get_log("browser")
            if entry["level"] in ("SEVERE", "WARNING")
        ]

    def clean(self) -> None:
        """As it was before the first test: one empty window without cookies."""
        with contextlib.suppress(WebDriverException):
            self.driver.switch_to.alert.dismiss()
        for handle in self.driver.window_handles[1:]:
            self.driver.switch_to.window(handle)
            self.driver.close()
        self.driver.switch_to.window(self.driver.window_handles[0])
        self.scripts(True)
        self.command("Emulation.clearDeviceMetricsOverride")
        self.command("Emulation.setEmulatedMedia", features=[])
        self.command("Network.clearBrowserCookies")
        self.command("Storage.clearDataForOrigin", origin="*", storageTypes="all")
        self.driver.get("about:blank")
        self.driver.get_log("browser")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser of this worker."""
    browser = Browser()
    try:
        yield browser
    finally:
        left = browser.close()
    assert not left, f"the browser has left {left}"


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    """A clean browser. What its pages complain about is an error, unless the test has asked for it with `complaints`."""
    yield chromium
    complaints = chromium.complaints()
    chromium.clean()
    assert not complaints, complaints


class Web:
    """`jobctl web` in a house."""

    def __init__(self, house: House, *arguments: str) -> None:
        self.house = house
        self.arguments = arguments
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process = self._start()
        self.address = self._address().strip()
        parts = urlsplit(self.address)
        self.root = f"{parts.scheme}://{parts.netloc}"

    def _start(self) -> "subprocess.Popen[str]":
        process = self.house.spawn(
            "jobctl", "web", "--port", str(self.port), *self.arguments, stderr=subprocess.STDOUT
        )
        assert process.stdout is not None
        line = process.stdout.readline()  # it listens before it says so
        assert str(self.port) in line, line + process.stdout.read()
        return process

    def _address(self) -> str:
        return self.house.ok("jobctl", "web", "--port", str(self.port), "--address")

    def stop(self) -> int:
        """SIGTERM, and wait; the exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(PATIENCE_S)

    def again(self) -> None:
        """Stop it and start it on the same port."""
        self.stop()
        self.process = self._start()

    def page(self, path: str) -> str:
        """The address of a page."""
        return self.root + path


@contextlib.contextmanager
def serving(house: House, *arguments: str) -> Iterator[Web]:
    """A page of a house's server, ended at the end."""
    web = Web(house, *arguments)
    try:
        yield web
    finally:
        code = web.stop()
    assert code == 0, (code, web.process.stdout.read() if web.process.stdout else "")
