"""Who may come in: the token, the sessions made from it, and the guard that stands before every page.

A session is a signed cookie, so that nothing is kept and a restart of the page logs nobody out; with the token's file removed (or renewed) all end.
What the guard lets through comes from a browser page of ours, or from a program that has the cookie:

* Host is a name of ours (a page elsewhere cannot point its own name here: DNS rebinding),
* Origin and Sec-Fetch-Site say that no other site asks, and each POST carries the session's CSRF token,
* bodies are forms, small, and come soon.

Every answer carries headers that let nothing be loaded from elsewhere, framed, kept or guessed.
"""

import asyncio
import base64
import hashlib
import hmac
import os
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jobd import paths
from jobd.errors import PathError
from jobd.web.config import LOOPBACK, Config

BODY_BYTES_MAX = 64 << 10  # of a form: some thousand job numbers
BODY_S = 10.0  # within which it must have come
ADDRESS_CHARS_MAX = 2000
TOKEN_BYTES = 32
OPEN = ("/static/",)  # what needs no session: nothing of anybody

_TOKEN = re.compile(rb"[A-Za-z0-9_-]{20,100}")


# ---- the token ------------------------------------------------------------------------------------------------
def token_file() -> str:
    """Where the token is; only we can read it."""
    return os.path.join(paths.state_dir(), "web.token")


def token_of(*, is_new: bool = False) -> str:
    """The token of this user's page; made if there is none yet.

    Args:
        is_new: make another one: all sessions end when the page is started anew.

    Raises:
        PathError: it cannot be read or written, or others could read it.
    """
    path = token_file()
    paths.make_private(paths.state_dir())
    try:
        if not is_new:
            try:
                return _read_token(path)
            except FileNotFoundError:
                pass
        return _write_token(path, is_new=is_new)
    except OSError as error:
        raise PathError(f"{path}: {error.strerror}") from error


def _read_token(path: str) -> str:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if status.st_uid != os.getuid() or status.st_mode & 0o077:
            raise PathError(f"{path}: others can read it (remove it, and a new one is made)")
        text = file.read(200).strip()
    if not _TOKEN.fullmatch(text):
        raise PathError(f"{path}: no token in it (remove it, and a new one is made)")
    return text.decode()


def _write_token(path: str, *, is_new: bool) -> str:
    token = secrets.token_urlsafe(TOKEN_BYTES)
    own = f"{path}.{os.getpid()}"
    descriptor = os.open(own, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "w") as file:
            file.write(token + "\n")
            file.flush()
            os.fsync(descriptor)
        if is_new:
            os.replace(own, path)
            return token
        # Two that begin at once must not each have a token of its own.
        try:
            os.link(own, path)
        except FileExistsError:
            return _read_token(path)
        return token
    finally:
        if os.path.lexists(own):
            os.unlink(own)


# ---- sessions -------------------------------------------------------------------------------------------------
class Session(NamedTuple):
    """A browser that has shown the token."""

    csrf: str


class Sessions:
    """Makes and knows sessions: `TIME.NONCE.SIGNATURE`."""

    def __init__(self, token: str, days: int) -> None:
        self._token = token
        self.max_age_s = days * 86400
        # One name for each token: cookies are shared by all ports of a host, so two pages must not take each other's away.
        self.cookie = f"jobd_{self._sign('name', '')[:8]}"

    def is_token(self, text: str) -> bool:
        """Whether this is the token; in the same time for any text."""
        return hmac.compare_digest(_digest(text), _digest(self._token))

    def make(self) -> str:
        """The cookie of a new session."""
        text = f"{int(time.time())}.{secrets.token_urlsafe(18)}"
        return f"{text}.{self._sign('session', text)}"

    def find(self, cookie: str) -> Session | None:
        """The session of a cookie; None if it is none of ours, or too old."""
        text, _, signature = cookie.rpartition(".")
        if not hmac.compare_digest(_digest(signature), _digest(self._sign("session", text))):
            return None
        made = text.partition(".")[0]
        if not made.isascii() or not made.isdigit():
            return None
        age_s = time.time() - int(made)
        return Session(self._sign("csrf", text)) if age_s <= self.max_age_s else None

    def give(self, response: Response) -> None:
        """Let the browser have a new session."""
        response.set_cookie(
            self.cookie, self.make(), max_age=self.max_age_s, path="/", httponly=True, samesite="strict"
        )

    def _sign(self, purpose: str, text: str) -> str:
        key = hashlib.sha256(f"jobd web {purpose}\0{self._token}".encode("utf-8", "replace")).digest()
        mark = hmac.digest(key, text.encode("utf-8", "replace"), "sha256")
        return base64.b32encode(mark).decode().rstrip("=").lower()


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()


