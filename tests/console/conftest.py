"""A console over a store of its own, and people of every role who are signed in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from isthmus.app.access import ROLES
from isthmus.app.bootstrap import read_project
from isthmus.console import Site
from isthmus.store import PostgresStore
from isthmus.sync.world import World
from isthmus.web import Parts, make_app
from tests.app.twin_office import make_project
from tests.console.people import Browser, a_person


@pytest.fixture
async def site(store: PostgresStore, tmp_path: Path) -> Site:
    project = read_project(make_project(tmp_path / "project", "http://127.0.0.1:1"))
    site = await Site.open(project, store, World(project.flows, project.converters))
    for role in ROLES:
        await site.access.people.save(a_person(role))
    return site


@pytest.fixture
def app(site: Site) -> Litestar:
    return make_app(Parts(site=site))


@pytest.fixture
async def browser(app: Litestar) -> AsyncIterator[Browser]:
    """A browser in which nobody is signed in."""
    async with AsyncTestClient(app) as client:
        yield Browser(client)
