"""Two real APIs of the lab, described by YAML only, keep the contract."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from isthmus.connectors.rest import RestConfig, connector
from isthmus.testing import ConnectorContract, Request, ResourceCase, config_fixture

APIS = Path(__file__).parent / "apis"


def definition(name: str) -> Any:
    return YAML(typ="safe").load((APIS / f"{name}.yaml").read_text(encoding="utf-8"))


@pytest.mark.lab
class TestBottleCrm(ConnectorContract):
    connector = connector
    cases = (
        ResourceCase(
            name="contacts",
            create={"first_name": "Ada", "last_name": "Rest {tag}", "email": "{tag}@rest.example", "city": "Łódź"},
            change={"last_name": "Changed {tag}"},
            second={"last_name": "Again {tag}", "title": "Buyer"},
            invalid={"first_name": ""},
            text="description",
            unknown_key="00000000-0000-4000-8000-000000000000",
        ),
        ResourceCase(
            name="products",
            create={"name": "Rest {tag}", "sku": "REST-{tag}", "price": Decimal("12.50"), "currency": "EUR"},
            change={"name": "Changed {tag}", "price": Decimal("13.75")},
            second={"name": "Again {tag}", "price": Decimal("0.05")},
            invalid={"name": ""},
            text="description",
            unknown_key="00000000-0000-4000-8000-000000000000",
        ),
    )

    @config_fixture
    @classmethod
    def config(cls, lab_small: Any) -> RestConfig:
        crm = lab_small.bottlecrm
        return RestConfig(url=crm.url, token=crm.credentials["hub"]["token"], definition=definition("bottlecrm"))


@pytest.mark.lab
class TestTryton(ConnectorContract):
    connector = connector
    cases = (
        ResourceCase(
            name="parties",
            create={"name": "Rest {tag}"},
            change={"name": "Changed {tag}"},
            second={"name": "Again {tag}"},
            invalid={"no_such_field": "x"},
            text="name",
        ),
    )

    @config_fixture
    @classmethod
    def config(cls, lab_small: Any) -> RestConfig:
        erp = lab_small.tryton
        token = erp.credentials["hub"]["key"]
        return RestConfig(url=f"{erp.url}/{erp.database}", token=token, definition=definition("tryton"))

    def is_write(self, request: Request) -> bool:
        return request.method in ("POST", "PUT", "DELETE")
