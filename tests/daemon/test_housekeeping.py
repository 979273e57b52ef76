"""Old jobs are forgotten by themselves, in portions."""

from core.worlds import at
from daemon.houses import House, batch_id_range, left, rows
from jobd.daemon.housekeeping import EVERY_S, Housekeeping
from jobd.errors import JournalError
from jobd.journal.journal import FORGOTTEN_AT_ONCE_MAX

DAY_S = 86400.0


def test_what_ended_long_ago_is_forgotten_at_the_start_and_every_hour(house: House) -> None:
    batch_id_range(house, "a", 2)
    house.tick(left(house, 1, ended_at=at(0).wall_s))
    house.seconds = DAY_S
    house.tick(left(house, 2, ended_at=at(DAY_S).wall_s))
    keeper = Housekeeping(history_days=1.0)
    assert keeper.do_if_due(house.journal, at(DAY_S + 1)) == 1
    assert list(rows(house, is_finished=True)) == [2] and keeper.at_s == at(DAY_S + 1 + EVERY_S).mono_s
    assert keeper.do_if_due(house.journal, at(DAY_S + 2)) == 0


class Many:
    """A journal in which there is much to forget."""

    def __init__(self, count: int) -> None:
        self.count = count

    def forget_finished(self, before_s: float) -> int:
        if self.count < 0:
            raise JournalError("disk full")
        portion = min(self.count, FORGOTTEN_AT_ONCE_MAX)
        self.count -= portion
        return portion


def test_much_is_forgotten_in_portions_with_pauses_between() -> None:
    keeper, journal, seconds, looks = Housekeeping(90.0), Many(2 * FORGOTTEN_AT_ONCE_MAX + 1), 0.0, 0
    while journal.count:
        seconds = max(seconds, keeper.at_s - at(0).mono_s)
        keeper.do_if_due(journal, at(seconds))  # type: ignore[arg-type]
        looks += 1
    assert looks == 3 and 0 < seconds < 5 and keeper.at_s == at(seconds).mono_s + EVERY_S


def test_a_journal_that_cannot_be_written_now_is_tried_again_later() -> None:
    keeper = Housekeeping(90.0)
    assert keeper.do_if_due(Many(-1), at(0)) == 0  # type: ignore[arg-type]
    assert keeper.at_s > at(0).mono_s
