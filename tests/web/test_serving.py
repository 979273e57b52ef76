"""Connections that do not say what they want are let go; those that do are kept."""

import asyncio
from typing import Any

import pytest
import uvicorn
from starlette.responses import PlainTextResponse
from uvicorn.server import ServerState

from jobd.web import serving

PATIENCE_S = 20.0
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "HEAD_S", 0.1)
    monkeypatch.setattr(serving, "KEEP_ALIVE_S", 0.1)


async def talk(*said: bytes) -> list[bytes]:
    """What is answered to each of these, one after the other on one connection; b"" is its end."""
    config = uvicorn.Config(
        PlainTextResponse("here"),
        http=serving.Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        timeout_keep_alive=60,
    )
    config.load()
    state = ServerState()

    def protocol() -> Any:
        return serving.Protocol(config=config, server_state=state, app_state={})

    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    answers = []
    for text in said:
        writer.write(text)
        answers.append(await asyncio.wait_for(reader.read(1000), PATIENCE_S))
    writer.close()
    server.close()
    return answers


@pytest.mark.parametrize("text", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: localhost\r\n"])
def test_who_does_not_come_to_the_end_of_a_request_is_let_go(text: bytes) -> None:
    assert asyncio.run(talk(text)) == [b""]


def test_nor_is_one_kept_who_has_been_answered_once() -> None:
    first, second, end = asyncio.run(talk(REQUEST, REQUEST, b"GET / HT"))
    assert b"here" in first and b"here" in second and end == b""
