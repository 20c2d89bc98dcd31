"""The driver contract, kept by the connector on the twin and on a real BottleCRM."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from isthmus.connectors.bottlecrm import Config
from isthmus.connectors.bottlecrm.twin import BottleCrmTwin
from isthmus.lab import Lab
from isthmus.testing import config_fixture
from tests.connectors.bottlecrm.contract_cases import SECRET, BottleCrmContract


class TestTwin(BottleCrmContract):
    @config_fixture
    @classmethod
    async def config(cls) -> AsyncIterator[Any]:
        async with BottleCrmTwin() as twin:
            yield Config(url=twin.url, token=twin.token, webhook_secret=SECRET)


@pytest.mark.lab
class TestLab(BottleCrmContract):
    breaks = "contact"

    @config_fixture
    @classmethod
    def config(cls, lab_small: Lab) -> Any:
        crm = lab_small.bottlecrm
        return Config(url=crm.url, token=crm.credentials["hub"]["token"], webhook_secret=SECRET)
