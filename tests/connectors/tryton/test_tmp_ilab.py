from isthmus.testing import config_fixture
from tests.connectors.tryton.contract_cases import *


class TestMine(TrytonCases):
    @config_fixture
    @classmethod
    async def config(cls):
        return configured(url="http://127.0.0.1:32929", database="erp", login="hub", password="hub-tryton-42")
