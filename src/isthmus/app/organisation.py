"""The organisation tree: head office, centres, stations; and whether it is the same on both sides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from isthmus.connector.logistics import STATIONED, StationedAsked
from isthmus.desk.naming import customer, unit
from isthmus.desk.ports import BusinessHub
from isthmus.desk.supplying import supplier
from isthmus.errors import NeedsPerson, Rejected
from isthmus.model.state import Cause, Item, LinkState

__all__ = ["ABOVE", "UnitCheck", "add_unit", "check_units", "list_units"]

ABOVE: Mapping[str, str | None] = {"head_office": None, "centre": "head_office", "station": "centre"}
"""Kind -> kind of what it is below."""
EVERY = 10_000


class UnitCheck(msgspec.Struct, frozen=True, kw_only=True):
    """One unit, and in what it is not the same in all systems; empty when it is."""

    number: str
    name: str
    kind: str
    parent: str | None
    faults: tuple[str, ...]


async def add_unit(
    hub: BusinessHub,
    *,
    number: str,
    name: str,
    kind: str,
    below: str | None = None,
    customer_name: str | None = None,
    place: str | None = None,
    consignment_place: str | None = None,
    credit: tuple[str, str] | None = None,
    email: str | None = None,
    by: str,
) -> Item:
    """Add a unit, or change the one of this number. ``credit`` is (amount, currency). Raises :class:`NeedsPerson`."""
    if kind not in ABOVE:
        raise NeedsPerson(f"'{kind}' is no kind of unit.", advice=f"Use one of {', '.join(ABOVE)}.")
    parent = await unit(hub, below) if below else None
    wanted = ABOVE[kind]
    if (parent.fields.get("kind") if parent else None) != wanted:
        raise NeedsPerson(f"A {kind} is below a {wanted}." if wanted else f"Nothing is above a {kind}.", field="below")
    fields: dict[str, Any] = {
        "number": number,
        "name": name,
        "kind": kind,
        "parent": parent.id if parent else None,
        "customer": (await customer(hub, customer_name)).id if customer_name else None,
        "place": place,
        "consignment_place": consignment_place,
        "credit_limit": {"amount": credit[0], "currency": credit[1]} if credit else None,
        "email": email,
        "active": True,
    }
    async with hub.transaction() as tx:
        await tx.lock(["OrganisationUnit"])
        known = await hub.find("OrganisationUnit", "number", number)
        edits = hub.edits(tx, Cause("person", by), "OrganisationUnit")
        if known:
            return await edits.change(known[0].id, fields)
        return await edits.create("OrganisationUnit", fields, alike=True)


async def list_units(hub: BusinessHub) -> list[Item]:
    """All units, those above before those below."""
    found = [one for kind in ABOVE for one in await hub.find("OrganisationUnit", "kind", kind, EVERY)]
    by_id = {one.id: one for one in found}

    def path(one: Item) -> tuple[str, ...]:
        above = by_id.get(one.fields.get("parent") or "")
        return (*(path(above) if above else ()), str(one.fields.get("number")))

    return sorted(found, key=path)


async def check_units(hub: BusinessHub) -> list[UnitCheck]:
    """Whether each unit is the same on both sides: in its place in the tree, its customer in every system, its places
    in the ERP. Raises ``Unavailable``."""
    units = await list_units(hub)
    by_id = {one.id: one for one in units}
    system = supplier(hub)
    found = []
    for one in units:
        fields, faults = one.fields, []
        parent = by_id.get(fields.get("parent") or "")
        if (parent.fields.get("kind") if parent else None) != ABOVE[str(fields["kind"])]:
            faults.append("It is not below what it belongs to.")
        faults += await _customer_faults(hub, fields.get("customer"))
        faults += await _place_faults(hub, system, [fields.get("place"), fields.get("consignment_place")])
        found.append(
            UnitCheck(
                number=str(fields.get("number")),
                name=str(fields.get("name")),
                kind=str(fields["kind"]),
                parent=str(parent.fields.get("number")) if parent else None,
                faults=tuple(faults),
            )
        )
    return found


async def _customer_faults(hub: BusinessHub, item: str | None) -> list[str]:
    if item is None:
        return []
    links = [link for link in await hub.links([item]) if link.state is not LinkState.UNLINKED]
    if not any(link.state is LinkState.LINKED for link in links):
        return ["Its customer is in no system."]
    return [
        f"Its customer is not in step in {link.system}: {link.problem.message if link.problem else link.state}"
        for link in links
        if link.state is not LinkState.LINKED or link.problem is not None
    ]


async def _place_faults(hub: BusinessHub, system: str, places: Sequence[Any]) -> list[str]:
    faults = []
    for place in places:
        if not place:
            continue
        try:
            await hub.ask(system, STATIONED.name, StationedAsked(places=(str(place),)))
        except Rejected as error:
            faults.append(error.message)
    return faults
