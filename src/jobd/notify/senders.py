"""A thread for each way out, so that one that is dead or slow holds up no other. Each sleeps until a letter is due.

A letter that is not taken for now is tried again after growing pauses of its own; a way out that does not work at all rests for growing
pauses, and its letters wait. What is too old is given up, with a line.
"""

import threading
import time
from collections.abc import Callable, Iterable, Sequence

from jobd.errors import ConfigError, UsageError
from jobd.notify import message
from jobd.notify.config import SMTP, Config
from jobd.notify.kinds import BAD
from jobd.notify.sendmail import Sendmail
from jobd.notify.services import Service
from jobd.notify.smtp import NAME, Smtp
from jobd.notify.store import Damaged, Letter, Notice, Store
from jobd.notify.transport import Never, NotNow, Transport, Trouble, Unwelcome

PAUSE_MAX_S = 1800.0  # between two tries of a letter, and of a way out that does not want us
REST_MAX_S = 300.0  # between two tries of a way out that does not work: so late is noticed that it does again
DISK_MAX_S = 30.0  # the same for a disk that is full
PROMPT_S = 60.0  # since its last try, when something new makes it try again
DEAD_TRIES = 3  # failures in a row after which all letters have waited for the way out, and none for itself
BUNDLE_MIN = 5  # letters that wait for a chat are sent as one from so many on
YOUNG_MAX_S = (
    3600.0  # for so long after its start nothing is given up: what waits may have been written long ago
)
Log = Callable[[str], None]


def transports_of(config: Config) -> list[Transport]:
    """The ways out that the configuration names.

    Raises:
        JobdError: one cannot be used.
    """
    found: list[Transport] = []
    if config.mail is not None:
        found.append((Smtp if config.mail.kind == SMTP else Sendmail)(config, config.mail))
    return [*found, *map(Service, config.services)]


def pause_s(first_s: float, tries: int, max_s: float = PAUSE_MAX_S) -> float:
    """How long to wait after so many failures in a row: twice as long each time."""
    return min(max_s, first_s * 2.0 ** min(tries - 1, 20))


def receivers_of(config: Config, to: Sequence[str], log: Log) -> list[str]:
    """The addresses of a mail: those that are named, else those of the configuration, else our own."""
    own = message.own_user()
    found: list[str] = []
    for address in to or config.to or (own,):
        # One's own name, without a host, is what Slurm takes where nobody is named.
        if address == own and config.to:
            found += config.to
        elif "@" not in address and config.domain:
            found.append(f"{address}@{config.domain}")
        else:
            found.append(address)
    good: list[str] = []
    for address in dict.fromkeys(found):
        try:
            good.append(message.checked_address(address))
        except UsageError as error:
            log(f"no mail: {error}")
    if to and not good:
        # All that the job names are wrong: better the owner hears of it than nobody.
        return receivers_of(config, (), log)
    return good


def bundle_of(letters: Sequence[Letter]) -> Letter:
    """Letters as one, of a line for each."""
    first = letters[0]
    if len(letters) == 1:
        return first
    bad = [letter for letter in letters if letter.kind in BAD]
    subject = (
        f"jobd: {len(letters)} notices, {len(bad)} of them of failures"
        if bad
        else f"jobd: {len(letters)} notices"
    )
    # What has failed first: the rest may be cut off.
    lines = [
        one.subject.removeprefix("jobd ") for one in sorted(letters, key=lambda one: one.kind not in BAD)
    ]
    return first._replace(subject=subject, body="\n".join(lines) + "\n", kind=(bad or letters)[0].kind)


