"""Laws of the lenses (I1, I12)."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.errors import Unmappable
from isthmus.mapping import Refs, compile_lens
from isthmus.model.entities import BUILT_IN
from isthmus.model.fields import FieldType, Kind, canonical, covers, decimal_text
from tests.engine.flows import make_flows

FLOWS = make_flows(("crm", "erp"))
LENSES = {(f, s): compile_lens(FLOWS[f], s, FLOWS) for f in FLOWS for s in ("crm", "erp")}
ITEMS = {f"item{n}": f"key{n}" for n in range(3)}
RESOURCES = ("accounts", "parties", "products", "goods", "contacts", "people")
REFS = Refs(
    items={(r, k): i for i, k in ITEMS.items() for r in RESOURCES},
    keys={(r, i): k for i, k in ITEMS.items() for r in RESOURCES},
)
texts = st.text(alphabet="aBä 7.-@é中", max_size=8)
decimals = st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**9), max_value=10**9)
far_values = st.one_of(st.none(), st.booleans(), st.integers(), decimals, texts)
odd = st.recursive(
    st.one_of(far_values, st.characters()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=6,
)


def hub_values(kind: FieldType, parts=None):
    match kind.kind:
        case Kind.REF:
            return st.sampled_from([None, *ITEMS])
        case Kind.TEXT:
            return texts.map(lambda v: canonical(kind, v))
        case Kind.DECIMAL:
            return st.one_of(st.none(), decimals.map(decimal_text))
        case Kind.BOOLEAN:
            return st.sampled_from([None, True, False])
        case Kind.STRUCT if "currency" in kind.fields:
            amounts = decimals.map(lambda d: {"amount": decimal_text(d), "currency": "EUR"})
            return st.one_of(st.none(), amounts)
        case Kind.STRUCT:
            fields = {n: hub_values(f) for n, f in kind.fields.items() if parts is None or n in parts}
            return st.fixed_dictionaries({}, optional=fields).map(lambda v: canonical(kind, v))
        case Kind.LIST:
            element = hub_values(kind.of, ("product", "quantity")).filter(lambda v: v is not None)
            return st.one_of(st.none(), st.lists(element, max_size=3))
    raise AssertionError(kind)


def entity_values(flow, lens):
    fields = BUILT_IN[flow].fields
    return st.fixed_dictionaries({}, optional={n: hub_values(fields[n]) for n in lens.writable})


def far_records(flow, system, draw):
    """A record as some earlier put and some person left it."""
    lens = LENSES[flow, system]
    first = lens.put(draw(entity_values(flow, lens)), {}, REFS).fields
    return {**first, "unread": 1}


PAIRS = list(LENSES)


def equal(one, two):
    return covers(one, two) or (one or None) == (two or None)


@pytest.mark.spec(1)
@pytest.mark.parametrize(("flow", "system"), PAIRS)
@given(data=st.data())
def test_what_was_put_is_got(flow, system, data):
    lens = LENSES[flow, system]
    before = far_records(flow, system, data.draw)
    wanted = data.draw(entity_values(flow, lens))
    put = lens.put(wanted, before, REFS)
    assert (list(put.missing), put.problems) == ([], {})
    got = lens.get("1", {**before, **put.fields}, REFS, created=False)
    assert got.problems == {}
    for name, value in wanted.items():
        view = lens.view(name, value)
        if view in (None, []) and (name not in got.fields or isinstance(value, dict)):
            continue  # nothing that this system holds was said
        assert equal(got.fields[name], view), (name, got.fields[name], view)


@pytest.mark.spec(1)
@pytest.mark.parametrize(("flow", "system"), PAIRS)
@given(data=st.data())
def test_putting_what_is_shown_changes_nothing(flow, system, data):
    lens = LENSES[flow, system]
    record = far_records(flow, system, data.draw)
    for name in data.draw(st.lists(st.sampled_from(sorted(lens.far_fields)), max_size=2)):
        record[name] = data.draw(odd)
    got = lens.get("1", record, REFS, created=False)
    assert lens.put(got.fields, record, REFS).fields == {}


@pytest.mark.spec(10)
@pytest.mark.parametrize(("flow", "system"), PAIRS)
@given(data=st.data())
def test_no_record_however_odd_breaks_reading_or_writing(flow, system, data):
    lens = LENSES[flow, system]
    record = data.draw(st.dictionaries(st.sampled_from(sorted(lens.far_fields)), odd))
    got = lens.get("1", record, REFS)
    assert not set(got.fields) & set(got.problems)
    lens.digest(record)
    lens.refs_in("1", record)
    lens.put(data.draw(entity_values(flow, lens)), record, REFS)


@pytest.mark.spec(1)
@pytest.mark.parametrize(("flow", "system"), PAIRS)
@given(data=st.data())
def test_looking_twice_through_a_view_is_looking_once(flow, system, data):
    lens = LENSES[flow, system]
    for name, value in data.draw(entity_values(flow, lens)).items():
        once = lens.view(name, value)
        assert lens.view(name, once) == once


@pytest.mark.spec(12)
@given(value=st.decimals(allow_nan=False, allow_infinity=False))
def test_decimals_are_exact(value):
    try:
        text = decimal_text(value)
    except Unmappable:
        assert abs(value.adjusted()) > 1000
        return
    assert Decimal(text) == value
    assert decimal_text(text) == text
    assert "e" not in text.lower()


@pytest.mark.spec(12)
@given(kind=st.sampled_from(list(Kind)), value=odd)
def test_canonical_gives_one_form_or_a_reason(kind, value):
    types = {
        Kind.STRUCT: BUILT_IN["Customer"].fields["credit_limit"],
        Kind.LIST: BUILT_IN["Product"].fields["prices"],
    }
    wanted = types.get(kind, FieldType(kind=kind))
    try:
        once = canonical(wanted, value)
    except Unmappable:
        return
    assert canonical(wanted, once) == once
