"""Work that waits, in a thread of its own which the program's end does not wait for: a server may take its time, or hang."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any


async def aside(what: Callable[..., Any], *arguments: Any) -> Any:
    """What it answers, or its error."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Any] = loop.create_future()

    def tell(value: Any, error: BaseException | None) -> None:
        if answer.done():
            return  # nobody waits for it any more
        if error is None:
            answer.set_result(value)
        else:
            answer.set_exception(error)

    def work() -> None:
        value, error = None, None
        try:
            value = what(*arguments)
        except BaseException as raised:
            error = raised
        try:
            loop.call_soon_threadsafe(tell, value, error)
        except RuntimeError:
            pass  # the loop is closed: the program is over

    threading.Thread(target=work, name="aside", daemon=True).start()
    return await answer