class Sender(threading.Thread):
    """What is on its way out through one transport."""

    def __init__(self, transport: Transport, store: Store, config: Config, log: Log) -> None:
        super().__init__(name=transport.name, daemon=True)
        self.transport = transport
        self._store = store
        self._keep_s = config.keep_s
        self._retry_s = config.retry_s
        self._log = log
        self._condition = threading.Condition()
        self._is_told = True  # of new letters; at first there may be old ones
        self._is_ending = False
        self._failures = 0  # in a row, of the transport
        self._tried_at = -PROMPT_S  # monotonic: its last failure
        self._is_unwelcome = False
        self._refused: set[str] = set()  # receivers who take nothing now
        self._began_at = time.monotonic()
        self.give_up: Callable[[], None] = lambda: None
        self._taken: set[int] = (
            set()
        )  # letters that were taken: while the disk is full they cannot leave the outbox

    def tell(self) -> None:
        """There are new letters."""
        with self._condition:
            self._is_told = True
            self._condition.notify()

    def end(self) -> None:
        """Take no more; `join` waits for the letter that is under way."""
        with self._condition:
            self._is_ending = True
            self._condition.notify()

    def run(self) -> None:
        """Send, and sleep."""
        retry_at = 0.0  # monotonic: the transport rests till then
        is_first = True
        while True:
            try:
                if is_first:
                    # Whoever starts us anew may have mended something.
                    self._store.hurry(self.transport.name)
                    is_first = False
                letter = self._store.next_letter(self.transport.name)
                pause = self._pause_of(letter, retry_at)
                if pause is None or pause > 0:
                    self.transport.rest()
                    is_new = self._sleep(pause)
                    if is_new is None:
                        return
                    if is_new and not self._is_unwelcome:
                        retry_at = min(retry_at, self._tried_at + PROMPT_S)
                    continue
                assert letter is not None
                retry_at = time.monotonic() + self._send(letter)
            except Damaged as error:
                self._log(str(error))
                self.give_up()
                break
            except Exception as error:  # the disk may be full: nothing may end this thread
                self._log(f"{self.transport.text}: {type(error).__name__}: {error}")
                with self._condition:
                    self._condition.wait_for(lambda: self._is_ending, self._failed(DISK_MAX_S))
            with self._condition:
                if self._is_ending:
                    break
        self.transport.rest()

    def _pause_of(self, letter: Letter | None, retry_at: float) -> float | None:
        """Seconds until something is to be done; None: until somebody says so."""
        if letter is None:
            return None
        due_s = letter.due_at - time.time()
        if due_s > PAUSE_MAX_S:  # no pause is so long: the clock has been set back
            due_s = 0.0
        return max(due_s, retry_at - time.monotonic())

    def _sleep(self, pause: float | None) -> bool | None:
        """Until it is time, or there is something new; whether there is. None at the end."""
        with self._condition:
            if not self._is_told and not self._is_ending:
                self._condition.wait(pause)
            is_told, self._is_told = self._is_told, False
            return None if self._is_ending else is_told

    def _failed(self, max_s: float) -> float:
        """The transport has failed once more; seconds for which it is to rest."""
        self._failures += 1
        self._tried_at = time.monotonic()
        return pause_s(self._retry_s, self._failures, max_s)

    def _send(self, letter: Letter) -> float:
        """Send one; seconds for which the transport is to rest now."""
        letters = self._with_others(letter)
        try:
            if letter.number not in self._taken:
                self.transport.send(bundle_of(letters))
        except Never as error:
            self._log(f"{_name(letter)} is dropped: {error}")
            self._store.sent(letter)
            return 0.0
        except NotNow as error:
            if not self._is_too_old(letter, error):
                self._later(letter, error.is_of_receiver)
                if letter.tries == 0 and letter.receiver not in self._refused:
                    self._log(f"{_name(letter)} is tried again: {error}")
                if error.is_of_receiver:
                    self._refused.add(letter.receiver)
            return 0.0
        except Trouble as error:
            if self._is_ending:
                return 0.0
            self._is_unwelcome = isinstance(error, Unwelcome)
            max_s = PAUSE_MAX_S if self._is_unwelcome else REST_MAX_S
            pause = self._failed(max_s)
            if not self._is_too_old(letter, error):
                # The next try is another letter's, so that one that nobody can send does not hold up the rest.
                self._store.postpone(letter, time.time() + pause_s(self._retry_s, letter.tries + 1, max_s))
            if self._failures & (self._failures - 1) == 0:  # the 1st, 2nd, 4th …
                self._log(f"{self.transport.text}: {error}; tried again in {pause:.0f} s")
            return pause
        numbers = {one.number for one in letters}
        self._taken |= numbers
        self._store.sent(*letters)
        self._taken -= numbers
        if self._failures:
            self._log(f"{self.transport.text} works again")
        if self._failures >= DEAD_TRIES:
            self._store.hurry(self.transport.name)
        elif letter.receiver in self._refused:
            self._store.hurry(self.transport.name, letter.receiver)
        self._refused.discard(letter.receiver)
        self._failures, self._is_unwelcome = 0, False
        return 0.0

    def _with_others(self, letter: Letter) -> list[Letter]:
        """What is to be sent together with it, first of all itself."""
        if self.transport.bundle_max == 1 or letter.number in self._taken:
            return [letter]
        due = self._store.due_letters(self.transport.name, self.transport.bundle_max)
        others = [one for one in due if one.number != letter.number and one.number not in self._taken]
        return [letter, *others] if len(others) + 1 >= BUNDLE_MIN else [letter]

    def _later(self, letter: Letter, is_of_receiver: bool) -> None:
        """Not now: this letter, or all to its receiver."""
        if is_of_receiver:
            self._store.postpone_receiver(letter, lambda tries: pause_s(self._retry_s, tries))
        else:
            self._store.postpone(letter, time.time() + pause_s(self._retry_s, letter.tries + 1))

    def _is_too_old(self, letter: Letter, error: Exception) -> bool:
        """Give it up if it has waited for too long."""
        age_s = time.monotonic() - self._began_at
        if time.time() - letter.at <= self._keep_s or age_s < min(self._keep_s, YOUNG_MAX_S):
            return False
        self._log(f"{_name(letter)} is given up after {self._keep_s / 3600:.0f} hours: {error}")
        self._store.sent(letter)
        return True


