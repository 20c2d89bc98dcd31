"""The client that all connectors share, where a connection ends."""

from __future__ import annotations

import asyncio
import gc
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from isthmus.connector import HttpClient, HttpSettings

TLS = Path(__file__).parents[1] / "e2e" / "tls"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One answer; what the client says of the end of the connection is heard a moment later."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(ANSWER)
    await writer.drain()
    time.sleep(0.1)  # noqa: ASYNC251 - a server that is busy, with all of its connections
    writer.close()


@pytest.fixture
def encrypted() -> Iterator[str]:
    """Address of a server that ends each connection, in a thread of its own."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(TLS / "certificate.pem", TLS / "key.pem")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def do(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(10)

    async def end(server: asyncio.Server) -> None:
        server.close()
        await server.wait_closed()

    server = do(asyncio.start_server(_answer, "127.0.0.1", 0, ssl=context))
    yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    do(end(server))
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


def test_no_encrypted_connection_outlives_the_program(encrypted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[str] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda found: left.append(str(found.exc_value)))

    async def ask() -> bytes:
        settings = HttpSettings(ca_file=str(TLS / "certificate.pem"))
        async with HttpClient(encrypted, settings=settings) as client:
            return (await client.request("GET", "/")).body

    for _ in range(5):
        assert asyncio.run(ask()) == b"ok"
        gc.collect()
    assert left == []
