"""A sound project."""

from pathlib import Path

from isthmus.errors import Place
from isthmus.model.flow import (
    Condition,
    Convert,
    CreatePolicy,
    DeletePolicy,
    MatchPart,
    MergePolicy,
    Segment,
    Struct,
    Use,
)
from isthmus.model.flow import Path as FarPath
from tests.project.folder import CUSTOMER, load

WHOLE = """\
flow: customer
entity: Customer
ids: [ERP-1]
match:
  - number
  - {name: similar 92%, address.country: exact}
first: erp
systems:
  crm: {every: 500ms, create: {when: {name: present, number: [a, b]}}, merge: keep}
  erp: {every: 2m, create: never, adopt: linked, where: {customer: true, state: [a, 1]}, delete: hold}
fields:
  name: {as: uppercase}
  number: {owner: erp, writers: [erp]}
  phone: {crm: off, erp: {path: phone, as: phone(DE), only: create}}
  credit_limit: {role: money, crm: {fields: {amount: limit, currency: {const: EUR}}, only: read}}
  address: {merge: off}
  segments: {merge: union, crm: segments}
  vat: {crm: {path: vat, as: vat}}
deletes: {crm: archive}
brake: {share: 35%, at_least: 7, deletes_share: 0.5}
examples:
  - name: a plain company
    crm: {name: ACME, limit: 10.50}
    hub: {name: ACME, credit_limit: {amount: 10.50, currency: EUR}}
"""

ENTITIES = "entity: Customer\nfields: {segments: {list: text}, vat: text}\n"

CODE = """\
from isthmus.project.code import converter

@converter("vat")
def get(value):
    return value.replace(" ", "")

@get.inverse
def put(value):
    return f"{value[:2]} {value[2:]}"
"""


def test_a_whole_flow(tmp_path: Path) -> None:
    files = {"flows/customer.yaml": WHOLE, "entities/customer.yaml": ENTITIES, "code/vat.py": CODE}
    project = load(tmp_path, files)
    flow = project.flows["customer"]
    assert flow.entity.name == "Customer"
    assert flow.flow_ids == ("ERP-1",)
    assert flow.place == Place("flows/customer.yaml", 1, 7)
    assert [rule.parts for rule in flow.match] == [
        (MatchPart("number"),),
        (MatchPart("name", 0.92), MatchPart("address.country")),
    ]
    assert flow.first == "erp"
    crm, erp = flow.sides["crm"], flow.sides["erp"]
    assert (crm.resource, crm.every, crm.create, crm.adopt) == ("account", 0.5, CreatePolicy.ALWAYS, True)
    assert crm.create_when == (Condition("name", present=True), Condition("number", ("a", "b")))
    assert (crm.delete, crm.merge, crm.archive) == (DeletePolicy.ARCHIVE, MergePolicy.KEEP, {"active": False})
    assert (erp.resource, erp.every, erp.create, erp.adopt) == ("party", 120.0, CreatePolicy.NEVER, False)
    assert erp.where == (Condition("customer", (True,)), Condition("state", ("a", 1)))
    assert (flow.brake.share, flow.brake.at_least, flow.brake.deletes_share) == (0.35, 7, 0.5)
    name = FarPath((Segment("name"),), Convert("uppercase"))
    assert flow.fields["name"].exprs == {"crm": name, "erp": name}
    number = flow.fields["number"]
    assert (number.owner, number.writers) == ("erp", ("erp",))
    assert number.exprs["erp"] == FarPath((Segment("code"),), use=Use.READ)
    assert flow.fields["phone"].exprs == {"erp": FarPath((Segment("phone"),), Convert("phone", ("DE",)), Use.CREATE)}
    limit = flow.fields["credit_limit"]
    assert isinstance(limit.exprs["crm"], Struct)
    assert (limit.role, limit.exprs["crm"].use) == ("money", Use.READ)
    [example] = project.examples
    assert example.hub == {"name": "ACME", "credit_limit": {"amount": "10.5", "currency": "EUR"}}
    assert (example.name, example.place) == ("a plain company", Place("flows/customer.yaml", 22, 5))
    vat = project.converters["vat"]
    assert vat.put(vat.get("DE 12 3")) == "DE 123"


def test_a_field_level_converter_leaves_others_alone(tmp_path: Path) -> None:
    text = CUSTOMER.replace("email: {}", "email: {as: text}").replace("[tax_id, email]", "[tax_id]")
    exprs = load(tmp_path, {"flows/c.yaml": text}).flows["customer"].fields["email"].exprs
    assert {system: expr.convert for system, expr in exprs.items() if isinstance(expr, FarPath)} == {
        "crm": Convert("lowercase"),
        "erp": Convert("text"),
    }


def test_a_field_level_reference_completes_plain_paths(tmp_path: Path) -> None:
    contact = (
        "flow: contact\nentity: Contact\nsystems: {crm: {}, erp: {resource: person}}\n"
        "fields: {customer: {as: ref(customer), erp: party}}\n"
    )
    project = load(tmp_path, {"flows/a.yaml": CUSTOMER, "flows/b.yaml": contact})
    assert project.flows["contact"].fields["customer"].exprs["erp"] == FarPath(
        (Segment("party"),), Convert("ref", ("customer",))
    )


def test_a_further_way_to_hold_an_entity(tmp_path: Path) -> None:
    order = (
        "flow: order\nentity: SalesOrder\nsystems: {crm: {use: estimate}, erp: {}}\nfields: {deal: {}, confirmed: {}}\n"
    )
    flow = load(tmp_path, {"flows/order.yaml": order}).flows["order"]
    assert flow.sides["crm"].resource == "estimate"
    assert flow.sides["crm"].where == ()
    assert flow.fields["deal"].exprs["crm"] == FarPath((Segment("opportunity"),), use=Use.READ)


def test_another_resource_has_no_default_mapping(tmp_path: Path) -> None:
    text = CUSTOMER.replace("crm: {create: always}", "crm: {resource: lead}").replace("name: {}", "name: {crm: title}")
    flow = load(tmp_path, {"flows/c.yaml": text}).flows["customer"]
    assert flow.fields["name"].exprs["crm"] == FarPath((Segment("title"),))
    assert "crm" not in flow.fields["email"].exprs
    assert flow.sides["crm"].archive == {}


def test_flows_may_refer_to_each_other_in_circles(tmp_path: Path) -> None:
    circle = CUSTOMER + "  parent: {crm: {path: parent, as: ref(customer)}}\n"
    entity = "entity: Customer\nfields: {parent: {ref: Customer}}\n"
    project = load(tmp_path, {"flows/c.yaml": circle, "entities/c.yaml": entity})
    assert "parent" in project.flows["customer"].fields


def test_an_entity_of_the_projects_own(tmp_path: Path) -> None:
    entity = (
        "entity: Machine\ndoc: What stands at a customer.\n"
        "fields: {serial: text, at: {ref: Customer}, built: date, price: money,"
        " spots: {list: {struct: {x: decimal}}}}\n"
    )
    machine = load(tmp_path, {"entities/machine.yaml": entity}).entities["Machine"]
    assert machine.doc == "What stands at a customer."
    assert machine.fields["at"].entity == "Customer"
    assert machine.fields["price"].required == ("currency",)
    assert machine.fields["spots"].of is not None
    assert set(machine.fields["spots"].of.fields) == {"x"}
