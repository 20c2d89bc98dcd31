"""A proxy with bad days: stands before any HTTP system on loopback and spoils answers on demand.

async with FaultyProxy("http://127.0.0.1:8000") as proxy:
    system = await connector.open(config_with(url=proxy.url))
    proxy.fail(Fault.SWALLOW, when=lambda request: request.method == "POST")
    ...
    await proxy.heal()
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

__all__ = ["Fault", "FaultyProxy", "Request"]


class Fault(StrEnum):
    """What happens to a request. *Not forwarded* means that the far system never sees it."""

    DROP = "drop"
    """Connection closed without an answer; not forwarded."""
    BUSY = "busy"
    """503 with ``Retry-After: 7``; not forwarded."""
    TOO_MANY = "too many"
    """429 with ``Retry-After: 7``; not forwarded."""
    BROKEN = "broken"
    """500 with an error page; not forwarded."""
    GARBAGE = "garbage"
    """200 with an HTML page where the answer should be; not forwarded."""
    NOISE = "noise"
    """Bytes that are not HTTP at all; not forwarded."""
    GARBAGE_AFTER = "garbage after"
    """Forwarded, then the answer's body is replaced by an HTML page."""
    HALF = "half"
    """Forwarded, then half of the answer is sent and the connection closed."""
    SWALLOW = "swallow"
    """Forwarded, then the connection is closed without the answer."""
    DELAY = "delay"
    """Forwarded, then the answer waits ``delay`` seconds."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request as the proxy saw it; ``number`` counts from 1."""

    number: int
    method: str
    path: str
    body: bytes


@dataclass(slots=True)
class _Rule:
    fault: Fault
    when: Callable[[Request], bool]
    times: int | None
    delay: float


CLOSING = 1.0
"""Seconds within which a connection has to be closed by both sides."""
_PAGE = b"<html><body><h1>It works!</h1></body></html>"
_CANNED = {
    Fault.BUSY: (b"503 Service Unavailable", b"Retry-After: 7\r\n"),
    Fault.TOO_MANY: (b"429 Too Many Requests", b"Retry-After: 7\r\n"),
    Fault.BROKEN: (b"500 Internal Server Error", b""),
    Fault.GARBAGE: (b"200 OK", b""),
    Fault.GARBAGE_AFTER: (b"200 OK", b""),
}
_AFTER = frozenset({Fault.GARBAGE_AFTER, Fault.HALF, Fault.SWALLOW, Fault.DELAY})


