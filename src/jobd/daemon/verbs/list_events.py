"""list_events: events from a number on, for those who missed some."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from jobd.daemon.peers import Peer
from jobd.limits import EVENTS_PAGE_MAX
from jobd.wire.codec import build, unpack
from jobd.wire.messages import Event, EventPage, ListEvents

if TYPE_CHECKING:
    from jobd.daemon.loop import Server


def handle(server: "Server", peer: Peer, request: ListEvents) -> Callable[[], EventPage]:
    """Those that are kept; `oldest_seq` tells whether some are not."""
    rows_max = max(1, min(request.rows_max, EVENTS_PAGE_MAX))

    def answer() -> EventPage:
        bodies = server.journal.events_after(max(0, request.after_seq), rows_max)
        events = [build(Event, unpack(body)) for body in bodies]
        return EventPage(events, server.journal.oldest_seq, server.status().last_seq)

    return answer
