"""The #SBATCH lines of a script → words of a command line. Pure text.

As Slurm reads them (its src/sbatch/opt.c is the rule): a line that begins with #SBATCH in the first column, anywhere above the first line that is
neither empty nor a comment; words are separated by blanks, quotes of either kind join, a backslash takes the next character as it is (also
inside quotes), and an unquoted # begins a remark. `##SBATCH` and `# SBATCH` are comments.
"""

from typing import NamedTuple

from jobd.errors import UsageError

MAGIC = "#SBATCH"
LINES_MAX = 10_000  # of directives; more is no script that somebody wrote


class Directive(NamedTuple):
    """The words of one line."""

    line: int  # counted from 1
    words: list[str]


class UnmatchedQuote(UsageError):
    """A quote without an end."""

    def __init__(self, line: int, quote: str, text: str, word: str) -> None:
        super().__init__(f"line {line}: the quote {quote} has no end in {text.strip()[:60]!r}")
        self.slurm = f"line {line}: Unmatched `{quote}` in [{word}]"


def read(script: str, *, is_strict: bool = False) -> list[Directive]:
    """All directives of a script, in order.

    Args:
        is_strict: #SBATCH is the beginning of one whatever follows it, as Slurm has it.

    Raises:
        UsageError: a quote has no end.
    """
    found = []
    for number, line in enumerate(_head(script), 1):
        if line.startswith(MAGIC) and (
            is_strict or line[len(MAGIC) : len(MAGIC) + 1] in ("", " ", "\t", "-", "\r")
        ):
            words = split(line[len(MAGIC) :], number)
            if words:
                found.append(Directive(number, words))
    if len(found) > LINES_MAX:
        raise UsageError(f"{len(found)} #SBATCH lines: at most {LINES_MAX}")
    return found


def _head(script: str) -> list[str]:
    """The lines above the first command."""
    lines = []
    position = 0
    while position < len(script):
        end = script.find("\n", position)
        end = len(script) if end < 0 else end
        line = script[position:end]
        if not line.lstrip().startswith("#") and line.strip():
            break
        lines.append(line)
        position = end + 1
    return lines


def split(text: str, line: int) -> list[str]:
    """The words of one directive.

    Raises:
        UsageError: a quote has no end.
    """
    words: list[str] = []
    word: list[str] | None = None
    quote = ""
    is_escaped = False
    over = 0  # where the last word ended
    for position, char in enumerate(text):
        if is_escaped and (quote or not char.isspace()):
            is_escaped = False
        elif char == "\\":
            is_escaped = True
            word = word if word is not None else []
            continue
        elif quote:
            if char == quote:
                quote = ""
                continue
        elif char in "\"'":
            quote = char
            word = word if word is not None else []
            continue
        elif char == "#":
            break
        elif char.isspace():  # also behind a backslash: only quotes join
            is_escaped = False
            if word is not None:
                words.append("".join(word))
                over = position
            word = None
            continue
        word = word if word is not None else []
        word.append(char)
    if quote:
        raise UnmatchedQuote(line, quote, text, text[over:])
    if word is not None:
        words.append("".join(word))
    return words
