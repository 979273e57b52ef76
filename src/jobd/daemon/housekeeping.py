"""Forgets finished jobs when they are older than the configuration keeps them: in portions, so that nobody waits for it."""

import logging

from jobd.core.job import Now
from jobd.errors import JournalError
from jobd.journal.journal import FORGOTTEN_AT_ONCE_MAX, Journal

log = logging.getLogger("jobd")

EVERY_S = 3600.0
PORTION_PAUSE_S = 0.2  # between two portions: a tenth of the time at most


class Housekeeping:
    """When to look next. The first look is at the start."""

    def __init__(self, history_days: float) -> None:
        self.at_s = 0.0  # monotonic
        self._kept_s = history_days * 86400

    def do_if_due(self, journal: Journal, now: Now) -> int:
        """Forget one portion if it is time; how many were forgotten."""
        if now.mono_s < self.at_s:
            return 0
        count = 0
        try:
            count = journal.forget_finished(now.wall_s - self._kept_s)
        except JournalError as error:
            log.error("%s", error)  # old jobs take their room a little longer
        self.at_s = now.mono_s + (PORTION_PAUSE_S if count >= FORGOTTEN_AT_ONCE_MAX else EVERY_S)
        return count
