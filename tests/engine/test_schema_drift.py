"""A far system's schema changes under a running hub: it is told, nothing is blanked, the rest goes on (I4, I10)."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from msgspec.structs import replace

from isthmus.app.bootstrap import Hub, clock
from isthmus.app.explain import explain
from isthmus.app.summary import status_report
from isthmus.app.watching import watch_fields
from isthmus.connector import FieldInfo
from isthmus.connectors.bottlecrm import Config, connector
from isthmus.connectors.bottlecrm.twin import BottleCrmTwin
from isthmus.model.flow import Flow
from isthmus.model.state import FarField
from isthmus.store import Reads
from tests.engine.flows import p
from tests.engine.office import ACME, Office

type MakeOffice = Callable[..., Office]

pytestmark = [pytest.mark.spec(4), pytest.mark.spec(10)]


def hub_of(place: Office) -> Hub:
    return Hub(project=cast(Any, None), store=place.store, world=place.engine.world, engine=place.engine, down={})


def told(changed: list[FarField]) -> list[tuple[str, str, bool]]:
    return [(field.resource, field.name, field.gone_at is not None) for field in changed]


async def linked(make: MakeOffice) -> Office:
    place = make(names=["Customer"])
    place.crm.people.create("accounts", ACME)
    await place.settle()
    assert await watch_fields(hub_of(place)) == []
    return place


async def test_what_never_changed_is_not_told(office: MakeOffice) -> None:
    place = await linked(office)
    assert await watch_fields(hub_of(place)) == []
    report = await status_report(Reads(place.store), place.engine.world, place.clock(), place.clock())
    assert report.fields == []


async def test_a_vanished_field_blanks_nothing_and_stops_nothing(office: MakeOffice) -> None:
    place = await linked(office)
    (crm, _), (erp, _) = place.one("crm", "accounts"), place.one("erp", "parties")
    info = place.erp.tables["parties"].fields.pop("telephone")
    assert told(await watch_fields(hub_of(place))) == [("parties", "telephone", True)]
    place.erp.people.edit("parties", erp, {"email": "new@acme.example"})
    await place.settle()
    assert place.crm.records("accounts")[crm]["phone"] == ACME["phone"]
    assert place.crm.records("accounts")[crm]["email"] == "new@acme.example"
    # What the CRM changes arrives, but for what has no place there; and that is no refusal that stops the rest.
    place.crm.people.edit("accounts", crm, {"phone": "+49301111", "name": "Acme AG"})
    await place.settle()
    assert place.erp.records("parties")[erp]["name"] == "Acme AG"
    assert await place.inbox() == []
    (item,) = await place.items()
    assert item.fields["phone"] == "+49301111"
    project: Any = SimpleNamespace(flows=place.flows(), converters={}, entities={}, systems=place.worlds)
    answer = await explain(Reads(place.store), project, "erp", "parties", erp, place.clock())
    assert answer.sentence == "Acme AG is not in step: erp has no place for phone any more"
    # A restarted hub knows it too, before it has looked.
    await place.restart()
    await watch_fields(hub_of(place))
    report = await status_report(Reads(place.store), place.engine.world, place.clock(), place.clock())
    assert [(f.field, f.what, f.flows) for f in report.fields] == [("telephone", "vanished", ["Customer"])]
    assert not report.healthy
    # It is back: what waited for it is written.
    place.erp.tables["parties"].fields["telephone"] = info
    assert told(await watch_fields(hub_of(place))) == [("parties", "telephone", False)]
    await place.settle()
    assert place.erp.records("parties")[erp]["telephone"] == "+49301111"
    place.forget_calls()
    await place.settle()
    assert place.writes() == 0


@pytest.mark.parametrize("noticed", [False, True])
@pytest.mark.parametrize("beside", [{}, {"name": "Acme AG"}], ids=["alone", "with another field"])
async def test_what_is_emptied_elsewhere_while_its_field_is_missing_is_emptied_when_it_is_back(
    office: MakeOffice, beside: dict[str, str], noticed: bool
) -> None:
    """Also before anybody has noticed that it is missing: a record that shows no such place is not empty there."""
    place = await linked(office)
    (crm, _), (erp, _) = place.one("crm", "accounts"), place.one("erp", "parties")
    info = place.erp.tables["parties"].fields.pop("telephone")
    place.crm.people.edit("accounts", crm, {"phone": None, **beside})
    await place.settle()
    link = await place.link("system = 'erp'")
    assert (link.base["phone"], link.due_at, link.problem) == (ACME["phone"], None, None)
    project: Any = SimpleNamespace(flows=place.flows(), converters={}, entities={}, systems=place.worlds)
    answer = await explain(Reads(place.store), project, "erp", "parties", erp, place.clock())
    assert answer.sentence.endswith("is not in step: erp has no place for phone any more")
    if noticed:
        await watch_fields(hub_of(place))
        await place.settle()
    place.erp.tables["parties"].fields["telephone"] = info
    if noticed:
        await watch_fields(hub_of(place))
    else:
        place.erp.touch("parties")
    await place.settle()
    assert place.erp.records("parties")[erp]["telephone"] is None
    assert place.crm.records("accounts")[crm]["phone"] is None
    assert (await place.link("system = 'erp'")).not_held == {}
    assert await place.inbox() == []


async def test_writes_that_were_refused_for_a_vanished_field_go_on_without_it(office: MakeOffice) -> None:
    place = await linked(office)
    (crm, _), (erp, _) = place.one("crm", "accounts"), place.one("erp", "parties")
    del place.erp.tables["parties"].fields["telephone"]
    place.crm.people.edit("accounts", crm, {"phone": "+49301111", "name": "Acme AG"})
    await place.settle()
    assert place.erp.records("parties")[erp]["name"] == "Acme GmbH"
    assert len(await place.inbox()) == 1
    await watch_fields(hub_of(place))
    await place.settle()
    assert place.erp.records("parties")[erp]["name"] == "Acme AG"
    assert await place.inbox() == []


async def test_a_field_that_appears_or_changes_its_type_is_told_and_nothing_is_read_or_written_for_it(
    office: MakeOffice,
) -> None:
    place = await linked(office)
    place.forget_calls()
    place.erp.tables["parties"].fields["loyalty"] = FieldInfo(type="integer")
    place.erp.tables["parties"].fields["credit_limit"] = FieldInfo(type="text")
    changed = await watch_fields(hub_of(place))
    assert {(f.name, f.type, f.former_type) for f in changed} == {
        ("loyalty", "integer", ""),
        ("credit_limit", "text", "decimal"),
    }
    report = await status_report(Reads(place.store), place.engine.world, clock(), clock())
    assert {(f.field, f.what, tuple(f.flows)) for f in report.fields} == {
        ("loyalty", "appeared", ()),
        ("credit_limit", "retyped", ("Customer",)),
    }
    await place.settle()
    assert place.writes() == 0
    assert [call.kind for call in place.erp.calls if call.kind in ("scan", "fetch")] == []
    assert await watch_fields(hub_of(place)) == []


async def test_a_new_record_is_made_without_the_vanished_field(office: MakeOffice) -> None:
    place = await linked(office)
    del place.erp.tables["parties"].fields["telephone"]
    await watch_fields(hub_of(place))
    place.crm.people.create("accounts", {**ACME, "name": "Other", "vat": "V2", "email": "o@x.example"})
    await place.settle()
    assert place.one("erp", "parties", name="Other")[1].get("telephone") is None
    assert await place.inbox() == []


def crm_with_custom_fields(flow: Flow) -> Flow:
    """Accounts of a BottleCRM that hold the ERP's number and the tax id in custom fields."""
    held = {"name": p("name"), "number": p("custom_fields.erp_number"), "tax_id": p("custom_fields.vat")}
    fields = {
        name: replace(rule, exprs={"erp": rule.exprs["erp"], **({"crm": held[name]} if name in held else {})})
        for name, rule in flow.fields.items()
    }
    sides = {**flow.sides, "crm": replace(flow.sides["crm"], resource="account")}
    return replace(flow, fields=fields, sides=sides)


