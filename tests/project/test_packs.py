"""The packs that come with Isthmus, and how a project takes and changes their flows."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from isthmus.desk.processes import BUNDLED
from isthmus.model.flow import CreatePolicy, Segment, Use
from isthmus.model.flow import Path as FarPath
from isthmus.project import (
    Answers,
    ConnectorInfo,
    Project,
    SystemAnswer,
    known_packs,
    load_default_mapping,
    load_project,
    new_project,
)
from isthmus.project.faults import Faults
from isthmus.project.packs import read_pack
from tests.project.folder import CrmConfig, ErpConfig, faults, load

CONNECTORS = Path(__file__).parents[2] / "src" / "isthmus" / "connectors"
REAL = {"crm": "bottlecrm", "erp": "tryton"}

FLOWS = "contact customer delivery delivery_return estimate_order invoice order payment product".split()
WITHOUT = "contact, product, order, estimate_order, delivery, delivery_return, invoice, payment"

SYSTEMS = """\
[systems.crm]
kind = "somecrm"
url = "http://crm.example"
token = "env:CRM_TOKEN"
[systems.erp]
kind = "someerp"
url = "http://erp.example"
[packs]
use = ["crm-erp"]
"""

# The two kinds of the tests hold less than a real CRM and ERP do.
CUSTOMER = """\
flow: customer
extends: crm-erp/customer
systems:
  crm: {every: 5s}
fields:
  website: off
  industry: off
  language: off
  currency: off
  payment_terms: off
  credit_used: off
  phone: {crm: {path: mobile, as: digits}, writers: [crm]}
