"""What happens in the queue's folder, as it happens: by the kernel's inotify, through watchdog.

watchdog's observers hold every move back for half a second to find its other half. We need no halves, and no pause: so this is its reader of
inotify alone, which hands on each event at once and sleeps in between.
"""

import itertools
import os
from collections.abc import Callable
from typing import NamedTuple

from watchdog.observers.inotify_c import (
    CallbackId,
    InotifyConstants,
    InotifyEvent,
    InotifyFD,
    Mask,
    WatchDescriptor,
)

_QUEUE = Mask(
    InotifyConstants.IN_CREATE
    | InotifyConstants.IN_MOVED_TO
    | InotifyConstants.IN_MOVED_FROM
    | InotifyConstants.IN_DELETE
    | InotifyConstants.IN_MODIFY
    | InotifyConstants.IN_CLOSE_WRITE
    | InotifyConstants.IN_DELETE_SELF
    | InotifyConstants.IN_MOVE_SELF
    | InotifyConstants.IN_ONLYDIR
)
_BELOW = Mask(
    InotifyConstants.IN_CREATE
    | InotifyConstants.IN_MOVED_TO
    | InotifyConstants.IN_MODIFY
    | InotifyConstants.IN_ATTRIB
    | InotifyConstants.IN_CLOSE_WRITE
    | InotifyConstants.IN_DELETE
    | InotifyConstants.IN_MOVED_FROM
    | InotifyConstants.IN_ONLYDIR
    | InotifyConstants.IN_DONT_FOLLOW
)
_ids = itertools.count()

ARRIVED = "arrived"  # moved in, whole
GROWS = "grows"  # made there, or changed since
LEFT = "left"
LOST = "lost"  # some events were: look at everything
GONE = "gone"  # the queue's folder itself


class Seen(NamedTuple):
    """Something happened to what bears that name in the queue."""

    kind: str
    name: str
    before: str = ""  # of what arrived: the name that it had in the queue until now


class Watch:
    """Tells what happens in a folder, from a thread of its own."""

    def __init__(self, folder: str, tell: Callable[[Seen], None]) -> None:
        """
        Raises:
            OSError: the folder is not there, or the system watches too much already.
        """
        self._folder = folder
        self._tell = tell
        self._inotify = InotifyFD()
        self._left_last = (0, "")
        self._below: dict[str, list[tuple[WatchDescriptor, CallbackId]]] = {}
        self._inotify.add_callback(os.fsencode(folder), _QUEUE, self, CallbackId(next(_ids)))
        self._inotify.start()

    def close(self) -> None:
        """No more is told."""
        self._inotify.stop()

    # ---- what is being copied
    def look_below(self, name: str) -> None:
        """Tell also what changes inside of that folder, as deep as it is. Where the system has no room for more watches, less is told."""
        if name not in self._below:
            self._below[name] = []
            self._add(name, os.path.join(self._folder, name))

    def look_away(self, name: str) -> None:
        """Tell no more of the inside of that folder."""
        watches = self._below.pop(name, None)
        if watches:
            self._inotify.remove_callbacks(watches)

    def _add(self, name: str, path: str) -> None:
        stack = [path]
        while stack:
            here = stack.pop()
            try:
                watches, number = self._below[name], CallbackId(next(_ids))
                watch = self._inotify.add_callback(
                    os.fsencode(here), _BELOW, _Below(self, name, here), number
                )
                watches.append((watch, number))
                with os.scandir(here) as entries:
                    stack += [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
            except (OSError, KeyError):
                return  # its newest change is looked for once more before it is taken

    def grew(self, name: str, path: str, is_folder: bool) -> None:
        """Something changed inside of a folder; a new folder in it is watched too."""
        if is_folder and name in self._below:
            self._add(name, path)
        self._tell(Seen(GROWS, name))

    # ---- what watchdog calls
    def on_event(self, event: InotifyEvent) -> None:
        """Something in the queue's folder."""
        if event.is_delete_self or event.is_move_self:
            self._tell(Seen(GONE, ""))
        elif event.name:
            name = os.fsdecode(event.name)
            if event.is_moved_to:
                # The kernel tells the two halves of a renaming one after the other.
                before = self._left_last[1] if self._left_last[0] == event.cookie else ""
                self._tell(Seen(ARRIVED, name, before))
            elif event.is_moved_from or event.is_delete:
                self._left_last = (event.cookie, name)
                self._tell(Seen(LEFT, name))
            else:
                self._tell(Seen(GROWS, name))

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:
        """The queue's folder is no longer watched."""
        self._tell(Seen(GONE, ""))

    def on_queue_overflow(self) -> None:
        """The kernel had no room for all events."""
        self._tell(Seen(LOST, ""))


class _Below:
    """The inside of a folder that is being copied."""

    def __init__(self, watch: Watch, name: str, path: str) -> None:
        self._watch, self._name, self._path = watch, name, path

    def on_event(self, event: InotifyEvent) -> None:
        is_new_folder = bool(event.mask & InotifyConstants.IN_ISDIR) and (
            event.is_create or event.is_moved_to
        )
        self._watch.grew(self._name, os.path.join(self._path, os.fsdecode(event.name)), is_new_folder)

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:
        pass

    def on_queue_overflow(self) -> None:
        pass
