"""A proxy between the hub and a far system that counts the requests passing through it and changes nothing."""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

__all__ = ["CountingProxy", "proxy"]

_REQUEST = re.compile(rb"\b(GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS) (\S+) HTTP/1\.1\r\n")
_TAIL = 8192
"""Bytes kept of what went before: a request line may come in two pieces."""
_CHUNK = 65536


class CountingProxy:
    """Requests seen so far, by method and address (without its query)."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self.port = 0
        self.requests: Counter[str] = Counter()

    @property
    def url(self) -> str:
        """Where the hub is sent instead of to the system."""
        return f"http://127.0.0.1:{self.port}"

    def total(self) -> int:
        """All requests so far."""
        return sum(self.requests.values())

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of the hub."""
        try:
            there, back = await asyncio.open_connection(self._host, self._port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(self._pass(reader, back, counted=True), self._pass(there, writer, counted=False))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, counted: bool) -> None:
        tail = b""
        with contextlib.suppress(OSError, asyncio.CancelledError):
            while chunk := await reader.read(_CHUNK):
                if counted:
                    tail = self._count(tail + chunk)
                writer.write(chunk)
                await writer.drain()
        writer.close()

    def _count(self, data: bytes) -> bytes:
        end = 0
        for found in _REQUEST.finditer(data):
            address = found[2].partition(b"?")[0].decode("ascii", "replace")
            self.requests[f"{found[1].decode()} {address}"] += 1
            end = found.end()
        return data[end:][-_TAIL:]


@contextmanager
def proxy(url: str) -> Iterator[CountingProxy]:
    """A proxy to ``url`` that runs, in a thread of its own, while inside."""
    loop, counting, ready = asyncio.new_event_loop(), CountingProxy(url), threading.Event()

    async def start() -> None:
        server = await asyncio.start_server(counting.handle, "127.0.0.1", 0)
        counting.port = server.sockets[0].getsockname()[1]
        ready.set()

    def serve() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(start())
        loop.run_forever()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()

    thread = threading.Thread(target=serve, name="counting proxy", daemon=True)
    thread.start()
    if not ready.wait(10):
        raise RuntimeError(f"The proxy to {url} did not start.")
    try:
        yield counting
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