"""


def without(*flows: str) -> str:
    return SYSTEMS + f"crm-erp = {{without = {list(flows)!r}}}\n"


def test_the_packs_are_sound() -> None:
    assert known_packs() == ("crm-erp", "order-desk", "quotes", "service-desk", "service-stations")
    found = Faults()
    pack = read_pack("crm-erp", found)
    assert not found.found
    assert sorted(pack.flows) == FLOWS
    assert pack.roles == ("crm", "erp")
    assert pack.description
    assert all(name == flow.place.file.removesuffix(".yaml").rpartition("/")[2] for name, flow in pack.flows.items())


def test_the_order_desk_switches_its_process_on() -> None:
    found = Faults()
    pack = read_pack("order-desk", found)
    assert not found.found
    assert (list(pack.flows), pack.roles, pack.processes) == (["web_order"], ("erp",), ("order", "quote"))
    assert set(pack.processes) <= set(BUNDLED)


@pytest.mark.parametrize("word", ["adopt", "ignore"])
def test_a_flow_says_whether_it_takes_items_of_the_hub(tmp_path: Path, word: str) -> None:
    settings = SYSTEMS.replace('[packs]\nuse = ["crm-erp"]\n', "")
    text = CUSTOMER.replace("systems:", f"hub: {word}\nsystems:").replace("writers: [crm]", "writers: [crm, hub]")
    flow = load(tmp_path, {"isthmus.toml": settings, "flows/customer.yaml": text}).flows["customer"]
    assert flow.hub is (word == "adopt")
    assert flow.fields["phone"].writers == ("crm", "hub")


def test_extending_a_flow_of_a_pack(tmp_path: Path) -> None:
    files = {"isthmus.toml": without(*WITHOUT.split(", ")), "flows/customer.yaml": CUSTOMER}
    project = load(tmp_path, files)
    assert list(project.flows) == ["customer"]
    flow = project.flows["customer"]
    assert (flow.sides["crm"].every, flow.sides["crm"].create) == (5.0, CreatePolicy.ALWAYS)
    assert "website" not in flow.fields
    assert flow.fields["tax_id"].owner == "erp"
    phone = flow.fields["phone"]
    assert phone.writers == ("crm",)
    assert isinstance(phone.exprs["crm"], FarPath)
    assert phone.exprs["crm"].segments == (Segment("mobile"),)
    assert flow.place is not None
    assert flow.place.file == "flows/customer.yaml"


def test_a_pack_works_with_systems_of_other_names(tmp_path: Path) -> None:
    settings = (
        without(*WITHOUT.split(", "))
        .replace("[systems.crm]", "[systems.sales]")
        .replace("{without", '{crm = "sales", without')
    )
    customer = CUSTOMER.replace("crm:", "sales:").replace("[crm]", "[sales]")
    flow = load(tmp_path, {"isthmus.toml": settings, "flows/customer.yaml": customer}).flows["customer"]
    assert set(flow.sides) == {"sales", "erp"}
    assert set(flow.fields["name"].exprs) == {"sales", "erp"}
    assert flow.fields["phone"].writers == ("sales",)


def test_a_flow_can_be_taken_without_its_pack(tmp_path: Path) -> None:
    settings = SYSTEMS.replace('[packs]\nuse = ["crm-erp"]\n', "")
    project = load(tmp_path, {"isthmus.toml": settings, "flows/customer.yaml": CUSTOMER})
    assert list(project.flows) == ["customer"]


def test_a_packs_flow_under_another_name_stands_beside_it(tmp_path: Path) -> None:
    files = {
        "isthmus.toml": without(*WITHOUT.split(", ")),
        "flows/customer.yaml": CUSTOMER,
        "flows/second.yaml": CUSTOMER.replace("flow: customer", "flow: second"),
    }
    assert sorted(load(tmp_path, files).flows) == ["customer", "second"]


def test_what_a_pack_needs_and_a_system_lacks_is_said_at_the_packs_line(tmp_path: Path) -> None:
    found = faults(tmp_path, {"isthmus.toml": without(*WITHOUT.split(", "))})
    assert found[0] == (
        "packs/crm-erp/flows/customer.yaml:20:3: No system holds 'website'. Say where it is, or write 'website: off'."
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("extends: crm-epr/customer", "2:10: Unknown pack 'crm-epr'. Did you mean 'crm-erp'?"),
        ("extends: crm-erp/custmer", "2:10: Unknown flow of pack 'crm-erp' 'custmer'. Did you mean 'customer'?"),
    ],
)
def test_extending_what_is_not_there(tmp_path: Path, text: str, message: str) -> None:
    [found] = faults(
        tmp_path,
        {
            "isthmus.toml": SYSTEMS.replace('[packs]\nuse = ["crm-erp"]\n', ""),
            "flows/c.yaml": f"flow: customer\n{text}\n",
        },
    )
    assert found == f"flows/c.yaml:{message}"


def real_project(folder: Path, packs: tuple[str, ...] = ("crm-erp",)) -> Project:
    """A new project on the default mappings of the two real kinds."""
    systems = {
        "crm": SystemAnswer(kind="bottlecrm", values={"url": "http://c"}, secrets={"token": "CRM_TOKEN"}),
        "erp": SystemAnswer(kind="tryton", values={"url": "http://e"}, secrets={"password": "ERP_PASSWORD"}),
    }
    new_project(folder, Answers(name='It\'s "mine"', systems=systems, packs=packs))

    def info(kind: str) -> ConnectorInfo:
        mapping = load_default_mapping(CONNECTORS / kind / "mapping.yaml", f"connectors/{kind}/mapping.yaml")
        return ConnectorInfo(config=CrmConfig if kind == "bottlecrm" else ErpConfig, mapping=mapping)

    return load_project(folder, {"CRM_TOKEN": "hunter2", "ERP_PASSWORD": "hunter2"}, info)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return real_project(tmp_path_factory.mktemp("real"))


def systems_of(project: Project, flow: str) -> Mapping[str, set[str]]:
    return {name: set(rule.exprs) for name, rule in project.flows[flow].fields.items()}


def test_a_new_project_on_the_real_kinds_has_all_flows(real: Project) -> None:
    assert sorted(real.flows) == FLOWS
    assert {name: system.kind for name, system in real.systems.items()} == REAL
    assert real.hub.name == 'It\'s "mine"'


@pytest.mark.parametrize("flow", FLOWS)
def test_whoever_alone_may_write_a_field_can_be_read(real: Project, flow: str) -> None:
    for name, rule in real.flows[flow].fields.items():
        for writer in set(rule.writers) - {"hub"}:
            assert rule.exprs[writer].use is not Use.WRITE, f"{flow}.{name}"


def test_the_money_and_the_states_come_back(real: Project) -> None:
    for flow in ("order", "estimate_order"):
        held = systems_of(real, flow)
        for field in ("number", "total", "tax_total", "state", "shipment_state", "invoice_state"):
            assert held[field] == {"crm", "erp"}, f"{flow}.{field}"
    assert systems_of(real, "invoice")["open_amount"] == {"crm", "erp"}
    assert systems_of(real, "product")["stock_available"] == {"crm", "erp"}
    assert systems_of(real, "payment")["amount"] == {"crm", "erp"}
