"""What is asked of the person: yes or no, a number, a text; and the help."""

from collections.abc import Callable, Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.events import Key
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from jobd.tui.view import Scrolled

_CSS = """
Question, Entry, Help { align: center middle; background: transparent; }
.box { width: 76; max-width: 100%; height: auto; max-height: 100%; border: solid; padding: 0 1; background: ansi_default; }
"""


class Question(ModalScreen[str]):
    """A question that one key answers. Its answer is "" for no."""

    CSS = _CSS

    def __init__(self, text: str, answers: Sequence[tuple[str, str]]) -> None:
        """
        Args:
            answers: (key, what it does); n, q and escape are no.
        """
        super().__init__()
        self._text, self._answers = text, list(answers)

    def compose(self) -> ComposeResult:
        """The box."""
        lines = [Text(self._text), Text("")]
        for key, meaning in [*self._answers, ("n", "no, leave it")]:
            lines.append(Text.assemble((f"  {key}", "bold"), f"  {meaning}"))
        with Vertical(classes="box"):
            yield Static(Text("\n").join(lines))

    def on_key(self, event: Key) -> None:
        """Answer."""
        event.stop()
        if event.character in [key for key, _ in self._answers]:
            self.dismiss(event.character)
        elif event.key in ("n", "q", "escape", "ctrl+c"):
            self.dismiss("")


class Entry(ModalScreen[str | None]):
    """A line to be typed. Its answer is None if it was left."""

    CSS = _CSS
    BINDINGS = [
        Binding("enter", "take", "Take", show=False, priority=True),
        Binding("escape", "leave", "Leave", show=False, priority=True),
    ]

    def __init__(self, title: str, value: str, check: Callable[[str], str]) -> None:
        """
        Args:
            check: what is wrong with a text; "" for nothing.
        """
        super().__init__()
        self._title, self._value, self._check = title, value, check

    def compose(self) -> ComposeResult:
        """The box."""
        with Vertical(classes="box"):
            yield Static(Text(self._title))
            entry = Input(self._value, compact=True)
            entry.cursor_blink = False
            yield entry
            yield Static(Text("enter: take it   escape: leave it"), id="hint")

    def action_take(self) -> None:
        """Take it, if it can be."""
        value = self.query_one(Input).value
        trouble = self._check(value)
        if trouble:
            self.query_one("#hint", Static).update(Text(trouble, style="bold red"))
        else:
            self.dismiss(value)

    def action_leave(self) -> None:
        """Leave it."""
        self.dismiss(None)


class Help(ModalScreen[None]):
    """All keys."""

    CSS = _CSS
    BINDINGS = [Binding("escape,q,question_mark,enter", "leave", "Leave", show=False)]

    def __init__(self, sections: Sequence[tuple[str, Sequence[tuple[str, str]]]]) -> None:
        """
        Args:
            sections: (title, [(keys, what they do)]).
        """
        super().__init__()
        self._sections = sections

    def compose(self) -> ComposeResult:
        """The box."""
        text = Text()
        for title, keys in self._sections:
            text.append(f"{title}\n", "bold underline")
            for names, meaning in keys:
                text.append(f"  {names:14}", "bold")
                text.append(f" {meaning}\n")
        text.right_crop(1)
        with Scrolled(classes="box") as box:
            box.border_title = "escape leaves"
            yield Static(text)

    def action_leave(self) -> None:
        """Back."""
        self.dismiss(None)
