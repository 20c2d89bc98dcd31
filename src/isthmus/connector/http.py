"""HTTP for connectors: one pooled client per system, limits on everything read, errors mapped to ours.

What counts as *unknown outcome* is decided here once for all connectors: a request that may have reached the system
and that is not safe to repeat (``safe=False``) raises ``UnknownOutcome`` when its answer does not come or is a 5xx
gateway answer; everything that surely had no effect raises ``Unavailable``.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, Self
from weakref import WeakSet

import aiohttp
import msgspec
from yarl import URL

from isthmus.connector.quota import WAIT, Quota, quotas_of, wait_of
from isthmus.errors import (
    IsthmusError,
    Misconfigured,
    RateLimited,
    Rejected,
    Retryable,
    Unauthorized,
    Unavailable,
    UnknownOutcome,
)

__all__ = ["HttpClient", "HttpSettings", "Response"]

CLOSING_STEP, CLOSING_LOOKS = 0.01, 100
"""Seconds between two looks whether the last connections are closed, and how many looks at most."""
_CLOUDY = frozenset({500, 502, 504})
"""Statuses that leave open whether a write happened; 503 means refused before work by convention (RFC 9110 15.6.4)."""


class HttpSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Connection settings that every HTTP connector shares (times in seconds, sizes in bytes)."""

    connect_timeout: float = 5.0
    read_timeout: float = 60.0
    max_response: int = 64 * 1024 * 1024
    concurrency: int = 8
    """Most requests under way at once to this system."""
    ca_file: Annotated[str, msgspec.Meta(extra={"path": True})] | None = None
    """PEM file of a private certificate authority; verification itself cannot be switched off."""


class Response(msgspec.Struct, frozen=True):
    """A complete answer with a 2xx, 3xx or 4xx status that the client did not turn into an error."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON with exact decimals. Raises ``Unavailable`` on anything that is not JSON."""
        try:
            return json.loads(self.body, parse_float=Decimal)
        except ValueError as error:
            raise Unavailable(
                f"The answer (status {self.status}, {len(self.body)} bytes) is not JSON.",
                advice="A proxy or an error page in between? Check the address.",
            ) from error


