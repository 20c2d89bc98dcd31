"""The shop over a store of its own, with a made-up ERP, two customers and staff."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from httpx import ASGITransport, AsyncClient
from litestar import Litestar

from isthmus.app.bootstrap import read_project
from isthmus.app.shopping import FEATURES
from isthmus.console import Site, address_of
from isthmus.portal import Shop
from isthmus.project import ShopSettings
from isthmus.store import PostgresStore
from isthmus.sync.world import World
from isthmus.web import Parts, make_app
from tests.api.office import PretendBusiness, made
from tests.app.twin_office import make_project
from tests.console.people import PASSWORD, TOKEN, a_person


@pytest.fixture
async def business(store: PostgresStore, tmp_path: Path) -> PretendBusiness:
    project = read_project(make_project(tmp_path / "project", "http://127.0.0.1:1"))
    return PretendBusiness(project, store, World(project.flows, project.converters, project.entities))


@pytest.fixture
def visiting() -> ShopSettings:
    """What visitors see; nothing unless a test says so."""
    return ShopSettings()


@pytest.fixture
async def app(business: PretendBusiness, store: PostgresStore, visiting: ShopSettings) -> Litestar:
    hub = business._hub
    site = await Site.open(hub.project, store, hub.world)
    for number, id in (("K1", "kern"), ("K2", "other")):
        await made(
            store,
            "Customer",
            {"number": number, "name": f"<script>{id}</script>", "phone": f"+49405{number[1]}5500"},
            id,
        )
        await site.access.people.save(a_person("customer", login=f"{id}@buyer.example", customer=id))
    for role in ("sales", "viewer", "admin"):
        await site.access.people.save(a_person(role))
    for number in range(14):
        await made(store, "Product", {"sku": f"BRG-{number:02}", "name": "Bearing <b>"}, f"p{number:02}")
    shop = Shop(
        store, business, name="shop", stylesheet=address_of("console.css"), secure=False, features=FEATURES,
        visiting=visiting,
    )  # fmt: skip
    return make_app(Parts(site=site, shop=shop))


class Buyer:
    """A browser; follows no redirect by itself."""

    def __init__(self, client: AsyncClient) -> None:
        self.client, self.token = client, ""

    async def get(self, address: str) -> Any:
        answer = await self.client.get(address)
        found = TOKEN.search(answer.text)
        self.token = found[1] if found else self.token
        return answer

    async def post(self, address: str, fields: dict[str, str] | None = None, files: Any = None) -> Any:
        return await self.client.post(address, data={"_csrf_token": self.token, **(fields or {})}, files=files)

    async def sign_in(self, login: str) -> Buyer:
        await self.get("/shop/sign-in")
        answer = await self.post("/shop/sign-in", {"login": login, "password": PASSWORD})
        assert answer.status_code == 303, answer.text
        await self.get("/shop/quick")
        return self

    async def cart(self, text: str = "BRG-01, 2", whom: str = "") -> str:
        """Address of a cart."""
        answer = await self.post(f"/shop/quick{whom}", {"text": text}, files={"file": ("", b"")})
        assert answer.status_code == 303, answer.text
        return str(answer.headers["location"])


@pytest.fixture
async def browsers(app: Litestar) -> AsyncIterator[Any]:
    """Makes browsers."""
    clients: list[AsyncClient] = []

    async def make(login: str = "") -> Buyer:
        clients.append(AsyncClient(transport=ASGITransport(app, raise_app_exceptions=False), base_url="http://shop"))
        buyer = Buyer(clients[-1])
        return await buyer.sign_in(login) if login else buyer

    yield make
    for client in clients:
        await client.aclose()
