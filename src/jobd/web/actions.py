"""What the page may do, each as far as web.toml allows it. One form for all: `do` says what, and to which jobs.

    do = "cancel 12", "hold 12_3", "release 12", "rerun 12", "delete 12", "set-nb-proc"; without a job in it: those of `job`; a number by `number`

What ends or forgets something is asked for once more, on a page of its own, so that no slip of a finger ends a job.
"""

import hmac
import secrets
import time
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from jobd.api.client import Client
from jobd.api.jobs import parse
from jobd.errors import JobdError, NoSuchJob, Refused, UsageError
from jobd.limits import NB_PROC_LIMIT
from jobd.units import format_ids, plural
from jobd.web.config import ACTIONS
from jobd.web.drawn import job_address
from jobd.web.looks import job_text
from jobd.web.site import Site
from jobd.wire import batch as b
from jobd.wire import messages as m
from jobd.wire.left import text_of

JOBS_MAX = 1000  # in one form
NOTES_MAX = 200  # that wait to be shown
SURE = frozenset({"cancel", "delete"})  # what is asked for once more


class Asked(NamedTuple):
    """What a form asks for."""

    action: str
    jobs: list[b.JobId]
    number: int
    once: str  # of the page on which the form was: sent again, it is the same
    is_sure: bool
    back: str  # where to go afterwards: a path of ours


class Notes:
    """What was done, to be shown on the next page: told by number, so that an address cannot make the page say anything."""

    def __init__(self) -> None:
        self._texts: dict[str, tuple[str, bool]] = {}

    def keep(self, text: str, *, is_bad: bool = False) -> str:
        """Keep a text; its number."""
        while len(self._texts) >= NOTES_MAX:
            del self._texts[next(iter(self._texts))]
        key = secrets.token_urlsafe(9)
        self._texts[key] = (text, is_bad)
        return key

    def take(self, key: str) -> tuple[str, bool] | None:
        """The text (and whether it is bad news) of a number, once."""
        return self._texts.pop(key, None)


async def act(site: Site, notes: Notes, request: Request) -> Response:
    """Do what a form asks for, and go back."""
    form = parse_qs((await request.body()).decode("utf-8", "replace"), keep_blank_values=True)
    session = request.scope["jobd.session"]
    if session is None or not hmac.compare_digest(_one(form, "csrf").encode(), session.csrf.encode()):
        return _refusal(site, request, 403, "this form is not of this session; load the page again")
    try:
        asked = read(form)
    except UsageError as error:
        return _refusal(site, request, 400, str(error))
    if not site.may(request, asked.action):
        return _refusal(
            site, request, 403, f'the page may not do that here: allow = ["{asked.action}"] in web.toml'
        )
    if asked.action in SURE and not asked.is_sure:
        jobs = [text_of(job) for job in asked.jobs]
        known = {
            name: row
            for row in (*site.picture.recent, *site.picture.rows)
            for name in (job_text(row), job_address(row))
        }
        rows = [known[job] for job in jobs if job in known]
        return site.render(request, "confirm.html", asked=asked, jobs=jobs, rows=rows, now_s=time.time())
    try:
        note = notes.keep(await site.call(_DO[asked.action], asked))
    except JobdError as error:
        note = notes.keep(f"{asked.action}: {error}", is_bad=True)
    site.board.look()
    separator = "&" if "?" in asked.back else "?"
    return RedirectResponse(f"{asked.back}{separator}note={note}", 303)


