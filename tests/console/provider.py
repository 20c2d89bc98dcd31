"""A made-up OpenID provider on loopback: says whatever a test wants, signed with whatever key."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

from aiohttp import web
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

__all__ = ["PretendProvider", "pretend_provider"]

KEY = RSAKey.generate_key(2048, {"kid": "first", "use": "sig"})
"""Made once: it takes a while."""
OTHER_KEY = RSAKey.generate_key(2048, {"kid": "first", "use": "sig"})
"""Calls itself as the right one does."""
ANOTHER = ECKey.generate_key("P-256", {"kid": "second", "use": "sig", "alg": "ES256"})


class PretendProvider:
    """``claims`` are laid over good ones (None takes one away); ``userinfo`` is told when asked."""

    client_id, client_secret = "isthmus", "hush 42&= and long enough for a key"

    def __init__(self) -> None:
        self.issuer = ""
        self.claims: dict[str, Any] = {}
        self.userinfo: dict[str, Any] = {}
        self.key: Any = KEY
        self.alg = "RS256"
        self.keys: list[Any] = [KEY]
        self.description: dict[str, Any] = {}
        self.token_answer: tuple[int, dict[str, Any]] | None = None
        self.nonce = ""
        self.asked: list[tuple[str, dict[str, str], dict[str, str]]] = []
        """Path, headers and form of every call."""

    def good(self) -> dict[str, Any]:
        now = int(time.time())
        return {
            "iss": self.issuer,
            "sub": "subject-1",
            "aud": self.client_id,
            "exp": now + 300,
            "iat": now,
            "nonce": self.nonce,
            "name": "Ann Engels",
            "email": "Ann@Office.example",
            "email_verified": True,
            "groups": ["office", "hub-admins"],
        }

    def token(self) -> str:
        claims = {name: value for name, value in (self.good() | self.claims).items() if value is not None}
        header = {"alg": self.alg} | ({"kid": self.key.kid} if self.key.kid else {})
        return jwt.encode(header, claims, self.key, algorithms=[self.alg])

    def took(self, address: str) -> dict[str, str]:
        """What the browser was sent with; remembers the nonce, as a provider does."""
        found = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        self.nonce = found["nonce"]
        return found

    async def _describe(self, request: web.Request) -> web.Response:
        await self._note(request)
        told = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/auth?audience=hub",
            "token_endpoint": f"{self.issuer}/token/",
            "jwks_uri": f"{self.issuer}/jwks",
            "userinfo_endpoint": f"{self.issuer}/me",
            "end_session_endpoint": f"{self.issuer}/bye",
        }
        return web.json_response(told | self.description)

    async def _keys(self, request: web.Request) -> web.Response:
        await self._note(request)
        return web.json_response({"keys": [key.as_dict(private=isinstance(key, OctKey)) for key in self.keys]})

    async def _token(self, request: web.Request) -> web.Response:
        await self._note(request)
        if self.token_answer is not None:
            return web.json_response(self.token_answer[1], status=self.token_answer[0])
        return web.json_response({"id_token": self.token(), "access_token": "for me", "token_type": "Bearer"})

    async def _me(self, request: web.Request) -> web.Response:
        await self._note(request)
        return web.json_response(self.userinfo)

    async def _note(self, request: web.Request) -> None:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.asked.append((request.path, dict(request.headers), form))

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/.well-known/openid-configuration", self._describe),
            web.get("/jwks", self._keys),
            web.post("/token/", self._token),
            web.get("/me", self._me),
        ]


def symmetric(secret: str) -> OctKey:
    """Our own secret as a key: what must never count."""
    return OctKey.import_key(secret.encode(), {"kid": "first"})


@asynccontextmanager
async def pretend_provider() -> AsyncIterator[PretendProvider]:
    """One that answers."""
    provider = PretendProvider()
    app = web.Application()
    app.add_routes(provider.routes())
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    provider.issuer = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield provider
    finally:
        await runner.cleanup()