async def test_a_custom_field_that_is_removed_from_bottlecrm_blanks_nothing_and_stops_nothing(
    office: MakeOffice,
) -> None:
    place = office(names=["Customer"])
    flow = crm_with_custom_fields(place.flows()["Customer"])
    place.flows = lambda: {"Customer": flow}  # type: ignore[method-assign]
    async with BottleCrmTwin() as twin:
        system = await connector.open(Config(url=twin.url, token=twin.token, admin_token=twin.admin_token))
        try:
            await place.start(systems={"crm": system})
            wanted = {"account": {f"custom_fields.{n}": FieldInfo(type="text") for n in ("erp_number", "vat")}}
            await system.prepare(wanted)
            erp = place.erp.people.create("parties", {"name": "Acme", "number": "4711", "tax_code": "DE811907980"})
            await place.settle()
            assert await watch_fields(hub_of(place)) == []
            twin.definitions[:] = [row for row in twin.definitions if row["key"] != "vat"]
            changed = await watch_fields(hub_of(place))
            assert [(f.system, f.name, f.gone_at is not None) for f in changed] == [("crm", "custom_fields.vat", True)]
            place.erp.people.edit("parties", erp, {"number": "4712", "tax_code": "DE136695976"})
            await place.settle()
            (row,) = twin.rows["account"].values()
            assert row["custom_fields"]["erp_number"] == "4712"
            assert place.erp.records("parties")[erp]["tax_code"] == "DE136695976"
            assert await place.inbox() == []
            await system.prepare(wanted)
            await watch_fields(hub_of(place))
            await place.settle()
            (row,) = twin.rows["account"].values()
            assert row["custom_fields"]["vat"] == "DE136695976"
        finally:
            await system.close()


async def test_a_process_that_learns_later_that_a_field_is_back_reads_anew_what_it_read_without_it(
    office: MakeOffice,
) -> None:
    place = await linked(office)
    (crm, _), (erp, _) = place.one("crm", "accounts"), place.one("erp", "parties")
    first = place.engine
    await place.restart()
    second = place.engine
    info = place.erp.tables["parties"].fields.pop("telephone")
    for engine in (first, second):
        place.engine = engine
        await watch_fields(hub_of(place))
    place.crm.people.edit("accounts", crm, {"phone": "+49301111"})
    await place.settle()
    place.erp.tables["parties"].fields["telephone"] = info
    place.engine = first
    assert len(await watch_fields(hub_of(place))) == 1
    # The second is the one that reads, and it does not know yet.
    place.engine = second
    await place.settle()
    assert place.erp.records("parties")[erp]["telephone"] == ACME["phone"]
    assert await watch_fields(hub_of(place)) == []
    await place.settle()
    assert place.erp.records("parties")[erp]["telephone"] == "+49301111"
