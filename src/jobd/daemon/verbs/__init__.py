"""One handler a verb, in a module of the verb's name: `handle(server, peer, request)`.

A handler checks, admits events, and returns what builds the reply once all is committed. It raises JobdError to refuse.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from jobd.wire.verbs import VERBS

HANDLERS: dict[str, Callable[[Any, Any, Any], Callable[[], Any]]] = {
    verb: import_module(f"{__name__}.{verb}").handle for verb in VERBS
}
