"""The API over a store of its own, with a made-up ERP, and tokens of every kind."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from httpx import ASGITransport, AsyncClient
from litestar import Litestar

from isthmus.api.v1 import ApiSite
from isthmus.app.access import Permission
from isthmus.app.bootstrap import read_project
from isthmus.store import PostgresStore
from isthmus.sync.world import World
from isthmus.web import Parts, make_app
from tests.api.office import PretendBusiness, Program, made
from tests.app.twin_office import make_project
from tests.console.people import a_person

EVERYTHING = ["viewer", "operator", "approver", "engineer", "sales", "admin"]


@pytest.fixture
async def business(store: PostgresStore, tmp_path: Path) -> PretendBusiness:
    project = read_project(make_project(tmp_path / "project", "http://127.0.0.1:1"))
    return PretendBusiness(project, store, World(project.flows, project.converters, project.entities))


@pytest.fixture
async def api(business: PretendBusiness, store: PostgresStore) -> ApiSite:
    hub = business._hub
    site = ApiSite(hub.project, store, hub.world, business)
    await site.access.people.save(a_person("all", roles=EVERYTHING))
    await made(store, "Customer", {"number": "K1", "name": "Kern <b>GmbH</b>"}, "kern")
    await made(store, "Product", {"sku": "BRG-1", "name": "Bearing"}, "bearing")
    return site


@pytest.fixture
def app(api: ApiSite) -> Litestar:
    return make_app(Parts(api=api))


@pytest.fixture
async def client(app: Litestar) -> AsyncIterator[AsyncClient]:
    """In the test's own loop, so that calls can be under way at the same time."""
    async with AsyncClient(transport=ASGITransport(app, raise_app_exceptions=False), base_url="http://api") as client:
        yield client


@pytest.fixture
async def token(api: ApiSite) -> Callable[..., Awaitable[str]]:
    """A token with these scopes; all of them when none is named."""

    async def make(*scopes: str, login: str = "all@office.example") -> str:
        wanted = scopes or [one for one in Permission if one != Permission.SHOP]
        return (await api.access.add_token(login, "test", wanted, by="test"))[1]

    return make


@pytest.fixture
async def program(client: AsyncClient, token: Callable[..., Awaitable[str]]) -> Program:
    return Program(client, await token())