class HttpClient:
    """A pooled HTTP client for one far system.

    Redirects are refused (a credential must not follow one to another host). Bodies over ``max_response`` are cut off
    with an error. 401 and 403 become ``Unauthorized``, 429 ``RateLimited`` with the system's wait; other 4xx are given
    back for the connector to read.
    """

    def __init__(
        self, base_url: str, *, settings: HttpSettings | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        self._base = base_url.rstrip("/")
        self._settings = settings or HttpSettings()
        parsed = URL(self._base)
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise Misconfigured(
                f"'{base_url}' is not a web address.", advice="Write it as https://host or http://host:port."
            )
        self._host = f"{parsed.host}:{parsed.port}"
        self.headers: dict[str, str] = dict(headers or {})
        self.wait_header = "retry-after"
        """Header (lower case) in which the system tells how many seconds to wait, if it has its own name for it."""
        self._session: aiohttp.ClientSession | None = None
        self._sockets: WeakSet[socket.socket] = WeakSet()
        self._gate = asyncio.Semaphore(self._settings.concurrency)
        self._quotas: dict[str, Quota] = {}

    def quotas(self) -> Sequence[Quota]:
        """What the system last said of its limits, the newest of each."""
        return list(self._quotas.values())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Release the connections; safe to call twice. An encrypted one that a system has ended is open until both
        sides have said so: a loop that ends before would leave it to the garbage collector."""
        if self._session is not None:
            await self._session.close()
            self._session = None
            for _ in range(CLOSING_LOOKS):
                if all(made.fileno() < 0 for made in self._sockets):
                    break
                await asyncio.sleep(CLOSING_STEP)

    def _socket(self, address: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, _, _ = address
        made = socket.socket(family, kind, protocol)
        self._sockets.add(made)
        return made

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            context: ssl.SSLContext | bool = True
            if self._settings.ca_file:
                if not Path(self._settings.ca_file).is_file():
                    raise Misconfigured(f"The certificate file {self._settings.ca_file} does not exist.")
                context = ssl.create_default_context(cafile=self._settings.ca_file)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=self._settings.concurrency, ssl=context, socket_factory=self._socket
                ),
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=self._settings.connect_timeout, sock_read=self._settings.read_timeout
                ),
                auto_decompress=True,
            )
        return self._session

    async def request(
        self,
        method: str,
        path: str,
        *,
        json_body: Any = None,
        body: bytes | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        safe: bool | None = None,
        expect: Collection[int] = (),
    ) -> Response:
        """One request. ``safe`` (default: GET and HEAD) says that repeating it does no harm; answers with a status in
        ``expect`` are given back as they are, for connectors whose system says more in them.

        Raises ``Unauthorized``, ``RateLimited``, ``Unavailable``, ``UnknownOutcome``, ``Misconfigured`` (certificate).
        """
        safe = method in ("GET", "HEAD") if safe is None else safe
        sent_headers = {**self.headers, **(headers or {})}
        if json_body is not None:
            body = msgspec.json.encode(json_body)
            sent_headers.setdefault("Content-Type", "application/json")
        async with self._gate:
            try:
                async with self._open().request(
                    method,
                    self._base + path,
                    data=body,
                    params=params,
                    headers=sent_headers,
                    allow_redirects=False,
                ) as answer:
                    content = await self._read(answer)
                    status, got = answer.status, {k.lower(): v for k, v in answer.headers.items()}
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
                raise map_exception(error, self._host, safe=safe) from error
        if self.wait_header in got:
            got["retry-after"] = got[self.wait_header]
        now = datetime.now(UTC)
        self._note(quotas_of(got, now), served=status < 400)
        if status not in expect:
            _raise_for_status(status, got, self._host, wait_of(got, now), safe=safe)
        return Response(status, got, content)

    def _note(self, quotas: Sequence[Quota], *, served: bool) -> None:
        """Who is served need not wait, whatever a header of that name says."""
        found = {quota.name: quota for quota in quotas}
        if served:
            found.pop(WAIT, None)
            self._quotas.pop(WAIT, None)
        self._quotas |= found

    async def _read(self, answer: aiohttp.ClientResponse) -> bytes:
        limit = self._settings.max_response
        parts: list[bytes] = []
        size = 0
        async for part in answer.content.iter_chunked(256 * 1024):
            size += len(part)
            if size > limit:
                answer.close()
                raise ValueError(f"answer larger than {limit} bytes")
            parts.append(part)
        return b"".join(parts)


def map_exception(error: Exception, host: str, *, safe: bool) -> IsthmusError:
    """Our error for an exception of the HTTP library.

    Connection errors before anything was sent are ``Unavailable``; a lost or half answer to an unsafe request is
    ``UnknownOutcome``; a certificate that does not verify is ``Misconfigured``.
    """
    match error:
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError():
            return Misconfigured(
                f"The certificate of {host} does not verify.",
                advice="Set ca_file to the PEM file of your certificate authority; verification stays on.",
            )
        case aiohttp.InvalidURL():
            return Misconfigured(f"The address of {host} is not valid.")
        case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError():
            return Unavailable(
                f"{host} cannot be reached ({_cause(error)}).", advice="Is the system up, the port right?"
            )
        case ValueError() if not isinstance(error, aiohttp.ClientError):
            return Rejected(f"{host}: {error}.") if safe else UnknownOutcome(f"{host}: {error}.")
    reason = "no answer in time" if isinstance(error, TimeoutError) else f"connection lost ({_cause(error)})"
    kind: type[Retryable] = Unavailable if safe else UnknownOutcome
    return kind(f"{host}: {reason}.")


def _cause(error: Exception) -> str:
    inner = getattr(error, "os_error", None)
    if isinstance(inner, OSError) and inner.strerror:
        return inner.strerror
    return type(error).__name__


def _raise_for_status(status: int, headers: Mapping[str, str], host: str, wait: float | None, *, safe: bool) -> None:
    if status in (401, 403):
        raise Unauthorized(
            f"{host} refuses our credentials or rights (status {status}).",
            advice="Renew the secret that isthmus.toml refers to, or ask for the right.",
        )
    if status == 429:
        raise RateLimited(f"{host} asks us to slow down.", wait=wait)
    if status == 503:
        raise Unavailable(f"{host} is not available (status 503).", wait=wait)
    if status >= 500:
        if safe or status not in _CLOUDY:
            raise Unavailable(f"{host} failed (status {status}).")
        raise UnknownOutcome(f"{host} failed (status {status}) and does not say whether the write happened.")
    if 300 <= status < 400 and status != 304:
        raise Misconfigured(
            f"{host} redirects to another address (status {status}).", advice="Configure the final address."
        )