class Senders:
    """All ways out."""

    def __init__(self, config: Config, store: Store, log: Log) -> None:
        """
        Raises:
            ConfigError: a transport cannot be used, or there is none.
        """
        self._config = config
        self._log = log
        self._senders = {
            transport.name: Sender(transport, store, config, log) for transport in transports_of(config)
        }
        for name, count in store.transports().items():
            if name in self._senders:
                continue
            new = self._heir_of(name)
            if new:
                store.hand_on(name, new)
                log(f"what waits for {name} ({count}) goes by {self._senders[new].transport.text} now")
            else:
                store.drop(name)
                log(f"{_notices(count)} dropped: {name} is no longer in {config.path}")
        if not self._senders:
            raise ConfigError(
                f"no way out: there is no local sendmail, and {config.path} has no notify = […] (docs/notify.md)"
            )

    def _heir_of(self, name: str) -> str:
        """The transport in the place of one that there is no more: the only one of its kind, as after a changed password."""
        kind = name.partition(":")[0]
        heirs = [one for one in self._senders if one.partition(":")[0] == kind]
        return heirs[0] if len(heirs) == 1 and ":" in name else ""

    def on_damage(self, act: Callable[[], None]) -> None:
        """What to do when the outbox can no longer be read; from any thread."""
        for sender in self._senders.values():
            sender.give_up = act

    @property
    def texts(self) -> list[str]:
        """The ways out, for a person."""
        return [sender.transport.text for sender in self._senders.values()]

    def letters_of(self, notice: Notice) -> Iterable[tuple[str, str]]:
        """(transport, receiver) of all letters of a notice."""
        for name in self._senders:
            if name != NAME:
                yield name, ""
                continue
            for address in receivers_of(self._config, notice.to, self._log):
                yield name, address

    def start(self) -> None:
        """Begin to send."""
        for sender in self._senders.values():
            sender.start()

    def tell(self, names: Iterable[str]) -> None:
        """There are new letters for these transports."""
        for name in names:
            self._senders[name].tell()

    def end(self, patience_s: float) -> None:
        """Take no more, and let what is under way be done."""
        for sender in self._senders.values():
            sender.end()
        end_s = time.monotonic() + patience_s
        for sender in self._senders.values():
            if sender.is_alive():
                sender.join(max(0.0, end_s - time.monotonic()))
            if sender.is_alive():
                sender.transport.abort()
                sender.join(2.0)


def _notices(count: int) -> str:
    return "1 notice is" if count == 1 else f"{count} notices are"


def _name(letter: Letter) -> str:
    return f"{letter.subject.partition(',')[0]!r}"
