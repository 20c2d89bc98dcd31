"""The contract, kept on the twin."""

from collections.abc import AsyncIterator

from isthmus.connectors.tryton import TrytonConfig
from isthmus.connectors.tryton.twin import TrytonTwin
from isthmus.testing import config_fixture
from tests.connectors.tryton.contract_cases import TrytonCases, configured


class TestTwinWithOutbox(TrytonCases):
    """Changes come from the outbox module."""

    @config_fixture
    @classmethod
    async def config(cls) -> AsyncIterator[TrytonConfig]:
        """A twin of its own."""
        async with TrytonTwin() as twin:
            yield configured(
                url=twin.url,
                database="erp",
                login="hub",
                password=twin.password,
                account_category="Goods",
                price_lists=["Dealer"],
            )
