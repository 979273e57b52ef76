"""Which topics somebody wants to hear of. What nobody wants need not be published: with 1,000 jobs a second that is most of all."""

from collections import Counter


class Subscriptions:
    """The topics that have a subscriber, each a prefix of what is published."""

    def __init__(self) -> None:
        self._topics: set[bytes] = set()
        self._lengths: Counter[int] = Counter()  # of these, so that one look for each length is enough

    def add(self, topic: bytes) -> None:
        """Somebody subscribes; the second to the same topic changes nothing."""
        if topic not in self._topics:
            self._topics.add(topic)
            self._lengths[len(topic)] += 1

    def remove(self, topic: bytes) -> None:
        """The last subscriber of a topic is gone."""
        if topic in self._topics:
            self._topics.remove(topic)
            self._lengths[len(topic)] -= 1
            if not self._lengths[len(topic)]:
                del self._lengths[len(topic)]

    def wants(self, topic: bytes) -> bool:
        """Whether somebody hears what is published under this topic."""
        return any(topic[:length] in self._topics for length in self._lengths)
