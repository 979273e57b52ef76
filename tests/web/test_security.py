"""Who comes in: token, cookie, Host, Origin, forms; and what every answer says to the browser."""

import os
import re
import stat
import time
from functools import cache
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from jobd.errors import PathError
from jobd.web import security
from jobd.web.config import Config
from jobd.web.security import Sessions, host_name, token_of

from .sites import ALL, ROOT, TOKEN, browser_of, picture, running, site_of


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "r"))
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)


# ---- the token's file
def test_a_token_is_made_once_and_only_we_can_read_it() -> None:
    token = token_of()
    path = Path(security.token_file())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and len(token) >= 40
    assert token_of() == token
    assert token_of(is_new=True) != token
    assert sorted(os.listdir(path.parent)) == ["web.token"]


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o604])
def test_a_token_that_others_can_read_is_none(mode: int) -> None:
    token_of()
    os.chmod(security.token_file(), mode)
    with pytest.raises(PathError, match="others can read it"):
        token_of()


def test_a_token_that_is_a_link_or_broken_is_refused(tmp_path: Path) -> None:
    token_of()
    path = Path(security.token_file())
    path.write_text("x y")
    with pytest.raises(PathError, match="no token in it"):
        token_of()
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PathError):
        token_of()
    path.unlink()
    os.mkfifo(path, 0o600)
    with pytest.raises(PathError, match="no token in it"):
        token_of()


# ---- sessions
def test_a_session_outlives_the_program_and_not_its_token() -> None:
    cookie = Sessions(TOKEN, 30).make()
    session = Sessions(TOKEN, 30).find(cookie)
    assert session is not None and len(session.csrf) > 40
    assert Sessions(TOKEN + "x", 30).find(cookie) is None
    other = Sessions(TOKEN, 30).find(Sessions(TOKEN, 30).make())
    assert other is not None and other.csrf != session.csrf


