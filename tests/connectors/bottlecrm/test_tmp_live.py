import json, sys
sys.path.insert(0,'/work/main')
from tests.connectors.bottlecrm.contract_cases import BottleCrmContract, SECRET
from isthmus.connectors.bottlecrm import Config
from isthmus.testing import config_fixture
S=json.load(open('/tmp/bcrm/inst/secrets.json'))
class TestLive(BottleCrmContract):
    @config_fixture
    @classmethod
    async def config(cls):
        return Config(url='http://127.0.0.1:18101',token=S['pat'],webhook_secret=SECRET)
