"""The twin's webhooks: endpoints, secrets told once, signed calls."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import secrets
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import aiohttp
from aiohttp import web

from isthmus.connectors.bottlecrm.twin_rules import Refused

__all__ = ["TwinHooks", "signature"]

_MOST = 10
_TOLD = (
    *("id", "name", "status", "first_name", "last_name", "title", "organization", "email", "phone", "website"),
    *("industry", "annual_revenue", "stage", "amount", "probability", "closed_on", "currency", "updated_at"),
)


def signature(secret: str, body: bytes, sent: int) -> str:
    """The header ``X-BottleCRM-Signature`` of a call made at this time (seconds since 1970)."""
    digest = hmac.new(secret.encode(), f"{sent}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={sent},v1={digest}"


class TwinHooks:
    """Endpoints of one organisation, and what they are still to be told."""

    def __init__(self) -> None:
        self.endpoints: list[dict[str, Any]] = []
        self.delivered: list[tuple[str, int]] = []
        """Event and status of every call that was answered (0: it was not)."""
        self._waiting: list[tuple[str, dict[str, Any]]] = []

    def routes(self, router: web.UrlDispatcher) -> None:
        """Add the endpoints of the API."""
        router.add_get("/api/webhooks/", self._list)
        router.add_post("/api/webhooks/", self._make)
        router.add_patch("/api/webhooks/{id}/", self._change)
        router.add_delete("/api/webhooks/{id}/", self._remove)
        router.add_post("/api/webhooks/{id}/rotate-secret/", self._rotate)

    def note(self, event: str, row: dict[str, Any]) -> None:
        """Something happened to a row; told at the end of the request."""
        self._waiting.append((event, {name: row[name] for name in _TOLD if name in row}))

    async def flush(self) -> None:
        """Call everybody who asked for what happened."""
        waiting, self._waiting = self._waiting, []
        calls = [
            self._call(endpoint, event, data)
            for event, data in waiting
            for endpoint in self.endpoints
            if endpoint["is_active"] and event in endpoint["events"]
        ]
        await asyncio.gather(*calls)

    async def _call(self, endpoint: dict[str, Any], event: str, data: dict[str, Any]) -> None:
        now = datetime.now(UTC)
        told = {"id": str(uuid4()), "event": event, "created_at": now.isoformat(), "org_id": str(uuid4()), "data": data}
        body = json.dumps(told, separators=(",", ":")).encode()
        headers = {
            "Content-Type": "application/json",
            "X-BottleCRM-Event": event,
            "X-BottleCRM-Delivery": str(uuid4()),
            "X-BottleCRM-Signature": signature(endpoint["secret"], body, int(now.timestamp())),
        }
        status = 0
        try:
            timeout = aiohttp.ClientTimeout(total=10)
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.post(endpoint["url"], data=body, headers=headers) as answer,
            ):
                status = answer.status
        except (aiohttp.ClientError, TimeoutError, OSError):
            status = 0
        self.delivered.append((event, status))

    def _find(self, request: web.Request) -> dict[str, Any]:
        for endpoint in self.endpoints:
            if endpoint["id"] == request.match_info["id"]:
                return endpoint
        raise Refused(404, {"detail": "Not found."})

    async def _list(self, request: web.Request) -> web.Response:
        return web.json_response({"endpoints": [_public(each) for each in self.endpoints], "limit": _MOST})

    async def _make(self, request: web.Request) -> web.Response:
        if len(self.endpoints) >= _MOST:
            raise Refused(400, {"error": True, "errors": f"An organization can have at most {_MOST} webhooks."})
        endpoint = {
            "id": str(uuid4()),
            "is_active": True,
            "description": "",
            "secret": _secret(),
            **await request.json(),
        }
        self.endpoints.append(endpoint)
        return web.json_response({**_public(endpoint), "secret": endpoint["secret"]}, status=201)

    async def _change(self, request: web.Request) -> web.Response:
        endpoint = self._find(request)
        endpoint.update(await request.json())
        return web.json_response(_public(endpoint))

    async def _remove(self, request: web.Request) -> web.Response:
        self.endpoints.remove(self._find(request))
        return web.Response(status=204)

    async def _rotate(self, request: web.Request) -> web.Response:
        endpoint = self._find(request)
        endpoint["secret"] = _secret()
        return web.json_response({"secret": endpoint["secret"], "secret_hint": _public(endpoint)["secret_hint"]})


def _secret() -> str:
    return f"whsec_{secrets.token_urlsafe(32)}"


def _public(endpoint: dict[str, Any]) -> dict[str, Any]:
    shown = {name: value for name, value in endpoint.items() if name != "secret"}
    return {**shown, "secret_hint": f"whsec_...{endpoint['secret'][-4:]}"}