def test_a_session_grows_old(monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = Sessions(TOKEN, 1)
    cookie = sessions.make()
    now = time.time()
    monkeypatch.setattr(security.time, "time", lambda: now + 86400 - 5)
    assert sessions.find(cookie) is not None
    monkeypatch.setattr(security.time, "time", lambda: now + 86400 + 5)
    assert sessions.find(cookie) is None


@pytest.mark.parametrize("cookie", ["", ".", "..", "1.2.3", "\udcff.x.y", "9" * 5000, "१.x.y"])
def test_a_made_up_cookie_is_none(cookie: str) -> None:
    assert Sessions(TOKEN, 30).find(cookie) is None


def test_a_cookie_cannot_be_changed() -> None:
    made, nonce, mark = Sessions(TOKEN, 30).make().split(".")
    assert Sessions(TOKEN, 30).find(f"{int(made) + 1}.{nonce}.{mark}") is None
    assert Sessions(TOKEN, 30).find(f"{made}.{nonce}x.{mark}") is None


# ---- coming in
def test_the_token_in_the_address_becomes_a_cookie_and_goes_from_the_address() -> None:
    browser = browser_of(site_of(shown=picture()), is_in=False)
    assert browser.get("/").status_code == 401
    answer = browser.get("/job/12", params={"token": TOKEN, "x": "a b"})
    assert answer.status_code == 303 and answer.headers["location"] == "/job/12?x=a+b"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie and TOKEN.lower() not in cookie
    assert browser.get("/").status_code == 200


@pytest.mark.parametrize("path", ["//evil.example/", "/\\evil.example/", "///x"])
def test_the_way_back_is_never_another_machine(path: str) -> None:
    browser = browser_of(site_of(), is_in=False)
    answer = browser.get(f"{ROOT}{path}?token={TOKEN}")
    assert answer.status_code == 303 and answer.headers["location"].startswith("/")
    assert not answer.headers["location"].startswith(("//", "/\\"))


def test_a_wrong_token_lets_nobody_in() -> None:
    browser = browser_of(site_of(shown=picture(running(1, name="secret"))), is_in=False)
    for token in ("x", "", TOKEN[:-1], TOKEN + "x", TOKEN.upper()):
        answer = browser.get("/", params={"token": token})
        assert answer.status_code == 403 and "not the token" in answer.text
        assert "set-cookie" not in answer.headers and "secret" not in answer.text
    answer = browser.post("/login", data={"token": "x"}, headers={"origin": ROOT})
    assert answer.status_code == 403 and "not the token" in answer.text


def test_the_token_may_be_given_in_a_form() -> None:
    browser = browser_of(site_of(shown=picture()), is_in=False)
    answer = browser.post("/login", data={"token": f" {TOKEN} "}, headers={"origin": ROOT})
    assert answer.status_code == 303 and browser.get("/").status_code == 200


def test_without_a_session_nothing_but_the_looks_is_told() -> None:
    browser = browser_of(site_of(shown=picture(running(1, name="secret"))), is_in=False)
    for path in (
        "/",
        "/job/1",
        "/history",
        "/live/overview",
        "/live/job/1",
        "/job/1/stdout.txt",
        "/usage",
        "/timeline",
        "/nothing",
    ):
        answer = browser.get(path)
        assert answer.status_code == 401 and "secret" not in answer.text, path
        assert "jobctl web --address" in answer.text
    assert browser.post("/act", data={"do": "cancel 1"}, headers={"origin": ROOT}).status_code == 401
    assert browser.get("/static/style.css").status_code == 200


@pytest.mark.parametrize("path", ["/static/nothing", "/static/", "/static/%00", "/static/../job/1"])
def test_what_is_not_there_tells_a_stranger_nothing_of_the_queue(path: str) -> None:
    site = site_of(shown=picture(running(1, name="secret"), waiting=4321))
    stranger = browser_of(site, is_in=False)
    for method in ("GET", "POST"):
        headers = {"content-type": "application/x-www-form-urlencoded"}
        answer = stranger.request(method, path, headers=headers)
        assert answer.status_code in (401, 404) and "4321" not in answer.text and "running" not in answer.text
    assert "4321" in browser_of(site).get("/static/nothing").text


def test_who_follows_a_link_of_another_site_is_led_in_by_one_step_of_our_own() -> None:
    browser = browser_of(site_of(shown=picture()), is_in=False)
    answer = browser.get("/", headers={"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"})
    assert answer.status_code == 401 and 'http-equiv="refresh"' in answer.text
    assert 'http-equiv="refresh"' not in browser.get("/", headers={"sec-fetch-site": "same-origin"}).text


# ---- names and other sites
@pytest.mark.parametrize(
    "host", ["127.0.0.1:8000", "localhost", "LocalHost:9", "[::1]:8000", "jobs.example.org"]
)
def test_our_names_are_answered_to(host: str) -> None:
    browser = browser_of(site_of(Config(hosts=["jobs.example.org"]), picture()))
    assert browser.get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "", "127.0.0.2", "a@localhost@b", "[::1", "local host"]
)
def test_other_names_are_not(host: str) -> None:
    browser = browser_of(site_of(shown=picture()))
    assert browser.get("/", headers={"host": host}).status_code == 421


def test_names_of_hosts() -> None:
    assert host_name("LOCALHOST.:80") == "localhost" and host_name("[::1]:1") == "::1"
    assert host_name("a:b:c") in ("", "a") and host_name("[") == ""


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:8001"},
        {"origin": "ftp://127.0.0.1:8000"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
        {"sec-fetch-site": "same-site", "sec-fetch-mode": "cors"},
    ],
)
def test_another_site_may_ask_for_nothing(headers: dict[str, str]) -> None:
    site = site_of(Config(allow=ALL), picture(running(1)))
    browser = browser_of(site)
    assert browser.get("/", headers=headers).status_code == 403
    assert browser.post("/act", data={"do": "cancel 1"}, headers=headers).status_code == 403


def test_a_form_of_another_site_is_refused_even_as_a_navigation() -> None:
    browser = browser_of(site_of(Config(allow=ALL), picture(running(1))))
    headers = {"sec-fetch-site": "same-site", "sec-fetch-mode": "navigate"}
    assert browser.post("/act", data={"do": "cancel 1"}, headers=headers).status_code == 403


def test_what_is_no_form_or_too_long_is_refused() -> None:
    browser = browser_of(site_of(Config(allow=ALL), picture()))
    assert browser.post("/act", json={"do": "cancel 1"}).status_code == 415
    assert browser.post("/act", data={"do": "x" * 70_000}).status_code == 413
    for method in ("PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"):
        assert browser.request(method, "/").status_code == 405
    assert browser.get("/" + "x" * 3000).status_code == 414
    assert browser.get("/act").status_code in (404, 405)


