"""Lenses: one system's side of a flow."""

from decimal import Decimal

import pytest

from isthmus.mapping import Converter, Refs, compile_lens
from isthmus.model.flow import Condition, Each, Use
from tests.engine.flows import make_flows, p

FLOWS = make_flows(("crm", "erp"))


def lens(flow, system, **options):
    flows = make_flows(("crm", "erp"), **options)
    return compile_lens(flows[flow], system, flows)


PARTY = {
    "number": "7",
    "name": " Acme ",
    "addresses": [{"id": "1", "street": "S", "city": "Wien", "zip": "1010"}],
    "credit_limit": Decimal("10.50"),
}


def test_get_reads_only_what_is_delivered():
    got = lens("Customer", "erp").get("1", PARTY, Refs())
    assert got.fields == {
        "number": "7",
        "name": "Acme",
        "address": {"street": "S", "city": "Wien", "postal_code": "1010"},
        "credit_limit": {"amount": "10.5", "currency": "EUR"},
    }
    assert (got.missing, got.problems) == (set(), {})


def test_put_changes_only_what_differs_and_keeps_the_rest_of_a_list():
    put = lens("Customer", "erp").put({"name": "Acme", "address": {"city": "Graz"}}, PARTY, Refs())
    assert put.fields == {"addresses": [{"id": "1", "street": "S", "city": "Graz", "zip": "1010"}]}
    assert PARTY["addresses"][0]["city"] == "Wien"


def test_a_constant_refuses_another_value():
    put = lens("Customer", "erp").put({"credit_limit": {"amount": "1", "currency": "USD"}, "name": "X"}, {}, Refs())
    assert list(put.problems) == ["credit_limit"]
    assert put.fields["name"] == "X"


def test_references_are_resolved_or_named_as_missing():
    contact = lens("Contact", "crm")
    got = contact.get("5", {"account": "9", "full_name": "A B"}, Refs())
    assert (set(got.missing), got.fields) == ({("accounts", "9")}, {"name": "A B"})
    assert contact.refs_in("5", {"account": "9"}) == {("accounts", "9")}
    assert contact.get("5", {"account": "9"}, Refs(items={("accounts", "9"): "item"})).fields == {"customer": "item"}
    assert contact.refs_out({"customer": "item"}) == {("accounts", "item")}
    assert set(contact.put({"customer": "item"}, {}, Refs()).missing) == {("accounts", "item")}
    assert contact.put({"customer": "item"}, {}, Refs(keys={("accounts", "item"): "9"})).fields == {"account": "9"}
    assert contact.get("5", {"account": None}, Refs()).fields == {"customer": None}


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [("Anna Maria Lee", "Anna Maria", "Lee"), ("Cher", "", "Cher"), (None, "", "")],
)
def test_a_joined_name_is_split_from_the_right(name, first, last):
    contact = lens("Contact", "erp")
    put = contact.put({"name": name}, {"first_name": "Old", "last_name": "Name"}, Refs())
    assert (put.fields["first_name"], put.fields["last_name"]) == (first, last)
    assert contact.get("1", put.fields, Refs()).fields["name"] == name


def test_a_joined_name_that_reads_as_wanted_is_not_split_anew():
    before = {"first_name": "Anna", "last_name": "Maria Lee"}
    assert lens("Contact", "erp").put({"name": "Anna Maria Lee"}, before, Refs()).fields == {}


def test_elements_that_read_as_wanted_keep_their_identity():
    flow = lens("SalesOrder", "erp", exprs={("SalesOrder", "erp", "ordered"): _lines("lowercase")})
    refs = Refs(keys={("goods", "i1"): "g1", ("goods", "i2"): "g2"}, items={("goods", "g1"): "i1"})
    before = {
        "lines": [
            {"id": "a", "product": "g1", "quantity": Decimal("2.0"), "text": "PUMP", "extra": 1},
            {"id": "b", "product": "g1", "quantity": Decimal(3), "text": "x"},
        ]
    }
    wanted = [
        {"product": "i1", "quantity": "2", "description": "pump"},
        {"product": "i2", "quantity": "1", "description": "new"},
    ]
    lines = flow.put({"ordered": wanted}, before, refs).fields["lines"]
    assert lines[0] == before["lines"][0]
    assert lines[1] == {"product": "g2", "quantity": Decimal(1), "text": "new"}
    assert flow.put({"ordered": wanted[:1]}, {"lines": before["lines"][:1]}, refs).fields == {}


