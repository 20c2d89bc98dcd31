"""A project folder to break: two kinds of systems that exist only here, and a sound project on them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest

from isthmus.connector.config import Secret, SystemConfig
from isthmus.project import ConnectorInfo, Project, ProjectErrors, load_default_mapping, load_project

ENVIRON = {"CRM_TOKEN": "hunter2-crm-token", "ERP_PASSWORD": "hunter2-erp-password"}
SECRETS = ("hunter2",)


class Retry(SystemConfig, frozen=True, kw_only=True):
    most: int = 3
    wait: float = 1.0


class CrmConfig(SystemConfig, frozen=True, kw_only=True):
    url: str
    token: Secret
    mode: Literal["fast", "slow"] = "fast"
    retry: Retry = Retry()
    headers: dict[str, Secret] = {}
    api: "str | None" = None


class ErpConfig(SystemConfig, frozen=True, kw_only=True):
    url: str
    password: Secret | None = None
    rules: dict[str, Any] | None = None
    certificate: Annotated[str, msgspec.Meta(extra={"path": True})] | None = None


CRM_MAPPING = """\
Customer:
  resource: account
  archive: {active: false}
  fields:
    name: name
    email: {path: email, as: lowercase}
    phone: phone
    address: {fields: {street: street, city: city, country: {path: country, as: country}}}
    number: custom_fields.erp_number
    active: active
Contact:
  resource: person
  fields:
    customer: {path: account, as: ref(customer)}
    name: {join: [first_name, last_name]}
    email: email
SalesOrder:
  resource: deal
  where: {stage: [CLOSED_WON]}
  fields:
    deal: "@key"
    customer: {path: account, as: ref(customer)}
    ordered: {path: lines, only: read, each: {product: {path: product, as: ref(product)}, quantity: quantity}}
    confirmed: {const: true}
    state: {path: custom_fields.state, as: 'choice(draft=draft, "in progress"=confirmed)'}
    lines: {path: custom_fields.lines, as: summary, only: write}
SalesOrder@estimate:
  resource: estimate
  fields:
    deal: {path: opportunity, only: read}
    confirmed: {const: true}
"""

ERP_MAPPING = """\
Customer:
  resource: party
  fields:
    name: name
    tax_id: identifiers[type=eu_vat].code
    email: contact_mechanisms[type=email].value
    phone: {path: "contact_mechanisms[type=phone].value", as: phone}
    number: {path: code, only: read}
    credit_limit: {fields: {amount: credit_limit, currency: {const: EUR}}}
    active: active
SalesOrder:
  resource: sale
  fields:
    number: number
    deal: reference
    customer: {path: party, as: ref(customer)}
    state: state
Product:
  resource: product
  fields:
    sku: code
    name: name
"""

SETTINGS = """\
[hub]
name = "test"

[systems.crm]
kind = "somecrm"
url = "http://crm.example"
token = "env:CRM_TOKEN"

[systems.erp]
kind = "someerp"
url = "http://erp.example"
"""

CUSTOMER = """\
flow: customer
entity: Customer
match: [tax_id, email]
systems:
  crm: {create: always}
  erp: {every: 2m}
fields:
  name: {}
  email: {}
  tax_id: {owner: erp}
"""


def mapping(folder: Path, kind: str, text: str) -> ConnectorInfo:
    path = folder / f"{kind}.yaml"
    path.write_text(text, encoding="utf-8")
    config = CrmConfig if kind == "somecrm" else ErpConfig
    return ConnectorInfo(config=config, mapping=load_default_mapping(path, f"connectors/{kind}/mapping.yaml"))


def load(folder: Path, files: Mapping[str, str], environ: Mapping[str, str] = ENVIRON) -> Project:
    """Load the project made of these files, over a sound isthmus.toml."""
    kinds = folder / "kinds"
    kinds.mkdir()
    infos = {"somecrm": mapping(kinds, "somecrm", CRM_MAPPING), "someerp": mapping(kinds, "someerp", ERP_MAPPING)}
    project = folder / "project"
    for name, text in {"isthmus.toml": SETTINGS, **files}.items():
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return load_project(project, environ, infos.__getitem__, tuple(infos))


def faults(folder: Path, files: Mapping[str, str], environ: Mapping[str, str] = ENVIRON) -> list[str]:
    """What is wrong with the project made of these files, line by line; no line shows a secret."""
    with pytest.raises(ProjectErrors) as caught:
        load(folder, files, environ)
    found = [str(error) for error in caught.value.errors]
    assert str(caught.value).splitlines() == found
    assert not any(secret in line for line in found for secret in SECRETS)
    return found
