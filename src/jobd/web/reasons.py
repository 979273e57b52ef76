"""Why a job waits, in words for who has never used a queue. The server's own line, which names who has what, stays behind it as a title.

No socket, no clock but where `now_s` is given.
"""

import re

from markupsafe import Markup, escape

from jobd.units import plural
from jobd.web import looks
from jobd.wire.rows import JobRow

_MISSING = re.compile(r"(\d+) of (\d+) procs? missing, in use by .*?(?:; (\d+) jobs? ahead)?", re.DOTALL)
_ALONE = re.compile(r"(?:exclusive|exceptional), runs alone: .*", re.DOTALL)
_TERM = re.compile(r"(after\w*):(\d+)(_\d+)?(\+\d+)?")
_TERMS = re.compile(r"(waits for|can never start:) (.*?)( cannot be met)?", re.DOTALL)

# What has to be true of the other job, and what is true of it where that can never be.
_KINDS = {
    "after": ("has started", "has never started"),
    "afterany": ("has ended", "cannot end any more"),
    "afterok": ("has succeeded", "has not succeeded"),
    "afternotok": ("has failed", "has not failed"),
    "aftercorr": ("has succeeded at the same index", "has not succeeded at the same index"),
}


def waits_text(row: JobRow, now_s: float) -> str | Markup:
    """Why it waits, shortly."""
    if looks.is_held(row):
        return "held until somebody releases it"
    if row.reason_code == "BeginTime" and row.batch is not None and row.batch.begin_at is not None:
        return f"not before {looks.moment(row.batch.begin_at, now_s)}"
    if found := _MISSING.fullmatch(row.reason):
        return _procs(int(found[1]), int(found[2]), int(found[3] or 0))
    if _ALONE.fullmatch(row.reason):
        return "runs alone, so it waits for the end of the others"
    if row.reason_code in ("Dependency", "DependencyNeverSatisfied"):
        return _dependency(row) or looks.why(row)
    return looks.why(row)


def reason(row: JobRow, now_s: float) -> Markup:
    """The same, with the server's words as a title where they are others."""
    text, full = escape(looks.clean(waits_text(row, now_s))), looks.why(row)
    if not full or text == escape(looks.clean(full)):
        return Markup(text)
    return Markup('<span title="{}">{}</span>').format(looks.cut(full, looks.TITLE_CHARS_MAX), text)


GLOBALS = {"reason": reason, "waits_text": waits_text}


def _procs(missing: int, needed: int, ahead: int) -> str:
    free = max(0, needed - missing)
    is_free = f"{free} {'is' if free == 1 else 'are'} free" if free else "none is free"
    before = f"; {plural(ahead, 'job')} ahead" if ahead else ""
    return f"needs {plural(needed, 'proc')}, {is_free}{before}"


def _dependency(row: JobRow) -> Markup | None:
    """With links to the jobs that it waits for; None for what is not understood."""
    whole = _TERMS.fullmatch(row.reason)
    if whole is None:
        return None
    is_never = whole[1] != "waits for"
    text, _, more = whole[2].partition(" and ")
    word = " or " if " or " in text else ", "
    parts = [_term(term, is_never) for term in text.split(word)]
    if None in parts:
        return None
    begin = "can never start: " if is_never else "waits until "
    joint = Markup(" or " if word == " or " else " and ")
    return Markup(begin) + joint.join(part for part in parts if part is not None) + (more and f" and {more}")


def _term(text: str, is_never: bool) -> Markup | None:
    if text == "singleton":
        return Markup("no other job of its name is there")
    found = _TERM.fullmatch(text)
    if found is None or found[1] not in _KINDS:
        return None
    job, delay = f"{found[2]}{found[3] or ''}", found[4]
    later = f", and {plural(int(delay[1:]), 'minute')} later" if delay and not is_never else ""
    return Markup('<a href="/job/{0}">job {0}</a> {1}{2}').format(job, _KINDS[found[1]][is_never], later)
