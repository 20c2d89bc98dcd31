"""The door of every route of the API: who calls, by bearer token; whether its scopes are enough; and whether the same
call came before with the same Idempotency-Key."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.enums import ScopeType
from litestar.handlers import BaseRouteHandler
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from isthmus.api.v1.problems import Failed
from isthmus.api.v1.scopes import OPEN, SCOPES
from isthmus.api.v1.site import ApiSite, Call
from isthmus.app.access import Permission, Principal
from isthmus.app.bootstrap import clock
from isthmus.desk.costing import COST

__all__ = ["LARGEST_BODY", "Door", "caller", "guard"]

LARGEST_BODY = 256 * 1024
"""Bytes of a request."""
KEY = re.compile(r"[\x21-\x7e]{1,200}")
SAFE = ("GET", "HEAD", "OPTIONS")
_NEEDED = {(method, path.replace(":str}", "}")): needed for (method, path), needed in SCOPES.items()}
KEPT = ("content-type", "etag", "location")
"""Headers of an answer that are given again with it."""


def site_of(scope: Scope) -> ApiSite:
    """The API that is asked."""
    site: ApiSite = scope["litestar_app"].state.api
    return site


def caller(request: Call) -> Principal:
    """Whom the caller acts for; the guard has seen to it."""
    principal: Principal = request.state.caller
    return principal


async def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Let the call in when its token's scopes are enough."""
    method = connection.scope["method"]  # type: ignore[typeddict-item]
    needed = _NEEDED["GET" if method == "HEAD" else method, connection.scope["path_template"]]
    principal: Principal | None = connection.state.caller
    if needed == OPEN:
        return
    if principal is None:
        raise Failed(401, "no-token", "A valid token is needed: Authorization: Bearer isth_…")
    if not principal.may(Permission(needed)):
        raise Failed(403, "no-scope", f"The token, or its person, lacks the scope '{needed}'.")


class Door(ASGIMiddleware):
    """Finds out who calls, and answers a repeated call as it was answered before."""

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """See the class."""
        request: Call = Request(scope, receive, send)
        if "\x00" in scope["path"] or b"%00" in scope["query_string"]:
            raise Failed(400, "bad-request", "No name has a zero byte.")
        site = site_of(scope)
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        secret = token.strip() if scheme.lower() == "bearer" else ""
        principal = await site.access.by_token(secret) if secret.isascii() else None
        request.state.caller = principal
        if principal is not None and request.method not in SAFE:
            await _check_body(request)
        key = request.headers.get("idempotency-key")
        if key is None or request.method in SAFE or principal is None:
            await next_app(scope, receive, send)
            return
        if not KEY.fullmatch(key):
            raise Failed(400, "bad-request", "An Idempotency-Key has 1 to 200 printable ASCII characters.")
        asked = f"{request.method} {request.url.path}?{request.url.query}\n".encode() + await request.body()
        if principal.sees(COST):
            # Another token of the same person may not see it: what this one is answered is not for that one.
            asked += b"\ncost"
        digest = hashlib.sha256(asked).digest()
        before = await site.calls.begin(principal.login, key, digest, clock())
        if before is None:
            await self._carry_out(site, principal.login, key, (scope, receive, send), next_app)
        elif before.digest != digest:
            raise Failed(422, "key-reused", "This Idempotency-Key was used for another request.")
        elif before.status is None:
            raise Failed(409, "under-way", "The same request is being carried out.", advice="Ask again in a moment.")
        else:
            await _again(send, before.status, dict(before.headers or {}), before.body or b"")

    async def _carry_out(
        self, site: ApiSite, login: str, key: str, call: tuple[Scope, Receive, Send], next_app: ASGIApp
    ) -> None:
        """Answers of calls that did something are kept; after an error the key may be used again."""
        scope, receive, send = call
        status, headers, parts = 0, {}, []

        async def kept(message: Message) -> None:
            nonlocal status, headers
            if message["type"] == "http.response.start":
                status = message["status"]
                found = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in message["headers"]}
                headers = {name: found[name] for name in KEPT if name in found}
            elif message["type"] == "http.response.body":
                parts.append(bytes(message["body"]))
                if not message.get("more_body") and 200 <= status < 300:
                    # Before the client hears of it: whoever has the answer finds it again.
                    await site.calls.end(login, key, status, headers, b"".join(parts))
            await send(message)

        try:
            await next_app(scope, receive, kept)
        finally:
            if not 200 <= status < 300:
                await site.calls.drop(login, key)


async def _check_body(request: Call) -> None:
    """Size, and what no database holds."""
    length = request.headers.get("content-length", "0")
    if length.isdecimal() and int(length) > LARGEST_BODY:
        raise Failed(413, "too-large", f"A request has at most {LARGEST_BODY} bytes.")
    if b"\\u0000" in await request.body():
        raise Failed(400, "bad-request", "No text has a zero byte.")


async def _again(send: Send, status: int, headers: dict[str, str], body: bytes) -> None:
    pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    pairs += [(b"idempotency-replayed", b"true"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body, "more_body": False})