def test_elements_that_say_nothing_of_what_is_mapped_stay():
    flow, refs = lens("SalesOrder", "erp"), Refs(keys={("goods", "p1"): "g1"}, items={("goods", "g1"): "p1"})
    note = {"comment": "a line of text"}
    before = {"lines": [note, {"product": "g1", "quantity": Decimal(2)}]}
    got = flow.get("1", before, refs)
    assert flow.put(got.fields, before, refs).fields == {}
    assert flow.put({"ordered": []}, before, refs).fields == {"lines": [note]}


def _lines(convert):
    parts = {"product": p("product", "ref(Product)"), "quantity": p("quantity"), "description": p("text", convert)}
    return Each(p("lines"), parts)


@pytest.mark.parametrize("lines", ["text", 7, {"a": 1}, [1], ["x"], [None]])
def test_a_list_that_is_none_is_set_aside(lines):
    got = lens("SalesOrder", "crm").get("1", {"lines": lines, "title": "T"}, Refs())
    assert list(got.problems) == ["ordered"]
    assert got.fields["reference"] == "T"


@pytest.mark.spec(4)
def test_an_edit_keeps_parts_the_system_does_not_hold():
    crm = lens("Customer", "crm")
    hub = {"street": "S", "city": "Wien", "postal_code": "1010"}
    assert crm.view("address", hub) == {"street": "S", "city": "Wien"}
    edited = crm.overlay("address", hub, {"street": "T", "city": "Wien"})
    assert edited == {"street": "T", "city": "Wien", "postal_code": "1010"}
    assert crm.overlay("address", hub, None) == {"street": None, "city": None, "postal_code": "1010"}
    assert crm.overlay("name", "a", None) is None


def test_directions():
    exprs = {
        ("Customer", "crm", "name"): p("name", use=Use.READ),
        ("Customer", "crm", "phone"): p("phone", use=Use.WRITE),
        ("Customer", "crm", "email"): p("email", use=Use.CREATE),
    }
    crm = lens("Customer", "crm", exprs=exprs)
    record = {"name": "N", "phone": "P", "email": "E"}
    assert crm.get("1", record, Refs()).fields == {"name": "N"}
    assert crm.get("1", record, Refs(), created=False).fields == {"name": "N", "email": "E"}
    assert crm.put({"name": "X", "phone": "Y", "email": "Z"}, {}, Refs()).fields == {"phone": "Y", "email": "Z"}
    assert (crm.only_created, crm.only_written) == ({"email"}, {"phone"})


def test_a_digest_tells_records_mappings_and_nothing_else():
    crm, other = (
        lens("Customer", "crm"),
        lens("Customer", "crm", exprs={("Customer", "crm", "name"): p("name", "text")}),
    )
    record = {"name": "N", "note": "not read"}
    assert crm.digest(record) == crm.digest({"note": "else", "name": "N"})
    assert crm.digest(record) != crm.digest({"name": "M"})
    assert crm.digest(record) != crm.digest({"name": "N", "phone": None})
    assert crm.digest(record) != other.digest(record)
    assert crm.digest({"name": "\ud800"}) != crm.digest({"name": "\ud801"})


def test_where_selects():
    crm = lens("Customer", "crm", sides={("Customer", "crm"): {"where": (Condition("active", (True,)),)}})
    assert crm.selects({"active": True})
    assert not crm.selects({"active": False})
    assert "active" in crm.far_fields
    some = lens("Customer", "crm", sides={("Customer", "crm"): {"where": (Condition("vat", present=True),)}})
    assert [some.selects({"vat": v}) for v in ("x", "", None)] == [True, False, False]


def test_what_a_converter_cannot_digest_is_a_problem_of_that_field_alone():
    flows = make_flows(("crm", "erp"), exprs={("Customer", "crm", "name"): p("name", "mine")})
    own = {"mine": Converter(lambda v: v["x"], lambda v: v["x"])}
    crm = compile_lens(flows["Customer"], "crm", flows, own)
    assert list(crm.get("1", {"name": "N", "vat": "V"}, Refs()).problems) == ["name"]
    put = crm.put({"name": "N", "tax_id": "V"}, {}, Refs())
    assert (list(put.problems), put.fields) == (["name"], {"vat": "V"})
    assert crm.view("name", "N") == "N"
