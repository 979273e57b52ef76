"""Mail by the local sendmail, or a program that is called alike (postfix, exim, msmtp). Its exit codes are those of sysexits.h."""

import contextlib
import os
import signal
import subprocess

from jobd.notify.config import Config, MailServer
from jobd.notify.message import mail_of, own_address
from jobd.notify.smtp import NAME
from jobd.notify.store import Letter
from jobd.notify.transport import Never, NotNow, Trouble, Unwelcome

# The same letter again would be the same. All others tell of the program, its configuration or the way to its server, and not of the
# letter: msmtp says EX_NOHOST where no name can be looked up as on a train, EX_NOPERM where its login is refused, EX_USAGE is all letters'.
_NEVER = frozenset({os.EX_DATAERR, os.EX_NOUSER})
_UNWELCOME = frozenset({os.EX_USAGE, os.EX_NOPERM, os.EX_CONFIG})
_WORDS = {
    os.EX_USAGE: "wrong usage",
    os.EX_DATAERR: "it does not like the data",
    os.EX_NOUSER: "no such user",
    os.EX_NOHOST: "no such host",
    os.EX_NOPERM: "not permitted",
    os.EX_CONFIG: "its configuration is wrong",
}


class Sendmail:
    """The local mail program."""

    name = NAME
    bundle_max = 1  # filters look at the subject of each

    def __init__(self, config: Config, server: MailServer) -> None:
        """Nothing is started yet."""
        self._config = config
        self._program = server.program
        self._sender = config.sender or own_address()
        self._process: subprocess.Popen[bytes] | None = None
        self.text = server.text

    def send(self, letter: Letter) -> None:
        """As Transport.send."""
        mail = mail_of(
            key=letter.key,
            receiver=letter.receiver,
            sender=self._sender,
            subject=letter.subject,
            body=letter.body,
            at_s=letter.at,
        )
        # It wants the line ends of this machine.
        data = mail.as_bytes(policy=mail.policy.clone(linesep="\n"))
        try:
            self._process = subprocess.Popen(
                [self._program, "-i", "--", letter.receiver],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise Trouble(f"{self._program}: {error.strerror}") from None
        process = self._process
        try:
            _, said = process.communicate(data, timeout=2 * self._config.timeout_s)
        except subprocess.TimeoutExpired:
            self.abort()
            process.communicate()
            raise Trouble(f"{self._program} does not come to an end") from None
        finally:
            self._process = None
        code = process.returncode
        if code == 0:
            return
        lines = " ".join(said.decode("utf-8", "replace").split())[:300]
        text = f"{self._program}: {lines or _WORDS.get(code, f'exit code {code}')}"
        if code in _NEVER:
            raise Never(text)
        if code in _UNWELCOME:
            raise Unwelcome(text)
        raise (NotNow if code == os.EX_TEMPFAIL else Trouble)(text)

    def rest(self) -> None:
        """As Transport.rest."""

    def abort(self) -> None:
        """As Transport.abort."""
        process = self._process
        if process is not None:
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
