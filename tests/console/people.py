"""A browser as far as these tests need one: cookies, forms with their token, signing in."""

from __future__ import annotations

import re
from typing import Any

from argon2 import PasswordHasher
from httpx import AsyncClient, Response
from litestar.testing import AsyncTestClient

from isthmus.store import Person
from tests.store.examples import NOW

PASSWORD = "correct horse battery"
TOKEN = re.compile(r'name="_csrf_token" value="([^"]+)"')


HASH = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)
"""Cheap: what it costs to guess is not what these tests are about."""


def a_person(role: str, **values: Any) -> Person:
    """Somebody with this role."""
    given: dict[str, Any] = {"name": role.title(), "roles": [role], "language": "en", "theme": "auto"}
    given |= {"login": f"{role}@office.example", "password": HASH, "made_at": NOW, "disabled_at": None}
    return Person(**(given | values))


class Browser:
    """Follows no redirect by itself."""

    def __init__(self, client: AsyncTestClient[Any] | AsyncClient) -> None:
        self.client = client
        self.token = ""

    async def get(self, address: str, **headers: str) -> Response:
        answer = await self.client.get(address, follow_redirects=False, headers=headers)
        found = TOKEN.search(answer.text)
        self.token = found[1] if found else self.token
        return answer

    async def post(self, address: str, fields: dict[str, Any] | None = None, **headers: str) -> Response:
        """Send a form with the token of the last page."""
        data = {"_csrf_token": self.token, **(fields or {})}
        return await self.client.post(address, data=data, follow_redirects=False, headers=headers)

    async def sign_in(self, role: str, password: str = PASSWORD) -> Response:
        """As the person of this role."""
        await self.get("/sign-in")
        return await self.post("/sign-in", {"login": f"{role}@office.example", "password": password, "place": "/"})