class FaultyProxy:
    """A forwarding HTTP/1.1 proxy on ``url``, healthy until :meth:`fail` is called. One request per connection, so
    that a pooled connection never hides a fault. With ``tls`` (a server's context) it speaks HTTPS."""

    def __init__(self, upstream: str, *, tls: ssl.SSLContext | None = None) -> None:
        parts = urlsplit(upstream)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"not a web address: {upstream}")
        self._secure = parts.scheme == "https"
        self._host, self._port = parts.hostname, parts.port or (443 if self._secure else 80)
        self._path = parts.path.rstrip("/")
        self._tls = tls
        self._listening = 0
        self._server: asyncio.Server | None = None
        self._rules: list[_Rule] = []
        self._writers: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None] | None] = set()
        """Held so that none is collected while it waits for a peer who is gone."""
        self.seen: list[Request] = []
        """Every request that arrived, in order."""

    @property
    def url(self) -> str:
        """Address to give to the connector instead of the system's own."""
        scheme = "http" if self._tls is None else "https"
        return f"{scheme}://127.0.0.1:{self._listening}{self._path}"

    async def __aenter__(self) -> Self:
        await self.heal()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def fail(
        self,
        fault: Fault,
        *,
        when: Callable[[Request], bool] = lambda request: True,
        times: int | None = None,
        delay: float = 0.0,
    ) -> None:
        """Spoil matching requests from now on (``times``: only so many). Rules added first win."""
        self._rules.append(_Rule(fault, when, times, delay))

    async def heal(self) -> None:
        """Forget all faults and listen (again) on the same port."""
        self._rules.clear()
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._listening, ssl=self._tls)
            self._listening = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Refuse connections, as a system that is down; :meth:`heal` brings it back."""
        if self._server is not None:
            self._server.close()
            for writer in list(self._writers):
                writer.close()
            self._server = None

    def _rule_for(self, request: Request) -> _Rule | None:
        for rule in self._rules:
            if rule.times != 0 and rule.when(request):
                if rule.times is not None:
                    rule.times -= 1
                return rule
        return None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._serving.add(task)
        self._writers.add(writer)
        try:
            head, body = await _read_message(reader)
            method, path = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")[:2]
            request = Request(len(self.seen) + 1, method, path, body)
            self.seen.append(request)
            writer.write(await self._answer(request, head, self._rule_for(request)))
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError, ValueError):
            pass  # the client or the system went away; closing is the answer
        finally:
            self._writers.discard(writer)
            await _closed(writer)
            self._serving.discard(task)

    async def _answer(self, request: Request, head: bytes, rule: _Rule | None) -> bytes:
        if rule is None:
            return await self._forward(head, request.body)
        answer = b""
        if rule.fault in _AFTER:
            answer = await self._forward(head, request.body)
        match rule.fault:
            case Fault.DROP | Fault.SWALLOW:
                return b""
            case Fault.NOISE:
                return b"\x16\x03\x01 this is not HTTP\r\n\r\n"
            case Fault.HALF:
                start = answer.index(b"\r\n\r\n") + 4
                return answer[: (start + len(answer)) // 2 if len(answer) > start + 1 else start // 2]
            case Fault.DELAY:
                await asyncio.sleep(rule.delay)
                return answer
        status, extra = _CANNED[rule.fault]
        size = str(len(_PAGE)).encode()
        return (
            b"HTTP/1.1 "
            + status
            + b"\r\nContent-Type: text/html\r\nConnection: close\r\n"
            + (extra + b"Content-Length: " + size + b"\r\n\r\n" + _PAGE)
        )

    async def _forward(self, head: bytes, body: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(
            self._host, self._port, ssl=ssl.create_default_context() if self._secure else None
        )
        try:
            writer.write(_closing(head, len(body)) + body)
            await writer.drain()
            answer_head, answer_body = await _read_message(reader, request_head=head)
            return _closing(answer_head, len(answer_body)) + answer_body
        finally:
            await _closed(writer)


async def _closed(writer: asyncio.StreamWriter) -> None:
    """Close a connection; one whose peer does not take part in it (TLS) is cut off."""
    writer.close()
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(CLOSING):
            await writer.wait_closed()
    writer.transport.abort()


async def _read_message(reader: asyncio.StreamReader, request_head: bytes | None = None) -> tuple[bytes, bytes]:
    """One HTTP message: its head (with the empty line) and its whole body, chunks joined."""
    head = await reader.readuntil(b"\r\n\r\n")
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(b":") for line in head.split(b"\r\n")[1:])
    }
    if headers.get(b"transfer-encoding", b"").lower() == b"chunked":
        return head, await _read_chunks(reader)
    if b"content-length" in headers:
        if request_head is not None and request_head.startswith(b"HEAD "):
            return head, b""
        return head, await reader.readexactly(int(headers[b"content-length"]))
    if request_head is None or head.split(b" ", 2)[1] in (b"204", b"304"):
        return head, b""
    return head, await reader.read()


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    parts: list[bytes] = []
    while True:
        size = int((await reader.readline()).split(b";")[0], 16)
        part = await reader.readexactly(size)
        await reader.readline()
        if not size:
            return b"".join(parts)
        parts.append(part)


def _closing(head: bytes, size: int) -> bytes:
    """The head for one plain message on a connection that ends after it."""
    first, *lines = head.rstrip(b"\r\n").split(b"\r\n")
    dropped = (b"connection", b"transfer-encoding", b"content-length", b"keep-alive")
    kept = [line for line in lines if line.partition(b":")[0].strip().lower() not in dropped]
    return b"\r\n".join([first, *kept, b"Content-Length: " + str(size).encode(), b"Connection: close", b"", b""])
