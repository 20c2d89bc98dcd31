"""Ids with slashes in addresses: ``/approvals/quote%2FQU-1%2Fapproval`` names one approval.

Processes and approvals are called by the document that they are about, ``quote/QU-1``. A program or a link writes the
slash as ``%2F`` (RFC 3986); servers decode that before they route, and the id falls into pieces. Here it stays whole
while the route is looked for, and is itself again in what the handler gets.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from litestar import Litestar
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

__all__ = ["WholeIds", "restore_slashes"]

STAND_IN = "\ue000"
"""Of a slash within one part of a path: a character of nobody's (private use), so that it is in no id."""


class WholeIds(Litestar):
    """An application whose path parameters may hold slashes, written as ``%2F``. Needs :func:`restore_slashes` as its
    first middleware."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # type: ignore[override]
        """As Litestar's."""
        raw = scope.get("raw_path") or b""
        if scope["type"] == ScopeType.HTTP and b"%2f" in raw.lower():
            parts = raw.split(b"?", 1)[0].decode("ascii", "replace").split("/")
            scope["path"] = "/".join(unquote(part).replace("/", STAND_IN) for part in parts)
        await super().__call__(scope, receive, send)


def restore_slashes(app: ASGIApp) -> ASGIApp:
    """Middleware: once the route is found, address and parameters say again what was asked for."""

    async def restored(scope: Scope, receive: Receive, send: Send) -> None:
        if STAND_IN in scope["path"]:
            scope["path"] = scope["path"].replace(STAND_IN, "/")
            parameters: dict[str, Any] = scope["path_params"]
            scope["path_params"] = {
                name: value.replace(STAND_IN, "/") if isinstance(value, str) else value
                for name, value in parameters.items()
            }
        await app(scope, receive, send)

    return restored