def test_a_form_without_the_sessions_mark_is_refused() -> None:
    browser = browser_of(site_of(Config(allow=ALL), picture()))
    for csrf in ("", "x", "é"):
        answer = browser.post("/act", data={"do": "hold 1", "csrf": csrf}, headers={"origin": ROOT})
        assert answer.status_code == 403 and "not of this session" in answer.text
    assert browser.post("/act", data={"do": "hold 1"}).status_code == 403


# ---- what every answer says
@pytest.mark.parametrize(
    "path",
    ["/", "/nothing", "/static/style.css", "/static/nothing", "/static/../site.py", "/static/%2e%2e/site.py"],
)
def test_every_answer_forbids_what_we_do_not_need(path: str) -> None:
    answer = browser_of(site_of(shown=picture())).get(path)
    headers = answer.headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "same-origin"
    assert "no-store" in headers["cache-control"] or path.startswith("/static/")
    assert "server" not in headers and b"sqlite" not in answer.content
    if "site.py" in path:
        assert answer.status_code == 404


def test_a_mistake_of_ours_says_no_more_than_that_and_is_guarded_too() -> None:
    site = site_of(shown=picture())
    browser = browser_of(site)
    site.picture = None  # type: ignore[assignment]
    answer = browser.get("/")
    assert answer.status_code == 500 and "Traceback" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert browser.get("/static/%00").status_code == 404


def test_static_files_are_kept_by_their_version_alone() -> None:
    browser = browser_of(site_of(shown=picture()))
    assert "immutable" in browser.get("/static/style.css?v=abc").headers["cache-control"]
    assert browser.get("/static/style.css").headers["cache-control"] == "no-cache"


def test_no_page_has_scripts_or_styles_within_itself() -> None:
    text = browser_of(site_of(Config(allow=ALL), picture(running(1)))).get("/").text
    assert "<style" not in text and " style=" not in text and " onclick" not in text
    assert text.count("<script") == text.count('<script src="/static/')


# ---- whatever is asked
PATHS = (
    "/",
    "/job/",
    "/history",
    "/act",
    "/login",
    "/live/",
    "/static/",
    "/job/1/stdout.txt",
    "//",
    "/.",
    "/job/1_",
)
odd = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@settings(max_examples=150)
@given(
    method=st.sampled_from(["GET", "POST", "HEAD"]),
    path=st.sampled_from(PATHS),
    rest=odd,
    query=st.dictionaries(
        st.sampled_from(["state", "name", "since", "until", "cursor", "job", "note", "token", ""]),
        odd,
        max_size=4,
    ),
    form=st.dictionaries(
        st.sampled_from(["do", "csrf", "job", "number", "once", "back", "sure", "token"]), odd, max_size=5
    ),
    is_in=st.booleans(),
)
def test_whatever_is_asked_is_answered_in_order(
    method: str, path: str, rest: str, query: dict[str, str], form: dict[str, str], is_in: bool
) -> None:
    if path == "/live/":
        method = "HEAD"
    browser = _browser(is_in)
    address = path + quote(rest, safe="/.%") if path != "/act" else path
    form["csrf"] = _csrf() if form.get("csrf", "") > "m" else form.get("csrf", "")
    answer = browser.request(
        method,
        address,
        params=query,
        data=form if method == "POST" else None,
        headers={"origin": ROOT} if method == "POST" else {},
    )
    assert answer.status_code < 500 or answer.status_code == 503, (answer.status_code, answer.text)
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert (
        answer.status_code not in (200, 303)
        or is_in
        or TOKEN in (*query.values(), *form.values())
        or path == "/static/"
    )
    location = answer.headers.get("location", "/")
    assert location.startswith("/") and not location.startswith(("//", "/\\"))


@cache
def _browser(is_in: bool) -> TestClient:
    return browser_of(site_of(Config(allow=ALL), picture(running(1))), is_in=is_in)


@cache
def _csrf() -> str:
    found = re.search(r'name="csrf" value="([a-z2-7]+)"', _browser(True).get("/").text)
    assert found is not None
    return found[1]
