"""A twin, and the connector on it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from isthmus.connectors.bottlecrm import BottleCrm, Config, connector
from isthmus.connectors.bottlecrm.twin import BottleCrmTwin


@pytest_asyncio.fixture
async def twin() -> AsyncIterator[BottleCrmTwin]:
    async with BottleCrmTwin() as running:
        yield running


@pytest_asyncio.fixture
async def crm(twin: BottleCrmTwin) -> AsyncIterator[BottleCrm]:
    system = await connector.open(Config(url=twin.url, token=twin.token, admin_token=twin.admin_token))
    yield system
    await system.close()
