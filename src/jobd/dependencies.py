"""`--dependency`: text ⇄ terms. Values only; core/waits.py says when a term is met.

Source: sbatch(1), --dependency: `type:job_id[:job_id…][,type:…]` for all, `?` in the place of `,` for any; `after:ID+minutes`.
"""

import re
from typing import NamedTuple

from jobd.errors import UsageError

KINDS = ("after", "afterany", "afterok", "afternotok", "aftercorr", "singleton")
TERMS_MAX = 10_000  # of one job: more is a mistake in a script

_ID = re.compile(r"(\d{1,17})(?:_(\d{1,10}))?(?:\+(\d{1,7}))?")


class Term(NamedTuple):
    """One condition."""

    kind: str
    job_id: int = 0  # 0 for singleton
    array_index: int | None = None  # 12_3: that element alone
    delay_s: int = 0  # of `after`


class Dependency(NamedTuple):
    """All terms, or with `is_any` one of them, must be met."""

    terms: tuple[Term, ...] = ()
    is_any: bool = False
    is_never: bool = False  # it can never be met: the terms say why


NO_DEPENDENCY = Dependency()


def parse(text: str) -> Dependency:
    """The dependency of a text; an empty one is none.

    Raises:
        UsageError: it is none, or mixes `,` and `?`.
    """
    text = text.strip()
    if not text:
        return NO_DEPENDENCY
    is_any = "?" in text
    if is_any and "," in text:
        raise UsageError(f"dependency {text[:60]!r}: either , (all) or ? (any), not both")
    terms: list[Term] = []
    for part in text.split("?" if is_any else ","):
        kind, _, ids = part.strip().partition(":")
        kind = kind.lower()
        if kind not in KINDS or (kind == "singleton") != (not ids):
            raise UsageError(f"dependency {part[:60]!r}: one of {', '.join(KINDS)}, as in afterok:12")
        if kind == "singleton":
            terms.append(Term(kind))
            continue
        for word in ids.split(":"):
            found = _ID.fullmatch(word)
            if found is None or int(found[1]) == 0 or (found[3] is not None and kind != "after"):
                raise UsageError(f"dependency {part[:60]!r}: {word[:20]!r} is no job number")
            index = int(found[2]) if found[2] is not None else None
            terms.append(Term(kind, int(found[1]), index, int(found[3] or 0) * 60))
    if len(terms) > TERMS_MAX:
        raise UsageError(f"a dependency of {len(terms)} jobs: at most {TERMS_MAX}")
    return Dependency(tuple(terms), is_any)


def text_of(dependency: Dependency) -> str:
    """The text of a dependency, each job with its own type, as Slurm shows it."""
    return ("?" if dependency.is_any else ",").join(map(term_text, dependency.terms))


def term_text(term: Term) -> str:
    """afterok:12_3, after:12+5, singleton."""
    if term.kind == "singleton":
        return term.kind
    index = "" if term.array_index is None else f"_{term.array_index}"
    delay = f"+{term.delay_s // 60}" if term.delay_s else ""
    return f"{term.kind}:{term.job_id}{index}{delay}"