def read(form: dict[str, list[str]]) -> Asked:
    """What a form asks for.

    Raises:
        UsageError: it makes no sense.
    """
    words = _one(form, "do").split()
    if not words or words[0] not in ACTIONS:
        raise UsageError("the form asks for nothing that is known here")
    # A button of one row means that job alone, whatever boxes are ticked beside it.
    texts = words[1:] or form.get("job", [])
    if len(texts) > JOBS_MAX:
        raise UsageError(f"at most {JOBS_MAX} jobs at a time")
    jobs = list({text_of(job): job for job in map(parse, texts)}.values())
    number = 0
    if words[0] == "set-nb-proc":
        text = _one(form, "number").strip()
        if not text.isascii() or not text.isdigit() or int(text[:10]) > NB_PROC_LIMIT:
            raise UsageError(f"{text[:20]!r} is no number of procs")
        number = int(text[:10])
    elif not jobs:
        raise UsageError("no job is chosen")
    return Asked(
        words[0],
        jobs,
        number,
        _one(form, "once")[:40],
        _one(form, "sure") == "1",
        own_path(_one(form, "back")),
    )


def own_path(text: str) -> str:
    """A path of ours to go back to; "/" for anything else."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return "/"
    is_own = text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable()
    if not is_own or parts.scheme or parts.netloc or len(text) > 1000:
        return "/"
    # The note of the page before is not shown again.
    query = "&".join(pair for pair in parts.query.split("&") if pair and not pair.startswith("note="))
    return parts.path + (f"?{query}" if query else "")


def _one(form: dict[str, list[str]], name: str) -> str:
    return form.get(name, [""])[-1]


def _refusal(site: Site, request: Request, status: int, text: str) -> Response:
    return site.render(request, "error.html", status_code=status, title="Refused", text=text)


# ---- one after the other; each says what it has done
def _cancel(client: Client, asked: Asked) -> str:
    done = client.cancel(_texts(asked))
    return f"{_jobs(done)} cancelled" if done else "it was over already"


def _hold(client: Client, asked: Asked) -> str:
    return f"{_jobs(client.hold(_texts(asked)))} held"


def _release(client: Client, asked: Asked) -> str:
    return f"{_jobs(client.release(_texts(asked)))} released"


def _rerun(client: Client, asked: Asked) -> str:
    # The same form sent twice (a double click, a page loaded again) is the same jobs.
    mark = ",".join(text_of(job) for job in asked.jobs)
    token = hmac.digest((asked.once or secrets.token_hex(9)).encode(), mark.encode(), "sha256").hex()[:32]
    whole = [job.job_id for job in asked.jobs if not job.runs]
    answer: b.Accepted = client.connection.request(
        b.Rerun(whole, token, [job for job in asked.jobs if job.runs])
    )
    return f"queued again as {_jobs(answer.job_ids).lower()}"


def _set_nb_proc(client: Client, asked: Asked) -> str:
    status: m.Status = client.connection.request(m.SetLimits(nb_proc=asked.number))
    gone = f"; {_jobs(status.cancelled)} cancelled, too large for it" if status.cancelled else ""
    return (
        f"{plural(status.nb_proc, 'proc')} from now on" if status.nb_proc else "nothing starts from now on"
    ) + gone


def _delete(client: Client, asked: Asked) -> str:
    numbers: list[int] = []
    for job in asked.jobs:
        rows = client.rows_of(job) if job.runs else []
        numbers += [row.job_id for row in rows] or [job.job_id]
    answer: b.Cleaned = client.connection.request(b.Clean(time.time() + 1.0, numbers))
    if not answer.count:
        living: m.JobPage = client.connection.request(m.ListJobs(job_ids=numbers))
        if living.rows:
            raise Refused(f"job {living.rows[0].job_id} is not over yet")
        raise NoSuchJob("it is not in the history (any more)")
    return f"{plural(answer.count, 'job')} forgotten"


_DO: dict[str, Callable[[Client, Any], str]] = {
    "cancel": _cancel,
    "hold": _hold,
    "release": _release,
    "rerun": _rerun,
    "set-nb-proc": _set_nb_proc,
    "delete": _delete,
}


def _texts(asked: Asked) -> list[str]:
    return [text_of(job) for job in asked.jobs]


def _jobs(numbers: list[int]) -> str:
    if not numbers:
        return "No job"
    return f"{'Job' if len(numbers) == 1 else 'Jobs'} {format_ids(numbers[:200])}"
