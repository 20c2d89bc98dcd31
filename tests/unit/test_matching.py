"""Evidence and matching."""

import pytest

from isthmus.model.state import Item, Link
from isthmus.sync.evidence import blocks_of, evidence_of, normal_name, values_of
from isthmus.sync.matching import Pool, judge, settle_rivals
from isthmus.sync.world import rule_name
from tests.engine.flows import rule_of

TAX, NAME = rule_of("tax_id"), rule_of(("name", 0.88), "address.city")
RULES = [(rule_name(r), r) for r in (TAX, NAME)]


def customer(id, name, tax=None, city="Wien"):
    return Item(id=id, entity="Customer", fields={"name": name, "tax_id": tax, "address": {"city": city}})


def reading(name, tax=None, city="Wien", id="l"):
    fields = {"name": name, "tax_id": tax, "address": {"city": city}}
    return Link(id=id, flow="Customer", system="erp", resource="parties", key=id, far=fields)


def judged(link, *items, taken=None):
    found = {}
    for item in items:
        for row in evidence_of(item, [], dict(RULES)):
            found.setdefault((row.rule, row.value), []).append(row.item)
    return judge(link, Pool(RULES, found, {i.id: i.fields for i in items}, taken or {}))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Müller & Söhne GmbH", "Mueller Soehne GmbH"),
        ("ACME Corp.", "Acme Corp"),
        ("Ａｃｍｅ", "acme"),
        ("Café Zürich", "cafe zuerich"),
        ("  Acme   Ltd ", "acme ltd"),
    ],
)
def test_names_are_compared_without_their_spelling(a, b):
    assert normal_name(a) == normal_name(b)


def test_an_empty_field_is_no_evidence():
    assert blocks_of(TAX, {"tax_id": None}) == []
    assert blocks_of(NAME, {"name": "A", "address": None}) == []
    assert values_of({"name": "A", "tax_id": ""}, dict(RULES)) == []
    assert normal_name("  ") is None


def test_the_strongest_rule_links():
    assert judged(reading("Other", "DE1"), customer("i", "Acme", "DE1"), customer("j", "Other")).item == "i"
    assert judged(reading("Whatever", "de1"), customer("i", "Acme", "DE1")).item == "i"


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("Müller Maschinenbau GmbH", "Mueller Maschinenbau GmbH"),
        ("Nordwind Handels GmbH", "Nordwind Handels GmbH & Co. KG"),
        ("上海华为技术有限公司", "上海华为技术有限公司"),
    ],
)
def test_similar_names_of_one_town_link(ours, theirs):
    assert judged(reading(ours), customer("i", theirs)).item == "i"


def test_the_same_name_in_another_town_is_another_company():
    result = judged(reading("Acme GmbH", city="Graz"), customer("i", "Acme GmbH"))
    assert (result.item, list(result.candidates)) == (None, [])


def test_names_that_differ_in_a_number_are_others():
    branch = customer("i", "Nordwind Filiale 1 GmbH")
    assert judged(reading("Nordwind Filiale 2 GmbH"), branch).candidates == ()
    assert judged(reading("Filiale 1, Nordwind GmbH"), branch).item == "i"
    assert judged(reading("Nordwind Filiale GmbH"), branch).item == "i"


def test_a_near_miss_is_doubtful():
    result = judged(reading("Nordwind Handel AG"), customer("i", "Nordwind Handels GmbH"))
    assert result.item is None
    assert [c.item for c in result.candidates] == ["i"]
    assert "similar name" in result.reason


def test_a_contradiction_by_a_stronger_rule_ends_a_similar_name():
    result = judged(reading("Acme GmbH", "DE1"), customer("i", "Acme GmbH", "DE2"))
    assert (result.item, list(result.candidates)) == (None, [])


def test_two_candidates_are_doubtful():
    result = judged(reading("X", "DE1"), customer("i", "A", "DE1"), customer("j", "B", "DE1"))
    assert result.item is None
    assert sorted(c.item for c in result.candidates) == ["i", "j"]


def test_a_candidate_that_has_a_record_already_is_doubtful():
    result = judged(reading("Acme", "DE1"), customer("i", "Acme", "DE1"), taken={"i": "77"})
    assert result.item is None
    assert "duplicate of 77" in result.reason


def test_two_readings_for_one_item_are_rivals():
    item = customer("i", "Acme", "DE1")
    links = [reading("Acme", "DE1", id="a"), reading("Acme 2", "DE1", id="b"), reading("Zed", "DE9", id="c")]
    settled = {link.id: j for link, j in settle_rivals([(x, judged(x, item)) for x in links])}
    assert settled["a"].item is settled["b"].item is None
    assert settled["a"].candidates[0].item == "i"
    assert (settled["c"].item, list(settled["c"].candidates)) == (None, [])


def test_nothing_known_is_a_new_item():
    result = judged(reading("Acme"))
    assert (result.item, list(result.candidates)) == (None, [])