# ---- the guard ------------------------------------------------------------------------------------------------
class Guard:
    """Stands before the pages. What it passes on has scope["jobd.session"] (a Session, or None where none is needed)."""

    def __init__(self, app: ASGIApp, *, login: ASGIApp, config: Config, sessions: Sessions) -> None:
        """
        Args:
            login: answers, in the place of `app`, who has no session.
        """
        self._app = app
        self._login = login
        self._sessions = sessions
        self._hosts = {*LOOPBACK, *(name.lower() for name in config.hosts)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        scope["jobd.nonce"] = secrets.token_urlsafe(16)
        answer = _with_headers(send, scope)
        refusal = self._refusal(scope)
        if refusal is not None:
            await PlainTextResponse(refusal[1] + "\n", refusal[0])(scope, receive, answer)
            return
        scope["jobd.session"] = self._session(scope)
        if await self._is_token_shown(scope, receive, answer):
            return
        if scope["method"] == "POST":
            try:
                receive = await _whole_body(receive)
            except TimeoutError:
                await PlainTextResponse("the form did not come\n", 408)(scope, receive, answer)
                return
            except OverflowError:
                await PlainTextResponse("the form is too long\n", 413)(scope, receive, answer)
                return
        is_open = scope["jobd.session"] is not None or scope["path"].startswith(OPEN)
        await (self._app if is_open else self._login)(scope, receive, answer)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """(status, why) for what is not even looked at."""
        headers = Headers(scope=scope)
        if scope["method"] not in ("GET", "HEAD", "POST"):
            return 405, "GET and POST are known here"
        if len(scope["raw_path"] or b"") + len(scope["query_string"]) > ADDRESS_CHARS_MAX:
            return 414, "the address is too long"
        hosts = headers.getlist("host")
        if len(hosts) != 1 or host_name(hosts[0]) not in self._hosts:
            return 421, "this page does not answer to that name (the setting hosts in web.toml)"
        if (origin := headers.get("origin")) is not None and not _is_ours(origin, hosts[0]):
            return 403, "another site asked for this"
        site, mode = headers.get("sec-fetch-site", "none"), headers.get("sec-fetch-mode", "navigate")
        is_foreign = site not in ("same-origin", "none")
        if is_foreign and (scope["method"] == "POST" or mode != "navigate"):
            return 403, "another site asked for this"
        if scope["method"] == "POST":
            kind = headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind != "application/x-www-form-urlencoded":
                return 415, "forms are known here"
        return None

    def _session(self, scope: Scope) -> Session | None:
        cookies = cookie_parser(Headers(scope=scope).get("cookie", ""))
        cookie = cookies.get(self._sessions.cookie)
        return self._sessions.find(cookie) if cookie is not None else None

    async def _is_token_shown(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """The token in the address: it becomes a cookie, and goes from the address."""
        if scope["method"] != "GET":
            return False
        asked = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        shown = [value for key, value in asked if key == "token"]
        if not shown:
            return False
        rest = urlencode([(key, value) for key, value in asked if key != "token"])
        # Of several slashes a browser would make another machine's address.
        where = "/" + scope["path"].lstrip("/\\") + (f"?{rest}" if rest else "")
        if self._sessions.is_token(shown[-1]):
            response = RedirectResponse(where, 303)
            self._sessions.give(response)
            await response(scope, receive, send)
            return True
        if scope["jobd.session"] is not None:
            await RedirectResponse(where, 303)(scope, receive, send)
            return True
        scope["jobd.wrong_token"] = True
        return False


def host_name(text: str) -> str:
    """The name in a Host header, without its port; "" for none."""
    try:
        return (urlsplit(f"//{text}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _is_ours(origin: str, host: str) -> bool:
    scheme, _, name = origin.partition("://")
    return scheme in ("http", "https") and name.lower() == host.lower()


def _with_headers(send: Send, scope: Scope) -> Callable[[Message], Awaitable[None]]:
    async def answer(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            nonce = scope["jobd.nonce"]
            headers["content-security-policy"] = (
                "default-src 'none'; connect-src 'self'; img-src 'self' data:; font-src 'self'; "
                f"script-src 'self' 'nonce-{nonce}'; style-src 'self' 'nonce-{nonce}'; "
                "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
            )
            headers["x-content-type-options"] = "nosniff"
            headers["x-frame-options"] = "DENY"
            # Not no-referrer: a browser would then send "Origin: null" with our own forms.
            headers["referrer-policy"] = "same-origin"
            headers["cross-origin-opener-policy"] = "same-origin"
            headers["cross-origin-resource-policy"] = "same-origin"
            headers["permissions-policy"] = "camera=(), geolocation=(), microphone=()"
            headers.setdefault("cache-control", "no-store")
        await send(message)

    return answer


async def _whole_body(receive: Receive) -> Receive:
    """The body, read to its end within limits.

    Raises:
        OverflowError: it is too long.
        TimeoutError: it does not come.
    """
    body = bytearray()
    async with asyncio.timeout(BODY_S):
        while True:
            message = await receive()
            if message["type"] != "http.request":
                break
            body += message.get("body", b"")
            if len(body) > BODY_BYTES_MAX:
                raise OverflowError
            if not message.get("more_body"):
                break
    is_told = False

    async def again() -> Message:
        nonlocal is_told
        if is_told:
            return await receive()
        is_told = True
        return {"type": "http.request", "body": bytes(body), "more_body": False}

    return again
